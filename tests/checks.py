"""Checks that compare the VAE with its mathematics.

The tests run them on `vae_nb`. test_planted_bugs.py runs the same checks on code with a planted
bug, and expects them to fail.
"""

import numpy as np

import vae_nb.core.convolution
import vae_nb.core.layers
import vae_nb.core.losses
import vae_nb.core.model
from vae_nb.core.convolution import PIXELS, Patches
from vae_nb.core.gradient_checking import central_differences, gradient_check, relative_error
from vae_nb.data.config import ConvolutionConfig, LayerConfig, ModelConfig

GRADIENT_BOUND = 1e-7
# relu has no derivative at 0: a central difference across 0 mixes two slopes. One step changes a
# pre-activation of these small networks by less than this distance.
KINK_DISTANCE = 1e-3
HAVE_A_KINK = ("relu", "leaky_relu")
# The shorter step suits a strongly curved loss. The longer one suits an array whose gradient is so
# small that the difference of two losses rounds it away. A wrong gradient agrees with neither.
STEPS = (1e-5, 1e-4)


def model_config(encoder, decoder, latent_dim=2, output_kernel_size=1):
    """Make a model configuration from lists of layers.

    They are (units, activation) or (filters, kernel_size, strides, activation).
    """

    def configs(layers):
        kinds = {2: LayerConfig, 4: ConvolutionConfig}
        return tuple(kinds[len(layer)](*layer) for layer in layers)

    return ModelConfig(latent_dim, configs(encoder), configs(decoder), output_kernel_size)


def near_a_kink(layers):
    """Say whether a kink is too close for central differences, in the last forward pass."""
    return any(
        np.min(np.abs(layer.pre_activation)) < KINK_DISTANCE
        for layer in layers
        if layer.activation_name in HAVE_A_KINK
    )


def random_problem(
    encoder, decoder, latent_dim=2, image_shape=(2, 3, 1), batch=5, seed=0, output_kernel_size=1
):
    """Make a float64 VAE with random parameters, and images and noise for it, away from kinks.

    Each call takes the VAE from the module anew, so that a planted bug is in it.
    """
    rng = np.random.default_rng(seed)
    config = model_config(encoder, decoder, latent_dim, output_kernel_size)
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


def random_images(patches, channels=2, batch=3, seed=0):
    """Make random images that can be cut into these patches, three rows of two."""
    shape = (batch, 3 * patches.strides, 2 * patches.strides, channels)
    return np.random.default_rng(seed).normal(size=shape)


def check_unfold_and_fold_are_adjoint(kernel_size=4, strides=2, channels=2):
    """Check that the sum of unfold(x) * p is that of x * fold(p), for random x and p."""
    patches = Patches(kernel_size, strides)
    x = random_images(patches, channels)
    cut = vae_nb.core.convolution.unfold(x, patches)
    p = np.random.default_rng(1).normal(size=cut.shape)
    assert cut.shape == (len(x), 3, 2, kernel_size**2 * channels)
    folded = vae_nb.core.convolution.fold(p, patches)
    assert folded.shape == x.shape
    np.testing.assert_allclose(np.sum(cut * p), np.sum(x * folded), rtol=1e-11)


def random_convolution(
    activation="tanh",
    kernel_size=2,
    strides=2,
    is_transposed=False,
    biases="one per filter",
    seed=0,
):
    """Make a convolution of random weights, images for it, and a direction in its outputs."""
    rng = np.random.default_rng(seed)
    small, large, patches = (3, 2), (3 * strides, 2 * strides), Patches(kernel_size, strides)
    input_shape = (*(small if is_transposed else large), 2)
    output_shape = (*(large if is_transposed else small), 3)
    reads, writes = (PIXELS, patches) if is_transposed else (patches, PIXELS)
    weights = rng.normal(size=(2 * reads.kernel_size**2, 3 * writes.kernel_size**2))
    layer = vae_nb.core.convolution.Convolution(
        weights / np.sqrt(weights.shape[0]),
        rng.normal(size=3 if biases == "one per filter" else np.prod(output_shape)),
        *(activation, input_shape, reads, writes),
    )
    assert layer.output_shape == output_shape
    x = rng.normal(size=(4, np.prod(input_shape)))
    direction = rng.normal(size=(4, np.prod(output_shape)))
    return layer, x, direction


def check_convolution_gradients(*arguments):
    """Compare the gradients of a random sum of a convolution's outputs, for all its inputs."""
    layer, x, direction = random_convolution(*arguments)
    layer.forward(x)
    assert not near_a_kink([layer])
    x_gradient = layer.backward(direction)
    for array, gradient in (
        (layer.weights, layer.weights_gradient),
        (layer.biases, layer.biases_gradient),
        (x, x_gradient),
    ):
        numeric = central_differences(lambda: np.sum(direction * layer.forward(x)), array)
        error = relative_error(gradient.reshape(-1), numeric)
        assert gradient.shape == array.shape
        assert error <= GRADIENT_BOUND, f"{arguments}: {error:.2g}"


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
