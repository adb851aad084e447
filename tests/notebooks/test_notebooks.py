"""The notebooks are committed executed and normalized, and nbval runs them again."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from filelock import FileLock
from notebook_code import NOTEBOOKS, SOLUTIONS, read

sys.path.insert(0, str(ROOT / "tools"))
from count_notebooks import count
from execute_notebooks import normalize

MAX_BYTES = 1_500_000
MAX_WORDS = 260  # between two figures, code cells or questions: about a screen
IMAGES = {  # the files that each notebook writes
    "00": ["ten_minutes.png", "ten_minutes_without_kl.png"],
    "01": ["dataset.png"],
    "02": ["architecture.png"],
    "03": ["gradient_check.png"],
    "04": ["training.gif"],
    "05": ["reconstruccion.png"],
    "06": ["latent_space.png", "kl_per_dimension.png"],
    "07": ["loss.png"],
    "08": [
        "latent_traversal.png",
        "interpolation.png",
        "samples.png",
        "latent_walk.gif",
        "plane.png",
        "plane.gif",
    ],
    "09": ["sliders.png"],
    "10": [],  # it saves figures of a sweep of the reader's own
}

every_chapter = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_notebook = pytest.mark.parametrize(
    "path", [*NOTEBOOKS, *SOLUTIONS], ids=lambda path: f"{path.parent.name}-{path.stem}"
)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_the_series_is_complete():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n:02d}" for n in range(11)]


@every_notebook
def test_every_code_cell_is_executed_and_none_failed(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(path):
        assert all(output.output_type != "error" for output in cell.outputs)


@every_notebook
def test_committed_as_normalized(path):
    text = path.read_text(encoding="utf-8")
    nbformat.validate(read(path))
    assert normalize(read(path)) == text
    assert len(text.encode()) <= MAX_BYTES


@every_chapter
def test_shape_of_a_chapter(path):
    cells = read(path).cells
    assert re.match(rf"# {path.name[:2]} · ", cells[0].source)
    (parameters,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    names = re.findall(r"^(\w+) = ", parameters.source, re.MULTILINE)
    usual = ["config_path", "output_dir", "overrides"]
    # 00 always trains the same model. Only 04 trains the reader's, so it has more parameters. 10
    # reads what other runs have trained.
    own = {
        "00": ["output_dir"],
        "04": [*usual, "watch", "resume"],
        "10": ["sweep_dir", "output_dir"],
    }
    assert names == own.get(path.name[:2], usual)
    for promise in ("What you will do", "What you will learn", "What you need", "Time"):
        assert f"**{promise}.**" in cells[0].source, promise
    questions = [cell for cell in cells if "predict" in cell.metadata.get("tags", [])]
    assert len(questions) >= 3
    assert all("**Predict" in cell.source for cell in questions)
    headings = [line for cell in cells for line in cell.source.splitlines() if line[:2] == "##"]
    for word in ("Recap", "Exercises", "Next"):
        assert any(word in heading for heading in headings), word


@every_chapter
def test_every_figure_is_followed_by_how_to_read_it(path):
    figure = None
    for cell in read(path).cells:
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            figure = figure or cell.id
        elif "How to read" in cell.source or "How to use" in cell.source:
            figure = None
        elif cell.cell_type == "markdown" and "predict" not in cell.metadata.get("tags", []):
            assert figure is None, f"{figure} is followed by {cell.id}"


@every_chapter
def test_no_wall_of_text(path):
    assert count(path)["longest text"] <= MAX_WORDS


@every_notebook
def test_outputs_contain_no_path_or_address(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            data = output.get("data", {})
            text = output.get("text", "") + data.get("text/plain", "") + data.get("text/html", "")
            assert not re.search(r"0x[0-9a-f]{6}|/home/|/tmp/|/root/|ipykernel_\d", text), text


def compare_outputs(path, project):
    """Run nbval on a notebook of a project; return its report, which is empty if all is well."""
    copy = project / path.relative_to(ROOT)
    command = [sys.executable, "-m", "pytest", "--nbval", copy, "-q", "-p", "no:cacheprovider"]
    command += [f"--nbval-sanitize-with={Path(__file__).with_name('sanitize.cfg')}"]
    command += ["--nbval-cell-timeout=600", "-c", os.devnull, f"--rootdir={project}"]
    result = subprocess.run(
        command,
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0:
        return ""
    return result.stdout[-6000:] + result.stderr[-2000:]


@pytest.fixture(scope="session")
def report_on_04(project_copy):
    """Run nbval on notebook 04, once for all workers. It trains the model of the later ones."""
    report = project_copy.with_name("report_on_04")
    with FileLock(report.with_suffix(".lock")):
        if not report.exists():
            (path,) = [path for path in NOTEBOOKS if path.name.startswith("04")]
            text = compare_outputs(path, project_copy)
            report.write_text(text, encoding="utf-8")
    return report.read_text(encoding="utf-8")


def with_seconds(path):
    """Mark a notebook with the seconds that nbval takes. 04 is the first, for the later ones."""
    seconds = 30 if path.name.startswith("04") and path in NOTEBOOKS else 15
    return pytest.param(path, marks=pytest.mark.slow(seconds))


@pytest.mark.notebook
@pytest.mark.parametrize(
    "path",
    [with_seconds(path) for path in [*NOTEBOOKS, *SOLUTIONS]],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_nbval_compares_every_output(path, project_copy, request):
    """Run nbval in a copy of the project. 04 trains; the later notebooks load its model."""
    number = path.name[:2]
    if path in NOTEBOOKS and number == "04":
        assert request.getfixturevalue("report_on_04") == ""
    else:
        if path in NOTEBOOKS and "04" < number < "10":
            request.getfixturevalue("report_on_04")
            assert (project_copy / "output" / "models" / "vae.npz").exists(), "04 saved no model"
        assert compare_outputs(path, project_copy) == ""
    if path in NOTEBOOKS:
        for name in IMAGES[number]:
            image = project_copy / "output" / "images" / name
            assert image.read_bytes().startswith((b"\x89PNG", b"GIF89a")), name
