"""The checks of notebook 04, Train."""

from dataclasses import replace

import numpy as np

from vae_nb.core.metrics import negative_elbo
from vae_nb.core.model import VAE
from vae_nb.core.optimizers import SGD, Adam
from vae_nb.core.random_streams import random_stream
from vae_nb.core.training import train
from vae_nb.data.config import load_config
from vae_nb.data.image_set import ImageSet
from vae_nb.exercises.checker import call, exercise_check, expect, require


def _single(found):
    """A number that came as an array or a list of one is that number."""
    try:
        return np.ravel(found)[0] if np.size(found) == 1 else found
    except ValueError:  # no array at all: `expect` says so
        return found


@exercise_check("04.1")
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
    expect(_single(steps), short[-1] - 200, "Your number of steps", hints, **within)
    return "The spike's square is 90000: v takes eight times 1 / (1 − β₂) steps to forget it."


@exercise_check("04.2")
def _nesterov(function):
    rate, decay = 0.1, 0.8
    rule, optimizer = call(function, rate, decay), SGD(np.zeros(2), decay)
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
        expect(call(rule, gradient, t), right, f"Your step {t}", mistakes, rtol=1e-5)
    return "The newest gradient weighs 1 + μ, not 1: the walk brakes earlier and overshoots less."


@exercise_check("04.3")
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
        found = [call(function, vae, held_out, training, weight) for _ in range(2)]

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
        expect(_single(found[0]), right, "Your held-out loss", mistakes, rtol=1e-5)
        again = "Asked twice, your function gives two losses: start the stream anew at each call."
        require(np.array_equal(*found), again)

    train(vae, train_set, held_out, training, on_epoch_end=compare, progress=False)
    return "Every epoch is judged with the same noise: what differs is the network's doing."


@exercise_check("04.4")
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
    found = call(lambda: run(lambda parameters: optimizer_class(parameters, decay)))
    expect(found, run(before=shrink), "Your parameter after three steps", mistakes)
    return "Every parameter shrinks by the same factor 1 − ηλ, however large its gradients are."
