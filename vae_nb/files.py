"""Files that are whole or absent."""

import os
from contextlib import contextmanager, suppress
from pathlib import Path

from vae_nb.errors import FilesError


def make_folder(path):
    """Make a folder and those above it, where they are missing.

    Raises
    ------
    FilesError
        If the folder cannot be made, for example because a file has its name.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FilesError(f"Cannot make the folder {path}: {error.strerror}.") from None


@contextmanager
def atomic_path(path):
    """A temporary path beside `path` that takes its place when the block ends well.

    What was at `path` stays as it was until the new file is whole and flushed to the disk, and
    stays for good when the block fails. The temporary name ends as `path` does, for libraries
    that choose a format by it.

    Parameters
    ----------
    path : str or Path
        Where the file shall be. Its folder is made if it is missing.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    FilesError
        If the operating system refuses: a full disk, a read-only folder.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise FilesError(f"Cannot write {path}: {error.strerror or error}.") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
