"""What is reported of a model, against its definition written out image by image."""

import numpy as np
import pytest
from checks import model_config

import vae_nb.core.metrics
from vae_nb.core.losses import kl_divergence
from vae_nb.core.metrics import (
    SAMPLES,
    active_units,
    aggregate_posterior,
    encode_set,
    evaluate,
    kl_per_dimension,
    negative_elbo,
    pixel_distances,
    reconstruction_quality,
    sample_quality,
)
from vae_nb.core.model import VAE
from vae_nb.data.config import TrainingConfig
from vae_nb.data.image_set import ImageSet
from vae_nb.sweeps.results import flat

SHAPE = (3, 2, 1)


def image_set(count, seed=0, shape=SHAPE):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)
    return of_pixels(pixels)


def of_pixels(pixels):
    names = tuple(f"image_{number}" for number in range(len(pixels)))
    return ImageSet(pixels, names, ("all",) * len(pixels))


@pytest.fixture
def vae():
    rng = np.random.default_rng(0)
    vae = VAE(model_config([(5, "tanh")], [(4, "cosh")], 3), SHAPE, rng, np.float64)
    vae.parameters += rng.normal(scale=0.2, size=vae.parameters.size)
    vae.mean_image[:] = 0.5
    return vae


def training(seed):
    return TrainingConfig(seed=seed, kl_weight=2)


def each_image(images):
    for pixels in images.pixels:
        yield pixels.reshape(1, -1) / 255


def distance(a, b):
    return np.sqrt(np.sum((a - b) ** 2))


def test_encode_set_encodes_each_image(vae):
    images = image_set(7)
    mean, log_variance = encode_set(vae, images)
    one_by_one = [vae.encode(x) for x in each_image(images)]
    np.testing.assert_allclose(mean, [m[0] for m, _ in one_by_one])
    np.testing.assert_allclose(log_variance, [v[0] for _, v in one_by_one])


def test_negative_elbo_is_the_mean_loss_of_each_image(vae):
    images = image_set(7)
    noise = np.random.default_rng(1).standard_normal((7, 3))
    losses = [vae.loss(x, noise[[row]], 1.0) for row, x in enumerate(each_image(images))]
    reconstruction, kl = negative_elbo(vae, images, noise)
    np.testing.assert_allclose(reconstruction, np.mean([loss.reconstruction for loss in losses]))
    np.testing.assert_allclose(kl, np.mean([loss.kl for loss in losses]))


def test_reconstruction_quality_is_that_of_the_posterior_mean(vae):
    images = image_set(7)
    excess, squares = [], []
    for x in each_image(images):
        p = vae.decode(vae.encode(x)[0])
        cross_entropy = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p))
        inside = x[(x > 0) & (x < 1)]
        entropy = -np.sum(inside * np.log(inside) + (1 - inside) * np.log(1 - inside))
        excess.append(cross_entropy - entropy)
        squares.append(np.mean((p - x) ** 2))
    quality = reconstruction_quality(vae, images)
    np.testing.assert_allclose(quality["excess"], np.mean(excess))
    np.testing.assert_allclose(quality["mse"], np.mean(squares))


def test_a_perfect_reconstruction_has_no_excess():
    pixels = np.full((4, *SHAPE), 128, np.uint8)
    vae = VAE(model_config([(2, "relu")], [(2, "relu")]), SHAPE, None, np.float64)
    vae.center_on(pixels[0].reshape(-1) / 255)
    quality = reconstruction_quality(vae, of_pixels(pixels))
    assert abs(quality["excess"]) < 1e-12
    assert quality["mse"] < 1e-30


def test_kl_per_dimension_adds_up_to_the_kl(vae):
    images = image_set(7)
    per_dimension = kl_per_dimension(vae, images)
    assert per_dimension.shape == (3,)
    kl = [kl_divergence(*vae.encode(x)) for x in each_image(images)]
    np.testing.assert_allclose(per_dimension.sum(), np.mean(kl))


