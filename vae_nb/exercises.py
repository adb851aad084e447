"""The checks behind the notebooks' exercises: right, not solved yet, or what is wrong.

A check never says only "wrong": it names the numbers that differ, and where it knows the mistake
behind them, it says so.
"""

import inspect
from typing import NamedTuple

import numpy as np

from vae_nb.errors import VaeNbError
from vae_nb.gradient_checking import central_differences

RIGHT, WRONG, UNSOLVED = "right", "wrong", "not solved yet"
_CHECKS = {}


class Verdict(NamedTuple):
    """What a check says of an answer: a notebook shows it as one sentence."""

    exercise: str
    status: str  # "right", "wrong" or "not solved yet"
    message: str

    def __repr__(self):
        if self.status == UNSOLVED:
            return f"Exercise {self.exercise}: not solved yet."
        said = "right" if self.status == RIGHT else "not yet"
        return f"Exercise {self.exercise}: {said}. {self.message}"


class _Complaint(Exception):
    """What is wrong with an answer, said to the reader."""


class _Unsolved(Exception):
    """The marked place is as it was."""


def check(exercise, *answers):
    """Say whether an exercise of the notebooks is solved, or what is wrong with the answer.

    Parameters
    ----------
    exercise : str
        Its number, for example "03.2": the second exercise of notebook 03.
    *answers
        What the exercise asks for: numbers, arrays or functions. `...` (Python's Ellipsis), or a
        function that returns it, stands for "not solved yet".

    Returns
    -------
    Verdict
        Shown as one sentence.

    Raises
    ------
    VaeNbError
        If there is no such exercise, or it takes another number of answers.
    """
    if exercise not in _CHECKS:
        known = ", ".join(sorted(_CHECKS))
        raise VaeNbError(f"There is no exercise {exercise!r}; there are {known}.")
    asked = list(inspect.signature(_CHECKS[exercise]).parameters)
    if len(answers) != len(asked):
        raise VaeNbError(
            f"Exercise {exercise} takes {len(asked)} answers ({', '.join(asked)}), "
            f"not {len(answers)}."
        )
    if any(answer is ... or answer is None for answer in answers):
        return Verdict(exercise, UNSOLVED, "")
    try:
        praise = _CHECKS[exercise](*answers)
    except _Unsolved:
        return Verdict(exercise, UNSOLVED, "")
    except _Complaint as complaint:
        return Verdict(exercise, WRONG, str(complaint))
    return Verdict(exercise, RIGHT, praise)


def _exercise(number):
    """Register a check: a function of the answers that returns praise or raises a complaint."""

    def register(function):
        _CHECKS[number] = function
        return function

    return register


# --- what the checks are made of ---


def _require(condition, complaint):
    """Raise the complaint unless the condition holds."""
    if not condition:
        raise _Complaint(complaint)


def _call(function, *arguments):
    """What the reader's function makes of copies of the arguments."""
    _require(callable(function), f"A function is needed, not {_shown(function)}.")
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        result = function(*copies)
    except Exception as error:
        raise _Complaint(f"Your function raised {type(error).__name__}: {error}.") from None
    parts = result if isinstance(result, tuple) else (result,)
    if any(part is ... or part is None for part in parts):
        raise _Unsolved
    return result


