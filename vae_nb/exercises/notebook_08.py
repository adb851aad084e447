"""The checks of notebook 08, Traverse the latent space."""

import numpy as np
from numpy.typing import NDArray

from vae_nb.exercises.checker import Mistake, call, exercise_check, expect, require


@exercise_check("08.1")
def _temperature(function: object) -> str:
    rng = np.random.default_rng(81)
    mean = rng.normal(size=3)
    factor = rng.normal(size=(3, 3))
    noise = rng.normal(size=(5, 3))
    found = call(function, mean, factor, noise, 0.4)
    offsets = noise @ factor.T
    mistakes: list[Mistake] = [
        (0.4 * (mean + offsets), "The mean shrank, too: only the offsets from it cool down."),
        (mean + offsets, "Your draws are those of temperature 1, whatever the temperature is."),
        (mean + offsets / 0.4, "At temperature 0.4 your draws are 2.5 times as wide as at 1."),
        (mean + 0.16 * offsets, "You multiply offsets by T²: that is for the covariance."),
        (
            mean + 0.4**0.5 * offsets,
            "You multiply offsets by √T: that multiplies the covariance only by T.",
        ),
        (mean + 0.4 * noise @ factor, "Each row is a draw: Lε becomes noise @ factor.T."),
    ]
    expect(found, mean + 0.4 * offsets, "Your draw", mistakes)
    return "The covariance is multiplied by T² = 0.16, and the mean stays where it is."


@exercise_check("08.2")
def _principal_grid(function: object) -> str:
    rng = np.random.default_rng(82)
    codes = rng.normal(size=(40, 4)) * [1, 3, 0.5, 2] @ rng.normal(size=(4, 4)) + 2
    count = len(codes)
    x = np.array([-1.0, 0, 2])
    y = np.array([-2.0, 1])
    center = codes.mean(axis=0)
    _, singular_values, axes = np.linalg.svd(codes - center, full_matrices=False)
    largest_entries = axes[np.arange(4), np.abs(axes).argmax(axis=1)]
    axes *= np.sign(largest_entries)[:, None]

    def offsets(units: NDArray, signs: tuple[int, int] = (1, 1)) -> NDArray:
        """Return the grid around 0: (y, x, latent)."""
        first = signs[0] * units[0] * axes[0]
        second = signs[1] * units[1] * axes[1]
        return x[:, None] * first + y[:, None, None] * second

    deviations = singular_values / np.sqrt(count)
    expected = center + offsets(deviations)
    mirrored = (
        "One of your axes points the other way: its entry of largest magnitude has to be positive."
    )
    mistakes: list[Mistake] = [
        (center + offsets(deviations, signs=(1, -1)), mirrored),
        (center + offsets(deviations, signs=(-1, 1)), mirrored),
        (center + offsets(deviations, signs=(-1, -1)), mirrored),
        (offsets(deviations), "Your grid lies around the origin: add the mean of the codes."),
        (
            center + offsets(np.ones(4)),
            "Your unit is 1, not one standard deviation along the axis.",
        ),
        (
            center + offsets(singular_values),
            "A singular value is √n standard deviations: divide it by √40.",
        ),
        (center + offsets(deviations**2), "You multiply by variances: take their roots."),
        (
            center + offsets(singular_values / np.sqrt(count - 1)),
            "You divide by n - 1: the unit is np.std's, which divides by n.",
        ),
        (
            expected.swapaxes(0, 1),
            "Rows and columns are swapped: x_values go along the columns, axis 1.",
        ),
    ]
    expect(call(function, codes, x, y), expected, "Your grid", mistakes)
    return "This plane holds more of the codes' variance than any other, in its natural units."


@exercise_check("08.3")
def _mixture(function: object) -> str:
    rng = np.random.default_rng(83)
    draws = 6000
    labels = np.repeat(["cat", "face", "heart"], [60, 30, 10])
    centers = np.array([[0, 0], [40, 0], [0, 40]])
    mean = rng.normal(size=(100, 2)) @ [[2, 1.5], [0, 1]] + np.repeat(centers, [60, 30, 10], axis=0)
    log_variance = np.full((100, 2), np.log(3.0))
    found = call(function, mean, log_variance, labels, draws, rng)
    expect(np.shape(found), (draws, 2), "The shape of your draws")
    found = np.asarray(found, float)
    expect(np.isfinite(found).mean(), 1, "The share of finite draws")

    distances = np.linalg.norm(found[:, None] - centers, axis=2)  # (draws, labels)
    lost = np.mean(distances.min(axis=1) > 16)
    require(
        lost < 0.01, f"{lost:.0%} of your draws lie between the labels, where there is no code."
    )
    nearest = distances.argmin(axis=1)
    shares = np.bincount(nearest, minlength=3) / draws
    mistakes: list[Mistake] = [
        (
            [1 / 3] * 3,
            "Your labels are equally likely; of the 100 pictures, 60, 30 and 10 have them.",
        )
    ]
    expect(shares, [0.6, 0.3, 0.1], "The share of a label among your draws", mistakes, atol=0.03)

    covariance_of_means = np.cov(mean[:60], rowvar=False, bias=True)
    expected = covariance_of_means + 3 * np.eye(2)
    mistakes = [
        (
            covariance_of_means,
            "Your clouds are too tight: the posteriors' own variances are missing.",
        ),
        (np.diag(np.diag(expected)), "Your dimensions are independent of each other."),
        (
            covariance_of_means + np.sqrt(3) * np.eye(2),
            "You add standard deviations, not variances.",
        ),
        (covariance_of_means + np.log(3) * np.eye(2), "You add log-variances, not variances."),
    ]
    found_covariance = np.cov(found[nearest == 0], rowvar=False)
    expect(found_covariance, expected, "The covariance of your cats", mistakes, rtol=0.1, atol=0.2)
    _require_one_cloud(function, rng)
    return "It has the mean and covariance of the single Gaussian, and leaves the gaps empty."


def _require_one_cloud(function: object, rng: np.random.Generator) -> None:
    """Require that the draws for one label do not stay at the codes of single images."""
    mean = rng.normal(size=(4, 2))
    log_variance = np.full((4, 2), -16.0)
    labels = np.repeat("cat", 4)
    found = np.asarray(call(function, mean, log_variance, labels, 100, rng), float)
    is_near = np.linalg.norm(found[:, None] - mean, axis=2).min(axis=1) < 0.01
    require(
        np.mean(is_near) < 0.5,
        "Your draws stay at single pictures: fit *one* Gaussian to all pictures of a label.",
    )
