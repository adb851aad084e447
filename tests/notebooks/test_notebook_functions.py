"""The functions that the notebooks define do what `vae_nb` does, on random inputs."""

import ast
import io
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from notebook_code import SOLUTIONS, functions_of, read, tagged
from PIL import Image

import vae_nb
from vae_nb.core.architecture import layer_shapes
from vae_nb.exercises import notebook_07
from vae_nb.show.controls import ImageView
from vae_nb.sweeps.comparison import t_interval

SEEDS = range(3)

every_seed = pytest.mark.parametrize("seed", SEEDS)


# --- more: Pixels and transparency ---

PIXELS = [ROOT / "notebooks" / "more" / "pixels_and_transparency.ipynb"]


def saved_and_loaded(pixels, folder, height, width, channels):
    """Save an image, and return the pixels that `vae_nb.load_images` makes of it."""
    Image.fromarray(pixels).save(folder / "image.png")
    data = {"input_dir": str(folder), "input_size": [height, width], "channels": channels}
    overrides = {f"data.{key}": value for key, value in data.items()}
    return vae_nb.load_images(vae_nb.load_config("config.json", overrides).data).pixels[0]


@every_seed
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_by_hand(seed, channels, tmp_path):
    rng = np.random.default_rng(seed)
    by_hand = functions_of("pixels", PIXELS)
    for _ in range(5):
        height, width, *shape = (int(size) for size in rng.integers([4, 4, 1, 1], 70))
        rgba = rng.integers(0, 256, (*shape, 4), dtype=np.uint8)
        fitted = by_hand["fit"](by_hand["on_white"](rgba), height, width, channels)
        loaded = saved_and_loaded(rgba, tmp_path, height, width, channels)
        np.testing.assert_array_equal(fitted, loaded)


def test_every_color_at_every_opacity(tmp_path):
    rgba = np.zeros((256, 256, 4), np.uint8)
    rgba[..., :3] = np.arange(256)[:, None, None]
    rgba[..., 3] = np.arange(256)
    loaded = saved_and_loaded(rgba, tmp_path, 256, 256, 3)
    np.testing.assert_array_equal(functions_of("pixels", PIXELS)["on_white"](rgba), loaded)


# --- 05 · Reconstruct ---


def small_vae(rng, latent_dim=3, units=9, image_shape=(6, 5, 3), dtype=np.float64):
    """Make a VAE of one hidden layer on each side, with random parameters, the biases too."""
    layers = [{"units": units, "activation": "relu"}]
    overrides = {"model.latent_dim": latent_dim, "model.encoder_layers": layers}
    vae = vae_nb.VAE(vae_nb.load_config(None, overrides).model, image_shape, dtype=dtype)
    vae.parameters[:] = rng.normal(0, 0.5, vae.parameters.size)
    return vae


@every_seed
def test_05_excess_is_a_sum_of_divergences(seed):
    rng = np.random.default_rng(seed)
    vae = small_vae(rng)
    x, z = rng.uniform(0.01, 0.99, (4, 90)), rng.normal(size=(4, 3))
    x_hat = vae.decode(z)
    right = np.sum(x * np.log(x / x_hat) + (1 - x) * np.log((1 - x) / (1 - x_hat)), axis=1)
    np.testing.assert_allclose(functions_of("05", vae=vae)["excess"](x, z), right)


