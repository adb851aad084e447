"""Draw the image that notebook 01 opens with: what a model of the default configuration can do.

    python tools/draw_sneak_peek.py

Loads the model in output/, or trains it. Writes docs/images/sneak_peek.png. The file's metadata
say which of its numbered emojis were held out, and the notebook reads that.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vae_nb import encode_set, figures, load_config, load_or_train, random_stream

ROOT = Path(__file__).resolve().parents[1]
SNEAK_PEEK = ROOT / "docs" / "images" / "sneak_peek.png"
COLUMNS = 10
HELD_OUT_COLUMNS = (2, 4, 5, 8, 10)  # as numbered in the image
PATH_ENDS = ("1f499_blue_heart", "1f638_grinning_cat_with_smiling_eyes")


def as_image(figure):
    """Draw a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    PIL.Image.Image
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def strips(run):
    """Draw the parts of the image, from top to bottom.

    Parameters
    ----------
    run : vae_nb.TrainedRun

    Returns
    -------
    list of matplotlib.figure.Figure
    """
    image_shape = run.train_set.image_shape
    vae = run.vae
    latent_dim = vae.latent_dim

    def decode(z):
        return vae.decode(z.astype(vae.dtype)).reshape(-1, *image_shape)

    # Evenly spread over each set, and so over the labels.
    held_out = np.linspace(0, len(run.validation_set) - 1, len(HELD_OUT_COLUMNS)).astype(int)
    trained = np.linspace(0, len(run.train_set) - 1, COLUMNS - len(held_out)).astype(int)
    is_held_out = np.isin(np.arange(1, COLUMNS + 1), HELD_OUT_COLUMNS)
    x = np.empty((COLUMNS, int(np.prod(image_shape))), np.float32)
    x[is_held_out] = run.validation_set.as_float(held_out)
    x[~is_held_out] = run.train_set.as_float(trained)
    pairs = np.concatenate([x, vae.reconstruct(x)]).reshape(-1, *image_shape)

    means, _ = encode_set(vae, run.train_set)
    first, last = (means[run.train_set.names.index(name)] for name in PATH_ENDS)
    t = np.linspace(0, 1, COLUMNS)[:, None]
    path = (1 - t) * first + t * last
    one_changed = np.zeros((COLUMNS, latent_dim))
    one_changed[:, 0] = np.linspace(-3, 3, COLUMNS)
    rng = random_stream(run.config.training.seed, "samples")
    random = rng.standard_normal((COLUMNS, latent_dim))
    numbers = [str(column) for column in range(1, COLUMNS + 1)]
    return [
        figures.image_grid(
            pairs,
            COLUMNS,
            f"Emojis, and what comes back from {latent_dim} numbers for each",
            numbers + [""] * COLUMNS,
        ),
        figures.image_grid(decode(path), title="From one emoji to another"),
        figures.image_grid(decode(one_changed), title="One of the numbers, turned from −3 to 3"),
        figures.image_grid(decode(random), title="Made from random numbers"),
    ]


def main():
    """Draw the image, and save it with 256 colors."""
    run = load_or_train(load_config("config.json"), "output")
    parts = [as_image(figure) for figure in strips(run)]
    width = max(part.width for part in parts)
    height = sum(part.height for part in parts)
    whole = Image.new("RGB", (width, height), "white")
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    notes = PngInfo()
    notes.add_text("held out", ", ".join(map(str, HELD_OUT_COLUMNS)))
    whole = whole.quantize(256, dither=Image.Dither.NONE)
    whole.save(SNEAK_PEEK, optimize=True, pnginfo=notes)
    print(f"{SNEAK_PEEK.relative_to(ROOT)}: {SNEAK_PEEK.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