def test_active_units_are_those_whose_mean_varies(vae):
    images = image_set(50)
    means = np.concatenate([vae.encode(x)[0] for x in each_image(images)])
    # Variances of the posterior mean, made just above and below the bound, and nought.
    wanted = np.array([0.0101, 0.0099, 0.0])
    vae.mean_head.weights *= np.sqrt(wanted / means.var(axis=0))
    np.testing.assert_array_equal(active_units(vae, images), [True, False, False])


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_the_size_of_a_chunk_changes_nothing(vae, chunk, monkeypatch):
    train_set, validation_set = image_set(8), image_set(7, seed=1)
    noise = np.random.default_rng(1).standard_normal((8, 3))
    whole = (
        evaluate(vae, train_set, validation_set, training(0)),
        negative_elbo(vae, train_set, noise),
    )
    monkeypatch.setattr(vae_nb.core.metrics, "CHUNK", chunk)
    parts = (
        evaluate(vae, train_set, validation_set, training(0)),
        negative_elbo(vae, train_set, noise),
    )
    assert parts[0].keys() == whole[0].keys()
    found = dict(flat(parts[0]))
    for key, value in flat(whole[0]):
        assert found[key] == (None if value is None else pytest.approx(value, rel=1e-10)), key
    assert parts[1] == pytest.approx(whole[1], rel=1e-10)


def test_pixel_distances_are_euclidean():
    rng = np.random.default_rng(0)
    a, b = rng.random((4, 6)), rng.random((3, 6))
    expected = [[distance(x, y) for y in b] for x in a]
    np.testing.assert_allclose(pixel_distances(a, b), expected)


@pytest.mark.parametrize("value", [1, 128, 200, 254, 255])
def test_the_distance_of_equal_images_is_zero_and_of_nearly_equal_ones_is_not(value):
    pixels = np.full((3, 64 * 64 * 3), value, np.uint8)
    pixels[2, 0] -= 1
    x = pixels.astype(np.float32) / np.float32(255)
    expected = np.array([[0, 0, 1], [0, 0, 1], [1, 1, 0]]) / 255
    np.testing.assert_allclose(pixel_distances(x, x), expected, rtol=1e-3)


def test_sample_quality_by_brute_force():
    train_set, validation_set = image_set(40), image_set(5, seed=1)
    train, held_out = (list(each_image(images)) for images in (train_set, validation_set))
    samples = np.random.default_rng(2).random((6, 6))

    def nearest(x):
        return min(distance(x, other) for other in train)

    def spread(images):
        pairs = [(a, b) for a in range(len(images)) for b in range(a)]
        return np.median([distance(images[a], images[b]) for a, b in pairs])

    expected_distance = np.median([nearest(x) for x in samples]) / np.median(
        [nearest(x) for x in held_out]
    )

    def covered(x):
        fifth = sorted(distance(x, other) for other in train)[5]  # the first is x itself
        return any(distance(x, sample) < fifth for sample in samples)

    quality = sample_quality(samples, train_set, validation_set)
    assert quality["distance"] == pytest.approx(expected_distance, rel=1e-5)
    assert quality["spread"] == pytest.approx(spread(samples) / spread(train), rel=1e-5)
    assert 0 < quality["coverage"] < 1
    assert quality["coverage"] == pytest.approx(np.mean([covered(x) for x in train]))


def test_sample_quality_of_real_images():
    train_set, validation_set = image_set(30), image_set(10, seed=1)
    quality = sample_quality(train_set.as_float(), train_set, validation_set)
    assert quality == {"distance": 0, "spread": pytest.approx(1), "coverage": 1}
    quality = sample_quality(validation_set.as_float(), train_set, validation_set)
    assert quality["distance"] == pytest.approx(1)
    alike = np.repeat(train_set.as_float(slice(1)), 5, axis=0)
    quality = sample_quality(alike, train_set, validation_set)
    assert quality["spread"] == 0
    assert quality["coverage"] < 0.5


def test_sample_quality_looks_at_some_images_of_a_large_set(monkeypatch):
    monkeypatch.setattr(vae_nb.core.metrics, "SAMPLES", 5)
    train_set, validation_set = image_set(12), image_set(9, seed=1)
    samples = np.random.default_rng(2).random((6, 6))
    some = sample_quality(samples, train_set, validation_set)
    all_of_some = sample_quality(samples, train_set.select(slice(None, None, 3)), validation_set)
    assert some["spread"] == all_of_some["spread"]
    spaced = validation_set.select(slice(None, None, 2))  # the last labels count too
    assert some["distance"] == sample_quality(samples, train_set, spaced)["distance"]


