"""The film of a training keeps some epochs, and changes no bit of the training."""

import numpy as np
import pytest

import vae_nb


def training(seed, epochs=30, **options):
    """Train a small model on random images, and return it with the images."""
    config = vae_nb.load_config(
        None,
        {
            "data.input_size": [4, 4],
            "model.latent_dim": 2,
            "model.encoder_layers": [{"units": 5, "activation": "tanh"}],
            "training.epochs": epochs,
            "training.seed": seed,
        },
    )
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    images = vae_nb.ImageSet(pixels, tuple(map(str, range(12))), ("",) * 12)
    train_set, validation_set = images.split(0.25, seed)
    vae = vae_nb.VAE(config.model, (4, 4, 3), vae_nb.random_stream(seed, "weights"))
    vae_nb.train(vae, train_set, validation_set, config.training, progress=False, **options)
    return vae, images


@pytest.mark.parametrize("seed", range(2))
def test_the_film_keeps_first_and_last_and_changes_no_bit(seed):
    vae, images = training(seed)
    # Made for 100 epochs, but the training ends after 30.
    film = vae_nb.TrainingFilm(images.as_float(), 100, most=6)
    watched, _ = training(seed, on_epoch_end=film)
    assert np.array_equal(watched.parameters, vae.parameters)
    assert list(film.reconstructions) == [1, 3, 6, 16, 30]
    assert all(pixels.dtype == np.uint8 for pixels in film.reconstructions.values())
    np.testing.assert_allclose(film.reconstructions[30], 255 * vae.reconstruct(film.x), atol=0.51)
