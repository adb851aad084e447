"""The checks of notebook 03, The loss and its gradient."""

import numpy as np

from vae_nb.core.gradient_checking import central_differences
from vae_nb.core.layers import sigmoid
from vae_nb.core.losses import (
    kl_divergence,
    kl_divergence_gradient,
)
from vae_nb.exercises.checker import call, exercise_check, expect, require


def _parts(result, names):
    """What a function returned, if it is a tuple (or a list) of so many."""
    count = len(result) if isinstance(result, tuple | list) else 1
    require(count == len(names), f"Return {', '.join(names)}; yours returned {count} of them.")
    return result


@exercise_check("03.1")
def _log_sigma_gradient(function):
    d_z, log_sigma, noise = np.random.default_rng(31).normal(size=(3, 4, 3))
    found = call(function, d_z, log_sigma, noise, 1.5)
    through_z = d_z * noise * np.exp(log_sigma)
    weighted = 1.5 / 4 * 2 * kl_divergence_gradient(0, 2 * log_sigma)[1]  # d/ds = 2 d/d(2s)
    copied = "This is the gradient for log σ²: z = μ + exp(s) ε has no ½ in it."
    mistakes = [
        (through_z / 2 + weighted / 2, copied),
        (through_z / 2 + weighted, "There is still a ½ in the path through z."),
        (through_z + weighted / 2, "There is still a ½ in the path through the KL."),
        (through_z, "The path through the KL is missing."),
        (weighted, "The path through z is missing."),
        (through_z + 4 * weighted, "The KL is averaged over the batch: its 1/B is missing."),
    ]
    expect(found, through_z + weighted, "Your gradient", mistakes)
    return "It is twice the gradient for log σ²: the same slope, on an axis half as long."


@exercise_check("03.2")
def _kl_from_prior(function):
    mean, log_variance = np.random.default_rng(32).normal(size=(2, 4, 3))
    m, s = 0.5, 1.7

    def scaled(s):  # a KL divergence stays as it is when both are shifted and scaled
        return (mean - m) / s, log_variance - 2 * np.log(s)

    names = ("the KL", "d KL / d mean", "d KL / d log_variance")
    kl, d_mean, d_log_variance = _parts(call(function, mean, log_variance, m, s), names)
    expected = kl_divergence(*scaled(s))
    no_log = expected - 3 * np.log(s)
    mistakes = [
        (-expected, "Your KL divergence is negative: check the sign."),
        (no_log, "For μ = m and σ = s your KL is not 0: log s² is missing."),
        (kl_divergence(*scaled(s**0.5)), "You took s for s²: s² is a variance."),
        (kl_divergence(mean, log_variance), "Your KL is still the one from N(0, 1)."),
    ]
    expect(kl, expected, "Your KL divergence", mistakes)
    of_mean, expected = kl_divergence_gradient(*scaled(s))
    hint = "Your d KL / d mean is not divided by the prior's variance s²."
    expect(d_mean, of_mean / s, "Your d KL / d mean", [(of_mean * s, hint)])
    hint = "You derived for σ²; for log σ² the chain rule multiplies by σ²."
    mistakes = [(expected / np.exp(log_variance), hint)]
    expect(d_log_variance, expected, "Your d KL / d log_variance", mistakes)
    return "Scaled to (μ - m) / s and σ / s it is the KL from N(0, 1): units do not matter to it."


@exercise_check("03.3")
def _importance_weighted_bound(function):
    log_weights = np.random.default_rng(33).normal(-4, 2, size=(5, 8))
    expected = np.logaddexp.reduce(log_weights, axis=1) - np.log(8)
    mistakes = [
        (log_weights.mean(axis=1), "That is the mean of the logarithms, the ELBO for every K."),
        (expected + np.log(8), "You summed the weights: their mean is asked, so subtract log K."),
        (-expected, "This is the loss; the bound on log p(x) is asked, with the other sign."),
    ]
    expect(call(function, log_weights), expected, "Your bound", mistakes)
    underflow = "With log w near -3000 your bound is -inf: take the largest out before exp."
    far = call(function, log_weights - 3000)
    expect(far, expected - 3000, "Your bound near -3000", [(np.full(5, -np.inf), underflow)])
    return "And at log w near -3000 it holds, where exp alone gives 0 and its logarithm -inf."


@exercise_check("03.4")
def _gaussian_loss(function):
    rng = np.random.default_rng(34)
    logits, x, log_v = rng.normal(size=(3, 6)), rng.random((3, 6)), -1.3
    names = ("the loss", "d loss / d logits", "d loss / d log_v")

    def parts():
        return _parts(call(function, logits, x, log_v), names)

    loss, d_logits, d_log_v = parts()
    squares = np.sum((x - sigmoid(logits)) ** 2, axis=1)
    v, constant = np.exp(log_v), 3 * np.log(2 * np.pi)
    expected = constant + 3 * log_v + squares / (2 * v)
    mistakes = [
        (expected - constant, "The constant ½ log 2π of each pixel is missing."),
        (expected - 3 * log_v, "The term ½ log v of each pixel is missing."),
        (expected + squares / (2 * v), "The square is divided by 2v, not by v."),
        (-expected, "This is the log-likelihood; the loss is its negative."),
        (expected / 6, "Sum over the pixels; yours is their mean."),
    ]
    expect(loss, expected, "Your loss", mistakes)
    hint = "You derived for x̂; on the way to the logits sigmoid's slope x̂ (1 - x̂) is missing."
    mistakes = [((sigmoid(logits) - x) / v, hint)]
    expected = central_differences(lambda: np.sum(parts()[0]), logits).reshape(3, 6)
    expect(d_logits, expected, "Your d loss / d logits", mistakes, atol=1e-7)
    expected = 3 - squares / (2 * v)
    hint = "You derived for v; for log v the chain rule multiplies by v."
    expect(d_log_v, expected, "Your d loss / d log_v", [(expected / v, hint)])
    return "d loss / d log_v is 0 where v is the mean squared error: the decoder learns its noise."
