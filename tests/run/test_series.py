"""The notebooks are executed: order, failures, killed kernels, what is kept."""

import nbformat
import pytest

from vae_nb.run import series
from vae_nb.run.working_copy import refresh_working_copy
from vae_nb.system.errors import FilesError

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
    for name in ("02_second", "01_first"):
        code = f"open({str(log)!r}, 'a').write(f'{name} {{overrides}} {{output_dir}}\\n')"
        notebooks(name, code)
    seen = []
    executed = run(
        tmp_path,
        overrides={"training.epochs": 3},
        on_notebook=lambda name, seconds: seen.append(name),
    )
    assert seen == ["01_first", "02_second"]
    assert [path.name for path in executed] == ["01_first.ipynb", "02_second.ipynb"]
    assert all(path.parent == tmp_path / "output" / "notebooks" for path in executed)
    expected = f"{{'training.epochs': 3}} {tmp_path / 'output'}"
    assert log.read_text().splitlines() == [f"01_first {expected}", f"02_second {expected}"]


def test_notebooks_are_told_not_to_show_a_training(notebooks, tmp_path, caplog):
    notebooks("01_first", "assert 'watch' not in globals()")
    notebooks("02_second", "assert watch is False")
    path = tmp_path / "notebooks" / "02_second.ipynb"
    path.write_text(path.read_text().replace("overrides = {}", "overrides = {}\\nwatch = True"))
    run(tmp_path)
    assert "unknown parameter" not in caplog.text


def test_failing_cell_ends_the_run_and_keeps_the_earlier_result(notebooks, tmp_path):
    notebooks("01_first", "1 + 1")
    run(tmp_path)
    earlier = (tmp_path / "output" / "notebooks" / "01_first.ipynb").read_bytes()
    notebooks("01_first", "raise ValueError('no luck')")
    notebooks("02_second", "1 + 1")
    with pytest.raises(series.NotebookFailed) as caught:
        run(tmp_path)
    for part in ("01_first.ipynb", "cell [3]", "ValueError: no luck", "01_first.unfinished.ipynb"):
        assert part in str(caught.value)
    folder = tmp_path / "output" / "notebooks"
    assert (folder / "01_first.ipynb").read_bytes() == earlier
    assert (folder / "01_first.unfinished.ipynb").exists()
    assert not (folder / "02_second.ipynb").exists()


def test_killed_kernel_is_reported_as_that(notebooks, tmp_path):
    notebooks("01_first", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(series.NotebookFailed, match=r"01_first\.ipynb failed: its kernel was"):
        run(tmp_path)


def test_a_cell_that_exits_is_a_failure(notebooks, tmp_path):
    notebooks("01_first", "import sys\nsys.exit(0)", "1 + 1")
    with pytest.raises(series.NotebookFailed, match=r"01_first\.ipynb ended before its last cell"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("only", "numbers"),
    [(None, "123"), ("2", "2"), ("01-02", "12"), ("3,1", "13"), ("1, 2 - 3", "123")],
)
def test_a_selection_of_notebooks(notebooks, only, numbers):
    for number in "321":
        notebooks(f"0{number}_name", "1")
    assert [path.name[1] for path in series.series_notebooks(only)] == list(numbers)


@pytest.mark.parametrize("only", ["4", "0", "a", "", "2-", "3-2", "1;2"])
def test_a_selection_that_names_nothing_is_refused(notebooks, only):
    for number in "123":
        notebooks(f"0{number}_name", "1")
    with pytest.raises(FilesError, match="--only"):
        series.series_notebooks(only)


def edit(path, *sources):
    """Change the notebook's cells after the first, as a reader does."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1:] = map(nbformat.v4.new_code_cell, sources)
    nbformat.write(notebook, path)


def test_a_working_copy_is_made_with_the_solutions(notebooks, tmp_path):
    (tmp_path / "notebooks" / "solutions").mkdir()
    for name in ("02_second", "01_first", "solutions/01_first"):
        notebooks(name, "1 + 1")
    copies, kept = refresh_working_copy(tmp_path / "mine")
    assert [path.name for path in copies] == ["01_first.ipynb", "02_second.ipynb"]
    assert kept == []
    for name in ("02_second", "01_first", "solutions/01_first"):
        original = tmp_path / "notebooks" / f"{name}.ipynb"
        assert (tmp_path / "mine" / f"{name}.ipynb").read_bytes() == original.read_bytes()


def test_a_notebook_that_was_only_run_is_brought_up_to_date(notebooks, tmp_path):
    notebooks("01_first", "1 + 1")
    (copy,), _ = refresh_working_copy(tmp_path / "mine")
    notebook = nbformat.read(copy, as_version=4)
    notebook.cells[1].execution_count = 1
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="run by the reader")]
    nbformat.write(notebook, copy)

    refresh_working_copy(tmp_path / "mine")
    assert "run by the reader" in copy.read_text()  # nothing new: left as it is

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
