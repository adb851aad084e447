"""Notebook 09 in JupyterLab and in Voilà, driven by mouse and keyboard."""

import json
import re
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from notebook_code import NOTEBOOKS
from PIL import Image

import vae_nb
from browser.front_ends import (
    canvas_pixels,
    no_wider_than_the_window,
    prepare,
    run_all_cells,
    voila,
    wait_for,
    wait_until_run,
    write_notebook,
)

pytestmark = pytest.mark.browser

EVENTS = 60  # of a drag
TIMED_KEYS = 9


@pytest.fixture(scope="package")
def run(parameters):
    """Load the model that the pages show, and the codes of its training images."""
    config = vae_nb.load_config(parameters["config_path"], parameters["overrides"])
    run = vae_nb.load_or_train(config, parameters["output_dir"])
    codes = vae_nb.encode_set(run.vae, run.train_set)[0].astype(np.float64)

    def decode(z):
        probabilities = run.vae.decode(z[None])[0].reshape(run.vae.image_shape)
        return np.round(255 * probabilities).astype(np.uint8)

    return SimpleNamespace(codes=codes, decode=decode, names=run.train_set.names)


@pytest.fixture(scope="module", params=["JupyterLab", "Voilà"])
def explorer_page(request, parameters, lab_folder, new_page, tmp_path_factory):
    """Open notebook 09 in a page, and run all of its cells."""
    (path,) = [path for path in NOTEBOOKS if path.name.startswith("09")]
    notebook = prepare(nbformat.read(path, as_version=4), parameters)
    page = new_page()
    if request.param == "JupyterLab":
        address = request.getfixturevalue("lab")
        nbformat.write(notebook, lab_folder / "09.ipynb")
        run_all_cells(page, address("09.ipynb"))
        wait_until_run(page)
        yield page
    else:
        folder = tmp_path_factory.mktemp("voila")
        nbformat.write(notebook, folder / "09.ipynb")
        with voila(folder / "09.ipynb", folder) as address:
            page.goto(address, wait_until="commit")  # the page arrives while its cells run
            wait_until_run(page)
            yield page
    page.close()


class Explorer:
    """The explorer's controls on a page, as a reader finds them."""

    def __init__(self, page):
        self.page = page
        self.image = page.locator(".vae-nb-image").first
        self.slider = page.get_by_role("slider", name=re.compile(r"^[zp]\d+ "))
        self.blend = page.get_by_role("slider", name="Blend")
        self.point = page.get_by_role("slider", name="Point on the map")

    def pixels(self):
        return canvas_pixels(self.image)

    def shows(self, expected):
        """Wait until the image is the expected one, pixel for pixel."""
        wait_for(lambda: np.array_equal(self.pixels(), expected), "the expected image")

    def changes(self, before):
        """Wait until the image is another one than before, and stays; return it."""
        wait_for(lambda: not np.array_equal(self.pixels(), before), "another image")
        return self.rests()

    def rests(self):
        last = None

        def rests():
            nonlocal last
            before, last = last, self.pixels()
            return before is not None and np.array_equal(before, last)

        wait_for(rests, "the image to rest")
        return last

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, title, index):
        """Choose an image in one of the two groups of images."""
        group = self.page.get_by_role("radiogroup", name=title, include_hidden=True)
        details = self.page.locator("details").filter(has=group)
        if not details.evaluate("(details) => details.open"):
            details.locator("summary").click()
        group.get_by_role("radio").nth(index).check(force=True)
        details.locator("summary").click()


@pytest.fixture
def explorer(explorer_page, run):
    """Put the explorer at its first emoji; after the test, the console must be free of errors."""
    explorer = Explorer(explorer_page)
    explorer.image.scroll_into_view_if_needed()
    explorer.page.get_by_role("radio", name="latent dimensions").check()
    explorer.choose("First emoji", 0)
    explorer.press("Reset")
    explorer.shows(run.decode(run.codes[0]))
    yield explorer
    assert not explorer_page.errors, explorer_page.errors


def dimension_of(slider):
    """Return which latent dimension a slider moves: 0 for "z1 (1.3 nats)"."""
    return int(re.match(r"z(\d+) ", slider.get_attribute("aria-label"))[1]) - 1


def test_no_cell_failed(explorer_page):
    assert explorer_page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert explorer_page.locator(".jp-RenderedText[data-mime-type*=stderr]").count() == 0
    assert no_wider_than_the_window(explorer_page)


