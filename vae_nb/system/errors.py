"""The errors that this package raises when what it was given is wrong."""

import re

# Control characters, line ends, and the surrogates that stand for bytes that are not UTF-8.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def printable(value: object) -> str:
    """Return a value as one line of text that any terminal and any file can take.

    Names of files and what is in them may hold line ends, control characters and bytes that are
    not UTF-8. These are escaped.
    """
    return UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], str(value))


class VaeNbError(Exception):
    """A mistake in what the package was given.

    The message says what is wrong, where (a key path or a file), what was found and what is
    allowed. Any other exception is a bug in the package.

    Parameters
    ----------
    sentences : str
        Each is one line of the message.

    Attributes
    ----------
    errors : list of str
        The sentences, with what cannot be printed escaped.
    """

    def __init__(self, *sentences: str) -> None:
        self.errors = [printable(sentence) for sentence in sentences]
        super().__init__("\n".join(self.errors))

    def _render_traceback_(self) -> list[str]:
        # IPython and ipykernel call this method: a notebook shows the message without a traceback.
        return [f"{type(self).__name__}: {self}"]


class ConfigError(VaeNbError):
    """A configuration, or an override of one, is not valid."""


class ImagesError(VaeNbError):
    """A folder of images cannot be used."""


class ModelError(VaeNbError):
    """A model, or the file of a model, cannot be used."""


class FilesError(VaeNbError):
    """A path cannot be read or written."""


class TrainingDiverged(VaeNbError):
    """The loss of a training became NaN or infinite."""


class Interrupted(VaeNbError):
    """A signal or a stop button ended the work. What was done until then is kept."""
