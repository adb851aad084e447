"""A latent space of two dimensions, which fits into one picture, and a walk through it."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from vae_nb.show.figures.latent import PANEL, scatter_images
from vae_nb.show.figures.paper import (
    BLACK,
    GAP,
    GRAY,
    LINE,
    MARGIN,
    add_axes,
    add_image,
    make_figure,
)
from vae_nb.show.figures.tiles import joined, make_tiles

AXIS = 76  # pixels for the numbers and the name of a vertical axis
PITCH = AXIS + PANEL + MARGIN  # from one panel to the next
FILM_TILE = 16  # pixels
RING = 7  # pixels, the radius of the mark that walks


def latent_plane(decoded: NDArray, reach: float, images: NDArray, codes: ArrayLike) -> Figure:
    """Draw a latent space of two dimensions: what it decodes to, and where the images are in it.

    Parameters
    ----------
    decoded : ndarray, shape (n, n, height, width, channels)
        Images decoded at the centers of n × n cells. The first row is drawn at the bottom.
    reach : float
        The plane goes from -reach to reach in both dimensions.
    images : ndarray, shape (images, height, width, channels)
    codes : ndarray, shape (images, 2)
        An image whose code is near the border is moved inside.

    Returns
    -------
    Figure
    """
    size = PANEL // len(decoded)
    grid = joined(_squares(decoded[::-1], size), 0)
    top = MARGIN + LINE + GAP
    figure, _ = make_figure(2 * PITCH, top + PANEL + 3 * LINE)
    left = add_axes(figure, AXIS, top, len(grid), len(grid))
    right = add_axes(figure, PITCH + AXIS, top, PANEL, PANEL)
    for axes, title in ((left, "what each point decodes to"), (right, "the training pictures")):
        axes.set(title=title, xlabel="z1", ylabel="z2")
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    add_image(figure, AXIS, top, grid)
    limits = np.full(2, -reach), np.full(2, reach)
    colors = np.full(len(images), GRAY)
    codes = np.asarray(codes, float)
    panel = scatter_images(right, codes, limits, make_tiles(images, size), colors)
    add_image(figure, PITCH + AXIS, top, panel)
    return figure


def plane_film(
    decoded: NDArray, reach: float, path: ArrayLike, along: NDArray
) -> NDArray[np.uint8]:
    """Return the frames of a walk: a mark moves over the plane, beside what it is on.

    Parameters
    ----------
    decoded : ndarray, shape (n, n, height, width, channels)
        The plane, as in `latent_plane`.
    reach : float
    path : ndarray, shape (frames, 2)
        Where the mark is.
    along : ndarray, shape (frames, height, width, channels)
        Decoded at these places.

    Returns
    -------
    ndarray of uint8, shape (frames, frame height, frame width, 3)
        For `Workspace.save_animation`.
    """
    plane = joined(_squares(decoded[::-1], FILM_TILE), 0)
    side = len(plane)
    places = (np.asarray(path) * (1, -1) / reach + 1) / 2 * side  # pixels from the top left
    frames = []
    for place, picture in zip(places, _squares(along, side), strict=True):
        image = Image.fromarray(joined(np.stack([[plane, picture]]), GAP))
        draw = ImageDraw.Draw(image)
        for radius, color, width in ((RING + 2, "white", 6), (RING, BLACK, 2)):
            box = [*(place - radius), *(place + radius)]
            draw.ellipse(box, outline=color, width=width)
        frames.append(np.asarray(image))
    return np.stack(frames)


def _squares(images: NDArray, side: int) -> NDArray[np.uint8]:
    """Make tiles of this side, (..., side, side, 3): each image in the middle, on white."""
    tiles = make_tiles(images, side)
    *leading, height, width, _ = tiles.shape
    squares = np.full((*leading, side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    squares[..., top : top + height, left : left + width, :] = tiles
    return squares
