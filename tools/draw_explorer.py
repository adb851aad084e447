"""Take the screenshot of the latent explorer that the READMEs show.

    python tools/draw_explorer.py

Exports the model in output/ as a page, as `make app` does. Trains it first if there is none. Needs
the packages of the extra `test`, and Chromium or Chrome on the PATH. Writes
docs/images/explorer.png.
"""

import base64
import sys
import tempfile
from pathlib import Path

from execute_notebooks import with_few_colors

from vae_nb import load_config, load_or_train
from vae_nb.run.export_page import export_page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser.front_ends import open_browser, wait_for

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOT = ROOT / "docs" / "images" / "explorer.png"
WINDOW = {"width": 1280, "height": 720}
CORNERS = {
    "Top left": "nerd face",
    "Top right": "orange heart",
    "Bottom left": "grinning cat",
    "Bottom right": "broken heart",
}
STEPS = ("ArrowRight",) * 10 + ("ArrowDown",) * 5  # of the blend's point, a twentieth each


def choose(page, title, name):
    """Choose a picture by its name in the list of this title."""
    page.locator("summary", has_text=f"{title}:").click()
    group = page.get_by_role("group", name=f"{title}: pictures")
    group.get_by_role("button", name=name, exact=True).click()


def take_screenshot(page):
    """Bring the explorer into the state to show, and return a PNG file of it.

    Parameters
    ----------
    page : playwright.sync_api.Page

    Returns
    -------
    bytes
    """
    page.get_by_role("tab", name="Blend").click()
    for title, name in CORNERS.items():
        choose(page, title, name)
    for key in STEPS:
        page.get_by_role("slider", name="Blend").press(key)
    image = page.get_by_role("img", name="Decoded picture")
    wait_for(lambda: "Changed from" in image.get_attribute("aria-label"), "the blend")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    return page.screenshot()


def main():
    """Open the page, take the screenshot, and save it with 256 colors."""
    run = load_or_train(load_config("config.json"), "output")
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        page = browser.new_page(viewport=WINDOW)
        page.goto(export_page(run, Path(folder) / "page.html").as_uri())
        text = with_few_colors(base64.b64encode(take_screenshot(page)))
    SCREENSHOT.write_bytes(base64.b64decode(text))
    print(f"{SCREENSHOT.relative_to(ROOT)}: {SCREENSHOT.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
