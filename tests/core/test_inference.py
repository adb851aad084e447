"""The gap and the bound, on models whose best posteriors or likelihoods are known."""

import numpy as np
import pytest
from checks import model_config

from vae_nb.core import inference
from vae_nb.core.inference import (
    amortization_gap,
    importance_weighted_bound,
    optimized_posteriors,
)
from vae_nb.core.losses import bernoulli_loss, kl_divergence
from vae_nb.core.model import VAE

SHAPE = (3, 2, 1)
KL_WEIGHT = 2.0


@pytest.fixture
def vae():
    rng = np.random.default_rng(0)
    vae = VAE(model_config([(5, "tanh")], [(4, "tanh")], 1), SHAPE, rng, np.float64)
    vae.parameters += rng.normal(scale=0.5, size=vae.parameters.size)
    return vae


@pytest.fixture
def x():
    return np.random.default_rng(1).random((6, 6))


def ignore_z(vae):
    vae.decoder[0].weights[:] = 0


def rng():
    return np.random.default_rng(3)


def losses_on_a_grid(vae, x, means, log_variances):
    """The expected loss of each image at each posterior, by quadrature over z."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    losses = np.empty((len(x), len(means), len(log_variances)))
    for i, mean in enumerate(means):
        for j, log_variance in enumerate(log_variances):
            z = mean + np.exp(log_variance / 2) * nodes[:, None]
            logits = vae.decode_logits(z)
            kl = kl_divergence(np.array([[mean]]), np.array([[log_variance]]))[0]
            for n, image in enumerate(x):
                reconstruction = weights @ bernoulli_loss(logits, np.tile(image, (len(z), 1)))
                losses[n, i, j] = reconstruction + KL_WEIGHT * kl
    return losses


def test_where_the_decoder_ignores_z_the_gap_is_the_weighted_kl(vae, x):
    ignore_z(vae)
    kl = np.mean(kl_divergence(*vae.encode(x)))
    assert kl > 0.05
    assert amortization_gap(vae, x, KL_WEIGHT, rng()) == pytest.approx(KL_WEIGHT * kl, rel=0.02)


def test_optimized_posteriors_are_the_best_ones_of_a_grid(vae, x, monkeypatch):
    monkeypatch.setattr(inference, "STEPS", 500)
    mean, log_variance = optimized_posteriors(vae, x, KL_WEIGHT, rng())
    grid = losses_on_a_grid(vae, x, np.linspace(-3, 3, 61), np.linspace(-4, 1, 51))
    best = grid.min(axis=(1, 2))
    found = [
        losses_on_a_grid(vae, x[[n]], mean[n], log_variance[n])[0, 0, 0] for n in range(len(x))
    ]
    np.testing.assert_allclose(found, best, atol=0.01)


def test_a_worse_encoder_has_a_larger_gap_by_what_it_loses(vae, x):
    before = amortization_gap(vae, x, KL_WEIGHT, rng())
    vae.mean_head.biases += 1
    assert amortization_gap(vae, x, KL_WEIGHT, rng()) > before + 0.5
    # The encoder is where the optimization starts, and no more.
    moved = optimized_posteriors(vae, x, KL_WEIGHT, rng())
    vae.mean_head.biases -= 1
    np.testing.assert_allclose(moved, optimized_posteriors(vae, x, KL_WEIGHT, rng()), atol=0.1)


def test_the_bound_comes_near_the_likelihood_from_above(vae, x, monkeypatch):
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    logits = vae.decode_logits(nodes[:, None])
    likelihoods = [
        weights @ np.exp(-bernoulli_loss(logits, np.tile(image, (len(nodes), 1)))) / weights.sum()
        for image in x
    ]
    negative_log_likelihood = -np.mean(np.log(likelihoods))
    many = np.random.default_rng(4)
    bound = np.mean([importance_weighted_bound(vae, x, many) for _ in range(200)])
    monkeypatch.setattr(inference, "BOUND_SAMPLES", 4000)
    assert importance_weighted_bound(vae, x, rng()) == pytest.approx(
        negative_log_likelihood, abs=0.003
    )
    monkeypatch.setattr(inference, "BOUND_SAMPLES", 1)
    negative_elbo = np.mean([importance_weighted_bound(vae, x, many) for _ in range(500)])
    assert negative_log_likelihood - 0.01 < bound < negative_elbo
    noise = many.standard_normal((2000, 1))
    losses = [vae.loss(image[None].repeat(2000, axis=0), noise).total for image in x]
    assert negative_elbo == pytest.approx(np.mean(losses), abs=0.05)


def test_both_are_repeatable_and_leave_the_model_as_it_is(vae, x):
    parameters = vae.parameters.copy()
    for measure in (
        lambda: amortization_gap(vae, x, KL_WEIGHT, rng()),
        lambda: importance_weighted_bound(vae, x, rng()),
    ):
        assert measure() == measure()
    np.testing.assert_array_equal(vae.parameters, parameters)
