"""The VAE: its gradient, its sampling, its one array of parameters."""

from contextlib import nullcontext

import numpy as np
import pytest
from checks import (
    GRADIENT_BOUND,
    KINK_DISTANCE,
    check_loss_is_a_mean_over_the_batch,
    check_moments_of_reparameterization,
    check_vae_gradients,
    model_config,
    random_problem,
    small_problem,
)

import vae_nb.core.blocks
import vae_nb.core.model
from vae_nb.core.architecture import count_parameters
from vae_nb.core.blocks import worker_threads
from vae_nb.core.gradient_checking import central_differences, gradient_check, relative_error
from vae_nb.core.layers import ACTIVATIONS
from vae_nb.core.losses import bernoulli_loss, kl_divergence
from vae_nb.core.model import LOG_VARIANCE_BOUND, VAE, reparameterize
from vae_nb.system.errors import ConfigError, ModelError

NETWORKS = {
    **{name: ([(5, name), (4, name)], [(4, name), (5, name)]) for name in ACTIVATIONS},
    "cosh": ([(5, "cosh")], [(5, "cosh")]),  # two in a row grow as the exponential of one
    "as the default's": (
        [(6, "relu"), (5, "relu"), (4, "relu")],
        [(4, "relu"), (5, "relu"), (6, "cosh")],
    ),
    "every activation": (
        [(4, "relu"), (4, "tanh"), (4, "cosh")],
        [(4, "sigmoid"), (4, "softplus"), (4, "linear")],
    ),
}
PATCHES = [(3, 2, 2, "silu"), (4, 2, 2, "tanh")]
CONVOLUTIONAL = {  # encoder, decoder, the size of the output's kernel
    "patches": (PATCHES, PATCHES[::-1], 1),
    "patches, then 3×3": (PATCHES, PATCHES[::-1], 3),
    "overlapping patches": ([(3, 4, 2, "tanh")], [(2, 3, 1, "tanh"), (3, 4, 2, "silu")], 1),
    "units between": ([*PATCHES, (5, "tanh")], [(5, "tanh"), *PATCHES[::-1]], 3),
    "a dense decoder": (PATCHES, [(5, "tanh")], 1),
    "a dense encoder": ([(5, "tanh")], PATCHES, 1),
}


def convolutional_problem(network, **arguments):
    encoder, decoder, output_kernel_size = CONVOLUTIONAL[network]
    return random_problem(
        *(encoder, decoder, 2, (4, 8, 3)), output_kernel_size=output_kernel_size, **arguments
    )


@pytest.mark.parametrize("kl_weight", [0, 1, 4])
@pytest.mark.parametrize("network", NETWORKS)
def test_gradient_of_the_whole_loss(network, kl_weight):
    vae, x, noise = random_problem(*NETWORKS[network])
    assert all(np.all(array != 0) for array in vae.named_parameters().values())
    check_vae_gradients(vae, x, noise, kl_weight)


@pytest.mark.parametrize("network", CONVOLUTIONAL)
def test_gradient_of_the_whole_loss_of_a_convolutional_model(network):
    vae, x, noise = convolutional_problem(network)
    assert all(np.all(array != 0) for array in vae.named_parameters().values())
    check_vae_gradients(vae, x, noise, 4.0)


def shuffled_loss(vae, x, noise):
    """Return the losses of a model, and of the same one on pixels and weights in another order."""
    loss = vae.loss(x, noise)
    *image, channels = vae.image_shape
    order = np.random.default_rng(3).permutation(np.prod(image))
    order = (order[:, None] * channels + np.arange(channels)).ravel()  # of all numbers
    output = vae.decoder[-1]
    if len(vae.encoder[0].weights) == len(order):
        vae.encoder[0].weights[:] = vae.encoder[0].weights[order]
        output.weights[:] = output.weights[:, order]
    output.biases[:] = output.biases[order]
    vae.mean_image[:] = vae.mean_image[order]
    return loss, vae.loss(x[:, order], noise)


