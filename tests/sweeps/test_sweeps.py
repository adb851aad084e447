"""Sweeps: the plan, the runs, and what a failure, a kill or a second start leaves."""

import csv
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, run_command, write_pictures

from vae_nb import cli
from vae_nb.data.config import config_keys, load_config
from vae_nb.run.model_files import load_model
from vae_nb.run.progress import ProgressFile
from vae_nb.run.series import series_notebooks
from vae_nb.run.trained_run import train_and_save
from vae_nb.run.workspace import Workspace
from vae_nb.sweeps import engine, identity, plan, worker
from vae_nb.sweeps.definition import read_sweep_definition
from vae_nb.sweeps.results import DOCUMENTED, find_sweep, flat, read_sweep, write_rows
from vae_nb.system.errors import ConfigError, FilesError

ONLY = "05"  # it trains if there is no model, and takes a few seconds
TIMES = {"training_seconds", "seconds"}
DEFINITIONS = sorted((ROOT / "configs" / "sweeps").glob("*.json"))
SEEDS = ("--seeds", "3", "--threads", "1")

# What every Python process executes when it starts, if its folder is on the PYTHONPATH: a training
# pauses at each checkpoint while the file PAUSED names its run, until a signal ends it.
PAUSING = """import os, pathlib, time
from vae_nb.run.checkpoints import CheckpointWriter

def pausing(self, *arguments, save=CheckpointWriter.__call__):
    save(self, *arguments)
    paused = pathlib.Path(os.environ["PAUSED"])
    while self.path.exists() and self.signals.number is None:
        if not paused.exists() or self.path.parts[-3] not in paused.read_text().split():
            break
        time.sleep(0.01)

CheckpointWriter.__call__ = pausing
"""


def tiny_values(pictures, **training):
    return {
        "data": {
            "input_dir": str(pictures),
            "input_size": [8, 8],
            "channels": 1,
            "batch_size": 4,
        },
        "model": {"latent_dim": 2, "encoder_layers": [{"units": 6, "activation": "tanh"}]},
        "training": {"epochs": 3, **training},
    }


def written_config(folder, pictures, **training):
    path = folder / "tiny.json"
    path.write_text(json.dumps(tiny_values(pictures, **training)), encoding="utf-8")
    return path


@pytest.fixture
def config_path(pictures, tmp_path):
    return written_config(tmp_path, pictures)


@pytest.fixture
def saving_config_path(pictures, tmp_path):
    """The configuration of a training with a checkpoint after every epoch."""
    return written_config(tmp_path, pictures, checkpoint_seconds=0)


@pytest.fixture
def paused(tmp_path, monkeypatch):
    """A file that names the runs whose trainings pause, in all processes that are started."""
    (tmp_path / "pausing").mkdir()
    (tmp_path / "pausing" / "sitecustomize.py").write_text(PAUSING, encoding="utf-8")
    path = tmp_path / "paused"
    path.write_text("seed=0 seed=1 seed=2", encoding="utf-8")
    monkeypatch.setenv("PAUSED", str(path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "pausing"), str(ROOT)]))
    return path


@pytest.fixture(scope="session")
def whole_sweep(made_once):
    """A sweep that is not interrupted, with two runs at a time."""

    def fill(folder):
        folder.mkdir()
        config_path = written_config(folder, write_pictures(folder / "pictures"))
        result = sweep(config_path, *SEEDS, "--jobs", "2", cwd=folder)
        assert result.returncode == 0, result.stderr

    return made_once("whole sweep", fill) / "results" / "sweeps" / "tiny"


@pytest.fixture(scope="session")
def complete_sweep(made_once):
    """A sweep of one run, executed by a pool of processes. Papermill stores its notebook, too."""

    def fill(folder):
        folder.mkdir()
        config_path = written_config(folder, write_pictures(folder / "pictures"))
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as executor:
            to = str(folder / "store/")
            outcome = plan_and_run(config_path, folder / "sweep", executor, notebooks_to=to)
        assert outcome.errors == {}
        assert outcome.earlier == 0
        assert outcome.report == folder / "sweep" / "report.html"
        assert outcome.report.is_file()

    return made_once("complete sweep", fill)


def sweep(*arguments, cwd):
    return run_command("sweep", *arguments, "--only", ONLY, "--output", "results", cwd=cwd)


