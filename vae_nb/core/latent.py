"""Axes of the latent space: its own dimensions, or the principal directions of the codes."""

from dataclasses import dataclass

import numpy as np

from vae_nb.core.metrics import (
    ACTIVE_VARIANCE,
    active_units,
    encode_set,
    kl_per_dimension,
)


@dataclass(frozen=True)
class Axes:
    """A system of coordinates of the latent space: z = centre + matrix @ coordinates.

    Attributes
    ----------
    names : list of str
    centre : ndarray, shape (latent,)
    matrix : ndarray, shape (latent, latent)
        An axis in each column, of the length that a coordinate of 1 stands for.
    telling : int
        How many axes, the first ones, carry anything.
    """

    names: list
    centre: np.ndarray
    matrix: np.ndarray
    telling: int

    def coordinates(self, z):
        """Of one latent vector, shape (latent,), or of several, shape (n, latent)."""
        return np.linalg.solve(self.matrix, (z - self.centre).T).T

    def latent(self, coordinates):
        """The latent vector of coordinates, shape (latent,)."""
        return self.centre + self.matrix @ coordinates


def latent_axes(vae, images):
    """The latent dimensions themselves, those first that tell most.

    Parameters
    ----------
    vae : vae_nb.VAE
    images : vae_nb.ImageSet

    Returns
    -------
    Axes
        Named with their KL divergence in nats, averaged over the pictures. The telling ones are
        the active units.
    """
    kl, active = kl_per_dimension(vae, images), active_units(vae, images)
    order = np.lexsort((-kl, ~active))
    names = [f"z{k + 1} ({kl[k]:.1f} nats)" for k in order]
    matrix = np.eye(len(kl))[:, order]
    return Axes(names, np.zeros(len(kl)), matrix, int(np.sum(active)))


def principal_axes(vae, images):
    """The principal directions of the encoded pictures, those first that are seen most.

    Parameters
    ----------
    vae : vae_nb.VAE
    images : vae_nb.ImageSet

    Returns
    -------
    Axes
        A coordinate of 1 is a standard deviation of the codes along its axis, or 1 where they
        hardly vary. The order, and the number in a name, is how far the decoded picture moves
        between −2 and 2, all other coordinates being 0: the root of the mean squared change of a
        pixel, in percent. The telling ones have a variance above that of an active unit.

    References
    ----------
    Härkönen et al. (2020), "GANSpace", section 3.1, for principal directions as controls.
    """
    codes = encode_set(vae, images)[0].astype(np.float64)
    centre = codes.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(codes.T, bias=True).reshape(2 * [vae.latent_dim]))
    telling = variances > ACTIVE_VARIANCE
    # An axis along which nothing varies has the prior's length.
    matrix = directions * np.sqrt(np.where(telling, variances, 1))
    # Either way along an axis is right; the same one on every machine is better.
    largest = np.argmax(np.abs(matrix), axis=0)
    matrix = matrix * np.sign(matrix[largest, np.arange(len(largest))])
    low, high = (vae.decode(centre + sign * 2 * matrix.T) for sign in (-1, 1))  # (latent, pixels)
    change = 100 * np.sqrt(np.mean((high - low) ** 2, axis=1))
    order = np.lexsort((-change, ~telling))
    names = [f"p{n} ({percent:.0f}% change)" for n, percent in enumerate(change[order], start=1)]
    return Axes(names, centre, matrix[:, order], int(np.sum(telling)))
