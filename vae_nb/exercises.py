"""The checks behind the notebooks' exercises: right, not solved yet, or what is wrong.

A check never says only "wrong": it names the numbers that differ, and where it knows the mistake
behind them, it says so.
"""

import inspect
from typing import NamedTuple

import numpy as np

from vae_nb.config import load_config
from vae_nb.errors import VaeNbError
from vae_nb.gradient_checking import central_differences
from vae_nb.images import ImageSet
from vae_nb.losses import bernoulli_loss, kl_divergence_gradient
from vae_nb.metrics import reconstruction_quality
from vae_nb.model import VAE
from vae_nb.optimizers import Adam

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
    raise _Complaint(f"{what} is {found[worst]:.4g}{where}, and {expected[worst]:.4g} is right.")


def _shown(value, longest=60):
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


# --- 01 · Load the emojis ---


# --- 02 · Build a VAE from NumPy ---


# --- 03 · The loss and its gradient ---


# --- 04 · Train ---


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


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
    _require(isinstance(found, tuple) and len(found) == 2, "Return a pair: centre and axes.")
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
    fits = isinstance(z, np.ndarray) and z.shape == (1, 2) and z.dtype.kind == "f"
    _require(fits, "z should be an array of floats of the shape (1, latent): here (1, 2).")
    _require(np.all(np.isfinite(z)), "Your z is not finite: it ran away. Take a smaller step.")
    z = z.astype(np.float64)

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


def _page_initialize(initialize):
    found = _call(initialize, np.random.default_rng(0), 20, 9, 3)
    _require(isinstance(found, dict), f"initialize returned {_shown(found)}: no dictionary.")
    for name, array in _page_model(9, 3).named_parameters().items():
        shape = getattr(found.get(name), "shape", None)
        wrong = f"{name} has the shape {shape}, and {array.shape} is needed."
        _require(shape == array.shape, f"After initialize, {wrong}")
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
    is_pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)
    _require(is_pair, "loss_and_gradients should return the loss and a dictionary of gradients.")
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
        gradient = found[1].get(name)
        shape = getattr(gradient, "shape", None)
        needed = f"has the shape {shape}, and {right.shape} is needed."
        _require(shape == right.shape, f"The gradient of {name} {needed}")
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
        ]
        what = f"After {step} of three Adam steps, a parameter"
        _expect(found, theirs.parameters, what, mistakes, rtol=1e-10)


def _page_train(train):
    rng = np.random.default_rng(96)
    stripes = np.sin(np.arange(20) * rng.uniform(0.2, 1, (40, 1))).reshape(40, 5, 4, 1)
    pixels = np.round(127.5 + 127.5 * stripes).astype(np.uint8)
    images = ImageSet(pixels, ("stripes",) * 40, ("stripes",) * 40)
    found = _call(train, rng, images.as_float(dtype=np.float64), 16, 2, 120, 8, 0.01, 1.0)
    is_pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], dict)
    _require(is_pair, "train should return the parameters and a list of losses.")
    _require(np.size(found[1]) == 120, f"{np.size(found[1])} losses for 120 epochs: one for each.")
    vae = _page_model(16, 2)
    constant = reconstruction_quality(vae, images)["excess"]  # all parameters zero: mid-grey
    for name, array in vae.named_parameters().items():
        _require(np.shape(found[0].get(name)) == array.shape, f"train lost the shape of {name}.")
        array[:] = found[0][name]
    excess = reconstruction_quality(vae, images)["excess"]
    verdict = f"an excess of {excess:.3g} nats on small pictures; {constant:.3g} is a grey square's"
    _require(excess < constant / 3, f"train runs, but learns too little: {verdict}.")


@_exercise("09.4")
def _one_page(initialize, loss_and_gradients, adam, train):
    right = []
    for name, answer, examine in (
        ("initialize", initialize, _page_initialize),
        ("loss_and_gradients", loss_and_gradients, _page_loss),
        ("Adam", adam, _page_adam),
        ("train", train, _page_train),
    ):
        try:
            examine(answer)
        except _Unsolved:
            if not right:
                raise
            raise _Complaint(f"Right so far: {', '.join(right)}. Next: {name}.") from None
        right.append(name)
    return "Loss, gradients and Adam's steps are vae_nb's to ten digits; and it learns."
