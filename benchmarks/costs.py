"""What a reader waits for beside the training: importing, loading pictures, moving a slider."""

import subprocess
import sys
import time

import click
import numpy as np
from jupyter_client.manager import start_new_kernel

import vae_nb

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
    """What a move of the latent explorer's first slider costs the kernel, the default model.

    In a kernel of its own, for the messages to the browser are part of it; they are counted from
    when the new value has arrived to when all is sent.
    """
    code = f"""
import time
import numpy as np, vae_nb
config = vae_nb.load_config()
images = vae_nb.load_images(config.data)
vae = vae_nb.VAE(config.model, images.image_shape, np.random.default_rng(0))
explorer = vae_nb.LatentExplorer(vae, images)
seconds = []
for value in np.random.default_rng(1).uniform(-4, 4, {FRAMES}):
    state = {{"values": [float(value), *explorer.sliders.values[1:]]}}
    started = time.perf_counter()
    explorer.sliders.set_state(state)  # what a message from the browser does
    seconds.append(time.perf_counter() - started)
print(np.median(seconds))
"""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        printed = []
        reply = client.execute_interactive(code, output_hook=printed.append)
        assert reply["content"]["status"] == "ok", reply["content"]
        text = "".join(message["content"].get("text", "") for message in printed)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return float(text.split()[-1])


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
    click.echo(f"| a move of the latent explorer, in the kernel | {costs['frame_ms']:.1f} ms |")
    click.echo(f"| loading {costs['pictures']} pictures | {costs['load_s']:.1f} s |")


if __name__ == "__main__":
    print_table(run())
