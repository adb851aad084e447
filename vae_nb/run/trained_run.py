"""A model is trained and saved, or the saved one is loaded."""

import os
from contextlib import suppress
from dataclasses import dataclass

from vae_nb.core.blocks import blas_description
from vae_nb.core.metrics import evaluate
from vae_nb.core.model import VAE
from vae_nb.core.random_streams import random_stream
from vae_nb.core.training import History, train
from vae_nb.data.config import Config
from vae_nb.data.image_files import load_images, skipped_lines
from vae_nb.data.image_set import ImageSet
from vae_nb.run.checkpoints import CheckpointWriter, epoch_of, find_checkpoint
from vae_nb.run.model_files import (
    read_model,
    save_model,
)
from vae_nb.run.origin import differences_from, is_other, keeping_other
from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import FilesError, Interrupted, ModelError
from vae_nb.system.signals import hold_signals


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
    with workspace.lock():
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
    with workspace.lock():
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
    differences = differences_from(saved_config, fingerprint, config, images)
    if differences:
        print(f"The saved model differs in {', '.join(differences)}: training a new one.")
        return None
    print(f"Loaded {path}, trained for {len(history)} of at most {config.training.epochs} epochs.")
    sets = images.split(config.data.validation_split, config.training.seed)
    metrics = metrics or _measure(vae, history, images, *sets, config.training.seed)
    return TrainedRun(config, *sets, vae, history, metrics)


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
            on_step_end=CheckpointWriter(workspace.checkpoint_path, config, images, held, state),
            on_epoch_end=on_epoch_end,
            progress=progress,
        )
        metrics = _measure(vae, history, images, train_set, validation_set, seed)
        metrics["resumed_at"] = None if state is None else epoch_of(state, config)
        with keeping_other(workspace.model_path, config, images, len(history)):
            save_model(workspace.model_path, vae, history, config, fingerprint, metrics)
        workspace.save_metrics(metrics)
        if not is_other(workspace.checkpoint_path, config, images):
            with suppress(OSError):  # what stays is of use to nobody, and harms nobody
                workspace.checkpoint_path.unlink(missing_ok=True)
        if held.number is not None:
            raise Interrupted(f"Interrupted when the model was trained: {workspace.model_path}.")
    return TrainedRun(config, train_set, validation_set, vae, history, metrics)


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
