"""The checks of notebook 09, Latent sliders."""

import numpy as np

from vae_nb.core.gradient_checking import central_differences
from vae_nb.core.losses import (
    bernoulli_loss,
    kl_divergence_gradient,
)
from vae_nb.core.metrics import reconstruction_quality
from vae_nb.core.model import VAE
from vae_nb.core.optimizers import Adam
from vae_nb.data.config import load_config
from vae_nb.data.image_set import ImageSet
from vae_nb.exercises.checker import (
    Complaint,
    Unsolved,
    call,
    exercise_check,
    expect,
    require,
    shown,
)


@exercise_check("09.1")
def _attribute_direction(function):
    rng = np.random.default_rng(91)
    codes, has_it = rng.normal(1, 1, (9, 4)), np.arange(9) % 3 == 0  # three have it, six do not
    found = call(function, codes, has_it)
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
    expect(found, with_it - without, "Your direction", mistakes)
    return "What both groups share cancels; what is left leads from one group to the other."


@exercise_check("09.2")
def _principal_sliders(principal_axes, to_latent, to_sliders):
    rng = np.random.default_rng(92)
    codes = rng.normal(0, [1.5, 0.2, 0.7, 3], (60, 4)) @ rng.normal(size=(4, 4)) + 2
    found = call(principal_axes, codes)
    is_pair = isinstance(found, tuple | list) and len(found) == 2
    require(is_pair, "Return a pair: centre and axes.")
    centre, covariance = codes.mean(axis=0), np.cov(codes, rowvar=False, bias=True)
    expect(found[0], centre, "Your centre")
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
    expect(call(np.abs, found[1]), sizes * deviations, "The size of your axes", mistakes)
    axes, sliders = np.array(found[1]), rng.normal(size=4)
    expect(axes @ axes.T, covariance, "axes @ axes.T, the covariance,")
    z = centre + axes @ sliders
    lost = [
        (axes @ sliders, "With all sliders at zero your to_latent gives zero: add the centre."),
        (centre + sliders @ axes, "sliders @ axes goes along the rows; the axes are columns."),
    ]
    expect(call(to_latent, sliders, *found), z, "What your to_latent returns", lost)
    transposed = axes.T @ (z - centre)
    mistakes = [
        (transposed, "The axes are not of length 1: their transpose is not their inverse."),
        (transposed / deviations, "Divide by the *squared* length: axes.T @ axes is what is left."),
        (np.linalg.solve(axes, z), "to_sliders has to subtract the centre first."),
    ]
    expect(call(to_sliders, z, *found), sliders, "What your to_sliders returns", mistakes)
    return "There and back; and a slider at 1 is one standard deviation, whichever axis it moves."


@exercise_check("09.3")
def _latent_vector_of_a_picture(function):
    rng = np.random.default_rng(93)
    vae = _page_model(hidden=12, latent=2)
    vae.parameters[:] = rng.normal(0, 0.5, vae.parameters.size)
    x = vae.decode(np.array([[1.2, -0.8]]))  # (1, pixels)
    z = call(function, vae, x)
    fits = "z should be an array of the shape (1, latent): here (1, 2)."
    try:
        z = np.array(z, np.float64)
    except (TypeError, ValueError):
        raise Complaint(fits) from None
    require(z.shape == (1, 2), fits)
    ran_away = "Your z ran away. Go *down* the slope, and in smaller steps."
    require(np.all(np.abs(z) < 1e3), ran_away)  # nan is not, either

    def slope(prior):
        def loss():
            return bernoulli_loss(vae.decode_logits(z), x)[0] + prior * 0.5 * np.sum(z**2)

        return np.linalg.norm(central_differences(loss, z))

    left = "At your z the loss still has a slope of {:.2g} nats per unit: {}"
    require(slope(0) > 0.01, left.format(slope(1), "the prior's part, ½|z|², was not minimised."))
    require(slope(1) < 0.01, left.format(slope(1), "more steps, or another gradient, are needed."))
    return "The slope has vanished: no slider can be moved a little and make this picture likelier."


def _page_model(hidden, latent):
    layers = [{"units": hidden, "activation": "relu"}]
    model = load_config(None, {"model.latent_dim": latent, "model.encoder_layers": layers}).model
    return VAE(model, (5, 4, 1), dtype=np.float64)


