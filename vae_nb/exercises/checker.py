"""The checks behind the notebooks' exercises: right, not solved yet, or what is wrong.

A check never says only "wrong": it names the numbers that differ, and where it knows the mistake
behind them, it says so.
"""

import inspect
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from PIL import Image

from vae_nb.core.gradient_checking import central_differences
from vae_nb.core.layers import sigmoid
from vae_nb.core.losses import (
    bernoulli_entropy,
    bernoulli_loss,
    kl_divergence,
    kl_divergence_gradient,
    kl_divergence_per_dimension,
)
from vae_nb.core.metrics import negative_elbo, pixel_distances, reconstruction_quality
from vae_nb.core.model import VAE, reparameterize
from vae_nb.core.optimizers import SGD, Adam
from vae_nb.core.random_streams import random_stream
from vae_nb.core.training import train
from vae_nb.data.config import load_config
from vae_nb.data.images import ImageSet
from vae_nb.system.errors import VaeNbError

RIGHT, WRONG, UNSOLVED = "right", "wrong", "not solved yet"
_CHECKS = {}


class Verdict(NamedTuple):
    """What a check says of an answer: a notebook shows it as one sentence."""

    exercise: str
    status: str  # "right", "wrong" or "not solved yet"
    message: str

    def __repr__(self):
        if self.status == UNSOLVED:
            return f"Exercise {self.exercise}: not solved yet."
        said = "right" if self.status == RIGHT else "not yet"
        return f"Exercise {self.exercise}: {said}. {self.message}"


class _Complaint(Exception):
    """What is wrong with an answer, said to the reader."""


class _Unsolved(Exception):
    """The marked place is as it was."""


def check(exercise, *answers):
    """Say whether an exercise of the notebooks is solved, or what is wrong with the answer.

    Parameters
    ----------
    exercise : str
        Its number, for example "03.2": the second exercise of notebook 03.
    *answers
        What the exercise asks for: numbers, arrays or functions. `...` (Python's Ellipsis), or a
        function that returns it, stands for "not solved yet".

    Returns
    -------
    Verdict
        Shown as one sentence.

    Raises
    ------
    VaeNbError
        If there is no such exercise, or it takes another number of answers.
    """
    if exercise not in _CHECKS:
        known = ", ".join(sorted(_CHECKS))
        raise VaeNbError(f"There is no exercise {exercise!r}; there are {known}.")
    asked = list(inspect.signature(_CHECKS[exercise]).parameters)
    if len(answers) != len(asked):
        raise VaeNbError(
            f"Exercise {exercise} takes {len(asked)} answers ({', '.join(asked)}), "
            f"not {len(answers)}."
        )
    if any(answer is ... or answer is None for answer in answers):
        return Verdict(exercise, UNSOLVED, "")
    try:
        praise = _CHECKS[exercise](*answers)
    except _Unsolved:
        return Verdict(exercise, UNSOLVED, "")
    except _Complaint as complaint:
        return Verdict(exercise, WRONG, str(complaint))
    return Verdict(exercise, RIGHT, praise)


def _exercise(number):
    """Register a check: a function of the answers that returns praise or raises a complaint."""

    def register(function):
        _CHECKS[number] = function
        return function

    return register


# --- what the checks are made of ---


def _require(condition, complaint):
    """Raise the complaint unless the condition holds."""
    if not condition:
        raise _Complaint(complaint)


def _call(function, *arguments):
    """What the reader's function makes of copies of the arguments."""
    _require(callable(function), f"A function is needed, not {_shown(function)}.")
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        result = function(*copies)
    except Exception as error:
        raise _Complaint(f"Your function raised {type(error).__name__}: {error}.") from None
    parts = result if isinstance(result, tuple) else (result,)
    if any(part is ... or part is None for part in parts):
        raise _Unsolved
    return result


def _expect(found, expected, what, mistakes=(), rtol=1e-6, atol=1e-9):
    """Raise a complaint unless the reader's numbers are the expected ones.

    Parameters
    ----------
    found : number or ndarray
        The reader's.
    expected : number or ndarray
    what : str
        What the numbers are, as a sentence's subject: "Your KL divergence".
    mistakes : iterable of tuple
        (mistake, hint): what a known mistake gives, and what to say of it.
    rtol, atol : float
        As in `numpy.allclose`.
    """
    try:
        found = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        raise _Complaint(f"{what} should be numbers, not {_shown(found)}.") from None
    expected = np.asarray(expected, np.float64)
    if found.shape == expected.shape and np.allclose(found, expected, rtol, atol):
        return
    for mistake, hint in mistakes:
        if found.shape == np.shape(mistake) and np.allclose(found, mistake, rtol, atol):
            raise _Complaint(hint)
    if found.shape != expected.shape:
        shapes = f"has the shape {found.shape}, and {expected.shape} is needed"
        raise _Complaint(f"{what} {shapes}.")
    with np.errstate(invalid="ignore"):
        error = np.abs(found - expected)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    where = f" at position {tuple(map(int, worst))}" if worst else ""
    digits = ".4g" if f"{found[worst]:.4g}" != f"{expected[worst]:.4g}" else ".12g"
    numbers = f"{found[worst]:{digits}}{where}, and {expected[worst]:{digits}} is right"
    raise _Complaint(f"{what} is {numbers}.")


def _shown(value, longest=60):
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


# --- 01 · Load the emojis ---


@_exercise("01.1")
def _centred_mean_square(function):
    x = np.random.default_rng(1).random((6, 20))
    square, mean = np.mean(x**2), x.mean(axis=0)
    found = _call(function, square, mean)
    mistakes = [
        (square - mean.mean() ** 2, "Square each pixel of the mean picture *before* you average."),
        (square - np.sum(mean**2), "Sum and mean are mixed: average over the pixels as well."),
        (square + np.mean(mean**2), "Centring adds nothing: which sign has the second term?"),
        (square - mean**2, "One number is needed, not one for each pixel: average over them."),
    ]
    _expect(found, np.mean((x - mean) ** 2), "Your mean square", mistakes)
    return "The variance is the mean square minus the square of the mean, at every pixel."


@_exercise("01.2")
def _on_paper(function):
    rgba = np.random.default_rng(2).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    colour, opacity, paper = rgba[..., :3], rgba[..., 3:] / 255, np.array([20, 60, 200])
    found = _call(function, rgba, paper)
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
    _expect(found, np.asarray(image)[..., :3], "Your picture", mistakes)
    _require(np.asarray(found).dtype == np.uint8, "Right, but as other numbers: convert to uint8.")
    return "Only the paper shows where alpha is 0, so the colour hidden there does not matter."


@_exercise("01.3")
def _with_mirrored(function):
    pictures = np.random.default_rng(3).random((2, 3, 4, 3))
    x = pictures.reshape(2, -1)
    found = _call(function, x, (3, 4, 3))
    copies = {
        "A row reversed is a picture upside down, with red and blue exchanged.": x[:, ::-1],
        "Your copies are upside down: axis 1 of the pictures is height.": pictures[:, ::-1],
        "Your copies have red and blue exchanged: that axis is colour.": pictures[..., ::-1],
    }
    mistakes = [(np.concatenate([x, y.reshape(2, -1)]), hint) for hint, y in copies.items()]
    mirrored = pictures[:, :, ::-1].reshape(2, -1)
    mistakes.append((mirrored, "The copies are right, but the originals are gone."))
    _expect(found, np.concatenate([x, mirrored]), "Your array", mistakes)
    return "To a dense layer a mirrored face is a new one: it does not know which pixels are near."


