"""A convolution whose kernel is as large as its stride: patches, and one matrix that all share."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vae_nb.core.convolution import Patches, unfold
from vae_nb.show.figures.paper import TEXT_SIZE, make_charts

SIDES = (5, 2, 1.4, 1.4, 5)  # how wide the charts are, relative to one another


def shared_matrix(image: NDArray, weights: NDArray) -> Figure:
    """Draw a convolution as a product: every patch of an image times the same matrix.

    Parameters
    ----------
    image : ndarray, shape (height, width, channels)
        A small one, so that its patches can be seen; in [0, 1].
    weights : ndarray, shape (kernel_size² · channels, filters)

    Returns
    -------
    Figure
    """
    height, width, channels = image.shape
    side = round((len(weights) / channels) ** 0.5)
    rows = unfold(image[None], Patches(side, side))[0]  # (rows, columns, numbers in a patch)
    patches = rows.reshape(-1, len(weights))
    product = patches @ weights  # (patches, filters)
    maps = product.reshape(*rows.shape[:2], -1)

    figure, charts = make_charts(1200, 460, 1, 5, width_ratios=SIDES)
    original, cut, matrix, result, output = charts[0]
    original.imshow(image if channels == 3 else image[..., 0], cmap="gray", vmin=0, vmax=1)
    original.set_xticks(np.arange(side, width, side) - 0.5, [])
    original.set_yticks(np.arange(side, height, side) - 0.5, [])
    original.grid(color="white", linewidth=1)
    limit = float(np.abs(product).max())
    _draw_numbers(cut, patches, "gray", 0, 1)
    _draw_numbers(matrix, weights, "PuOr", -float(np.abs(weights).max()))
    _draw_numbers(result, product, "PuOr", -limit)
    beside = np.pad(maps, ((0, 1), (0, 1), (0, 0)), constant_values=np.nan)
    columns = int(np.ceil(beside.shape[2] ** 0.5))
    _draw_numbers(output, _in_squares(beside, columns), "PuOr", -limit, aspect="equal")
    for axes, title, shape in (
        (original, "the image", image.shape),
        (cut, "its patches", patches.shape),
        (matrix, "× the weights", weights.shape),
        (result, "= their product", product.shape),
        (output, "the same, as images", maps.shape),
    ):
        axes.set_title(title, fontsize=TEXT_SIZE)
        axes.set_xlabel(f"({', '.join(map(str, shape))})")
        axes.tick_params(length=0)
    return figure


def _draw_numbers(
    axes: Axes,
    numbers: NDArray,
    colors: str,
    lowest: float,
    highest: float | None = None,
    aspect: Literal["auto", "equal"] = "auto",
) -> None:
    """Draw a matrix, a color for each number; with one limit, 0 is in the middle of the colors."""
    highest = -lowest if highest is None else highest
    axes.imshow(
        numbers, cmap=colors, vmin=lowest, vmax=highest, interpolation="nearest", aspect=aspect
    )
    axes.set(xticks=[], yticks=[])


def _in_squares(maps: NDArray, columns: int) -> NDArray:
    """Put the maps (height, width, filters) beside and below one another."""
    height, width, filters = maps.shape
    missing = -filters % columns
    maps = np.pad(maps, ((0, 0), (0, 0), (0, missing)), constant_values=np.nan)
    grid = maps.reshape(height, width, -1, columns).transpose(2, 0, 3, 1)
    return grid.reshape(-1, columns * width)[:-1, :-1]