def started_sweep(*arguments, cwd):
    arguments = ["sweep", *arguments, "--only", ONLY, "--output", "results"]
    return subprocess.Popen(
        [sys.executable, "-m", "vae_nb", *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={"PYTHONPATH": str(ROOT)} | os.environ,
    )


def wait_until(condition, process):
    for _ in range(12000):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("the condition did not come true")


def checkpoints_in(folder):
    return list(folder.glob("*/models/checkpoint.npz"))


def assert_same_results(folder, expected):
    assert rows_of(folder) == rows_of(expected)
    assert (folder / "curves.csv").read_bytes() == (expected / "curves.csv").read_bytes()
    assert parameters_of(folder) == parameters_of(expected)


def rows_of(folder, leave_out=TIMES):
    """The table's rows as text, without the times."""
    with open(folder / "results.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: text for key, text in row.items() if key not in leave_out} for row in rows]


def parameters_of(folder):
    models = sorted(folder.glob("*/models/vae.npz"))
    return {path.parts[-3]: load_model(path)[0].parameters.tobytes() for path in models}


# --- the plan ---


def test_a_plan_has_every_combination_and_every_seed(config_path):
    grid = {"model.latent_dim": [2, 3], "training.kl_weight": [1, 4, 10]}
    runs = plan.plan_sweep([config_path], [grid], seeds=2, overrides={"training.seed": 5})
    assert len(runs) == len({run.name for run in runs}) == 12
    found = {
        (r.config.model.latent_dim, r.config.training.kl_weight, r.config.training.seed)
        for r in runs
    }
    assert found == {(d, w, s) for d in (2, 3) for w in (1.0, 4.0, 10.0) for s in (5, 6)}
    assert runs[0].name == "latent_dim=2_kl_weight=1_seed=5"
    expected = {"model.latent_dim": 2, "training.kl_weight": 1.0, "training.seed": 5}
    assert runs[0].values == expected
    assert all(run.config.training.epochs == 3 for run in runs)


def test_what_is_in_two_grids_is_run_once(config_path):
    grids = [{"model.latent_dim": [2, 3]}, {"training.epochs": [3, 4]}]
    runs = plan.plan_sweep([config_path], grids)
    assert [run.name for run in runs] == [
        "latent_dim=2_seed=0",
        "latent_dim=3_seed=0",
        "epochs=4_seed=0",
    ]
    assert runs[2].values == {"model.latent_dim": 2, "training.epochs": 4, "training.seed": 0}


def test_several_configurations_are_told_apart_by_their_names():
    files = ["configs/basic.json", "configs/deep.json"]
    runs = plan.plan_sweep(files)
    assert [run.values["config"] for run in runs] == ["basic", "deep"]
    assert [run.name for run in runs] == ["config=basic_seed=0", "config=deep_seed=0"]


def test_two_configurations_of_one_name_are_refused(pictures, tmp_path):
    paths = [tmp_path / folder / "same.json" for folder in "ab"]
    for epochs, path in enumerate(paths, 1):
        path.parent.mkdir()
        path.write_text(json.dumps(tiny_values(pictures, epochs=epochs)), encoding="utf-8")
    with pytest.raises(ConfigError, match="Two configurations are called same"):
        plan.plan_sweep(paths)


def test_a_swept_encoder_has_a_mirrored_decoder():
    wide = [{"units": 9, "activation": "relu"}, {"units": 7, "activation": "tanh"}]
    tame = [{"units": 5, "activation": "relu"}, {"units": 4, "activation": "relu"}]
    grids = [{"model.encoder_layers": [wide]}, {"model.decoder_layers": [tame]}]
    first, second = plan.plan_sweep(["configs/deep.json"], grids)
    assert first.config.model.decoder_layers == first.config.model.encoder_layers[::-1]
    assert first.values["model.encoder_layers"] == "9 relu, 7 tanh"
    assert first.values["model.decoder_layers"] == "mirrored"
    assert second.values["model.encoder_layers"] == "512-256-128 relu"
    assert second.values["model.decoder_layers"] == "5-4 relu"


def test_convolutions_are_told_in_a_short_text():
    wide = {"filters": 32, "kernel_size": 4, "strides": 2, "activation": "silu"}
    layers = [wide, {**wide, "filters": 64}, {"units": 9, "activation": "tanh"}]
    (run,) = plan.plan_sweep(["configs/deep.json"], [{"model.encoder_layers": [layers]}])
    assert run.values["model.encoder_layers"] == "32k4s2-64k4s2 silu, 9 tanh"
    assert "32k4s2-64k4s2-silu" in run.name


def test_names_are_different_folder_names():
    paths = [[f"/a/{letter * 200}", "/b c?*"] for letter in "xy"]
    runs = plan.plan_sweep(["config.json"], [{"data.input_dir": [*paths, "/a:b", "/a?b"]}])
    assert len({run.name for run in runs}) == 4
    for run in runs:
        assert run.name == Path(run.name).name
        assert len(run.name) <= 120


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_shipped_definitions_can_be_planned(path):
    definition = read_sweep_definition(path)
    only, overrides = definition.pop("only"), definition.pop("set")
    runs = plan.plan_sweep(**definition, overrides=overrides)
    default = load_config("config.json", overrides)
    assert default in [run.config for run in runs]
    assert len(runs) % definition["seeds"] == 0
    assert series_notebooks(only)


def test_a_configuration_is_not_a_definition():
    assert read_sweep_definition("configs/basic.json") is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"configs": []},
            "configs is []; allowed is a list of 1 or more values, each a string of 1 or more "
            "characters.",
        ),
        (
            {"grids": [{}, {"model.latent_dim": 8}]},
            "grids[1].model.latent_dim is 8; allowed is a list of 1 or more values.",
        ),
        (
            {"grids": [{"model.latent_dim": []}]},
            "grids[0].model.latent_dim is []; allowed is a list of 1 or more values.",
        ),
        ({"grids": [3]}, "grids[0] is 3; allowed is an object."),
        ({"grids": [{}], "seeds": 0}, "seeds is 0; allowed is an integer from 1 to 1000."),
        ({"grids": [{}], "set": [1]}, "set is [1]; allowed is an object."),
        ({"seeds": "3"}, 'seeds is "3"; allowed is an integer from 1 to 1000.'),
        ({"grids": [{}], "sedes": 1}, "sedes is not a known key; did you mean seeds?"),
        (
            {"grids": [{}], "model": {}},
            "model is not a known key; the known keys are $schema, configs, set, grids, seeds, "
            "only.",
        ),
    ],
)
def test_a_bad_definition_is_one_sentence(values, sentence, tmp_path):
    path = tmp_path / "definition.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_sweep_definition(path)
    assert caught.value.errors == [f"{path}: {sentence}"]


