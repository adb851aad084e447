"""Whatever fails while something is saved, the earlier files are still there afterwards."""

import errno
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import files_in, tiny_config
from file_operations import counted_operations
from matplotlib.figure import Figure

from vae_nb.core.training import TrainingState
from vae_nb.run.export_page import export_page
from vae_nb.run.model_card import export_card
from vae_nb.run.model_files import load_checkpoint, load_model, save_checkpoint, save_model
from vae_nb.run.trained_run import load_or_train, train_and_save
from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import FilesError


def fail():
    """Fail as a full disk makes any write, any flush and any rename fail."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def saved_run(pictures, output):
    """Save a trained model and a checkpoint, with other numbers than what is saved over them."""
    run = train_and_save(tiny_config(pictures), output, progress=False)
    workspace = Workspace(output)
    save_checkpoint(workspace.checkpoint_path, state_of(run, 1.0), run.config, "abc")
    workspace.save_figure(Figure(figsize=(1, 1)), "figure.png")
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    workspace.save_animation(frames, "film.gif")
    export_page(run, workspace.folder / "explorer.html")
    export_card(run, workspace.folder / "card.md")
    return run


def state_of(run, value):
    count = run.vae.parameters.size
    arrays = {"parameters": run.vae.parameters * value, "sums": np.zeros(3)}
    arrays |= {"moments": np.full((2, count), value, np.float32), **run.history.columns}
    stream = np.random.default_rng(0).bit_generator.state
    position = {"step": 6, "batches": stream, "noise": stream, "seconds": 1.0}
    return TrainingState(arrays, position | {"best_epoch": None, "best_total": None})


def save_a_model(run, workspace):
    run.vae.parameters[:] = 0
    save_model(workspace.model_path, run.vae, run.history, run.config)


def save_a_checkpoint(run, workspace):
    save_checkpoint(workspace.checkpoint_path, state_of(run, 2.0), run.config, "abc")


def save_metrics(run, workspace):
    workspace.save_metrics({"kl": 2.0})


def save_a_figure(run, workspace):
    figure = Figure(figsize=(2, 2))
    figure.text(0, 0, "other")
    workspace.save_figure(figure, "figure.png")


def save_a_film(run, workspace):
    workspace.save_animation(np.ones((3, 8, 8, 3), np.uint8), "film.gif")


def save_a_page(run, workspace):
    run.vae.parameters[:] = 1
    export_page(run, workspace.folder / "explorer.html")


def save_a_model_card(run, workspace):
    run.metrics["kl"] = 2.0
    export_card(run, workspace.folder / "card.md")


SAVES = [
    save_a_model,
    save_a_checkpoint,
    save_metrics,
    save_a_figure,
    save_a_film,
    save_a_page,
    save_a_model_card,
]


def refusal(save, *arguments):
    """Return the sentence that says why something was not saved, or None if it was."""
    try:
        save(*arguments)
    except FilesError as error:
        return str(error)
    return None


@pytest.mark.parametrize("short", [False, True], ids=["nothing written", "half written"])
@pytest.mark.parametrize("save", SAVES)
def test_a_fault_at_any_operation_of_a_save(pictures, output, save, short, capsys):
    run = saved_run(pictures, output)
    workspace = Workspace(output)
    before = files_in(output)
    for failed in itertools.count():
        with counted_operations(output, failed, fail, half_written=short) as operations:
            sentence = refusal(save, run, workspace)
        if failed == len(operations.names):
            break  # nothing was left to fail
        if sentence is None:
            # The file was complete. Only the flush of its new name failed.
            assert operations.names[failed - 2 :] == ["flush", "rename", "flush"]
            continue
        assert sentence.endswith(": No space left on device.")
        assert len(sentence.splitlines()) == 1
        assert files_in(output) == before, f"operation {failed}, a {operations.names[failed]}"
        assert len(load_model(workspace.model_path)[1]) == 3
        assert load_checkpoint(workspace.checkpoint_path).position["step"] == 6
    assert files_in(output) != before
    load_model(workspace.model_path)
    load_checkpoint(workspace.checkpoint_path)
    with capsys.disabled():
        print(f"\n{save.__name__}: {len(operations.names)} operations, each failed once")
    assert operations.names.count("write") >= 1


def test_a_fault_at_any_operation_of_a_whole_training(pictures, output):
    """A model of another configuration is there. It is kept under another name, then replaced."""
    first = train_and_save(tiny_config(pictures), output, progress=False)
    before = files_in(output)
    config = tiny_config(pictures, training__seed=1, training__checkpoint_seconds=0)
    model = before[(Workspace(output).model_path).relative_to(output)]
    refused = 0

    def train_again():
        train_and_save(config, output, progress=False)

    for failed in itertools.count():
        with counted_operations(output, failed, fail) as operations:
            refused += refusal(train_again) is not None
        if failed == len(operations.names):
            break
        models = [load_model(path) for path in Workspace(output).models.glob("vae*.npz")]
        assert any(loaded[2] == first.config for loaded in models)
        assert model in files_in(output).values()
        if Workspace(output).checkpoint_path.exists():
            load_checkpoint(Workspace(output).checkpoint_path)
        assert not list(output.rglob("*.partial*"))
        for path in output.rglob("*"):  # as it was at the beginning
            if path.is_file():
                path.unlink()
        for name, content in before.items():
            (output / name).write_bytes(content)
    assert refused > 10


# A disk that is actually full

FULL = """import sys
from pathlib import Path
import numpy as np
from vae_nb import VaeNbError, load_config, load_model, show_messages
from vae_nb.run.trained_run import train_and_save

