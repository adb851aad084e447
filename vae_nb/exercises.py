"""The checks behind the notebooks' exercises: right, not solved yet, or what is wrong.

A check never says only "wrong": it names the numbers that differ, and where it knows the mistake
behind them, it says so.
"""

import inspect
from typing import NamedTuple

import numpy as np

from vae_nb.errors import VaeNbError

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


# --- 03 · The loss and its gradient ---


# --- 04 · Train ---


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


@_exercise("08.1")
def _temperature(function):
    rng = np.random.default_rng(81)
    mean, factor, noise = rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    found, offsets = _call(function, mean, factor, noise, 0.4), noise @ factor.T
    mistakes = [
        (0.4 * (mean + offsets), "The mean shrank, too: only the offsets from it cool down."),
        (mean + offsets, "Your draws are those of temperature 1, whatever the temperature is."),
        (mean + offsets / 0.4, "At temperature 0.4 your draws are 2.5 times as wide as at 1."),
        (mean + 0.16 * offsets, "You multiply offsets by T²: that is for the covariance."),
        (mean + 0.4**0.5 * offsets, "You multiply offsets by √T: then the covariance only gets T."),
        (mean + 0.4 * noise @ factor, "Rows are draws: Lε is noise @ factor.T, transposed."),
    ]
    _expect(found, mean + 0.4 * offsets, "Your draw", mistakes)
    return "The covariance is multiplied by T² = 0.16, and the mean stays where it is."


@_exercise("08.2")
def _principal_grid(function):
    rng = np.random.default_rng(82)
    codes = rng.normal(size=(40, 4)) * [1, 3, 0.5, 2] @ rng.normal(size=(4, 4)) + 2
    x, y, centre = np.array([-1.0, 0, 2]), np.array([-2.0, 1]), codes.mean(axis=0)
    _, singular, axes = np.linalg.svd(codes - centre, full_matrices=False)
    axes *= np.sign(axes[range(4), np.abs(axes).argmax(axis=1)])[:, None]

    def grid(unit, flips=(1, 1)):
        first, second = axes[:2] * unit[:2, None] * np.array(flips)[:, None]
        return x[:, None] * first + y[:, None, None] * second

    deviations = singular / np.sqrt(len(codes))
    mirrored = "An axis points the other way: its entry of largest magnitude has to be positive."
    mistakes = [(centre + grid(deviations, f), mirrored) for f in ((1, -1), (-1, 1), (-1, -1))]
    mistakes += [
        (grid(deviations), "Your grid lies around the origin: add the mean of the codes."),
        (centre + grid(np.ones(4)), "Your unit is 1, not one standard deviation along the axis."),
        (centre + grid(singular), "A singular value is √n standard deviations: divide it by √40."),
        (centre + grid(deviations**2), "You multiply by variances: take their roots."),
        (
            (centre + grid(deviations)).swapaxes(0, 1),
            "Rows and columns are exchanged: x_values go along the columns, axis 1.",
        ),
    ]
    found = _call(function, codes, x, y)
    _expect(found, centre + grid(deviations), "Your grid", mistakes)
    return "This plane holds more of the codes' variance than any other, in its natural units."


@_exercise("08.3")
def _mixture(function):
    rng = np.random.default_rng(83)
    counts, count = {"cat": 60, "face": 30, "heart": 10}, 6000
    labels = np.repeat(list(counts), list(counts.values()))
    centres = np.array([[0, 0], [40, 0], [0, 40]])
    mean = rng.normal(size=(100, 2)) @ [[2, 1.5], [0, 1]] + np.repeat(centres, [60, 30, 10], axis=0)
    log_variance = np.full((100, 2), np.log(3.0))
    found = _call(function, mean, log_variance, labels, count, rng)
    _expect(np.shape(found), (count, 2), "The shape of your draws")
    _expect(np.isfinite(np.asarray(found, float)).mean(), 1, "The share of finite draws")
    distances = np.linalg.norm(np.asarray(found, float)[:, None] - centres, axis=2)
    lost = np.mean(distances.min(axis=1) > 16)
    _require(lost < 0.01, f"{lost:.0%} of your draws lie between the labels, where no code is.")
    shares = np.bincount(distances.argmin(axis=1), minlength=3) / count
    even = "Your labels are equally likely; of the 100 pictures, 60, 30 and 10 have them."
    mistakes = [([1 / 3] * 3, even)]
    _expect(shares, [0.6, 0.3, 0.1], "The share of a label among your draws", mistakes, atol=0.03)
    means = np.cov(mean[:60], rowvar=False, bias=True)
    mistakes = [
        (means, "Your clouds are too tight: the posteriors' own variances are missing."),
        (np.diag(np.diag(means + 3 * np.eye(2))), "Your dimensions are independent of each other."),
        (means + np.sqrt(3) * np.eye(2), "You add standard deviations, not variances."),
        (means + np.log(3) * np.eye(2), "You add log-variances, not variances."),
    ]
    spread = np.cov(np.asarray(found, float)[distances.argmin(axis=1) == 0], rowvar=False)
    _expect(spread, means + 3 * np.eye(2), "The covariance of your cats", mistakes, 0.1, 0.2)
    return "It has the mean and covariance of the single Gaussian, and leaves the gaps empty."


# --- 09 · Latent sliders ---
