"""One run of a sweep, in its own process.

`run_one` starts the process, which executes this module: `python -m vae_nb.sweeps.worker`. The job
is the first line of its standard input, which then stays open. When the process at the other end
closes it or dies, the run ends with a checkpoint.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, TypedDict

from numpy.typing import NDArray

from vae_nb.data.config import Config, config_from_dict
from vae_nb.data.image_files import load_images
from vae_nb.run.checkpoints import find_checkpoint
from vae_nb.run.series import run_series
from vae_nb.run.trained_run import load_or_train
from vae_nb.run.workspace import Workspace
from vae_nb.sweeps.identity import code_version, config_hash
from vae_nb.sweeps.results import write_examples
from vae_nb.system.cores import THREAD_VARIABLES
from vae_nb.system.errors import FilesError, ModelError, VaeNbError
from vae_nb.system.files import atomic_path, make_folder
from vae_nb.system.messages import show_messages
from vae_nb.system.paths import PROJECT_ROOT

NOTEBOOKS = "04-06,08"  # the default notebooks of a run

DONE = "run.json"  # the file that is written last into a run's folder
TOKEN = ".sweep"  # the file that tells a sweep's folder from one on another machine
MAX_ERROR_LENGTH = 2000

stopping = threading.Event()  # set to end the runs of this process


class Identity(TypedDict):
    """What must be the same for a run to count as complete."""

    config_hash: str
    code_version: str
    notebooks: str
    threads: int


class Job(TypedDict):
    """What a worker needs to know of a run; plain JSON values, which any executor can send."""

    name: str
    folder: str
    token: str
    config: dict[str, Any]
    identity: Identity
    notebooks_to: str | None


class JobResult(TypedDict):
    """What a worker sends back.

    "error" is a sentence, or None. "files" are the run's files as bytes, by relative path, or None
    if the worker wrote them into the sweep's folder itself.
    """

    error: str | None
    files: dict[str, bytes] | None


# --- the process that starts a run ---


def run_one(job: Job) -> JobResult:
    """Execute one run in its own process, and wait for it.

    That process ends, with a checkpoint, when this one ends, in whatever way. If this machine does
    not share the sweep's folder, the run's files come back as bytes.

    Parameters
    ----------
    job : Job
        One of `vae_nb.sweeps.engine.make_jobs`.

    Returns
    -------
    JobResult
    """
    folder = Path(job["folder"])
    if _token_in(folder.parent) == job["token"]:
        return {"error": _run_in_process(job), "files": None}
    with tempfile.TemporaryDirectory() as own_folder:
        error = _run_in_process({**job, "folder": own_folder})
        return {"error": error, "files": _read_files(Path(own_folder))}


def _token_in(sweep_folder: Path) -> str | None:
    """Read the token of a sweep's folder. Another machine may have a folder with the same path."""
    try:
        return (sweep_folder / TOKEN).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None


def _read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder, by relative path."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _run_in_process(job: Job) -> str | None:
    """Execute a run in a new process; return its error, or None."""
    folder = Path(job["folder"])
    make_folder(folder)
    environment = dict(os.environ)
    for variable in THREAD_VARIABLES:
        environment[variable] = str(job["identity"]["threads"])
    with (
        open(folder / "log.txt", "wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "vae_nb.sweeps.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        ) as process,
    ):
        assert process.stdin is not None  # because of PIPE
        assert process.stdout is not None
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        while process.poll() is None and not stopping.wait(0.1):
            pass
        process.stdin.close()  # the process ends itself if it has not ended yet
        output = process.stdout.read()
    if process.returncode:
        return f"its process ended with the exit code {process.returncode}; see log.txt."
    return json.loads(output)


# --- the process of a run ---


def _main() -> None:
    """Execute the run that standard input describes; write its error, as JSON, to the output."""
    output = os.dup(1)
    os.dup2(2, 1)  # everything else that is printed goes to the log
    show_messages()
    job: Job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_input, daemon=True).start()
    error = None
    try:
        _run(job)
    except VaeNbError as caught:
        # Without the folder's path, a sweep's table is the same in every folder.
        error = " ".join(caught.errors).replace(f"{job['folder']}{os.sep}", "")[:MAX_ERROR_LENGTH]
    os.write(output, json.dumps(error).encode())


def _end_with_the_input() -> None:
    """Wait until the process at the other end closes the input or dies; then end this process."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _run(job: Job) -> None:
    """Execute the notebooks of a job in its folder, and write down its results."""
    started = time.perf_counter()
    workspace = Workspace(job["folder"])
    if code_version(job["identity"]["notebooks"]) != job["identity"]["code_version"]:
        raise FilesError(
            f"The code in {PROJECT_ROOT} is not the version that the sweep was started with."
        )
    config = config_from_dict(job["config"])
    config_path = workspace.folder / "config.json"
    with workspace.lock(wait=True):  # a process of an earlier sweep may still be at work
        if finished_run(job) is not None:  # and may have completed the run
            return
        (workspace.folder / DONE).unlink(missing_ok=True)
        _write_json(config_path, job["config"])
        resume = _can_resume(workspace, config, job["identity"]["config_hash"])
    executed = run_series(
        config_path,
        workspace.folder,
        only=job["identity"]["notebooks"],
        resume=resume,
        wait=True,
        progress=False,
        notebooks_to=job["notebooks_to"],
    )
    trained = load_or_train(config, workspace.folder, progress=False)
    write_examples(workspace.images / "examples.png", trained)
    files = [*executed, workspace.model_path, workspace.metrics_path]
    result = {
        "identity": job["identity"],
        "metrics": trained.metrics,
        "curves": {name: _rounded(column) for name, column in trained.history.columns.items()},
        "files": [path.relative_to(workspace.folder).as_posix() for path in files],
        "seconds": round(time.perf_counter() - started, 1),
    }
    _write_json(workspace.folder / DONE, result)


def _can_resume(workspace: Workspace, config: Config, expected_hash: str) -> bool:
    """Whether the folder has a checkpoint of this run. Check the images of this machine, too."""
    images = load_images(config.data)
    if config_hash(config, images.fingerprint()) != expected_hash:
        raise FilesError(f"The images in {PROJECT_ROOT} are not those of the sweep.")
    try:
        # Its weights are read too: a checkpoint that is damaged must not end the run.
        return find_checkpoint(config, workspace.folder, images) is not None
    except ModelError:  # it is damaged or of another training; `run_series` keeps it
        return False


def _rounded(column: NDArray) -> list[float]:
    """Return numbers with six significant digits."""
    return [float(f"{value:.6g}") for value in column.tolist()]


def _write_json(path: Path, values: dict[str, Any]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


# --- for both ---


def finished_run(job: Job) -> dict[str, Any] | None:
    """Read `run.json` in a run's folder; None if the run is incomplete or not that of the job."""
    folder = Path(job["folder"])
    try:
        run = json.loads((folder / DONE).read_text(encoding="utf-8"))
        is_complete = all((folder / name).is_file() for name in run["files"])
        if is_complete and run["identity"] == job["identity"]:
            return run
    except (OSError, ValueError, LookupError, TypeError):
        pass  # there is none, or it is damaged
    return None


if __name__ == "__main__":
    _main()
