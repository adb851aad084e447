"""A training that is watched and stopped, without a browser."""

import asyncio
import os
import re
import signal
import time

import numpy as np
import pytest
from checks import model_config
from conftest import tiny_config

import vae_nb
from vae_nb import Interrupted, train_and_save
from vae_nb.run.model_files import load_checkpoint

SHAPE = (4, 4, 1)
BATCH_SIZE = 4
# The tests rely on these, whatever the defaults are.
SETTINGS = {"kl_weight": 1, "kl_warmup": 0.3, "gradient_clip_norm": None}


def training_config(**settings):
    keys = {f"training.{key}": value for key, value in (SETTINGS | settings).items()}
    return vae_nb.load_config(overrides=keys).training


def image_set(count, seed):
    """Return images of two kinds, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    kinds = np.random.default_rng(99).integers(0, 200, (2, *SHAPE))
    pixels = kinds[rng.integers(0, 2, count)] + rng.integers(0, 56, (count, *SHAPE))
    names = tuple(f"image_{number}" for number in range(count))
    return vae_nb.ImageSet(pixels.astype(np.uint8), names, ("all",) * count)


SETS = image_set(10, seed=0), image_set(4, seed=1)


def small_vae():
    config = model_config([(6, "tanh")], [(6, "tanh")], latent_dim=3)
    return vae_nb.VAE(config, SHAPE, np.random.default_rng(0))


def watch(monitor, *, on_epoch_end=None, **settings):
    vae = small_vae()
    history = asyncio.run(
        monitor.watch(
            vae_nb.train,
            vae,
            *SETS,
            training_config(**settings),
            BATCH_SIZE,
            on_epoch_end=on_epoch_end,
            progress=False,
        )
    )
    return vae, history


def monitor_of_training_images():
    return vae_nb.TrainingMonitor(SETS[0].as_float())


def test_watching_changes_no_bit():
    alone = small_vae()
    training_settings = training_config(epochs=4)
    expected = vae_nb.train(alone, *SETS, training_settings, BATCH_SIZE, progress=False)
    monitor = monitor_of_training_images()
    vae, history = watch(monitor, epochs=4)
    assert np.array_equal(vae.parameters, alone.parameters)
    assert history.saved_epoch == expected.saved_epoch == 4
    assert monitor.status.text == "Ended after 4 epochs; the weights of epoch 4 are kept."
    assert monitor.stop_button.disabled


def test_the_button_ends_after_the_epoch_and_keeps_the_best():
    monitor, weights = monitor_of_training_images(), []

    def stop_in_the_ninth_epoch(vae, columns):
        weights.append(np.sort(vae.parameters))
        if len(weights) == 9:
            monitor.stop_button.click()

    settings = {"epochs": 500, "kl_warmup": 0, "learning_rate": 0.05}
    vae, history = watch(monitor, on_epoch_end=stop_in_the_ninth_epoch, **settings)
    assert len(history) == 9
    best = int(np.argmin(history["validation_total"]))
    assert history.saved_epoch == best + 1
    # The end of the training reorders the latent dimensions: same parameters, other places.
    assert np.array_equal(np.sort(vae.parameters), weights[best])
    kept = f"the weights of epoch {best + 1} are kept."
    assert monitor.status.text == f"Stopped after 9 epochs; {kept}"


@pytest.mark.parametrize(("answer", "epochs"), [(True, 2), (np.True_, 2), (np.False_, 5), (1, 5)])
def test_a_callback_that_returns_true_ends_the_training(answer, epochs):
    monitor = monitor_of_training_images()

    def stop_in_the_second_epoch(vae, columns):
        return answer if len(columns["epoch"]) == 2 else None

    _, history = watch(monitor, on_epoch_end=stop_in_the_second_epoch, epochs=5)
    assert len(history) == epochs


def interrupt_main_thread(vae, columns):
    """Interrupt the kernel in the second epoch, and give the main thread time to notice it."""
    if len(columns["epoch"]) == 2:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)  # the main thread may also notice it in a later epoch


def test_an_interrupt_ends_a_bare_training_after_an_epoch():
    monitor, before = monitor_of_training_images(), signal.getsignal(signal.SIGINT)
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
    monitor = monitor_of_training_images()
    monitor.stop()
    _, history = watch(monitor, epochs=3)
    assert len(history) == 3


def test_an_error_in_the_training_is_raised():
    monitor = monitor_of_training_images()

    def fail(vae, columns):
        raise RuntimeError("full disk")

    with pytest.raises(RuntimeError, match="full disk"):
        watch(monitor, on_epoch_end=fail)
    assert monitor.stop_button.disabled


def test_what_is_drawn_is_the_end():
    monitor = monitor_of_training_images()
    vae, history = watch(monitor, epochs=3)
    text = re.search(r'alt="([^"]*)"', monitor.curves.value)[1]
    losses = [f"{history[f'{part}_total'][-1]:.0f}" for part in ("train", "validation")]
    assert text == (
        f"Loss curves up to epoch 3. Losses in nats per image: training {losses[0]}, "
        f"held-out {losses[1]}."
    )
    assert "4 images" in monitor.reconstructions.text
    assert "after epoch 3" in monitor.reconstructions.text
    x = SETS[0].as_float()[:4]
    rows = np.stack([x, vae.reconstruct(x)]).reshape(1, -1, *vae.image_shape)
    assert np.array_equal(monitor.reconstructions.pixels, vae_nb.figures.film(rows, columns=4)[0])


def test_a_training_that_is_resumed_after_its_last_epoch_is_watched_too():
    """There is no epoch left to draw; a checkpoint may have been saved just before the model."""
    states = []

    def remember(state, epoch_ended):
        now = state()
        arrays = {name: array.copy() for name, array in now.arrays.items()}
        states.append(type(now)(arrays, now.position))

    arguments = (*SETS, training_config(epochs=2), BATCH_SIZE)
    vae_nb.train(small_vae(), *arguments, on_step_end=remember, progress=False)
    monitor = monitor_of_training_images()
    history = asyncio.run(
        monitor.watch(vae_nb.train, small_vae(), *arguments, resume_from=states[-1], progress=False)
    )
    assert len(history) == 2
    assert monitor.status.text == "Ended after 2 epochs; the weights of epoch 2 are kept."
