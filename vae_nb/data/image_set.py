"""A set of images: its split, its batches and their augmentation."""

import hashlib
from dataclasses import dataclass

import numpy as np

from vae_nb.core.random_streams import random_stream
from vae_nb.system.errors import ImagesError


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Pictures of one shape, with their names and labels.

    Parameters
    ----------
    stored : ndarray of uint8, shape (m, height, width, channels)
        The pictures, or more than them: a selection shares the array that it was selected from.
    names, labels, skipped
        As below.
    rows : ndarray of int, shape (n,), or None
        Which of the stored pictures these are; None means all.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, height, width, channels)
        Of a selection a copy, made at each access.
    names : tuple of str
        File names without their extension, for example "1f600_grinning_face".
    labels : tuple of str
        Each picture's folder relative to the input folder ("a/b"); the input folder's own name
        for pictures that lie directly in it.
    skipped : tuple of (str, str)
        Path and reason of each file that was not loaded.
    """

    stored: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    rows: np.ndarray | None = None

    def __len__(self):
        return len(self.names)

    @property
    def pixels(self):
        return self.stored if self.rows is None else self.stored[self.rows]

    @property
    def image_shape(self):
        """(height, width, channels)."""
        return self.stored.shape[1:]

    def select(self, indices):
        """Some of the pictures.

        Parameters
        ----------
        indices : slice or ndarray of int or bool
            As they index an array of shape (n,).

        Returns
        -------
        ImageSet
            In the order of `indices`; nothing counts as skipped in it.
        """
        positions = np.arange(len(self))[indices]
        rows = positions if self.rows is None else self.rows[positions]
        names = tuple(self.names[position] for position in positions)
        labels = tuple(self.labels[position] for position in positions)
        return ImageSet(self.stored, names, labels, rows=rows)

    def fingerprint(self):
        """What tells this set from every other: a hash of shape, names, labels and pixels.

        The labels are in it because the split depends on them.

        Returns
        -------
        str
            SHA-256 in hexadecimal.
        """
        pixels = np.ascontiguousarray(self.pixels)
        digest = hashlib.sha256(repr((pixels.shape, self.names, self.labels)).encode())
        digest.update(pixels)
        return digest.hexdigest()

    def as_float(self, indices=slice(None), dtype=np.float32):
        """Pictures as the model reads them; the one place where uint8 becomes float.

        Parameters
        ----------
        indices : slice or ndarray of int or bool
        dtype : dtype

        Returns
        -------
        ndarray, shape (batch, pixels)
            In [0, 1].
        """
        rows = indices if self.rows is None else self.rows[indices]
        x = self.stored[rows].reshape(-1, int(np.prod(self.image_shape))).astype(dtype)
        x /= 255
        return x

    def mean_image(self, dtype=np.float32):
        """The mean picture.

        Parameters
        ----------
        dtype : dtype

        Returns
        -------
        ndarray, shape (pixels,)
            In [0, 1].
        """
        total = np.zeros(self.image_shape, np.int64)
        for row in range(len(self)) if self.rows is None else self.rows:
            total += self.stored[row]
        return (total.reshape(-1) / (255 * len(self))).astype(dtype)

    def batches(self, batch_size, rng, dtype=np.float32, augmentation=0.0):
        """Every picture once, in a shuffled order.

        Parameters
        ----------
        batch_size : int
        rng : numpy.random.Generator
        dtype : dtype
        augmentation : float
            The probability with which each picture is mirrored, and with which it is shifted: see
            `augmented`.

        Yields
        ------
        ndarray, shape (batch, pixels)
            In [0, 1]; the last one is smaller where `batch_size` does not divide the set.
        """
        order = rng.permutation(len(self))
        for start in range(0, len(self), batch_size):
            x = self.as_float(order[start : start + batch_size], dtype)
            yield augmented(x, self.image_shape, augmentation, rng) if augmentation else x

    def split(self, validation_split, seed):
        """Divide the set into pictures to train on and pictures held out.

        The pictures are shuffled within each label, the labels laid one after another, and every
        n/m-th of the n pictures is held out from a random start (a systematic sample of m). So
        of a label's s pictures s·m/n are held out, rounded up or down.

        Parameters
        ----------
        validation_split : float
            The share m/n to hold out; at least one picture is on either side.
        seed : int

        Returns
        -------
        train_set, validation_set : ImageSet
            Disjoint, together the whole set, each in its order.

        Raises
        ------
        ImagesError
            If there are fewer than two pictures.
        """
        count = len(self)
        if count < 2:
            raise ImagesError(
                f"A split into training and validation needs at least 2 pictures, found {count}."
            )
        rng = random_stream(seed, "split")
        shuffled = rng.permutation(count)
        # A stable sort by label keeps the shuffled order within each label.
        rank = {label: number for number, label in enumerate(sorted(set(self.labels)))}
        ranks = np.array([rank[label] for label in self.labels])
        laid_out = shuffled[np.argsort(ranks[shuffled], kind="stable")]
        held_out = int(np.clip(round(count * validation_split), 1, count - 1))
        positions = (np.arange(held_out) + rng.random()) * count / held_out
        is_held_out = np.zeros(count, bool)
        is_held_out[laid_out[positions.astype(int)]] = True
        return self.select(~is_held_out), self.select(is_held_out)


def augmented(x, image_shape, probability, rng):
    """Change some pictures a little, so that a training does not see the same ones each time.

    A picture is mirrored with this probability, left to right, and with the same probability
    shifted by up to one pixel in both directions; its edge fills what becomes free.

    Parameters
    ----------
    x : ndarray, shape (batch, pixels)
        Changed in place.
    image_shape : tuple of int
        (height, width, channels).
    probability : float
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (batch, pixels)
        `x`.

    References
    ----------
    Simard, Steinkraus & Platt (2003), "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis", section 2.
    """
    pictures = x.reshape(-1, *image_shape)  # (batch, height, width, channels), a view
    height, width, _ = image_shape
    is_mirrored, is_shifted = rng.random((2, len(x))) < probability
    pictures[is_mirrored] = pictures[is_mirrored][:, :, ::-1]
    for number, (down, right) in enumerate(rng.integers(-1, 2, (len(x), 2))):
        if is_shifted[number]:
            padded = np.pad(pictures[number], ((1, 1), (1, 1), (0, 0)), "edge")
            rows, columns = slice(1 - down, 1 - down + height), slice(1 - right, 1 - right + width)
            pictures[number] = padded[rows, columns]
    return x
