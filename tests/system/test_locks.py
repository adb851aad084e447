"""Only one process at a time writes to an output folder."""

import os
import re
import subprocess
import sys

import pytest
from conftest import tiny_config

from vae_nb.run.model_files import load_model
from vae_nb.run.trained_run import load_or_train, train_and_save
from vae_nb.system.errors import FilesError
from vae_nb.system.locks import folder_lock

HOLD = """import sys, time
from vae_nb.system.locks import folder_lock
with folder_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(1000)
"""
ENTER = """import sys
from vae_nb.system.locks import folder_lock
with folder_lock(sys.argv[1]):
    print("entered")
"""


@pytest.fixture
def holder(output):
    """Another process that writes to the output folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_writer_is_refused_and_the_first_one_named(output, holder):
    message = (
        rf"{output} is being written by process {holder.pid} (-c {output}) on "
        rf"{os.uname().nodename}, since "
    )
    with pytest.raises(FilesError, match=f"^{re.escape(message)}") as error, folder_lock(output):
        pass
    advice = "wait for it (the option --wait does), end it, or choose another output folder."
    assert str(error.value).endswith(f": {advice}")


def test_the_lock_of_a_dead_process_is_ignored(output, holder):
    holder.kill()
    holder.wait()
    assert (output / ".lock.json").exists()
    with folder_lock(output):
        pass
    assert [path.name for path in output.iterdir()] == [".lock"]


def test_a_second_writer_waits_if_asked_to(output, holder, monkeypatch):
    """The owner of the lock ends when the second writer says that it waits."""

    def warning(message):
        heard.append(message)
        holder.kill()

    heard = []
    monkeypatch.setattr("vae_nb.system.locks.logger.warning", warning)
    with folder_lock(output, wait=True):
        (message,) = heard
    assert message.startswith(f"Waiting for process {holder.pid} (")


def test_a_child_process_may_write_too(output):
    with folder_lock(output):
        child = [sys.executable, "-c", ENTER, str(output)]
        assert subprocess.check_output(child, text=True) == "entered\n"
        with pytest.raises(FilesError), folder_lock(output):  # another thread competes for it
            pass
        assert (output / ".lock.json").exists()
    with folder_lock(output):
        pass


def test_a_lock_without_a_readable_note_is_reported_too(output, holder):
    (output / ".lock.json").write_text("{")
    with pytest.raises(FilesError, match=r"by process unknown \(unknown\)"), folder_lock(output):
        pass


def test_two_trainings_into_one_folder(pictures, output, holder):
    config = tiny_config(pictures)
    for train in (train_and_save, load_or_train):
        with pytest.raises(FilesError, match=f"written by process {holder.pid} "):
            train(config, output, progress=False)
    assert not (output / "models").exists()
    holder.kill()
    holder.wait()
    train_and_save(config, output, progress=False)


def test_a_model_is_loaded_while_another_process_writes(pictures, output):
    config = tiny_config(pictures)
    train_and_save(config, output, progress=False)
    holding = [sys.executable, "-c", HOLD, str(output)]
    with subprocess.Popen(holding, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert len(load_or_train(config, output, progress=False).history) == 3
        process.kill()


def test_what_a_killed_process_left_half_written_is_removed(pictures, output):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    parts = [f"models/.vae.{dead.pid}.partial.npz", f"..lock.{dead.pid}.partial.json"]
    parts += [f"images/.a.b.{dead.pid}.partial.png", f"images/.a.{os.getpid()}.partial.png"]
    parts += ["images/.mine.partial.png"]
    for part in parts:
        (output / part).parent.mkdir(parents=True, exist_ok=True)
        (output / part).write_bytes(b"half of it")
    train_and_save(tiny_config(pictures), output, progress=False)
    left = [path.relative_to(output).as_posix() for path in output.rglob("*partial*")]
    assert sorted(left) == sorted(parts[3:])  # of a running process, and another program's
    assert len(load_model(output / "models" / "vae.npz")[1]) == 3
