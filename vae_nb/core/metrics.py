"""What is reported of a trained model."""

import numpy as np

from vae_nb.core.losses import bernoulli_entropy, bernoulli_loss, kl_divergence_per_dimension
from vae_nb.core.random_streams import random_stream

CHUNK = 256  # pictures at a time: a large set is never in memory as floats
SAMPLES = 500
COVERAGE_NEIGHBORS = 5
ACTIVE_VARIANCE = 0.01
ROUNDING_BOUND = 0.1 / 255**2  # of a squared distance


def _chunks(image_set):
    return (slice(start, start + CHUNK) for start in range(0, len(image_set), CHUNK))


def encode_set(vae, image_set):
    """The posterior of every picture of a set.

    Parameters
    ----------
    vae : vae_nb.VAE
    image_set : vae_nb.ImageSet

    Returns
    -------
    mean, log_variance : ndarray, shape (images, latent) each
    """
    parts = [vae.encode(image_set.as_float(chunk, vae.dtype)) for chunk in _chunks(image_set)]
    means, log_variances = zip(*parts, strict=True)
    return np.concatenate(means), np.concatenate(log_variances)


def negative_elbo(vae, image_set, noise):
    """The loss of a set at kl_weight 1: minus its evidence lower bound, with z sampled.

    Parameters
    ----------
    vae : vae_nb.VAE
    image_set : vae_nb.ImageSet
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
    reconstruction = kl = 0.0
    for chunk in _chunks(image_set):
        x = image_set.as_float(chunk, vae.dtype)
        loss = vae.loss(x, noise[chunk])
        reconstruction += loss.reconstruction * len(x)
        kl += loss.kl * len(x)
    return reconstruction / len(image_set), kl / len(image_set)


def reconstruction_quality(vae, image_set):
    """How well a set is reconstructed from the means of its posteriors.

    Parameters
    ----------
    vae : vae_nb.VAE
    image_set : vae_nb.ImageSet

    Returns
    -------
    dict
        "excess": reconstruction loss minus the entropy of the pictures themselves, in nats per
        image, so that 0 is perfect. "mse": mean squared error of a pixel in [0, 1].
    """
    excess = squares = 0.0
    for chunk in _chunks(image_set):
        x = image_set.as_float(chunk, vae.dtype)
        mean, _ = vae.encode(x)
        excess += float(np.sum(bernoulli_loss(vae.decode_logits(mean), x) - bernoulli_entropy(x)))
        squares += float(np.sum((vae.decode(mean) - x) ** 2))
    images, pixels = len(image_set), vae.mean_image.size
    return {"excess": excess / images, "mse": squares / (images * pixels)}


def kl_per_dimension(vae, image_set):
    """The KL divergence that each latent dimension carries, averaged over a set.

    Parameters
    ----------
    vae : vae_nb.VAE
    image_set : vae_nb.ImageSet

    Returns
    -------
    ndarray, shape (latent,)
        In nats.
    """
    return np.mean(kl_divergence_per_dimension(*encode_set(vae, image_set)), axis=0)


def active_units(vae, image_set):
    """Which latent dimensions the encoder uses: those whose posterior mean varies over a set.

    Parameters
    ----------
    vae : vae_nb.VAE
    image_set : vae_nb.ImageSet

    Returns
    -------
    ndarray of bool, shape (latent,)
        True where the variance of the posterior mean is above 0.01.

    References
    ----------
    Burda, Grosse & Salakhutdinov (2016), "Importance Weighted Autoencoders", section 5.
    """
    mean, _ = encode_set(vae, image_set)
    return np.var(mean, axis=0) > ACTIVE_VARIANCE


def pixel_distances(pictures, others):
    """Euclidean distances between two lists of pictures.

    Parameters
    ----------
    pictures : ndarray, shape (n, pixels)
    others : ndarray, shape (m, pixels)
        In [0, 1].

    Returns
    -------
    ndarray, shape (n, m)
    """
    # |a - b|² = |a|² + |b|² - 2 ab, in float64: where a and b are equal, rounding leaves less than
    # the bound, and two 8-bit pictures that differ are further apart.
    pictures, others = np.asarray(pictures, np.float64), np.asarray(others, np.float64)
    squares = np.sum(pictures**2, axis=1)[:, None] + np.sum(others**2, axis=1)
    squares -= 2 * pictures @ others.T
    return np.sqrt(np.where(squares < ROUNDING_BOUND, 0, squares))


def _nearest_distances(pictures, image_set):
    parts = [pixel_distances(pictures, image_set.as_float(chunk)) for chunk in _chunks(image_set)]
    return np.min([part.min(axis=1) for part in parts], axis=0)


def _median_spread(pictures):
    distances = pixel_distances(pictures, pictures)
    return np.median(distances[np.triu_indices(len(pictures), k=1)])


def aggregate_posterior(vae, image_set):
    """The posteriors of a set, all together, as one Gaussian: a density fitted to the codes.

    Parameters
    ----------
    vae : vae_nb.VAE
    image_set : vae_nb.ImageSet

    Returns
    -------
    mean : ndarray of float64, shape (latent,)
    covariance : ndarray of float64, shape (latent, latent)
        That of the posteriors' means, plus the average of the posteriors' variances.

    References
    ----------
    Hoffman & Johnson (2016), "ELBO surgery", section 1, for the aggregate posterior; Ghosh et al.
    (2020), "From Variational to Deterministic Autoencoders", section 4, for drawing from a
    density fitted to it.
    """
    mean, log_variance = (part.astype(np.float64) for part in encode_set(vae, image_set))
    centred = mean - mean.mean(axis=0)
    covariance = centred.T @ centred / len(mean) + np.diag(np.exp(log_variance).mean(axis=0))
    return mean.mean(axis=0), covariance


def sample_quality(decoded, train_set, validation_set):
    """How new and how varied generated pictures are, in pixel distance.

    Parameters
    ----------
    decoded : ndarray, shape (samples, pixels)
        Decoded draws, in [0, 1].
    train_set, validation_set : vae_nb.ImageSet

    Returns
    -------
    dict
        "distance": the median distance of a sample to its nearest training picture, over that
        of the held-out pictures; 1 is as good as new. "spread": the median distance between two
        samples, over that between two training pictures; 1 is as varied. "coverage": the share of
        the training pictures that have a sample nearer to them than their fifth neighbour in the
        training set. None where the set is too small or too uniform to compare with.

    References
    ----------
    Naeem et al. (2020), "Reliable Fidelity and Diversity Metrics for Generative Models",
    equation 9, for the coverage.
    """
    held_out = validation_set.as_float(slice(SAMPLES))
    training = train_set.as_float(slice(None, None, 1 + len(train_set) // SAMPLES))
    real_distance = np.median(_nearest_distances(held_out, train_set))
    distance = np.median(_nearest_distances(decoded, train_set))
    between_real = np.sort(pixel_distances(training, training), axis=1)  # 0 first: itself
    real_spread = _median_spread(training) if len(training) > 1 else 0.0
    radius = between_real[:, min(COVERAGE_NEIGHBORS, len(training) - 1)]
    covered = pixel_distances(training, decoded).min(axis=1) < radius
    return {
        "distance": float(distance / real_distance) if real_distance else None,
        "spread": float(_median_spread(decoded) / real_spread) if real_spread else None,
        "coverage": float(np.mean(covered)) if real_spread else None,
    }


def evaluate(vae, train_set, validation_set, seed):
    """The figures reported of a trained model.

    Parameters
    ----------
    vae : vae_nb.VAE
    train_set, validation_set : vae_nb.ImageSet
    seed : int
        Decides the draws from the prior.

    Returns
    -------
    dict
        "kl" (nats per image of the training set), "active_units", "train" and "validation" (each
        as `reconstruction_quality` gives them), "samples" and "fitted_samples" (as
        `sample_quality` does, of 500 decoded draws from the prior, and from the Gaussian of
        `aggregate_posterior`).
    """
    z = random_stream(seed, "samples").standard_normal((SAMPLES, vae.latent_dim))
    mean, covariance = aggregate_posterior(vae, train_set)
    fitted = mean + z @ np.linalg.cholesky(covariance).T
    return {
        "kl": float(np.sum(kl_per_dimension(vae, train_set))),
        "active_units": int(np.sum(active_units(vae, train_set))),
        "train": reconstruction_quality(vae, train_set),
        "validation": reconstruction_quality(vae, validation_set),
        "samples": sample_quality(vae.decode(z), train_set, validation_set),
        "fitted_samples": sample_quality(vae.decode(fitted), train_set, validation_set),
    }
