"""The figures of losses: of one training, and of several side by side."""

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
    GRAY,
    HEADING_SIZE,
    VERMILLION,
    add_legend,
    drawable,
    make_charts,
    widest,
)

LOWEST_KL = 1e-3  # nats; a curve below it leaves the panel at the bottom


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


def courses(runs: Mapping[str, tuple[Mapping[str, ArrayLike], float, float]]) -> Figure:
    """Draw the reconstruction loss and the KL of several trainings, a column for each.

    All columns have the same scales. What is far above the loss of the mean image leaves at the
    top.

    Parameters
    ----------
    runs : dict of str to tuple
        For each title: `vae_nb.History.columns`, the reconstruction loss of always answering with
        the mean image, and the entropy of the images; all in nats per image.

    Returns
    -------
    Figure
    """
    runs = {drawable(title, longest=20): run for title, run in runs.items()}
    column = max(240, widest(runs, HEADING_SIZE) + 24)  # pixels
    figure, (losses, information) = make_charts(
        max(600, column * len(runs)), 560, rows=2, columns=len(runs), sharey="row"
    )
    highest = 0.0
    for upper, lower, (title, (columns, mean_loss, entropy)) in zip(
        losses, information, runs.items(), strict=True
    ):
        for part, color, line, label in (
            ("train", BLUE, "-", "training"),
            ("validation", VERMILLION, "--", "held-out"),
        ):
            style: dict[str, Any] = {"color": color, "linestyle": line, "linewidth": 2}
            reconstruction = np.asarray(columns[f"{part}_reconstruction"])
            kl = np.asarray(columns[f"{part}_kl"])
            upper.plot(columns["epoch"], reconstruction, label=label, **style)
            lower.plot(columns["epoch"], np.maximum(kl, LOWEST_KL / 10), **style)
            highest = max(highest, kl.max())
        upper.axhline(mean_loss, color=GRAY, zorder=1, label="mean image")
        upper.axhline(entropy, color=BLACK, linestyle=":", linewidth=2, label="entropy")
        upper.set_title(title, fontsize=HEADING_SIZE)
        lower.set_xlabel("epoch")
    mean_losses = [mean_loss for _, mean_loss, _ in runs.values()]
    entropies = [entropy for _, _, entropy in runs.values()]
    room = (max(mean_losses) - min(entropies)) / 2
    losses[0].set(ylim=(min(entropies) - room / 5, max(mean_losses) + room))
    losses[0].set(ylabel="reconstruction (nats)")
    information[0].set(yscale="log", ylim=(LOWEST_KL, 3 * max(highest, 1)), ylabel="KL (nats)")
    handles, _ = losses[0].get_legend_handles_labels()
    add_legend(figure, handles, columns=len(handles))
    return figure
