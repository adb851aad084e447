"""The notebooks' functions, pulled out of them, do what `vae_nb` does, on random inputs."""

import numpy as np
import pytest
from checks import random_problem
from notebook_code import functions_of

import vae_nb

SEEDS = range(3)

every_seed = pytest.mark.parametrize("seed", SEEDS)


# --- 01 · Load the emojis ---


# --- 02 · Build a VAE from NumPy ---


@every_seed
def test_02_reparameterization(seed):
    rng = np.random.default_rng(seed)
    mean, log_variance, noise = rng.normal(size=(3, 6, 4))
    by_hand = functions_of("02")["reparameterize"](mean, log_variance, noise)
    np.testing.assert_allclose(by_hand, vae_nb.reparameterize(mean, log_variance, noise))


# --- 03 · The loss and its gradient ---


@every_seed
def test_03_terms_of_the_loss(seed):
    by_hand = functions_of("03")
    rng = np.random.default_rng(seed)
    logits, x = rng.normal(0, 4, (5, 12)), rng.random((5, 12)).round(1)  # 0 and 1, too
    for name in ("sigmoid", "softplus"):
        np.testing.assert_allclose(by_hand[name](logits), getattr(vae_nb, name)(logits))
    expected = vae_nb.bernoulli_loss(logits, x)
    np.testing.assert_allclose(by_hand["loss_from_logits"](logits, x).sum(axis=1), expected)
    np.testing.assert_allclose(
        by_hand["bernoulli_from_probabilities"](vae_nb.sigmoid(logits), x).sum(axis=1), expected
    )
    np.testing.assert_allclose(by_hand["entropy"](x), vae_nb.bernoulli_entropy(x))
    mean, log_variance = rng.normal(size=(2, 5, 3))
    np.testing.assert_allclose(
        by_hand["kl_divergence"](mean, log_variance), vae_nb.kl_divergence(mean, log_variance)
    )


def test_03_activations_are_those_of_the_module():
    a = np.random.default_rng(0).normal(0, 2, (4, 5))
    for name, theirs in vae_nb.ACTIVATIONS.items():
        value, derivative = functions_of("03")["activation"](name, a)
        np.testing.assert_allclose(value, theirs.function(a), atol=1e-15)
        np.testing.assert_allclose(derivative, theirs.derivative(a, theirs.function(a)), atol=1e-15)


@every_seed
def test_03_judges(seed):
    by_hand = functions_of("03")
    array, other = np.random.default_rng(seed).normal(size=(2, 3, 4))

    def function():
        return np.sum(np.sin(array) * other)

    numeric = by_hand["central_differences"](function, array)
    np.testing.assert_array_equal(numeric.reshape(-1), vae_nb.central_differences(function, array))
    error = by_hand["relative_error"](array, other)
    np.testing.assert_allclose(error, vae_nb.relative_error(array, other))


@every_seed
@pytest.mark.parametrize("activation", sorted(vae_nb.ACTIVATIONS))
def test_03_loss_and_every_gradient(seed, activation):
    """In float64, biases not zero, one log-variance outside the bound."""
    bound = vae_nb.model.LOG_VARIANCE_BOUND
    by_hand = functions_of("03", LOG_VARIANCE_BOUND=bound)["loss_and_gradients"]
    layers, latent = [(4, activation), (4, "tanh")], 3
    vae, x, noise = random_problem(layers, layers, latent, seed=seed)
    for outside in (False, True):
        if outside:
            vae.log_variance_head.weights[:, 0] = 0
            vae.log_variance_head.biases[0] = -bound - 1
        loss, z, gradients = by_hand(vae, x, noise, 0.7)
        np.testing.assert_allclose(loss, vae.loss_and_gradients(x, noise, 0.7).total)
        np.testing.assert_allclose(z, vae_nb.reparameterize(*vae.encode(x), noise))
        theirs = vae.named_gradients()
        assert gradients.keys() == theirs.keys()
        for name, gradient in theirs.items():
            np.testing.assert_allclose(
                gradients[name], gradient, rtol=1e-9, atol=1e-12, err_msg=name
            )


# --- 04 · Train ---


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
