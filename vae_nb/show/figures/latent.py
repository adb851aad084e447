"""Figures of the latent space: codes on planes, KL per dimension, traversals, sliders."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

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
    make_charts,
    make_figure,
    name_tiles,
    widest,
    write,
)
from vae_nb.show.figures.tiles import Block, joined, make_tiles, montage, tile_size

PANEL = 480
THUMBNAIL = 30
LEGEND_COLUMNS = 4


def latent_space(
    planes: Sequence[tuple[str, str, str, ArrayLike]], images: NDArray, labels: Sequence[str]
) -> Figure:
    """Draw where images lie in planes through the latent space.

    Images are thumbnails as long as there is room for them; the others are dots.

    Parameters
    ----------
    planes : sequence of tuple
        (title, xlabel, ylabel, points) of each panel; points have the shape (n, 2).
    images : ndarray, shape (n, height, width, channels)
    labels : sequence of str, shape (n,)
        The most frequent ones have colors of their own. There is a legend if there are several.

    Returns
    -------
    Figure
    """
    frequent = [label for label, _ in Counter(labels).most_common(len(LABEL_COLORS))]
    color_of_label = dict(zip(frequent, LABEL_COLORS, strict=False))
    legend = [(drawable(label) or "no label", color) for label, color in color_of_label.items()]
    if len(set(labels)) > len(frequent):
        legend.append(("other labels", GRAY))
    legend_height = 0
    if len(legend) > 1:
        legend_height = 24 * math.ceil(len(legend) / LEGEND_COLUMNS) + MARGIN

    image_colors = np.array([color_of_label.get(label, GRAY) for label in labels])
    thumbnails = make_tiles(images, THUMBNAIL)
    pitch = PANEL + 92
    top = MARGIN + LINE + GAP
    figure, _ = make_figure(len(planes) * pitch, top + PANEL + 3 * LINE + legend_height)
    for number, (title, xlabel, ylabel, points) in enumerate(planes):
        left = number * pitch + 76
        axes = add_axes(figure, left, top, PANEL, PANEL)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        places = np.asarray(points, float)
        limits = _limits_with_border(places)
        panel = scatter_images(axes, places, limits, thumbnails, image_colors)
        add_image(figure, left, top, panel)
    if legend_height:
        handles = [
            Line2D([], [], color=color, label=label, marker="o", markersize=8, linestyle="")
            for label, color in legend
        ]
        add_legend(figure, handles, LEGEND_COLUMNS)
    return figure


def scatter_images(
    axes: Axes,
    points: NDArray,
    limits: tuple[NDArray, NDArray],
    thumbnails: NDArray[np.uint8],
    colors: NDArray,
) -> NDArray[np.uint8]:
    """Draw dots, and return the thumbnails as an image (PANEL, PANEL, 4) to lay over them.

    The limits are the lowest and the highest (x, y). No thumbnail covers another one or hangs over
    the border.
    """
    height, width = np.array(thumbnails.shape[1:3]) + 2 * FRAME
    low, high = limits
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    places = (points - low) / (high - low) * PANEL  # (n, 2), from the bottom left
    places[:, 1] = PANEL - places[:, 1]  # from the top left
    corners = np.round(places - np.array([width, height]) / 2).astype(int)
    corners = np.clip(corners, 0, PANEL - np.array([width, height]))
    chosen = without_overlap(corners, (width, height))

    panel = np.zeros((PANEL, PANEL, 4), np.uint8)  # transparent
    for index in chosen:
        x, y = corners[index]
        framed = panel[y : y + height, x : x + width]
        framed[:] = 255 * np.array(to_rgba(colors[index]))
        framed[FRAME:-FRAME, FRAME:-FRAME, :3] = thumbnails[index]
    dots = np.delete(np.arange(len(points)), chosen)
    x_of_dots, y_of_dots = points[dots].T
    axes.scatter(x_of_dots, y_of_dots, s=30, c=colors[dots], edgecolors="white", linewidths=0.7)
    return panel


def _limits_with_border(points: NDArray) -> tuple[NDArray, NDArray]:
    """Return the lowest and highest (x, y) of a panel: thumbnails at its border are whole."""
    span = np.ptp(points, axis=0)
    pixels = THUMBNAIL / 2 + FRAME + GAP
    border = pixels / (PANEL - 2 * pixels) * np.where(span > 0, span, 1)
    border += np.where(span > 0, 0, 0.5)
    return points.min(axis=0) - border, points.max(axis=0) + border


def without_overlap(corners: NDArray, size: ArrayLike) -> list[int]:
    """Choose rectangles that do not cover one another: greedily, in random order.

    Parameters
    ----------
    corners : ndarray of int, shape (n, 2)
    size : array_like, shape (2,)
        Width and height, the same for all.

    Returns
    -------
    list of int
        Indices of the chosen ones.
    """
    chosen: list[int] = []
    for index in np.random.default_rng(0).permutation(len(corners)):
        distances = np.abs(corners[chosen] - corners[index])  # (chosen, 2)
        if np.all(np.any(distances >= size, axis=1)):
            chosen.append(index)
    return chosen


def kl_per_dimension(kl: ArrayLike, active: ArrayLike) -> Figure:
    """Draw how much information each latent dimension carries.

    Parameters
    ----------
    kl : array_like, shape (latent,)
        In nats, averaged over a set.
    active : array_like of bool, shape (latent,)

    Returns
    -------
    Figure
    """
    kl = np.asarray(kl)
    active = np.asarray(active, bool)
    figure, [[axes]] = make_charts(900, 400)
    axes.bar(np.arange(1, len(kl) + 1), kl, color=np.where(active, BLUE, GRAY))
    axes.set_title(f"{np.count_nonzero(active)} of {len(kl)} latent dimensions are active")
    axes.set(xlabel="latent dimension", ylabel="KL divergence (nats per image)")
    axes.set_xlim(0.4, len(kl) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True, min_n_ticks=1))
    handles = [Patch(color=BLUE, label="active"), Patch(color=GRAY, label="not active")]
    add_legend(figure, handles, columns=2)
    return figure


def latent_traversal(
    planes: Mapping[str, tuple[NDArray, ArrayLike, ArrayLike, str, str]],
) -> Figure:
    """Draw grids of images decoded over planes of the latent space, beside one another.

    Parameters
    ----------
    planes : dict of str to tuple
        For each title (images, x_values, y_values, xlabel, ylabel). The images have the shape
        (rows, columns, height, width, channels), the values the shapes (columns,) and (rows,).
        The first row belongs to the first y value and is drawn at the bottom: y points upwards.

    Returns
    -------
    Figure
    """
    planes = {drawable(title, longest=60): plane for title, plane in planes.items()}
    shapes = [np.shape(images) for images, *_ in planes.values()]
    size = tile_size(max(shape[0] for shape in shapes), sum(shape[1] for shape in shapes))
    tiles = [make_tiles(images, size)[::-1] for images, *_ in planes.values()]
    grids = [joined(some, 0) for some in tiles]
    # A title or a name below that is wider than its grid hangs over on both sides.
    widths = [
        max(grid.shape[1], widest([title, xlabel]))
        for grid, (title, (*_, xlabel, _)) in zip(grids, planes.items(), strict=True)
    ]
    name_width = max(widest(coordinate_names(y_values)) for _, _, y_values, *_ in planes.values())
    beside = LINE + NAME_GAP + name_width  # at the left of a grid
    tallest = max(len(grid) for grid in grids)
    top = MARGIN + LINE + GAP
    width = MARGIN + sum(widths) + len(grids) * (beside + MARGIN)
    ylabel_length = max(widest([ylabel]) for *_, ylabel in planes.values())
    figure, _ = make_figure(width, top + max(tallest, ylabel_length) + 2 * LINE + MARGIN)
    left = MARGIN
    for (title, plane), some, grid, room in zip(planes.items(), tiles, grids, widths, strict=True):
        _, x_values, y_values, xlabel, ylabel = plane
        left += beside
        axes = add_image(figure, left + (room - grid.shape[1]) // 2, top, grid)
        tile_height, tile_width = some.shape[2:4]
        row_names, column_names = coordinate_names(y_values)[::-1], coordinate_names(x_values)
        name_tiles(axes.yaxis, row_names, tile_height, 0, LINE)
        name_tiles(axes.xaxis, column_names, tile_width, 0, widest(column_names) + 8)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        left += room + MARGIN
    return figure


def latent_strips(images: NDArray, values: ArrayLike, names: Sequence[str]) -> Figure:
    """Draw what each latent dimension does: a row of images for each.

    Parameters
    ----------
    images : ndarray, shape (dimensions, steps, height, width, channels)
    values : array_like, shape (steps,)
        The values of the dimension that changes.
    names : sequence of str, shape (dimensions,)

    Returns
    -------
    Figure
    """
    dimensions, steps = np.shape(images)[:2]
    tiles = make_tiles(images, tile_size(dimensions, steps))
    row_names = [drawable(name) for name in names]
    xlabel = "value of the latent dimension"
    return montage([Block("", tiles, row_names)], GAP, coordinate_names(values), xlabel)


def sliders(image: NDArray, z: ArrayLike, names: Sequence[str]) -> Figure:
    """Draw the latent explorer's sliders: the decoded image and its latent vector.

    Parameters
    ----------
    image : ndarray, shape (height, width, channels)
    z : array_like, shape (latent,)
    names : sequence of str, shape (latent,)

    Returns
    -------
    Figure
    """
    z = np.asarray(z, float)
    names = [drawable(name) for name in names]
    rounded = np.round(z, 2) + 0.0  # turns −0.0 into 0.0
    values = [f"{value:.2f}".replace("-", "−") for value in rounded]
    tile = make_tiles(image, 320)
    tile_height, tile_width, _ = tile.shape
    track = 280
    row_height = 26 if len(z) <= 32 else 17
    height = row_height * len(z)
    left = 3 * MARGIN + tile_width + widest(names) + NAME_GAP
    full_height = 2 * MARGIN + max(tile_height, height + LINE)
    figure, _ = make_figure(left + track + NAME_GAP + widest(values) + MARGIN, full_height)
    add_image(figure, MARGIN, (full_height - tile_height) // 2, tile)

    axes = add_axes(figure, left, (full_height - LINE - height) // 2, track, height)
    limit = max(3, math.ceil(np.abs(z).max()))
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
