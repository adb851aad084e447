"""The checks behind the notebooks' exercises: right, not solved yet, or what is wrong.

A check never says only "wrong": it names the numbers that differ, and where it knows the mistake
behind them, it says so.
"""

import inspect
from typing import NamedTuple

import numpy as np

from vae_nb.errors import VaeNbError
from vae_nb.gradient_checking import central_differences
from vae_nb.losses import kl_divergence_gradient, kl_divergence_per_dimension

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


@_exercise("07.1")
def _slope_of_one(start_bias):
    expected = np.arcsinh(1)
    mistakes = [
        (0, "sinh 0 = 0: there the layer passes nothing back."),
        (1, "At 1 the slope is sinh 1 = 1.18: a little too much."),
        (np.sinh(1), "That is the slope at 1. Asked is where the slope is 1: the inverse."),
        (-expected, "There the slope is -1, and a positive bias is asked for."),
    ]
    _expect(start_bias, expected, "Your bias", mistakes, rtol=1e-5)
    return "It is log(1 + √2), and the output there is √2, for cosh² = 1 + sinh²."


# The notebook's runs at ten epochs: KL, pictures, training and held-out reconstruction.
_COURSES = """
healthy,             16.7, 44, 638 566 514 499 484 475 471 468 466 467, 593 548 511 506 498 496 493 492 492 492
collapsed,           .004, 44, 643 638 639 638 639 639 638 637 639 638, 593 594 593 592 594 592 593 591 593 592
unstable,            18.1, 44, 998 743 728 593 528 601 603 565 661 590, 637 577 538 535 522 518 530 526 524 515
overfitted,          63.8, 11, 689 433 431 431 431 430 430 430 431 430, 601 513 517 521 524 524 526 527 533 538
KL weight too large, 0.57, 44, 638 634 614 612 613 594 588 597 581 585, 593 587 576 565 565 567 565 563 563 564
"""  # noqa: E501
_COURSES = dict(line.split(",", 1) for line in _COURSES.strip().splitlines())


def _course(illness, kl=None, pictures=None, training=None, held_out=None, warm_up=0):
    """What `diagnose_run` takes: a recorded course, with an (epoch, loss) changed."""
    recorded = [np.array(part.split(), float) for part in _COURSES[illness].split(",")]
    kl = np.full(16, (recorded[0][0] if kl is None else kl) / 16)  # (latent,)
    history = {"epoch": np.arange(1, 11), "learning_rate": np.full(10, 0.001)}
    history["kl_weight"] = np.minimum(1.0, history["epoch"] / (warm_up + 1))
    for part, losses, change in zip(
        ("train", "validation"), recorded[2:], (training, held_out), strict=True
    ):
        if change:
            losses[change[0] - 1] = change[1]
        history |= {f"{part}_reconstruction": losses, f"{part}_kl": np.full(10, kl.sum())}
        history[f"{part}_total"] = losses + history["kl_weight"] * kl.sum()
    return history, kl, int(recorded[1][0]) if pictures is None else pictures


@_exercise("07.2")
def _diagnose_run(function):
    steps = ("5", "1", "2", "4", "3, of the sum over all dimensions")
    cases = [
        (f"the notebook's run {name!r}", _course(name), name, f"That is step {step}.")
        for name, step in zip(_COURSES, steps, strict=True)
    ]
    dear = "KL weight too large"
    cases += [
        ("a healthy run with one early spike", _course("healthy", training=(2, 2000)),
         "healthy", "Only jumps in the last third count."),
        ("a healthy run whose best held-out loss lies in the warm-up",
         _course("healthy", held_out=(2, 480), warm_up=3), "healthy",
         "Compare losses at the final KL weight only."),
        ("an unstable run with a KL of 0.05 in the end", _course("unstable", kl=0.05),
         "collapsed", "The KL comes first, and all latent dimensions together."),
        ("a run of 16 dimensions with 0.02 nats each", _course("healthy", kl=0.32),
         dear, "Add the dimensions up before you compare."),
        ("a run of 1000 pictures with a KL of 5 nats", _course("healthy", 5, 1000),
         dear, "The limit is the logarithm of the number of pictures."),
        ("a run whose held-out and training losses both rise at the end",
         _course("healthy", training=(10, 510), held_out=(10, 500)), "healthy",
         "Overfitting takes a training loss that fell."),
    ]  # fmt: skip
    for what, course, expected, hint in cases:
        found = _call(function, *course)
        known = isinstance(found, str) and found in _COURSES
        _require(known, f"{_shown(found)} is none of the names {', '.join(_COURSES)}.")
        _require(found == expected, f"For {what} you say {found!r}; it is {expected!r}. {hint}")
    return "The order is the point: each step is only worth asking when those above it say no."


@_exercise("07.3")
def _free_bits(function):
    rng, floor = np.random.default_rng(7), 0.2
    mean, log_variance = rng.normal(size=(2, 5, 4)) * [[[0.1, 0.5, 1.0, 2.0]], [[0.3] * 4]]

    def term():
        kl = kl_divergence_per_dimension(mean, log_variance).mean(axis=0)  # (latent,)
        return float(np.sum(np.maximum(kl, floor)))

    found = _call(function, mean, log_variance, floor)
    parts = "Three things are needed: the KL term, and its gradients for mean and log-variance."
    _require(isinstance(found, tuple) and len(found) == 3, parts)
    kl = kl_divergence_per_dimension(mean, log_variance)  # (batch, latent)
    mistakes = [
        (np.maximum(kl, floor).mean(axis=0).sum(), "Average over the batch before the floor."),
        (np.minimum(kl.mean(axis=0), floor).sum(), "You take the smaller of floor and KL."),
        (kl.mean(axis=0).sum(), "That is the KL without a floor, or with one for the sum."),
    ]
    _expect(found[0], term(), "Your KL term", mistakes)
    whole = kl_divergence_gradient(mean, log_variance)
    for part, name in enumerate(("mean", "log_variance")):
        expected = central_differences(term, (mean, log_variance)[part]).reshape(mean.shape)
        mistakes = [
            (expected * len(mean), "Divide by the batch: the term is an average over it."),
            (whole[part] / len(mean), "A dimension below the floor is free: its gradient is 0."),
        ]
        what = f"Your gradient for {name}"
        _expect(found[1 + part], expected, what, mistakes, rtol=1e-5, atol=1e-7)
    return "Below the floor the encoder may say what it likes: no price, no pull to the prior."


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
