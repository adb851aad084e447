"""A training is killed, interrupted or terminated: what it saved is complete, and it can resume."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import nbformat
import numpy as np
import pytest
from conftest import ROOT, tiny_config

from vae_nb.run.model_files import load_checkpoint, load_model
from vae_nb.run.trained_run import train_and_save
from vae_nb.run.workspace import Workspace

EPOCHS = 60
TRAIN = """import sys
from vae_nb.data.config import load_config
from vae_nb.run.trained_run import train_and_save
config = load_config(sys.argv[1])
print("started", flush=True)
train_and_save(config, sys.argv[2], progress=False)
"""
# The series as a command, with the test's own notebooks.
RUN = """import pathlib, sys
from vae_nb import cli
from vae_nb.run import series
series.NOTEBOOKS_FOLDER = pathlib.Path(sys.argv.pop(1))
sys.argv[0] = "vae-nb"
cli.main()
"""
PARAMETERS = 'config_path = ""\noutput_dir = ""\noverrides = {}\nresume = False'
CELL = """import os, pathlib, time, vae_nb
config = vae_nb.load_config(config_path, overrides)
pathlib.Path(output_dir, "kernel").write_text(str(os.getpid()))
vae_nb.train_and_save(
    config, output_dir, resume=resume, progress=False,
    on_epoch_end=lambda *_: time.sleep(0 if resume else 0.1),  # for the signal to come in time
)"""


@pytest.fixture
def config(pictures):
    """A training of half a second, most of which is used for a checkpoint after every epoch."""
    return tiny_config(pictures, training__epochs=EPOCHS, training__checkpoint_seconds=0)


@pytest.fixture
def config_path(config, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config.to_dict()), encoding="utf-8")
    return path


@pytest.fixture
def uninterrupted(config, tmp_path):
    return train_and_save(config, tmp_path / "uninterrupted", progress=False)


def wait_for(path, process):
    for _ in range(6000):
        if path.exists() and path.read_text():
            return path.read_text()
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError(f"{path} did not come")


def started_training(config_path, output):
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(config_path), str(output)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "started\n"
    return process


def assert_complete(workspace, earlier):
    """Check that the model is the earlier or the new one, and that the other files are complete."""
    _, history, saved_config = load_model(workspace.model_path)
    assert len(history) == saved_config.training.epochs
    if saved_config != earlier:
        assert load_model(workspace.model_path.with_name("vae_1.npz"))[2] == earlier
    if workspace.metrics_path.exists():
        json.loads(workspace.metrics_path.read_text(encoding="utf-8"))
    if workspace.checkpoint_path.exists():
        load_checkpoint(workspace.checkpoint_path)
        return True
    return False


@pytest.mark.parametrize("kills", [20, pytest.param(500, marks=pytest.mark.long)])
def test_a_training_is_killed_at_any_moment(
    config, config_path, pictures, uninterrupted, tmp_path, capsys, kills
):
    process = started_training(config_path, tmp_path / "timed")
    started = time.perf_counter()
    process.communicate()
    seconds = time.perf_counter() - started

    seed = random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    earlier = tiny_config(pictures, training__epochs=1)
    epochs = []
    for number in range(kills):
        output = tmp_path / f"output_{number}"
        workspace = Workspace(output)
        train_and_save(earlier, output, progress=False)
        process = started_training(config_path, output)
        time.sleep(rng.uniform(0, 1.1 * seconds))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        has_checkpoint = assert_complete(workspace, earlier)
        run = train_and_save(config, output, resume=True, progress=False)
        assert run.vae.parameters.tobytes() == uninterrupted.vae.parameters.tobytes(), seed
        for column, values in uninterrupted.history.columns.items():
            np.testing.assert_array_equal(run.history[column], values)
        assert (run.metrics["resumed_at"] is None) == (not has_checkpoint), seed
        assert not list(output.rglob("*.partial*"))
        epochs.append(run.metrics["resumed_at"] or 0)
    with capsys.disabled():
        print(
            f"\n{kills} kills at random moments of {seconds:.1f} s (seed {seed}), resumed in epoch "
            f"{min(epochs)} to {max(epochs)} of {EPOCHS}, {epochs.count(0)} from the beginning"
        )
    assert len(set(epochs)) > min(kills, EPOCHS) / 5


@pytest.fixture
def series(tmp_path, config_path):
    """Return a function that starts `vae-nb run` with one notebook, which trains a model."""
    folder, output = tmp_path / "notebooks", tmp_path / "output"
    folder.mkdir()
    cells = [
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(CELL),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "04_train.ipynb")

    def start(*arguments):
        (output / "kernel").unlink(missing_ok=True)
        command = ["run", "--config", config_path, "--output", output, *arguments]
        return subprocess.Popen(
            [sys.executable, "-c", RUN, *map(str, [folder, *command])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    return start


def resumed(series, output):
    """Return what `--resume` printed, and the model that it trained."""
    process = series("--resume")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out, load_model(output / "models" / "vae.npz")[0]


def test_the_kernel_is_killed_under_papermill(series, uninterrupted, tmp_path):
    output = tmp_path / "output"
    for part in (0.2, 0.6):
        process = series()
        kernel = int(wait_for(output / "kernel", process))
        assert os.getsid(kernel) != os.getsid(process.pid)
        checkpoint = output / "models" / "checkpoint.npz"
        while not (checkpoint.exists() and epochs_in(checkpoint) >= part * EPOCHS):
            pass
        os.kill(kernel, signal.SIGKILL)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "04_train.ipynb failed: its kernel was killed" in err
        assert "Traceback" not in err
        epoch = epochs_in(checkpoint) + 1
        out, vae = resumed(series, output)
        assert f"Going on from {checkpoint} in epoch {epoch} of {EPOCHS}.\n" in out
        assert vae.parameters.tobytes() == uninterrupted.vae.parameters.tobytes()
        metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["resumed_at"] == epoch


def epochs_in(checkpoint):
    return len(load_checkpoint(checkpoint).arrays["epoch"])


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_a_run_with_a_checkpoint(series, uninterrupted, tmp_path, number, code):
    output = tmp_path / "output"
    checkpoint = output / "models" / "checkpoint.npz"
    process = series()
    wait_for(output / "kernel", process)
    while not checkpoint.exists():
        pass
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    (sentence,) = [line for line in err.splitlines() if line.startswith("Interrupted")]
    assert "04_train.ipynb failed in cell [" in sentence
    assert f"resume goes on from {checkpoint}." in sentence
    out, vae = resumed(series, output)
    assert f"Going on from {checkpoint} in epoch " in out
    assert vae.parameters.tobytes() == uninterrupted.vae.parameters.tobytes()


@pytest.mark.parametrize("delay", [0, 0.5, 1.5])
def test_a_signal_before_the_first_cell_ends_the_run_too(series, tmp_path, delay):
    """While libraries are imported and the kernel starts, no code reacts to an interrupt."""
    output = tmp_path / "output"
    process = series("--set", "training.epochs=1000000")
    wait_for(output / ".lock.json", process)
    time.sleep(delay)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert err.endswith("Terminated.\n")
    assert not (output / ".lock.json").exists()


def test_a_second_run_is_refused_and_one_with_wait_waits(series, tmp_path):
    output = tmp_path / "output"
    first = series("--set", "training.epochs=1000000")  # until it is interrupted
    wait_for(output / "kernel", first)
    second = series()
    _, err = second.communicate(timeout=120)
    assert second.returncode == 2
    assert f"is being written by process {first.pid} (vae-nb run --config " in err
    waiting = series("--wait")
    lines = iter(waiting.stdout.readline, "")
    assert any(f"Waiting for process {first.pid} (vae-nb run --config " in line for line in lines)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=120)
    assert first.returncode == 130
    _, err = waiting.communicate(timeout=240)
    assert waiting.returncode == 0, err
    assert len(load_model(output / "models" / "vae.npz")[1]) == EPOCHS


def test_a_checkpoint_of_another_configuration_is_bad_input(series, tmp_path, config):
    path = tmp_path / "output" / "models" / "checkpoint.npz"
    process = series()
    wait_for(tmp_path / "output" / "kernel", process)
    while not path.exists():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    refused = series("--resume", "--set", "model.latent_dim=5", "--set", "training.epochs=7")
    _, err = refused.communicate(timeout=120)
    assert refused.returncode == 2
    assert (
        f"{path} is of another training, which differs in model.latent_dim, training.epochs." in err
    )
    assert path.exists()
