"""Runs a plan's runs on an executor of any kind, and writes the tables and the report of all."""

import os
import secrets
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vae_nb.data.image_files import load_images, skipped_lines
from vae_nb.run.series import run_report
from vae_nb.sweeps.identity import code_version, config_hash
from vae_nb.sweeps.results import flat, write_rows
from vae_nb.sweeps.worker import DONE, NOTEBOOKS, TOKEN, finished_run, run_one, stopping
from vae_nb.system.errors import (
    FilesError,
    Interrupted,
    VaeNbError,
    printable,
)
from vae_nb.system.files import atomic_path
from vae_nb.system.locks import folder_lock
from vae_nb.system.paths import from_project_root
from vae_nb.system.signals import hold_signals

SECONDS_FOR_A_SCHEDULER = 10


SECONDS_BETWEEN_TABLES = 30


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
    stopping.clear()
    with folder_lock(folder, wait_for_folder), hold_signals(stopping.set) as held:
        with atomic_path(folder / TOKEN) as temporary:
            temporary.write_text(jobs[runs[0].name]["token"], encoding="utf-8")
        for job in jobs.values():
            finished |= finished_run(job)
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
                        finished |= finished_run(job)
                        if name not in finished and held.number is None:
                            errors[name] = error or f"its results are not in {job['folder']}."
                        bar.set_postfix_str(f"{name} {'failed' if name in errors else 'done'}")
                        bar.update()
                    if done and time.monotonic() - written_at > SECONDS_BETWEEN_TABLES:
                        with suppress(FilesError):  # somebody may look at it; the runs go on
                            _write_tables(folder, runs, jobs, finished, errors)
                        written_at = time.monotonic()
        except BaseException:
            stopping.set()
            raise
        finally:
            _cancel(waiting)
        for job in waiting.values():
            finished |= finished_run(job)
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
