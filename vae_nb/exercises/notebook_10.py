"""The checks of notebook 10, Compare many runs."""

import numpy as np

from vae_nb.exercises.checker import call, exercise_check, expect, require


@exercise_check("10.1")
def _paired_error(function):
    a, b = np.random.default_rng(101).normal(900, [[80], [10]], (2, 5)).cumsum(axis=0)
    found = call(function, a, b)
    difference, root = a - b, np.sqrt(5)
    unpaired = np.sqrt(a.var(ddof=1) / 5 + b.var(ddof=1) / 5)
    mistakes = [
        (unpaired, "That is the error of two separate groups: subtract seed by seed first."),
        (difference.std(ddof=1), "That is how far one difference scatters. Their mean: over √n."),
        (difference.std(ddof=1) / 5, "Divide by the root of n, not by n."),
        (difference.std() / root, "np.std divides by n; the formula's n - 1 is ddof=1."),
        (difference.mean(), "That is the mean itself; its standard error is asked for."),
    ]
    expect(found, difference.std(ddof=1) / root, "Your standard error", mistakes)
    return f"Not paired it would be {unpaired:.3g}, {unpaired / found:.0f} times as much."


@exercise_check("10.2")
def _sign_flips(function):
    rng = np.random.default_rng(102)
    for differences in (-rng.random(3) - 1, rng.normal(0.5, 1, 6), np.array([2.0, 2, -1, 0])):
        found, n = call(function, differences), len(differences)
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
        sums, observed = signs @ differences, differences.sum()
        at_least = np.abs(sums) >= np.abs(observed) - 1e-9
        one_sided = np.mean(sums * np.sign(observed) >= np.abs(observed) - 1e-9)
        strictly = np.mean(np.abs(sums) > np.abs(observed) + 1e-9)
        mistakes = [
            (one_sided, "Count both directions: a mean as far below zero as yours is above it."),
            (strictly, "What was observed counts too: at least as far, not farther."),
            (1 - np.mean(at_least), "That is the share that is nearer to zero."),
            (at_least.sum(), "A share is asked for, not a number: divide by 2 to the power of n."),
        ]
        expect(found, at_least.mean(), f"Your share for {n} differences", mistakes)
    return "With three seeds it cannot be below 0.25, however clear the three differences look."


@exercise_check("10.3")
def _successive_halving(function):
    rng = np.random.default_rng(103)
    for count, epochs in ((8, 10), (5, 3), (1, 7)):
        ends, speeds = rng.random((2, count))

        def loss_after(configuration, epochs, ends=ends, speeds=speeds):
            return ends[configuration] + np.exp(-epochs * (0.01 + speeds[configuration] / 10))

        found = call(function, loss_after, list(range(count)), epochs)
        pair = isinstance(found, tuple | list) and len(found) == 2
        require(pair, "Two things are needed: `return winner, spent`.")
        left, trained, spent, anew = list(range(count)), 0, 0, 0
        for total in epochs * 2 ** np.arange(20):
            spent, anew, trained = (
                spent + len(left) * (total - trained),
                anew + len(left) * total,
                total,
            )
            left = sorted(left, key=lambda c: loss_after(c, total))[: -(-len(left) // 2)]
            if len(left) == 1:
                break
        mistakes = [([left[0], anew], "Those that go on need not start anew: count only the rest.")]
        expect(found, [left[0], spent], f"Of {count}, your winner and its epochs", mistakes)
    return "Most epochs go to the promising ones. A slow starter that ends best is lost, though."
