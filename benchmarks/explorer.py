"""Measure the latent explorer's page: one picture in headless Chromium, and the size of the file.

    python -m benchmarks.explorer

The weights are random: the time does not depend on what a model has learned, but for the zeros that
relu makes. Needs Chromium or Chrome on the PATH.
"""

import base64
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

import vae_nb
from vae_nb.run.export_page import export_page
from vae_nb.show.explorer_state import FRONTEND, explorer_state

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser.front_ends import open_browser

CONFIGS = {"config.json": 8, "configs/convolutional.json": 16}  # milliseconds that a frame may take
PICTURES = 300
WARM_UP = 50  # pictures, until the browser has compiled the code

DECODE = """async ([source, layers, numbers, vectors, warmUp]) => {
    const { createNetwork, readNumbers } = await import(source);
    const bytes = Uint8Array.from(atob(numbers), (letter) => letter.charCodeAt(0));
    const network = createNetwork(layers, readNumbers(bytes, "float16"));
    return vectors.map((z) => {
        const started = performance.now();
        network.decode(z);
        return performance.now() - started;
    }).slice(warmUp);
}"""


def random_run(config_path):
    """Return a run of a configuration that was not trained: its weights are random."""
    config = vae_nb.load_config(config_path)
    images, _ = vae_nb.load_images(config.data).split(config.data.validation_split, 0)
    vae = vae_nb.VAE(config.model, images.image_shape, np.random.default_rng(0))
    return vae_nb.TrainedRun(config, images, images, vae, None, {})


def decode_milliseconds(page, run):
    """Decode random vectors in a page, and return the milliseconds of each."""
    state = explorer_state(run.vae, run.train_set, np.float16)
    script = base64.b64encode((FRONTEND / "network.js").read_bytes()).decode()
    numbers = base64.b64encode(state.numbers).decode()
    shape = (WARM_UP + PICTURES, run.vae.latent_dim)
    vectors = np.random.default_rng(0).standard_normal(shape).tolist()
    source = f"data:text/javascript;base64,{script}"
    return page.evaluate(DECODE, [source, state.facts["layers"], numbers, vectors, WARM_UP])


def run():
    """Measure both models; return what was found for each, by its configuration."""
    found = {}
    with open_browser() as browser, tempfile.TemporaryDirectory() as folder:
        for config_path in CONFIGS:
            run = random_run(config_path)
            times = decode_milliseconds(browser.new_page(), run)
            page = export_page(run, Path(folder) / "page.html")
            found[config_path] = {
                "median_ms": float(np.median(times)),
                "most_ms": float(np.quantile(times, 0.9)),
                "page_mb": page.stat().st_size / 1e6,
            }
    return found


def print_table(found):
    """Print the measurements as a Markdown table."""
    click.echo("| model | a picture, median | 90% take at most | aim | the page |")
    click.echo("|---|--:|--:|--:|--:|")
    for config_path, one in found.items():
        times = f"{one['median_ms']:.1f} ms | {one['most_ms']:.1f} ms | {CONFIGS[config_path]} ms"
        click.echo(f"| `{config_path}` | {times} | {one['page_mb']:.1f} MB |")


if __name__ == "__main__":
    print_table(run())
