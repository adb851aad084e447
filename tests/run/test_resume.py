"""An interrupted training that goes on has the same bits as an uninterrupted one."""

import json
import os
import re
import signal
import threading

import numpy as np
import pytest
from conftest import files_in, tiny_config

from vae_nb.core.model import VAE
from vae_nb.core.random_streams import random_stream
from vae_nb.core.training import train
from vae_nb.data.image_files import load_images
from vae_nb.run.checkpoints import checkpoint_epoch, find_checkpoint
from vae_nb.run.model_files import (
    epochs_of_model,
    load_checkpoint,
    load_model,
    load_origin,
    save_checkpoint,
    steps_and_epochs_of_checkpoint,
)
from vae_nb.run.trained_run import load_or_train, train_and_save
from vae_nb.system import arrays
from vae_nb.system.errors import FilesError, Interrupted, ModelError
from vae_nb.system.signals import hold_signals

STEPS_PER_EPOCH = 2  # eight training images in batches of four


class StopHereError(Exception):
    """A test's callback raises it to end a training."""


def trained(config, path=None, stop_after=None, resume_from=None, **options):
    """Train a VAE; after some steps, stop and save a checkpoint if asked to."""
    images = load_images(config.data)
    train_set, validation_set = images.split(config.data.validation_split, config.training.seed)
    vae = VAE(config.model, images.image_shape, random_stream(config.training.seed, "weights"))
    steps = 0

    def on_step_end(state, epoch_ended):
        nonlocal steps
        steps += 1
        assert epoch_ended == (state().position["step"] % STEPS_PER_EPOCH == 0)
        if steps == stop_after:
            save_checkpoint(path, state(), config, images.fingerprint())
            raise StopHereError

    options = {"batch_size": config.data.batch_size, "progress": False} | options
    arguments = vae, train_set, validation_set, config.training
    history = train(*arguments, resume_from=resume_from, on_step_end=on_step_end, **options)
    return vae, history


def assert_same(training, other):
    (vae, history), (other_vae, other_history) = training, other
    assert vae.parameters.tobytes() == other_vae.parameters.tobytes()
    assert vae.mean_image.tobytes() == other_vae.mean_image.tobytes()
    assert history.saved_epoch == other_history.saved_epoch
    assert history.columns.keys() == other_history.columns.keys()
    for column, values in history.columns.items():
        assert values.dtype == other_history[column].dtype
        assert values.tobytes() == other_history[column].tobytes()


@pytest.mark.parametrize("stop_after", range(1, 7))  # within an epoch, and at its end
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"training__optimizer": {"type": "sgd", "beta1": 0.9}, "training__learning_rate": 1e-4},
        {"training__early_stopping_patience": 1, "training__kl_warmup": 0},
        {"training__gradient_clip_norm": 1, "training__learning_rate_schedule": "constant"},
        {"data__batch_size": 3, "data__validation_split": 0.5},  # the last batch is smaller
        {"training__augmentation": 0.5},
    ],
    ids=["adam", "sgd", "patience", "clipped", "small last batch", "augmented"],
)
def test_a_resumed_training_has_the_same_bits(pictures, tmp_path, overrides, stop_after):
    config = tiny_config(pictures, training__epochs=4, **overrides)
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(StopHereError):
        trained(config, path, stop_after)
    state = load_checkpoint(path)
    assert state.position["step"] == stop_after
    assert_same(trained(config, resume_from=state), trained(config))


def test_a_training_is_resumed_again_and_again(pictures, tmp_path):
    config = tiny_config(pictures)
    path, state = tmp_path / "checkpoint.npz", None
    for _ in range(3 * STEPS_PER_EPOCH):
        with pytest.raises(StopHereError):
            trained(config, path, 1, state)
        state = load_checkpoint(path)
    assert_same(trained(config, resume_from=state), trained(config))


