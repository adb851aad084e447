"""Figures of a network: its layers, and the check of its gradients."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle, groupby
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vae_nb.core.architecture import LayerShape
from vae_nb.show.figures.paper import (
    BLACK,
    BLUE,
    BLUISH_GREEN,
    LIGHT_GRAY,
    LINE,
    MARGIN,
    ORANGE,
    SKY_BLUE,
    VERMILLION,
    YELLOW,
    add_legend,
    drawable,
    make_charts,
    make_figure,
    widest,
    write,
    write_heading,
)

BOX_GAP = 24  # between two boxes of a column
COLUMN_GAP = 20
GRADIENT_LIMIT = 1e-7  # relative errors below it are fine


class _Column(NamedTuple):
    """Boxes above one another, a symbol for each, with the shape of what is in each."""

    part: str
    color: str
    symbols: Sequence[str]
    shape: tuple[int, ...]
    activation: str

    @property
    def units(self) -> int:
        return math.prod(self.shape)

    @property
    def label(self) -> str:
        return "×".join(f"{length:,}" for length in self.shape)


def architecture(layers: Sequence[LayerShape]) -> Figure:
    """Draw a VAE's layers: from the image through the sample z to the image.

    The height of a box grows with the logarithm of its number of units. Where pixels have
    neighbors, it has their height, width and channels.

    Parameters
    ----------
    layers : sequence of LayerShape
        As `vae_nb.core.architecture.layer_shapes` gives them.

    Returns
    -------
    Figure
    """
    columns = _architecture_columns(layers)
    max_units = max(column.units for column in columns)
    box_width = widest(["log σ²", *(column.label for column in columns)]) + 12
    texts = [text for column in columns for text in (column.part, column.activation)]
    pitch = max(box_width + COLUMN_GAP, widest(texts))
    tallest = max(
        len(column.symbols) * (_box_height(column.units, max_units) + BOX_GAP) for column in columns
    )
    top = MARGIN + 3 * LINE
    bottom = top + math.ceil(tallest)
    figure, paper = make_figure(len(columns) * pitch + 2 * MARGIN, bottom + 2 * LINE + MARGIN)
    parameters = sum(layer.parameters for layer in layers)
    write_heading(paper, MARGIN, f"{parameters:,} parameters")

    left = MARGIN
    for part, same in groupby(columns, key=lambda column: column.part):
        right = left + pitch * len(list(same))
        paper.plot([left + 10, right - 10], [top, top], color=BLACK, linewidth=1)
        write(paper, (left + right) / 2, top - 14, part)
        left = right

    arrow_starts: list[tuple[float, float]] = []  # the right edges of the column before
    for number, column in enumerate(columns):
        x = MARGIN + pitch * (number + 0.5)
        height = _box_height(column.units, max_units)
        places = np.arange(len(column.symbols)) - (len(column.symbols) - 1) / 2
        centers = (top + bottom) / 2 + places * (height + BOX_GAP)
        for symbol, y in zip(column.symbols, centers, strict=True):
            _draw_box(paper, (x, y), (box_width, height), column.color)
            write(paper, x, y, f"{symbol}{column.label}")
            for start in arrow_starts:
                end = (x - box_width / 2, y)
                paper.annotate("", end, start, arrowprops={"arrowstyle": "->"})
        arrow_starts = [(x + box_width / 2, y) for y in centers]
        write(paper, x, bottom + LINE / 2, column.activation)
        if column.part == "sample":
            write(paper, x, bottom + 1.5 * LINE, "z = μ + σ·ε,  ε ~ N(0, 1)")
    return figure


def _architecture_columns(layers: Sequence[LayerShape]) -> list[_Column]:
    """Return the columns of boxes, from left to right."""
    first, *_, last = layers
    columns = [_Column("image", LIGHT_GRAY, [""], first.input_shape, "")]
    for layer in layers:
        shape = layer.output_shape
        if layer.name == "mean":
            columns.append(
                _Column("posterior", ORANGE, ["μ\n", "log σ²\n"], shape, layer.activation)
            )
            columns.append(_Column("sample", YELLOW, ["z\n"], shape, ""))
        elif layer.name == "log_variance":
            pass  # in one column with the mean
        elif layer.name.startswith("encoder_"):
            columns.append(_Column("encoder", SKY_BLUE, [""], shape, layer.activation))
        else:
            columns.append(_Column("decoder", BLUISH_GREEN, [""], shape, layer.activation))
    columns.append(_Column("image", LIGHT_GRAY, [""], last.output_shape, "sigmoid"))
    return columns


def _box_height(units: int, max_units: int) -> float:
    return 48 + 232 * math.log(units) / math.log(max(max_units, 2))


def _draw_box(
    paper: Axes, center: tuple[float, float], size: tuple[float, float], color: str
) -> None:
    x, y = center
    width, height = size
    corner = (x - width / 2, y - height / 2)
    paper.add_patch(Rectangle(corner, width, height, facecolor=color, edgecolor=BLACK))


def gradient_check(errors: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw relative errors of gradients, a dot for each parameter array.

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
    figure, [[axes]] = make_charts(900, 120 + 24 * max(5, len(names)))
    axes.grid(axis="y", color=LIGHT_GRAY)
    axes.set_axisbelow(True)
    looks = cycle([("o", BLUE), ("X", VERMILLION), ("s", BLUISH_GREEN), ("^", ORANGE)])
    # Hollow markers: where two coincide, both can be seen.
    style: dict[str, Any] = {"fillstyle": "none", "markeredgewidth": 2, "markersize": 9}
    for name, row, (marker, color) in zip(errors, values, looks, strict=False):
        shown = np.maximum(row, left_end)
        label = drawable(name)
        axes.plot(
            shown, range(len(names)), marker, color=color, label=label, clip_on=False, **style
        )
    axes.axvline(GRADIENT_LIMIT, color=BLACK, linestyle=":", label="1e-7")
    axes.set(xscale="log", xlim=(left_end, 10 * positive.max(initial=GRADIENT_LIMIT)))
    axes.set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)), yticklabels=labels)
    zero = " (0 is drawn at the left end)" if np.any(values == 0) else ""
    axes.set_xlabel(f"relative error of the gradient{zero}")
    handles, _ = axes.get_legend_handles_labels()
    add_legend(figure, handles, columns=len(handles))
    return figure