def test_all_errors_of_a_definition_come_at_once(tmp_path):
    path = tmp_path / "definition.json"
    path.write_text('{"only": 4, "seeds": 0, "confgs": []}', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_sweep_definition(path)
    assert [error.removeprefix(f"{path}: ").split(" is ")[0] for error in caught.value.errors] == [
        "confgs",
        "seeds",
        "only",
    ]


@pytest.mark.parametrize(
    ("grid", "seeds", "part"),
    [
        ({"model.latent_dimm": [2]}, 1, "did you mean model.latent_dim"),
        ({"model": [{}]}, 1, "model cannot be swept"),
        ({"training.kl_weight": [1, -1]}, 1, "training.kl_weight is -1"),
        ({"training.seed": [1, 2]}, 2, "training.seed is swept, and 2 seeds are asked for"),
    ],
)
def test_a_bad_plan_fails_before_anything_runs(grid, seeds, part):
    with pytest.raises(ConfigError, match=part):
        plan.plan_sweep(["config.json"], [grid], seeds)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.latent_dim=2,4", ("model.latent_dim", [2, 4])),
        ("training.optimizer.type=adam, sgd", ("training.optimizer.type", ["adam", "sgd"])),
        ("data.input_size=[8,8],[16,16]", ("data.input_size", [[8, 8], [16, 16]])),
        ("training.gradient_clip_norm=null,50", ("training.gradient_clip_norm", [None, 50])),
    ],
)
def test_a_grid_is_read_from_the_command_line(text, expected):
    assert plan.parse_grid(text) == expected


@pytest.mark.parametrize("text", ["model.latent_dim", "=2", "model.latent_dim=", "="])
def test_a_text_without_key_or_values_is_not_a_grid(text):
    with pytest.raises(ConfigError, match="key=value,value"):
        plan.parse_grid(text)


