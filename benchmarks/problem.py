"""The training step that every implementation computes, as arrays in files.

The peers read these files and never import vae_nb, so that the memory they use is their own.
"""

import json
from pathlib import Path

import numpy as np

import vae_nb
from vae_nb.data.config import config_from_dict

NOISE_DRAWS = 10


def seed_config(**values):
    """The defaults of the schema: the seed architecture and Adam."""
    return config_from_dict(values)


def _write(folder, vae, clip_norm, arrays):
    layers = {name: layer.activation_name for name, layer in vae.layers.items()}
    settings = {"layers": layers, "clip_norm": clip_norm}
    (Path(folder) / "settings.json").write_text(json.dumps(settings))
    for name, array in ({"mean_image": vae.mean_image} | vae.named_parameters() | arrays).items():
        np.save(Path(folder) / f"{name}.npy", np.ascontiguousarray(array))


def write_step(folder, batch, config=None):
    """Write parameters, one batch and its noise to a folder: a step to be repeated.

    Without a limit on the gradient's norm, which costs the peers more than vae_nb.

    Parameters
    ----------
    folder : str or Path
    batch : int
    config : vae_nb.Config or None
        None is the seed architecture.

    Returns
    -------
    vae_nb.VAE
        At its start.
    """
    config = config or seed_config()
    images = vae_nb.load_images(config.data)
    rng = np.random.default_rng(0)
    vae = vae_nb.VAE(config.model, config.data.image_shape, rng)
    vae.center_on(images.mean_image(vae.dtype))
    # Away from zero: there, Adam's first steps turn a gradient's rounding into its sign.
    for layer in vae.layers.values():
        layer.biases += 0.1 * rng.standard_normal(len(layer.biases), np.float32)
    x = images.as_float(np.arange(batch) % len(images))  # pictures again where they do not suffice
    noise = rng.standard_normal((NOISE_DRAWS, batch, config.model.latent_dim), np.float32)
    _write(folder, vae, None, {"x": x, "noise": noise})
    return vae


def write_training(folder, config):
    """Write a whole training to a folder: start, pictures, and every random number.

    Parameters
    ----------
    folder : str or Path
    config : vae_nb.Config
    """
    training, batch_size = config.training, config.data.batch_size
    images = vae_nb.load_images(config.data)
    train_set, held_out = images.split(config.data.validation_split, training.seed)
    streams = {
        name: vae_nb.random_stream(training.seed, name)
        for name in ("weights", "batches", "noise", "validation")
    }
    vae = vae_nb.VAE(config.model, config.data.image_shape, streams["weights"])
    vae.center_on(train_set.mean_image(vae.dtype))
    epochs, count, latent = training.epochs, len(train_set), vae.latent_dim
    steps = range(epochs * -(-count // batch_size))
    arrays = {
        "train_x": train_set.as_float(),
        "held_out_x": held_out.as_float(),
        "orders": [streams["batches"].permutation(count) for _ in range(epochs)],
        # Drawn batch by batch or at once: the same numbers.
        "noise": streams["noise"].standard_normal((epochs, count, latent), np.float32),
        "held_out_noise": streams["validation"].standard_normal(
            (len(held_out), latent), np.float32
        ),
        "learning_rates": [vae_nb.learning_rate_at(step, len(steps), training) for step in steps],
        "kl_weights": [vae_nb.kl_weight_at(step, len(steps), training) for step in steps],
        "batch_size": batch_size,
    }
    _write(folder, vae, training.gradient_clip_norm, arrays)


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
        and both moments of Adam read and written, after the whole way back (a limit on the
        gradient's norm needs that order). The gradient need not be written anywhere.
    operations : int
        Floating-point operations of the matrix products; no gradient of the pictures.
    """
    weights = sum(layer.weights.size for layer in vae.layers.values())
    first = vae.encoder[0].weights.size
    moved = vae.dtype.itemsize * (weights + (weights - first) + 6 * vae.parameters.size)
    operations = 2 * batch * (weights + weights + (weights - first))
    return moved, operations
