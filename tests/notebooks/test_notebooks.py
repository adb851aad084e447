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
from notebook_code import ALL, CORE, LABS, MORE, SOLUTIONS, name_of, read, tagged, title_of

from vae_nb.run.series import LOADS_THE_MODEL

sys.path.insert(0, str(ROOT / "tools"))
from count_notebooks import count
from execute_notebooks import normalize

MAX_BYTES = 1_500_000
IMAGES = {  # the files that each notebook of the core writes
    "00": ["ten_minutes.png", "ten_minutes_without_kl.png"],
    "01": ["dataset.png"],
    "03": ["gradient_check.png"],
    "04": ["architecture.png", "training.gif"],
    "05": ["reconstruccion.png"],
    "06": ["latent_space.png", "kl_per_dimension.png"],
    "07": ["loss.png"],
    "08": ["latent_traversal.png", "interpolation.png", "plane.png", "plane.gif"],
    "09": ["sliders.png"],
    "10": ["comparison.png"],
    "11": ["sharing_weights.png"],
}
SAME_FOR_ALL = ("00", "02", "03", "10")  # their models or runs do not depend on a configuration

every_notebook = pytest.mark.parametrize("path", ALL, ids=name_of)
every_numbered_notebook = pytest.mark.parametrize("path", [*CORE, *LABS], ids=name_of)
# A class set has no solutions, and its notebooks have no outputs: see tools/pack_class.py.
needs_outputs = pytest.mark.skipif(not SOLUTIONS, reason="these notebooks have no outputs")


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_the_series_is_complete():
    assert [path.name[:2] for path in CORE] == [f"{n:02d}" for n in range(12)]


def test_a_lab_has_the_name_and_the_title_of_its_notebook():
    core = {path.name: path for path in CORE}
    assert len(LABS) >= 10
    for path in LABS:
        assert title_of(path) == f"Lab {title_of(core[path.name])}"


@every_numbered_notebook
def test_title_and_parameters(path):
    assert re.match(rf"(Lab )?{path.name[:2]} · ", title_of(path))
    (parameters,) = tagged(path, "parameters")
    names = re.findall(r"^(\w+) = ", parameters.source, re.MULTILINE)
    if path in CORE and path.name[:2] in SAME_FOR_ALL:
        assert names == ["output_dir"]
    elif path.name.startswith("10"):  # the lab reads a sweep
        assert names == ["sweep_dir", "output_dir"]
    else:  # 04 trains, and has more
        assert names[:3] == ["config_path", "output_dir", "overrides"]


@every_notebook
def test_a_question_asks_for_a_prediction(path):
    for cell in tagged(path, "predict"):
        assert "**Predict" in cell.source, cell.id


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_a_notebook_takes_about_as_long_as_it_says(path):
    row = count(path)
    assert row["claimed"], "it does not say: **Time.** about … minutes"
    assert abs(row["claimed"] / row["minutes"] - 1) <= 0.25, row


@needs_outputs
@every_notebook
def test_every_code_cell_is_executed_and_none_failed(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(path):
        assert all(output.output_type != "error" for output in cell.outputs)


@needs_outputs
@every_notebook
def test_committed_as_normalized(path):
    text = path.read_text(encoding="utf-8")
    nbformat.validate(read(path))
    assert normalize(read(path)) == text
    assert len(text.encode()) <= MAX_BYTES


@every_notebook
def test_outputs_contain_no_path_or_address(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            data = output.get("data", {})
            text = output.get("text", "") + data.get("text/plain", "") + data.get("text/html", "")
            assert not re.search(
                r"0x[0-9a-f]{6}|/home/|/tmp/|/root/|/output/models/|ipykernel_\d", text
            ), text


def compare_outputs(paths, project):
    """Run nbval on notebooks of a project; return its report, which is empty if all is well."""
    copies = [project / path.relative_to(ROOT) for path in paths]
    command = [sys.executable, "-m", "pytest", "--nbval", *copies, "-q", "-p", "no:cacheprovider"]
    command += ["-p", "compare_numbers"]
    command += [f"--nbval-sanitize-with={Path(__file__).with_name('sanitize.cfg')}"]
    command += ["--nbval-cell-timeout=600", "-c", os.devnull, f"--rootdir={project}"]
    result = subprocess.run(
        command,
        cwd=project,
        env=os.environ | {"PYTHONPATH": f"{project}{os.pathsep}{Path(__file__).parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0:
        return ""
    return result.stdout[-6000:] + result.stderr[-2000:]


def expect_no(report):
    """Fail with the whole report of nbval: it names each cell that differs."""
    if report:
        pytest.fail(report, pytrace=False)


@pytest.fixture(scope="session")
def report_on_04(project_copy):
    """Run nbval on notebook 04, once for all workers. It trains the model of the later ones."""
    report = project_copy.with_name("report_on_04")
    with FileLock(report.with_suffix(".lock")):
        if not report.exists():
            (path,) = [path for path in CORE if path.name.startswith("04")]
            text = compare_outputs([path], project_copy)
            report.write_text(text, encoding="utf-8")
    return report.read_text(encoding="utf-8")


def with_seconds(path):
    """Mark a notebook with the seconds that nbval takes. 04 is the first, for the later ones."""
    seconds = 120 if path.name.startswith("04") else 15
    return pytest.param(path, marks=pytest.mark.slow(seconds))


@pytest.mark.notebook
@needs_outputs
@pytest.mark.parametrize("path", [with_seconds(path) for path in CORE], ids=name_of)
def test_nbval_compares_every_output(path, project_copy, request):
    """Run nbval in a copy of the project. 04 trains; others load its model."""
    number = path.name[:2]
    if number == "04":
        expect_no(request.getfixturevalue("report_on_04"))
    else:
        if LOADS_THE_MODEL in path.read_text(encoding="utf-8"):
            request.getfixturevalue("report_on_04")
            assert (project_copy / "output" / "models" / "vae.npz").exists(), "04 saved no model"
        expect_no(compare_outputs([path], project_copy))
    for name in IMAGES.get(number, ()):
        image = project_copy / "output" / "images" / name
        assert image.read_bytes().startswith((b"\x89PNG", b"GIF89a")), name


@pytest.mark.notebook
@pytest.mark.slow(60)
@needs_outputs
@pytest.mark.parametrize("paths", [LABS, MORE, SOLUTIONS], ids=["labs", "more", "solutions"])
def test_nbval_compares_every_output_of_a_track(paths, project_copy, report_on_04):
    """One process of nbval for all of a track: starting one takes as long as a small notebook."""
    expect_no(compare_outputs(paths, project_copy))
