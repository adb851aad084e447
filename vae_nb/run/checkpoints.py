"""Checkpoints of a training: when they are saved, and how a training goes on from one."""

import os
import time
from contextlib import suppress

from vae_nb.run.model_files import (
    load_checkpoint,
    load_origin,
    save_checkpoint,
)
from vae_nb.run.origin import differences_from, is_other, keeping_other
from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import FilesError, Interrupted, ModelError


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
    differences = differences_from(*load_origin(path), config, images)
    if differences:
        raise ModelError(
            f"The checkpoint {path} is of another training, which differs in "
            f"{', '.join(differences)}. Ask for that one to resume it; without resuming, the "
            "checkpoint is kept beside the new one."
        )
    state = load_checkpoint(path)
    epoch, epochs = epoch_of(state, config), config.training.epochs
    print(f"Going on from {path} in epoch {epoch} of {epochs}.")
    return state


def epoch_of(state, config):
    """The epoch that a training goes on in, counted from 1."""
    return min(len(state.arrays["epoch"]) + 1, config.training.epochs)


class CheckpointWriter:
    """Saves a training's state at an interval, and when a signal came, which then ends it."""

    def __init__(self, path, config, images, held, resumed_from):
        self.path, self.config, self.images, self.held = path, config, images, held
        self.saved_at = time.monotonic()
        # A checkpoint of this very training that was not resumed is worth more than earlier ones.
        self.steps_there = 0
        with suppress(ModelError):
            if resumed_from is None and not is_other(path, config, images):
                self.steps_there = load_checkpoint(path).position["step"]

    def __call__(self, state, epoch_ended):
        seconds = self.config.training.checkpoint_seconds
        due = epoch_ended if seconds == 0 else time.monotonic() - self.saved_at >= seconds
        if not due and self.held.number is None:
            return
        self.saved_at = time.monotonic()
        try:
            if state().position["step"] > self.steps_there:
                with keeping_other(self.path, self.config, self.images):
                    save_checkpoint(self.path, state(), self.config, self.images.fingerprint())
            where = f"resume goes on from {self.path}"
        except FilesError as error:  # the training is worth more than a copy of it
            print(f"{error} The training goes on without this checkpoint.")
            where = "no checkpoint could be written"
        if self.held.number is not None:
            epoch = epoch_of(state(), self.config)
            epochs = self.config.training.epochs
            raise Interrupted(f"Interrupted in epoch {epoch} of {epochs}; {where}.")
