"""Files of models and checkpoints. They may come from anyone, so everything in them is checked."""

import math
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.architecture import count_parameters, layer_shapes
from vae_nb.core.model import VAE
from vae_nb.core.optimizers import make_optimizer
from vae_nb.core.training import HISTORY_COLUMNS, History, TrainingState
from vae_nb.data.config import Config, config_from_dict
from vae_nb.system.arrays import Header, load_arrays, save_arrays
from vae_nb.system.errors import ConfigError, ModelError
from vae_nb.system.paths import from_project_root

Shape = tuple[int, ...]
Headers = dict[str, Header]  # of each array of a file, by its name

# --- writing ---


def save_model(
    path: str | Path,
    vae: VAE,
    history: History,
    config: Config,
    fingerprint: str = "",
    metrics: dict[str, Any] | None = None,
) -> None:
    """Save a trained model. The file is all that is needed to use the model.

    Parameters
    ----------
    fingerprint : str
        `ImageSet.fingerprint` of the images of the training.
    metrics : dict or None
        What `metrics.json` holds.

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


def save_checkpoint(
    path: str | Path, state: TrainingState, config: Config, fingerprint: str
) -> None:
    """Save the state of a training that is not complete.

    Parameters
    ----------
    fingerprint : str
        `ImageSet.fingerprint` of the images of the training.

    Raises
    ------
    FilesError
        If the file cannot be written; what was at `path` is still there then.
    """
    save_arrays(path, state.arrays, {"position": state.position} | _origin(config, fingerprint))


def _origin(config: Config, fingerprint: str) -> dict[str, Any]:
    """Describe what a file is made from, and with which versions."""
    return {
        "config": config.to_dict(),
        "fingerprint": fingerprint,
        "versions": {
            "vae_nb": version("emoji-vae-notebooks"),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


# --- reading ---


def load_origin(path: str | Path) -> tuple[Config, str]:
    """Load the configuration and the images' fingerprint of a saved model or checkpoint.

    Returns
    -------
    config : vae_nb.Config
    fingerprint : str

    Raises
    ------
    ModelError
        If the file is missing, damaged, or neither a model nor a checkpoint.
    """
    _, metadata = load_arrays(path, lambda metadata, headers: ())
    return _config_in(path, metadata), metadata.get("fingerprint", "")


def load_model(path: str | Path) -> tuple[VAE, History, Config]:
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
    vae, history, config, _, _ = read_model(from_project_root(path))
    return vae, history, config


def read_model(path: Path) -> tuple[VAE, History, Config, str, dict[str, Any] | None]:
    """Load a trained model with its images' fingerprint and its metrics.

    Returns
    -------
    vae, history, config
        The same as from `load_model`.
    fingerprint : str
    metrics : dict or None
        What `save_model` was given.

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a saved model.
    """
    arrays, metadata, config = _read(path, _shapes_in_model)
    with _described(path):
        if tuple(metadata["image_shape"]) != config.data.image_shape:
            raise ModelError(
                f"{path} is not a saved model: its images have shape {metadata['image_shape']} "
                f"where its configuration has {config.data.image_shape}."
            )
        vae = VAE(config.model, config.data.image_shape, dtype=arrays["mean_image"].dtype)
        for name, parameter in vae.named_parameters().items():
            parameter[:] = arrays[name]
        vae.mean_image[:] = arrays["mean_image"]
        columns = {column: arrays[f"history_{column}"] for column in HISTORY_COLUMNS}
        history = History(columns, int(metadata["saved_epoch"]), float(metadata["seconds"]))
        fingerprint = metadata["fingerprint"]
        metrics = metadata["metrics"]
        if not isinstance(metrics, dict | None):
            raise TypeError(f"metrics of {metrics!r}")
    return vae, history, config, fingerprint, metrics


def epochs_of_model(path: Path) -> int:
    """Return how many epochs a model was trained for, without reading its weights.

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a saved model.
    """
    arrays, _, _ = _read(path, _shapes_in_model, with_parameters=False)
    return len(arrays["history_epoch"])


def load_checkpoint(path: Path) -> TrainingState:
    """Load the state of a training that is not complete.

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a checkpoint.
    """
    return _read_checkpoint(path, with_parameters=True)


def steps_and_epochs_of_checkpoint(path: Path) -> tuple[int, int]:
    """Return how many steps and how many complete epochs a training took until its checkpoint.

    The weights are not read.

    Raises
    ------
    ModelError
        If the file is missing, damaged or not a checkpoint.
    """
    state = _read_checkpoint(path, with_parameters=False)
    return state.position["step"], len(state.arrays["epoch"])


def _read_checkpoint(path: Path, with_parameters: bool) -> TrainingState:
    arrays, metadata, _ = _read(path, _shapes_in_checkpoint, with_parameters)
    with _described(path):
        position = metadata["position"]
        _check_position(position, epochs=len(arrays["epoch"]))
    return TrainingState(arrays, position)


def _check_position(position: dict[str, Any], epochs: int) -> None:
    """Raise an error unless a training of this many complete epochs can go on from a position."""
    _check_count(position, "step")
    _check_number(position, "seconds")
    if position["best_epoch"] is not None:
        _check_count(position, "best_epoch", maximum=epochs)
        _check_number(position, "best_total")
    for stream in ("batches", "noise"):
        # NumPy raises an error if it is not a state of this generator.
        np.random.default_rng(0).bit_generator.state = position[stream]


def _check_count(position: dict[str, Any], name: str, maximum: float = math.inf) -> None:
    """Raise ValueError unless a value is an integer between 0 and the maximum."""
    if not isinstance(position[name], int):
        raise ValueError(f"{name} of {position[name]!r}")
    _check_number(position, name, maximum)


def _check_number(position: dict[str, Any], name: str, maximum: float = math.inf) -> None:
    """Raise ValueError unless a value is a finite number between 0 and the maximum."""
    value = position[name]
    if not isinstance(value, int | float) or not 0 <= value <= maximum or math.isinf(value):
        raise ValueError(f"{name} of {value!r}")


# --- the arrays that a file must have ---


class _Shapes(NamedTuple):
    """The shapes that the arrays of a file must have, by their names."""

    parameters: dict[str, Shape]  # all have the model's dtype, float32 or float64
    others: dict[str, Shape]


def _shapes_in_model(config: Config, metadata: dict[str, Any], headers: Headers) -> _Shapes:
    """Return the shapes that a model of a configuration must have."""
    image_shape = config.data.image_shape
    parameters: dict[str, Shape] = {"mean_image": (math.prod(image_shape),)}
    for shape in layer_shapes(config.model, image_shape):
        parameters[f"{shape.name}.weights"] = shape.weights
        parameters[f"{shape.name}.biases"] = (shape.biases,)
    return _Shapes(parameters, _column_shapes("history_", headers))


def _shapes_in_checkpoint(config: Config, metadata: dict[str, Any], headers: Headers) -> _Shapes:
    """Return the shapes that a checkpoint of a configuration must have."""
    count = count_parameters(config.model, config.data.image_shape)
    parameters: dict[str, Shape] = {"parameters": (count,)}
    optimizer = make_optimizer(np.zeros(0), config.training.optimizer)
    for name, array in optimizer.arrays().items():
        parameters[name] = (*array.shape[:-1], count)
    if metadata["position"]["best_epoch"] is not None:
        parameters["best_parameters"] = (count,)
    return _Shapes(parameters, _column_shapes("", headers) | {"sums": (3,)})


def _column_shapes(prefix: str, headers: Headers) -> dict[str, Shape]:
    """Return the shapes of the history's columns: all are as long as the first one."""
    epochs = 0
    if f"{prefix}epoch" in headers:
        shape, _ = headers[f"{prefix}epoch"]
        epochs = math.prod(shape)
    return {f"{prefix}{column}": (epochs,) for column in HISTORY_COLUMNS}


