"""The checks of notebook 09, Latent sliders."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.gradient_checking import central_differences
from vae_nb.core.losses import bernoulli_loss, kl_divergence_gradient
from vae_nb.core.metrics import reconstruction_quality
from vae_nb.core.model import VAE
from vae_nb.core.optimizers import Adam
from vae_nb.data.config import load_config
from vae_nb.data.image_set import ImageSet
from vae_nb.exercises.checker import (
    Complaint,
    Mistake,
    Unsolved,
    call,
    exercise_check,
    expect,
    has_parts,
    require,
    shown,
)


@exercise_check("09.1")
def _attribute_direction(function: object) -> str:
    codes = np.random.default_rng(91).normal(1, 1, (9, 4))
    has_attribute = np.arange(9) % 3 == 0  # three have it, six do not
    found = call(function, codes, has_attribute)
    with_attribute = codes[has_attribute].mean(axis=0)
    without = codes[~has_attribute].mean(axis=0)
    mistakes: list[Mistake] = [
        (
            without - with_attribute,
            "It leads the wrong way: away from the pictures that have the attribute.",
        ),
        (
            with_attribute,
            "That is where the group lies. What both groups share is still in it: subtract the "
            "other group's mean.",
        ),
        (
            with_attribute - codes.mean(axis=0),
            "You subtract the mean of *all* codes. Those with the attribute are among them: your "
            "direction points the right way, but here it is a third too short.",
        ),
        (
            with_attribute.mean() - without.mean(),
            "That is one number: average over the pictures only, along axis 0.",
        ),
    ]
    expect(found, with_attribute - without, "Your direction", mistakes)
    return "What both groups share cancels; what is left leads from one group to the other."


@exercise_check("09.2")
def _principal_sliders(principal_axes: object, to_latent: object, to_sliders: object) -> str:
    rng = np.random.default_rng(92)
    codes = rng.normal(0, [1.5, 0.2, 0.7, 3], (60, 4)) @ rng.normal(size=(4, 4)) + 2
    center = codes.mean(axis=0)
    covariance = np.cov(codes, rowvar=False, bias=True)
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)  # in ascending order
    deviations = np.sqrt(eigenvalues[::-1])
    directions = eigenvectors[:, ::-1]  # one in each column

    found = call(principal_axes, codes)
    require(has_parts(found, 2), "Return a pair: center and axes.")
    expect(found[0], center, "Your center")
    _expect_axes(call(np.abs, found[1]), np.abs(directions), deviations, len(codes))
    axes = np.array(found[1])
    expect(axes @ axes.T, covariance, "axes @ axes.T, the covariance,")

    sliders = rng.normal(size=4)
    z = center + axes @ sliders
    mistakes: list[Mistake] = [
        (
            axes @ sliders,
            "With all sliders at zero your to_latent gives zero: add the center.",
        ),
        (
            center + sliders @ axes,
            "sliders @ axes goes along the rows; the axes are columns.",
        ),
    ]
    expect(call(to_latent, sliders, *found), z, "What your to_latent returns", mistakes)

    transposed = axes.T @ (z - center)
    mistakes = [
        (
            transposed,
            "The axes do not have length 1, so their transpose is not their inverse.",
        ),
        (
            transposed / deviations,
            "Divide by the *squared* lengths: they are the diagonal of axes.T @ axes.",
        ),
        (np.linalg.solve(axes, z), "to_sliders has to subtract the center first."),
    ]
    expect(call(to_sliders, z, *found), sliders, "What your to_sliders returns", mistakes)
    return "There and back; and a slider at 1 is one standard deviation, whichever axis it moves."


def _expect_axes(found: object, sizes: NDArray, deviations: NDArray, count: int) -> None:
    """Compare the axes' absolute values, because an axis is known only up to its sign.

    Parameters
    ----------
    found : object
        The absolute values of the student's axes.
    sizes : ndarray, shape (latent, latent)
        The absolute values of the principal directions, one in each column.
    deviations : ndarray, shape (latent,)
        The standard deviation along each direction.
    count : int
        The number of codes.
    """
    expected = sizes * deviations
    mistakes: list[Mistake] = [
        (sizes, "Your axes have length 1. Multiply each by the standard deviation along it."),
        (
            sizes * deviations**2,
            "You multiplied by the variance; its root is the standard deviation.",
        ),
        (expected.T, "Your axes are rows. Each should be a column: transpose."),
        (expected[:, ::-1], "Your axes begin with the shortest: reverse their order."),
        (
            expected * np.sqrt(count / (count - 1)),
            "You divide by n - 1: np.std, and np.cov with bias=True, divide by n.",
        ),
    ]
    expect(found, expected, "The size of your axes", mistakes)


@exercise_check("09.3")
def _latent_vector_of_an_image(function: object) -> str:
    rng = np.random.default_rng(93)
    vae = _one_page_model(hidden=12, latent=2)
    vae.parameters[:] = rng.normal(0, 0.5, vae.parameters.size)
    x = vae.decode(np.array([[1.2, -0.8]]))  # (1, pixels)
    found = call(function, vae, x)
    shape_complaint = "z should be an array of the shape (1, latent): here (1, 2)."
    try:
        z = np.array(found, np.float64)
    except (TypeError, ValueError):
        raise Complaint(shape_complaint) from None
    require(z.shape == (1, 2), shape_complaint)
    is_tame = np.all(np.abs(z) < 1e3)  # false for NaN, too
    require(is_tame, "Your z ran away. Go *down* the slope, and in smaller steps.")

    def slope(prior_weight: float) -> float:
        """Return the length of the loss's gradient at z."""

        def loss() -> float:
            reconstruction = bernoulli_loss(vae.decode_logits(z), x)[0]
            return float(reconstruction + prior_weight * 0.5 * np.sum(z**2))

        return float(np.linalg.norm(central_differences(loss, z)))

    still = f"At your z the loss still has a slope of {slope(1):.2g} nats per unit:"
    require(slope(0) > 0.01, f"{still} the prior's part, ½|z|², was not minimized.")
    require(slope(1) < 0.01, f"{still} take more steps, or check your gradient.")
    return "The slope has vanished: no small move of a slider makes this picture more likely."


