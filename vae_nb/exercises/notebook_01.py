"""The checks of notebook 01, Load the emojis."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vae_nb.core.metrics import pixel_distances
from vae_nb.exercises.checker import call, exercise_check, expect, has_parts, require


@exercise_check("01.1")
def _centered_mean_square(function: object) -> str:
    x = np.random.default_rng(1).random((6, 20))  # (images, pixels)
    mean_square = np.mean(x**2)
    mean = x.mean(axis=0)  # (pixels,)
    found = call(function, mean_square, mean)
    mistakes = [
        (
            mean_square - mean.mean() ** 2,
            "Square each pixel of the mean picture *before* you average.",
        ),
        (
            mean_square - np.sum(mean**2),
            "You mixed a mean with a sum: average over the pixels as well.",
        ),
        (
            mean_square + np.mean(mean**2),
            "Centering adds nothing: which sign does the second term have?",
        ),
        (
            mean_square - mean**2,
            "One number is needed, not one for each pixel: average over them.",
        ),
    ]
    expect(found, np.mean((x - mean) ** 2), "Your mean square", mistakes)
    return "The variance is the mean square minus the square of the mean, at every pixel."


@exercise_check("01.2")
def _on_paper(function: object) -> str:
    rgba = np.random.default_rng(2).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    paper = np.array([20, 60, 200])
    color = rgba[..., :3]
    alpha = rgba[..., 3:]
    opacity = alpha / 255
    found = call(function, rgba, paper)
    exact = paper + opacity * (color - paper)
    mistakes = [
        (
            np.rint(color * alpha / 255 + (1 - opacity) * paper),
            "Bytes wrap around: color times alpha does not fit in uint8. Divide alpha by 255 "
            "first.",
        ),
        (np.floor(exact), "uint8 cuts fractions off: round before you convert."),
        (np.rint(255 + opacity * (color - 255.0)), "The paper is still white: use `paper`."),
        (np.rint(color + paper - exact), "You swapped the picture and the paper."),
        (np.where(opacity > 0, color, paper), "A pixel may be *half* opaque: mix the two."),
    ]
    background = Image.new("RGBA", (6, 5), (*paper,))
    image = Image.alpha_composite(background, Image.fromarray(rgba))
    expect(found, np.asarray(image)[..., :3], "Your picture", mistakes)
    is_uint8 = np.asarray(found).dtype == np.uint8
    require(is_uint8, "The values are right, but their type is not: convert to uint8.")
    return "Only the paper shows where alpha is 0, so the color hidden there does not matter."


@exercise_check("01.3")
def _with_mirrored(function: object) -> str:
    images = np.random.default_rng(3).random((2, 3, 4, 3))
    x = images.reshape(2, -1)  # (images, pixels)
    found = call(function, x, (3, 4, 3))

    def originals_and(copies: NDArray) -> NDArray:
        return np.concatenate([x, copies.reshape(2, -1)])

    mirrored = images[:, :, ::-1]
    mistakes = [
        (
            originals_and(x[:, ::-1]),
            "A reversed row is a picture turned upside down, with red and blue swapped.",
        ),
        (
            originals_and(images[:, ::-1]),
            "Your copies are upside down: axis 1 of the pictures is the height.",
        ),
        (
            originals_and(images[..., ::-1]),
            "Your copies have red and blue swapped: that axis is the color.",
        ),
        (mirrored.reshape(2, -1), "The copies are right, but the originals are gone."),
    ]
    expect(found, originals_and(mirrored), "Your array", mistakes)
    return "To a dense layer a mirrored face is a new one: it does not know which pixels are near."


@exercise_check("01.4")
def _nearest_training_images(function: object) -> str:
    train, others = np.random.default_rng(4).integers(0, 256, (2, 7, 5, 4, 3), dtype=np.uint8)
    brighter = np.minimum(train[2], 254) + 1  # nearly a copy, but in uint8 3 - 4 is 255
    held_out = np.stack([*others[:2], train[5], brighter])
    found = call(function, train, held_out)
    require(has_parts(found, 2), "Two arrays are needed: `return positions, distances`.")

    def nearest_distance(differences: NDArray) -> NDArray:
        """Compute the distances from differences, in the dtype of these."""
        return np.sqrt(np.mean(differences**2, axis=(2, 3, 4))).min(axis=1)

    pixels = train[0].size
    distances = pixel_distances(held_out.reshape(4, -1), train.reshape(7, -1)) / np.sqrt(pixels)
    nearest = distances.min(axis=1)  # (held-out images,)
    uint8_differences = held_out[:, None] - train  # (held-out images, training images, …)
    int16_differences = held_out[:, None].astype(np.int16) - train
    overflow = "Bytes wrap around: in uint8, 3 - 4 is 255. Convert to float before you subtract."
    mistakes = [
        (
            nearest_distance(int16_differences),
            "The differences fit into int16, but their squares do not: convert to float.",
        ),
        (nearest_distance(uint8_differences), overflow),
        (nearest_distance(uint8_differences.astype(np.float64)), overflow),
        (
            distances.min(axis=0),
            "One distance for each *held-out* picture is needed: take the other axis.",
        ),
        (nearest**2, "The root is missing: these are mean squares."),
        (nearest / 255, "These are for pixels in [0, 1]: keep the range from 0 to 255."),
        (
            nearest * np.sqrt(pixels),
            "You take the root of a sum of squares: take the root of their mean.",
        ),
    ]
    expect(found[1], nearest, "Your distance", mistakes)
    expect(found[0], distances.argmin(axis=1), "Your nearest position")
    return "It found the exact copy, at distance 0, and the one that was a little brighter."