@_exercise("01.4")
def _nearest_training_pictures(function):
    train, others = np.random.default_rng(4).integers(0, 256, (2, 7, 5, 4, 3), dtype=np.uint8)
    brighter = np.minimum(train[2], 254) + 1  # nearly a copy, but in uint8 3 - 4 is 255
    held_out = np.stack([*others[:2], train[5], brighter])
    found = _call(function, train, held_out)
    pair = isinstance(found, tuple | list) and len(found) == 2
    _require(pair, "Two arrays are needed: `return positions, distances`.")
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
    _expect(found[1], apart.min(axis=1), "Your distance", mistakes)
    _expect(found[0], apart.argmin(axis=1), "Your nearest position")
    return "It found the exact copy, at distance 0, and the one that was a little brighter."


# --- 02 · Build a VAE from NumPy ---


@_exercise("02.1")
def _slope_of_cosh(bias):
    mistakes = [
        (1.0, "At bias 1, the module's start, the slope is sinh(1) = 1.175: a bit too steep."),
        (0.0, "cosh(0) is 1, but the slope of cosh is sinh, and sinh(0) = 0: this layer is deaf."),
        (np.sinh(1), "1.175 is the slope at bias 1. You need the bias whose slope is 1."),
    ]
    if isinstance(bias, int | float):  # so is NumPy's float64; the answer is not given away
        hint = f"At bias {bias:.4g} the slope is {np.sinh(bias):.4g}, and 1 is asked for."
        mistakes.append((bias, hint))
    _expect(bias, np.arcsinh(1), "Your bias", mistakes, rtol=1e-3)
    return "The inverse of sinh at 1: log(1 + √2). The output there is cosh = √2."


@_exercise("02.2")
def _leaky_relu(function, derivative, gain):
    a = np.linspace(-2, 2, 10)
    expected, slopes = np.where(a > 0, a, 0.2 * a), np.where(a > 0, 1, 0.2)
    found = _call(function, a), _call(derivative, a)
    _expect(found[0], expected, "Your leaky_relu", [(np.maximum(a, 0), "That is relu: no leak.")])
    mistakes = [
        (1.0 * (a > 0), "Left of 0 your derivative is 0, relu's: no gradient leaks back."),
        (expected, "Your derivative is the function itself: 0.2 a has the slope 0.2."),
    ]
    _expect(found[1], slopes, "Your derivative", mistakes)
    mistakes = [
        (2.0, "2 is relu's gain, as if nothing leaked: the negative half adds to the mean square."),
        (2 / 1.2, "1.667 adds 0.2 for the negative half. It is the *mean square* that counts."),
    ]
    if isinstance(gain, int | float):
        hint = f"A layer with the gain {gain:.4g} multiplies the mean square by {0.52 * gain:.4g}."
        mistakes.append((gain, hint))
    _expect(gain, 2 / 1.04, "Your gain", mistakes, rtol=1e-3)
    return "2 / (1 + 0.2²): relu's gain with a leak of 0, a linear layer's with a leak of 1."


@_exercise("02.3")
def _best_baseline(function):
    noise = np.random.default_rng(0).normal(size=20_000)
    noise = (noise - noise.mean()) / noise.std()
    values = (noise - 2) ** 2

    def variance(b):
        return np.var((values - b) * noise)

    best, mean = np.mean(values * noise**2), values.mean()
    weigh = f"the variance is {variance(mean):.4g}, but {variance(best):.4g} at the best b"
    mistakes = [
        (mean, f"At the mean of f, {mean:.4g}, {weigh}: samples with a large ε² count for more."),
        (np.mean(values * noise), "That is E[f ε], the gradient's estimate, not a baseline."),
        (best * len(noise), "That is a sum over the samples; divide by the sum of ε²."),
    ]
    _expect(_call(function, values, noise), best, "Your baseline", mistakes, rtol=0.01)
    return f"E[f ε²] / E[ε²]: the variance falls from {variance(0):.4g} to {variance(best):.4g}."


@_exercise("02.4")
def _convolution(convolve, convolve_backward):
    rng = np.random.default_rng(0)
    x, weights, gradient = (rng.normal(size=s) for s in [(2, 6, 5), (3, 3), (2, 4, 3)])
    bias = np.array(0.7)

    def slide(x, weights):
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
        return np.einsum("nrcij,ij->nrc", windows, weights)

    output, turned = slide(x, weights), slide(x, weights[::-1, ::-1])
    mistakes = [
        (turned + bias, "You turned the filter round: w[0, 0] belongs to x[r, c]."),
        (output + 9 * bias, "You added the bias nine times, once for every weight."),
    ]
    _expect(_call(convolve, x, weights, 0.7), output + bias, "Your output", mistakes)
    found = _call(convolve_backward, x, weights, gradient)
    needed = "Return three gradients: of weights, bias and x."
    _require(isinstance(found, tuple | list) and len(found) == 3, needed)
    padded = np.pad(gradient, ((0, 0), (2, 2), (2, 2)))
    slid = (
        slide(padded, weights),
        "On the way back the filter is turned round: w[2, 2] takes the gradient of y[r, c] to"
        " x[r + 2, c + 2].",
    )
    averaged = gradient.mean(), "The bias is *added* to every output: sum, do not average."
    for name, array, part, mistakes in zip(
        ("weights", "bias", "x"), (weights, bias, x), found, ([], [averaged], [slid]), strict=True
    ):
        numeric = central_differences(lambda: np.sum(gradient * (slide(x, weights) + bias)), array)
        numeric = numeric.reshape(array.shape)
        _expect(part, numeric, f"Your gradient of {name}", mistakes, rtol=1e-5, atol=1e-7)
    return "All three agree with central differences; ten parameters see every pixel."


# --- 03 · The loss and its gradient ---


def _parts(result, names):
    """What a function returned, if it is a tuple (or a list) of so many."""
    count = len(result) if isinstance(result, tuple | list) else 1
    _require(count == len(names), f"Return {', '.join(names)}; yours returned {count} of them.")
    return result


@_exercise("03.1")
def _log_sigma_gradient(function):
    d_z, log_sigma, noise = np.random.default_rng(31).normal(size=(3, 4, 3))
    found = _call(function, d_z, log_sigma, noise, 1.5)
    through_z = d_z * noise * np.exp(log_sigma)
    weighted = 1.5 / 4 * 2 * kl_divergence_gradient(0, 2 * log_sigma)[1]  # d/ds = 2 d/d(2s)
    copied = "This is the gradient for log σ²: z = μ + exp(s) ε has no ½ in it."
    mistakes = [
        (through_z / 2 + weighted / 2, copied),
        (through_z / 2 + weighted, "There is still a ½ in the path through z."),
        (through_z + weighted / 2, "There is still a ½ in the path through the KL."),
        (through_z, "The path through the KL is missing."),
        (weighted, "The path through z is missing."),
        (through_z + 4 * weighted, "The KL is averaged over the batch: its 1/B is missing."),
    ]
    _expect(found, through_z + weighted, "Your gradient", mistakes)
    return "It is twice the gradient for log σ²: the same slope, on an axis half as long."


