"""The series of notebooks, executed by papermill, several at a time."""

import concurrent.futures
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vae_nb.run.continuing import continuing_command, numbers_text
from vae_nb.run.notebook_runner import NotebookRunner
from vae_nb.run.progress import BarLines
from vae_nb.run.workspace import Workspace
from vae_nb.system.cores import THREAD_VARIABLES, core_count
from vae_nb.system.errors import FilesError, Interrupted, VaeNbError
from vae_nb.system.files import make_folder
from vae_nb.system.paths import PROJECT_ROOT, from_project_root
from vae_nb.system.signals import HeldSignals, hold_signals

NOTEBOOKS_FOLDER = PROJECT_ROOT / "notebooks"
# A notebook's code contains the first one if it loads the configured model, or trains one if there
# is none; and the second one if it trains it in any case. A notebook's own models do not count.
LOADS_THE_MODEL = "load_or_train(config, output_dir"
TRAINS_THE_MODEL = "train_and_save(config, output_dir"


def series_notebooks(only: str | None = None) -> list[Path]:
    """List the notebooks of the series, in order.

    Parameters
    ----------
    only : str or None
        Numbers and ranges, for example "04-06" or "1,5-7". None means all.

    Raises
    ------
    FilesError
        If there are no notebooks, or `only` names one that does not exist.
    """
    notebooks = sorted(NOTEBOOKS_FOLDER.glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise FilesError(f"There are no notebooks in {NOTEBOOKS_FOLDER}.")
    if only is None:
        return notebooks
    wanted = _selected_numbers(only)
    notebook_of = {int(notebook.name[:2]): notebook for notebook in notebooks}
    if not wanted or not wanted <= notebook_of.keys():
        available = f"{min(notebook_of):02d} to {max(notebook_of):02d}"
        raise FilesError(f"--only is {only!r}; the notebooks of the series are {available}.")
    return [notebook_of[number] for number in sorted(wanted)]


def _selected_numbers(only: str) -> set[int]:
    """Return the numbers in a text of numbers and ranges."""
    numbers = set()
    for part in only.split(","):
        match = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part)
        if not match:
            raise FilesError(f"--only is {only!r}; allowed are numbers and ranges like 04-06.")
        first = int(match[1])
        last = int(match[2] or first)
        numbers |= set(range(first, last + 1))
    return numbers


def run_series(
    config_path: str | Path = "config.json",
    output_dir: str | Path = "output",
    overrides: dict[str, Any] | None = None,
    only: str | None = None,
    *,
    jobs: int = 1,
    resume: bool = False,
    wait: bool = False,
    notebooks_to: str | None = None,
    on_notebook: Callable[[str, float], object] | None = None,
    progress: bool = True,
) -> list[Path]:
    """Execute the notebooks into the output folder, each in its own kernel.

    A notebook starts as soon as a job is free and, if it needs a trained model, there is one.
    Ctrl-C or SIGTERM interrupts the notebooks. A training in them then ends with a checkpoint.

    Parameters
    ----------
    config_path, output_dir : str or Path
        Relative paths start at the project's root.
    overrides : dict or None
        Dotted key paths of the configuration to values.
    only : str or None
        Which notebooks; see `series_notebooks`.
    jobs : int
        How many notebooks at a time. They share the processor's cores.
    resume : bool
        Whether the training of notebook 04 goes on from its checkpoint, if there is one.
    wait : bool
        Whether to wait for another process that writes to the output folder, or to give up.
    notebooks_to : str or None
        Where papermill stores a second copy of each executed notebook: an address that it knows,
        for example "s3://bucket/folder".
    on_notebook : callable or None
        Called as `on_notebook(name, seconds)` after each notebook.
    progress : bool
        Whether to show a progress bar over the cells of each notebook, and one over the epochs of
        a training.

    Returns
    -------
    list of Path
        The executed notebooks, in the order of the series.

    Raises
    ------
    NotebookFailed
        At the first cell that fails or kernel that dies; notebooks beside it are interrupted. The
        message names the notebook, the cell and the error. The notebook, as far as it ran, is kept
        beside the earlier results.
    Interrupted
        If a signal came. The message has the command that continues.
    FilesError
        If the output folder cannot be written, or another process writes to it.
    """
    workspace = Workspace(output_dir)
    parameters = {
        "config_path": str(from_project_root(config_path)),
        "output_dir": str(workspace.folder),
        "overrides": overrides or {},
        "watch": False,  # no one is there to watch a training
        "resume": resume,
    }
    notebooks = series_notebooks(only)
    execution = _Execution(notebooks, workspace.notebooks, parameters, jobs, progress)
    with workspace.lock(wait), hold_signals(execution.interrupt) as signals:
        if notebooks_to is not None:
            _store_copy(notebooks[0], notebooks_to)  # a wrong address fails before a training
        try:
            execution.run(signals, on_notebook)
        except VaeNbError as error:
            is_saved = execution.is_training_interrupted and workspace.checkpoint_path.exists()
            if not isinstance(error, Interrupted) and not is_saved:
                raise
            left = [notebook for notebook in notebooks if notebook not in execution.executed]
            command = continuing_command(
                config_path,
                workspace.folder,
                overrides or {},
                only if left == notebooks else numbers_text(left),
                resume=resume or is_saved,
            )
            saved = "The training so far is saved. " if is_saved else ""
            raise type(error)(*error.errors, f"{saved}To continue: {command}") from None
        executed = [execution.executed[notebook] for notebook in notebooks]
        if notebooks_to is not None:
            for path in executed:
                _store_copy(path, notebooks_to)
    return executed


