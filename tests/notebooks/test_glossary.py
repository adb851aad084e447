"""The glossary is sorted and complete, and each term is in the notebook that it names."""

import re

import pytest
from conftest import ROOT
from notebook_code import read

PATH = ROOT / "docs" / "glossary.md"
ROW = re.compile(r"\| (.+?) \| (.*?) \| (.*?) \| \[(\d\d|more)\]\((\S+)\) \|")
LINES = [line for line in PATH.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
ROWS = [ROW.fullmatch(line) for line in LINES[1:]]  # the first line is the heading


def prose(path):
    """Return a notebook's text in one line, without emphasis."""
    cells = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    return " ".join(" ".join(cells).replace("*", "").split())


def test_every_row_is_complete():
    assert len(ROWS) >= 60
    for line, row in zip(LINES[1:], ROWS, strict=True):
        assert row, line
        assert all(part.strip() for part in row.groups()), line
        assert row[3].endswith("."), line


def test_terms_are_sorted_and_explained_once():
    terms = [row[1].casefold() for row in ROWS]
    assert terms == sorted(set(terms))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_the_notebook_has_the_term(row):
    path = (PATH.parent / row[5]).resolve()
    folder = ROOT / "notebooks"
    if row[4] == "more":
        assert path.parent == folder / "more"
    else:
        assert path.parent == folder
        assert path.name.startswith(f"{row[4]}_")
    term = rf"(?<!\w){re.escape(row[1])}(s|es)?(?!\w)"
    assert re.search(term, prose(path), re.IGNORECASE), f"{path.name} does not say {row[1]!r}"
