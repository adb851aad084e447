"""The two terms of the loss and their gradients, in nats per image."""

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.layers import sigmoid, softplus


def bernoulli_loss(logits: NDArray, x: NDArray) -> NDArray:
    """Negative log-likelihood of pixels under Bernoulli distributions given by logits.

    With p = sigmoid(logit), -(x log p + (1 - x) log(1 - p)) equals softplus(logit) - x * logit,
    which never takes the logarithm of a rounded zero.

    Parameters
    ----------
    logits : ndarray, shape (batch, pixels)
    x : ndarray, shape (batch, pixels)
        Pixels in [0, 1].

    Returns
    -------
    ndarray, shape (batch,)
        In nats, summed over the pixels; at least `bernoulli_entropy(x)`.

    References
    ----------
    Kingma & Welling (2014), "Auto-Encoding Variational Bayes", appendix C.1.
    """
    return np.sum(softplus(logits) - x * logits, axis=1)


def bernoulli_loss_gradient(logits: NDArray, x: NDArray) -> NDArray:
    """d bernoulli_loss / d logits.

    Parameters
    ----------
    logits, x : ndarray, shape (batch, pixels)

    Returns
    -------
    ndarray, shape (batch, pixels)
    """
    return sigmoid(logits) - x


def bernoulli_entropy(x: NDArray) -> NDArray:
    """Entropy of the pixels: the smallest value that `bernoulli_loss` can take.

    It is not zero, because pixels are not all 0 or 1.

    Parameters
    ----------
    x : ndarray, shape (batch, pixels)
        Pixels in [0, 1].

    Returns
    -------
    ndarray, shape (batch,)
        In nats, summed over the pixels; 0 log 0 counts as 0.
    """
    # Where x is 0, its logarithm is replaced by log 1 = 0, and likewise for 1 - x.
    log_x = np.log(np.where(x > 0, x, 1))
    log_rest = np.log(np.where(x < 1, 1 - x, 1))
    return -np.sum(x * log_x + (1 - x) * log_rest, axis=1)


def kl_divergence_per_dimension(mean: NDArray, log_variance: NDArray) -> NDArray:
    """KL divergence of N(mean, exp(log_variance)) from N(0, 1), for each latent dimension.

    Parameters
    ----------
    mean, log_variance : ndarray, shape (batch, latent)

    Returns
    -------
    ndarray, shape (batch, latent)
        In nats; never negative.

    References
    ----------
    Kingma & Welling (2014), "Auto-Encoding Variational Bayes", appendix B.
    """
    # expm1(a) is exp(a) - 1 without its rounding error, which could make a small divergence
    # negative.
    return 0.5 * (np.expm1(log_variance) - log_variance + mean * mean)


def kl_divergence(mean: NDArray, log_variance: NDArray) -> NDArray:
    """KL divergence of N(mean, exp(log_variance)) from N(0, 1), per image.

    Parameters
    ----------
    mean, log_variance : ndarray, shape (batch, latent)

    Returns
    -------
    ndarray, shape (batch,)
        In nats, summed over the latent dimensions; never negative.

    References
    ----------
    Kingma & Welling (2014), "Auto-Encoding Variational Bayes", appendix B.
    """
    return np.sum(kl_divergence_per_dimension(mean, log_variance), axis=1)


def kl_divergence_gradient(mean: NDArray, log_variance: NDArray) -> tuple[NDArray, NDArray]:
    """d kl_divergence / d mean and d kl_divergence / d log_variance.

    Parameters
    ----------
    mean, log_variance : ndarray, shape (batch, latent)

    Returns
    -------
    tuple of two ndarrays, each of shape (batch, latent)
    """
    return mean, 0.5 * np.expm1(log_variance)
