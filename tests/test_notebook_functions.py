"""The notebooks' functions, pulled out of them, do what `vae_nb` does, on random inputs."""

import ast
import io
from types import SimpleNamespace

import numpy as np
import pytest
from notebook_code import SOLUTIONS, functions_of, tagged
from PIL import Image

import vae_nb
from vae_nb.explorer import png_bytes

SEEDS = range(3)

every_seed = pytest.mark.parametrize("seed", SEEDS)


# --- 01 · Load the emojis ---


# --- 02 · Build a VAE from NumPy ---


@every_seed
def test_02_reparameterization(seed):
    rng = np.random.default_rng(seed)
    mean, log_variance, noise = rng.normal(size=(3, 6, 4))
    by_hand = functions_of("02")["reparameterize"](mean, log_variance, noise)
    np.testing.assert_allclose(by_hand, vae_nb.reparameterize(mean, log_variance, noise))


# --- 03 · The loss and its gradient ---


# --- 04 · Train ---


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---


def small_vae(rng, latent_dim=3, units=9, image_shape=(6, 5, 3), dtype=np.float64):
    """One hidden layer on each side; every parameter random, the biases too."""
    layers = [{"units": units, "activation": "relu"}]
    overrides = {"model.latent_dim": latent_dim, "model.encoder_layers": layers}
    vae = vae_nb.VAE(vae_nb.load_config(None, overrides).model, image_shape, dtype=dtype)
    vae.parameters[:] = rng.normal(0, 0.5, vae.parameters.size)
    return vae


@every_seed
@pytest.mark.parametrize("channels", [1, 3])
def test_09_a_latent_vector_becomes_the_explorer_s_picture(seed, channels):
    rng = np.random.default_rng(seed)
    vae = small_vae(rng, image_shape=(6, 5, channels), dtype=np.float32)
    z = rng.standard_normal(3)
    cells = functions_of("09", run=SimpleNamespace(vae=vae))
    by_hand = Image.open(io.BytesIO(cells["as_png"](cells["decode"](z))))
    pixels = vae.decode(z[None])[0].reshape(vae.image_shape)
    by_module = Image.open(io.BytesIO(png_bytes(pixels)))
    np.testing.assert_array_equal(np.asarray(by_hand), np.asarray(by_module))


def equal_to_ten_digits(found, right):
    return np.linalg.norm(found - right) <= 1e-10 * np.linalg.norm(right)


needs_solutions = pytest.mark.skipif(
    not SOLUTIONS, reason="this copy of the project has no solutions"
)


@needs_solutions
@every_seed
def test_09_the_page_s_loss_gradients_and_training(seed):
    """The same losses and gradients, and the same parameters after steps of Adam."""
    rng = np.random.default_rng(seed)
    page = functions_of("09", SOLUTIONS)
    latent_dim, units, batch = rng.integers(2, 9, 3)
    vae = small_vae(rng, int(latent_dim), int(units))
    parameters = {name: array.copy() for name, array in vae.named_parameters().items()}
    page_adam, adam = page["Adam"](parameters), vae_nb.Adam(vae.parameters)
    for _ in range(30):
        x, noise = rng.random((batch, 90)), rng.standard_normal((batch, latent_dim))
        loss, gradients = page["loss_and_gradients"](parameters, x, noise, 1.7)
        right = vae.loss_and_gradients(x, noise, 1.7)
        assert abs(loss / right.total - 1) <= 1e-10
        assert gradients.keys() == parameters.keys()
        for name, gradient in vae.named_gradients().items():
            assert equal_to_ten_digits(gradients[name], gradient), name
        page_adam.update(gradients, 0.01)
        adam.update(vae.gradients, 0.01)
    for name, array in vae.named_parameters().items():
        assert equal_to_ten_digits(parameters[name], array), name


@needs_solutions
def test_09_the_page_is_a_page_of_numpy_alone():
    """At most 80 lines with code, and nothing imported but NumPy."""
    (path,) = [path for path in SOLUTIONS if path.name.startswith("09")]
    (source,) = [
        cell.source for cell in tagged(path, "solution") if "# Exercise 09.4" in cell.source
    ]
    page = source.split("# --- your code ---")[1].split("# --- end of your code ---")[0]
    lines = [line.strip() for line in page.splitlines()]
    assert 40 <= sum(bool(line) and not line.startswith("#") for line in lines) <= 80
    imported = [node for node in ast.walk(ast.parse(page)) if isinstance(node, ast.Import)]
    assert [alias.name for node in imported for alias in node.names] == ["numpy"]
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(ast.parse(page)))


@needs_solutions
@every_seed
def test_09_the_page_starts_with_what_the_module_needs(seed):
    page = functions_of("09", SOLUTIONS)
    rng = np.random.default_rng(seed)
    vae = small_vae(rng)
    start = page["initialize"](rng, 90, 9, 3)
    shapes = {name: array.shape for name, array in vae.named_parameters().items()}
    assert {name: array.shape for name, array in start.items()} == shapes
    np.testing.assert_array_equal(page["sigmoid"](x := rng.normal(0, 9, 50)), vae_nb.sigmoid(x))


@needs_solutions
@every_seed
def test_09_the_wrong_page_differs_from_the_right_one_in_its_variance_alone(seed):
    """Without noise the sample's width does not matter: the loss is the same."""
    rng = np.random.default_rng(seed)
    page, vae = functions_of("09", SOLUTIONS), small_vae(rng)
    x, noise = rng.random((4, 90)), rng.standard_normal((4, 3))
    right, wrong = page["loss_and_gradients"], page["variance_for_sigma"]
    parameters = vae.named_parameters()
    assert wrong(parameters, x, 0 * noise, 1)[0] == pytest.approx(
        right(parameters, x, 0 * noise, 1)[0]
    )
    assert wrong(parameters, x, noise, 1)[0] != pytest.approx(right(parameters, x, noise, 1)[0])
    gradients = wrong(parameters, x, noise, 1)[1]
    for name, array in parameters.items():  # and its gradient is that of its own loss
        numeric = vae_nb.central_differences(lambda: wrong(parameters, x, noise, 1)[0], array)
        assert vae_nb.relative_error(gradients[name].reshape(-1), numeric) <= 1e-6, name
