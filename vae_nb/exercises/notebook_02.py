"""The checks of notebook 02, Build a VAE from NumPy."""

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.gradient_checking import central_differences
from vae_nb.exercises.checker import (
    Mistake,
    call,
    exercise_check,
    expect,
    has_parts,
    require,
)


@exercise_check("02.1")
def _slope_of_cosh(bias: object) -> str:
    mistakes: list[Mistake] = [
        (
            1.0,
            "At bias 1, where the module starts, the slope is sinh(1) = 1.175: a bit too steep.",
        ),
        (
            0.0,
            "cosh(0) is 1, but the slope of cosh is sinh, and sinh(0) = 0: this layer is deaf.",
        ),
        (np.sinh(1), "1.175 is the slope at bias 1. You need the bias whose slope is 1."),
    ]
    if isinstance(bias, int | float):
        # Any other number is a mistake, too: the general complaint would give the answer away.
        hint = f"At bias {bias:.4g} the slope is {np.sinh(bias):.4g}, but it should be 1."
        mistakes.append((bias, hint))
    expect(bias, np.arcsinh(1), "Your bias", mistakes, rtol=1e-3)
    return "The inverse of sinh at 1: log(1 + √2). The output there is cosh = √2."


@exercise_check("02.2")
def _leaky_relu(function: object, derivative: object, gain: object) -> str:
    a = np.linspace(-2, 2, 10)
    expected = np.where(a > 0, a, 0.2 * a)
    found = call(function, a)
    found_slopes = call(derivative, a)
    expect(found, expected, "Your leaky_relu", [(np.maximum(a, 0), "That is relu: no leak.")])

    slopes = np.where(a > 0, 1, 0.2)
    relu_slopes = np.where(a > 0, 1.0, 0.0)
    mistakes: list[Mistake] = [
        (
            relu_slopes,
            "Left of 0 your derivative is 0, like relu's: no gradient leaks back.",
        ),
        (expected, "Your derivative is the function itself: 0.2 a has the slope 0.2."),
    ]
    expect(found_slopes, slopes, "Your derivative", mistakes)

    mistakes = [
        (
            2.0,
            "2 is relu's gain, as if nothing leaked: the negative half adds to the mean square.",
        ),
        (2 / 1.2, "1.667 adds 0.2 for the negative half. It is the *mean square* that counts."),
    ]
    if isinstance(gain, int | float):
        # Any other number is a mistake, too: the general complaint would give the answer away.
        hint = f"A layer with the gain {gain:.4g} multiplies the mean square by {0.52 * gain:.4g}."
        mistakes.append((gain, hint))
    expect(gain, 2 / 1.04, "Your gain", mistakes, rtol=1e-3)
    return "2 / (1 + 0.2²): relu's gain with a leak of 0, a linear layer's with a leak of 1."


@exercise_check("02.3")
def _best_baseline(function: object) -> str:
    noise = np.random.default_rng(0).normal(size=20_000)
    noise = (noise - noise.mean()) / noise.std()
    values = (noise - 2) ** 2

    def variance(baseline: float) -> float:
        return float(np.var((values - baseline) * noise))

    best = float(np.mean(values * noise**2))
    mean = float(values.mean())
    comparison = f"the variance is {variance(mean):.4g}, but {variance(best):.4g} at the best b"
    mistakes = [
        (
            mean,
            f"At the mean of f, {mean:.4g}, {comparison}: samples with a large ε² count for more.",
        ),
        (np.mean(values * noise), "That is E[f ε], the gradient's estimate, not a baseline."),
        (best * len(noise), "That is a sum over the samples; divide by the sum of ε²."),
    ]
    expect(call(function, values, noise), best, "Your baseline", mistakes, rtol=0.01)
    return f"E[f ε²] / E[ε²]: the variance falls from {variance(0):.4g} to {variance(best):.4g}."


def _correlate(x: NDArray, weights: NDArray) -> NDArray:
    """Slide a filter of 3 × 3 weights over images: (images, rows, columns)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return np.einsum("nrcij,ij->nrc", windows, weights)


@exercise_check("02.4")
def _convolution(convolve: object, convolve_backward: object) -> str:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 5))
    weights = rng.normal(size=(3, 3))
    output_gradient = rng.normal(size=(2, 4, 3))
    bias = np.array(0.7)

    output = _correlate(x, weights)
    mistakes = [
        (
            _correlate(x, weights[::-1, ::-1]) + bias,
            "You turned the filter around: w[0, 0] belongs to x[r, c].",
        ),
        (output + 9 * bias, "You added the bias nine times, once for every weight."),
    ]
    expect(call(convolve, x, weights, 0.7), output + bias, "Your output", mistakes)

    found = call(convolve_backward, x, weights, output_gradient)
    require(has_parts(found, 3), "Return three gradients: those of weights, bias and x.")

    def numeric_gradient(array: NDArray) -> NDArray:
        def loss() -> float:
            return float(np.sum(output_gradient * (_correlate(x, weights) + bias)))

        return central_differences(loss, array).reshape(array.shape)

    def expect_gradient(found: object, array: NDArray, name: str, mistakes: list[Mistake]) -> None:
        subject = f"Your gradient of {name}"
        expect(found, numeric_gradient(array), subject, mistakes, rtol=1e-5, atol=1e-7)

    bias_mistake = (
        output_gradient.mean(),
        "The bias is *added* to every output: sum, do not average.",
    )
    padded = np.pad(output_gradient, ((0, 0), (2, 2), (2, 2)))
    x_mistake = (
        _correlate(padded, weights),
        "On the way back the filter is turned around: w[2, 2] takes the gradient of y[r, c] to "
        "x[r + 2, c + 2].",
    )
    expect_gradient(found[0], weights, "weights", [])
    expect_gradient(found[1], bias, "bias", [bias_mistake])
    expect_gradient(found[2], x, "x", [x_mistake])
    return "All three agree with central differences; ten parameters see every pixel."
