"""A training that is watched and stopped, without a browser."""

import asyncio
import os
import re
import signal

import numpy as np
import pytest
from test_training import SETS, small_vae, training_config

import vae_nb


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


@pytest.mark.parametrize("way", ["button", "interrupt"])
def test_a_stop_ends_after_the_epoch_and_keeps_the_best(way):
    monitor, weights = monitor_of_training_pictures(), []

    def stop_in_the_ninth_epoch(vae, columns):
        weights.append(np.sort(vae.parameters))
        if len(weights) == 9:
            if way == "button":
                monitor.stop_button.click()
            else:
                os.kill(os.getpid(), signal.SIGINT)
                while not monitor.stop_button.disabled:  # the main thread is on its way
                    pass

    before = signal.getsignal(signal.SIGINT)
    settings = {"epochs": 500, "kl_warmup": 0, "learning_rate": 0.05}
    vae, history = watch(monitor, on_epoch_end=stop_in_the_ninth_epoch, **settings)
    assert len(history) == 9
    best = int(np.argmin(history["validation_total"]))
    assert history.saved_epoch == best + 1
    # In the order of their KL, the parameters are the same ones in other places.
    assert np.array_equal(np.sort(vae.parameters), weights[best])
    kept = f"the weights of epoch {best + 1} are kept."
    assert monitor.status.text == f"Stopped after 9 epochs; {kept}"
    assert signal.getsignal(signal.SIGINT) is before


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
