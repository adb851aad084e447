"""The notebooks' functions, pulled out of them, do what `vae_nb` does, on random inputs."""

import numpy as np
import pytest
from notebook_code import functions_of
from PIL import Image

import vae_nb

SEEDS = range(3)

every_seed = pytest.mark.parametrize("seed", SEEDS)


# --- 01 · Load the emojis ---


def saved_and_loaded(picture, folder, height, width, channels):
    """What `vae_nb.load_images` makes of a picture."""
    Image.fromarray(picture).save(folder / "picture.png")
    data = {"input_dir": str(folder), "input_size": [height, width], "channels": channels}
    overrides = {f"data.{key}": value for key, value in data.items()}
    return vae_nb.load_images(vae_nb.load_config("config.json", overrides).data).pixels[0]


def random_image_set(rng, count=60):
    pixels = rng.integers(0, 256, (count, 4, 3, 1), dtype=np.uint8)
    labels = tuple(rng.choice(["a", "b", "c/d", "e"], count, p=[0.6, 0.3, 0.08, 0.02]).tolist())
    return vae_nb.ImageSet(pixels, tuple(map(str, range(count))), labels)


@every_seed
@pytest.mark.parametrize("channels", [1, 3])
def test_01_a_picture_by_hand(seed, channels, tmp_path):
    rng = np.random.default_rng(seed)
    by_hand = functions_of("01")
    for _ in range(5):
        height, width, *shape = (int(size) for size in rng.integers([4, 4, 1, 1], 70))
        rgba = rng.integers(0, 256, (*shape, 4), dtype=np.uint8)
        fitted = by_hand["fit"](by_hand["on_white"](rgba), height, width, channels)
        loaded = saved_and_loaded(rgba, tmp_path, height, width, channels)
        np.testing.assert_array_equal(fitted, loaded)


def test_01_every_colour_at_every_opacity(tmp_path):
    rgba = np.zeros((256, 256, 4), np.uint8)
    rgba[..., :3] = np.arange(256)[:, None, None]
    rgba[..., 3] = np.arange(256)
    loaded = saved_and_loaded(rgba, tmp_path, 256, 256, 3)
    np.testing.assert_array_equal(functions_of("01")["on_white"](rgba), loaded)


@every_seed
@pytest.mark.parametrize("share", [0.01, 0.2, 0.37, 0.99])
def test_01_split(seed, share):
    image_set = random_image_set(np.random.default_rng(seed))
    train, held_out = functions_of("01")["split_by_hand"](image_set, share, seed)
    train_set, validation_set = image_set.split(share, seed)
    assert train_set.names == tuple(map(str, train))
    assert validation_set.names == tuple(map(str, held_out))


@every_seed
@pytest.mark.parametrize("batch_size", [1, 7, 60, 100])
def test_01_batches(seed, batch_size):
    image_set = random_image_set(np.random.default_rng(seed))
    by_hand = functions_of("01")["batches_by_hand"]
    mine = list(by_hand(image_set, batch_size, np.random.default_rng(seed)))
    theirs = list(image_set.batches(batch_size, np.random.default_rng(seed)))
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


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


# --- 08 · Traverse the latent space ---


# --- 09 · Latent sliders ---
