"""A training that is watched and stopped, without a browser."""

import asyncio
import os
import re
import signal
import time

import numpy as np
import pytest
from conftest import tiny_config
from test_training import SETS, small_vae, training_config

import vae_nb
from vae_nb import Interrupted, train_and_save
from vae_nb.run.model_files import load_checkpoint


def watch(monitor, *, on_epoch_end=None, vae=None, **overrides):
    training = training_config(**overrides)
    vae = vae or small_vae()
    history = asyncio.run(
        monitor.watch(
            vae_nb.train, vae, *SETS, training, 4, on_epoch_end=on_epoch_end, progress=False
        )
    )
    return vae, history


def monitor_of_training_pictures():
    return vae_nb.TrainingMonitor(SETS[0].as_float())


def test_watching_changes_no_bit():
    training = training_config(epochs=4)
    alone = small_vae()
    expected = vae_nb.train(alone, *SETS, training, 4, progress=False)
    monitor = monitor_of_training_pictures()
    vae, history = watch(monitor, epochs=4)
    assert np.array_equal(vae.parameters, alone.parameters)
    assert history.saved_epoch == expected.saved_epoch == 4
    assert monitor.status.text == "Ended after 4 epochs; the weights of epoch 4 are kept."
    assert monitor.stop_button.disabled


def test_the_button_ends_after_the_epoch_and_keeps_the_best():
    monitor, weights = monitor_of_training_pictures(), []

    def stop_in_the_ninth_epoch(vae, columns):
        weights.append(np.sort(vae.parameters))
        if len(weights) == 9:
            monitor.stop_button.click()

    settings = {"epochs": 500, "kl_warmup": 0, "learning_rate": 0.05}
    vae, history = watch(monitor, on_epoch_end=stop_in_the_ninth_epoch, **settings)
    assert len(history) == 9
    best = int(np.argmin(history["validation_total"]))
    assert history.saved_epoch == best + 1
    # In the order of their KL, the parameters are the same ones in other places.
    assert np.array_equal(np.sort(vae.parameters), weights[best])
    kept = f"the weights of epoch {best + 1} are kept."
    assert monitor.status.text == f"Stopped after 9 epochs; {kept}"


def interrupt_main_thread(vae, columns):
    """An interrupt of the kernel in the second epoch, and time for the main thread to hear it."""
    if len(columns["epoch"]) == 2:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)  # the main thread may hear it later, in another epoch: no matter


def test_an_interrupt_ends_a_bare_training_after_an_epoch():
    monitor, before = monitor_of_training_pictures(), signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=r"^Interrupted after epoch \d+\.$") as error:
        watch(monitor, on_epoch_end=interrupt_main_thread, epochs=100_000)
    assert monitor.status.text == str(error.value)
    assert monitor.stop_button.disabled
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_leaves_a_checkpoint_of_a_training_that_saves(pictures, output):
    config = tiny_config(pictures, training__epochs=10**6)
    monitor = vae_nb.TrainingMonitor(vae_nb.load_images(config.data).as_float())
    with pytest.raises(Interrupted, match="resume goes on from") as error:
        asyncio.run(
            monitor.watch(
                train_and_save, config, output, on_epoch_end=interrupt_main_thread, progress=False
            )
        )
    assert monitor.status.text == str(error.value)
    assert load_checkpoint(output / "models" / "checkpoint.npz").position["step"] > 2


def test_a_stopped_monitor_watches_again():
    monitor = monitor_of_training_pictures()
    monitor.stop()
    _, history = watch(monitor, epochs=3)
    assert len(history) == 3


def test_an_error_in_the_training_is_raised():
    monitor = monitor_of_training_pictures()

    def fail(vae, columns):
        raise RuntimeError("full disk")

    with pytest.raises(RuntimeError, match="full disk"):
        watch(monitor, on_epoch_end=fail)
    assert monitor.stop_button.disabled


def test_what_is_drawn_is_the_end():
    monitor = monitor_of_training_pictures()
    vae, history = watch(monitor, epochs=3)
    text = re.search(r'alt="([^"]*)"', monitor.curves.value)[1]
    losses = [f"{history[f'{part}_total'][-1]:.0f}" for part in ("train", "validation")]
    assert text == (
        f"Loss curves up to epoch 3. Losses in nats per image: training {losses[0]}, "
        f"held-out {losses[1]}."
    )
    assert "4 pictures" in monitor.reconstructions.text
    assert "after epoch 3" in monitor.reconstructions.text
    x = SETS[0].as_float()[:4]
    rows = np.stack([x, vae.reconstruct(x)]).reshape(1, -1, *vae.image_shape)
    assert np.array_equal(monitor.reconstructions.pixels, vae_nb.figures.film(rows, columns=4)[0])
