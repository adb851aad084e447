"""Draw the pictures that the first notebooks show of what comes later.

    python tools/draw_previews.py

Run it after `vae-nb run` with the default configuration: it loads the model in output/, and takes
the pictures in output/images/. Into docs/images/ go never_seen.png, the quiz of notebook 01, and
the four pictures at the end of notebook 00, all with 256 colors. The metadata of never_seen.png say
which of its numbered emojis were held out; the notebook reads that.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vae_nb import figures, load_config, load_or_train
from vae_nb.run.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
OF_THE_RUN = ("reconstruccion.png", "latent_space.png", "loss.png", "latent_traversal.png")
COLUMNS = 10
HELD_OUT_COLUMNS = (2, 4, 5, 8, 10)  # as numbered in the image


def quiz(run):
    """Draw ten emojis and, below each, its reconstruction.

    Parameters
    ----------
    run : vae_nb.TrainedRun

    Returns
    -------
    PIL.Image.Image
    """
    # Evenly spread over each set, and so over the labels.
    held_out = np.linspace(0, len(run.validation_set) - 1, len(HELD_OUT_COLUMNS)).astype(int)
    trained = np.linspace(0, len(run.train_set) - 1, COLUMNS - len(held_out)).astype(int)
    is_held_out = np.isin(np.arange(1, COLUMNS + 1), HELD_OUT_COLUMNS)
    x = np.empty((COLUMNS, int(np.prod(run.train_set.image_shape))), np.float32)
    x[is_held_out] = run.validation_set.as_float(held_out)
    x[~is_held_out] = run.train_set.as_float(trained)
    pairs = np.concatenate([x, run.vae.reconstruct(x)]).reshape(-1, *run.train_set.image_shape)
    numbers = [str(column) for column in range(1, COLUMNS + 1)]
    figure = figures.image_grid(pairs, COLUMNS, titles=numbers + [""] * COLUMNS)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer)


def save(image, name, notes=None):
    """Save an image with 256 colors into docs/images/."""
    few_colors = image.convert("RGB").quantize(256, kmeans=3, dither=Image.Dither.NONE)
    few_colors.save(IMAGES / name, optimize=True, pnginfo=notes)
    print(f"{name}: {(IMAGES / name).stat().st_size // 1000} kB")


def main():
    """Draw all of them."""
    run = load_or_train(load_config("config.json"), "output")
    notes = PngInfo()
    notes.add_text("held out", ", ".join(map(str, HELD_OUT_COLUMNS)))
    save(quiz(run), "never_seen.png", notes)
    for name in OF_THE_RUN:
        save(Image.open(Workspace("output").images / name), name)


if __name__ == "__main__":
    main()
