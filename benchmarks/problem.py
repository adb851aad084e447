"""Write the training step that every implementation computes, as arrays in files.

PyTorch and JAX read these files and never import vae_nb, so that all of the memory they use is
their own.
"""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np

import vae_nb
from vae_nb.core.architecture import layer_shapes
from vae_nb.data.config import config_from_dict

NOISE_DRAWS = 10


def seed_config(**values):
    """Return the schema's defaults, the seed architecture and Adam, with some values changed."""
    return config_from_dict(values)


def _write(folder, vae, clip_norm, arrays):
    shapes = layer_shapes(vae.config, vae.image_shape)
    settings = {
        "model": dataclasses.asdict(vae.config),
        "image_shape": vae.image_shape,
        "layers": {shape.name: shape._asdict() for shape in shapes},
        "clip_norm": clip_norm,
    }
    (Path(folder) / "settings.json").write_text(json.dumps(settings))
    arrays = {"mean_image": vae.mean_image} | vae.named_parameters() | arrays
    for name, array in arrays.items():
        np.save(Path(folder) / f"{name}.npy", np.ascontiguousarray(array))


def write_step(folder, batch, config=None):
    """Write the parameters, one batch and its noise to a folder: a step to repeat.

    The step has no limit on the gradient's norm, which costs PyTorch and JAX more than vae_nb.

    Parameters
    ----------
    folder : str or Path
    batch : int
        The batch size.
    config : vae_nb.Config or None
        None means the seed architecture.

    Returns
    -------
    vae_nb.VAE
        With the parameters that were written.
    """
    config = config or seed_config()
    images = vae_nb.load_images(config.data)
    rng = np.random.default_rng(0)
    vae = vae_nb.VAE(config.model, config.data.image_shape, rng)
    vae.center_on(images.mean_image(vae.dtype))
    # Move the biases away from zero. At zero some gradients are mere rounding errors, and Adam's
    # first step depends only on a gradient's sign: the implementations would differ.
    for layer in vae.layers.values():
        layer.biases += 0.1 * rng.standard_normal(len(layer.biases), np.float32)
    x = images.as_float(np.arange(batch) % len(images))  # images repeat if there are too few
    noise = rng.standard_normal((NOISE_DRAWS, batch, config.model.latent_dim), np.float32)
    _write(folder, vae, None, {"x": x, "noise": noise})
    return vae


def write_training(folder, config):
    """Write a whole training to a folder: initialization, images and every random number.

    Parameters
    ----------
    folder : str or Path
    config : vae_nb.Config
    """
    training_config = config.training
    batch_size = config.data.batch_size
    images = vae_nb.load_images(config.data)
    train_set, held_out = images.split(
        config.data.validation_split, training_config.seed, config.data.split_by
    )
    streams = {
        name: vae_nb.random_stream(training_config.seed, name)
        for name in ("weights", "batches", "noise", "validation")
    }
    vae = vae_nb.VAE(config.model, config.data.image_shape, streams["weights"])
    vae.center_on(train_set.mean_image(vae.dtype))
    epochs = training_config.epochs
    count = len(train_set)
    latent_dim = vae.latent_dim
    total_steps = epochs * math.ceil(count / batch_size)
    steps = range(total_steps)
    arrays = {
        "train_x": train_set.as_float(),
        "held_out_x": held_out.as_float(),
        "orders": [streams["batches"].permutation(count) for _ in range(epochs)],
        # Drawing all at once gives the same numbers as drawing batch by batch.
        "noise": streams["noise"].standard_normal((epochs, count, latent_dim), np.float32),
        "held_out_noise": streams["validation"].standard_normal(
            (len(held_out), latent_dim), np.float32
        ),
        "learning_rates": [
            vae_nb.learning_rate_at(step, total_steps, training_config) for step in steps
        ],
        "kl_weights": [vae_nb.kl_weight_at(step, total_steps, training_config) for step in steps],
        "batch_size": batch_size,
    }
    _write(folder, vae, training_config.gradient_clip_norm, arrays)


def count_work(vae, batch):
    """Count the work that one training step cannot avoid.

    Parameters
    ----------
    vae : vae_nb.VAE
    batch : int
        The batch size.

    Returns
    -------
    moved : int
        The bytes to read and write. The forward pass reads all weights, and the backward pass reads
        them again, except the first layer's. After the whole backward pass, Adam reads and writes
        the parameters and both moments; a limit on the gradient's norm needs this order. The
        gradient itself need not be written.
    operations : int
        The floating-point operations of the matrix products. The images need no gradient.
    """
    shapes = layer_shapes(vae.config, vae.image_shape)
    sizes = [math.prod(shape.weights) for shape in shapes]
    moved = vae.dtype.itemsize * (sum(sizes) + sum(sizes[1:]) + 6 * vae.parameters.size)
    # How many multiplications each layer takes for one image: a convolution uses its weights for
    # each of its patches.
    products = [size * _patches(shape) for size, shape in zip(sizes, shapes, strict=True)]
    operations = 2 * batch * (2 * sum(products) + sum(products[1:]))
    return moved, operations


def _patches(shape):
    """Count the patches that a layer reads from an image; a dense layer reads it as one."""
    if shape.reads is None:
        return 1
    height, width, _ = shape.input_shape
    return height * width // shape.reads.strides**2
