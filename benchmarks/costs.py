"""Measure what a user waits for beside training: importing and loading images."""

import subprocess
import sys
import time

import click
import numpy as np

import vae_nb

IMPORTS = 9
LOADS = 5


def import_seconds():
    """Measure the import of vae_nb with all that training needs, without Python's own start.

    Each import runs in a new process.
    """
    code = (
        "import time; t = time.perf_counter(); import vae_nb; "
        "vae_nb.load_config, vae_nb.load_images, vae_nb.VAE, vae_nb.train; import tqdm.auto; "
        "print(time.perf_counter() - t)"
    )
    seconds = []
    for _ in range(IMPORTS):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        seconds.append(float(done.stdout))
    return float(np.median(seconds))


def loading_seconds():
    """Measure reading all 1377 images of the repository: return their number and the seconds."""
    config = vae_nb.load_config("configs/all_emojis.json")
    seconds = []
    for _ in range(LOADS):
        started = time.perf_counter()
        images = vae_nb.load_images(config.data)
        seconds.append(time.perf_counter() - started)
    return len(images), float(np.median(seconds))


def run():
    """Measure all costs, and return them by name."""
    images, load_s = loading_seconds()
    return {
        "import_s": import_seconds(),
        "pictures": images,
        "load_s": load_s,
    }


def print_table(costs):
    """Print the costs as a Markdown table."""
    click.echo("| | median |")
    click.echo("|---|--:|")
    click.echo(f"| `import vae_nb`, and all that a training needs | {costs['import_s']:.2f} s |")
    click.echo(f"| loading {costs['pictures']} pictures | {costs['load_s']:.1f} s |")


if __name__ == "__main__":
    print_table(run())