def _store_copy(path: Path, address: str) -> None:
    """Have papermill write a notebook to one of the addresses that it knows."""
    import papermill.iorw

    if "://" not in address:
        make_folder(address)
    address = f"{address.rstrip('/')}/{path.name}"
    try:
        papermill.iorw.write_ipynb(papermill.iorw.load_notebook_node(str(path)), address)
    except Exception as error:  # each kind of storage has a library with its own errors
        raise FilesError(f"Cannot store {path.name} at {address}: {error}") from None


def model_users(notebooks: Sequence[Path]) -> list[Path]:
    """List the notebooks that train the model or load it.

    The first one trains the model, if there is none. The others can only start when it has ended.
    """
    users = []
    for notebook in notebooks:
        text = notebook.read_text(encoding="utf-8")
        if LOADS_THE_MODEL in text or TRAINS_THE_MODEL in text:
            users.append(notebook)
    return users


class _Execution:
    """Notebooks while they are executed, several at a time.

    Attributes
    ----------
    executed : dict of Path to Path
        The notebooks that have ended well, and their results.
    is_training_interrupted : bool
        Whether a training was interrupted, which then tried to save a checkpoint.
    """

    def __init__(
        self,
        notebooks: Sequence[Path],
        folder: Path,
        parameters: dict[str, Any],
        jobs: int,
        progress: bool,
    ) -> None:
        self.folder = folder
        self.parameters = parameters
        self.jobs = min(jobs, len(notebooks))
        self.executed: dict[Path, Path] = {}
        self.is_training_interrupted = False
        self._progress = progress
        users = model_users(notebooks)
        self._trainer = users[0] if users else None
        self._waiting_for_it = users[1:]
        # What others wait for comes first: with them it is the longest chain.
        self._not_started = sorted(notebooks, key=lambda notebook: notebook != self._trainer)
        self._running: dict[concurrent.futures.Future[Path], NotebookRunner] = {}
        self._started_at: dict[NotebookRunner, float] = {}
        self._free_lines = list(range(self.jobs))  # for bars, below the cursor

    def run(
        self, signals: HeldSignals, on_notebook: Callable[[str, float], object] | None = None
    ) -> None:
        """Execute the notebooks until all have ended, one fails, or a signal comes."""
        make_folder(self.folder)
        errors: list[VaeNbError] = []
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            try:
                while True:
                    if signals.number is None and not errors:
                        self._start_notebooks(pool)
                    if signals.number is not None or errors:
                        self.interrupt()  # again: the first time it may not have been heard
                    if not self._running:
                        break
                    for runner, result in self._ended():
                        if isinstance(result, VaeNbError):
                            errors.append(result)
                            continue
                        self.executed[runner.notebook] = result
                        if on_notebook is not None:
                            seconds = time.perf_counter() - self._started_at[runner]
                            on_notebook(runner.notebook.stem, seconds)
            except BaseException:
                self.interrupt()
                raise
        if signals.number is not None and self._not_started and not errors:
            raise Interrupted(f"Interrupted: {self._not_started[0].name} was not started.")
        failures = [error for error in errors if not isinstance(error, Interrupted)]
        if failures:
            raise failures[0]
        if errors:
            raise Interrupted(*(sentence for error in errors for sentence in error.errors))

    def interrupt(self) -> None:
        """Interrupt the notebooks that are running."""
        for runner in list(self._running.values()):
            runner.interrupt()

    def _start_notebooks(self, pool: concurrent.futures.Executor) -> None:
        """Start the notebooks that need not wait, as many as there are free jobs."""
        for notebook in list(self._not_started):
            if len(self._running) == self.jobs:
                break
            if notebook in self._waiting_for_it and self._trainer not in self.executed:
                continue
            bars = None
            if self._progress:
                training_line = self.jobs if notebook == self._trainer else None
                bars = BarLines(self._free_lines.pop(0), training_line)
            environment = self._environment(notebook)
            runner = NotebookRunner(notebook, self.folder, self.parameters, environment, bars)
            self._not_started.remove(notebook)
            self._started_at[runner] = time.perf_counter()
            self._running[pool.submit(runner.execute)] = runner

    def _environment(self, notebook: Path) -> dict[str, str]:
        """Return the variables that share the cores out.

        The training gets all cores but one for each other job: it takes longest, and others wait
        for it. With more threads than cores, each of its matrix products would wait for a thread
        that another notebook keeps from running.
        """
        if self.jobs == 1:
            return {}
        threads = max(1, core_count() // self.jobs)
        if notebook == self._trainer:
            threads = max(threads, core_count() - self.jobs + 1)
        return {name: str(threads) for name in THREAD_VARIABLES if name not in os.environ}

    def _ended(self) -> list[tuple[NotebookRunner, Path | VaeNbError]]:
        """Wait until notebooks end; return their runners with their results or errors."""
        # With a limit, because Windows hears no Ctrl-C during an endless wait.
        futures, _ = concurrent.futures.wait(
            self._running, timeout=0.5, return_when=concurrent.futures.FIRST_COMPLETED
        )
        ended: list[tuple[NotebookRunner, Path | VaeNbError]] = []
        for future in futures:
            runner = self._running.pop(future)
            if runner.bars is not None:
                self._free_lines.append(runner.bars.cells)
            self.is_training_interrupted |= runner.is_training_interrupted
            try:
                ended.append((runner, future.result()))
            except VaeNbError as error:
                ended.append((runner, error))
        return ended
