"""The project's files agree with one another."""

import ast
import json
import os
import re
import statistics
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions

import pytest
import yaml
from conftest import ROOT

from vae_nb import load_images, plan_sweep, read_sweep
from vae_nb.data.config import config_from_dict, load_config
from vae_nb.sweeps.definition import read_sweep_definition
from vae_nb.sweeps.identity import config_hash
from vae_nb.sweeps.results import DOCUMENTED

sys.path.insert(0, str(ROOT / "tools"))
import keep_sweep
import measure_sweeps
import pack_class
import train_variants

KEPT = sorted(path.name for path in keep_sweep.KEPT.glob("*") if path.is_dir())


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
    requirements = list(pyproject["project"]["dependencies"])
    for extra in pyproject["project"]["optional-dependencies"].values():
        requirements += extra
    for readme in ("README.md", "README.es.md"):
        text = (ROOT / readme).read_text(encoding="utf-8").lower()
        for requirement in requirements:
            name = re.match(r"[\w-]+", requirement)[0].lower()
            assert f"`{name}`" in text, f"{readme} does not name {name}"


def test_what_the_package_imports_is_a_declared_dependency(pyproject):
    requirements = list(pyproject["project"]["dependencies"])
    for extra in ("app", "cluster"):
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


def test_default_configuration_departs_from_the_schema_as_the_readme_says():
    everything = load_config("configs/all_emojis.json")
    departures = everything.differences(config_from_dict({}))
    layers = ["model.encoder_layers", "model.decoder_layers"]
    keys = ("epochs", "learning_rate", "kl_weight", "augmentation", "seed")
    assert departures == ["data.input_dir", *layers, *(f"training.{key}" for key in keys)]
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


def planned(name):
    """Return the runs that a shipped definition plans around the shipped default."""
    definition = read_sweep_definition(ROOT / "configs" / "sweeps" / f"{name}.json")
    definition.pop("only")
    assert definition.pop("configs") == ["config.json"]
    overrides = definition.pop("set") | {"data.input_dir": "input/emojis"}
    return plan_sweep(["configs/all_emojis.json"], **definition, overrides=overrides)


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_sweep_has_the_runs_of_its_definition(name):
    """The names, configurations and images of the runs are the same."""
    runs = planned(name)
    fingerprint = load_images(runs[0].config.data).fingerprint()
    expected = {run.name: config_hash(run.config, fingerprint) for run in runs}
    rows = read_sweep(keep_sweep.KEPT / name).rows
    assert {row["run"]: row["config_hash"] for row in rows} == expected
    for row in rows:
        assert not re.search(r"/\w+/\w+/", row["error"]), "a path of one machine"
    if name == "questions":
        assert {row["status"] for row in rows} == {"complete"}


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_sweep_s_table_shows_its_results(name):
    table = (keep_sweep.KEPT / name / "README.md").read_text(encoding="utf-8")
    assert keep_sweep.as_markdown(read_sweep(keep_sweep.KEPT / name)) == table


def test_readmes_quote_the_documented_sweep():
    table = (DOCUMENTED / "README.md").read_text(encoding="utf-8")
    lines = [line for line in table.splitlines() if line.startswith(("| `", "| the first"))]
    assert len(lines) >= 20
    for readme in ("README.md", "README.es.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        for line in lines[1:]:
            assert line in text, f"{readme} lacks {line}"


def test_the_default_is_the_best_of_the_documented_sweep():
    """Notebook 10 chooses by the same rule, and the READMEs quote the margin."""
    groups = keep_sweep.configurations(read_sweep(DOCUMENTED))
    scores = {}
    means = {}
    for name, rows in groups.items():
        mean = {
            column: statistics.mean(row[column] for row in rows.values())
            for column in keep_sweep.COLUMNS
        }
        means[name] = mean
        if (
            mean["training_seconds"] <= 60
            and mean["train.mse"] <= 0.003
            and abs(mean["samples.distance"] - 1) <= 0.05
        ):
            scores[name] = mean["validation.excess"] / mean["samples.spread"]
    best, second, *_ = sorted(scores, key=scores.get)
    names = {row["run"] for row in groups[best].values()}
    (default,) = [run.name for run in planned("questions") if run.config == shipped_default()]
    assert default in names
    margin = f"{100 * (scores[second] / scores[best] - 1):.0f} %"
    (historic,) = [name for name in groups if name.endswith("512-256-128 relu")]
    nats = f"{means[historic]['validation.excess'] - means[best]['validation.excess']:.0f} nats"
    for readme in ("README.md", "README.es.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        assert f"**{margin}**" in text, (readme, margin)
        assert f"**{nats}**" in text, (readme, nats)


def shipped_default():
    return load_config("configs/all_emojis.json", {"data.input_dir": "input/emojis"})


def test_the_costs_of_a_thousand_runs_are_the_measured_ones():
    scale = json.loads(measure_sweeps.TABLE.read_text(encoding="utf-8"))
    text = measure_sweeps.TABLE.with_suffix(".md").read_text(encoding="utf-8")
    assert text == measure_sweeps.as_markdown(scale)
    assert scale["jobs"]["ratio"] <= 0.6


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
