"""The functions that the notebooks define do what `vae_nb` does, on random inputs."""

import ast
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from notebook_code import SOLUTIONS, functions_of, read, tagged
from PIL import Image

import vae_nb
from vae_nb.exercises import notebook_07
from vae_nb.show.controls import ImageView

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


@every_seed
def test_05_measures(seed):
    rng = np.random.default_rng(seed)
    logits, x = 20 * rng.normal(size=(5, 40)), rng.integers(0, 5, (5, 40)) / 4  # 0 and 1 too
    mse, loss, entropy, excess = functions_of("05")["measures"](logits, x)
    np.testing.assert_allclose(mse, np.mean((vae_nb.sigmoid(logits) - x) ** 2, axis=1))
    np.testing.assert_allclose(loss, vae_nb.bernoulli_loss(logits, x))
    np.testing.assert_allclose(entropy, vae_nb.bernoulli_entropy(x))
    np.testing.assert_allclose(excess, loss - entropy)


@every_seed
@pytest.mark.parametrize("dimensions", [1, 3, 99])
def test_05_linear_autoencoder_keeps_the_principal_components_of_06(seed, dimensions):
    rng = np.random.default_rng(seed)
    train, x = rng.uniform(0.4, 0.6, (30, 8)), rng.uniform(0.45, 0.55, (4, 8))  # never clipped
    found = functions_of("05")["linear_autoencoder"](train, x, dimensions)
    axes, _ = functions_of("06")["principal_components"](train)
    mean, axes = train.mean(axis=0), axes[:dimensions]
    np.testing.assert_allclose(found, mean + (x - mean) @ axes.T @ axes, atol=1e-12)
    if dimensions > 8:
        np.testing.assert_allclose(found, x, atol=1e-12)


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
def test_06_distances(seed):
    points, _ = posteriors(seed, images=20)
    expected = vae_nb.pixel_distances(points, points)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_allclose(functions_of("06")["distances"](points), expected)


@every_seed
def test_06_rank_correlation_and_shared_neighbors(seed):
    functions = functions_of("06")
    a, b = np.random.default_rng(seed).normal(size=(2, 30))
    ranks = [[np.sum(values < value) for value in values] for values in (a, b)]
    found = functions["rank_correlation"](a, b)
    np.testing.assert_allclose(found, np.corrcoef(ranks)[0, 1])
    np.testing.assert_allclose(functions["rank_correlation"](np.exp(a), b**3), found)
    assert functions["rank_correlation"](a[:2], b[:2]) is None

    tables = [functions["distances"](posteriors(seed + k, images=20)[0]) for k in range(2)]
    first, second = ([set(np.argsort(row)[:5]) for row in table] for table in tables)
    share = np.mean([len(a & b) / 5 for a, b in zip(first, second, strict=True)])
    np.testing.assert_allclose(functions["shared_neighbors"](*tables, 5), share)


@every_seed
def test_06_kl_and_aggregate_posterior(seed):
    functions = functions_of("06")
    mean, log_variance = posteriors(seed)
    kl = functions["kl_of"](mean, log_variance)
    expected = vae_nb.kl_divergence_per_dimension(mean, log_variance)
    np.testing.assert_allclose(kl, expected, atol=1e-12)
    image_set = Posteriors(mean, log_variance)
    np.testing.assert_allclose(kl.mean(axis=0), vae_nb.kl_per_dimension(EncodesTo(), image_set))

    found = functions["moments"](mean, log_variance)
    expected = vae_nb.aggregate_posterior(EncodesTo(), image_set)
    for by_hand, by_module in zip(found, expected, strict=True):
        np.testing.assert_allclose(by_hand, by_module, atol=1e-12)
    z = vae_nb.reparameterize(mean, log_variance, np.random.default_rng(9).normal(size=(500, 1, 4)))
    np.testing.assert_allclose(found[1], np.cov(z.reshape(-1, 4).T), rtol=0.05, atol=0.05)

    diagonal = functions["gaussian_kl"](mean[0], np.diag(np.exp(log_variance[0])))
    np.testing.assert_allclose(diagonal, vae_nb.kl_divergence(mean[:1], log_variance[:1])[0])


def test_06_active_units_by_hand():
    """Notebook 06 computes the variances of the means in a cell; here, one is below 0.01."""
    mean, log_variance = posteriors(0)
    mean[:, -1] = np.where(np.arange(len(mean)) % 2, 0.09, -0.09)  # a variance of 0.0081
    found = vae_nb.active_units(EncodesTo(), Posteriors(mean, log_variance))
    np.testing.assert_array_equal(found, np.var(mean, axis=0) > 0.01)
    assert found.tolist() == [True, True, True, False]


