"""The two terms of the loss, against naive formulas, central differences and Monte Carlo."""

import numpy as np
import pytest
from checks import GRADIENT_BOUND, check_kl_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from vae_nb.core.gradient_checking import central_differences, relative_error
from vae_nb.core.losses import (
    bernoulli_entropy,
    bernoulli_loss,
    bernoulli_loss_gradient,
    kl_divergence,
    kl_divergence_gradient,
    kl_divergence_per_dimension,
)


def arrays_of(low, high):
    return hypothesis_numpy.arrays(np.float64, (2, 3), elements=st.floats(low, high))


def test_bernoulli_loss_is_the_naive_formula_where_that_is_safe():
    rng = np.random.default_rng(0)
    logits, x = rng.uniform(-10, 10, (6, 9)), rng.random((6, 9))
    p = 1 / (1 + np.exp(-logits))
    naive = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    np.testing.assert_allclose(bernoulli_loss(logits, x), naive, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bernoulli_loss_is_finite_where_the_naive_formula_is_not(dtype):
    logits = np.array([[1000, -1000], [-1000, 1000]], dtype)
    x = np.array([[1, 0], [1, 0]], dtype)
    loss = bernoulli_loss(logits, x)
    np.testing.assert_array_equal(loss, [0, 2000])
    np.testing.assert_array_equal(bernoulli_loss_gradient(logits, x), [[0, 0], [-1, 1]])
    assert loss.dtype == bernoulli_loss_gradient(logits, x).dtype == dtype


def test_bernoulli_loss_is_least_at_the_pixel_itself_where_it_is_the_entropy():
    x = np.random.default_rng(0).uniform(0.01, 0.99, (4, 5))
    logits = np.log(x / (1 - x))
    np.testing.assert_allclose(bernoulli_loss(logits, x), bernoulli_entropy(x), rtol=1e-12)
    np.testing.assert_allclose(bernoulli_loss_gradient(logits, x), 0, atol=1e-15)


def test_entropy_of_certain_pixels_is_zero_and_of_even_ones_log_two():
    np.testing.assert_array_equal(bernoulli_entropy(np.array([[0.0, 1.0, 1.0]])), [0])
    np.testing.assert_allclose(bernoulli_entropy(np.full((2, 3), 0.5)), 3 * np.log(2))


@settings(deadline=None)
@given(logits=arrays_of(-1000, 1000), x=arrays_of(0, 1))
def test_bernoulli_loss_is_never_below_the_entropy(logits, x):
    loss = bernoulli_loss(logits, x)
    assert np.all(np.isfinite(loss))
    assert np.all(loss >= bernoulli_entropy(x) * (1 - 1e-12) - 1e-12)


def test_bernoulli_gradient_is_the_central_difference():
    rng = np.random.default_rng(0)
    logits, x = rng.normal(scale=3, size=(4, 5)), rng.random((4, 5))
    gradient = bernoulli_loss_gradient(logits, x)
    numeric = central_differences(lambda: np.sum(bernoulli_loss(logits, x)), logits)
    assert gradient.shape == logits.shape
    assert relative_error(gradient.reshape(-1), numeric) < GRADIENT_BOUND


def test_kl_gradients_are_the_central_differences():
    check_kl_gradients()


def test_kl_is_the_mean_log_ratio_of_the_densities():
    mean = np.array([[0.5, -1.0, 0.0], [2.0, 0.1, -0.3]])
    log_variance = np.array([[-1.0, 0.7, 0.0], [-3.0, 0.2, 1.0]])
    draws = 100_000
    noise = np.random.default_rng(0).standard_normal((draws, 2, 3))
    z = mean + np.exp(log_variance) ** 0.5 * noise
    log_q = -0.5 * (noise**2 + log_variance)  # the constants of both densities cancel
    log_p = -0.5 * z**2
    ratio = log_q - log_p
    standard_error = ratio.std(axis=0) / np.sqrt(draws)
    difference = np.abs(ratio.mean(axis=0) - kl_divergence_per_dimension(mean, log_variance))
    assert np.all(difference <= 5 * standard_error)
    assert kl_divergence_per_dimension(mean, log_variance)[0, 2] == 0


@settings(deadline=None)
@given(mean=arrays_of(-1e3, 1e3), log_variance=arrays_of(-30, 30))
def test_kl_is_never_negative(mean, log_variance):
    # A correctly rounded expm1 gives exactly that; four units in the last place are allowed to it.
    rounding = 4 * np.finfo(np.float64).eps * np.abs(log_variance)
    assert np.all(kl_divergence_per_dimension(mean, log_variance) >= -rounding)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kl_of_a_posterior_close_to_the_prior_keeps_its_digits(dtype):
    log_variance = np.array([[1e-3, -1e-3, 2e-2]], dtype)
    exact = log_variance.astype(np.float64)
    series = exact**2 / 4 * (1 + exact / 3 + exact**2 / 12 + exact**3 / 60)
    kl = kl_divergence_per_dimension(np.zeros_like(log_variance), log_variance)
    # What is left of the difference of two numbers of size |log σ²|.
    np.testing.assert_allclose(kl, series, atol=np.finfo(dtype).eps * 0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_are_summed_over_an_image_not_over_the_batch(dtype):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 5)).astype(dtype)
    x = rng.random((4, 5)).astype(dtype)
    mean, log_variance = rng.normal(size=(2, 4, 3)).astype(dtype)
    per_dimension = kl_divergence_per_dimension(mean, log_variance)
    assert per_dimension.shape == (4, 3)
    np.testing.assert_allclose(
        kl_divergence(mean, log_variance), per_dimension.sum(axis=1), rtol=1e-6
    )
    one_by_one = [bernoulli_loss(logits[:, [k]], x[:, [k]]) for k in range(5)]
    np.testing.assert_allclose(bernoulli_loss(logits, x), np.sum(one_by_one, axis=0), rtol=1e-5)
    for value in (bernoulli_loss(logits, x), bernoulli_entropy(x), kl_divergence(mean, mean)):
        assert value.shape == (4,)
        assert value.dtype == dtype
    for gradient in kl_divergence_gradient(mean, log_variance):
        assert gradient.shape == (4, 3)
        assert gradient.dtype == dtype
