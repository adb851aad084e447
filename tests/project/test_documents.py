"""What the documents promise is there: links, sections, commands, targets, names, versions."""

import json
import re
import tomllib
import unicodedata

import pytest
import yaml
from conftest import ROOT
from notebook_code import SOLUTIONS

import vae_nb
from vae_nb.cli import main

PAGES = sorted(
    path.relative_to(ROOT)
    for folder in ("*", "benchmarks/*", "input/**/*", "docs/**/*")
    for path in ROOT.glob(f"{folder}.md")
    if "_build" not in path.parts
)
READMES = ("README.md", "README.es.md")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

every_page = pytest.mark.parametrize("page", PAGES, ids=str)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def anchors_of(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", CODE_BLOCK.sub("", text_of(page)), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {unicodedata.normalize("NFC", heading).replace(" ", "-") for heading in words}


@every_page
def test_links_lead_to_files_and_sections(page):
    for link in LINK.findall(CODE_BLOCK.sub("", text_of(page))):
        target, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        is_left_out = not SOLUTIONS and path.name in ("solutions", "teaching.md")  # of a class set
        assert path.exists() or is_left_out, link
        if anchor and path.suffix == ".md":
            assert anchor in anchors_of(path), link


@every_page
def test_no_mark_breaks_a_paragraph(page):
    """In Markdown, a comment at the start of a line ends the paragraph before it."""
    for mark in re.findall(r"^[ ]*<!-- begin: [\w ]+ -->[^\n]+", text_of(page), re.MULTILINE):
        pytest.fail(mark)


@every_page
def test_images_have_a_description(page):
    assert not re.search(r"!\[\s*\]\(", text_of(page))


@every_page
def test_commands_and_their_options_exist(page):
    blocks = "\n".join(CODE_BLOCK.findall(text_of(page)))
    inline = re.findall(r"`(vae-nb[^`]*)`", text_of(page))
    for line in [*re.findall(r"^vae-nb .*", blocks, re.MULTILINE), *inline]:
        _, *words = re.sub(r"\s#.*| -- .*", "", line.replace("\n", " ")).split()
        if not words or words[0].startswith("-") or words[0] == "COMMAND":
            continue
        assert words[0] in main.commands, line
        options = {name for option in main.commands[words[0]].params for name in option.opts}
        for word in words[1:]:
            if word.startswith("--") and word != "--help":
                assert word.partition("=")[0] in options, line


def test_targets_of_make_exist():
    texts = [text_of(page) for page in PAGES]
    texts += [text_of(".pre-commit-config.yaml"), text_of(".devcontainer/devcontainer.json")]
    targets = re.findall(r"^([\w-]+):(?!=)", MAKEFILE, re.MULTILINE)
    used = {name for text in texts for name in re.findall(r"[`\s]make ([a-z-]+)\b[`\s.]", text)}
    named = {name for text in texts for name in re.findall(r"`make ([a-z-]+)`", text)}
    assert named >= {"lab", "run", "test", "check"}
    assert named <= set(targets)
    assert used >= named
    assert "make .venv/ready-test" in texts[-1]
    assert "$(VENV)/ready-test:" in MAKEFILE


def test_make_says_how_much_it_installs():
    measured = json.loads(text_of("docs/start.json"))["megabytes"]["environment"]
    (said,) = re.findall(r"JupyterLab into .*: about (\d+) MB", MAKEFILE)
    assert abs(int(said) / measured - 1) <= 0.1


@every_page
def test_public_names_exist(page):
    for name in re.findall(r"\bvae_nb\.([A-Za-z_]+)\b(?!\.)", text_of(page)):
        assert hasattr(vae_nb, name) or (ROOT / "vae_nb" / name).exists(), name


def test_both_readmes_say_the_same():
    """The sections, links, images, commands and measured numbers are the same, in this order."""
    english, spanish = map(text_of, READMES)
    for pattern in (r"^#+ ", r"<!-- begin: [\w ]+ -->.*?<!--", r"^\| \d\d ", r"^```$"):
        flags = re.MULTILINE | re.DOTALL
        assert re.findall(pattern, english, flags) == re.findall(pattern, spanish, flags), pattern

    def links(text, other):
        found = [link for link in LINK.findall(text) if link != other]
        return sorted(set(found))

    assert links(english, "README.es.md") == links(spanish, "README.md")
    commands = [
        re.findall(r"^(?:make|vae-nb|pip|python) .*", t, re.MULTILINE) for t in (english, spanish)
    ]
    assert commands[0] == commands[1]


@pytest.mark.parametrize("readme", READMES)
def test_a_readme_is_one_page(readme):
    assert len(text_of(readme).splitlines()) <= 130


def test_the_version_is_the_same_everywhere():
    version = PYPROJECT["project"]["version"]
    assert (
        re.findall(r"^## ([\d.]+) \(\d{4}-\d\d-\d\d\)", text_of("CHANGELOG.md"), re.M)[0] == version
    )
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert citation["version"] == version
    assert citation["license"] == PYPROJECT["project"]["license"]


def test_the_citation_has_the_public_address_if_there_is_one():
    urls = PYPROJECT["project"].get("urls", {})
    assert yaml.safe_load(text_of("CITATION.cff")).get("repository-code") == urls.get("Repository")
