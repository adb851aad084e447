"""Time one training step: vae_nb beside PyTorch and JAX.

python -m benchmarks.training_step --batch 2 --batch 16 --batch 128 --json step.json
python -m benchmarks.training_step --model convolutional --batch 16
"""

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np

from benchmarks.implementations import IMPLEMENTATIONS
from benchmarks.machine import Rates, describe
from benchmarks.problem import count_work, seed_config, write_step
from benchmarks.worker import Worker
from vae_nb import load_config

LEARNING_RATE = 1e-4  # small, so that the loss stays finite over hundreds of steps on one batch
CHECKED_STEPS = 10
TOLERANCE = 1e-4  # norm-wise and relative, for each parameter array
ROUNDS = 15
STEPS = 12
SETTLING_STEPS = 2  # not counted: the other implementations have emptied the caches
PAUSE = 0.1  # seconds, until a library's idle threads stop spinning
MODELS = {  # name: what makes its configuration
    "dense": seed_config,  # the seed architecture
    "convolutional": lambda: load_config("configs/convolutional.json"),
}


def ask_steps(worker, count):
    """Let a worker take steps, and return their losses and seconds."""
    return worker.ask("steps", count=count, learning_rate=LEARNING_RATE)


def check_same(folder, names):
    """Compare every implementation's losses and parameters after ten steps with the first one's.

    Parameters
    ----------
    folder : Path
        The problem's folder.
    names : list of str
        The implementations' names, "vae_nb" first.

    Returns
    -------
    list of str
        The names of the installed implementations.

    Raises
    ------
    SystemExit
        If an implementation computes something else.
    """
    present = []
    expected = None
    for name in names:
        with Worker(name, folder) as worker:
            if worker.missing:
                click.echo(f"{name} is left out: {worker.missing} is not installed.", err=True)
                continue
            losses = ask_steps(worker, CHECKED_STEPS)["losses"]
            path = Path(folder) / "after.npz"
            worker.ask("save", path=str(path))
        with np.load(path) as arrays:
            found = {"loss": np.array(losses), **arrays}
        if expected is None:
            expected = found
        for key, value in expected.items():
            error = np.linalg.norm(found[key] - value) / np.linalg.norm(value)
            if not error <= TOLERANCE:
                raise SystemExit(
                    f"{name} does not compute what vae_nb computes: after {CHECKED_STEPS} steps "
                    f"its {key} differs by {error:.1e}; at most {TOLERANCE:.0e} is allowed."
                )
        present.append(name)
    return present


def measure_batch(model, batch, rates, names):
    """Time the step at one batch size, the named implementations in turns.

    Parameters
    ----------
    model : str
        A key of `MODELS`.
    batch : int
        The batch size.
    rates : benchmarks.machine.Rates
        It measures the machine's rates in every round.
    names : sequence of str
        The implementations' names.

    Returns
    -------
    list of dict
        A row for each implementation, with the seconds of every round under "rounds".
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        moved, operations = count_work(write_step(folder, batch, MODELS[model]()), batch)
        workers = [stack.enter_context(Worker(name, folder)) for name in names]
        for worker in workers:
            ask_steps(worker, CHECKED_STEPS)  # compile, and touch all memory
        rounds = {worker.name: [] for worker in workers}
        for number in range(ROUNDS):
            time.sleep(PAUSE)
            rates.measure()
            first = number % len(workers)
            for worker in workers[first:] + workers[:first]:
                time.sleep(PAUSE)
                seconds = ask_steps(worker, SETTLING_STEPS + STEPS)["seconds"]
                rounds[worker.name].append(seconds[SETTLING_STEPS:])
        return [
            {
                "model": model,
                "implementation": worker.name,
                "version": worker.version,
                "batch": batch,
                "median_ms": 1e3 * float(np.median(rounds[worker.name])),
                "min_ms": 1e3 * float(np.min(rounds[worker.name])),
                "peak_mb": worker.ask("peak")["megabytes"],
                "moved": moved,
                "operations": operations,
                "rounds": rounds[worker.name],
            }
            for worker in workers
        ]


def finish_rows(rows, rates):
    """Add the floors, now that the machine's rates are known, and the ratios with quartiles."""
    references = {row["batch"]: row for row in rows if row["implementation"] == "vae_nb"}
    # By batch size: vae_nb's median of each round.
    reference_medians = {
        batch: np.median(row["rounds"], axis=1) for batch, row in references.items()
    }
    for row in rows:
        batch = row["batch"]
        row["floor_ms"] = 1e3 * rates.floor_seconds(row.pop("moved"), row.pop("operations"))
        medians = np.median(row.pop("rounds"), axis=1)
        row["ratio"] = references[batch]["median_ms"] / row["median_ms"]
        ratios = reference_medians[batch] / medians
        row["ratio_quartiles"] = np.quantile(ratios, [0.25, 0.75]).tolist()
    return rows


def print_table(machine, rows):
    """Print the machine and the rows as a Markdown table."""
    versions = dict.fromkeys(row["version"] for row in rows)  # each once, in order
    click.echo(
        f"{machine['processor']}, {machine['cores']} cores, {machine['blas']}, "
        f"{machine['threads']} threads; {machine['bandwidth_gb_s']:.0f} GB/s, "
        f"{machine['gemm_gflop_s']:.0f} GFLOP/s (medians of this run). "
        f"{'; '.join(versions)}.\n"
    )
    click.echo(
        "| batch | implementation | median ms | least ms | peak MB | median / floor |"
        " vae_nb / it (quartiles of the rounds) |"
    )
    click.echo("|---|---|---|---|---|---|---|")
    for row in rows:
        low, high = row["ratio_quartiles"]
        click.echo(
            f"| {row['batch']} | {row['implementation']} | {row['median_ms']:.1f} "
            f"| {row['min_ms']:.1f} | {row['peak_mb']:.0f} "
            f"| {row['median_ms'] / row['floor_ms']:.2f} "
            f"| {row['ratio']:.2f} ({low:.2f} to {high:.2f}) |"
        )


def run(batches, model="dense"):
    """Measure all batch sizes.

    Parameters
    ----------
    batches : sequence of int
    model : str
        A key of `MODELS`.

    Returns
    -------
    dict
        With "machine" and "rows".
    """
    names = list(IMPLEMENTATIONS)
    for batch in batches:  # before anything is timed
        with tempfile.TemporaryDirectory() as folder:
            write_step(folder, batch, MODELS[model]())
            names = check_same(folder, names)
    rates = Rates()
    rows = [row for batch in batches for row in measure_batch(model, batch, rates, names)]
    machine = describe() | {
        "bandwidth_gb_s": rates.bandwidth / 1e9,
        "gemm_gflop_s": rates.gemm_rate / 1e9,
    }
    return {"machine": machine, "rows": finish_rows(rows, rates)}


@click.command()
@click.option("--batch", "batches", type=click.IntRange(1), multiple=True, default=(2, 16, 128))
@click.option("--model", type=click.Choice(list(MODELS)), default="dense", show_default=True)
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path))
def main(batches, model, json_path):
    """Time one training step of vae_nb, PyTorch and JAX, in turns."""
    results = run(batches, model)
    print_table(results["machine"], results["rows"])
    if json_path:
        json_path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
