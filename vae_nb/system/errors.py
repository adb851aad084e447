"""The one family of errors that a reader's mistake can raise."""

import re

# Control characters, line ends, and the surrogates that stand for bytes that are no UTF-8.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def printable(value):
    """Text in one line that any terminal and file can take, whatever a file or its name holds."""
    return UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], str(value))


class VaeNbError(Exception):
    """A mistake in what the package was given, told in one sentence.

    The message says what is wrong, where (a key path or a file), what was found and what is
    allowed. Everything else that is raised is a bug of the package.

    Parameters
    ----------
    sentences : str
        A line of the message each.
    """

    def __init__(self, *sentences):
        self.errors = [printable(sentence) for sentence in sentences]
        super().__init__("\n".join(self.errors))

    def _render_traceback_(self):
        # IPython and ipykernel ask for this method: a notebook shows the sentence alone.
        return [f"{type(self).__name__}: {self}"]


class ConfigError(VaeNbError):
    """A configuration, or an override of one, that is not legal."""


class ImagesError(VaeNbError):
    """A folder of pictures that cannot be used."""


class ModelError(VaeNbError):
    """A model, or a file of one, that cannot be used."""


class FilesError(VaeNbError):
    """A path that cannot be read or written."""


class TrainingDiverged(VaeNbError):
    """A training whose loss is no finite number any more."""


class Interrupted(VaeNbError):
    """Work that a signal or a stop button ended; what it had done is kept."""
