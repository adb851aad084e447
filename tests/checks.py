"""Checks that compare the VAE with its mathematics.

The tests run them on `vae_nb`. test_planted_bugs.py runs the same checks on code with a planted
bug, and expects them to fail.
"""

import numpy as np

import vae_nb.core.layers
import vae_nb.core.losses
import vae_nb.core.model
from vae_nb.core.gradient_checking import central_differences, gradient_check, relative_error
from vae_nb.data.config import LayerConfig, ModelConfig

GRADIENT_BOUND = 1e-7
# relu has no derivative at 0: a central difference across 0 mixes two slopes. One step changes a
# pre-activation of these small networks by less than this distance.
KINK_DISTANCE = 1e-3
# The shorter step suits a strongly curved loss. The longer one suits an array whose gradient is so
# small that the difference of two losses rounds it away. A wrong gradient agrees with neither.
STEPS = (1e-5, 1e-4)


def model_config(encoder, decoder, latent_dim=2):
    """Make a model configuration from lists of (units, activation)."""
    encoder_layers = tuple(LayerConfig(*layer) for layer in encoder)
    decoder_layers = tuple(LayerConfig(*layer) for layer in decoder)
    return ModelConfig(latent_dim, encoder_layers, decoder_layers)


def near_a_kink(layers):
    """Say whether a relu of the last forward pass is too close to 0 for central differences."""
    return any(
        np.min(np.abs(layer.pre_activation)) < KINK_DISTANCE
        for layer in layers
        if layer.activation_name == "relu"
    )


def random_problem(encoder, decoder, latent_dim=2, image_shape=(2, 3, 1), batch=5, seed=0):
    """Make a float64 VAE with random parameters, and images and noise for it, away from kinks.

    Each call takes the VAE from the module anew, so that a planted bug is in it.
    """
    rng = np.random.default_rng(seed)
    config = model_config(encoder, decoder, latent_dim)
    pixels = int(np.prod(image_shape))
    for _ in range(20):
        # Training's own initialization is made for small gradients, so these are other weights.
        vae = vae_nb.core.model.VAE(config, image_shape, dtype=np.float64)
        for array in vae.named_parameters().values():
            scale = 1.2 / np.sqrt(len(array)) if array.ndim == 2 else 0.5
            array[:] = rng.normal(scale=scale, size=array.shape)
        vae.mean_image[:] = rng.random(pixels)
        x = rng.random((batch, pixels))
        noise = rng.standard_normal((batch, latent_dim))
        vae.loss(x, noise)
        if not near_a_kink(vae.layers.values()):
            return vae, x, noise
    raise AssertionError("no random problem away from kinks was found")


def small_problem(activation="tanh", batch=5, seed=0):
    """Make a random problem whose encoder has a square layer of this activation."""
    return random_problem(
        [(4, activation), (4, activation)], [(4, activation)], batch=batch, seed=seed
    )


def check_vae_gradients(vae, x, noise, kl_weight=1.0):
    """Compare every gradient of the VAE with central differences."""
    by_step = [gradient_check(vae, x, noise, kl_weight, step=step) for step in STEPS]
    errors = {name: min(errors[name] for errors in by_step) for name in vae.named_parameters()}
    worst = max(errors, key=errors.get)
    assert errors[worst] <= GRADIENT_BOUND, f"{worst}: {errors[worst]:.2g}"


def check_dense_gradients(activation, inputs=4, units=4, seed=0):
    """Compare the gradients of one layer: of a random sum of its outputs, for all its inputs."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(inputs, units))
    biases = rng.normal(size=units)
    layer = vae_nb.core.layers.Dense(weights, biases, activation)
    x = rng.normal(size=(6, inputs))
    direction = rng.normal(size=(6, units))
    layer.forward(x)
    assert not near_a_kink([layer])
    x_gradient = layer.backward(direction)
    for array, gradient in (
        (weights, layer.weights_gradient),
        (biases, layer.biases_gradient),
        (x, x_gradient),
    ):
        numeric = central_differences(lambda: np.sum(direction * layer.forward(x)), array)
        error = relative_error(gradient.reshape(-1), numeric)
        assert gradient.shape == array.shape
        assert error <= GRADIENT_BOUND, f"{activation}: {error:.2g}"


def check_kl_gradients(seed=0):
    """Compare the KL divergence's gradients with central differences."""
    rng = np.random.default_rng(seed)
    mean, log_variance = rng.normal(size=(2, 4, 3))
    analytic = vae_nb.core.losses.kl_divergence_gradient(mean, log_variance)
    for array, gradient in zip((mean, log_variance), analytic, strict=True):
        numeric = central_differences(
            lambda: np.sum(vae_nb.core.losses.kl_divergence(mean, log_variance)), array
        )
        assert gradient.shape == array.shape
        assert relative_error(gradient.reshape(-1), numeric) <= GRADIENT_BOUND


def check_moments_of_reparameterization(seed=0):
    """Check the mean μ and the variance σ² = exp(log σ²), which no gradient check can see."""
    rng = np.random.default_rng(seed)
    mean = np.array([[0.0, 2.0, -3.0, 0.5]])
    log_variance = np.array([[0.0, 1.0, -2.0, -6.0]])
    draws = 200_000
    noise = rng.standard_normal((draws, 4))
    z = vae_nb.core.model.reparameterize(mean, log_variance, noise)
    assert z.shape == noise.shape
    variance = np.exp(log_variance[0])
    # Five standard errors. That of a mean is sqrt(variance / n), that of a variance is
    # variance * sqrt(2 / n).
    np.testing.assert_array_less(
        np.abs(z.mean(axis=0) - mean[0]), 5 * np.sqrt(variance / draws), "mean"
    )
    np.testing.assert_array_less(
        np.abs(z.var(axis=0) - variance), 5 * variance * np.sqrt(2 / draws), "variance"
    )


def check_loss_is_a_mean_over_the_batch(seed=0):
    """Check that a batch's loss and gradient are the averages of its images' own."""
    vae, x, noise = small_problem(batch=7, seed=seed)
    whole = vae.loss_and_gradients(x, noise)
    whole_gradient = vae.gradients
    losses = []
    gradients = []
    for number in range(len(x)):
        one = slice(number, number + 1)
        losses.append(vae.loss_and_gradients(x[one], noise[one]))
        gradients.append(vae.gradients)
    np.testing.assert_allclose(whole, np.mean(losses, axis=0), rtol=1e-12)
    assert relative_error(whole_gradient, np.mean(gradients, axis=0)) < 1e-12
