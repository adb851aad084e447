"""The checks of notebook 04, Train."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.metrics import negative_elbo
from vae_nb.core.model import VAE
from vae_nb.core.optimizers import SGD, Adam
from vae_nb.core.random_streams import random_stream
from vae_nb.core.training import train
from vae_nb.data.config import TrainingConfig, load_config
from vae_nb.data.image_set import ImageSet
from vae_nb.exercises.checker import (
    Mistake,
    call,
    exercise_check,
    expect,
    require,
    single_number,
)


@exercise_check("04.1")
def _spike(steps: object) -> str:
    spike_step = 200
    optimizer = Adam(np.zeros(1), beta2=0.99)
    positions = [0.0]
    for step in range(1500):
        gradient = 300.0 if step == spike_step else 1.0
        optimizer.update(np.array([gradient]), 1.0)
        positions.append(optimizer.parameters.item())
    short_steps = np.flatnonzero(np.abs(np.diff(positions)) < 0.9)
    last_short_step = short_steps[-1]
    mistakes = [
        (
            100,
            "100 is 1 / (1 − β₂): after that many steps v has shrunk only by a factor of e, and "
            "is still huge.",
        ),
        (1299, "Your last step of all is still short: is β₂ still 0.999? Pass beta2=0.99."),
        (last_short_step, "That is the step's index; count from the spike, at step 200."),
        (
            short_steps[0] - spike_step,
            "That is the first step shorter than 0.9; the last one is asked for.",
        ),
        (
            len(short_steps),
            "That is how many steps are short. Count from the spike to the last of them.",
        ),
    ]
    # Counting the spike's own step is right, too.
    expect(
        single_number(steps),
        last_short_step - spike_step,
        "Your number of steps",
        mistakes,
        rtol=0,
        atol=2.5,
    )
    return "The spike's square is 90000: v takes eight times 1 / (1 − β₂) steps to forget it."


@exercise_check("04.2")
def _nesterov(function: object) -> str:
    rate = 0.1
    momentum = 0.8
    rule = call(function, rate, momentum)
    optimizer = SGD(np.zeros(2), momentum)
    gradients = np.random.default_rng(42).normal(size=(5, 2))
    for t, gradient in enumerate(gradients, start=1):
        optimizer.update(gradient, rate)
        velocity = optimizer.velocity
        right = rate * (gradient + momentum * velocity)
        mistakes = [
            (
                rate * velocity,
                "That is momentum itself: g + μv needs the velocity after its update, not before.",
            ),
            (
                rate * momentum * velocity,
                "Your step is ημv: add the gradient once more, g + μv.",
            ),
            (right / rate, "Your step lacks the learning rate."),
            (-right, "Your step has the other sign: return what has to be subtracted."),
            (
                rate * (1 + momentum) * gradient,
                "Your velocity starts from 0 at every step: create it outside the rule.",
            ),
        ]
        expect(call(rule, gradient, t), right, f"Your step {t}", mistakes, rtol=1e-5)
    return "The newest gradient weighs 1 + μ, not 1: the walk brakes earlier and overshoots less."


@exercise_check("04.3")
def _held_out_total(function: object) -> str:
    layers = [{"units": 8, "activation": "relu"}]
    config = load_config(None, {"model.encoder_layers": layers, "training.kl_weight": 5.0})
    training_config = replace(config.training, epochs=2)
    pixels = np.random.default_rng(43).integers(0, 256, (12, 4, 4, 1), np.uint8)
    images = ImageSet(pixels, ("",) * 12, ("",) * 12)
    train_set, held_out = images.split(0.5, 0)
    vae = VAE(config.model, images.image_shape, random_stream(0, "weights"))

    def check_epoch(vae: VAE, columns: Mapping[str, Any]) -> None:
        kl_weight = columns["kl_weight"][-1]
        losses = [call(function, vae, held_out, training_config, kl_weight) for _ in range(2)]
        mistakes = _held_out_mistakes(vae, held_out, training_config, columns)
        right = columns["validation_total"][-1]
        expect(single_number(losses[0]), right, "Your held-out loss", mistakes, rtol=1e-5)
        require(
            np.array_equal(losses[0], losses[1]),
            "Called twice, your function gives two losses: start the stream again at each call.",
        )

    train(vae, train_set, held_out, training_config, on_epoch_end=check_epoch, progress=False)
    return "Every epoch is judged with the same noise: what differs is the network's doing."


def _held_out_mistakes(
    vae: VAE, held_out: ImageSet, training_config: TrainingConfig, columns: Mapping[str, Any]
) -> list[Mistake]:
    """Return what known mistakes give for the held-out loss of the last epoch so far."""
    right = columns["validation_total"][-1]
    kl = columns["validation_kl"][-1]
    kl_weight = columns["kl_weight"][-1]
    noise_shape = (len(held_out), vae.latent_dim)
    seed = training_config.seed

    def total_with(noise: NDArray) -> float:
        reconstruction, kl = negative_elbo(vae, held_out, noise)
        return reconstruction + kl_weight * kl

    float64_noise = random_stream(seed, "validation").standard_normal(noise_shape)
    noise_of_training = random_stream(seed, "noise").standard_normal(noise_shape, vae.dtype)
    return [
        (
            (right - kl_weight * kl, kl),
            "negative_elbo returns two numbers: add them up, reconstruction + kl_weight * KL.",
        ),
        (right + (1 - kl_weight) * kl, "The KL lacks its weight."),
        (
            right + (training_config.kl_weight - kl_weight) * kl,
            "The KL has the final weight; the weight of this epoch is the argument kl_weight.",
        ),
        (
            total_with(np.zeros(noise_shape)),
            "That is decoded from the mean: z needs noise.",
        ),
        (
            total_with(float64_noise),
            "NumPy's default noise is float64, which gives other numbers: ask for vae.dtype.",
        ),
        (
            total_with(noise_of_training),
            'That noise is from the stream "noise", which training uses: take "validation".',
        ),
    ]


@exercise_check("04.4")
def _adamw(optimizer_class: Any) -> str:
    rng = np.random.default_rng(44)
    start = rng.normal(size=6)
    gradients = rng.normal(size=(3, 6))
    rate = 0.1
    decay = 0.2

    def run(
        make_optimizer: Callable[[NDArray], Any] = Adam,
        factor_before: float = 1.0,
        l2: float = 0.0,
        factor_after: float = 1.0,
    ) -> Any:
        """Return the parameters after three steps, with some decay before, in or after each."""
        parameters = start.copy()
        optimizer = make_optimizer(parameters)
        for gradient in gradients:
            parameters *= factor_before
            if optimizer.update(gradient + l2 * parameters, rate) is ...:
                return ...  # the student has not filled it in yet
            parameters *= factor_after
        return parameters

    shrink = 1 - rate * decay
    mistakes = [
        (start, "The parameters have not moved: change self.parameters in place."),
        (run(), "That is Adam: nothing decays."),
        (run(l2=decay), "The decay went into the gradient, and through √v: keep it out."),
        (run(factor_before=1 - decay), "The decay lacks the learning rate: it is ηλθ."),
        (start * shrink**3, "Your parameters only decay: Adam's own step is missing."),
        (run(factor_before=1 + rate * decay), "Your parameters grow: subtract the decay."),
        (run(factor_after=shrink), "You decay the parameters after Adam's step: do it before."),
    ]
    found = call(lambda: run(lambda parameters: optimizer_class(parameters, decay)))
    expect(found, run(factor_before=shrink), "Your parameter after three steps", mistakes)
    return "Every parameter shrinks by the same factor 1 − ηλ, however large its gradients are."
