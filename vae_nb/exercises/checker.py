"""Check an answer to an exercise: it is right, not solved yet, or wrong.

A check never says only "wrong". It names the numbers that differ, and if it knows the mistake
behind them, it explains the mistake.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vae_nb.system.errors import VaeNbError

RIGHT = "right"
WRONG = "wrong"
UNSOLVED = "not solved yet"

MAX_SHOWN_CHARACTERS = 60

# A check takes the answers to its exercise. It returns praise, or raises Complaint or Unsolved.
Check = Callable[..., str]
CHECKS: dict[str, Check] = {}  # by the exercise's number

# What a known mistake gives, and the hint for it.
Mistake = tuple[Any, str]


class Verdict(NamedTuple):
    """The result of a check. A notebook shows it as one sentence."""

    exercise: str
    status: str  # RIGHT, WRONG or UNSOLVED
    message: str

    def __repr__(self) -> str:
        if self.status == UNSOLVED:
            return f"Exercise {self.exercise}: not solved yet."
        summary = "right" if self.status == RIGHT else "not yet"
        return f"Exercise {self.exercise}: {summary}. {self.message}"


class Complaint(Exception):
    """An answer is wrong. The message tells the student why."""


class Unsolved(Exception):
    """The student has not filled in the marked place yet."""


def check(exercise: str, *answers: object) -> Verdict:
    """Say whether an exercise of the notebooks is solved, or what is wrong with the answer.

    Parameters
    ----------
    exercise : str
        Its number, for example "03.2" for the second exercise of notebook 03.
    *answers
        The numbers, arrays or functions that the exercise asks for. `...` (Python's Ellipsis)
        stands for "not solved yet", and so does a function that returns it.

    Returns
    -------
    Verdict
        A notebook shows it as one sentence.

    Raises
    ------
    VaeNbError
        If there is no such exercise, or if it takes another number of answers.
    """
    if exercise not in CHECKS:
        known = ", ".join(sorted(CHECKS))
        raise VaeNbError(f"There is no exercise {exercise!r}; there are {known}.")
    answer_names = list(inspect.signature(CHECKS[exercise]).parameters)
    if len(answers) != len(answer_names):
        noun = "answer" if len(answer_names) == 1 else "answers"
        raise VaeNbError(
            f"Exercise {exercise} takes {len(answer_names)} {noun} ({', '.join(answer_names)}), "
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


def exercise_check(number: str) -> Callable[[Check], Check]:
    """Register the decorated function as the check of an exercise.

    Parameters
    ----------
    number : str
        The exercise's number, for example "03.2".
    """

    def register(function: Check) -> Check:
        CHECKS[number] = function
        return function

    return register


def require(condition: object, complaint: str) -> None:
    """Raise the complaint unless the condition holds."""
    if not condition:
        raise Complaint(complaint)


def has_parts(result: Any, count: int) -> bool:
    """Say whether a result is a tuple or a list of `count` parts."""
    return isinstance(result, tuple | list) and len(result) == count


def single_number(found: Any) -> Any:
    """Return the number in an array or list of one number, and anything else as it is."""
    try:
        return np.ravel(found)[0] if np.size(found) == 1 else found
    except ValueError:  # NumPy cannot make an array of it; `expect` will say so
        return found


def call(function: object, *arguments: Any) -> Any:
    """Call the student's function with copies of the arguments, and return its result.

    Raises
    ------
    Complaint
        If it is not a function, or if it raises an exception.
    Unsolved
        If it returns `...` or None.
    """
    if not callable(function):
        raise Complaint(f"Your answer should be a function, not {shown(function)}.")
    copies = [
        argument.copy() if isinstance(argument, np.ndarray) else argument for argument in arguments
    ]
    try:
        result = function(*copies)
    except Exception as error:
        raise Complaint(f"Your function raised {type(error).__name__}: {error}.") from None
    parts = result if isinstance(result, tuple) else (result,)
    if any(part is ... or part is None for part in parts):
        raise Unsolved
    return result


def expect(
    found: Any,
    expected: ArrayLike,
    subject: str,
    mistakes: Iterable[Mistake] = (),
    rtol: float = 1e-6,
    atol: float = 1e-9,
) -> None:
    """Raise a complaint unless the student's numbers are the expected ones.

    Parameters
    ----------
    found : number or ndarray
        The student's numbers.
    expected : number or ndarray
        The right numbers.
    subject : str
        The subject of the complaint's sentence, for example "Your KL divergence".
    mistakes : iterable of tuple
        Pairs of the numbers that a known mistake gives and the hint for it.
    rtol, atol : float
        The tolerances, as in `numpy.allclose`.
    """
    try:
        found = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        raise Complaint(f"{subject} should be numbers, not {shown(found)}.") from None
    expected = np.asarray(expected, np.float64)
    if found.shape == expected.shape and np.allclose(found, expected, rtol, atol):
        return
    for mistake, hint in mistakes:
        if found.shape == np.shape(mistake) and np.allclose(found, mistake, rtol, atol):
            raise Complaint(hint)
    if found.shape != expected.shape:
        raise Complaint(f"{subject} has the shape {found.shape}, but {expected.shape} is needed.")
    with np.errstate(invalid="ignore"):
        error = np.abs(found - expected)
    error = np.where(np.isnan(error), np.inf, error)
    worst = tuple(map(int, np.unravel_index(np.argmax(error), error.shape)))
    place = f" at position {worst}" if worst else ""
    digits = ".4g"
    if f"{found[worst]:.4g}" == f"{expected[worst]:.4g}":
        digits = ".12g"
    raise Complaint(
        f"{subject} is {found[worst]:{digits}}{place}, but {expected[worst]:{digits}} is right."
    )


def shown(value: object) -> str:
    """Return the start of a value's `repr`, in one line."""
    text = " ".join(repr(value).split())
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return text[: MAX_SHOWN_CHARACTERS - 1] + "…"
