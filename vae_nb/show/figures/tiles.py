"""Emojis as tiles, and montages of tiles with names beside them."""

import math

import numpy as np
from PIL import Image

from vae_nb.show.figures.paper import (
    GAP,
    HEADING_SIZE,
    LINE,
    MARGIN,
    NAME_GAP,
    add_image,
    make_figure,
    name_tiles,
    widest,
    write_heading,
)

MAX_COLUMNS = 12


def tile_size(rows, columns):
    """The largest side of a tile, of which so many rows and columns fit a figure."""
    sizes = (size for size in (128, 64) if columns * size <= 960 and rows * size <= 1600)
    return next(sizes, 32)


def make_tiles(pictures, size):
    """Pictures for the screen: of any leading shape, RGB, uint8, no larger than `size`."""
    pictures = np.asarray(pictures)
    if pictures.dtype != np.uint8:
        pictures = np.round(255 * np.clip(pictures, 0, 1)).astype(np.uint8)
    pictures = np.broadcast_to(pictures, (*pictures.shape[:-1], 3))  # grey in all three
    *leading, height, width, _ = pictures.shape
    longest = max(height, width)
    if longest <= size:
        return pictures.repeat(size // longest, axis=-3).repeat(size // longest, axis=-2)
    new_height, new_width = (max(1, round(side * size / longest)) for side in (height, width))
    tiles = np.empty((*leading, new_height, new_width, 3), np.uint8)
    for index in np.ndindex(*leading):
        image = Image.fromarray(np.ascontiguousarray(pictures[index]))
        tiles[index] = image.resize((new_width, new_height), Image.Resampling.LANCZOS)
    return tiles


def in_rows(tiles, columns):
    """A list of tiles, wrapped: shape (rows, columns, height, width, 3), the last row filled up."""
    rows = math.ceil(len(tiles) / columns)
    wrapped = np.full((rows * columns, *tiles.shape[1:]), 255, np.uint8)
    wrapped[: len(tiles)] = tiles
    return wrapped.reshape(rows, columns, *tiles.shape[1:])


def joined(tiles, gap):
    """One image of tiles (rows, columns, height, width, 3), with white between them."""
    rows, columns, height, width, _ = tiles.shape
    padded = np.full((rows, columns, height + gap, width + gap, 3), 255, np.uint8)
    padded[:, :, :height, :width] = tiles
    joined = padded.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap), 3)
    return joined[: joined.shape[0] - gap, : joined.shape[1] - gap]


def montage(blocks, gap=GAP, column_names=(), xlabel="", ylabel=""):
    """Blocks of tiles below one another.

    Parameters
    ----------
    blocks : list of tuple
        (heading, tiles, row names): the heading may be empty, tiles have the shape (rows, columns,
        height, width, 3), there may be no row names.
    gap : int
        Between tiles.
    column_names, xlabel, ylabel
        Below the last block, and at the left of the last.

    Returns
    -------
    Figure
        Its last axes are the last block's, and count pixels from the top left.
    """
    tile_height, tile_width = blocks[0][1].shape[2:4]
    images = [joined(tiles, gap) for _, tiles, _ in blocks]
    image_width = max(image.shape[1] for image in images)
    names_width = widest(name for _, _, names in blocks for name in names)
    headings_width = widest((heading for heading, _, _ in blocks), HEADING_SIZE)
    heading_height = LINE + GAP
    # Text that is centred on an image smaller than itself hangs over on both sides.
    beside = max(0, widest([xlabel]) - image_width, widest(column_names) - tile_width) // 2
    above = max(0, widest([ylabel]) - len(images[-1])) // 2
    left = MARGIN + LINE * bool(ylabel) + max(names_width + NAME_GAP * bool(names_width), beside)
    width = max(left + image_width + beside, MARGIN + headings_width) + MARGIN
    height = sum(len(image) + MARGIN for image in images) + MARGIN + 2 * above
    height += sum(heading_height for heading, _, _ in blocks if heading)
    height += LINE * bool(column_names) + LINE * bool(xlabel)

    figure, paper = make_figure(width, height)
    top = MARGIN + above
    for (heading, _, names), image in zip(blocks, images, strict=True):
        if heading:
            write_heading(paper, top, heading)
            top += heading_height
        axes = add_image(figure, left, top, image)
        name_tiles(axes.yaxis, names, tile_height, gap, LINE)
        top += len(image) + MARGIN
    name_tiles(axes.xaxis, column_names, tile_width, gap, widest(column_names) + 8)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure
