"""The checks of notebook 05, Reconstruct."""

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.layers import sigmoid
from vae_nb.core.losses import bernoulli_entropy, bernoulli_loss
from vae_nb.core.model import reparameterize
from vae_nb.exercises.checker import (
    Mistake,
    call,
    exercise_check,
    expect,
    require,
    single_number,
)


@exercise_check("05.1")
def _best_answer(answer: object) -> str:
    close = "That is close, like the best value on a grid. There is an exact answer."
    mistakes: list[Mistake] = [
        (0.7, "The three values are not equally likely: weigh each by its probability."),
        (0.2, "0.2 is the most probable value. The answer with the least expected loss is a mean."),
        (0.55, "That is the median, best for the absolute error. This loss asks for the mean."),
        (0.57, close),
        (0.58, close),
    ]
    mean = 0.5 * 0.2 + 0.25 * 0.9 + 0.25 * 1
    expect(single_number(answer), mean, "Your best answer", mistakes, atol=0.002)
    return "The mean is none of the three values: a pixel that no picture has. That is blur."


@exercise_check("05.2")
def _excess_map(function: object) -> str:
    rng = np.random.default_rng(0)
    image_shape = (3, 4, 2)  # two colors
    x = rng.uniform(0.1, 0.9, (2, *image_shape))
    logits = rng.normal(size=x.shape)

    # `bernoulli_loss` sums over the last axis: here over the colors of a pixel.
    by_pixel = (-1, image_shape[-1])
    entropy = bernoulli_entropy(x.reshape(by_pixel)).reshape(2, 3, 4)
    loss = bernoulli_loss(logits.reshape(by_pixel), x.reshape(by_pixel)).reshape(2, 3, 4)
    expected = loss - entropy
    mistakes = [
        (loss, "That is a map of the loss: the pixels' own entropy is still in it."),
        (expected / 2, "Sum over the colors, do not average: the sum of your map is too small."),
        (expected.sum(axis=0), "You summed over the batch: each picture needs a map of its own."),
    ]
    x = x.reshape(2, -1)
    logits = logits.reshape(2, -1)
    found = call(function, logits, x, image_shape)
    expect(found, expected, "Your map", mistakes, rtol=1e-4, atol=1e-6)  # float32 is right, too

    # A perfect reconstruction of pixels that are 0 or 1.
    found = call(function, 1000 * np.sign(x - 0.5), np.round(x), image_shape)
    require(
        np.all(np.isfinite(found)),
        "Pixels of 0 and 1 at logits of ±1000 break it: 0·log 0 is NaN in NumPy, also where a "
        "sigmoid was rounded to 0.",
    )
    subject = "Your map of a perfect reconstruction"
    expect(found, np.zeros((2, 3, 4)), subject, rtol=1e-4, atol=1e-6)
    return "Zero where the answer is perfect, and nowhere negative: a KL divergence in each pixel."


@exercise_check("05.3")
def _split_error(function: object) -> str:
    mean, log_variance, x = np.random.default_rng(0).normal(size=(3, 4, 5))
    noise, weights = np.random.default_rng(1).normal(size=(2, 50, 5))

    def decode(z: NDArray) -> NDArray:
        return sigmoid(z @ weights[:5])

    def parts(log_variance: NDArray, center: NDArray | None = None) -> NDArray:
        """Return error, bias and variance of each image, around the mean image or another."""
        decoded = decode(reparameterize(mean, log_variance, noise[:, None]))
        if center is None:
            center = decoded.mean(axis=0)  # (images, pixels)
        error = np.sum((decoded - x) ** 2, axis=-1).mean(axis=0)
        bias = np.sum((center - x) ** 2, axis=-1)
        variance = np.sum((decoded - center) ** 2, axis=-1).mean(axis=0)
        return np.array([error, bias, variance])  # (3, images)

    expected = parts(log_variance)
    error, bias, variance = expected
    samples = len(noise)
    mistakes = [
        (
            parts(2 * log_variance),
            "Your samples are too wide: σ is exp(½ log σ²), not exp(log σ²).",
        ),
        (
            parts(log_variance, center=decode(mean)),
            "decode(μ) is not the average picture: the decoder is not linear.",
        ),
        (expected / 5, "Sum the squared errors over the pixels, do not average them."),
        ([error, variance, bias], "You swapped bias and variance."),
        (
            [samples * error, bias, samples * variance],
            "Average over the samples; you took the sum over all 50.",
        ),
    ]
    found = call(function, decode, mean, log_variance, x, noise)
    expect(found, expected, "Your (error, bias, variance)", mistakes, rtol=1e-4)
    return "They add up for each picture: what is not bias is what z leaves open."