show_messages()
config = load_config(sys.argv[1], {"training.epochs": 1, "training.seed": 5})
try:
    train_and_save(config, sys.argv[2], progress=False)
except VaeNbError as error:
    print(f"{type(error).__name__}: {error}")
"""


def train_again(config_path, output, preexec_fn=None, before=()):
    """Train in another process, whose resources may be limited."""
    process = subprocess.run(
        [*before, sys.executable, "-c", FULL, str(config_path), str(output)],
        capture_output=True,
        text=True,
        preexec_fn=preexec_fn,
        check=False,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()[-1]


@pytest.fixture
def config_path(pictures, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(tiny_config(pictures).to_dict()), encoding="utf-8")
    return path


def test_a_file_that_may_not_grow_leaves_the_model(pictures, output, config_path):
    train_and_save(tiny_config(pictures), output, progress=False)
    before = files_in(output)
    limit = Workspace(output).model_path.stat().st_size // 2

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    sentence = train_again(config_path, output, limited)
    assert sentence.startswith("FilesError: Cannot write ")
    assert sentence.endswith(": File too large.")
    assert files_in(output) == before


@pytest.fixture
def disk(tmp_path):
    """Mount a real file system of 256 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("this user cannot mount a small disk here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_the_model(pictures, disk, config_path):
    output = disk / "output"
    run = train_and_save(tiny_config(pictures), output, progress=False)
    with pytest.raises(OSError, match="No space left on device"):
        (disk / "filler").write_bytes(bytes(2**20))
    before = files_in(output)
    sentence = train_again(config_path, output)
    assert sentence.startswith("FilesError: Cannot write ")
    assert sentence.endswith(": No space left on device.")
    assert files_in(output) == before
    (disk / "filler").unlink()
    assert train_again(config_path, output).startswith("The earlier model")
    kept, _, _ = load_model(output / "models" / "vae_1.npz")
    np.testing.assert_array_equal(kept.parameters, run.vae.parameters)


def test_a_disk_that_has_become_read_only(pictures, disk, config_path):
    output = disk / "output"
    train_and_save(tiny_config(pictures), output, progress=False)
    before = files_in(output)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    sentence = train_again(config_path, output)
    assert (
        sentence == f"FilesError: Cannot write to the folder {output}: this user is not allowed to."
    )
    assert files_in(output) == before
    sentence = train_again(config_path, disk / "other")
    assert (
        sentence == f"FilesError: Cannot make the folder {disk / 'other'}: Read-only file system."
    )


@pytest.mark.parametrize("mode", [0o500, 0o000], ids=["read-only", "closed"])
@pytest.mark.parametrize("name", ["", "models"])
def test_a_folder_without_permission(pictures, output, config_path, mode, name):
    """If the superuser runs the test, it gives up its capability to write everywhere."""
    run = train_and_save(tiny_config(pictures), output, progress=False)
    before = files_in(output)
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if os.getuid() != 0:
        without = []
    elif shutil.which("setpriv") is None:
        pytest.skip("the superuser writes everywhere")
    folder = output / name
    folder.chmod(mode)
    try:
        sentence = train_again(config_path, output, before=without)
    finally:
        folder.chmod(0o700)
    assert sentence.startswith("FilesError: Cannot ")
    assert sentence.endswith(": this user is not allowed to.")
    assert files_in(output) == before
    assert load_model(output / "models" / "vae.npz")[2] == run.config


def test_a_model_is_loaded_where_nothing_can_be_written(pictures, disk):
    output = disk / "output"
    train_and_save(tiny_config(pictures), output, progress=False)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert len(load_or_train(tiny_config(pictures), output, progress=False).history) == 3
