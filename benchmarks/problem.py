"""The training step that every implementation computes, as arrays in files.

The peers read these files and never import vae_nb, so that the memory they use is their own.
"""

import json
from pathlib import Path

import numpy as np

import vae_nb
from vae_nb.config import config_from_dict

LEARNING_RATE = 1e-4  # small, so that hundreds of steps on one batch stay tame
NOISE_DRAWS = 10


def seed_config(**values):
    """The defaults of the schema: the seed architecture, Adam, no limit on the gradient."""
    return config_from_dict(values)


def training_pictures(count):
    """The first `count` pictures of input/, again from the start where they do not suffice."""
    images = vae_nb.load_images(seed_config().data)
    return images.as_float(np.arange(count) % len(images)), images


def write_problem(folder, batch, config=None):
    """Write parameters, pictures and noise of one problem to a folder, an array a file.

    Parameters
    ----------
    folder : Path
    batch : int
    config : vae_nb.Config or None
        None is the seed architecture.

    Returns
    -------
    vae_nb.VAE
        At its start.
    """
    config = config or seed_config()
    folder = Path(folder)
    x, images = training_pictures(batch)
    rng = np.random.default_rng(0)
    vae = vae_nb.VAE(config.model, config.data.image_shape, rng)
    vae.center_on(images.mean_image(vae.dtype))
    # Away from zero: there, Adam's first steps turn a gradient's rounding into its sign.
    for layer in vae.layers.values():
        layer.biases += 0.1 * rng.standard_normal(len(layer.biases), np.float32)
    layers = {name: layer.activation_name for name, layer in vae.layers.items()}
    settings = {"layers": layers, "learning_rate": LEARNING_RATE, "kl_weight": 1.0}
    (folder / "settings.json").write_text(json.dumps(settings))
    noise = rng.standard_normal((NOISE_DRAWS, batch, config.model.latent_dim), np.float32)
    arrays = {"x": x, "noise": noise, "mean_image": vae.mean_image} | vae.named_parameters()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array))
    return vae


def count_work(vae, batch):
    """What one training step cannot avoid.

    Parameters
    ----------
    vae : vae_nb.VAE
    batch : int

    Returns
    -------
    moved : int
        Bytes: weights read forward, and once more backward but for the first layer's; parameters
        and both moments of Adam read and written. The gradient need not be written anywhere.
    operations : int
        Floating-point operations of the matrix products; no gradient of the pictures.
    """
    weights = sum(layer.weights.size for layer in vae.layers.values())
    first = vae.encoder[0].weights.size
    moved = vae.dtype.itemsize * (weights + (weights - first) + 6 * vae.parameters.size)
    operations = 2 * batch * (weights + weights + (weights - first))
    return moved, operations
