"""The teacher's guide names sections and cells that exist, and its sums are right."""

import re
import sys

import pytest
from conftest import ROOT
from notebook_code import CORE, name_of, read, title_of

sys.path.insert(0, str(ROOT / "tools"))
from count_notebooks import CLAIM, count_cells

GUIDE = ROOT / "docs" / "teaching.md"
if not GUIDE.exists():  # a class set does not have it
    pytest.skip("this copy has no teacher's guide", allow_module_level=True)

TEXT = GUIDE.read_text(encoding="utf-8")
NOTEBOOKS = {path.name[:2]: path for path in CORE}
HEADING = re.compile(r"^## (.+)$", re.M)
CELL = re.compile(r"\b(\d\d) · (\d), cell (\d+)")
ALSO_CELL = re.compile(r"(?<!\d, )\bcell (\d+)")  # of the section named before it in the same item
ROW = re.compile(r"^\| (\d+) \| (?:\[?(\d\d)\]?(?:\(\S+\))?)? ?\| (.+?) \| (do|show)? ?\|$", re.M)
MEETING = re.compile(r"^\| \d \| (.+?) \| (\d+) \| .+ \|$", re.M)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def parts(heading_level, text=TEXT):
    """Return a part of the guide by its heading, without the parts of the same level after it."""
    pieces = re.split(rf"^{heading_level} (.+)$", text, flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


PLANS = parts("###", parts("##")["Three lesson plans"])
ANSWERS = parts("###", parts("##")["Answers to the predictions"])


def sections(path):
    """Return the cells of each section of a notebook; a cell is cut where a section begins."""
    found = {"": []}
    for cell in read(path).cells:
        if cell.cell_type != "markdown":
            found[list(found)[-1]].append(cell)
            continue
        before, *rest = HEADING.split(cell.source)
        for heading, source in [(None, before), *zip(rest[::2], rest[1::2], strict=True)]:
            if heading:
                found[heading] = []
            found[list(found)[-1]].append(cell | {"source": source})
    return found


def claimed(number):
    return int(CLAIM.search(read(NOTEBOOKS[number]).cells[0].source)[1])


@pytest.mark.parametrize(("plan", "total"), list(zip(PLANS, (90, 240), strict=False)))
def test_a_plan_gives_each_section_the_minutes_that_it_takes(plan, total):
    rows = ROW.findall(PLANS[plan])
    assert sum(int(minutes) for minutes, *_ in rows) == total
    assert f"| **{total}** |" in PLANS[plan]
    assert len(rows) == PLANS[plan].count("\n| ") - 2, "a row is not understood"
    for minutes, number, section, how in rows:
        if not number:
            continue
        if section == "the whole notebook":
            assert int(minutes) >= claimed(number), (number, section)
            continue
        cells = sections(NOTEBOOKS[number])[section]
        if how == "show":  # the teacher skips the code, not its figures
            cells = [
                cell | {"source": ""} if cell["cell_type"] == "code" else cell for cell in cells
            ]
        assert int(minutes) >= count_cells(cells)["minutes"], (number, section)


def test_the_course_has_every_notebook_at_the_minutes_that_it_claims():
    rows = MEETING.findall(list(PLANS.values())[2])
    assert len(rows) == 8
    seen, left = {}, 0
    for notebooks, minutes_left in rows:
        minutes = {
            number: int(count) for number, count in re.findall(r"(\d\d) \((\d+)\)", notebooks)
        }
        assert sum(minutes.values()) + int(minutes_left) == 90, notebooks
        seen |= minutes
        left += int(minutes_left)
    assert seen == {number: claimed(number) for number in NOTEBOOKS}
    assert f"| | **{sum(seen.values())}** | **{left}** | |" in TEXT


def test_a_cell_that_is_named_is_in_the_section_that_is_named():
    mentions = CELL.findall(TEXT)
    for item in re.findall(r"^- .+(?:\n  .+)*", TEXT, re.M):  # "cell 7" after "01 · 3, cell 6"
        for first in CELL.findall(item)[:1]:
            mentions += [(*first[:2], also) for also in ALSO_CELL.findall(item)]
    assert len(mentions) > 20
    for number, section, cell in mentions:
        (cells,) = [
            cells
            for heading, cells in sections(NOTEBOOKS[number]).items()
            if heading.startswith(f"{section} · ")
        ]
        code = [one for one in read(NOTEBOOKS[number]).cells if one.cell_type == "code"]
        assert code[int(cell) - 1] in cells, f"{number} · {section}, cell {cell}"


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_each_prediction_has_an_answer_with_the_notebook_s_numbers(path):
    answers = re.findall(r"^\d\. (.+(?:\n   .+)*)", ANSWERS[title_of(path)], re.M)
    cells = read(path).cells
    assert len(answers) == sum("predict" in cell.metadata.get("tags", []) for cell in cells)
    said = [cell.source for cell in cells if cell.cell_type == "markdown"]
    said += [output.get("text", "") for cell in cells for output in cell.get("outputs", [])]
    known = {number.replace(",", "") for number in NUMBER.findall(" ".join(said))}
    for answer in answers:
        for number in NUMBER.findall(answer):
            assert number.replace(",", "") in known, (number, answer)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (GUIDE.parent / target).exists(), target