def _read(
    path: Path,
    find_shapes: Callable[[Config, dict[str, Any], Headers], _Shapes],
    with_parameters: bool = True,
) -> tuple[dict[str, NDArray], dict[str, Any], Config]:
    """Return a file's arrays, description and configuration, after checking the arrays.

    `find_shapes(config, metadata, headers)` returns the shapes that the arrays must have. Without
    the parameters, which are nearly all of a file, only their headers are read.
    """

    def choose(metadata: dict[str, Any], headers: Headers) -> list[str]:
        config = _config_in(path, metadata)
        with _described(path):
            shapes = find_shapes(config, metadata, headers)
        _check_shapes(path, shapes, headers)
        _check_dtypes(path, shapes, headers)
        names = list(shapes.others)
        if with_parameters:
            names += shapes.parameters
        return names

    arrays, metadata = load_arrays(path, choose)
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ModelError(f"{path} cannot be used: {name} has values that are NaN or infinite.")
    return arrays, metadata, _config_in(path, metadata)


def _check_shapes(path: Path, shapes: _Shapes, headers: Headers) -> None:
    """Raise ModelError if an array is missing or has another shape."""
    for name, shape in (shapes.parameters | shapes.others).items():
        if name not in headers:
            raise ModelError(f"{path} is not a saved model of this version: it has no {name}.")
        found, _ = headers[name]
        if found != shape:
            raise ModelError(
                f"{path} is not a saved model: {name} has shape {found} where its "
                f"configuration has {shape}."
            )


def _check_dtypes(path: Path, shapes: _Shapes, headers: Headers) -> None:
    """Raise ModelError if the parameters are not all float32 or all float64."""
    first = next(iter(shapes.parameters))
    _, first_dtype = headers[first]
    for name in shapes.parameters:
        _, dtype = headers[name]
        if dtype != first_dtype or dtype not in (np.float32, np.float64):
            raise ModelError(
                f"{path} is not a saved model: the dtypes of {first} and {name} are {first_dtype} "
                f"and {dtype}; both must be float32, or both float64."
            )


def _config_in(path: str | Path, metadata: dict[str, Any]) -> Config:
    """Return the configuration in a file's description."""
    try:
        return config_from_dict(metadata.get("config"), source="its configuration")
    except ConfigError as error:
        raise ModelError(f"{path} is not a saved model: {' '.join(error.errors)}") from None


@contextmanager
def _described(path: Path) -> Iterator[None]:
    """Within this context, a description is used; if something in it is wrong, say so."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path} is not a saved model: {error!r} in its description.") from None
