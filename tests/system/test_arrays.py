"""Saved models keep every bit, are complete or not written, and are read with distrust."""

import errno
import io
import json
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

import vae_nb.system.arrays
from vae_nb.core.model import VAE
from vae_nb.core.training import HISTORY_COLUMNS, History
from vae_nb.data.config import load_config
from vae_nb.run.model_files import load_model, save_model
from vae_nb.system.arrays import load_arrays, save_arrays
from vae_nb.system.errors import FilesError, ModelError
from vae_nb.system.files import atomic_path

EPOCHS = 3


def small_config():
    return load_config(
        overrides={
            "data.input_size": [4, 5],
            "data.channels": 1,
            "model.latent_dim": 2,
            "model.encoder_layers": [{"units": 3, "activation": "tanh"}],
            "model.decoder_layers": [{"units": 2, "activation": "cosh"}],
        }
    )


def small_model():
    config = small_config()
    rng = np.random.default_rng(0)
    vae = VAE(config.model, config.data.image_shape, rng)
    vae.parameters[:] = rng.standard_normal(vae.parameters.size)
    vae.center_on(rng.random(20))
    columns = {column: rng.standard_normal(EPOCHS) for column in HISTORY_COLUMNS}
    columns["epoch"] = np.arange(1, EPOCHS + 1)
    return vae, History(columns, saved_epoch=2, seconds=1.5), config


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "models" / "vae.npz"
    save_model(path, *small_model(), fingerprint="abc", metrics={"kl": 1.0})
    return path


def contents(model):
    vae, history, config = model
    arrays = [vae.parameters, vae.mean_image, *(history[column] for column in HISTORY_COLUMNS)]
    return (
        [(array.dtype, array.shape, array.tobytes()) for array in arrays],
        (tuple(history.columns), history.saved_epoch, history.seconds),
        (vae.image_shape, [type(length) for length in vae.image_shape]),
        config,
    )


def test_a_model_comes_back_with_every_bit(path):
    assert contents(load_model(path)) == contents(small_model())
    x = np.random.default_rng(1).random((2, 20))
    np.testing.assert_array_equal(
        load_model(path)[0].reconstruct(x), small_model()[0].reconstruct(x)
    )


def test_a_loaded_model_can_be_trained_on(path):
    vae, _, _ = load_model(path)
    vae.loss_and_gradients(np.ones((2, 20)), np.ones((2, 2)))
    vae.parameters -= vae.gradients


def test_a_float64_model_stays_float64(tmp_path):
    _, history, config = small_model()
    vae = VAE(config.model, config.data.image_shape, np.random.default_rng(0), np.float64)
    save_model(tmp_path / "vae.npz", vae, history, config)
    assert contents(load_model(tmp_path / "vae.npz")) == contents((vae, history, config))


PATCHES = {"filters": 3, "kernel_size": 2, "strides": 2, "activation": "silu"}


def test_a_convolutional_model_comes_back_with_every_bit(tmp_path):
    _, history, _ = small_model()
    config = load_config(
        overrides={
            "data.input_size": [8, 4],
            "model.encoder_layers": [PATCHES, {**PATCHES, "kernel_size": 4}],
            "model.output_kernel_size": 3,
        }
    )
    vae = VAE(config.model, config.data.image_shape, np.random.default_rng(0))
    save_model(tmp_path / "vae.npz", vae, history, config)
    assert contents(load_model(tmp_path / "vae.npz")) == contents((vae, history, config))


def test_a_relative_path_starts_at_the_project(path, monkeypatch):
    monkeypatch.setattr("vae_nb.system.paths.PROJECT_ROOT", path.parents[1])
    assert contents(load_model("models/vae.npz")) == contents(small_model())


def test_the_file_says_which_versions_made_it(path):
    _, metadata = load_arrays(path)
    assert metadata["versions"].keys() == {"vae_nb", "numpy", "python"}
    assert metadata["versions"]["numpy"] == np.__version__
    assert (metadata["fingerprint"], metadata["metrics"]) == ("abc", {"kl": 1.0})


