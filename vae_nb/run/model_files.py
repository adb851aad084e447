"""Files of a trained model, and of a training that is not at its end; read with distrust."""

import math
import platform
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np

from vae_nb.core.model import VAE, count_parameters, layer_shapes
from vae_nb.core.optimizers import make_optimizer
from vae_nb.core.training import HISTORY_COLUMNS, History, TrainingState
from vae_nb.data.config import config_from_dict
from vae_nb.system.arrays import load_arrays, save_arrays
from vae_nb.system.errors import ConfigError, ModelError
from vae_nb.system.paths import from_project_root


def save_model(path, vae, history, config, fingerprint="", metrics=None):
    """Save a trained model: one file is enough to go on.

    Parameters
    ----------
    path : str or Path
    vae : vae_nb.VAE
    history : vae_nb.History
    config : vae_nb.Config
    fingerprint : str
        `ImageSet.fingerprint` of the pictures that it was trained on.
    metrics : dict or None

    Raises
    ------
    FilesError
        If the file cannot be written; what was at `path` is still there then.
    """
    arrays = vae.named_parameters() | {"mean_image": vae.mean_image}
    arrays |= {f"history_{column}": values for column, values in history.columns.items()}
    description = {
        "image_shape": vae.image_shape,
        "metrics": metrics,
        "saved_epoch": history.saved_epoch,
        "seconds": history.seconds,
    }
    save_arrays(path, arrays, description | _origin(config, fingerprint))


def save_checkpoint(path, state, config, fingerprint):
    """Save a training that is not at its end.

    Parameters
    ----------
    path : str or Path
    state : vae_nb.core.training.TrainingState
    config : vae_nb.Config
    fingerprint : str

    Raises
    ------
    FilesError
        If the file cannot be written; what was at `path` is still there then.
    """
    save_arrays(path, state.arrays, {"position": state.position} | _origin(config, fingerprint))


def _origin(config, fingerprint):
    """What a file was made from, and with."""
    return {
        "config": config.to_dict(),
        "fingerprint": fingerprint,
        "versions": {
            "vae_nb": version("emoji-vae-notebooks"),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def load_origin(path):
    """The configuration and the pictures' fingerprint of a saved model or checkpoint.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    config : vae_nb.Config
    fingerprint : str

    Raises
    ------
    ModelError
        If the file is missing, damaged or neither of the two.
    """
    _, metadata = load_arrays(path, lambda metadata, headers: ())
    return _config_in(path, metadata), metadata.get("fingerprint")


def load_model(path):
    """Load a trained model.

    Parameters
    ----------
    path : str or Path
        A relative path starts at the project's root.

    Returns
    -------
    vae : vae_nb.VAE
    history : vae_nb.History
    config : vae_nb.Config

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a saved model.
    """
    return read_model(from_project_root(path))[:3]


def read_model(path):
    """Load a trained model with what was measured of it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    vae, history, config
        As of `load_model`.
    fingerprint : str
    metrics : dict or None

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a saved model.
    """

    def shapes(config, metadata, headers):
        image_shape = config.data.image_shape
        if tuple(metadata["image_shape"]) != image_shape:
            raise ModelError(
                f"{path} is not a saved model: its pictures of shape {metadata['image_shape']} "
                f"are not those of its configuration, {image_shape}."
            )
        parameters = {"mean_image": (int(np.prod(image_shape)),)}
        for name, inputs, units, _ in layer_shapes(config.model, image_shape):
            parameters |= {f"{name}.weights": (inputs, units), f"{name}.biases": (units,)}
        return parameters, _column_shapes("history_", headers)

    arrays, metadata, config = _read(path, shapes)
    with _described(path):
        vae = VAE(config.model, config.data.image_shape, dtype=arrays["mean_image"].dtype)
        for name, parameter in vae.named_parameters().items():
            parameter[:] = arrays[name]
        vae.mean_image[:] = arrays["mean_image"]
        columns = {column: arrays[f"history_{column}"] for column in HISTORY_COLUMNS}
        history = History(columns, int(metadata["saved_epoch"]), float(metadata["seconds"]))
        fingerprint, metrics = metadata["fingerprint"], metadata["metrics"]
        if not isinstance(metrics, dict | None):
            raise TypeError(f"metrics of {metrics!r}")
    return vae, history, config, fingerprint, metrics


def load_checkpoint(path):
    """Load where a training stood.

    Parameters
    ----------
    path : Path

    Returns
    -------
    vae_nb.core.training.TrainingState

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a checkpoint.
    """

    def shapes(config, metadata, headers):
        count = count_parameters(config.model, config.data.image_shape)
        optimizer = make_optimizer(np.zeros(0), config.training.optimizer)
        parameters = {"parameters": (count,)}
        for name, array in optimizer.arrays().items():
            parameters[name] = (*array.shape[:-1], count)
        if metadata["position"]["best_epoch"] is not None:
            parameters["best_parameters"] = (count,)
        return parameters, _column_shapes("", headers) | {"sums": (3,)}

    arrays, metadata, _ = _read(path, shapes)
    with _described(path):
        position = metadata["position"]
        epochs = len(arrays["epoch"])
        bounds = {"step": (int, math.inf), "seconds": (int | float, math.inf)}
        if position["best_epoch"] is not None:
            bounds |= {"best_epoch": (int, epochs), "best_total": (int | float, math.inf)}
        for name, (kind, most) in bounds.items():
            value = position[name]
            if not isinstance(value, kind) or not 0 <= value <= most or math.isinf(value):
                raise ValueError(f"{name} of {value!r}")
        for stream in ("batches", "noise"):
            np.random.default_rng(0).bit_generator.state = position[stream]
    return TrainingState(arrays, position)


def _column_shapes(prefix, headers):
    """The shapes of the history's columns: as long as the first one, whatever that is."""
    shape, _ = headers.get(f"{prefix}epoch", ((), None))
    return {f"{prefix}{column}": (math.prod(shape),) for column in HISTORY_COLUMNS}


def _read(path, shapes):
    """A file's arrays, description and configuration.

    `shapes(config, metadata, headers)` gives two dicts of the shapes that the arrays must have:
    those of one dtype, the model's, and the others.
    """
    config = None

    def choose(metadata, headers):
        nonlocal config
        config = _config_in(path, metadata)
        with _described(path):
            parameters, others = shapes(config, metadata, headers)
        reference = next(iter(parameters))
        for name, shape in (parameters | others).items():
            if name not in headers:
                raise ModelError(f"{path} is not a saved model of this version: it has no {name}.")
            found, dtype = headers[name]
            if found != shape:
                raise ModelError(
                    f"{path} is not a saved model: {name} has shape {found} where its "
                    f"configuration has {shape}."
                )
            first = headers[reference][1]
            if name in parameters and (dtype != first or dtype not in (np.float32, np.float64)):
                raise ModelError(
                    f"{path} is not a saved model: {reference} and {name} are of {first} and "
                    f"{dtype}, not both of float32 or float64."
                )
        return parameters | others

    arrays, metadata = load_arrays(path, choose)
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ModelError(f"{path} cannot be used: {name} has values that are no numbers.")
    return arrays, metadata, config


def _config_in(path, metadata):
    try:
        return config_from_dict(metadata.get("config"), source="its configuration")
    except ConfigError as error:
        raise ModelError(f"{path} is not a saved model: {' '.join(error.errors)}") from None


@contextmanager
def _described(path):
    """What a description may lack or hold instead becomes one sentence."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path} is not a saved model: {error!r} in its description.") from None
