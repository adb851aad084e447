"""Whether a training fits into this machine's memory."""

import math

import psutil

from vae_nb.core.architecture import count_parameters, layer_shapes
from vae_nb.data.config import Config
from vae_nb.system.errors import ModelError

FLOAT32_BYTES = 4
GIGABYTE = 1e9
OPTIMIZER_ARRAYS = {"adam": 2, "sgd": 1}  # of the size of the parameters: moments, or a velocity


def training_bytes(config: Config) -> int:
    """Estimate the memory that a training takes, besides the images.

    There are arrays of the size of the parameters: the parameters themselves, what the optimizer
    remembers, and the best parameters so far. And each layer remembers its pre-activations and its
    outputs for a batch. In a dense model these are few beside the parameters; where layers share
    their weights, they are nearly all.
    """
    image_shape = config.data.image_shape
    parameters = count_parameters(config.model, image_shape)
    arrays = 2 + OPTIMIZER_ARRAYS[config.training.optimizer.type]
    layers = layer_shapes(config.model, image_shape)
    outputs = sum(math.prod(layer.output_shape) for layer in layers)  # for one image
    return (arrays * parameters + 2 * config.data.batch_size * outputs) * FLOAT32_BYTES


def check_memory(config: Config) -> None:
    """Refuse a training that cannot fit into this machine's memory, before anything is loaded.

    Raises
    ------
    ModelError
        If the training takes more than all memory of the machine.
    """
    needed = training_bytes(config)
    total = psutil.virtual_memory().total
    if needed > total:
        parameters = count_parameters(config.model, config.data.image_shape)
        raise ModelError(
            f"The model has {parameters:,} parameters. Its training takes about "
            f"{needed / GIGABYTE:,.0f} GB of memory, and this machine has "
            f"{total / GIGABYTE:,.0f} GB. Use fewer units or filters, or smaller images."
        )