@_exercise("03.2")
def _kl_from_prior(function):
    mean, log_variance = np.random.default_rng(32).normal(size=(2, 4, 3))
    m, s = 0.5, 1.7

    def scaled(s):  # a KL divergence stays as it is when both are shifted and scaled
        return (mean - m) / s, log_variance - 2 * np.log(s)

    names = ("the KL", "d KL / d mean", "d KL / d log_variance")
    kl, d_mean, d_log_variance = _parts(_call(function, mean, log_variance, m, s), names)
    expected = kl_divergence(*scaled(s))
    no_log = expected - 3 * np.log(s)
    mistakes = [
        (-expected, "Your KL divergence is negative: check the sign."),
        (no_log, "For μ = m and σ = s your KL is not 0: log s² is missing."),
        (kl_divergence(*scaled(s**0.5)), "You took s for s²: s² is a variance."),
        (kl_divergence(mean, log_variance), "Your KL is still the one from N(0, 1)."),
    ]
    _expect(kl, expected, "Your KL divergence", mistakes)
    of_mean, expected = kl_divergence_gradient(*scaled(s))
    hint = "Your d KL / d mean is not divided by the prior's variance s²."
    _expect(d_mean, of_mean / s, "Your d KL / d mean", [(of_mean * s, hint)])
    hint = "You derived for σ²; for log σ² the chain rule multiplies by σ²."
    mistakes = [(expected / np.exp(log_variance), hint)]
    _expect(d_log_variance, expected, "Your d KL / d log_variance", mistakes)
    return "Scaled to (μ - m) / s and σ / s it is the KL from N(0, 1): units do not matter to it."


@_exercise("03.3")
def _importance_weighted_bound(function):
    log_weights = np.random.default_rng(33).normal(-4, 2, size=(5, 8))
    expected = np.logaddexp.reduce(log_weights, axis=1) - np.log(8)
    mistakes = [
        (log_weights.mean(axis=1), "That is the mean of the logarithms, the ELBO for every K."),
        (expected + np.log(8), "You summed the weights: their mean is asked, so subtract log K."),
        (-expected, "This is the loss; the bound on log p(x) is asked, with the other sign."),
    ]
    _expect(_call(function, log_weights), expected, "Your bound", mistakes)
    underflow = "With log w near -3000 your bound is -inf: take the largest out before exp."
    far = _call(function, log_weights - 3000)
    _expect(far, expected - 3000, "Your bound near -3000", [(np.full(5, -np.inf), underflow)])
    return "And at log w near -3000 it holds, where exp alone gives 0 and its logarithm -inf."


@_exercise("03.4")
def _gaussian_loss(function):
    rng = np.random.default_rng(34)
    logits, x, log_v = rng.normal(size=(3, 6)), rng.random((3, 6)), -1.3
    names = ("the loss", "d loss / d logits", "d loss / d log_v")

    def parts():
        return _parts(_call(function, logits, x, log_v), names)

    loss, d_logits, d_log_v = parts()
    squares = np.sum((x - sigmoid(logits)) ** 2, axis=1)
    v, constant = np.exp(log_v), 3 * np.log(2 * np.pi)
    expected = constant + 3 * log_v + squares / (2 * v)
    mistakes = [
        (expected - constant, "The constant ½ log 2π of each pixel is missing."),
        (expected - 3 * log_v, "The term ½ log v of each pixel is missing."),
        (expected + squares / (2 * v), "The square is divided by 2v, not by v."),
        (-expected, "This is the log-likelihood; the loss is its negative."),
        (expected / 6, "Sum over the pixels; yours is their mean."),
    ]
    _expect(loss, expected, "Your loss", mistakes)
    hint = "You derived for x̂; on the way to the logits sigmoid's slope x̂ (1 - x̂) is missing."
    mistakes = [((sigmoid(logits) - x) / v, hint)]
    expected = central_differences(lambda: np.sum(parts()[0]), logits).reshape(3, 6)
    _expect(d_logits, expected, "Your d loss / d logits", mistakes, atol=1e-7)
    expected = 3 - squares / (2 * v)
    hint = "You derived for v; for log v the chain rule multiplies by v."
    _expect(d_log_v, expected, "Your d loss / d log_v", [(expected / v, hint)])
    return "d loss / d log_v is 0 where v is the mean squared error: the decoder learns its noise."


# --- 04 · Train ---


def _single(found):
    """A number that came as an array or a list of one is that number."""
    try:
        return np.ravel(found)[0] if np.size(found) == 1 else found
    except ValueError:  # no array at all: `_expect` says so
        return found


@_exercise("04.1")
def _spike(steps):
    places, optimizer = [0.0], Adam(np.zeros(1), beta2=0.99)
    for step in range(1500):
        optimizer.update(np.array([300.0 if step == 200 else 1.0]), 1.0)
        places.append(optimizer.parameters.item())
    short = np.flatnonzero(np.abs(np.diff(places)) < 0.9)
    hints = [
        (100, "100 is 1 / (1 − β₂): after it v has shrunk by a factor e only, and is still huge."),
        (1299, "Your last step is a short one: with β₂ = 0.999? Pass beta2=0.99 on."),
        (short[-1], "That is the step's index; count from the spike, at step 200."),
        (short[0] - 200, "That is the first step shorter than 0.9; the last is asked for."),
        (len(short), "So many steps are short. Count from the spike to the last one of them."),
    ]
    within = {"rtol": 0, "atol": 2.5}  # who counts the spike itself is right, too
    _expect(_single(steps), short[-1] - 200, "Your number of steps", hints, **within)
    return "The spike's square is 90000: v takes eight times 1 / (1 − β₂) steps to forget it."


@_exercise("04.2")
def _nesterov(function):
    rate, decay = 0.1, 0.8
    rule, optimizer = _call(function, rate, decay), SGD(np.zeros(2), decay)
    for t, gradient in enumerate(np.random.default_rng(42).normal(size=(5, 2)), 1):
        optimizer.update(gradient, rate)
        velocity, right = optimizer.velocity, rate * (gradient + decay * optimizer.velocity)
        plain = "That is momentum itself: g + μv needs the velocity after its update, not before."
        no_gradient = "Your step is ημv: the gradient is to be added once more, g + μv."
        mistakes = [(rate * velocity, plain), (rate * decay * velocity, no_gradient)]
        mistakes.append((right / rate, "Your step lacks the learning rate."))
        mistakes.append((-right, "Return what is to be subtracted: your step has the other sign."))
        anew = "Your velocity starts from 0 at every step: make it outside the rule."
        mistakes.append((rate * (1 + decay) * gradient, anew))
        _expect(_call(rule, gradient, t), right, f"Your step {t}", mistakes, rtol=1e-5)
    return "The newest gradient weighs 1 + μ, not 1: the walk brakes earlier and overshoots less."


