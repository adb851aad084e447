"""The series of notebooks, executed in order by papermill."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil

from vae_nb.run.continuing import continuing_command, numbers_text
from vae_nb.run.progress import NotebookBar, notebook_bar
from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import FilesError, Interrupted, VaeNbError
from vae_nb.system.files import make_folder, replace
from vae_nb.system.paths import PROJECT_ROOT, from_project_root
from vae_nb.system.signals import HeldSignals, hold_signals

NOTEBOOKS_FOLDER = PROJECT_ROOT / "notebooks"
REPORT = "10"  # the number of the notebook that compares the runs of a sweep
# What papermill calls the error of an interrupted cell; the second one if the first did not arrive.
NAMES_OF_AN_INTERRUPT = ("KeyboardInterrupt", "CellExecutionError")


class NotebookFailed(VaeNbError):
    """A notebook of the series did not run to its end."""


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
    resume: bool = False,
    wait: bool = False,
    notebooks_to: str | None = None,
    on_notebook: Callable[[str, float], object] | None = None,
    progress: bool = True,
) -> list[Path]:
    """Execute the notebooks into the output folder, each in its own kernel.

    Ctrl-C or SIGTERM interrupts the notebook. A training in it then ends with a checkpoint.

    Parameters
    ----------
    config_path, output_dir : str or Path
        Relative paths start at the project's root.
    overrides : dict or None
        Dotted key paths of the configuration to values.
    only : str or None
        Which notebooks; see `series_notebooks`.
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
        The executed notebooks.

    Raises
    ------
    NotebookFailed
        At the first cell that fails or kernel that dies. The message names the notebook, the cell
        and the error. The notebook, as far as it ran, is kept beside the earlier results.
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
    executed: list[Path] = []
    with (
        workspace.lock(wait),
        _notebook_runner(workspace.notebooks, parameters, progress) as runner,
    ):
        notebooks = series_notebooks(only)
        if notebooks_to is not None:
            _store_copy(notebooks[0], notebooks_to)  # a wrong address fails before a training
        for position, notebook in enumerate(notebooks):
            started = time.perf_counter()
            try:
                executed.append(runner.execute(notebook))
            except Interrupted as interrupted:
                is_saved = runner.is_training_interrupted and workspace.checkpoint_path.exists()
                command = continuing_command(
                    config_path,
                    workspace.folder,
                    overrides or {},
                    only if position == 0 else numbers_text(notebooks[position:]),
                    resume=resume or is_saved,
                )
                saved = "The training so far is saved. " if is_saved else ""
                raise Interrupted(*interrupted.errors, f"{saved}To continue: {command}") from None
            if on_notebook is not None:
                on_notebook(notebook.stem, time.perf_counter() - started)
        if notebooks_to is not None:
            for path in executed:
                _store_copy(path, notebooks_to)
    return executed


def run_report(sweep_dir: Path, progress: bool = True) -> Path:
    """Execute the notebook that compares a sweep's runs, into the sweep's folder.

    Parameters
    ----------
    sweep_dir : Path
        A folder with the tables of a sweep.
    progress : bool
        Whether to show a progress bar over the cells.

    Returns
    -------
    Path
        The executed notebook.

    Raises
    ------
    NotebookFailed, Interrupted, FilesError
        For the same reasons as `run_series`.
    """
    parameters = {"sweep_dir": str(sweep_dir), "output_dir": str(sweep_dir)}
    with _notebook_runner(sweep_dir, parameters, progress) as runner:
        (notebook,) = series_notebooks(REPORT)
        return runner.execute(notebook)


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


@contextmanager
def _notebook_runner(
    folder: Path, parameters: dict[str, Any], progress: bool
) -> Iterator["_NotebookRunner"]:
    """Within this context, a runner executes notebooks, and signals interrupt its notebook."""
    runner = _NotebookRunner(folder, parameters, progress)
    with hold_signals(runner.interrupt_cell) as signals:
        runner.signals = signals
        make_folder(folder)
        yield runner


