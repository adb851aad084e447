"""Every check accepts the solution of its exercise, and says what is wrong with other answers."""

import inspect
import re

import numpy as np
import pytest
from notebook_code import LABS, SOLUTIONS, name_of, tagged

import vae_nb
from vae_nb import exercises
from vae_nb.exercises import checker

# The place to fill in. Everything around it is the same in an exercise and its solution.
PLACE = re.compile(
    r"(?<=# --- your code ---\n).*?(?=^[ ]*# --- end of your code ---$)", re.S | re.M
)
CALL = re.compile(r'^vae_nb\.exercises\.check\("(\d\d\.\d)"', re.M)

every_lab = pytest.mark.parametrize("path", LABS, ids=name_of)
every_solution = pytest.mark.parametrize("path", SOLUTIONS, ids=name_of)
needs_solutions = pytest.mark.skipif(
    not SOLUTIONS, reason="a class set has no solutions, and its notebooks no outputs"
)


def number(cell):
    """Return the number of the exercise in a cell, whose last line is the check."""
    (found,) = CALL.findall(cell.source)
    return found


def verdict(cell):
    """Return the verdict that an executed cell shows."""
    return cell.outputs[-1].data["text/plain"]


@every_lab
def test_exercises_are_numbered_and_have_one_place_to_fill_in(path):
    cells = tagged(path, "exercise")
    numbers = [number(cell) for cell in cells]
    assert numbers == [f"{path.name[:2]}.{k}" for k in range(1, len(cells) + 1)]
    for cell in cells:
        assert len(PLACE.findall(cell.source)) == 1, cell.source


@needs_solutions
@every_lab
def test_unfilled_exercises_run_and_say_so(path):
    for cell in tagged(path, "exercise"):
        assert verdict(cell) == f"Exercise {number(cell)}: not solved yet."


def test_each_check_has_an_exercise():
    numbers = [number(cell) for path in LABS for cell in tagged(path, "exercise")]
    assert sorted(checker.CHECKS) == numbers


@needs_solutions
def test_every_lab_has_its_solutions():
    assert [path.name for path in SOLUTIONS] == [path.name for path in LABS]


@every_solution
def test_a_solution_is_the_exercise_with_its_place_filled_in(path):
    (lab,) = [lab for lab in LABS if lab.name == path.name]
    asked, solved = tagged(lab, "exercise"), tagged(path, "solution")
    assert len(asked) == len(solved)
    for exercise, solution in zip(asked, solved, strict=True):
        assert PLACE.sub("", exercise.source) == PLACE.sub("", solution.source)


@every_solution
def test_every_check_accepts_its_solution(path):
    """nbval checks that running the cells gives these outputs."""
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


@pytest.mark.parametrize("exercise", sorted(checker.CHECKS))
def test_nonsense_is_answered_in_a_sentence(exercise):
    count = len(inspect.signature(checker.CHECKS[exercise]).parameters)
    values = [None, ..., "text", -1, np.nan, [], np.zeros((2, 3)), {}, object()]
    functions = [
        lambda *_: None,
        lambda *_: ...,
        lambda *_: "text",
        lambda *_: np.nan,
        lambda *_: (1, 2, 3),
        lambda *_: np.zeros(0),
        lambda *_: 1 / 0,
        lambda: 1,
    ]
    for nonsense in values + functions:
        result = exercises.check(exercise, *[nonsense] * count)
        assert result.status in (checker.WRONG, checker.UNSOLVED), nonsense
        assert repr(result).startswith(f"Exercise {exercise}: not ")


def test_an_unknown_exercise_and_a_wrong_number_of_answers_are_errors():
    with pytest.raises(vae_nb.VaeNbError, match=r"no exercise '12\.1'; there are 01\.1"):
        exercises.check("12.1", 1)
    with pytest.raises(vae_nb.VaeNbError, match=r"takes 1 answer \(function\), not 7"):
        exercises.check("01.1", 1, 2, 3, 4, 5, 6, 7)


def test_numbers_that_differ_are_named():
    with pytest.raises(checker.Complaint, match=r"Yours is 3 at position \(0, 1\), but 2 is"):
        checker.expect([[1, 3]], [[1, 2]], "Yours")
    with pytest.raises(checker.Complaint, match=r"shape \(2,\), but \(1, 2\) is needed"):
        checker.expect([1, 2], [[1, 2]], "Yours")
    with pytest.raises(checker.Complaint, match="the sign"):
        checker.expect(-2.0, 2.0, "Yours", [(-2.0, "Look at the sign.")])
    with pytest.raises(checker.Complaint, match="should be numbers, not 'text'"):
        checker.expect("text", 2.0, "Yours")
    with pytest.raises(checker.Complaint, match="Yours is nan, but 2 is right"):
        checker.expect(np.nan, 2.0, "Yours")
    with pytest.raises(checker.Complaint, match=r"Yours is 1\.00002, but 1\.00001 is right"):
        checker.expect(1.00002, 1.00001, "Yours")  # as many digits as it takes


def test_a_mixture_of_single_images_is_not_one_of_labels():
    """Draws from the images' own posteriors have the right moments, but they are copies."""

    def copies(mean, log_variance, labels, count, rng):
        chosen = rng.integers(len(mean), size=count)
        noise = rng.standard_normal((count, mean.shape[1]))
        return mean[chosen] + np.exp(0.5 * log_variance[chosen]) * noise

    assert "stay at single pictures" in exercises.check("08.3", copies).message


