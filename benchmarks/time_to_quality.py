"""A whole default training: seconds until the held-out loss is as low as it should be.

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

# Nats per held-out image at KL weight 1: within one per cent of where the default ends.
TARGET = 3570.0
ROUNDS = 3


def run(rounds=ROUNDS):
    """Train the default configuration with every implementation, in turns.

    Parameters
    ----------
    rounds : int
        Whole trainings with each.

    Returns
    -------
    list of dict
        For each implementation: "median_s" until the target (compiling counts), "epochs" it took,
        "whole_s" and "final" for all epochs, "ratio" of vae_nb's median to its own.
    """
    config = vae_nb.load_config("config.json")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write_training(folder, config)
        for _ in range(rounds):
            for name in IMPLEMENTATIONS:
                time.sleep(PAUSE)
                with Worker(name, folder) as worker:
                    if worker.missing:
                        continue
                    found.setdefault(name, []).append(np.array(worker.ask("train")["rows"]))
    rows = []
    for name, trainings in found.items():
        reached = [int(np.argmax(losses <= TARGET)) for _, losses in (t.T for t in trainings)]
        rows.append(
            {
                "implementation": name,
                "median_s": float(
                    np.median(
                        [
                            training[epoch, 0] if training[epoch, 1] <= TARGET else np.inf
                            for training, epoch in zip(trainings, reached, strict=True)
                        ]
                    )
                ),
                "epochs": [epoch + 1 for epoch in reached],
                "whole_s": float(np.median([training[-1, 0] for training in trainings])),
                "final": [float(training[-1, 1]) for training in trainings],
            }
        )
    for row in rows:
        row["ratio"] = rows[0]["median_s"] / row["median_s"]
    return rows


def print_table(rows):
    click.echo(
        f"| implementation | seconds to {TARGET:.0f} nats held out | epochs to it "
        "| seconds for all epochs | vae_nb / it |"
    )
    click.echo("|---|--:|--:|--:|--:|")
    for row in rows:
        epochs = ", ".join(map(str, sorted(set(row["epochs"]))))
        click.echo(
            f"| {row['implementation']} | {row['median_s']:.1f} | {epochs} "
            f"| {row['whole_s']:.1f} | {row['ratio']:.2f} |"
        )


@click.command()
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path))
def main(json_path):
    """Time a whole default training with vae_nb, PyTorch and JAX, in turns."""
    rows = run()
    print_table(rows)
    if json_path:
        json_path.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
