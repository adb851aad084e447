"""What a reader waits for beside the training: importing, loading pictures, moving a slider."""

import subprocess
import sys
import time

import click
import numpy as np

import vae_nb
from benchmarks.problem import seed_config
from vae_nb.explorer import png_bytes

IMPORTS = 9
FRAMES = 200
LOADS = 5


def import_seconds():
    """Importing vae_nb, with what a training needs, in fresh processes: without Python's start."""
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


def frame_seconds():
    """Decoding one latent vector of the default model to the bytes of a PNG: a slider's cost."""
    config = seed_config()
    vae = vae_nb.VAE(config.model, config.data.image_shape, np.random.default_rng(0))
    seconds = []
    for z in np.random.default_rng(1).standard_normal((FRAMES, 1, vae.latent_dim)):
        started = time.perf_counter()
        png_bytes(vae.decode(z)[0].reshape(vae.image_shape))
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def loading():
    """Reading all 1377 pictures of the repository: their number and the seconds."""
    config = vae_nb.load_config("configs/all_emojis.json")
    seconds = []
    for _ in range(LOADS):
        started = time.perf_counter()
        images = vae_nb.load_images(config.data)
        seconds.append(time.perf_counter() - started)
    return len(images), float(np.median(seconds))


def run():
    """Measure all three.

    Returns
    -------
    dict
    """
    pictures, load_s = loading()
    return {
        "import_s": import_seconds(),
        "frame_ms": 1e3 * frame_seconds(),
        "pictures": pictures,
        "load_s": load_s,
    }


def print_table(costs):
    click.echo("| | median |")
    click.echo("|---|--:|")
    click.echo(f"| `import vae_nb`, and all that a training needs | {costs['import_s']:.2f} s |")
    click.echo(f"| a latent vector, decoded to PNG bytes | {costs['frame_ms']:.1f} ms |")
    click.echo(f"| loading {costs['pictures']} pictures | {costs['load_s']:.1f} s |")


if __name__ == "__main__":
    print_table(run())
