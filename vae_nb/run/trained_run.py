"""Train a model and save it, or load the saved one."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae_nb.core.blocks import blas_description
from vae_nb.core.metrics import evaluate
from vae_nb.core.model import VAE
from vae_nb.core.random_streams import random_stream
from vae_nb.core.training import History, TrainingState, train
from vae_nb.data.config import Config, TrainingConfig, load_config
from vae_nb.data.image_files import load_images, skipped_lines
from vae_nb.data.image_set import ImageSet
from vae_nb.run.checkpoints import CheckpointWriter, current_epoch, find_checkpoint
from vae_nb.run.memory import check_memory
from vae_nb.run.model_files import load_origin, read_model, save_model
from vae_nb.run.origin import Origin, is_other, keep_earlier
from vae_nb.run.progress import ProgressFile
from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import ConfigError, FilesError, Interrupted, ModelError
from vae_nb.system.signals import hold_signals

logger = logging.getLogger(__name__)

EpochCallback = Callable[[VAE, dict[str, list]], object]


@dataclass(frozen=True)
class TrainedRun:
    """A trained model with the configuration and the images that it was made from.

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
    metrics: dict[str, Any]


def train_and_save(
    config: Config,
    output_dir: str | Path = "output",
    *,
    resume: bool = False,
    on_epoch_end: EpochCallback | None = None,
    progress: bool = True,
) -> TrainedRun:
    """Train a VAE as the configuration says, and save it with its metrics.

    A saved model of another configuration, or of other images, is kept beside the new one.
    Every `training.checkpoint_seconds` the training's state is saved as a checkpoint, which is
    removed when the model is saved. Ctrl-C or SIGTERM ends the training after the current step,
    with a checkpoint.

    Parameters
    ----------
    output_dir : str or Path
        A relative path starts at the project's root.
    resume : bool
        Whether to go on from the checkpoint, if there is one. The weights are in the end those of
        an uninterrupted training.
    on_epoch_end : callable or None
        Called after each epoch; see `vae_nb.train`.
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
        If the images cannot be loaded, the training diverges, the output folder cannot be written,
        another process trains into the folder, or the checkpoint is of another training.
    """
    check_memory(config)
    workspace = Workspace(output_dir)
    images = _load_images(config)
    with workspace.lock():
        state = find_checkpoint(config, output_dir, images) if resume else None
        return _train_into(workspace, config, images, state, on_epoch_end, progress)


def load_or_train(
    config: Config, output_dir: str | Path = "output", *, progress: bool = True
) -> TrainedRun:
    """Load the saved model if it has this configuration; otherwise train one and save it.

    The saved model's images must be the same, too, but their folder may have another name. If
    something differs, the log names it, and the earlier model is kept beside the new one. An
    interrupted training goes on.

    Parameters
    ----------
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
        If the images cannot be loaded, the training diverges, or the output folder cannot be
        written.
    """
    workspace = Workspace(output_dir)
    images = _load_images(config)
    run = _saved_run(workspace, config, images)
    if run is not None:
        if not os.path.exists(workspace.metrics_path):
            with suppress(FilesError):  # a model can be loaded from a folder that is read-only
                workspace.save_metrics(run.metrics)
        return run
    check_memory(config)
    with workspace.lock():
        state = None
        if os.path.exists(workspace.checkpoint_path):
            with suppress(ModelError):  # it is damaged or of another training, and is not needed
                state = find_checkpoint(config, output_dir, images)
        return _train_into(workspace, config, images, state, None, progress)


def config_for(
    output_dir: str | Path = "output",
    config_path: str | Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> Config:
    """Return the configuration of the model in an output folder, unless another one is asked for.

    If the model differs from config.json, the log says in what.

    Parameters
    ----------
    output_dir : str or Path
        A relative path starts at the project's root.
    config_path : str or Path or None
        A configuration file. None stands for the model's own configuration, or for config.json if
        there is no model that can be read, or if there are overrides.
    overrides : dict or None
        Dotted key paths to values; see `vae_nb.load_config`.

    Raises
    ------
    ConfigError
        If a configuration file or an override is not valid.
    """
    if config_path is None and not overrides:
        path = Workspace(output_dir).model_path
        with suppress(ModelError):
            config, _ = load_origin(path)
            _say_if_not_the_default(config, path)
            return config
    return load_config(config_path or "config.json", overrides)


def _say_if_not_the_default(config: Config, path: Path) -> None:
    """Say in what a model's configuration differs from config.json, if that file can be read."""
    with suppress(ConfigError):
        differences = config.differences(load_config("config.json"))
        if differences:
            logger.info(
                "The model %s differs from config.json in %s; its own configuration is used.",
                path,
                ", ".join(differences),
            )


def _load_images(config: Config) -> ImageSet:
    """Load all images of a configuration, and say which files were skipped."""
    images = load_images(config.data)
    for line in skipped_lines(images):
        logger.warning("Skipped %s", line)
    return images


def _saved_run(workspace: Workspace, config: Config, images: ImageSet) -> TrainedRun | None:
    """Load the saved model; if it is not there or not the right one, say why and return None."""
    path = workspace.model_path
    if not os.path.exists(path):  # Path.exists raises an error if the folder may not be read
        logger.info("There is no saved model %s yet: training one.", path)
        return None
    try:
        vae, history, saved_config, saved_fingerprint, metrics = read_model(path)
    except ModelError as error:
        logger.warning("%s Training a new one.", error)
        return None
    origin = Origin(config, images.fingerprint())
    differences = origin.differences(Origin(saved_config, saved_fingerprint))
    if differences:
        logger.info("The saved model differs in %s: training a new one.", ", ".join(differences))
        return None
    epochs = config.training.epochs
    logger.info("Loaded %s, trained for %d of at most %d epochs.", path, len(history), epochs)
    seed = config.training.seed
    train_set, validation_set = images.split(
        config.data.validation_split, seed, config.data.split_by
    )
    if not metrics:
        metrics = _measure(vae, history, images, train_set, validation_set, config.training)
    return TrainedRun(config, train_set, validation_set, vae, history, metrics)


def _train_into(
    workspace: Workspace,
    config: Config,
    images: ImageSet,
    state: TrainingState | None,
    on_epoch_end: EpochCallback | None,
    progress: bool,
) -> TrainedRun:
    """Train a model and save it into a workspace; `state` is where the training goes on."""
    origin = Origin(config, images.fingerprint())
    seed = config.training.seed
    train_set, validation_set = images.split(
        config.data.validation_split, seed, config.data.split_by
    )
    complete_epochs = 0 if state is None else len(state.arrays["epoch"])
    vae = VAE(config.model, config.data.image_shape, random_stream(seed, "weights"))
    with hold_signals() as signals:
        checkpoints = CheckpointWriter(
            workspace.checkpoint_path, origin, signals, is_resumed=state is not None
        )
        progress_file = ProgressFile(
            workspace.progress_path, complete_epochs, config.training.epochs
        )

        def on_step_end(state: Callable[[], TrainingState], epoch_ended: bool) -> None:
            progress_file(state, epoch_ended)
            checkpoints(state, epoch_ended)

        try:
            history = train(
                vae,
                train_set,
                validation_set,
                config.training,
                config.data.batch_size,
                resume_from=state,
                on_step_end=on_step_end,
                on_epoch_end=on_epoch_end,
                progress=progress,
            )
        finally:
            progress_file.remove()
        metrics = _measure(vae, history, images, train_set, validation_set, config.training)
        if state is not None:
            metrics["resumed_at"] = current_epoch(complete_epochs, config)
        with keep_earlier(workspace.model_path, origin, len(history)):
            save_model(workspace.model_path, vae, history, config, origin.fingerprint, metrics)
        workspace.save_metrics(metrics)
        if not is_other(workspace.checkpoint_path, origin):
            with suppress(OSError):  # a checkpoint that stays does no harm
                workspace.checkpoint_path.unlink(missing_ok=True)
        if signals.number is not None:
            raise Interrupted(
                f"Interrupted after the training; the model is {workspace.model_path}."
            )
    return TrainedRun(config, train_set, validation_set, vae, history, metrics)


def _measure(
    vae: VAE,
    history: History,
    images: ImageSet,
    train_set: ImageSet,
    validation_set: ImageSet,
    training_config: TrainingConfig,
) -> dict[str, Any]:
    """Return what `metrics.json` holds."""
    return {
        "parameters": vae.parameters.size,
        "epochs": len(history),
        "training_seconds": round(history.seconds, 1),
        "resumed_at": None,
        **evaluate(vae, train_set, validation_set, training_config),
        "images": {
            "training": len(train_set),
            "validation": len(validation_set),
            "skipped": len(images.skipped),
        },
        **blas_description(),
    }
