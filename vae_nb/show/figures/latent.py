"""Figures of the latent space: codes on planes, KL per dimension, traversals, sliders."""

import math
from collections import Counter

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from vae_nb.show.figures.images import FRAME
from vae_nb.show.figures.paper import (
    BLUE,
    DPI,
    GAP,
    GRAY,
    LABEL_COLORS,
    LIGHT_GRAY,
    LINE,
    MARGIN,
    NAME_GAP,
    add_axes,
    add_image,
    add_legend,
    coordinate_names,
    drawable,
    make_figure,
    widest,
    write,
)
from vae_nb.show.figures.tiles import make_tiles, montage, tile_size

PANEL = 480


THUMBNAIL = 40


def latent_space(planes, pictures, labels):
    """Where pictures lie in planes through the latent space.

    As many pictures as have room are thumbnails, the others dots.

    Parameters
    ----------
    planes : list of tuple
        (title, xlabel, ylabel, points) with points of shape (n, 2): a panel each.
    pictures : ndarray, shape (n, height, width, channels)
    labels : sequence of str, shape (n,)
        The most frequent have colours of their own, with a legend if there are several.

    Returns
    -------
    Figure
    """
    frequent = [label for label, _ in Counter(labels).most_common(len(LABEL_COLORS))]
    colours = dict(zip(frequent, LABEL_COLORS, strict=False))
    entries = [(drawable(label) or "no label", colour) for label, colour in colours.items()]
    if len(set(labels)) > len(frequent):
        entries.append(("other labels", GRAY))
    picture_colours = np.array([colours.get(label, GRAY) for label in labels])
    thumbnails = make_tiles(pictures, THUMBNAIL)
    pitch, top, left = PANEL + 92, MARGIN + LINE + GAP, 76
    legend_height = 24 * math.ceil(len(entries) / 4) + MARGIN if len(entries) > 1 else 0
    figure, _ = make_figure(len(planes) * pitch, top + PANEL + 3 * LINE + legend_height)
    for number, (title, xlabel, ylabel, points) in enumerate(planes):
        axes = add_axes(figure, number * pitch + left, top, PANEL, PANEL)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        panel = _scatter_pictures(axes, np.asarray(points, float), thumbnails, picture_colours)
        add_image(figure, number * pitch + left, top, panel)
    dot = {"marker": "o", "markersize": 8, "linestyle": ""}
    handles = [Line2D([], [], color=colour, label=label, **dot) for label, colour in entries]
    if legend_height:
        add_legend(figure, handles, columns=4)
    return figure


def _scatter_pictures(axes, points, thumbnails, colours):
    """Draw dots, and return the thumbnails as an image (PANEL, PANEL, 4) to lay over them."""
    height, width = np.array(thumbnails.shape[1:3]) + 2 * FRAME
    span = np.ptp(points, axis=0)
    border = THUMBNAIL / 2 + FRAME + GAP  # a thumbnail at the border is whole
    border = border / (PANEL - 2 * border) * np.where(span > 0, span, 1)
    border += np.where(span > 0, 0, 0.5)
    low, high = points.min(axis=0) - border, points.max(axis=0) + border
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    places = (points - low) / (high - low) * PANEL  # (n, 2), from the bottom left
    places[:, 1] = PANEL - places[:, 1]
    corners = np.round(places - np.array([width, height]) / 2).astype(int)
    chosen = without_overlap(corners, (width, height))

    panel = np.zeros((PANEL, PANEL, 4), np.uint8)  # transparent
    for index in chosen:
        x, y = corners[index]
        framed = panel[y : y + height, x : x + width]
        framed[:] = 255 * np.array(to_rgba(colours[index]))
        framed[FRAME:-FRAME, FRAME:-FRAME, :3] = thumbnails[index]
    dots = np.delete(np.arange(len(points)), chosen)
    axes.scatter(*points[dots].T, s=30, c=colours[dots], edgecolors="white", linewidths=0.7)
    return panel


def without_overlap(corners, size):
    """Which rectangles of one size to show so that none covers another: greedy, in random order.

    Parameters
    ----------
    corners : ndarray of int, shape (n, 2)
    size : (width, height)

    Returns
    -------
    list of int
    """
    chosen = []
    for index in np.random.default_rng(0).permutation(len(corners)):
        distances = np.abs(corners[chosen] - corners[index])  # (chosen, 2)
        if np.all(np.any(distances >= size, axis=1)):
            chosen.append(index)
    return chosen


