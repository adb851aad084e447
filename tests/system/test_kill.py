"""A training is killed, interrupted or terminated: what it saved is complete, and it can resume.

No test depends on the clock. Each signal comes when the process that it ends has reported how far
it is, or that process sends the signal to itself.
"""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conftest import ROOT, tiny_config

from vae_nb.run.model_files import load_checkpoint, load_model
from vae_nb.run.trained_run import train_and_save
from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import Interrupted

EPOCHS = 60
TRAIN = """import sys
from vae_nb.data.config import load_config
from vae_nb.run.trained_run import train_and_save
config = load_config(sys.argv[1])

def report(vae, columns):
    print(len(columns["epoch"]), flush=True)

print(0, flush=True)
train_and_save(config, sys.argv[2], on_epoch_end=report, progress=False)
"""
# The series as a command, with the test's own notebooks. It can send SIGTERM to itself: when the
# output folder is locked, or before the first cell's libraries are imported.
RUN = """import os, pathlib, signal, sys
from vae_nb import cli
from vae_nb.run import series
series.NOTEBOOKS_FOLDER = pathlib.Path(sys.argv.pop(1))
sys.argv[0] = "vae-nb"
moment = os.environ.get("TERMINATED_AT")

def terminate_this_process(event, arguments):
    global moment
    locked = event == "os.rename" and str(arguments[1]).endswith(".lock.json")
    importing = event == "import" and arguments[0] == "papermill"
    if (moment == "locked" and locked) or (moment == "importing" and importing):
        moment = None
        os.kill(os.getpid(), signal.SIGTERM)

sys.addaudithook(terminate_this_process)
cli.main()
"""
PARAMETERS = 'config_path = ""\noutput_dir = ""\noverrides = {}\nresume = False'
# At the end of the epoch PAUSE_AT, the kernel reports its process, and waits until it is
# interrupted or killed.
CELL = """import os, pathlib, signal, time, vae_nb
config = vae_nb.load_config(config_path, overrides)

def pause(vae, columns):
    if len(columns["epoch"]) != int(os.environ["PAUSE_AT"]):
        return
    interrupts = []
    handler = signal.getsignal(signal.SIGINT)

    def note(number, frame):
        handler(number, frame)
        interrupts.append(number)

    signal.signal(signal.SIGINT, note)
    report = pathlib.Path(output_dir, "kernel")
    report.with_suffix(".part").write_text(str(os.getpid()))
    report.with_suffix(".part").rename(report)
    while not interrupts:
        time.sleep(0.01)
    signal.signal(signal.SIGINT, handler)

vae_nb.train_and_save(config, output_dir, resume=resume, progress=False, on_epoch_end=pause)"""


@pytest.fixture
def config(pictures):
    """A training of half a second, most of which is used for a checkpoint after every epoch."""
    return tiny_config(pictures, training__epochs=EPOCHS, training__checkpoint_seconds=0)


@pytest.fixture
def config_path(config, tmp_path):
    return written(config, tmp_path)


def written(config, folder):
    """Write a configuration into a folder; return its path."""
    path = folder / "config.json"
    path.write_text(json.dumps(config.to_dict()), encoding="utf-8")
    return path


@pytest.fixture
def uninterrupted(config, tmp_path):
    return train_and_save(config, tmp_path / "uninterrupted", progress=False)


@pytest.fixture
def earlier_output(pictures, tmp_path):
    """An output folder with a model of another configuration."""
    output = tmp_path / "earlier"
    train_and_save(tiny_config(pictures, training__epochs=1), output, progress=False)
    return output


def wait_for(path, process):
    """Wait for a file that a process writes; return its text."""
    for _ in range(6000):
        if path.exists():
            return path.read_text()
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError(f"{path} did not come")


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


