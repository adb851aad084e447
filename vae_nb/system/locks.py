"""Let only one process at a time write to a folder."""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from vae_nb.system.errors import FilesError, printable
from vae_nb.system.files import atomic_path, make_folder

if TYPE_CHECKING:
    from filelock import BaseFileLock

logger = logging.getLogger(__name__)

UNKNOWN_OWNER = {"pid": "unknown", "command": "unknown", "host": "unknown", "since": "unknown"}


@contextmanager
def folder_lock(folder: str | Path, wait: bool = False) -> Iterator[None]:
    """Keep every other process, on this machine or another, from writing to a folder.

    The lock lasts until the block ends. The operating system also releases it when the process
    ends, however it ends. A process that was started by the owner of the lock, for example a
    kernel, may write too.

    Parameters
    ----------
    folder : str or Path
        It is made if it is missing. The lock, and a note that says who holds it, are files in it.
    wait : bool
        Whether to say so and wait for another process, or to give up at once.

    Raises
    ------
    FilesError
        If another process writes to the folder (the message names it), or if this user may not
        write to the folder.
    """
    import filelock

    folder = Path(folder)
    make_folder(folder)
    lock = filelock.FileLock(folder / ".lock")
    note = folder / ".lock.json"
    try:
        _acquire(lock, folder, note, wait)
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


def _acquire(lock: BaseFileLock, folder: Path, note: Path, wait: bool) -> None:
    """Take the lock, or leave it to its owner if that process started this one."""
    import filelock

    with suppress(filelock.Timeout):
        lock.acquire(timeout=0)
    if lock.is_locked:
        return
    owner = _read_owner(note)
    if _started_this_process(owner):
        return
    who = f"process {owner['pid']} ({owner['command']}) on {owner['host']}, since {owner['since']}"
    if not wait:
        raise FilesError(
            f"{folder} is being written by {who}: wait for it (the option --wait does), end it, or "
            "choose another output folder."
        )
    logger.warning(printable(f"Waiting for {who}, which is writing to {folder}."))
    lock.acquire()


def _this_process() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "host": platform.node(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _read_owner(note: Path) -> dict[str, Any]:
    """Read who holds the lock. The owner may not have written its note yet."""
    try:
        return UNKNOWN_OWNER | json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):  # TypeError: the note is not a JSON object
        return UNKNOWN_OWNER


def _started_this_process(owner: dict[str, Any]) -> bool:
    ancestors = [process.pid for process in psutil.Process().parents()]
    return owner["host"] == platform.node() and owner["pid"] in ancestors
