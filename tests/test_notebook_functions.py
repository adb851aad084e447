"""The notebooks' functions, pulled out of them, do what `vae_nb` does, on random inputs."""

import numpy as np
import pytest
from notebook_code import functions_of

import vae_nb

SEEDS = range(3)

every_seed = pytest.mark.parametrize("seed", SEEDS)


# --- 01 · Load the emojis ---


# --- 02 · Build a VAE from NumPy ---


@every_seed
def test_02_reparameterization(seed):
    rng = np.random.default_rng(seed)
    mean, log_variance, noise = rng.normal(size=(3, 6, 4))
    by_hand = functions_of("02")["reparameterize"](mean, log_variance, noise)
    np.testing.assert_allclose(by_hand, vae_nb.reparameterize(mean, log_variance, noise))


# --- 03 · The loss and its gradient ---


# --- 04 · Train ---


def textbook_walk(name, parameters, gradients, rates, settings):
    """The parameters after some steps with the notebook's optimiser and with the module's."""
    by_hand = functions_of("04", EPOCHS=20)[f"Textbook{name}"](parameters.copy(), **settings)
    module = getattr(vae_nb, name)(parameters.copy(), **settings)
    for gradient, rate in zip(gradients, rates, strict=True):
        by_hand.update(gradient, rate)
        module.update(gradient, rate)
    return by_hand, module


@every_seed
def test_04_adam(seed):
    rng = np.random.default_rng(seed)
    settings = {"beta1": rng.uniform(0, 0.95), "beta2": rng.uniform(0.95, 1), "epsilon": 1e-3}
    gradients, rates = rng.normal(size=(30, 7)), rng.uniform(0, 0.1, 30)
    by_hand, module = textbook_walk("Adam", rng.normal(size=7), gradients, rates, settings)
    np.testing.assert_allclose(by_hand.parameters, module.parameters, rtol=1e-9)
    first, second = module.moments
    np.testing.assert_allclose(by_hand.first_moment, first * (1 - settings["beta1"]), rtol=1e-9)
    np.testing.assert_allclose(by_hand.second_moment, second * (1 - settings["beta2"]), rtol=1e-9)


@every_seed
def test_04_sgd(seed):
    rng = np.random.default_rng(seed)
    gradients, rates = rng.normal(size=(30, 7)), rng.uniform(0, 0.1, 30)
    settings = {"momentum": rng.uniform(0, 0.95)}
    by_hand, module = textbook_walk("SGD", rng.normal(size=7), gradients, rates, settings)
    np.testing.assert_allclose(by_hand.parameters, module.parameters, rtol=1e-9)
    np.testing.assert_allclose(by_hand.velocity, module.velocity, rtol=1e-9)


@every_seed
@pytest.mark.parametrize("rule", ["momentum", "adam"])
def test_04_the_valleys_rules_are_the_modules(rule, seed):
    rng = np.random.default_rng(seed)
    start, rate = rng.normal(size=2), rng.uniform(0.001, 0.1)
    parameters = start.copy()
    optimizer = {"momentum": vae_nb.SGD, "adam": vae_nb.Adam}[rule](parameters)
    take = functions_of("04", EPOCHS=20)[rule](rate)
    place = start.copy()
    for t in range(1, 31):
        gradient = rng.normal(size=2)
        place = place - take(gradient, t)
        optimizer.update(gradient, rate)
    np.testing.assert_allclose(place, parameters, rtol=1e-9)


