"""The project's own files agree with one another."""

import os
import re
import subprocess
import tomllib

import pytest
import yaml
from conftest import ROOT

from vae_nb.config import config_from_dict, load_config


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


@pytest.mark.skipif("CI" not in os.environ, reason="a reader may edit config.json")
def test_default_configuration_is_that_of_all_emojis_but_for_the_folders():
    default = load_config("config.json")
    everything = load_config("configs/all_emojis.json")
    assert default.differences(everything) == ["data.input_dir"]


def test_default_configuration_departs_from_the_schema_in_the_kl_weight_alone():
    everything = load_config("configs/all_emojis.json")
    assert everything.differences(config_from_dict({})) == ["data.input_dir", "training.kl_weight"]


def test_the_workplace_of_its_makers_is_not_named():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no git here")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".json", ".ipynb", ".toml", ".yml"} and path.exists():
            # Split, so that this file does not find itself.
            assert "/work/" not in path.read_text(encoding="utf-8"), name
