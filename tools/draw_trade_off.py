"""Train the default configuration with other activations and KL weights, and draw the trade-off.

    python tools/draw_trade_off.py          train (about a quarter of an hour on two cores) and draw
    python tools/draw_trade_off.py --draw   draw again from the figures that are there

The activation is that of the decoder's last hidden layer; everything else is as in config.json.
Writes docs/trade_off.json and docs/images/trade_off.png.
"""

import dataclasses
import json
import sys
from itertools import product
from pathlib import Path

from matplotlib import pyplot as plt

from vae_nb import VAE, evaluate, figures, load_config, load_images, random_stream, train

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "trade_off.json"
PICTURE = ROOT / "docs" / "images" / "trade_off.png"
ACTIVATIONS = ("cosh", "relu", "softplus", "tanh")
KL_WEIGHTS = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
LOOKS = {  # marker, colour, and where the KL weight stands beside its point
    "cosh": ("s", figures.VERMILLION, (8, 5)),
    "relu": ("o", figures.BLUE, (7, 6)),
    "softplus": ("^", figures.BLUISH_GREEN, (-18, 4)),
    "tanh": ("D", figures.ORANGE, (9, 0)),
}
# What the default is asked for: at most this excess, at least this spread.
EXCESS_BOUND, SPREAD_BOUND = 870, 0.45


def measure(activation, kl_weight):
    """Train once, and measure.

    Parameters
    ----------
    activation : str
    kl_weight : float

    Returns
    -------
    dict
        A row of the table.
    """
    config = load_config(ROOT / "config.json", {"training.kl_weight": kl_weight})
    *layers, last = config.model.decoder_layers
    last = dataclasses.replace(last, activation=activation)
    model = dataclasses.replace(config.model, decoder_layers=(*layers, last))
    seed = config.training.seed
    train_set, validation_set = load_images(config.data).split(config.data.validation_split, seed)
    vae = VAE(model, config.data.image_shape, random_stream(seed, "weights"))
    history = train(vae, train_set, validation_set, config.training, config.data.batch_size)
    row = {"activation": activation, "kl_weight": kl_weight, "epochs": len(history)}
    return row | evaluate(vae, train_set, validation_set, seed)


def draw(rows, default):
    """Held-out excess against the spread of prior samples, a line for each activation.

    Parameters
    ----------
    rows : list of dict
    default : tuple of (str, float)
        Activation and KL weight of config.json.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(figsize=(9, 6), layout="constrained")
    plt.close(figure)
    axes.axhline(EXCESS_BOUND, color=figures.GREY, linestyle=":")
    axes.axvline(SPREAD_BOUND, color=figures.GREY, linestyle=":")
    for activation, (marker, colour, beside) in LOOKS.items():
        mine = [row for row in rows if row["activation"] == activation]
        spread = [row["samples"]["spread"] for row in mine]
        excess = [row["validation"]["excess"] for row in mine]
        axes.plot(spread, excess, marker=marker, color=colour, markersize=8, label=activation)
        for row, x, y in zip(mine, spread, excess, strict=True):
            text = f"{row['kl_weight']:g}"
            axes.annotate(text, (x, y), beside, textcoords="offset points", fontsize=11)
            if (activation, row["kl_weight"]) == default:
                axes.plot(x, y, "o", markersize=20, fillstyle="none", color=figures.BLACK)
    axes.set_xlabel("spread of prior samples over that of the pictures (more is better)")
    axes.set_ylabel("held-out excess (nats per image, less is better)")
    axes.set_title("The number at a point is its KL weight; the ring is the default")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="decoder's last activation", frameon=False)
    return figure


def main(options):
    """Train unless told only to draw; then draw.

    Parameters
    ----------
    options : list of str
    """
    if "--draw" not in options:
        rows = []
        for activation, kl_weight in product(ACTIVATIONS, KL_WEIGHTS):
            print(activation, kl_weight, flush=True)
            rows.append(measure(activation, kl_weight))
        TABLE.write_text(json.dumps({"rows": rows}, indent=2) + "\n", encoding="utf-8")
    config = load_config(ROOT / "config.json")
    default = (config.model.decoder_layers[-1].activation, config.training.kl_weight)
    rows = json.loads(TABLE.read_text(encoding="utf-8"))["rows"]
    draw(rows, default).savefig(PICTURE, dpi=100)


if __name__ == "__main__":
    main(sys.argv[1:])
