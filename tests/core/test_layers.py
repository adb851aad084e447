"""Dense layers and activations, against central differences and plain formulas."""

import math
from typing import get_args

import numpy as np
import pytest
from checks import check_dense_gradients

import vae_nb.core.blocks
from vae_nb.core.blocks import worker_threads
from vae_nb.core.gradient_checking import central_differences, relative_error
from vae_nb.core.layers import ACTIVATIONS, Dense, sigmoid, softplus
from vae_nb.data.config import Activation

FORMULAS = {
    "linear": lambda x: x,
    "relu": lambda x: x if x > 0 else 0.0,
    "tanh": lambda x: (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "cosh": lambda x: (math.exp(x) + math.exp(-x)) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "leaky_relu": lambda x: x if x > 0 else 0.2 * x,
}
POINTS = np.concatenate([np.linspace(-6, 6, 24), [0.01, -0.01]])  # none within a step of 0


def dense(activation, inputs, units, dtype=np.float64):
    return Dense(np.zeros((inputs, units), dtype), np.zeros(units, dtype), activation)


def test_the_activations_are_those_that_the_configuration_allows():
    assert list(ACTIVATIONS) == list(get_args(Activation))
    assert ACTIVATIONS.keys() == FORMULAS.keys()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_its_formula(name):
    expected = [FORMULAS[name](point) for point in POINTS]
    np.testing.assert_allclose(ACTIVATIONS[name].function(POINTS), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_the_central_difference(name):
    activation = ACTIVATIONS[name]
    points = POINTS.copy()
    derivative = activation.derivative(points, activation.function(points))
    numeric = central_differences(lambda: np.sum(activation.function(points)), points)
    assert derivative.shape == points.shape
    assert relative_error(derivative, numeric) < 1e-9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_inputs_do_not_overflow(dtype):
    x = np.array([-np.finfo(dtype).max, -1000, -100, 0, 100, 1000, np.finfo(dtype).max], dtype)
    np.testing.assert_array_equal(sigmoid(x), [0, 0, 0, 0.5, 1, 1, 1])
    positive = np.where(x > 0, x, 0)
    expected = np.where(x == 0, math.log(2), positive)
    np.testing.assert_allclose(softplus(x), expected, rtol=1e-6, atol=1e-40)
    for name in ACTIVATIONS.keys() - {"cosh"}:
        activation = ACTIVATIONS[name]
        output = activation.function(x)
        derivative = activation.derivative(x, output)
        assert output.dtype == derivative.dtype == dtype
        assert np.all(np.isfinite(output))
        # The slope of silu leaves the range from 0 to 1 by a tenth.
        beyond = 0.1 if name == "silu" else 0
        assert np.all((derivative >= -beyond) & (derivative <= 1 + beyond))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3)])
def test_backward_is_the_gradient(name, shape):
    check_dense_gradients(name, *shape)


def test_forward_is_the_formula():
    layer = dense("tanh", 3, 2)
    layer.weights[:] = [[1, 2], [3, 4], [5, 6]]
    layer.biases[:] = [0.25, -0.5]
    x = np.array([[0.1, -0.2, 0.05], [0, 0, 0]])
    pre_activation = [[0.1 - 0.6 + 0.25 + 0.25, 0.2 - 0.8 + 0.3 - 0.5], [0.25, -0.5]]
    np.testing.assert_allclose(layer.forward(x), np.tanh(pre_activation), rtol=1e-14)
    np.testing.assert_allclose(layer.pre_activation, pre_activation, rtol=1e-14)
    assert layer.x is x


@pytest.mark.parametrize(("inputs", "units"), [(50, 3), (3, 50)])
@pytest.mark.parametrize("block", [1, 7, 30, 10**6])
def test_products_in_many_blocks_are_the_formulas(inputs, units, block, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", block)  # more blocks than a sum has parts
    rng = np.random.default_rng(0)
    weights, biases = rng.normal(size=(inputs, units)), rng.normal(size=units)
    x, output_gradient = rng.normal(size=(4, inputs)), rng.normal(size=(4, units))
    layer = Dense(weights, biases, "linear")
    with worker_threads():
        np.testing.assert_allclose(layer.forward(x), x @ weights + biases, rtol=1e-12)
        x_gradient = layer.backward(output_gradient)
    np.testing.assert_allclose(x_gradient, output_gradient @ weights.T, rtol=1e-12)
    norm = np.linalg.norm(np.vstack([x.T @ output_gradient, output_gradient.sum(axis=0)]))
    np.testing.assert_allclose(layer.squared_gradient_norm(), norm**2, rtol=1e-12)


def test_backward_overwrites_the_gradients():
    layer = dense("linear", 3, 2)
    x, gradient = np.ones((4, 3)), np.ones((4, 2))
    for _ in range(2):
        layer.forward(x)
        layer.backward_to_parameters(gradient)
        np.testing.assert_array_equal(layer.weights_gradient, np.full((3, 2), 4))
        np.testing.assert_array_equal(layer.biases_gradient, [4, 4])
    np.testing.assert_array_equal(layer.backward(gradient), np.zeros((4, 3)))


def test_the_gradients_are_those_of_the_last_backward_whatever_runs_forward_later():
    layer = dense("linear", 3, 2)
    layer.forward(np.ones((4, 3)))
    layer.backward(np.ones((4, 2)))
    layer.forward(np.full((1, 3), 7.0))
    np.testing.assert_array_equal(layer.weights_gradient, np.full((3, 2), 4))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_initialization_has_the_moments_that_are_promised(name, dtype):
    inputs, units = 400, 300
    layer = dense(name, inputs, units, dtype)
    layer.initialize(np.random.default_rng(0))
    gain = 2 if name in ("relu", "softplus", "cosh") else 1
    gain = {"leaky_relu": 2 / 1.04, "silu": 1 / 0.356}.get(name, gain)
    variance = gain / inputs
    count = inputs * units
    assert abs(layer.weights.mean()) < 5 * math.sqrt(variance / count)
    assert abs(layer.weights.var() / variance - 1) < 5 * math.sqrt(2 / count)
    assert layer.weights.dtype == dtype
    np.testing.assert_array_equal(layer.biases, 1 if name == "cosh" else 0)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "silu"])
def test_the_scale_makes_up_for_what_the_activation_drops(name):
    a = np.random.default_rng(0).standard_normal(1_000_000)
    activation = ACTIVATIONS[name]
    mean_square = np.mean(activation.function(a) ** 2)
    assert abs(mean_square * activation.weight_scale**2 - 1) < 0.01


def test_cosh_starts_where_it_has_a_slope():
    layer = dense("cosh", 50, 40)
    layer.initialize(np.random.default_rng(0))
    layer.forward(np.zeros((1, 50)))
    slope = layer.activation.derivative(layer.pre_activation, layer.output)
    np.testing.assert_allclose(slope, math.sinh(1))
    layer.biases[:] = 0  # as other layers are initialized: no gradient would come back
    layer.forward(np.zeros((1, 50)))
    np.testing.assert_array_equal(layer.backward(np.ones((1, 40))), 0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float32_stays_float32(name):
    layer = dense(name, 4, 3, np.float32)
    layer.initialize(np.random.default_rng(0))
    output = layer.forward(np.ones((2, 4), np.float32))
    input_gradient = layer.backward(np.ones((2, 3), np.float32))
    for array in (output, layer.pre_activation, input_gradient):
        assert array.dtype == np.float32
    assert layer.weights_gradient.dtype == layer.biases_gradient.dtype == np.float32
