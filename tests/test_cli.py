"""The `vae-nb` command, end to end, on a reader's own images."""

import json
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT, run_command

from vae_nb import load_model

FIGURES = (
    *("architecture.png", "dataset.png", "gradient_check.png", "interpolation.png"),
    *("kl_per_dimension.png", "latent_space.png", "latent_traversal.png", "loss.png"),
    *("reconstruccion.png", "samples.png", "sliders.png"),
    *("sweep_curves.png", "sweep_effects.png", "sweep_pictures.png", "sweep_runs.png"),
    "sweep_trade_off.png",
)
ANIMATIONS = ("latent_walk.gif", "training.gif")


def test_whole_series_on_a_readers_own_gray_images(tiny_config_path, tmp_path):
    output = tmp_path / "results"
    result = run_command(
        *("run", "--config", tiny_config_path.name, "--output", "results"), cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in (output / "notebooks").iterdir())
    assert [name[:2] for name in names] == [f"{number:02d}" for number in range(1, 11)]
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
    assert {"excess", "mse"} == set(metrics["train"]) == set(metrics["validation"])
    for samples in ("samples", "fitted_samples"):
        assert set(metrics[samples]) == {"distance", "spread", "coverage"}
    assert set(metrics) >= {"parameters", "training_seconds", "kl", "active_units", "blas"}
    assert metrics["threads"] >= 1
    assert "damaged.png" in result.stderr
    vae, history, config = load_model(output / "models" / "vae.npz")
    assert vae.image_shape == (48, 32, 1)
    assert len(history) == 2
    assert config.model.latent_dim == 3


def test_settings_and_a_selection(tiny_config_path, tmp_path):
    result = run_command(
        *("run", "--config", tiny_config_path, "--output", "results", "--only", "4"),
        *("--set", "training.epochs=3", "--set", "model.latent_dim=2"),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "results" / "metrics.json").read_text())
    assert metrics["epochs"] == 3
    vae, *_ = load_model(tmp_path / "results" / "models" / "vae.npz")
    assert vae.latent_dim == 2


def test_a_run_that_diverges_fails_in_one_sentence_and_keeps_the_model(tiny_config_path, tmp_path):
    arguments = ("run", "--config", tiny_config_path, "--output", "results", "--only", "4")
    assert run_command(*arguments, cwd=tmp_path).returncode == 0
    model = tmp_path / "results" / "models" / "vae.npz"
    saved = model.read_bytes()
    result = run_command(
        *arguments,
        *("--set", "training.learning_rate=10", "--set", "training.optimizer.type=sgd"),
        *("--set", "training.gradient_clip_norm=null", "--set", "training.epochs=50"),
        cwd=tmp_path,
    )
    assert result.returncode == 1
    assert "Training diverged at step" in result.stderr
    assert "04_train.ipynb failed in cell" in result.stderr
    assert "Traceback" not in result.stderr
    assert model.read_bytes() == saved


@pytest.mark.parametrize(
    ("values", "arguments", "parts"),
    [
        ({"training": {"epochs": 0}}, (), ["training.epochs", "0"]),
        ({"modle": {}}, (), ["modle", "did you mean model"]),
        ({}, ("--set", "training.epoch=3"), ["training.epoch", "did you mean training.epochs"]),
        ({}, ("--set", "training.epochs"), ["key=value"]),
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


def test_plain_papermill_from_another_folder(tiny_config_path, tmp_path):
    notebook = ROOT / "notebooks" / "05_reconstruct.ipynb"
    result = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", notebook, "out.ipynb"),
            *("-p", "config_path", tiny_config_path, "-p", "output_dir", tmp_path / "here"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert (tmp_path / "here" / "images" / "reconstruccion.png").exists()


def test_lab_opens_the_working_copy_on_this_machine_alone(monkeypatch, tmp_path, capfd):
    """This checks how JupyterLab is started; other tests use JupyterLab itself."""
    from click.testing import CliRunner

    from vae_nb import cli

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


def test_app_serves_a_trained_model_on_this_machine_alone(monkeypatch, tiny_config_path, tmp_path):
    """This checks how Voilà is started; the tests in tests/browser/ use Voilà itself."""
    from click.testing import CliRunner

    from vae_nb import cli

    started = []
    monkeypatch.setattr("voila.app.Voila.launch_instance", started.extend)
    output = tmp_path / "it's here"
    command = ["app", "--config", str(tiny_config_path), "--output", str(output)]
    result = CliRunner().invoke(
        cli.main, [*command, "--set", "training.epochs=1", "--", "--no-browser"]
    )
    assert result.exit_code == 0, result.output
    notebook = output / "notebooks" / "explorer.ipynb"
    assert started == [
        *(str(notebook), "--Voila.ip=127.0.0.1", "--Voila.auto_token=True", "--no-browser")
    ]
    assert (output / "models" / "vae.npz").exists()
    source = nbformat.read(notebook, as_version=4).cells[-1].source
    names = {}
    exec(source.rpartition("\n")[0], names)  # all but the last line, which shows the explorer
    assert len(names["run"].history) == 1
    assert eval(source.rpartition("\n")[2], names)._folder == output / "images"


def test_app_without_voila_says_how_to_install_it(monkeypatch, tmp_path):
    from click.testing import CliRunner

    from vae_nb import cli

    monkeypatch.setitem(sys.modules, "voila.app", None)
    result = CliRunner().invoke(cli.main, ["app", "--output", str(tmp_path / "output")])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: Voilà is not installed; `make app` installs it")
    assert not (tmp_path / "output").exists()


def test_app_with_a_bad_configuration_is_one_sentence(tmp_path):
    result = run_command("app", "--set", "model.latent_dims=3", cwd=tmp_path)
    assert result.returncode == 2
    assert "model.latent_dim" in result.stderr
    assert "Traceback" not in result.stderr
