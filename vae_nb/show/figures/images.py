"""Figures of images: a set, reconstructions, grids, tables and the frames of a film."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from vae_nb.show.figures.paper import (
    GAP,
    LINE,
    MARGIN,
    VERMILLION,
    add_image,
    coordinate_names,
    drawable,
    make_figure,
    widest,
    write,
)
from vae_nb.show.figures.tiles import (
    MAX_COLUMNS,
    Block,
    in_rows,
    joined,
    make_tiles,
    montage,
    tile_size,
)

DATASET_COLUMNS = 14
DATASET_ROWS = 20
FRAME = 2  # pixels
SMALL_WIDTH = 470  # pixels of a picture on a contact sheet


def dataset(images: NDArray, labels: Sequence[str]) -> Figure:
    """Draw a set of images, in rows by label.

    Of a large set, only a part is shown: at most 20 rows, shared out among the labels.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, channels)
    labels : sequence of str, shape (n,)

    Returns
    -------
    Figure
    """
    label_of_image = np.asarray(labels)
    counts = Counter(label_of_image.tolist())  # in the order of their first image
    columns = min(DATASET_COLUMNS, max(counts.values()))
    needed = np.array([math.ceil(count / columns) for count in counts.values()])
    rows = _share_out_rows(needed)

    size = tile_size(rows.sum(), columns)
    parts = []
    row_names = []
    shown = 0
    for label, label_rows in zip(counts, rows, strict=True):
        if label_rows == 0:
            continue
        indices = np.flatnonzero(label_of_image == label)[: label_rows * columns]
        parts.append(in_rows(make_tiles(images[indices], size), columns))
        row_names += [drawable(label)] + [""] * (label_rows - 1)
        shown += len(indices)
    shown_labels = int(np.count_nonzero(rows))
    heading = (
        f"{_some_of(shown, len(label_of_image), 'image')}, "
        f"{_some_of(shown_labels, len(counts), 'label')}"
    )
    return montage([Block(heading, np.concatenate(parts), row_names)])


def _share_out_rows(needed: NDArray) -> NDArray:
    """Return how many rows each label gets: the next one goes to the label with the fewest."""
    rows = np.zeros(len(needed), int)
    for _ in range(min(DATASET_ROWS, needed.sum())):
        unfinished = np.flatnonzero(rows < needed)
        rows[unfinished[np.argmin(rows[unfinished])]] += 1
    return rows


def _some_of(some: int, count: int, noun: str) -> str:
    """Return "3 labels", or "2 of 3 labels"."""
    plural = noun if count == 1 else f"{noun}s"
    return f"{count} {plural}" if some == count else f"{some} of {count} {plural}"


def reconstructions(
    train: NDArray,
    train_reconstructed: NDArray,
    held_out: NDArray,
    held_out_reconstructed: NDArray,
) -> Figure:
    """Draw images with their reconstructions directly below.

    All are shown, 12 in a row.

    Parameters
    ----------
    train, train_reconstructed : ndarray, shape (n, height, width, channels)
    held_out, held_out_reconstructed : ndarray, shape (m, height, width, channels)

    Returns
    -------
    Figure
    """
    columns = min(MAX_COLUMNS, max(len(train), len(held_out)))
    size = tile_size(2 * math.ceil((len(train) + len(held_out)) / columns), columns)
    blocks = []
    for heading, originals, reconstructed in (
        ("Training images", train, train_reconstructed),
        ("Held-out images, never trained on", held_out, held_out_reconstructed),
    ):
        upper_rows = in_rows(make_tiles(originals, size), columns)
        lower_rows = in_rows(make_tiles(reconstructed, size), columns)
        for number, (upper, lower) in enumerate(zip(upper_rows, lower_rows, strict=True)):
            heading_above = heading if number == 0 else ""
            pair = np.stack([upper, lower])
            blocks.append(Block(heading_above, pair, ["original", "reconstruction"]))
    return montage(blocks)


def interpolation(images: NDArray, row_names: Sequence[str]) -> Figure:
    """Draw images on the way from one to another, the ends framed.

    Parameters
    ----------
    images : ndarray, shape (rows, steps, height, width, channels)
    row_names : sequence of str, shape (rows,)

    Returns
    -------
    Figure
    """
    rows, steps = np.shape(images)[:2]
    tiles = make_tiles(images, tile_size(rows, steps))
    padding = ((0, 0), (0, 0), (FRAME, FRAME), (FRAME, FRAME), (0, 0))
    framed = np.pad(tiles, padding, constant_values=255)
    framed[:, [0, -1]] = 255 * np.array(to_rgb(VERMILLION))
    framed[:, :, FRAME:-FRAME, FRAME:-FRAME] = tiles
    names = [drawable(name, longest=40) for name in row_names]
    weights = coordinate_names(np.linspace(0, 1, steps))
    return montage([Block("", framed, names)], GAP, weights, "weight t of the right-hand end")


def image_grid(
    images: NDArray,
    columns: int = MAX_COLUMNS,
    title: str = "",
    titles: Sequence[str] = (),
) -> Figure:
    """Draw images in rows, for example samples from the prior.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, channels)
    columns : int
        The most images in a row; there are fewer if wide titles leave no room.
    title : str
        Above all of them.
    titles : sequence of str, shape (n,) or (0,)
        Below each.

    Returns
    -------
    Figure
    """
    titles = [drawable(name) for name in titles]
    title_width = widest(titles)
    columns = min(columns, len(images), max(1, 1100 // (title_width + 12)))
    tiles = make_tiles(images, tile_size(math.ceil(len(images) / columns), columns))
    image_height, image_width = tiles.shape[1:3]
    if titles:  # room for a title makes a tile larger
        beside = max(0, math.ceil((title_width + 8 - image_width) / 2))
        padding = ((0, 0), (0, LINE + 4), (beside, beside), (0, 0))
        tiles = np.pad(tiles, padding, constant_values=255)
    tile_height, tile_width = tiles.shape[1:3]
    figure = montage([Block(title, in_rows(tiles, columns))])
    for number, name in enumerate(titles):
        row, column = divmod(number, columns)
        x = column * (tile_width + GAP) + tile_width / 2
        y = row * (tile_height + GAP) + image_height + 2
        write(figure.axes[-1], x, y, name, va="top")
    return figure


def image_table(
    images: NDArray,
    row_names: Sequence[str],
    column_names: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Draw images in rows and columns that have names.

    Parameters
    ----------
    images : ndarray, shape (rows, columns, height, width, channels)
    row_names : sequence of str, shape (rows,)
    column_names : sequence of str, shape (columns,) or (0,)
    title : str
        Above all of them.

    Returns
    -------
    Figure
    """
    row_names = [drawable(name) for name in row_names]
    column_names = [drawable(name) for name in column_names]
    rows, columns = np.shape(images)[:2]
    tiles = make_tiles(images, tile_size(rows, columns))
    beside = max(0, math.ceil((widest(column_names) + 8 - tiles.shape[3]) / 2))
    tiles = np.pad(tiles, ((0, 0), (0, 0), (0, 0), (beside, beside), (0, 0)), constant_values=255)
    return montage([Block(title, tiles, row_names)], GAP, column_names)


