"""The checks behind the notebooks' exercises: right, not solved yet, or what is wrong.

A check never says only "wrong": it names the numbers that differ, and where it knows the mistake
behind them, it says so.
"""

import inspect
from typing import NamedTuple

import numpy as np

from vae_nb.system.errors import VaeNbError

RIGHT, WRONG, UNSOLVED = "right", "wrong", "not solved yet"


CHECKS = {}


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


class Complaint(Exception):
    """What is wrong with an answer, said to the reader."""


class Unsolved(Exception):
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
    if exercise not in CHECKS:
        known = ", ".join(sorted(CHECKS))
        raise VaeNbError(f"There is no exercise {exercise!r}; there are {known}.")
    asked = list(inspect.signature(CHECKS[exercise]).parameters)
    if len(answers) != len(asked):
        raise VaeNbError(
            f"Exercise {exercise} takes {len(asked)} answers ({', '.join(asked)}), "
            f"not {len(answers)}."
        )
    if any(answer is ... or answer is None for answer in answers):
        return Verdict(exercise, UNSOLVED, "")
    try:
        praise = CHECKS[exercise](*answers)
    except Unsolved:
        return Verdict(exercise, UNSOLVED, "")
    except Complaint as complaint:
        return Verdict(exercise, WRONG, str(complaint))
    return Verdict(exercise, RIGHT, praise)


def exercise_check(number):
    """Register a check: a function of the answers that returns praise or raises a complaint."""

    def register(function):
        CHECKS[number] = function
        return function

    return register


def require(condition, complaint):
    """Raise the complaint unless the condition holds."""
    if not condition:
        raise Complaint(complaint)


def call(function, *arguments):
    """What the reader's function makes of copies of the arguments."""
    require(callable(function), f"A function is needed, not {shown(function)}.")
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        result = function(*copies)
    except Exception as error:
        raise Complaint(f"Your function raised {type(error).__name__}: {error}.") from None
    parts = result if isinstance(result, tuple) else (result,)
    if any(part is ... or part is None for part in parts):
        raise Unsolved
    return result


def expect(found, expected, what, mistakes=(), rtol=1e-6, atol=1e-9):
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
        raise Complaint(f"{what} should be numbers, not {shown(found)}.") from None
    expected = np.asarray(expected, np.float64)
    if found.shape == expected.shape and np.allclose(found, expected, rtol, atol):
        return
    for mistake, hint in mistakes:
        if found.shape == np.shape(mistake) and np.allclose(found, mistake, rtol, atol):
            raise Complaint(hint)
    if found.shape != expected.shape:
        shapes = f"has the shape {found.shape}, and {expected.shape} is needed"
        raise Complaint(f"{what} {shapes}.")
    with np.errstate(invalid="ignore"):
        error = np.abs(found - expected)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    where = f" at position {tuple(map(int, worst))}" if worst else ""
    digits = ".4g" if f"{found[worst]:.4g}" != f"{expected[worst]:.4g}" else ".12g"
    numbers = f"{found[worst]:{digits}}{where}, and {expected[worst]:{digits}} is right"
    raise Complaint(f"{what} is {numbers}.")


def shown(value, longest=60):
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
