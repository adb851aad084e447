"""Many configurations: a plan of runs, and an executor of any kind that runs them.

`python -m vae_nb.sweeps.engine` is one run in a process of its own; `run_one` starts it.
"""

import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby, product
from operator import attrgetter
from pathlib import Path

from vae_nb.data.config import Config, config_from_dict, config_keys, load_config, read_json
from vae_nb.data.images import load_images, skipped_lines
from vae_nb.run.series import notebook_version, run_report, run_series, series_notebooks
from vae_nb.run.workspace import IRRELEVANT_KEYS, Workspace, find_checkpoint, load_or_train
from vae_nb.sweeps.results import flat, write_examples, write_rows
from vae_nb.system.errors import (
    ConfigError,
    FilesError,
    Interrupted,
    ModelError,
    VaeNbError,
    printable,
)
from vae_nb.system.files import atomic_path, make_folder, sole_writer
from vae_nb.system.paths import PROJECT_ROOT, from_project_root
from vae_nb.system.signals import hold_signals

NOTEBOOKS = "04-06,08"  # those that a run needs, unless it is told otherwise
# Whichever library multiplies NumPy's matrices, it reads its own.
THREAD_VARIABLES = (
    *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    "VECLIB_MAXIMUM_THREADS",
)
DONE = "run.json"  # written last into a run's folder
TOKEN = ".sweep"
LONGEST_NAME = 100
LONGEST_ERROR = 2000
SECONDS_FOR_A_SCHEDULER = 10
SECONDS_BETWEEN_TABLES = 30

_stopping = threading.Event()  # set when this process is told to end its runs


# --- the plan ---


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes
    ----------
    name : str
        Of its folder.
    config : vae_nb.Config
    values : dict
        What tells it from the other runs, by key path: number or text, as `results.csv` has it.
    """

    name: str
    config: Config
    values: dict


def read_sweep_definition(path):
    """Read a sweep from a file.

    Parameters
    ----------
    path : str or Path
        JSON, with comments and trailing commas; `sweep.schema.json` says what is in it.

    Returns
    -------
    dict or None
        "configs", "set", "grids", "seeds" and "only", complete; None if the file is no sweep but a
        configuration.

    Raises
    ------
    ConfigError
        If the file cannot be read, or something in it is not legal.
    """
    values = read_json(path)
    schema = (Path(__file__).parents[1] / "sweep.schema.json").read_text(encoding="utf-8")
    schema = json.loads(schema)
    if (
        not isinstance(values, dict)
        or not (schema["properties"].keys() - {"$schema"}) & values.keys()
    ):
        return None
    import fastjsonschema

    try:
        complete = fastjsonschema.compile(schema)(values)
        return {key: value for key, value in complete.items() if key != "$schema"}
    except fastjsonschema.JsonSchemaValueException as error:
        what = error.message.removeprefix("data").removeprefix(".")
        found = json.dumps(error.value, ensure_ascii=False)
        raise ConfigError(f"{path}: {what}; found {found[:60]}.") from None


def parse_grid(text):
    """Split the `key=value,value,…` of a command line.

    Parameters
    ----------
    text : str
        The values are read as JSON5; where that fails they are plain strings.

    Returns
    -------
    (str, list)

    Raises
    ------
    ConfigError
        If there is no "=", or nothing on one of its sides.
    """
    import json5

    key, _, values = (part.strip() for part in text.partition("="))
    if not key or not values:
        raise ConfigError(f'"{text}" is no part of a grid; allowed is key=value,value,….')
    try:
        return key, json5.loads(f"[{values}]")
    except (ValueError, RecursionError):
        return key, [value.strip() for value in values.split(",")]


def plan_sweep(configs=("config.json",), grids=({},), seeds=1, overrides=None):
    """The runs of a sweep: every configuration with every combination of each grid's values.

    Runs with the same configuration are one.

    Parameters
    ----------
    configs : sequence of str or Path
        Configuration files.
    grids : sequence of dict
        Dotted key paths to the values that they take.
    seeds : int
        How many seeds each is run with: its own and those that follow.
    overrides : dict or None
        As `load_config` takes them, for every run.

    Returns
    -------
    list of PlannedRun

    Raises
    ------
    ConfigError
        If anything in it is not legal.
    """
    overrides = overrides or {}
    swept = list(dict.fromkeys(key for grid in grids for key in grid))
    if seeds > 1 and "training.seed" in swept:
        raise ConfigError(f"training.seed is swept, and {seeds} seeds are asked for; only one may.")
    for key in swept:
        if key not in config_keys():
            load_config(configs[0], {key: {}})  # of an unknown key it says which was meant
            raise ConfigError(f"{key} cannot be swept; allowed are {', '.join(config_keys())}.")
    runs, files = {}, {path: read_json(path) for path in configs}
    for (path, file), grid in product(files.items(), grids):
        for values in product(*grid.values()):
            chosen = overrides | dict(zip(grid, values, strict=True))
            first = config_from_dict(file, path, chosen).training.seed
            for seed in range(first, first + seeds):
                config = config_from_dict(file, path, chosen | {"training.seed": seed})
                # `setdefault`: two grids may have a run in common.
                runs.setdefault(config, (Path(path).stem, grid, seed))
    planned, names = [], set()
    for config, (stem, grid, seed) in runs.items():
        values = {"config": stem} if len(configs) > 1 else {}
        values |= {key: _value(config, key) for key in swept}
        told = [key for key in ("config", *grid) if key in values and key != "training.seed"]
        parts = [f"{key.rpartition('.')[2]}={_text(values[key])}" for key in told]
        name = re.sub(r"[^\w.=+-]+", "-", "_".join([*parts, f"seed={seed}"]))[:LONGEST_NAME]
        if name in names:
            name = f"{name}_{_hash(config.to_dict())}"
        names.add(name)
        planned.append(PlannedRun(name, config, values | {"training.seed": seed}))
        if any(run.values == planned[-1].values for run in planned[:-1]):
            raise ConfigError(f"Two configurations are called {stem}; their names must differ.")
    return planned


def _value(config, key):
    """A configuration's value as a number or a short text."""
    value = attrgetter(key)(config)
    if key == "model.decoder_layers" and value == config.model.encoder_layers[::-1]:
        return "mirrored"
    if key.endswith("_layers"):
        alike = groupby(value, key=attrgetter("activation"))
        return ", ".join(f"{'-'.join(str(e.units) for e in some)} {name}" for name, some in alike)
    if isinstance(value, tuple):
        return " ".join(map(printable, value))
    return "none" if value is None else value


