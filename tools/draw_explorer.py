"""Draw what the READMEs show of the latent explorer: a picture of it in a browser.

    python tools/draw_explorer.py

Serves the model in output/ with Voilà, as `make app` does, or trains it first; needs the packages
of the extra `test`, and a Chromium or Chrome on the PATH. Writes docs/images/explorer.png.
"""

import base64
import io
import re
import sys
import tempfile
from pathlib import Path

from execute_notebooks import with_few_colours
from PIL import Image, ImageOps

from vae_nb import load_config, load_or_train
from vae_nb.run.explorer_notebook import write_explorer_notebook

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser.front_ends import open_browser, voila, wait_for

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "explorer.png"
WINDOW = {"width": 1280, "height": 800}
ENDS = {"First emoji": "nerd face", "Second emoji": "orange heart"}
BLEND = 0.5
MARGIN = 10  # white pixels around the explorer


def choose(page, title, name):
    """Choose an emoji by its name.

    Parameters
    ----------
    page : playwright.sync_api.Page
    title : str
        Of the group of pictures to choose from.
    name : str
    """
    group = page.get_by_role("radiogroup", name=title)
    summary = page.locator("summary").filter(has_text=title)
    summary.click()
    group.get_by_role("radio", name=name, exact=True).check(force=True)
    summary.click()
    wait_for(lambda: name in summary.text_content(), name)


def photograph(page):
    """Bring the explorer into the state that is shown, and take its picture.

    Parameters
    ----------
    page : playwright.sync_api.Page

    Returns
    -------
    bytes
        A PNG file.
    """
    picture = page.locator(".vae-nb-picture").first
    page.get_by_role("slider", name=re.compile("^z")).first.wait_for(timeout=60_000)
    for title, name in ENDS.items():
        choose(page, title, name)
    page.get_by_role("slider", name="Blend").fill(str(BLEND))
    wait_for(lambda: "Changed from" in picture.get_attribute("aria-label"), "the blend")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    return page.locator(".jp-OutputArea-output").filter(has=picture).last.screenshot()


def main():
    """Serve, photograph, and save with 256 colours."""
    load_or_train(load_config("config.json"), "output")
    notebook = write_explorer_notebook()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_browser() as browser,
        voila(notebook, Path(folder)) as address,
    ):
        page = browser.new_page(viewport=WINDOW)
        page.goto(address)
        png = photograph(page)
    buffer = io.BytesIO()
    ImageOps.expand(Image.open(io.BytesIO(png)), MARGIN, "white").save(buffer, "PNG")
    text = with_few_colours(base64.b64encode(buffer.getvalue()))
    PICTURE.write_bytes(base64.b64decode(text))
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
