"""What ONNX files compute is what the core computes."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

import vae_nb
from vae_nb.run import export_onnx
from vae_nb.system.errors import FilesError

NAMES = list(vae_nb.ACTIVATIONS)
MODELS = {  # the image's shape, and what differs from the defaults
    "dense, every activation": (
        (10, 8, 3),
        {
            "model.latent_dim": 5,
            "model.encoder_layers": [{"units": 20, "activation": name} for name in NAMES[:4]],
            "model.decoder_layers": [{"units": 20, "activation": name} for name in NAMES[4:]],
        },
    ),
    "convolutions, every activation": (
        (32, 32, 3),
        {
            "model.latent_dim": 4,
            "model.encoder_layers": [
                {"filters": 6, "kernel_size": 2, "strides": 2, "activation": NAMES[0]},
                {"filters": 5, "kernel_size": 5, "strides": 1, "activation": NAMES[1]},
                {"filters": 9, "kernel_size": 4, "strides": 2, "activation": NAMES[2]},
                {"filters": 8, "kernel_size": 1, "strides": 1, "activation": NAMES[3]},
                {"units": 20, "activation": NAMES[4]},
            ],
            "model.decoder_layers": [
                {"units": 20, "activation": NAMES[5]},
                {"filters": 8, "kernel_size": 6, "strides": 4, "activation": NAMES[6]},
                {"filters": 5, "kernel_size": 2, "strides": 2, "activation": NAMES[7]},
            ],
            "model.output_kernel_size": 3,
        },
    ),
    "gray, wide, no patches that overlap": (
        (8, 24, 1),
        {
            "model.encoder_layers": [
                {"filters": 6, "kernel_size": 2, "strides": 2, "activation": "leaky_relu"},
            ],
        },
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def run(request):
    """Return a run of a model with random weights, whose pictures are far from gray."""
    shape, overrides = MODELS[request.param]
    height, width, channels = shape
    size = {"data.input_size": [height, width], "data.channels": channels}
    config = vae_nb.load_config(overrides=overrides | size)
    rng = np.random.default_rng(0)
    vae = vae_nb.VAE(config.model, shape, rng)
    for layer in vae.layers.values():
        layer.biases[:] += rng.normal(0, 0.3, layer.biases.size)
    pixels = rng.integers(0, 256, (7, *shape), np.uint8)
    vae.center_on(np.mean(pixels / 255, axis=0).ravel())
    logits = vae.decode_logits(rng.standard_normal((50, vae.latent_dim)))
    vae.decoder[-1].weights *= 2 / np.std(logits, axis=0).mean()
    vae.log_variance_head.biases[0] = 1000  # beyond the bound
    images = vae_nb.ImageSet(pixels, tuple("abcdefg"), ("label",) * 7)
    return vae_nb.TrainedRun(config, images, images, vae, None, {})


@pytest.fixture(scope="module")
def paths(run, tmp_path_factory):
    return export_onnx.export_onnx(run, tmp_path_factory.mktemp("onnx") / "model.onnx")


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("batch", [1, 7])
def test_the_encoder_is_that_of_numpy(run, paths, batch):
    pixels = run.train_set.pixels[:batch].astype(np.float32) / 255
    found = session_of(paths[0]).run(["mean", "log_variance"], {"images": pixels})
    expected = run.vae.encode(pixels.reshape(batch, -1))
    assert expected[1].max() == 30
    for one, right in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, right, rtol=1e-4, atol=1e-5 * np.abs(right).max())


@pytest.mark.parametrize("batch", [1, 7])
def test_the_decoder_is_that_of_numpy(run, paths, batch):
    z = np.random.default_rng(1).normal(0, 1.3, (batch, run.vae.latent_dim)).astype(np.float32)
    (found,) = session_of(paths[1]).run(["images"], {"z": z})
    assert found.dtype == np.float32
    assert found.shape == (batch, *run.vae.image_shape)
    np.testing.assert_allclose(found.reshape(batch, -1), run.vae.decode(z), atol=1e-4)
    assert np.std(found) > 0.1


def test_a_file_says_what_its_numbers_mean(run, paths):
    tensors_of = (["images", "mean", "log_variance"], ["z", "images"])
    for path, names in zip(paths, tensors_of, strict=True):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        properties = {entry.key: entry.value for entry in model.metadata_props}
        tensors = [*model.graph.input, *model.graph.output]
        assert [tensor.name for tensor in tensors] == names
        for tensor in tensors:
            assert tensor.type.tensor_type.shape.dim[0].dim_param == "batch"
            assert properties[tensor.name] == tensor.doc_string
        colors = "gray" if run.vae.image_shape[-1] == 1 else "red, green, blue"
        assert colors in properties["images"]
        assert json.loads(properties["image_shape"]) == list(run.vae.image_shape)
        assert json.loads(properties["latent_dim"]) == run.vae.latent_dim
        assert "Noto Color Emoji" in properties["training_pictures"]


def test_a_file_that_would_be_too_large_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_onnx, "MAX_BYTES", 100)
    with pytest.raises(FilesError, match=r"model_encoder.onnx: its weights take 0\.0 GB"):
        export_onnx.export_onnx(run, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
