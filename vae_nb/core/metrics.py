"""Measures of a trained model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.blocks import worker_threads
from vae_nb.core.inference import amortization_gap, importance_weighted_bound
from vae_nb.core.layers import sigmoid
from vae_nb.core.losses import bernoulli_entropy, bernoulli_loss, kl_divergence_per_dimension
from vae_nb.core.model import MEAN_IMAGE_RANGE
from vae_nb.core.random_streams import random_stream
from vae_nb.core.sliced_wasserstein import sliced_wasserstein

if TYPE_CHECKING:
    from vae_nb.core.model import VAE
    from vae_nb.data.config import TrainingConfig
    from vae_nb.data.image_set import ImageSet

CHUNK = 256  # images at a time, so that a large set is never in memory as floats
SAMPLES = 500
INFERENCE_IMAGES = 64  # held-out ones, whose posteriors are optimized and sampled
COVERAGE_NEIGHBORS = 5
ACTIVE_VARIANCE = 0.01
ROUNDING_BOUND = 0.1 / 255**2  # of a squared distance


class Posteriors(NamedTuple):
    """The posteriors of a set of images: N(mean, exp(log_variance)) for each image.

    Attributes
    ----------
    mean, log_variance : ndarray, shape (images, latent)
    """

    mean: NDArray
    log_variance: NDArray

    def kl_per_dimension(self) -> NDArray:
        """Average the KL divergence of each latent dimension over the images, in nats."""
        return np.mean(kl_divergence_per_dimension(self.mean, self.log_variance), axis=0)

    def active_units(self) -> NDArray:
        """Find the latent dimensions whose posterior mean has a variance above 0.01.

        Returns
        -------
        ndarray of bool, shape (latent,)

        References
        ----------
        Burda, Grosse & Salakhutdinov (2016), "Importance Weighted Autoencoders", section 5.
        """
        return np.var(self.mean, axis=0) > ACTIVE_VARIANCE

    def aggregate(self) -> tuple[NDArray, NDArray]:
        """Fit one Gaussian to all the posteriors together.

        Returns
        -------
        mean : ndarray of float64, shape (latent,)
        covariance : ndarray of float64, shape (latent, latent)
            That of the posterior means, plus the average of the posterior variances.

        References
        ----------
        Hoffman & Johnson (2016), "ELBO surgery", section 1, for the aggregate posterior; Ghosh et
        al. (2020), "From Variational to Deterministic Autoencoders", section 4, for drawing from a
        density fitted to it.
        """
        mean = self.mean.astype(np.float64)
        variance = np.exp(self.log_variance.astype(np.float64))
        centered = mean - mean.mean(axis=0)
        covariance = centered.T @ centered / len(mean) + np.diag(variance.mean(axis=0))
        return mean.mean(axis=0), covariance


def encode_set(vae: VAE, image_set: ImageSet) -> Posteriors:
    """Encode every image of a set.

    Returns
    -------
    Posteriors
        A pair (mean, log_variance) of ndarrays, each of shape (images, latent).
    """
    chunks = _chunks(image_set, vae.images_at_a_time)
    parts = [vae.encode(image_set.as_float(chunk, vae.dtype)) for chunk in chunks]
    means, log_variances = zip(*parts, strict=True)
    return Posteriors(np.concatenate(means), np.concatenate(log_variances))


def kl_per_dimension(vae: VAE, image_set: ImageSet) -> NDArray:
    """Average the KL divergence of each latent dimension over a set.

    Returns
    -------
    ndarray, shape (latent,)
        In nats.
    """
    return encode_set(vae, image_set).kl_per_dimension()


def active_units(vae: VAE, image_set: ImageSet) -> NDArray:
    """Find the latent dimensions that the encoder uses: see `Posteriors.active_units`.

    Returns
    -------
    ndarray of bool, shape (latent,)
    """
    return encode_set(vae, image_set).active_units()


def aggregate_posterior(vae: VAE, image_set: ImageSet) -> tuple[NDArray, NDArray]:
    """Fit one Gaussian to the posteriors of a set: see `Posteriors.aggregate`.

    Returns
    -------
    mean : ndarray of float64, shape (latent,)
    covariance : ndarray of float64, shape (latent, latent)
    """
    return encode_set(vae, image_set).aggregate()


def negative_elbo(vae: VAE, image_set: ImageSet, noise: NDArray) -> tuple[float, float]:
    """Compute the loss of a set at kl_weight 1, with z sampled: its negative ELBO.

    Parameters
    ----------
    noise : ndarray, shape (images, latent)
        Drawn from N(0, 1); the same noise makes two models comparable.

    Returns
    -------
    reconstruction, kl : float
        In nats per image, averaged over the set; the negative ELBO is their sum.

    References
    ----------
    Kingma & Welling (2014), "Auto-Encoding Variational Bayes", equation 10.
    """
    reconstruction = 0.0
    kl = 0.0
    for chunk in _chunks(image_set, vae.images_at_a_time):
        x = image_set.as_float(chunk, vae.dtype)
        loss = vae.loss(x, noise[chunk])
        reconstruction += loss.reconstruction * len(x)
        kl += loss.kl * len(x)
    return reconstruction / len(image_set), kl / len(image_set)


def reconstruction_quality(
    vae: VAE, image_set: ImageSet, posterior_mean: NDArray | None = None
) -> dict[str, float]:
    """Measure how well a set is reconstructed from the means of its posteriors.

    Parameters
    ----------
    posterior_mean : ndarray, shape (images, latent), or None
        Where the set was encoded before; None encodes it.

    Returns
    -------
    dict
        "excess": reconstruction loss minus the entropy of the images themselves, in nats per image,
        so that 0 is perfect. "mse": mean squared error of a pixel in [0, 1].
    """
    if posterior_mean is None:
        posterior_mean = encode_set(vae, image_set).mean
    excess = 0.0
    squared_error = 0.0
    for chunk in _chunks(image_set, vae.images_at_a_time):
        x = image_set.as_float(chunk, vae.dtype)
        logits = vae.decode_logits(posterior_mean[chunk])
        excess += float(np.sum(bernoulli_loss(logits, x) - bernoulli_entropy(x)))
        squared_error += float(np.sum((sigmoid(logits) - x) ** 2))
    images = len(image_set)
    pixels = vae.mean_image.size
    return {"excess": excess / images, "mse": squared_error / (images * pixels)}


def pixel_distances(images: NDArray, others: NDArray) -> NDArray:
    """Compute the Euclidean distances between two lists of images.

    Parameters
    ----------
    images : ndarray, shape (n, pixels)
    others : ndarray, shape (m, pixels)
        In [0, 1].

    Returns
    -------
    ndarray, shape (n, m)
    """
    # |a - b|² = |a|² + |b|² - 2 ab, in float64. Where a and b are equal, rounding leaves less than
    # the bound, and two 8-bit images that differ are further apart.
    images = np.asarray(images, np.float64)
    others = np.asarray(others, np.float64)
    squares = np.sum(images**2, axis=1)[:, None] + np.sum(others**2, axis=1)
    squares -= 2 * images @ others.T
    return np.sqrt(np.where(squares < ROUNDING_BOUND, 0, squares))


def sample_quality(
    decoded: NDArray, train_set: ImageSet, validation_set: ImageSet
) -> dict[str, float | None]:
    """Measure how new and how varied generated images are, in pixel distance.

    Parameters
    ----------
    decoded : ndarray, shape (samples, pixels)
        Decoded draws, in [0, 1].

    Returns
    -------
    dict
        "distance": the median distance of a sample to its nearest training image, over that of the
        held-out images; at 1, samples are as far from the training images as new images are.
        "spread": the median distance between two samples, over that between two training images; 1
        is as varied. "coverage": the share of the training images that have a sample nearer to them
        than their fifth neighbor among the training images. None where the set is too small or too
        uniform to compare with. Of a large set, about 500 images are compared, evenly spaced.

    References
    ----------
    Naeem et al. (2020), "Reliable Fidelity and Diversity Metrics for Generative Models",
    equation 9, for the coverage.
    """
    held_out = validation_set.as_float(_at_most(SAMPLES, validation_set))
    training = train_set.as_float(slice(None, None, 1 + len(train_set) // SAMPLES))
    held_out_distance = np.median(_nearest_distances(held_out, train_set))
    sample_distance = np.median(_nearest_distances(decoded, train_set))
    training_spread = _median_spread(training) if len(training) > 1 else 0.0
    # Each row begins with 0, the distance of an image to itself.
    between_training = np.sort(pixel_distances(training, training), axis=1)
    radius = between_training[:, min(COVERAGE_NEIGHBORS, len(training) - 1)]
    covered = pixel_distances(training, decoded).min(axis=1) < radius
    quality: dict[str, float | None] = {"distance": None, "spread": None, "coverage": None}
    if held_out_distance > 0:
        quality["distance"] = float(sample_distance / held_out_distance)
    if training_spread > 0:
        quality["spread"] = float(_median_spread(decoded) / training_spread)
        quality["coverage"] = float(np.mean(covered))
    return quality


@worker_threads()
def evaluate(
    vae: VAE, train_set: ImageSet, validation_set: ImageSet, training_config: TrainingConfig
) -> dict[str, Any]:
    """Compute all measures of a trained model.

    Parameters
    ----------
    training_config : TrainingConfig
        That of the training: its seed decides what is drawn at random, its KL weight belongs to the
        loss that the encoder learned to minimize.

    Returns
    -------
    dict
        "kl" (nats per image of the training set), "active_units", "train" and "validation" (each
        from `reconstruction_quality`), "samples" and "fitted_samples" (each from `sample_quality`,
        of 500 decoded draws from the prior, and from the Gaussian of `aggregate_posterior`).

        "validation" also has "normalized_excess", its excess over that of the training set's mean
        image (1: the model knows no more than that; None: nothing is left to know). It and the
        samples have "swd", from `sliced_wasserstein`: of the held-out images' reconstructions from
        the held-out images, and of the samples from the training images, about 500 of each.

        "amortization_gap" and "importance_weighted_bound" (nats per image) are of the held-out
        images, of about 64 of them if there are more.
    """
    seed = training_config.seed
    posteriors = encode_set(vae, train_set)
    held_out_mean = encode_set(vae, validation_set).mean
    mean, covariance = posteriors.aggregate()
    z = random_stream(seed, "samples").standard_normal((SAMPLES, vae.latent_dim))
    fitted_z = mean + z @ np.linalg.cholesky(covariance).T

    def patch_distance(images: NDArray, real: NDArray) -> dict[str, float | None]:
        shape = (-1, *vae.image_shape)
        rng = random_stream(seed, "patches")  # the same for each, so that they are comparable
        return sliced_wasserstein(images.reshape(shape), real.reshape(shape), rng)

    figures: dict[str, Any] = {
        "kl": float(np.sum(posteriors.kl_per_dimension())),
        "active_units": int(np.sum(posteriors.active_units())),
        "train": reconstruction_quality(vae, train_set, posteriors.mean),
        "validation": reconstruction_quality(vae, validation_set, held_out_mean),
    }
    held_out = figures["validation"]
    baseline = excess_of_the_mean_image(vae, validation_set)
    held_out["normalized_excess"] = held_out["excess"] / baseline if baseline > 0 else None
    some = _at_most(SAMPLES, validation_set)
    reconstructions = vae.decode(held_out_mean[some])
    held_out["swd"] = patch_distance(reconstructions, validation_set.as_float(some))
    training = train_set.as_float(_at_most(SAMPLES, train_set))
    for name, vectors in (("samples", z), ("fitted_samples", fitted_z)):
        decoded = vae.decode(vectors)
        figures[name] = sample_quality(decoded, train_set, validation_set)
        figures[name]["swd"] = patch_distance(decoded, training)
    few = validation_set.as_float(_at_most(INFERENCE_IMAGES, validation_set), vae.dtype)
    rng = random_stream(seed, "inference")
    figures["importance_weighted_bound"] = importance_weighted_bound(vae, few, rng)
    figures["amortization_gap"] = amortization_gap(vae, few, training_config.kl_weight, rng)
    return figures


def _at_most(count: int, image_set: ImageSet) -> slice:
    """So many images of a set, evenly spaced; all of a smaller one."""
    return slice(None, None, math.ceil(len(image_set) / count))


def _chunks(image_set: ImageSet, at_most: int = CHUNK) -> Iterator[slice]:
    size = min(CHUNK, at_most)
    return (slice(start, start + size) for start in range(0, len(image_set), size))


def excess_of_the_mean_image(vae: VAE, image_set: ImageSet) -> float:
    """The excess of showing the training set's mean image for each image of a set."""
    mean_image = np.clip(vae.mean_image, *MEAN_IMAGE_RANGE)
    logits = np.log(mean_image / (1 - mean_image))
    excess = 0.0
    for chunk in _chunks(image_set):
        x = image_set.as_float(chunk, vae.dtype)
        loss = bernoulli_loss(np.broadcast_to(logits, x.shape), x)
        excess += float(np.sum(loss - bernoulli_entropy(x)))
    return excess / len(image_set)


def _nearest_distances(images: NDArray, image_set: ImageSet) -> NDArray:
    """The distance of each image to the nearest one of a set."""
    parts = [pixel_distances(images, image_set.as_float(chunk)) for chunk in _chunks(image_set)]
    return np.min([part.min(axis=1) for part in parts], axis=0)


def _median_spread(images: NDArray) -> float:
    """The median distance between two different images."""
    distances = pixel_distances(images, images)
    return float(np.median(distances[np.triu_indices(len(images), k=1)]))
