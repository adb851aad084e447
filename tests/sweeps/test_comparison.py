"""Comparisons over the same splits: intervals, names, the score and the choice."""

import math
from pathlib import Path

import numpy as np
import pytest

from vae_nb.sweeps.comparison import (
    MEASURES,
    STUDENT_T,
    by_configuration,
    choose,
    compare,
    score,
    t_interval,
)
from vae_nb.sweeps.results import SweepResults


@pytest.mark.parametrize("degrees", [1, 2, 9, 30])
def test_95_percent_of_students_distribution_lie_within_the_table(degrees):
    t = np.linspace(-STUDENT_T[degrees - 1], STUDENT_T[degrees - 1], 200_001)
    # t = s / sqrt(chi² / degrees); its density, from the gamma function.
    log_norm = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    density = (1 + t**2 / degrees) ** (-(degrees + 1) / 2) / math.sqrt(degrees * math.pi)
    share = np.sum((density[1:] + density[:-1]) / 2 * np.diff(t)) * math.exp(log_norm)
    assert share == pytest.approx(0.95, abs=1e-4)


def test_an_interval_is_that_of_a_textbook():
    # Student's own example: the additional sleep of ten patients, in hours.
    sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    mean, half_width = t_interval(sleep)
    assert mean == pytest.approx(1.58)
    assert (mean - half_width, mean + half_width) == pytest.approx((0.70, 2.46), abs=0.005)


def test_an_interval_covers_the_truth_in_95_of_100_cases():
    values = np.random.default_rng(0).standard_normal((20_000, 4))
    mean, half_width = t_interval(values)
    assert np.mean(np.abs(mean) <= half_width) == pytest.approx(0.95, abs=0.01)


def test_missing_values_do_not_count():
    mean, half_width = t_interval([[1.0, 3.0, np.nan], [1.0, np.nan, np.nan], [np.nan] * 3])
    assert mean[0] == 2
    assert half_width[0] == pytest.approx(12.706)
    assert mean[1] == 1
    assert np.isnan([*half_width[1:], mean[2]]).all()


def row(seed, latent=16, rate=0.1, **measures):
    values = {
        "run": f"{latent}_{rate}_{seed}",
        "model.latent_dim": latent,
        "training.learning_rate": rate,
        "training.seed": seed,
        "status": "complete",
        "train.mse": 0.001,
        "training_seconds": 10.0,
        "samples.distance": 1.0,
        "validation.normalized_excess": 0.5,
    }
    for of in ("validation", "samples"):
        values |= {f"{of}.swd.{level}": 20.0 for level in ("fine", "medium", "coarse")}
    return values | {key.replace("__", "."): value for key, value in measures.items()}


def sweep_of(rows):
    return SweepResults(Path(), rows, ["model.latent_dim", "training.learning_rate"], {})


def test_a_configuration_is_named_by_what_differs_from_the_reference():
    rows = [row(s, *values) for s in (1, 2) for values in ((8,), (16,), (16, 0.2), (32, 0.2))]
    rows += [row(3), row(9, 64), {**row(1, 99), "status": "failed"}]
    groups = by_configuration(sweep_of(rows))
    names = ["reference", "latent_dim 8", "learning_rate 0.2", "latent_dim 32, learning_rate 0.2"]
    assert list(groups) == [*names, "latent_dim 64"]
    assert list(groups["reference"]) == [1, 2, 3]
    assert groups["latent_dim 8"][2]["run"] == "8_0.1_2"
    (alone,) = by_configuration(SweepResults(Path(), [row(1)], [], {}))
    assert alone == "reference"


def test_the_reference_shares_its_seeds_with_the_others():
    rows = [row(1, 8), row(1, 32), row(7, 16), row(8, 16), row(9, 16)]
    groups = by_configuration(sweep_of(rows))
    assert groups["reference"][1]["model.latent_dim"] == 8


def test_a_score_is_a_geometric_mean():
    assert score(row(1)) == pytest.approx((20 * 20 * 0.5) ** (1 / 3))
    twice = row(1, validation__swd__fine=40.0, validation__swd__coarse=60.0)
    assert score(twice) / score(row(1)) == pytest.approx(2 ** (1 / 3))


def test_the_default_has_the_lowest_score_within_the_bounds():
    better = {"validation__normalized_excess": 0.1}
    groups = {
        "before": {1: row(1, **better)},
        "slow": {1: row(1, training_seconds=6.1, **better)},
        "blurred": {1: row(1, train__mse=0.0031, training_seconds=1.0, **better)},
        "wild": {1: row(1, samples__distance=1.16, training_seconds=1.0, **better)},
        "copies": {1: row(1, samples__distance=0.84, training_seconds=1.0, **better)},
        "good": {1: row(1, training_seconds=5.9), 2: row(2, training_seconds=5.9)},
        "worse": {1: row(1, training_seconds=1.0, validation__normalized_excess=0.6)},
    }
    assert choose(groups, "before") == "good"


EXCESS = next(measure for measure in MEASURES if measure.name == "normalized held-out excess")


def excesses(**of_seeds):
    """Return runs by their seed, s1, s2, …, that have some excess."""
    return {
        int(seed[1:]): row(int(seed[1:]), validation__normalized_excess=excess)
        for seed, excess in of_seeds.items()
    }


def test_a_run_that_is_missing_makes_no_configuration_the_best():
    groups = {
        "reference": excesses(s1=0.2, s2=0.8),
        "better": excesses(s1=0.1, s2=0.7),
        "without the hard split": excesses(s1=0.3),
    }
    best, differences = compare(groups, EXCESS)
    assert best == "better"
    assert differences == {
        "reference": pytest.approx({1: 0.1, 2: 0.1}),
        "better": {1: 0, 2: 0},
        "without the hard split": pytest.approx({1: 0.2}),
    }


def test_what_has_no_value_is_not_compared():
    groups = {
        "reference": excesses(s1=None),
        "first": excesses(s1=0.3, s2=0.3),
        "best": excesses(s1=None, s2=0.2),
        "elsewhere": excesses(s3=0.1),
    }
    best, differences = compare(groups, EXCESS)
    assert best == "best"
    expected = {"reference": {}, "first": {2: 0.1}, "best": {2: 0}, "elsewhere": {}}
    assert {name: pytest.approx(of) for name, of in expected.items()} == differences


def test_a_run_of_tiny_pictures_has_no_score():
    assert math.isnan(score(row(1, samples__swd__fine=None)))