@every_seed
def test_04_schedules_and_clipping(seed):
    rng = np.random.default_rng(seed)
    functions = functions_of("04", EPOCHS=20)
    for schedule in ("cosine", "constant"):
        overrides = {
            "training.learning_rate_schedule": schedule,
            "training.warmup_steps": int(rng.integers(0, 200)),
            "training.kl_warmup": float(rng.choice([0, rng.uniform()])),
            "training.kl_weight": float(rng.uniform(0.1, 10)),
        }
        training = vae_nb.load_config(None, overrides).training
        total_steps = int(rng.integers(1, 1000))
        for step in range(0, total_steps, 7):
            for name in ("learning_rate", "kl_weight"):
                found = functions[f"{name}_by_hand"](step, total_steps, training)
                expected = getattr(vae_nb, f"{name}_at")(step, total_steps, training)
                assert found == pytest.approx(expected)
    for norm, clip_norm in rng.uniform(0.1, 10, (20, 2)):
        assert functions["clip_by_hand"](norm, clip_norm) == vae_nb.clip_scale(norm, clip_norm)


def discs_and_config(**training):
    """The notebook's toy: its pictures, a configuration, and a new network for it."""
    config = vae_nb.load_config(
        None,
        {
            "data.input_size": [12, 12],
            "model.latent_dim": 2,
            "model.encoder_layers": [{"units": 5, "activation": "relu"}],
            **{f"training.{key}": value for key, value in training.items()},
        },
    )
    sets = functions_of("04", EPOCHS=20)["discs"](12, seed=training["seed"]).split(0.25, seed=0)
    weights = vae_nb.random_stream(training["seed"], "weights")
    return config.training, sets, vae_nb.VAE(config.model, (12, 12, 3), weights)


@pytest.mark.parametrize("seed", range(10))
def test_04_best_epoch(seed, monkeypatch):
    """Random held-out totals, with many that are equal, and a KL warm-up."""
    rng = np.random.default_rng(seed)
    training, sets, vae = discs_and_config(
        epochs=15,
        early_stopping_patience=int(rng.integers(1, 5)),
        kl_warmup=float(rng.choice([0, rng.uniform(0, 0.6)])),
        seed=seed,
    )
    totals = rng.integers(400, 410, 15).astype(float)
    left = iter(totals)
    monkeypatch.setattr("vae_nb.training.negative_elbo", lambda *_: (next(left), 0.0))
    history = vae_nb.train(vae, *sets, training, progress=False)
    weights = [*history["kl_weight"], *[training.kl_weight] * (15 - len(history))]
    found = functions_of("04", EPOCHS=20)["best_epoch_by_hand"](
        totals, weights, training.kl_weight, training.early_stopping_patience
    )
    assert found == (history.saved_epoch, len(history))


@every_seed
@pytest.mark.parametrize("clip_norm", [None, 3.0])
def test_04_training_loop(clip_norm, seed):
    settings = {"epochs": 4, "gradient_clip_norm": clip_norm, "seed": seed}
    training, sets, module = discs_and_config(**settings)
    history = vae_nb.train(module, *sets, training, batch_size=4, progress=False)
    _, _, vae = discs_and_config(**settings)
    by_hand = functions_of("04", EPOCHS=20)["train_by_hand"]
    with vae_nb.worker_threads():
        totals = by_hand(vae, sets[0], training, batch_size=4)
    assert np.array_equal(totals, history["train_total"])
    vae.reorder_latent(np.argsort(-vae_nb.kl_per_dimension(vae, sets[0]), kind="stable"))
    assert np.array_equal(vae.parameters, module.parameters)


@every_seed
def test_04_the_film_keeps_first_and_last_and_changes_no_bit(seed):
    training, sets, watched = discs_and_config(epochs=30, seed=seed)
    film = functions_of("04", EPOCHS=20)["Film"](
        sets[0].as_float(), 100, most=6
    )  # it would go on to 100
    vae_nb.train(watched, *sets, training, on_epoch_end=film, progress=False)
    _, _, vae = discs_and_config(epochs=30, seed=seed)
    vae_nb.train(vae, *sets, training, progress=False)
    assert np.array_equal(watched.parameters, vae.parameters)
    assert list(film.pictures) == [1, 3, 6, 16, 30]
    assert all(pictures.dtype == np.uint8 for pictures in film.pictures.values())
    np.testing.assert_allclose(film.pictures[30], 255 * vae.reconstruct(film.x), atol=0.51)


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