def test_a_key_moves_the_slider_the_image_and_the_readout(explorer, run):
    slider, before = explorer.slider.first, explorer.pixels()
    value, readout = float(slider.input_value()), slider.get_attribute("aria-valuetext")
    slider.focus()
    slider.press("ArrowRight")
    image = explorer.changes(before)
    moved = float(slider.input_value())
    assert moved == value + 1 / 16
    assert slider.get_attribute("aria-valuetext") != readout
    assert explorer.page.evaluate("document.activeElement.type") == "range"
    z = run.codes[0].copy()
    z[dimension_of(slider)] = moved
    assert np.array_equal(image, run.decode(z))
    assert re.search(
        r"Changed from .*: z\d+ by [+-]0\.\d\d\.", explorer.image.get_attribute("aria-label")
    )


def test_from_key_to_pixels(explorer, capsys):
    """Print how long a reader waits for the image; nothing is asserted."""
    slider = explorer.slider.first
    slider.focus()
    milliseconds = []
    for key in ["ArrowRight", "ArrowLeft"] * TIMED_KEYS:
        explorer.rests()
        explorer.page.evaluate(
            """() => {
                const canvas = document.querySelector(".vae-nb-image");
                const look = () => canvas.toDataURL();
                const before = look();
                window.waited = new Promise((resolve) => {
                    document.addEventListener("keydown", () => {
                        const started = performance.now();
                        const again = () => look() === before
                            ? requestAnimationFrame(again)
                            : resolve(performance.now() - started);
                        again();
                    }, {once: true, capture: true});
                    setTimeout(resolve, 20_000, NaN);
                });
            }"""
        )
        slider.press(key)
        milliseconds.append(explorer.page.evaluate("window.waited"))
    with capsys.disabled():
        print(f"\nfrom key to changed pixels: {np.median(milliseconds):.0f} ms (median)")


def test_the_last_of_many_events_is_shown(explorer, run):
    slider = explorer.slider.first
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    mouse = explorer.page.mouse
    before = explorer.pixels()
    mouse.move(box["x"] + box["width"] / 2, y)
    mouse.down()
    for event in range(EVENTS):
        mouse.move(box["x"] + box["width"] * (0.1 + 0.7 * event / EVENTS), y)
    mouse.up()
    explorer.changes(before)
    z = run.codes[0].copy()
    z[dimension_of(slider)] = float(slider.input_value())
    assert z[dimension_of(slider)] > 1
    explorer.shows(run.decode(z))


def test_both_ends_of_the_blend_are_the_reconstructions(explorer, run):
    explorer.choose("First emoji", 3)
    explorer.choose("Second emoji", 7)
    explorer.shows(run.decode(run.codes[3]))
    explorer.blend.focus()
    explorer.blend.press("End")
    explorer.shows(run.decode(run.codes[7]))
    explorer.blend.press("PageDown")
    explorer.changes(run.decode(run.codes[7]))
    explorer.blend.press("Home")
    explorer.shows(run.decode(run.codes[3]))


def test_draws_are_new_and_reset_goes_back(explorer, run):
    images = [run.decode(run.codes[0])]
    for button in ("Draw from the prior", "Draw from the fitted density") * 2:
        explorer.press(button)
        images.append(explorer.changes(images[-1]))
    assert len({image.tobytes() for image in images}) == len(images)
    explorer.press("Reset")
    explorer.shows(images[0])
    assert "is the reconstruction of" in explorer.image.get_attribute("aria-label")


def test_an_emoji_is_chosen_by_keyboard(explorer, run):
    summary = explorer.page.locator(".vae-nb-picker summary").first
    summary.focus()
    summary.press("Enter")
    explorer.page.keyboard.press("Tab")  # to the search
    explorer.page.keyboard.press("Tab")  # to the chosen image
    explorer.page.keyboard.press("ArrowRight")
    explorer.shows(run.decode(run.codes[1]))
    summary.press("Enter")


def test_an_emoji_is_found_by_its_name(explorer):
    summary = explorer.page.locator(".vae-nb-picker summary").first
    summary.click()
    group = explorer.page.get_by_role("radiogroup", name="First emoji")
    everything = group.get_by_role("radio").count()
    explorer.page.get_by_role("searchbox", name="First emoji").fill("HEART ")
    names = [label.get_attribute("title") for label in group.locator("label:visible").all()]
    chosen = group.get_by_role("radio", checked=True).get_attribute("aria-label")
    assert 0 < len(names) < everything
    assert all("heart" in name or name == chosen for name in names)  # the chosen one stays
    before = explorer.pixels()
    explorer.page.keyboard.press("Tab")
    explorer.page.keyboard.press("ArrowRight")
    explorer.changes(before)
    chosen = group.get_by_role("radio", checked=True).get_attribute("aria-label")
    assert "heart" in chosen
    explorer.page.get_by_role("searchbox", name="First emoji").fill("")
    summary.click()


