"""The `vae-nb` command, end to end, on a reader's own images."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import webbrowser

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, run_command

from vae_nb import cli, load_config, load_model
from vae_nb.run.series import series_notebooks
from vae_nb.run.trained_run import config_for, train_and_save
from vae_nb.system.errors import Interrupted

FIGURES = (
    *("architecture.png", "comparison.png", "dataset.png", "gradient_check.png"),
    *("interpolation.png", "kl_per_dimension.png", "latent_space.png", "latent_traversal.png"),
    *("loss.png", "plane.png", "reconstruccion.png", "sharing_weights.png", "sliders.png"),
    *("ten_minutes.png", "ten_minutes_without_kl.png"),
)
ANIMATIONS = ("plane.gif", "training.gif")


@pytest.mark.slow(80)
@pytest.mark.notebook
def test_whole_series_on_a_readers_own_gray_images(tiny_config_path, tmp_path):
    """With as few latent dimensions as a reader may choose: two."""
    output = tmp_path / "results"
    result = run_command(
        *("run", "--config", tiny_config_path.name, "--output", "results"),
        *("--set", "model.latent_dim=2"),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in (output / "notebooks").iterdir())
    assert names == [path.name for path in series_notebooks()]
    for name in names:
        assert name.removesuffix(".ipynb") in result.stdout
    for name in FIGURES:
        assert (output / "images" / name).read_bytes().startswith(b"\x89PNG")
        assert str(output / "images" / name) in result.stdout
    for name in ANIMATIONS:
        assert (output / "images" / name).read_bytes().startswith(b"GIF89a")
        assert str(output / "images" / name) in result.stdout
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["epochs"] == 2
    assert metrics["images"] == {"training": 24, "validation": 6, "skipped": 1}
    assert set(metrics["validation"]["swd"]) == {"fine", "medium", "coarse"}
    assert set(metrics) >= {"parameters", "training_seconds", "kl", "active_units", "blas"}
    assert metrics["threads"] >= 1
    assert "damaged.png" in result.stderr
    last = result.stdout.strip().splitlines()[-1]
    assert last.startswith(f"Open {output / 'images' / 'reconstruccion.png'} first.")
    assert f"The executed notebooks are in {output / 'notebooks'};" in last
    assert last.endswith("make lab")
    vae, history, config = load_model(output / "models" / "vae.npz")
    assert vae.image_shape == (48, 32, 1)
    assert len(history) == 2
    assert config.model.latent_dim == 2


@pytest.mark.slow(20)
@pytest.mark.notebook
def test_convolutions_on_a_readers_own_gray_images(tiny_config_path, tmp_path):
    """The notebooks in which a configuration's layers matter."""
    values = json.loads(tiny_config_path.read_text(encoding="utf-8"))
    patches = {"kernel_size": 2, "strides": 2, "activation": "silu"}
    encoder = [{"filters": filters, **patches} for filters in (4, 8, 8, 16)]  # as deep as shipped
    values["model"] = {"latent_dim": 3, "encoder_layers": encoder, "output_kernel_size": 3}
    values["training"]["epochs"] = 3
    tiny_config_path.write_text(json.dumps(values), encoding="utf-8")
    result = run_command(
        *("run", "--config", tiny_config_path.name, "--output", "results"),
        *("--only", "01,05,06,09"),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    output = tmp_path / "results"
    vae, history, config = load_model(output / "models" / "vae.npz")
    assert vae.image_shape == (48, 32, 1)
    assert len(history) == 3
    assert [layer.filters for layer in config.model.decoder_layers] == [16, 8, 8, 4]
    assert config.model.output_kernel_size == 3


@pytest.mark.slow(8)
@pytest.mark.notebook
def test_settings_and_a_selection(tiny_config_path, tmp_path):
    result = run_command(
        *("run", "--config", tiny_config_path, "--output", "results", "--only", "5"),
        *("--set", "training.epochs=3", "--set", "model.latent_dim=2"),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "results" / "metrics.json").read_text())
    assert metrics["epochs"] == 3
    vae, *_ = load_model(tmp_path / "results" / "models" / "vae.npz")
    assert vae.latent_dim == 2


