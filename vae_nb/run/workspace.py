"""An output folder: where things lie in it, and the trained model that it holds."""

import json
import os
import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from vae_nb.core.blocks import blas_libraries
from vae_nb.core.metrics import evaluate
from vae_nb.core.model import VAE
from vae_nb.core.random_streams import random_stream
from vae_nb.core.training import History, train
from vae_nb.data.config import Config
from vae_nb.data.images import ImageSet, load_images, skipped_lines
from vae_nb.run.model_files import (
    load_checkpoint,
    load_model,
    load_origin,
    read_model,
    save_checkpoint,
    save_model,
)
from vae_nb.system.errors import FilesError, Interrupted, ModelError
from vae_nb.system.files import atomic_path, make_folder, remove_parts, sole_writer
from vae_nb.system.paths import from_project_root
from vae_nb.system.signals import hold_signals

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
    folder, images, models, notebooks, model_path, checkpoint_path, metrics_path : Path
    """

    def __init__(self, output_dir="output"):
        self.folder = from_project_root(output_dir)
        self.images = self.folder / "images"
        self.models = self.folder / "models"
        self.notebooks = self.folder / "notebooks"
        self.model_path = self.models / "vae.npz"
        self.checkpoint_path = self.models / "checkpoint.npz"
        self.metrics_path = self.folder / "metrics.json"

    @contextmanager
    def sole_writer(self, wait=False):
        """Within it no other process runs notebooks or trains into this folder.

        Parameters
        ----------
        wait : bool
            Whether to wait for another process, and say so, or to give up at once.

        Raises
        ------
        FilesError
            If another process does; it is named. If the folder cannot be written.
        """
        with sole_writer(self.folder, wait):
            # Better refused now than after a training.
            make_folder(self.models)
            for path in (self.model_path, self.checkpoint_path, self.metrics_path):
                if os.path.isdir(path):
                    raise FilesError(f"Cannot write {path}: a folder has its name.")
            remove_parts(self.folder, self.models, self.images, self.notebooks)
            yield

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


def train_and_save(config, output_dir="output", *, resume=False, on_epoch_end=None, progress=True):
    """Train a VAE as the configuration says, and save it with its figures.

    A saved model of another configuration, or of other pictures, is kept beside the new one.
    Every `training.checkpoint_seconds` the training's state is saved as a checkpoint, which goes
    when the model is there. An interrupt or SIGTERM ends the training after the current step
    with a checkpoint.

    Parameters
    ----------
    config : vae_nb.Config
    output_dir : str or Path
        A relative path starts at the project's root.
    resume : bool
        Whether to go on from the checkpoint, if there is one: the weights are in the end those of
        an uninterrupted training.
    on_epoch_end : callable or None
        As `vae_nb.train` takes it.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    TrainedRun

    Raises
    ------
    Interrupted
        If the training was interrupted.
    VaeNbError
        If pictures, training or the output folder fail, another process trains into the folder,
        or the checkpoint is of another training.
    """
    workspace = Workspace(output_dir)
    images = _load(config)
    with workspace.sole_writer():
        state = find_checkpoint(config, output_dir, images) if resume else None
        return _train_and_save(config, workspace, images, state, on_epoch_end, progress)


def load_or_train(config, output_dir="output", *, progress=True):
    """The saved model, if it is the one asked for; otherwise one is trained and saved.

    It is the one asked for if its configuration and its pictures are, whatever their folder is
    called. If not, what differs is said, and the earlier model is kept beside the new one. A
    training that was interrupted goes on.

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
    run = _saved_run(config, workspace, images)
    if run is not None:
        if not os.path.exists(workspace.metrics_path):
            with suppress(FilesError):  # a model may be read where nothing may be written
                workspace.save_metrics(run.metrics)
        return run
    with workspace.sole_writer():
        state = None
        if os.path.exists(workspace.checkpoint_path):
            with suppress(ModelError):  # another training's, or damaged: in nobody's way
                state = find_checkpoint(config, output_dir, images)
        return _train_and_save(config, workspace, images, state, None, progress)


def _saved_run(config, workspace, images):
    """The saved model with all that belongs to it, or None after saying why it does not count."""
    path = workspace.model_path
    if not os.path.exists(path):  # Path.exists raises where the folder may not be read
        print(f"There is no saved model {path} yet: training one.")
        return None
    try:
        vae, history, saved_config, fingerprint, metrics = read_model(path)
    except ModelError as error:
        print(f"{error} Training a new one.")
        return None
    differences = _differences(saved_config, fingerprint, config, images)
    if differences:
        print(f"The saved model differs in {', '.join(differences)}: training a new one.")
        return None
    print(f"Loaded {path}, trained for {len(history)} of at most {config.training.epochs} epochs.")
    sets = images.split(config.data.validation_split, config.training.seed)
    metrics = metrics or _measure(vae, history, images, *sets, config.training.seed)
    return TrainedRun(config, *sets, vae, history, metrics)


