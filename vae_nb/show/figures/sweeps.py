"""Figures that compare the runs of a sweep."""

import math
from itertools import cycle

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from vae_nb.show.figures.paper import (
    BLACK,
    BLUE,
    GAP,
    GRAY,
    LABEL_COLORS,
    LIGHT_GRAY,
    LINE,
    MARGIN,
    NAME_GAP,
    TEXT_SIZE,
    add_axes,
    add_legend,
    drawable,
    make_figure,
    widest,
    write,
    write_heading,
)

ROW = 26  # of a list of configurations


def sweep_dots(blocks, xlabels, seeds, center=None):
    """The runs of several configurations: a line for each configuration, a dot for each seed.

    Parameters
    ----------
    blocks : list of tuple
        (heading, names, values): names has the shape (configurations,), values (configurations,
        panels, seeds), with NaN where there was no run. A black stroke is the mean over the seeds.
    xlabels : sequence of str, shape (panels,)
        What the panels show.
    seeds : sequence, shape (seeds,)
    center : float or None
        Where every panel has a vertical line.

    Returns
    -------
    Figure
    """
    blocks = [(head, [drawable(n, 36) for n in names], values) for head, names, values in blocks]
    left = MARGIN + widest(name for _, names, _ in blocks for name in names) + NAME_GAP
    heights = [len(names) * ROW + (LINE + GAP) * bool(head) for head, names, _ in blocks]
    panel, pitch = 270, 270 + 2 * MARGIN
    width = left + pitch * len(xlabels)
    figure, paper = make_figure(width, MARGIN + sum(heights) + MARGIN * len(blocks) + 88)
    looks = [*zip(seeds, cycle(LABEL_COLORS), cycle("osD^vPX*"))]
    top, columns = MARGIN, [[] for _ in xlabels]
    for (head, names, values), height in zip(blocks, heights, strict=True):
        if head:
            write_heading(paper, top, head)
        top += height - len(names) * ROW
        for number, shown in enumerate(columns):
            axes = add_axes(figure, left + pitch * number, top, panel, len(names) * ROW)
            shown.append(axes)
            for row, of_seeds in enumerate(np.asarray(values, float)[:, number]):
                axes.axhline(row, color=LIGHT_GRAY, linewidth=1, zorder=0)
                for value, (_, colour, marker) in zip(of_seeds, looks, strict=True):
                    axes.plot(value, row, marker, color=colour, markersize=7, alpha=0.85)
                if np.isfinite(of_seeds).any():
                    axes.plot(np.nanmean(of_seeds), row, "|", color=BLACK, markersize=18, mew=3)
            if center is not None:
                axes.axvline(center, color=GRAY, linestyle=":", zorder=0)
            axes.set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)))
            axes.set_yticklabels(names if number == 0 else [])
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        top += len(names) * ROW + MARGIN
    for shown, xlabel in zip(columns, xlabels, strict=True):
        limits = np.array([axes.get_xlim() for axes in shown])
        for axes in shown:  # comparable from block to block
            axes.set_xlim(limits[:, 0].min(), limits[:, 1].max())
            axes.tick_params(axis="x", labelbottom=axes is shown[-1])
        shown[-1].set_xlabel(xlabel)
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=f"seed {seed}")
        for seed, colour, marker in looks
    ]
    handles.append(Line2D([], [], color=BLACK, marker="|", mew=3, linestyle="", label="mean"))
    add_legend(figure, handles, columns=len(handles))
    return figure


def sweep_curves(panels, ylabel):
    """Curves of several runs, a panel for each comparison.

    Parameters
    ----------
    panels : dict of str to dict
        By the panel's title: (epochs, training, held_out) by the run's name, three arrays of the
        shape (epochs,).
    ylabel : str

    Returns
    -------
    Figure
    """
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure, _ = make_figure(84 + 380 * columns, rows * 370 + 52)
    for number, (title, runs) in enumerate(panels.items()):
        row, column = divmod(number, columns)
        axes = add_axes(figure, 84 + 380 * column, 40 + 370 * row, 290, 260)
        lowest, highest = math.inf, -math.inf
        for (name, (epochs, *both)), colour in zip(runs.items(), cycle(LABEL_COLORS)):
            for values, style in zip(both, ("-", "--"), strict=True):
                label = drawable(name, longest=30) if style == "--" else None
                axes.plot(epochs, values, style, color=colour, linewidth=1.8, label=label)
                # The first epochs are far above the others, and so are spikes.
                high = np.percentile(values[len(values) // 20 :], 75)
                lowest, highest = min(lowest, values.min()), max(highest, high)
        columns_of_names = 1 + (widest(runs) < 100)
        margin = 0.04 * (highest - lowest) or 1.0
        room = margin * (1 + 3.5 * math.ceil(len(runs) / columns_of_names))
        axes.set(title=title, ylim=(lowest - margin, highest + room), xlabel="epoch")
        axes.set_ylabel(ylabel if column == 0 else "")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        place = {"loc": "upper right", "ncols": columns_of_names}
        look = {"handlelength": 1.2, "columnspacing": 1, "labelspacing": 0.25}
        look |= {"facecolor": "white", "edgecolor": "none"}  # over what passes behind the names
        axes.legend(fontsize=TEXT_SIZE, **look, **place)
    styles = {"training": "-", "held-out": "--"}
    handles = [Line2D([], [], color=BLACK, linestyle=s, label=n) for n, s in styles.items()]
    add_legend(figure, handles, columns=2)
    return figure


def sweep_trade_off(points, names, reference, front, xlabel, ylabel):
    """Configurations by two figures of each: which ones nobody beats in both.

    Parameters
    ----------
    points : ndarray, shape (configurations, 2)
        x and y of each.
    names : sequence of str, shape (configurations,)
        Those on the front are numbered by x, and listed.
    reference : int
        Has a ring.
    front : ndarray of bool, shape (configurations,)
    xlabel, ylabel : str

    Returns
    -------
    Figure
    """
    points, front = np.asarray(points, float), np.asarray(front, bool)
    order = np.flatnonzero(front)[np.argsort(points[front, 0], kind="stable")]
    lines = [f"{n}  {drawable(names[place], 36)}" for n, place in enumerate(order, 1)]
    height = max(420, LINE * (len(lines) + 2))
    figure, paper = make_figure(84 + 600 + 2 * MARGIN + max(widest(lines), 160), height + 120)
    axes = add_axes(figure, 84, 24, 600, height)
    axes.plot(*points[~front].T, "o", color=GRAY, markersize=8, label="dominated")
    axes.plot(*points[order].T, "o:", color=BLUE, markersize=9, label="Pareto front")
    ring = {"markersize": 19, "markerfacecolor": "none", "color": BLACK, "linestyle": ""}
    axes.plot(*points[reference], "o", **ring, label="reference")
    axes.margins(0.08, 0.1)
    write(paper, 84 + 600 + MARGIN, 40, "on the front:", "left")
    for number, (place, line) in enumerate(zip(order, lines, strict=True), 1):
        write(paper, 84 + 600 + MARGIN, 40 + LINE * number, line, "left")
        # Neighbours are often close: one has its number above, the next one below.
        offset = (-4, 9) if number % 2 else (4, -20)
        style = {"textcoords": "offset points", "ha": "center", "fontsize": TEXT_SIZE}
        axes.annotate(f"{number}", points[place], offset, **style)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    add_legend(figure, None, columns=3)
    return figure
