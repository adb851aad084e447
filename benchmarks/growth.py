"""How step time and memory grow: with the parameters, the batch and the pictures.

python -m benchmarks.growth
"""

import json
import subprocess
import sys
import tempfile
import time
from itertools import chain, islice
from pathlib import Path

import click
import numpy as np

from benchmarks.problem import seed_config, write_step
from benchmarks.training_step import SETTLING_STEPS, STEPS, ask_steps
from benchmarks.worker import Worker, peak_megabytes

# Units of the widest layers: about 1, 3, 13, 25, 50 and 100 million parameters.
UNITS = (38, 128, 512, 1000, 2000, 4000)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PICTURES = (100, 1000, 10_000, 100_000)
BATCH = 16


def _layers(*layers):
    return [{"units": units, "activation": activation} for units, activation in layers]


def measure_step(config, batch):
    """Median milliseconds of a step, and peak megabytes of its process."""
    with tempfile.TemporaryDirectory() as folder:
        vae = write_step(folder, batch, config)
        with Worker("vae_nb", folder) as worker:
            ask_steps(worker, SETTLING_STEPS)
            seconds = ask_steps(worker, STEPS)["seconds"]
            peak = worker.ask("peak")["megabytes"]
    return {
        "parameters": vae.parameters.size,
        "batch": batch,
        "median_ms": 1e3 * float(np.median(seconds)),
        "peak_mb": peak,
    }


def by_parameters():
    """The seed architecture with narrower or wider outer layers."""
    rows = []
    for units in UNITS:
        encoder = _layers((units, "relu"), (256, "relu"), (128, "relu"))
        decoder = _layers((128, "relu"), (256, "relu"), (units, "cosh"))
        config = seed_config(model={"encoder_layers": encoder, "decoder_layers": decoder})
        rows.append(measure_step(config, BATCH))
    return rows


def by_batch():
    return [measure_step(seed_config(), batch) for batch in BATCHES]


def train_on(count):
    """Steps on a set of random pictures, in this process: their time with fetching, peak memory."""
    import vae_nb
    from vae_nb.core.blocks import worker_threads

    config = seed_config()
    rng = np.random.default_rng(0)
    pixels = np.empty((count, *config.data.image_shape), np.uint8)
    for picture in pixels:
        picture[:] = rng.integers(0, 256, picture.shape, np.uint8)
    names = tuple(f"picture_{number}" for number in range(count))
    images = vae_nb.ImageSet(pixels, names, ("all",) * count)
    train_set, held_out = images.split(0.2, seed=0)
    vae = vae_nb.VAE(config.model, config.data.image_shape, rng)
    vae.center_on(train_set.mean_image())
    adam = vae_nb.Adam(vae.parameters)
    epochs = chain.from_iterable(train_set.batches(BATCH, rng) for _ in range(STEPS))
    seconds = []
    with worker_threads():
        started = time.perf_counter()
        for x in islice(epochs, SETTLING_STEPS + STEPS):
            vae.loss_and_gradients(x, rng.standard_normal((len(x), vae.latent_dim), np.float32))
            adam.update(vae.gradient_blocks, 1e-4)
            finished = time.perf_counter()
            seconds.append(finished - started)
            started = finished
        vae_nb.encode_set(vae, held_out.select(slice(1000)))
    return {
        "pictures": count,
        "picture_mb": pixels.nbytes / 2**20,
        "median_ms": 1e3 * float(np.median(seconds[-STEPS:])),
        "peak_mb": peak_megabytes(),
    }


def by_pictures():
    """Each number of pictures in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", "--pictures"]
    folder = Path(__file__).parents[1]
    rows = []
    for count in PICTURES:
        done = subprocess.run(
            [*command, str(count)], stdout=subprocess.PIPE, check=True, cwd=folder
        )
        rows.append(json.loads(done.stdout))
    return rows


def run():
    """Measure all three.

    Returns
    -------
    dict of str to list of dict
    """
    return {"parameters": by_parameters(), "batch": by_batch(), "pictures": by_pictures()}


def print_table(growth):
    click.echo("| parameters | batch | median ms | peak MB |")
    click.echo("|--:|--:|--:|--:|")
    for row in growth["parameters"] + growth["batch"]:
        click.echo(
            f"| {row['parameters']:,} | {row['batch']} | {row['median_ms']:.1f} "
            f"| {row['peak_mb']:.0f} |"
        )
    click.echo("\n| pictures | their MB | median ms | peak MB | peak less the pictures |")
    click.echo("|--:|--:|--:|--:|--:|")
    for row in growth["pictures"]:
        rest = row["peak_mb"] - row["picture_mb"]
        click.echo(
            f"| {row['pictures']:,} | {row['picture_mb']:.0f} | {row['median_ms']:.1f} "
            f"| {row['peak_mb']:.0f} | {rest:.0f} |"
        )


@click.command()
@click.option("--pictures", type=click.IntRange(2))
def main(pictures):
    """Measure growth; with --pictures, train on that many random pictures and print one row."""
    if pictures:
        click.echo(json.dumps(train_on(pictures)))
    else:
        print_table(run())


if __name__ == "__main__":
    main()