@every_seed
def test_05_linear_autoencoder_keeps_the_principal_components_of_06(seed):
    rng = np.random.default_rng(seed)
    vae = small_vae(rng, image_shape=(2, 4, 1))
    train, x = rng.uniform(0.4, 0.6, (30, 8)), rng.uniform(0.45, 0.55, (4, 8))  # never clipped
    answers = functions_of("05", vae=vae)["rival_answers"](x, train)
    axes, _ = functions_of("06")["principal_components"](train)
    mean, axes = train.mean(axis=0), axes[:3]
    np.testing.assert_allclose(answers["linear"], mean + (x - mean) @ axes.T @ axes, atol=1e-12)
    np.testing.assert_array_equal(answers["mean picture"], np.tile(mean, (4, 1)))
    nearest = np.linalg.norm(x[:, None] - train, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(answers["look-up"], train[nearest])
    np.testing.assert_array_equal(answers["VAE"], vae.reconstruct(x))


@every_seed
def test_05_the_best_codes_are_where_the_loss_is_flat(seed):
    """From any start, the search ends where the slope is small, and lower than it began."""
    rng = np.random.default_rng(seed)
    vae = small_vae(rng)
    functions = functions_of("05", vae=vae)
    x, start = vae.decode(rng.normal(size=(5, 3))), rng.normal(size=(5, 3))
    kept = start.copy()
    found = functions["best_codes"](x, start, steps=2000)
    np.testing.assert_array_equal(start, kept)
    assert np.all(functions["excess"](x, found) <= functions["excess"](x, start))
    slopes = vae_nb.central_differences(lambda: functions["excess"](x, found).sum(), found)
    steep = vae_nb.central_differences(lambda: functions["excess"](x, start).sum(), start)
    assert np.linalg.norm(slopes) < 0.05 * np.linalg.norm(steep)


# --- 06 · The latent space ---


class EncodesTo:
    """Stands for a VAE; its images already are the parameters of their posteriors."""

    dtype = np.dtype(np.float64)
    images_at_a_time = 100

    def encode(self, x):
        return np.split(x, 2, axis=1)


class Posteriors:
    """An image set of such images."""

    def __init__(self, mean, log_variance):
        self.x = np.concatenate([mean, log_variance], axis=1)

    def __len__(self):
        return len(self.x)

    def as_float(self, indices, dtype):
        return self.x[indices].astype(dtype)


def posteriors(seed, images=300, latent=4):
    """Make means and log-variances, of which the last dimension is not in use."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(images, latent)) @ rng.normal(size=(latent, latent))
    log_variance = rng.normal(size=(images, latent)) - 1
    mean[:, -1] *= 0.05
    log_variance[:, -1] = 0
    return mean, log_variance


@every_seed
def test_06_principal_components(seed):
    points, _ = posteriors(seed)
    axes, variances = functions_of("06")["principal_components"](points)
    covariance = np.cov(points, rowvar=False, bias=True)
    np.testing.assert_allclose(variances, np.linalg.eigvalsh(covariance)[::-1], atol=1e-12)
    np.testing.assert_allclose(axes.T @ np.diag(variances) @ axes, covariance, atol=1e-12)
    assert np.all(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1) > 0)


@every_seed
def test_06_log_density_of_the_posteriors(seed):
    mean, log_variance = posteriors(seed, images=6)
    z = np.random.default_rng(seed).normal(size=(5, 4))
    found = functions_of("06")["log_q"](z, mean, log_variance)
    sigma = np.exp(0.5 * log_variance)
    density = np.exp(-0.5 * ((z[:, None] - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found, np.log(density).sum(axis=2))
    assert found.shape == (5, 6)


def test_06_active_units_by_hand():
    """Notebook 06 computes the variances of the means in a cell; here, one is below 0.01."""
    mean, log_variance = posteriors(0)
    mean[:, -1] = np.where(np.arange(len(mean)) % 2, 0.09, -0.09)  # a variance of 0.0081
    found = vae_nb.active_units(EncodesTo(), Posteriors(mean, log_variance))
    np.testing.assert_array_equal(found, np.var(mean, axis=0) > 0.01)
    assert found.tolist() == [True, True, True, False]


# --- 07 · Read the loss curves ---


def test_07_evidence_is_what_the_exercise_asks_for():
    """On the recorded runs, the procedure finds every illness from the notebook's numbers."""
    evidence = functions_of("07", lab_train=None)["evidence"]
    for illness, run in notebook_07.RECORDED_RUNS.items():
        history, kl_per_dimension, pictures = notebook_07.diagnosis_arguments(run)
        row = evidence(history, kl_per_dimension.sum(), pictures)
        assert diagnosis(row) == illness


def diagnosis(row):
    """Apply the notebook's procedure to the numbers of a run."""
    if row["KL"] < 0.1:
        return "collapsed"
    if row["late jumps"]:
        return "unstable"
    if row["KL"] < row["ln n"]:
        return "KL weight too large"
    if row["held-out rise"] > 0.01 and row["training fell"]:
        return "overfitted"
    return "healthy"


# --- 08 · Traverse the latent space ---


def test_08_a_plane_has_its_origin_and_its_directions():
    plane = functions_of("08", latent_dim=5)["plane"]
    rng = np.random.default_rng(0)
    origin, right, up = rng.normal(size=(3, 5))
    rows, columns = np.array([-1.0, 0, 3]), np.array([0.0, 2])
    found = plane(origin, right, up, rows, columns)
    assert found.shape == (3, 2, 5)
    for i, j in np.ndindex(3, 2):
        np.testing.assert_allclose(found[i, j], origin + columns[j] * right + rows[i] * up)


# --- 09 · Latent sliders ---


@every_seed
@pytest.mark.parametrize("channels", [1, 3])
def test_09_a_latent_vector_becomes_the_explorer_s_image(seed, channels):
    rng = np.random.default_rng(seed)
    vae = small_vae(rng, image_shape=(6, 5, channels), dtype=np.float32)
    z = rng.standard_normal(3)
    cells = functions_of("09", run=SimpleNamespace(vae=vae))
    by_hand = cells["decode"](z)
    by_module = ImageView(192)
    by_module.show(vae.decode(z[None])[0].reshape(vae.image_shape), "")
    np.testing.assert_array_equal(by_hand, by_module.pixels)
    # Enlarged by a whole factor, as in the explorer, in a PNG that keeps every pixel.
    scale = int(by_module.scale)
    on_screen = np.asarray(Image.open(io.BytesIO(cells["as_png"](by_hand))))
    assert on_screen.shape[:2] == (6 * scale, 5 * scale)
    np.testing.assert_array_equal(on_screen, np.kron(by_hand, np.ones((scale, scale, 1))).squeeze())


def equal_to_ten_digits(found, right):
    return np.linalg.norm(found - right) <= 1e-10 * np.linalg.norm(right)


needs_solutions = pytest.mark.skipif(
    not SOLUTIONS, reason="this copy of the project has no solutions"
)


@needs_solutions
@every_seed
def test_09_the_page_s_loss_gradients_and_training(seed):
    """The losses, the gradients and the parameters after steps of Adam are the same."""
    rng = np.random.default_rng(seed)
    page = functions_of("09", SOLUTIONS)
    latent_dim, units, batch = rng.integers(2, 9, 3)
    vae = small_vae(rng, int(latent_dim), int(units))
    parameters = {name: array.copy() for name, array in vae.named_parameters().items()}
    page_adam, adam = page["Adam"](parameters), vae_nb.Adam(vae.parameters)
    for _ in range(30):
        x, noise = rng.random((batch, 90)), rng.standard_normal((batch, latent_dim))
        loss, gradients = page["loss_and_gradients"](parameters, x, noise, 1.7)
        right = vae.loss_and_gradients(x, noise, 1.7)
        assert abs(loss / right.total - 1) <= 1e-10
        assert gradients.keys() == parameters.keys()
        for name, gradient in vae.named_gradients().items():
            assert equal_to_ten_digits(gradients[name], gradient), name
        page_adam.update(gradients, 0.01)
        adam.update(vae.gradients, 0.01)
    for name, array in vae.named_parameters().items():
        assert equal_to_ten_digits(parameters[name], array), name


@needs_solutions
def test_09_the_page_is_a_page_of_numpy_alone():
    """It has at most 80 lines of code, and imports only NumPy."""
    (path,) = [path for path in SOLUTIONS if path.name.startswith("09")]
    (source,) = [
        cell.source for cell in tagged(path, "solution") if "# Exercise 09.4" in cell.source
    ]
    page = source.split("# --- your code ---")[1].split("# --- end of your code ---")[0]
    lines = [line.strip() for line in page.splitlines()]
    assert 40 <= sum(bool(line) and not line.startswith("#") for line in lines) <= 80
    nodes = list(ast.walk(ast.parse(page)))
    imports = [node for node in nodes if isinstance(node, ast.Import)]
    assert [alias.name for node in imports for alias in node.names] == ["numpy"]
    assert not any(isinstance(node, ast.ImportFrom) for node in nodes)


@needs_solutions
@every_seed
def test_09_the_page_starts_with_what_the_module_needs(seed):
    page = functions_of("09", SOLUTIONS)
    rng = np.random.default_rng(seed)
    vae = small_vae(rng)
    start = page["initialize"](rng, 90, 9, 3)
    shapes = {name: array.shape for name, array in vae.named_parameters().items()}
    assert {name: array.shape for name, array in start.items()} == shapes
    x = rng.normal(0, 9, 50)
    np.testing.assert_array_equal(page["sigmoid"](x), vae_nb.sigmoid(x))


@needs_solutions
@every_seed
def test_09_the_wrong_page_differs_from_the_right_one_in_its_variance_alone(seed):
    """Without noise, the width of the samples does not matter: the loss is the same."""
    rng = np.random.default_rng(seed)
    page, vae = functions_of("09", SOLUTIONS), small_vae(rng)
    x, noise = rng.random((4, 90)), rng.standard_normal((4, 3))
    right, wrong = page["loss_and_gradients"], page["variance_for_sigma"]
    parameters = vae.named_parameters()
    assert wrong(parameters, x, 0 * noise, 1)[0] == pytest.approx(
        right(parameters, x, 0 * noise, 1)[0]
    )
    assert wrong(parameters, x, noise, 1)[0] != pytest.approx(right(parameters, x, noise, 1)[0])
    gradients = wrong(parameters, x, noise, 1)[1]
    for name, array in parameters.items():  # its gradient is right for its own loss
        numeric = vae_nb.central_differences(lambda: wrong(parameters, x, noise, 1)[0], array)
        assert vae_nb.relative_error(gradients[name].reshape(-1), numeric) <= 1e-6, name


# --- 10 · Compare many runs ---


@every_seed
def test_10_interval(seed):
    values = np.random.default_rng(seed).normal(size=(4, 3 + seed))
    by_hand = functions_of("10")["interval"](values)
    np.testing.assert_allclose(by_hand, t_interval(values))


# --- 11 · Sharing weights ---


@pytest.mark.parametrize("shape", [(4, 6, 3), (2, 2, 1)])
def test_11_patches_are_those_of_the_module(shape):
    images = np.random.default_rng(0).random((3, *shape))
    by_module = vae_nb.unfold(images, vae_nb.Patches(2, 2)).reshape(-1, 4 * shape[2])
    np.testing.assert_array_equal(functions_of("11")["to_patches"](images), by_module)


@needs_solutions
@pytest.mark.parametrize("channels", [1, 3])
def test_11_patch_parameters_are_those_of_the_encoder(channels):
    filters = [5, 7, 2]
    shared = {"kernel_size": 2, "strides": 2, "activation": "tanh"}
    layers = [{"filters": count} | shared for count in filters]
    model = vae_nb.load_config(None, {"model.encoder_layers": layers}).model
    image_shape = (8, 16, channels)
    right = sum(layer.parameters for layer in layer_shapes(model, image_shape)[: len(filters)])
    assert functions_of("11", SOLUTIONS)["patch_parameters"](image_shape, filters) == right


@needs_solutions
@every_seed
def test_11_patch_layer_backward_is_that_of_the_module(seed):
    rng = np.random.default_rng(seed)
    x, y_gradient = rng.normal(size=(3, 4, 6, 2)), rng.normal(size=(3, 2, 3, 5))
    W, b = rng.normal(size=(8, 5)), rng.normal(size=5)
    patches, pixels = vae_nb.Patches(2, 2), vae_nb.Patches(1, 1)
    layer = vae_nb.Convolution(W, b, "tanh", (4, 6, 2), patches, pixels)
    layer.forward(x.reshape(3, -1))
    x_gradient = layer.backward(y_gradient.reshape(3, -1)).reshape(x.shape)
    found = functions_of("11", SOLUTIONS)["patch_layer_backward"](x, W, b, y_gradient)
    right = layer.weights_gradient, layer.biases_gradient, x_gradient
    for mine, theirs in zip(found, right, strict=True):
        assert equal_to_ten_digits(mine, theirs)


@needs_solutions
@every_seed
def test_11_a_patch_layer_does_not_notice_the_two_shuffles(seed):
    """Its outputs change their places, or come from a matrix whose rows are shuffled, too."""
    rng = np.random.default_rng(seed)
    solution = functions_of("11", SOLUTIONS)
    flat, W = rng.normal(size=(24, 3)), rng.normal(size=(12, 5))

    def outputs(order, W):
        cut = vae_nb.unfold(flat[order].reshape(1, 4, 6, 3), vae_nb.Patches(2, 2))
        return cut.reshape(6, 12) @ W

    before = outputs(np.arange(24), W)
    moved = outputs(solution["order_of_blocks"](4, 6, 2, rng), W)
    np.testing.assert_allclose(np.sort(moved, axis=0), np.sort(before, axis=0))
    order = solution["order_within_blocks"](4, 6, 2, rng)
    rows = np.searchsorted([0, 1, 6, 7], order[[0, 1, 6, 7]])  # of the block at the top left
    shuffled = W.reshape(4, 3, 5)[rows].reshape(12, 5)
    np.testing.assert_allclose(outputs(order, shuffled), before)


# --- more · deep dives ---


SIX_ACTIVATIONS = ["linear", "relu", "tanh", "sigmoid", "softplus", "cosh"]


def dictionary_of(name, variable):
    """Return a dictionary of functions that a deep dive assigns to a variable."""
    path = ROOT / "notebooks" / f"{name}.ipynb"
    (table,) = [
        node.value
        for cell in read(path).cells
        if cell.cell_type == "code"
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) == variable
    ]
    return eval(compile(ast.Expression(table), name, "eval"), functions_of(name))


