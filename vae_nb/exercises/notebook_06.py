"""The checks of notebook 06, The latent space."""

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.metrics import pixel_distances
from vae_nb.exercises.checker import (
    Complaint,
    Mistake,
    call,
    exercise_check,
    expect,
    require,
    single_number,
)


@exercise_check("06.1")
def _components_needed(function: object) -> str:
    singular_values = np.array([6.0, 3.0, 2.0, 1.0])  # shares of the variance 0.72 0.18 0.08 0.02
    shares = (0.5, 0.8, 0.95, 0.99)
    found = [single_number(call(function, singular_values, share)) for share in shares]
    mistakes: list[Mistake] = [
        (
            [1, 3, 4, 4],
            "A singular value is a standard deviation times √n: variances go with its square.",
        ),
        (
            [0, 1, 2, 3],
            "NumPy counts from 0: the index of the last component is one less than their number.",
        ),
        (
            [1, 1, 1, 1],
            "A share is a part of the whole variance: divide by the sum of the squares.",
        ),
    ]
    expect(found, [1, 2, 3, 4], "Your number for shares of 0.5, 0.8, 0.95 and 0.99", mistakes)
    return "Few components would mean a flat cloud; a round one needs nearly all of them."


@exercise_check("06.2")
def _participation_ratio(function: object) -> str:
    covariance = np.array([[2.0, 1.8, 0.0], [1.8, 2.0, 0.0], [0.0, 0.0, 1.0]])
    expected = np.trace(covariance) ** 2 / np.trace(covariance @ covariance)
    mistakes: list[Mistake] = [
        (25 / 9, "The diagonal counts two correlated dimensions as two: take the eigenvalues."),
        (
            1 / expected,
            "Your fraction is upside down: the square of the sum belongs above the sum of the "
            "squares.",
        ),
        (expected / 5, "Square the sum in the numerator."),
        (3, "That is the rank: a dimension of little variance should count little."),
    ]
    correlated = single_number(call(function, covariance))
    equal = single_number(call(function, 4 * np.eye(5)))
    expect(correlated, expected, "Your ratio for correlated dimensions", mistakes, rtol=1e-5)
    expect(equal, 5, "Your ratio for five equal dimensions", rtol=1e-5)
    return "It equals tr(C)² / tr(C²), and counts what the codes really use."


def _vote(neighbor_labels: NDArray) -> NDArray:
    """Return the commonest label of each row; if several are, the one that comes first."""
    rows = neighbor_labels.tolist()
    return np.array([max(row, key=row.count) for row in rows], object)


@exercise_check("06.3")
def _nearest_labels(function: object) -> str:
    rng = np.random.default_rng(0)
    k = 5
    kinds = np.repeat([0, 1, 2], [10, 14, 18])
    label_names = np.array(["cat", "heart", "face"])
    centers = np.array([[0, 0], [0, 2], [2, 0]])
    labels = label_names[kinds]
    codes = rng.normal(size=(42, 2)) + centers[kinds]
    others = rng.normal(size=(60, 2)) + 0.7

    found = np.asarray(call(function, codes, labels, others, k), object)
    require(found.shape == (60,), f"60 labels are needed, but yours have the shape {found.shape}.")

    order = np.argsort(pixel_distances(others, codes), axis=1)
    by_distance = labels[order]  # (others, codes), the nearest first
    mistakes = [
        (
            by_distance[:, :1],
            "You took the label of the nearest code alone: let all k of them vote.",
        ),
        (
            by_distance[:, 1 : k + 1],
            "You left out the nearest code, but no picture is compared with itself here.",
        ),
        (
            by_distance[:, ::-1][:, :k],
            "Your neighbors are the farthest codes: sort the other way.",
        ),
    ]
    for neighbor_labels, hint in mistakes:
        require(not np.array_equal(found, _vote(neighbor_labels)), hint)

    neighbor_labels = by_distance[:, :k]
    right = _vote(neighbor_labels)
    wrong = np.flatnonzero(found != right)
    if len(wrong) == 0:
        return "No training, and yet a measure of what a space sorts by."

    def is_tied(row: int) -> bool:
        votes = neighbor_labels[row].tolist()
        return votes.count(found[row]) == votes.count(right[row])

    if all(is_tied(row) for row in wrong.tolist()):
        raise Complaint("Where labels have equally many votes, the nearest one decides.")
    raise Complaint(f"{len(wrong)} of 60 labels are wrong, the first one at position {wrong[0]}.")
