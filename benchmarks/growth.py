"""Measure how step time and memory grow with the parameters, the batch and the images.

python -m benchmarks.growth
"""

import json
import math
import os
import re
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

# The units of the widest layers, for about 1, 3, 13, 25, 50 and 100 million parameters.
UNITS = (38, 128, 512, 1000, 2000, 4000)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
IMAGES = (100, 1000, 10_000, 100_000)
BATCH = 16
MAPPED_STEPS = 300  # of a set that is larger than the memory: most images come from the disk


def _layers(*layers):
    return [{"units": units, "activation": activation} for units, activation in layers]


def measure_step(config, batch):
    """Measure the median milliseconds of a step, and the peak megabytes of its process."""
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
    """Measure the seed architecture with narrower and wider outer layers."""
    rows = []
    for units in UNITS:
        encoder = _layers((units, "relu"), (256, "relu"), (128, "relu"))
        decoder = _layers((128, "relu"), (256, "relu"), (units, "cosh"))
        config = seed_config(model={"encoder_layers": encoder, "decoder_layers": decoder})
        rows.append(measure_step(config, BATCH))
    return rows


def by_batch():
    """Measure the seed architecture with smaller and larger batches."""
    return [measure_step(seed_config(), batch) for batch in BATCHES]


def random_images(count, image_shape, is_mapped):
    """Make a set of random images: in memory, or mapped from the cache of decoded images."""
    import vae_nb
    from vae_nb.data.image_cache import write_entry

    rng = np.random.default_rng(0)
    images = (
        (np.frombuffer(rng.bytes(math.prod(image_shape)), np.uint8), f"image_{number}", "all")
        for number in range(count)
    )
    if is_mapped:
        return write_entry("random", image_shape, images, [])
    pixels = np.empty((count, math.prod(image_shape)), np.uint8)
    names = []
    for number, (image, name, _) in enumerate(images):
        pixels[number] = image
        names.append(name)
    return vae_nb.ImageSet(pixels.reshape(count, *image_shape), tuple(names), ("all",) * count)


def anonymous_megabytes():
    """Return how much memory this process has that no file stands for; None if not on Linux."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1024


def train_on(count, is_mapped=False):
    """Take steps on random images in this process: time them with fetching, and its memory."""
    import vae_nb
    from vae_nb.core.blocks import worker_threads

    config = seed_config()
    rng = np.random.default_rng(0)
    images = random_images(count, config.data.image_shape, is_mapped)
    train_set, held_out = images.split(0.2, seed=0)
    vae = vae_nb.VAE(config.model, config.data.image_shape, rng)
    vae.center_on(train_set.mean_image())
    adam = vae_nb.Adam(vae.parameters)
    batches = chain.from_iterable(train_set.batches(BATCH, rng) for _ in range(STEPS))
    seconds = []
    anonymous = anonymous_megabytes()
    steps = SETTLING_STEPS + (MAPPED_STEPS if is_mapped else STEPS)
    with worker_threads():
        started = time.perf_counter()
        for x in islice(batches, steps):
            noise = rng.standard_normal((len(x), vae.latent_dim), np.float32)
            vae.loss_and_gradients(x, noise)
            adam.update(vae.gradient_blocks, 1e-4)
            finished = time.perf_counter()
            seconds.append(finished - started)
            started = finished
            anonymous = anonymous and max(anonymous, anonymous_megabytes())
        vae_nb.encode_set(vae, held_out.select(slice(1000)))
    return {
        "pictures": count,
        "picture_mb": images.stored.nbytes / 2**20,
        "median_ms": 1e3 * float(np.median(seconds[SETTLING_STEPS:])),
        "peak_mb": peak_megabytes(),
        "anonymous_mb": anonymous,
    }


def by_images():
    """Measure each number of images in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", "--images"]
    folder = Path(__file__).parents[1]
    rows = []
    for count in IMAGES:
        done = subprocess.run(
            [*command, str(count)], stdout=subprocess.PIPE, check=True, cwd=folder
        )
        rows.append(json.loads(done.stdout))
    return rows


def run():
    """Measure the growth with the parameters, the batch and the images.

    Returns
    -------
    dict of str to list of dict
    """
    return {"parameters": by_parameters(), "batch": by_batch(), "pictures": by_images()}


def print_table(growth):
    """Print the growth as Markdown tables."""
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
@click.option("--images", type=click.IntRange(2))
@click.option("--mapped", type=click.Path(file_okay=False), help="Keep the images in this folder.")
def main(images, mapped):
    """Measure growth. With --images, train on that many random images and print one row."""
    if images:
        if mapped:
            os.environ["VAE_NB_CACHE"] = mapped
        click.echo(json.dumps(train_on(images, is_mapped=mapped is not None)))
    else:
        print_table(run())


if __name__ == "__main__":
    main()