def test_arrays_of_any_layout_come_back(tmp_path):
    arrays = {
        "rows": np.arange(6.0).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "slice": np.arange(10, dtype=np.int16)[::3],
        "empty": np.zeros((0, 3), np.float32),
        "scalar": np.array(2.5),
        "big-endian": np.arange(3, dtype=">f4"),
    }
    save_arrays(tmp_path / "a.npz", arrays, {"text": "ñ 😀"})
    loaded, metadata = load_arrays(tmp_path / "a.npz")
    assert metadata == {"text": "ñ 😀"}
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)


# Complete or not written


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refuse(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_half(file, **arrays):
    file.write(b"half of a model")
    refuse()


@pytest.mark.parametrize(
    ("module", "name", "failure"),
    [
        (os, "replace", refuse),
        (os, "fsync", refuse),
        (vae_nb.system.arrays.np, "savez", write_half),
    ],
    ids=["replace", "fsync", "savez"],
)
def test_a_write_that_fails_leaves_the_old_file(path, monkeypatch, module, name, failure):
    before = files_in(path.parent)
    vae, history, config = small_model()
    vae.parameters[:] = 0
    with monkeypatch.context() as patch:
        patch.setattr(module, name, failure)
        with pytest.raises(
            FilesError, match=r"^Cannot write .*vae\.npz: No space left on device\.$"
        ):
            save_model(path, vae, history, config)
    assert files_in(path.parent) == before
    assert contents(load_model(path)) == contents(small_model())


def test_an_interruption_leaves_the_old_file(path):
    before = files_in(path.parent)

    def interrupted():
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files_in(path.parent) == before


def test_a_folder_that_cannot_be_made_gives_one_sentence(tmp_path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(FilesError, match=r"^Cannot make the folder .*models: .*\.$"):
        save_model(tmp_path / "models" / "vae.npz", *small_model())


# Read with distrust


def loads_or_says_why(path):
    """Return whether the model is loaded. A wrong model or another error fails the test."""
    try:
        model = load_model(path)
    except ModelError as error:
        sentence = str(error)
    else:
        assert contents(model) == contents(small_model())
        return True
    assert str(path) in sentence
    assert len(sentence.splitlines()) == 1
    return False


def test_a_missing_file_a_folder_and_an_empty_file(tmp_path):
    with pytest.raises(ModelError, match=r"^There is no model file .*vae\.npz\.$"):
        load_model(tmp_path / "vae.npz")
    with pytest.raises(ModelError, match=r"^Cannot read"):
        load_model(tmp_path)
    for content in (b"", b"no archive", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)):
        (tmp_path / "vae.npz").write_bytes(content)
        with pytest.raises(ModelError, match="is not a saved model"):
            load_model(tmp_path / "vae.npz")


def test_a_truncated_file(path):
    whole = path.read_bytes()
    for twentieth in range(20):
        path.write_bytes(whole[: len(whole) * twentieth // 20])
        assert not loads_or_says_why(path)
    path.write_bytes(whole[:-1])
    assert not loads_or_says_why(path)


def flip_bits(path, positions):
    """Flip one bit at a time, and return how many of the files were refused."""
    whole = path.read_bytes()
    refused = 0
    for position in positions:
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        refused += not loads_or_says_why(path)
    return refused


def test_flipped_bits(path):
    rng = np.random.default_rng(0)
    assert flip_bits(path, rng.integers(0, path.stat().st_size * 8, 100).tolist()) > 60


@pytest.mark.long
def test_every_flipped_bit(path):
    count = path.stat().st_size * 8
    assert flip_bits(path, range(count)) > count / 2


def test_overwritten_stretches(path):
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(100):
        start, length = int(rng.integers(len(whole))), int(rng.integers(1, 300))
        damaged = bytearray(whole)
        damaged[start : start + length] = rng.bytes(len(damaged[start : start + length]))
        path.write_bytes(damaged)
        loads_or_says_why(path)


def test_a_pickle_is_not_executed(path, tmp_path):
    marker = tmp_path / "executed"

    class Payload:
        def __reduce__(self):
            return marker.write_text, ("yes",)

    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "mean.biases": np.array([Payload()], dtype=object)})
    with pytest.raises(ModelError, match="holds object, not numbers"):
        load_model(path)
    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(ModelError, match="is not a saved model"):
        load_model(path)
    assert not marker.exists()


def test_a_compressed_file_is_refused(path):
    np.savez_compressed(path, **np.load(path))
    with pytest.raises(ModelError, match="is compressed, which a saved model never is"):
        load_model(path)


def npy(header, data=bytes(8)):
    text = repr(header).encode() if isinstance(header, dict) else header
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def with_member(path, name, content):
    """Replace one array of the saved model by these bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in (members | {f"{name}.npy": content}).items():
            archive.writestr(member, data)


@pytest.mark.parametrize(
    "content",
    [
        npy({"descr": "<f4", "fortran_order": False, "shape": (10**12,)}),
        npy({"descr": "<f4", "fortran_order": False, "shape": (-2, -1)}),
        npy({"descr": "<f4", "fortran_order": False, "shape": (0, 10**30)}, b""),
        npy({"descr": "<f4", "fortran_order": False, "shape": (2.0,)}),
        npy({"descr": "<U2", "fortran_order": False, "shape": (1,)}),
        npy({"descr": [("a", "<f4"), ("b", "<f4")], "fortran_order": False, "shape": (1,)}),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }"),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), '"),
        npy(b"(" * 2000),
        npy(b"[" + b"-" * 9000 + b"1]"),
        npy(b"  1\n 2"),
        npy(b"\x00" * 50),
        npy(b""),
        npy({"descr": "<f4", "fortran_order": False, "shape": (2,)}).replace(
            b"\x01\x00", b"\x02\x00"
        ),
        b"",
        b"no array",
    ],
)
def test_a_header_that_lies_or_is_not_one(path, content):
    with_member(path, "mean.biases", content)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=r"vae\.npz is not a saved model"):
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_header_that_claims_a_terabyte(path):
    header = {"descr": "<f4", "fortran_order": False, "shape": (2**38,)}
    with_member(path, "mean.biases", npy(header))
    with pytest.raises(ModelError, match="does not have the size that its header claims"):
        load_model(path)


def test_a_directory_that_lies_about_sizes(path):
    """Array, header and directory agree on a gigabyte that is not there."""
    claim = (2**30).to_bytes(4, "little")
    header = npy({"descr": "|u1", "fortran_order": False, "shape": (2**30 - 100,)}, b"")
    header = npy(header[10:].ljust(90), b"")
    with_member(path, "mean.biases", header + bytes(8))
    content = path.read_bytes()
    true_size = (len(header) + 8).to_bytes(4, "little") * 2
    assert content.count(true_size) == 2  # local header and directory
    path.write_bytes(content.replace(true_size, claim * 2))
    with pytest.raises(ModelError, match="is not a saved model"):
        load_model(path)


BIG = 50_000_000  # bytes


@pytest.mark.parametrize(
    ("name", "refused"),
    [("extra", False), ("output.weights", True), ("history_epoch", True), ("metadata", True)],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_no_model_has_takes_no_memory(path, name, refused, dtype):
    arrays = dict(np.load(path))
    np.savez(path, **arrays | {name: np.zeros(BIG // np.dtype(dtype).itemsize, dtype)})
    tracemalloc.start()
    try:
        assert loads_or_says_why(path) != refused
        assert tracemalloc.get_traced_memory()[1] < BIG / 5
    finally:
        tracemalloc.stop()


def test_a_description_of_wide_numbers_is_not_read(path):
    arrays = dict(np.load(path)) | {"metadata": np.zeros(2**18, np.longdouble)}
    np.savez(path, **arrays)
    with pytest.raises(ModelError, match="its metadata is larger than any model's, or is not text"):
        load_model(path)


def test_a_name_without_an_ending(tmp_path):
    save_model(tmp_path / "mine", *small_model())
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]
    assert contents(load_model(tmp_path / "mine")) == contents(small_model())


def test_two_arrays_of_one_name(path):
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("mean_image.npy", npy({}))
    with pytest.raises(ModelError, match="two of its arrays have one name"):
        load_model(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "vae.npz")
    with pytest.raises(ModelError, match=r"vae\.npz: it is not a regular file\.$"):
        load_model(tmp_path / "vae.npz")


def test_a_file_larger_than_the_memory(path, monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(vae_nb.system.arrays.np, "frombuffer", no_memory)
    with pytest.raises(ModelError, match="does not fit into this machine's memory"):
        load_model(path)


def rewrite(path, arrays=None, metadata=None):
    """Replace some arrays or some of the description of the saved model.

    None removes an array, and "removed" removes an item of the description.
    """
    old_arrays, old_metadata = load_arrays(path)
    new_arrays = {k: v for k, v in (old_arrays | (arrays or {})).items() if v is not None}
    new_metadata = {k: v for k, v in (old_metadata | (metadata or {})).items() if v != "removed"}
    text = json.dumps(new_metadata).encode()  # unlike save_arrays' it may hold NaN
    buffer = io.BytesIO()
    np.savez(buffer, **new_arrays, metadata=np.frombuffer(text, np.uint8))
    path.write_bytes(buffer.getvalue())


SHAPE = small_model()[0].named_parameters()["output.weights"].shape


@pytest.mark.parametrize(
    "arrays",
    [
        {"output.weights": None},
        {"mean_image": None},
        {"history_epoch": None},
        {"history_train_kl": None},
        {"output.weights": np.zeros(SHAPE[::-1], np.float32)},
        {"output.weights": np.zeros((*SHAPE, 1), np.float32)},
        {"output.weights": np.full(SHAPE, np.nan, np.float32)},
        {"output.weights": np.full(SHAPE, np.inf, np.float32)},
        {"output.weights": np.zeros(SHAPE, np.int64)},
        {"output.weights": np.zeros(SHAPE, np.float16)},
        {"output.weights": np.zeros(SHAPE, ">f4")},
        {"mean_image": np.zeros(19, np.float32)},
        {"mean_image": np.full(20, np.nan, np.float32)},
        {"mean_image": np.full(20, 1e300)},
        {"history_epoch": np.array(3)},
        {"history_epoch": np.arange(4)},
        {"history_train_kl": np.zeros(2)},
        {"history_train_kl": np.full(3, np.nan)},
    ],
    ids=lambda arrays: ", ".join(f"{k} {getattr(v, 'dtype', '')}" for k, v in arrays.items()),
)
def test_arrays_that_are_not_those_of_the_configuration(path, arrays):
    rewrite(path, arrays)
    assert not loads_or_says_why(path)


def another_config(**overrides):
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    values = small_config().to_dict()
    for key, value in keys.items():
        section, name = key.split(".")
        values[section][name] = value
    return values


@pytest.mark.parametrize(
    "metadata",
    [
        *({key: "removed"} for key in ("config", "image_shape", "saved_epoch", "seconds")),
        {"fingerprint": "removed"},
        {"metrics": "removed"},
        {"config": None},
        {"config": []},
        {"config": {"model": {"latent_dim": 0}}},
        {"config": {"modle": {}}},
        {"config": {}},
        {"config": another_config(model__latent_dim=4096)},
        {"config": another_config(model__encoder_layers=[{"units": 60000, "activation": "relu"}])},
        {"config": another_config(data__input_size=[5, 4])},
        {"config": another_config(model__encoder_layers=[{**PATCHES, "kernel_size": 3}])},
        {"config": another_config(model__output_kernel_size=3)},
        {"image_shape": [4, 5, 3]},
        {"image_shape": 20},
        {"image_shape": None},
        {"image_shape": [10**30, 1, 1]},
        {"saved_epoch": "two"},
        {"saved_epoch": None},
        {"saved_epoch": float("inf")},
        {"saved_epoch": float("nan")},
        {"seconds": []},
    ],
    ids=repr,
)
def test_descriptions_that_are_not_valid(path, metadata):
    rewrite(path, metadata=metadata)
    assert not loads_or_says_why(path)


def test_floating_point_lengths_do_not_get_into_the_model(path):
    rewrite(path, metadata={"image_shape": [4.0, 5.0, 1.0]})
    loads_or_says_why(path)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"12", b"\xff\xfe", b"[" * 100_000, b'{"a": 1} x']
)
def test_a_description_that_is_not_a_json_object(path, text):
    arrays, _ = load_arrays(path)
    np.savez(path, **arrays, metadata=np.frombuffer(text, np.uint8))
    assert not loads_or_says_why(path)


def test_an_archive_of_something_else(path):
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(ModelError, match="it has no metadata"):
        load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match="is not a saved model"):
        load_model(path)
