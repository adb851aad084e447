"""The checks catch bugs: each is planted here, and the check that has to see it goes red."""

import inspect
import types

import numpy as np
import pytest
from checks import (
    check_convolution_gradients,
    check_dense_gradients,
    check_kl_gradients,
    check_loss_is_a_mean_over_the_batch,
    check_moments_of_reparameterization,
    check_unfold_and_fold_are_adjoint,
    check_vae_gradients,
    small_problem,
)

import vae_nb.core.convolution
import vae_nb.core.layers
import vae_nb.core.losses
import vae_nb.core.model


def plant(monkeypatch, module, *replacements):
    """Replace a module's functions and classes by those of its source with a bug in it."""
    source = inspect.getsource(module)
    for correct, wrong in replacements:
        assert source.count(correct) == 1, f"{correct!r} is not once in {module.__name__}"
        source = source.replace(correct, wrong)
    planted = types.ModuleType(module.__name__)
    exec(compile(source, module.__file__, "exec"), planted.__dict__)
    for name in vars(module):
        if getattr(vars(module)[name], "__module__", None) == module.__name__:
            monkeypatch.setattr(module, name, getattr(planted, name))


def check_gradients():
    for batch in (1, 5):
        check_vae_gradients(*small_problem(batch=batch))


def check_square_dense():
    check_dense_gradients("tanh", 4, 4)


def check_patches():
    """A convolution and a transposed one, of patches that do not overlap."""
    for is_transposed in (False, True):
        check_convolution_gradients("tanh", 2, 2, is_transposed)


def check_overlapping_patches():
    for is_transposed in (False, True):
        check_convolution_gradients("tanh", 4, 2, is_transposed)


def check_patches_are_adjoint():
    check_unfold_and_fold_are_adjoint(2, 2)


ALL_CHECKS = {
    check_gradients,
    check_patches,
    check_overlapping_patches,
    check_patches_are_adjoint,
    check_unfold_and_fold_are_adjoint,
    check_kl_gradients,
    check_square_dense,
    check_moments_of_reparameterization,
    check_loss_is_a_mean_over_the_batch,
}


def wrong_sign_of_the_kl_gradient(monkeypatch):
    plant(
        monkeypatch,
        vae_nb.core.losses,
        ("0.5 * np.expm1(log_variance)\n", "-0.5 * np.expm1(log_variance)\n"),
    )
    monkeypatch.setattr(
        vae_nb.core.model, "kl_divergence_gradient", vae_nb.core.losses.kl_divergence_gradient
    )


def wrong_sign_where_the_kl_gradient_is_added(monkeypatch):
    plant(
        monkeypatch,
        vae_nb.core.model,
        (
            "mean_gradient + kl_weight / batch",
            "mean_gradient - kl_weight / batch",
        ),
    )


def variance_for_standard_deviation(monkeypatch):
    """In the sample and in its gradient alike, so that the two agree with each other."""
    plant(
        monkeypatch,
        vae_nb.core.model,
        (
            "return mean + np.exp(0.5 * log_variance) * noise",
            "return mean + np.exp(log_variance) * noise",
        ),
        ("z_gradient * noise * (0.5 * sigma)", "z_gradient * noise * sigma**2"),
    )


def variance_for_standard_deviation_in_the_gradient_alone(monkeypatch):
    plant(
        monkeypatch,
        vae_nb.core.model,
        ("z_gradient * noise * (0.5 * sigma)", "z_gradient * noise * (0.5 * sigma**2)"),
    )


def missing_mean_over_the_batch_in_the_gradient(monkeypatch):
    plant(monkeypatch, vae_nb.core.model, ("        gradient /= batch", "        gradient /= 1"))


def missing_mean_over_the_batch_in_the_kl_gradient(monkeypatch):
    plant(
        monkeypatch,
        vae_nb.core.model,
        ("kl_weight / batch * kl_log_variance", "kl_weight * kl_log_variance"),
    )


def missing_mean_over_the_batch_in_loss_and_gradient(monkeypatch):
    plant(
        monkeypatch,
        vae_nb.core.model,
        ("float(np.mean(losses", "float(np.sum(losses"),
        ("float(np.mean(kl_divergence", "float(np.sum(kl_divergence"),
        ("        gradient /= batch", "        gradient /= 1"),
        ("kl_weight / batch * kl_mean", "kl_weight * kl_mean"),
        ("kl_weight / batch * kl_log_variance", "kl_weight * kl_log_variance"),
    )