@_exercise("04.3")
def _held_out_total(function):
    layers = [{"units": 8, "activation": "relu"}]
    config = load_config(None, {"model.encoder_layers": layers, "training.kl_weight": 5.0})
    pixels = np.random.default_rng(43).integers(0, 256, (12, 4, 4, 1), np.uint8)
    train_set, held_out = ImageSet(pixels, ("",) * 12, ("",) * 12).split(0.5, 0)
    vae = VAE(config.model, pixels.shape[1:], random_stream(0, "weights"))
    training = replace(config.training, epochs=2)

    def compare(vae, columns):
        right, weight = columns["validation_total"][-1], columns["kl_weight"][-1]
        kl, shape = columns["validation_kl"][-1], (len(held_out), vae.latent_dim)
        found = [_call(function, vae, held_out, training, weight) for _ in range(2)]

        def total_with(noise):
            reconstruction, kl = negative_elbo(vae, held_out, noise)
            return reconstruction + weight * kl

        def noise_of(stream, *dtype):
            return random_stream(training.seed, stream).standard_normal(shape, *dtype)

        pair = "negative_elbo's two numbers are to be one: reconstruction + kl_weight * KL."
        final = "The KL has the final weight; the epoch's comes as the argument kl_weight."
        dtype = "NumPy's default noise is float64, and other numbers: ask for vae.dtype."
        stream = 'That noise is of the stream "noise", the training\'s own: take "validation".'
        mistakes = [
            ((right - weight * kl, kl), pair),
            (right + (1 - weight) * kl, "The KL lacks its weight."),
            (right + (training.kl_weight - weight) * kl, final),
            (total_with(np.zeros(shape)), "That is decoded from the mean: z needs noise."),
            (total_with(noise_of("validation")), dtype),
            (total_with(noise_of("noise", vae.dtype)), stream),
        ]
        _expect(_single(found[0]), right, "Your held-out loss", mistakes, rtol=1e-5)
        again = "Asked twice, your function gives two losses: start the stream anew at each call."
        _require(np.array_equal(*found), again)

    train(vae, train_set, held_out, training, on_epoch_end=compare, progress=False)
    return "Every epoch is judged with the same noise: what differs is the network's doing."


@_exercise("04.4")
def _adamw(optimizer_class):
    rng = np.random.default_rng(44)
    start, gradients, rate, decay = rng.normal(size=6), rng.normal(size=(3, 6)), 0.1, 0.2

    def run(make=Adam, before=1.0, l2=0.0, after=1.0):
        parameters = start.copy()
        optimizer = make(parameters)
        for gradient in gradients:
            parameters *= before
            if optimizer.update(gradient + l2 * parameters, rate) is ...:
                return ...
            parameters *= after
        return parameters

    shrink = 1 - rate * decay
    mistakes = [
        (start, "The parameters have not moved: change self.parameters in place."),
        (run(), "That is Adam: nothing decays."),
        (run(l2=decay), "The decay went into the gradient, and through √v: keep it out."),
        (run(before=1 - decay), "The decay lacks the learning rate: it is ηλθ."),
        (start * shrink**3, "Your parameters decay only: Adam's own step is missing."),
        (run(before=1 + rate * decay), "Your parameters grow: the decay is to be subtracted."),
        (run(after=shrink), "You decay what Adam's step has changed: decay before it."),
    ]
    found = _call(lambda: run(lambda parameters: optimizer_class(parameters, decay)))
    _expect(found, run(before=shrink), "Your parameter after three steps", mistakes)
    return "Every parameter shrinks by the same factor 1 − ηλ, however large its gradients are."


# --- 05 · Reconstruct ---


@_exercise("05.1")
def _best_answer(answer):
    mistakes = [
        (0.7, "The three values are not equally likely: weigh each by its probability."),
        (0.2, "0.2 is the most probable value. The answer with the least expected loss is a mean."),
        (0.55, "That is the median, best for the absolute error. This loss asks for the mean."),
        (0.57, "Near, as the best on a grid is. Section 7's rule is exact."),
        (0.58, "Near, as the best on a grid is. Section 7's rule is exact."),
    ]
    mean = 0.5 * 0.2 + 0.25 * 0.9 + 0.25 * 1
    _expect(_single(answer), mean, "Your best answer", mistakes, atol=0.002)
    return "The mean is none of the three values: a pixel that no picture has. That is blur."


@_exercise("05.2")
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
    _expect(_call(function, logits, x, shape), expected, "Your map", mistakes, **within)
    hard = _call(function, 1000 * np.sign(x - 0.5), np.round(x), shape)  # perfect, of 0 and 1
    hint = "0·log 0 is NaN in NumPy, and so is a logarithm of a sigmoid that was rounded to 0."
    _require(np.all(np.isfinite(hard)), f"Pixels of 0 and 1 at logits of ±1000 break it: {hint}")
    _expect(hard, np.zeros((2, 3, 4)), "Your map of a perfect reconstruction", **within)
    return "Zero where the answer is perfect, and nowhere negative: a KL divergence in each pixel."


@_exercise("05.3")
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
    found = _call(function, decode, mean, log_variance, x, noise)
    _expect(found, parts(), "Your (error, bias, variance)", mistakes, rtol=1e-4)
    return "They add up for each picture: what is not bias is what z leaves open."


# --- 06 · The latent space ---


@_exercise("06.1")
def _components_needed(function):
    singular_values = np.array([6.0, 3.0, 2.0, 1.0])  # shares of the variance 0.72 0.18 0.08 0.02
    shares = (0.5, 0.8, 0.95, 0.99)
    found = [_single(_call(function, singular_values, share)) for share in shares]
    mistakes = [
        ([1, 3, 4, 4], "A singular value is a standard deviation times √n: variances are squares."),
        ([0, 1, 2, 3], "NumPy counts from 0: the index of a component is one less than how many."),
        ([1, 1, 1, 1], "A share is of the variance in all: divide by the sum of the squares."),
    ]
    _expect(found, [1, 2, 3, 4], "Your number for shares of 0.5, 0.8, 0.95 and 0.99", mistakes)
    return "Few components would mean a flat cloud; a round one needs nearly all of them."


@_exercise("06.2")
def _participation_ratio(function):
    covariance = np.array([[2.0, 1.8, 0.0], [1.8, 2.0, 0.0], [0.0, 0.0, 1.0]])
    expected = np.trace(covariance) ** 2 / np.trace(covariance @ covariance)
    mistakes = [
        (25 / 9, "The diagonal counts two correlated dimensions as two: take the eigenvalues."),
        (1 / expected, "Turned over: the square of the sum belongs above the sum of the squares."),
        (expected / 5, "The sum above is to be squared."),
        (3, "That is the rank: a dimension of little variance is to count little."),
    ]
    found = [_single(_call(function, c)) for c in (covariance, 4 * np.eye(5))]
    _expect(found[0], expected, "Your ratio for correlated dimensions", mistakes, rtol=1e-5)
    _expect(found[1], 5, "Your ratio for five equal dimensions", rtol=1e-5)
    return "It equals tr(C)² / tr(C²), and counts what the codes really use."


@_exercise("06.3")
def _nearest_labels(function):
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1, 2], [10, 14, 18])
    labels, places = np.array(["cat", "heart", "face"]), np.array([[0, 0], [0, 2], [2, 0]])
    codes, others = rng.normal(size=(42, 2)) + places[kinds], rng.normal(size=(60, 2)) + 0.7
    order = kinds[np.argsort(pixel_distances(others, codes), axis=1)]

    def vote(order, k=5):  # of equals the first: in the order of distance
        rows = labels[order[:, :k]].tolist()
        return np.array([max(row, key=row.count) for row in rows], object)

    found = np.asarray(_call(function, codes, labels[kinds], others, 5), object)
    _require(found.shape == (60,), f"60 labels are needed, and yours have shape {found.shape}.")
    for mistake, hint in (
        (vote(order, k=1), "You took the label of the nearest code alone: let all k of them vote."),
        (vote(order[:, 1:]), "You left out the nearest: but no picture is among the codes here."),
        (vote(order[:, ::-1]), "Your neighbours are the farthest codes: sort the other way."),
    ):
        _require(not np.array_equal(found, mistake), hint)
    right = vote(order)
    wrong = np.flatnonzero(found != right)
    votes = [labels[order[row, :5]].tolist() for row in wrong]
    if len(wrong) and all(
        row.count(guess) == row.count(best)
        for row, guess, best in zip(votes, found[wrong], right[wrong], strict=True)
    ):
        raise _Complaint("Where labels have as many votes, the nearest decides.")
    _require(not len(wrong), f"{len(wrong)} of 60 labels are wrong, the first at {wrong[:1]}.")
    return "No training, and yet a measure of what a space sorts by."


