"""The checks of notebook 05, Reconstruct."""

import numpy as np

from vae_nb.core.layers import sigmoid
from vae_nb.core.losses import (
    bernoulli_entropy,
    bernoulli_loss,
)
from vae_nb.core.model import reparameterize
from vae_nb.exercises.checker import call, exercise_check, expect, require
from vae_nb.exercises.notebook_04 import _single


@exercise_check("05.1")
def _best_answer(answer):
    mistakes = [
        (0.7, "The three values are not equally likely: weigh each by its probability."),
        (0.2, "0.2 is the most probable value. The answer with the least expected loss is a mean."),
        (0.55, "That is the median, best for the absolute error. This loss asks for the mean."),
        (0.57, "Near, as the best on a grid is. Section 7's rule is exact."),
        (0.58, "Near, as the best on a grid is. Section 7's rule is exact."),
    ]
    mean = 0.5 * 0.2 + 0.25 * 0.9 + 0.25 * 1
    expect(_single(answer), mean, "Your best answer", mistakes, atol=0.002)
    return "The mean is none of the three values: a pixel that no picture has. That is blur."


@exercise_check("05.2")
def _excess_map(function):
    rng = np.random.default_rng(0)
    x, logits = rng.uniform(0.1, 0.9, (24, 2)), rng.normal(size=(24, 2))  # of two colours
    entropy = bernoulli_entropy(x).reshape(2, 3, 4)
    expected = bernoulli_loss(logits, x).reshape(2, 3, 4) - entropy
    mistakes = [
        (expected + entropy, "That is a map of the loss: the pixels' own entropy is still in it."),
        (expected / 2, "The colours are to be summed, not averaged: a map's sum is too small."),
        (expected.sum(axis=0), "You summed over the batch: each picture needs a map of its own."),
    ]
    x, logits, shape = x.reshape(2, 24), logits.reshape(2, 24), (3, 4, 2)
    within = {"rtol": 1e-4, "atol": 1e-6}  # float32 is right, too
    expect(call(function, logits, x, shape), expected, "Your map", mistakes, **within)
    hard = call(function, 1000 * np.sign(x - 0.5), np.round(x), shape)  # perfect, of 0 and 1
    hint = "0·log 0 is NaN in NumPy, and so is a logarithm of a sigmoid that was rounded to 0."
    require(np.all(np.isfinite(hard)), f"Pixels of 0 and 1 at logits of ±1000 break it: {hint}")
    expect(hard, np.zeros((2, 3, 4)), "Your map of a perfect reconstruction", **within)
    return "Zero where the answer is perfect, and nowhere negative: a KL divergence in each pixel."


@exercise_check("05.3")
def _split_error(function):
    mean, log_variance, x = np.random.default_rng(0).normal(size=(3, 4, 5))
    noise, weights = np.random.default_rng(1).normal(size=(2, 50, 5))

    def decode(z):
        return sigmoid(z @ weights[:5])

    def parts(scale=1.0, centre=None):
        decoded = decode(reparameterize(mean, scale * log_variance, noise[:, None]))
        centre = decoded.mean(axis=0) if centre is None else centre
        squares = (decoded - x) ** 2, (centre - x) ** 2, (decoded - centre) ** 2
        return np.array([part.sum(axis=-1).reshape(-1, 4).mean(axis=0) for part in squares])

    mistakes = [
        (parts(scale=2), "Your samples are too wide: σ is exp(½ log σ²), not exp(log σ²)."),
        (parts(centre=decode(mean)), "decode(μ) is not the average picture: the decoder bends."),
        (parts() / 5, "The squared errors are to be summed over the pixels, not averaged."),
        (parts()[[0, 2, 1]], "Bias and variance have changed places."),
        (parts() * [[50], [1], [50]], "Average over the samples; you took the sum over all 50."),
    ]
    found = call(function, decode, mean, log_variance, x, noise)
    expect(found, parts(), "Your (error, bias, variance)", mistakes, rtol=1e-4)
    return "They add up for each picture: what is not bias is what z leaves open."
