"""The site in a browser: the explorer moves, the search finds, and everyone can read it."""

import functools
import http.server
import threading

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from browser.front_ends import canvas_pixels, wait_for

pytestmark = pytest.mark.browser

PAGES = {
    "front page": "index.html",
    "notebook": "notebooks/00_ten_minutes.html",
    "glossary": "docs/glossary.html",
    "reference": "reference/core.html",
    "search": "search.html?q=reparameterization",
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site):
    """Serve the site."""
    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("colors", ["light", "dark"])
@pytest.mark.parametrize("kind", PAGES)
def test_everyone_can_read_a_page(kind, colors, address, new_page):
    page = new_page(color_scheme=colors)
    page.goto(f"{address}/{PAGES[kind]}")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.dataset.theme") == colors
    assert not page.errors, page.errors
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], v["help"], v["nodes"][0]["html"][:300]) for v in serious]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_the_explorer_on_the_front_page_moves(address, new_page):
    page = new_page()
    page.goto(address)
    explorer = page.frame_locator("iframe.explorer")
    picture = explorer.locator(".vae-nb-picture")
    picture.wait_for()
    before = canvas_pixels(picture)
    explorer.get_by_role("slider", name="Point on the map").press("Shift+ArrowLeft")
    wait_for(lambda: not np.array_equal(canvas_pixels(picture), before), "another picture")
    assert not page.errors, page.errors
    page.close()


def test_the_search_finds_a_word_of_the_notebooks(address, new_page):
    page = new_page()
    page.goto(f"{address}/search.html?q=reparameterization")
    page.get_by_role("link", name="02 · Build a VAE from NumPy").first.wait_for()
    page.get_by_role("link", name="vae_nb.show.figures.reparameterization").wait_for()
    assert not page.errors, page.errors
    page.close()


def test_formulas_are_typeset(address, new_page):
    page = new_page()
    page.goto(f"{address}/notebooks/03_loss_and_gradient.html")
    page.locator("mjx-container").first.wait_for()
    assert page.locator("mjx-merror").count() == 0
    assert not page.errors, page.errors
    page.close()
