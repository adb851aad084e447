"""An output folder: where things lie in it, and the trained model that it holds."""

import json
import platform
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vae_nb.config import Config, config_from_dict
from vae_nb.errors import ConfigError, ModelError
from vae_nb.files import atomic_path, make_folder
from vae_nb.images import ImageSet, load_images
from vae_nb.metrics import evaluate
from vae_nb.model import VAE, layer_shapes
from vae_nb.paths import from_project_root
from vae_nb.random_streams import random_stream
from vae_nb.storage import load_arrays, save_arrays
from vae_nb.threads import blas_libraries
from vae_nb.training import HISTORY_COLUMNS, History, train

# What may differ between the configuration asked for and a saved model's: the pictures
# themselves are compared, and how often a training is saved changes no weight.
IRRELEVANT_KEYS = {"data.input_dir", "training.checkpoint_seconds"}
CAPTION_HEIGHT = 28  # pixels, below an animation's picture
LAST_FRAME_SECONDS = 2  # an animation rests before it starts again


class Workspace:
    """An output folder and the places in it.

    Parameters
    ----------
    output_dir : str or Path
        A relative path starts at the project's root. Folders are made when they are needed.

    Attributes
    ----------
    folder, images, models, notebooks, model_path, metrics_path : Path
    """

    def __init__(self, output_dir="output"):
        self.folder = from_project_root(output_dir)
        self.images = self.folder / "images"
        self.models = self.folder / "models"
        self.notebooks = self.folder / "notebooks"
        self.model_path = self.models / "vae.npz"
        self.metrics_path = self.folder / "metrics.json"

    def save_figure(self, figure, name):
        """Save a picture to the workspace's `images` folder.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        name : str
            A file name, for example "loss.png".

        Returns
        -------
        Path

        Raises
        ------
        FilesError
            If the file cannot be written.
        """
        path = self.images / name
        with atomic_path(path) as temporary:
            figure.savefig(temporary)
        return path

    def save_animation(self, frames, name, captions=None, seconds=0.1):
        """Save an animated GIF to the workspace's `images` folder; it repeats for ever.

        Parameters
        ----------
        frames : ndarray of uint8, shape (frames, height, width, 3)
            For example from `vae_nb.figures.film`.
        name : str
            A file name that ends in ".gif".
        captions : sequence of str, shape (frames,), or None
            A line below each frame.
        seconds : float
            How long a frame stands; the last one stands 2 seconds longer.

        Returns
        -------
        Path

        Raises
        ------
        FilesError
            If the file cannot be written.
        """
        images = [Image.fromarray(frame) for frame in frames]
        if captions is not None:
            images = list(map(_captioned, images, captions))
        # A palette for each frame: one for all of them would leave speckles in rare colours.
        images = [image.quantize(256) for image in images]
        durations = [round(1000 * seconds)] * len(images)
        durations[-1] += 1000 * LAST_FRAME_SECONDS
        path = self.images / name
        with atomic_path(path) as temporary:
            images[0].save(
                temporary, save_all=True, append_images=images[1:], duration=durations, loop=0
            )
        return path

    def save_metrics(self, metrics):
        """Write `metrics.json`.

        Parameters
        ----------
        metrics : dict

        Raises
        ------
        FilesError
            If the file cannot be written.
        """
        with atomic_path(self.metrics_path) as temporary:
            temporary.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def _captioned(image, caption):
    """An image with a line of text on white below it."""
    taller = Image.new("RGB", (image.width, image.height + CAPTION_HEIGHT), "white")
    taller.paste(image)
    place = (image.width / 2, image.height + CAPTION_HEIGHT / 2)
    draw, size = ImageDraw.Draw(taller), 16
    while size > 8 and draw.textlength(caption, ImageFont.load_default(size)) > image.width - 8:
        size -= 1
    draw.text(place, caption, "black", ImageFont.load_default(size), anchor="mm")
    return taller