def image_tables(blocks: Mapping[str, Mapping[str, NDArray]]) -> Figure:
    """Draw blocks of rows of images below one another, to compare what several models make.

    Parameters
    ----------
    blocks : dict of str to dict
        For each heading, the rows by name: ndarrays of shape (columns, height, width, channels).

    Returns
    -------
    Figure
    """
    rows = [len(block) for block in blocks.values()]
    columns = len(next(iter(next(iter(blocks.values())).values())))
    size = tile_size(sum(rows), columns)
    return montage(
        [
            Block(
                heading,
                np.stack([make_tiles(images, size) for images in block.values()]),
                [drawable(name, longest=40) for name in block],
            )
            for heading, block in blocks.items()
        ]
    )


def contact_sheet(pictures: Mapping[str, NDArray], columns: int = 2) -> Figure:
    """Draw small versions of pictures of any shape, each below its name.

    Parameters
    ----------
    pictures : dict of str to ndarray of uint8, shape (height, width, 3)
    columns : int

    Returns
    -------
    Figure
    """
    small = {}
    for name, pixels in pictures.items():
        image = Image.fromarray(pixels)
        height = max(1, round(image.height * SMALL_WIDTH / image.width))
        small[name] = np.asarray(image.resize((SMALL_WIDTH, height), Image.Resampling.LANCZOS))
    names = list(small)
    rows = [names[start : start + columns] for start in range(0, len(names), columns)]
    row_heights = [max(len(small[name]) for name in row) + LINE + GAP + MARGIN for row in rows]
    width = min(columns, len(names)) * (SMALL_WIDTH + MARGIN) + MARGIN
    figure, paper = make_figure(width, MARGIN + sum(row_heights))
    top = MARGIN
    for row, row_height in zip(rows, row_heights, strict=True):
        for number, name in enumerate(row):
            left = MARGIN + number * (SMALL_WIDTH + MARGIN)
            write(paper, left, top, drawable(name, longest=48), "left", "top")
            add_image(figure, left, top + LINE + GAP, small[name])
        top += row_height
    return figure


def film(images: NDArray, columns: int = 1) -> NDArray[np.uint8]:
    """Return the frames of an animation, with several images in each.

    Parameters
    ----------
    images : ndarray, shape (frames, n, height, width, channels)
    columns : int
        How many of the n images are in a row.

    Returns
    -------
    ndarray of uint8, shape (frames, frame height, frame width, 3)
    """
    rows = math.ceil(np.shape(images)[1] / columns)
    size = tile_size(rows, columns)
    frames = [joined(in_rows(make_tiles(frame, size), columns), GAP) for frame in images]
    return np.stack(frames)