# --- 07 · Read the loss curves ---


@_exercise("07.1")
def _pictures_told_apart(most_pictures):
    expected = np.exp(2.5)
    mistakes = [
        (2**2.5, "5.657 is 2 to the power of 2.5: the KL is in nats, not in bits."),
        (np.log(2.5), "That is log 2.5; 2.5 is the logarithm already, and n is asked for."),
        (2.5, "2.5 are the nats; n pictures take log n of them."),
        (13, "For 13 pictures log n is 2.565: more than there is."),
    ]
    if np.ndim(most_pictures) == 0 and most_pictures == 12:
        most_pictures = expected  # only whole pictures count
    _expect(most_pictures, expected, "Your number of pictures", mistakes, rtol=2e-3)
    return "exp(2.5) = 12.18: twelve whole ones. A few nats more, and it is thousands."


# The notebook's runs at ten epochs: KL, pictures, training and held-out reconstruction.
_COURSES = """
healthy,             16.7, 44, 638 566 514 499 484 475 471 468 466 467, 593 548 511 506 498 496 493 492 492 492
collapsed,           .004, 44, 643 638 639 638 639 639 638 637 639 638, 593 594 593 592 594 592 593 591 593 592
unstable,            18.1, 44, 998 743 728 593 528 601 603 565 661 590, 637 577 538 535 522 518 530 526 524 515
overfitted,          63.8, 11, 689 433 431 431 431 430 430 430 431 430, 601 513 517 521 524 524 526 527 533 538
KL weight too large, 0.57, 44, 638 634 614 612 613 594 588 597 581 585, 593 587 576 565 565 567 565 563 563 564
"""  # noqa: E501
_COURSES = dict(line.split(",", 1) for line in _COURSES.strip().splitlines())


def _course(illness, kl=None, pictures=None, training=None, held_out=None, warm_up=0):
    """What `diagnose_run` takes: a recorded course, with an (epoch, loss) changed."""
    recorded = [np.array(part.split(), float) for part in _COURSES[illness].split(",")]
    kl = np.full(16, (recorded[0][0] if kl is None else kl) / 16)  # (latent,)
    history = {"epoch": np.arange(1, 11), "learning_rate": np.full(10, 0.001)}
    history["kl_weight"] = np.minimum(1.0, history["epoch"] / (warm_up + 1))
    for part, losses, change in zip(
        ("train", "validation"), recorded[2:], (training, held_out), strict=True
    ):
        if change:
            losses[change[0] - 1] = change[1]
        history |= {f"{part}_reconstruction": losses, f"{part}_kl": np.full(10, kl.sum())}
        history[f"{part}_total"] = losses + history["kl_weight"] * kl.sum()
    return history, kl, int(recorded[1][0]) if pictures is None else pictures


@_exercise("07.2")
def _diagnose_run(function):
    steps = ("5", "1", "2", "4", "3, of the sum over all dimensions")
    cases = [
        (f"the notebook's run {name!r}", _course(name), name, f"That is step {step}.")
        for name, step in zip(_COURSES, steps, strict=True)
    ]
    dear = "KL weight too large"
    cases += [
        ("a healthy run with one early spike", _course("healthy", training=(2, 2000)),
         "healthy", "Only jumps in the last third count."),
        ("a healthy run whose best held-out loss lies in the warm-up",
         _course("healthy", held_out=(2, 480), warm_up=3), "healthy",
         "Compare losses at the final KL weight only."),
        ("an unstable run with a KL of 0.05 in the end", _course("unstable", kl=0.05),
         "collapsed", "The KL comes first, and all latent dimensions together."),
        ("a run of 16 dimensions with 0.02 nats each", _course("healthy", kl=0.32),
         dear, "Add the dimensions up before you compare."),
        ("a run of 1000 pictures with a KL of 5 nats", _course("healthy", 5, 1000),
         dear, "The limit is the logarithm of the number of pictures."),
        ("a run whose held-out and training losses both rise at the end",
         _course("healthy", training=(10, 510), held_out=(10, 500)), "healthy",
         "Overfitting takes a training loss that fell."),
    ]  # fmt: skip
    for what, course, expected, hint in cases:
        found = _call(function, *course)
        known = isinstance(found, str) and found in _COURSES
        _require(known, f"{_shown(found)} is none of the names {', '.join(_COURSES)}.")
        _require(found == expected, f"For {what} you say {found!r}; it is {expected!r}. {hint}")
    return "The order is the point: each step is only worth asking when those above it say no."


@_exercise("07.3")
def _free_bits(function):
    rng, floor = np.random.default_rng(7), 0.2
    mean, log_variance = rng.normal(size=(2, 5, 4)) * [[[0.1, 0.5, 1.0, 2.0]], [[0.3] * 4]]

    def term():
        kl = kl_divergence_per_dimension(mean, log_variance).mean(axis=0)  # (latent,)
        return float(np.sum(np.maximum(kl, floor)))

    found = _call(function, mean, log_variance, floor)
    parts = "Three things are needed: the KL term, and its gradients for mean and log-variance."
    _require(isinstance(found, tuple | list) and len(found) == 3, parts)
    kl = kl_divergence_per_dimension(mean, log_variance)  # (batch, latent)
    mistakes = [
        (np.maximum(kl, floor).mean(axis=0).sum(), "Average over the batch before the floor."),
        (np.minimum(kl.mean(axis=0), floor).sum(), "You take the smaller of floor and KL."),
        (kl.mean(axis=0).sum(), "That is the KL without a floor, or with one for the sum."),
        (term() / kl.shape[1], "Sum over the dimensions: you average over them."),
    ]
    _expect(found[0], term(), "Your KL term", mistakes)
    whole = kl_divergence_gradient(mean, log_variance)
    for part, name in enumerate(("mean", "log_variance")):
        expected = central_differences(term, (mean, log_variance)[part]).reshape(mean.shape)
        mistakes = [
            (expected * len(mean), "Divide by the batch: the term is an average over it."),
            (whole[part] / len(mean), "A dimension below the floor is free: its gradient is 0."),
        ]
        what = f"Your gradient for {name}"
        _expect(found[1 + part], expected, what, mistakes, rtol=1e-5, atol=1e-7)
    return "Below the floor the encoder may say what it likes: no price, no pull to the prior."


# --- 08 · Traverse the latent space ---


@_exercise("08.1")
def _temperature(function):
    rng = np.random.default_rng(81)
    mean, factor, noise = rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    found, offsets = _call(function, mean, factor, noise, 0.4), noise @ factor.T
    mistakes = [
        (0.4 * (mean + offsets), "The mean shrank, too: only the offsets from it cool down."),
        (mean + offsets, "Your draws are those of temperature 1, whatever the temperature is."),
        (mean + offsets / 0.4, "At temperature 0.4 your draws are 2.5 times as wide as at 1."),
        (mean + 0.16 * offsets, "You multiply offsets by T²: that is for the covariance."),
        (mean + 0.4**0.5 * offsets, "You multiply offsets by √T: then the covariance only gets T."),
        (mean + 0.4 * noise @ factor, "Rows are draws: Lε is noise @ factor.T, transposed."),
    ]
    _expect(found, mean + 0.4 * offsets, "Your draw", mistakes)
    return "The covariance is multiplied by T² = 0.16, and the mean stays where it is."