def transposed_weight_gradient(monkeypatch):
    """Where a layer is square, no shape betrays it."""

    class TransposedDense(vae_nb.core.layers.Dense):
        @property
        def weights_gradient(self):
            gradient = super().weights_gradient
            return gradient.T if len(gradient) == gradient.shape[1] else gradient

        def gradient_blocks(self):
            blocks = super().gradient_blocks()
            if len(self.weights) != self.weights.shape[1]:
                return blocks
            (where, _), biases = blocks

            def compute(out):
                out[:] = self.weights_gradient.reshape(-1)  # transposed, as above

            return [(where, compute), biases]

    for module in (vae_nb.core.layers, vae_nb.core.model):
        monkeypatch.setattr(module, "Dense", TransposedDense)


def transposed_fold(monkeypatch):
    """Where a patch is square, no shape betrays it."""
    plant(
        monkeypatch,
        vae_nb.core.convolution,
        (
            "return cut.swapaxes(2, 3).reshape(batch, height, width, -1)",
            "return cut.transpose(0, 1, 4, 2, 3, 5).reshape(batch, height, width, -1)",
        ),
    )


def transposed_fold_of_overlapping_patches(monkeypatch):
    plant(monkeypatch, vae_nb.core.convolution, ("cut[:, :, :, i, j]", "cut[:, :, :, j, i]"))


def missing_sum_over_positions_in_the_biases_gradient(monkeypatch):
    """Only the first pixel of each image counts."""
    plant(
        monkeypatch,
        vae_nb.core.convolution,
        ("gradient.reshape(-1, self.biases.size)", "gradient[:, :self.biases.size]"),
    )


def missing_sum_over_positions_in_the_weights_gradient(monkeypatch):
    plant(
        monkeypatch,
        vae_nb.core.convolution,
        ("= read.T @ written", "= read[:1].T @ written[:1]"),
    )


def stride_off_by_one(monkeypatch):
    """As many patches as before, but too close to one another."""
    plant(
        monkeypatch,
        vae_nb.core.convolution,
        (
            "padded[:, i : i + height : strides, j",
            "padded[:, i : i + rows * (strides - 1) : strides - 1, j",
        ),
    )


def border_off_by_one(monkeypatch):
    plant(
        monkeypatch,
        vae_nb.core.convolution,
        (
            "images = padded[:, :, border : border + height, border",
            "images = padded[:, :, border - 1 : border - 1 + height, border",
        ),
    )


def forgotten_derivative_of_a_convolution(monkeypatch):
    plant(
        monkeypatch,
        vae_nb.core.convolution,
        ('if self.activation_name != "linear"', 'if self.activation_name == "cosh"'),
    )


BUGS = {
    wrong_sign_of_the_kl_gradient: {check_gradients, check_kl_gradients},
    wrong_sign_where_the_kl_gradient_is_added: {check_gradients},
    variance_for_standard_deviation: {check_moments_of_reparameterization},
    variance_for_standard_deviation_in_the_gradient_alone: {check_gradients},
    missing_mean_over_the_batch_in_the_gradient: {
        check_gradients,
        check_loss_is_a_mean_over_the_batch,
    },
    missing_mean_over_the_batch_in_the_kl_gradient: {
        check_gradients,
        check_loss_is_a_mean_over_the_batch,
    },
    missing_mean_over_the_batch_in_loss_and_gradient: {check_loss_is_a_mean_over_the_batch},
    transposed_weight_gradient: {check_gradients, check_square_dense},
    transposed_fold: {check_patches, check_patches_are_adjoint},
    transposed_fold_of_overlapping_patches: {
        check_overlapping_patches,
        check_unfold_and_fold_are_adjoint,
    },
    missing_sum_over_positions_in_the_biases_gradient: {check_patches, check_overlapping_patches},
    missing_sum_over_positions_in_the_weights_gradient: {check_patches, check_overlapping_patches},
    stride_off_by_one: {check_overlapping_patches, check_unfold_and_fold_are_adjoint},
    border_off_by_one: {check_overlapping_patches, check_unfold_and_fold_are_adjoint},
    forgotten_derivative_of_a_convolution: {check_patches, check_overlapping_patches},
}


def is_red(check):
    try:
        check()
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_caught(bug, monkeypatch):
    bug(monkeypatch)
    assert {check for check in ALL_CHECKS if is_red(check)} == BUGS[bug]


def test_without_a_bug_nothing_is_red(monkeypatch):
    plant(monkeypatch, vae_nb.core.convolution)
    plant(monkeypatch, vae_nb.core.losses)
    plant(monkeypatch, vae_nb.core.model)
    assert not any(is_red(check) for check in ALL_CHECKS)


def test_a_bug_is_gone_when_its_test_ends():
    mean = np.zeros((1, 1))
    np.testing.assert_allclose(
        vae_nb.core.model.reparameterize(mean, np.log([[4.0]]), np.ones((1, 1))), [[2]]
    )
