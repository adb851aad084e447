"""Count the operations on the files of a folder, and do something at one of them."""

import io
import os
from contextlib import contextmanager

import pytest

import vae_nb.system.files

KINDS = ("write", "flush", "rename")


class Operations:
    """The operations on files that have happened, in order, as names in `KINDS`."""

    def __init__(self, act_at, act, kinds):
        self.names = []
        self.act_at = act_at
        self.act = act
        self.kinds = kinds

    def is_chosen(self, name):
        """Say whether an operation that is about to happen is the chosen one."""
        return name in self.kinds and len(self.names) == self.act_at

    def happens(self, name):
        """Count an operation. If it is the chosen one, act instead."""
        if name not in self.kinds:
            return
        is_chosen = self.is_chosen(name)
        self.names.append(name)
        if is_chosen:
            self.act()


class _File(io.FileIO):
    """A file whose writes are counted. A write that does not happen may be half done."""

    def __init__(self, path, mode, operations, half_written):
        super().__init__(path, mode)
        self.operations = operations
        self.half_written = half_written

    def write(self, data):
        if self.half_written and self.operations.is_chosen("write"):
            super().write(bytes(data)[: len(bytes(data)) // 2])
        self.operations.happens("write")
        return super().write(data)


@contextmanager
def counted_operations(folder, act_at=None, act=None, half_written=False, kinds=KINDS):
    """Count every write, flush and rename in a folder while the block runs.

    A write is counted when it reaches the operating system.

    Parameters
    ----------
    folder : Path
    act_at : int or None
        The number of the operation, counted from 0, that does not happen.
    act : callable or None
        Called without arguments instead of that operation. It raises an error or ends the process.
    half_written : bool
        Whether half of the data is written first, if the operation is a write.
    kinds : sequence of str
        Which operations are counted.

    Yields
    ------
    Operations
    """
    operations = Operations(act_at, act, kinds)
    real_open, real_fsync, real_replace = io.open, os.fsync, os.replace

    def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, **options):
        is_ours = isinstance(file, str | os.PathLike) and os.fspath(file).startswith(
            os.fspath(folder)
        )
        if not is_ours or not set(mode) & set("wax+"):
            return real_open(file, mode, buffering, encoding, errors, newline, **options)
        raw = _File(file, mode.replace("b", "").replace("t", ""), operations, half_written)
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def fsync(descriptor):
        operations.happens("flush")
        real_fsync(descriptor)

    def replace(source, target):
        operations.happens("rename")
        real_replace(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("io.open", opened)
        patch.setattr("builtins.open", opened)
        patch.setattr(vae_nb.system.files.os, "fsync", fsync)
        patch.setattr(vae_nb.system.files.os, "replace", replace)
        yield operations
