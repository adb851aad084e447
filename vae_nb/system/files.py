"""Write files so that each one is either complete or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from vae_nb.system.errors import FilesError


def make_folder(path: str | Path) -> None:
    """Make a folder to write to, and the folders above it that are missing.

    Raises
    ------
    FilesError
        If the folder cannot be made, for example because a file has its name, or if this user
        may not write to it.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: the name contains a null byte
        reason = getattr(error, "strerror", None) or error
        raise FilesError(f"Cannot make the folder {path}: {reason}.") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise FilesError(f"Cannot write to the folder {path}: this user is not allowed to.")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and move it to `path` when the block ends well.

    The file at `path` is not touched until the new one is complete and flushed to the disk. If the
    block fails, the old file stays. The temporary name has the same suffix as `path`, because some
    libraries choose a format by the suffix.

    Parameters
    ----------
    path : str or Path
        The place of the finished file. Its folder is made if it is missing.

    Yields
    ------
    Path
        The temporary path, to write to.

    Raises
    ------
    FilesError
        If the operating system refuses, for example because the disk is full or the folder is
        read-only.
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


def remove_parts(*folders: Path) -> None:
    """Remove the temporary files of `atomic_path` that killed processes left in some folders."""
    for folder in folders:
        for part in folder.glob(".*.*.partial.*"):
            with suppress(OSError, ValueError):  # ValueError: no process number in the name
                process_id = int(part.name.split(".")[-3])
                if not psutil.pid_exists(process_id):
                    part.unlink()


def replace(temporary: str | Path, path: str | Path) -> None:
    """Flush a file to the disk, then move it to the place of another one in a single step.

    Parameters
    ----------
    temporary, path : str or Path
        The new file and its final place, both in the same folder.

    Raises
    ------
    OSError
        If the operating system refuses. The old file at `path` is then still there.
    """
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    # Flush the folder too, so that the new name survives a power failure. Not every system can
    # open a folder; that is no reason to fail, because the file is already complete.
    with suppress(OSError):
        folder = os.open(Path(path).parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
