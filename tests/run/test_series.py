"""The notebooks are executed: order, failures, killed kernels, what is kept."""

import os
import shlex

import nbformat
import pytest

from vae_nb.data.config import parse_override
from vae_nb.run import series
from vae_nb.run.continuing import continuing_command, numbers_text
from vae_nb.run.notebook_runner import NotebookFailed
from vae_nb.run.working_copy import refresh_working_copy
from vae_nb.system.errors import FilesError, Interrupted

PARAMETERS = 'config_path = ""\noutput_dir = ""\noverrides = {}'


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """The test's own series: a function that adds a notebook to it."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(series, "NOTEBOOKS_FOLDER", folder)

    def add(name, *codes):
        parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
        cells = [parameters, *map(nbformat.v4.new_code_cell, codes)]
        metadata = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        nbformat.write(notebook, folder / f"{name}.ipynb")

    return add


def run(tmp_path, **arguments):
    return series.run_series("config.json", tmp_path / "output", progress=False, **arguments)


def test_notebooks_run_in_order_with_their_parameters(notebooks, tmp_path):
    log = tmp_path / "log"
    for name in ("02_second", "00_zero", "01_first"):
        code = f"open({str(log)!r}, 'a').write(f'{name} {{overrides}} {{output_dir}}\\n')"
        notebooks(name, code)
    seen = []
    executed = run(
        tmp_path,
        overrides={"training.epochs": 3},
        on_notebook=lambda name, seconds: seen.append(name),
    )
    assert seen == ["00_zero", "01_first", "02_second"]
    assert [path.stem for path in executed] == seen
    assert all(path.parent == tmp_path / "output" / "notebooks" for path in executed)
    expected = f"{{'training.epochs': 3}} {tmp_path / 'output'}"
    assert log.read_text().splitlines() == [f"{name} {expected}" for name in seen]


def test_notebooks_are_told_not_to_show_a_training(notebooks, tmp_path, caplog):
    notebooks("01_first", "assert 'watch' not in globals()")
    notebooks("02_second", "assert watch is False")
    path = tmp_path / "notebooks" / "02_second.ipynb"
    path.write_text(path.read_text().replace("overrides = {}", "overrides = {}\\nwatch = True"))
    run(tmp_path)
    assert "unknown parameter" not in caplog.text


MEET = """import pathlib, time
folder = pathlib.Path(output_dir)
(folder / {mine!r}).touch()
while not (folder / {other!r}).exists():
    time.sleep(0.01)"""


def test_several_notebooks_run_at_a_time(notebooks, tmp_path):
    """Each of two waits for the other, so that one alone would never end."""
    notebooks("01_first", MEET.format(mine="a", other="b"))
    notebooks("02_second", MEET.format(mine="b", other="a"))
    assert [path.stem for path in run(tmp_path, jobs=2)] == ["01_first", "02_second"]


def test_what_loads_the_model_waits_for_what_trains_it(notebooks, tmp_path):
    model = "model = pathlib.Path(output_dir, 'model')"
    notebooks("01_first", "1")
    notebooks("04_train", f"import pathlib\n{model}\nmodel.touch()  # {series.TRAINS_THE_MODEL}")
    for number in "56":
        notebooks(
            f"0{number}_load",
            f"import pathlib\n{model}\nassert model.exists()  # {series.LOADS_THE_MODEL}",
        )
    seen = []
    executed = run(tmp_path, jobs=4, on_notebook=lambda name, seconds: seen.append(name))
    assert [path.stem for path in executed] == ["01_first", "04_train", "05_load", "06_load"]
    assert sorted(seen) == sorted(path.stem for path in executed)
    (tmp_path / "output" / "model").unlink()
    with pytest.raises(NotebookFailed, match=r"05_load\.ipynb failed"):
        run(tmp_path, only="5-6", jobs=2)  # the first of them would train
    assert not (tmp_path / "output" / "notebooks" / "06_load.unfinished.ipynb").exists()


def test_the_first_failure_is_named_and_the_others_are_stopped(notebooks, tmp_path):
    notebooks("01_first", MEET.format(mine="a", other="b"), "raise ValueError('no luck')")
    notebooks("02_second", MEET.format(mine="b", other="a") + "\ntime.sleep(600)")
    notebooks("03_third", "1")
    with pytest.raises(NotebookFailed, match=r"01_first\.ipynb failed .* no luck"):
        run(tmp_path, jobs=2)
    folder = tmp_path / "output" / "notebooks"
    assert (folder / "02_second.unfinished.ipynb").exists()
    assert not (folder / "03_third.unfinished.ipynb").exists()


def test_kernels_share_the_cores(notebooks, tmp_path, monkeypatch):
    monkeypatch.setattr(series, "core_count", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    code = "import os\nassert os.environ['OPENBLAS_NUM_THREADS'] == '3'"
    notebooks("01_first", code)
    notebooks("02_second", "import os\nassert os.environ['OMP_NUM_THREADS'] == '5'")
    run(tmp_path, jobs=2)


def test_the_training_gets_the_cores_that_the_other_jobs_leave(notebooks, tmp_path, monkeypatch):
    monkeypatch.setattr(series, "core_count", lambda: 6)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    code = "import os\nassert os.environ['OPENBLAS_NUM_THREADS'] == '{}'"
    notebooks("01_first", code.format(3))
    notebooks("04_train", f"{code.format(5)}  # {series.TRAINS_THE_MODEL}")
    run(tmp_path, jobs=2)


def test_failing_cell_ends_the_run_and_keeps_the_earlier_result(notebooks, tmp_path):
    notebooks("01_first", "1 + 1")
    run(tmp_path)
    earlier = (tmp_path / "output" / "notebooks" / "01_first.ipynb").read_bytes()
    notebooks("01_first", "raise ValueError('no luck')")
    notebooks("02_second", "1 + 1")
    with pytest.raises(NotebookFailed) as caught:
        run(tmp_path)
    for part in ("01_first.ipynb", "cell [3]", "ValueError: no luck", "01_first.unfinished.ipynb"):
        assert part in str(caught.value)
    folder = tmp_path / "output" / "notebooks"
    assert (folder / "01_first.ipynb").read_bytes() == earlier
    assert (folder / "01_first.unfinished.ipynb").exists()
    assert not (folder / "02_second.ipynb").exists()


def test_killed_kernel_is_reported_as_that(notebooks, tmp_path):
    notebooks("01_first", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(NotebookFailed, match=r"01_first\.ipynb failed: its kernel was"):
        run(tmp_path)


def test_a_cell_that_exits_is_a_failure(notebooks, tmp_path):
    notebooks("01_first", "import sys\nsys.exit(0)", "1 + 1")
    with pytest.raises(NotebookFailed, match=r"01_first\.ipynb ended before its last cell"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("only", "numbers"),
    [
        *[(None, "0123"), ("2", "2"), ("01-02", "12"), ("3,1", "13"), ("1, 2 - 3", "123")],
        *[("0", "0"), ("00", "0"), ("00-2", "012")],
    ],
)
def test_a_selection_of_notebooks(notebooks, only, numbers):
    for number in "3210":
        notebooks(f"0{number}_name", "1")
    assert [path.name[1] for path in series.series_notebooks(only)] == list(numbers)


@pytest.mark.parametrize("only", ["4", "0", "a", "", "2-", "3-2", "1;2"])
def test_a_selection_that_names_nothing_is_refused(notebooks, only):
    for number in "123":
        notebooks(f"0{number}_name", "1")
    with pytest.raises(FilesError, match="--only"):
        series.series_notebooks(only)


def execute_by_hand(path):
    """Give the notebook's second cell an output, as running it does."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].execution_count = 1
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="an output")]
    nbformat.write(notebook, path)


