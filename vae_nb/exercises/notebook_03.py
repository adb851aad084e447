"""The checks of notebook 03, The loss and its gradient."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.gradient_checking import central_differences
from vae_nb.core.layers import sigmoid
from vae_nb.core.losses import kl_divergence, kl_divergence_gradient
from vae_nb.exercises.checker import Mistake, call, exercise_check, expect, has_parts, require


def _require_parts(result: Any, names: tuple[str, ...]) -> None:
    """Require that the student's function returns a tuple or list of the named parts."""
    count = len(result) if isinstance(result, tuple | list) else 1
    complaint = f"Return {len(names)} values: {', '.join(names)}. Yours returned {count}."
    require(has_parts(result, len(names)), complaint)


@exercise_check("03.1")
def _log_sigma_gradient(function: object) -> str:
    d_z, log_sigma, noise = np.random.default_rng(31).normal(size=(3, 4, 3))
    kl_weight = 1.5
    batch_size = len(d_z)
    found = call(function, d_z, log_sigma, noise, kl_weight)
    through_z = d_z * noise * np.exp(log_sigma)
    # With respect to log σ²; with respect to log σ it is twice as much.
    _, kl_gradient = kl_divergence_gradient(np.zeros_like(log_sigma), 2 * log_sigma)
    through_kl = kl_weight / batch_size * 2 * kl_gradient
    mistakes = [
        (
            through_z / 2 + through_kl / 2,
            "This is the gradient for log σ²: z = μ + exp(s) ε has no ½ in it.",
        ),
        (through_z / 2 + through_kl, "There is still a ½ in the path through z."),
        (through_z + through_kl / 2, "There is still a ½ in the path through the KL."),
        (through_z, "The path through the KL is missing."),
        (through_kl, "The path through z is missing."),
        (
            through_z + batch_size * through_kl,
            "The KL is averaged over the batch: its 1/B is missing.",
        ),
    ]
    expect(found, through_z + through_kl, "Your gradient", mistakes)
    return "It is twice the gradient for log σ²: the same slope, on an axis half as long."


@exercise_check("03.2")
def _kl_from_prior(function: object) -> str:
    mean, log_variance = np.random.default_rng(32).normal(size=(2, 4, 3))
    prior_mean = 0.5
    prior_sigma = 1.7

    def scaled_by(sigma: float) -> tuple[NDArray, NDArray]:
        """Shift and scale both distributions alike, which leaves their KL divergence as it is."""
        return (mean - prior_mean) / sigma, log_variance - 2 * np.log(sigma)

    found = call(function, mean, log_variance, prior_mean, prior_sigma)
    _require_parts(found, ("the KL", "d KL / d mean", "d KL / d log_variance"))
    kl, d_mean, d_log_variance = found

    expected = kl_divergence(*scaled_by(prior_sigma))
    mistakes: list[Mistake] = [
        (-expected, "Your KL divergence is negative: check the sign."),
        (
            expected - 3 * np.log(prior_sigma),
            "For μ = m and σ = s your KL is not 0: log s² is missing.",
        ),
        (
            kl_divergence(*scaled_by(prior_sigma**0.5)),
            "You took s for s²: s² is a variance.",
        ),
        (kl_divergence(mean, log_variance), "Your KL is still the one from N(0, 1)."),
    ]
    expect(kl, expected, "Your KL divergence", mistakes)

    d_scaled_mean, expected_d_log_variance = kl_divergence_gradient(*scaled_by(prior_sigma))
    mistakes = [
        (
            d_scaled_mean * prior_sigma,
            "Your d KL / d mean is not divided by the prior's variance s².",
        )
    ]
    expect(d_mean, d_scaled_mean / prior_sigma, "Your d KL / d mean", mistakes)

    mistakes = [
        (
            expected_d_log_variance / np.exp(log_variance),
            "You differentiated with respect to σ²; for log σ² the chain rule multiplies by σ².",
        )
    ]
    expect(d_log_variance, expected_d_log_variance, "Your d KL / d log_variance", mistakes)
    return "Scaled to (μ - m) / s and σ / s it is the KL from N(0, 1): units do not matter to it."


@exercise_check("03.3")
def _importance_weighted_bound(function: object) -> str:
    log_weights = np.random.default_rng(33).normal(-4, 2, size=(5, 8))  # (images, samples)
    expected = np.logaddexp.reduce(log_weights, axis=1) - np.log(8)
    mistakes: list[Mistake] = [
        (log_weights.mean(axis=1), "That is the mean of the logarithms, the ELBO for every K."),
        (
            expected + np.log(8),
            "You summed the weights: the bound takes their mean, so subtract log K.",
        ),
        (
            -expected,
            "This is the loss. The bound on log p(x) is asked for, which has the other sign.",
        ),
    ]
    expect(call(function, log_weights), expected, "Your bound", mistakes)

    far = call(function, log_weights - 3000)
    mistakes = [
        (
            np.full(5, -np.inf),
            "With log w near -3000 your bound is -inf: subtract the largest log w before exp.",
        )
    ]
    expect(far, expected - 3000, "Your bound near -3000", mistakes)
    return "It also holds at log w near -3000, where exp alone gives 0 and its logarithm is -inf."


@exercise_check("03.4")
def _gaussian_loss(function: object) -> str:
    rng = np.random.default_rng(34)
    logits = rng.normal(size=(3, 6))
    x = rng.random((3, 6))
    log_v = -1.3

    def loss_and_gradients() -> Any:
        result = call(function, logits, x, log_v)
        _require_parts(result, ("the loss", "d loss / d logits", "d loss / d log_v"))
        return result

    loss, d_logits, d_log_v = loss_and_gradients()
    squares = np.sum((x - sigmoid(logits)) ** 2, axis=1)
    v = np.exp(log_v)
    constant = 3 * np.log(2 * np.pi)  # ½ log 2π for each of 6 pixels
    expected = constant + 3 * log_v + squares / (2 * v)
    mistakes: list[Mistake] = [
        (expected - constant, "The constant ½ log 2π of each pixel is missing."),
        (expected - 3 * log_v, "The term ½ log v of each pixel is missing."),
        (expected + squares / (2 * v), "The square is divided by 2v, not by v."),
        (-expected, "This is the log-likelihood; the loss is its negative."),
        (expected / 6, "Sum over the pixels; yours is their mean."),
    ]
    expect(loss, expected, "Your loss", mistakes)

    numeric = central_differences(lambda: float(np.sum(loss_and_gradients()[0])), logits)
    mistakes = [
        (
            (sigmoid(logits) - x) / v,
            "You differentiated with respect to x̂. For the logits, sigmoid's slope x̂ (1 - x̂) is "
            "missing.",
        )
    ]
    expect(d_logits, numeric.reshape(3, 6), "Your d loss / d logits", mistakes, atol=1e-7)

    expected = 3 - squares / (2 * v)
    mistakes = [
        (
            expected / v,
            "You differentiated with respect to v; for log v the chain rule multiplies by v.",
        )
    ]
    expect(d_log_v, expected, "Your d loss / d log_v", mistakes)
    return "d loss / d log_v is 0 where v is the mean squared error: the decoder learns its noise."
