"""The checks of notebook 06, The latent space."""

import numpy as np

from vae_nb.core.metrics import pixel_distances
from vae_nb.exercises.checker import Complaint, call, exercise_check, expect, require
from vae_nb.exercises.notebook_04 import _single


@exercise_check("06.1")
def _components_needed(function):
    singular_values = np.array([6.0, 3.0, 2.0, 1.0])  # shares of the variance 0.72 0.18 0.08 0.02
    shares = (0.5, 0.8, 0.95, 0.99)
    found = [_single(call(function, singular_values, share)) for share in shares]
    mistakes = [
        ([1, 3, 4, 4], "A singular value is a standard deviation times √n: variances are squares."),
        ([0, 1, 2, 3], "NumPy counts from 0: the index of a component is one less than how many."),
        ([1, 1, 1, 1], "A share is of the variance in all: divide by the sum of the squares."),
    ]
    expect(found, [1, 2, 3, 4], "Your number for shares of 0.5, 0.8, 0.95 and 0.99", mistakes)
    return "Few components would mean a flat cloud; a round one needs nearly all of them."


@exercise_check("06.2")
def _participation_ratio(function):
    covariance = np.array([[2.0, 1.8, 0.0], [1.8, 2.0, 0.0], [0.0, 0.0, 1.0]])
    expected = np.trace(covariance) ** 2 / np.trace(covariance @ covariance)
    mistakes = [
        (25 / 9, "The diagonal counts two correlated dimensions as two: take the eigenvalues."),
        (1 / expected, "Turned over: the square of the sum belongs above the sum of the squares."),
        (expected / 5, "The sum above is to be squared."),
        (3, "That is the rank: a dimension of little variance is to count little."),
    ]
    found = [_single(call(function, c)) for c in (covariance, 4 * np.eye(5))]
    expect(found[0], expected, "Your ratio for correlated dimensions", mistakes, rtol=1e-5)
    expect(found[1], 5, "Your ratio for five equal dimensions", rtol=1e-5)
    return "It equals tr(C)² / tr(C²), and counts what the codes really use."


@exercise_check("06.3")
def _nearest_labels(function):
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1, 2], [10, 14, 18])
    labels, places = np.array(["cat", "heart", "face"]), np.array([[0, 0], [0, 2], [2, 0]])
    codes, others = rng.normal(size=(42, 2)) + places[kinds], rng.normal(size=(60, 2)) + 0.7
    order = kinds[np.argsort(pixel_distances(others, codes), axis=1)]

    def vote(order, k=5):  # of equals the first: in the order of distance
        rows = labels[order[:, :k]].tolist()
        return np.array([max(row, key=row.count) for row in rows], object)

    found = np.asarray(call(function, codes, labels[kinds], others, 5), object)
    require(found.shape == (60,), f"60 labels are needed, and yours have shape {found.shape}.")
    for mistake, hint in (
        (vote(order, k=1), "You took the label of the nearest code alone: let all k of them vote."),
        (vote(order[:, 1:]), "You left out the nearest: but no picture is among the codes here."),
        (vote(order[:, ::-1]), "Your neighbours are the farthest codes: sort the other way."),
    ):
        require(not np.array_equal(found, mistake), hint)
    right = vote(order)
    wrong = np.flatnonzero(found != right)
    votes = [labels[order[row, :5]].tolist() for row in wrong]
    if len(wrong) and all(
        row.count(guess) == row.count(best)
        for row, guess, best in zip(votes, found[wrong], right[wrong], strict=True)
    ):
        raise Complaint("Where labels have as many votes, the nearest decides.")
    require(not len(wrong), f"{len(wrong)} of 60 labels are wrong, the first at {wrong[:1]}.")
    return "No training, and yet a measure of what a space sorts by."