def test_a_dense_model_does_not_notice_that_pixels_are_shuffled():
    """Its weights can be shuffled along: as a function of pixels, it is the same model."""
    loss, shuffled = shuffled_loss(*random_problem(*NETWORKS["tanh"], image_shape=(4, 8, 3)))
    np.testing.assert_allclose(shuffled, loss, rtol=1e-12)


def test_a_convolution_notices_that_pixels_are_shuffled():
    """It has one weight for the same place of all patches: there is nothing to shuffle along."""
    loss, shuffled = shuffled_loss(*convolutional_problem("patches"))
    assert abs(shuffled.total - loss.total) > 1e-3 * abs(loss.total)


@pytest.mark.parametrize(("latent_dim", "batch"), [(1, 1), (1, 3), (5, 1), (3, 8)])
def test_gradient_at_any_latent_dimension_and_batch_size(latent_dim, batch):
    check_vae_gradients(*random_problem([(5, "tanh")], [(3, "cosh")], latent_dim, batch=batch))


def test_gradient_check_at_sampled_positions_agrees_with_the_whole():
    vae, x, noise = small_problem()
    errors = gradient_check(vae, x, noise, samples=3, rng=np.random.default_rng(0))
    assert max(errors.values()) <= GRADIENT_BOUND


def test_gradient_check_leaves_the_parameters_and_sees_one_wrong_element():
    vae, x, noise = small_problem()
    before = vae.parameters.copy()
    gradient_check(vae, x, noise)
    np.testing.assert_array_equal(vae.parameters, before)

    def wrong(*arguments):
        loss = VAE.loss_and_gradients(vae, *arguments)
        _, write = vae.gradient_blocks[0]

        def write_wrong(out):
            write(out)
            out[0] *= 1.001

        vae.gradient_blocks[0] = (vae.gradient_blocks[0][0], write_wrong)
        return loss

    vae.loss_and_gradients = wrong
    errors = gradient_check(vae, x, noise)
    assert [name for name, error in errors.items() if error > GRADIENT_BOUND] == [
        "encoder_1.weights"
    ]


def test_gradient_check_refuses_float32():
    vae = VAE(model_config([(3, "tanh")], [(3, "tanh")]), (2, 2, 1), np.random.default_rng(0))
    with pytest.raises(ValueError, match="float64, not float32"):
        gradient_check(vae, np.ones((1, 4)), np.ones((1, 2)))


def test_a_central_difference_over_a_kink_is_no_gradient():
    """Why the checks keep their distance from relu's zero: there the error is not the code's."""
    vae, x, noise = small_problem("relu")
    layer = vae.layers["encoder_1"]
    row, column = np.unravel_index(np.argmin(layer.pre_activation), layer.pre_activation.shape)
    layer.biases[column] -= layer.pre_activation[row, column] - 1e-7
    vae.loss(x, noise)
    assert np.min(np.abs(layer.pre_activation)) < KINK_DISTANCE
    assert max(gradient_check(vae, x, noise).values()) > GRADIENT_BOUND


def test_relative_error_by_hand():
    assert relative_error(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0
    assert relative_error(np.array([3.0, 4.0]), np.array([-3.0, -4.0])) == 1
    assert relative_error(np.array([3.0, 0.0]), np.array([0.0, 4.0])) == 5 / 7
    assert relative_error(np.zeros(2), np.zeros(2)) == 0


def test_central_differences_by_hand():
    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    differences = central_differences(lambda: np.sum(array**3), array, [3, 0])
    np.testing.assert_allclose(differences, [48, 3], rtol=1e-8)


def test_moments_of_the_reparameterized_sample():
    check_moments_of_reparameterization()


def test_without_noise_the_sample_is_the_mean():
    mean = np.array([[1.0, -2.0]])
    np.testing.assert_array_equal(reparameterize(mean, np.ones((1, 2)), np.zeros((1, 2))), mean)


def test_loss_is_a_mean_over_the_batch():
    check_loss_is_a_mean_over_the_batch()


def test_loss_is_put_together_from_its_parts():
    vae, x, noise = small_problem()
    mean, log_variance = vae.encode(x)
    z = mean + np.sqrt(np.exp(log_variance)) * noise
    reconstruction = np.mean(bernoulli_loss(vae.decode_logits(z), x))
    kl = np.mean(kl_divergence(mean, log_variance))
    for loss in (vae.loss(x, noise, 3.0), vae.loss_and_gradients(x, noise, 3.0)):
        np.testing.assert_allclose(loss, (reconstruction + 3 * kl, reconstruction, kl), rtol=1e-12)
    p = vae.decode(z)
    np.testing.assert_allclose(
        -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p)) / len(x), reconstruction, rtol=1e-10
    )
    np.testing.assert_array_equal(vae.reconstruct(x), vae.decode(mean))