@every_seed
def test_more_activations(seed):
    a = np.random.default_rng(seed).normal(0, 5, (6, 4))
    by_hand = dictionary_of("more/activations_and_initialization", "activations")
    assert list(by_hand) == SIX_ACTIVATIONS
    for name, (function, derivative) in by_hand.items():
        by_module = vae_nb.ACTIVATIONS[name]
        np.testing.assert_allclose(function(a), by_module.function(a), err_msg=name)
        slope = by_module.derivative(a, by_module.function(a))
        np.testing.assert_allclose(derivative(a), slope, rtol=1e-6, atol=1e-12, err_msg=name)


@every_seed
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_more_sigmoid_and_softplus(seed, dtype):
    x = np.random.default_rng(seed).normal(0, 100, (6, 4)).astype(dtype)  # far out, too
    pitfalls = functions_of("more/float32_pitfalls")
    activations = functions_of("more/activations_and_initialization")
    for by_hand, expected in (
        (activations["sigmoid"](x), vae_nb.sigmoid(x)),
        (activations["softplus"](x), vae_nb.softplus(x)),
        (pitfalls["tanh_sigmoid"](x), vae_nb.sigmoid(x)),
        (pitfalls["softplus"](x), vae_nb.softplus(x)),
    ):
        assert by_hand.dtype == expected.dtype
        np.testing.assert_array_equal(by_hand, expected)