def edit(path, *sources):
    """Change the notebook's cells after the first, as a reader does."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1:] = map(nbformat.v4.new_code_cell, sources)
    nbformat.write(notebook, path)


def test_a_working_copy_has_all_tracks_and_no_outputs(notebooks, tmp_path):
    names = ["00_zero", "01_first", "lab/01_first", "more/adam", "solutions/01_first"]
    for name in names:
        (tmp_path / "notebooks" / name).parent.mkdir(exist_ok=True)
        notebooks(name, "1 + 1")
        original = tmp_path / "notebooks" / f"{name}.ipynb"
        not_run = nbformat.read(original, as_version=4)
        execute_by_hand(original)
        copies, kept = refresh_working_copy(tmp_path / "mine")
        assert kept == []
        assert nbformat.read(tmp_path / "mine" / f"{name}.ipynb", as_version=4) == not_run
    assert [path.name for path in copies] == ["00_zero.ipynb", "01_first.ipynb"]


def test_a_notebook_that_was_only_run_is_brought_up_to_date(notebooks, tmp_path):
    notebooks("01_first", "1 + 1")
    (copy,), _ = refresh_working_copy(tmp_path / "mine")
    execute_by_hand(copy)

    refresh_working_copy(tmp_path / "mine")
    assert "an output" in copy.read_text()  # nothing new: left as it is

    notebooks("01_first", "2 + 2")
    assert refresh_working_copy(tmp_path / "mine")[1] == []
    assert copy.read_bytes() == (tmp_path / "notebooks" / "01_first.ipynb").read_bytes()


def test_a_notebook_that_the_reader_changed_is_left_alone(notebooks, tmp_path):
    notebooks("01_first", "1 + 1")
    notebooks("02_second", "1 + 1")
    (first, second), _ = refresh_working_copy(tmp_path / "mine")
    edit(first, "my own idea")
    mine = first.read_bytes()
    assert refresh_working_copy(tmp_path / "mine")[1] == []  # the series has nothing new
    notebooks("01_first", "2 + 2")
    notebooks("02_second", "2 + 2")
    assert refresh_working_copy(tmp_path / "mine")[1] == [first]
    assert first.read_bytes() == mine
    assert "2 + 2" in second.read_text()

    first.rename(first.with_name("01_mine.ipynb"))  # as the command advises
    assert refresh_working_copy(tmp_path / "mine")[1] == []
    assert "2 + 2" in first.read_text()


@pytest.mark.parametrize("record", [None, "not JSON", "[]", "{}"])
def test_without_a_record_a_notebook_that_differs_is_the_readers(notebooks, tmp_path, record):
    notebooks("01_first", "1 + 1")
    (copy,), _ = refresh_working_copy(tmp_path / "mine")
    edit(copy, "my own idea")
    path = tmp_path / "mine" / ".versions.json"
    path.unlink() if record is None else path.write_text(record)
    _, kept = refresh_working_copy(tmp_path / "mine")
    assert kept == [copy]
    assert "my own idea" in copy.read_text()


def test_a_damaged_notebook_in_the_working_copy_is_left_alone(notebooks, tmp_path):
    notebooks("01_first", "1 + 1")
    (copy,), _ = refresh_working_copy(tmp_path / "mine")
    copy.write_text("{damaged")
    notebooks("01_first", "2 + 2")
    assert refresh_working_copy(tmp_path / "mine")[1] == [copy]
    assert copy.read_text() == "{damaged"
    (tmp_path / "mine" / ".versions.json").unlink()
    assert refresh_working_copy(tmp_path / "mine")[1] == [copy]
    assert copy.read_text() == "{damaged"


# --- what is shown, and what an interruption says ---


def test_a_bar_over_the_cells_and_the_epochs_of_a_kernels_training(notebooks, tmp_path, capfd):
    """The kernel writes the file of a training, and then waits until the bar has shown it."""
    code = """import json, pathlib, time