def find_checkpoint(config, output_dir, images):
    """Where an interrupted training of a configuration stood, if there was one.

    Parameters
    ----------
    config : vae_nb.Config
    output_dir : str or Path
    images : vae_nb.ImageSet

    Returns
    -------
    vae_nb.core.training.TrainingState or None

    Raises
    ------
    ModelError
        If the checkpoint is of another configuration or of other pictures, or damaged.
    """
    path = Workspace(output_dir).checkpoint_path
    if not os.path.exists(path):
        print(f"There is no checkpoint {path}: training from epoch 1.")
        return None
    differences = _differences(*load_origin(path), config, images)
    if differences:
        raise ModelError(
            f"The checkpoint {path} is of another training, which differs in "
            f"{', '.join(differences)}. Ask for that one to resume it; without resuming, the "
            "checkpoint is kept beside the new one."
        )
    state = load_checkpoint(path)
    epoch, epochs = _epoch_of(state, config), config.training.epochs
    print(f"Going on from {path} in epoch {epoch} of {epochs}.")
    return state


def _load(config):
    """All pictures of a configuration; those that were skipped are named."""
    images = load_images(config.data)
    for line in skipped_lines(images):
        print(f"Skipped {line}")
    return images


def _train_and_save(config, workspace, images, state, on_epoch_end, progress):
    seed, fingerprint = config.training.seed, images.fingerprint()
    train_set, validation_set = images.split(config.data.validation_split, seed)
    vae = VAE(config.model, config.data.image_shape, random_stream(seed, "weights"))
    with hold_signals() as held:
        history = train(
            vae,
            train_set,
            validation_set,
            config.training,
            config.data.batch_size,
            resume_from=state,
            on_step_end=_Checkpoints(workspace.checkpoint_path, config, images, held, state),
            on_epoch_end=on_epoch_end,
            progress=progress,
        )
        metrics = _measure(vae, history, images, train_set, validation_set, seed)
        metrics["resumed_at"] = None if state is None else _epoch_of(state, config)
        with _keeping_other(workspace.model_path, config, images, len(history)):
            save_model(workspace.model_path, vae, history, config, fingerprint, metrics)
        workspace.save_metrics(metrics)
        if not _is_other(workspace.checkpoint_path, config, images):
            with suppress(OSError):  # what stays is of use to nobody, and harms nobody
                workspace.checkpoint_path.unlink(missing_ok=True)
        if held.number is not None:
            raise Interrupted(f"Interrupted when the model was trained: {workspace.model_path}.")
    return TrainedRun(config, train_set, validation_set, vae, history, metrics)


def _epoch_of(state, config):
    """The epoch that a training goes on in, counted from 1."""
    return min(len(state.arrays["epoch"]) + 1, config.training.epochs)


class _Checkpoints:
    """Saves a training's state at an interval, and when a signal came, which then ends it."""

    def __init__(self, path, config, images, held, resumed_from):
        self.path, self.config, self.images, self.held = path, config, images, held
        self.saved_at = time.monotonic()
        # A checkpoint of this very training that was not resumed is worth more than earlier ones.
        self.steps_there = 0
        with suppress(ModelError):
            if resumed_from is None and not _is_other(path, config, images):
                self.steps_there = load_checkpoint(path).position["step"]

    def __call__(self, state, epoch_ended):
        seconds = self.config.training.checkpoint_seconds
        due = epoch_ended if seconds == 0 else time.monotonic() - self.saved_at >= seconds
        if not due and self.held.number is None:
            return
        self.saved_at = time.monotonic()
        try:
            if state().position["step"] > self.steps_there:
                with _keeping_other(self.path, self.config, self.images):
                    save_checkpoint(self.path, state(), self.config, self.images.fingerprint())
            where = f"resume goes on from {self.path}"
        except FilesError as error:  # the training is worth more than a copy of it
            print(f"{error} The training goes on without this checkpoint.")
            where = "no checkpoint could be written"
        if self.held.number is not None:
            epoch = _epoch_of(state(), self.config)
            epochs = self.config.training.epochs
            raise Interrupted(f"Interrupted in epoch {epoch} of {epochs}; {where}.")


def _measure(vae, history, images, train_set, validation_set, seed):
    """What `metrics.json` holds."""
    return {
        "parameters": vae.parameters.size,
        "epochs": len(history),
        "training_seconds": round(history.seconds, 1),
        "resumed_at": None,
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


def _is_other(path, config, images):
    """Whether a file is there that is not known to be of the same origin."""
    try:
        return bool(_differences(*load_origin(path), config, images))
    except ModelError:  # whatever it is, it is not ours to destroy
        return os.path.exists(path)


@contextmanager
def _keeping_other(path, config, images, epochs=None):
    """Around the writing of a file: what it replaces stays beside it, under another name.

    Unless that is of the same origin, and of no more epochs than these: a training that somebody
    ended early is worth less than one that came to its end.
    """
    keep = _is_other(path, config, images)
    if not keep and epochs is not None and os.path.exists(path):
        with suppress(ModelError):
            keep = len(load_model(path)[1]) > epochs
    if not keep:
        yield
        return
    number = 1
    while (kept := path.with_name(f"{path.stem}_{number}{path.suffix}")).exists():
        number += 1
    try:
        os.link(path, kept)  # takes no room on the disk
    except OSError:  # not every file system has links
        with atomic_path(kept) as temporary:
            shutil.copyfile(path, temporary)
    try:
        yield
    except FilesError:
        kept.unlink()
        raise
    what = {"vae": "model"}.get(path.stem, path.stem)
    print(f"The earlier {what} is kept as {kept}.")