def _text(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- what a run is known by ---


def _hash(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def config_hash(config, fingerprint):
    """What tells a configuration and its pictures from others.

    Parameters
    ----------
    config : vae_nb.Config
    fingerprint : str
        As of `vae_nb.ImageSet.fingerprint`.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    values = config.to_dict()
    for key in IRRELEVANT_KEYS:
        section, _, name = key.partition(".")
        del values[section][name]
    return _hash([values, fingerprint])


def code_version(only):
    """What tells this code from other code: the package, and the cells of some notebooks.

    Parameters
    ----------
    only : str
        As `vae_nb.run.series.series_notebooks` takes it.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    package = PROJECT_ROOT / "vae_nb"
    files = sorted([*package.rglob("*.py"), *package.rglob("*.json")])
    texts = [
        path.read_text(encoding="utf-8")
        for path in files
        # An editor's own files, or their folder, begin with a dot.
        if not any(part.startswith(".") for part in path.relative_to(package).parts)
    ]
    return _hash([texts, [notebook_version(path) for path in series_notebooks(only)]])


# --- one run, wherever the executor has it done ---


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
                [sys.executable, "-m", "vae_nb.sweeps.engine"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(job["identity"]["threads"])),
            ) as process,
        ):
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
            while process.poll() is None and not _stopping.wait(0.1):
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
    with workspace.sole_writer(wait=True):  # an earlier sweep's process may still be at work,
        if _finished(job):  # and have come to its end
            return
        (workspace.folder / DONE).unlink(missing_ok=True)
        _write_json(config_path, job["config"])
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
    _write_json(
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


def _write_json(path, values):
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def _finished(job):
    """What a run's folder holds, by its name, if the run is complete and is the one asked for."""
    folder = Path(job["folder"])
    try:
        run = json.loads((folder / DONE).read_text(encoding="utf-8"))
        complete = all((folder / name).is_file() for name in run["files"])
        return {job["name"]: run} if complete and run["identity"] == job["identity"] else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


# --- the sweep ---


@contextmanager
def local_executor(jobs=None):
    """An executor for this machine: so many runs at a time, each in processes of its own.

    Parameters
    ----------
    jobs : int or None
        None: as many as this process may use processor cores.

    Yields
    ------
    concurrent.futures.Executor
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ThreadPoolExecutor(jobs or cores or 1) as pool:  # a thread waits for its run's process
        yield pool


@contextmanager
def dask_executor(address):
    """The executor of a Dask cluster.

    Parameters
    ----------
    address : str
        Of its scheduler, for example "tcp://127.0.0.1:8786".

    Yields
    ------
    concurrent.futures.Executor

    Raises
    ------
    FilesError
        If Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
        from distributed.comm import parse_address
        from distributed.comm.registry import get_backend
    except ImportError:
        raise FilesError(
            "Dask is not installed; to use a cluster: pip install -e '.[cluster]'"
        ) from None
    try:
        get_backend(parse_address(address)[0])  # of a protocol that it does not know Dask asks long
        client = Client(address, timeout=SECONDS_FOR_A_SCHEDULER, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = printable(error) or type(error).__name__
        raise FilesError(f"No Dask scheduler answers at {address!r}: {reason}") from None
    with client:
        workers = client.nthreads()
        print(f"Dask workers: {len(workers)}, runs at a time: {sum(workers.values())}.", flush=True)
        if not workers:
            print("The sweep waits until one joins.", flush=True)
        yield client.get_executor()


@dataclass
class SweepOutcome:
    """What came of a sweep.

    Attributes
    ----------
    folder, report : Path
        `report` is the executed notebook 10, or None where no run succeeded.
    earlier : int
        How many runs were complete before.
    errors : dict of str to str
        By the run's name, of those that failed.
    """

    folder: Path
    report: Path | None
    earlier: int
    errors: dict


def run_sweep(
    runs,
    folder,
    executor,
    *,
    only=NOTEBOOKS,
    threads=1,
    notebooks_to=None,
    wait_for_folder=False,
    progress=True,
):
    """Execute the runs that are not complete, and write the tables and the report of all.

    Each run's folder then holds `config.json`, the executed notebooks, pictures, the model,
    `metrics.json` and `run.json`; the sweep's folder holds `results.csv`, a row for each run, and
    `curves.csv`, a row for each of their epochs.

    Parameters
    ----------
    runs : list of PlannedRun
    folder : str or Path
        A relative path starts at the project's root.
    executor : concurrent.futures.Executor
        Of any kind whose workers have this project installed.
    only : str
        The notebooks of each run, as `run_series` takes them.
    threads : int
        Of each run's BLAS library, and of its training.
    notebooks_to : str or None
        As `run_series` takes it; each run has a folder of its own there.
    wait_for_folder : bool
        Whether to wait for another process that writes to the folder, or to give up.
    progress : bool
        Whether to show the runs' progress.

    Returns
    -------
    SweepOutcome

    Raises
    ------
    Interrupted
        If it was interrupted; runs that had begun on this machine have saved a checkpoint.
    VaeNbError
        If the pictures, the folder or the report fail.
    """
    folder = from_project_root(folder)
    jobs = _jobs(runs, folder, only, threads, notebooks_to)
    errors, finished = {}, {}
    _stopping.clear()
    with sole_writer(folder, wait_for_folder), hold_signals(_stopping.set) as held:
        with atomic_path(folder / TOKEN) as temporary:
            temporary.write_text(jobs[runs[0].name]["token"], encoding="utf-8")
        for job in jobs.values():
            finished |= _finished(job)
        earlier, written_at = len(finished), time.monotonic()
        waiting = {
            executor.submit(run_one, job): job for name, job in jobs.items() if name not in finished
        }
        try:
            with _progress_bar(len(jobs), earlier, progress) as bar:
                while waiting and held.number is None:
                    done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                    for future in done:
                        job = waiting.pop(future)
                        error, name = _received(future, job), job["name"]
                        finished |= _finished(job)
                        if name not in finished and held.number is None:
                            errors[name] = error or f"its results are not in {job['folder']}."
                        bar.set_postfix_str(f"{name} {'failed' if name in errors else 'done'}")
                        bar.update()
                    if done and time.monotonic() - written_at > SECONDS_BETWEEN_TABLES:
                        with suppress(FilesError):  # somebody may look at it; the runs go on
                            _write_tables(folder, runs, jobs, finished, errors)
                        written_at = time.monotonic()
        except BaseException:
            _stopping.set()
            raise
        finally:
            _cancel(waiting)
        for job in waiting.values():
            finished |= _finished(job)
        _write_tables(folder, runs, jobs, finished, errors)
        if held.number is not None:
            left = len(runs) - len(finished)
            raise Interrupted(f"Interrupted: {left} of {len(runs)} runs are left; start it again.")
    report = run_report(folder, progress) if finished else None
    return SweepOutcome(folder, report, earlier, errors)


def _jobs(runs, folder, only, threads, notebooks_to):
    """What `run_one` takes, by the run's name."""
    version, token, fingerprints, jobs = code_version(only), secrets.token_hex(16), {}, {}
    for run in runs:
        data, seed = run.config.data, run.config.training.seed
        if data not in fingerprints:
            images = load_images(data)
            images.split(data.validation_split, seed)  # better refused now than in every run
            fingerprints[data] = images.fingerprint()
            for line in skipped_lines(images):
                print(f"Skipped {line}")
        identity = {
            "config_hash": config_hash(run.config, fingerprints[data]),
            "code_version": version,
            "notebooks": only,
            "threads": threads,
        }
        jobs[run.name] = {
            "name": run.name,
            "folder": str(folder / run.name),
            "token": token,
            "config": run.config.to_dict(),
            "identity": identity,
            "notebooks_to": f"{notebooks_to.rstrip('/')}/{run.name}" if notebooks_to else None,
        }
    return jobs


def _progress_bar(total, earlier, progress):
    from tqdm.auto import tqdm

    return tqdm(
        desc="Sweep", total=total, initial=earlier, unit="run", disable=not progress, smoothing=0
    )


def _cancel(waiting):
    """Begin no more runs, and wait for those that this machine is told to end."""
    for future in waiting:
        future.cancel()
    wait([future for future in waiting if not future.cancelled()], timeout=60)


def _received(future, job):
    """Write what came back of a run, if it did not share the folder; its error, or None."""
    folder = Path(job["folder"])
    try:
        result = future.result()
        files = result["files"] or {}
        for name in sorted(files, key=lambda name: (name == DONE, name)):
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(files[name])
        return result["error"]
    except VaeNbError as caught:
        return str(caught)
    except Exception as caught:  # of the executor: a broken pool, a worker that died too often
        return printable(f"The executor says: {type(caught).__name__}: {caught}")


def _write_tables(folder, runs, jobs, finished, errors):
    """`results.csv` and `curves.csv` of the runs that ended so far."""
    rows, curves = [], []
    for run in runs:
        if run.name not in finished and run.name not in errors:
            continue
        row = {"run": run.name, **run.values}
        row["status"] = "complete" if run.name in finished else "failed"
        row["error"] = "" if run.name in finished else errors[run.name]
        row |= {key: jobs[run.name]["identity"][key] for key in ("config_hash", "code_version")}
        if run.name in finished:
            this = finished[run.name]
            metrics = dict(flat(this["metrics"]))
            del metrics["resumed_at"]  # tells of the run's fate, not of its result
            row |= metrics | {"seconds": this["seconds"]}
            names, columns = zip(*this["curves"].items(), strict=True)
            epochs = zip(*columns, strict=True)
            curves += [{"run": run.name, **dict(zip(names, e, strict=True))} for e in epochs]
        rows.append(row)
    if rows:  # those of an earlier sweep are better than none
        write_rows(folder / "results.csv", rows)
        write_rows(folder / "curves.csv", curves)


if __name__ == "__main__":
    _main()