def assert_goes_on(output, uninterrupted, earlier):
    """Check what a killed training left, and resume it; return the epoch in which it went on."""
    has_checkpoint = assert_complete(Workspace(output), earlier)
    run = train_and_save(uninterrupted.config, output, resume=True, progress=False)
    assert run.vae.parameters.tobytes() == uninterrupted.vae.parameters.tobytes()
    for column, values in uninterrupted.history.columns.items():
        np.testing.assert_array_equal(run.history[column], values)
    resumed_at = run.metrics["resumed_at"]
    assert (resumed_at is None) == (not has_checkpoint)
    assert not list(output.rglob("*.partial*"))
    return resumed_at


@pytest.mark.slow(10)
@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
def test_a_training_is_killed_at_its_operations_on_files(
    pictures, tmp_path, earlier_output, capsys, step
):
    """It is killed before each flush and each rename, and in the middle of every sixth write.

    What is on the disk changes only there, so a kill at another moment leaves the same.
    """
    config = tiny_config(pictures, training__epochs=3, training__checkpoint_seconds=0)
    uninterrupted = train_and_save(config, tmp_path / "uninterrupted", progress=False)
    earlier = load_model(Workspace(earlier_output).model_path)[2]
    output = tmp_path / "output"
    script = Path(__file__).with_name("killed_training.py")
    trainings = subprocess.Popen(
        [sys.executable, str(script), str(written(config, tmp_path))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    epochs = []
    for kind, kind_step in (("write", step), ("flush", 1), ("rename", 1)):
        for number in itertools.count(step=kind_step):
            shutil.rmtree(output, ignore_errors=True)
            shutil.copytree(earlier_output, output)
            print(kind, number, output, sep="\t", file=trainings.stdin, flush=True)
            answer = trainings.stdout.readline()
            if answer == "ended\n":
                break
            assert answer == "killed\n"
            epochs.append(assert_goes_on(output, uninterrupted, earlier))
    trainings.communicate()
    assert trainings.returncode == 0
    # Killed before the first checkpoint or after the last one, nothing is left to resume.
    assert set(epochs) == {None, 2, 3}
    with capsys.disabled():
        print(f"\n{len(epochs)} kills at operations on files, {epochs.count(2)} of them in epoch 2")


@pytest.mark.long
def test_a_training_is_killed_at_any_moment(
    config_path, uninterrupted, earlier_output, tmp_path, capsys
):
    """500 times, from outside, a moment after the process has reported an epoch."""
    earlier = load_model(Workspace(earlier_output).model_path)[2]
    epochs = []
    for number in range(500):
        output = tmp_path / f"output_{number}"
        shutil.copytree(earlier_output, output)
        process = subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(config_path), str(output)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        reported = number % EPOCHS
        while process.stdout.readline() != f"{reported}\n":
            assert process.poll() is None
        time.sleep(random.Random(number).uniform(0, 0.02))  # about the time of an epoch
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        resumed_at = assert_goes_on(output, uninterrupted, earlier)
        if resumed_at is None:  # before the first checkpoint, or after the model was saved
            resumed_at = EPOCHS + 1 if reported else 1
        assert resumed_at > reported
        epochs.append(resumed_at)
        shutil.rmtree(output)
    with capsys.disabled():
        print(f"\n500 kills, resumed in epoch {min(epochs)} to {max(epochs)} of {EPOCHS}")


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

    def start(*arguments, pause_at=0, **environment):
        """Start the command; the training pauses after an epoch, and 0 stands for none."""
        (output / "kernel").unlink(missing_ok=True)
        command = ["run", "--config", config_path, "--output", output, *arguments]
        return subprocess.Popen(
            [sys.executable, "-c", RUN, *map(str, [folder, *command])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PAUSE_AT": str(pause_at)} | environment,
        )

    return start


def resumed(series, output):
    """Return what `--resume` printed, and the model that it trained."""
    process = series("--resume")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out, load_model(output / "models" / "vae.npz")[0]


@pytest.mark.slow(20)
@pytest.mark.notebook
def test_the_kernel_is_killed_under_papermill(series, uninterrupted, tmp_path):
    """It is killed twice: in a new training, and in the one that goes on."""
    output = tmp_path / "output"
    checkpoint = output / "models" / "checkpoint.npz"
    for pause_at, arguments in ((12, ()), (36, ("--resume",))):
        process = series(*arguments, pause_at=pause_at)
        kernel = int(wait_for(output / "kernel", process))
        assert os.getsid(kernel) != os.getsid(process.pid)
        os.kill(kernel, signal.SIGKILL)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "04_train.ipynb failed: its kernel was killed" in err
        assert "Traceback" not in err
        assert len(load_checkpoint(checkpoint).arrays["epoch"]) == pause_at
    out, vae = resumed(series, output)
    assert f"Going on from {checkpoint} in epoch 37 of {EPOCHS}.\n" in out
    assert vae.parameters.tobytes() == uninterrupted.vae.parameters.tobytes()
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["resumed_at"] == 37


@pytest.mark.slow(12)
@pytest.mark.notebook
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_a_run_with_a_checkpoint(series, uninterrupted, tmp_path, number, code):
    output = tmp_path / "output"
    checkpoint = output / "models" / "checkpoint.npz"
    process = series(pause_at=2)
    wait_for(output / "kernel", process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    where = f"Interrupted in epoch 3 of {EPOCHS}; resume goes on from {checkpoint}."
    assert f"04_train.ipynb: {where}\nThe training so far is saved. To continue: " in err
    out, vae = resumed(series, output)
    assert f"Going on from {checkpoint} in epoch 3 of {EPOCHS}.\n" in out
    assert vae.parameters.tobytes() == uninterrupted.vae.parameters.tobytes()


@pytest.mark.slow(6)
@pytest.mark.notebook
@pytest.mark.parametrize("moment", ["locked", "importing", "kernel starting"])
def test_a_signal_before_the_first_cell_ends_the_run_too(series, tmp_path, moment):
    """While libraries are imported and the kernel starts, no code reacts to an interrupt."""
    output = tmp_path / "output"
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    if moment == "kernel starting":  # it executes this file before any cell
        text = "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)"
        (startup / "terminate_the_run.py").write_text(text)
    process = series(pause_at=1, TERMINATED_AT=moment, IPYTHONDIR=str(tmp_path / "ipython"))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert err.endswith("Terminated.\n")
    assert not (output / ".lock.json").exists()
    assert not (output / "kernel").exists()


@pytest.mark.slow(12)
@pytest.mark.notebook
def test_a_second_run_is_refused_and_one_with_wait_waits(series, tmp_path):
    output = tmp_path / "output"
    first = series(pause_at=1)  # until it is interrupted
    wait_for(output / "kernel", first)
    second = series()
    _, err = second.communicate(timeout=120)
    assert second.returncode == 2
    assert f"is being written by process {first.pid} (vae-nb run --config " in err
    waiting = series("--wait")
    lines = iter(waiting.stderr.readline, "")
    assert any(f"Waiting for process {first.pid} (vae-nb run --config " in line for line in lines)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=120)
    assert first.returncode == 130
    _, err = waiting.communicate(timeout=240)
    assert waiting.returncode == 0, err
    assert len(load_model(output / "models" / "vae.npz")[1]) == EPOCHS


def test_a_checkpoint_of_another_configuration_is_bad_input(series, tmp_path, config):
    output = tmp_path / "output"
    path = output / "models" / "checkpoint.npz"
    with pytest.raises(Interrupted):
        train_and_save(
            config,
            output,
            on_epoch_end=lambda *_: signal.raise_signal(signal.SIGINT),
            progress=False,
        )
    refused = series("--resume", "--set", "model.latent_dim=5", "--set", "training.epochs=7")
    _, err = refused.communicate(timeout=120)
    assert refused.returncode == 2
    assert (
        f"{path} is of another training, which differs in model.latent_dim, training.epochs." in err
    )
    assert path.exists()
