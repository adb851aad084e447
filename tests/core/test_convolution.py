"""Convolutions, against their definition written as loops, and against central differences."""

import math

import numpy as np
import pytest
from checks import (
    check_convolution_gradients,
    check_unfold_and_fold_are_adjoint,
    random_convolution,
    random_images,
)

import vae_nb.core.blocks
from vae_nb.core.blocks import worker_threads
from vae_nb.core.convolution import PIXELS, Convolution, Patches, fold, unfold
from vae_nb.core.layers import ACTIVATIONS

CUTS = [(1, 1), (2, 2), (3, 3), (3, 1), (4, 2), (5, 1), (5, 3)]  # kernel size, strides
every_cut = pytest.mark.parametrize("cut", CUTS, ids=str)
either_direction = pytest.mark.parametrize("is_transposed", [False, True])


# --- patches ---


def test_unfold_by_hand():
    image = np.arange(8.0).reshape(1, 2, 4, 1)
    np.testing.assert_array_equal(unfold(image, Patches(2, 2)), [[[[0, 1, 4, 5], [2, 3, 6, 7]]]])
    around_the_first_pixel = [0, 0, 0, 0, 0, 1, 0, 4, 5]  # with a border of zeros
    np.testing.assert_array_equal(unfold(image, Patches(3, 1))[0, 0, 0], around_the_first_pixel)


def test_fold_by_hand():
    one = np.zeros((1, 1, 2, 4))
    one[0, 0, 1] = [1, 2, 3, 4]
    image = [[0, 0, 1, 2], [0, 0, 3, 4]]
    np.testing.assert_array_equal(fold(one, Patches(2, 2))[0, :, :, 0], image)
    ones = np.ones((1, 2, 3, 9))  # each pixel is the number of patches that reach it
    counts = [[4, 6, 4], [4, 6, 4]]
    np.testing.assert_array_equal(fold(ones, Patches(3, 1))[0, :, :, 0], counts)


@every_cut
def test_a_patch_is_its_pixels_row_by_row(cut):
    patches = Patches(*cut)
    kernel, strides = cut
    images = random_images(patches)
    border = (kernel - strides) // 2
    padded = np.pad(images, [(0, 0), (border, border), (border, border), (0, 0)])
    found = unfold(images, patches)
    for row, column in np.ndindex(3, 2):
        top, left = strides * row, strides * column
        patch = padded[:, top : top + kernel, left : left + kernel]
        np.testing.assert_array_equal(found[:, row, column], patch.reshape(len(images), -1))


@every_cut
@pytest.mark.parametrize("channels", [1, 3])
def test_unfold_and_fold_are_adjoint(cut, channels):
    check_unfold_and_fold_are_adjoint(*cut, channels)


@pytest.mark.parametrize("strides", [1, 2, 5])
def test_without_overlap_fold_is_the_inverse_of_unfold(strides):
    patches = Patches(strides, strides)
    images = random_images(patches)
    np.testing.assert_array_equal(fold(unfold(images, patches), patches), images)


# --- the layer ---


def by_definition(layer, x):
    """Compute a convolution's pre-activations one product of two numbers after another."""
    images = x.reshape(-1, *layer.input_shape)
    a = np.zeros((len(x), *layer.output_shape))
    is_transposed = layer.reads == PIXELS
    patches = layer.writes if is_transposed else layer.reads
    small, large = (images, a) if is_transposed else (a, images)
    kernel, strides = patches
    border = (kernel - strides) // 2
    filters = layer.output_shape[2]
    channels = layer.input_shape[2]
    _, rows, columns, _ = small.shape
    for row, column, i, j, c, f in np.ndindex(rows, columns, kernel, kernel, channels, filters):
        y, x_ = strides * row + i - border, strides * column + j - border
        if not (0 <= y < large.shape[1] and 0 <= x_ < large.shape[2]):
            continue
        pixel = i * kernel + j
        if is_transposed:
            a[:, y, x_, f] += images[:, row, column, c] * layer.weights[c, pixel * filters + f]
        else:
            a[:, row, column, f] += images[:, y, x_, c] * layer.weights[pixel * channels + c, f]
    biases = layer.biases.reshape(-1, filters) if layer.biases.size > filters else layer.biases
    return (a.reshape(len(x), -1, filters) + biases).reshape(len(x), -1)


@every_cut
@either_direction
@pytest.mark.parametrize("biases", ["one per filter", "one per output"])
def test_forward_is_the_definition(cut, is_transposed, biases):
    layer, x, _ = random_convolution("tanh", *cut, is_transposed, biases)
    expected = by_definition(layer, x)
    np.testing.assert_allclose(layer.forward(x), np.tanh(expected), rtol=1e-11)
    np.testing.assert_allclose(layer.pre_activation, expected, rtol=1e-11, atol=1e-14)
    assert layer.x is x


