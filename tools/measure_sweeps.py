"""Measure what a sweep costs on this machine, and compute what a thousand runs would cost.

    python tools/measure_sweeps.py          about a quarter of an hour on two cores

Writes docs/scale.json, for programs, and docs/scale.md, for people. Nothing else should run at
the same time. It needs Dask: pip install -e '.[cluster]'.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.machine import describe
from vae_nb import load_config, load_images, plan_sweep
from vae_nb.sweeps.engine import dask_executor
from vae_nb.sweeps.identity import config_hash
from vae_nb.sweeps.results import write_rows

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "scale.json"
RUNS = 1000
QUICK = ("--set", "training.epochs=10", "--seeds", "8", "--only", "04")
ROUNDS = 3


def sweep(folder, name, *arguments):
    """Run `vae-nb sweep`, and measure it from outside.

    Parameters
    ----------
    folder : Path
        The output folder.
    name : str
        The sweep's name.
    *arguments
        More options of `vae-nb sweep`.

    Returns
    -------
    dict
        The "seconds" on the clock, and the "core_seconds" of all its processes.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = [sys.executable, "-m", "vae_nb", "sweep", "--output", str(folder), "--name", name]
    subprocess.run([*command, *arguments], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "core_seconds": used}


def megabytes(folder, pattern="**/*"):
    """Return the size of a folder's files that match the pattern."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file()) / 1e6


def measure_jobs(folder):
    """Measure eight quick runs, one at a time and two at a time, in turn."""
    rounds = []
    for number in range(ROUNDS):
        times = [sweep(folder, f"{number}_{jobs}", *QUICK, "--jobs", jobs) for jobs in "12"]
        rounds.append([part["seconds"] for part in times])
    ratios = sorted(two / one for one, two in rounds)
    return {"runs": 8, "rounds": rounds, "ratio": ratios[len(ratios) // 2]}


def measure_runs(folder):
    """Measure two runs of the default configuration at the same time.

    Returns
    -------
    dict
        The costs of one run.
    """
    peak = 0
    command = [sys.executable, __file__, "--two-runs", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, memory_of(psutil.Process(process.pid)))
            time.sleep(0.5)
        costs = json.loads(process.stdout.read())
    runs = sorted((folder / "sweeps" / "whole").glob("*/run.json"))
    metrics = [json.loads(path.read_text(encoding="utf-8")) for path in runs]
    parts = {"model": "models/*", "notebooks": "notebooks/*", "pictures": "images/*"}
    return {
        "core_seconds": costs["core_seconds"] / len(runs),
        "seconds": max(run["seconds"] for run in metrics),
        "training_seconds": max(run["metrics"]["training_seconds"] for run in metrics),
        "megabytes_of_memory": peak / 1e6 / len(runs),
        "megabytes": {name: megabytes(runs[0].parent, part) for name, part in parts.items()},
        "checkpoint_megabytes": 3 * metrics[0]["metrics"]["parameters"] * 4 / 1e6,
    }


def memory_of(process):
    """Add up the unshared memory of a process and all of its children, in bytes.

    Parameters
    ----------
    process : psutil.Process

    Returns
    -------
    int
    """
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().uss
        except psutil.Error:  # it has just ended
            continue
    return total


def measure_engine():
    """Measure the costs around a thousand runs: the plan, the tables and a scheduler."""
    started = time.perf_counter()
    rates = [0.001 + number * 1e-6 for number in range(RUNS)]
    runs = plan_sweep(["config.json"], [{"training.learning_rate": rates}])
    config = load_config("config.json")
    fingerprint = load_images(config.data).fingerprint()
    for run in runs:
        config_hash(run.config, fingerprint)
    planned = time.perf_counter()
    epochs = config.training.epochs
    columns = dict.fromkeys("abcdefghi", 0.123456)  # nine numbers in each row
    curves = [{"run": run.name, **columns} for run in runs] * epochs
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "curves.csv", curves)
        written = time.perf_counter()
        size = megabytes(Path(folder))
    jobs = [{"name": run.name, "config": run.config.to_dict(), "token": "x" * 32} for run in runs]
    return {
        "plan_seconds": planned - started,
        "tables_seconds": written - planned,
        "tables_megabytes": size,
        "scheduler": measure_scheduler(jobs),
    }


def measure_scheduler(jobs):
    """Send jobs that do nothing through a Dask scheduler to two workers.

    Parameters
    ----------
    jobs : list of dict
        The arguments of each job.

    Returns
    -------
    dict
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"

        def start(*arguments):
            command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
            options = ["--host", "127.0.0.1", "--scheduler-file", str(file)]
            return subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL, cwd=folder)

        processes = [start("scheduler", "--port", "0")]
        try:
            while not file.exists() or not file.stat().st_size:
                time.sleep(0.1)
            address = json.loads(file.read_text(encoding="utf-8"))["address"]
            processes += [start("worker", "--nthreads", "1", "--no-nanny") for _ in range(2)]
            with dask_executor(address) as executor:
                executor.submit(dict).result()  # now a worker is there
                scheduler = psutil.Process(processes[0].pid)
                before = scheduler.cpu_times()
                started = time.perf_counter()
                futures = [executor.submit(dict, job) for job in jobs]
                for future in futures:
                    future.result()
                seconds = time.perf_counter() - started
                after = scheduler.cpu_times()
                used = after.user + after.system - before.user - before.system
                memory = scheduler.memory_info().rss / 1e6
        finally:
            for process in reversed(processes):
                process.kill()
                process.wait()
    return {"seconds": seconds, "core_seconds": used, "megabytes_of_memory": memory}


