"""Figures of images: a set, reconstructions, grids, tables and the frames of a film."""

import math
from collections import Counter

import numpy as np
from matplotlib.colors import to_rgb

from vae_nb.show.figures.paper import (
    GAP,
    LINE,
    VERMILLION,
    coordinate_names,
    drawable,
    widest,
    write,
)
from vae_nb.show.figures.tiles import MAX_COLUMNS, in_rows, joined, make_tiles, montage, tile_size

DATASET_COLUMNS = 14


DATASET_ROWS = 20


FRAME = 2


def dataset(pictures, labels):
    """A set of pictures, in rows by label.

    A large set is shown in part: at most 20 rows, shared out among the labels.

    Parameters
    ----------
    pictures : ndarray, shape (n, height, width, channels)
    labels : sequence of str, shape (n,)

    Returns
    -------
    Figure
    """
    labels = np.asarray(labels)
    counts = Counter(labels.tolist())  # in the order of their first picture
    columns = min(DATASET_COLUMNS, max(counts.values()))
    needed = np.array([math.ceil(count / columns) for count in counts.values()])
    rows = np.zeros(len(counts), int)
    for _ in range(min(DATASET_ROWS, needed.sum())):  # the next row to whoever has fewest so far
        rows[np.argmin(np.where(rows < needed, rows, DATASET_ROWS))] += 1

    size = tile_size(rows.sum(), columns)
    parts, names, shown = [], [], 0
    for label, label_rows in zip(counts, rows, strict=True):
        if label_rows:
            indices = np.flatnonzero(labels == label)[: label_rows * columns]
            parts.append(in_rows(make_tiles(pictures[indices], size), columns))
            names += [drawable(label)] + [""] * (label_rows - 1)
            shown += len(indices)
    heading = _some_of(shown, len(labels), "picture")
    heading += ", " + _some_of(np.count_nonzero(rows), len(counts), "label")
    return montage([(heading, np.concatenate(parts), names)])


def _some_of(some, count, noun):
    plural = noun if count == 1 else f"{noun}s"
    return f"{count} {plural}" if some == count else f"{some} of {count} {plural}"


def reconstructions(train, train_reconstructed, held_out, held_out_reconstructed):
    """Pictures with what the VAE makes of them directly below.

    Parameters
    ----------
    train, train_reconstructed : ndarray, shape (n, height, width, channels)
    held_out, held_out_reconstructed : ndarray, shape (m, height, width, channels)
        All are shown, 12 in a row.

    Returns
    -------
    Figure
    """
    columns = min(MAX_COLUMNS, max(len(train), len(held_out)))
    size = tile_size(2 * math.ceil((len(train) + len(held_out)) / columns), columns)
    blocks = []
    for heading, originals, reconstructed in (
        ("Training pictures", train, train_reconstructed),
        ("Held-out pictures, never trained on", held_out, held_out_reconstructed),
    ):
        rows = (in_rows(make_tiles(part, size), columns) for part in (originals, reconstructed))
        for number, pair in enumerate(zip(*rows, strict=True)):
            above = "" if number else heading
            blocks.append((above, np.stack(pair), ["original", "reconstruction"]))
    return montage(blocks)


def interpolation(pictures, row_names):
    """Pictures on the way from one to another, the ends framed.

    Parameters
    ----------
    pictures : ndarray, shape (rows, steps, height, width, channels)
    row_names : sequence of str, shape (rows,)

    Returns
    -------
    Figure
    """
    tiles = make_tiles(pictures, tile_size(*np.shape(pictures)[:2]))
    beside = ((0, 0), (0, 0), (FRAME, FRAME), (FRAME, FRAME), (0, 0))
    framed = np.pad(tiles, beside, constant_values=255)
    framed[:, [0, -1]] = 255 * np.array(to_rgb(VERMILLION))
    framed[:, :, FRAME:-FRAME, FRAME:-FRAME] = tiles
    names = [drawable(name, longest=40) for name in row_names]
    weights = coordinate_names(np.linspace(0, 1, tiles.shape[1]))
    return montage([("", framed, names)], GAP, weights, "weight t of the right-hand end")


def image_grid(pictures, columns=MAX_COLUMNS, title="", titles=()):
    """Pictures in rows, for example samples from the prior.

    Parameters
    ----------
    pictures : ndarray, shape (n, height, width, channels)
    columns : int
        At most so many in a row; fewer where wide titles leave no room.
    title : str
        Above all of them.
    titles : sequence of str, shape (n,) or (0,)
        Below each.

    Returns
    -------
    Figure
    """
    titles = [drawable(name) for name in titles]
    columns = min(columns, len(pictures), max(1, 1100 // (widest(titles) + 12)))
    tiles = make_tiles(pictures, tile_size(math.ceil(len(pictures) / columns), columns))
    _, height, width, _ = tiles.shape
    if titles:  # room for a title makes a tile larger
        beside = max(0, math.ceil((widest(titles) + 8 - width) / 2))
        padding = ((0, 0), (0, LINE + 4), (beside, beside), (0, 0))
        tiles = np.pad(tiles, padding, constant_values=255)
    figure = montage([(title, in_rows(tiles, columns), ())])
    for number, name in enumerate(titles):
        row, column = divmod(number, columns)
        x = column * (tiles.shape[2] + GAP) + tiles.shape[2] / 2
        y = row * (tiles.shape[1] + GAP) + height + 2
        write(figure.axes[-1], x, y, name, va="top")
    return figure


def image_table(pictures, row_names, column_names=(), title=""):
    """Pictures in rows, and columns, that have names.

    Parameters
    ----------
    pictures : ndarray, shape (rows, columns, height, width, channels)
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
    tiles = make_tiles(pictures, tile_size(*np.shape(pictures)[:2]))
    beside = max(0, math.ceil((widest(column_names) + 8 - tiles.shape[3]) / 2))
    tiles = np.pad(tiles, ((0, 0), (0, 0), (0, 0), (beside, beside), (0, 0)), constant_values=255)
    return montage([(title, tiles, row_names)], GAP, column_names)


def film(pictures, columns=1):
    """The frames of an animation, several pictures in each.

    Parameters
    ----------
    pictures : ndarray, shape (frames, n, height, width, channels)
    columns : int
        Of the n pictures, so many are in a row.

    Returns
    -------
    ndarray of uint8, shape (frames, frame height, frame width, 3)
    """
    size = tile_size(math.ceil(np.shape(pictures)[1] / columns), columns)
    return np.stack([joined(in_rows(make_tiles(some, size), columns), GAP) for some in pictures])
