"""Folders that one process at a time writes to."""

import json
import os
import platform
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from vae_nb.system.errors import FilesError, printable
from vae_nb.system.files import atomic_path, make_folder


@contextmanager
def folder_lock(folder, wait=False):
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