@every_seed
def test_more_float32_formulas_are_right_in_float64(seed):
    by_hand = functions_of("more/float32_pitfalls")
    rng = np.random.default_rng(seed)
    logits, x = rng.normal(0, 4, (5, 12)), rng.random((5, 12))
    expected = vae_nb.bernoulli_loss(logits, x)
    np.testing.assert_allclose(by_hand["loss_from_logits"](logits, x).sum(axis=1), expected)
    x_hat = by_hand["textbook_sigmoid"](logits)
    from_probabilities = by_hand["bernoulli_from_probabilities"](x_hat, x)
    np.testing.assert_allclose(from_probabilities.sum(axis=1), expected)
    log_variance = rng.normal(size=(5, 3))
    expected = vae_nb.kl_divergence_per_dimension(0 * log_variance, log_variance)
    for name in ("kl_as_written", "kl_with_expm1"):
        np.testing.assert_allclose(by_hand[name](log_variance), expected)


@every_seed
@pytest.mark.parametrize("estimator", ["pathwise_gradients", "score_function_gradients"])
def test_more_both_gradients_of_an_expectation_are_right_on_average(seed, estimator):
    rng = np.random.default_rng(seed)
    mean, log_variance = rng.normal(size=(2, 3))
    noise = rng.standard_normal((100_000, 3))
    by_hand = functions_of("more/score_function_gradients")
    found = by_hand[estimator](mean, log_variance, noise)
    exact = 2 * (mean - 2), np.exp(log_variance)
    for samples, expected in zip(found, exact, strict=True):
        standard_error = samples.std(axis=0) / np.sqrt(len(noise))
        assert np.all(np.abs(samples.mean(axis=0) - expected) < 5 * standard_error)