def as_markdown(scale):
    """Write the measurements for people.

    Parameters
    ----------
    scale : dict
        The contents of docs/scale.json.

    Returns
    -------
    str
    """
    jobs = scale["jobs"]
    run = scale["run"]
    engine = scale["engine"]
    cores = scale["cores"]
    scheduler = engine["scheduler"]
    disk = run["megabytes"]
    rounds = "; ".join(f"{one:.0f} s and {two:.0f} s" for one, two in jobs["rounds"])
    hours = RUNS * run["core_seconds"] / 3600
    traffic = run["checkpoint_megabytes"] / 30
    return f"""\
# What a thousand runs cost

Made by `python tools/measure_sweeps.py` on {scale["machine"]}, {cores} cores, {scale["blas"]}.

**One job or two.** {jobs["runs"]} quick runs (`vae-nb sweep {" ".join(QUICK)}`,
one BLAS thread each) with `--jobs 1` and with `--jobs 2`, the whole command with its report, in
turn: {rounds}. The median of the ratios is **{jobs["ratio"]:.2f}**.

**One run** of the default configuration, notebooks 04 to 06 and 08, while another one runs beside
it:

| | |
|---|--:|
| seconds | {run["seconds"]:.0f} |
| of them training | {run["training_seconds"]:.0f} |
| core seconds | {run["core_seconds"]:.0f} |
| memory at its peak | {run["megabytes_of_memory"]:.0f} MB |
| model on the disk | {disk["model"]:.0f} MB |
| executed notebooks | {disk["notebooks"]:.0f} MB |
| pictures | {disk["pictures"]:.1f} MB |

**What is around the runs**, for {RUNS:,} of them:

| | |
|---|--:|
| the plan, checked, with every run's hash | {engine["plan_seconds"]:.1f} s |
| `curves.csv` written once | {engine["tables_seconds"]:.1f} s |
| its size | {engine["tables_megabytes"]:.0f} MB |
| as many jobs that do nothing, through a Dask scheduler | {scheduler["seconds"]:.1f} s |
| the scheduler's own work for them | {scheduler["core_seconds"]:.1f} core seconds |
| the scheduler's memory after them | {scheduler["megabytes_of_memory"]:.0f} MB |

**A thousand runs**, computed from these figures:

| | |
|---|--:|
| core hours | {hours:.0f} |
| hours on this machine | {hours / cores:.0f} |
| hours on 100 cores of its kind | {hours / 100:.2f} |
| on the disk, all files | {RUNS * sum(disk.values()) / 1000:.0f} GB |
| on the disk with `--only 04` | about {RUNS * disk["model"] / 1000:.0f} GB |
| the scheduler's share of the work | {scheduler["core_seconds"] / (hours * 3600):.5%} |

**Where the first limit is.** Not in the scheduler: a job of a minute and more costs it
{scheduler["core_seconds"] / RUNS * 1000:.1f} ms. It is the shared disk, twice. A thousand models
want {RUNS * disk["model"] / 1000:.0f} GB of room. And every training writes a checkpoint of
{run["checkpoint_megabytes"]:.0f} MB each 30 seconds: {traffic:.0f} MB/s for each run, so
{100 * traffic:,.0f} MB/s for 100 runs at a time, more than most shared disks take. On a cluster set
`--set training.checkpoint_seconds=600`: a killed worker then costs up to ten minutes of one run.
Where workers share no disk with the sweep, every run's {sum(disk.values()):.0f} MB pass through the
scheduler and through the sweep's memory, one run after the other; beyond some hundred runs, share a
folder. Memory comes next: {run["megabytes_of_memory"]:.0f} MB for each run at a time.

Not measured: a real cluster's network and disk, a scheduler with hundreds of workers, and
papermill's remote storage.
"""


def main(arguments):
    """Measure everything, and write both files.

    Parameters
    ----------
    arguments : list of str
        Empty, or "--two-runs" and a folder: then it only runs what `measure_runs` measures.
    """
    if arguments and arguments[0] == "--two-runs":
        print(json.dumps(sweep(Path(arguments[1]), "whole", "--seeds", "2", "--jobs", "2")))
        return
    machine = describe()
    with tempfile.TemporaryDirectory() as folder:
        scale = {
            "machine": machine["processor"],
            "cores": machine["cores"],
            "engine": measure_engine(),
            "run": measure_runs(Path(folder) / "runs"),
            "jobs": measure_jobs(Path(folder) / "jobs"),
        }
        done = next((Path(folder) / "runs").glob("sweeps/whole/*/metrics.json"))
        scale["blas"] = json.loads(done.read_text(encoding="utf-8"))["blas"]
    TABLE.write_text(json.dumps(scale, indent=2) + "\n", encoding="utf-8")
    TABLE.with_suffix(".md").write_text(as_markdown(scale), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
