"""Axes of the latent space: its own dimensions, or the principal directions of the codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.metrics import ACTIVE_VARIANCE, Posteriors

if TYPE_CHECKING:
    from vae_nb.core.model import VAE


@dataclass(frozen=True)
class Axes:
    """A coordinate system of the latent space: z = center + matrix @ coordinates.

    Attributes
    ----------
    names : list of str
    center : ndarray, shape (latent,)
    matrix : ndarray, shape (latent, latent)
        One axis in each column; its length is that of a coordinate of 1.
    informative : int
        How many axes carry information. They come first.
    """

    names: list[str]
    center: NDArray
    matrix: NDArray
    informative: int

    def coordinates(self, z: NDArray) -> NDArray:
        """Return the coordinates of one latent vector, (latent,), or of several, (n, latent)."""
        return np.linalg.solve(self.matrix, (z - self.center).T).T

    def latent(self, coordinates: NDArray) -> NDArray:
        """Return the latent vector, (latent,), that has these coordinates, (latent,)."""
        return self.center + self.matrix @ coordinates


def latent_axes(posteriors: Posteriors) -> Axes:
    """Take the latent dimensions themselves as axes, in the order of their KL divergence.

    Returns
    -------
    Axes
        The active units come first and are the informative ones. An axis is named with its KL
        divergence in nats, averaged over the images.
    """
    kl = posteriors.kl_per_dimension()
    active = posteriors.active_units()
    order = np.lexsort((-kl, ~active))
    names = [f"z{k + 1} ({kl[k]:.1f} nats)" for k in order]
    return Axes(names, np.zeros(len(kl)), np.eye(len(kl))[:, order], int(np.sum(active)))


def principal_axes(vae: VAE, posteriors: Posteriors) -> Axes:
    """Take the principal directions of the codes as axes, the most visible ones first.

    Returns
    -------
    Axes
        A coordinate of 1 is a standard deviation of the codes along its axis, or 1 where they
        do not vary. The order is how much the decoded image changes between −2 and 2 with all other
        coordinates at 0: the mean squared change of a pixel. The number in a name is the share of
        an axis in the sum of these changes. The informative axes have a variance above that of an
        active unit.

    References
    ----------
    Härkönen et al. (2020), "GANSpace", for principal directions as controls.
    """
    codes = posteriors.mean.astype(np.float64)  # (images, latent)
    center = codes.mean(axis=0)
    covariance = np.cov(codes.T, bias=True).reshape(vae.latent_dim, vae.latent_dim)
    variances, directions = np.linalg.eigh(covariance)
    informative = variances > ACTIVE_VARIANCE
    # An axis along which nothing varies has the prior's length.
    matrix = directions * np.sqrt(np.where(informative, variances, 1))
    # An axis may point either way. Choose the same way on every machine.
    largest = np.argmax(np.abs(matrix), axis=0)
    matrix = matrix * np.sign(matrix[largest, np.arange(len(largest))])
    low = vae.decode(center - 2 * matrix.T)  # (latent, pixels)
    high = vae.decode(center + 2 * matrix.T)
    change = np.mean((high - low) ** 2, axis=1)  # (latent,)
    order = np.lexsort((-change, ~informative))
    shares = change[order] / max(change.sum(), np.finfo(change.dtype).tiny)
    names = [f"p{n} ({share:.0%} of change)" for n, share in enumerate(shares, start=1)]
    return Axes(names, center, matrix[:, order], int(np.sum(informative)))
