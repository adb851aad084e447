"""docs/architecture.md, the rooms on the disk and the rules of import-linter agree."""

import ast
import re
import tomllib

import pytest
from conftest import ROOT

PACKAGE = ROOT / "vae_nb"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())


def layers():
    """The rooms in the order of import-linter, the last one first: that of the page."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [
        contract
        for contract in pyproject["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    return contract["layers"][::-1]


def test_the_page_lists_the_rooms_in_the_order_of_the_rules():
    listed = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", PAGE, re.MULTILINE)
    assert listed == layers()
    assert sorted(listed) == sorted([*ROOMS, "cli"])


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_is_in_it_and_what_it_imports(room):
    text = (PACKAGE / room / "__init__.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring is not None
    assert 3 <= len(docstring.splitlines()) <= 8
    assert re.search(r"\bImports\b", docstring)


@pytest.mark.parametrize("room", ROOMS)
def test_the_tests_have_the_same_rooms(room):
    assert list((ROOT / "tests" / room).glob("test_*.py"))


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_files_and_names_that_a_page_names_exist(page):
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    for quoted in re.findall(r"`([^`\n]+)`", (ROOT / page).read_text(encoding="utf-8")):
        if re.fullmatch(r"[\w/]+(\.\w+)?/?", quoted) and ("/" in quoted or ".py" in quoted):
            name = quoted.replace("notebook_NN", "notebook_01")
            places = [ROOT / name, PACKAGE / name, *(PACKAGE / room / name for room in ROOMS)]
            assert any(place.exists() for place in places) or name.startswith("models/"), quoted
        elif re.fullmatch(r"[A-Za-z]+\.\w+|[a-z]+(_[a-z]+)+", quoted):
            name = quoted.rpartition(".")[2]
            assert re.search(rf"\b(def|class) {name}\b|^{name} =", code, re.MULTILINE) or (
                quoted in ("metrics.json", "config.schema.json") or (ROOT / quoted).exists()
            ), quoted
