"""Execute the runs of a sweep on any kind of executor, and write the tables and the report."""

import concurrent.futures
import logging
import math
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae_nb.data.config import DataConfig
from vae_nb.data.image_files import load_images, skipped_lines
from vae_nb.run.memory import check_memory
from vae_nb.run.progress import read_progress, seconds_between_shows
from vae_nb.run.workspace import Workspace
from vae_nb.sweeps.identity import code_version, config_hash
from vae_nb.sweeps.plan import PlannedRun
from vae_nb.sweeps.report import write_report
from vae_nb.sweeps.results import Row, flat, read_sweep, write_rows
from vae_nb.sweeps.worker import (
    DONE,
    NOTEBOOKS,
    TOKEN,
    Job,
    JobResult,
    finished_run,
    run_one,
    stopping,
)
from vae_nb.system.cores import core_count
from vae_nb.system.errors import FilesError, Interrupted, VaeNbError, printable
from vae_nb.system.files import atomic_path
from vae_nb.system.locks import folder_lock
from vae_nb.system.paths import from_project_root
from vae_nb.system.signals import HeldSignals, hold_signals

logger = logging.getLogger(__name__)

REPORT = "report.html"
SECONDS_FOR_A_SCHEDULER = 10
SECONDS_BETWEEN_TABLES = 30
SECONDS_TO_STOP = 60  # how long an interrupted sweep waits for its runs to end

# --- executors ---


@contextmanager
def local_executor(jobs: int | None = None) -> Iterator[concurrent.futures.Executor]:
    """Yield an executor for this machine, with each run in its own processes.

    Parameters
    ----------
    jobs : int or None
        How many runs at a time. None: as many as this process may use processor cores.

    Yields
    ------
    concurrent.futures.Executor
    """
    # A thread is enough: it only waits for its run's process.
    with concurrent.futures.ThreadPoolExecutor(jobs or core_count()) as pool:
        yield pool


@contextmanager
def dask_executor(address: str) -> Iterator[concurrent.futures.Executor]:
    """Yield an executor for a Dask cluster.

    Parameters
    ----------
    address : str
        The scheduler's, for example "tcp://127.0.0.1:8786".

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
        protocol, _ = parse_address(address)
        get_backend(protocol)  # fails at once if Dask does not know it; a client would try long
        client = Client(address, timeout=SECONDS_FOR_A_SCHEDULER, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = printable(error) or type(error).__name__
        raise FilesError(f"No Dask scheduler answers at {address!r}: {reason}") from None
    with client:
        workers = client.nthreads()
        logger.info("Dask workers: %d, runs at a time: %d.", len(workers), sum(workers.values()))
        if not workers:
            logger.warning("The sweep waits until a worker joins.")
        yield client.get_executor()


# --- a sweep ---


@dataclass
class SweepOutcome:
    """How a sweep ended.

    Attributes
    ----------
    folder, report : Path
        `report` is a page that compares the configurations.
    earlier : int
        How many runs were complete before the sweep started.
    errors : dict of str to str
        What went wrong in the runs that failed, by their names.
    """

    folder: Path
    report: Path
    earlier: int
    errors: dict[str, str]


def run_sweep(
    runs: Sequence[PlannedRun],
    folder: str | Path,
    executor: concurrent.futures.Executor,
    *,
    only: str = NOTEBOOKS,
    threads: int = 1,
    notebooks_to: str | None = None,
    wait: bool = False,
    progress: bool = True,
) -> SweepOutcome:
    """Execute the runs that are not complete, and write the tables and the report of all runs.

    Each run's folder then holds `config.json`, the executed notebooks, figures, the model,
    `metrics.json` and `run.json`. The sweep's folder holds `results.csv`, with a row for each run,
    `curves.csv`, with a row for each epoch of each run, and `report.html`, a page that compares the
    configurations.

    Parameters
    ----------
    runs : list of PlannedRun
        From `vae_nb.plan_sweep`.
    folder : str or Path
        A relative path starts at the project's root.
    executor : concurrent.futures.Executor
        Any kind whose workers have this project installed.
    only : str
        The notebooks of each run; see `run_series`.
    threads : int
        How many threads each run's BLAS library and training use.
    notebooks_to : str or None
        Where papermill stores another copy of the notebooks; see `run_series`. Each run has its
        own folder there.
    wait : bool
        Whether to wait for another process that writes to the folder, or to give up.
    progress : bool
        Whether to show a progress bar over the runs, and the runs at work below it.

    Returns
    -------
    SweepOutcome

    Raises
    ------
    Interrupted
        If a signal came. Runs that had started on this machine have saved a checkpoint.
    VaeNbError
        If the images cannot be loaded, the folder cannot be written, or the report fails.
    """
    folder = from_project_root(folder)
    sweep = _Sweep(runs, folder, make_jobs(runs, folder, only, threads, notebooks_to))
    stopping.clear()
    with folder_lock(folder, wait), hold_signals(stopping.set) as signals:
        sweep.write_token()
        sweep.look_for_results()
        earlier = len(sweep.finished)
        sweep.execute(executor, signals, progress)
        sweep.write_tables()
        if signals.number is not None:
            left = len(runs) - len(sweep.finished)
            raise Interrupted(f"Interrupted: {left} of {len(runs)} runs are left; start it again.")
        report = write_report(read_sweep(folder), folder / REPORT)
    return SweepOutcome(folder, report, earlier, sweep.errors)


def make_jobs(
    runs: Sequence[PlannedRun], folder: Path, only: str, threads: int, notebooks_to: str | None
) -> dict[str, Job]:
    """Make the job of each run, by the run's name. The parameters are those of `run_sweep`."""
    version = code_version(only)
    token = secrets.token_hex(16)
    fingerprints: dict[DataConfig, str] = {}
    jobs: dict[str, Job] = {}
    for run in runs:
        check_memory(run.config)
        data = run.config.data
        if data not in fingerprints:
            fingerprints[data] = _check_images(data, run.config.training.seed)
        jobs[run.name] = {
            "name": run.name,
            "folder": str(folder / run.name),
            "token": token,
            "config": run.config.to_dict(),
            "identity": {
                "config_hash": config_hash(run.config, fingerprints[data]),
                "code_version": version,
                "notebooks": only,
                "threads": threads,
            },
            "notebooks_to": f"{notebooks_to.rstrip('/')}/{run.name}" if notebooks_to else None,
        }
    return jobs


