"""Paper, axes and text, laid out in whole pixels, and the colors of all figures."""

import math

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

# Okabe & Ito (2008), "Color Universal Design": told apart by colour-blind readers too.
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


LABEL_COLORS = (BLUE, ORANGE, BLUISH_GREEN, REDDISH_PURPLE)


LABEL_COLORS += (VERMILLION, SKY_BLUE, YELLOW, BLACK)


DPI = 100


TEXT_SIZE = 11  # points, as is HEADING_SIZE: readable when the figure is shown at half its size


HEADING_SIZE = 13


LINE = 22  # pixels, as are all lengths below


MARGIN = 16


GAP = 4


NAME_GAP = 10  # between a name and what it names


def make_figure(width, height):
    """A figure of that many pixels, and its paper: axes in pixels that cover all of it."""
    # A little more than asked for, because 29 / 100 * 100 is less than 29.
    size = ((width + 0.001) / DPI, (height + 0.001) / DPI)
    figure = plt.figure(figsize=size, dpi=DPI, facecolor="white")
    plt.close(figure)  # else a notebook would show it twice
    paper = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    paper.set_axis_off()
    return figure, paper


def add_axes(figure, left, top, width, height):
    """Axes at a place in pixels."""
    bottom = figure.bbox.height - top - height
    axes = figure.add_axes(np.array([left, bottom, width, height]) / np.tile(figure.bbox.size, 2))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.xaxis.label.set_size(TEXT_SIZE)
    axes.yaxis.label.set_size(TEXT_SIZE)
    axes.title.set_size(HEADING_SIZE)
    return axes


def add_image(figure, left, top, pixels):
    """Axes that show an image, pixel for pixel, and count its pixels from the top left."""
    height, width = pixels.shape[:2]
    # A little smaller than whole pixels: matplotlib rounds an image's size up.
    axes = add_axes(figure, left + 0.01, top + 0.01, width - 0.02, height - 0.02)
    axes.set_facecolor("none")
    axes.imshow(pixels, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)
    return axes


def write(paper, x, y, text, ha="center", va="center", size=TEXT_SIZE):
    paper.text(x, y, text, ha=ha, va=va, size=size)


def write_heading(paper, top, text):
    write(paper, MARGIN, top, text, "left", "top", HEADING_SIZE)


def add_legend(figure, handles, columns):
    """A legend at the lower edge."""
    place = {"loc": "lower center", "ncols": columns}
    figure.legend(handles=handles, fontsize=TEXT_SIZE, frameon=False, **place)


def drawable(name, longest=24):
    """A name as it can be drawn: one short line of characters that the font has."""
    font = get_font(findfont(FontProperties()))
    name = " ".join(str(name).split())
    name = "".join(letter if font.get_char_index(ord(letter)) else "□" for letter in name)
    if len(name) > longest:
        name = name[: longest - 1] + "…"
    return name.replace("$", r"\$")  # a dollar would begin a formula


def text_width(text, size=TEXT_SIZE):
    """How many pixels a line of text takes at most."""
    properties = FontProperties(size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, properties, ismath=False)
    return math.ceil(1.05 * width * DPI / 72) + 2  # drawn letters are widened to whole pixels


def widest(texts, size=TEXT_SIZE):
    return max((text_width(text, size) for text in texts if text), default=0)


def coordinate_names(values):
    """Numbers as tick labels, all with the same number of digits."""
    values = np.asarray(values, float)
    digits = 1 if np.allclose(values, np.round(values, 1), rtol=0, atol=0.005) else 2
    return [f"{value:.{digits}f}".replace("-", "−") for value in np.round(values, digits) + 0.0]


def name_tiles(axis, names, tile_length, gap, name_length):
    """Names along an axis, one at each tile: as many blank as it takes for them not to touch."""
    pitch = tile_length + gap
    step = math.ceil(name_length / pitch)
    shown = [name if number % step == 0 else "" for number, name in enumerate(names)]
    axis.set_ticks(pitch * np.arange(len(names)) + tile_length / 2, shown)