@dataclass(frozen=True)
class TrainedRun:
    """A trained model with everything that it came from.

    Attributes
    ----------
    config : vae_nb.Config
    train_set, validation_set : vae_nb.ImageSet
    vae : vae_nb.VAE
    history : vae_nb.History
    metrics : dict
        What `output/metrics.json` holds.
    """

    config: Config
    train_set: ImageSet
    validation_set: ImageSet
    vae: VAE
    history: History
    metrics: dict


def blas_description():
    """Which BLAS library NumPy uses here, and with how many threads.

    Returns
    -------
    dict
        "blas": name, version and kernel; "threads": int.
    """
    libraries = blas_libraries()
    if not libraries:
        return {"blas": "unknown", "threads": None}
    library = libraries[0]
    parts = [library["internal_api"], library.get("version"), library.get("architecture")]
    return {"blas": " ".join(filter(None, parts)), "threads": library["num_threads"]}


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
    metadata = {
        "config": config.to_dict(),
        "image_shape": vae.image_shape,
        "fingerprint": fingerprint,
        "metrics": metrics,
        "saved_epoch": history.saved_epoch,
        "seconds": history.seconds,
        "versions": {
            "vae_nb": version("emoji-vae-notebooks"),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    save_arrays(path, arrays, metadata)


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
    return _read_model(from_project_root(path))[:3]


def _read_model(path):
    """A saved model's VAE, history and configuration, its pictures' fingerprint, its metrics."""
    arrays, metadata = load_arrays(path)
    try:
        config = config_from_dict(metadata["config"], source="its configuration")
        image_shape = config.data.image_shape
        if tuple(metadata["image_shape"]) != image_shape:
            raise ModelError(
                f"{path} is not a saved model: its pictures of shape {metadata['image_shape']} "
                f"are not those of its configuration, {image_shape}."
            )
        expected = {"mean_image": (int(np.prod(image_shape)),)}
        for name, inputs, units, _ in layer_shapes(config.model, image_shape):
            expected |= {f"{name}.weights": (inputs, units), f"{name}.biases": (units,)}
        dtype = arrays["mean_image"].dtype
        for name in expected:
            if name not in arrays:
                raise ModelError(f"{path} is not a saved model of this version: it has no {name}.")
            if arrays[name].dtype != dtype or dtype not in (np.float32, np.float64):
                raise ModelError(
                    f"{path} is not a saved model: mean_image and {name} are of {dtype} and "
                    f"{arrays[name].dtype}, not both of float32 or float64."
                )
        epochs = len(arrays["history_epoch"])
        expected |= {f"history_{column}": (epochs,) for column in HISTORY_COLUMNS}
        for name, shape in expected.items():
            if arrays[name].shape != shape:
                raise ModelError(
                    f"{path} is not a saved model: {name} has shape {arrays[name].shape} where "
                    f"its configuration has {shape}."
                )
            if not np.all(np.isfinite(arrays[name])):
                raise ModelError(f"{path} cannot be used: {name} has values that are no numbers.")
        vae = VAE(config.model, image_shape, dtype=dtype)
        for name, parameter in vae.named_parameters().items():
            parameter[:] = arrays[name]
        vae.mean_image[:] = arrays["mean_image"]
        columns = {column: arrays[f"history_{column}"] for column in HISTORY_COLUMNS}
        history = History(columns, int(metadata["saved_epoch"]), float(metadata["seconds"]))
        fingerprint, metrics = metadata["fingerprint"], metadata["metrics"]
    except ConfigError as error:
        reasons = " ".join(error.errors)
        raise ModelError(f"{path} is not a saved model: {reasons}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path} is not a saved model: {error!r} in its description.") from None
    return vae, history, config, fingerprint, metrics


def train_and_save(config, output_dir="output", *, on_epoch_end=None, progress=True):
    """Train a VAE as the configuration says, and save it with its figures.

    A saved model of another configuration, or of other pictures, is kept beside the new one.

    Parameters
    ----------
    config : vae_nb.Config
    output_dir : str or Path
        A relative path starts at the project's root.
    on_epoch_end : callable or None
        As `vae_nb.train` takes it.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    TrainedRun

    Raises
    ------
    VaeNbError
        If pictures, training or the output folder fail; what was saved before is still there.
    """
    return _train_and_save(config, Workspace(output_dir), _load(config), on_epoch_end, progress)


def load_or_train(config, output_dir="output", *, progress=True):
    """The trained model of a configuration: the saved one if it is that, else a new one.

    It prints which of the two it does, and why.

    Parameters
    ----------
    config : vae_nb.Config
    output_dir : str or Path
        A relative path starts at the project's root.
    progress : bool
        Whether to show a progress bar when training.

    Returns
    -------
    TrainedRun

    Raises
    ------
    VaeNbError
        If pictures, training or the output folder fail.
    """
    workspace = Workspace(output_dir)
    images = _load(config)
    if not workspace.model_path.exists():
        print(f"There is no saved model {workspace.model_path} yet: training one.")
        return _train_and_save(config, workspace, images, None, progress)
    try:
        vae, history, saved_config, fingerprint, metrics = _read_model(workspace.model_path)
    except ModelError as error:
        print(f"{error} Training a new one.")
        return _train_and_save(config, workspace, images, None, progress)
    differences = _differences(saved_config, fingerprint, config, images)
    if differences:
        print(f"The saved model differs in {', '.join(differences)}: training a new one.")
        return _train_and_save(config, workspace, images, None, progress)
    epochs = f"{len(history)} of at most {config.training.epochs} epochs"
    print(f"Loaded {workspace.model_path}, trained for {epochs}.")
    sets = images.split(config.data.validation_split, config.training.seed)
    metrics = metrics or _measure(vae, history, images, *sets, config.training.seed)
    workspace.save_metrics(metrics)
    return TrainedRun(config, *sets, vae, history, metrics)


def _load(config):
    """All pictures of a configuration; those that were skipped are named."""
    images = load_images(config.data)
    for path, reason in images.skipped:
        print(f"Skipped {path}: {reason}")
    return images


def _train_and_save(config, workspace, images, on_epoch_end, progress):
    make_folder(workspace.models)  # better refused now than after the training
    seed = config.training.seed
    train_set, validation_set = images.split(config.data.validation_split, seed)
    vae = VAE(config.model, config.data.image_shape, random_stream(seed, "weights"))
    history = train(
        vae,
        train_set,
        validation_set,
        config.training,
        config.data.batch_size,
        on_epoch_end=on_epoch_end,
        progress=progress,
    )
    metrics = _measure(vae, history, images, train_set, validation_set, seed)
    _keep_other_model(workspace.model_path, config, images)
    save_model(workspace.model_path, vae, history, config, images.fingerprint(), metrics)
    workspace.save_metrics(metrics)
    return TrainedRun(config, train_set, validation_set, vae, history, metrics)


def _measure(vae, history, images, train_set, validation_set, seed):
    """What `metrics.json` holds."""
    return {
        "parameters": vae.parameters.size,
        "epochs": len(history),
        "training_seconds": round(history.seconds, 1),
        **evaluate(vae, train_set, validation_set, seed),
        "images": {
            "training": len(train_set),
            "validation": len(validation_set),
            "skipped": len(images.skipped),
        },
        **blas_description(),
    }


def _differences(saved_config, fingerprint, config, images):
    """In what a saved model's configuration and pictures are not those asked for."""
    differences = [key for key in config.differences(saved_config) if key not in IRRELEVANT_KEYS]
    if fingerprint != images.fingerprint():
        differences.append("the pictures")
    return differences


def _keep_other_model(path, config, images):
    """Copy a saved model that the new one will replace, unless it is of the same origin."""
    if not path.exists():
        return
    with suppress(ModelError):  # whatever else it is, it is not ours to destroy
        _, _, saved_config, fingerprint, _ = _read_model(path)
        if not _differences(saved_config, fingerprint, config, images):
            return
    number = 1
    while (kept := path.with_name(f"{path.stem}_{number}{path.suffix}")).exists():
        number += 1
    with atomic_path(kept) as temporary:
        shutil.copyfile(path, temporary)
    print(f"The earlier model, of another configuration, is kept as {kept}.")
