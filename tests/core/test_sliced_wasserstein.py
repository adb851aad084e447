"""The sliced Wasserstein distance sees what pixel distances do not: blur, ghosts, noise."""

import numpy as np
import pytest

from vae_nb.core.sliced_wasserstein import (
    LEVELS,
    PATCH,
    _blurred,
    _enlarged,
    laplacian_pyramid,
    sliced_wasserstein,
)


def shapes(count, seed=0, side=32):
    """Images of colored rectangles on white: (count, side, side, 3)."""
    rng = np.random.default_rng(seed)
    images = np.ones((count, side, side, 3), np.float32)
    for image in images:
        for _ in range(4):
            top, left = rng.integers(0, side - 4, 2)
            height, width = rng.integers(4, side // 2, 2)
            image[top : top + height, left : left + width] = rng.random(3)
    return images


def distance(images, real, seed=0):
    return sliced_wasserstein(images, real, np.random.default_rng(seed))


def test_a_pyramid_adds_up_to_the_images():
    images = shapes(3, side=40)
    pyramid = laplacian_pyramid(images)
    assert [level.shape[1] for level in pyramid] == [40, 20, 10]
    rest = pyramid[-1]
    for level in pyramid[-2::-1]:
        rest = level + _enlarged(rest, level.shape)
    np.testing.assert_allclose(rest, images, atol=1e-6)


def test_images_of_one_color_have_no_details():
    fine, medium, coarse = laplacian_pyramid(np.full((1, 32, 32, 1), 0.3))
    np.testing.assert_allclose(fine, 0, atol=1e-6)
    np.testing.assert_allclose(medium, 0, atol=1e-6)
    np.testing.assert_allclose(coarse, 0.3, atol=1e-6)


def test_a_blur_keeps_the_mean_of_a_smooth_image():
    ramp = np.linspace(0, 1, 21, dtype=np.float32).reshape(1, 21, 1, 1) * np.ones((1, 1, 9, 1))
    np.testing.assert_allclose(_blurred(ramp)[:, 2:-2], ramp[:, 2:-2], atol=1e-6)


def test_patches_of_one_color_are_as_far_apart_as_their_means():
    rng = np.random.default_rng(0)
    values = rng.normal(0.5, 0.01, (2000, 1, 1, 1)).astype(np.float32)
    real = np.broadcast_to(values, (2000, 7, 7, 1))
    found = distance(real + np.float32(0.2), real)
    # A direction sees the shift times the sum of its entries. That sum has almost a standard normal
    # distribution, whose mean absolute value is the root of 2 / pi.
    expected = 100 * 0.2 / values.std() * np.sqrt(2 / np.pi)
    assert found["fine"] == pytest.approx(expected, rel=0.2)
    assert found["medium"] is None


def test_equal_images_are_close_and_others_are_further_away():
    real, more = shapes(200), shapes(200, seed=1)
    same = distance(real, real)
    new = distance(more, real)
    rng = np.random.default_rng(2)
    noisy = more + rng.normal(0, 0.1, more.shape).astype(np.float32)
    ghosts = (more + more[::-1]) / 2  # each is two images laid over each other
    blurred = _blurred(_blurred(more))
    for worse in (noisy, ghosts, blurred):
        found = distance(worse, real)
        assert found["fine"] > 1.5 * new["fine"] > 1.5 * same["fine"]
    assert distance(ghosts, real)["coarse"] > 1.5 * new["coarse"]


def test_the_same_stream_gives_the_same_distance():
    real, more = shapes(20), shapes(20, seed=1)
    assert distance(more, real) == distance(more, real)
    assert distance(more, real) != distance(more, real, seed=1)


@pytest.mark.parametrize(("side", "levels"), [(64, 3), (28, 3), (27, 3), (13, 2), (7, 1), (6, 0)])
def test_small_images_have_fewer_levels(side, levels):
    images, real = shapes(4, side=64), shapes(4, seed=1, side=64)
    found = distance(images[:, :side, :side], real[:, :side, :side])
    assert [name for name in LEVELS if found[name] is not None] == list(LEVELS[:levels])
    assert PATCH == 7


def test_images_of_one_color_can_be_compared():
    found = distance(np.zeros((2, 8, 8, 1)), np.ones((2, 8, 8, 1)))
    assert np.isfinite(found["fine"])
    assert distance(np.ones((2, 8, 8, 1)), np.ones((2, 8, 8, 1)))["fine"] == 0
