"""An output folder: when a saved model is used again, and that nothing earlier is lost."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
from conftest import files_in, tiny_config
from matplotlib.figure import Figure
from PIL import Image

import vae_nb.run.trained_run
from vae_nb.core.blocks import blas_description
from vae_nb.core.metrics import evaluate
from vae_nb.data.image_files import load_images
from vae_nb.run.model_files import load_model, save_model
from vae_nb.run.trained_run import load_or_train, train_and_save
from vae_nb.run.workspace import CAPTION_HEIGHT, Workspace
from vae_nb.system.errors import FilesError, ImagesError, ModelError, TrainingDiverged
from vae_nb.system.paths import PROJECT_ROOT


def load(config, output):
    return load_or_train(config, output, progress=False)


@pytest.fixture
def trained(pictures, output):
    """A model in the output folder."""
    return train_and_save(tiny_config(pictures), output, progress=False)


def same_weights(run, other):
    return np.array_equal(run.vae.parameters, other.vae.parameters)


def test_places_are_in_the_folder(tmp_path):
    workspace = Workspace(tmp_path / "out")
    assert workspace.model_path == tmp_path / "out" / "models" / "vae.npz"
    assert workspace.metrics_path == tmp_path / "out" / "metrics.json"
    assert workspace.images == tmp_path / "out" / "images"
    assert workspace.notebooks == tmp_path / "out" / "notebooks"
    assert Workspace("out").folder == PROJECT_ROOT / "out"
    assert not workspace.folder.exists()


def test_a_figure_is_saved_under_its_name(tmp_path):
    path = Workspace(tmp_path).save_figure(Figure(), "loss.png")
    assert path == tmp_path / "images" / "loss.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
    assert [file.name for file in path.parent.iterdir()] == ["loss.png"]


def test_an_animation_keeps_colors_of_different_frames_and_its_whole_caption(tmp_path):
    frames = np.full((9, 40, 120, 3), 255, np.uint8)
    colors = [(220, 30, 30), (20, 160, 40), (30, 60, 210)]
    frames[:, 10:30, 10:30] = np.repeat(colors, 3, axis=0)[:, None, None]
    captions = ["a caption wider than its image"] * 9
    path = Workspace(tmp_path).save_animation(frames, "walk.gif", captions, seconds=0.05)
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        shown = []
        for number in range(image.n_frames):
            image.seek(number)
            shown.append(np.asarray(image.convert("RGB")))
    assert len(shown) == 3  # equal frames become one that is shown longer
    for pixels, color in zip(shown, colors, strict=True):
        assert np.abs(pixels[20, 20] - np.array(color)).max() <= 8
        dark = np.flatnonzero(np.any(pixels[40:] < 128, axis=(0, 2)))
        assert dark[0] > 1
        assert dark[-1] < 118


def test_without_a_saved_model_one_is_trained(pictures, output, messages, capfd):
    run = load(tiny_config(pictures), output)
    path = output / "models" / "vae.npz"
    assert messages.getvalue() == f"There is no saved model {path} yet: training one.\n"
    assert capfd.readouterr() == ("", "")  # a program that imports the package shows nothing
    assert len(run.history) == 3
    vae, history, config = load_model(path)
    np.testing.assert_array_equal(vae.parameters, run.vae.parameters)
    np.testing.assert_array_equal(history["train_total"], run.history["train_total"])
    assert config == run.config


def test_a_saved_model_of_the_same_origin_is_loaded(pictures, output, trained, messages):
    before = files_in(output)
    run = load(tiny_config(pictures), output)
    path = output / "models" / "vae.npz"
    assert messages.getvalue() == f"Loaded {path}, trained for 3 of at most 3 epochs.\n"
    assert files_in(output) == before
    assert same_weights(run, trained)
    assert run.metrics == trained.metrics
    assert run.config == trained.config
    for name in ("train_set", "validation_set"):
        assert getattr(run, name).names == getattr(trained, name).names
        np.testing.assert_array_equal(getattr(run, name).pixels, getattr(trained, name).pixels)


def test_two_trainings_of_one_seed_have_the_same_bits(pictures, tmp_path, trained):
    again = train_and_save(tiny_config(pictures), tmp_path / "again", progress=False)
    assert again.vae.parameters.tobytes() == trained.vae.parameters.tobytes()
    other = tiny_config(pictures, training__seed=1)
    assert not same_weights(train_and_save(other, tmp_path / "other", progress=False), trained)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"training__epochs": 4}, "training.epochs"),
        ({"model__latent_dim": 3}, "model.latent_dim"),
        ({"training__kl_weight": 2, "training__seed": 1}, "training.kl_weight, training.seed"),
        # Images that are resized to another size differ, too.
        ({"data__input_size": [9, 8]}, "data.input_size, the images"),
    ],
)
def test_another_configuration_is_named_and_trained(
    pictures, output, trained, messages, overrides, named
):
    old = (output / "models" / "vae.npz").read_bytes()
    config = tiny_config(pictures, **overrides)
    run = load(config, output)
    out = messages.getvalue().splitlines()
    kept = output / "models" / "vae_1.npz"
    assert out == [
        f"The saved model differs in {named}: training a new one.",
        f"The earlier model is kept as {kept}.",
    ]
    assert kept.read_bytes() == old
    assert run.config == load_model(output / "models" / "vae.npz")[2] == config


def change_a_pixel(pictures):
    path = pictures / "faces" / "1.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 0] ^= 255
    Image.fromarray(pixels).save(path)


def rename(pictures):
    (pictures / "faces" / "1.png").rename(pictures / "faces" / "one.png")


def remove(pictures):
    (pictures / "faces" / "1.png").unlink()


def relabel(pictures):
    (pictures / "faces").rename(pictures / "other")


@pytest.mark.parametrize("change", [change_a_pixel, rename, remove, relabel])
def test_other_images_are_named_and_a_new_model_is_trained(
    pictures, output, trained, messages, change
):
    change(pictures)
    load(tiny_config(pictures), output)
    out = messages.getvalue()
    assert "The saved model differs in the images: training a new one.\n" in out
    assert (output / "models" / "vae_1.npz").exists()


def test_the_images_folder_and_the_checkpoint_interval_do_not_matter(
    pictures, output, trained, messages, tmp_path
):
    shutil.copytree(pictures, tmp_path / "copy")
    config = tiny_config(tmp_path / "copy", training__checkpoint_seconds=7)
    run = load(config, output)
    assert messages.getvalue().startswith("Loaded ")
    assert same_weights(run, trained)
    assert run.config == config


def test_every_earlier_model_is_kept(pictures, output, trained):
    models = output / "models"
    contents = []
    for epochs in (1, 2, 1):
        contents.append((models / "vae.npz").read_bytes())
        load(tiny_config(pictures, training__epochs=epochs), output)
    kept = [(models / f"vae_{number}.npz").read_bytes() for number in (1, 2, 3)]
    assert kept == contents
    assert len(list(models.iterdir())) == 4


def test_training_the_same_again_keeps_no_second_copy(pictures, output, trained):
    train_and_save(tiny_config(pictures), output, progress=False)
    assert [path.name for path in (output / "models").iterdir()] == ["vae.npz"]


def test_a_damaged_model_is_named_kept_and_trained_again(pictures, output, trained, messages):
    path = output / "models" / "vae.npz"
    path.write_bytes(b"damaged")
    run = load(tiny_config(pictures), output)
    assert "is not a saved model" in messages.getvalue()
    assert (output / "models" / "vae_1.npz").read_bytes() == b"damaged"
    assert same_weights(run, trained)
    np.testing.assert_array_equal(load_model(path)[0].parameters, run.vae.parameters)


def test_a_model_with_the_configuration_of_another_version_is_trained_again(
    pictures, output, trained, messages, monkeypatch
):
    path = output / "models" / "vae.npz"
    values = trained.config.to_dict() | {"sampling": {}}
    monkeypatch.setattr(type(trained.config), "to_dict", lambda _: values)
    save_model(path, trained.vae, trained.history, trained.config)
    monkeypatch.undo()
    with pytest.raises(ModelError, match="sampling is not a known key"):
        load_model(path)
    load(tiny_config(pictures), output)
    assert "sampling is not a known key" in messages.getvalue()


def test_skipped_images_are_named(pictures, output, messages):
    (pictures / "damaged.png").write_bytes(b"not an image")
    run = load(tiny_config(pictures), output)
    assert f"Skipped {pictures / 'damaged.png'}: " in messages.getvalue()
    assert run.metrics["images"] == {"training": 8, "validation": 2, "skipped": 1}


def test_metrics_are_written(pictures, output, trained):
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == trained.metrics
    assert metrics.keys() == {
        "parameters",
        "epochs",
        "training_seconds",
        "resumed_at",
        "kl",
        "active_units",
        "train",
        "validation",
        "samples",
        "fitted_samples",
        "importance_weighted_bound",
        "amortization_gap",
        "images",
        "blas",
        "threads",
    }
    assert metrics["train"].keys() == {"excess", "mse"}
    assert metrics["validation"].keys() == {"excess", "mse", "normalized_excess", "swd"}
    for samples in ("samples", "fitted_samples"):
        assert metrics[samples].keys() == {"distance", "spread", "coverage", "swd"}
    assert metrics["images"] == {"training": 8, "validation": 2, "skipped": 0}
    assert metrics["parameters"] == trained.vae.parameters.size
    assert metrics["epochs"] == 3
    training_config = tiny_config(pictures).training
    evaluated = evaluate(trained.vae, trained.train_set, trained.validation_set, training_config)
    assert {key: metrics[key] for key in evaluated} == evaluated


def test_metrics_are_written_again_when_a_model_is_loaded(pictures, output, trained):
    (output / "metrics.json").unlink()
    load(tiny_config(pictures), output)
    assert json.loads((output / "metrics.json").read_text(encoding="utf-8")) == trained.metrics


def test_a_model_saved_without_metrics_is_measured_when_it_is_loaded(pictures, output, trained):
    path = output / "models" / "vae.npz"
    fingerprint = load_images(trained.config.data).fingerprint()
    save_model(path, trained.vae, trained.history, trained.config, fingerprint)
    run = load(tiny_config(pictures), output)
    assert run.metrics == trained.metrics
    assert json.loads((output / "metrics.json").read_text(encoding="utf-8")) == run.metrics


def test_metrics_count_the_epochs_that_were_trained(pictures, output, monkeypatch):
    monkeypatch.setattr("vae_nb.core.training.negative_elbo", lambda *_: (1.0, 1.0))
    config = tiny_config(
        pictures, training__epochs=9, training__early_stopping_patience=2, training__kl_warmup=0
    )
    run = train_and_save(config, output, progress=False)
    assert run.metrics["epochs"] == len(run.history) == 3
    assert load_model(output / "models" / "vae.npz")[1].saved_epoch == 1


def test_blas_is_described():
    description = blas_description()
    assert description.keys() == {"blas", "threads"}
    assert isinstance(description["blas"], str)


def test_the_callback_sees_every_epoch(pictures, output):
    epochs = []
    train_and_save(
        tiny_config(pictures),
        output,
        on_epoch_end=lambda vae, columns: epochs.append(columns["epoch"][-1]),
        progress=False,
    )
    assert epochs == [1, 2, 3]


# A failure leaves what was there


def test_a_training_that_diverges_leaves_what_was_there(pictures, output, trained):
    before = files_in(output)
    config = tiny_config(
        pictures,
        model__encoder_layers=[{"units": 6, "activation": "cosh"}],
        training__learning_rate=10,
        training__gradient_clip_norm=None,
        training__epochs=50,
    )
    with pytest.raises(TrainingDiverged):
        load(config, output)
    assert files_in(output) == before


def test_an_interrupted_training_leaves_what_was_there(pictures, output, trained):
    before = files_in(output)

    def interrupt(vae, columns):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_and_save(
            tiny_config(pictures, training__epochs=1),
            output,
            on_epoch_end=interrupt,
            progress=False,
        )
    assert files_in(output) == before


def test_a_model_that_cannot_be_saved_leaves_what_was_there(pictures, output, trained, monkeypatch):
    before = files_in(output)

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("vae_nb.system.arrays.np.savez", refuse)
    with pytest.raises(FilesError, match="No space left on device"):
        load(tiny_config(pictures, training__epochs=1), output)
    after = files_in(output)
    assert {name: after[name] for name in before} == before


def test_missing_images_leave_what_was_there(pictures, output, trained):
    before = files_in(output)
    shutil.rmtree(pictures)
    with pytest.raises(ImagesError):
        load(tiny_config(pictures), output)
    assert files_in(output) == before


def test_an_output_folder_that_is_a_file_is_refused_before_the_training(
    pictures, output, monkeypatch
):
    output.write_text("a file")

    def no_training(*_, **__):
        raise AssertionError("trained for nothing")

    monkeypatch.setattr(vae_nb.run.trained_run, "train", no_training)
    with pytest.raises(FilesError, match="Cannot make the folder"):
        load(tiny_config(pictures), output)


def test_an_animation_keeps_its_frames_captions_and_durations(tmp_path):
    frames = np.full((3, 40, 200, 3), 255, np.uint8)
    for number, color in enumerate([(200, 0, 0), (0, 120, 0), (0, 0, 250)]):
        frames[number, 5:20, 5:20] = color
    path = Workspace(tmp_path).save_animation(frames, "walk.gif", ["one", "two", "three"], 0.05)
    assert path == tmp_path / "images" / "walk.gif"
    with Image.open(path) as animation:
        assert (animation.n_frames, animation.info["loop"]) == (3, 0)
        assert animation.size == (200, 40 + CAPTION_HEIGHT)
        for number, duration in enumerate([50, 50, 2050]):
            animation.seek(number)
            assert animation.info["duration"] == duration
            shown = np.asarray(animation.convert("RGB"))
            np.testing.assert_allclose(shown[:40], frames[number], atol=8)  # 256 colors
            assert np.all(shown[:5] == 255)  # white stays white
            assert shown[40:].min() < 100  # the caption


def test_an_animation_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    path = workspace.save_animation(np.zeros((2, 4, 4, 3), np.uint8), "walk.gif")
    before = path.read_bytes()

    def full_disk(image, file, **options):
        file.write_bytes(b"GIF89a half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(FilesError, match=r"Cannot write .*walk\.gif: No space left"):
        workspace.save_animation(np.ones((2, 4, 4, 3), np.uint8), "walk.gif")
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["walk.gif"]
