"""Compare the configurations of a sweep over the same splits, and choose among them.

A seed decides which images are held out, and that changes the measures more than most keys do. So
configurations are compared within each seed, and the differences are averaged.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vae_nb.core.sliced_wasserstein import LEVELS
from vae_nb.sweeps.results import Row, SweepResults

# Student's t with 1, 2, 3, … degrees of freedom: 95 % of the distribution lie between -t and t.
# With more degrees than the table has, the last value is at most 4 % too large.
STUDENT_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)

# What the default must keep, as means over the splits.
MOST_MSE = 0.003  # of the training images, which are to stay sharp
MOST_FROM_DISTANCE_1 = 0.15  # draws are to be about as far from the training images as new ones
MOST_TIME = 0.6  # of the training time of the default before

Runs = Mapping[int, Row]  # the runs of one configuration, by their seed


def t_interval(values: ArrayLike) -> tuple[NDArray, NDArray]:
    """Return the mean of some values, and how far its 95 % confidence interval reaches.

    Parameters
    ----------
    values : ndarray, shape (..., n)
        NaN where there is no value.

    Returns
    -------
    mean, half_width : ndarray, shape (...)
        The interval is mean ± half_width; NaN for fewer than two values.

    References
    ----------
    Student (1908), "The Probable Error of a Mean".
    """
    values = np.asarray(values, float)
    count = np.sum(np.isfinite(values), axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=-1) / count
        deviations = values - mean[..., None]
        error = np.sqrt(np.nansum(deviations**2, axis=-1) / (count - 1) / count)
    degrees = np.clip(count - 1, 1, len(STUDENT_T))
    return mean, error * np.array(STUDENT_T)[degrees - 1]


def by_configuration(sweep: SweepResults) -> dict[str, dict[int, Row]]:
    """Group the complete runs of a sweep by their configuration and seed.

    Returns
    -------
    dict of str to dict
        The runs of each configuration by seed. The first configuration is the reference: among
        those that share a seed with most others, the one that has the commonest values. It is
        called "reference", and the others are named by what they have instead of its values.
    """
    groups: dict[tuple, dict[int, Row]] = {}
    for row in sweep.rows:
        if row["status"] == "complete":
            values = tuple(row[key] for key in sweep.swept)
            groups.setdefault(values, {})[row["training.seed"]] = row
    columns = [list(column) for column in zip(*groups, strict=True)]
    usual = [max(column, key=column.count) for column in columns]

    def how_usual(values: tuple) -> tuple[int, int]:
        comparable = sum(bool(groups[values].keys() & runs.keys()) for runs in groups.values())
        return comparable, sum(a == b for a, b in zip(values, usual, strict=True))

    reference = max(groups, key=how_usual)  # of several, the first

    def name(values: tuple) -> str:
        return ", ".join(
            f"{key.rpartition('.')[2].removesuffix('_layers')} {value}"
            for key, value, normal in zip(sweep.swept, values, reference, strict=True)
            if value != normal
        )

    others = {name(values): runs for values, runs in groups.items() if values != reference}
    return {"reference": groups[reference], **others}


def mean_swd(row: Row, of: str) -> float:
    """Average a sliced Wasserstein distance over its levels.

    Parameters
    ----------
    of : str
        "validation" or "samples".

    Returns
    -------
    float
        NaN for tiny images, which have no patches to compare.
    """
    return float(np.mean([_number(row, f"{of}.swd.{level}") for level in LEVELS]))


def score(row: Row) -> float:
    """Rate a run by what people look at: the rule by which the default is chosen.

    Returns
    -------
    float
        The geometric mean of three measures, so that a percent of each counts alike; less is
        better. They are the sliced Wasserstein distances of held-out reconstructions and of draws,
        and the normalized held-out excess. NaN if the run lacks one of them.
    """
    product = mean_swd(row, "validation") * mean_swd(row, "samples")
    return float(np.cbrt(product * _number(row, "validation.normalized_excess")))


def _number(row: Row, column: str) -> float:
    """Return a number of a run; NaN if the run does not have it."""
    value = row.get(column)
    return np.nan if value is None else float(value)


class Measure(NamedTuple):
    """What the runs of a sweep are compared by.

    Attributes
    ----------
    name, meaning : str
    value : callable
        Returns the measure of a row of the table, or NaN.
    style : str
        The format of a mean.
    less_is_better : bool
        False if the best value is 1.
    """

    name: str
    meaning: str
    value: Callable[[Row], float]
    style: str
    less_is_better: bool = True


MEASURES = (
    Measure(
        "training excess",
        "The reconstruction loss of the training pictures, in nats per picture, above the least "
        "possible.",
        lambda row: _number(row, "train.excess"),
        ".0f",
    ),
    Measure(
        "training MSE",
        "The mean squared error of the training pictures.",
        lambda row: _number(row, "train.mse"),
        ".4f",
    ),
    Measure(
        "normalized held-out excess",
        "The excess of the held-out pictures over that of the mean picture. At 1, the model knows "
        "no more than the mean picture.",
        lambda row: _number(row, "validation.normalized_excess"),
        ".3f",
    ),
    Measure(
        "SWD, held-out",
        "The sliced Wasserstein distance between patches of held-out pictures and of their "
        "reconstructions.",
        lambda row: mean_swd(row, "validation"),
        ".1f",
    ),
    Measure(
        "SWD, draws",
        "The sliced Wasserstein distance between patches of pictures and of draws from the prior.",
        lambda row: mean_swd(row, "samples"),
        ".1f",
    ),
    Measure(
        "score",
        "The geometric mean of three measures: both SWDs and the normalized held-out excess.",
        score,
        ".2f",
    ),
    Measure(
        "distance",
        "How far draws are from the nearest training picture. At 1, as far as held-out pictures "
        "are.",
        lambda row: _number(row, "samples.distance"),
        ".2f",
        less_is_better=False,
    ),
    Measure(
        "spread",
        "How far draws are from one another. At 1, as far as training pictures are.",
        lambda row: _number(row, "samples.spread"),
        ".2f",
        less_is_better=False,
    ),
    Measure(
        "seconds",
        "The time of the training, beside whatever else the machine did.",
        lambda row: _number(row, "training_seconds"),
        ".0f",
    ),
)


def compare(
    groups: Mapping[str, Runs], measure: Measure
) -> tuple[str, dict[str, dict[int, float]]]:
    """Find the configuration that has least of a measure, and by how much the others have more.

    Both within each split: what is averaged are differences on the same seed.

    Parameters
    ----------
    groups : dict of str to dict
        From `by_configuration`; at least one run has the measure.

    Returns
    -------
    best : str
        Its mean difference from the reference is the lowest. If the reference has no value, the
        first configuration that has one takes its place.
    differences : dict of str to dict
        Each configuration's differences from the best one, by the seeds for which both have a
        value.
    """
    values = {name: _finite_values(runs, measure) for name, runs in groups.items()}

    def differences_from(other: str) -> dict[str, dict[int, float]]:
        return {
            name: {seed: of[seed] - values[other][seed] for seed in of if seed in values[other]}
            for name, of in values.items()
        }

    first = next(name for name, of in values.items() if of)
    means = {name: np.mean([*of.values()]) for name, of in differences_from(first).items() if of}
    best = min(means, key=lambda name: means[name])
    return best, differences_from(best)


def _finite_values(runs: Runs, measure: Measure) -> dict[int, float]:
    """Return a measure of the runs that have it, by their seed."""
    values = {seed: measure.value(row) for seed, row in runs.items()}
    return {seed: value for seed, value in values.items() if np.isfinite(value)}


def choose(groups: Mapping[str, Runs], before: str) -> str:
    """Choose the default: the lowest mean score within the bounds above.

    Parameters
    ----------
    groups : dict of str to dict
        From `by_configuration`.
    before : str
        The name of the default before, which has no part in the choice.

    Returns
    -------
    str
        The name of a configuration.

    Raises
    ------
    ValueError
        If no configuration is within the bounds.
    """

    def mean(name: str, column: str) -> float:
        return float(np.mean([row[column] for row in groups[name].values()]))

    seconds = mean(before, "training_seconds")
    scores = {
        name: np.mean([score(row) for row in runs.values()])
        for name, runs in groups.items()
        if name != before
        and mean(name, "training_seconds") <= MOST_TIME * seconds
        and mean(name, "train.mse") <= MOST_MSE
        and abs(mean(name, "samples.distance") - 1) <= MOST_FROM_DISTANCE_1
    }
    return min(scores, key=lambda name: scores[name])
