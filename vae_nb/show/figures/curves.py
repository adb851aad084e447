"""The figure of a training's losses."""

import math

import numpy as np
from matplotlib.ticker import MaxNLocator

from vae_nb.show.figures.paper import (
    BLACK,
    BLUE,
    BLUISH_GREEN,
    VERMILLION,
    add_axes,
    add_legend,
    make_figure,
)


def loss_curves(columns, saved_epoch, entropy=None):
    """The losses of a training: total, reconstruction and KL.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (epochs,)
        `vae_nb.History.columns`: losses in nats per image.
    saved_epoch : int
        Counted from 1.
    entropy : float or None
        The entropy of the pictures themselves, in nats per image: no reconstruction loss can be
        below.

    Returns
    -------
    Figure
    """
    epochs, kl_weight = np.asarray(columns["epoch"]), np.asarray(columns["kl_weight"])
    marks = []
    warm = epochs[np.argmax(kl_weight == kl_weight[-1])]
    if epochs[0] < warm < epochs[-1]:
        marks.append((warm, BLACK, "KL warm-up ends"))
    if saved_epoch != epochs[-1]:
        marks.append((saved_epoch, BLUISH_GREEN, "saved epoch"))
    after_start = slice(math.ceil(len(epochs) / 20) if len(epochs) > 1 else 0, None)
    # A line of one point cannot be seen.
    style = {"marker": "o" if len(epochs) == 1 else "", "linewidth": 2}
    figure, _ = make_figure(1100, 400)
    for number, part in enumerate(("total", "reconstruction", "kl")):
        axes = add_axes(figure, 100 + 362 * number, 48, 256, 270)
        training, held_out = (np.asarray(columns[f"{s}_{part}"]) for s in ("train", "validation"))
        axes.plot(epochs, training, color=BLUE, label="training", **style)
        axes.plot(epochs, held_out, color=VERMILLION, linestyle="--", label="held-out", **style)
        for epoch, colour, name in marks:
            axes.axvline(epoch, color=colour, linestyle="-.", label=name)
        low = min(training.min(), held_out.min())
        high = max(training[after_start].max(), held_out[after_start].max())
        if entropy is not None and part == "reconstruction":
            label = "entropy of the pictures"
            axes.axhline(entropy, color=BLACK, linestyle=":", linewidth=2, label=label)
            low = min(low, entropy)
        margin = 0.05 * (high - low) or 1.0
        # The first epochs may be far above all others: their curve leaves at the top.
        axes.set(ylim=(low - margin, high + margin), xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
        axes.set(title="KL divergence" if part == "kl" else part)
        axes.set(xlabel="epoch", ylabel="nats per image")
        axes.ticklabel_format(axis="y", useOffset=False, style="plain")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    # The plot of the reconstruction has all that the others have.
    handles, _ = figure.axes[2].get_legend_handles_labels()
    add_legend(figure, handles, columns=len(handles))
    return figure
