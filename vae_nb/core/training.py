"""The training loop: epochs, schedules, early stopping, history, progress.

It knows no files. Whoever wants to save or draw something while it runs gives it a callback.
"""

import math
import time
from dataclasses import dataclass
from itertools import islice

import numpy as np

from vae_nb.core.blocks import worker_threads
from vae_nb.core.metrics import kl_per_dimension, negative_elbo
from vae_nb.core.optimizers import clip_scale, make_optimizer
from vae_nb.core.random_streams import random_stream
from vae_nb.core.schedules import kl_weight_at, learning_rate_at
from vae_nb.system.errors import ModelError, TrainingDiverged

HISTORY_COLUMNS = (
    *("epoch", "learning_rate", "kl_weight"),
    *("train_total", "train_reconstruction", "train_kl"),
    *("validation_total", "validation_reconstruction", "validation_kl"),
)


@dataclass
class History:
    """What a training recorded, a value for each epoch.

    `history["train_total"]` is one column as an array. Losses are in nats per image; a total is
    reconstruction + kl_weight * kl at that epoch's weight. Training losses are averaged over the
    epoch's steps; validation losses are taken after it, with z sampled from the same noise at
    every epoch.

    Attributes
    ----------
    columns : dict of str to ndarray, shape (epochs,)
        Keys are `HISTORY_COLUMNS`.
    saved_epoch : int
        The epoch whose weights the model has now, counted from 1: the best by validation total
        where the training ended early or early stopping was asked for; the last otherwise, and
        where it ended within the KL warm-up.
    seconds : float
        How long the training took.
    """

    columns: dict
    saved_epoch: int
    seconds: float

    def __getitem__(self, column):
        return self.columns[column]

    def __len__(self):
        return len(self.columns["epoch"])


@dataclass
class TrainingState:
    """Where a training stands: with the pictures and the configuration, enough to go on to the bit.

    Attributes
    ----------
    arrays : dict of str to ndarray
        "parameters", the optimiser's own, the history's columns so far (HISTORY_COLUMNS), the
        sums of the losses in the current epoch, the best parameters so far where they are kept.
        The training's own arrays: they change with its next step.
    position : dict
        What JSON can say: the number of steps taken, the state of every stream of random numbers
        that goes on, the best total and its epoch, and the seconds so far.
    """

    arrays: dict
    position: dict