def kl_per_dimension(kl, active):
    """How much each latent dimension tells.

    Parameters
    ----------
    kl : ndarray, shape (latent,)
        In nats, averaged over a set.
    active : ndarray of bool, shape (latent,)

    Returns
    -------
    Figure
    """
    kl, active = np.asarray(kl), np.asarray(active, bool)
    figure, _ = make_figure(900, 424)
    axes = add_axes(figure, 76, 48, 808, 278)
    axes.bar(np.arange(1, len(kl) + 1), kl, color=np.where(active, BLUE, GRAY))
    handles = [Patch(color=BLUE, label="active"), Patch(color=GRAY, label="not active")]
    axes.set_title(f"{np.count_nonzero(active)} of {len(kl)} latent dimensions are active")
    axes.set(xlabel="latent dimension", ylabel="KL divergence (nats per image)")
    axes.set_xlim(0.4, len(kl) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True, min_n_ticks=1))
    add_legend(figure, handles, columns=2)
    return figure


def latent_traversal(pictures, x_values, y_values, xlabel, ylabel):
    """A grid of pictures decoded over two latent dimensions.

    Parameters
    ----------
    pictures : ndarray, shape (rows, columns, height, width, channels)
        The first row belongs to the first y value and is drawn at the bottom: y points upwards.
    x_values : sequence of float, shape (columns,)
    y_values : sequence of float, shape (rows,)
    xlabel, ylabel : str

    Returns
    -------
    Figure
    """
    tiles = make_tiles(pictures, tile_size(*np.shape(pictures)[:2]))[::-1]
    names = coordinate_names(y_values)[::-1]
    return montage([("", tiles, names)], 0, coordinate_names(x_values), xlabel, ylabel)


def latent_strips(pictures, values, names):
    """What each latent dimension does: a row of pictures for each.

    Parameters
    ----------
    pictures : ndarray, shape (dimensions, steps, height, width, channels)
    values : sequence of float, shape (steps,)
        Of the dimension that changes.
    names : sequence of str, shape (dimensions,)

    Returns
    -------
    Figure
    """
    tiles = make_tiles(pictures, tile_size(*np.shape(pictures)[:2]))
    names = [drawable(name) for name in names]
    xlabel = "value of the latent dimension"
    return montage([("", tiles, names)], GAP, coordinate_names(values), xlabel)


def sliders(picture, z, names):
    """A still picture of the latent explorer: the decoded picture and its latent vector.

    Parameters
    ----------
    picture : ndarray, shape (height, width, channels)
    z : ndarray, shape (latent,)
    names : sequence of str, shape (latent,)

    Returns
    -------
    Figure
    """
    z, names = np.asarray(z, float), [drawable(name) for name in names]
    values = [f"{value:.2f}".replace("-", "−") for value in np.round(z, 2) + 0.0]
    tile = make_tiles(picture, 320)
    track, height = 280, (26 if len(z) <= 32 else 17) * len(z)
    limit = max(3, math.ceil(np.abs(z).max()))
    picture_height, picture_width, _ = tile.shape
    left = 3 * MARGIN + picture_width + widest(names) + NAME_GAP
    full_height = 2 * MARGIN + max(picture_height, height + LINE)
    figure, _ = make_figure(left + track + NAME_GAP + widest(values) + MARGIN, full_height)
    add_image(figure, MARGIN, (full_height - picture_height) // 2, tile)
    axes = add_axes(figure, left, (full_height - LINE - height) // 2, track, height)
    y = np.arange(len(z))
    axes.hlines(y, -limit, limit, color=LIGHT_GRAY, linewidth=4)
    axes.hlines(y, 0, z, color=BLUE, linewidth=4)
    axes.plot(z, y, "o", color=BLUE, markersize=9, clip_on=False)
    axes.set(xlim=(-limit, limit), ylim=(len(z) - 0.5, -0.5))
    axes.set(xticks=[-limit, 0, limit], yticks=y, yticklabels=names)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=NAME_GAP * 72 / DPI)
    for row, value in enumerate(values):
        write(axes, limit + NAME_GAP / track * 2 * limit, row, value, ha="left")
    return figure
