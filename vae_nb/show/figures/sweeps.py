"""Figures that compare the runs of a sweep."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from vae_nb.show.figures.paper import (
    BLACK,
    BLUE,
    GRAY,
    HEADING_SIZE,
    LABEL_COLORS,
    LIGHT_GRAY,
    LINE,
    MARGIN,
    TEXT_SIZE,
    add_axes,
    add_legend,
    drawable,
    make_charts,
    make_figure,
    widest,
    write,
)

ROW = 26  # the height of a configuration in a list
LEGEND_COLUMNS = 6
MARKERS = "osD^vPX"  # one less than there are colors: 56 different pairs


class _Look(NamedTuple):
    """How the runs of a seed are drawn."""

    color: str
    marker: str


def sweep_dots(
    blocks: Sequence[tuple[str, Sequence[str], ArrayLike]],
    xlabels: Sequence[str],
    seeds: Sequence[int],
    center: float | None = None,
) -> Figure:
    """Draw the runs of several configurations: a line for each of them, a dot for each seed.

    Parameters
    ----------
    blocks : sequence of tuple
        (heading, names, values): names have the shape (configurations,), values (configurations,
        panels, seeds), with NaN where there was no run. A black stroke is the mean over the seeds.
    xlabels : sequence of str, shape (panels,)
        What the panels show.
    seeds : sequence of int, shape (seeds,)
    center : float or None
        Where every panel has a vertical line.

    Returns
    -------
    Figure
    """
    names_of_blocks = [[drawable(name, 36) for name in names] for _, names, _ in blocks]
    rows = [len(names) for names in names_of_blocks]
    names_width = widest(name for names in names_of_blocks for name in names)
    headings_width = widest((heading for heading, _, _ in blocks), HEADING_SIZE)
    figure, charts = make_charts(
        names_width + max(310 * len(xlabels), headings_width + ROW),
        ROW * sum(rows) + 50 * len(blocks) + 80,
        len(blocks),
        len(xlabels),
        sharex="col",
        sharey="row",
        height_ratios=rows,
    )
    looks = [
        _Look(color, marker) for _, color, marker in zip(seeds, cycle(LABEL_COLORS), cycle(MARKERS))
    ]
    for chart_row, (heading, _, values), names in zip(charts, blocks, names_of_blocks, strict=True):
        for number, axes in enumerate(chart_row):
            _draw_dots(axes, np.asarray(values, float)[:, number], looks)
            if center is not None:
                axes.axvline(center, color=GRAY, linestyle=":", zorder=0)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        chart_row[0].set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)))
        chart_row[0].set_yticklabels(names)
        chart_row[0].set_title(heading, loc="left", fontsize=HEADING_SIZE)
    for axes, xlabel in zip(charts[-1], xlabels, strict=True):
        axes.set_xlabel(xlabel)
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


def sweep_curves(
    panels: Mapping[str, Mapping[str, tuple[NDArray, NDArray, NDArray]]], ylabel: str
) -> Figure:
    """Draw the curves of several runs, a panel for each comparison.

    Parameters
    ----------
    panels : dict of str to dict
        For each panel's title, (epochs, training, held_out) by the run's name: three arrays of the
        shape (epochs,).
    ylabel : str

    Returns
    -------
    Figure
    """
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure, charts = make_charts(30 + 380 * columns, 350 * rows + 30, rows, columns)
    for axes, (title, runs) in zip(charts.flat, panels.items(), strict=False):
        _draw_curves(axes, runs)
        axes.set(title=title, xlabel="epoch")
    figure.supylabel(ylabel, fontsize=TEXT_SIZE)
    for axes in charts.flat[len(panels) :]:
        axes.remove()
    handles = [
        Line2D([], [], color=BLACK, linestyle="-", label="training"),
        Line2D([], [], color=BLACK, linestyle="--", label="held-out"),
    ]
    add_legend(figure, handles, columns=2)
    return figure


def _draw_curves(axes: Axes, runs: Mapping[str, tuple[NDArray, NDArray, NDArray]]) -> None:
    """Draw the curves of a panel, and a legend above them."""
    lowest = math.inf
    highest = -math.inf
    for (name, (epochs, training, held_out)), color in zip(runs.items(), cycle(LABEL_COLORS)):
        style: dict[str, Any] = {"color": color, "linewidth": 1.8}
        axes.plot(epochs, training, "-", **style)
        axes.plot(epochs, held_out, "--", label=drawable(name, longest=30), **style)
        for values in (training, held_out):
            # The first epochs are far above the others, and so are spikes.
            high = np.percentile(values[len(values) // 20 :], 75)
            lowest = min(lowest, values.min())
            highest = max(highest, high)
    legend_columns = 2 if widest(runs) < 100 else 1
    legend_rows = math.ceil(len(runs) / legend_columns)
    margin = 0.04 * (highest - lowest) or 1.0
    axes.set_ylim(lowest - margin, highest + margin * (1 + 3.5 * legend_rows))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    axes.legend(
        loc="upper right",
        ncols=legend_columns,
        fontsize=TEXT_SIZE,
        handlelength=1.2,
        columnspacing=1,
        labelspacing=0.25,
        facecolor="white",  # curves may pass behind the names
        edgecolor="none",
    )


def sweep_trade_off(
    points: ArrayLike,
    names: Sequence[str],
    reference: int,
    front: ArrayLike,
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Draw configurations by two measures, and which of them no other beats in both.

    Parameters
    ----------
    points : array_like, shape (configurations, 2)
        x and y of each.
    names : sequence of str, shape (configurations,)
        Those on the front are numbered by x, and listed.
    reference : int
        The index of the configuration with a ring.
    front : array_like of bool, shape (configurations,)
    xlabel, ylabel : str

    Returns
    -------
    Figure
    """
    points = np.asarray(points, float)
    front = np.asarray(front, bool)
    front_by_x = np.flatnonzero(front)[np.argsort(points[front, 0], kind="stable")]
    lines = [
        f"{number}  {drawable(names[index], 36)}" for number, index in enumerate(front_by_x, 1)
    ]
    height = max(420, LINE * (len(lines) + 2))
    list_left = 84 + 600 + MARGIN
    figure, paper = make_figure(list_left + max(widest(lines), 160) + MARGIN, height + 120)
    axes = add_axes(figure, 84, 24, 600, height)
    axes.plot(*points[~front].T, "o", color=GRAY, markersize=8, label="dominated")
    axes.plot(*points[front_by_x].T, "o:", color=BLUE, markersize=9, label="Pareto front")
    ring: dict[str, Any] = {"markersize": 19, "markerfacecolor": "none", "linestyle": ""}
    axes.plot(*points[reference], "o", color=BLACK, label="reference", **ring)
    axes.margins(0.08, 0.1)
    write(paper, list_left, 40, "on the front:", "left")
    for number, (index, line) in enumerate(zip(front_by_x, lines, strict=True), 1):
        write(paper, list_left, 40 + LINE * number, line, "left")
        # Neighbors are often close: one has its number above, the next one below.
        offset = (-4, 9) if number % 2 else (4, -20)
        axes.annotate(
            f"{number}",
            points[index],
            offset,
            textcoords="offset points",
            ha="center",
            fontsize=TEXT_SIZE,
        )
    axes.set(xlabel=xlabel, ylabel=ylabel)
    add_legend(figure, None, columns=3)
    return figure