def test_06_information():
    """It is ln n for posteriors far apart, and 0 for equal posteriors."""
    information = functions_of("06")["information"]
    far, same = 1000.0 * np.eye(8), np.zeros((8, 8))
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(information(far, same, rng), np.log(8))
    np.testing.assert_allclose(information(same, same, rng), 0, atol=1e-12)
    half = np.repeat(far[:2], 4, axis=0)  # two places, four images at each
    np.testing.assert_allclose(information(half, same, rng), np.log(2))


def test_06_tidied():
    points = np.random.default_rng(0).normal(size=(30, 2))
    grid = functions_of("06")["tidied"](points)
    assert grid.shape == (5, 5)
    assert len(set(grid.ravel())) == 25
    assert np.all(np.diff(points[grid, 1], axis=0) < 0)  # upwards
    assert np.all(points[grid[:, :-1], 0].max(axis=0) <= points[grid[:, 1:], 0].min(axis=0))


# --- 07 · Read the loss curves ---


def laboratory_07(last_activation="cosh"):
    """Return the notebook's functions, a small float64 VAE of its laboratory, images and z."""
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


def test_07_only_the_historic_initialization_kills_the_gradient():
    functions, vae, x, z = laboratory_07()
    gradient = functions["gradient_at_z"]
    passed = np.linalg.norm(gradient(vae, x, z))
    encoder = vae.layers["encoder_1"].weights.copy()
    functions["start_at_zero"](vae)
    assert 0 < np.linalg.norm(gradient(vae, x, z)) < passed / 1000
    np.testing.assert_array_equal(vae.layers["encoder_1"].weights, encoder)
    vae.layers["decoder_2"].biases[:] = 1  # there the layer has a slope
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
    reported = vae_nb.evaluate(vae, train_set, held_out, functions["laboratory"]().training)
    assert measured["kl"] == pytest.approx(reported["kl"])
    assert measured["active"] == reported["active_units"]
    assert measured["excess"] == pytest.approx(reported["train"]["excess"])
    assert measured["held_out_excess"] == pytest.approx(reported["validation"]["excess"])


def test_07_evidence_is_what_the_exercise_asks_for():
    """On the recorded runs, the procedure finds every illness from the notebook's numbers."""
    evidence = functions_of("07", lab_train=None)["evidence"]
    for illness, run in notebook_07.RECORDED_RUNS.items():
        assert diagnosis(evidence(*notebook_07.diagnosis_arguments(run))) == illness


def diagnosis(row):
    """Apply the notebook's procedure to the numbers of a run."""
    if row["KL"] < 0.1:
        return "collapsed"
    if row["late jumps"]:
        return "unstable"
    if row["KL"] < row["log n"]:
        return "KL weight too large"
    if row["held-out rise"] > 0.01 and row["training fell"]:
        return "overfitted"
    return "healthy"


# --- 08 · Traverse the latent space ---


def some_sets(seed):
    """Return training and held-out images, and some decoded ones; two training images are equal."""
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 4, 4, 1), np.uint8)
    pixels[1] = pixels[0]
    names = tuple(f"image {number}" for number in range(30))
    images = vae_nb.ImageSet(pixels, names, ("a",) * 30)
    return images.select(slice(20)), images.select(slice(20, 25)), images.as_float(slice(25, 30))


