"""Images as tiles for the screen, and montages of tiles with names beside them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
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
TILE_SIZES = (128, 64, 32)  # pixels of the longer side; the largest that fits is taken
MAX_WIDTH = 960  # pixels of all tiles in a row
MAX_HEIGHT = 1600  # pixels of all tiles in a column


def tile_size(rows: int, columns: int) -> int:
    """Return the largest side of a tile with which so many rows and columns fit a figure."""
    for size in TILE_SIZES:
        if columns * size <= MAX_WIDTH and rows * size <= MAX_HEIGHT:
            return size
    return TILE_SIZES[-1]


def make_tiles(images: NDArray, size: int) -> NDArray[np.uint8]:
    """Return images for the screen: RGB, their longer side no longer than `size`.

    Parameters
    ----------
    images : ndarray, shape (..., height, width, channels)
        Bytes, or floats in [0, 1].
    size : int

    Returns
    -------
    ndarray of uint8, shape (..., tile height, tile width, 3)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        images = np.round(255 * np.clip(images, 0, 1)).astype(np.uint8)
    images = np.broadcast_to(images, (*images.shape[:-1], 3))  # gray in all three channels
    *leading, height, width, _ = images.shape
    longest = max(height, width)
    if longest <= size:
        scale = size // longest
        return images.repeat(scale, axis=-3).repeat(scale, axis=-2)
    new_height, new_width = (max(1, round(side * size / longest)) for side in (height, width))
    tiles = np.empty((*leading, new_height, new_width, 3), np.uint8)
    for index in np.ndindex(*leading):
        image = Image.fromarray(np.ascontiguousarray(images[index]))
        tiles[index] = image.resize((new_width, new_height), Image.Resampling.LANCZOS)
    return tiles


def in_rows(tiles: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Wrap a list of tiles: shape (rows, columns, height, width, 3), the last row filled up."""
    rows = math.ceil(len(tiles) / columns)
    wrapped = np.full((rows * columns, *tiles.shape[1:]), 255, np.uint8)
    wrapped[: len(tiles)] = tiles
    return wrapped.reshape(rows, columns, *tiles.shape[1:])


def joined(tiles: NDArray[np.uint8], gap: int) -> NDArray[np.uint8]:
    """Join tiles (rows, columns, height, width, 3) to one image, with white between them."""
    rows, columns, height, width, _ = tiles.shape
    padded = np.full((rows, columns, height + gap, width + gap, 3), 255, np.uint8)
    padded[:, :, :height, :width] = tiles
    image = padded.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap), 3)
    return image[: image.shape[0] - gap, : image.shape[1] - gap]


class Block(NamedTuple):
    """Tiles of a montage.

    Attributes
    ----------
    heading : str
        May be empty.
    tiles : ndarray of uint8, shape (rows, columns, height, width, 3)
    row_names : sequence of str, shape (rows,) or (0,)
    """

    heading: str
    tiles: NDArray[np.uint8]
    row_names: Sequence[str] = ()


def montage(
    blocks: Sequence[Block],
    gap: int = GAP,
    column_names: Sequence[str] = (),
    xlabel: str = "",
    ylabel: str = "",
) -> Figure:
    """Draw blocks of tiles below one another.

    Parameters
    ----------
    blocks : sequence of Block
        Their tiles have the same size.
    gap : int
        Pixels between tiles.
    column_names : sequence of str, shape (columns,) or (0,)
        Written below the last block, as `xlabel` is.
    xlabel : str
    ylabel : str
        Written at the left of the last block.

    Returns
    -------
    Figure
        Its last axes are the last block's, and count pixels from the top left.
    """
    tile_height, tile_width = blocks[0].tiles.shape[2:4]
    images = [joined(block.tiles, gap) for block in blocks]
    image_width = max(image.shape[1] for image in images)
    heading_height = LINE + GAP

    # Text that is centered on an image smaller than itself hangs over on both sides.
    beside = max(0, widest([xlabel]) - image_width, widest(column_names) - tile_width) // 2
    above = max(0, widest([ylabel]) - len(images[-1])) // 2

    names_width = widest(name for block in blocks for name in block.row_names)
    if names_width:
        names_width += NAME_GAP
    left = MARGIN + max(names_width, beside)
    if ylabel:
        left += LINE
    headings_width = widest((block.heading for block in blocks), HEADING_SIZE)
    width = max(left + image_width + beside, MARGIN + headings_width) + MARGIN

    height = MARGIN + 2 * above
    for block, image in zip(blocks, images, strict=True):
        height += len(image) + MARGIN
        if block.heading:
            height += heading_height
    if column_names:
        height += LINE
    if xlabel:
        height += LINE

    figure, paper = make_figure(width, height)
    top = MARGIN + above
    for block, image in zip(blocks, images, strict=True):
        if block.heading:
            write_heading(paper, top, block.heading)
            top += heading_height
        axes = add_image(figure, left, top, image)
        name_tiles(axes.yaxis, block.row_names, tile_height, gap, LINE)
        top += len(image) + MARGIN
    name_tiles(axes.xaxis, column_names, tile_width, gap, widest(column_names) + 8)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure
