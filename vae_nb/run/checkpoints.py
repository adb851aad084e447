"""Checkpoints: when a training saves one, and how another training goes on from it."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from vae_nb.core.training import TrainingState
from vae_nb.data.config import Config
from vae_nb.data.image_set import ImageSet
from vae_nb.run.model_files import (
    load_checkpoint,
    load_origin,
    save_checkpoint,
    steps_and_epochs_of_checkpoint,
)
from vae_nb.run.origin import Origin, is_other, keep_earlier
from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import FilesError, Interrupted, ModelError
from vae_nb.system.signals import HeldSignals

logger = logging.getLogger(__name__)


def find_checkpoint(
    config: Config, output_dir: str | Path, images: ImageSet
) -> TrainingState | None:
    """Load the checkpoint of a configuration's interrupted training, and say where it goes on.

    Parameters
    ----------
    output_dir : str or Path
        A relative path starts at the project's root.
    images : vae_nb.ImageSet
        All images of the configuration.

    Returns
    -------
    TrainingState or None
        None if there is no checkpoint.

    Raises
    ------
    ModelError
        If the checkpoint is damaged, or has another configuration or other images.
    """
    path = Workspace(output_dir).checkpoint_path
    epoch = checkpoint_epoch(config, output_dir, images)
    if epoch is None:
        logger.info("There is no checkpoint %s: training from epoch 1.", path)
        return None
    state = load_checkpoint(path)
    logger.info("Going on from %s in epoch %d of %d.", path, epoch, config.training.epochs)
    return state


def checkpoint_epoch(config: Config, output_dir: str | Path, images: ImageSet) -> int | None:
    """Return the epoch in which a configuration's interrupted training goes on.

    The checkpoint's weights are not read: `find_checkpoint` does that. The parameters are the same.

    Returns
    -------
    int or None
        Counted from 1. None if there is no checkpoint.

    Raises
    ------
    ModelError
        If the checkpoint is damaged, or has another configuration or other images.
    """
    path = Workspace(output_dir).checkpoint_path
    if not os.path.exists(path):
        return None
    saved_origin = Origin(*load_origin(path))
    differences = Origin(config, images.fingerprint()).differences(saved_origin)
    if differences:
        raise ModelError(
            f"The checkpoint {path} is of another training, which differs in "
            f"{', '.join(differences)}. To resume it, ask for that training. If you train without "
            "resuming, the checkpoint is kept beside the new one."
        )
    _, complete_epochs = steps_and_epochs_of_checkpoint(path)
    return current_epoch(complete_epochs, config)


def current_epoch(complete_epochs: int, config: Config) -> int:
    """Return the epoch, counted from 1, in which a training goes on after some complete epochs."""
    return min(complete_epochs + 1, config.training.epochs)


class CheckpointWriter:
    """Save a training's state from time to time, and end the training after a signal.

    An instance is what `train` takes as `on_step_end`. After a signal it saves a last checkpoint
    and raises `Interrupted`.

    Parameters
    ----------
    path : Path
        The checkpoint.
    origin : Origin
        What the training is made from.
    signals : HeldSignals
        Whether a signal came.
    is_resumed : bool
        Whether the training goes on from the checkpoint at `path`.
    """

    def __init__(self, path: Path, origin: Origin, signals: HeldSignals, is_resumed: bool) -> None:
        self.path = path
        self.origin = origin
        self.signals = signals
        self._saved_at = time.monotonic()
        # If this training was interrupted before and is not resumed, its checkpoint stays until
        # the new training has taken more steps.
        self._steps_to_keep = 0 if is_resumed else _steps_in_checkpoint(path, origin)

    def __call__(self, state: Callable[[], TrainingState], epoch_ended: bool) -> None:
        """Save a checkpoint if one is due, or if a signal came.

        Raises
        ------
        Interrupted
            If a signal came.
        """
        if not self._is_due(epoch_ended) and self.signals.number is None:
            return
        self._saved_at = time.monotonic()
        current = state()
        is_saved = self._save(current)
        if self.signals.number is not None:
            epoch = current_epoch(len(current.arrays["epoch"]), self.origin.config)
            epochs = self.origin.config.training.epochs
            where = (
                f"resume goes on from {self.path}" if is_saved else "no checkpoint could be written"
            )
            raise Interrupted(f"Interrupted in epoch {epoch} of {epochs}; {where}.")

    def _is_due(self, epoch_ended: bool) -> bool:
        """Whether it is time for a checkpoint; an interval of 0 means after each epoch."""
        interval = self.origin.config.training.checkpoint_seconds
        if interval == 0:
            return epoch_ended
        return time.monotonic() - self._saved_at >= interval

    def _save(self, state: TrainingState) -> bool:
        """Write a checkpoint unless a later one is there. Return False if it cannot be written."""
        if state.position["step"] <= self._steps_to_keep:
            return True
        try:
            with keep_earlier(self.path, self.origin):
                save_checkpoint(self.path, state, self.origin.config, self.origin.fingerprint)
        except FilesError as error:  # the training is worth more than its checkpoint
            logger.warning("%s The training goes on without this checkpoint.", error)
            return False
        return True


def _steps_in_checkpoint(path: Path, origin: Origin) -> int:
    """Return how many steps a training took until its checkpoint; 0 if it has none."""
    if is_other(path, origin):
        return 0
    try:
        steps, _ = steps_and_epochs_of_checkpoint(path)
        return steps
    except ModelError:  # there is none, or it is damaged
        return 0