def test_encoder_and_decoder_are_the_chain_of_their_layers():
    vae, x, _ = random_problem([(5, "relu"), (4, "tanh")], [(3, "cosh")])
    p = vae.named_parameters()
    hidden = x - vae.mean_image
    hidden = np.maximum(hidden @ p["encoder_1.weights"] + p["encoder_1.biases"], 0)
    hidden = np.tanh(hidden @ p["encoder_2.weights"] + p["encoder_2.biases"])
    mean, log_variance = vae.encode(x)
    np.testing.assert_allclose(mean, hidden @ p["mean.weights"] + p["mean.biases"])
    np.testing.assert_allclose(
        log_variance, hidden @ p["log_variance.weights"] + p["log_variance.biases"]
    )
    hidden = np.cosh(mean @ p["decoder_1.weights"] + p["decoder_1.biases"])
    logits = hidden @ p["output.weights"] + p["output.biases"]
    np.testing.assert_allclose(vae.decode_logits(mean), logits)
    np.testing.assert_allclose(vae.decode(mean), 1 / (1 + np.exp(-logits)))


def test_all_parameters_are_one_array_without_gap_or_overlap():
    config = model_config([(5, "relu"), (4, "tanh")], [(3, "cosh")])
    vae = VAE(config, (2, 3, 1), np.random.default_rng(0))
    whole, named = vae.parameters, vae.named_parameters()
    assert whole.flags.c_contiguous
    assert whole.shape == (count_parameters(config, (2, 3, 1)),)
    whole[:] = 0
    for view in named.values():
        assert np.shares_memory(view, whole)
        view[:] += 1
    np.testing.assert_array_equal(whole, 1)  # each element is in exactly one view
    for name, layer in vae.layers.items():
        inputs, units = layer.weights.shape
        longer_side_first = layer.weights if inputs >= units else layer.weights.T
        assert longer_side_first.flags.c_contiguous
        for part in ("weights", "biases"):
            array, view = getattr(layer, part), named[f"{name}.{part}"]
            assert (array.shape, array.ctypes.data) == (view.shape, view.ctypes.data)
    vae.loss_and_gradients(np.full((1, 6), 0.5), np.ones((1, 2)))
    shapes = {name: array.shape for name, array in vae.named_parameters().items()}
    assert shapes == {name: array.shape for name, array in vae.named_gradients().items()}
    assert shapes == {
        "encoder_1.weights": (6, 5),
        "encoder_1.biases": (5,),
        "encoder_2.weights": (5, 4),
        "encoder_2.biases": (4,),
        "mean.weights": (4, 2),
        "mean.biases": (2,),
        "log_variance.weights": (4, 2),
        "log_variance.biases": (2,),
        "decoder_1.weights": (2, 3),
        "decoder_1.biases": (3,),
        "output.weights": (3, 6),
        "output.biases": (6,),
    }


