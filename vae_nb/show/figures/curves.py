"""The figure of a training's losses."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from vae_nb.show.figures.paper import (
    BLACK,
    BLUE,
    BLUISH_GREEN,
    VERMILLION,
    add_legend,
    make_charts,
)


def loss_curves(
    columns: Mapping[str, ArrayLike], saved_epoch: int, entropy: float | None = None
) -> Figure:
    """Draw the losses of a training: total, reconstruction and KL.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (epochs,)
        `vae_nb.History.columns`: losses in nats per image.
    saved_epoch : int
        Counted from 1.
    entropy : float or None
        The entropy of the images themselves, in nats per image. No reconstruction loss can be
        below it.

    Returns
    -------
    Figure
    """
    epochs = np.asarray(columns["epoch"])
    marks = _marked_epochs(epochs, np.asarray(columns["kl_weight"]), saved_epoch)
    # The first epochs may be far above all others. The limits ignore them, and their curve leaves
    # at the top.
    ignored = math.ceil(len(epochs) / 20) if len(epochs) > 1 else 0
    # A line of one point cannot be seen.
    style: dict[str, Any] = {"marker": "o" if len(epochs) == 1 else "", "linewidth": 2}

    figure, (charts,) = make_charts(1100, 400, columns=3)
    for axes, part in zip(charts, ("total", "reconstruction", "kl"), strict=True):
        training = np.asarray(columns[f"train_{part}"])
        held_out = np.asarray(columns[f"validation_{part}"])
        axes.plot(epochs, training, color=BLUE, label="training", **style)
        axes.plot(epochs, held_out, color=VERMILLION, linestyle="--", label="held-out", **style)
        for epoch, color, name in marks:
            axes.axvline(epoch, color=color, linestyle="-.", label=name)
        low = min(training.min(), held_out.min())
        high = max(training[ignored:].max(), held_out[ignored:].max())
        if entropy is not None and part == "reconstruction":
            label = "entropy of the images"
            axes.axhline(entropy, color=BLACK, linestyle=":", linewidth=2, label=label)
            low = min(low, entropy)
        margin = 0.05 * (high - low) or 1.0
        axes.set(ylim=(low - margin, high + margin), xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
        axes.set(title="KL divergence" if part == "kl" else part)
        axes.set(xlabel="epoch", ylabel="nats per image")
        axes.ticklabel_format(axis="y", useOffset=False, style="plain")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    # The panel of the reconstruction has every line that the others have.
    handles, _ = charts[1].get_legend_handles_labels()
    add_legend(figure, handles, columns=len(handles))
    return figure


def _marked_epochs(
    epochs: NDArray, kl_weights: NDArray, saved_epoch: int
) -> list[tuple[int, str, str]]:
    """Return (epoch, color, name) of each vertical line."""
    marks = []
    first_at_full_weight = epochs[np.argmax(kl_weights == kl_weights[-1])]
    if epochs[0] < first_at_full_weight < epochs[-1]:
        marks.append((first_at_full_weight, BLACK, "KL warm-up ends"))
    if saved_epoch != epochs[-1]:
        marks.append((saved_epoch, BLUISH_GREEN, "saved epoch"))
    return marks
