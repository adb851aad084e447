"""Measure what a user waits for beside training: importing, loading images, moving a slider."""

import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO

import click
import numpy as np
from jupyter_client.manager import start_new_kernel

import vae_nb

IMPORTS = 9
FRAMES = 1000
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


# Moves a slider of the default model's explorer as a browser's message does, and prints the median.
MOVES = f"""
import time
import numpy as np, vae_nb
config = vae_nb.load_config()
images = vae_nb.load_images(config.data)
vae = vae_nb.VAE(config.model, images.image_shape, np.random.default_rng(0))
sliders = vae_nb.LatentExplorer(vae, images).sliders
seconds = []
for value in np.linspace(-4, 4, {FRAMES}):  # a slow drag from end to end
    state = {{"values": [float(value), *sliders.values[1:]]}}
    started = time.perf_counter()
    sliders.set_state(state)
    seconds.append(time.perf_counter() - started)
print(np.median(seconds))
"""


def frame_seconds():
    """Measure a move of the latent explorer's first slider: the decoder, and all that is shown."""
    with redirect_stdout(StringIO()) as printed:
        exec(MOVES, {})
    return float(printed.getvalue())


def frame_in_kernel_seconds():
    """Measure the same in a kernel, whose threads send the result and share the cores with BLAS."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        messages = []
        reply = client.execute_interactive(MOVES, output_hook=messages.append)
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return float("".join(message["content"].get("text", "") for message in messages))


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
        "frame_ms": 1e3 * frame_seconds(),
        "frame_in_kernel_ms": 1e3 * frame_in_kernel_seconds(),
        "pictures": images,
        "load_s": load_s,
    }


def print_table(costs):
    """Print the costs as a Markdown table."""
    click.echo("| | median |")
    click.echo("|---|--:|")
    click.echo(f"| `import vae_nb`, and all that a training needs | {costs['import_s']:.2f} s |")
    frame = "a move of the latent explorer: the decoder and all that is shown"
    click.echo(f"| {frame} | {costs['frame_ms']:.1f} ms |")
    click.echo(f"| the same in a kernel that sends it | {costs['frame_in_kernel_ms']:.1f} ms |")
    click.echo(f"| loading {costs['pictures']} pictures | {costs['load_s']:.1f} s |")


if __name__ == "__main__":
    print_table(run())
