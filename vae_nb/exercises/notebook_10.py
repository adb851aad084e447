"""The checks of notebook 10, Compare many runs."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vae_nb.exercises.checker import Mistake, call, exercise_check, expect, has_parts, require


@exercise_check("10.1")
def _paired_error(function: object) -> str:
    # Five runs of each group, by seed: what a seed adds is in both.
    a, b = np.random.default_rng(101).normal(900, [[80], [10]], (2, 5)).cumsum(axis=0)
    found = call(function, a, b)
    difference = a - b
    root = np.sqrt(5)
    expected = difference.std(ddof=1) / root
    unpaired = np.sqrt(a.var(ddof=1) / 5 + b.var(ddof=1) / 5)
    mistakes: list[Mistake] = [
        (unpaired, "That is the error of two separate groups: subtract seed by seed first."),
        (
            difference.std(ddof=1),
            "That is how far a single difference scatters. For their mean, divide by √n.",
        ),
        (difference.std(ddof=1) / 5, "Divide by the root of n, not by n."),
        (
            difference.std() / root,
            "np.std divides by n; for the formula's n - 1 pass ddof=1.",
        ),
        (difference.mean(), "That is the mean itself; its standard error is asked for."),
    ]
    expect(found, expected, "Your standard error", mistakes)
    return f"Without pairing it would be {unpaired:.3g}, {unpaired / expected:.0f} times as much."


@exercise_check("10.2")
def _sign_flips(function: object) -> str:
    rng = np.random.default_rng(102)
    for differences in (-rng.random(3) - 1, rng.normal(0.5, 1, 6), np.array([2.0, 2, -1, 0])):
        found = call(function, differences)
        n = len(differences)
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
        signs = 1 - 2 * bits  # (2**n, n): every way of choosing them
        sums = signs @ differences
        observed = differences.sum()
        is_as_far = np.abs(sums) >= np.abs(observed) - 1e-9
        is_as_far_on_this_side = sums * np.sign(observed) >= np.abs(observed) - 1e-9
        is_farther = np.abs(sums) > np.abs(observed) + 1e-9
        expected = np.mean(is_as_far)
        mistakes: list[Mistake] = [
            (
                np.mean(is_as_far_on_this_side),
                "Count both directions: also a mean as far below zero as yours is above it.",
            ),
            (
                np.mean(is_farther),
                "What was observed counts, too: at least as far, not farther.",
            ),
            (1 - expected, "That is the share that is nearer to zero."),
            (
                np.sum(is_as_far),
                "A share is asked for, not a number: divide by 2 to the power of n.",
            ),
        ]
        expect(found, expected, f"Your share for {n} differences", mistakes)
    return "With three seeds it cannot be below 0.25, however clear the three differences look."


@exercise_check("10.3")
def _successive_halving(function: object) -> str:
    rng = np.random.default_rng(103)
    for count, epochs in ((8, 10), (5, 3), (1, 7)):
        ends, speeds = rng.random((2, count))

        def loss_after(
            configuration: int,
            epochs: int,
            ends: NDArray = ends,
            speeds: NDArray = speeds,
        ) -> float:
            speed = 0.01 + speeds[configuration] / 10
            return float(ends[configuration] + np.exp(-epochs * speed))

        found = call(function, loss_after, list(range(count)), epochs)
        require(has_parts(found, 2), "Two things are needed: `return winner, spent`.")
        winner, spent, spent_anew = _halve(loss_after, count, epochs)
        mistakes: list[Mistake] = [
            (
                [winner, spent_anew],
                "The configurations that go on do not start from scratch: count only the new "
                "epochs.",
            )
        ]
        subject = f"With {count} to choose from, your (winner, epochs)"
        expect(found, [winner, spent], subject, mistakes)
    return "Most epochs go to the promising ones. A slow starter that ends best is lost, though."


def _halve(
    loss_after: Callable[[int, int], float], count: int, epochs: int
) -> tuple[int, int, int]:
    """Run successive halving over the configurations 0 to `count` - 1.

    Parameters
    ----------
    loss_after : callable
        The loss of a configuration after a number of epochs.
    epochs : int
        In the first round. Each round trains up to twice as many as the one before it.

    Returns
    -------
    winner : int
    spent : int
        The epochs of all rounds.
    spent_anew : int
        The epochs of all rounds if each round started its trainings from scratch.
    """
    remaining = list(range(count))
    trained = spent = spent_anew = 0
    total = epochs
    while True:
        spent += len(remaining) * (total - trained)
        spent_anew += len(remaining) * total
        losses = {configuration: loss_after(configuration, total) for configuration in remaining}
        remaining.sort(key=lambda configuration: losses[configuration])
        remaining = remaining[: (len(remaining) + 1) // 2]
        if len(remaining) == 1:
            return remaining[0], spent, spent_anew
        trained = total
        total *= 2
