"""The latent explorer, driven without a browser."""

import io
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import traitlets
from PIL import Image

import vae_nb
from vae_nb.core.latent import latent_axes, principal_axes
from vae_nb.show.explorer import LATENT, PRINCIPAL
from vae_nb.system.errors import FilesError, ModelError

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


def make_explorer(latent_dim=3, *, rng=None, folder="output/images", **options):
    vae, images = make_model(latent_dim, **options)
    return vae_nb.LatentExplorer(vae, images, rng, folder), vae, images


def codes_of(vae, images):
    return vae_nb.encode_set(vae, images).mean.astype(np.float64)


def axes_of(vae, images, along):
    posteriors = vae_nb.encode_set(vae, images)
    if along == LATENT:
        return latent_axes(posteriors)
    return principal_axes(vae, posteriors)


def decoded(vae, z):
    image = vae.decode(np.asarray(z)[None])[0].reshape(vae.image_shape)
    return np.round(255 * image).astype(np.uint8)


def move(explorer, index, value):
    """Move one slider, as the browser does: all values are sent."""
    values = list(explorer.sliders.values)
    values[index] = float(value)
    explorer.sliders.values = values


def silence(vae, dimension):
    """Let a latent dimension carry nothing: its posterior is the prior for every image."""
    for head in (vae.layers["mean"], vae.layers["log_variance"]):
        head.weights[:, dimension] = 0
        head.biases[dimension] = 0


# The latent vector


def test_starts_at_the_code_of_the_first_image():
    explorer, vae, images = make_explorer()
    code = codes_of(vae, images)[0]
    assert np.array_equal(explorer.z, code)
    assert np.array_equal(explorer.pixels, decoded(vae, code))


@pytest.mark.parametrize("latent_dim", [1, 2, 64])
def test_every_slider_moves_its_own_dimension(latent_dim):
    explorer, vae, _ = make_explorer(latent_dim)
    assert len(explorer.sliders.values) == latent_dim
    for index in {0, latent_dim - 1}:
        before, z = explorer.pixels, explorer.z
        highest = explorer.sliders.limits[index][1]
        move(explorer, index, highest)
        dimension = int(explorer.sliders.names[index].split()[0][1:]) - 1
        z[dimension] = highest
        assert np.array_equal(explorer.z, z)
        assert np.array_equal(explorer.pixels, decoded(vae, z))
        assert not np.array_equal(explorer.pixels, before)


def test_setting_z_is_exact_and_decodes_once(monkeypatch):
    explorer, vae, _ = make_explorer()
    calls = []
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z: calls.append(z) or decode(z))
    z = np.array([0.51, -1.23, 99.0])
    explorer.z = z
    assert len(calls) == 1
    assert np.array_equal(explorer.z, z)
    assert sorted(explorer.sliders.values) == sorted(z.tolist())  # a slider knows its own limits
    move(explorer, 0, 1.0)
    assert len(calls) == 2


@pytest.mark.parametrize("z", [[1.0, 2.0], [[1.0, 2.0, 3.0]], [1.0, np.nan, 2.0], [1, np.inf, 2]])
def test_an_invalid_vector_is_refused_and_changes_nothing(z):
    explorer, _, _ = make_explorer()
    before = explorer.z
    with pytest.raises(ModelError, match="must be 3 finite numbers"):
        explorer.z = z
    assert np.array_equal(explorer.z, before)


@pytest.mark.parametrize("values", [[1.0], [1.0, np.nan, 2.0], [0.0] * 4])
def test_values_that_the_sliders_cannot_have_are_refused_and_change_nothing(values):
    explorer, _, _ = make_explorer()
    before = explorer.z, explorer.sliders.values
    with pytest.raises(traitlets.TraitError, match="must be 3 finite numbers"):
        explorer.sliders.values = values
    assert np.array_equal(explorer.z, before[0])
    assert explorer.sliders.values == before[1]


