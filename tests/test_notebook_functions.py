"""The notebooks' functions, pulled out of them, do what `vae_nb` does, on random inputs."""

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


@every_seed
def test_05_measures(seed):
    rng = np.random.default_rng(seed)
    logits, x = 20 * rng.normal(size=(5, 40)), rng.integers(0, 5, (5, 40)) / 4  # 0 and 1 too
    mse, loss, entropy, excess = functions_of("05")["measures"](logits, x)
    np.testing.assert_allclose(mse, np.mean((vae_nb.sigmoid(logits) - x) ** 2, axis=1))
    np.testing.assert_allclose(loss, vae_nb.bernoulli_loss(logits, x))
    np.testing.assert_allclose(entropy, vae_nb.bernoulli_entropy(x))
    np.testing.assert_allclose(excess, loss - entropy)


@every_seed
@pytest.mark.parametrize("dimensions", [1, 3, 99])
def test_05_linear_autoencoder_keeps_the_principal_components_of_06(seed, dimensions):
    rng = np.random.default_rng(seed)
    train, x = rng.uniform(0.4, 0.6, (30, 8)), rng.uniform(0.45, 0.55, (4, 8))  # never clipped
    found = functions_of("05")["linear_autoencoder"](train, x, dimensions)
    axes, _ = functions_of("06")["principal_components"](train)
    mean, axes = train.mean(axis=0), axes[:dimensions]
    np.testing.assert_allclose(found, mean + (x - mean) @ axes.T @ axes, atol=1e-12)
    if dimensions > 8:
        np.testing.assert_allclose(found, x, atol=1e-12)


# --- 06 · The latent space ---


class EncodesTo:
    """A VAE that has encoded already: its pictures are their posteriors' parameters."""

    dtype = np.dtype(np.float64)

    def encode(self, x):
        return np.split(x, 2, axis=1)


class Posteriors:
    """An image set of such pictures."""

    def __init__(self, mean, log_variance):
        self.x = np.concatenate([mean, log_variance], axis=1)

    def __len__(self):
        return len(self.x)

    def as_float(self, indices, dtype):
        return self.x[indices].astype(dtype)


def posteriors(seed, images=300, latent=4):
    """Means and log-variances, one dimension of them not in use."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(images, latent)) @ rng.normal(size=(latent, latent))
    log_variance = rng.normal(size=(images, latent)) - 1
    mean[:, -1], log_variance[:, -1] = 0.05 * mean[:, -1], 0
    return mean, log_variance


@every_seed
def test_06_principal_components(seed):
    points, _ = posteriors(seed)
    axes, variances = functions_of("06")["principal_components"](points)
    covariance = np.cov(points, rowvar=False, bias=True)
    np.testing.assert_allclose(variances, np.linalg.eigvalsh(covariance)[::-1], atol=1e-12)
    np.testing.assert_allclose(axes.T @ np.diag(variances) @ axes, covariance, atol=1e-12)
    assert np.all(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1) > 0)


@every_seed
def test_06_distances(seed):
    points, _ = posteriors(seed, images=20)
    expected = vae_nb.pixel_distances(points, points)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_allclose(functions_of("06")["distances"](points), expected)


@every_seed
def test_06_rank_correlation_and_shared_neighbours(seed):
    functions = functions_of("06")
    a, b = np.random.default_rng(seed).normal(size=(2, 30))
    ranks = [[np.sum(values < value) for value in values] for values in (a, b)]
    found = functions["rank_correlation"](a, b)
    np.testing.assert_allclose(found, np.corrcoef(ranks)[0, 1])
    np.testing.assert_allclose(functions["rank_correlation"](np.exp(a), b**3), found)
    assert functions["rank_correlation"](a[:2], b[:2]) is None

    tables = [functions["distances"](posteriors(seed + k, images=20)[0]) for k in range(2)]
    near = [[set(np.argsort(row)[:5]) for row in table] for table in tables]
    share = np.mean([len(x & y) / 5 for x, y in zip(*near, strict=True)])
    np.testing.assert_allclose(functions["shared_neighbours"](*tables, 5), share)


@every_seed
def test_06_kl_and_aggregate_posterior(seed):
    functions = functions_of("06")
    mean, log_variance = posteriors(seed)
    kl = functions["kl_of"](mean, log_variance)
    expected = vae_nb.kl_divergence_per_dimension(mean, log_variance)
    np.testing.assert_allclose(kl, expected, atol=1e-12)
    image_set = Posteriors(mean, log_variance)
    np.testing.assert_allclose(kl.mean(axis=0), vae_nb.kl_per_dimension(EncodesTo(), image_set))

    found = functions["moments"](mean, log_variance)
    expected = vae_nb.aggregate_posterior(EncodesTo(), image_set)
    for by_hand, by_module in zip(found, expected, strict=True):
        np.testing.assert_allclose(by_hand, by_module, atol=1e-12)
    z = vae_nb.reparameterize(mean, log_variance, np.random.default_rng(9).normal(size=(500, 1, 4)))
    np.testing.assert_allclose(found[1], np.cov(z.reshape(-1, 4).T), rtol=0.05, atol=0.05)

    diagonal = functions["gaussian_kl"](mean[0], np.diag(np.exp(log_variance[0])))
    np.testing.assert_allclose(diagonal, vae_nb.kl_divergence(mean[:1], log_variance[:1])[0])


def test_06_active_units_by_hand():
    """What notebook 06 computes in a cell, on dimensions in use and not."""
    mean, log_variance = posteriors(0)
    mean[:, -1] = np.where(np.arange(len(mean)) % 2, 0.09, -0.09)  # a variance of 0.0081
    found = vae_nb.active_units(EncodesTo(), Posteriors(mean, log_variance))
    np.testing.assert_array_equal(found, np.var(mean, axis=0) > 0.01)
    assert found.tolist() == [True, True, True, False]


def test_06_information():
    """ln n for posteriors far apart, nothing for posteriors that are the same."""
    information = functions_of("06")["information"]
    far, same = 1000.0 * np.eye(8), np.zeros((8, 8))
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(information(far, same, rng), np.log(8))
    np.testing.assert_allclose(information(same, same, rng), 0, atol=1e-12)
    half = np.repeat(far[:2], 4, axis=0)  # two places, four pictures at each
    np.testing.assert_allclose(information(half, same, rng), np.log(2))


def test_06_tidied():
    points = np.random.default_rng(0).normal(size=(30, 2))
    grid = functions_of("06")["tidied"](points)
    assert grid.shape == (5, 5)
    assert len(set(grid.ravel())) == 25
    assert np.all(np.diff(points[grid, 1], axis=0) < 0)  # upwards
    assert np.all(points[grid[:, :-1], 0].max(axis=0) <= points[grid[:, 1:], 0].min(axis=0))


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
