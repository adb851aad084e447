"""The exercises: every check accepts the solution, and says what is wrong with anything else."""

import re

import numpy as np
import pytest
from notebook_code import NOTEBOOKS, SOLUTIONS, tagged

import vae_nb
from vae_nb import exercises

# The one place to fill in; everything around it is the same in an exercise and its solution.
PLACE = re.compile(
    r"(?<=# --- your code ---\n).*?(?=^[ ]*# --- end of your code ---$)", re.S | re.M
)
CALL = re.compile(r'^vae_nb\.exercises\.check\("(\d\d\.\d)"', re.M)

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_solution = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def number(cell):
    """Which exercise a cell asks about: its last line is the check."""
    (found,) = CALL.findall(cell.source)
    return found


def verdict(cell):
    """What the executed cell showed at its end."""
    return cell.outputs[-1].data["text/plain"]


@every_notebook
def test_exercises_are_numbered_and_have_one_place_to_fill_in(path):
    cells = tagged(path, "exercise")
    numbers = [number(cell) for cell in cells]
    assert numbers == [f"{path.name[:2]}.{k}" for k in range(1, len(cells) + 1)]
    assert len(numbers) >= 3
    for cell in cells:
        assert len(PLACE.findall(cell.source)) == 1, cell.source


@every_notebook
def test_unfilled_exercises_run_and_say_so(path):
    for cell in tagged(path, "exercise"):
        assert verdict(cell) == f"Exercise {number(cell)}: not solved yet."


def test_there_are_enough_exercises_and_each_check_has_one():
    numbers = [number(cell) for path in NOTEBOOKS for cell in tagged(path, "exercise")]
    assert sorted(exercises._CHECKS) == numbers
    assert len(numbers) >= 27


@pytest.mark.skipif(not SOLUTIONS, reason="this copy of the project has no solutions")
def test_every_notebook_has_its_solutions():
    assert [path.name for path in SOLUTIONS] == [path.name for path in NOTEBOOKS]


@every_solution
def test_a_solution_is_the_exercise_with_its_place_filled_in(path):
    (notebook,) = [notebook for notebook in NOTEBOOKS if notebook.name == path.name]
    asked, solved = tagged(notebook, "exercise"), tagged(path, "solution")
    assert len(asked) == len(solved)
    for exercise, solution in zip(asked, solved, strict=True):
        assert PLACE.sub("", exercise.source) == PLACE.sub("", solution.source)


@every_solution
def test_every_check_accepts_its_solution(path):
    """These outputs are what running the cells gives: nbval compares them."""
    for cell in tagged(path, "solution"):
        assert verdict(cell).startswith(f"Exercise {number(cell)}: right.")


@every_solution
def test_every_check_rejects_two_plausible_wrong_answers_in_different_words(path):
    said = {}
    for cell in tagged(path, "wrong"):
        assert verdict(cell).startswith(f"Exercise {number(cell)}: not yet.")
        said.setdefault(number(cell), set()).add(verdict(cell))
    assert said.keys() == {number(cell) for cell in tagged(path, "solution")}
    for exercise, verdicts in said.items():
        assert len(verdicts) >= 2, exercise


@pytest.mark.parametrize("exercise", sorted(exercises._CHECKS))
def test_nonsense_is_answered_in_a_sentence(exercise):
    """Whatever is handed in, a check does not fall over."""
    import inspect

    count = len(inspect.signature(exercises._CHECKS[exercise]).parameters)
    for nonsense in (
        *(None, ..., "text", -1, np.nan, [], np.zeros((2, 3)), {}, object()),
        *(lambda *_: None, lambda *_: ..., lambda *_: "text", lambda *_: np.nan, lambda: 1),
        *(lambda *_: (1, 2, 3), lambda *_: np.zeros(0), lambda *_: 1 / 0),
    ):
        result = exercises.check(exercise, *[nonsense] * count)
        assert result.status in (exercises.WRONG, exercises.UNSOLVED), nonsense
        assert repr(result).startswith(f"Exercise {exercise}: not ")


def test_an_unknown_exercise_and_a_wrong_number_of_answers_are_errors():
    with pytest.raises(vae_nb.VaeNbError, match=r"no exercise '10\.1'; there are 01\.1"):
        exercises.check("10.1", 1)
    with pytest.raises(vae_nb.VaeNbError, match="takes 1 answers"):
        exercises.check("01.1", 1, 2, 3, 4, 5, 6, 7)


def test_numbers_that_differ_are_named():
    with pytest.raises(exercises._Complaint, match=r"Yours is 3 at position \(0, 1\), and 2 is"):
        exercises._expect([[1, 3]], [[1, 2]], "Yours")
    with pytest.raises(exercises._Complaint, match=r"shape \(2,\), and \(1, 2\) is needed"):
        exercises._expect([1, 2], [[1, 2]], "Yours")
    with pytest.raises(exercises._Complaint, match="the sign"):
        exercises._expect(-2.0, 2.0, "Yours", [(-2.0, "Look at the sign.")])
    with pytest.raises(exercises._Complaint, match="should be numbers, not 'text'"):
        exercises._expect("text", 2.0, "Yours")
    with pytest.raises(exercises._Complaint, match="Yours is nan, and 2 is right"):
        exercises._expect(np.nan, 2.0, "Yours")
