"""The project's files agree with one another."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions

import pytest
import yaml
from conftest import ROOT
from notebook_code import SOLUTIONS

from vae_nb import load_config, load_images, read_sweep
from vae_nb.sweeps.identity import config_hash
from vae_nb.sweeps.results import DOCUMENTED

sys.path.insert(0, str(ROOT / "tools"))
import pack_class
import write_docs


@pytest.fixture
def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_conda_environment_has_the_bounds_of_pyproject(pyproject):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    packages = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    bounded = {entry for entry in packages if re.search(r"[<>]", entry)}
    assert bounded == set(pyproject["project"]["dependencies"])
    (python,) = [entry for entry in packages if entry.startswith("python=")]
    minor = int(python.removeprefix("python=3."))
    assert minor >= int(pyproject["project"]["requires-python"].removeprefix(">=3."))
    assert {"pip": ["-e ."]} in environment["dependencies"]


def test_every_dependency_is_explained(pyproject):
    """The reason is the comment in the line of the requirement."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    requirements = list(pyproject["project"]["dependencies"])
    for extra in pyproject["project"]["optional-dependencies"].values():
        requirements += extra
    for requirement in requirements:
        stated = [line.strip() for line in lines if line.strip().startswith(f'"{requirement}"')]
        assert stated, requirement
        for line in stated:
            assert re.fullmatch(r'"[^"]+", # .{5,}', line), line


def test_what_the_package_imports_is_a_declared_dependency(pyproject):
    requirements = list(pyproject["project"]["dependencies"])
    for extra in ("cluster", "onnx"):
        requirements += pyproject["project"]["optional-dependencies"][extra]
    declared = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}
    modules = set()
    for path in (ROOT / "vae_nb").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module.partition(".")[0])
    providers = packages_distributions()
    for module in modules - sys.stdlib_module_names - {"vae_nb"}:
        assert {name.lower() for name in providers[module]} & declared, module


@pytest.mark.skipif("CI" not in os.environ, reason="a user may edit config.json")
def test_default_configuration_is_that_of_all_emojis_except_the_folders():
    default = load_config("config.json")
    everything = load_config("configs/all_emojis.json")
    assert default.differences(everything) == ["data.input_dir"]


@pytest.mark.parametrize(
    "path", write_docs.contents(), ids=lambda path: str(path.relative_to(ROOT))
)
def test_what_is_derived_is_current(path):
    """Tables and figures in the docs are those of the code and of the committed results."""
    if path == write_docs.NOTEBOOKS_PAGE and not SOLUTIONS:
        pytest.skip("a class set's notebooks have no figures to count")
    text, expected = path.read_text(encoding="utf-8"), write_docs.contents()[path]
    assert text == expected, f"{path} is not current; run python tools/write_docs.py"


def test_a_kept_sweep_names_no_path_of_one_machine():
    for table in (ROOT / "docs" / "sweeps").glob("*/results.csv"):
        for row in read_sweep(table.parent).rows:
            assert not re.search(r"/\w+/\w+/", row["error"]), row["run"]


def test_a_kept_configuration_is_that_of_its_run():
    """It says whose drawings the kept pictures show."""
    hashes = {row["run"]: row["config_hash"] for row in read_sweep(DOCUMENTED).rows}
    pictures = sorted(DOCUMENTED.glob("*/images/examples.png"))
    assert pictures
    for path in pictures:
        run = path.parents[1]
        config = load_config(run / "config.json")
        assert config_hash(config, load_images(config.data).fingerprint()) == hashes[run.name]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone of the project")
def test_a_class_set_is_the_project_without_answers(tmp_path):
    with zipfile.ZipFile(pack_class.pack(tmp_path / "new" / "class.zip")) as archive:
        packed = {name for name in archive.namelist() if not name.endswith("/")}
        for name in packed:
            if name.endswith(".ipynb"):
                for cell in json.loads(archive.read(name))["cells"]:
                    assert not cell.get("outputs"), name
                    assert cell.get("execution_count") is None, name
        readme = archive.read("emoji-vae/README.md")
        modes = [entry.external_attr >> 16 for entry in archive.infolist() if not entry.is_dir()]
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "--name-only", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    committed = {name for name in listed.stdout.split("\0") if name}
    solutions = {name for name in committed if name.startswith("notebooks/solutions/")}
    assert solutions
    guide = {"docs/teaching.md"}
    assert guide < committed
    assert packed == {f"emoji-vae/{name}" for name in committed - solutions - guide}
    assert {mode & 0o777 for mode in modes} <= {0o644, 0o755, 0o775}
    shown = subprocess.run(
        ["git", "show", "HEAD:README.md"], cwd=ROOT, capture_output=True, check=True
    )
    assert readme == shown.stdout
