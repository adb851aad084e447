"""The training loop: steps, epochs, early stopping, history, progress.

It knows no files. To save or draw something while it runs, give it a callback.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.blocks import worker_threads
from vae_nb.core.metrics import kl_per_dimension, negative_elbo
from vae_nb.core.optimizers import clip_scale, make_optimizer
from vae_nb.core.random_streams import random_stream
from vae_nb.core.schedules import kl_weight_at, learning_rate_at
from vae_nb.system.errors import ModelError, TrainingDiverged

if TYPE_CHECKING:
    from vae_nb.core.model import VAE, Loss
    from vae_nb.data.config import TrainingConfig
    from vae_nb.data.image_set import ImageSet

HISTORY_COLUMNS = (
    "epoch",
    "learning_rate",
    "kl_weight",
    "train_total",
    "train_reconstruction",
    "train_kl",
    "validation_total",
    "validation_reconstruction",
    "validation_kl",
)


@dataclass
class History:
    """What a training recorded: a value for each epoch.

    `history["train_total"]` is one column as an array. Losses are in nats per image; a total is
    reconstruction + kl_weight * kl at that epoch's weight. Training losses are averaged over the
    epoch's steps; validation losses are computed after it, with z sampled from the same noise at
    every epoch.

    Attributes
    ----------
    columns : dict of str to ndarray, shape (epochs,)
        The keys are `HISTORY_COLUMNS`.
    saved_epoch : int
        The epoch whose weights the model has now, counted from 1: the epoch with the lowest
        validation total if the training ended early or early stopping was asked for, and otherwise
        the last one. If the training ended within the KL warm-up, it is the last one too.
    seconds : float
        How long the training took.
    """

    columns: dict[str, NDArray]
    saved_epoch: int
    seconds: float

    def __getitem__(self, column: str) -> NDArray:
        return self.columns[column]

    def __len__(self) -> int:
        return len(self.columns["epoch"])


@dataclass
class TrainingState:
    """Where a training stands. With the images and the configuration, it can go on from here.

    It then ends with the same weights, to the bit, as if it had not been interrupted.

    Attributes
    ----------
    arrays : dict of str to ndarray
        "parameters", the arrays of the optimizer, the history's columns so far, the sums of the
        losses in the current epoch, and the best parameters so far where they are kept. These are
        the training's own arrays: its next step changes them.
    position : dict
        What JSON can hold: the number of steps taken, the state of every stream of random numbers
        that goes on, the best total and its epoch, and the seconds so far.
    """

    arrays: dict[str, NDArray]
    position: dict[str, Any]


class EarlyStopping:
    """Keep the weights of the best epoch, and say when a training no longer improves.

    Parameters
    ----------
    parameters : ndarray, shape (count,)
        The parameters of the model; they are copied.
    patience : int or None
        How many epochs may pass without a lower held-out loss; None means any number.

    Attributes
    ----------
    best_total : float
        The lowest held-out loss so far, in nats per image.
    best_epoch : int or None
        Its epoch; None before the first `update`.
    best_parameters : ndarray, shape (count,)
        The parameters after that epoch.
    """

    def __init__(self, parameters: NDArray, patience: int | None) -> None:
        self.patience = patience
        self.best_total = math.inf
        self.best_epoch: int | None = None
        self.best_parameters = parameters.copy()

    def update(self, total: float, epoch: int, parameters: NDArray) -> bool:
        """Take note of an epoch, and return whether the training should end with it."""
        if self.best_epoch is None or total < self.best_total:
            self.best_total = total
            self.best_epoch = epoch
            self.best_parameters[:] = parameters
            return False
        return self.patience is not None and epoch - self.best_epoch >= self.patience


class Trainer:
    """A training of a VAE, a step at a time; `train` is the loop around it.

    A trainer takes the model as it is: it neither centers the model nor orders its latent
    dimensions. So it can also train a model further.

    Parameters
    ----------
    batch_size : int
        Images in a step.
    keep_best : bool
        Whether to keep the weights of the best epoch so far. They are always kept where the
        configuration asks for early stopping.

    Attributes
    ----------
    columns : dict of str to list
        The history so far. The keys are `HISTORY_COLUMNS`.
    steps : int
        How many steps were taken.
    stopping : EarlyStopping or None

    Raises
    ------
    ModelError
        If there is not enough memory to train the model.
    """

    def __init__(
        self,
        vae: VAE,
        train_set: ImageSet,
        validation_set: ImageSet,
        training_config: TrainingConfig,
        batch_size: int = 16,
        *,
        keep_best: bool = False,
    ) -> None:
        self.vae = vae
        self.train_set = train_set
        self.validation_set = validation_set
        self.config = training_config
        self.batch_size = batch_size
        self.steps_per_epoch = math.ceil(len(train_set) / batch_size)
        self.total_steps = training_config.epochs * self.steps_per_epoch
        self.steps = 0
        self.columns: dict[str, list] = {column: [] for column in HISTORY_COLUMNS}
        self.stopping: EarlyStopping | None = None
        patience = training_config.early_stopping_patience
        try:
            self.optimizer = make_optimizer(
                vae.parameters, training_config.optimizer, training_config.weight_decay
            )
            if keep_best or patience is not None:
                self.stopping = EarlyStopping(vae.parameters, patience)
        except MemoryError:
            raise ModelError(
                f"There is not enough memory to train a model of {vae.parameters.size:,} "
                "parameters. Use fewer units or smaller images."
            ) from None

        seed = training_config.seed
        self._batch_stream = random_stream(seed, "batches")
        self._noise_stream = random_stream(seed, "noise")
        self._validation_noise = random_stream(seed, "validation").standard_normal(
            (len(validation_set), vae.latent_dim), vae.dtype
        )
        # Total, reconstruction and KL, summed over the images of the epoch so far.
        self._sums = np.zeros(3)
        self._batches_at_epoch_start = self._batch_stream.bit_generator.state
        self._started = time.perf_counter()

    @property
    def epoch(self) -> int:
        """The epoch of the next step, counted from 1."""
        return len(self.columns["epoch"]) + 1

    @property
    def seconds(self) -> float:
        """How long the training has taken, with the time before it was interrupted."""
        return time.perf_counter() - self._started

    def batches(self) -> Iterator[NDArray]:
        """Draw the batches of the current epoch, and return those that are still to come."""
        batches = self.train_set.batches(
            self.batch_size, self._batch_stream, self.vae.dtype, self.config.augmentation
        )
        # An epoch that was interrupted is drawn again, and the steps already taken are left out.
        taken = self.steps - len(self.columns["epoch"]) * self.steps_per_epoch
        return islice(batches, taken, None)

    def step(self, x: NDArray) -> Loss:
        """Take one step on a batch.

        Parameters
        ----------
        x : ndarray, shape (batch, pixels)
            In [0, 1].

        Returns
        -------
        Loss
            Before the step, in nats per image.

        Raises
        ------
        TrainingDiverged
            If the loss is NaN or infinite.
        """
        noise = self._noise_stream.standard_normal((len(x), self.vae.latent_dim), self.vae.dtype)
        learning_rate = learning_rate_at(self.steps, self.total_steps, self.config)
        kl_weight = kl_weight_at(self.steps, self.total_steps, self.config)
        self.steps += 1
        # A step that diverges overflows. The error says so in words.
        with np.errstate(over="ignore", invalid="ignore"):
            loss = self.vae.loss_and_gradients(x, noise, kl_weight)
            self._check_finite(loss.total)
            if self.config.gradient_clip_norm is not None:
                norm = self.vae.gradient_norm()
                self.vae.scale_gradients(clip_scale(norm, self.config.gradient_clip_norm))
            self.optimizer.update(self.vae.gradient_blocks, learning_rate)
            self._sums += np.array(loss) * len(x)
        return loss

    def validate(self) -> bool:
        """End an epoch: compute the held-out loss, and add the epoch to the history.

        Returns
        -------
        bool
            Whether early stopping asks the training to end.

        Raises
        ------
        TrainingDiverged
            If the loss is NaN or infinite.
        """
        epoch = self.epoch
        last_step = self.steps - 1
        learning_rate = learning_rate_at(last_step, self.total_steps, self.config)
        kl_weight = kl_weight_at(last_step, self.total_steps, self.config)
        with np.errstate(over="ignore", invalid="ignore"):
            reconstruction, kl = negative_elbo(
                self.vae, self.validation_set, self._validation_noise
            )
            total = reconstruction + kl_weight * kl
            self._check_finite(total)

        train_losses = (self._sums / len(self.train_set)).tolist()
        row = (epoch, learning_rate, kl_weight, *train_losses, total, reconstruction, kl)
        for column, value in zip(HISTORY_COLUMNS, row, strict=True):
            self.columns[column].append(value)
        self._sums[:] = 0
        self._batches_at_epoch_start = self._batch_stream.bit_generator.state

        # Totals can be compared only at one KL weight: the final one, after the warm-up.
        if self.stopping is None or kl_weight != self.config.kl_weight:
            return False
        return self.stopping.update(total, epoch, self.vae.parameters)

    def state(self) -> TrainingState:
        """Return where the training stands."""
        arrays = {"parameters": self.vae.parameters, "sums": self._sums}
        arrays |= self.optimizer.arrays()
        arrays |= {column: np.array(values) for column, values in self.columns.items()}
        position = {
            "step": self.steps,
            "batches": self._batches_at_epoch_start,
            "noise": self._noise_stream.bit_generator.state,
            "best_total": None,
            "best_epoch": None,
            "seconds": self.seconds,
        }
        if self.stopping is not None and self.stopping.best_epoch is not None:
            arrays["best_parameters"] = self.stopping.best_parameters
            position["best_total"] = self.stopping.best_total
            position["best_epoch"] = self.stopping.best_epoch
        return TrainingState(arrays, position)

    def restore(self, state: TrainingState) -> None:
        """Go on from where a training of the same configuration and images stood.

        Raises
        ------
        ModelError
            If the state cannot be one of this training.
        """
        arrays = state.arrays
        position = state.position
        if len(arrays["epoch"]) != position["step"] // self.steps_per_epoch:
            raise ModelError(f"A state after {position['step']} steps is not one of this training.")
        self.steps = position["step"]
        self.columns = {column: arrays[column].tolist() for column in HISTORY_COLUMNS}
        self.vae.parameters[:] = arrays["parameters"]
        self.optimizer.restore(arrays, self.steps)
        self._batch_stream.bit_generator.state = position["batches"]
        self._batches_at_epoch_start = position["batches"]
        self._noise_stream.bit_generator.state = position["noise"]
        self._sums[:] = arrays["sums"]
        self._started -= position["seconds"]
        if "best_parameters" in arrays:
            if self.stopping is None:
                self.stopping = EarlyStopping(arrays["best_parameters"], patience=None)
            self.stopping.best_total = position["best_total"]
            self.stopping.best_epoch = position["best_epoch"]
            self.stopping.best_parameters[:] = arrays["best_parameters"]

    def _check_finite(self, loss: float) -> None:
        """Raise an error that says where the training diverged, if the loss is NaN or infinite."""
        if math.isfinite(loss):
            return
        layers = self.vae.layers
        magnitudes = {name: _magnitude(layer.output) for name, layer in layers.items()}
        # The first one, where the outputs of several layers overflowed.
        largest = max(magnitudes, key=lambda name: magnitudes[name])
        size = "more than the dtype can hold"
        if math.isfinite(magnitudes[largest]):
            size = f"{magnitudes[largest]:.3g}"
        remedy = "set it, for example to 50"
        if self.config.gradient_clip_norm is not None:
            remedy = f"lower it, now {self.config.gradient_clip_norm:g}"
        raise TrainingDiverged(
            f"Training diverged at step {self.steps} (epoch {self.epoch}): the loss is {loss}, and "
            f"largest was the output of layer {largest} ({layers[largest].activation_name}), "
            f"{size}. Lower training.learning_rate, now {self.config.learning_rate:g}, or limit "
            f"the gradient with training.gradient_clip_norm ({remedy}). What was saved before is "
            "kept."
        )


class OnStepEnd(Protocol):
    """A callback after each step."""

    def __call__(self, state: Callable[[], TrainingState], epoch_ended: bool) -> object: ...


@worker_threads()
def train(
    vae: VAE,
    train_set: ImageSet,
    validation_set: ImageSet,
    training_config: TrainingConfig,
    batch_size: int = 16,
    *,
    resume_from: TrainingState | None = None,
    on_step_end: OnStepEnd | None = None,
    on_epoch_end: Callable[[VAE, dict[str, list]], object] | None = None,
    progress: bool = True,
) -> History:
    """Train a VAE on a set of images.

    The input of a new model is centered on the mean image of the training set first. A model that
    is centered already is trained further as it is. At the end the latent dimensions are put in the
    order of their KL divergence, largest first.

    Parameters
    ----------
    batch_size : int
        Images in a step.
    resume_from : TrainingState or None
        The state of a training with the same configuration and images. The training goes on from
        there, and ends with the weights that it would have had without the interruption.
    on_step_end : callable or None
        Called as `on_step_end(state, epoch_ended)` after each step; `state()` returns the
        `TrainingState`. After the last step of an epoch, it is called when that epoch is in the
        history. An exception that it raises ends the training.
    on_epoch_end : callable or None
        Called as `on_epoch_end(vae, columns)` after each epoch, with the history's columns so far
        as lists. If it returns True, the training ends with this epoch.
    progress : bool
        Whether to show a progress bar with the current losses.

    Raises
    ------
    TrainingDiverged
        If the loss is NaN or infinite.
    ModelError
        If `resume_from` cannot be a state of this training, or there is not enough memory.
    """
    keep_best = on_epoch_end is not None  # a callback may end the training early
    trainer = Trainer(
        vae, train_set, validation_set, training_config, batch_size, keep_best=keep_best
    )
    if not vae.is_centered:
        vae.center_on(train_set.mean_image(vae.dtype))
    if resume_from is not None:
        trainer.restore(resume_from)

    should_stop = False
    with _progress_bar(trainer, progress) as bar:
        while trainer.epoch <= training_config.epochs and not should_stop:
            for x in trainer.batches():
                trainer.step(x)
                epoch_ended = trainer.steps % trainer.steps_per_epoch == 0
                if on_step_end is not None and not epoch_ended:
                    on_step_end(trainer.state, epoch_ended=False)
            should_stop = trainer.validate()
            _show_losses(bar, trainer.columns)
            if on_step_end is not None and not should_stop:
                on_step_end(trainer.state, epoch_ended=True)
            if on_epoch_end is not None and asks_to_stop(on_epoch_end(vae, trainer.columns)):
                should_stop = True

    saved_epoch = len(trainer.columns["epoch"])
    wants_best = should_stop or training_config.early_stopping_patience is not None
    stopping = trainer.stopping
    if wants_best and stopping is not None and stopping.best_epoch is not None:
        saved_epoch = stopping.best_epoch
        vae.parameters[:] = stopping.best_parameters
    order = np.argsort(-kl_per_dimension(vae, train_set), kind="stable")
    vae.reorder_latent(order)
    columns = {column: np.array(values) for column, values in trainer.columns.items()}
    return History(columns, saved_epoch, trainer.seconds)


def asks_to_stop(answer: object) -> bool:
    """Whether the answer of a callback is True: Python's or NumPy's, but nothing else.

    A callback may return something by accident, for example what it has drawn.
    """
    return isinstance(answer, bool | np.bool_) and bool(answer)


def _progress_bar(trainer: Trainer, progress: bool) -> Any:
    """A bar that counts epochs."""
    from tqdm.auto import tqdm  # slow to import in a notebook, where it loads widgets

    return tqdm(
        desc="Training",
        unit="epoch",
        initial=trainer.epoch - 1,
        total=trainer.config.epochs,
        disable=not progress,
    )


def _show_losses(bar: Any, columns: dict[str, list]) -> None:
    """Count an epoch, and show its losses."""
    train_total = columns["train_total"][-1]
    validation_total = columns["validation_total"][-1]
    bar.set_postfix_str(
        f"loss {train_total:.0f}, held-out {validation_total:.0f} nats", refresh=False
    )
    bar.update()


def _magnitude(array: NDArray) -> float:
    """The largest absolute value; infinite if one of the values is NaN."""
    return float(np.max(np.where(np.isnan(array), np.inf, np.abs(array))))
