"""The checks of notebook 01, Load the emojis."""

import numpy as np
from PIL import Image

from vae_nb.core.metrics import pixel_distances
from vae_nb.exercises.checker import call, exercise_check, expect, require


@exercise_check("01.1")
def _centred_mean_square(function):
    x = np.random.default_rng(1).random((6, 20))
    square, mean = np.mean(x**2), x.mean(axis=0)
    found = call(function, square, mean)
    mistakes = [
        (square - mean.mean() ** 2, "Square each pixel of the mean picture *before* you average."),
        (square - np.sum(mean**2), "Sum and mean are mixed: average over the pixels as well."),
        (square + np.mean(mean**2), "Centring adds nothing: which sign has the second term?"),
        (square - mean**2, "One number is needed, not one for each pixel: average over them."),
    ]
    expect(found, np.mean((x - mean) ** 2), "Your mean square", mistakes)
    return "The variance is the mean square minus the square of the mean, at every pixel."


@exercise_check("01.2")
def _on_paper(function):
    rgba = np.random.default_rng(2).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    colour, opacity, paper = rgba[..., :3], rgba[..., 3:] / 255, np.array([20, 60, 200])
    found = call(function, rgba, paper)
    exact = paper + opacity * (colour - paper)
    wrapped = np.rint(colour * rgba[..., 3:] / 255 + (1 - opacity) * paper)
    overflow = "Bytes wrap around: colour times alpha is no uint8. Divide alpha by 255 first."
    mistakes = [
        (wrapped, overflow),
        (np.floor(exact), "uint8 cuts fractions off: round before you convert."),
        (np.rint(255 + opacity * (colour - 255.0)), "The paper is white still: use `paper`."),
        (np.rint(colour + paper - exact), "Picture and paper have changed places."),
        (np.where(opacity > 0, colour, paper), "A pixel may be *half* opaque: mix the two."),
    ]
    image = Image.alpha_composite(Image.new("RGBA", (6, 5), (*paper,)), Image.fromarray(rgba))
    expect(found, np.asarray(image)[..., :3], "Your picture", mistakes)
    require(np.asarray(found).dtype == np.uint8, "Right, but as other numbers: convert to uint8.")
    return "Only the paper shows where alpha is 0, so the colour hidden there does not matter."


@exercise_check("01.3")
def _with_mirrored(function):
    pictures = np.random.default_rng(3).random((2, 3, 4, 3))
    x = pictures.reshape(2, -1)
    found = call(function, x, (3, 4, 3))
    copies = {
        "A row reversed is a picture upside down, with red and blue exchanged.": x[:, ::-1],
        "Your copies are upside down: axis 1 of the pictures is height.": pictures[:, ::-1],
        "Your copies have red and blue exchanged: that axis is colour.": pictures[..., ::-1],
    }
    mistakes = [(np.concatenate([x, y.reshape(2, -1)]), hint) for hint, y in copies.items()]
    mirrored = pictures[:, :, ::-1].reshape(2, -1)
    mistakes.append((mirrored, "The copies are right, but the originals are gone."))
    expect(found, np.concatenate([x, mirrored]), "Your array", mistakes)
    return "To a dense layer a mirrored face is a new one: it does not know which pixels are near."


@exercise_check("01.4")
def _nearest_training_pictures(function):
    train, others = np.random.default_rng(4).integers(0, 256, (2, 7, 5, 4, 3), dtype=np.uint8)
    brighter = np.minimum(train[2], 254) + 1  # nearly a copy, but in uint8 3 - 4 is 255
    held_out = np.stack([*others[:2], train[5], brighter])
    found = call(function, train, held_out)
    pair = isinstance(found, tuple | list) and len(found) == 2
    require(pair, "Two arrays are needed: `return positions, distances`.")
    apart = pixel_distances(held_out.reshape(4, -1), train.reshape(7, -1)) / np.sqrt(60)
    wrapped = held_out[:, None] - train
    overflow = "Bytes wrap around: in uint8, 3 - 4 is 255. Convert to float before you subtract."
    small = held_out[:, None].astype(np.int16) - train
    mistakes = [
        (
            np.sqrt(np.mean(small**2, (2, 3, 4))).min(axis=1),
            "The differences fit into int16, but their squares do not: convert to float.",
        ),
        *((np.sqrt(np.mean(wrapped**p, (2, 3, 4))).min(axis=1), overflow) for p in (2, 2.0)),
        (apart.min(axis=0), "One distance for each *held-out* picture is needed: the other axis."),
        (apart.min(axis=1) ** 2, "The root is missing: these are mean squares."),
        (apart.min(axis=1) / 255, "These are for pixels in [0, 1]: leave them 0 to 255."),
        (apart.min(axis=1) * np.sqrt(60), "These are sums of squares under the root, not means."),
    ]
    expect(found[1], apart.min(axis=1), "Your distance", mistakes)
    expect(found[0], apart.argmin(axis=1), "Your nearest position")
    return "It found the exact copy, at distance 0, and the one that was a little brighter."
