"""What figures are made of: charts, axes and text in whole pixels, and the colors of them all."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path
from numpy.typing import ArrayLike, NDArray

# Okabe & Ito (2008), "Color Universal Design": color-blind readers can tell these apart too.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
BLUISH_GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
REDDISH_PURPLE = "#CC79A7"

GRAY = "#999999"
LIGHT_GRAY = "#DDDDDD"
LABEL_COLORS = (
    BLUE,
    ORANGE,
    BLUISH_GREEN,
    REDDISH_PURPLE,
    VERMILLION,
    SKY_BLUE,
    YELLOW,
    BLACK,
)

DPI = 100

# In points. Text of this size can be read when the figure is shown at half its size.
TEXT_SIZE = 11
HEADING_SIZE = 13

# In pixels.
LINE = 22
MARGIN = 16
GAP = 4
NAME_GAP = 10  # between a name and what it names


def make_figure(width: int, height: int) -> tuple[Figure, Axes]:
    """Make a figure of so many pixels, and its paper: axes in pixels that cover all of it."""
    # A little more than asked for, because 29 / 100 * 100 is less than 29.
    size = ((width + 0.001) / DPI, (height + 0.001) / DPI)
    figure = plt.figure(figsize=size, dpi=DPI, facecolor="white")
    plt.close(figure)  # otherwise a notebook shows it twice
    paper = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    paper.set_axis_off()
    return figure, paper


def make_charts(
    width: int, height: int, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, NDArray]:
    """Make a figure and its charts, (rows, columns). Matplotlib makes room for all their text."""
    size = (width / DPI, height / DPI)
    pad = MARGIN / 2 / DPI  # on each side of a chart, in inches
    layout = ConstrainedLayoutEngine(w_pad=pad, h_pad=pad)
    figure = plt.figure(figsize=size, dpi=DPI, facecolor="white", layout=layout)
    plt.close(figure)  # otherwise a notebook shows it twice
    charts = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in charts.flat:
        _set_style(axes)
    return figure, charts


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place given in pixels."""
    figure_width, figure_height = figure.bbox.size
    bottom = figure_height - top - height
    axes = figure.add_axes(
        (
            left / figure_width,
            bottom / figure_height,
            width / figure_width,
            height / figure_height,
        )
    )
    _set_style(axes)
    return axes


def _set_style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.xaxis.label.set_fontsize(TEXT_SIZE)
    axes.yaxis.label.set_fontsize(TEXT_SIZE)
    axes.title.set_fontsize(HEADING_SIZE)


def add_image(figure: Figure, left: float, top: float, pixels: NDArray) -> Axes:
    """Add axes that show an image, pixel for pixel, and count its pixels from the top left."""
    height, width = pixels.shape[:2]
    # A little smaller than whole pixels, because matplotlib rounds an image's size up.
    axes = add_axes(figure, left + 0.01, top + 0.01, width - 0.02, height - 0.02)
    axes.set_facecolor("none")
    axes.imshow(pixels, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)
    return axes


def write(
    paper: Axes,
    x: float,
    y: float,
    text: str,
    ha: str = "center",
    va: str = "center",
    size: float = TEXT_SIZE,
) -> None:
    """Write a text at a place in the axes' own coordinates."""
    alignment: dict[str, Any] = {"ha": ha, "va": va}
    paper.text(x, y, text, size=size, **alignment)


def write_heading(paper: Axes, top: float, text: str) -> None:
    """Write a heading at the left margin."""
    write(paper, MARGIN, top, text, "left", "top", HEADING_SIZE)


def add_legend(figure: Figure, handles: Iterable[Artist] | None, columns: int) -> None:
    """Add a legend at the lower edge; without handles, it lists everything that has a label."""
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        fontsize=TEXT_SIZE,
        frameon=False,
    )


def drawable(name: str, longest: int = 24) -> str:
    """Return a name as it can be drawn: one short line of characters that the font has."""
    font = get_font(findfont(FontProperties()))
    name = " ".join(str(name).split())
    name = "".join(letter if font.get_char_index(ord(letter)) else "□" for letter in name)
    if len(name) > longest:
        name = name[: longest - 1] + "…"
    return name.replace("$", r"\$")  # a dollar would begin a formula


def text_width(text: str, size: float = TEXT_SIZE) -> int:
    """Return how many pixels a line of text takes at most."""
    properties = FontProperties(size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, properties, ismath=False)
    return math.ceil(1.05 * width * DPI / 72) + 2  # drawn letters are widened to whole pixels


def widest(texts: Iterable[str], size: float = TEXT_SIZE) -> int:
    """Return the width of the widest text, in pixels; 0 without any text."""
    return max((text_width(text, size) for text in texts if text), default=0)


def coordinate_names(values: ArrayLike) -> list[str]:
    """Return numbers as tick labels, all with the same number of digits.

    They have as many digits as they need, up to 3. Numbers that need more are rounded to 2.
    """
    values = np.asarray(values, float)
    digits = 2
    for enough in (1, 2, 3):
        if np.allclose(values, np.round(values, enough), rtol=0, atol=1e-6):
            digits = enough
            break
    rounded = np.round(values, digits) + 0.0  # turns −0.0 into 0.0
    return [f"{value:.{digits}f}".replace("-", "−") for value in rounded]


def name_tiles(
    axis: Axis, names: Sequence[str], tile_length: int, gap: int, name_length: int
) -> None:
    """Write a name at each tile along an axis; leave some out where they would touch."""
    pitch = tile_length + gap
    step = math.ceil(name_length / pitch)
    shown = [name if number % step == 0 else "" for number, name in enumerate(names)]
    axis.set_ticks(pitch * np.arange(len(names)) + tile_length / 2, shown)