@pytest.mark.slow(12)
@pytest.mark.notebook
def test_a_run_that_diverges_fails_in_one_sentence_and_keeps_the_model(tiny_config_path, tmp_path):
    train_and_save(load_config(tiny_config_path), tmp_path / "results", progress=False)
    model = tmp_path / "results" / "models" / "vae.npz"
    saved = model.read_bytes()
    result = run_command(
        *("run", "--config", tiny_config_path, "--output", "results", "--only", "5"),
        *("--set", "training.learning_rate=10", "--set", "training.optimizer.type=sgd"),
        *("--set", "training.gradient_clip_norm=null", "--set", "training.epochs=50"),
        cwd=tmp_path,
    )
    assert result.returncode == 1
    assert "Training diverged at step" in result.stderr
    assert "05_reconstruct.ipynb failed in cell" in result.stderr
    assert "Traceback" not in result.stderr
    assert model.read_bytes() == saved


@pytest.mark.parametrize(
    ("values", "arguments", "parts"),
    [
        ({"training": {"epochs": 0}}, (), ["training.epochs", "0"]),
        ({"modle": {}}, (), ["modle", "did you mean model"]),
        ({}, ("--set", "training.epoch=3"), ["training.epoch", "did you mean training.epochs"]),
        ({}, ("--set", "epochs"), ["key=value"]),
        ({}, ("--set", "training.epochs", "50"), ["did you mean training.epochs=VALUE?"]),
        ({"data": {"input_dir": "nowhere"}}, (), ["data.input_dir", "nowhere"]),
        ({}, ("--only", "17"), ["--only", "17"]),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(values, arguments, parts, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(values))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "metrics.json").write_text("{}")
    result = run_command(
        *("run", "--config", "config.json", "--output", "results", *arguments), cwd=tmp_path
    )
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    for part in parts:
        assert part in result.stderr
    assert (tmp_path / "results" / "metrics.json").read_text() == "{}"


def test_folder_without_a_readable_image(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_bytes(b"not an image")
    result = run_command(
        *("run", "--output", tmp_path, "--set", f"data.input_dir={tmp_path / 'mine'}"),
        cwd=tmp_path,
    )
    assert result.returncode == 2
    assert str(tmp_path / "mine") in result.stderr


def test_output_that_is_a_file(tiny_config_path, tmp_path):
    (tmp_path / "results").write_text("mine")
    result = run_command("run", "--config", tiny_config_path, "--output", "results", cwd=tmp_path)
    assert result.returncode == 2
    assert "Cannot make the folder" in result.stderr
    assert (tmp_path / "results").read_text() == "mine"


@pytest.mark.parametrize("command", ["run", "app", "sweep"])
@pytest.mark.parametrize("name", ["x" * 300, "x/" * 2500], ids=["long name", "long path"])
def test_an_output_folder_with_too_long_a_name(tiny_config_path, tmp_path, command, name):
    config = [tiny_config_path] if command == "sweep" else ["--config", tiny_config_path]
    result = run_command(command, *config, "--output", name, cwd=tmp_path)
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: Cannot make the folder")
    assert last.endswith(": File name too long.")
    assert "Traceback" not in result.stderr
    for line in (*result.stdout.splitlines(), *result.stderr.splitlines()):
        assert len(line) < 1000


def test_a_run_says_that_an_interrupted_training_could_go_on(tiny_config_path, tmp_path):
    def stop(vae, columns):
        os.kill(os.getpid(), signal.SIGINT)

    output = tmp_path / "results"
    config = load_config(tiny_config_path)
    with pytest.raises(Interrupted):
        train_and_save(config, output, on_epoch_end=stop, progress=False)
    checkpoint = output / "models" / "checkpoint.npz"

    def said(*options):
        """Return what a run says before its first notebook."""
        command = ["run", "--config", str(tiny_config_path), "--output", str(output), *options]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cli, "run_series", lambda *arguments, **options: [])
            result = CliRunner().invoke(cli.main, command)
        assert result.exit_code == 0, result.output
        return result.output

    text = said("--only", "04")
    assert f"interrupted in epoch 2 of 2, and is saved in {checkpoint}." in text
    assert f"vae-nb run --resume --config {tiny_config_path} --output {output} --only 04\n" in text
    assert f"Going on from {checkpoint} in epoch 2 of 2.\n" in said("--resume")
    assert "interrupted" not in said("--only", "01")  # it trains nothing
    assert "interrupted" not in said("--set", "training.epochs=3")  # another training
    checkpoint.unlink()
    assert "interrupted" not in said()
    assert f"There is no checkpoint {checkpoint}: training from epoch 1.\n" in said("--resume")


def test_check_config_prints_everything(tmp_path):
    (tmp_path / "small.json").write_text('{"model": {"latent_dim": 8,}, /* for now */}')
    result = run_command("check-config", "small.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    printed, _, rest = result.stdout.partition("\nParameters: ")
    assert json.loads(printed)["model"]["latent_dim"] == 8
    assert json.loads(printed)["training"]["kl_weight"] == 1.0
    count, _, memory = rest.partition("\n")
    assert int(count.replace(",", "")) == 12_927_760
    assert memory.startswith("Memory for training: about 2")


def test_check_config_prints_all_errors_at_once(tmp_path):
    (tmp_path / "bad.json").write_text('{"data": {"channels": 2}, "training": {"epochs": "many"}}')
    result = run_command("check-config", "bad.json", cwd=tmp_path)
    assert result.returncode == 2
    assert "data.channels" in result.stderr
    assert "training.epochs" in result.stderr


@pytest.mark.slow(6)
@pytest.mark.notebook
def test_plain_papermill_from_another_folder(tiny_config_path, tmp_path):
    """A notebook that is told nothing but a folder uses the configuration of the model there."""
    train_and_save(load_config(tiny_config_path), tmp_path / "here", progress=False)
    notebook = ROOT / "notebooks" / "05_reconstruct.ipynb"
    result = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", notebook, "out.ipynb"),
            *("-p", "output_dir", tmp_path / "here"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert (tmp_path / "here" / "images" / "reconstruccion.png").exists()
    assert [path.name for path in (tmp_path / "here" / "models").iterdir()] == ["vae.npz"]


def test_lab_opens_the_working_copy_on_this_machine_alone(monkeypatch, tmp_path, capfd):
    """This checks how JupyterLab is started; other tests use JupyterLab itself."""
    started = []
    first, mine = ROOT / "my_notebooks" / "01_first.ipynb", tmp_path / "02_mine.ipynb"
    monkeypatch.setattr(cli, "refresh_working_copy", lambda: ([first], [mine]))
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", started.extend)
    result = CliRunner().invoke(cli.main, ["lab", "--", "--no-browser"])
    assert result.exit_code == 0, result.output
    assert f"{mine} is yours" in result.output
    assert {"--ip=127.0.0.1", "--no-browser", f"--notebook-dir={ROOT}"} <= set(started)
    assert "--LabApp.default_url=/lab/tree/my_notebooks/01_first.ipynb" in started
    assert not any("token" in option for option in started)  # JupyterLab makes one


@pytest.mark.parametrize(
    ("user", "options", "is_allowed", "hint"),
    [
        (0, ["--no-browser"], True, "You are root"),
        (0, ["--ip=0.0.0.0"], False, "-- --allow-root"),
        (0, ["--ServerApp.ip=0.0.0.0"], False, "-- --allow-root"),
        (1000, [], False, ""),
    ],
)
def test_lab_as_root_starts_if_only_this_machine_reaches_it(
    monkeypatch, user, options, is_allowed, hint
):
    started = []
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(cli, "refresh_working_copy", lambda: ([ROOT / "my_notebooks" / "01"], []))
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", started.extend)
    result = CliRunner().invoke(cli.main, ["lab", "--", *options])
    assert result.exit_code == 0, result.output
    assert ("--allow-root" in started) == is_allowed
    assert hint in result.output
    assert bool(hint) == bool(result.output)


def state_of(page):
    """Return what an exported page gives its explorer."""
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="state">(.*?)</script>', text)[1])


@pytest.mark.parametrize("opens", [True, False])
def test_app_writes_the_page_and_opens_it(monkeypatch, tiny_config_path, tmp_path, opens):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or opens)
    output = tmp_path / "it's here"
    command = ["app", "--config", str(tiny_config_path), "--output", str(output)]
    result = CliRunner().invoke(cli.main, [*command, "--set", "training.epochs=1"])
    assert result.exit_code == 0, result.output
    page = output / "explorer.html"
    assert opened == [page.as_uri()]
    assert str(page) in result.output
    assert ("Open this file" in result.output) == (not opens)
    assert len(state_of(page)["vector"]) == load_config(tiny_config_path).model.latent_dim
    assert (output / "models" / "vae.npz").exists()


def test_export_is_of_the_model_that_the_folder_holds(tiny_config_path, tmp_path):
    """It has another configuration than config.json, and no option repeats it."""
    output = tmp_path / "mine"
    run = train_and_save(load_config(tiny_config_path), output, progress=False)
    model = (output / "models" / "vae.npz").read_bytes()
    page = tmp_path / "page.html"
    result = CliRunner().invoke(cli.main, ["export", "--output", str(output), str(page)])
    assert result.exit_code == 0, result.output
    assert "differs from config.json in " in result.output
    assert f"Wrote {page} (0." in result.output
    assert (output / "models" / "vae.npz").read_bytes() == model
    numbers = np.frombuffer(base64.b64decode(state_of(page)["numbers"]), "<f2")
    assert len(numbers) == run.vae.parameters.size + run.vae.mean_image.size


def test_export_refuses_a_name_before_it_trains(tmp_path):
    output = tmp_path / "output"
    result = run_command("export", "--output", str(output), "model.pdf", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: Cannot export to ")
    assert not output.exists()


def test_export_refuses_onnx_without_its_package_before_it_trains(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    output = tmp_path / "output"
    command = ["export", "--output", str(output), str(tmp_path / "model.onnx")]
    result = CliRunner().invoke(cli.main, command)
    assert result.exit_code == 2
    assert result.output.startswith("Error: The package onnx is not installed; ")
    assert not output.exists()


@pytest.mark.parametrize(
    ("name", "written"),
    [("model.onnx", ["model_encoder.onnx", "model_decoder.onnx"]), ("card.md", ["card.md"])],
)
def test_export_names_the_files_that_it_has_written(tiny_config_path, tmp_path, name, written):
    output = tmp_path / "mine"
    options = ["--config", str(tiny_config_path), "--output", str(output)]
    result = CliRunner().invoke(cli.main, ["export", *options, str(tmp_path / name)])
    assert result.exit_code == 0, result.output
    paths = [tmp_path / file for file in written]
    named = re.findall(r"Wrote (.*) \([\d.]+ [kM]B\)\.$", result.output, re.MULTILINE)
    assert named == [str(path) for path in paths]
    assert all(path.exists() for path in paths)


@pytest.mark.parametrize("options", [{"overrides": {"training.epochs": 3}}, {"config_path": None}])
def test_another_configuration_than_that_of_the_model_is_asked_for(
    tiny_config_path, tmp_path, options
):
    """Overrides change config.json. Without a model, config.json itself is meant."""
    if "overrides" in options:
        train_and_save(load_config(tiny_config_path), tmp_path, progress=False)
    expected = load_config("config.json", options.get("overrides"))
    assert config_for(tmp_path, **options) == expected
    assert config_for(tmp_path, tiny_config_path) == load_config(tiny_config_path)


def test_app_with_a_bad_configuration_is_one_sentence(tmp_path):
    result = run_command("app", "--set", "model.latent_dims=3", cwd=tmp_path)
    assert result.returncode == 2
    assert "model.latent_dim" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("target", ["ready", "ready-test", "ready-bench"])
def test_make_says_what_it_installs_and_how_long_that_takes(target):
    result = subprocess.run(
        ["make", "--dry-run", "--always-make", f".venv/{target}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    said = result.stdout.partition("-m pip install")[0].splitlines()[-2]
    assert said.startswith('echo "Installing ')
    assert "into .venv: " in said
    assert "minutes …" in said