@pytest.fixture
def page():
    """Return what the solution of exercise 09.4 defines, by name."""
    if not SOLUTIONS:
        pytest.skip("this copy of the project has no solutions")
    (path,) = [path for path in SOLUTIONS if path.name.startswith("09")]
    source = tagged(path, "solution")[-1].source
    names = {}
    exec(CALL.split(source)[0], names)  # all but the check
    return names


def check_page(page, **changed):
    """Check the solution of exercise 09.4 with some of its parts changed."""
    parts = {name: page[name] for name in ("initialize", "loss_and_gradients", "Adam", "train")}
    parts |= changed
    return exercises.check("09.4", *parts.values())


@pytest.mark.parametrize("size", [0.03, 0.1, 0.3])
def test_09_4_leaves_the_size_of_the_initialization_to_the_student(page, size):
    solution = page["initialize"]

    def initialize(rng, pixels, hidden, latent):
        arrays = solution(rng, pixels, hidden, latent)
        for name, array in arrays.items():
            if name.endswith("weights"):
                arrays[name] = size * rng.standard_normal(array.shape)
            else:
                arrays[name] = np.zeros(array.shape)
        return arrays

    page["initialize"] = initialize  # train calls it, too
    assert check_page(page, initialize=initialize).status == checker.RIGHT


def test_09_4_says_how_far_a_student_is(page):
    class Empty:
        def __init__(self, parameters): ...

        def update(self, gradients, learning_rate): ...

    so_far = "Right so far: initialize, loss_and_gradients."
    assert check_page(page, Adam=Empty).message == f"{so_far} Next: Adam."

    def fails(*_):
        return {}["x"]

    found = check_page(page, loss_and_gradients=fails).message
    assert found.startswith(
        "Right so far: initialize. Now loss_and_gradients: Your function raised"
    )
    found = check_page(page, initialize=lambda *_: {"mean": 0}).message
    assert "has no 'encoder_1.weights'; it begins with 'mean'" in found


def test_09_4_names_what_a_gradient_lacks(page):
    right = page["loss_and_gradients"]

    def without_kl_weight(parameters, x, noise, kl_weight):
        return right(parameters, x, noise, kl_weight)[0], right(parameters, x, noise, 1.0)[1]

    assert "lacks kl_weight" in check_page(page, loss_and_gradients=without_kl_weight).message


@pytest.mark.parametrize(
    ("count", "hint"),
    [
        (lambda _, filters: sum(np.array([3, *filters[:-1]]) * filters + filters), "4 weights"),
        (lambda _, filters: 13 * sum(filters), "Only the first layer reads the picture"),
    ],
)
def test_11_1_knows_other_miscounts(count, hint):
    assert hint in exercises.check("11.1", count).message


def backward(x, W, b, y_gradient, bias=True, slope=True, folded=True):
    """Go back through a patch layer of tanh, with mistakes on request."""
    patches = vae_nb.Patches(2, 2)
    y = np.tanh(vae_nb.unfold(x, patches) @ W + bias * b)
    A_gradient = (y_gradient * (1 - y**2) if slope else y_gradient).reshape(-1, len(b))
    X = vae_nb.unfold(x, patches).reshape(-1, len(W))
    cut = (A_gradient @ W.T).reshape(*y.shape[:3], -1)
    x_gradient = vae_nb.fold(cut, patches) if folded else cut
    return X.T @ A_gradient, A_gradient.sum(axis=0), x_gradient


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        ({"slope": False}, "You skipped tanh"),
        ({"bias": False}, "take it at XW + b"),
        ({"folded": False}, "still a list of patches"),
    ],
)
def test_11_2_knows_other_mistakes(mistake, hint):
    assert exercises.check("11.2", backward).status == checker.RIGHT
    assert (
        hint in exercises.check("11.2", lambda *arguments: backward(*arguments, **mistake)).message
    )


def rolled(height, width, size, rng, rows=0, inside=0):
    """Number the pixels; the rows of each block, or the rows of blocks, go round by one."""
    numbers = np.arange(height * width).reshape(height // size, size, width)
    return np.roll(np.roll(numbers, rows, axis=0), inside, axis=1).ravel()


def moved(*arguments):
    return rolled(*arguments, rows=1)


def inside(*arguments):
    return rolled(*arguments, inside=1)


def only_at_the_top(height, width, size, rng):
    top = slice(0, size * width)
    order = np.arange(height * width)
    order[top] = inside(height, width, size, rng)[top]
    return order


@pytest.mark.parametrize(
    ("answers", "hint"),
    [
        ((moved, inside), "notices neither"),  # no chance in them, but right
        ((rolled, inside), "order_of_blocks: every pixel is still in its place"),
        ((moved, rolled), "order_within_blocks: every pixel is still in its place"),
        ((inside, inside), "inside a block the pixels must stay"),
        ((moved, moved), "the blocks have moved"),
        ((moved, only_at_the_top), "each block has an order of its own"),
        ((moved, lambda h, w, *_: np.roll(np.arange(h * w), 1)), "have left their block"),
        ((lambda h, w, *_: np.roll(np.arange(h * w), 1), inside), "begins with the pixels 23, 0"),
        ((lambda h, w, *_: np.zeros(h * w), inside), "each number from 0 to 23 once"),
    ],
)
def test_11_3_says_what_an_order_does(answers, hint):
    assert hint in exercises.check("11.3", *answers).message
