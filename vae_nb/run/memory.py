"""Whether a training fits into this machine's memory."""

import psutil

from vae_nb.core.model import count_parameters
from vae_nb.data.config import Config
from vae_nb.system.errors import ModelError

FLOAT32_BYTES = 4
GIGABYTE = 1e9
OPTIMIZER_ARRAYS = {"adam": 2, "sgd": 1}  # of the size of the parameters: moments, or a velocity


def training_bytes(config: Config) -> int:
    """Estimate the memory that a training takes, besides the images and a batch.

    These are arrays of the size of the parameters: the parameters themselves, what the optimizer
    remembers, and the best parameters so far.
    """
    parameters = count_parameters(config.model, config.data.image_shape)
    arrays = 2 + OPTIMIZER_ARRAYS[config.training.optimizer.type]
    return arrays * parameters * FLOAT32_BYTES


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
            f"{total / GIGABYTE:,.0f} GB. Use fewer units or smaller images."
        )