def test_the_best_weights_are_in_a_checkpoint(pictures, tmp_path, monkeypatch):
    """The best epoch lies before the interruption, the end of the patience after it."""
    config = tiny_config(
        pictures, training__epochs=9, training__early_stopping_patience=2, training__kl_warmup=0
    )
    totals = iter([3.0, 1.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr("vae_nb.core.training.negative_elbo", lambda *_: (next(totals), 0.0))
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(StopHereError):
        trained(config, path, 3 * STEPS_PER_EPOCH)
    _, history = resumed = trained(config, resume_from=load_checkpoint(path))
    assert (history.saved_epoch, len(history)) == (2, 4)
    totals = iter([3.0, 1.0, 2.0, 2.0, 2.0])
    assert_same(resumed, trained(config))


def test_a_callback_sees_the_earlier_epochs(pictures, tmp_path):
    config, path = tiny_config(pictures), tmp_path / "checkpoint.npz"
    with pytest.raises(StopHereError):
        trained(config, path, 3)
    seen = []
    trained(
        config,
        resume_from=load_checkpoint(path),
        on_epoch_end=lambda vae, columns: seen.append(list(columns["epoch"])),
    )
    assert seen == [[1, 2], [1, 2, 3]]


def test_the_bar_and_the_seconds_go_on(pictures, tmp_path, capfd):
    config, path = tiny_config(pictures), tmp_path / "checkpoint.npz"
    with pytest.raises(StopHereError):
        trained(config, path, 4)
    state = load_checkpoint(path)
    state.position["seconds"] = 1000.0
    capfd.readouterr()
    _, history = trained(config, resume_from=state, progress=True)
    assert "2/3" in capfd.readouterr().err.split("\r")[1]
    assert history.seconds > 1000


# In an output folder


def interrupt_after(epochs, number=signal.SIGINT):
    def on_epoch_end(vae, columns):
        if len(columns["epoch"]) == epochs:
            os.kill(os.getpid(), number)

    return on_epoch_end


def interrupted(config, output, epochs=1):
    with pytest.raises(Interrupted) as error:
        train_and_save(config, output, on_epoch_end=interrupt_after(epochs), progress=False)
    return str(error.value)


def test_an_interrupt_ends_after_the_step_with_a_checkpoint(pictures, output, messages):
    config = tiny_config(pictures)
    before = signal.getsignal(signal.SIGINT)
    message = interrupted(config, output)
    path = output / "models" / "checkpoint.npz"
    assert message == f"Interrupted in epoch 2 of 3; resume goes on from {path}."
    assert signal.getsignal(signal.SIGINT) is before
    assert load_checkpoint(path).position["step"] == STEPS_PER_EPOCH + 1
    assert not (output / "models" / "vae.npz").exists()

    run = train_and_save(config, output, resume=True, progress=False)
    assert f"Going on from {path} in epoch 2 of 3.\n" in messages.getvalue()
    assert not path.exists()
    assert run.metrics["resumed_at"] == 2
    assert json.loads((output / "metrics.json").read_text())["resumed_at"] == 2
    uninterrupted = train_and_save(config, output.with_name("other"), progress=False)
    assert uninterrupted.metrics["resumed_at"] is None
    assert_same((run.vae, run.history), (uninterrupted.vae, uninterrupted.history))
    same = ("parameters", "epochs", "kl", "active_units", "train", "validation", "samples")
    assert all(run.metrics[key] == uninterrupted.metrics[key] for key in same)


def test_without_a_checkpoint_resuming_starts_at_the_beginning(pictures, output, messages):
    run = train_and_save(tiny_config(pictures), output, resume=True, progress=False)
    path = output / "models" / "checkpoint.npz"
    assert f"There is no checkpoint {path}: training from epoch 1.\n" in messages.getvalue()
    assert len(run.history) == 3
    assert run.metrics["resumed_at"] is None


def test_without_resuming_a_training_starts_at_the_beginning(pictures, output):
    config = tiny_config(pictures)
    interrupted(config, output)
    epochs = []
    train_and_save(
        config,
        output,
        on_epoch_end=lambda vae, columns: epochs.append(len(columns["epoch"])),
        progress=False,
    )
    assert epochs == [1, 2, 3]
    assert list((output / "models").glob("*.npz")) == [output / "models" / "vae.npz"]


def test_load_or_train_goes_on(pictures, output, messages):
    config = tiny_config(pictures)
    interrupted(config, output)
    run = load_or_train(config, output, progress=False)
    assert "in epoch 2 of 3.\n" in messages.getvalue()
    assert run.metrics["resumed_at"] == 2


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"training__epochs": 4}, "training.epochs"),
        ({"model__latent_dim": 3, "training__seed": 1}, "model.latent_dim, training.seed"),
        ({"data__channels": 3}, "data.channels, the images"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_and_kept(
    pictures, output, messages, overrides, named
):
    interrupted(tiny_config(pictures), output)
    before = files_in(output)
    other = tiny_config(pictures, **overrides)
    with pytest.raises(ModelError, match=f"of another training, which differs in {named}\\."):
        train_and_save(other, output, resume=True, progress=False)
    assert files_in(output) == before
    # A training without resuming leaves it alone if it writes no checkpoint,
    assert load_or_train(other, output, progress=False).metrics["resumed_at"] is None
    models = output / "models"
    checkpoint = before[(models / "checkpoint.npz").relative_to(output)]
    assert (models / "checkpoint.npz").read_bytes() == checkpoint
    # and keeps it beside its own checkpoint if it writes one.
    interrupted(other, output)
    kept = models / "checkpoint_1.npz"
    assert f"The earlier checkpoint is kept as {kept}." in messages.getvalue()
    assert kept.read_bytes() == checkpoint
    assert load_origin(models / "checkpoint.npz")[0] == other


def test_a_damaged_checkpoint_is_refused_and_stops_no_new_training(pictures, output):
    config = tiny_config(pictures)
    interrupted(config, output)
    path = output / "models" / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"checkpoint\.npz is not a saved model, or damaged"):
        train_and_save(config, output, resume=True, progress=False)
    assert load_or_train(config, output, progress=False).metrics["resumed_at"] is None
    assert path.exists()