def test_how_a_run_is_recognized():
    config = load_config("config.json")
    known = identity.config_hash(config, "images")
    for key, value in (("data.input_dir", "elsewhere"), ("training.checkpoint_seconds", 1)):
        assert identity.config_hash(load_config("config.json", {key: value}), "images") == known
    hashes = {known, identity.config_hash(config, "others")}
    changes = {"training.seed": 7, "model.latent_dim": 3, "training.augmentation": 0.5}
    for key, value in changes.items():
        assert key in config_keys()
        hashes.add(identity.config_hash(load_config("config.json", {key: value}), "images"))
    assert len(hashes) == 2 + len(changes)
    assert identity.code_version("04") != identity.code_version("05")
    assert identity.code_version("04") == identity.code_version("04")


def test_the_size_of_the_output_s_kernel_is_in_the_hash():
    patches = {"filters": 3, "kernel_size": 2, "strides": 2, "activation": "relu"}
    hashes = set()
    for size in (1, 3):
        overrides = {"model.encoder_layers": [patches], "model.output_kernel_size": size}
        hashes.add(identity.config_hash(load_config("config.json", overrides), "images"))
    assert len(hashes) == 2


# --- the runs ---


@pytest.mark.slow(20)
@pytest.mark.notebook
def test_a_failed_run_stops_no_other_and_is_run_again(config_path, pictures, tmp_path):
    bad = tiny_values(
        pictures, learning_rate=10, optimizer={"type": "sgd"}, gradient_clip_norm=None, epochs=200
    )
    (tmp_path / "bad.json").write_text(json.dumps(bad), encoding="utf-8")
    more = json.dumps(tiny_values(pictures, epochs=4))
    (tmp_path / "more.json").write_text(more, encoding="utf-8")
    arguments = ("bad.json", config_path.name, "more.json", "--name", "mine")
    result = sweep(*arguments, cwd=tmp_path)
    folder = tmp_path / "results" / "sweeps" / "mine"
    assert result.returncode == 1, result.stderr
    assert "2 of 3 runs are complete." in result.stdout
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Failed: ")]
    assert line.startswith("Failed: config=bad_seed=0: ")
    for part in ("05_reconstruct.ipynb failed in cell [", "TrainingDiverged", "at step"):
        assert part in line
    rows = rows_of(folder)
    assert [row["status"] for row in rows] == ["failed", "complete", "complete"]
    assert "Training diverged" in rows[0]["error"]
    assert rows[0]["error"].endswith(" it is in notebooks/05_reconstruct.unfinished.ipynb.")
    assert str(tmp_path) not in (folder / "results.csv").read_text(encoding="utf-8")
    assert rows[0]["validation.excess"] == ""
    assert [row["config"] for row in rows] == ["bad", "tiny", "more"]
    for row in rows[1:]:
        run = folder / row["run"]
        metrics = dict(flat(json.loads((run / "metrics.json").read_text(encoding="utf-8"))))
        assert float(row["validation.excess"]) == metrics["validation.excess"]
        assert row["threads"] == "1" == str(metrics["threads"])
        assert load_config(run / "config.json").training.seed == int(row["training.seed"])
        assert len(load_model(run / "models" / "vae.npz")[1]) == metrics["epochs"]
        assert (run / "images" / "reconstruccion.png").exists()
        assert (run / "notebooks" / "05_reconstruct.ipynb").exists()
    results = read_sweep(folder)
    assert results.swept == ["config"]
    assert set(results.curves) == {"config=tiny_seed=0", "config=more_seed=0"}
    history = load_model(folder / "config=more_seed=0" / "models" / "vae.npz")[1]
    curve = results.curves["config=more_seed=0"]
    np.testing.assert_allclose(curve["train_kl"], history["train_kl"], rtol=1e-5)
    assert results.examples("config=tiny_seed=0").shape == (2, 12, 8, 8, 3)
    assert results.examples("config=bad_seed=0") is None
    report = folder / "report.html"
    assert f"Report: {report}" in result.stdout
    page = report.read_text(encoding="utf-8")
    assert "2 runs are complete, 1 failed." in page
    assert json.dumps(rows[0]["error"]) in page
    report.unlink()
    assert find_sweep(tmp_path / "results") == folder

    # A run that failed or lost a file is run again; a complete one is left alone.
    done = {name: (folder / name / "run.json") for name in results.curves}
    (folder / "config=tiny_seed=0" / "models" / "vae.npz").unlink()
    before = {name: path.stat().st_mtime_ns for name, path in done.items()}
    result = sweep(*arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert "2 of 3 runs are complete, 1 of them complete before." in result.stdout
    assert done["config=tiny_seed=0"].stat().st_mtime_ns > before["config=tiny_seed=0"]
    assert done["config=more_seed=0"].stat().st_mtime_ns == before["config=more_seed=0"]
    assert rows_of(folder) == rows
    assert "2 runs are complete, 1 failed." in report.read_text(encoding="utf-8")


def test_only_replaces_the_notebooks_of_a_definition(config_path, tmp_path, monkeypatch):
    definition = {"configs": [str(config_path)], "only": "01"}
    (tmp_path / "mine.json").write_text(json.dumps(definition), encoding="utf-8")
    asked_for = []

    def run_sweep(runs, folder, executor, *, only, **options):
        asked_for.append(only)
        return engine.SweepOutcome(folder, folder / "report.html", 0, {})

    monkeypatch.setattr(cli, "run_sweep", run_sweep)
    for only in ((), ("--only", ONLY)):
        arguments = ["sweep", str(tmp_path / "mine.json"), *only]
        result = CliRunner().invoke(cli.main, arguments)
        assert result.exit_code == 0, result.output
    assert asked_for == ["01", ONLY]


@pytest.mark.slow(8)
@pytest.mark.notebook
def test_another_configuration_under_a_run_s_name_keeps_the_earlier_model(config_path, tmp_path):
    earlier = load_config(config_path, {"training.epochs": 4})
    train_and_save(earlier, tmp_path / "sweep" / "seed=0", progress=False)
    with engine.local_executor(1) as executor:
        assert plan_and_run(config_path, tmp_path / "sweep", executor).errors == {}
    models = tmp_path / "sweep" / "seed=0" / "models"
    assert len(load_model(models / "vae.npz")[1]) == 3
    assert len(load_model(models / "vae_1.npz")[1]) == 4


@pytest.mark.slow(30)
@pytest.mark.notebook
def test_a_killed_sweep_finishes_what_was_missing(
    saving_config_path, tmp_path, paused, whole_sweep
):
    """It has one run at a time. The bits are those of a sweep with two at a time."""
    paused.write_text("seed=1", encoding="utf-8")
    arguments = (saving_config_path, *SEEDS, "--jobs", "1")
    process = started_sweep(*arguments, cwd=tmp_path)
    folder = tmp_path / "results" / "sweeps" / "tiny"
    wait_until((folder / "seed=1" / "models" / "checkpoint.npz").exists, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (done,) = folder.glob("*/run.json")
    assert done.parent.name == "seed=0"
    changed = done.stat().st_mtime_ns
    paused.unlink()
    result = sweep(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "3 of 3 runs are complete, 1 of them complete before." in result.stdout
    assert done.stat().st_mtime_ns == changed
    assert_same_results(folder, whole_sweep)
    assert len(set(parameters_of(folder).values())) == 3
    metrics = json.loads((folder / "seed=1" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["resumed_at"] >= 2  # the run that was killed went on


@pytest.mark.slow(10)
@pytest.mark.notebook
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sweep_leaves_checkpoints(
    saving_config_path, tmp_path, paused, number, code
):
    process = started_sweep(saving_config_path, *SEEDS, "--jobs", "2", cwd=tmp_path)
    folder = tmp_path / "results" / "sweeps" / "tiny"
    wait_until(lambda: len(checkpoints_in(folder)) == 2, process)
    if number == signal.SIGINT:  # a terminal sends it to every process of a command
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode in (code, -number), output
    assert "of 3 runs are left" in output
    assert "Traceback" not in output
    assert len(checkpoints_in(folder)) == 2
    assert not list(folder.glob("*/run.json"))


def plan_and_run(config_path, folder, executor, **options):
    runs = plan.plan_sweep([config_path])
    return engine.run_sweep(runs, folder, executor, only=ONLY, progress=False, **options)


@pytest.mark.slow(15)
@pytest.mark.notebook
def test_any_executor_runs_a_sweep(complete_sweep):
    (row,) = read_sweep(complete_sweep / "sweep").rows
    assert row["status"] == "complete"


@pytest.mark.slow(15)
@pytest.mark.notebook
def test_executed_notebooks_are_stored_by_papermill(complete_sweep):
    stored = complete_sweep / "store" / "seed=0" / "05_reconstruct.ipynb"
    own = complete_sweep / "sweep" / "seed=0" / "notebooks" / "05_reconstruct.ipynb"
    assert nbformat.read(stored, as_version=4) == nbformat.read(own, as_version=4)


class Elsewhere:
    """Runs a job like a worker on another machine, with other files at the same paths."""

    def __init__(self, executor):
        self.executor = executor

    def submit(self, function, job):
        return self.executor.submit(function, job | {"token": "of another machine"})


@pytest.mark.slow(20)
@pytest.mark.notebook
def test_results_come_back_if_no_folder_is_shared(config_path, tmp_path, complete_sweep):
    with engine.local_executor(1) as executor:
        assert plan_and_run(config_path, tmp_path / "sent", Elsewhere(executor)).errors == {}
    shared, sent = (
        {path.relative_to(folder) for path in folder.rglob("*") if path.name != ".lock"}
        for folder in (complete_sweep / "sweep" / "seed=0", tmp_path / "sent" / "seed=0")
    )
    assert sent == shared
    assert_same_results(tmp_path / "sent", complete_sweep / "sweep")


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("code_version", "is not the version"), ("config_hash", "are not those of the sweep")],
)
def test_a_worker_with_other_code_or_images_says_so(config_path, tmp_path, key, sentence):
    (run,) = plan.plan_sweep([config_path])
    job = engine.make_jobs([run], tmp_path, ONLY, 1, None)[run.name]
    job["identity"][key] = "something else"
    result = worker.run_one(job)
    assert sentence in result["error"]
    assert str(ROOT) in result["error"]


def test_an_address_that_papermill_cannot_write_to_fails_before_a_training(config_path, tmp_path):
    with engine.local_executor(1) as executor:
        to = "nonsense://nowhere"
        outcome = plan_and_run(config_path, tmp_path / "sweep", executor, notebooks_to=to)
    assert (
        "Cannot store 05_reconstruct.ipynb at nonsense://nowhere/seed=0" in outcome.errors["seed=0"]
    )
    assert "nonsense://nowhere" in outcome.report.read_text(encoding="utf-8")
    assert not Workspace(tmp_path / "sweep" / "seed=0").model_path.exists()


@pytest.mark.slow(20)
@pytest.mark.notebook
def test_two_sweeps_do_not_write_into_one_folder(saving_config_path, tmp_path, paused):
    process = started_sweep(saving_config_path, cwd=tmp_path)
    folder = tmp_path / "results" / "sweeps" / "tiny"
    wait_until(lambda: checkpoints_in(folder), process)
    result = sweep(saving_config_path, cwd=tmp_path)
    assert result.returncode == 2
    assert f"process {process.pid}" in result.stderr
    process.send_signal(signal.SIGTERM)
    process.communicate()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("nowhere.json",), ["nowhere.json"]),
        (("--grid", "model.latent_dim"), ["key=value,value"]),
        (("--grid", "model.latent=2"), ["did you mean model.latent_dim"]),
        (("--grid", "data.input_dir=nowhere"), ["data.input_dir", "nowhere"]),
        (("--name", "a/b"), ["--name", "a/b"]),
        (("--name", ".."), ["--name", ".."]),
        (("--grid", "model.latent_dim=2", "--grid", "model.latent_dim=3"), ["key twice"]),
        (("--jobs", "2", "--scheduler", "tcp://127.0.0.1:9"), ["--jobs", "--scheduler"]),
        ((ROOT / "configs/sweeps/finalists.json", "--seeds", "2"), ["defines a sweep"]),
        (("--scheduler", "nonsense://x"), ["scheduler", "nonsense://x"]),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, parts, tmp_path, monkeypatch):
    result = sweep(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in last
    assert not (tmp_path / "results").exists()


# --- a cluster ---


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setattr(engine, "SECONDS_FOR_A_SCHEDULER", 0.2)
    with (
        pytest.raises(FilesError, match=r"No Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"),
        engine.dask_executor("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.fixture
def cluster(tmp_path):
    """A Dask scheduler and two workers, in their own processes: its address and the workers."""
    file = tmp_path / "scheduler.json"
    common = {"cwd": tmp_path, "env": {"PYTHONPATH": str(ROOT)} | os.environ}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def start(*arguments):
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
        return subprocess.Popen([*command, "--scheduler-file", str(file)], **common, **quiet)

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
    workers = []
    try:
        wait_until(lambda: file.exists() and file.stat().st_size, scheduler)
        for _ in range(2):
            worker = ("worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
            workers.append(start(*worker))
        yield json.loads(file.read_text(encoding="utf-8"))["address"], workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


@pytest.mark.slow(20)
@pytest.mark.notebook
def test_a_cluster_gives_the_same_results_even_if_a_worker_is_killed(
    saving_config_path, tmp_path, whole_sweep, paused, cluster
):
    address, workers = cluster
    process = started_sweep(saving_config_path, *SEEDS, "--scheduler", address, cwd=tmp_path)
    folder = tmp_path / "results" / "sweeps" / "tiny"
    wait_until(lambda: len(checkpoints_in(folder)) == 2, process)
    workers[0].kill()
    # Its run is another process, which ends with a checkpoint.
    wait_until(lambda: len(list(folder.glob("*/.progress.json"))) == 1, process)
    paused.unlink()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "3 of 3 runs are complete." in output
    assert_same_results(folder, whole_sweep)
    resumed = [json.loads(path.read_text())["resumed_at"] for path in folder.glob("*/metrics.json")]
    assert any(resumed)  # the killed worker's run went on in another worker


# --- the results ---


def test_tables_are_read_as_they_were_written(tmp_path):
    rows = [
        {"run": "a", "x.y": 1, "x.z": 'n, "o"', "training.seed": 0, "status": "complete"},
        {"run": "b", "x.y": 2.5, "x.z": "none", "training.seed": 1, "status": "failed"},
    ]
    rows = [row | {"error": "", "config_hash": "12e456", "code_version": "000123"} for row in rows]
    rows[0] |= {"kl": 0.1 + 0.2}
    write_rows(tmp_path / "results.csv", rows)
    write_rows(tmp_path / "curves.csv", [{"run": "a", "epoch": e, "kl": e / 7} for e in (1, 2)])
    found = read_sweep(tmp_path)
    assert found.rows == [rows[0], rows[1] | {"kl": None}]
    assert found.swept == ["x.y", "x.z"]
    np.testing.assert_array_equal(found.curves["a"]["kl"], [1 / 7, 2 / 7])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, "No such file"),
        ("", "no run of a sweep"),
        ("a\n1\n", "no run of a sweep"),
        ("a,b\n1\n", "a line is longer or shorter"),
    ],
)
def test_bad_tables_are_one_sentence(tmp_path, text, part):
    write_rows(tmp_path / "curves.csv", [])
    if text is not None:
        (tmp_path / "results.csv").write_text(text)
    with pytest.raises(FilesError, match=part) as caught:
        read_sweep(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_bad_examples_are_one_sentence(tmp_path):
    write_rows(tmp_path / "curves.csv", [])
    columns = ("run", "training.seed", "status", "error", "config_hash", "code_version")
    write_rows(tmp_path / "results.csv", [dict.fromkeys(columns, "a")])
    path = tmp_path / "a" / "images" / "examples.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not an image")
    with pytest.raises(FilesError, match=r"examples\.png is not an image of examples"):
        read_sweep(tmp_path).examples("a")


@pytest.mark.slow(20)
@pytest.mark.notebook
def test_a_run_that_another_process_has_completed_is_left_alone(
    config_path, tmp_path, complete_sweep
):
    shutil.copytree(complete_sweep / "sweep", tmp_path / "sweep")
    (run,) = plan.plan_sweep([config_path])
    job = engine.make_jobs([run], tmp_path / "sweep", ONLY, 1, None)[run.name]
    (tmp_path / "sweep" / ".sweep").write_text(job["token"])
    done = tmp_path / "sweep" / run.name / "run.json"
    before = done.stat().st_mtime_ns
    assert worker.run_one(job) == {"error": None, "files": None}
    assert done.stat().st_mtime_ns == before


@pytest.mark.slow(10)
@pytest.mark.notebook
def test_a_run_goes_on_from_its_checkpoint_in_notebook_04_too(config_path, tmp_path):
    """That notebook trains from epoch 1 unless it is told to resume."""
    (run,) = plan.plan_sweep([config_path])
    job = engine.make_jobs([run], tmp_path, "04", 1, None)[run.name]
    (tmp_path / ".sweep").write_text(job["token"])

    class StopHereError(Exception):
        pass

    def stop(vae, columns):
        if len(columns["epoch"]) == 2:
            raise StopHereError

    config = replace(run.config, training=replace(run.config.training, checkpoint_seconds=0))
    with pytest.raises(StopHereError):
        train_and_save(config, job["folder"], on_epoch_end=stop, progress=False)
    assert worker.run_one(job)["error"] is None
    workspace = Workspace(job["folder"])
    assert json.loads(workspace.metrics_path.read_text(encoding="utf-8"))["resumed_at"] == 3
    whole = train_and_save(run.config, tmp_path / "whole", progress=False)
    resumed, *_ = load_model(workspace.model_path)
    assert resumed.parameters.tobytes() == whole.vae.parameters.tobytes()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one file at its top and one in a room, to compute its version."""
    package = tmp_path / "vae_nb"
    (package / "core").mkdir(parents=True)
    for name in ("cli.py", "config.schema.json", "core/x.py"):
        (package / name).write_text("1")
    monkeypatch.setattr(identity, "PROJECT_ROOT", tmp_path)
    return package


@pytest.mark.parametrize("name", ["cli.py", "config.schema.json", "core/x.py", "core/new.py"])
def test_a_changed_or_new_file_is_another_version_of_the_code(package, name):
    version = identity.code_version("04")
    (package / name).write_text("2")
    assert identity.code_version("04") != version


@pytest.mark.parametrize("room", ["", "core"])
def test_an_editors_files_do_not_change_the_version_of_the_code(package, room):
    version = identity.code_version("04")
    (package / room / ".x.py.swp").write_bytes(b"\xff")
    (package / room / ".#x.py").write_text("2")
    for folder in (".ipynb_checkpoints", ".cache/deeper"):
        (package / room / folder).mkdir(parents=True)
        (package / room / folder / "x.py").write_bytes(b"\xff")
    assert identity.code_version("04") == version


def test_without_a_result_the_documented_sweep_is_found(tmp_path):
    assert find_sweep(tmp_path) == DOCUMENTED
    columns = ("run", "training.seed", "status", "error", "config_hash", "code_version")
    failed = dict.fromkeys(columns, "") | {"status": "failed"}
    write_rows(tmp_path / "sweeps" / "failed" / "results.csv", [failed])
    write_rows(tmp_path / "sweeps" / "empty" / "results.csv", [])
    assert find_sweep(tmp_path) == DOCUMENTED
    assert Workspace(tmp_path).folder == tmp_path


def test_the_runs_at_work_are_named_with_their_epochs(config_path, tmp_path):
    runs = plan.plan_sweep([config_path], [{"model.latent_dim": [2, 3, 4]}])
    sweep = engine._Sweep(runs, tmp_path, engine.make_jobs(runs, tmp_path, ONLY, 1, None))
    assert sweep._at_work() == "At work: none"
    training, starting, waiting = Future(), Future(), Future()
    for future, job in zip((training, starting, waiting), sweep.jobs.values(), strict=True):
        sweep._waiting[future] = job
    training.set_running_or_notify_cancel()
    starting.set_running_or_notify_cancel()
    folder = Path(sweep.jobs[runs[0].name]["folder"])
    ProgressFile(Workspace(folder).progress_path, 12, 60)  # its folder is not there yet
    folder.mkdir()
    ProgressFile(Workspace(folder).progress_path, 12, 60)
    assert sweep._at_work() == "At work: latent_dim=2_seed=0, epoch 12/60; latent_dim=3_seed=0"


def test_a_sweep_shows_the_runs_at_work(config_path, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(engine, "seconds_between_shows", lambda: 0)
    runs = plan.plan_sweep([config_path])
    with engine.local_executor(1) as executor:
        engine.run_sweep(runs, tmp_path, executor, only=ONLY)
    assert "At work: seed=0" in capfd.readouterr().err
    assert not list(tmp_path.rglob(".progress.json"))