def test_sample_quality_is_none_where_there_is_nothing_to_compare_with():
    samples = np.random.default_rng(2).random((6, 64 * 64 * 3))
    uniform = of_pixels(np.full((4, 64, 64, 3), 200, np.uint8))
    nothing = {"distance": None, "spread": None, "coverage": None}
    assert sample_quality(samples, uniform, uniform) == nothing
    one, other = image_set(1, shape=(64, 64, 3)), image_set(1, 1, (64, 64, 3))
    quality = sample_quality(samples, one, other)
    assert quality["spread"] is quality["coverage"] is None
    assert quality["distance"] > 0


def test_evaluate_puts_the_figures_together(vae):
    train_set, validation_set = image_set(12), image_set(4, seed=1)
    figures = evaluate(vae, train_set, validation_set, training(3))
    assert figures["kl"] == pytest.approx(kl_per_dimension(vae, train_set).sum())
    assert figures["active_units"] == active_units(vae, train_set).sum()
    assert figures["train"] == reconstruction_quality(vae, train_set)
    quality = reconstruction_quality(vae, validation_set)
    assert figures["validation"].keys() == quality.keys() | {"normalized_excess", "swd"}
    assert figures["validation"].items() >= quality.items()
    for samples in ("samples", "fitted_samples"):
        assert figures[samples].keys() == {"distance", "spread", "coverage", "swd"}
    assert figures["samples"] != figures["fitted_samples"]
    assert figures["amortization_gap"] > 0
    assert figures["importance_weighted_bound"] > 0
    assert figures == evaluate(vae, train_set, validation_set, training(3))
    assert figures["samples"] != evaluate(vae, train_set, validation_set, training(4))["samples"]


def test_a_model_that_knows_only_the_mean_image_has_a_normalized_excess_of_one(vae):
    train_set, validation_set = image_set(12), image_set(4, seed=1)
    vae.parameters[:] = 0
    vae.center_on(train_set.mean_image(np.float64))
    quality = evaluate(vae, train_set, validation_set, training(3))["validation"]
    assert quality["normalized_excess"] == pytest.approx(1)


def test_the_aggregate_posterior_has_the_moments_of_its_samples(vae):
    images = image_set(12)
    mean, covariance = aggregate_posterior(vae, images)
    assert (mean.shape, covariance.shape) == ((3,), (3, 3))
    posterior_mean, log_variance = encode_set(vae, images)
    count = 100_000
    rng = np.random.default_rng(0)
    which = rng.integers(len(images), size=count)
    z = posterior_mean[which] + np.exp(log_variance[which] / 2) * rng.standard_normal((count, 3))
    deviation = np.sqrt(np.diag(covariance))
    np.testing.assert_array_less(np.abs(z.mean(axis=0) - mean), 5 * deviation / np.sqrt(count))
    # A product of two such values varies by about the product of their deviations.
    bound = 5 * 2 * np.outer(deviation, deviation) / np.sqrt(count)
    np.testing.assert_array_less(np.abs(np.cov(z.T) - covariance), bound)


def test_an_evaluation_encodes_each_image_once(vae, monkeypatch):
    train_set, validation_set = image_set(8), image_set(7, seed=1)
    encoded, decoded = [], []
    encode, decode_logits = VAE.encode, VAE.decode_logits
    monkeypatch.setattr(VAE, "encode", lambda self, x: encoded.append(len(x)) or encode(self, x))
    monkeypatch.setattr(
        VAE, "decode_logits", lambda self, z: decoded.append(len(z)) or decode_logits(self, z)
    )
    for measure in ("amortization_gap", "importance_weighted_bound"):  # of a few images
        monkeypatch.setattr(vae_nb.core.metrics, measure, lambda *_: 0.0)
    evaluate(vae, train_set, validation_set, training(0))
    assert sorted(encoded) == [7, 8]
    # The held-out images are decoded twice: once in full, once as examples.
    assert sorted(decoded) == [7, 7, 8, SAMPLES, SAMPLES]