def test_the_parameters_of_a_convolutional_model():
    vae, x, noise = convolutional_problem("patches, then 3×3")
    assert {name: array.shape for name, array in vae.named_parameters().items()} == {
        "encoder_1.weights": (2 * 2 * 3, 3),
        "encoder_1.biases": (3,),
        "encoder_2.weights": (2 * 2 * 3, 4),
        "encoder_2.biases": (4,),
        "mean.weights": (1 * 2 * 4, 2),
        "mean.biases": (2,),
        "log_variance.weights": (1 * 2 * 4, 2),
        "log_variance.biases": (2,),
        "decoder_image.weights": (2, 1 * 2 * 4),
        "decoder_image.biases": (1 * 2 * 4,),
        "decoder_1.weights": (4, 2 * 2 * 4),
        "decoder_1.biases": (4,),
        "decoder_2.weights": (4, 2 * 2 * 3),
        "decoder_2.biases": (3,),
        "output.weights": (3, 3 * 3 * 3),
        "output.biases": (4 * 8 * 3,),
    }
    assert vae.parameters.size == count_parameters(vae.config, vae.image_shape)
    assert len(vae.decoder) == 4
    vae.loss_and_gradients(x, noise)
    where = [where for where, _ in vae.gradient_blocks]
    assert [part.start for part in where] == [0, *(part.stop for part in where[:-1])]
    assert where[-1].stop == vae.parameters.size
    for name, gradient in vae.named_gradients().items():
        layer, _, part = name.partition(".")
        formula = getattr(vae.layers[layer], f"{part}_gradient")
        np.testing.assert_allclose(gradient, formula, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(vae.gradient_norm(), np.linalg.norm(vae.gradients), rtol=1e-13)


@pytest.mark.parametrize("network", ["patches, then 3×3", "units between"])
def test_an_untrained_convolutional_model_shows_the_mean_image(network):
    config = convolutional_problem(network)[0].config
    vae = VAE(config, (16, 16, 3), np.random.default_rng(0))
    mean_image = np.random.default_rng(1).uniform(0.05, 0.95, 16 * 16 * 3)
    vae.center_on(mean_image)
    images = vae.decode(np.random.default_rng(2).standard_normal((50, 2)))
    assert np.median(np.abs(images - mean_image)) < 0.03
    assert np.min(images.std(axis=0)) > 1e-4


def test_layers_that_do_not_fit_are_refused_in_a_sentence():
    config = convolutional_problem("patches")[0].config
    with pytest.raises(ConfigError, match=r"^model.encoder_layers\[1\].strides is 2; .*, 3×5.$"):
        VAE(config, (6, 10, 3))


def test_an_untrained_model_shows_the_clipped_mean_image():
    vae = VAE(model_config([(5, "relu")], [(4, "cosh")]), (2, 2, 1), None, np.float64)
    mean_image = np.array([0.0, 0.3, 0.999, 1.0])
    vae.center_on(mean_image)
    image = [0.01, 0.3, 0.99, 0.99]
    np.testing.assert_allclose(vae.decode([[1.5, -2.0]]), [image], rtol=1e-12)
    np.testing.assert_array_equal(vae.mean_image, mean_image)
    vae.layers["encoder_1"].weights[:] = 1
    vae.encode(mean_image[None])
    np.testing.assert_array_equal(vae.layers["encoder_1"].x, np.zeros((1, 4)))


@pytest.mark.parametrize("activation", ["relu", "cosh"])
def test_an_untrained_model_shows_about_the_mean_image_and_listens_to_z(activation):
    layers = [(40, "relu"), (60, activation)]
    vae = VAE(model_config(layers, layers), (8, 8, 1), np.random.default_rng(0))
    mean_image = np.random.default_rng(1).uniform(0.05, 0.95, 64)
    vae.center_on(mean_image)
    images = vae.decode(np.random.default_rng(2).standard_normal((50, 2)))
    assert np.median(np.abs(images - mean_image)) < 0.03
    assert np.min(images.std(axis=0)) > 1e-4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("huge", [-1e4, 1e4, -1e30, 1e30])
def test_a_huge_log_variance_does_not_overflow(huge, dtype):
    config = model_config([(3, "tanh")], [(3, "tanh")])
    vae = VAE(config, (2, 2, 1), np.random.default_rng(0), dtype)
    vae.log_variance_head.biases[:] = huge
    x, noise = np.ones((3, 4)), np.ones((3, 2))
    loss = vae.loss_and_gradients(x, noise)
    assert np.all(np.isfinite(loss))
    assert np.all(np.isfinite(vae.gradients))
    np.testing.assert_array_equal(vae.encode(x)[1], np.sign(huge) * LOG_VARIANCE_BOUND)
    np.testing.assert_array_equal(vae.log_variance_head.weights_gradient, 0)
    np.testing.assert_array_equal(vae.log_variance_head.biases_gradient, 0)


@pytest.mark.parametrize("bound_side", [-1, 1])
def test_gradient_on_either_side_of_the_log_variance_bound(bound_side, monkeypatch):
    # At 30 nats exp(30) drowns all else in rounding; the same code bounded at 1.
    monkeypatch.setattr(vae_nb.core.model, "LOG_VARIANCE_BOUND", 1.0)
    vae, x, noise = small_problem()
    vae.log_variance_head.weights[:] *= 1e-3
    vae.log_variance_head.biases[:] = bound_side * np.array([0.9, 1.1])  # inside, outside
    check_vae_gradients(vae, x, noise)
    gradient = vae.log_variance_head.biases_gradient
    assert gradient[0] != 0
    assert gradient[1] == 0


@pytest.mark.parametrize("block", [1, 7, 20, 10**6])
def test_the_gradient_in_blocks_is_that_of_the_layers(block, monkeypatch):
    """Blocks of any size, in one thread or several, are what a layer's own formula gives."""
    expected, x, noise = small_problem()
    loss = expected.loss_and_gradients(x, noise, 3.0)
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", block)
    monkeypatch.setattr(vae_nb.core.blocks, "blas_libraries", lambda: [{"num_threads": 3}])
    for threads in (nullcontext, worker_threads):
        vae, x, noise = small_problem()
        with threads():
            np.testing.assert_allclose(vae.loss_and_gradients(x, noise, 3.0), loss, rtol=1e-13)
            where = [where for where, _ in vae.gradient_blocks]
            assert [part.start for part in where] == [0, *(part.stop for part in where[:-1])]
            assert where[-1].stop == vae.parameters.size
            assert relative_error(vae.gradients, expected.gradients) < 1e-13
            for name, gradient in vae.named_gradients().items():
                layer, _, part = name.partition(".")
                formula = getattr(vae.layers[layer], f"{part}_gradient")
                np.testing.assert_allclose(gradient, formula, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_gradients_norm_is_known_without_the_gradient(dtype):
    vae, x, noise = random_problem([(9, "tanh"), (4, "relu")], [(4, "cosh"), (7, "tanh")], batch=6)
    twin = VAE(vae.config, vae.image_shape, dtype=dtype)
    twin.parameters[:] = vae.parameters
    twin.loss_and_gradients(x, noise, 2.0)
    norm = np.linalg.norm(twin.gradients)
    rtol = 1e-13 if dtype == np.float64 else 1e-6
    np.testing.assert_allclose(twin.gradient_norm(), norm, rtol=rtol)
    before = twin.gradients
    twin.scale_gradients(0.25)
    np.testing.assert_array_equal(twin.gradients, 0.25 * before)
    np.testing.assert_allclose(twin.gradient_norm(), 0.25 * norm, rtol=rtol)


def test_a_norm_that_cancels_is_no_error():
    """The images of a batch pull against one another: rounding leaves a sum of squares below 0."""
    vae = VAE(model_config([(8, "relu")], [(8, "relu")]), (6, 6, 1), dtype=np.float32)
    for seed in range(30):
        x = np.random.default_rng(seed).random((24, 36), np.float32)
        vae.center_on(x.mean(axis=0))
        vae.loss_and_gradients(x, np.zeros((24, 2), np.float32))
        assert 0 <= vae.gradient_norm() < 1e-2
    vae.layers["output"].biases[0] = np.nan
    vae.loss_and_gradients(x, np.zeros((24, 2), np.float32))
    assert np.isnan(vae.gradient_norm())  # what is no number is not taken for 0


@pytest.mark.parametrize("scalar", [np.float64, float, np.float32])
def test_no_scalar_changes_the_dtype(scalar):
    vae = VAE(model_config([(5, "relu")], [(4, "cosh")]), (2, 2, 1), np.random.default_rng(0))
    vae.loss_and_gradients(np.ones((3, 4)), np.zeros((3, 2)), scalar(2))
    vae.scale_gradients(scalar(0.5))
    for layer in vae.layers.values():
        assert layer.weights_gradient.dtype == layer.biases_gradient.dtype == np.float32


def test_gradients_stay_those_of_their_loss_whatever_is_computed_after():
    vae, x, noise = small_problem()
    vae.loss_and_gradients(x, noise)
    before = vae.gradients
    vae.loss(x[:2] + 1, noise[:2])
    vae.decode(noise)
    np.testing.assert_array_equal(vae.gradients, before)


@pytest.mark.parametrize("decoder", [[(4, "cosh")], [(4, 2, 2, "silu")]])
def test_reordering_the_latent_dimensions_changes_nothing_else(decoder):
    vae, x, noise = random_problem([(5, "tanh")], decoder, latent_dim=4, image_shape=(4, 2, 1))
    order = np.array([2, 0, 3, 1])
    mean, log_variance = vae.encode(x)
    images, loss = vae.decode(mean), vae.loss(x, noise, 4.0)
    vae.reorder_latent(order)
    new_mean, new_log_variance = vae.encode(x)
    np.testing.assert_allclose(new_mean, mean[:, order], rtol=1e-13)
    np.testing.assert_allclose(new_log_variance, log_variance[:, order], rtol=1e-13)
    np.testing.assert_allclose(vae.decode(mean[:, order]), images, rtol=1e-12)
    np.testing.assert_allclose(vae.loss(x, noise[:, order], 4.0), loss, rtol=1e-12)


def test_float32_stays_float32_though_images_and_noise_are_not():
    vae = VAE(model_config([(5, "relu")], [(4, "cosh")]), (2, 2, 1), np.random.default_rng(0))
    x, noise = np.random.default_rng(0).random((3, 4)), np.zeros((3, 2))
    loss = vae.loss_and_gradients(x, noise)
    assert vae.dtype == vae.parameters.dtype == vae.gradients.dtype == np.float32
    for layer in vae.layers.values():
        for array in (layer.x, layer.pre_activation, layer.output, layer.weights_gradient):
            assert array.dtype == np.float32
    for array in (*vae.encode(x), vae.decode(noise), vae.reconstruct(x), vae.mean_image):
        assert array.dtype == np.float32
    assert all(type(value) is float for value in loss)
    np.testing.assert_allclose(loss, vae.loss(x.astype(np.float32), noise), rtol=1e-5)


def test_many_images_are_decoded_some_at_a_time(monkeypatch):
    vae, _, _ = convolutional_problem("patches, then 3×3")
    z = np.random.default_rng(0).standard_normal((5, 2))
    images = vae.decode(z)
    outputs = sum(layer.output.shape[1] for layer in vae.decoder)
    monkeypatch.setattr(vae_nb.core.model, "OUTPUTS_AT_A_TIME", 4 * outputs)
    few, _, _ = convolutional_problem("patches, then 3×3")
    assert 1 <= few.images_at_a_time < 4
    np.testing.assert_allclose(few.decode(z), images, rtol=1e-13)
    assert len(few.decoder[0].output) < 5  # the last ones alone are remembered


def test_lists_are_taken():
    vae, x, noise = small_problem()
    np.testing.assert_array_equal(
        vae.decode([[0, 1], [2, 3]]), vae.decode(np.array([[0, 1], [2, 3]]))
    )
    np.testing.assert_array_equal(vae.encode(x.tolist()), vae.encode(x))
    assert vae.loss(x.tolist(), noise.tolist()) == vae.loss(x, noise)
    assert vae.loss_and_gradients(x.tolist(), noise.tolist()) == vae.loss(x, noise)


def test_parameters_are_counted_without_making_them():
    n = 65536
    config = model_config([(n, "relu"), (n, "relu")], [(7, "relu")])
    expected = 13 * n + (n + 1) * n + 2 * (n + 1) * 2 + 3 * 7 + 8 * 12
    assert count_parameters(config, (2, 2, 3)) == expected


def test_a_model_too_large_for_the_memory_is_refused_in_a_sentence():
    layers = [(65536, "relu")] * 32  # 533 GB
    with pytest.raises(ModelError, match=r"has 133,\d{3},.* parameters: too many"):
        VAE(model_config(layers, layers[:1]), (2, 2, 1), np.random.default_rng(0))
