"""One run of a sweep, in a process of its own.

`run_one` starts the process, which is `python -m vae_nb.sweeps.worker`.
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

from vae_nb.data.config import config_from_dict
from vae_nb.data.image_files import load_images
from vae_nb.run.checkpoints import find_checkpoint
from vae_nb.run.series import run_series
from vae_nb.run.trained_run import load_or_train
from vae_nb.run.workspace import Workspace
from vae_nb.sweeps.identity import code_version, config_hash
from vae_nb.sweeps.results import write_examples
from vae_nb.system.errors import (
    FilesError,
    ModelError,
    VaeNbError,
)
from vae_nb.system.files import atomic_path, make_folder
from vae_nb.system.paths import PROJECT_ROOT

NOTEBOOKS = "04-06,08"  # those that a run needs, unless it is told otherwise


# Whichever library multiplies NumPy's matrices, it reads its own.
THREAD_VARIABLES = (
    *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    "VECLIB_MAXIMUM_THREADS",
)


DONE = "run.json"  # written last into a run's folder


TOKEN = ".sweep"


LONGEST_ERROR = 2000


stopping = threading.Event()  # set when this process is told to end its runs


def run_one(job):
    """Execute one run in a process of its own, and wait for it.

    The process ends, with a checkpoint, when this one does, however it does. Where the sweep's
    folder is not this machine's as well, the run's files come back as bytes.

    Parameters
    ----------
    job : dict
        As `run_sweep` makes it; plain JSON values.

    Returns
    -------
    dict
        "error": a sentence, or None. "files": bytes by relative path, or None.
    """
    folder = Path(job["folder"])
    with tempfile.TemporaryDirectory() as elsewhere:
        is_shared = _token(folder.parent) == job["token"]
        if not is_shared:
            job = job | {"folder": elsewhere}
            folder = Path(elsewhere)
        make_folder(folder)
        with (
            open(folder / "log.txt", "wb") as log,
            subprocess.Popen(
                [sys.executable, "-m", "vae_nb.sweeps.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(job["identity"]["threads"])),
            ) as process,
        ):
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
            while process.poll() is None and not stopping.wait(0.1):
                pass
            process.stdin.close()  # it ends itself, if it has not ended
            said = process.stdout.read()
        if process.returncode:
            error = f"its process ended with the exit code {process.returncode}; see log.txt."
        else:
            error = json.loads(said)
        files = None if is_shared else _read_files(folder)
    return {"error": error, "files": files}


def _token(sweep_folder):
    """What tells a sweep's folder from another with the same path on another machine."""
    try:
        return (sweep_folder / TOKEN).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None


def _read_files(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _main():
    """One run: the job is the first line of standard input, and its error the whole output."""
    output = os.dup(1)
    os.dup2(2, 1)  # whatever else is printed goes to the log
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_input, daemon=True).start()
    try:
        _run(job)
        error = None
    except VaeNbError as caught:
        # A table shall be the same wherever the folder lies.
        error = " ".join(caught.errors).replace(f"{job['folder']}{os.sep}", "")[:LONGEST_ERROR]
    os.write(output, json.dumps(error).encode())


def _end_with_the_input():
    os.read(0, 1)  # returns when the process at the other end closes it, or is no more
    os.kill(os.getpid(), signal.SIGTERM)


def _run(job):
    """Run the notebooks of a job into its folder, and write down what came of it."""
    started = time.perf_counter()
    workspace = Workspace(job["folder"])
    if code_version(job["identity"]["notebooks"]) != job["identity"]["code_version"]:
        raise FilesError(f"The project in {PROJECT_ROOT} is of another version than the sweep's.")
    config = config_from_dict(job["config"])
    config_path = workspace.folder / "config.json"
    with workspace.lock(wait=True):  # an earlier sweep's process may still be at work,
        if finished_run(job):  # and have come to its end
            return
        (workspace.folder / DONE).unlink(missing_ok=True)
        write_json(config_path, job["config"])
        images = load_images(config.data)
        if config_hash(config, images.fingerprint()) != job["identity"]["config_hash"]:
            raise FilesError(f"The pictures in {PROJECT_ROOT} are others than the sweep's.")
        try:
            resume = find_checkpoint(config, workspace.folder, images) is not None
        except ModelError:  # another training's: it is kept
            resume = False
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
    write_json(
        workspace.folder / DONE,
        {
            "identity": job["identity"],
            "metrics": trained.metrics,
            "curves": {name: _rounded(column) for name, column in trained.history.columns.items()},
            "files": [path.relative_to(workspace.folder).as_posix() for path in files],
            "seconds": round(time.perf_counter() - started, 1),
        },
    )


def _rounded(column):
    return [float(f"{value:.6g}") for value in column.tolist()]


def write_json(path, values):
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def finished_run(job):
    """What a run's folder holds, by its name, if the run is complete and is the one asked for."""
    folder = Path(job["folder"])
    try:
        run = json.loads((folder / DONE).read_text(encoding="utf-8"))
        complete = all((folder / name).is_file() for name in run["files"])
        return {job["name"]: run} if complete and run["identity"] == job["identity"] else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


if __name__ == "__main__":
    _main()
