"""Draw what notebook 01 opens with: what a model of the default configuration can do.

    python tools/draw_sneak_peek.py

Loads the model in output/, or trains it. Writes docs/images/sneak_peek.png; which of its numbered
pictures were held out is noted in the file itself, for the notebook to read.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vae_nb import encode_set, figures, load_config, load_or_train, random_stream

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "sneak_peek.png"
COLUMNS = 10
HELD_OUT_COLUMNS = (2, 4, 5, 8, 10)  # as they are numbered in the picture
ENDS = ("1f499_blue_heart", "1f638_grinning_cat_with_smiling_eyes")  # of the path


def drawn(figure):
    """A figure as an image.

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
    """The parts of the picture, from top to bottom.

    Parameters
    ----------
    run : vae_nb.TrainedRun

    Returns
    -------
    list of matplotlib.figure.Figure
    """
    shape = run.train_set.image_shape
    vae, latent_dim = run.vae, run.vae.latent_dim

    def decode(z):
        return vae.decode(z.astype(vae.dtype)).reshape(-1, *shape)

    # Evenly spread over each set, and so over the labels.
    held_out = np.linspace(0, len(run.validation_set) - 1, len(HELD_OUT_COLUMNS)).astype(int)
    trained = np.linspace(0, len(run.train_set) - 1, COLUMNS - len(held_out)).astype(int)
    order = [column in HELD_OUT_COLUMNS for column in range(1, COLUMNS + 1)]
    x = np.empty((COLUMNS, int(np.prod(shape))), np.float32)
    x[order] = run.validation_set.as_float(held_out)
    x[~np.array(order)] = run.train_set.as_float(trained)
    pairs = np.concatenate([x, vae.reconstruct(x)]).reshape(-1, *shape)

    mean, _ = encode_set(vae, run.train_set)
    first, last = (mean[run.train_set.names.index(name)] for name in ENDS)
    t = np.linspace(0, 1, COLUMNS)[:, None]
    turned = np.zeros((COLUMNS, latent_dim))
    turned[:, 0] = np.linspace(-3, 3, COLUMNS)
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
        figures.image_grid(decode((1 - t) * first + t * last), title="From one emoji to another"),
        figures.image_grid(decode(turned), title="One of the numbers, turned from −3 to 3"),
        figures.image_grid(decode(random), title="Made from random numbers"),
    ]


def main():
    """Draw the picture and save it, with 256 colours."""
    run = load_or_train(load_config("config.json"), "output")
    parts = [drawn(figure) for figure in strips(run)]
    whole = Image.new("RGB", (max(p.width for p in parts), sum(p.height for p in parts)), "white")
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    notes = PngInfo()
    notes.add_text("held out", ", ".join(map(str, HELD_OUT_COLUMNS)))
    whole = whole.quantize(256, dither=Image.Dither.NONE)
    whole.save(PICTURE, optimize=True, pnginfo=notes)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
