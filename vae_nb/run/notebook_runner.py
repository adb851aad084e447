"""Executes one notebook with papermill, in a kernel that can be interrupted."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_nb.run.progress import BarLines, NotebookBar, notebook_bar
from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import FilesError, Interrupted, VaeNbError
from vae_nb.system.files import replace

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

# What papermill calls the error of an interrupted cell; the second one if the first did not arrive.
NAMES_OF_AN_INTERRUPT = ("KeyboardInterrupt", "CellExecutionError")
SECONDS_TO_HEAR = 2  # an interrupt


class NotebookFailed(VaeNbError):
    """A notebook of the series did not run to its end."""


class NotebookRunner:
    """Executes a notebook into a folder. Another thread may interrupt it.

    A kernel hears an interrupt only while one of its cells is running. If an interrupt comes at
    another time, the notebook ends before its next cell.

    Parameters
    ----------
    notebook : Path
    folder : Path
        Where the executed notebook is written.
    parameters : dict
        Those that the notebook knows are passed on to it.
    environment : dict
        Environment variables of the kernel, besides those of this process.
    bars : BarLines or None
        Where bars are shown. None: no bar is shown.

    Attributes
    ----------
    is_training_interrupted : bool
        Whether a training was interrupted, which then tried to save a checkpoint.
    """

    def __init__(
        self,
        notebook: Path,
        folder: Path,
        parameters: dict[str, Any],
        environment: dict[str, str],
        bars: BarLines | None,
    ) -> None:
        self.notebook = notebook
        self.folder = folder
        self.parameters = parameters
        self.environment = environment
        self.bars = bars
        self.is_training_interrupted = False
        self._is_stopping = False
        self._is_cell_running = False
        self._interrupted_at = -math.inf
        self._kernel: AsyncKernelManager | None = None

    def interrupt(self) -> None:
        """End the notebook: interrupt the running cell, if there is one.

        Call it again while the notebook is running. A kernel does not hear an interrupt that comes
        when it has not begun the cell, so another one is sent after some time.
        """
        self._is_stopping = True
        is_due = time.monotonic() - self._interrupted_at >= SECONDS_TO_HEAR
        if self._is_cell_running and is_due:
            self._interrupted_at = time.monotonic()
            self._interrupt_kernel()

    def execute(self) -> Path:
        """Execute the notebook. Only a complete result replaces an earlier one.

        Returns
        -------
        Path
            The executed notebook.

        Raises
        ------
        NotebookFailed
            If a cell fails or the kernel dies. The notebook, as far as it ran, is kept.
        Interrupted
            After `interrupt`, also if the last cell had already ended.
        FilesError
            If the executed notebook cannot be written.
        """
        import papermill

        self._check_interrupt(0)  # before a kernel is started, which takes seconds
        name = self.notebook.name
        path = self.folder / name
        unfinished = self.folder / f"{self.notebook.stem}.unfinished.ipynb"
        known = papermill.inspect_notebook(self.notebook)
        parameters = {key: value for key, value in self.parameters.items() if key in known}
        try:
            problem = self._execute_cells(unfinished, parameters)
            if problem is None:
                replace(unfinished, path)
        except OSError as error:
            raise FilesError(f"Cannot write {path}: {error.strerror or error}.") from None
        except UnicodeError:
            raise FilesError(f"Cannot write {path}: its name is not valid text.") from None
        if self._is_stopping:
            if self.is_training_interrupted:
                raise Interrupted(f"{name}: {problem}")
            raise Interrupted(f"Interrupted: {name} {problem or 'was the last to end.'}")
        if problem is not None:
            raise NotebookFailed(f"{name} {problem} As far as it ran it is in {unfinished}.")
        return path

    def _execute_cells(self, unfinished: Path, parameters: dict[str, Any]) -> str | None:
        """Execute the notebook into an unfinished one; return what went wrong, or None."""
        import papermill
        from jupyter_core.utils import ensure_event_loop

        def before_cell(cell: dict[str, Any], cell_index: int) -> None:
            if bar is not None:
                bar.cell = cell_index
            self._check_interrupt(cell_index)

        def after_sending(**_: object) -> None:
            self._is_cell_running = True
            if self._is_stopping:  # the interrupt came while the cell was sent
                self.interrupt()

        def after_cell(**_: object) -> None:
            self._is_cell_running = False

        bar: NotebookBar | None
        try:
            with self._bar(len(parameters)) as bar:
                result = papermill.execute_notebook(
                    self.notebook,
                    unfinished,
                    parameters,
                    kernel_name="python3",
                    kernel_manager_class=self._kernel_class(),
                    progress_bar=False,
                    # The explorer's state is the whole model: 25 MB of float32 for the default one.
                    store_widget_state=False,
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
        finally:
            ensure_event_loop().close()  # papermill leaves the one of this thread open
        # A cell that exits ends a notebook without an error.
        code_cells = [cell for cell in result.cells if cell.cell_type == "code" and cell.source]
        if any(cell.execution_count is None for cell in code_cells):
            return "ended before its last cell."
        return None

    def _kernel_class(self) -> type[AsyncKernelManager]:
        """Return the class of a kernel that this runner knows and that has its environment."""
        from jupyter_client.manager import AsyncKernelManager

        runner = self
        environment = os.environ | self.environment
        # Where it makes errors of warnings, ipykernel itself fails, because its code has some.
        environment.pop("PYTHONWARNINGS", None)

        class Kernel(AsyncKernelManager):
            async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
                runner._kernel = self
                # papermill would change the folder of the whole process, under other threads.
                options |= {"env": environment, "cwd": str(runner.notebook.parent)}
                await super().start_kernel(**options)

        return Kernel

    def _interrupt_kernel(self) -> None:
        """Pass an interrupt on: kernels have their own sessions and do not hear the terminal."""
        from jupyter_core.utils import run_sync

        provisioner = None if self._kernel is None else self._kernel.provisioner
        if provisioner is not None:  # the kernel has not ended
            run_sync(provisioner.send_signal)(signal.SIGINT)

    def _bar(self, parameters: int) -> AbstractContextManager[NotebookBar | None]:
        """Return the context in which the notebook's bar is shown, if it is wanted."""
        if self.bars is None:
            return nullcontext()
        cells = len(json.loads(self.notebook.read_text(encoding="utf-8"))["cells"])
        if parameters > 0:
            cells += 1  # papermill adds a cell with the parameters
        progress_path = Workspace(self.parameters["output_dir"]).progress_path
        return notebook_bar(self.notebook.stem, cells, progress_path, self.bars)

    def _check_interrupt(self, cell_index: int) -> None:
        """Raise Interrupted if the notebook is to end."""
        if self._is_stopping:
            raise Interrupted(
                f"Interrupted: {self.notebook.name} ended before its cell {cell_index}."
            )