# Exercise 09.4, the VAE on one page.


def _one_page_model(hidden: int, latent: int) -> VAE:
    """Return the module's VAE of the same architecture; all of its parameters are zero."""
    layers = [{"units": hidden, "activation": "relu"}]
    config = load_config(None, {"model.latent_dim": latent, "model.encoder_layers": layers})
    return VAE(config.model, (5, 4, 1), dtype=np.float64)


def _copies(arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
    return {name: array.copy() for name, array in arrays.items()}


def _require_array(
    arrays: Mapping[str, Any], name: str, shape: tuple[int, ...], owner: str
) -> NDArray:
    """Return the array of this name. Complain if it is missing or has another shape."""
    first_names = ", ".join(repr(other) for other in list(arrays)[:2]) or "nothing"
    require(name in arrays, f"{owner} has no {name!r}; it begins with {first_names}.")
    array = arrays[name]
    require(isinstance(array, np.ndarray), f"{owner}: {name} should be an array.")
    require(
        array.shape == shape,
        f"{owner}: {name} has the shape {array.shape}, but {shape} is needed.",
    )
    return array


def _check_initialize(initialize: object) -> None:
    found = call(initialize, np.random.default_rng(0), 20, 9, 3)
    require(isinstance(found, dict), f"initialize should return a dictionary, not {shown(found)}.")
    for name, array in _one_page_model(9, 3).named_parameters().items():
        found_array = _require_array(found, name, array.shape, "Its dictionary")
        if name.endswith("weights"):
            require(
                np.ptp(found_array) > 0,
                f"All of {name} start equal: such units stay equal. Draw them from rng.",
            )


def _check_loss_and_gradients(loss_and_gradients: object) -> None:
    rng = np.random.default_rng(94)
    for hidden, latent, batch, kl_weight in ((9, 3, 6, 1.0), (4, 2, 5, 1.7), (7, 5, 3, 0.4)):
        vae = _one_page_model(hidden, latent)
        vae.parameters[:] = rng.normal(0, 0.5, vae.parameters.size)  # the biases too
        x = rng.random((batch, 20))
        noise = rng.standard_normal((batch, latent))
        found = call(loss_and_gradients, _copies(vae.named_parameters()), x, noise, kl_weight)
        require(
            has_parts(found, 2) and isinstance(found[1], dict),
            "Return the loss and a dictionary of gradients.",
        )
        _check_loss(found[0], vae, x, noise, kl_weight)
        _check_gradients(found[1], vae, x, noise, kl_weight)

    # The last of these problems again, with huge logits.
    vae.layers["output"].biases *= 2000
    with np.errstate(all="ignore"):
        found = call(loss_and_gradients, _copies(vae.named_parameters()), x, noise, 1.0)
    loss = found[0]
    require(
        np.isfinite(loss),
        f"At logits of ±1000 your loss is {loss}. Where the sigmoid rounds to 1, log(1 - x̂) is "
        "−∞. Compute the loss from the logits.",
    )
    expect(loss, vae.loss(x, noise).total, "At logits of ±1000 your loss", rtol=1e-10)


def _check_loss(found: object, vae: VAE, x: NDArray, noise: NDArray, kl_weight: float) -> None:
    total, reconstruction, kl = vae.loss(x, noise, kl_weight)
    weighted_kl = kl_weight * kl
    batch, pixels = x.shape
    mean, log_variance = vae.encode(x)
    wide_z = mean + np.exp(log_variance) * noise
    wide_reconstruction = np.mean(bernoulli_loss(vae.decode_logits(wide_z), x))
    mistakes: list[Mistake] = [
        (
            reconstruction - weighted_kl,
            "The KL term has the wrong sign: it is a price, not a gain.",
        ),
        (
            reconstruction + 2 * weighted_kl,
            "Your KL term is twice the right one: it begins with ½.",
        ),
        (reconstruction + kl, "Your loss does not use kl_weight."),
        (batch * total, "Your loss is the batch's sum: take its mean."),
        (
            batch * reconstruction + weighted_kl,
            "The reconstruction is summed over the batch: take its mean.",
        ),
        (
            reconstruction + batch * weighted_kl,
            "The KL is summed over the batch: take its mean.",
        ),
        (
            reconstruction / pixels + weighted_kl,
            "Sum over the pixels: you average over them.",
        ),
        (
            wide_reconstruction + weighted_kl,
            "z is drawn with σ² where σ belongs: its variance is wrong. No gradient check would "
            "notice; exp(½ log σ²) is σ.",
        ),
    ]
    expect(found, total, "Your loss", mistakes, rtol=1e-10, atol=0)


def _check_gradients(
    found: dict[str, Any], vae: VAE, x: NDArray, noise: NDArray, kl_weight: float
) -> None:
    vae.loss_and_gradients(x, noise, kl_weight)
    for name, right in reversed(vae.named_gradients().items()):  # from the output backward
        gradient = _require_array(found, name, right.shape, "Its dictionary of gradients")
        error = np.linalg.norm(gradient - right) / np.linalg.norm(right)
        if error <= 1e-10:
            continue
        mistakes = _gradient_mistakes(name, right, vae, x, kl_weight)
        hints = [hint for mistake, hint in mistakes if np.allclose(gradient, mistake, 1e-8, 1e-12)]
        if not hints:
            layer = name.partition(".")[0]
            hints = [GRADIENT_PATHS[layer]]
        raise Complaint(
            f"Your loss is right. Walking back from the output, the first wrong gradient is that "
            f"of {name}: it is off by {error:.2g} times its length. {hints[0]}"
        )


GRADIENT_PATHS = {
    "output": "It begins with d loss / d logits: notebook 03.",
    "decoder_1": "What comes back through the output's weights still has to pass relu.",
    "log_variance": "Two paths add: through z, by ½σε, and through the KL term.",
    "mean": "Two paths add: through z, and through the KL term.",
    "encoder_1": "Both heads hand a gradient back: add the two, then pass relu.",
}


def _gradient_mistakes(
    name: str, right: NDArray, vae: VAE, x: NDArray, kl_weight: float
) -> list[Mistake]:
    """Return what known mistakes give for a gradient.

    Parameters
    ----------
    name : str
        The parameter array's name, for example "mean.biases".
    right : ndarray
        Its right gradient.
    """
    batch = len(x)
    mistakes: list[Mistake] = [
        (batch * right, "It is batch times too large: the loss is a mean over the batch.")
    ]
    d_mean, d_log_variance = kl_divergence_gradient(*vae.encode(x))
    if name == "mean.biases":
        through_kl = kl_weight * np.mean(d_mean, axis=0)
    elif name == "log_variance.biases":
        through_kl = kl_weight * np.mean(d_log_variance, axis=0)
    else:
        return mistakes
    through_z = right - through_kl
    return [
        *mistakes,
        (through_z, "The path through the KL term is missing."),
        (through_kl, "The path through z is missing."),
        (through_z - through_kl, "Its KL part has the wrong sign."),
        (through_z + through_kl / kl_weight, "Its KL part lacks kl_weight."),
        (through_z + batch * through_kl, "Its KL part is not divided by the batch."),
        (through_z + 2 * through_kl, "Its KL part is twice the right one."),
        (2 * through_z + through_kl, "The path through z lacks the ½ of σ = exp(½ log σ²)."),
    ]


def _check_adam(adam_class: object) -> None:
    rng = np.random.default_rng(95)
    parameters = {"a.weights": rng.normal(size=(3, 2)), "a.biases": rng.normal(size=2)}
    start = _flat(parameters)
    right = Adam(start.copy())
    found = call(adam_class, parameters)
    if getattr(found, "__dict__", None) == {}:  # it keeps nothing, as in the unsolved exercise
        raise Unsolved
    require(hasattr(found, "update"), "Adam(parameters) has no method update.")
    for step in (1, 2, 3):
        gradients = {name: rng.normal(size=array.shape) for name, array in parameters.items()}
        right.update(_flat(gradients), 0.01)
        _update(found, gradients)
        expect(
            call(_flat, parameters),
            right.parameters,
            f"After {step} of three Adam steps, a parameter",
            _adam_mistakes(start, _flat(gradients)),
            rtol=1e-10,
        )


def _flat(arrays: Mapping[str, NDArray]) -> NDArray:
    return np.concatenate([np.ravel(array) for array in arrays.values()])


def _update(adam: Any, gradients: Mapping[str, NDArray]) -> None:
    """Let the student's Adam take a step. Its `update` may return None."""

    def update() -> str:
        adam.update(_copies(gradients), 0.01)
        return "done"

    call(update)


def _adam_mistakes(start: NDArray, gradient: NDArray) -> list[Mistake]:
    """Return what known mistakes give after the first step."""
    size = np.abs(gradient)
    epsilon = 1e-8
    return [
        (start, "update changed nothing: it has to change the parameters in place."),
        (
            start + 0.01 * gradient / (size + epsilon),
            "Your Adam climbs: a step has to go against the gradient.",
        ),
        (start - 0.01 * gradient, "That is plain gradient descent."),
        (
            start - 0.001 * gradient / (np.sqrt(0.001) * size + epsilon),
            "Your moments lack their correction: the first step is √10 times too long.",
        ),
        (
            start - 0.01 * gradient / np.sqrt(gradient**2 + epsilon),
            "ε belongs outside the root.",
        ),
        (
            start - 0.01 * gradient / (size + epsilon / np.sqrt(0.001)),
            "ε is added before the second moment is corrected: algorithm 1 corrects first.",
        ),
    ]


def _check_train(train: object) -> None:
    rng = np.random.default_rng(96)
    stripes = np.sin(np.arange(20) * rng.uniform(0.2, 1, (40, 1))).reshape(40, 5, 4, 1)
    pixels = np.round(127.5 + 127.5 * stripes).astype(np.uint8)
    images = ImageSet(pixels, ("stripes",) * 40, ("stripes",) * 40)
    found = call(train, rng, images.as_float(dtype=np.float64), 16, 2, 120, 8, 0.01, 0.01)
    require(
        has_parts(found, 2) and isinstance(found[0], dict),
        "Return the parameters and a list of losses.",
    )
    parameters, losses = found
    require(
        np.size(losses) == 120, f"{np.size(losses)} losses for 120 epochs: one for each is needed."
    )
    vae = _one_page_model(16, 2)
    gray_excess = reconstruction_quality(vae, images)["excess"]  # all parameters are zero
    for name, array in vae.named_parameters().items():
        array[:] = _require_array(parameters, name, array.shape, "Its dictionary")
    excess = reconstruction_quality(vae, images)["excess"]
    require(
        excess < gray_excess / 3,
        f"It runs, but learns too little: on small pictures its excess is {excess:.3g} nats, and "
        f"that of a gray square is {gray_excess:.3g}. Does every step draw new noise and update "
        "the parameters? Do the weights start at a good size?",
    )


@exercise_check("09.4")
def _one_page(initialize: object, loss_and_gradients: object, adam: object, train: object) -> str:
    parts: tuple[tuple[str, object, Callable[[object], None]], ...] = (
        ("initialize", initialize, _check_initialize),
        ("loss_and_gradients", loss_and_gradients, _check_loss_and_gradients),
        ("Adam", adam, _check_adam),
        ("train", train, _check_train),
    )
    right: list[str] = []
    for name, answer, check_part in parts:
        so_far = f"Right so far: {', '.join(right)}. " if right else ""
        try:
            check_part(answer)
        except Unsolved:
            if not right:
                raise
            raise Complaint(f"{so_far}Next: {name}.") from None
        except Complaint as complaint:
            raise Complaint(f"{so_far}Now {name}: {complaint}") from None
        right.append(name)
    return "Loss, gradients and Adam's steps are vae_nb's to ten digits; and it learns."
