"""requirements.lock has one version of each package that pyproject.toml asks for."""

import re
import tomllib

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
BOUNDS = sorted({*PROJECT["dependencies"], *(entry for part in EXTRAS.values() for entry in part)})
OLDEST = int(PROJECT["requires-python"].removeprefix(">=3."))
PLACES = [
    {"sys_platform": system, "os_name": kind, "platform_machine": machine, "python": f"3.{minor}"}
    for system, kind, machine in [
        ("linux", "posix", "x86_64"),
        ("darwin", "posix", "arm64"),
        ("win32", "nt", "AMD64"),
    ]
    for minor in range(OLDEST, OLDEST + 4)
]


def locked_in(place):
    """Return the versions that are installed in a place, by the canonical names."""
    python = place["python"]
    environment = place | {"python_version": python, "python_full_version": f"{python}.9"}
    versions = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            entry = Requirement(line)
            if entry.marker is None or entry.marker.evaluate(environment):
                name = canonicalize_name(entry.name)
                assert name not in versions, f"{name} has two versions"
                (pin,) = entry.specifier
                assert pin.operator == "=="
                versions[name] = pin.version
    return versions


@pytest.mark.parametrize("place", PLACES, ids=lambda p: f"{p['sys_platform']}-{p['python']}")
def test_the_lock_satisfies_the_bounds_everywhere(place):
    versions = locked_in(place)
    for bound in map(Requirement, BOUNDS):
        version = versions.get(canonicalize_name(bound.name))
        assert version, f"{bound.name} is not in the lock; run make lock"
        assert bound.specifier.contains(version), f"{bound}, but {version}; run make lock"


def test_make_installs_the_locked_versions():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "LOCK := requirements.lock" in makefile
    (install,) = re.findall(r"^INSTALL := (.*)", makefile, re.MULTILINE)
    assert "--constraint $(LOCK) --editable" in install
    # The tool that makes the lock is the only package that is installed without it.
    assert re.findall(r"pip install(.*)", makefile.replace(install, "")) == [" --quiet uv"]
    # Each environment is made anew when the lock changes.
    rules = re.findall(r"^\$\(VENV\)/ready[\w-]*: (.*)", makefile, re.MULTILINE)
    assert len(rules) >= 4
    assert all("$(LOCK)" in needs.split() for needs in rules)
