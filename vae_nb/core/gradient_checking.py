"""Central differences against an analytic gradient."""

import numpy as np


def central_differences(function, array, positions=None, step=1e-5):
    """The gradient of a scalar function, from its values alone.

    Parameters
    ----------
    function : callable
        Takes nothing and returns a float that depends on `array`.
    array : ndarray of float64
        Nudged in place, one element at a time, and put back.
    positions : sequence of int or None
        Flat positions to look at; None means all.
    step : float
        Half the distance between the two points of a difference.

    Returns
    -------
    ndarray, shape (positions,)
        (f(a + step) - f(a - step)) / (2 step) for each position; its error falls with the
        square of the step, until rounding takes over.
    """
    flat = array.flat  # whatever the array's layout in memory
    positions = range(array.size) if positions is None else positions
    differences = np.empty(len(positions))
    for row, position in enumerate(positions):
        original = flat[position]
        flat[position] = original + step
        above = function()
        flat[position] = original - step
        below = function()
        flat[position] = original
        differences[row] = (above - below) / (2 * step)
    return differences


def relative_error(analytic, numeric):
    """How far two gradients of one array are apart, as a fraction of their lengths.

    Parameters
    ----------
    analytic, numeric : ndarray, the same shape

    Returns
    -------
    float
        |analytic - numeric| / (|analytic| + |numeric|), Euclidean norms over the whole array:
        0 for equal ones, 1 for opposite ones, 0 where both vanish.
    """
    lengths = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    return float(np.linalg.norm(analytic - numeric) / lengths) if lengths else 0.0


def gradient_check(vae, x, noise, kl_weight=1.0, samples=None, rng=None, step=1e-5):
    """Compare a VAE's gradient with central differences, one parameter array at a time.

    A check cannot see a mistake that loss and gradient share, for example a sample drawn with
    the variance where the standard deviation is meant: moments have to be tested as well.

    Parameters
    ----------
    vae : vae_nb.VAE
        Of dtype float64: in float32 rounding hides everything below about 1e-3.
    x : ndarray, shape (batch, pixels)
    noise : ndarray, shape (batch, latent)
        Kept fixed, so that the loss is a function of the parameters alone.
    kl_weight : float
    samples : int or None
        Check this many positions of each array, drawn by `rng`; None checks all.
    rng : numpy.random.Generator or None
    step : float

    Returns
    -------
    dict of str to float
        The `relative_error` for each key of `vae.named_parameters()`.

    Raises
    ------
    ValueError
        If the model is not float64.
    """
    if vae.dtype != np.float64:
        raise ValueError(f"a gradient check needs a model of dtype float64, not {vae.dtype}")
    vae.loss_and_gradients(x, noise, kl_weight)
    gradients = vae.named_gradients()
    errors = {}
    for name, parameters in vae.named_parameters().items():
        positions = np.arange(parameters.size)
        if samples is not None and samples < parameters.size:
            positions = rng.choice(parameters.size, samples, replace=False)
        numeric = central_differences(
            lambda: vae.loss(x, noise, kl_weight).total, parameters, positions, step
        )
        errors[name] = relative_error(gradients[name].reshape(-1)[positions], numeric)
    return errors
