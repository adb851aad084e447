"""The notebooks' functions, pulled out of them, do what `vae_nb` does, on random inputs."""

import numpy as np
import pytest
from notebook_code import functions_of

import vae_nb
from vae_nb import exercises

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


# --- 05 · Reconstruct ---


# --- 06 · The latent space ---


# --- 07 · Read the loss curves ---


def laboratory_07(last_activation="cosh"):
    """The notebook's functions, and a small VAE of its laboratory in float64, with its pictures."""
    layers = [{"units": 12, "activation": "relu"}, {"units": 6, "activation": "relu"}]
    functions = functions_of("07", LABELS=["heart"], LAYERS=layers, lab_train=None)
    config = functions["laboratory"](last_activation, latent_dim=3)
    rng = np.random.default_rng(7)
    vae = vae_nb.VAE(config.model, (4, 5, 1), rng, np.float64)
    x, z = rng.random((8, 20)), rng.normal(size=(8, 3))
    vae.center_on(x.mean(axis=0))
    return functions, vae, x, z


def test_07_gradient_at_z():
    functions, vae, x, z = laboratory_07()
    by_hand = functions["gradient_at_z"](vae, x, z)
    numeric = vae_nb.central_differences(
        lambda: float(vae_nb.bernoulli_loss(vae.decode_logits(z), x).sum()), z
    )
    np.testing.assert_allclose(by_hand.ravel(), numeric, rtol=1e-6, atol=1e-8)


def test_07_the_historic_start_kills_the_gradient_and_no_other_does():
    functions, vae, x, z = laboratory_07()
    gradient = functions["gradient_at_z"]
    passed = np.linalg.norm(gradient(vae, x, z))
    encoder = vae.layers["encoder_1"].weights.copy()
    functions["start_at_zero"](vae)
    assert 0 < np.linalg.norm(gradient(vae, x, z)) < passed / 1000
    np.testing.assert_array_equal(vae.layers["encoder_1"].weights, encoder)
    vae.layers["decoder_2"].biases[:] = 1  # the cure: there the layer has a slope
    assert np.linalg.norm(gradient(vae, x, z)) > passed / 1000


def test_07_the_laboratory_departs_from_the_defaults_only_where_it_says():
    functions, *_ = laboratory_07()
    config, default = functions["laboratory"](), vae_nb.load_config(None)
    training = dict(vars(default.training), epochs=60, learning_rate=0.002, kl_weight=1.0)
    assert vars(config.training) == training
    changed = functions["laboratory"]("cosh", batch_size=2, kl_warmup=0, seed=5)
    assert [layer.activation for layer in changed.model.decoder_layers] == ["relu", "cosh"]
    assert (changed.data.batch_size, changed.training.kl_warmup, changed.training.seed) == (2, 0, 5)


@every_seed
def test_07_measure(seed):
    """The notebook's measures are those that `vae_nb.evaluate` reports."""
    functions, vae, *_ = laboratory_07()
    images = vae_nb.load_images(functions["laboratory"]().data).select(slice(seed, seed + 9))
    train_set, held_out = images.select(slice(6)), images.select(slice(6, 9))
    model = functions["laboratory"]("relu", latent_dim=4).model
    vae = vae_nb.VAE(model, images.image_shape, np.random.default_rng(seed))
    functions["measure"].__globals__["lab_validation"] = held_out
    measured = functions["measure"](vae, train_set)
    reported = vae_nb.evaluate(vae, train_set, held_out, seed)
    assert measured["kl"] == pytest.approx(reported["kl"])
    assert measured["active"] == reported["active_units"]
    assert measured["excess"] == pytest.approx(reported["train"]["excess"])
    assert measured["held_out_excess"] == pytest.approx(reported["validation"]["excess"])


def test_07_evidence_is_what_the_exercise_asks_for():
    """The procedure on the recorded courses, by the notebook's numbers: every illness is found."""
    evidence = functions_of("07", lab_train=None)["evidence"]
    for illness in exercises._COURSES:
        row = evidence(*exercises._course(illness))
        found = (
            "collapsed" if row["KL"] < 0.1
            else "unstable" if row["late jumps"]
            else "KL weight too large" if row["KL"] < row["log n"]
            else "overfitted" if row["held-out rise"] > 0.01 and row["training fell"]
            else "healthy"
        )  # fmt: skip
        assert found == illness


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