def _expect(found, expected, what, mistakes=(), rtol=1e-6, atol=1e-9):
    """Raise a complaint unless the reader's numbers are the expected ones.

    Parameters
    ----------
    found : number or ndarray
        The reader's.
    expected : number or ndarray
    what : str
        What the numbers are, as a sentence's subject: "Your KL divergence".
    mistakes : iterable of tuple
        (mistake, hint): what a known mistake gives, and what to say of it.
    rtol, atol : float
        As in `numpy.allclose`.
    """
    try:
        found = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        raise _Complaint(f"{what} should be numbers, not {_shown(found)}.") from None
    expected = np.asarray(expected, np.float64)
    if found.shape == expected.shape and np.allclose(found, expected, rtol, atol):
        return
    for mistake, hint in mistakes:
        if found.shape == np.shape(mistake) and np.allclose(found, mistake, rtol, atol):
            raise _Complaint(hint)
    if found.shape != expected.shape:
        shapes = f"has the shape {found.shape}, and {expected.shape} is needed"
        raise _Complaint(f"{what} {shapes}.")
    with np.errstate(invalid="ignore"):
        error = np.abs(found - expected)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    where = f" at position {tuple(map(int, worst))}" if worst else ""
    raise _Complaint(f"{what} is {found[worst]:.4g}{where}, and {expected[worst]:.4g} is right.")


def _shown(value, longest=60):
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


# --- 01 · Load the emojis ---


# --- 02 · Build a VAE from NumPy ---


@_exercise("02.1")
def _slope_of_cosh(bias):
    mistakes = [
        (1.0, "At bias 1, the module's start, the slope is sinh(1) = 1.175: a bit too steep."),
        (0.0, "cosh(0) is 1, but the slope of cosh is sinh, and sinh(0) = 0: this layer is deaf."),
        (np.sinh(1), "1.175 is the slope at bias 1. You need the bias whose slope is 1."),
    ]
    if isinstance(bias, int | float):  # so is NumPy's float64; the answer is not given away
        hint = f"At bias {bias:.4g} the slope is {np.sinh(bias):.4g}, and 1 is asked for."
        mistakes.append((bias, hint))
    _expect(bias, np.arcsinh(1), "Your bias", mistakes, rtol=1e-3)
    return "The inverse of sinh at 1: log(1 + √2). The output there is cosh = √2."


@_exercise("02.2")
def _leaky_relu(function, derivative, gain):
    a = np.linspace(-2, 2, 10)
    expected, slopes = np.where(a > 0, a, 0.2 * a), np.where(a > 0, 1, 0.2)
    found = _call(function, a), _call(derivative, a)
    _expect(found[0], expected, "Your leaky_relu", [(np.maximum(a, 0), "That is relu: no leak.")])
    mistakes = [
        (1.0 * (a > 0), "Left of 0 your derivative is 0, relu's: no gradient leaks back."),
        (expected, "Your derivative is the function itself: 0.2 a has the slope 0.2."),
    ]
    _expect(found[1], slopes, "Your derivative", mistakes)
    mistakes = [
        (2.0, "2 is relu's gain, as if nothing leaked: the negative half adds to the mean square."),
        (2 / 1.2, "1.667 adds 0.2 for the negative half. It is the *mean square* that counts."),
    ]
    if isinstance(gain, int | float):
        hint = f"A layer with the gain {gain:.4g} multiplies the mean square by {0.52 * gain:.4g}."
        mistakes.append((gain, hint))
    _expect(gain, 2 / 1.04, "Your gain", mistakes, rtol=1e-3)
    return "2 / (1 + 0.2²): relu's gain with a leak of 0, a linear layer's with a leak of 1."


@_exercise("02.3")
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
    _expect(_call(function, values, noise), best, "Your baseline", mistakes, rtol=0.01)
    return f"E[f ε²] / E[ε²]: the variance falls from {variance(0):.4g} to {variance(best):.4g}."


@_exercise("02.4")
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
    _expect(_call(convolve, x, weights, 0.7), output + bias, "Your output", mistakes)
    found = _call(convolve_backward, x, weights, gradient)
    needed = "Return three gradients, as a tuple: of weights, bias and x."
    _require(isinstance(found, tuple) and len(found) == 3, needed)
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
        _expect(part, numeric, f"Your gradient of {name}", mistakes, rtol=1e-5, atol=1e-7)
    return "All three agree with central differences; ten parameters see every pixel."


# --- 03 · The loss and its gradient ---


# --- 04 · Train ---


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