path = pathlib.Path(output_dir) / ".progress.json"
path.write_text(json.dumps({"epoch": 5, "epochs": 9, "losses": "loss 1, held-out 2 nats"}))
time.sleep(1)
path.unlink()  # train_and_save(config, output_dir) does"""
    notebooks("04_train", code)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vae_nb.run.progress.SECONDS_BETWEEN_SHOWS_IN_A_LOG", 0.1)
        series.run_series("config.json", tmp_path / "output")
    shown = capfd.readouterr().err
    assert "04_train:  67%" in shown
    assert "2/3 cells" in shown
    assert "5/9 epochs" in shown
    assert "held-out 2 nats" in shown


def interrupted(tmp_path, monkeypatch, **arguments):
    """Run the series, with a SIGINT when its notebook asks for it; return the message."""
    monkeypatch.setenv("RUNNER", str(os.getpid()))
    with pytest.raises(Interrupted) as caught:
        series.run_series(
            tmp_path / "my config.json", tmp_path / "output", progress=False, **arguments
        )
    return caught.value.errors


SEND = "import os, signal, time\nos.kill(int(os.environ['RUNNER']), signal.SIGINT)\ntime.sleep(60)"


def test_an_interruption_says_how_to_continue(notebooks, tmp_path, monkeypatch):
    for name in ("01_first", "02_second", "03_third"):
        notebooks(name, SEND if name == "02_second" else "1")
    overrides = {"training.kl_weight": 2, "data.input_dir": "my images"}
    first, second = interrupted(tmp_path, monkeypatch, overrides=overrides)
    assert first == "Interrupted: 02_second.ipynb ended in its cell [3]."
    assert second.startswith("To continue: ")
    command = shlex.split(second.partition(": ")[2])
    assert command[0].endswith("vae-nb")
    assert command[1:] == [
        *("run", "--config", str(tmp_path / "my config.json")),
        *("--output", str(tmp_path / "output"), "--set", "training.kl_weight=2"),
        *("--set", "data.input_dir=my images", "--only", "02-03"),
    ]


