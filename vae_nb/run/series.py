"""The notebooks, executed in order by papermill."""

import re
import signal
import time
from contextlib import contextmanager, suppress

import psutil

from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import FilesError, Interrupted, VaeNbError
from vae_nb.system.files import make_folder, replace
from vae_nb.system.paths import PROJECT_ROOT, from_project_root
from vae_nb.system.signals import hold_signals

NOTEBOOKS_FOLDER = PROJECT_ROOT / "notebooks"


REPORT = "10"  # the number of the notebook that compares the runs of a sweep


class NotebookFailed(VaeNbError):
    """A notebook of the series that did not run to its end."""


def series_notebooks(only=None):
    """The notebooks of the series, in order.

    Parameters
    ----------
    only : str or None
        Numbers and ranges, for example "04-06" or "1,5-7"; None means all.

    Returns
    -------
    list of Path

    Raises
    ------
    FilesError
        If the notebooks are not there, or `only` names none of them.
    """
    notebooks = sorted(NOTEBOOKS_FOLDER.glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise FilesError(f"There are no notebooks in {NOTEBOOKS_FOLDER}.")
    if only is None:
        return notebooks
    wanted = set()
    for part in only.split(","):
        match = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part)
        if not match:
            raise FilesError(f"--only is {only!r}; allowed are numbers and ranges like 04-06.")
        first, last = int(match[1]), int(match[2] or match[1])
        wanted |= set(range(first, last + 1))
    numbers = {int(notebook.name[:2]): notebook for notebook in notebooks}
    if not wanted or wanted - set(numbers):
        have = f"{min(numbers):02d} to {max(numbers):02d}"
        raise FilesError(f"--only is {only!r}; the notebooks of the series are {have}.")
    return [numbers[number] for number in sorted(wanted)]


def run_series(
    config_path="config.json",
    output_dir="output",
    overrides=None,
    only=None,
    *,
    resume=False,
    wait=False,
    notebooks_to=None,
    on_notebook=None,
    progress=True,
):
    """Execute the notebooks into the output folder, each in a kernel of its own.

    An interrupt or SIGTERM interrupts the notebook, which ends a training with a checkpoint.

    Parameters
    ----------
    config_path, output_dir : str or Path
        Relative paths start at the project's root.
    overrides : dict or None
        Dotted key paths of the configuration to values.
    only : str or None
        As `series_notebooks` takes it.
    resume : bool
        Whether the training of notebook 04 goes on from its checkpoint, if there is one.
    wait : bool
        Whether to wait for another process that writes to the output folder, or to give up.
    notebooks_to : str or None
        Where papermill stores another copy of each executed notebook: an address that it knows,
        for example "s3://bucket/folder".
    on_notebook : callable or None
        Called as `on_notebook(name, seconds)` after each notebook.
    progress : bool
        Whether to show a progress bar over the cells of each notebook.

    Returns
    -------
    list of Path
        The executed notebooks.

    Raises
    ------
    NotebookFailed
        At the first failing cell or dead kernel: its message names the notebook, the cell and
        the error. The notebook as far as it ran is kept beside the earlier results.
    Interrupted
        If it was interrupted.
    FilesError
        If the output folder cannot be written, or another process writes to it.
    """
    workspace = Workspace(output_dir)
    parameters = {
        "config_path": str(from_project_root(config_path)),
        "output_dir": str(workspace.folder),
        "overrides": overrides or {},
        "watch": False,  # nobody does
        "resume": resume,
    }
    executed = []
    with (
        workspace.lock(wait),
        _runner(workspace.notebooks, parameters, progress) as execute,
    ):
        if notebooks_to is not None:  # a wrong address is told before a training
            _store(series_notebooks(only)[0], notebooks_to)
        for notebook in series_notebooks(only):
            started = time.perf_counter()
            executed.append(execute(notebook))
            if on_notebook is not None:
                on_notebook(notebook.stem, time.perf_counter() - started)
        for path in executed if notebooks_to is not None else ():
            _store(path, notebooks_to)
    return executed