class _NotebookRunner:
    """Executes notebooks into a folder.

    A kernel hears an interrupt only while one of its cells is running. If a signal comes at another
    time, the notebook ends before its next cell.

    Attributes
    ----------
    is_training_interrupted : bool
        Whether a signal interrupted a training, which then tried to save a checkpoint.
    """

    def __init__(self, folder: Path, parameters: dict[str, Any], progress: bool) -> None:
        self.folder = folder
        self.parameters = parameters
        self.progress = progress
        self.signals = HeldSignals()
        self.is_training_interrupted = False
        self._is_cell_running = False

    def interrupt_cell(self) -> None:
        """Interrupt the running cell, if there is one."""
        if self._is_cell_running:
            _interrupt_kernels()

    def execute(self, notebook: Path) -> Path:
        """Execute one notebook. Only a complete result replaces an earlier one."""
        import papermill

        self._check_signals(notebook, 0)  # before a kernel is started, which takes seconds
        path = self.folder / notebook.name
        unfinished = self.folder / f"{notebook.stem}.unfinished.ipynb"
        known = papermill.inspect_notebook(notebook)
        parameters = {name: value for name, value in self.parameters.items() if name in known}
        try:
            problem = self._execute_cells(notebook, unfinished, parameters)
            if problem is None:
                replace(unfinished, path)
        except OSError as error:
            raise FilesError(f"Cannot write {path}: {error.strerror or error}.") from None
        except UnicodeError:
            raise FilesError(f"Cannot write {path}: its name is not valid text.") from None
        if self.signals.number is not None:
            if self.is_training_interrupted:
                raise Interrupted(f"{notebook.name}: {problem}")
            raise Interrupted(f"Interrupted: {notebook.name} {problem or 'was the last to end.'}")
        if problem is not None:
            raise NotebookFailed(
                f"{notebook.name} {problem} As far as it ran it is in {unfinished}."
            )
        return path

    def _execute_cells(
        self, notebook: Path, unfinished: Path, parameters: dict[str, Any]
    ) -> str | None:
        """Execute a notebook into an unfinished one; return what went wrong, or None."""
        import papermill

        def before_cell(cell: dict[str, Any], cell_index: int) -> None:
            if bar is not None:
                bar.cell = cell_index
            self._check_signals(notebook, cell_index)

        def after_sending(**_: object) -> None:
            self._is_cell_running = True
            if self.signals.number is not None:  # a signal came while the cell was sent
                _interrupt_kernels()

        def after_cell(**_: object) -> None:
            self._is_cell_running = False

        bar: NotebookBar | None
        try:
            with self._bar(notebook, len(parameters)) as bar, _without_strict_warnings():
                result = papermill.execute_notebook(
                    notebook,
                    unfinished,
                    parameters,
                    kernel_name="python3",
                    cwd=notebook.parent,
                    progress_bar=False,
                    on_cell_start=before_cell,
                    on_cell_complete=after_sending,  # nbclient calls it when it has sent the cell
                    on_cell_executed=after_cell,
                    # Each kernel would warn that it listens without encryption on this machine.
                    extra_arguments=["--IPKernelApp.log_level=ERROR"],
                )
        except papermill.PapermillExecutionError as error:
            if error.ename == Interrupted.__name__:
                self.is_training_interrupted = True
                return error.evalue
            if error.ename in NAMES_OF_AN_INTERRUPT:
                return f"ended in its cell [{error.exec_count}]."
            reason = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
            return f"failed in cell [{error.exec_count}]: {reason}"
        except RuntimeError:  # the kernel died, now or when it was started
            return "failed: its kernel was killed, perhaps because the memory was full."
        # A cell that exits ends a notebook without an error.
        code_cells = [cell for cell in result.cells if cell.cell_type == "code" and cell.source]
        if any(cell.execution_count is None for cell in code_cells):
            return "ended before its last cell."
        return None

    def _bar(self, notebook: Path, parameters: int) -> AbstractContextManager[NotebookBar | None]:
        """Return the context in which the notebook's bar is shown, if it is wanted."""
        if not self.progress:
            return nullcontext()
        cells = len(json.loads(notebook.read_text(encoding="utf-8"))["cells"])
        if parameters > 0:
            cells += 1  # papermill adds a cell with the parameters
        progress_path = Workspace(self.parameters["output_dir"]).progress_path
        return notebook_bar(notebook.stem, cells, progress_path)

    def _check_signals(self, notebook: Path, cell_index: int) -> None:
        """Raise Interrupted if a signal came."""
        if self.signals.number is not None:
            raise Interrupted(f"Interrupted: {notebook.name} ended before its cell {cell_index}.")


@contextmanager
def _without_strict_warnings() -> Iterator[None]:
    """Within this context, kernels start without PYTHONWARNINGS.

    Where it makes errors of warnings, ipykernel itself fails, because its code has some.
    """
    warnings = os.environ.pop("PYTHONWARNINGS", None)
    try:
        yield
    finally:
        if warnings is not None:
            os.environ["PYTHONWARNINGS"] = warnings


def _interrupt_kernels() -> None:
    """Pass an interrupt on: kernels have their own sessions and do not hear the terminal."""
    interrupt = getattr(signal, "CTRL_C_EVENT", signal.SIGINT)  # Windows has the first one
    for kernel in psutil.Process().children():
        with suppress(psutil.Error):  # it may have ended by now
            kernel.send_signal(interrupt)
