"""Time a whole training: the seconds until the held-out loss reaches a target.

python -m benchmarks.time_to_quality --json quality.json
"""

import json
import tempfile
import time
from pathlib import Path

import click
import numpy as np

import vae_nb
from benchmarks.implementations import IMPLEMENTATIONS
from benchmarks.problem import write_training
from benchmarks.training_step import PAUSE
from benchmarks.worker import Worker

# The seed architecture on the default images. This stays the same when the default configuration
# changes, so that measurements of different days can be compared.
TRAINING = {"training.epochs": 100, "training.kl_weight": 4.0, "training.seed": 1}
# Nats per held-out image at KL weight 1: within one percent of where this training ends.
TARGET = 3570.0
ROUNDS = 3


def run(rounds=ROUNDS):
    """Train the same configuration with every implementation, in turns.

    Parameters
    ----------
    rounds : int
        The number of trainings with each implementation.

    Returns
    -------
    list of dict
        A row for each implementation. "median_s" is the time to the target (compiling counts) and
        "epochs" is the number of epochs to it in each round; both are None if a round did not
        reach it. "whole_s" is the time for all epochs, and "final" has the last losses. "ratio" is
        vae_nb's "median_s" over this one's.
    """
    trainings = _train_in_turns(rounds)
    rows = []
    for name in IMPLEMENTATIONS:
        if name not in trainings:
            continue
        reached = [_reached(training) for training in trainings[name]]
        row = {"implementation": name, "median_s": None, "epochs": None}
        if None not in reached:
            row["median_s"] = float(np.median([seconds for _, seconds in reached]))
            row["epochs"] = [epoch for epoch, _ in reached]
        row["whole_s"] = float(np.median([training[-1][0] for training in trainings[name]]))
        row["final"] = [training[-1][1] for training in trainings[name]]
        rows.append(row)
    reference = rows[0]["median_s"]
    for row in rows:
        row["ratio"] = None
        if reference is not None and row["median_s"] is not None:
            row["ratio"] = reference / row["median_s"]
    return rows


def _train_in_turns(rounds):
    """Return each implementation's trainings: (seconds, held-out loss) after every epoch."""
    config = vae_nb.load_config(None, TRAINING)
    trainings = {}
    with tempfile.TemporaryDirectory() as folder:
        write_training(folder, config)
        for number in range(rounds):
            names = list(IMPLEMENTATIONS)
            first = number % len(names)
            for name in names[first:] + names[:first]:
                time.sleep(PAUSE)
                # A new cache, so that torch.compile has to compile again.
                cache = Path(folder) / f"{name}_{number}"
                with Worker(name, folder, {"TORCHINDUCTOR_CACHE_DIR": str(cache)}) as worker:
                    if not worker.missing:
                        trainings.setdefault(name, []).append(worker.ask("train")["rows"])
    return trainings


def _reached(training):
    """Return the first epoch at the target, counted from 1, and its seconds, or None."""
    for epoch, (seconds, loss) in enumerate(training, start=1):
        if loss <= TARGET:
            return epoch, seconds
    return None


def print_table(rows):
    """Print the rows as a Markdown table."""
    click.echo(
        f"| implementation | seconds to {TARGET:.0f} nats held out | epochs to it "
        "| seconds for all epochs | vae_nb / it |"
    )
    click.echo("|---|--:|--:|--:|--:|")
    for row in rows:
        if row["median_s"] is None:
            cells = "never | | "
        else:
            cells = f"{row['median_s']:.1f} | {', '.join(map(str, row['epochs']))} | "
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        click.echo(f"| {row['implementation']} | {cells}{row['whole_s']:.1f} | {ratio} |")


@click.command()
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path))
def main(json_path):
    """Time a whole training with vae_nb, PyTorch and JAX, in turns."""
    rows = run()
    print_table(rows)
    if json_path:
        json_path.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