@_exercise("08.2")
def _principal_grid(function):
    rng = np.random.default_rng(82)
    codes = rng.normal(size=(40, 4)) * [1, 3, 0.5, 2] @ rng.normal(size=(4, 4)) + 2
    x, y, centre = np.array([-1.0, 0, 2]), np.array([-2.0, 1]), codes.mean(axis=0)
    _, singular, axes = np.linalg.svd(codes - centre, full_matrices=False)
    axes *= np.sign(axes[range(4), np.abs(axes).argmax(axis=1)])[:, None]

    def grid(unit, flips=(1, 1)):
        first, second = axes[:2] * unit[:2, None] * np.array(flips)[:, None]
        return x[:, None] * first + y[:, None, None] * second

    deviations = singular / np.sqrt(len(codes))
    mirrored = "An axis points the other way: its entry of largest magnitude has to be positive."
    mistakes = [(centre + grid(deviations, f), mirrored) for f in ((1, -1), (-1, 1), (-1, -1))]
    mistakes += [
        (grid(deviations), "Your grid lies around the origin: add the mean of the codes."),
        (centre + grid(np.ones(4)), "Your unit is 1, not one standard deviation along the axis."),
        (centre + grid(singular), "A singular value is √n standard deviations: divide it by √40."),
        (centre + grid(deviations**2), "You multiply by variances: take their roots."),
        (
            centre + grid(singular / np.sqrt(len(codes) - 1)),
            "You divide by n - 1: the unit is np.std's, which divides by n.",
        ),
        (
            (centre + grid(deviations)).swapaxes(0, 1),
            "Rows and columns are exchanged: x_values go along the columns, axis 1.",
        ),
    ]
    found = _call(function, codes, x, y)
    _expect(found, centre + grid(deviations), "Your grid", mistakes)
    return "This plane holds more of the codes' variance than any other, in its natural units."


@_exercise("08.3")
def _mixture(function):
    rng = np.random.default_rng(83)
    counts, count = {"cat": 60, "face": 30, "heart": 10}, 6000
    labels = np.repeat(list(counts), list(counts.values()))
    centres = np.array([[0, 0], [40, 0], [0, 40]])
    mean = rng.normal(size=(100, 2)) @ [[2, 1.5], [0, 1]] + np.repeat(centres, [60, 30, 10], axis=0)
    log_variance = np.full((100, 2), np.log(3.0))
    found = _call(function, mean, log_variance, labels, count, rng)
    _expect(np.shape(found), (count, 2), "The shape of your draws")
    _expect(np.isfinite(np.asarray(found, float)).mean(), 1, "The share of finite draws")
    distances = np.linalg.norm(np.asarray(found, float)[:, None] - centres, axis=2)
    lost = np.mean(distances.min(axis=1) > 16)
    _require(lost < 0.01, f"{lost:.0%} of your draws lie between the labels, where no code is.")
    shares = np.bincount(distances.argmin(axis=1), minlength=3) / count
    even = "Your labels are equally likely; of the 100 pictures, 60, 30 and 10 have them."
    mistakes = [([1 / 3] * 3, even)]
    _expect(shares, [0.6, 0.3, 0.1], "The share of a label among your draws", mistakes, atol=0.03)
    means = np.cov(mean[:60], rowvar=False, bias=True)
    mistakes = [
        (means, "Your clouds are too tight: the posteriors' own variances are missing."),
        (np.diag(np.diag(means + 3 * np.eye(2))), "Your dimensions are independent of each other."),
        (means + np.sqrt(3) * np.eye(2), "You add standard deviations, not variances."),
        (means + np.log(3) * np.eye(2), "You add log-variances, not variances."),
    ]
    spread = np.cov(np.asarray(found, float)[distances.argmin(axis=1) == 0], rowvar=False)
    _expect(spread, means + 3 * np.eye(2), "The covariance of your cats", mistakes, 0.1, 0.2)
    few, tight = rng.normal(size=(4, 2)), np.full((4, 2), -16.0)
    found = np.asarray(_call(function, few, tight, np.repeat("cat", 4), 100, rng), float)
    near = np.linalg.norm(found[:, None] - few, axis=2).min(axis=1) < 0.01
    copies = "Your draws stay at single pictures: fit *one* Gaussian to all pictures of a label."
    _require(np.mean(near) < 0.5, copies)
    return "It has the mean and covariance of the single Gaussian, and leaves the gaps empty."


# --- 09 · Latent sliders ---


@_exercise("09.1")
def _attribute_direction(function):
    rng = np.random.default_rng(91)
    codes, has_it = rng.normal(1, 1, (9, 4)), np.arange(9) % 3 == 0  # three have it, six do not
    found = _call(function, codes, has_it)
    with_it, without = codes[has_it].mean(axis=0), codes[~has_it].mean(axis=0)
    too_short = (
        "You subtract the mean of *all* codes. Those with the attribute are among them: your "
        "direction points the right way, and here it is a third too short."
    )
    mistakes = [
        (without - with_it, "It leads the wrong way: away from those that have the attribute."),
        (with_it, "That is where the group lies. What both groups share is still in it: subtract."),
        (with_it - codes.mean(axis=0), too_short),
        (with_it.mean() - without.mean(), "One number: average over the pictures only, axis 0."),
    ]
    _expect(found, with_it - without, "Your direction", mistakes)
    return "What both groups share cancels; what is left leads from one group to the other."


@_exercise("09.2")
def _principal_sliders(principal_axes, to_latent, to_sliders):
    rng = np.random.default_rng(92)
    codes = rng.normal(0, [1.5, 0.2, 0.7, 3], (60, 4)) @ rng.normal(size=(4, 4)) + 2
    found = _call(principal_axes, codes)
    is_pair = isinstance(found, tuple | list) and len(found) == 2
    _require(is_pair, "Return a pair: centre and axes.")
    centre, covariance = codes.mean(axis=0), np.cov(codes, rowvar=False, bias=True)
    _expect(found[0], centre, "Your centre")
    variances, directions = (part[..., ::-1] for part in np.linalg.eigh(covariance))
    sizes = np.abs(directions)  # a column each; an axis is known up to its sign
    deviations = np.sqrt(variances)
    mistakes = [
        (sizes, "Your axes have length 1. Multiply each by the standard deviation along it."),
        (sizes * variances, "You multiplied by the variance; its root is the standard deviation."),
        ((sizes * deviations).T, "Your axes are rows. Each should be a column: transpose."),
        ((sizes * deviations)[:, ::-1], "Your axes begin with the shortest: turn their order."),
        (
            sizes * deviations * np.sqrt(len(codes) / (len(codes) - 1)),
            "You divide by n - 1: np.std, and np.cov with bias=True, divide by n.",
        ),
    ]
    _expect(_call(np.abs, found[1]), sizes * deviations, "The size of your axes", mistakes)
    axes, sliders = np.array(found[1]), rng.normal(size=4)
    _expect(axes @ axes.T, covariance, "axes @ axes.T, the covariance,")
    z = centre + axes @ sliders
    lost = [
        (axes @ sliders, "With all sliders at zero your to_latent gives zero: add the centre."),
        (centre + sliders @ axes, "sliders @ axes goes along the rows; the axes are columns."),
    ]
    _expect(_call(to_latent, sliders, *found), z, "What your to_latent returns", lost)
    transposed = axes.T @ (z - centre)
    mistakes = [
        (transposed, "The axes are not of length 1: their transpose is not their inverse."),
        (transposed / deviations, "Divide by the *squared* length: axes.T @ axes is what is left."),
        (np.linalg.solve(axes, z), "to_sliders has to subtract the centre first."),
    ]
    _expect(_call(to_sliders, z, *found), sliders, "What your to_sliders returns", mistakes)
    return "There and back; and a slider at 1 is one standard deviation, whichever axis it moves."


