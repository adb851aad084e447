"""The checks of notebook 07, Read the loss curves."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.gradient_checking import central_differences
from vae_nb.core.losses import kl_divergence_gradient, kl_divergence_per_dimension
from vae_nb.exercises.checker import (
    Mistake,
    call,
    exercise_check,
    expect,
    has_parts,
    require,
    shown,
)


@exercise_check("07.1")
def _images_told_apart(max_images: Any) -> str:
    expected = np.exp(2.5)
    mistakes: list[Mistake] = [
        (2**2.5, "5.657 is 2 to the power of 2.5: the KL is in nats, not in bits."),
        (np.log(2.5), "That is log 2.5. But 2.5 is already the logarithm, and n is asked for."),
        (2.5, "2.5 is the number of nats; n pictures take log n of them."),
        (13, "For 13 pictures log n is 2.565: more than the KL."),
    ]
    if np.ndim(max_images) == 0 and max_images == 12:
        max_images = expected  # only whole images count
    expect(max_images, expected, "Your number of pictures", mistakes, rtol=2e-3)
    return "exp(2.5) = 12.18: twelve whole ones. A few nats more, and it is thousands."


class RecordedRun(NamedTuple):
    """A run of the notebook, at ten of its epochs."""

    kl: float  # nats per image
    images: int  # in the training set
    train_losses: tuple[float, ...]  # reconstruction, nats per image
    held_out_losses: tuple[float, ...]

    def with_train_loss(self, epoch: int, loss: float) -> "RecordedRun":
        """Return the run with another training loss at an epoch, counted from 1."""
        return self._replace(train_losses=_with_loss(self.train_losses, epoch, loss))

    def with_held_out_loss(self, epoch: int, loss: float) -> "RecordedRun":
        """Return the run with another held-out loss at an epoch, counted from 1."""
        return self._replace(held_out_losses=_with_loss(self.held_out_losses, epoch, loss))


def _with_loss(losses: tuple[float, ...], epoch: int, loss: float) -> tuple[float, ...]:
    return (*losses[: epoch - 1], loss, *losses[epoch:])


RECORDED_RUNS = {
    "healthy": RecordedRun(
        kl=16.7,
        images=44,
        train_losses=(638, 566, 514, 499, 484, 475, 471, 468, 466, 467),
        held_out_losses=(593, 548, 511, 506, 498, 496, 493, 492, 492, 492),
    ),
    "collapsed": RecordedRun(
        kl=0.004,
        images=44,
        train_losses=(643, 638, 639, 638, 639, 639, 638, 637, 639, 638),
        held_out_losses=(593, 594, 593, 592, 594, 592, 593, 591, 593, 592),
    ),
    "unstable": RecordedRun(
        kl=18.1,
        images=44,
        train_losses=(998, 743, 728, 593, 528, 601, 603, 565, 661, 590),
        held_out_losses=(637, 577, 538, 535, 522, 518, 530, 526, 524, 515),
    ),
    "overfitted": RecordedRun(
        kl=63.8,
        images=11,
        train_losses=(689, 433, 431, 431, 431, 430, 430, 430, 431, 430),
        held_out_losses=(601, 513, 517, 521, 524, 524, 526, 527, 533, 538),
    ),
    "KL weight too large": RecordedRun(
        kl=0.57,
        images=44,
        train_losses=(638, 634, 614, 612, 613, 594, 588, 597, 581, 585),
        held_out_losses=(593, 587, 576, 565, 565, 567, 565, 563, 563, 564),
    ),
}


def diagnosis_arguments(
    run: RecordedRun, warmup_epochs: int = 0
) -> tuple[dict[str, NDArray], NDArray, int]:
    """Return the arguments of the exercise's `diagnose_run`.

    Parameters
    ----------
    warmup_epochs : int
        The number of epochs before the KL weight reaches 1.

    Returns
    -------
    history : dict of str to ndarray
        The columns of a `vae_nb.History`.
    kl : ndarray, shape (16,)
        In nats per image, for each latent dimension.
    images : int
        The number of training images.
    """
    epochs = np.arange(1, 11)
    kl_weight = np.minimum(1.0, epochs / (warmup_epochs + 1))
    history = {"epoch": epochs, "learning_rate": np.full(10, 0.001), "kl_weight": kl_weight}
    kl = np.full(16, run.kl / 16)
    for part, losses in (("train", run.train_losses), ("validation", run.held_out_losses)):
        reconstruction = np.array(losses, float)
        history[f"{part}_reconstruction"] = reconstruction
        history[f"{part}_kl"] = np.full(10, kl.sum())
        history[f"{part}_total"] = reconstruction + kl_weight * kl.sum()
    return history, kl, run.images


class _Case(NamedTuple):
    run: str  # a description of the run
    arguments: tuple
    diagnosis: str
    hint: str


def _diagnosis_cases() -> list[_Case]:
    steps = {
        "healthy": "5",
        "collapsed": "1",
        "unstable": "2",
        "overfitted": "4",
        "KL weight too large": "3, which takes the sum over all dimensions",
    }
    cases = [
        _Case(
            f"the notebook's run {name!r}",
            diagnosis_arguments(RECORDED_RUNS[name]),
            name,
            f"That is step {step}.",
        )
        for name, step in steps.items()
    ]
    healthy = RECORDED_RUNS["healthy"]
    unstable = RECORDED_RUNS["unstable"]
    return [
        *cases,
        _Case(
            "a healthy run with one early spike",
            diagnosis_arguments(healthy.with_train_loss(epoch=2, loss=2000)),
            "healthy",
            "Only jumps in the last third count.",
        ),
        _Case(
            "a healthy run whose best held-out loss lies in the warm-up",
            diagnosis_arguments(healthy.with_held_out_loss(epoch=2, loss=480), warmup_epochs=3),
            "healthy",
            "Compare losses at the final KL weight only.",
        ),
        _Case(
            "an unstable run with a KL of 0.05 in the end",
            diagnosis_arguments(unstable._replace(kl=0.05)),
            "collapsed",
            "The KL comes first, summed over all latent dimensions.",
        ),
        _Case(
            "a run of 16 dimensions with 0.02 nats each",
            diagnosis_arguments(healthy._replace(kl=0.32)),
            "KL weight too large",
            "Add the dimensions up before you compare.",
        ),
        _Case(
            "a run of 1000 pictures with a KL of 5 nats",
            diagnosis_arguments(healthy._replace(kl=5, images=1000)),
            "KL weight too large",
            "The limit is the logarithm of the number of pictures.",
        ),
        _Case(
            "a run whose held-out and training losses both rise at the end",
            diagnosis_arguments(
                healthy.with_train_loss(epoch=10, loss=510).with_held_out_loss(epoch=10, loss=500)
            ),
            "healthy",
            "It is overfitting only if the training loss fell.",
        ),
    ]


@exercise_check("07.2")
def _diagnose_run(function: object) -> str:
    for case in _diagnosis_cases():
        found = call(function, *case.arguments)
        require(
            isinstance(found, str) and found in RECORDED_RUNS,
            f"{shown(found)} is none of the names {', '.join(RECORDED_RUNS)}.",
        )
        require(
            found == case.diagnosis,
            f"For {case.run} you say {found!r}; it is {case.diagnosis!r}. {case.hint}",
        )
    return "The order is the point: take a step only when all the steps above it say no."


@exercise_check("07.3")
def _free_bits(function: object) -> str:
    rng = np.random.default_rng(7)
    floor = 0.2
    mean, log_variance = rng.normal(size=(2, 5, 4))
    mean *= [0.1, 0.5, 1.0, 2.0]  # latent dimensions below and above the floor
    log_variance *= 0.3
    batch_size, latent_dim = mean.shape

    def kl_term() -> float:
        kl = kl_divergence_per_dimension(mean, log_variance).mean(axis=0)  # (latent,)
        return float(np.sum(np.maximum(kl, floor)))

    found = call(function, mean, log_variance, floor)
    require(
        has_parts(found, 3),
        "Three things are needed: the KL term, and its gradients for mean and log-variance.",
    )
    kl = kl_divergence_per_dimension(mean, log_variance)  # (batch, latent)
    mistakes: list[Mistake] = [
        (np.maximum(kl, floor).mean(axis=0).sum(), "Average over the batch before the floor."),
        (
            np.minimum(kl.mean(axis=0), floor).sum(),
            "You take the smaller of floor and KL: take the larger.",
        ),
        (
            kl.mean(axis=0).sum(),
            "That is the KL without a floor, or with a floor for the whole sum.",
        ),
        (kl_term() / latent_dim, "Sum over the dimensions: you average over them."),
    ]
    expect(found[0], kl_term(), "Your KL term", mistakes)

    d_mean, d_log_variance = kl_divergence_gradient(mean, log_variance)
    for name, array, gradient_without_floor, found_gradient in (
        ("mean", mean, d_mean, found[1]),
        ("log_variance", log_variance, d_log_variance, found[2]),
    ):
        expected = central_differences(kl_term, array).reshape(array.shape)
        mistakes = [
            (expected * batch_size, "Divide by the batch: the term is an average over it."),
            (
                gradient_without_floor / batch_size,
                "A dimension below the floor is free: its gradient is 0.",
            ),
        ]
        subject = f"Your gradient for {name}"
        expect(found_gradient, expected, subject, mistakes, rtol=1e-5, atol=1e-7)
    return "Below the floor the encoder may say what it likes: no price, no pull to the prior."
