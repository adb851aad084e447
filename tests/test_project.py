"""The project's own files agree with one another."""

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
from test_floors import FILES, imported_modules

from vae_nb.config import config_from_dict, load_config

sys.path.insert(0, str(ROOT / "tools"))
import draw_trade_off
import pack_class
import train_variants


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


def test_every_dependency_is_explained_in_the_readmes(pyproject):
    requirements = pyproject["project"]["dependencies"]
    for extra in pyproject["project"]["optional-dependencies"].values():
        requirements = requirements + extra
    for readme in ("README.md", "README.es.md"):
        text = (ROOT / readme).read_text(encoding="utf-8").lower()
        for requirement in requirements:
            name = re.match(r"[\w-]+", requirement)[0].lower()
            assert f"`{name}`" in text, f"{readme} does not name {name}"


def test_what_the_package_imports_is_a_declared_dependency(pyproject):
    declared = pyproject["project"]["dependencies"]
    declared = declared + pyproject["project"]["optional-dependencies"]["app"]
    declared = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in declared}
    modules = {name.partition(".")[0] for path in FILES.values() for name in imported_modules(path)}
    providers = packages_distributions()
    for module in modules - sys.stdlib_module_names - {"vae_nb"}:
        assert {name.lower() for name in providers[module]} & declared, module


@pytest.mark.skipif("CI" not in os.environ, reason="a reader may edit config.json")
def test_default_configuration_is_that_of_all_emojis_but_for_the_folders():
    default = load_config("config.json")
    everything = load_config("configs/all_emojis.json")
    assert default.differences(everything) == ["data.input_dir"]


def test_default_configuration_departs_from_the_schema_as_the_readme_says():
    everything = load_config("configs/all_emojis.json")
    departures = everything.differences(config_from_dict({}))
    training = [f"training.{key}" for key in ("epochs", "kl_weight", "seed")]
    assert departures == ["data.input_dir", "model.decoder_layers", *training]
    assert {layer.activation for layer in everything.model.decoder_layers} == {"relu"}


def test_readmes_quote_the_measured_table():
    rows = json.loads((ROOT / "docs" / "variants.json").read_text(encoding="utf-8"))
    assert list(rows) == list(train_variants.VARIANTS)
    table = train_variants.as_markdown(rows)
    assert (ROOT / "docs" / "variants.md").read_text(encoding="utf-8") == table
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    for readme in ("README.md", "README.es.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        for line in lines:
            assert line in text, f"{readme} lacks {line}"


def test_no_shipped_configuration_collapses():
    rows = json.loads((ROOT / "docs" / "variants.json").read_text(encoding="utf-8"))
    for name, row in rows.items():
        assert row["kl"] > 5, name
        assert row["active_units"] >= 8, name


def test_the_default_was_the_best_compromise_of_those_measured():
    """Of the points of the trade-off figure within all bounds, no other is better in both."""
    rows = json.loads(draw_trade_off.TABLE.read_text(encoding="utf-8"))["rows"]
    points = {(row["activation"], row["kl_weight"]): row for row in rows}
    assert len(points) == len(draw_trade_off.ACTIVATIONS) * len(draw_trade_off.KL_WEIGHTS)
    config = load_config("configs/all_emojis.json")
    default = points[config.model.decoder_layers[-1].activation, config.training.kl_weight]
    assert default["epochs"] == config.training.epochs
    assert within_bounds(default)
    for other in filter(within_bounds, rows):
        better = other["validation"]["excess"] < default["validation"]["excess"]
        assert not (better and other["samples"]["spread"] > default["samples"]["spread"]), other


def within_bounds(row):
    return (
        row["validation"]["excess"] <= draw_trade_off.EXCESS_BOUND
        and row["train"]["mse"] <= 0.003
        and row["samples"]["spread"] >= draw_trade_off.SPREAD_BOUND
        and row["samples"]["distance"] <= 1.05
        and row["kl"] > 5
        and row["active_units"] >= 8
    )


@pytest.mark.parametrize("readme", ["README.md", "README.es.md", "input/README.md"])
def test_links_lead_somewhere(readme):
    path = ROOT / readme
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone of the project")
def test_a_class_set_is_the_project_without_the_solutions(tmp_path):
    with zipfile.ZipFile(pack_class.pack(tmp_path / "new" / "class.zip")) as archive:
        packed = {name for name in archive.namelist() if not name.endswith("/")}
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
    assert packed == {f"emoji-vae/{name}" for name in committed - solutions}