@_exercise("09.3")
def _latent_vector_of_a_picture(function):
    rng = np.random.default_rng(93)
    vae = _page_model(hidden=12, latent=2)
    vae.parameters[:] = rng.normal(0, 0.5, vae.parameters.size)
    x = vae.decode(np.array([[1.2, -0.8]]))  # (1, pixels)
    z = _call(function, vae, x)
    fits = "z should be an array of the shape (1, latent): here (1, 2)."
    try:
        z = np.array(z, np.float64)
    except (TypeError, ValueError):
        raise _Complaint(fits) from None
    _require(z.shape == (1, 2), fits)
    ran_away = "Your z ran away. Go *down* the slope, and in smaller steps."
    _require(np.all(np.abs(z) < 1e3), ran_away)  # nan is not, either

    def slope(prior):
        def loss():
            return bernoulli_loss(vae.decode_logits(z), x)[0] + prior * 0.5 * np.sum(z**2)

        return np.linalg.norm(central_differences(loss, z))

    left = "At your z the loss still has a slope of {:.2g} nats per unit: {}"
    _require(slope(0) > 0.01, left.format(slope(1), "the prior's part, ½|z|², was not minimised."))
    _require(slope(1) < 0.01, left.format(slope(1), "more steps, or another gradient, are needed."))
    return "The slope has vanished: no slider can be moved a little and make this picture likelier."


# The one page: every part has a check of its own, and a reader hears how far it is right.


def _page_model(hidden, latent):
    layers = [{"units": hidden, "activation": "relu"}]
    model = load_config(None, {"model.latent_dim": latent, "model.encoder_layers": layers}).model
    return VAE(model, (5, 4, 1), dtype=np.float64)