def test_the_point_on_the_map_is_dragged_and_moved_by_keys(explorer):
    before, values = explorer.pixels(), [float(s.input_value()) for s in explorer.slider.all()]
    start, whole = (
        explorer.point.bounding_box(),
        explorer.page.locator(".vae-nb-map").bounding_box(),
    )
    x, y = whole["x"] + 0.6 * whole["width"], whole["y"] + 0.4 * whole["height"]
    mouse = explorer.page.mouse
    mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    mouse.down()
    mouse.move(x, y, steps=10)
    mouse.up()
    dragged = explorer.changes(before)
    moved = [float(s.input_value()) for s in explorer.slider.all()]
    assert moved[0] != values[0]
    assert moved[1] != values[1]
    assert moved[2:] == values[2:]
    end = explorer.point.bounding_box()
    assert abs(end["x"] + end["width"] / 2 - x) < 2
    assert abs(end["y"] + end["height"] / 2 - y) < 2
    assert explorer.point.get_attribute("title") == ""
    explorer.point.press("ArrowDown")
    wait_for(
        lambda: float(explorer.slider.nth(1).input_value()) < moved[1],
        "the second slider to follow",
    )
    explorer.changes(dragged)
    assert explorer.page.evaluate("document.activeElement.className") == "vae-nb-point"


def test_keys_in_the_line_of_code_select_text_and_no_cells(explorer):
    code = explorer.page.get_by_role("textbox", name="The latent vector as code").first
    cells = explorer.page.locator(".jp-Cell").count()
    code.focus()
    for key in ("Control+a", "x", "ArrowDown", "b"):
        explorer.page.keyboard.press(key)
    assert explorer.page.evaluate("document.activeElement.className") == "vae-nb-code"
    assert explorer.page.locator(".jp-Cell").count() == cells
    assert code.input_value().startswith("z = np.array([")


def test_principal_directions_move_the_same_vector(explorer, run):
    explorer.page.get_by_role("radio", name="principal directions").check()
    wait_for(lambda: explorer.slider.first.get_attribute("aria-label")[0] == "p", "other sliders")
    assert np.array_equal(explorer.pixels(), run.decode(run.codes[0]))
    explorer.slider.first.focus()
    explorer.slider.first.press("End")
    explorer.changes(run.decode(run.codes[0]))


def test_saving_writes_image_and_vector(explorer, run, parameters):
    explorer.press("Draw from the prior")
    shown = explorer.changes(run.decode(run.codes[0]))
    explorer.press("Save")
    status = explorer.page.locator(".vae-nb-status").first
    wait_for(lambda: "Saved" in status.text_content(), "the file's name")
    path = re.search(r"Saved (.*explorer_\d+\.png)", status.text_content())[1]
    assert path.startswith(parameters["output_dir"])
    enlarged = np.asarray(Image.open(path))
    scale = len(enlarged) // len(shown)
    assert np.array_equal(enlarged[::scale, ::scale], shown)
    with open(path.replace(".png", ".json"), encoding="utf-8") as file:
        assert np.array_equal(run.decode(np.array(json.load(file)["z"])), shown)


def test_no_serious_violation_of_accessibility(explorer):
    for summary in explorer.page.locator(".vae-nb-picker summary").all():
        summary.click()
    whole = explorer.page.locator(".jp-OutputArea-output").filter(has=explorer.image)
    whole.last.evaluate("(element) => { element.id = 'explorer-to-check'; }")
    found = Axe().run(explorer.page, context="#explorer-to-check").response["violations"]
    for summary in explorer.page.locator(".vae-nb-picker summary").all():
        summary.click()
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], v["help"], v["nodes"][0]["html"][:300]) for v in serious]


@pytest.mark.parametrize("latent_dim", [16, 64])
def test_fits_a_window_of_1280_pixels(latent_dim, lab, lab_folder, new_page):
    source = f"""import numpy as np, vae_nb
config = vae_nb.load_config(None, {{"model.latent_dim": {latent_dim}}})
images = vae_nb.load_images(config.data)
vae = vae_nb.VAE(config.model, images.image_shape, np.random.default_rng(0))
vae.parameters *= 2  # the codes of an untrained encoder vary too little
for head in (vae.layers["mean"], vae.layers["log_variance"]):
    head.weights[:, 3] = head.biases[3] = 0  # this dimension carries nothing
vae_nb.LatentExplorer(vae, images)"""
    write_notebook(lab_folder / f"{latent_dim}.ipynb", source)
    page = new_page()
    run_all_cells(page, lab(f"{latent_dim}.ipynb"))
    wait_until_run(page)
    page.locator(".vae-nb-image").first.scroll_into_view_if_needed()
    assert page.locator(".vae-nb-sliders input").count() == 1 + latent_dim
    folded = page.get_by_role("slider", name="z4 (0.0 nats)")
    assert not folded.is_visible()
    page.get_by_text("Carrying nothing: 1 of the latent dimensions").click()
    assert folded.is_visible()
    assert no_wider_than_the_window(page)
    assert not page.errors
    page.close()