def _check_images(data: DataConfig, seed: int) -> str:
    """Load and split images, to fail now rather than in every run; return their fingerprint."""
    images = load_images(data)
    images.split(data.validation_split, seed, data.split_by)
    for line in skipped_lines(images):
        logger.warning("Skipped %s", line)
    return images.fingerprint()


class _Sweep:
    """A sweep while its runs are executed.

    Attributes
    ----------
    finished : dict of str to dict
        What `run.json` of each complete run holds, by the run's name.
    errors : dict of str to str
        What went wrong in the runs that failed, by their names.
    """

    def __init__(self, runs: Sequence[PlannedRun], folder: Path, jobs: dict[str, Job]) -> None:
        self.runs = runs
        self.folder = folder
        self.jobs = jobs
        self.finished: dict[str, dict[str, Any]] = {}
        self.errors: dict[str, str] = {}
        self._waiting: dict[concurrent.futures.Future[JobResult], Job] = {}

    def write_token(self) -> None:
        """Write the file by which a worker recognizes that it shares the sweep's folder."""
        token = self.jobs[self.runs[0].name]["token"]
        with atomic_path(self.folder / TOKEN) as temporary:
            temporary.write_text(token, encoding="utf-8")

    def look_for_results(self) -> None:
        """Find the runs that are complete."""
        for job in self.jobs.values():
            self._look_for_result(job)

    def _look_for_result(self, job: Job) -> None:
        run = finished_run(job)
        if run is not None:
            self.finished[job["name"]] = run

    def execute(
        self, executor: concurrent.futures.Executor, signals: HeldSignals, progress: bool
    ) -> None:
        """Execute the runs that are not complete, until all have ended or a signal comes."""
        for name, job in self.jobs.items():
            if name not in self.finished:
                self._waiting[executor.submit(run_one, job)] = job
        try:
            self._receive_results(signals, progress)
        except BaseException:
            stopping.set()
            raise
        finally:
            self._cancel()
        for job in self._waiting.values():  # some may have been completed while they were stopped
            self._look_for_result(job)

    def _receive_results(self, signals: HeldSignals, progress: bool) -> None:
        """Wait for the runs and receive what they send, until all have ended or a signal comes."""
        from tqdm.auto import tqdm

        written_at = time.monotonic()
        shown_at = -math.inf
        with (
            tqdm(
                desc="Sweep",
                total=len(self.jobs),
                initial=len(self.finished),
                unit="run",
                disable=not progress,
                smoothing=0,
            ) as bar,
            tqdm(
                bar_format="  {desc}{bar:0}",  # tqdm only cuts lines that have a bar
                position=1,
                leave=False,
                disable=not progress,
            ) as line,
        ):
            while self._waiting and signals.number is None:
                ended, _ = concurrent.futures.wait(
                    self._waiting, timeout=0.5, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in ended:
                    job = self._waiting.pop(future)
                    self._receive(future, job, signals)
                    state = "failed" if job["name"] in self.errors else "done"
                    bar.set_postfix_str(f"{job['name']} {state}")
                    bar.update()
                if ended or time.monotonic() - shown_at > seconds_between_shows():
                    bar.refresh()
                    line.set_description_str(self._at_work())
                    shown_at = time.monotonic()
                if ended and time.monotonic() - written_at > SECONDS_BETWEEN_TABLES:
                    with suppress(FilesError):  # these tables are only for a look at the sweep
                        self.write_tables()
                    written_at = time.monotonic()

    def _at_work(self) -> str:
        """Return the names of the runs at work, and the epoch of those that are training."""
        texts = []
        for future, job in self._waiting.items():
            training = read_progress(Workspace(job["folder"]).progress_path)
            if training is not None:
                epoch = f"epoch {training.epoch}/{training.epochs}"
                texts.append(f"{job['name']}, {epoch}")
            elif future.running():
                texts.append(job["name"])
        return f"At work: {'; '.join(texts) or 'none'}"

    def _receive(
        self, future: concurrent.futures.Future[JobResult], job: Job, signals: HeldSignals
    ) -> None:
        """Note whether a run is complete or what went wrong."""
        name = job["name"]
        error = _received_error(future, Path(job["folder"]))
        self._look_for_result(job)
        if name not in self.finished and signals.number is None:
            self.errors[name] = error or f"its results are not in {job['folder']}."

    def _cancel(self) -> None:
        """Start no more runs, and wait for the started ones, which `stopping` ends."""
        for future in self._waiting:
            future.cancel()
        started = [future for future in self._waiting if not future.cancelled()]
        concurrent.futures.wait(started, timeout=SECONDS_TO_STOP)

    def write_tables(self) -> None:
        """Write `results.csv` and `curves.csv` of the runs that have ended so far."""
        rows: list[Row] = []
        curves: list[Row] = []
        for run in self.runs:
            if run.name in self.finished:
                rows.append(self._row_of(run))
                curves += _epoch_rows(run.name, self.finished[run.name]["curves"])
            elif run.name in self.errors:
                rows.append(self._row_of(run))
        if rows:  # the tables of an earlier sweep are better than empty ones
            write_rows(self.folder / "results.csv", rows)
            write_rows(self.folder / "curves.csv", curves)

    def _row_of(self, run: PlannedRun) -> Row:
        """Return the row of `results.csv` for a run that has ended."""
        is_complete = run.name in self.finished
        identity = self.jobs[run.name]["identity"]
        row: Row = {"run": run.name, **run.values}
        row["status"] = "complete" if is_complete else "failed"
        row["error"] = "" if is_complete else self.errors[run.name]
        row["config_hash"] = identity["config_hash"]
        row["code_version"] = identity["code_version"]
        if is_complete:
            result = self.finished[run.name]
            metrics = dict(flat(result["metrics"]))
            del metrics["resumed_at"]  # an interruption does not change the result
            row |= metrics
            row["seconds"] = result["seconds"]
        return row


def _received_error(future: concurrent.futures.Future[JobResult], folder: Path) -> str | None:
    """Return a run's error, or None; write its files, if the worker did not share the folder."""
    try:
        result = future.result()
        files = result["files"] or {}
        for name in sorted(files, key=lambda name: (name == DONE, name)):  # run.json comes last
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(files[name])
        return result["error"]
    except VaeNbError as error:
        return str(error)
    except Exception as error:  # the executor's: a broken pool, a worker that died too often
        return printable(f"The executor says: {type(error).__name__}: {error}")


def _epoch_rows(run: str, curves: dict[str, list[float]]) -> list[Row]:
    """Return the rows of `curves.csv` for a run: one for each epoch."""
    rows = []
    for values in zip(*curves.values(), strict=True):
        rows.append({"run": run, **dict(zip(curves, values, strict=True))})
    return rows
