"""Compare an analytic gradient with central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vae_nb.core.model import VAE


def central_differences(
    function: Callable[[], float],
    array: NDArray,
    positions: Sequence[int] | NDArray | None = None,
    step: float = 1e-5,
) -> NDArray:
    """Estimate the gradient of a scalar function from its values alone.

    Parameters
    ----------
    function : callable
        Takes nothing and returns a float that depends on `array`.
    array : ndarray of float64
        Changed in place, one element at a time, and restored.
    positions : sequence of int or None
        Flat positions to look at; None means all.
    step : float
        Half the distance between the two points of a difference.

    Returns
    -------
    ndarray, shape (positions,)
        (f(a + step) - f(a - step)) / (2 step) for each position. Its error falls with the square of
        the step, until rounding takes over.
    """
    flat = array.flat  # works for any layout of the array in memory
    if positions is None:
        positions = range(array.size)
    differences = np.empty(len(positions))
    for row, position in enumerate(positions):
        original = flat[position]
        flat[position] = original + step
        above = function()
        flat[position] = original - step
        below = function()
        flat[position] = original
        differences[row] = (above - below) / (2 * step)
    return differences


def relative_error(analytic: NDArray, numeric: NDArray) -> float:
    """Measure how far apart two gradients of one array are, relative to their lengths.

    Parameters
    ----------
    analytic, numeric : ndarray, the same shape

    Returns
    -------
    float
        `|analytic - numeric| / (|analytic| + |numeric|)`, with Euclidean norms over the whole
        array: 0 for equal gradients, 1 for opposite ones, 0 where both vanish.
    """
    lengths = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    if lengths == 0:
        return 0.0
    return float(np.linalg.norm(analytic - numeric) / lengths)


def gradient_check(
    vae: VAE,
    x: NDArray,
    noise: NDArray,
    kl_weight: float = 1.0,
    samples: int | None = None,
    rng: np.random.Generator | None = None,
    step: float = 1e-5,
) -> dict[str, float]:
    """Compare a VAE's gradient with central differences, one parameter array at a time.

    A check cannot see a mistake that the loss and its gradient share, for example a sample drawn
    with the variance in place of the standard deviation. Such a mistake needs a test of moments.

    Parameters
    ----------
    vae : VAE
        Of dtype float64: in float32, rounding hides everything below about 1e-3.
    x : ndarray, shape (batch, pixels)
    noise : ndarray, shape (batch, latent)
        Kept fixed, so that the loss is a function of the parameters alone.
    samples : int or None
        Check this many positions of each array, drawn by `rng`; None checks all.

    Returns
    -------
    dict of str to float
        The `relative_error` for each key of `vae.named_parameters()`.

    Raises
    ------
    ValueError
        If the model is not float64, or `samples` is given without `rng`.
    """
    if vae.dtype != np.float64:
        raise ValueError(f"a gradient check needs a model of dtype float64, not {vae.dtype}")
    if samples is not None and rng is None:
        raise ValueError("a gradient check of some samples needs an rng to draw them")
    vae.loss_and_gradients(x, noise, kl_weight)
    gradients = vae.named_gradients()
    errors = {}
    for name, parameters in vae.named_parameters().items():
        positions = np.arange(parameters.size)
        if samples is not None and rng is not None and samples < parameters.size:
            positions = rng.choice(parameters.size, samples, replace=False)
        numeric = central_differences(
            lambda: vae.loss(x, noise, kl_weight).total, parameters, positions, step
        )
        analytic = gradients[name].reshape(-1)[positions]
        errors[name] = relative_error(analytic, numeric)
    return errors
