"""Posteriors as clouds in a plane, and how a cloud is drawn from noise."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from numpy.typing import ArrayLike, NDArray

from vae_nb.show.figures.paper import (
    BLACK,
    BLUE,
    BLUISH_GREEN,
    GRAY,
    MARGIN,
    ORANGE,
    TEXT_SIZE,
    add_axes,
    add_image,
    drawable,
    make_figure,
    write,
)
from vae_nb.show.figures.tiles import make_tiles

COLORS = (BLUE, ORANGE, BLUISH_GREEN)
PANEL = 400  # pixels
AXIS = 70
TOP = 40
BOTTOM = 70
THUMBNAIL = 64
SMALL = 32  # pixels of a thumbnail in the middle of a cloud


def reparameterization(
    noise: ArrayLike, mean: ArrayLike, sigma: ArrayLike, images: NDArray
) -> Figure:
    """Draw how the same noise becomes a sample of each posterior: z = mean + sigma * noise.

    Parameters
    ----------
    noise : ndarray, shape (draws, 2)
        From N(0, 1).
    mean, sigma : ndarray, shape (images, 2)
        Of at most three posteriors.
    images : ndarray, shape (images, height, width, channels)

    Returns
    -------
    Figure
    """
    noise, mean, sigma = (np.asarray(array, float) for array in (noise, mean, sigma))
    thumbnails = make_tiles(images, THUMBNAIL)
    left_of_samples = AXIS + PANEL + 60 + AXIS
    width = left_of_samples + PANEL + 24 + THUMBNAIL + MARGIN
    figure, paper = make_figure(width, TOP + PANEL + BOTTOM)
    before = add_axes(figure, AXIS, TOP, PANEL, PANEL)
    after = add_axes(figure, left_of_samples, TOP, PANEL, PANEL)
    before.scatter(noise[:, 0], noise[:, 1], s=24, color=GRAY)
    before.set(title="noise ε, the same for every picture", xlabel="ε1", ylabel="ε2")
    after.set(title="samples z = μ + σ · ε", xlabel="z1", ylabel="z2")
    samples = mean[:, None] + sigma[:, None] * noise  # (images, draws, 2)
    for number, (color, cloud) in enumerate(zip(COLORS, samples, strict=False)):
        after.scatter(cloud[:, 0], cloud[:, 1], s=24, color=color)
        _draw_posterior(after, mean[number], sigma[number], color)
        top = TOP + number * (THUMBNAIL + 16)
        add_image(figure, left_of_samples + PANEL + 24, top, thumbnails[number])
        beside = add_axes(figure, left_of_samples + PANEL + 8, top, 8, THUMBNAIL)
        beside.set_facecolor(color)
        beside.set(xticks=[], yticks=[])
        beside.spines[:].set_visible(False)
    marked = noise[np.argmax(noise[:, 0])]  # one draw, followed from left to right
    ring: dict[str, Any] = {"s": 90, "facecolors": "none", "edgecolors": BLACK, "linewidths": 2}
    before.scatter(marked[0], marked[1], **ring)
    followed = mean + sigma * marked  # (images, 2)
    after.scatter(followed[:, 0], followed[:, 1], **ring)
    for axes in (before, after):
        axes.set_aspect("equal", adjustable="datalim")
    write(paper, AXIS + PANEL + 32, TOP + PANEL / 2, "· σ + μ\n→")
    return figure


def posterior_clouds(
    panels: dict[str, tuple[ArrayLike, ArrayLike]], images: NDArray, marked: ArrayLike
) -> Figure:
    """Draw the posteriors of all images as ellipses of one standard deviation, beside the prior.

    Parameters
    ----------
    panels : dict
        For each title, the means and the standard deviations; both have the shape (images, 2).
    images : ndarray, shape (images, height, width, channels)
    marked : sequence of int
        Images that are shown at their mean.

    Returns
    -------
    Figure
    """
    pitch = AXIS + PANEL + MARGIN
    figure, _ = make_figure(len(panels) * pitch, TOP + PANEL + BOTTOM)
    thumbnails = _without_ground(make_tiles(images, SMALL))
    for number, (title, posterior) in enumerate(panels.items()):
        mean, sigma = (np.asarray(array, float) for array in posterior)
        left = AXIS + number * pitch
        axes = add_axes(figure, left, TOP, PANEL, PANEL)
        reach = 1.15 * max(2.5, float(np.max(np.abs(mean) + sigma)))
        axes.set(
            title=drawable(title),
            xlabel="z1",
            ylabel="z2",
            xlim=(-reach, reach),
            ylim=(-reach, reach),
        )
        for radius in (1, 2):  # the prior
            axes.add_patch(
                Ellipse((0, 0), 2 * radius, 2 * radius, fill=False, edgecolor=BLACK, linestyle=":")
            )
        axes.text(
            *(0.02, 0.02),
            "dotted: the prior, 1 and 2 standard deviations",
            transform=axes.transAxes,
            fontsize=TEXT_SIZE,
        )
        for one_mean, one_sigma in zip(mean, sigma, strict=True):
            _draw_posterior(axes, one_mean, one_sigma, BLUE)
        for index in np.asarray(marked, int):
            place = (mean[index] * (1, -1) / reach + 1) / 2 * PANEL - SMALL / 2  # from the top left
            add_image(figure, left + place[0], TOP + place[1], thumbnails[index])
    return figure


def _without_ground(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make the white of tiles transparent, so that they hide less: (..., height, width, 4)."""
    alpha = np.where(tiles.min(axis=-1, keepdims=True) > 240, 0, 255).astype(np.uint8)
    return np.concatenate([tiles, alpha], axis=-1)


def _draw_posterior(axes: Axes, mean: NDArray, sigma: NDArray, color: str) -> None:
    """Draw a posterior as an ellipse of one standard deviation."""
    width, height = 2 * sigma
    ellipse = Ellipse(tuple(mean), width, height, facecolor=color, alpha=0.15)
    axes.add_patch(ellipse)
    axes.add_patch(Ellipse(tuple(mean), width, height, fill=False, edgecolor=color, linewidth=1))
    axes.plot(mean[0], mean[1], ".", color=color, markersize=3)
