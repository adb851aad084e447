"""Ctrl-C, a notebook's stop button and SIGTERM, held back until work can end without loss."""

import signal
import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar

from vae_nb.system.errors import Interrupted


class HeldSignals:
    """What `hold_signals` gives.

    Attributes
    ----------
    number : int or None
        The signal that came, for example `signal.SIGINT`.
    """

    number = None


_held = ContextVar("held", default=None)


@contextmanager
def hold_signals(on_signal=None):
    """Within it SIGINT and SIGTERM end nothing; whoever works looks whether one came.

    Only the main thread of a process hears signals. A block within another's, in a thread that
    was started with a copy of the context too (`asyncio.to_thread`), shares what that one holds.
    Where the work ends with `Interrupted` because of a SIGTERM, the process then ends as it would
    have without the block; a shell sees the exit code 143.

    Parameters
    ----------
    on_signal : callable or None
        Called without arguments, in the main thread, for every signal.

    Yields
    ------
    HeldSignals
    """
    held = _held.get()
    if held is not None or threading.current_thread() is not threading.main_thread():
        yield held or HeldSignals()
        return
    held = HeldSignals()

    def hold(number, frame):
        held.number = number
        if on_signal is not None:
            on_signal()

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Who ignores a signal goes on to, and a handler that is not Python's could not be put back.
    before = {n: h for n, h in handlers.items() if h not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, hold)
    token = _held.set(held)
    try:
        yield held
    except Interrupted as interrupted:
        if held.number == signal.SIGTERM:
            print(interrupted, file=sys.stderr, flush=True)
        raise
    finally:
        _held.reset(token)
        for number, handler in before.items():
            signal.signal(number, handler)
        if held.number == signal.SIGTERM:
            signal.raise_signal(held.number)
