"""The training loop, on tiny random images."""

import math
import re
import tracemalloc

import numpy as np
import pytest
from checks import model_config

import vae_nb.core.blocks
import vae_nb.core.training
from vae_nb.core.metrics import kl_per_dimension, negative_elbo, reconstruction_quality
from vae_nb.core.model import VAE
from vae_nb.core.optimizers import clip_scale
from vae_nb.core.random_streams import PURPOSES, random_stream
from vae_nb.core.schedules import kl_weight_at, learning_rate_at
from vae_nb.core.training import HISTORY_COLUMNS, EarlyStopping, Trainer, train
from vae_nb.data.config import load_config
from vae_nb.data.image_set import ImageSet
from vae_nb.system.errors import ModelError, TrainingDiverged

SHAPE = (4, 4, 1)


# The tests reckon with these, whatever the defaults are.
BASE = {
    "kl_weight": 1,
    "kl_warmup": 0.3,
    "gradient_clip_norm": None,
    "learning_rate_schedule": "cosine",
    "warmup_steps": 100,
}


def training_config(**overrides):
    """The training section of a configuration; `__` stands for a dot."""
    values = BASE | overrides
    keys = {f"training.{key.replace('__', '.')}": value for key, value in values.items()}
    return load_config(overrides=keys).training


