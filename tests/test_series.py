"""The runner of the notebooks: order, failures, killed kernels, what is kept."""

import nbformat
import pytest

from vae_nb import series
from vae_nb.errors import FilesError

PARAMETERS = 'config_path = ""\noutput_dir = ""\noverrides = {}'


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """A series of our own: a function that adds a notebook to it."""
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
