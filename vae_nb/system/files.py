"""Files that are whole or absent."""

import os
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from vae_nb.system.errors import FilesError


def make_folder(path):
    """Make a folder to write to and those above it, where they are missing.

    Raises
    ------
    FilesError
        If the folder cannot be made, for example because a file has its name, or not be written to.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a name may have a null byte
        reason = getattr(error, "strerror", None) or error
        raise FilesError(f"Cannot make the folder {path}: {reason}.") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise FilesError(f"Cannot write into the folder {path}: this user may not.")


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
        replace(temporary, path)
    except OSError as error:
        raise FilesError(f"Cannot write {path}: {error.strerror or error}.") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_parts(*folders):
    """Remove what killed processes left in folders of files that they were writing.

    Parameters
    ----------
    folders : Path
    """
    for folder in folders:
        for part in folder.glob(".*.*.partial.*"):
            with suppress(OSError, ValueError):
                if not psutil.pid_exists(int(part.name.split(".")[-3])):
                    part.unlink()


def replace(temporary, path):
    """Flush a file to the disk and let it take another's place, at once and for good.

    Parameters
    ----------
    temporary, path : str or Path
        In one folder.

    Raises
    ------
    OSError
        If the operating system refuses; what was at `path` is still there then.
    """
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    with suppress(OSError):  # not every system can open a folder, and the file is whole
        folder = os.open(Path(path).parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name too shall outlive a loss of power
        finally:
            os.close(folder)
