"""The encoder and the decoder in JavaScript are those of the core."""

import base64

import numpy as np
import pytest

import vae_nb
from vae_nb.show.explorer_state import FRONTEND, explorer_state

pytestmark = pytest.mark.browser

VECTORS = 200
LAYERS = {
    "dense, every activation": {
        "model.encoder_layers": [
            {"units": 40, "activation": name} for name in ("relu", "tanh", "sigmoid", "linear")
        ],
        "model.decoder_layers": [
            {"units": 40, "activation": name}
            for name in ("softplus", "cosh", "silu", "leaky_relu", "relu")
        ],
    },
    "patches that overlap": {
        "model.latent_dim": 5,
        "model.encoder_layers": [
            {"filters": 6, "kernel_size": 4, "strides": 2, "activation": "leaky_relu"},
            {"filters": 9, "kernel_size": 5, "strides": 1, "activation": "silu"},
            {"units": 20, "activation": "tanh"},
        ],
        "model.decoder_layers": [
            {"units": 20, "activation": "relu"},
            {"filters": 8, "kernel_size": 6, "strides": 4, "activation": "relu"},
            {"filters": 5, "kernel_size": 3, "strides": 1, "activation": "tanh"},
        ],
        "model.output_kernel_size": 3,
    },
}
MODELS = {
    "config.json": ("config.json", {}, (64, 64, 3)),
    "convolutional.json": ("configs/convolutional.json", {}, (64, 64, 3)),
    **{name: (None, layers, (16, 24, 1)) for name, layers in LAYERS.items()},
}
RUN = """async ([source, layers, numbers, format, vectors, images]) => {
    const { createNetwork, readNumbers } = await import(source);
    const bytes = Uint8Array.from(atob(numbers), (letter) => letter.charCodeAt(0));
    const network = createNetwork(layers, readNumbers(bytes, format));
    const posteriors = images.map((image) => network.encode(image));
    const levels = (z) => Uint8ClampedArray.from(network.decode(z), (value) => 255 * value);
    return {
        pixels: vectors.map((z) => btoa(String.fromCharCode(...levels(z)))),
        mean: posteriors.map(({ mean }) => Array.from(mean)),
        logVariance: posteriors.map(({ logVariance }) => Array.from(logVariance)),
    };
}"""


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    """Return a model with random weights, whose pictures are far from gray, and some images."""
    config_path, overrides, shape = MODELS[request.param]
    config = vae_nb.load_config(config_path, overrides)
    rng = np.random.default_rng(0)
    vae = vae_nb.VAE(config.model, shape, rng)
    for layer in vae.layers.values():
        layer.biases[:] += rng.normal(0, 0.3, layer.biases.size)
    pixels = rng.integers(0, 256, (5, *shape), np.uint8)
    vae.center_on(np.mean(pixels / 255, axis=0).ravel())
    logits = vae.decode_logits(rng.standard_normal((50, vae.latent_dim)))
    vae.decoder[-1].weights *= 2 / np.std(logits, axis=0).mean()
    return vae, vae_nb.ImageSet(pixels, tuple("abcde"), ("label",) * 5)


@pytest.fixture(scope="module")
def page(new_page):
    page = new_page()
    yield page
    assert not page.errors, page.errors
    page.close()


@pytest.mark.parametrize(("dtype", "levels"), [(np.float32, 1), (np.float16, 2)])
def test_pictures_and_posteriors_are_those_of_numpy(model, page, dtype, levels):
    vae, images = model
    if vae.image_shape[0] < 64:  # here a rounded weight is amplified; NumPy gets the rounded ones
        vae.parameters[:] = vae.parameters.astype(dtype)
    vectors = np.random.default_rng(1).normal(0, 1.3, (VECTORS, vae.latent_dim))
    state = explorer_state(vae, images, dtype)
    script = base64.b64encode((FRONTEND / "network.js").read_bytes()).decode()
    x = images.as_float()
    found = page.evaluate(
        RUN,
        [
            f"data:text/javascript;base64,{script}",
            state.facts["layers"],
            base64.b64encode(state.numbers).decode(),
            state.facts["number_format"],
            vectors.tolist(),
            x.tolist(),
        ],
    )
    expected = np.round(255 * vae.decode(vectors)).astype(int)
    pixels = [np.frombuffer(base64.b64decode(one), np.uint8) for one in found["pixels"]]
    assert np.std(expected, axis=0).mean() > 20  # the pictures differ
    assert np.abs(np.array(pixels) - expected).max() <= levels
    tolerance = 1e-4 if dtype == np.float32 else 2e-2
    for name, right in zip(("mean", "logVariance"), vae.encode(x), strict=True):
        assert np.std(right) > 0.1
        np.testing.assert_allclose(found[name], right, atol=tolerance * np.abs(right).max())
