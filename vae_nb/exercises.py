"""The checks behind the notebooks' exercises: right, not solved yet, or what is wrong.

A check never says only "wrong": it names the numbers that differ, and where it knows the mistake
behind them, it says so.
"""

import inspect
from typing import NamedTuple

import numpy as np
from PIL import Image

from vae_nb.errors import VaeNbError
from vae_nb.metrics import pixel_distances

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


@_exercise("01.1")
def _centred_mean_square(function):
    x = np.random.default_rng(1).random((6, 20))
    square, mean = np.mean(x**2), x.mean(axis=0)
    found = _call(function, square, mean)
    mistakes = [
        (square - mean.mean() ** 2, "Square each pixel of the mean picture *before* you average."),
        (square - np.sum(mean**2), "Sum and mean are mixed: average over the pixels as well."),
        (square + np.mean(mean**2), "Centring adds nothing: which sign has the second term?"),
        (square - mean**2, "One number is needed, not one for each pixel: average over them."),
    ]
    _expect(found, np.mean((x - mean) ** 2), "Your mean square", mistakes)
    return "The variance is the mean square minus the square of the mean, at every pixel."


@_exercise("01.2")
def _on_paper(function):
    rgba = np.random.default_rng(2).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    colour, opacity, paper = rgba[..., :3], rgba[..., 3:] / 255, np.array([20, 60, 200])
    found = _call(function, rgba, paper)
    exact = paper + opacity * (colour - paper)
    mistakes = [
        (np.floor(exact), "uint8 cuts fractions off: round before you convert."),
        (np.rint(255 + opacity * (colour - 255.0)), "The paper is white still: use `paper`."),
        (np.rint(colour + paper - exact), "Picture and paper have changed places."),
        (np.where(opacity > 0, colour, paper), "A pixel may be *half* opaque: mix the two."),
    ]
    image = Image.alpha_composite(Image.new("RGBA", (6, 5), (*paper,)), Image.fromarray(rgba))
    _expect(found, np.asarray(image)[..., :3], "Your picture", mistakes)
    _require(np.asarray(found).dtype == np.uint8, "Right, but as other numbers: convert to uint8.")
    return "Only the paper shows where alpha is 0, so the colour hidden there does not matter."


@_exercise("01.3")
def _with_mirrored(function):
    pictures = np.random.default_rng(3).random((2, 3, 4, 3))
    x = pictures.reshape(2, -1)
    found = _call(function, x, (3, 4, 3))
    copies = {
        "A row reversed is a picture upside down, with red and blue exchanged.": x[:, ::-1],
        "Your copies are upside down: axis 1 of the pictures is height.": pictures[:, ::-1],
        "Your copies have red and blue exchanged: that axis is colour.": pictures[..., ::-1],
    }
    mistakes = [(np.concatenate([x, y.reshape(2, -1)]), hint) for hint, y in copies.items()]
    mirrored = pictures[:, :, ::-1].reshape(2, -1)
    mistakes.append((mirrored, "The copies are right, but the originals are gone."))
    _expect(found, np.concatenate([x, mirrored]), "Your array", mistakes)
    return "To a dense layer a mirrored face is a new one: it does not know which pixels are near."


@_exercise("01.4")
def _nearest_training_pictures(function):
    train, others = np.random.default_rng(4).integers(0, 256, (2, 7, 5, 4, 3), dtype=np.uint8)
    brighter = np.minimum(train[2], 254) + 1  # nearly a copy, but in uint8 3 - 4 is 255
    held_out = np.stack([*others[:2], train[5], brighter])
    found = _call(function, train, held_out)
    pair = isinstance(found, tuple) and len(found) == 2
    _require(pair, "Two arrays are needed: `return positions, distances`.")
    apart = pixel_distances(held_out.reshape(4, -1), train.reshape(7, -1)) / np.sqrt(60)
    wrapped = held_out[:, None] - train
    overflow = "Bytes wrap around: in uint8, 3 - 4 is 255. Convert to float before you subtract."
    mistakes = [
        *((np.sqrt(np.mean(wrapped**p, (2, 3, 4))).min(axis=1), overflow) for p in (2, 2.0)),
        (apart.min(axis=0), "One distance for each *held-out* picture is needed: the other axis."),
        (apart.min(axis=1) ** 2, "The root is missing: these are mean squares."),
        (apart.min(axis=1) * np.sqrt(60), "These are sums of squares under the root, not means."),
    ]
    _expect(found[1], apart.min(axis=1), "Your distance", mistakes)
    _expect(found[0], apart.argmin(axis=1), "Your nearest position")
    return "It found the exact copy, at distance 0, and the one that was a little brighter."


# --- 02 · Build a VAE from NumPy ---


# --- 03 · The loss and its gradient ---


# --- 04 · Train ---


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
