"""The checks of notebook 08, Traverse the latent space."""

import numpy as np

from vae_nb.exercises.checker import call, exercise_check, expect, require


@exercise_check("08.1")
def _temperature(function):
    rng = np.random.default_rng(81)
    mean, factor, noise = rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    found, offsets = call(function, mean, factor, noise, 0.4), noise @ factor.T
    mistakes = [
        (0.4 * (mean + offsets), "The mean shrank, too: only the offsets from it cool down."),
        (mean + offsets, "Your draws are those of temperature 1, whatever the temperature is."),
        (mean + offsets / 0.4, "At temperature 0.4 your draws are 2.5 times as wide as at 1."),
        (mean + 0.16 * offsets, "You multiply offsets by T²: that is for the covariance."),
        (mean + 0.4**0.5 * offsets, "You multiply offsets by √T: then the covariance only gets T."),
        (mean + 0.4 * noise @ factor, "Rows are draws: Lε is noise @ factor.T, transposed."),
    ]
    expect(found, mean + 0.4 * offsets, "Your draw", mistakes)
    return "The covariance is multiplied by T² = 0.16, and the mean stays where it is."


@exercise_check("08.2")
def _principal_grid(function):
    rng = np.random.default_rng(82)
    codes = rng.normal(size=(40, 4)) * [1, 3, 0.5, 2] @ rng.normal(size=(4, 4)) + 2
    x, y, centre = np.array([-1.0, 0, 2]), np.array([-2.0, 1]), codes.mean(axis=0)
    _, singular, axes = np.linalg.svd(codes - centre, full_matrices=False)
    axes *= np.sign(axes[range(4), np.abs(axes).argmax(axis=1)])[:, None]

    def grid(unit, flips=(1, 1)):
        first, second = axes[:2] * unit[:2, None] * np.array(flips)[:, None]
        return x[:, None] * first + y[:, None, None] * second

    deviations = singular / np.sqrt(len(codes))
    mirrored = "An axis points the other way: its entry of largest magnitude has to be positive."
    mistakes = [(centre + grid(deviations, f), mirrored) for f in ((1, -1), (-1, 1), (-1, -1))]
    mistakes += [
        (grid(deviations), "Your grid lies around the origin: add the mean of the codes."),
        (centre + grid(np.ones(4)), "Your unit is 1, not one standard deviation along the axis."),
        (centre + grid(singular), "A singular value is √n standard deviations: divide it by √40."),
        (centre + grid(deviations**2), "You multiply by variances: take their roots."),
        (
            centre + grid(singular / np.sqrt(len(codes) - 1)),
            "You divide by n - 1: the unit is np.std's, which divides by n.",
        ),
        (
            (centre + grid(deviations)).swapaxes(0, 1),
            "Rows and columns are exchanged: x_values go along the columns, axis 1.",
        ),
    ]
    found = call(function, codes, x, y)
    expect(found, centre + grid(deviations), "Your grid", mistakes)
    return "This plane holds more of the codes' variance than any other, in its natural units."


@exercise_check("08.3")
def _mixture(function):
    rng = np.random.default_rng(83)
    counts, count = {"cat": 60, "face": 30, "heart": 10}, 6000
    labels = np.repeat(list(counts), list(counts.values()))
    centres = np.array([[0, 0], [40, 0], [0, 40]])
    mean = rng.normal(size=(100, 2)) @ [[2, 1.5], [0, 1]] + np.repeat(centres, [60, 30, 10], axis=0)
    log_variance = np.full((100, 2), np.log(3.0))
    found = call(function, mean, log_variance, labels, count, rng)
    expect(np.shape(found), (count, 2), "The shape of your draws")
    expect(np.isfinite(np.asarray(found, float)).mean(), 1, "The share of finite draws")
    distances = np.linalg.norm(np.asarray(found, float)[:, None] - centres, axis=2)
    lost = np.mean(distances.min(axis=1) > 16)
    require(lost < 0.01, f"{lost:.0%} of your draws lie between the labels, where no code is.")
    shares = np.bincount(distances.argmin(axis=1), minlength=3) / count
    even = "Your labels are equally likely; of the 100 pictures, 60, 30 and 10 have them."
    mistakes = [([1 / 3] * 3, even)]
    expect(shares, [0.6, 0.3, 0.1], "The share of a label among your draws", mistakes, atol=0.03)
    means = np.cov(mean[:60], rowvar=False, bias=True)
    mistakes = [
        (means, "Your clouds are too tight: the posteriors' own variances are missing."),
        (np.diag(np.diag(means + 3 * np.eye(2))), "Your dimensions are independent of each other."),
        (means + np.sqrt(3) * np.eye(2), "You add standard deviations, not variances."),
        (means + np.log(3) * np.eye(2), "You add log-variances, not variances."),
    ]
    spread = np.cov(np.asarray(found, float)[distances.argmin(axis=1) == 0], rowvar=False)
    expect(spread, means + 3 * np.eye(2), "The covariance of your cats", mistakes, 0.1, 0.2)
    few, tight = rng.normal(size=(4, 2)), np.full((4, 2), -16.0)
    found = np.asarray(call(function, few, tight, np.repeat("cat", 4), 100, rng), float)
    near = np.linalg.norm(found[:, None] - few, axis=2).min(axis=1) < 0.01
    copies = "Your draws stay at single pictures: fit *one* Gaussian to all pictures of a label."
    require(np.mean(near) < 0.5, copies)
    return "It has the mean and covariance of the single Gaussian, and leaves the gaps empty."
