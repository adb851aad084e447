"""The checks of notebook 11, Sharing weights."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.convolution import Patches, fold, unfold
from vae_nb.core.gradient_checking import central_differences
from vae_nb.exercises.checker import Mistake, call, exercise_check, expect, has_parts, require

PATCHES = Patches(kernel_size=2, strides=2)


@exercise_check("11.1")
def _patch_parameters(function: object) -> str:
    for image_shape, filters in (((32, 48, 3), [32, 64, 128]), ((16, 8, 1), [6, 5])):
        height, width, channels = image_shape
        inputs = np.array([channels, *filters[:-1]])
        outputs = np.array(filters)
        patches = height * width // 4 ** np.arange(1, len(filters) + 1)  # of each layer
        weights = 4 * inputs * outputs
        mistakes: list[Mistake] = [
            (
                np.sum((weights + outputs) * patches),
                "You count the parameters again for every patch. All patches share one matrix.",
            ),
            (
                np.sum(weights * patches + outputs),
                "You count the weights again for every patch. All patches share one matrix.",
            ),
            (
                np.sum(weights + outputs * patches),
                "You count a bias for every place. All places share the bias of their filter.",
            ),
            (weights.sum(), "The biases are missing: one for each filter."),
            (
                np.sum(inputs * outputs + outputs),
                "A patch holds 2×2 pixels, so each filter has 4 weights for every channel.",
            ),
            (
                np.sum(4 * channels * outputs + outputs),
                "Only the first layer reads the picture. Each later one reads as many channels as "
                "the layer before it has filters.",
            ),
        ]
        subject = f"Your count for {image_shape} and filters {filters}"
        expected = np.sum(weights + outputs)
        expect(call(function, image_shape, filters), expected, subject, mistakes)
    return "Height and width are not in it: a larger picture has more patches, and the same matrix."


@exercise_check("11.2")
def _patch_layer_backward(function: object) -> str:
    rng = np.random.default_rng(112)
    # As many filters as numbers in a patch: with a square W, a missing transpose fits, too.
    for kind, image_shape, filters in (("gray", (4, 6, 1), 4), ("color", (6, 2, 3), 5)):
        x = rng.normal(size=(3, *image_shape))
        W = rng.normal(size=(4 * image_shape[2], filters)) / 2
        b = rng.normal(size=filters)
        y = np.tanh(unfold(x, PATCHES) @ W + b)
        y_gradient = rng.normal(size=y.shape)
        found = call(function, x, W, b, y_gradient)
        require(has_parts(found, 3), "Return three gradients: those of W, b and x.")
        _expect_gradients(found, x, W, b, y_gradient, kind)
    return "All three agree with central differences, for pictures in gray and in color."


def _expect_gradients(
    found: tuple[object, ...], x: NDArray, W: NDArray, b: NDArray, y_gradient: NDArray, kind: str
) -> None:
    """Compare the gradients of W, b and x with central differences."""
    cut = unfold(x, PATCHES)
    X = cut.reshape(-1, len(W))
    G = y_gradient.reshape(-1, len(b))
    A_gradient = G * (1 - np.tanh(X @ W + b) ** 2)
    x_cut = (A_gradient @ W.T).reshape(cut.shape)

    def loss() -> float:
        return float(np.sum(y_gradient * np.tanh(unfold(x, PATCHES) @ W + b)))

    def expect_gradient(found: object, array: NDArray, name: str, mistakes: list[Mistake]) -> None:
        numeric = central_differences(loss, array).reshape(array.shape)
        subject = f"For pictures in {kind}, your gradient of {name}"
        expect(found, numeric, subject, mistakes, rtol=1e-5, atol=1e-7)

    average = (
        "Your gradient of {} is an average over the patches. The layer uses {} once in every "
        "patch, so add up the gradients of all patches."
    )
    no_slope = "You skipped tanh. First multiply y_gradient by its slope, 1 - y²."
    W_mistakes: list[Mistake] = [
        (X.T @ A_gradient / len(X), average.format("W", "W")),
        (X.T @ G, no_slope),
        (
            X.T @ (G * (1 - np.tanh(X @ W) ** 2)),
            "You took the slope of tanh at XW. The layer has biases: take it at XW + b.",
        ),
        (A_gradient.T @ X, "Your gradient of W is transposed: it has the shape of W."),
    ]
    b_mistakes: list[Mistake] = [
        (A_gradient.mean(axis=0), average.format("b", "b")),
        (G.sum(axis=0), no_slope),
    ]
    not_folded = (
        "Your gradient of x is still a list of patches. `vae_nb.fold` puts their pixels back into "
        "their places."
    )
    x_mistakes: list[Mistake] = [
        (x_cut, not_folded),
        (x_cut.reshape(X.shape), not_folded),
        (x_cut.reshape(x.shape), not_folded),
        (fold((G @ W.T).reshape(cut.shape), PATCHES), no_slope),
    ]
    if W.shape[0] == W.shape[1]:
        without_transpose = fold((A_gradient @ W).reshape(cut.shape), PATCHES)
        x_mistakes.append(
            (without_transpose, "Forward it was XW; on the way back it is Wᵀ, not W.")
        )
    expect_gradient(found[0], W, "W", W_mistakes)
    expect_gradient(found[1], b, "b", b_mistakes)
    expect_gradient(found[2], x, "x", x_mistakes)


@exercise_check("11.3")
def _two_shuffles(order_of_blocks: object, order_within_blocks: object) -> str:
    _try_shuffle(order_of_blocks, "order_of_blocks", _complaint_of_blocks)
    _try_shuffle(order_within_blocks, "order_within_blocks", _complaint_within_blocks)
    return (
        "A layer with patches of that size notices neither. Now predict what three layers notice."
    )


def _try_shuffle(
    function: object, name: str, complaint_about: Callable[[NDArray, NDArray], str]
) -> None:
    """Call a function for pictures of two sizes, and complain of an order that is not right."""
    rng = np.random.default_rng(113)
    has_moved = False
    for height, width, size in ((4, 6, 2), (8, 16, 4)):
        found = call(function, height, width, size, rng)
        in_order = np.arange(height * width)
        try:
            order = np.asarray(found, np.float64)
        except (TypeError, ValueError):
            order = np.empty(0)
        require(
            order.shape == in_order.shape and np.array_equal(np.sort(order), in_order),
            f"For pictures of {height}×{width} pixels, {name} should return an array with each "
            f"number from 0 to {height * width - 1} once.",
        )
        # Which pixels come to the places of each block, and which were there: (blocks, pixels)
        now, before = (
            unfold(numbers.reshape(1, height, width, 1), Patches(size, size)).reshape(-1, size**2)
            for numbers in (order, in_order)
        )
        complaint = complaint_about(now, before)
        listed = order.reshape(now.shape)
        if complaint and _same_sets(listed, before):
            complaint = (
                "Your order lists one block after the other. `vae_nb.fold` puts the blocks back "
                "into the picture, and `ravel` then reads it row by row."
            )
        require(not complaint, f"{name}: {complaint}")
        has_moved = has_moved or not np.array_equal(order, in_order)
    require(has_moved, f"{name}: every pixel is still in its place.")


def _same_sets(blocks: NDArray, others: NDArray) -> bool:
    """Say whether two arrays have the same blocks, in whatever order these and their pixels are."""
    sets, other_sets = ({frozenset(block) for block in array} for array in (blocks, others))
    return sets == other_sets


def _complaint_of_blocks(now: NDArray, before: NDArray) -> str:
    """Say why an order does not move whole blocks; "" if it does."""
    if {tuple(block) for block in now} == {tuple(block) for block in before}:
        return ""
    if _same_sets(now, before):
        return "the blocks are right, but inside a block the pixels must stay as they are."
    first = ", ".join(f"{pixel:.0f}" for pixel in now[0, :4])
    return (
        f"the block at the top left now begins with the pixels {first}, which were not together "
        "in one block."
    )


def _complaint_within_blocks(now: NDArray, before: NDArray) -> str:
    """Say why an order does not shuffle all blocks inside in the same way; "" if it does."""
    if not np.array_equal(np.sort(now, axis=1), np.sort(before, axis=1)):
        if _same_sets(now, before):
            return "the blocks have moved, but only the pixels inside them should."
        return "some pixels have left their block."
    ranks = np.argsort(now, axis=1)
    if np.any(ranks != ranks[0]):
        return (
            "each block has an order of its own. All blocks share one matrix, so all of them need "
            "the same order."
        )
    return ""
