"""What another process sees of a training, and how it shows it."""

import io
import json
import sys

import pytest
from conftest import tiny_config

from vae_nb.run import progress
from vae_nb.run.progress import BarLines, NotebookBar, TrainingProgress, notebook_bar, read_progress
from vae_nb.run.trained_run import train_and_save
from vae_nb.run.workspace import Workspace


class Terminal(io.StringIO):
    """A terminal whose text is kept."""

    def isatty(self):
        return True


def trained_and_watched(config, output, **options):
    """Train, and return what the progress file said after each epoch."""
    seen = []

    def look(vae, columns):
        seen.append(read_progress(Workspace(output).progress_path))

    train_and_save(config, output, on_epoch_end=look, progress=False, **options)
    return seen


def test_a_training_says_how_far_it_is(pictures, output, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 0)
    seen = trained_and_watched(tiny_config(pictures), output)
    assert [(found.epoch, found.epochs) for found in seen] == [(1, 3), (2, 3), (3, 3)]
    for found in seen:
        assert found.losses.startswith("loss ")
        assert found.losses.endswith(" nats")
    assert not Workspace(output).progress_path.exists()


def test_before_the_first_epoch_a_training_is_seen_too(pictures, output, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 1000)
    assert trained_and_watched(tiny_config(pictures), output) == [TrainingProgress(0, 3, "")] * 3


def test_a_training_that_fails_leaves_no_progress_file(pictures, output):
    class StopHereError(Exception):
        pass

    def stop(vae, columns):
        assert Workspace(output).progress_path.exists()
        raise StopHereError

    with pytest.raises(StopHereError):
        train_and_save(tiny_config(pictures), output, on_epoch_end=stop, progress=False)
    assert not Workspace(output).progress_path.exists()


def test_the_file_of_a_killed_training_is_removed(output):
    workspace = Workspace(output)
    output.mkdir()
    workspace.progress_path.write_text("{}")
    with workspace.lock():
        assert not workspace.progress_path.exists()


def test_a_progress_file_that_cannot_be_written_ends_no_training(pictures, output):
    Workspace(output).progress_path.mkdir(parents=True)
    run = train_and_save(tiny_config(pictures), output, progress=False)
    assert len(run.history) == 3


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"epoch": null, "epochs": 1, "losses": ""}']
)
def test_what_is_no_progress_is_ignored(tmp_path, text):
    path = tmp_path / "progress.json"
    assert read_progress(path) is None
    path.write_text(text)
    assert read_progress(path) is None


def test_a_training_is_shown_below_its_notebook(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    path = tmp_path / "progress.json"
    bar = NotebookBar("04_train", 61, path, BarLines(0, 1))
    bar.cell = 41
    bar.show()
    assert "Training" not in sys.stderr.getvalue()
    losses = "loss 812, held-out 845 nats"
    for epoch in (86, 87):
        path.write_text(json.dumps({"epoch": epoch, "epochs": 200, "losses": losses}))
        bar.show()
    text = sys.stderr.getvalue()
    assert "04_train:  67%" in text
    assert "41/61 cells" in text
    assert "  Training:  44%" in text
    assert "87/200 epochs" in text
    assert f" left, {losses}]" in text
    path.unlink()
    bar.show()  # the training has ended, the notebook goes on
    bar.close()
    assert sys.stderr.getvalue().endswith("\r")


def test_the_clock_ticks_while_no_cell_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_SHOWS", 0.01)
    with notebook_bar("04_train", 61, tmp_path / "progress.json", BarLines(0, 1)) as bar:
        for _ in range(1000):
            if "[00:01]" in sys.stderr.getvalue():
                break
            progress.time.sleep(0.01)
        assert bar.cell == 0
    assert "0/61 cells [00:00]" in sys.stderr.getvalue()
    assert "0/61 cells [00:01]" in sys.stderr.getvalue()


def test_a_log_is_not_filled_with_bars(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress.seconds_between_shows() == progress.SECONDS_BETWEEN_SHOWS_IN_A_LOG
