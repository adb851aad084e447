"""The checks of notebook 02, Build a VAE from NumPy."""

import numpy as np

from vae_nb.core.gradient_checking import central_differences
from vae_nb.exercises.checker import call, exercise_check, expect, require


@exercise_check("02.1")
def _slope_of_cosh(bias):
    mistakes = [
        (1.0, "At bias 1, the module's start, the slope is sinh(1) = 1.175: a bit too steep."),
        (0.0, "cosh(0) is 1, but the slope of cosh is sinh, and sinh(0) = 0: this layer is deaf."),
        (np.sinh(1), "1.175 is the slope at bias 1. You need the bias whose slope is 1."),
    ]
    if isinstance(bias, int | float):  # so is NumPy's float64; the answer is not given away
        hint = f"At bias {bias:.4g} the slope is {np.sinh(bias):.4g}, and 1 is asked for."
        mistakes.append((bias, hint))
    expect(bias, np.arcsinh(1), "Your bias", mistakes, rtol=1e-3)
    return "The inverse of sinh at 1: log(1 + √2). The output there is cosh = √2."


@exercise_check("02.2")
def _leaky_relu(function, derivative, gain):
    a = np.linspace(-2, 2, 10)
    expected, slopes = np.where(a > 0, a, 0.2 * a), np.where(a > 0, 1, 0.2)
    found = call(function, a), call(derivative, a)
    expect(found[0], expected, "Your leaky_relu", [(np.maximum(a, 0), "That is relu: no leak.")])
    mistakes = [
        (1.0 * (a > 0), "Left of 0 your derivative is 0, relu's: no gradient leaks back."),
        (expected, "Your derivative is the function itself: 0.2 a has the slope 0.2."),
    ]
    expect(found[1], slopes, "Your derivative", mistakes)
    mistakes = [
        (2.0, "2 is relu's gain, as if nothing leaked: the negative half adds to the mean square."),
        (2 / 1.2, "1.667 adds 0.2 for the negative half. It is the *mean square* that counts."),
    ]
    if isinstance(gain, int | float):
        hint = f"A layer with the gain {gain:.4g} multiplies the mean square by {0.52 * gain:.4g}."
        mistakes.append((gain, hint))
    expect(gain, 2 / 1.04, "Your gain", mistakes, rtol=1e-3)
    return "2 / (1 + 0.2²): relu's gain with a leak of 0, a linear layer's with a leak of 1."


@exercise_check("02.3")
def _best_baseline(function):
    noise = np.random.default_rng(0).normal(size=20_000)
    noise = (noise - noise.mean()) / noise.std()
    values = (noise - 2) ** 2

    def variance(b):
        return np.var((values - b) * noise)

    best, mean = np.mean(values * noise**2), values.mean()
    weigh = f"the variance is {variance(mean):.4g}, but {variance(best):.4g} at the best b"
    mistakes = [
        (mean, f"At the mean of f, {mean:.4g}, {weigh}: samples with a large ε² count for more."),
        (np.mean(values * noise), "That is E[f ε], the gradient's estimate, not a baseline."),
        (best * len(noise), "That is a sum over the samples; divide by the sum of ε²."),
    ]
    expect(call(function, values, noise), best, "Your baseline", mistakes, rtol=0.01)
    return f"E[f ε²] / E[ε²]: the variance falls from {variance(0):.4g} to {variance(best):.4g}."


@exercise_check("02.4")
def _convolution(convolve, convolve_backward):
    rng = np.random.default_rng(0)
    x, weights, gradient = (rng.normal(size=s) for s in [(2, 6, 5), (3, 3), (2, 4, 3)])
    bias = np.array(0.7)

    def slide(x, weights):
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
        return np.einsum("nrcij,ij->nrc", windows, weights)

    output, turned = slide(x, weights), slide(x, weights[::-1, ::-1])
    mistakes = [
        (turned + bias, "You turned the filter round: w[0, 0] belongs to x[r, c]."),
        (output + 9 * bias, "You added the bias nine times, once for every weight."),
    ]
    expect(call(convolve, x, weights, 0.7), output + bias, "Your output", mistakes)
    found = call(convolve_backward, x, weights, gradient)
    needed = "Return three gradients: of weights, bias and x."
    require(isinstance(found, tuple | list) and len(found) == 3, needed)
    padded = np.pad(gradient, ((0, 0), (2, 2), (2, 2)))
    slid = (
        slide(padded, weights),
        "On the way back the filter is turned round: w[2, 2] takes the gradient of y[r, c] to"
        " x[r + 2, c + 2].",
    )
    averaged = gradient.mean(), "The bias is *added* to every output: sum, do not average."
    for name, array, part, mistakes in zip(
        ("weights", "bias", "x"), (weights, bias, x), found, ([], [averaged], [slid]), strict=True
    ):
        numeric = central_differences(lambda: np.sum(gradient * (slide(x, weights) + bias)), array)
        numeric = numeric.reshape(array.shape)
        expect(part, numeric, f"Your gradient of {name}", mistakes, rtol=1e-5, atol=1e-7)
    return "All three agree with central differences; ten parameters see every pixel."