@every_seed
def test_08_distances_and_the_nearest(seed):
    functions = functions_of("08")
    train_set, validation_set, _ = some_sets(seed)
    held_out = validation_set.as_float()
    train = train_set.as_float()
    expected = vae_nb.pixel_distances(train, train)
    assert expected[0, 1] == 0
    np.testing.assert_allclose(functions["distances_between"](train, train), expected)
    distance, position = functions["nearest"](held_out, train)
    direct = np.linalg.norm(held_out[:, None] - train, axis=2)
    np.testing.assert_allclose(distance, direct.min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(position, direct.argmin(axis=1))


@every_seed
def test_08_the_three_measures_of_draws(seed):
    train_set, validation_set, decoded = some_sets(seed)
    pixels = train_set.as_float()
    functions = functions_of("08", train_pixels=pixels, some_pixels=pixels)
    real_distance = np.median(functions["nearest"](validation_set.as_float(), pixels)[0])
    real_spread = functions["spread"](pixels)
    functions |= {"real_distance": real_distance, "real_spread": real_spread}
    by_hand = functions["quality"](decoded)
    by_module = vae_nb.sample_quality(decoded, train_set, validation_set)
    assert by_hand.keys() == by_module.keys()
    assert 0 < by_module["coverage"] < 1
    for key, value in by_module.items():
        np.testing.assert_allclose(by_hand[key], value)


def test_08_the_coverage_of_draws_of_one_kind():
    """Compare its expectation with all orders of two other real images and two samples."""
    expected_coverage = functions_of("08")["expected_coverage"]
    orders = set(itertools.permutations("rrss"))  # six, equally likely
    for neighbors in (1, 2):
        covered = np.mean(["s" in order[:neighbors] for order in orders])
        np.testing.assert_allclose(expected_coverage(3, 2, neighbors), covered)


@every_seed
def test_08_the_fitted_gaussian(seed):
    train_set, _, _ = some_sets(seed)
    config = vae_nb.load_config("config.json", {"model.latent_dim": 3}).model
    vae = vae_nb.VAE(config, train_set.image_shape, np.random.default_rng(seed), np.float64)
    by_hand = functions_of("08")["fit_gaussian"](*vae_nb.encode_set(vae, train_set))
    for part, expected in zip(by_hand, vae_nb.aggregate_posterior(vae, train_set), strict=True):
        np.testing.assert_allclose(part, expected, atol=1e-12)


@every_seed
def test_08_straight_and_spherical_paths(seed):
    functions = functions_of("08")
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


# --- 09 · Latent sliders ---


def small_vae(rng, latent_dim=3, units=9, image_shape=(6, 5, 3), dtype=np.float64):
    """Make a VAE of one hidden layer on each side, with random parameters, the biases too."""
    layers = [{"units": units, "activation": "relu"}]
    overrides = {"model.latent_dim": latent_dim, "model.encoder_layers": layers}
    vae = vae_nb.VAE(vae_nb.load_config(None, overrides).model, image_shape, dtype=dtype)
    vae.parameters[:] = rng.normal(0, 0.5, vae.parameters.size)
    return vae


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
    png = cells["as_png"](cells["enlarged"](by_hand))
    on_screen = cells["on_screen"](SimpleNamespace(value=png))
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
def test_10_an_effect_is_what_a_value_adds_whatever_the_others_are(seed):
    """The grid has holes, and each metric is a sum: each value and the seed add something."""
    rng = np.random.default_rng(seed)
    values = {"a": [1, 2, 4], "b": ["x", "y"], "training.seed": [5, 6, 7]}
    adds = {key: {value: rng.normal(size=2) for value in values[key]} for key in values}
    rows = []
    for combination in itertools.product(*values.values()):
        row = dict(zip(values, combination, strict=True))
        total = sum(adds[key][value] for key, value in row.items())
        rows.append(row | {"m": total[0], "n": total[1]})
    rows = [row for row in rows if rng.random() < 0.9 or row["a"] == 1]
    effects = functions_of("10")["effect"](rows, ["a", "b"], "a", 1, ["m", "n"])
    assert set(effects) == {2, 4}
    for value, found in effects.items():
        assert found.shape == (2, 3)
        expected = adds["a"][value] - adds["a"][1]
        for column in range(3):
            if np.isfinite(found[0, column]):
                np.testing.assert_allclose(found[:, column], expected, rtol=1e-9, atol=1e-12)
    assert np.isfinite(np.stack(list(effects.values()))).mean() > 0.5


@every_seed
def test_10_no_point_beats_the_front(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 6, (30, 2)).astype(float)  # ties, and points that are equal
    found = functions_of("10")["undominated"](points)
    for point, is_on_the_front in zip(points, found, strict=True):
        beaten = any((other <= point).all() and (other < point).any() for other in points)
        assert is_on_the_front == (not beaten)


# --- more · deep dives ---


SIX_ACTIVATIONS = ["linear", "relu", "tanh", "sigmoid", "softplus", "cosh"]


def activations_by_hand():
    """Return the table `activations` that "Activations and initialization" assigns."""
    name = "more/activations_and_initialization"
    (table,) = [
        node.value
        for cell in read(ROOT / "notebooks" / f"{name}.ipynb").cells
        if cell.cell_type == "code"
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) == "activations"
    ]
    return eval(compile(ast.Expression(table), name, "eval"), functions_of(name))


@every_seed
def test_more_activations(seed):
    a = np.random.default_rng(seed).normal(0, 5, (6, 4))
    by_hand = activations_by_hand()
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
