"""A second opinion on every gradient: automatic differentiation of a loss written anew.

Nothing here but the parameters' names comes from `vae_nb`.
"""

import autograd.numpy as np
import numpy
import pytest
from autograd import grad
from checks import random_problem

ACTIVATIONS = {
    "linear": lambda a: a,
    "relu": lambda a: np.where(a > 0, a, 0.0),
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "softplus": lambda a: np.logaddexp(0, a),
    "cosh": np.cosh,
}


def loss(parameters, config, mean_image, x, noise, kl_weight):
    """Minus the evidence lower bound, from the definitions of Kingma & Welling (2014)."""

    def dense(name, h, activation="linear"):
        return ACTIVATIONS[activation](
            np.dot(h, parameters[f"{name}.weights"]) + parameters[f"{name}.biases"]
        )

    h = x - mean_image
    for number, layer in enumerate(config.encoder_layers, start=1):
        h = dense(f"encoder_{number}", h, layer.activation)
    mu, variance = dense("mean", h), np.exp(dense("log_variance", h))
    h = mu + np.sqrt(variance) * noise
    for number, layer in enumerate(config.decoder_layers, start=1):
        h = dense(f"decoder_{number}", h, layer.activation)
    logits = dense("output", h)
    # log p(x | z), with log sigmoid(a) = -log(1 + exp(-a))
    log_likelihood = -x * np.logaddexp(0, -logits) - (1 - x) * np.logaddexp(0, logits)
    kl = -0.5 * (1 + np.log(variance) - mu**2 - variance)
    return (np.sum(kl_weight * kl) - np.sum(log_likelihood)) / len(x)


def random_architecture(seed):
    rng = numpy.random.default_rng(seed)

    def layers():
        activations = rng.choice(list(ACTIVATIONS), rng.integers(1, 4)).tolist()
        return [(int(rng.integers(1, 7)), activation) for activation in activations]

    architecture = (layers(), layers(), int(rng.integers(1, 5)))
    image_shape = tuple(rng.integers(1, 4, size=3).tolist())
    return architecture, image_shape, int(rng.integers(1, 9)), float(rng.choice([0.0, 0.5, 1, 4]))


@pytest.mark.parametrize("seed", range(40))
def test_all_gradients_agree(seed):
    architecture, image_shape, batch, kl_weight = random_architecture(seed)
    vae, x, noise = random_problem(*architecture, image_shape, batch, seed)
    arguments = (vae.config, vae.mean_image, x, noise, kl_weight)
    parameters = {name: array.copy() for name, array in vae.named_parameters().items()}

    total = vae.loss_and_gradients(x, noise, kl_weight).total
    numpy.testing.assert_allclose(total, loss(parameters, *arguments), rtol=1e-11)
    expected = grad(loss)(parameters, *arguments)
    for name, gradient in vae.named_gradients().items():
        difference = numpy.linalg.norm(gradient - expected[name])
        lengths = numpy.linalg.norm(gradient) + numpy.linalg.norm(expected[name])
        assert difference <= 1e-9 * lengths, name


def test_every_activation_has_its_turn_on_both_sides():
    for side in (0, 1):
        used = {layer[1] for seed in range(40) for layer in random_architecture(seed)[0][side]}
        assert used == ACTIVATIONS.keys()
