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
    "silu": lambda a: a / (1 + np.exp(-a)),
    "leaky_relu": lambda a: np.where(a > 0, a, 0.2 * a),
}


def places(small, kernel, stride):
    """Matrices (large, small) for each offset in a patch: where its pixels are in the image."""
    border = (kernel - stride) // 2
    matrices = numpy.zeros((kernel, small * stride + 2 * border, small))
    for offset in range(kernel):
        matrices[offset, offset + stride * numpy.arange(small), numpy.arange(small)] = 1
    return matrices[:, border : border + small * stride]


def loss(parameters, config, image_shape, mean_image, x, noise, kl_weight):
    """Minus the evidence lower bound, from the definitions of Kingma & Welling (2014)."""

    def dense(name, h, activation="linear"):
        h = np.reshape(h, (len(h), -1))
        return ACTIVATIONS[activation](
            np.dot(h, parameters[f"{name}.weights"]) + parameters[f"{name}.biases"]
        )

    def convolution(name, h, layer):
        """Each output pixel is a weighted sum of a patch."""
        kernel, stride = layer.kernel_size, layer.strides
        rows, columns = (places(side // stride, kernel, stride) for side in h.shape[1:3])
        weights = np.reshape(
            parameters[f"{name}.weights"], (kernel, kernel, h.shape[3], layer.filters)
        )
        a = np.einsum("iHh,jWw,bHWc,ijcf->bhwf", rows, columns, h, weights)
        return ACTIVATIONS[layer.activation](a + parameters[f"{name}.biases"])

    def transposed(name, h, kernel, stride, activation):
        """Each input pixel adds to a patch of the output."""
        rows, columns = (places(side, kernel, stride) for side in h.shape[1:3])
        weights = parameters[f"{name}.weights"]
        weights = np.reshape(weights, (h.shape[3], kernel, kernel, -1))
        a = np.einsum("iHh,jWw,bhwc,cijf->bHWf", rows, columns, h, weights)
        biases = parameters[f"{name}.biases"]
        if name == "output":
            biases = np.reshape(biases, image_shape)
        return ACTIVATIONS[activation](a + biases)

    h = np.reshape(x - mean_image, (len(x), *image_shape))
    for number, layer in enumerate(config.encoder_layers, start=1):
        if hasattr(layer, "filters"):
            h = convolution(f"encoder_{number}", h, layer)
        else:
            h = dense(f"encoder_{number}", h, layer.activation)
    mu, variance = dense("mean", h), np.exp(dense("log_variance", h))
    h = mu + np.sqrt(variance) * noise
    shrinking = [layer.strides for layer in config.decoder_layers if hasattr(layer, "filters")]
    height, width = (side // numpy.prod(shrinking, dtype=int) for side in image_shape[:2])
    for number, layer in enumerate(config.decoder_layers, start=1):
        if not hasattr(layer, "filters"):
            h = dense(f"decoder_{number}", h, layer.activation)
            continue
        if h.ndim == 2:
            h = np.reshape(dense("decoder_image", h), (len(h), height, width, layer.filters))
        sizes = (layer.kernel_size, layer.strides, layer.activation)
        h = transposed(f"decoder_{number}", h, *sizes)
    if h.ndim == 2:
        logits = dense("output", h)
    else:
        logits = transposed("output", h, config.output_kernel_size, 1, "linear")
        logits = np.reshape(logits, x.shape)
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
    assert_agreement(vae, x, noise, kl_weight)


SILU_PATCHES, TANH_PATCHES = (3, 2, 2, "silu"), (4, 2, 2, "tanh")
WIDE, SAME_SIZE = (3, 4, 2, "leaky_relu"), (2, 3, 1, "tanh")
CONVOLUTIONS = {  # encoder, decoder, the size of the output's kernel
    "patches": ([SILU_PATCHES, TANH_PATCHES], [TANH_PATCHES, SILU_PATCHES], 1),
    "patches, then 3×3": ([SILU_PATCHES, TANH_PATCHES], [TANH_PATCHES, (2, 2, 2, "relu")], 3),
    "patches that overlap": ([WIDE, SAME_SIZE], [SAME_SIZE, WIDE], 3),
    "units between": ([WIDE, (5, "tanh")], [(6, "cosh"), (5, "silu"), TANH_PATCHES], 1),
    "one stride of four": ([(3, 4, 4, "silu")], [SILU_PATCHES, SILU_PATCHES], 3),
    "a dense decoder": ([SILU_PATCHES], [(5, "tanh")], 1),
    "a dense encoder": ([(5, "tanh")], [TANH_PATCHES], 3),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("network", CONVOLUTIONS)
def test_all_gradients_of_convolutions_agree(network, batch, channels):
    encoder, decoder, output_kernel_size = CONVOLUTIONS[network]
    vae, x, noise = random_problem(
        *(encoder, decoder, 2, (8, 4, channels), batch), output_kernel_size=output_kernel_size
    )
    assert all(numpy.all(array != 0) for array in vae.named_parameters().values())
    assert_agreement(vae, x, noise, kl_weight=1.0)


def assert_agreement(vae, x, noise, kl_weight):
    """Compare the loss and every gradient with those of automatic differentiation."""
    arguments = (vae.config, vae.image_shape, vae.mean_image, x, noise, kl_weight)
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