def test_all_running_notebooks_are_interrupted(notebooks, tmp_path, monkeypatch):
    notebooks("01_first", MEET.format(mine="a", other="b") + f"\n{SEND}")
    notebooks("02_second", MEET.format(mine="b", other="a") + "\ntime.sleep(600)")
    notebooks("03_third", "1")
    *ended, command = interrupted(tmp_path, monkeypatch, jobs=2)
    assert sorted(ended) == [
        "Interrupted: 01_first.ipynb ended in its cell [3].",
        "Interrupted: 02_second.ipynb ended in its cell [3].",
    ]
    assert "--only" not in command  # none has ended


def test_an_interrupted_training_is_continued_with_resume(notebooks, tmp_path, monkeypatch):
    stop = f"""from vae_nb import Interrupted, Workspace
workspace = Workspace(output_dir)
workspace.models.mkdir(exist_ok=True)
workspace.checkpoint_path.write_text("")
try:
    exec({SEND!r})
except KeyboardInterrupt:
    raise Interrupted("Interrupted in epoch 2 of 3; resume goes on from here.")"""
    notebooks("04_train", stop)
    first, second = interrupted(tmp_path, monkeypatch)
    assert first == "04_train.ipynb: Interrupted in epoch 2 of 3; resume goes on from here."
    assert second.startswith("The training so far is saved. To continue: ")
    assert "vae-nb run --resume --config " in second
    assert "--only" not in second


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "k=3"), ("adam", "k=adam"), ("3", 'k="3"'), (None, "k=null"), ([8, 8], "k=[8, 8]")],
)
def test_a_setting_in_the_command_is_read_as_it_was(value, text):
    command = shlex.split(continuing_command("config.json", "output", {"k": value}, None, True))
    assert command[1:] == ["run", "--resume", "--set", text]
    assert parse_override(text) == ("k", value)


def test_the_numbers_in_the_command(tmp_path):
    def text(*numbers):
        return numbers_text([tmp_path / f"{number}_name.ipynb" for number in numbers])

    assert text("07", "08", "09", "10") == "07-10"
    assert text("07") == "07"
    assert text("04", "05", "08") == "04,05,08"


def test_an_error_without_words_has_no_colon(notebooks, tmp_path):
    notebooks("01_first", "raise ValueError")
    with pytest.raises(NotebookFailed, match=r"in cell \[3\]: ValueError As far as it ran"):
        run(tmp_path)


def test_kernels_start_where_warnings_are_errors(notebooks, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    notebooks("01_first", "import os\nassert 'PYTHONWARNINGS' not in os.environ")
    run(tmp_path)
    assert os.environ["PYTHONWARNINGS"] == "error"
    assert "Traceback" not in capfd.readouterr().err