def test_a_browser_that_knew_of_an_older_vector_is_told_the_values(monkeypatch):
    explorer, _, _ = make_explorer()
    known, sent = explorer.sliders.values, []
    explorer.prior_button.click()
    monkeypatch.setattr(explorer.sliders, "send_state", sent.append)
    explorer.sliders.set_state({"values": [known[0] + 1, *known[1:]]})
    assert explorer.sliders.values == [known[0] + 1, *known[1:]]
    assert sent == ["values"]
    explorer.sliders.set_state({"values": [*known[:2], known[2] + 1]})
    assert sent == ["values"]


def test_the_set_is_encoded_once(monkeypatch):
    vae, images = make_model()
    calls = []
    encode = vae.encode
    monkeypatch.setattr(vae, "encode", lambda x: calls.append(len(x)) or encode(x))
    vae_nb.LatentExplorer(vae, images)
    assert calls == [len(images)]


def test_z_cannot_be_changed_behind_the_explorers_back():
    explorer, _, _ = make_explorer()
    explorer.z[0] = 17
    assert explorer.z[0] != 17


# Axes


def test_sliders_are_ordered_and_named_by_their_nats_and_the_silent_ones_folded():
    vae, images = make_model(4)
    silence(vae, 1)
    kl = vae_nb.kl_per_dimension(vae, images)
    axes = axes_of(vae, images, LATENT)
    order = [int(name.split()[0][1:]) - 1 for name in axes.names]
    assert order[-1] == 1
    assert np.all(np.diff(kl[order]) <= 0)
    assert axes.names == [f"z{k + 1} ({kl[k]:.1f} nats)" for k in order]
    explorer = vae_nb.LatentExplorer(vae, images)
    assert explorer.sliders.names == axes.names
    assert explorer.sliders.unfolded == axes.informative == 3
    assert explorer.sliders.fold_text == "Carrying nothing: 1 of the latent dimensions"