def textbook_walk(name, parameters, gradients, rates, settings):
    """Return the notebook's optimizer and the module's, both after some steps."""
    textbook = functions_of("more/adam_and_its_relatives")[f"Textbook{name}"]
    by_hand = textbook(parameters.copy(), **settings)
    module = getattr(vae_nb, name)(parameters.copy(), **settings)
    for gradient, rate in zip(gradients, rates, strict=True):
        by_hand.update(gradient, rate)
        module.update(gradient, rate)
    return by_hand, module


@every_seed
def test_more_adam(seed):
    rng = np.random.default_rng(seed)
    settings = {"beta1": rng.uniform(0, 0.95), "beta2": rng.uniform(0.95, 1), "epsilon": 1e-3}
    gradients, rates = rng.normal(size=(30, 7)), rng.uniform(0, 0.1, 30)
    by_hand, module = textbook_walk("Adam", rng.normal(size=7), gradients, rates, settings)
    np.testing.assert_allclose(by_hand.parameters, module.parameters, rtol=1e-9)
    first, second = module.moments
    np.testing.assert_allclose(by_hand.first_moment, first * (1 - settings["beta1"]), rtol=1e-9)
    np.testing.assert_allclose(by_hand.second_moment, second * (1 - settings["beta2"]), rtol=1e-9)


