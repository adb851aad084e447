"""The notebooks' functions, pulled out of them, do what `vae_nb` does, on random inputs."""

import itertools

import numpy as np
import pytest
from notebook_code import functions_of

import vae_nb

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


def some_sets(seed):
    """Training and held-out pictures, and decoded ones; two training pictures are the same."""
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 4, 4, 1), np.uint8)
    pixels[1] = pixels[0]
    names = tuple(f"picture {number}" for number in range(30))
    images = vae_nb.ImageSet(pixels, names, ("a",) * 30)
    return images.select(slice(20)), images.select(slice(20, 25)), images.as_float(slice(25, 30))


@every_seed
def test_08_distances_and_the_nearest(seed):
    functions = functions_of("08")
    train_set, validation_set, _ = some_sets(seed)
    pictures, others = validation_set.as_float(), train_set.as_float()
    expected = vae_nb.pixel_distances(others, others)
    assert expected[0, 1] == 0
    np.testing.assert_allclose(functions["distances_between"](others, others), expected)
    distance, which = functions["nearest"](pictures, others)
    direct = np.linalg.norm(pictures[:, None] - others, axis=2)
    np.testing.assert_allclose(distance, direct.min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(which, direct.argmin(axis=1))


@every_seed
def test_08_the_three_measures_of_draws(seed):
    train_set, validation_set, decoded = some_sets(seed)
    pixels = train_set.as_float()
    functions = functions_of("08", train_pixels=pixels, some_pixels=pixels)
    real_distance = np.median(functions["nearest"](validation_set.as_float(), pixels)[0])
    real_spread = functions["spread"](pixels)
    functions |= {"real_distance": real_distance, "real_spread": real_spread}
    by_hand = functions["quality"](decoded)
    by_module = vae_nb.sample_quality(decoded, train_set, validation_set)
    assert by_hand.keys() == by_module.keys()
    assert 0 < by_module["coverage"] < 1
    for key, value in by_module.items():
        np.testing.assert_allclose(by_hand[key], value)


def test_08_the_coverage_of_draws_of_one_kind():
    """Its expectation, by trying every order of two other real pictures and two samples."""
    expected_coverage = functions_of("08")["expected_coverage"]
    orders = set(itertools.permutations("rrss"))  # six, equally likely
    for neighbours in (1, 2):
        covered = np.mean(["s" in order[:neighbours] for order in orders])
        np.testing.assert_allclose(expected_coverage(3, 2, neighbours), covered)


@every_seed
def test_08_the_fitted_gaussian(seed):
    train_set, _, _ = some_sets(seed)
    config = vae_nb.load_config("config.json", {"model.latent_dim": 3}).model
    vae = vae_nb.VAE(config, train_set.image_shape, np.random.default_rng(seed), np.float64)
    by_hand = functions_of("08")["fit_gaussian"](*vae_nb.encode_set(vae, train_set))
    for part, expected in zip(by_hand, vae_nb.aggregate_posterior(vae, train_set), strict=True):
        np.testing.assert_allclose(part, expected, atol=1e-12)


@every_seed
def test_08_straight_and_spherical_paths(seed):
    functions = functions_of("08")
    a, b = np.random.default_rng(seed).normal(size=(2, 5))
    t = np.linspace(0, 1, 7)
    line, arc = functions["straight"](a, b, t), functions["spherical"](a, b, t)
    for path in (line, arc):
        np.testing.assert_allclose(path[[0, -1]], [a, b])
    np.testing.assert_allclose(np.diff(line, axis=0), np.tile((b - a) / 6, (6, 1)))
    lengths = np.linalg.norm(arc, axis=1)
    np.testing.assert_allclose(np.diff(lengths), (lengths[-1] - lengths[0]) / 6)
    units = arc / lengths[:, None]
    angles = np.arccos(np.sum(units[1:] * units[:-1], axis=1))
    np.testing.assert_allclose(angles, angles[0])  # it turns at a constant speed,
    assert np.linalg.matrix_rank(np.vstack([arc, a, b]), tol=1e-9) == 2  # and in one plane
    for end in (2 * a, -a, 0 * a):  # no turn, or no unique one
        np.testing.assert_allclose(
            functions["spherical"](a, end, t), functions["straight"](a, end, t)
        )


# --- 09 · Latent sliders ---
