"""How good the encoder's posteriors are: the amortization gap, and a tighter bound.

The held-out loss has two sources: a decoder that cannot draw an image, and an encoder that does not
find the best posterior for it. Optimizing the posterior of each image by itself, with the decoder
fixed, tells them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.losses import bernoulli_loss, kl_divergence
from vae_nb.core.model import LOG_VARIANCE_BOUND, reparameterize
from vae_nb.core.optimizers import Adam

if TYPE_CHECKING:
    from vae_nb.core.model import VAE

STEPS = 300
LEARNING_RATE = 0.1  # of the first step; it falls linearly to 0
LOSS_SAMPLES = 16  # of z for each image, to estimate the loss of a posterior
BOUND_SAMPLES = 64  # of z for each image, in the importance-weighted bound


def amortization_gap(vae: VAE, x: NDArray, kl_weight: float, rng: np.random.Generator) -> float:
    """Measure what the best posteriors would gain over those that the encoder finds.

    Parameters
    ----------
    x : ndarray, shape (images, pixels)
        In [0, 1].
    kl_weight : float
        That of the training: the encoder learned to minimize this loss.
    rng : numpy.random.Generator
        Draws z.

    Returns
    -------
    float
        The loss of the encoder's posteriors minus that of `optimized_posteriors`, in nats per
        image. The optimization may stop short of the best posteriors, so the true gap may be
        larger.

    References
    ----------
    Cremer, Li & Duvenaud (2018), "Inference Suboptimality in Variational Autoencoders", section 3.
    """
    encoded = vae.encode(x)
    optimized = optimized_posteriors(vae, x, kl_weight, rng)
    gap = 0.0
    for _ in range(LOSS_SAMPLES):
        noise = rng.standard_normal(encoded[0].shape, vae.dtype)  # the same for both
        gap += _loss(vae, x, *encoded, noise, kl_weight)
        gap -= _loss(vae, x, *optimized, noise, kl_weight)
    return gap / LOSS_SAMPLES


def optimized_posteriors(
    vae: VAE, x: NDArray, kl_weight: float, rng: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Optimize the posterior of each image with the decoder fixed, from the encoder's on.

    Parameters
    ----------
    x : ndarray, shape (images, pixels)
        In [0, 1].
    kl_weight : float
    rng : numpy.random.Generator
        Draws the noise of each step.

    Returns
    -------
    mean, log_variance : ndarray, shape (images, latent)
    """
    x = np.asarray(x, vae.dtype)
    posteriors = np.stack(vae.encode(x))  # (2, images, latent)
    mean, log_variance = posteriors  # views, which the optimizer moves
    gradient = np.empty_like(posteriors)
    optimizer = Adam(posteriors.reshape(-1))
    for step in range(STEPS):
        noise = rng.standard_normal(mean.shape, vae.dtype)
        logits = vae.decode_logits(reparameterize(mean, log_variance, noise))
        gradient[:] = vae.posterior_gradient(x, logits, mean, log_variance, noise, kl_weight)
        optimizer.update(gradient.reshape(-1), LEARNING_RATE * (1 - step / STEPS))
        np.clip(log_variance, -LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND, out=log_variance)
    return mean, log_variance


def importance_weighted_bound(vae: VAE, x: NDArray, rng: np.random.Generator) -> float:
    """Bound the negative log-likelihood of images more tightly than the negative ELBO does.

    Parameters
    ----------
    x : ndarray, shape (images, pixels)
        In [0, 1].
    rng : numpy.random.Generator
        Draws 64 samples of z for each image.

    Returns
    -------
    float
        In nats per image. With one sample of z, it would be the negative ELBO on average.

    References
    ----------
    Burda, Grosse & Salakhutdinov (2016), "Importance Weighted Autoencoders", equation 8.
    """
    x = np.asarray(x, vae.dtype)
    mean, log_variance = vae.encode(x)
    log_weights = np.empty((BOUND_SAMPLES, len(x)))  # log p(x, z) / q(z | x)
    for sample in log_weights:
        noise = rng.standard_normal(mean.shape, vae.dtype)
        z = reparameterize(mean, log_variance, noise)
        log_ratio = 0.5 * np.sum(noise**2 + log_variance - z**2, axis=1)  # log p(z) / q(z | x)
        sample[:] = log_ratio - bernoulli_loss(vae.decode_logits(z), x)
    largest = log_weights.max(axis=0)  # taken out, so that exp neither overflows nor vanishes
    likelihood = np.mean(np.exp(log_weights - largest), axis=0)
    return -float(np.mean(largest + np.log(likelihood)))


def _loss(
    vae: VAE, x: NDArray, mean: NDArray, log_variance: NDArray, noise: NDArray, kl_weight: float
) -> float:
    """The loss of given posteriors, in nats per image."""
    logits = vae.decode_logits(reparameterize(mean, log_variance, noise))
    losses = bernoulli_loss(logits, x) + kl_weight * kl_divergence(mean, log_variance)
    return float(np.mean(losses))