def image_set(count, seed=0, shape=SHAPE):
    """Images of two kinds, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    kinds = np.random.default_rng(99).integers(0, 200, (2, *shape))
    pixels = kinds[rng.integers(0, 2, count)] + rng.integers(0, 56, (count, *shape))
    names = tuple(f"image_{number}" for number in range(count))
    return ImageSet(pixels.astype(np.uint8), names, ("all",) * count)


SETS = image_set(10), image_set(4, seed=1)


def small_vae(seed=0, latent_dim=3, activation="tanh"):
    config = model_config([(6, activation)], [(6, activation)], latent_dim)
    return VAE(config, SHAPE, random_stream(seed, "weights"))


def train_small(vae, sets=SETS, batch_size=4, on_epoch_end=None, **overrides):
    training = training_config(**overrides)
    return train(vae, *sets, training, batch_size, on_epoch_end=on_epoch_end, progress=False)


# Schedules


def test_learning_rate_warms_up_and_falls_along_a_cosine():
    training = training_config(learning_rate=0.1, warmup_steps=4)
    rates = [learning_rate_at(step, 100, training) for step in (0, 1, 3, 4, 28, 52, 76, 99)]
    quarter = 0.05 * (1 + math.sqrt(0.5))
    end = 0.05 * (1 + math.cos(math.pi * 95 / 96))
    np.testing.assert_allclose(rates, [0.025, 0.05, 0.1, 0.1, quarter, 0.05, 0.1 - quarter, end])


def test_learning_rate_stays_where_it_is_constant():
    training = training_config(learning_rate=0.1, warmup_steps=4, learning_rate_schedule="constant")
    rates = [learning_rate_at(step, 100, training) for step in (0, 3, 4, 99)]
    np.testing.assert_allclose(rates, [0.025, 0.1, 0.1, 0.1])


@pytest.mark.parametrize(("warmup_steps", "total_steps"), [(0, 50), (100, 9), (100, 1)])
def test_without_warm_up_or_with_few_steps_the_first_step_has_the_full_rate(
    warmup_steps, total_steps
):
    training = training_config(learning_rate=0.1, warmup_steps=warmup_steps)
    assert learning_rate_at(0, total_steps, training) == 0.1


def test_warm_up_takes_at_most_a_tenth_of_a_short_training():
    training = training_config(learning_rate=0.1, warmup_steps=100)
    rates = [learning_rate_at(step, 40, training) for step in range(5)]
    np.testing.assert_allclose(rates[:4], [0.025, 0.05, 0.075, 0.1])
    assert rates[4] == 0.1  # the cosine starts there


def test_kl_weight_rises_linearly_and_stays():
    training = training_config(kl_weight=4, kl_warmup=0.3)
    weights = [kl_weight_at(step, 100, training) for step in (0, 15, 29, 30, 31, 99)]
    np.testing.assert_allclose(weights, [0, 2, 4 * 29 / 30, 4, 4, 4])
    assert weights[3:] == [4, 4, 4]  # exactly: early stopping compares
    at_once = training_config(kl_weight=4, kl_warmup=0)
    assert kl_weight_at(0, 100, at_once) == 4


def test_clip_scale_bounds_the_norm():
    assert clip_scale(5.0, None) == 1
    assert clip_scale(5.0, 5.0) == 1
    assert clip_scale(5.0, 50.0) == 1
    assert clip_scale(5.0, 1.0) == 0.2
    assert clip_scale(0.0, 1.0) == 1


# The loop


def test_same_seed_same_bits_with_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", 16)
    trained = []
    for threads in (1, 2, 4):
        libraries = [{"num_threads": threads}]
        monkeypatch.setattr(vae_nb.core.blocks, "blas_libraries", lambda found=libraries: found)
        vae = small_vae()
        history = train_small(vae, epochs=20, learning_rate=0.01, gradient_clip_norm=1.0)
        trained.append((vae.parameters, *history.columns.values()))
    for others in trained[1:]:
        for one, other in zip(trained[0], others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_same_seed_same_bits_other_seed_others():
    def run(seed, **overrides):
        vae = small_vae(seed)
        history = train_small(vae, seed=seed, epochs=3, **overrides)
        return vae.parameters.tobytes(), [history[c].tolist() for c in HISTORY_COLUMNS]

    assert run(0) == run(0)
    assert run(0)[0] != run(1)[0]
    weights = small_vae().parameters.tobytes()
    assert weights == small_vae().parameters.tobytes() != small_vae(1).parameters.tobytes()


def test_streams_of_one_seed_are_independent():
    draws = {purpose: random_stream(0, purpose).random(4) for purpose in PURPOSES}
    assert len({values.tobytes() for values in draws.values()}) == len(PURPOSES)
    np.testing.assert_array_equal(random_stream(0, "noise").random(4), draws["noise"])
    assert np.all(random_stream(1, "noise").random(4) != draws["noise"])


def test_the_loss_falls():
    vae = small_vae()
    vae.center_on(SETS[0].mean_image())
    before = reconstruction_quality(vae, SETS[0])["mse"]
    history = train_small(vae, epochs=150, learning_rate=0.01, kl_weight=0.1)
    # An epoch's kl weight differs from another's in the warm-up: the reconstruction is the same.
    assert history["train_reconstruction"][-1] < history["train_reconstruction"][0] - 0.3
    assert history["validation_reconstruction"][-1] < history["validation_reconstruction"][0] - 0.3
    assert reconstruction_quality(vae, SETS[0])["mse"] < before / 3


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_every_optimizer_trains(optimizer):
    vae = small_vae()
    history = train_small(
        vae, epochs=100, learning_rate=0.01, kl_weight=0.1, optimizer__type=optimizer
    )
    assert history["train_reconstruction"][-1] < history["train_reconstruction"][0] - 0.2


def test_one_step_by_hand():
    """One epoch of one batch of plain gradient descent, clipped, is one line."""
    vae, twin = small_vae(latent_dim=1), small_vae(latent_dim=1)
    training = {"kl_weight": 2, "kl_warmup": 0, "learning_rate": 0.1, "gradient_clip_norm": 0.05}
    train_small(vae, batch_size=10, epochs=1, optimizer={"type": "sgd", "beta1": 0}, **training)
    twin.center_on(SETS[0].mean_image())
    (x,) = SETS[0].batches(10, random_stream(0, "batches"))
    twin.loss_and_gradients(x, random_stream(0, "noise").standard_normal((10, 1), np.float32), 2)
    norm = np.linalg.norm(twin.gradients)
    assert norm > 0.05
    twin.parameters -= 0.1 * 0.05 / norm * twin.gradients
    np.testing.assert_allclose(vae.parameters, twin.parameters, rtol=1e-5, atol=1e-7)


def test_history_has_its_columns():
    vae = small_vae()
    sets = image_set(10), image_set(4, seed=1)
    history = train_small(
        vae, sets, epochs=5, kl_weight=4, kl_warmup=0.5, warmup_steps=0, learning_rate=0.01
    )
    assert tuple(history.columns) == HISTORY_COLUMNS
    assert len(history) == 5
    np.testing.assert_array_equal(history["epoch"], [1, 2, 3, 4, 5])
    # 3 steps in an epoch, 15 in all; what is recorded is the epoch's last step's.
    steps = np.array([2, 5, 8, 11, 14])
    np.testing.assert_allclose(history["kl_weight"], np.minimum(4, 4 * steps / 7.5))
    np.testing.assert_allclose(history["learning_rate"], 0.005 * (1 + np.cos(np.pi * steps / 15)))
    np.testing.assert_allclose(
        history["validation_total"],
        history["validation_reconstruction"] + history["kl_weight"] * history["validation_kl"],
    )
    assert history.saved_epoch == 5
    assert history.seconds > 0
    noise = random_stream(0, "validation").standard_normal((4, 3), np.float32)
    final = negative_elbo(vae, sets[1], noise[:, final_order(vae, sets, noise, history)])
    np.testing.assert_allclose(
        final,
        (history["validation_reconstruction"][-1], history["validation_kl"][-1]),
        rtol=1e-5,
    )


def final_order(vae, sets, noise, history):
    """The order that the latent dimensions were put into, found by trying all."""
    import itertools

    orders = [list(order) for order in itertools.permutations(range(noise.shape[1]))]
    target = history["validation_reconstruction"][-1]
    return min(orders, key=lambda o: abs(negative_elbo(vae, sets[1], noise[:, o])[0] - target))


def test_training_losses_are_means_over_images_whatever_the_batches(monkeypatch):
    sizes, losses = [], []
    original = VAE.loss_and_gradients

    def spy(self, x, *arguments):
        loss = original(self, x, *arguments)
        sizes.append(len(x))
        losses.append(loss)
        return loss

    monkeypatch.setattr(VAE, "loss_and_gradients", spy)
    history = train_small(small_vae(), epochs=1)
    assert sizes == [4, 4, 2]
    np.testing.assert_allclose(
        [history[f"train_{part}"][0] for part in ("total", "reconstruction", "kl")],
        np.average(losses, axis=0, weights=sizes),
    )


def test_latent_dimensions_are_sorted_by_kl_at_the_end():
    seen = []

    def remember(vae, columns):
        seen[:] = [kl_per_dimension(vae, SETS[0])]

    for seed in range(20):  # until the initial order is another
        vae = small_vae(seed, latent_dim=4)
        train_small(vae, epochs=2, on_epoch_end=remember, seed=seed)
        kl = kl_per_dimension(vae, SETS[0])
        np.testing.assert_array_equal(kl, sorted(kl, reverse=True))
        np.testing.assert_allclose(kl, sorted(seen[0], reverse=True), rtol=1e-4)
        if not np.array_equal(seen[0], sorted(seen[0], reverse=True)):
            return
    raise AssertionError("no training needed sorting")


def test_callback_is_called_after_each_epoch_with_the_columns_so_far():
    calls = []
    vae = small_vae()

    def remember(its_vae, columns):
        assert its_vae is vae
        calls.append({column: list(values) for column, values in columns.items()})

    history = train_small(vae, epochs=3, on_epoch_end=remember)
    assert [call["epoch"] for call in calls] == [[1], [1, 2], [1, 2, 3]]
    assert calls[-1] == {column: values.tolist() for column, values in history.columns.items()}


def test_without_progress_nothing_is_printed(capfd):
    train_small(small_vae(), epochs=2)
    assert capfd.readouterr() == ("", "")


def test_progress_shows_the_losses(capfd):
    train(small_vae(), *SETS, training_config(epochs=2), 4)
    out, err = capfd.readouterr()
    assert re.search(r"Training: 100%.*2/2.*loss \d+, held-out \d+ nats", out + err)


# Early stopping


def stub_validation(monkeypatch, reconstructions):
    """Validation losses made up, one for each epoch, with a KL of 1."""
    sequence = iter(reconstructions)
    monkeypatch.setattr(vae_nb.core.training, "negative_elbo", lambda *_: (next(sequence), 1.0))


def stopped(monkeypatch, reconstructions, **overrides):
    """History, the parameters after each epoch and at the end; one latent dimension, so that
    sorting moves nothing."""
    stub_validation(monkeypatch, reconstructions)
    parameters = []
    vae = small_vae(latent_dim=1)
    history = train_small(
        vae,
        epochs=len(reconstructions),
        on_epoch_end=lambda vae, _: parameters.append(vae.parameters.copy()),
        **overrides,
    )
    return history, parameters, vae.parameters


def test_early_stopping_waits_for_its_patience_and_restores_the_best(monkeypatch):
    losses = [9, 8, 7, 7.5, 6, 6.5, 6.2, 6, 5, 4]  # a loss as good as the best is no better
    history, parameters, final = stopped(
        monkeypatch, losses, early_stopping_patience=3, kl_warmup=0
    )
    assert len(history) == 8
    assert history.saved_epoch == 5
    np.testing.assert_array_equal(final, parameters[4])
    assert not np.array_equal(final, parameters[7])


def test_early_stopping_that_never_stops_still_restores_the_best(monkeypatch):
    history, parameters, final = stopped(
        monkeypatch, [9, 5, 7, 6], early_stopping_patience=3, kl_warmup=0
    )
    assert (len(history), history.saved_epoch) == (4, 2)
    np.testing.assert_array_equal(final, parameters[1])


def test_early_stopping_is_not_judged_before_the_kl_warm_up_ends(monkeypatch):
    # 10 epochs of 3 steps; the weight is full from step 15 on, in the sixth epoch.
    losses = [1, 2, 3, 4, 5, 9, 8, 8.5, 8.6, 0]
    history, parameters, final = stopped(
        monkeypatch, losses, early_stopping_patience=2, kl_warmup=0.5
    )
    assert np.flatnonzero(history["kl_weight"] == 1)[0] == 5
    assert (len(history), history.saved_epoch) == (9, 7)
    np.testing.assert_array_equal(final, parameters[6])


def test_early_stopping_is_never_judged_where_the_warm_up_is_the_whole_training(monkeypatch):
    history, parameters, final = stopped(
        monkeypatch, [1, 2, 3, 4], early_stopping_patience=1, kl_warmup=1
    )
    assert (len(history), history.saved_epoch) == (4, 4)
    np.testing.assert_array_equal(final, parameters[-1])


def test_without_early_stopping_the_last_weights_stay(monkeypatch):
    history, parameters, final = stopped(monkeypatch, [1, 2, 3, 4], kl_warmup=0)
    assert (len(history), history.saved_epoch) == (4, 4)
    np.testing.assert_array_equal(final, parameters[-1])


# Divergence: one sentence, and none of NumPy's warnings, which are errors here


def diverge(vae, **overrides):
    with pytest.raises(TrainingDiverged) as caught:
        train_small(vae, **overrides)
    message = str(caught.value)
    pattern = (
        r"Training diverged at step (\d+) \(epoch (\d+)\): the loss is (nan|-?inf), and largest was"
        r" the output of layer (\w+) \((\w+)\), (\S+|more than the dtype can hold)\. "
        r"Lower training\.learning_rate, now (\S+), or limit the gradient with "
        r"training\.gradient_clip_norm \((.+)\)\. What was saved before is kept\."
    )
    match = re.fullmatch(pattern, message)
    assert match, message
    return match.groups()


# A step of Adam is bounded by the rate, whatever the gradient: what it brings down is cosh.
@pytest.mark.parametrize(
    ("activation", "optimizer"),
    [("cosh", "adam"), *((name, "sgd") for name in ("cosh", "relu", "linear", "tanh"))],
)
def test_a_rate_too_high_is_told_in_a_sentence(activation, optimizer, monkeypatch):
    steps = 0
    original = VAE.loss_and_gradients

    def count(*arguments):
        nonlocal steps
        steps += 1
        return original(*arguments)

    monkeypatch.setattr(VAE, "loss_and_gradients", count)
    vae = small_vae(activation=activation)
    step, epoch, _, layer, name, _, rate, clip = diverge(
        vae, learning_rate=10, epochs=200, optimizer__type=optimizer, warmup_steps=0
    )
    assert int(step) == steps
    assert int(epoch) == math.ceil(steps / 3)
    assert vae.layers[layer].activation_name == name
    assert (rate, clip) == ("10", "set it, for example to 50")


def test_the_layer_that_ran_away_is_named():
    vae = small_vae(activation="cosh")

    def break_it(vae, columns):
        if columns["epoch"][-1] == 2:
            vae.layers["decoder_1"].weights[:] = 1e3

    with pytest.raises(TrainingDiverged, match=r"step 7 \(epoch 3\).*layer decoder_1 \(cosh\)"):
        train_small(vae, epochs=5, on_epoch_end=break_it)


def test_a_last_step_that_diverges_is_seen_by_the_validation():
    step, epoch, *_ = diverge(
        small_vae(activation="linear"),
        batch_size=10,
        epochs=1,
        learning_rate=10,
        optimizer__type="sgd",
        kl_weight=1e30,
        kl_warmup=0,
    )
    assert (step, epoch) == ("1", "1")


def test_a_loss_that_is_finite_until_it_is_summed_ends_in_the_sentence_alone():
    vae = small_vae()
    vae.mean_head.biases[:] = 0.75  # a KL of about 0.84: times the weight, just finite
    diverge(vae, kl_weight=1.7e308, kl_warmup=0, gradient_clip_norm=50.0)


def test_the_remedy_names_the_clip_norm_that_is_set():
    vae = small_vae()
    vae.parameters[:] = np.nan
    *_, size, _, clip = diverge(vae, gradient_clip_norm=50, epochs=1)
    assert (size, clip) == ("more than the dtype can hold", "lower it, now 50")


# Ending early


def test_a_callback_ends_the_training_and_the_best_epoch_is_kept():
    vae, weights = small_vae(), []

    def stop_after_nine(vae, columns):
        weights.append(np.sort(vae.parameters))
        return len(weights) == 9

    settings = {"epochs": 500, "kl_warmup": 0, "learning_rate": 0.05}
    history = train_small(vae, on_epoch_end=stop_after_nine, **settings)
    best = int(np.argmin(history["validation_total"]))
    assert len(history) == 9
    assert history.saved_epoch == best + 1 < 9  # else the test would show nothing
    assert np.array_equal(np.sort(vae.parameters), weights[best])


def test_before_the_warm_up_ends_there_is_no_best_and_the_last_epoch_is_kept():
    vae = small_vae()
    history = train_small(vae, on_epoch_end=lambda vae, columns: True, epochs=50, kl_warmup=0.5)
    assert len(history) == history.saved_epoch == 1


@pytest.mark.parametrize("yes", [True, np.bool_(True)], ids=["Python's", "NumPy's"])
def test_true_ends_the_training(yes):
    history = train_small(small_vae(), on_epoch_end=lambda vae, columns: yes, epochs=3)
    assert len(history) == 1


@pytest.mark.parametrize("no", [False, np.bool_(False), None, 1, "a film"], ids=repr)
def test_anything_else_does_not(no):
    history = train_small(small_vae(), on_epoch_end=lambda vae, columns: no, epochs=3)
    assert len(history) == history.saved_epoch == 3


# A trainer without the loop around it, and a model that is trained further


def test_a_trainer_takes_the_steps_of_train_and_neither_centers_nor_reorders():
    by_loop, by_hand = small_vae(), small_vae()
    history = train_small(by_loop, epochs=3, learning_rate=0.05)
    by_hand.center_on(SETS[0].mean_image())
    trainer = Trainer(by_hand, *SETS, training_config(epochs=3, learning_rate=0.05), 4)
    for epoch in (1, 2, 3):
        assert trainer.epoch == epoch
        for x in trainer.batches():
            trainer.step(x)
        assert not trainer.validate()
    for column in HISTORY_COLUMNS:
        np.testing.assert_array_equal(history[column], trainer.columns[column], column)
    kl = kl_per_dimension(by_hand, SETS[0])
    by_hand.reorder_latent(np.argsort(-kl, kind="stable"))
    np.testing.assert_array_equal(by_loop.parameters, by_hand.parameters)


def test_a_trainer_does_not_center():
    vae = small_vae()
    trainer = Trainer(vae, *SETS, training_config(epochs=1), 4)
    for x in trainer.batches():
        trainer.step(x)
    assert not vae.is_centered


def test_a_trained_model_is_trained_further():
    """What its output biases had learned is not overwritten by another centering."""
    vae = small_vae()
    train_small(vae, epochs=100, learning_rate=0.01, kl_weight=0.1)
    before = vae.parameters.copy()
    mean_image = vae.mean_image.copy()
    others = image_set(10, seed=5), SETS[1]
    # Adam's first step changes each parameter by at most the learning rate.
    train_small(vae, others, batch_size=10, epochs=1, learning_rate=1e-6, warmup_steps=0)
    np.testing.assert_allclose(np.sort(vae.parameters), np.sort(before), rtol=0, atol=1.1e-6)
    np.testing.assert_array_equal(vae.mean_image, mean_image)


def test_early_stopping_keeps_the_best_and_counts_its_patience():
    parameters = np.zeros(2)
    stopping = EarlyStopping(parameters, patience=2)
    answers = []
    for epoch, total in enumerate([5.0, 4.0, 4.0, 4.5], start=1):
        parameters[:] = epoch
        answers.append(stopping.update(total, epoch, parameters))
    assert answers == [False, False, False, True]
    assert (stopping.best_total, stopping.best_epoch) == (4.0, 2)
    np.testing.assert_array_equal(stopping.best_parameters, 2)


# Memory


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_step_allocates_nothing_of_the_size_of_the_parameters(optimizer, monkeypatch):
    monkeypatch.setattr(vae_nb.core.blocks, "BLOCK", 4096)  # a small model, and smaller blocks
    shape = (16, 16, 3)
    vae = VAE(model_config([(256, "relu")], [(256, "cosh")]), shape, np.random.default_rng(0))
    layer_bytes = vae.layers["encoder_1"].weights.nbytes
    sets = image_set(4, shape=shape), image_set(2, 1, shape)
    peaks = []

    def measure(vae, columns):
        if columns["epoch"][-1] == 1:
            tracemalloc.start()
        else:
            peaks.append(tracemalloc.get_traced_memory()[1])

    try:
        train_small(
            vae,
            sets,
            batch_size=2,
            epochs=3,
            on_epoch_end=measure,
            gradient_clip_norm=1.0,
            optimizer__type=optimizer,
        )
    finally:
        tracemalloc.stop()
    assert len(peaks) == 2
    assert max(peaks) < layer_bytes / 4


def test_an_optimizer_that_does_not_fit_into_memory_is_one_sentence(monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(vae_nb.core.training, "make_optimizer", no_memory)
    with pytest.raises(ModelError, match=r"^There is not enough memory to train a model of \d+ "):
        train_small(small_vae())


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_weight_decay_makes_the_weights_smaller(optimizer):
    norms = []
    for weight_decay in (0, 0.5):
        vae = small_vae()
        settings = {"optimizer__type": optimizer, "weight_decay": weight_decay}
        train_small(vae, epochs=100, learning_rate=0.01, **settings)
        norms.append(np.linalg.norm(vae.layers["encoder_1"].weights))
    assert norms[1] < 0.9 * norms[0]