def test_a_checkpoint_that_lies_about_its_steps_is_refused(pictures, output):
    config = tiny_config(pictures)
    interrupted(config, output)
    path = output / "models" / "checkpoint.npz"
    state = load_checkpoint(path)
    state.position["step"] = 5
    save_checkpoint(path, state, config, load_images(config.data).fingerprint())
    with pytest.raises(ModelError, match="A state after 5 steps is not one of this training"):
        train_and_save(config, output, resume=True, progress=False)


@pytest.mark.parametrize(
    "position",
    [
        {"step": -1},
        {"step": "1"},
        {"step": None},
        {"seconds": "12"},
        {"step": True, "seconds": None},
        {"best_epoch": "x", "best_total": 1.0},
        {"best_epoch": 1},  # without its weights
        {"batches": {}},
        {"noise": {"bit_generator": "MT19937"}},
        {"noise": {"bit_generator": "PCG64", "state": {"state": -1, "inc": 2**200}}},
        {"noise": None},
    ],
    ids=repr,
)
def test_an_invalid_position_is_refused_in_one_sentence(pictures, output, position):
    config = tiny_config(pictures)
    images = load_images(config.data)
    path = output / "checkpoint.npz"
    with pytest.raises(StopHereError):
        trained(config, path, 1)
    state = load_checkpoint(path)
    state.position |= position
    save_checkpoint(path, state, config, images.fingerprint())
    with pytest.raises(ModelError, match=r"checkpoint\.npz is not a saved model"):
        load_checkpoint(path)


def test_checkpoints_are_written_at_their_interval(pictures, output, monkeypatch):
    written = []
    monkeypatch.setattr(
        "vae_nb.run.checkpoints.save_checkpoint",
        lambda path, state, *_: written.append(state.position["step"]),
    )
    clock = iter(range(1000))
    monkeypatch.setattr("vae_nb.run.checkpoints.time.monotonic", lambda: next(clock))

    def steps_of(seconds):
        written.clear()
        config = tiny_config(pictures, training__checkpoint_seconds=seconds)
        train_and_save(config, output, progress=False)
        return list(written)

    assert steps_of(0) == [2, 4, 6]  # after each epoch
    assert steps_of(2) == [2, 4, 6]  # the clock is read once a step, and once per checkpoint
    assert steps_of(1000) == []


def refuse(path, *_):
    raise FilesError(f"Cannot write {path}: No space left on device.")


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(
    pictures, output, messages, monkeypatch
):
    config = tiny_config(pictures, training__checkpoint_seconds=0)
    monkeypatch.setattr("vae_nb.run.checkpoints.save_checkpoint", refuse)
    run = train_and_save(config, output, progress=False)
    path = output / "models" / "checkpoint.npz"
    message = f"Cannot write {path}: No space left on device. The training goes on without this"
    assert messages.getvalue().count(message) == 3
    assert len(run.history) == 3


def test_an_interrupt_without_a_checkpoint_says_so(pictures, output, monkeypatch):
    monkeypatch.setattr("vae_nb.run.checkpoints.save_checkpoint", refuse)
    message = interrupted(tiny_config(pictures), output)
    assert message == "Interrupted in epoch 2 of 3; no checkpoint could be written."


def test_an_interrupt_after_the_last_step_leaves_the_model(pictures, output, monkeypatch):
    config = tiny_config(pictures)

    def measure(*_):
        os.kill(os.getpid(), signal.SIGINT)
        return {}

    monkeypatch.setattr("vae_nb.run.trained_run._measure", measure)
    path = output / "models" / "vae.npz"
    message = f"Interrupted after the training; the model is {path}."
    with pytest.raises(Interrupted, match=f"^{re.escape(message)}$"):
        train_and_save(config, output, progress=False)
    assert len(load_model(path)[1]) == 3
    assert [file.name for file in (output / "models").iterdir()] == ["vae.npz"]


def test_a_longer_training_is_not_lost_to_one_that_was_stopped(pictures, output, messages):
    config = tiny_config(pictures)
    first = train_and_save(config, output, progress=False)
    stopped = train_and_save(config, output, on_epoch_end=lambda *_: True, progress=False)
    assert len(stopped.history) == 1
    kept = output / "models" / "vae_1.npz"
    assert f"The earlier model is kept as {kept}.\n" in messages.getvalue()
    assert load_model(kept)[0].parameters.tobytes() == first.vae.parameters.tobytes()
    train_and_save(config, output, progress=False)
    assert sorted(path.name for path in kept.parent.iterdir()) == ["vae.npz", "vae_1.npz"]


