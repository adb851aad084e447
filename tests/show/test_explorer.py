"""The latent explorer in Python: what it sends, and the vector. tests/browser/ has the rest."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import traitlets
from PIL import Image

import vae_nb
from vae_nb.core.latent import latent_axes, principal_axes
from vae_nb.show.explorer_state import FRONTEND, MODULES, explorer_module, explorer_state
from vae_nb.system.errors import ModelError

NAMES = ("1f600_grinning_face", "IMG_1234", "263a_smiling_face", "cafe_au_lait", "a", "b")


def make_model(latent_dim=3, image_shape=(12, 8, 3), count=6):
    """Return an untrained model whose decoder reacts to its input, and random images."""
    random = np.random.default_rng(5)
    pixels = random.integers(0, 256, (count, *image_shape), np.uint8)
    names = NAMES[:count] + tuple(f"p{n}" for n in range(count - len(NAMES)))
    images = vae_nb.ImageSet(pixels, names, ("label",) * count)
    layers = [{"units": 7, "activation": "tanh"}]
    config = vae_nb.load_config(
        overrides={"model.latent_dim": latent_dim, "model.encoder_layers": layers}
    )
    vae = vae_nb.VAE(config.model, image_shape, random)
    vae.parameters *= 3  # otherwise its output changes little with its input
    return vae, images


def codes_of(vae, images):
    return vae_nb.encode_set(vae, images).mean.astype(np.float64)


def axes_of(vae, images):
    """Return the latent axes and the principal ones."""
    posteriors = vae_nb.encode_set(vae, images)
    return latent_axes(posteriors), principal_axes(vae, posteriors)


def facts_of(vae, images):
    return explorer_state(vae, images).facts


def silence(vae, dimension):
    """Let a latent dimension carry nothing: its posterior is the prior for every image."""
    for head in (vae.layers["mean"], vae.layers["log_variance"]):
        head.weights[:, dimension] = 0
        head.biases[dimension] = 0


# The vector


def test_starts_at_the_code_of_the_first_image():
    vae, images = make_model()
    explorer = vae_nb.LatentExplorer(vae, images)
    code = codes_of(vae, images)[0]
    assert np.array_equal(explorer.z, code)
    decoded = vae.decode(code[None])[0].reshape(vae.image_shape)
    assert np.array_equal(explorer.pixels, np.round(255 * decoded))


def test_z_is_set_exactly_and_followed_from_the_browser():
    explorer = vae_nb.LatentExplorer(*make_model())
    z = np.array([0.51, -1.23, 99.0])
    explorer.z = z
    assert np.array_equal(explorer.z, z)
    explorer.set_state({"vector": [1, 2.5, 3]})
    assert explorer.z.tolist() == [1, 2.5, 3]


@pytest.mark.parametrize(
    "z", [[1.0, 2.0], [[1.0, 2.0, 3.0]], [1.0, np.nan, 2.0], 5, [1, np.inf, 2]]
)
def test_an_invalid_vector_is_refused_and_changes_nothing(z):
    explorer = vae_nb.LatentExplorer(*make_model())
    before = explorer.z
    with pytest.raises((ModelError, traitlets.TraitError), match="must be 3 finite numbers"):
        explorer.z = z
    assert np.array_equal(explorer.z, before)


def test_z_cannot_be_changed_behind_the_explorers_back():
    explorer = vae_nb.LatentExplorer(*make_model())
    explorer.z[0] = 17
    assert explorer.z[0] != 17


def test_the_set_is_encoded_once(monkeypatch):
    vae, images = make_model()
    calls = []
    encode = vae.encode
    monkeypatch.setattr(vae, "encode", lambda x: calls.append(len(x)) or encode(x))
    vae_nb.LatentExplorer(vae, images)
    assert calls == [len(images)]


def test_a_generator_seeds_the_draws_of_the_browser():
    vae, images = make_model()
    seeds = [
        vae_nb.LatentExplorer(vae, images, np.random.default_rng(seed)).seed for seed in (0, 0, 1)
    ]
    assert seeds[0] == seeds[1] != seeds[2]
    assert vae_nb.LatentExplorer(vae, images).seed is None


# What is sent


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_all_weights_are_sent_row_by_row_and_then_the_mean_image(dtype):
    vae, images = make_model()
    vae.center_on(images.as_float().mean(axis=0))
    state = explorer_state(vae, images, dtype)
    numbers = np.frombuffer(state.numbers, state.facts["number_format"])
    start = 0
    for layer in state.facts["layers"]:
        _, columns = layer["weights"]
        for right in (vae.layers[layer["name"]].weights, vae.layers[layer["name"]].biases):
            sent = numbers[start : start + right.size].reshape(right.shape)
            assert np.array_equal(sent, right.astype(dtype))
            start += right.size
        assert layer["biases"] == columns
    assert np.array_equal(numbers[start:], vae.mean_image.astype(dtype))


def test_the_codes_are_sent_exactly():
    vae, images = make_model()
    sent = np.frombuffer(explorer_state(vae, images).codes, "<f8").reshape(len(images), -1)
    assert np.array_equal(sent, codes_of(vae, images))


@pytest.mark.parametrize(("shape", "tile"), [((12, 8, 3), [12, 8]), ((128, 64, 1), [64, 32])])
def test_the_thumbnails_have_every_image_at_its_place(shape, tile):
    vae, _ = make_model(image_shape=shape)
    grays = np.arange(0, 240, 6, dtype=np.uint8)  # 40 images: two rows
    pixels = np.broadcast_to(grays[:, None, None, None], (40, *shape))
    images = vae_nb.ImageSet(pixels, tuple(f"n{k}" for k in range(40)), ("label",) * 40)
    state = explorer_state(vae, images)
    sheet = np.asarray(Image.open(io.BytesIO(state.thumbnails)))
    height, width = state.facts["tile"]
    assert [height, width] == tile
    for index, gray in enumerate(grays):
        row, column = divmod(index, state.facts["columns"])
        found = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert np.all(found == gray)


def test_the_axes_that_are_sent_lead_there_and_back():
    vae, images = make_model(4, count=40)
    codes = codes_of(vae, images)
    for axes, sent in zip(axes_of(vae, images), facts_of(vae, images)["axes"], strict=True):
        assert sent["names"] == axes.names
        assert sent["informative"] == axes.informative
        coordinates = (codes - sent["center"]) @ np.array(sent["inverse"]).T
        np.testing.assert_allclose(coordinates, axes.coordinates(codes), atol=1e-9)
        back = sent["center"] + coordinates @ np.array(sent["matrix"]).T
        np.testing.assert_allclose(back, codes, atol=1e-9)
        assert np.all(np.abs(coordinates) <= sent["reach"])
        assert min(sent["reach"]) >= 4


def test_a_plane_tells_its_share_of_the_variance():
    vae, images = make_model(4, count=40)
    codes = codes_of(vae, images)
    variances = np.var(codes, axis=0)
    latent, principal = facts_of(vae, images)["axes"]
    first = [int(name.split()[0][1:]) - 1 for name in latent["names"][:2]]
    assert latent["plane_share"] == pytest.approx(variances[first].sum() / variances.sum())
    directions = np.array(principal["matrix"])[:, :2]
    directions /= np.linalg.norm(directions, axis=0)
    share = np.var((codes - codes.mean(axis=0)) @ directions, axis=0).sum() / variances.sum()
    assert principal["plane_share"] == pytest.approx(share)


def test_the_usual_distance_is_that_to_the_nearest_neighbor():
    vae, images = make_model()
    codes = codes_of(vae, images)
    apart = np.linalg.norm(codes[:, None] - codes, axis=2) + 99 * np.eye(len(codes))
    found = facts_of(vae, images)["neighbor_distance"]
    assert found == pytest.approx(np.median(apart.min(axis=1)), rel=1e-5)
    assert facts_of(*make_model(count=1))["neighbor_distance"] is None


def test_the_norms_are_those_of_the_prior():
    facts = facts_of(*make_model(16))
    assert facts["prior_norm"] == pytest.approx(3.9386, abs=0.02)  # √2 Γ(8.5) / Γ(8)
    assert np.all(np.diff(facts["prior_norms"]) >= 0)
    assert facts["prior_norms"][500] == pytest.approx(3.916, abs=0.03)  # the median


def test_draws_from_the_fitted_density_have_its_moments():
    vae, images = make_model(2, count=20)
    mean, covariance = vae_nb.aggregate_posterior(vae, images)
    fitted = facts_of(vae, images)["fitted"]
    factor = np.array(fitted["factor"])
    np.testing.assert_allclose(fitted["mean"], mean)
    np.testing.assert_allclose(factor @ factor.T, covariance)


@pytest.mark.parametrize(("latent_dim", "count"), [(1, 6), (3, 1), (6, 3)])
def test_few_dimensions_and_few_images(latent_dim, count):
    facts = facts_of(*make_model(latent_dim, count=count))
    assert [len(axes["names"]) for axes in facts["axes"]] == [latent_dim] * 2


# Names


def test_names_lose_their_code_point_and_nothing_else():
    names = facts_of(*make_model())["names"]
    assert names[:4] == ["grinning face", "IMG 1234", "smiling face", "cafe au lait"]


def test_drawings_of_one_emoji_are_told_apart_by_their_style():
    vae, images = make_model()
    names = ("1f600_smile", "1f601_grin") * (len(images) // 2)
    styles = tuple(f"style_{number // 2}" for number in range(len(images)))
    images = vae_nb.ImageSet(images.pixels, names, images.labels, styles=styles)
    assert facts_of(vae, images)["names"][:3] == [
        "smile, style_0",
        "grin, style_0",
        "smile, style_1",
    ]


def test_names_that_would_be_alike_stay_as_they_are():
    vae, images = make_model(count=3)
    for names in (("2023_summer", "2024_summer", "a"), ("1f600_", "b", "c")):
        assert facts_of(vae, vae_nb.ImageSet(images.pixels, names, images.labels))["names"] == list(
            names
        )


# Axes


def test_latent_axes_are_ordered_and_named_by_their_nats_and_the_silent_ones_last():
    vae, images = make_model(4)
    silence(vae, 1)
    kl = vae_nb.kl_per_dimension(vae, images)
    axes, _ = axes_of(vae, images)
    order = [int(name.split()[0][1:]) - 1 for name in axes.names]
    assert order[-1] == 1
    assert np.all(np.diff(kl[order]) <= 0)
    assert axes.names == [f"z{k + 1} ({kl[k]:.1f} nats)" for k in order]
    assert axes.informative == 3


def test_principal_axes_are_those_of_the_codes():
    vae, images = make_model(4, count=40)
    (_, axes), codes = axes_of(vae, images), codes_of(vae, images)
    np.testing.assert_allclose(axes.center, codes.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(np.cov(axes.coordinates(codes).T, bias=True), np.eye(4), atol=1e-7)
    assert np.linalg.norm(axes.matrix, axis=0) == pytest.approx(
        np.std((codes - axes.center) @ (axes.matrix / np.linalg.norm(axes.matrix, axis=0)), axis=0)
    )


def test_principal_axes_are_in_the_order_of_what_is_seen_and_their_shares_add_up():
    vae, images = make_model(5, count=40)
    _, axes = axes_of(vae, images)
    moved = []
    for axis in np.eye(5):
        low, high = (vae.decode(axes.latent(value * axis)[None])[0] for value in (-2, 2))
        moved.append(np.mean((high - low) ** 2))
    assert np.all(np.diff(moved) <= 0)
    shares = np.array(moved) / np.sum(moved)
    assert axes.names == [f"p{n} ({share:.0%} of change)" for n, share in enumerate(shares, 1)]
    percents = [int(re.search(r"(\d+)%", name)[1]) for name in axes.names]
    assert sum(percents) == pytest.approx(100, abs=2.5)  # each is rounded


@pytest.mark.parametrize(("latent_dim", "count"), [(1, 6), (3, 1), (6, 3)])
def test_principal_axes_where_codes_do_not_fill_the_space(latent_dim, count):
    vae, images = make_model(latent_dim, count=count)
    _, axes = axes_of(vae, images)
    assert axes.informative == min(latent_dim, count - 1)
    for code in codes_of(vae, images):
        np.testing.assert_allclose(axes.latent(axes.coordinates(code)), code, atol=1e-9)


# The browser's side


def test_the_module_is_all_modules_without_what_joins_them():
    module = explorer_module()
    assert "import " not in re.sub(r"//.*", "", module)
    assert re.findall(r"^export .*$", module, re.MULTILINE) == ["export default { render };"]
    for name in MODULES:
        text = (FRONTEND / name).read_text(encoding="utf-8")
        assert text.splitlines()[0] in module
        imported = re.findall(r'from "\./(.*)";', text)
        assert all(MODULES.index(other) < MODULES.index(name) for other in imported)


def test_every_file_of_the_front_end_is_used():
    code = "".join(
        path.read_text(encoding="utf-8") for path in Path(vae_nb.__file__).parent.rglob("*.py")
    )
    for path in FRONTEND.iterdir():
        assert f'"{path.name}"' in code


def test_the_browser_reads_and_sets_traits_that_exist():
    used = set(re.findall(r'model\.(?:get|set)\("(\w+)"', explorer_module()))
    traits = vae_nb.LatentExplorer.class_traits(sync=True)
    own = {name for name, trait in traits.items() if trait.this_class is vae_nb.LatentExplorer}
    assert used == own - {"_esm", "_css"}
