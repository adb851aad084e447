"""Hold back Ctrl-C, a notebook's stop button and SIGTERM until the work can end without loss."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

from vae_nb.system.errors import Interrupted

logger = logging.getLogger(__name__)


class HeldSignals:
    """The signal that arrived in a block of `hold_signals`.

    Attributes
    ----------
    number : int or None
        For example `signal.SIGINT`; None if no signal arrived. The last one counts.
    """

    number: int | None = None


_held: ContextVar[HeldSignals | None] = ContextVar("held", default=None)


@contextmanager
def hold_signals(on_signal: Callable[[], object] | None = None) -> Iterator[HeldSignals]:
    """Keep SIGINT and SIGTERM from ending the process while the block runs.

    The code in the block looks from time to time whether a signal arrived, and ends its work. If
    it then raises `Interrupted` because of a SIGTERM, the process ends as it would have without
    the block, and a shell sees the exit code 143.

    Only the main thread of a process receives signals. A block inside another one shares the
    signals of the outer block. That is also true in another thread, if the thread was started with
    a copy of the context (`asyncio.to_thread`).

    Parameters
    ----------
    on_signal : callable or None
        Called without arguments, in the main thread, for every signal.

    Yields
    ------
    HeldSignals
    """
    outer = _held.get()
    if outer is not None:
        yield outer
        return
    held = HeldSignals()
    if threading.current_thread() is not threading.main_thread():
        yield held
        return

    def hold(number: int, frame: FrameType | None) -> None:
        held.number = number
        if on_signal is not None:
            on_signal()

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # A process that ignores a signal goes on ignoring it. A handler that was not set from Python
    # (None) could not be restored.
    replaced_handlers = {
        number: handler
        for number, handler in handlers.items()
        if handler not in (signal.SIG_IGN, None)
    }
    for number in replaced_handlers:
        signal.signal(number, hold)
    token = _held.set(held)
    try:
        yield held
    except Interrupted as interrupted:
        if held.number == signal.SIGTERM:
            logger.error(interrupted)
        raise
    finally:
        _held.reset(token)
        for number, handler in replaced_handlers.items():
            signal.signal(number, handler)
        if held.number == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)