def test_a_later_checkpoint_is_not_lost_to_an_earlier_one(pictures, output):
    config = tiny_config(pictures, training__checkpoint_seconds=0)
    interrupted(config, output, epochs=2)
    path = output / "models" / "checkpoint.npz"
    later = path.read_bytes()
    interrupted(config, output, epochs=1)  # not resumed
    assert path.read_bytes() == later


def test_the_best_weights_survive_a_part_without_a_callback(pictures, tmp_path):
    config = tiny_config(pictures, training__epochs=9, training__kl_warmup=0)
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(StopHereError):
        trained(config, path, 5, on_epoch_end=lambda *_: None)
    with pytest.raises(StopHereError):
        trained(config, path, 4, load_checkpoint(path))
    assert load_checkpoint(path).position["best_epoch"] is not None


def terminated_work(ends):
    with hold_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        if not ends:
            raise Interrupted("in the middle")


def test_an_ignored_signal_stays_ignored_and_a_handler_that_returns_is_heard():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with hold_signals() as held:
            os.kill(os.getpid(), signal.SIGINT)
        assert held.number is None
    finally:
        signal.signal(signal.SIGINT, before)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with pytest.raises(Interrupted):
            terminated_work(ends=False)
    finally:
        signal.signal(signal.SIGTERM, before)


# Signals


def test_signals_are_held_where_work_asks_for_them():
    heard = []
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with hold_signals(lambda: heard.append(1)) as held:
        assert held.number is None
        with hold_signals() as inner:
            os.kill(os.getpid(), signal.SIGINT)
        assert inner is held
        assert held.number == signal.SIGINT
    assert heard == [1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_in_another_thread_nothing_is_held():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with hold_signals() as held:
            seen.append((held.number, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(None, before)]


@pytest.mark.parametrize("work_ends", [True, False])
def test_sigterm_comes_when_the_work_has_ended(work_ends, messages):
    came = []

    def terminate(number, frame):  # as the command does
        came.append(number)
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with pytest.raises(SystemExit):
            terminated_work(work_ends)
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert messages.getvalue() == ("" if work_ends else "in the middle\n")


def test_a_resumed_configuration_may_lie_elsewhere(pictures, output):
    """The images may be in another folder, and checkpoints may be saved more often."""
    interrupted(tiny_config(pictures), output)
    moved = pictures.rename(pictures.with_name("moved"))
    config = tiny_config(moved, training__checkpoint_seconds=5)
    assert find_checkpoint(config, output, load_images(config.data)) is not None
    run = train_and_save(config, output, resume=True, progress=False)
    np.testing.assert_array_equal(
        load_model(output / "models" / "vae.npz")[0].parameters, run.vae.parameters
    )


# Without the weights


@pytest.fixture
def arrays_read(monkeypatch):
    """Return the list of the arrays that are read from files, the largest of a file included."""
    read_array = arrays._read_array
    names = []

    def read(archive, member):
        names.append(member.filename.removesuffix(".npy"))
        return read_array(archive, member)

    monkeypatch.setattr(arrays, "_read_array", read)
    return names


def test_how_far_a_checkpoint_is_is_read_without_its_weights(pictures, output, arrays_read):
    config = tiny_config(pictures)
    interrupted(config, output)
    arrays_read.clear()
    path = output / "models" / "checkpoint.npz"
    images = load_images(config.data)
    assert steps_and_epochs_of_checkpoint(path) == (STEPS_PER_EPOCH + 1, 1)
    assert checkpoint_epoch(config, output, images) == 2
    assert "epoch" in arrays_read
    assert not {"parameters", "moments", "best_parameters"} & set(arrays_read)
    other = tiny_config(pictures, model__latent_dim=3)
    with pytest.raises(ModelError, match="of another training"):
        checkpoint_epoch(other, output, images)


def test_a_training_beside_a_checkpoint_does_not_read_its_weights(pictures, output, arrays_read):
    config = tiny_config(pictures)
    interrupted(config, output)
    arrays_read.clear()
    train_and_save(config, output, progress=False)  # it is not resumed
    assert not {"parameters", "moments", "best_parameters"} & set(arrays_read)


def test_how_long_a_model_was_trained_is_read_without_its_weights(pictures, output, arrays_read):
    config = tiny_config(pictures)
    train_and_save(config, output, progress=False)
    path = output / "models" / "vae.npz"
    assert epochs_of_model(path) == 3
    train_and_save(config, output, progress=False)
    assert "history_epoch" in arrays_read
    assert not [name for name in arrays_read if name.endswith((".weights", ".biases"))]
    path.write_bytes(b"")
    with pytest.raises(ModelError):
        epochs_of_model(path)
