"""The checks of notebook 07, Read the loss curves."""

import numpy as np

from vae_nb.core.gradient_checking import central_differences
from vae_nb.core.losses import (
    kl_divergence_gradient,
    kl_divergence_per_dimension,
)
from vae_nb.exercises.checker import call, exercise_check, expect, require, shown


@exercise_check("07.1")
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
    expect(most_pictures, expected, "Your number of pictures", mistakes, rtol=2e-3)
    return "exp(2.5) = 12.18: twelve whole ones. A few nats more, and it is thousands."


# The notebook's runs at ten epochs: KL, pictures, training and held-out reconstruction.
COURSES = """
healthy,             16.7, 44, 638 566 514 499 484 475 471 468 466 467, 593 548 511 506 498 496 493 492 492 492
collapsed,           .004, 44, 643 638 639 638 639 639 638 637 639 638, 593 594 593 592 594 592 593 591 593 592
unstable,            18.1, 44, 998 743 728 593 528 601 603 565 661 590, 637 577 538 535 522 518 530 526 524 515
overfitted,          63.8, 11, 689 433 431 431 431 430 430 430 431 430, 601 513 517 521 524 524 526 527 533 538
KL weight too large, 0.57, 44, 638 634 614 612 613 594 588 597 581 585, 593 587 576 565 565 567 565 563 563 564
"""  # noqa: E501


COURSES = dict(line.split(",", 1) for line in COURSES.strip().splitlines())


def course(illness, kl=None, pictures=None, training=None, held_out=None, warm_up=0):
    """What `diagnose_run` takes: a recorded course, with an (epoch, loss) changed."""
    recorded = [np.array(part.split(), float) for part in COURSES[illness].split(",")]
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


@exercise_check("07.2")
def _diagnose_run(function):
    steps = ("5", "1", "2", "4", "3, of the sum over all dimensions")
    cases = [
        (f"the notebook's run {name!r}", course(name), name, f"That is step {step}.")
        for name, step in zip(COURSES, steps, strict=True)
    ]
    dear = "KL weight too large"
    cases += [
        ("a healthy run with one early spike", course("healthy", training=(2, 2000)),
         "healthy", "Only jumps in the last third count."),
        ("a healthy run whose best held-out loss lies in the warm-up",
         course("healthy", held_out=(2, 480), warm_up=3), "healthy",
         "Compare losses at the final KL weight only."),
        ("an unstable run with a KL of 0.05 in the end", course("unstable", kl=0.05),
         "collapsed", "The KL comes first, and all latent dimensions together."),
        ("a run of 16 dimensions with 0.02 nats each", course("healthy", kl=0.32),
         dear, "Add the dimensions up before you compare."),
        ("a run of 1000 pictures with a KL of 5 nats", course("healthy", 5, 1000),
         dear, "The limit is the logarithm of the number of pictures."),
        ("a run whose held-out and training losses both rise at the end",
         course("healthy", training=(10, 510), held_out=(10, 500)), "healthy",
         "Overfitting takes a training loss that fell."),
    ]  # fmt: skip
    for what, arguments, expected, hint in cases:
        found = call(function, *arguments)
        known = isinstance(found, str) and found in COURSES
        require(known, f"{shown(found)} is none of the names {', '.join(COURSES)}.")
        require(found == expected, f"For {what} you say {found!r}; it is {expected!r}. {hint}")
    return "The order is the point: each step is only worth asking when those above it say no."


@exercise_check("07.3")
def _free_bits(function):
    rng, floor = np.random.default_rng(7), 0.2
    mean, log_variance = rng.normal(size=(2, 5, 4)) * [[[0.1, 0.5, 1.0, 2.0]], [[0.3] * 4]]

    def term():
        kl = kl_divergence_per_dimension(mean, log_variance).mean(axis=0)  # (latent,)
        return float(np.sum(np.maximum(kl, floor)))

    found = call(function, mean, log_variance, floor)
    parts = "Three things are needed: the KL term, and its gradients for mean and log-variance."
    require(isinstance(found, tuple | list) and len(found) == 3, parts)
    kl = kl_divergence_per_dimension(mean, log_variance)  # (batch, latent)
    mistakes = [
        (np.maximum(kl, floor).mean(axis=0).sum(), "Average over the batch before the floor."),
        (np.minimum(kl.mean(axis=0), floor).sum(), "You take the smaller of floor and KL."),
        (kl.mean(axis=0).sum(), "That is the KL without a floor, or with one for the sum."),
        (term() / kl.shape[1], "Sum over the dimensions: you average over them."),
    ]
    expect(found[0], term(), "Your KL term", mistakes)
    whole = kl_divergence_gradient(mean, log_variance)
    for part, name in enumerate(("mean", "log_variance")):
        expected = central_differences(term, (mean, log_variance)[part]).reshape(mean.shape)
        mistakes = [
            (expected * len(mean), "Divide by the batch: the term is an average over it."),
            (whole[part] / len(mean), "A dimension below the floor is free: its gradient is 0."),
        ]
        what = f"Your gradient for {name}"
        expect(found[1 + part], expected, what, mistakes, rtol=1e-5, atol=1e-7)
    return "Below the floor the encoder may say what it likes: no price, no pull to the prior."