def _copies(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def _page_array(arrays, name, shape, whose):
    """The array of that name, if there is one and it has the shape."""
    others = ", ".join(map(repr, list(arrays)[:2])) or "nothing"
    _require(name in arrays, f"{whose} has no {name!r}; it begins with {others}.")
    array = arrays[name]
    _require(isinstance(array, np.ndarray), f"{whose}: {name} should be an array.")
    is_needed = f"{name} has the shape {array.shape}, and {shape} is needed."
    _require(array.shape == shape, f"{whose}: {is_needed}")
    return array


def _page_initialize(initialize):
    found = _call(initialize, np.random.default_rng(0), 20, 9, 3)
    _require(isinstance(found, dict), f"initialize returned {_shown(found)}: no dictionary.")
    for name, array in _page_model(9, 3).named_parameters().items():
        _page_array(found, name, array.shape, "Its dictionary")
        varied = name.endswith("biases") or np.ptp(found[name]) > 0
        _require(varied, f"All of {name} start equal: such units stay equal. Draw them from rng.")


def _page_loss(loss_and_gradients):
    rng = np.random.default_rng(94)
    for hidden, latent, batch, kl_weight in ((9, 3, 6, 1.0), (4, 2, 5, 1.7), (7, 5, 3, 0.4)):
        vae = _page_model(hidden, latent)
        vae.parameters[:] = rng.normal(0, 0.5, vae.parameters.size)  # the biases too
        x, noise = rng.random((batch, 20)), rng.standard_normal((batch, latent))
        _page_compare(loss_and_gradients, vae, x, noise, kl_weight)
    vae.layers["output"].biases *= 2000
    with np.errstate(all="ignore"):
        found = _call(loss_and_gradients, _copies(vae.named_parameters()), x, noise, 1.0)
    hint = "Where the sigmoid rounds to 1, log(1 - x̂) is −∞. Compute the loss from the logits."
    _require(np.isfinite(found[0]), f"At logits of ±1000 your loss is {found[0]}. {hint}")
    _expect(found[0], vae.loss(x, noise).total, "At logits of ±1000 your loss", rtol=1e-10)


def _page_compare(loss_and_gradients, vae, x, noise, kl_weight):
    found = _call(loss_and_gradients, _copies(vae.named_parameters()), x, noise, kl_weight)
    is_pair = isinstance(found, tuple | list) and len(found) == 2 and isinstance(found[1], dict)
    _require(is_pair, "Return the loss and a dictionary of gradients.")
    total, reconstruction, kl = vae.loss_and_gradients(x, noise, kl_weight)
    gradients, batch = vae.named_gradients(), len(x)
    mean, log_variance = vae.encode(x)
    too_wide = np.mean(bernoulli_loss(vae.decode_logits(mean + np.exp(log_variance) * noise), x))
    priced = kl_weight * kl
    mistakes = [
        (reconstruction - priced, "The KL term has the wrong sign: it is a price, not a gain."),
        (reconstruction + 2 * priced, "Your KL term is twice the right one: it begins with ½."),
        (reconstruction + kl, "Your loss does not use kl_weight."),
        (batch * total, "Your loss is the batch's sum: take its mean."),
        (batch * reconstruction + priced, "The reconstruction is summed over the batch: no mean."),
        (reconstruction + batch * priced, "The KL is summed over the batch: take its mean."),
        (reconstruction / x.shape[1] + priced, "Sum over the pixels: you average over them."),
        (
            too_wide + priced,
            "z is drawn with σ² where σ belongs: its variance is wrong. No gradient check would "
            "notice; exp(½ log σ²) is σ.",
        ),
    ]
    _expect(found[0], total, "Your loss", mistakes, rtol=1e-10, atol=0)

    pulls = dict(
        zip(("mean", "log_variance"), kl_divergence_gradient(mean, log_variance), strict=True)
    )
    for name, right in reversed(gradients.items()):  # from the output backwards
        gradient = _page_array(found[1], name, right.shape, "Its dictionary of gradients")
        error = np.linalg.norm(gradient - right) / np.linalg.norm(right)
        if error <= 1e-10:
            continue
        layer, part = name.split(".")
        hints = [(batch * right, "It is batch times too large: the loss is a mean over the batch.")]
        if part == "biases" and layer in pulls:
            pull = kl_weight * np.mean(pulls[layer], axis=0)
            hints += [
                (right - pull, "The path through the KL term is missing."),
                (pull, "The path through z is missing."),
                (right - 2 * pull, "Its KL part has the wrong sign."),
                (right - pull + pull / kl_weight, "Its KL part lacks kl_weight."),
                (right - pull + batch * pull, "Its KL part is not divided by the batch."),
                (right + pull, "Its KL part is twice the right one."),
                (2 * right - pull, "The path through z lacks the ½ of σ = exp(½ log σ²)."),
            ]
        hint = [text for wrong, text in hints if np.allclose(gradient, wrong, 1e-8, 1e-12)]
        raise _Complaint(
            f"Your loss is right. Walking back from the output, the first wrong gradient is that "
            f"of {name}: it is off by {error:.2g} times its length. {(hint or [PATHS[layer]])[0]}"
        )


PATHS = {
    "output": "It begins with d loss / d logits: notebook 03, section 8.",
    "decoder_1": "What comes back through the output's weights still has to pass relu.",
    "log_variance": "Two paths add: through z, by ½σε, and through the KL term.",
    "mean": "Two paths add: through z, and through the KL term.",
    "encoder_1": "Both heads hand a gradient back: add the two, then pass relu.",
}


def _page_adam(adam):
    rng = np.random.default_rng(95)
    parameters = {"a.weights": rng.normal(size=(3, 2)), "a.biases": rng.normal(size=2)}
    start = np.concatenate([array.ravel() for array in parameters.values()])
    theirs = Adam(start.copy())
    ours = _call(adam, parameters)
    if getattr(ours, "__dict__", None) == {}:  # it keeps nothing: as it was in the exercise
        raise _Unsolved
    _require(hasattr(ours, "update"), "Adam(parameters) has no method update.")
    for step in (1, 2, 3):
        gradients = {name: rng.normal(size=array.shape) for name, array in parameters.items()}
        flat = np.concatenate([gradient.ravel() for gradient in gradients.values()])
        theirs.update(flat, 0.01)
        _call(lambda gradients=gradients: [ours.update(_copies(gradients), 0.01)])
        found = _call(np.concatenate, [np.ravel(array) for array in parameters.values()])
        mistakes = [
            (start, "update changed nothing: it has to change the parameters in place."),
            (
                start + 0.01 * flat / (np.abs(flat) + 1e-8),
                "Adam climbs: a step goes against the gradient.",
            ),
            (start - 0.01 * flat, "That is plain gradient descent."),
            (
                start - 0.001 * flat / (np.sqrt(0.001) * np.abs(flat) + 1e-8),
                "Your moments lack their correction: the first step is √10 times too long.",
            ),
            (start - 0.01 * flat / np.sqrt(flat**2 + 1e-8), "ε belongs outside the root."),
            (
                start - 0.01 * flat / (np.abs(flat) + 1e-8 / np.sqrt(0.001)),
                "ε is added before the second moment is corrected: algorithm 1 corrects first.",
            ),
        ]
        what = f"After {step} of three Adam steps, a parameter"
        _expect(found, theirs.parameters, what, mistakes, rtol=1e-10)


def _page_train(train):
    rng = np.random.default_rng(96)
    stripes = np.sin(np.arange(20) * rng.uniform(0.2, 1, (40, 1))).reshape(40, 5, 4, 1)
    pixels = np.round(127.5 + 127.5 * stripes).astype(np.uint8)
    images = ImageSet(pixels, ("stripes",) * 40, ("stripes",) * 40)
    found = _call(train, rng, images.as_float(dtype=np.float64), 16, 2, 120, 8, 0.01, 0.01)
    is_pair = isinstance(found, tuple | list) and len(found) == 2 and isinstance(found[0], dict)
    _require(is_pair, "Return the parameters and a list of losses.")
    _require(np.size(found[1]) == 120, f"{np.size(found[1])} losses for 120 epochs: one for each.")
    vae = _page_model(16, 2)
    constant = reconstruction_quality(vae, images)["excess"]  # all parameters zero: mid-grey
    for name, array in vae.named_parameters().items():
        array[:] = _page_array(found[0], name, array.shape, "Its dictionary")
    excess = reconstruction_quality(vae, images)["excess"]
    verdict = f"an excess of {excess:.3g} nats on small pictures; {constant:.3g} is a grey square's"
    hint = "Does every step draw new noise and update? Are the weights at the start of a good size?"
    _require(excess < constant / 3, f"It runs, but learns too little: {verdict}. {hint}")


@_exercise("09.4")
def _one_page(initialize, loss_and_gradients, adam, train):
    right = []
    for name, answer, examine in (
        ("initialize", initialize, _page_initialize),
        ("loss_and_gradients", loss_and_gradients, _page_loss),
        ("Adam", adam, _page_adam),
        ("train", train, _page_train),
    ):
        so_far = f"Right so far: {', '.join(right)}. " if right else ""
        try:
            examine(answer)
        except _Unsolved:
            if not right:
                raise
            raise _Complaint(f"{so_far}Next: {name}.") from None
        except _Complaint as complaint:
            raise _Complaint(f"{so_far}Now {name}: {complaint}") from None
        right.append(name)
    return "Loss, gradients and Adam's steps are vae_nb's to ten digits; and it learns."


# --- 10 · Compare many runs ---


@_exercise("10.1")
def _paired_error(function):
    a, b = np.random.default_rng(101).normal(900, [[80], [10]], (2, 5)).cumsum(axis=0)
    found = _call(function, a, b)
    difference, root = a - b, np.sqrt(5)
    unpaired = np.sqrt(a.var(ddof=1) / 5 + b.var(ddof=1) / 5)
    mistakes = [
        (unpaired, "That is the error of two separate groups: subtract seed by seed first."),
        (difference.std(ddof=1), "That is how far one difference scatters. Their mean: over √n."),
        (difference.std(ddof=1) / 5, "Divide by the root of n, not by n."),
        (difference.std() / root, "np.std divides by n; the formula's n - 1 is ddof=1."),
        (difference.mean(), "That is the mean itself; its standard error is asked for."),
    ]
    _expect(found, difference.std(ddof=1) / root, "Your standard error", mistakes)
    return f"Not paired it would be {unpaired:.3g}, {unpaired / found:.0f} times as much."


@_exercise("10.2")
def _sign_flips(function):
    rng = np.random.default_rng(102)
    for differences in (-rng.random(3) - 1, rng.normal(0.5, 1, 6), np.array([2.0, 2, -1, 0])):
        found, n = _call(function, differences), len(differences)
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
        sums, observed = signs @ differences, differences.sum()
        at_least = np.abs(sums) >= np.abs(observed) - 1e-9
        one_sided = np.mean(sums * np.sign(observed) >= np.abs(observed) - 1e-9)
        strictly = np.mean(np.abs(sums) > np.abs(observed) + 1e-9)
        mistakes = [
            (one_sided, "Count both directions: a mean as far below zero as yours is above it."),
            (strictly, "What was observed counts too: at least as far, not farther."),
            (1 - np.mean(at_least), "That is the share that is nearer to zero."),
            (at_least.sum(), "A share is asked for, not a number: divide by 2 to the power of n."),
        ]
        _expect(found, at_least.mean(), f"Your share for {n} differences", mistakes)
    return "With three seeds it cannot be below 0.25, however clear the three differences look."


@_exercise("10.3")
def _successive_halving(function):
    rng = np.random.default_rng(103)
    for count, epochs in ((8, 10), (5, 3), (1, 7)):
        ends, speeds = rng.random((2, count))

        def loss_after(configuration, epochs, ends=ends, speeds=speeds):
            return ends[configuration] + np.exp(-epochs * (0.01 + speeds[configuration] / 10))

        found = _call(function, loss_after, list(range(count)), epochs)
        pair = isinstance(found, tuple | list) and len(found) == 2
        _require(pair, "Two things are needed: `return winner, spent`.")
        left, trained, spent, anew = list(range(count)), 0, 0, 0
        for total in epochs * 2 ** np.arange(20):
            spent, anew, trained = (
                spent + len(left) * (total - trained),
                anew + len(left) * total,
                total,
            )
            left = sorted(left, key=lambda c: loss_after(c, total))[: -(-len(left) // 2)]
            if len(left) == 1:
                break
        mistakes = [([left[0], anew], "Those that go on need not start anew: count only the rest.")]
        _expect(found, [left[0], spent], f"Of {count}, your winner and its epochs", mistakes)
    return "Most epochs go to the promising ones. A slow starter that ends best is lost, though."
