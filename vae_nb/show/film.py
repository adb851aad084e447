"""A film of a training: what the model makes of some images, epoch by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.model import VAE

MOST_FRAMES = 40


class TrainingFilm:
    """A callback of a training that keeps reconstructions. It changes nothing in the training.

    The kept epochs lie close together at the start, where most changes; the first and the last one
    are among them.

    Parameters
    ----------
    x : ndarray, shape (n, pixels)
        Images in [0, 1] to reconstruct.
    epochs : int
        How many the training has.
    most : int
        The most epochs that are kept.

    Attributes
    ----------
    x : ndarray, shape (n, pixels)
    originals : ndarray of uint8, shape (n, pixels)
    reconstructions : dict of int to ndarray of uint8, shape (n, pixels)
        By epoch, in order.
    """

    def __init__(self, x: NDArray, epochs: int, most: int = MOST_FRAMES) -> None:
        self.x = x
        self.originals = _as_bytes(x)
        self.reconstructions: dict[int, NDArray[np.uint8]] = {}
        self._chosen = set(np.round(np.geomspace(1, epochs, most)).astype(int).tolist())

    def __call__(self, vae: VAE, columns: Mapping[str, Any]) -> None:
        """Keep the reconstructions of an epoch, as `train` and `train_and_save` call it."""
        for epoch in list(self.reconstructions):
            if epoch not in self._chosen:  # it was kept as the last one so far
                del self.reconstructions[epoch]
        self.reconstructions[columns["epoch"][-1]] = _as_bytes(vae.reconstruct(self.x))

    def frames(self, image_shape: Sequence[int]) -> NDArray[np.uint8]:
        """Return a frame for each kept epoch: all originals, then all reconstructions.

        Parameters
        ----------
        image_shape : sequence of int
            (height, width, channels).

        Returns
        -------
        ndarray of uint8, shape (epochs, 2 n, height, width, channels)
            For `figures.film`.
        """
        frames = [np.concatenate([self.originals, now]) for now in self.reconstructions.values()]
        return np.stack(frames).reshape(len(frames), -1, *image_shape)


def _as_bytes(x: NDArray) -> NDArray[np.uint8]:
    return np.round(255 * x).astype(np.uint8)