@worker_threads()
def train(
    vae,
    train_set,
    validation_set,
    training,
    batch_size=16,
    *,
    resume_from=None,
    on_step_end=None,
    on_epoch_end=None,
    progress=True,
):
    """Train a VAE on a set of pictures.

    The input is centred on the training set's mean picture first. At the end the latent
    dimensions are put in the order of their KL divergence, largest first.

    Parameters
    ----------
    vae : vae_nb.VAE
    train_set, validation_set : vae_nb.ImageSet
    training : vae_nb.data.config.TrainingConfig
    batch_size : int
        Pictures in a step.
    resume_from : TrainingState or None
        Of a training with the same configuration and pictures: it goes on from there, and ends
        with the weights that it would have had uninterrupted.
    on_step_end : callable or None
        Called as `on_step_end(state, epoch_ended)` after each step, after the last one of an epoch
        when that epoch is in the history; `state()` is the `TrainingState`. What it raises ends
        the training.
    on_epoch_end : callable or None
        Called as `on_epoch_end(vae, columns)` after each epoch, with the history's columns so
        far as lists. If it returns True, the training ends with this epoch.
    progress : bool
        Whether to show a progress bar with the current losses.

    Returns
    -------
    History

    Raises
    ------
    TrainingDiverged
        If the loss is no finite number any more.
    ModelError
        If the state to go on from cannot be one of this training.
    """
    started = time.perf_counter()
    vae.center_on(train_set.mean_image(vae.dtype))
    optimizer = make_optimizer(vae.parameters, training.optimizer)
    batch_stream = random_stream(training.seed, "batches")
    noise_stream = random_stream(training.seed, "noise")
    validation_noise = random_stream(training.seed, "validation").standard_normal(
        (len(validation_set), vae.latent_dim), vae.dtype
    )
    steps_per_epoch = math.ceil(len(train_set) / batch_size)
    total_steps = training.epochs * steps_per_epoch
    columns = {column: [] for column in HISTORY_COLUMNS}
    patience = training.early_stopping_patience
    may_end_early = patience is not None or on_epoch_end is not None
    if resume_from is not None and "best_parameters" in resume_from.arrays:
        may_end_early = True  # a later part of the training may
    best_parameters = vae.parameters.copy() if may_end_early else None
    step, best_total, best_epoch = 0, math.inf, None
    sums = np.zeros(3)  # total, reconstruction and KL of the epoch's pictures so far

    if resume_from is not None:
        arrays, position = resume_from.arrays, resume_from.position
        step = position["step"]
        if len(arrays["epoch"]) != step // steps_per_epoch:
            raise ModelError(f"A state after {step} steps is not one of this training.")
        started -= position["seconds"]
        vae.parameters[:] = arrays["parameters"]
        optimizer.restore(arrays, step)
        batch_stream.bit_generator.state = position["batches"]
        noise_stream.bit_generator.state = position["noise"]
        columns = {column: arrays[column].tolist() for column in HISTORY_COLUMNS}
        sums[:] = arrays["sums"]
        if "best_parameters" in arrays:
            best_total, best_epoch = position["best_total"], position["best_epoch"]
            best_parameters[:] = arrays["best_parameters"]

    def state():
        arrays = {"parameters": vae.parameters, "sums": sums, **optimizer.arrays()}
        arrays |= {column: np.array(values) for column, values in columns.items()}
        if best_epoch is not None:
            arrays["best_parameters"] = best_parameters
        position = {
            "step": step,
            "batches": epoch_start,
            "noise": noise_stream.bit_generator.state,
            "best_total": None if best_epoch is None else best_total,
            "best_epoch": best_epoch,
            "seconds": time.perf_counter() - started,
        }
        return TrainingState(arrays, position)

    from tqdm.auto import tqdm  # slow to import in a notebook, where it brings widgets

    stop, epoch = False, step // steps_per_epoch
    epochs = tqdm(
        range(epoch + 1, training.epochs + 1),
        "Training",
        unit="epoch",
        initial=epoch,
        total=training.epochs,
        disable=not progress,
    )
    # An epoch that was begun is drawn again, and the pictures of its steps are left out.
    epoch_start = batch_stream.bit_generator.state
    for epoch in epochs:
        batches = train_set.batches(batch_size, batch_stream, vae.dtype, training.augmentation)
        for x in islice(batches, step % steps_per_epoch, None):
            noise = noise_stream.standard_normal((len(x), vae.latent_dim), vae.dtype)
            learning_rate = learning_rate_at(step, total_steps, training)
            kl_weight = kl_weight_at(step, total_steps, training)
            step += 1
            # A diverging step overflows; the check below says so in words.
            with np.errstate(over="ignore", invalid="ignore"):
                loss = vae.loss_and_gradients(x, noise, kl_weight)
                if not math.isfinite(loss.total):
                    raise _diverged(vae, training, loss.total, step, epoch)
                if training.gradient_clip_norm is not None:
                    norm = vae.gradient_norm()
                    vae.scale_gradients(clip_scale(norm, training.gradient_clip_norm))
                optimizer.update(vae.gradient_blocks, learning_rate)
            sums += np.array(loss) * len(x)
            if on_step_end is not None and step % steps_per_epoch:
                on_step_end(state, epoch_ended=False)

        with np.errstate(over="ignore", invalid="ignore"):
            reconstruction, kl = negative_elbo(vae, validation_set, validation_noise)
            total = reconstruction + kl_weight * kl
            if not math.isfinite(total):
                raise _diverged(vae, training, total, step, epoch)
        train_losses = (sums / len(train_set)).tolist()
        row = (epoch, learning_rate, kl_weight, *train_losses, total, reconstruction, kl)
        for column, value in zip(HISTORY_COLUMNS, row, strict=True):
            columns[column].append(value)
        sums[:], epoch_start = 0, batch_stream.bit_generator.state
        losses = f"loss {train_losses[0]:.0f}, held-out {total:.0f} nats"
        epochs.set_postfix_str(losses, refresh=False)

        # Totals are comparable only at one KL weight: the final one, after the warm-up.
        if may_end_early and kl_weight == training.kl_weight:
            if total < best_total:
                best_total, best_epoch, best_parameters[:] = total, epoch, vae.parameters
            elif patience is not None and epoch - best_epoch >= patience:
                stop = True
        if on_step_end is not None and not stop:
            on_step_end(state, epoch_ended=True)
        if on_epoch_end is not None and on_epoch_end(vae, columns) is True:
            stop = True
        if stop:
            break

    if best_epoch is not None and (stop or patience is not None):
        epoch, vae.parameters[:] = best_epoch, best_parameters
    vae.reorder_latent(np.argsort(-kl_per_dimension(vae, train_set), kind="stable"))
    arrays = {column: np.array(values) for column, values in columns.items()}
    return History(arrays, epoch, seconds=time.perf_counter() - started)


def _diverged(vae, training, loss, step, epoch):
    """The error that says where a training ran away."""
    magnitudes = {name: _magnitude(layer.output) for name, layer in vae.layers.items()}
    largest = max(magnitudes, key=magnitudes.get)  # the first, where several overflowed
    size = magnitudes[largest]
    size = f"{size:.3g}" if math.isfinite(size) else "more than the dtype can hold"
    clip_norm = training.gradient_clip_norm
    clip = "set it, for example to 50" if clip_norm is None else f"lower it, now {clip_norm:g}"
    return TrainingDiverged(
        f"Training diverged at step {step} (epoch {epoch}): the loss is {loss}, and largest was "
        f"the output of layer {largest} ({vae.layers[largest].activation_name}), {size}. "
        f"Lower training.learning_rate, now {training.learning_rate:g}, or limit the gradient "
        f"with training.gradient_clip_norm ({clip}). What was saved before is kept."
    )


def _magnitude(array):
    """The largest absolute value, infinite where there is one that is not a number."""
    return float(np.max(np.where(np.isnan(array), np.inf, np.abs(array))))
