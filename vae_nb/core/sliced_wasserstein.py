"""The sliced Wasserstein distance: how different two sets of images look, patch by patch.

Pixel distances compare whole images, and a blurred mixture of many images is close to all of them.
This distance compares small patches at three sizes, so it sees blur, ghosts and noise.
"""

import numpy as np
from numpy.typing import NDArray

LEVELS = ("fine", "medium", "coarse")  # each has half the side of the one before
PATCH = 7  # pixels, the side of a patch
PATCHES = 4096  # of each set of images, at each level
DIRECTIONS = 128
SCALE = 100  # of the distances, so that they are easy to read
SMALLEST_DEVIATION = 1e-3  # images of one color have none

# The binomial filter that approximates a Gaussian.
FILTER = np.array([1, 4, 6, 4, 1], np.float32) / 16


def sliced_wasserstein(
    images: NDArray, real: NDArray, rng: np.random.Generator
) -> dict[str, float | None]:
    """Measure how different the patches of images are from those of real ones, at three levels.

    The levels are those of the Laplacian pyramid: each holds the details that the next one, which
    has half the side, leaves out.

    Parameters
    ----------
    images, real : ndarray, shapes (n, height, width, channels) and (m, height, width, channels)
        In [0, 1].
    rng : numpy.random.Generator
        Chooses the patches and the directions. The same state makes distances comparable.

    Returns
    -------
    dict
        "fine", "medium" and "coarse": the distance times 100, in standard deviations of the real
        patches. 0 is equal; two samples of the same images are a few units apart. None where the
        images are too small for a patch.

    References
    ----------
    Karras et al. (2018), "Progressive Growing of GANs for Improved Quality, Stability, and
    Variation", section 5. They normalize each set by its own mean and standard deviation. Here both
    are normalized by those of the real images: a pale mixture of images is then far from them.
    Rabin et al. (2011), "Wasserstein Barycenter and Its Application to Texture Mixing".
    """
    distances: dict[str, float | None] = dict.fromkeys(LEVELS)
    pyramids = zip(laplacian_pyramid(images), laplacian_pyramid(real), strict=True)
    for name, (level, real_level) in zip(LEVELS, pyramids, strict=False):
        real_patches = _random_patches(real_level, rng)
        # Over patches, rows and columns: of each color channel.
        mean = real_patches.mean(axis=(0, 2, 3), keepdims=True)
        deviation = np.maximum(real_patches.std(axis=(0, 2, 3), keepdims=True), SMALLEST_DEVIATION)
        patches, real_patches = (
            ((some - mean) / deviation).reshape(PATCHES, -1)
            for some in (_random_patches(level, rng), real_patches)
        )
        directions = rng.standard_normal((DIRECTIONS, patches.shape[1]), np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        # In one dimension, the Wasserstein distance compares the sorted values.
        projected = np.sort(directions @ patches.T, axis=1)  # (directions, patches)
        real_projected = np.sort(directions @ real_patches.T, axis=1)
        distances[name] = SCALE * float(np.mean(np.abs(projected - real_projected)))
    return distances


def laplacian_pyramid(images: NDArray) -> list[NDArray]:
    """Split images into levels of detail, the finest first.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, channels)

    Returns
    -------
    list of ndarray
        At most three levels, those that are large enough for a patch. The last one holds all that
        the others leave out.

    References
    ----------
    Burt & Adelson (1983), "The Laplacian Pyramid as a Compact Image Code".
    """
    levels: list[NDArray] = []
    rest = images.astype(np.float32)
    while min(rest.shape[1:3]) >= PATCH:
        smaller = _blurred(rest)[:, ::2, ::2]
        if len(levels) == len(LEVELS) - 1 or min(smaller.shape[1:3]) < PATCH:
            levels.append(rest)
            break
        levels.append(rest - _enlarged(smaller, rest.shape))
        rest = smaller
    return levels


def _blurred(images: NDArray) -> NDArray:
    """Blur along both axes; the images are mirrored at their edges."""
    for axis in (1, 2):
        margin = [(0, 0)] * images.ndim
        margin[axis] = (2, 2)
        padded = np.pad(images, margin, "reflect")
        size = images.shape[axis]
        images = sum(
            weight * np.take(padded, range(shift, shift + size), axis)
            for shift, weight in enumerate(FILTER)
        )
    return images


def _enlarged(images: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Enlarge images to twice their side."""
    spread = np.zeros(shape, np.float32)
    spread[:, ::2, ::2] = images
    return 4 * _blurred(spread)  # because three of four pixels are zero


def _random_patches(images: NDArray, rng: np.random.Generator) -> NDArray:
    """Cut patches from images at random: shape (patches, channels, PATCH, PATCH)."""
    count, height, width, _ = images.shape
    which = rng.integers(count, size=PATCHES)
    top = rng.integers(height - PATCH + 1, size=PATCHES)
    left = rng.integers(width - PATCH + 1, size=PATCHES)
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))
    return windows[which, top, left]
