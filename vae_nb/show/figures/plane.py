"""A latent space of two dimensions, which fits into one picture, and a walk through it."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from vae_nb.show.figures.latent import PANEL, scatter_images
from vae_nb.show.figures.paper import (
    BLACK,
    GAP,
    GRAY,
    LINE,
    MARGIN,
    VERMILLION,
    add_axes,
    add_image,
    drawable,
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
    top = MARGIN + LINE + GAP
    figure, _ = make_figure(2 * PITCH, top + PANEL + 3 * LINE)
    _add_drawings(figure, AXIS, top, decoded, reach, "what each point decodes to")
    size = PANEL // len(decoded)
    _add_codes(figure, PITCH + AXIS, top, codes, reach, images, size, "the training pictures")
    return figure


def latent_planes(
    planes: Mapping[str, tuple[NDArray, ArrayLike]], reach: float, images: NDArray
) -> Figure:
    """Draw the same square of several planes and, below, where the images are around it.

    Parameters
    ----------
    planes : dict of str to tuple
        For each name, the images decoded in the square, as in `latent_plane`, and the codes, an
        array of shape (images, 2).
    reach : float
        The square goes from -reach to reach in both dimensions.
    images : ndarray, shape (images, height, width, channels)

    Returns
    -------
    Figure
        The lower panels go as far as the furthest code, and show the square as a frame.
    """
    top = MARGIN + LINE + GAP
    second = top + PANEL + 3 * LINE
    figure, _ = make_figure(len(planes) * PITCH, second + PANEL + 3 * LINE)
    furthest = max(reach, 1.1 * max(float(np.abs(codes).max()) for _, codes in planes.values()))
    for number, (name, (decoded, codes)) in enumerate(planes.items()):
        left = number * PITCH + AXIS
        _add_drawings(figure, left, top, decoded, reach, drawable(name, longest=48))
        size = PANEL // len(decoded)
        axes = _add_codes(figure, left, second, codes, furthest, images, size)
        side = 2 * reach
        axes.add_patch(
            Rectangle((-reach, -reach), side, side, fill=False, color=VERMILLION, linewidth=2)
        )
    return figure


def _add_drawings(
    figure: Figure, left: float, top: float, decoded: NDArray, reach: float, title: str
) -> None:
    """Add a panel of decoded images with the axes of the plane."""
    grid = plane_picture(decoded)
    _set_plane(add_axes(figure, left, top, len(grid), len(grid)), reach, title)
    add_image(figure, left, top, grid)


def _add_codes(
    figure: Figure,
    left: float,
    top: float,
    codes: ArrayLike,
    reach: float,
    images: NDArray,
    size: int,
    title: str = "",
) -> Axes:
    """Add a panel of the images at their codes; return its axes."""
    axes = add_axes(figure, left, top, PANEL, PANEL)
    _set_plane(axes, reach, title)
    limits = np.full(2, -reach), np.full(2, reach)
    colors = np.full(len(images), GRAY)
    panel = scatter_images(axes, np.asarray(codes, float), limits, make_tiles(images, size), colors)
    add_image(figure, left, top, panel)
    return axes


def _set_plane(axes: Axes, reach: float, title: str) -> None:
    """Give axes the names, limits and ticks of a plane."""
    axes.set(title=title, xlabel="z1", ylabel="z2", xlim=(-reach, reach), ylim=(-reach, reach))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))  # short numbers: 5, not 2.5


def plane_picture(decoded: NDArray) -> NDArray[np.uint8]:
    """Return the plane alone, one image beside the other, for a quick look during a training.

    Parameters
    ----------
    decoded : ndarray, shape (n, n, height, width, channels)
        As in `latent_plane`: the first row is at the bottom.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
    """
    return joined(_squares(decoded[::-1], PANEL // len(decoded)), 0)


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