@every_seed
def test_more_sgd(seed):
    rng = np.random.default_rng(seed)
    gradients, rates = rng.normal(size=(30, 7)), rng.uniform(0, 0.1, 30)
    settings = {"momentum": rng.uniform(0, 0.95)}
    by_hand, module = textbook_walk("SGD", rng.normal(size=7), gradients, rates, settings)
    np.testing.assert_allclose(by_hand.parameters, module.parameters, rtol=1e-9)
    np.testing.assert_allclose(by_hand.velocity, module.velocity, rtol=1e-9)


@every_seed
def test_more_rmsprop_is_adam_without_momentum(seed):
    """Without the correction of its start, too: after many steps that is no difference."""
    rng = np.random.default_rng(seed)
    start, beta2 = rng.normal(size=7), rng.uniform(0.5, 0.8)
    rmsprop = functions_of("more/adam_and_its_relatives")["TextbookRMSprop"](start.copy(), beta2)
    adam = vae_nb.Adam(start.copy(), beta1=0, beta2=beta2)
    for gradient in rng.normal(size=(300, 7)):
        before = rmsprop.parameters.copy(), adam.parameters.copy()
        rmsprop.update(gradient, 0.1)
        adam.update(gradient, 0.1)
    steps = rmsprop.parameters - before[0], adam.parameters - before[1]
    np.testing.assert_allclose(*steps, rtol=1e-6)


