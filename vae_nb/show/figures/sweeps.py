"""Figures that compare the runs of a sweep."""

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from vae_nb.show.figures.paper import (
    BLACK,
    GRAY,
    LABEL_COLORS,
    LIGHT_GRAY,
    add_legend,
    drawable,
    make_charts,
    widest,
)

ROW = 26  # the height of a configuration in a list
LEGEND_COLUMNS = 6
MARKERS = "osD^vPX"  # one less than there are colors: 56 different pairs


class _Look(NamedTuple):
    """How the runs of a seed are drawn."""

    color: str
    marker: str


def sweep_dots(
    names: Sequence[str],
    values: ArrayLike,
    xlabels: Sequence[str],
    seeds: Sequence[int],
    reach: ArrayLike | None = None,
    center: float | None = None,
) -> Figure:
    """Draw the runs of several configurations: a line for each of them, a dot for each seed.

    Parameters
    ----------
    names : sequence of str, shape (configurations,)
    values : array_like, shape (configurations, panels, seeds)
        NaN where there was no run. A black stroke is the mean over the seeds.
    xlabels : sequence of str, shape (panels,)
        What the panels show.
    seeds : sequence of int, shape (seeds,)
    reach : array_like, shape (configurations, panels), or None
        How far an interval reaches on each side of the mean.
    center : float or None
        Where every panel has a vertical line.

    Returns
    -------
    Figure
    """
    values = np.asarray(values, float)
    names = [drawable(name, 36) for name in names]
    figure, [charts] = make_charts(
        widest(names) + 310 * len(xlabels),
        ROW * len(names) + 130,
        columns=len(xlabels),
        sharey="row",
    )
    looks = [
        _Look(color, marker) for _, color, marker in zip(seeds, cycle(LABEL_COLORS), cycle(MARKERS))
    ]
    for number, (axes, xlabel) in enumerate(zip(charts, xlabels, strict=True)):
        _draw_dots(axes, values[:, number], looks)
        if reach is not None:
            axes.hlines(
                range(len(names)),
                np.mean(values[:, number], axis=1) - np.asarray(reach)[:, number],
                np.mean(values[:, number], axis=1) + np.asarray(reach)[:, number],
                color=BLACK,
                linewidth=2,
                zorder=3,
            )
        if center is not None:
            axes.axvline(center, color=GRAY, linestyle=":", zorder=0)
        axes.set_xlabel(xlabel)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    charts[0].set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)))
    charts[0].set_yticklabels(names)
    _add_seed_legend(figure, seeds, looks)
    return figure


def _draw_dots(axes: Axes, values: NDArray, looks: Sequence[_Look]) -> None:
    """Draw a row of dots for each configuration; values have the shape (configurations, seeds)."""
    for row, of_seeds in enumerate(values):
        axes.axhline(row, color=LIGHT_GRAY, linewidth=1, zorder=0)
        for value, look in zip(of_seeds, looks, strict=True):
            axes.plot(value, row, look.marker, color=look.color, markersize=7, alpha=0.85)
        if np.isfinite(of_seeds).any():
            axes.plot(np.nanmean(of_seeds), row, "|", color=BLACK, markersize=18, mew=3)


def _add_seed_legend(figure: Figure, seeds: Sequence[int], looks: Sequence[_Look]) -> None:
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle="", label=f"seed {seed}")
        for seed, look in zip(seeds, looks, strict=True)
    ]
    handles.append(Line2D([], [], color=BLACK, marker="|", mew=3, linestyle="", label="mean"))
    add_legend(figure, handles, columns=min(len(handles), LEGEND_COLUMNS))
