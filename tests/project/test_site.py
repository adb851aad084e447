"""The site has a page for everything, and its links and pictures are whole."""

import posixpath
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from notebook_code import ALL, CORE, SOLUTIONS

import vae_nb

EXPLORERS = ("00", "08", "09", "11")  # these notebooks have one
LOADED = {"iframe": "src", "img": "src", "link": "href", "script": "src"}


@pytest.fixture(scope="session")
def pages(site):
    """Read all pages; the keys are their addresses in the site."""
    addresses = (path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    return {
        address: BeautifulSoup((site / address).read_text(encoding="utf-8"), "html.parser")
        for address in addresses
        if not address.startswith(("_static/", "_downloads/"))
    }


def page_of(path):
    """Return the address of a notebook's page."""
    return path.relative_to(ROOT).with_suffix(".html").as_posix()


def is_elsewhere(target):
    return bool(urlsplit(target).scheme or urlsplit(target).netloc)


def place_of(target, address):
    """Return the file in the site that a page's link leads to, and the anchor in it."""
    parts = urlsplit(target)
    if not parts.path:
        return address, unquote(parts.fragment)
    path = posixpath.join(posixpath.dirname(address), unquote(parts.path))
    return posixpath.normpath(path), unquote(parts.fragment)


@pytest.mark.slow(60)
def test_links_lead_to_pages_and_anchors(site, pages):
    anchors = {
        address: {tag["id"] for tag in page.find_all(id=True)} for address, page in pages.items()
    }
    broken, found = [], 0
    for address, page in pages.items():
        for link in page.find_all("a", href=True):
            if not is_elsewhere(link["href"]):
                found += 1
                path, anchor = place_of(link["href"], address)
                is_there = anchor in anchors[path] if anchor else (site / path).is_file()
                broken += [] if is_there else [f"{address}: {link['href']}"]
    assert found > 5000
    assert not broken


def test_nothing_comes_from_another_host(site, pages):
    for address, page in pages.items():
        for tag in page.find_all(list(LOADED)):
            target = tag.get(LOADED[tag.name])
            if target and not target.startswith("data:"):
                assert not is_elsewhere(target), (address, target)
                assert (site / place_of(target, address)[0]).is_file(), (address, target)


@pytest.mark.skipif(not SOLUTIONS, reason="a class set's notebooks have no pictures")
def test_pictures_have_texts(pages):
    articles = [page.article for page in pages.values() if page.article]
    texts = [image.get("alt", "") for article in articles for image in article.find_all("img")]
    assert len(texts) > 50
    for text in texts:
        assert len(text) > 8, text
        assert not text.endswith((".png", ".gif", ".jpeg")), text


@pytest.mark.parametrize("path", ALL, ids=page_of)
def test_a_notebook_is_a_page_that_can_be_downloaded(path, site, pages):
    (link,) = pages[page_of(path)].select("a.btn-download-source-button")
    target, _ = place_of(link["href"], page_of(path))
    assert (site / target).read_bytes() == path.read_bytes()


def test_notebooks_with_the_explorer_show_it_live(pages):
    for path in CORE:
        frames = [frame["src"] for frame in pages[page_of(path)].find_all("iframe")]
        assert len(frames) == (path.name[:2] in EXPLORERS), path.name
    assert pages["index.html"].article.iframe


def test_a_table_in_an_output_is_a_table(pages):
    """Where the notebooks have outputs."""
    page = pages["notebooks/11_sharing_weights.html"]
    assert not SOLUTIONS or "equal settings" in page.select_one(".cell_output table").text


@pytest.mark.skipif(not SOLUTIONS, reason="a class set has no solutions")
def test_solutions_are_folded(pages):
    for path in SOLUTIONS:
        exercises = pages[page_of(path)].article.select(":scope > section > section")
        assert len(exercises) >= 3
        for exercise in exercises:
            title, fold = exercise.find_all(["h2", "details", "div", "p"], recursive=False)
            assert [title.name, fold.name] == ["h2", "details"]
            assert fold.pre
            assert not fold.has_attr("open")
        lab = pages[page_of(path).replace("solutions", "lab")]
        assert lab.article.select_one(f'a[href$="solutions/{path.stem}.html"]')


def test_terms_lead_to_the_glossary(pages):
    for path in CORE:
        terms = pages[page_of(path)].select("a.term")
        assert len(terms) >= 5, path.name
        for term in terms:
            assert place_of(term["href"], page_of(path))[0] == "docs/glossary.html"
            assert term["title"].endswith(".")
    link = pages["notebooks/03_loss_and_gradient.html"].select_one('a.term[href$="#term-nats"]')
    assert link.text == "nats"


def test_pages_with_drawings_say_whose_they_are(pages):
    for address, page in pages.items():
        footer = page.select_one(".bd-footer-content").text
        shows_drawings = bool(page.article and page.article.find(["img", "iframe"]))
        assert ("Noto Color Emoji" in footer) == shows_drawings, address
    assert "OpenMoji" in pages["docs/experiments.html"].select_one(".bd-footer-content").text


def test_every_public_name_is_in_the_reference(pages):
    ids = {
        tag["id"]
        for address, page in pages.items()
        if address.startswith("reference/")
        for tag in page.select("dt[id]")
    }
    for name in set(vae_nb.__all__) - {"exercises", "figures"}:
        assert f"vae_nb.{name}" in ids, name
    assert {"vae_nb.exercises.check", "vae_nb.show.figures.loss_curves"} <= ids
