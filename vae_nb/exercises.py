"""The checks behind the notebooks' exercises: right, not solved yet, or what is wrong.

A check never says only "wrong": it names the numbers that differ, and where it knows the mistake
behind them, it says so.
"""

import inspect
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vae_nb.config import load_config
from vae_nb.errors import VaeNbError
from vae_nb.images import ImageSet
from vae_nb.metrics import negative_elbo
from vae_nb.model import VAE
from vae_nb.optimizers import SGD, Adam
from vae_nb.random_streams import random_stream
from vae_nb.training import train

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


@_exercise("04.1")
def _spike(steps):
    places, optimizer = [0.0], Adam(np.zeros(1), beta2=0.99)
    for step in range(1500):
        optimizer.update(np.array([300.0 if step == 200 else 1.0]), 1.0)
        places.append(optimizer.parameters.item())
    short = np.flatnonzero(np.abs(np.diff(places)) < 0.9)
    hints = [
        (100, "100 is 1 / (1 − β₂): after it v has shrunk by a factor e only, and is still huge."),
        (1299, "Your last step is a short one: with β₂ = 0.999? Pass beta2=0.99 on."),
        (short[-1], "That is the step's index; count from the spike, at step 200."),
        (short[0] - 200, "That is the first step shorter than 0.9; the last is asked for."),
    ]
    within = {"rtol": 0, "atol": 2.5}  # who counts the spike itself is right, too
    _expect(steps, short[-1] - 200, "Your number of steps", hints, **within)
    return "The spike's square is 90000: v takes eight times 1 / (1 − β₂) steps to forget it."


@_exercise("04.2")
def _nesterov(function):
    rate, decay = 0.1, 0.8
    rule, optimizer = _call(function, rate, decay), SGD(np.zeros(2), decay)
    for t, gradient in enumerate(np.random.default_rng(42).normal(size=(5, 2)), 1):
        optimizer.update(gradient, rate)
        velocity, right = optimizer.velocity, rate * (gradient + decay * optimizer.velocity)
        plain = "That is momentum itself: g + μv needs the velocity after its update, not before."
        no_gradient = "Your step is ημv: the gradient is to be added once more, g + μv."
        mistakes = [(rate * velocity, plain), (rate * decay * velocity, no_gradient)]
        mistakes.append((right / rate, "Your step lacks the learning rate."))
        _expect(_call(rule, gradient, t), right, f"Your step {t}", mistakes)
    return "The newest gradient weighs 1 + μ, not 1: the walk brakes earlier and overshoots less."


@_exercise("04.3")
def _held_out_total(function):
    layers = [{"units": 8, "activation": "relu"}]
    config = load_config(None, {"model.encoder_layers": layers, "training.kl_weight": 5.0})
    pixels = np.random.default_rng(43).integers(0, 256, (12, 4, 4, 1), np.uint8)
    train_set, held_out = ImageSet(pixels, ("",) * 12, ("",) * 12).split(0.5, 0)
    vae = VAE(config.model, pixels.shape[1:], random_stream(0, "weights"))
    training = replace(config.training, epochs=2)

    def compare(vae, columns):
        right, weight = columns["validation_total"][-1], columns["kl_weight"][-1]
        found = [_call(function, vae, held_out, training, weight) for _ in range(2)]
        means = negative_elbo(vae, held_out, np.zeros((len(held_out), vae.latent_dim)))
        mistakes = [
            (right + (1 - weight) * columns["validation_kl"][-1], "The KL lacks its weight."),
            (means[0] + weight * means[1], "That is decoded from the mean: z needs noise."),
        ]
        _expect(found[0], right, "Your held-out loss", mistakes, rtol=1e-5)
        again = "Asked twice, your function gives two losses: start the stream anew at each call."
        _require(np.array_equal(*found), again)

    train(vae, train_set, held_out, training, on_epoch_end=compare, progress=False)
    return "Every epoch is judged with the same noise: what differs is the network's doing."


@_exercise("04.4")
def _adamw(optimizer_class):
    rng = np.random.default_rng(44)
    start, gradients, rate, decay = rng.normal(size=6), rng.normal(size=(3, 6)), 0.1, 0.2

    def run(make=Adam, before=1.0, l2=0.0, after=1.0):
        parameters = start.copy()
        optimizer = make(parameters)
        for gradient in gradients:
            parameters *= before
            if optimizer.update(gradient + l2 * parameters, rate) is ...:
                return ...
            parameters *= after
        return parameters

    shrink = 1 - rate * decay
    mistakes = [
        (start, "The parameters have not moved: change self.parameters in place."),
        (run(), "That is Adam: nothing decays."),
        (run(l2=decay), "The decay went into the gradient, and through √v: keep it out."),
        (run(before=1 - decay), "The decay lacks the learning rate: it is ηλθ."),
        (run(after=shrink), "You decay what Adam's step has changed: decay before it."),
    ]
    found = _call(lambda: run(lambda parameters: optimizer_class(parameters, decay)))
    _expect(found, run(before=shrink), "Your parameter after three steps", mistakes)
    return "Every parameter shrinks by the same factor 1 − ηλ, however large its gradients are."


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
