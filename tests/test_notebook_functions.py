"""The notebooks' functions, pulled out of them, do what `vae_nb` does, on random inputs."""

import ast

import numpy as np
import pytest
from checks import random_problem
from notebook_code import NOTEBOOKS, functions_of, read
from PIL import Image

import vae_nb
from vae_nb.config import LayerConfig, ModelConfig
from vae_nb.model import layer_shapes

SEEDS = range(3)

every_seed = pytest.mark.parametrize("seed", SEEDS)


# --- 01 · Load the emojis ---


def saved_and_loaded(picture, folder, height, width, channels):
    """What `vae_nb.load_images` makes of a picture."""
    Image.fromarray(picture).save(folder / "picture.png")
    data = {"input_dir": str(folder), "input_size": [height, width], "channels": channels}
    overrides = {f"data.{key}": value for key, value in data.items()}
    return vae_nb.load_images(vae_nb.load_config("config.json", overrides).data).pixels[0]


def random_image_set(rng, count=60):
    pixels = rng.integers(0, 256, (count, 4, 3, 1), dtype=np.uint8)
    labels = tuple(rng.choice(["a", "b", "c/d", "e"], count, p=[0.6, 0.3, 0.08, 0.02]).tolist())
    return vae_nb.ImageSet(pixels, tuple(map(str, range(count))), labels)


@every_seed
@pytest.mark.parametrize("channels", [1, 3])
def test_01_a_picture_by_hand(seed, channels, tmp_path):
    rng = np.random.default_rng(seed)
    by_hand = functions_of("01")
    for _ in range(5):
        height, width, *shape = (int(size) for size in rng.integers([4, 4, 1, 1], 70))
        rgba = rng.integers(0, 256, (*shape, 4), dtype=np.uint8)
        fitted = by_hand["fit"](by_hand["on_white"](rgba), height, width, channels)
        loaded = saved_and_loaded(rgba, tmp_path, height, width, channels)
        np.testing.assert_array_equal(fitted, loaded)


def test_01_every_colour_at_every_opacity(tmp_path):
    rgba = np.zeros((256, 256, 4), np.uint8)
    rgba[..., :3] = np.arange(256)[:, None, None]
    rgba[..., 3] = np.arange(256)
    loaded = saved_and_loaded(rgba, tmp_path, 256, 256, 3)
    np.testing.assert_array_equal(functions_of("01")["on_white"](rgba), loaded)


@every_seed
@pytest.mark.parametrize("share", [0.01, 0.2, 0.37, 0.99])
def test_01_split(seed, share):
    image_set = random_image_set(np.random.default_rng(seed))
    train, held_out = functions_of("01")["split_by_hand"](image_set, share, seed)
    train_set, validation_set = image_set.split(share, seed)
    assert train_set.names == tuple(map(str, train))
    assert validation_set.names == tuple(map(str, held_out))


@every_seed
@pytest.mark.parametrize("batch_size", [1, 7, 60, 100])
def test_01_batches(seed, batch_size):
    image_set = random_image_set(np.random.default_rng(seed))
    by_hand = functions_of("01")["batches_by_hand"]
    mine = list(by_hand(image_set, batch_size, np.random.default_rng(seed)))
    theirs = list(image_set.batches(batch_size, np.random.default_rng(seed)))
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


# --- 02 · Build a VAE from NumPy ---


def activations_of_02():
    """The table `activations` of notebook 02: an assignment, made of the notebook's functions."""
    (path,) = [path for path in NOTEBOOKS if path.name.startswith("02")]
    (table,) = [
        node.value
        for cell in read(path).cells
        if cell.cell_type == "code"
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) == "activations"
    ]
    return eval(compile(ast.Expression(table), path.name, "eval"), functions_of("02"))


@every_seed
def test_02_activations(seed):
    a = np.random.default_rng(seed).normal(0, 5, (6, 4))
    by_hand = activations_of_02()
    assert by_hand.keys() == vae_nb.ACTIVATIONS.keys()
    for name, (function, derivative) in by_hand.items():
        theirs = vae_nb.ACTIVATIONS[name]
        np.testing.assert_allclose(function(a), theirs.function(a), err_msg=name)
        slope = theirs.derivative(a, theirs.function(a))
        np.testing.assert_allclose(derivative(a), slope, rtol=1e-6, atol=1e-12, err_msg=name)


@every_seed
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_02_sigmoid_and_softplus(seed, dtype):
    x = np.random.default_rng(seed).normal(0, 100, (6, 4)).astype(dtype)  # far out, too
    for name in ("sigmoid", "softplus"):
        by_hand, expected = functions_of("02")[name](x), getattr(vae_nb, name)(x)
        assert by_hand.dtype == expected.dtype
        np.testing.assert_array_equal(by_hand, expected, err_msg=name)