@every_seed
def test_more_evidence_lower_bound(seed):
    """The ELBO of the exact posterior is the evidence, and that of no normal density is above."""
    by_hand = functions_of(
        "more/the_evidence_and_its_bound",
        GRID=np.linspace(-12, 12, 4001),
        STEP=24 / 4000,
        PICTURE=np.array([1, 0, 1]),
    )
    rng = np.random.default_rng(seed)
    grid = np.linspace(-12, 12, 4001)
    log_p = by_hand["log_joint"](grid, rng.normal(size=3), rng.normal(size=3))
    log_q = by_hand["log_normal"](grid, rng.normal(), rng.uniform(0.3, 1))
    elbo, evidence = by_hand["elbo_and_evidence"](log_q, log_p)
    best, _ = by_hand["elbo_and_evidence"](log_p - evidence, log_p)
    assert elbo < evidence
    assert best == pytest.approx(evidence)
    z = rng.standard_normal(20)
    log_weights = by_hand["log_joint"](z, np.zeros(3), 0) - by_hand["log_normal"](z, 0, 1)
    np.testing.assert_allclose(log_weights, 3 * np.log(0.5))  # no weights: each pixel is a coin


@every_seed
def test_more_the_kl_in_parts(seed):
    by_hand = functions_of("more/what_the_kl_measures")
    mean, log_variance = posteriors(seed)
    expected = vae_nb.kl_divergence(mean, log_variance).mean()
    np.testing.assert_allclose(by_hand["kl_term"](mean, log_variance), expected)
    by_module = vae_nb.aggregate_posterior(EncodesTo(), Posteriors(mean, log_variance))
    for ours, theirs in zip(by_hand["moments"](mean, log_variance), by_module, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    diagonal = by_hand["gaussian_kl"](mean[0], np.diag(np.exp(log_variance[0])))
    np.testing.assert_allclose(diagonal, vae_nb.kl_divergence(mean[:1], log_variance[:1])[0])
    parts = by_hand["parts"](mean, log_variance, np.random.default_rng(0))
    np.testing.assert_allclose(parts.sum(), expected)
    assert np.all(parts > 0)


def test_more_information_is_the_logarithm_of_the_places_that_can_be_told_apart():
    information = functions_of("more/what_the_kl_measures")["information"]
    far, same = 1000.0 * np.eye(8), np.zeros((8, 8))
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(information(far, same, rng), np.log(8))
    np.testing.assert_allclose(information(same, same, rng), 0, atol=1e-12)
    half = np.repeat(far[:2], 4, axis=0)  # two places, four images at each
    np.testing.assert_allclose(information(half, same, rng), np.log(2))


def small_cosh_vae():
    """Return a small float64 VAE whose second decoder layer is cosh."""
    layers = [{"units": 6, "activation": "relu"}, {"units": 12, "activation": "cosh"}]
    overrides = {
        "model.latent_dim": 3,
        "model.encoder_layers": layers[:1],
        "model.decoder_layers": layers,
    }
    model = vae_nb.load_config(None, overrides).model
    return vae_nb.VAE(model, (4, 5, 1), np.random.default_rng(7), np.float64)


@every_seed
def test_more_gradient_at_z(seed):
    rng, vae = np.random.default_rng(seed), small_cosh_vae()
    x, z = rng.random((8, 20)), rng.normal(size=(8, 3))
    by_hand = functions_of("more/the_cosh_layer")["gradient_at_z"](vae, x, z)
    numeric = vae_nb.central_differences(
        lambda: float(vae_nb.bernoulli_loss(vae.decode_logits(z), x).sum()), z
    )
    np.testing.assert_allclose(by_hand.ravel(), numeric, rtol=1e-6, atol=1e-8)


def test_more_starts_of_the_cosh_layer():
    by_hand, vae = functions_of("more/the_cosh_layer"), small_cosh_vae()
    by_hand["historic"](vae, 0)
    before = vae.parameters.copy()
    assert all(not layer.biases.any() for layer in vae.layers.values())
    output = vae.layers["output"].weights
    assert np.std(output) == pytest.approx(np.sqrt(2 / sum(output.shape)), rel=0.2)
    by_hand["cosh_start"](scale=0.5, bias=1)(vae, 0)
    layer = vae.layers["decoder_2"]
    assert np.all(layer.biases == 1)
    layer.weights *= 2
    layer.biases[:] = 0
    np.testing.assert_allclose(vae.parameters, before)  # nothing else had changed


@every_seed
def test_more_functions_in_place_of_cosh(seed):
    a = np.random.default_rng(seed).normal(0, 2, 50)
    for name, activation in dictionary_of("more/the_cosh_layer", "FUNCTIONS").items():
        numeric = (activation.function(a + 1e-6) - activation.function(a - 1e-6)) / 2e-6
        slope = activation.derivative(a, activation.function(a))
        np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-6, err_msg=name)