def run_report(sweep_dir, progress=True):
    """Execute the notebook that compares a sweep's runs into the sweep's folder.

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
        As `run_series` does.
    """
    parameters = {"sweep_dir": str(sweep_dir), "output_dir": str(sweep_dir)}
    with _runner(sweep_dir, parameters, progress) as execute:
        (notebook,) = series_notebooks(REPORT)
        return execute(notebook)


@contextmanager
def _runner(folder, parameters, progress):
    """A function that executes a notebook into a folder; signals end the notebook, and are told."""
    busy = []  # whose cell is running: an idle kernel does not hear an interrupt
    with hold_signals(lambda: busy and _interrupt_kernels()) as held:
        make_folder(folder)
        yield lambda notebook: _execute(notebook, folder, parameters, held, busy, progress)


def _store(path, address):
    """Have papermill write a notebook to one of the addresses that it knows."""
    import papermill.iorw

    if "://" not in address:
        make_folder(address)
    address = f"{address.rstrip('/')}/{path.name}"
    try:
        papermill.iorw.write_ipynb(papermill.iorw.load_notebook_node(str(path)), address)
    except Exception as error:  # of a storage's own library, of whichever class
        raise FilesError(f"Cannot store {path.name} at {address}: {error}") from None


def _interrupt_kernels():
    """Hand an interrupt on: kernels are in sessions of their own and do not hear the terminal."""
    for kernel in psutil.Process().children():
        with suppress(psutil.Error):  # it may just have ended
            # Windows has the first of the two.
            kernel.send_signal(getattr(signal, "CTRL_C_EVENT", signal.SIGINT))


def _execute(notebook, folder, parameters, held, busy, progress):
    """Execute one notebook; an earlier result is replaced only by one that is whole."""
    import papermill

    unfinished, path = folder / f"{notebook.stem}.unfinished.ipynb", folder / notebook.name

    def before_cell(cell, cell_index):
        if held.number is not None:
            raise Interrupted(f"Interrupted: {notebook.name} ended before its cell {cell_index}.")

    def cell_was_sent(**_):
        busy.append(notebook)
        if held.number is not None:  # it came in the meantime
            _interrupt_kernels()

    before_cell(None, 0)  # a kernel takes seconds to start
    bar = {"desc": notebook.stem, "leave": False, "unit": "cell"} if progress else False
    asked = papermill.inspect_notebook(notebook)
    try:
        result = papermill.execute_notebook(
            notebook,
            unfinished,
            {name: value for name, value in parameters.items() if name in asked},
            kernel_name="python3",
            cwd=notebook.parent,
            progress_bar=bar,
            on_cell_start=before_cell,
            on_cell_complete=cell_was_sent,  # its name in nbclient notwithstanding
            on_cell_executed=lambda **_: busy.clear(),
            # Each kernel would warn that it listens without encryption on this machine.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        # A cell that exits ends a notebook without an error.
        code_cells = [cell for cell in result.cells if cell.cell_type == "code" and cell.source]
        if any(cell.execution_count is None for cell in code_cells):
            reason = "ended before its last cell."
        else:
            replace(unfinished, path)
            reason = None
    except papermill.PapermillExecutionError as error:
        reason = f"failed in cell [{error.exec_count}]: {error.ename}: {error.evalue}"
    except RuntimeError:  # a dead kernel, or one that died when it was started
        reason = "failed: its kernel was killed, perhaps for want of memory."
    except OSError as error:
        raise FilesError(f"Cannot write {path}: {error.strerror or error}.") from None
    except UnicodeError:
        raise FilesError(f"Cannot write {path}: its name is no text.") from None
    if held.number is not None:
        raise Interrupted(f"Interrupted: {notebook.name} {reason or 'was the last to end.'}")
    if reason is not None:
        raise NotebookFailed(f"{notebook.name} {reason} As far as it ran it is in {unfinished}.")
    return path
