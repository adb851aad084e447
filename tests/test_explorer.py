"""The latent explorer, driven without a browser."""

import io

import numpy as np
import pytest
from PIL import Image

import vae_nb

HALF_A_STEP = 1 / 32 + 1e-6


def make_explorer(latent_dim=3, image_shape=(12, 8, 3), names=None, rng=None):
    """An explorer of an untrained model and random pictures."""
    random = np.random.default_rng(5)
    names = names or ("1f600_grinning_face", "IMG_1234", "263a_smiling_face", "cafe_au_lait")
    pixels = random.integers(0, 256, (len(names), *image_shape), np.uint8)
    images = vae_nb.ImageSet(pixels, tuple(names), ("label",) * len(names))
    layers = [{"units": 7, "activation": "tanh"}]
    config = vae_nb.load_config(
        overrides={"model.latent_dim": latent_dim, "model.encoder_layers": layers}
    )
    vae = vae_nb.VAE(config.model, image_shape, random)
    vae.parameters *= 3  # an untrained decoder hardly changes with its input
    return vae_nb.LatentExplorer(vae, images, rng), vae, images


def shown(explorer):
    """The picture shown, as an array in 0..255."""
    return np.asarray(Image.open(io.BytesIO(explorer.picture.value)))


def decoded(vae, z):
    picture = vae.decode(np.asarray(z)[None])[0].reshape(vae.image_shape)
    return np.round(255 * picture).astype(np.uint8).squeeze()


def test_starts_at_the_code_of_the_first_picture():
    explorer, vae, images = make_explorer()
    code = vae.encode(images.as_float())[0][0]
    np.testing.assert_allclose(explorer.z, code, atol=HALF_A_STEP)
    assert np.array_equal(shown(explorer), decoded(vae, explorer.z))


@pytest.mark.parametrize("latent_dim", [1, 2, 64])
def test_every_slider_moves_its_own_dimension(latent_dim):
    explorer, vae, _ = make_explorer(latent_dim)
    assert len(explorer.sliders) == latent_dim
    for dimension in {0, latent_dim - 1}:
        before, z = shown(explorer), explorer.z
        explorer.sliders[dimension].value = z[dimension] = explorer.sliders[dimension].max
        assert np.array_equal(explorer.z, z)
        assert np.array_equal(shown(explorer), decoded(vae, z))
        assert not np.array_equal(shown(explorer), before)


def test_setting_z_decodes_once_and_stays_within_reach(monkeypatch):
    explorer, vae, _ = make_explorer()
    calls = []
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z: calls.append(z) or decode(z))
    explorer.z = [0.5, -1.25, 99.0]
    assert len(calls) == 1
    np.testing.assert_allclose(explorer.z, [0.5, -1.25, explorer.sliders[2].max])
    explorer.sliders[0].value = 1.0
    assert len(calls) == 2


def test_values_are_steps_of_the_sliders():
    # The browser snaps every value to a step and sends it back: it must find nothing to change.
    explorer, _, _ = make_explorer()
    explorer.random_button.click()
    for slider in explorer.sliders:
        steps = round((slider.value - slider.min) / slider.step)
        assert slider.value == slider.min + steps * slider.step
        # Powers of two: the browser's arithmetic, in percent of the range, is exact as well.
        assert np.log2(slider.max) % 1 == np.log2(slider.step) % 1 == 0


def test_reset_goes_back_to_the_chosen_start():
    explorer, vae, images = make_explorer()
    explorer.start.value = 2
    code = vae.encode(images.as_float())[0][2]
    np.testing.assert_allclose(explorer.z, code, atol=HALF_A_STEP)
    start = shown(explorer)
    explorer.z = -explorer.z
    assert not np.array_equal(shown(explorer), start)
    explorer.reset_button.click()
    np.testing.assert_allclose(explorer.z, code, atol=HALF_A_STEP)
    assert np.array_equal(shown(explorer), start)


def test_random_draw_is_the_generators():
    explorer, _, _ = make_explorer(rng=np.random.default_rng(8))
    explorer.random_button.click()
    draw = np.random.default_rng(8).standard_normal(3)
    assert np.abs(draw).max() < 4  # within every slider's reach
    np.testing.assert_allclose(explorer.z, draw, atol=HALF_A_STEP)


def test_sliders_reach_every_code():
    explorer, vae, images = make_explorer()
    codes = vae.encode(images.as_float())[0]
    for slider, column in zip(explorer.sliders, codes.T, strict=True):
        assert slider.max >= max(4, np.abs(column).max())
        assert slider.min == -slider.max


def test_sliders_are_named_with_their_nats():
    explorer, vae, images = make_explorer()
    kl = vae_nb.kl_per_dimension(vae, images)
    names = [slider.description for slider in explorer.sliders]
    assert names == [f"z{number} ({nats:.1f} nats)" for number, nats in enumerate(kl, start=1)]


def test_names_lose_their_code_point_and_nothing_else():
    explorer, _, _ = make_explorer()
    names = [name for name, _ in explorer.start.options]
    assert names == ["IMG 1234", "cafe au lait", "grinning face", "smiling face"]
    assert [index for _, index in explorer.start.options] == [1, 3, 0, 2]


@pytest.mark.parametrize(
    ("image_shape", "size"),
    [
        ((64, 64, 3), ("320px", "320px")),
        ((48, 32, 1), ("288px", "192px")),  # 6 times: a whole number keeps pixels alike
        ((640, 320, 3), ("320px", "160px")),
    ],
)
def test_size_on_the_screen(image_shape, size):
    explorer, _, _ = make_explorer(image_shape=image_shape)
    assert (explorer.picture.layout.height, explorer.picture.layout.width) == size
    assert shown(explorer).shape == image_shape[: 3 if image_shape[2] == 3 else 2]