@every_seed
@pytest.mark.parametrize("name", vae_nb.ACTIVATIONS)
def test_02_dense_layer(seed, name):
    rng = np.random.default_rng(seed)
    shapes = [(7, 5), (5, 3), (3,), (7, 3)]
    x, weights, biases, output_gradient = (rng.normal(size=shape) for shape in shapes)
    function, derivative = activations_of_02()[name]
    by_hand = functions_of("02")
    layer = vae_nb.Dense(weights, biases, name)
    pre_activation, output = by_hand["dense_forward"](x, weights, biases, function)
    np.testing.assert_allclose(output, layer.forward(x), rtol=1e-12)
    np.testing.assert_allclose(pre_activation, layer.pre_activation, rtol=1e-12)
    found = by_hand["dense_backward"](x, weights, pre_activation, output_gradient, derivative)
    x_gradient = layer.backward(output_gradient)
    expected = layer.weights_gradient, layer.biases_gradient, x_gradient
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@every_seed
def test_02_encoder_and_decoder(seed):
    """Every activation, biases that are not zero, and log-variances beyond their bound."""
    rng = np.random.default_rng(seed)
    layers = tuple(LayerConfig(5, name) for name in vae_nb.ACTIVATIONS)
    model = ModelConfig(latent_dim=3, encoder_layers=layers, decoder_layers=layers[::-1])
    vae = vae_nb.VAE(model, (4, 3, 2), rng, np.float64)
    vae.center_on(rng.random(24))
    vae.parameters += rng.normal(0, 0.1, vae.parameters.shape)
    parameters = vae.named_parameters()
    parameters["log_variance.biases"][:] = [-40, 0.3, 40]
    by_hand = functions_of(
        "02", shapes=layer_shapes(model, (4, 3, 2)), activations=activations_of_02()
    )
    x, z = rng.random((6, 24)), rng.normal(size=(6, 3))
    mean, log_variance = by_hand["encode"](x, parameters, vae.mean_image)
    assert log_variance.min() == -30
    assert log_variance.max() == 30
    for ours, theirs in zip((mean, log_variance), vae.encode(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    logits = by_hand["decode_logits"](z, parameters)
    np.testing.assert_allclose(logits, vae.decode_logits(z), rtol=1e-9, atol=1e-12)


@every_seed
def test_02_reparameterization(seed):
    rng = np.random.default_rng(seed)
    mean, log_variance, noise = rng.normal(size=(3, 6, 4))
    by_hand = functions_of("02")["reparameterize"](mean, log_variance, noise)
    np.testing.assert_allclose(by_hand, vae_nb.reparameterize(mean, log_variance, noise))


# --- 03 · The loss and its gradient ---


@every_seed
def test_03_terms_of_the_loss(seed):
    by_hand = functions_of("03")
    rng = np.random.default_rng(seed)
    logits, x = rng.normal(0, 4, (5, 12)), rng.random((5, 12)).round(1)  # 0 and 1, too
    for name in ("sigmoid", "softplus"):
        np.testing.assert_allclose(by_hand[name](logits), getattr(vae_nb, name)(logits))
    expected = vae_nb.bernoulli_loss(logits, x)
    np.testing.assert_allclose(by_hand["loss_from_logits"](logits, x).sum(axis=1), expected)
    np.testing.assert_allclose(
        by_hand["bernoulli_from_probabilities"](vae_nb.sigmoid(logits), x).sum(axis=1), expected
    )
    np.testing.assert_allclose(by_hand["entropy"](x), vae_nb.bernoulli_entropy(x))
    mean, log_variance = rng.normal(size=(2, 5, 3))
    np.testing.assert_allclose(
        by_hand["kl_divergence"](mean, log_variance), vae_nb.kl_divergence(mean, log_variance)
    )


def test_03_activations_are_those_of_the_module():
    a = np.random.default_rng(0).normal(0, 2, (4, 5))
    for name, theirs in vae_nb.ACTIVATIONS.items():
        value, derivative = functions_of("03")["activation"](name, a)
        np.testing.assert_allclose(value, theirs.function(a), atol=1e-15)
        np.testing.assert_allclose(derivative, theirs.derivative(a, theirs.function(a)), atol=1e-15)


@every_seed
def test_03_judges(seed):
    by_hand = functions_of("03")
    array, other = np.random.default_rng(seed).normal(size=(2, 3, 4))

    def function():
        return np.sum(np.sin(array) * other)

    numeric = by_hand["central_differences"](function, array)
    np.testing.assert_array_equal(numeric.reshape(-1), vae_nb.central_differences(function, array))
    error = by_hand["relative_error"](array, other)
    np.testing.assert_allclose(error, vae_nb.relative_error(array, other))


@every_seed
@pytest.mark.parametrize("activation", sorted(vae_nb.ACTIVATIONS))
def test_03_loss_and_every_gradient(seed, activation):
    """In float64, biases not zero, one log-variance outside the bound."""
    bound = vae_nb.model.LOG_VARIANCE_BOUND
    by_hand = functions_of("03", LOG_VARIANCE_BOUND=bound)["loss_and_gradients"]
    layers, latent = [(4, activation), (4, "tanh")], 3
    vae, x, noise = random_problem(layers, layers, latent, seed=seed)
    for outside in (False, True):
        if outside:
            vae.log_variance_head.weights[:, 0] = 0
            vae.log_variance_head.biases[0] = -bound - 1
        loss, z, gradients = by_hand(vae, x, noise, 0.7)
        np.testing.assert_allclose(loss, vae.loss_and_gradients(x, noise, 0.7).total)
        np.testing.assert_allclose(z, vae_nb.reparameterize(*vae.encode(x), noise))
        theirs = vae.named_gradients()
        assert gradients.keys() == theirs.keys()
        for name, gradient in theirs.items():
            np.testing.assert_allclose(
                gradients[name], gradient, rtol=1e-9, atol=1e-12, err_msg=name
            )


# --- 04 · Train ---


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
