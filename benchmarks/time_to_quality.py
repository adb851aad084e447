"""A whole training: seconds until the held-out loss is as low as it should be.

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

# What is trained stays the same when the default configuration moves, so that measurements of
# different days can be compared: the seed architecture on the default's pictures.
TRAINING = {"training.epochs": 100, "training.kl_weight": 4.0, "training.seed": 1}
# Nats per held-out image at KL weight 1: within one per cent of where this training ends.
TARGET = 3570.0
ROUNDS = 3


def run(rounds=ROUNDS):
    """Train the same configuration with every implementation, in turns.

    Parameters
    ----------
    rounds : int
        Whole trainings with each.

    Returns
    -------
    list of dict
        For each implementation: "median_s" until the target (compiling counts) and the "epochs" it
        took in each round, None where a round did not get there; "whole_s" and the "final" losses
        for all epochs; "ratio" of vae_nb's median to its own.
    """
    config = vae_nb.load_config(None, TRAINING)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write_training(folder, config)
        for number in range(rounds):
            names = list(IMPLEMENTATIONS)
            first = number % len(names)
            for name in names[first:] + names[:first]:
                time.sleep(PAUSE)
                # What torch.compile has made before is not found again.
                cache = Path(folder) / f"{name}_{number}"
                with Worker(name, folder, {"TORCHINDUCTOR_CACHE_DIR": str(cache)}) as worker:
                    if not worker.missing:
                        found.setdefault(name, []).append(worker.ask("train")["rows"])
    rows = []
    for name in (name for name in IMPLEMENTATIONS if name in found):
        reached = [_reached(training) for training in found[name]]
        row = {"implementation": name, "median_s": None, "epochs": None}
        if None not in reached:
            row["median_s"] = float(np.median([seconds for _, seconds in reached]))
            row["epochs"] = [epoch for epoch, _ in reached]
        row["whole_s"] = float(np.median([training[-1][0] for training in found[name]]))
        row["final"] = [training[-1][1] for training in found[name]]
        rows.append(row)
    ours = rows[0]["median_s"]
    for row in rows:
        row["ratio"] = ours / row["median_s"] if ours and row["median_s"] else None
    return rows


def _reached(training):
    """The first epoch at the target, counted from 1, with its seconds; None if there is none."""
    at_target = (
        (epoch, seconds)
        for epoch, (seconds, loss) in enumerate(training, start=1)
        if loss <= TARGET
    )
    return next(at_target, None)


def print_table(rows):
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
