"""The checks behind the notebooks' exercises: right, not solved yet, or what is wrong.

A check never says only "wrong": it names the numbers that differ, and where it knows the mistake
behind them, it says so.
"""

import inspect
from typing import NamedTuple

import numpy as np

from vae_nb.errors import VaeNbError
from vae_nb.layers import sigmoid
from vae_nb.losses import bernoulli_entropy, bernoulli_loss
from vae_nb.metrics import pixel_distances
from vae_nb.model import reparameterize

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


@_exercise("05.1")
def _best_answer(answer):
    mistakes = [
        (0.7, "The three values are not equally likely: weigh each by its probability."),
        (0.2, "0.2 is the most probable value. The answer with the least expected loss is a mean."),
        (0.55, "That is the median, best for the absolute error. This loss asks for the mean."),
    ]
    _expect(answer, 0.5 * 0.2 + 0.25 * 0.9 + 0.25 * 1, "Your best answer", mistakes, atol=0.002)
    return "The mean is none of the three values: a pixel that no picture has. That is blur."


@_exercise("05.2")
def _excess_map(function):
    rng = np.random.default_rng(0)
    x, logits = rng.uniform(0.1, 0.9, (24, 2)), rng.normal(size=(24, 2))  # of two colours
    entropy = bernoulli_entropy(x).reshape(2, 3, 4)
    expected = bernoulli_loss(logits, x).reshape(2, 3, 4) - entropy
    mistakes = [
        (expected + entropy, "That is a map of the loss: the pixels' own entropy is still in it."),
        (expected / 2, "The colours are to be summed, not averaged: a map's sum is too small."),
        (expected.sum(axis=0), "You summed over the batch: each picture needs a map of its own."),
    ]
    x, logits, shape = x.reshape(2, 24), logits.reshape(2, 24), (3, 4, 2)
    _expect(_call(function, logits, x, shape), expected, "Your map", mistakes)
    hard = _call(function, 1000 * np.sign(x - 0.5), np.round(x), shape)  # perfect, of 0 and 1
    hint = "0·log 0 is NaN in NumPy, and so is a logarithm of a sigmoid that was rounded to 0."
    _require(np.all(np.isfinite(hard)), f"Pixels of 0 and 1 at logits of ±1000 break it: {hint}")
    _expect(hard, np.zeros((2, 3, 4)), "Your map of a perfect reconstruction")
    return "Zero where the answer is perfect, and nowhere negative: a KL divergence in each pixel."


@_exercise("05.3")
def _split_error(function):
    mean, log_variance, x = np.random.default_rng(0).normal(size=(3, 4, 5))
    noise, weights = np.random.default_rng(1).normal(size=(2, 50, 5))

    def decode(z):
        return sigmoid(z @ weights[:5])

    def parts(scale=1.0, centre=None):
        decoded = decode(reparameterize(mean, scale * log_variance, noise[:, None]))
        centre = decoded.mean(axis=0) if centre is None else centre
        squares = (decoded - x) ** 2, (centre - x) ** 2, (decoded - centre) ** 2
        return np.array([part.sum(axis=-1).reshape(-1, 4).mean(axis=0) for part in squares])

    mistakes = [
        (parts(scale=2), "Your samples are too wide: σ is exp(½ log σ²), not exp(log σ²)."),
        (parts(centre=decode(mean)), "decode(μ) is not the average picture: the decoder bends."),
        (parts() / 5, "The squared errors are to be summed over the pixels, not averaged."),
    ]
    found = _call(function, decode, mean, log_variance, x, noise)
    _expect(found, parts(), "Your (error, bias, variance)", mistakes)
    return "They add up for each picture: what is not bias is what z leaves open."


# --- 06 · The latent space ---


@_exercise("06.1")
def _components_needed(function):
    singular_values = np.array([6.0, 3.0, 2.0, 1.0])  # shares of the variance 0.72 0.18 0.08 0.02
    found = [_call(function, singular_values, share) for share in (0.5, 0.8, 0.95, 0.99)]
    mistakes = [
        ([1, 3, 4, 4], "A singular value is a standard deviation times √n: variances are squares."),
        ([0, 1, 2, 3], "NumPy counts from 0: the index of a component is one less than how many."),
    ]
    _expect(found, [1, 2, 3, 4], "Your number for shares of 0.5, 0.8, 0.95 and 0.99", mistakes)
    return "Few components would mean a flat cloud; a round one needs nearly all of them."


@_exercise("06.2")
def _participation_ratio(function):
    covariance = np.array([[2.0, 1.8, 0.0], [1.8, 2.0, 0.0], [0.0, 0.0, 1.0]])
    expected = np.trace(covariance) ** 2 / np.trace(covariance @ covariance)
    mistakes = [
        (25 / 9, "The diagonal counts two correlated dimensions as two: take the eigenvalues."),
        (1 / expected, "Turned over: the square of the sum belongs above the sum of the squares."),
        (expected / 5, "The sum above is to be squared."),
    ]
    _expect(_call(function, covariance), expected, "Your ratio for correlated dimensions", mistakes)
    _expect(_call(function, 4 * np.eye(5)), 5, "Your ratio for five equal dimensions")
    return "It equals tr(C)² / tr(C²), and counts what the codes really use."


@_exercise("06.3")
def _nearest_labels(function):
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1, 2], [10, 14, 18])
    labels, places = np.array(["cat", "heart", "face"]), np.array([[0, 0], [0, 2], [2, 0]])
    codes, others = rng.normal(size=(42, 2)) + places[kinds], rng.normal(size=(60, 2)) + 0.7
    order = kinds[np.argsort(pixel_distances(others, codes), axis=1)]

    def vote(order, k=5, of_equals=list):  # the first: in the order of distance
        rows = labels[order[:, :k]].tolist()
        return np.array([max(of_equals(row), key=row.count) for row in rows], object)

    found = np.asarray(_call(function, codes, labels[kinds], others, 5), object)
    _require(found.shape == (60,), f"60 labels are needed, and yours have shape {found.shape}.")
    for mistake, hint in (
        (vote(order, k=1), "You took the label of the nearest code alone: let all k of them vote."),
        (vote(order[:, 1:]), "You left out the nearest: but no picture is among the codes here."),
        (vote(order[:, ::-1]), "Your neighbours are the farthest codes: sort the other way."),
        (vote(order, of_equals=sorted), "Where labels have as many votes, the nearest decides."),
    ):
        _require(not np.array_equal(found, mistake), hint)
    wrong = np.flatnonzero(found != vote(order))
    _require(not len(wrong), f"{len(wrong)} of 60 labels are wrong, the first at {wrong[:1]}.")
    return "No training, and yet a measure of what a space sorts by."


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
