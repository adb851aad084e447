"""Adam and SGD, against the formulas of their papers written once more."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

import vae_nb.core.blocks
from vae_nb.core.blocks import BLOCK, worker_threads
from vae_nb.core.gradient_checking import relative_error
from vae_nb.core.optimizers import SGD, Adam, make_optimizer

SMALL_BLOCK = 64
SIZES = [1, SMALL_BLOCK - 1, SMALL_BLOCK, SMALL_BLOCK + 1, 5 * SMALL_BLOCK + 7]


class TextbookAdam:
    """Kingma & Ba (2015), algorithm 1, line by line; Loshchilov & Hutter (2019), algorithm 2."""

    def __init__(self, parameters, beta1, beta2, epsilon, weight_decay=0.0):
        self.theta, self.beta1, self.beta2, self.epsilon = parameters, beta1, beta2, epsilon
        self.weight_decay = weight_decay
        self.m = np.zeros_like(parameters)
        self.v = np.zeros_like(parameters)
        self.t = 0

    def update(self, gradients, learning_rate):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * gradients
        self.v = self.beta2 * self.v + (1 - self.beta2) * gradients**2
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        direction = m_hat / (np.sqrt(v_hat) + self.epsilon) + self.weight_decay * self.theta
        self.theta = self.theta - learning_rate * direction


class TextbookMomentum:
    def __init__(self, parameters, momentum, weight_decay=0.0):
        self.theta, self.momentum, self.weight_decay = parameters, momentum, weight_decay
        self.velocity = np.zeros_like(parameters)

    def update(self, gradients, learning_rate):
        self.velocity = self.momentum * self.velocity + gradients
        self.theta = self.theta - learning_rate * (self.velocity + self.weight_decay * self.theta)


def run_both(optimizer, textbook, steps, seed=0):
    """Noisy gradients of a bowl whose curvatures span two decades; how far the two end apart."""
    rng = np.random.default_rng(seed)
    size, dtype = optimizer.parameters.size, optimizer.parameters.dtype
    curvature = np.geomspace(0.1, 10, size).astype(dtype)
    for step in range(steps):
        noise = rng.standard_normal(size, dtype)
        learning_rate = 0.01 * (1 - step / steps)
        gradients = curvature * optimizer.parameters + noise
        optimizer.update(gradients, learning_rate)
        textbook.update(curvature * textbook.theta + noise, learning_rate)
    assert optimizer.parameters.dtype == textbook.theta.dtype == dtype
    return relative_error(optimizer.parameters, textbook.theta)


def start(size, dtype):
    return np.random.default_rng(1).standard_normal(size, dtype)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("size", SIZES)
def test_adam_is_the_textbook_adam_after_a_thousand_steps(size, dtype, bound, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", SMALL_BLOCK)
    constants = (0.9, 0.999, 1e-8)
    textbook = TextbookAdam(start(size, dtype), *constants)
    with worker_threads():
        assert run_both(Adam(start(size, dtype), *constants), textbook, 1000) <= bound
    assert relative_error(textbook.theta, start(size, dtype)) > 0.1  # it went somewhere


@pytest.mark.parametrize("constants", [(0.5, 0.9, 1e-3), (0.0, 0.0, 1e-8), (0.9, 0.999, 1.0)])
def test_adam_takes_its_constants(constants):
    textbook = TextbookAdam(start(10, np.float64), *constants)
    assert run_both(Adam(start(10, np.float64), *constants), textbook, 100) <= 1e-12


@pytest.mark.parametrize("weight_decay", [0.01, 1.0])
def test_a_weight_decay_makes_it_adamw_and_sgdw(weight_decay):
    pairs = [
        (Adam(start(10, np.float64), weight_decay=weight_decay), TextbookAdam, (0.9, 0.999, 1e-8)),
        (SGD(start(10, np.float64), weight_decay=weight_decay), TextbookMomentum, (0.9,)),
    ]
    for optimizer, textbook_class, constants in pairs:
        textbook = textbook_class(start(10, np.float64), *constants, weight_decay)
        assert run_both(optimizer, textbook, 100) <= 1e-12
        without = textbook_class(start(10, np.float64), *constants)
        assert run_both(type(optimizer)(start(10, np.float64)), without, 100) <= 1e-12
        assert relative_error(optimizer.parameters, without.theta) > 1e-4


def test_adam_goes_over_all_of_an_array_larger_than_a_block():
    size = 2 * BLOCK + 3
    textbook = TextbookAdam(start(size, np.float64), 0.9, 0.999, 1e-8)
    assert run_both(Adam(start(size, np.float64)), textbook, 3) <= 1e-12


def test_adams_first_step_is_the_learning_rate_whatever_the_gradients_size():
    parameters = np.zeros(3)
    Adam(parameters).update(np.array([1e-3, -1.0, 1e3]), 0.01)
    np.testing.assert_allclose(parameters, [-0.01, 0.01, -0.01], rtol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("size", SIZES)
def test_sgd_is_the_textbook_momentum(size, momentum, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", SMALL_BLOCK)
    textbook = TextbookMomentum(start(size, np.float64), momentum)
    assert run_both(SGD(start(size, np.float64), momentum), textbook, 200) <= 1e-12


@pytest.mark.parametrize("optimizer_class", [Adam, SGD])
def test_the_bits_do_not_depend_on_the_threads(optimizer_class, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", SMALL_BLOCK)
    alone, together = (start(1000, np.float32) for _ in range(2))
    monkeypatch.setattr(vae_nb.core.blocks, "blas_libraries", lambda: [{"num_threads": 3}])
    for parameters, threads in ((alone, nullcontext), (together, worker_threads)):
        optimizer = optimizer_class(parameters)
        rng = np.random.default_rng(0)
        with threads():
            for _ in range(20):
                optimizer.update(rng.standard_normal(1000, np.float32), 0.1)
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("optimizer_class", [Adam, SGD])
def test_parameters_change_in_place_and_gradients_do_not(optimizer_class):
    parameters, gradients = start(20, np.float32), np.ones(20, np.float32)
    before = parameters.copy()
    optimizer = optimizer_class(parameters)
    optimizer.update(gradients, 0.1)
    assert optimizer.parameters is parameters
    assert np.all(parameters < before)
    np.testing.assert_array_equal(gradients, 1)


@pytest.mark.parametrize("optimizer_class", [Adam, SGD])
@pytest.mark.parametrize("size", [4, 11])
def test_a_gradient_of_another_length_is_refused(optimizer_class, size):
    parameters = np.zeros(10)
    with pytest.raises(ValueError, match=rf"gradients \({size},\) for parameters \(10,\)"):
        optimizer_class(parameters).update(np.ones(size), 0.1)
    np.testing.assert_array_equal(parameters, 0)


def test_the_configuration_chooses_the_optimizer():
    values = {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6}
    adam = make_optimizer(np.zeros(3), SimpleNamespace(type="adam", **values))
    assert isinstance(adam, Adam)
    assert (adam.beta1, adam.beta2, adam.epsilon) == (0.8, 0.95, 1e-6)
    sgd = make_optimizer(np.zeros(3), SimpleNamespace(type="sgd", **values))
    assert isinstance(sgd, SGD)
    assert sgd.momentum == 0.8
    for optimizer_type in ("adam", "sgd"):
        config = SimpleNamespace(type=optimizer_type, **values)
        assert make_optimizer(np.zeros(3), config).weight_decay == 0
        assert make_optimizer(np.zeros(3), config, 0.1).weight_decay == 0.1