@every_seed
def test_more_straight_and_spherical_paths(seed):
    functions = functions_of("more/arithmetic_in_the_latent_space")
    a, b = np.random.default_rng(seed).normal(size=(2, 5))
    t = np.linspace(0, 1, 7)
    line, arc = functions["straight"](a, b, t), functions["spherical"](a, b, t)
    for path in (line, arc):
        np.testing.assert_allclose(path[[0, -1]], [a, b])
    np.testing.assert_allclose(np.diff(line, axis=0), np.tile((b - a) / 6, (6, 1)))
    lengths = np.linalg.norm(arc, axis=1)
    np.testing.assert_allclose(np.diff(lengths), (lengths[-1] - lengths[0]) / 6)
    units = arc / lengths[:, None]
    angles = np.arccos(np.sum(units[1:] * units[:-1], axis=1))
    np.testing.assert_allclose(angles, angles[0])  # the arc turns at a constant speed
    assert np.linalg.matrix_rank(np.vstack([arc, a, b]), tol=1e-9) == 2  # in one plane
    for end in (2 * a, -a, 0 * a):  # these need no turn, or have no unique one
        np.testing.assert_allclose(
            functions["spherical"](a, end, t), functions["straight"](a, end, t)
        )


def test_more_the_place_of_a_picture_leaves_out_those_of_the_sum():
    pixels = np.arange(6.0)[:, None]
    places = functions_of("more/arithmetic_in_the_latent_space", pixels=pixels)["places"]
    decoded = np.array([[0.1], [4.9]])
    found = places(decoded, np.array([1, 1]), np.array([2, 2]), np.array([0, 4]), np.array([4, 3]))
    assert found.tolist() == [2, 2]  # the order is 3, 4, 5, and then 5, 3, 0


@every_seed
def test_more_the_measures_of_draws(seed):
    functions = functions_of("more/how_good_are_the_draws")
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 4, 4, 1), np.uint8)
    images = vae_nb.ImageSet(pixels, tuple(map(str, range(30))), ("a",) * 30)
    train_set, held_out = images.select(slice(20)), images.select(slice(20, 25))
    train, draws = train_set.as_float(), images.as_float(slice(25, 30))
    by_module = vae_nb.sample_quality(draws, train_set, held_out)
    distance, spread, _ = functions["quality"](draws, train, held_out.as_float())
    np.testing.assert_allclose(distance, by_module["distance"])
    np.testing.assert_allclose(spread, by_module["spread"])
    assert 0 < by_module["coverage"] < 1
    assert functions["coverage"](train, draws, neighbors=5) == by_module["coverage"]


def test_more_the_coverage_of_draws_of_one_kind():
    """Compare its expectation with all orders of two other real images and two draws."""
    expected_coverage = functions_of("more/how_good_are_the_draws")["expected_coverage"]
    orders = set(itertools.permutations("rrss"))  # six, equally likely
    for neighbors in (1, 2):
        covered = np.mean(["s" in order[:neighbors] for order in orders])
        np.testing.assert_allclose(expected_coverage(3, 2, neighbors), covered)