def _copies(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def _page_array(arrays, name, shape, whose):
    """The array of that name, if there is one and it has the shape."""
    others = ", ".join(map(repr, list(arrays)[:2])) or "nothing"
    require(name in arrays, f"{whose} has no {name!r}; it begins with {others}.")
    array = arrays[name]
    require(isinstance(array, np.ndarray), f"{whose}: {name} should be an array.")
    is_needed = f"{name} has the shape {array.shape}, and {shape} is needed."
    require(array.shape == shape, f"{whose}: {is_needed}")
    return array


def _page_initialize(initialize):
    found = call(initialize, np.random.default_rng(0), 20, 9, 3)
    require(isinstance(found, dict), f"initialize returned {shown(found)}: no dictionary.")
    for name, array in _page_model(9, 3).named_parameters().items():
        _page_array(found, name, array.shape, "Its dictionary")
        varied = name.endswith("biases") or np.ptp(found[name]) > 0
        require(varied, f"All of {name} start equal: such units stay equal. Draw them from rng.")


def _page_loss(loss_and_gradients):
    rng = np.random.default_rng(94)
    for hidden, latent, batch, kl_weight in ((9, 3, 6, 1.0), (4, 2, 5, 1.7), (7, 5, 3, 0.4)):
        vae = _page_model(hidden, latent)
        vae.parameters[:] = rng.normal(0, 0.5, vae.parameters.size)  # the biases too
        x, noise = rng.random((batch, 20)), rng.standard_normal((batch, latent))
        _page_compare(loss_and_gradients, vae, x, noise, kl_weight)
    vae.layers["output"].biases *= 2000
    with np.errstate(all="ignore"):
        found = call(loss_and_gradients, _copies(vae.named_parameters()), x, noise, 1.0)
    hint = "Where the sigmoid rounds to 1, log(1 - x̂) is −∞. Compute the loss from the logits."
    require(np.isfinite(found[0]), f"At logits of ±1000 your loss is {found[0]}. {hint}")
    expect(found[0], vae.loss(x, noise).total, "At logits of ±1000 your loss", rtol=1e-10)


def _page_compare(loss_and_gradients, vae, x, noise, kl_weight):
    found = call(loss_and_gradients, _copies(vae.named_parameters()), x, noise, kl_weight)
    is_pair = isinstance(found, tuple | list) and len(found) == 2 and isinstance(found[1], dict)
    require(is_pair, "Return the loss and a dictionary of gradients.")
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
    expect(found[0], total, "Your loss", mistakes, rtol=1e-10, atol=0)

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
        raise Complaint(
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
    ours = call(adam, parameters)
    if getattr(ours, "__dict__", None) == {}:  # it keeps nothing: as it was in the exercise
        raise Unsolved
    require(hasattr(ours, "update"), "Adam(parameters) has no method update.")
    for step in (1, 2, 3):
        gradients = {name: rng.normal(size=array.shape) for name, array in parameters.items()}
        flat = np.concatenate([gradient.ravel() for gradient in gradients.values()])
        theirs.update(flat, 0.01)
        call(lambda gradients=gradients: [ours.update(_copies(gradients), 0.01)])
        found = call(np.concatenate, [np.ravel(array) for array in parameters.values()])
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
        expect(found, theirs.parameters, what, mistakes, rtol=1e-10)


def _page_train(train):
    rng = np.random.default_rng(96)
    stripes = np.sin(np.arange(20) * rng.uniform(0.2, 1, (40, 1))).reshape(40, 5, 4, 1)
    pixels = np.round(127.5 + 127.5 * stripes).astype(np.uint8)
    images = ImageSet(pixels, ("stripes",) * 40, ("stripes",) * 40)
    found = call(train, rng, images.as_float(dtype=np.float64), 16, 2, 120, 8, 0.01, 0.01)
    is_pair = isinstance(found, tuple | list) and len(found) == 2 and isinstance(found[0], dict)
    require(is_pair, "Return the parameters and a list of losses.")
    require(np.size(found[1]) == 120, f"{np.size(found[1])} losses for 120 epochs: one for each.")
    vae = _page_model(16, 2)
    constant = reconstruction_quality(vae, images)["excess"]  # all parameters zero: mid-grey
    for name, array in vae.named_parameters().items():
        array[:] = _page_array(found[0], name, array.shape, "Its dictionary")
    excess = reconstruction_quality(vae, images)["excess"]
    verdict = f"an excess of {excess:.3g} nats on small pictures; {constant:.3g} is a grey square's"
    hint = "Does every step draw new noise and update? Are the weights at the start of a good size?"
    require(excess < constant / 3, f"It runs, but learns too little: {verdict}. {hint}")


@exercise_check("09.4")
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
        except Unsolved:
            if not right:
                raise
            raise Complaint(f"{so_far}Next: {name}.") from None
        except Complaint as complaint:
            raise Complaint(f"{so_far}Now {name}: {complaint}") from None
        right.append(name)
    return "Loss, gradients and Adam's steps are vae_nb's to ten digits; and it learns."
