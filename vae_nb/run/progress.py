"""How far a training is, told to another process, and the bars that show it there.

A notebook trains in its kernel's process. `ProgressFile` writes how far it is into a small file in
the output folder, and the process that executes the notebook reads it.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from vae_nb.core.training import TrainingState

SECONDS_BETWEEN_WRITES = 0.3
SECONDS_BETWEEN_SHOWS = 0.5
SECONDS_BETWEEN_SHOWS_IN_A_LOG = 30  # where every refreshed bar is another line

CELLS_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} cells [{elapsed}]"
EPOCHS_FORMAT = (
    "  {desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} epochs "
    "[{elapsed}, {remaining} left{postfix}]"
)


class TrainingProgress(NamedTuple):
    """How far a training is: its complete epochs, of how many, and the losses of the last one."""

    epoch: int
    epochs: int
    losses: str  # "" before the first epoch


# --- in the process that trains ---


class ProgressFile:
    """Write from time to time how far a training is; `train` takes it as `on_step_end`.

    Parameters
    ----------
    path : Path
        The file. It only matters while the training runs, so that it may be missing or incomplete
        for a moment, and a disk that is full does not end the training.
    complete_epochs, epochs : int
        How many epochs are complete already, and how many there will be.
    """

    def __init__(self, path: Path, complete_epochs: int, epochs: int) -> None:
        self.path = path
        self.epochs = epochs
        self._write(complete_epochs, "")

    def __call__(self, state: Callable[[], TrainingState], epoch_ended: bool) -> None:
        """Write the file if an epoch has ended, unless it was just written."""
        if not epoch_ended or time.perf_counter() - self._written_at < SECONDS_BETWEEN_WRITES:
            return
        arrays = state().arrays
        train_total = arrays["train_total"][-1]
        validation_total = arrays["validation_total"][-1]
        losses = f"loss {train_total:.0f}, held-out {validation_total:.0f} nats"
        self._write(len(arrays["epoch"]), losses)

    def _write(self, epoch: int, losses: str) -> None:
        self._written_at = time.perf_counter()
        progress = TrainingProgress(epoch, self.epochs, losses)
        with suppress(OSError):
            self.path.write_text(json.dumps(progress._asdict()), encoding="utf-8")

    def remove(self) -> None:
        """Remove the file."""
        remove_progress(self.path)


def remove_progress(path: Path) -> None:
    """Remove the file of a training that has ended, or was killed."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


# --- in the process that shows it ---


def read_progress(path: Path) -> TrainingProgress | None:
    """Read how far a training is. None if none is running, or the file is just being written."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return TrainingProgress(int(values["epoch"]), int(values["epochs"]), str(values["losses"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def seconds_between_shows() -> float:
    """Return how often a bar is refreshed: in a terminal, often enough that its clock ticks."""
    return SECONDS_BETWEEN_SHOWS if sys.stderr.isatty() else SECONDS_BETWEEN_SHOWS_IN_A_LOG


class BarLines(NamedTuple):
    """In which lines bars are, counted from the cursor down: of the cells, and of a training."""

    cells: int
    training: int | None  # None: the notebook does not train


class NotebookBar:
    """A bar over the cells of a notebook, and below it one over the epochs of its training.

    Attributes
    ----------
    cell : int
        How many cells are complete.
    """

    def __init__(self, name: str, cells: int, progress_path: Path, lines: BarLines) -> None:
        from tqdm.auto import tqdm

        self.cell = 0
        self._progress_path = progress_path
        self._make_bar = tqdm
        self._training_line = lines.training
        self._cells = tqdm(
            desc=name, total=cells, position=lines.cells, leave=False, bar_format=CELLS_FORMAT
        )
        self._epochs: Any = None  # the bar of a training, while there is one

    def show(self) -> None:
        """Bring the bars up to date."""
        self._cells.n = self.cell
        self._cells.refresh()
        if self._training_line is None:
            return
        progress = read_progress(self._progress_path)
        if progress is None:
            self._close_epochs()
            return
        if self._epochs is None:
            self._epochs = self._make_bar(
                desc="Training",
                total=progress.epochs,
                initial=progress.epoch,
                position=self._training_line,
                leave=False,
                bar_format=EPOCHS_FORMAT,
            )
        self._epochs.n = progress.epoch
        self._epochs.set_postfix_str(progress.losses)  # refreshes it, too

    def close(self) -> None:
        """Remove the bars from the terminal."""
        self._close_epochs()
        self._cells.close()

    def _close_epochs(self) -> None:
        if self._epochs is not None:
            self._epochs.close()
            self._epochs = None


@contextmanager
def notebook_bar(
    name: str, cells: int, progress_path: Path, lines: BarLines
) -> Iterator[NotebookBar]:
    """Within this context, a `NotebookBar` is shown, and a thread keeps it up to date.

    Parameters
    ----------
    name : str
        The notebook's.
    cells : int
        How many it has.
    progress_path : Path
        The file of `ProgressFile`.
    lines : BarLines
        Where they are shown.
    """
    bar = NotebookBar(name, cells, progress_path, lines)
    ended = threading.Event()

    def keep_up_to_date() -> None:
        while not ended.wait(seconds_between_shows()):
            bar.show()

    thread = threading.Thread(target=keep_up_to_date, daemon=True)
    thread.start()
    try:
        yield bar
    finally:
        ended.set()
        thread.join()
        bar.close()
