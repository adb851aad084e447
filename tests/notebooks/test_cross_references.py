"""All that the notebooks' text refers to exists: files, notebooks, sections, exercises, images."""

import re
from urllib.parse import unquote

import pytest
from conftest import ROOT
from notebook_code import ALL, CORE, LABS, MORE, name_of, read, title_of
from test_notebooks import IMAGES

NUMBERS = {path.name[:2]: path for path in CORE}
LAB_NUMBERS = {path.name[:2]: path for path in LABS}

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^## (\d+) · ", re.M)
NOTEBOOK = re.compile(r"\b[Nn]otebooks? ((?:\d\d(?:, | and | to | or )?)+)")
FILE_NAME = re.compile(r"\b[\w-]+\.(?:png|gif)\b")
EXERCISE = re.compile(r"\b[Ee]xercises? ((?:\d\d\.\d(?:, | and | to | or )?)+)")

COUNT = r"\d+(?:\.\d+)*(?:(?:, | and | to | or |–)\d+(?:\.\d+)*)*"
# "notebook 03, section 8", "notebook 03 (section 8)", "section 8 of notebook 03"
ELSEWHERE = re.compile(
    rf"\bnotebook (?P<before>\d\d)(?:,| \(|'s|) ?[Ss]ections? (?P<first>{COUNT})"
    rf"|\b[Ss]ections? (?P<second>{COUNT}) of notebook (?P<after>\d\d)"
)
SECTION = re.compile(rf"\b[Ss]ections? ({COUNT})")
# A section of a paper follows the paper's year, as in "(2014), section 2", sometimes with the title
# in between. A paragraph of sources mentions only sections of papers.
SOURCES = re.compile(r"^(\*\*)?Sources?\b", re.M)
CITED = re.compile(r"\(?(19|20)\d\d\)?[^\n]*$")

every_notebook = pytest.mark.parametrize("path", ALL, ids=name_of)


def texts(path):
    """Return the source of each text cell, without its code blocks."""
    return [
        re.sub(r"^```.*?^```", "", cell.source, flags=re.M | re.S)
        for cell in read(path).cells
        if cell.cell_type == "markdown"
    ]


def sections(path):
    """Return the numbers of a notebook's headings, such as "## 3 · …"."""
    return [int(number) for text in texts(path) for number in HEADING.findall(text)]


def numbers(text, pattern=r"\d+"):
    return re.findall(pattern, text)


def is_cited(text, start):
    """Say whether a section belongs to a paper: the text before it names a year."""
    paragraph = text[text.rfind("\n", 0, start) + 1 : start]
    if SOURCES.match(paragraph):
        return True
    if paragraph.lstrip().startswith("|"):  # a row of a table: take the cell
        paragraph = paragraph[paragraph.rfind("|") + 1 :]
    # In "Kingma & Welling (2014), *Auto-Encoding …*, section 2.4" no sentence ends in between,
    # except within a title.
    sentence = re.split(r"(?<=[^A-Z][a-z)])[.:;?!]\s", paragraph)[-1]
    return bool(CITED.search(sentence))


@every_notebook
def test_links_lead_to_files(path):
    for text in texts(path):
        for groups in LINK.findall(text):
            target = unquote("".join(groups)).partition("#")[0]
            if target and not re.match(r"\w+:", target):
                assert (path.parent / target).exists(), target
                assert (path.parent / target).resolve().is_relative_to(ROOT), target


@every_notebook
def test_notebooks_mentioned_exist(path):
    for text in texts(path):
        for mention in NOTEBOOK.findall(text):
            for number in numbers(mention, r"\d\d"):
                assert number in NUMBERS, f"notebook {number}"
        for number, name in re.findall(r"\b(\d\d)_(\w+)\.ipynb", text):
            assert NUMBERS[number].name == f"{number}_{name}.ipynb"
        titles = r"(?:\[|\*\*)(Lab )?(\d\d) · ([^\]*:]+?)(?:\]|\*\*)"
        for lab, number, title in re.findall(titles, text):
            there = LAB_NUMBERS if lab else NUMBERS
            assert title_of(there[number]) == f"{lab}{number} · {title}"


@every_notebook
def test_sections_mentioned_exist(path):
    """A lab and a solution refer to the sections of their notebook."""
    own = sections(path if path in MORE else NUMBERS[path.name[:2]])
    for text in texts(path):
        rest = text
        for found in ELSEWHERE.finditer(text):
            there = NUMBERS[found["before"] or found["after"]]
            for number in numbers(found["first"] or found["second"]):
                assert int(number) in sections(there), found[0]
            # The replacement has the same length, so that the text after it keeps its place.
            rest = rest.replace(found[0], "#" * len(found[0]))
        for found in SECTION.finditer(rest):
            if not is_cited(rest, found.start()):
                for number in numbers(found[1], r"[\d.]+"):
                    assert number in map(str, own), found[0]


@every_notebook
def test_sections_are_numbered_in_order(path):
    assert sections(path) == list(range(1, len(sections(path)) + 1))


@every_notebook
def test_exercises_mentioned_exist(path):
    for text in texts(path):
        for mention in EXERCISE.findall(text):
            for number in numbers(mention, r"\d\d\.\d"):
                all_texts = "\n".join(texts(LAB_NUMBERS[number[:2]]))
                assert f"### Exercise {number} · " in all_texts, number


@every_notebook
def test_images_mentioned_are_written_by_the_series(path):
    written = {name for names in IMAGES.values() for name in names}
    for text in texts(path):
        for name in FILE_NAME.findall(text):
            assert name in written, name


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("Kingma & Welling (2014), *Auto-Encoding Variational Bayes*, section 2.4", True),
        ("**Sources.** A (1999). Something else, section 3", True),
        ("Sources: A (1999), section 1. B (2000), section 3", True),
        ("as Bowman et al. (2016, section 3.1", True),
        ("| β-VAE | Higgins et al. (2017), section 2", True),
        ("| Higgins et al. (2017) | section 2", False),
        ("Kingma & Ba (2015) have it. The rest is in section 3", False),
        ("Larsen et al. (2016) had more. See section 4", False),
        ("The reason is in section 3", False),
    ],
)
def test_a_paper_s_section_is_told_from_the_notebook_s(text, cited):
    assert is_cited(text, text.rindex("section")) == cited


def test_the_series_has_every_kind_of_reference():
    """Each pattern finds something."""
    everything = "\n".join(text for path in ALL for text in texts(path))
    for pattern in (LINK, NOTEBOOK, FILE_NAME, SECTION, EXERCISE):
        assert pattern.search(everything), pattern.pattern


@pytest.mark.parametrize("readme", ["README.md", "README.es.md"])
def test_the_readmes_list_the_core(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    for path in CORE:
        assert f"(notebooks/{path.name})" in text