def test_principal_axes_are_those_of_the_codes():
    vae, images = make_model(4, count=40)
    axes, codes = axes_of(vae, images, PRINCIPAL), codes_of(vae, images)
    np.testing.assert_allclose(axes.center, codes.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(np.cov(axes.coordinates(codes).T, bias=True), np.eye(4), atol=1e-7)
    assert np.linalg.norm(axes.matrix, axis=0) == pytest.approx(
        np.std((codes - axes.center) @ (axes.matrix / np.linalg.norm(axes.matrix, axis=0)), axis=0)
    )


def test_the_first_principal_slider_is_the_one_seen_most():
    vae, images = make_model(5, count=40)
    axes = axes_of(vae, images, PRINCIPAL)
    moved = []
    for axis in np.eye(5):
        low, high = (vae.decode(axes.latent(value * axis)[None])[0] for value in (-2, 2))
        moved.append(100 * np.sqrt(np.mean((high - low) ** 2)))
    assert np.all(np.diff(moved) <= 0)
    assert axes.names == [f"p{n} ({m:.0f}% change)" for n, m in enumerate(moved, start=1)]


@pytest.mark.parametrize(("latent_dim", "count"), [(1, 6), (3, 1), (6, 3)])
def test_principal_axes_where_codes_do_not_fill_the_space(latent_dim, count):
    vae, images = make_model(latent_dim, count=count)
    axes = axes_of(vae, images, PRINCIPAL)
    assert axes.informative == min(latent_dim, count - 1)
    codes = codes_of(vae, images)
    for code in codes:
        np.testing.assert_allclose(axes.latent(axes.coordinates(code)), code, atol=1e-9)
    explorer = vae_nb.LatentExplorer(vae, images)
    explorer.along.value = PRINCIPAL
    assert explorer.sliders.unfolded == axes.informative


def test_switching_the_axes_keeps_the_vector():
    explorer, vae, images = make_explorer(4, count=20)
    z, pixels = explorer.z, explorer.pixels
    explorer.along.value = PRINCIPAL
    axes = axes_of(vae, images, PRINCIPAL)
    assert np.array_equal(explorer.z, z)
    assert np.array_equal(explorer.pixels, pixels)
    np.testing.assert_allclose(explorer.sliders.values, axes.coordinates(z))
    move(explorer, 1, 2.5)
    coordinates = axes.coordinates(explorer.z)
    np.testing.assert_allclose(coordinates[1], 2.5)
    np.testing.assert_allclose(np.delete(coordinates, 1), np.delete(axes.coordinates(z), 1))
    explorer.along.value = LATENT
    np.testing.assert_allclose(axes.coordinates(explorer.z), coordinates)


@pytest.mark.parametrize("along", [LATENT, PRINCIPAL])
def test_sliders_reach_every_code(along):
    explorer, vae, images = make_explorer()
    explorer.along.value = along
    axes = axes_of(vae, images, along)
    for (low, high), column in zip(
        explorer.sliders.limits, axes.coordinates(codes_of(vae, images)).T, strict=True
    ):
        assert -low == high >= max(4, np.abs(column).max())


def test_a_slider_moved_while_the_axes_are_switched_is_heard(monkeypatch):
    # The browser's messages may reach the explorer in several threads.
    explorer, _, _ = make_explorer()
    lay, moved = explorer.map.lay, threading.Thread(target=move, args=(explorer, 0, 2.5))

    def slowly(*arguments):
        moved.start()
        moved.join(0.2)
        lay(*arguments)

    monkeypatch.setattr(explorer.map, "lay", slowly)
    explorer.along.value = PRINCIPAL
    moved.join(10)
    assert explorer.sliders.values[0] == 2.5
    axes = explorer._axes
    np.testing.assert_allclose(axes.coordinates(explorer.z)[0], 2.5)
    assert np.array_equal(explorer.pixels, decoded(explorer._vae, explorer.z))


# Emojis, blends and draws


def test_both_ends_of_the_blend_are_the_codes_exactly():
    explorer, vae, images = make_explorer()
    codes = codes_of(vae, images)
    explorer.first.value, explorer.second.value = 1, 4
    for weight, expected in ((1.0, codes[4]), (0.25, 0.75 * codes[1] + 0.25 * codes[4])):
        explorer.blend.values = [weight]
        assert np.array_equal(explorer.z, expected)
    explorer.second.value = 2
    assert np.array_equal(explorer.z, 0.75 * codes[1] + 0.25 * codes[2])
    explorer.blend.values = [0.0]
    assert np.array_equal(explorer.z, codes[1])


def test_a_second_emoji_moves_nothing_while_the_blend_is_at_0():
    explorer, _, _ = make_explorer()
    move(explorer, 0, 1.5)
    z = explorer.z
    explorer.second.value = 2
    assert np.array_equal(explorer.z, z)


def test_the_blend_is_at_0_once_something_else_has_moved_the_vector():
    explorer, vae, images = make_explorer()
    for act in (
        lambda: move(explorer, 0, 1.5),
        explorer.prior_button.click,
        lambda: setattr(explorer, "z", np.ones(3)),
    ):
        explorer.blend.values = [1.0]
        assert np.array_equal(explorer.z, codes_of(vae, images)[-1])
        act()
        assert explorer.blend.values == [0.0]


def test_reset_goes_back_to_the_first_emoji():
    explorer, vae, images = make_explorer()
    codes = codes_of(vae, images)
    explorer.first.value = 2
    assert np.array_equal(explorer.z, codes[2])
    explorer.blend.values = [0.5]
    explorer.z = -explorer.z
    explorer.reset_button.click()
    assert np.array_equal(explorer.z, codes[2])
    assert explorer.blend.values == [0.0]


def test_a_draw_from_the_prior_is_the_generators():
    explorer, _, _ = make_explorer(rng=np.random.default_rng(8))
    explorer.prior_button.click()
    assert np.array_equal(explorer.z, np.random.default_rng(8).standard_normal(3))


def test_draws_from_the_fitted_density_have_its_moments():
    vae, images = make_model(2, count=20)
    mean_head = vae.layers["mean"].weights
    # Two dimensions that carry the same, the second at twice the scale.
    mean_head[:, 1] = 2 * mean_head[:, 0]
    explorer = vae_nb.LatentExplorer(vae, images, np.random.default_rng(0))
    mean, covariance = vae_nb.aggregate_posterior(vae, images)
    draws = []
    for _ in range(2000):
        explorer.fitted_button.click()
        draws.append(explorer.z)
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    assert correlation[0, 1] > 0.5
    np.testing.assert_allclose(np.mean(draws, axis=0) / scale, mean / scale, atol=0.1)
    found = np.cov(np.transpose(draws)) / np.outer(scale, scale)
    np.testing.assert_allclose(found, correlation, atol=0.1)


# The map


def test_the_map_is_a_view_of_the_sliders():
    explorer, _, _ = make_explorer(3)
    assert explorer.map.sliders is explorer.sliders


@pytest.mark.parametrize("along", [LATENT, PRINCIPAL])
def test_the_map_shows_each_image_where_its_code_is(along):
    vae, images = make_model(3)
    colors = np.random.default_rng(0).integers(0, 200, (len(NAMES), 1, 1, 3), np.uint8)
    images = vae_nb.ImageSet(np.broadcast_to(colors, images.pixels.shape), NAMES, images.labels)
    explorer = vae_nb.LatentExplorer(vae, images)
    explorer.along.value = along
    background = np.asarray(Image.open(io.BytesIO(explorer.map.background)).convert("RGB"))
    height, width, _ = background.shape
    frame, shown = explorer.map.frame, 0
    for index, color in enumerate(colors[:, 0, 0]):
        explorer.first.value = index
        values = explorer.sliders.values[:2]
        parts = [
            (value - low) / (high - low)
            for value, (low, high) in zip(values, explorer.map.limits, strict=True)
        ]
        assert all(0 < part < 1 for part in parts)
        x = round(width * (frame["left"] + parts[0] * frame["width"]))
        y = round(height * (frame["top"] + (1 - parts[1]) * frame["height"]))
        shown += np.array_equal(background[y, x], color)
    assert shown >= 2  # the others are dots, or covered by a neighbor
    assert all(name in explorer.map.text for name in explorer.sliders.names[:2])


# The description of the vector


def test_the_nearest_training_image_is_named_and_shown():
    explorer, vae, images = make_explorer()
    codes = codes_of(vae, images)
    explorer.z = codes[2] + 1e-3
    apart = np.linalg.norm(codes[:, None] - codes, axis=2) + 99 * np.eye(len(codes))
    apart = f"(neighboring codes are {np.median(apart.min(axis=1)):.1f} apart)"
    assert f"smiling face, 0.0 away {apart}" in explorer.picture.caption
    assert "nearest training image is smiling face" in explorer.picture.text
    nearest = np.linalg.norm(codes - (codes[2] + 5), axis=1)
    explorer.z = codes[2] + 5
    assert f"{nearest.min():.1f} away" in explorer.picture.caption


def test_the_norm_is_compared_with_that_of_the_prior():
    explorer, _, _ = make_explorer(16)
    about = "draws from the prior have about 3.9, and"
    explorer.z = np.zeros(16)
    assert f"Norm 0.0; {about} 0% of them less." in explorer.picture.caption
    explorer.z = np.full(16, 3.9386 / 4)  # √2 Γ(8.5) / Γ(8) = 3.9386, a little above the median
    assert f"Norm 3.9; {about} 5" in explorer.picture.caption
    assert "almost never" not in explorer.picture.caption
    explorer.z = np.full(16, 2.0)
    assert f"Norm 8.0; {about} 100% of them less." in explorer.picture.caption
    assert "The prior almost never draws one so far out." in explorer.picture.caption


def test_the_image_says_what_was_changed():
    explorer, _, _ = make_explorer(5)
    assert explorer.picture.text.endswith("It is the reconstruction of grinning face.")
    names = [name.split()[0] for name in explorer.sliders.names]
    start = explorer.sliders.values
    move(explorer, 1, start[1] + 0.5)
    assert explorer.picture.text.endswith(f"Changed from grinning face: {names[1]} by +0.50.")
    for index in range(5):
        move(explorer, index, start[index] - index - 1)
    assert explorer.picture.text.endswith(
        f"{names[4]} by -5.00, {names[3]} by -4.00, {names[2]} by -3.00, 2 more."
    )


def test_the_code_line_gives_the_vector_back():
    explorer, _, _ = make_explorer(16)
    explorer.prior_button.click()
    found = {}
    exec(explorer.picture.code, {"np": np}, found)
    np.testing.assert_allclose(found["z"], explorer.z, atol=5.1e-5)


def test_names_that_would_be_alike_stay_as_they_are():
    vae, images = make_model(count=3)
    for names in (("2023_summer", "2024_summer", "a"), ("1f600_", "b", "c")):
        explorer = vae_nb.LatentExplorer(vae, vae_nb.ImageSet(images.pixels, names, images.labels))
        assert explorer.first.names == list(names)


def test_draws_and_reset_are_told_to_readers_who_do_not_see_them():
    explorer, _, _ = make_explorer()
    explorer.prior_button.click()
    nearest = explorer.first.names[explorer._nearest]
    assert explorer.status.text == f"Drawn. The nearest training image is {nearest}."
    explorer.reset_button.click()
    assert explorer.status.text.startswith("Back at the first emoji. ")


def test_names_lose_their_code_point_and_nothing_else():
    explorer, _, _ = make_explorer()
    assert explorer.first.names[:4] == ["grinning face", "IMG 1234", "smiling face", "cafe au lait"]
    assert explorer.second.value == len(NAMES) - 1


# Saving


@pytest.mark.parametrize("image_shape", [(12, 8, 3), (12, 8, 1), (640, 20, 3)])
def test_saves_the_image_enlarged_and_its_vector(image_shape, tmp_path):
    folder = tmp_path / "new"
    explorer, vae, _ = make_explorer(folder=folder, image_shape=image_shape)
    explorer.prior_button.click()
    explorer.save_button.click()
    assert explorer.status.text == f"Saved {folder / 'explorer_1.png'} and explorer_1.json."
    facts = json.loads((folder / "explorer_1.json").read_text())
    assert np.array_equal(facts["z"], explorer.z)
    assert facts["norm"] == np.linalg.norm(explorer.z)
    assert facts["nearest"] in NAMES
    saved = np.asarray(Image.open(folder / "explorer_1.png"))
    scale = len(saved) // image_shape[0]
    assert scale == max(1, 320 // max(image_shape))
    assert np.array_equal(saved[::scale, ::scale], decoded(vae, explorer.z).squeeze())


def test_saving_overwrites_nothing(tmp_path):
    explorer, _, _ = make_explorer(folder=tmp_path)
    (tmp_path / "explorer_1.png").write_bytes(b"somebody's")
    (tmp_path / "explorer_2.json").write_bytes(b"somebody's as well")
    paths = [explorer.save() for _ in range(2)]
    assert [path.name for path in paths] == ["explorer_3.png", "explorer_4.png"]
    assert (tmp_path / "explorer_1.png").read_bytes() == b"somebody's"
    assert (tmp_path / "explorer_2.json").read_bytes() == b"somebody's as well"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    explorer, _, _ = make_explorer(folder=tmp_path / "file")
    with pytest.raises(FilesError, match="file"):
        explorer.save()
    explorer.save_button.click()
    assert explorer.status.text.startswith("Cannot")


def test_a_save_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    explorer, _, _ = make_explorer(folder=tmp_path)
    replace = os.replace

    def full(source, target):
        if "explorer" in str(target):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    explorer.save_button.click()
    assert "No space left on device" in explorer.status.text
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_two_pages_that_save_at_once_take_two_numbers(tmp_path):
    explorers = [make_explorer(folder=tmp_path)[0] for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda number: explorers[number % 2].save(), range(20)))
    assert len(set(paths)) == 20
    assert len(list(tmp_path.glob("explorer_*"))) == 40
