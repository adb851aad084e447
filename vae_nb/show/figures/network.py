"""Figures of a network: its layers, and the check of its gradients."""

import math
from itertools import cycle, groupby
from operator import itemgetter

import numpy as np
from matplotlib.patches import Rectangle

from vae_nb.show.figures.paper import (
    BLACK,
    BLUE,
    BLUISH_GREEN,
    LIGHT_GRAY,
    LINE,
    MARGIN,
    NAME_GAP,
    ORANGE,
    SKY_BLUE,
    VERMILLION,
    YELLOW,
    add_axes,
    add_legend,
    drawable,
    make_figure,
    widest,
    write,
    write_heading,
)


def architecture(layers):
    """A VAE's layers: from the picture over the sample z to the picture.

    A box is as high as the logarithm of its number of units.

    Parameters
    ----------
    layers : list of tuple
        (name, inputs, units, activation) of each, as `vae_nb.core.model.layer_shapes` gives them.

    Returns
    -------
    Figure
    """
    pixels = layers[0][1]
    # (part, colour, a symbol for each box, units of each box, what is below)
    columns = [("picture", LIGHT_GRAY, [""], pixels, "")]
    for name, _, units, activation in layers:
        if name == "mean":
            columns.append(("posterior", ORANGE, ["μ\n", "log σ²\n"], units, activation))
            columns.append(("sample", YELLOW, ["z\n"], units, ""))
        elif name != "log_variance":
            encoder = name.startswith("encoder_")
            part, colour = ("encoder", SKY_BLUE) if encoder else ("decoder", BLUISH_GREEN)
            columns.append((part, colour, [""], units, activation))
    columns.append(("picture", LIGHT_GRAY, [""], pixels, "sigmoid"))

    most = max(units for *_, units, _ in columns)
    width = widest(["log σ²", f"{most:,}"]) + 12
    pitch = max(width + 20, widest(text for part, *_, below in columns for text in (part, below)))
    tallest = max(len(boxes) * (_box_height(units, most) + 24) for *_, boxes, units, _ in columns)
    top = MARGIN + 3 * LINE
    bottom = top + math.ceil(tallest)
    figure, paper = make_figure(len(columns) * pitch + 2 * MARGIN, bottom + 2 * LINE + MARGIN)
    total = sum((inputs + 1) * units for _, inputs, units, _ in layers)
    write_heading(paper, MARGIN, f"{total:,} parameters")

    x = MARGIN
    for part, same in groupby(columns, key=itemgetter(0)):
        end = x + pitch * len(list(same))
        paper.plot([x + 10, end - 10], [top, top], color=BLACK, linewidth=1)
        write(paper, (x + end) / 2, top - 14, part)
        x = end
    starts = []  # of the arrows: the right edges of the column before
    for number, (part, colour, boxes, units, below) in enumerate(columns):
        x = MARGIN + pitch * (number + 0.5)
        height = _box_height(units, most)
        places = np.arange(len(boxes)) - (len(boxes) - 1) / 2
        centres = (top + bottom) / 2 + places * (height + 24)
        for symbol, y in zip(boxes, centres, strict=True):
            corner = (x - width / 2, y - height / 2)
            paper.add_patch(Rectangle(corner, width, height, facecolor=colour, edgecolor=BLACK))
            write(paper, x, y, f"{symbol}{units:,}")
            for start in starts:
                paper.annotate("", (x - width / 2, y), start, arrowprops={"arrowstyle": "->"})
        starts = [(x + width / 2, y) for y in centres]
        write(paper, x, bottom + LINE / 2, below)
        if part == "sample":
            write(paper, x, bottom + 1.5 * LINE, "z = μ + σ·ε,  ε ~ N(0, 1)")
    return figure


def _box_height(units, most):
    return 48 + 232 * math.log(units) / math.log(max(most, 2))


def gradient_check(errors):
    """Relative errors of gradients, a dot for each parameter array.

    Parameters
    ----------
    errors : dict of str to dict
        For each name in the legend, relative errors by parameter name, as `vae_nb.gradient_check`
        gives them.

    Returns
    -------
    Figure
    """
    names = list(next(iter(errors.values())))
    values = np.array([[by_name[name] for name in names] for by_name in errors.values()])
    positive = values[values > 0]
    left_end = 10 ** math.floor(math.log10(positive.min(initial=1e-8)) - 1)
    labels = [drawable(name, longest=40) for name in names]
    left = MARGIN + widest(labels) + NAME_GAP
    panel = max(120, 24 * len(names))
    figure, _ = make_figure(left + 700 + 2 * MARGIN, panel + 2 * MARGIN + 4 * LINE)
    axes = add_axes(figure, left, MARGIN, 700, panel)
    axes.grid(axis="y", color=LIGHT_GRAY)
    axes.set_axisbelow(True)
    looks = cycle([("o", BLUE), ("X", VERMILLION), ("s", BLUISH_GREEN), ("^", ORANGE)])
    for name, row, (marker, colour) in zip(errors, values, looks, strict=False):
        style = {"color": colour, "markersize": 9, "clip_on": False, "label": drawable(name)}
        style |= {"fillstyle": "none", "markeredgewidth": 2}  # those that coincide are all seen
        axes.plot(np.maximum(row, left_end), range(len(names)), marker, **style)
    axes.axvline(1e-7, color=BLACK, linestyle=":", label="1e-7")
    axes.set(xscale="log", xlim=(left_end, 10 * positive.max(initial=1e-7)))
    axes.set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)), yticklabels=labels)
    zero = " (0 is drawn at the left end)" if np.any(values == 0) else ""
    axes.set_xlabel(f"relative error of the gradient{zero}")
    handles, _ = axes.get_legend_handles_labels()
    add_legend(figure, handles, columns=len(handles))
    return figure