@every_cut
@either_direction
def test_backward_is_the_gradient(cut, is_transposed):
    check_convolution_gradients("tanh", *cut, is_transposed)


@either_direction
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backward_is_the_gradient_for_every_activation(activation, is_transposed):
    check_convolution_gradients(activation, 2, 2, is_transposed)


def test_backward_is_the_gradient_where_each_output_has_its_own_bias():
    check_convolution_gradients("linear", 3, 1, True, "one per output")


@every_cut
@either_direction
def test_blocks_and_threads_change_nothing(cut, is_transposed, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", 1)  # each image is a block
    monkeypatch.setattr(vae_nb.core.blocks, "blas_libraries", lambda: [{"num_threads": 3}])
    found = []
    for threads in (1, 3):
        layer, x, direction = random_convolution("silu", *cut, is_transposed)
        if threads == 1:
            output = layer.forward(x)
            x_gradient = layer.backward(direction)
        else:
            with worker_threads():
                output = layer.forward(x)
                x_gradient = layer.backward(direction)
        found.append((output, x_gradient, layer.weights_gradient, layer.biases_gradient))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_gradient_in_blocks_its_norm_and_its_scale():
    layer, x, direction = random_convolution("silu", 4, 2)
    layer.forward(x)
    layer.backward_to_parameters(direction)
    ((where, compute),) = layer.gradient_blocks()
    flat = np.empty(where.stop - where.start)
    compute(flat)
    assert flat.size == layer.weights.size + layer.biases.size
    np.testing.assert_allclose(layer.squared_gradient_norm(), np.sum(flat**2), rtol=1e-14)
    parts = layer.weights_gradient.copy(), layer.biases_gradient.copy()
    layer.scale_gradient(np.float64(0.5))
    for part, before in zip((layer.weights_gradient, layer.biases_gradient), parts, strict=True):
        np.testing.assert_array_equal(part, 0.5 * before)
    np.testing.assert_allclose(layer.squared_gradient_norm(), np.sum(flat**2) / 4, rtol=1e-14)


def test_the_gradients_are_those_of_the_last_backward_whatever_runs_forward_later():
    layer, x, direction = random_convolution()
    layer.forward(x)
    layer.backward(direction)
    before = layer.weights_gradient.copy()
    layer.forward(x[:1] + 1)
    np.testing.assert_array_equal(layer.weights_gradient, before)
    layer.forward(x)
    layer.backward_to_parameters(direction)
    np.testing.assert_array_equal(layer.weights_gradient, before)


@pytest.mark.parametrize("cut", [(2, 2), (4, 2), (3, 1)], ids=str)
@either_direction
@pytest.mark.parametrize("activation", ["linear", "tanh", "relu", "leaky_relu", "silu"])
def test_the_initialization_keeps_the_size_of_a_signal(activation, cut, is_transposed):
    patches, channels, filters = Patches(*cut), 64, 48
    reads, writes = (PIXELS, patches) if is_transposed else (patches, PIXELS)
    shape = (channels * reads.kernel_size**2, filters * writes.kernel_size**2)
    layer = Convolution(
        *(np.zeros(shape), np.ones(filters), activation, (16, 16, channels), reads, writes)
    )
    rng = np.random.default_rng(0)
    layer.initialize(rng)
    np.testing.assert_array_equal(layer.biases, 0)
    layer.forward(rng.standard_normal((8, 16 * 16 * channels)))
    # Away from the border, where patches are partly zeros, a pre-activation has variance scale².
    inner = layer.pre_activation.reshape(-1, *layer.output_shape)[:, 2:-2, 2:-2]
    assert abs(inner.std() / layer.activation.weight_scale - 1) < 0.05


@either_direction
def test_float32_stays_float32(is_transposed):
    layer, x, direction = random_convolution("silu", 4, 2, is_transposed)
    single = Convolution(
        *(layer.weights.astype(np.float32), layer.biases.astype(np.float32), "silu"),
        *(layer.input_shape, layer.reads, layer.writes),
    )
    output = single.forward(x.astype(np.float32))
    x_gradient = single.backward(direction.astype(np.float32))
    single.scale_gradient(np.float64(0.5))
    for array in (output, single.pre_activation, x_gradient, single.weights_gradient):
        assert array.dtype == np.float32
    np.testing.assert_allclose(output, layer.forward(x), rtol=1e-4, atol=1e-5)
    assert math.isfinite(single.squared_gradient_norm())
