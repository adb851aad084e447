"""Take the screenshot of the latent explorer that the READMEs show.

    python tools/draw_explorer.py

Serves the model in output/ with Voilà, as `make app` does. Trains it first if there is none. Needs
the packages of the extra `test`, and Chromium or Chrome on the PATH. Writes
docs/images/explorer.png.
"""

import base64
import io
import re
import sys
import tempfile
from pathlib import Path

from execute_notebooks import with_few_colors
from PIL import Image, ImageOps

from vae_nb import load_config, load_or_train
from vae_nb.run.explorer_notebook import write_explorer_notebook

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser.front_ends import open_browser, voila, wait_for

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOT = ROOT / "docs" / "images" / "explorer.png"
WINDOW = {"width": 1280, "height": 800}
ENDS = {"First emoji": "nerd face", "Second emoji": "orange heart"}
BLEND = 0.5
MARGIN = 10  # white pixels around the explorer


def choose(page, title, name):
    """Choose an emoji by its name in the group of images with this title."""
    group = page.get_by_role("radiogroup", name=title)
    summary = page.locator("summary").filter(has_text=title)
    summary.click()
    group.get_by_role("radio", name=name, exact=True).check(force=True)
    summary.click()
    wait_for(lambda: name in summary.text_content(), name)


def take_screenshot(page):
    """Bring the explorer into the state to show, and return a PNG file of it.

    Parameters
    ----------
    page : playwright.sync_api.Page

    Returns
    -------
    bytes
    """
    image = page.locator(".vae-nb-image").first
    page.get_by_role("slider", name=re.compile("^z")).first.wait_for(timeout=60_000)
    for title, name in ENDS.items():
        choose(page, title, name)
    page.get_by_role("slider", name="Blend").fill(str(BLEND))
    wait_for(lambda: "Changed from" in image.get_attribute("aria-label"), "the blend")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    return page.locator(".jp-OutputArea-output").filter(has=image).last.screenshot()


def main():
    """Serve the explorer, take the screenshot, and save it with 256 colors."""
    load_or_train(load_config("config.json"), "output")
    notebook = write_explorer_notebook()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_browser() as browser,
        voila(notebook, Path(folder)) as address,
    ):
        page = browser.new_page(viewport=WINDOW)
        page.goto(address)
        png = take_screenshot(page)
    buffer = io.BytesIO()
    ImageOps.expand(Image.open(io.BytesIO(png)), MARGIN, "white").save(buffer, "PNG")
    text = with_few_colors(base64.b64encode(buffer.getvalue()))
    SCREENSHOT.write_bytes(base64.b64decode(text))
    print(f"{SCREENSHOT.relative_to(ROOT)}: {SCREENSHOT.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
