"""The program that grows in notebooks 02 to 04: its snapshots, and that it agrees with vae_nb."""

import ast
import linecache

import numpy as np
import pytest
from notebook_code import CORE, read

import vae_nb
from vae_nb.run.program import SNAPSHOTS, load_program, save_program

BEFORE = {"02": None, "03": "02", "04": "03"}  # the notebook whose program each one adds to
HIDDEN, LATENT, PIXELS, BATCH = 7, 3, 4 * 4 * 3, 5


def pieces_of(number):
    """Define what a notebook saves as its cells do, and return it in the order of its last cell."""
    (path,) = [path for path in CORE if path.name.startswith(number)]
    namespace = {"np": np}
    if BEFORE[number] is not None:
        namespace |= vars(load_program(BEFORE[number], "/nowhere"))
    saved = []
    for cell in read(path).cells:
        if cell.cell_type != "code":
            continue
        nodes = ast.parse(cell.source).body
        definitions = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        linecache.cache[cell.id] = (1, None, cell.source.splitlines(keepends=True), cell.id)
        exec(compile(ast.Module(definitions, []), cell.id, "exec"), namespace)
        if "save_program(" in cell.source:
            (names,) = [n.elts for node in nodes for n in ast.walk(node) if isinstance(n, ast.List)]
            saved = [namespace[name.id] for name in names]
    return saved


@pytest.fixture
def program(tmp_path):
    """The finished program, as it comes with the series."""
    return load_program("04", tmp_path)


def random_vae(program, seed, kl_weight=1.0):
    """A small model of the program with random weights and biases, and a batch for it."""
    rng = np.random.default_rng(seed)
    vae = program.VAE(rng.random(PIXELS), HIDDEN, LATENT, rng, kl_weight)
    for layer in vae.layers:
        layer.biases += rng.standard_normal(layer.biases.size)
    return vae, rng.random((BATCH, PIXELS)), rng.standard_normal((BATCH, LATENT))


def as_module(vae):
    """The same model as a `vae_nb.VAE`."""
    config = vae_nb.load_config(
        None,
        {
            "data.input_size": [4, 4],
            "model.latent_dim": LATENT,
            "model.encoder_layers": [{"units": HIDDEN, "activation": "tanh"}],
        },
    )
    module = vae_nb.VAE(config.model, config.data.image_shape, dtype=np.float64)
    module.mean_image[:] = vae.mean_image
    for theirs, mine in zip(module.layers.values(), vae.layers, strict=True):
        theirs.weights[:] = mine.weights
        theirs.biases[:] = mine.biases
    return module


@pytest.mark.parametrize("step", BEFORE)
def test_a_snapshot_is_what_its_notebook_saves(step, tmp_path):
    """Without a program of the reader's own, a notebook builds on the snapshot before it."""
    path = save_program(step, pieces_of(step), tmp_path, BEFORE[step])
    snapshot = SNAPSHOTS / path.name
    assert path.read_text(encoding="utf-8") == snapshot.read_text(encoding="utf-8")


@pytest.mark.parametrize("linear", [False, True])
def test_the_layer_is_the_module_s(program, linear):
    rng = np.random.default_rng(0)
    mine = program.Dense(4, 3, rng, linear)
    mine.biases[:] = rng.standard_normal(3)
    theirs = vae_nb.Dense(mine.weights, mine.biases, "linear" if linear else "tanh")
    x, gradient = rng.standard_normal((5, 4)), rng.standard_normal((5, 3))
    np.testing.assert_allclose(mine.forward(x), theirs.forward(x))
    np.testing.assert_allclose(mine.backward(gradient), theirs.backward(gradient))
    np.testing.assert_allclose(mine.weights_gradient, theirs.weights_gradient)
    np.testing.assert_allclose(mine.biases_gradient, theirs.biases_gradient)


def test_the_losses_are_the_module_s_far_out_too(program):
    rng = np.random.default_rng(0)
    logits, x = rng.normal(0, 200, (6, 4)), rng.random((6, 4))
    np.testing.assert_allclose(program.sigmoid(logits), vae_nb.sigmoid(logits), atol=1e-12)
    np.testing.assert_allclose(program.bernoulli_loss(logits, x), vae_nb.bernoulli_loss(logits, x))
    mean, log_variance = rng.normal(0, 3, (2, 6, 4))
    np.testing.assert_allclose(
        program.kl_divergence(mean, log_variance), vae_nb.kl_divergence(mean, log_variance)
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kl_weight", [0.0, 1.0, 2.5])
def test_loss_and_gradients_are_the_module_s(program, seed, kl_weight):
    vae, x, noise = random_vae(program, seed, kl_weight)
    module = as_module(vae)
    loss = vae.loss_and_gradients(x, noise)
    assert loss == pytest.approx(module.loss_and_gradients(x, noise, kl_weight).total, rel=1e-12)
    for theirs, mine in zip(module.layers.values(), vae.layers, strict=True):
        np.testing.assert_allclose(mine.weights_gradient, theirs.weights_gradient, atol=1e-12)
        np.testing.assert_allclose(mine.biases_gradient, theirs.biases_gradient, atol=1e-12)
    np.testing.assert_allclose(vae.decode(noise), module.decode(noise))


def test_adam_takes_the_module_s_steps(program):
    vae, x, noise = random_vae(program, seed=0)
    module = as_module(vae)
    mine, theirs = program.Adam(rate=0.01), vae_nb.Adam(module.parameters)
    for _ in range(20):
        vae.loss_and_gradients(x, noise)
        mine.update(vae)
        module.loss_and_gradients(x, noise)
        theirs.update(module.gradient_blocks, 0.01)
    np.testing.assert_allclose(as_module(vae).parameters, module.parameters, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("step", ["02", "03"])
def test_a_training_lowers_the_loss(step, tmp_path):
    program = load_program(step, tmp_path)
    rng = np.random.default_rng(0)
    x = rng.random((16, PIXELS))
    model_class = program.NoisyAutoencoder if step == "02" else program.VAE
    model = model_class(x.mean(axis=0), HIDDEN, LATENT, rng)
    losses = program.train(model, x, 30, 0.01, rng)
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_the_noisy_autoencoder_s_gradient(tmp_path):
    program = load_program("02", tmp_path)
    rng = np.random.default_rng(0)
    model = program.NoisyAutoencoder(rng.random(PIXELS), HIDDEN, LATENT, rng)
    for layer in model.layers:
        layer.biases += rng.standard_normal(layer.biases.size)
    x, noise = rng.random((BATCH, PIXELS)), rng.standard_normal((BATCH, LATENT))
    model.loss_and_gradients(x, noise)
    # All gradients first: each evaluation of the loss computes them again, at nudged parameters.
    pairs = [
        pair
        for layer in model.layers
        for pair in (
            (layer.weights, layer.weights_gradient),
            (layer.biases, layer.biases_gradient),
        )
    ]
    for array, gradient in pairs:
        numeric = vae_nb.central_differences(lambda: model.loss_and_gradients(x, noise), array)
        assert vae_nb.relative_error(gradient.ravel(), numeric) < 1e-7
