"""A set of images: its split into training and held-out images, its batches, augmentation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vae_nb.core.random_streams import random_stream
from vae_nb.system.errors import ImagesError

Indices = slice | Sequence[int] | NDArray


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one shape, with their names and labels.

    Parameters
    ----------
    stored : ndarray of uint8, shape (m, height, width, channels)
        At least the images of this set. A selection shares the array of the set that it was
        selected from, so it costs no memory.
    names, labels, skipped, styles
        See the attributes.
    known_fingerprint : str or None
        The fingerprint, if it was computed before; a large set's takes seconds.
    rows : ndarray of int, shape (n,), or None
        Which of the stored images belong to this set; None means all of them.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, height, width, channels)
        The images of this set. A selection makes a copy each time that this is read.
    names : tuple of str
        File names without their extension, for example "1f600_grinning_face".
    labels : tuple of str
        The folder of each image, relative to the input folder ("a/b"). An image directly in the
        input folder has that folder's own name.
    styles : tuple of str
        The name of the input folder that each image is from; empty if they are not from folders.
        The same emoji in two styles has the same name.
    skipped : tuple of (str, str)
        Path and reason of each file that was not loaded.
    """

    stored: NDArray[np.uint8]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    rows: NDArray[np.int_] | None = None
    known_fingerprint: str | None = None
    styles: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        return self.stored if self.rows is None else self.stored[self.rows]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels)."""
        return self.stored.shape[1:]

    def select(self, indices: Indices) -> ImageSet:
        """Select some of the images.

        Parameters
        ----------
        indices : slice, sequence of int, or ndarray of int or bool
            Anything that can index an array of shape (n,).

        Returns
        -------
        ImageSet
            The images in the order of `indices`. Its `skipped` is empty.
        """
        positions = np.arange(len(self))[indices]
        rows = positions if self.rows is None else self.rows[positions]
        names = tuple(self.names[position] for position in positions)
        labels = tuple(self.labels[position] for position in positions)
        styles = tuple(self.styles[position] for position in positions) if self.styles else ()
        return ImageSet(self.stored, names, labels, rows=rows, styles=styles)

    def with_pixels_in_order(self, order: NDArray[np.int_]) -> ImageSet:
        """Put the pixels of all images in the same new order.

        A dense layer learns such images as well as before; a convolution does not.

        Parameters
        ----------
        order : ndarray of int, shape (height · width,)
            A permutation: the new first pixel is the old `order[0]`. Its `np.argsort` is the order
            that undoes it.

        Returns
        -------
        ImageSet
            The names, labels and styles stay; a color stays together.
        """
        pixels = self.pixels.reshape(len(self), -1, self.image_shape[-1])[:, order]
        pixels = pixels.reshape(-1, *self.image_shape)
        return ImageSet(pixels, self.names, self.labels, styles=self.styles)

    def fingerprint(self) -> str:
        """Return a hash of shape, names, labels and pixels, which decide a training.

        The labels are included because the split depends on them.

        Returns
        -------
        str
            SHA-256 in hexadecimal.
        """
        if self.known_fingerprint is not None:
            return self.known_fingerprint
        pixels = np.ascontiguousarray(self.pixels)
        digest = hashlib.sha256(repr((pixels.shape, self.names, self.labels)).encode())
        digest.update(pixels.data)
        return digest.hexdigest()

    def as_float(
        self, indices: Indices = slice(None), dtype: DTypeLike = np.float32
    ) -> NDArray[np.floating]:
        """Return images as the model reads them: flat rows of numbers in [0, 1].

        This is the only place where uint8 becomes float.

        Parameters
        ----------
        indices : slice, sequence of int, or ndarray of int or bool
            Which images of this set; by default all of them.

        Returns
        -------
        ndarray, shape (batch, pixels)
        """
        rows = indices if self.rows is None else self.rows[indices]
        x = self.stored[rows].reshape(-1, math.prod(self.image_shape)).astype(dtype)
        x /= 255
        return x

    def mean_image(self, dtype: DTypeLike = np.float32) -> NDArray[np.floating]:
        """Return the mean of all images.

        Returns
        -------
        ndarray, shape (pixels,)
            In [0, 1].
        """
        rows: Iterable[int] = range(len(self)) if self.rows is None else self.rows
        # The sum is exact, because it is a sum of integers.
        total = np.zeros(self.image_shape, np.int64)
        for row in rows:
            total += self.stored[row]
        return (total.reshape(-1) / (255 * len(self))).astype(dtype)

    def batches(
        self,
        batch_size: int,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        augmentation: float = 0.0,
    ) -> Iterator[NDArray[np.floating]]:
        """Yield every image once, in a new random order, as mini-batches.

        Parameters
        ----------
        augmentation : float
            The probability that an image is mirrored, and also the probability that it is shifted.
            See `augmented`.

        Yields
        ------
        ndarray, shape (batch, pixels)
            In [0, 1]. The last batch is smaller if `batch_size` does not divide the number of
            images.
        """
        order = rng.permutation(len(self))
        for start in range(0, len(self), batch_size):
            x = self.as_float(order[start : start + batch_size], dtype)
            if augmentation:
                x = augmented(x, self.image_shape, augmentation, rng)
            yield x

    def split(
        self, validation_split: float, seed: int, by: Literal["picture", "name"] = "picture"
    ) -> tuple[ImageSet, ImageSet]:
        """Divide the set into images to train on and held-out images.

        Every label is held out in proportion. The images are shuffled within each label, and the
        labels are laid in one line, one after another. From a random place on, every n/m-th image
        of the line is held out: a systematic sample of m of the n images. So of the s images of a
        label, s·m/n are held out, rounded up or down.

        Parameters
        ----------
        validation_split : float
            The fraction m/n to hold out. Each side gets at least one image.
        by
            With "name", whole names are held out in the place of images, so that no held-out image
            has the name of an image to train on. A name has the label of its first image.

        Returns
        -------
        train_set, validation_set : ImageSet
            No image is in both, and every image is in one of them. Each keeps the order of this
            set.

        Raises
        ------
        ImagesError
            If there are fewer than two images, or names.
        """
        keys: Sequence[Hashable] = self.names if by == "name" else range(len(self))
        first_image = {key: image for image, key in reversed(list(enumerate(keys)))}
        units = list(dict.fromkeys(keys))  # what is held out as a whole
        count = len(units)
        if count < 2:
            raise ImagesError(
                "A split into training and held-out images needs at least 2 "
                f"{'names of images' if by == 'name' else 'images'}, found {count}."
            )
        rng = random_stream(seed, "split")
        shuffled = rng.permutation(count)
        # A stable sort by label keeps the shuffled order within each label.
        labels = [self.labels[first_image[unit]] for unit in units]
        rank_of_label = {label: rank for rank, label in enumerate(sorted(set(labels)))}
        ranks = np.array([rank_of_label[label] for label in labels])
        line = shuffled[np.argsort(ranks[shuffled], kind="stable")]

        held_out_count = int(np.clip(round(count * validation_split), 1, count - 1))
        places = (np.arange(held_out_count) + rng.random()) * count / held_out_count
        held_out = {units[place] for place in line[places.astype(int)]}
        is_held_out = np.array([key in held_out for key in keys])
        return self.select(~is_held_out), self.select(is_held_out)


def augmented(
    x: NDArray[np.floating],
    image_shape: tuple[int, ...],
    probability: float,
    rng: np.random.Generator,
) -> NDArray[np.floating]:
    """Change some images a little, so that the training does not see the same ones in every epoch.

    With the given probability an image is mirrored, left to right. With the same probability it is
    shifted by up to one pixel vertically and horizontally; pixels that become free get the color
    of the edge beside them.

    Parameters
    ----------
    x : ndarray, shape (batch, pixels)
        Changed in place.
    image_shape : tuple of int
        (height, width, channels).

    Returns
    -------
    ndarray, shape (batch, pixels)
        `x` itself.

    References
    ----------
    Simard, Steinkraus & Platt (2003), "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis", section 2.
    """
    images = x.reshape(-1, *image_shape)  # (batch, height, width, channels), a view of x
    # The numbers are drawn for every image, so that their count does not depend on chance.
    is_mirrored, is_shifted = rng.random((2, len(x))) < probability
    shifts = rng.integers(-1, 2, (len(x), 2))  # pixels down and to the right, each -1, 0 or 1
    images[is_mirrored] = images[is_mirrored][:, :, ::-1]
    for number in np.flatnonzero(is_shifted):
        down, right = shifts[number]
        images[number] = _shifted(images[number], down, right)
    return x


def _shifted(image: NDArray, down: int, right: int) -> NDArray:
    """Shift an image by at most one pixel in each direction."""
    height, width, _ = image.shape
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), "edge")
    top, left = 1 - down, 1 - right
    return padded[top : top + height, left : left + width]
