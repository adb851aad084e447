"""Files that are whole or absent, and folders that one process at a time writes to."""

import json
import os
import platform
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from vae_nb.system.errors import FilesError, printable


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


@contextmanager
def sole_writer(folder, wait=False):
    """Within it no other process is the writer of a folder, on this machine or another.

    The operating system gives a lock back when its process ends, however it ends. A process
    that the writer started (a kernel) writes in its name.

    Parameters
    ----------
    folder : str or Path
        Made if it is missing. The lock and a note of who holds it are files in it.
    wait : bool
        Whether to wait for another process, and say so, or to give up at once.

    Raises
    ------
    FilesError
        If another process is the writer; it is named. If the folder cannot be written.
    """
    import filelock

    folder = Path(folder)
    make_folder(folder)
    lock, note = filelock.FileLock(folder / ".lock"), folder / ".lock.json"
    try:
        with suppress(filelock.Timeout):
            lock.acquire(timeout=0)
        if not lock.is_locked:
            owner = _owner_in(note)
            who = "process {pid} ({command}) on {host}, since {since}".format_map(owner)
            ancestors = [process.pid for process in psutil.Process().parents()]
            in_its_name = owner["host"] == platform.node() and owner["pid"] in ancestors
            if not in_its_name and not wait:
                raise FilesError(
                    f"{folder} is being written by {who}: wait for it, end it, or choose another "
                    "output folder."
                )
            if not in_its_name:
                print(printable(f"Waiting for {who}, which is writing to {folder}."), flush=True)
                lock.acquire()
    except OSError as error:
        raise FilesError(f"Cannot lock {folder}: {error.strerror or error}.") from None
    try:
        if lock.is_locked:
            with atomic_path(note) as temporary:
                temporary.write_text(json.dumps(_this_process()), encoding="utf-8")
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):
                note.unlink()
            lock.release()


def _this_process():
    return {
        "pid": os.getpid(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "host": platform.node(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _owner_in(note):
    """What the holder of a lock wrote down; the holder may not have come to it yet."""
    unknown = dict.fromkeys(_this_process(), "unknown")
    try:
        return unknown | json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return unknown
