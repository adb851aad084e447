"""The latent explorer in JupyterLab and in an exported page, driven by mouse and keyboard."""

import base64
import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import tiny_config
from PIL import Image

import vae_nb
from browser.front_ends import (
    canvas_pixels,
    no_wider_than_the_window,
    run_all_cells,
    wait_for,
    wait_until_run,
    write_notebook,
)
from vae_nb.core.latent import latent_axes, principal_axes
from vae_nb.run.export import export_page

pytestmark = pytest.mark.browser

EVENTS = 60  # of a drag
LAB, FILE = "JupyterLab", "file"
LEVELS = {LAB: 1, FILE: 2}  # of 255, that a pixel may be off: the page has float16 weights
# What the kernel has is shown in the page, and a button in the page moves it.
NOTEBOOK = """import json, ipywidgets, numpy as np, vae_nb
config = vae_nb.load_config({config_path!r}, {overrides!r})
run = vae_nb.load_or_train(config, {output_dir!r})
explorer = vae_nb.LatentExplorer(run.vae, run.train_set, np.random.default_rng(0))
explorer"""
# The tabs, and what one does in each.
TABS = {
    "Sliders": lambda explorer: explorer.slider.first,
    "Blend": lambda explorer: explorer.page.locator(".vae-nb-square"),
    "Attribute": lambda explorer: explorer.picker("With it").locator("summary"),
    "Path": lambda explorer: explorer.page.get_by_role("button", name="Add this point"),
    "Random": lambda explorer: explorer.page.get_by_role("button", name="Draw from the prior"),
    "Your own": lambda explorer: explorer.pad,
}
DROP = """(data) => {
    const transfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], "mine.png", {type: "image/png"}));
    return transfer;
}"""
KERNEL_SIDE = """label, button = ipywidgets.HTML(), ipywidgets.Button(description="From the kernel")
def tell(_change): label.value = f"<i class='from-kernel'>{json.dumps(explorer.z.tolist())}</i>"
def move(_button): explorer.z = np.linspace(-1, 1, len(explorer.z))
explorer.observe(tell, "vector")
button.on_click(move)
ipywidgets.VBox([button, label])"""


@pytest.fixture(scope="package")
def run(parameters):
    """Load the model that the pages show, and what the kernel computes from it."""
    config = vae_nb.load_config(parameters["config_path"], parameters["overrides"])
    run = vae_nb.load_or_train(config, parameters["output_dir"])
    posteriors = vae_nb.encode_set(run.vae, run.train_set)

    def decode(z):
        probabilities = run.vae.decode(np.asarray(z)[None])[0].reshape(run.vae.image_shape)
        return np.round(255 * probabilities).astype(np.uint8)

    return SimpleNamespace(
        trained=run,
        codes=posteriors.mean.astype(np.float64),
        latent=latent_axes(posteriors),
        principal=principal_axes(run.vae, posteriors),
        decode=decode,
    )


@pytest.fixture(scope="package")
def file_address(run, tmp_path_factory):
    """Export the explorer; return the page's address on the disk."""
    return export_page(run.trained, tmp_path_factory.mktemp("page") / "page.html").as_uri()


@pytest.fixture(scope="module", params=[LAB, FILE])
def explorer_page(request, parameters, lab_folder, new_page):
    """Open the explorer in a page; `page.host` says where."""
    page = new_page()
    page.host = request.param
    if page.host == LAB:
        address = request.getfixturevalue("lab")
        write_notebook(lab_folder / "explorer.ipynb", NOTEBOOK.format(**parameters), KERNEL_SIDE)
        run_all_cells(page, address("explorer.ipynb"))
        wait_until_run(page)
    else:
        page.goto(request.getfixturevalue("file_address"))
    page.locator(".vae-nb-picture").wait_for()
    yield page
    page.close()


class Explorer:
    """The explorer's controls on a page, as a reader finds them."""

    def __init__(self, page):
        self.page = page
        self.image = page.get_by_role("img", name=re.compile("^Decoded picture"))
        self.slider = page.get_by_role("slider", name=re.compile(r"^[zp]\d+ "))
        self.blend = page.get_by_role("slider", name="Blend")
        self.pad = page.get_by_role("img", name="Your picture")
        self.point = page.get_by_role("slider", name="Point on the map")
        self.map = page.locator(".vae-nb-map")
        self.status = page.locator(".vae-nb-explorer [role=status]")

    def pixels(self):
        return canvas_pixels(self.image)

    def shows(self, expected):
        """Wait until the image is what the kernel decodes."""
        levels = LEVELS[self.page.host]

        def is_shown():
            return np.abs(self.pixels().astype(int) - expected).max() <= levels

        wait_for(is_shown, "the expected image")

    def changes(self, before):
        """Wait until the image is another one than before, and return it."""
        wait_for(lambda: not np.array_equal(self.pixels(), before), "another image")
        return self.pixels()

    def z(self):
        """Read the vector from the line to copy, rounded to four decimals."""
        code = self.page.get_by_role(
            "textbox", name="The latent vector as code", include_hidden=True
        )
        return np.array(json.loads(re.search(r"\[.*\]", code.input_value())[0]))

    def reaches(self, z):
        """Wait until the vector is this one."""
        wait_for(lambda: np.allclose(self.z(), z, atol=6e-5), f"the vector {z}")

    def tab(self, title):
        self.page.get_by_role("tab", name=title).click()

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def picker(self, title):
        summary = self.page.locator("summary", has_text=f"{title}:")
        return self.page.locator("details").filter(has=summary)

    def choose(self, title, index):
        """Choose a picture of the blend by its look."""
        self.tab("Blend")
        picker = self.picker(title)
        picker.locator("summary").click()
        picker.get_by_role("group").get_by_role("button").nth(index).click()

    def named(self, place):
        """Move the mouse to a place, and return the name of the picture that is there."""
        self.page.mouse.move(*place)
        return self.map.get_attribute("title")

    def place(self):
        """Return where the point is on the screen."""
        box = self.point.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.fixture
def explorer(explorer_page, run):
    """Put the explorer at its first picture; after the test, the console must be free of errors."""
    explorer = Explorer(explorer_page)
    explorer.image.scroll_into_view_if_needed()
    explorer.press("Show the whole map")
    explorer.choose("Top left", 0)
    explorer.tab("Sliders")
    explorer.page.get_by_role("radio", name="latent dimensions").check()
    explorer.shows(run.decode(run.codes[0]))
    yield explorer
    assert not explorer_page.errors, explorer_page.errors


def dimension_of(slider):
    """Return which latent dimension a slider moves: 0 for "z1 (1.3 nats)"."""
    return int(re.match(r"z(\d+) ", slider.get_attribute("aria-label"))[1]) - 1


def blended(run, corners, x, y):
    """Blend four codes at a place of the square, to the right and down."""
    weights = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]
    return np.average(run.codes[corners], axis=0, weights=weights)


def coordinates(axes, z):
    return axes.coordinates(np.asarray(z))


def test_nothing_failed_and_nothing_is_cut_off(explorer):
    page = explorer.page
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.locator(".jp-RenderedText[data-mime-type*=stderr]").count() == 0
    assert no_wider_than_the_window(page)
    assert explorer.image.evaluate("(canvas) => canvas.getRootNode() === document")
    assert page.frames == [page.main_frame]


def test_a_key_moves_the_slider_the_image_and_the_readout(explorer, run):
    slider, before = explorer.slider.first, explorer.pixels()
    value, readout = float(slider.input_value()), slider.get_attribute("aria-valuetext")
    slider.focus()
    slider.press("ArrowRight")
    explorer.changes(before)
    moved = float(slider.input_value())
    assert 0 < moved - value < 1 / 8  # to the next step
    assert slider.get_attribute("aria-valuetext") != readout
    assert explorer.page.evaluate("document.activeElement.type") == "range"
    z = run.codes[0].copy()
    z[dimension_of(slider)] = moved
    explorer.shows(run.decode(z))
    assert re.search(
        r"Changed from .*: z\d+ by \+0\.\d\d\.", explorer.image.get_attribute("aria-label")
    )


def test_the_last_of_many_events_is_shown(explorer, run):
    slider = explorer.slider.first
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    mouse = explorer.page.mouse
    mouse.move(box["x"] + box["width"] / 2, y)
    mouse.down()
    for event in range(EVENTS):
        mouse.move(box["x"] + box["width"] * (0.1 + 0.7 * event / EVENTS), y)
    mouse.up()
    z = run.codes[0].copy()
    z[dimension_of(slider)] = float(slider.input_value())
    assert z[dimension_of(slider)] > 1
    explorer.shows(run.decode(z))


def choose_corners(explorer, corners):
    titles = ("Top left", "Top right", "Bottom left", "Bottom right")
    for title, index in zip(titles, corners, strict=True):
        explorer.choose(title, index)


def test_the_corners_of_the_blend_are_the_reconstructions(explorer, run):
    corners = [3, 7, 20, 40]
    choose_corners(explorer, corners)
    explorer.shows(run.decode(run.codes[3]))  # the other three corners have moved nothing
    explorer.blend.focus()
    for key, index in (("Right", 7), ("Down", 40), ("Left", 20)):
        for _ in range(3):  # of eight steps each; there are twenty from side to side
            explorer.blend.press(f"Shift+Arrow{key}")
        explorer.reaches(run.codes[index])
        explorer.shows(run.decode(run.codes[index]))
        assert explorer.status.text_content() == ""  # it is not at the first picture any more
    explorer.blend.press("ArrowUp")
    explorer.reaches(blended(run, corners, 0, 0.95))
    name = explorer.picker("Bottom left").locator("summary").text_content().split(": ")[1]
    wait_for(lambda: f"95% {name}" in explorer.blend.get_attribute("aria-valuetext"), "the share")
    explorer.choose("Bottom left", 30)  # another picture at this corner is blended at once
    explorer.reaches(blended(run, [3, 7, 30, 40], 0, 0.95))


def test_the_point_of_the_blend_is_dragged(explorer, run):
    corners = [2, 9, 30, 50]
    choose_corners(explorer, corners)
    box = explorer.page.locator(".vae-nb-square").bounding_box()
    mouse = explorer.page.mouse
    mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"], steps=5)
    expected = blended(run, corners, 0.75, 0.25)
    step = np.abs(run.codes[corners]).max() * 4 / box["width"]  # of about a pixel
    wait_for(lambda: np.allclose(explorer.z(), expected, atol=step), "the place of the mouse")
    mouse.move(box["x"] - 50, box["y"] + 2 * box["height"], steps=5)  # it stays in the square
    mouse.up()
    explorer.reaches(run.codes[30])


def test_the_blend_is_at_its_start_once_something_else_has_moved_the_vector(explorer, run):
    explorer.choose("Top right", 9)
    explorer.blend.focus()
    for _ in range(10):
        explorer.blend.press("ArrowRight")
    explorer.shows(run.decode((run.codes[0] + run.codes[9]) / 2))
    explorer.tab("Random")
    explorer.press("Draw from the prior")
    explorer.tab("Blend")
    wait_for(lambda: explorer.blend.get_attribute("aria-valuenow") == "0", "the blend at its start")


def test_draws_are_new_and_reset_goes_back(explorer, run):
    images = [explorer.pixels()]
    explorer.tab("Random")
    for button in ("Draw from the prior", "Draw from the fitted density") * 2:
        explorer.press(button)
        images.append(explorer.changes(images[-1]))
        assert explorer.status.text_content().startswith("Drawn. The nearest training picture is ")
    assert len({image.tobytes() for image in images}) == len(images)
    explorer.shows(run.decode(explorer.z()))
    explorer.press("Reset")
    explorer.shows(run.decode(run.codes[0]))
    assert "is the reconstruction of" in explorer.image.get_attribute("aria-label")


def test_a_picture_is_chosen_by_keyboard(explorer, run):
    explorer.tab("Blend")
    summary = explorer.picker("Top left").locator("summary")
    summary.focus()
    summary.press("Enter")
    keyboard = explorer.page.keyboard
    for key in ("Tab", "Tab", "Tab", "ArrowRight", "Enter"):  # search, Done, chosen picture, next
        keyboard.press(key)
    explorer.shows(run.decode(run.codes[1]))
    assert explorer.page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_tabs_are_changed_by_keyboard(explorer):
    tab = explorer.page.get_by_role("tab", name="Sliders")
    tab.focus()
    tab.press("ArrowRight")
    explorer.blend.wait_for()
    assert explorer.slider.count() == 0
    assert explorer.page.get_by_role("tab", name="Blend").get_attribute("aria-selected") == "true"


def test_a_picture_is_found_by_its_name(explorer):
    explorer.tab("Blend")
    picker = explorer.picker("Top left")
    picker.locator("summary").click()
    buttons = picker.get_by_role("group").get_by_role("button")
    everything = buttons.count()
    explorer.page.get_by_role("searchbox", name="Top left").fill("HEART ")
    names = [button.get_attribute("aria-label") for button in buttons.all()]
    assert 0 < len(names) < everything
    assert all("heart" in name for name in names)  # without the old choice
    before = explorer.pixels()
    for key in ("Tab", "Tab", "ArrowRight", "Enter"):
        explorer.page.keyboard.press(key)
    explorer.changes(before)
    assert names[1] in picker.locator("summary").text_content()
    picker.locator("summary").click()
    explorer.page.get_by_role("searchbox", name="Top left").fill("")
    explorer.page.keyboard.press("Escape")
    buttons.first.wait_for(state="hidden")
    assert explorer.page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_point_on_the_map_is_dragged_and_moved_by_keys(explorer, run):
    box = explorer.map.bounding_box()
    x, y = box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"]
    mouse = explorer.page.mouse
    mouse.move(*explorer.place())
    mouse.down()
    mouse.move(x, y, steps=10)
    mouse.up()
    wait_for(lambda: np.allclose(explorer.place(), (x, y), atol=2), "the point under the mouse")
    before, after = (coordinates(run.principal, z) for z in (run.codes[0], explorer.z()))
    assert np.all(np.abs(after - before)[:2] > 0.01)
    np.testing.assert_allclose(after[2:], before[2:], atol=2e-3)
    explorer.shows(run.decode(explorer.z()))
    explorer.point.press("ArrowDown")
    after[1] -= 1 / 16
    wait_for(
        lambda: np.allclose(coordinates(run.principal, explorer.z()), after, atol=4e-3),
        "a step down",
    )
    # Two keys before the next frame of the screen are two steps.
    explorer.point.evaluate(
        """(point) => ["ArrowRight", "ArrowRight"].forEach((key) =>
            point.dispatchEvent(new KeyboardEvent("keydown", { key })))"""
    )
    after[0] += 2 / 16
    wait_for(
        lambda: np.allclose(coordinates(run.principal, explorer.z()), after, atol=4e-3),
        "two steps to the right",
    )
    assert "vae-nb-point" in explorer.page.evaluate("document.activeElement.className")


def place_of(explorer, index):
    """Go to a picture's code; return where it is on the map, and its name."""
    explorer.choose("Top left", index)
    name = explorer.page.locator(".vae-nb-nearest strong")
    summary = explorer.picker("Top left").locator("summary")
    wait_for(lambda: name.text_content() in summary.text_content(), "the picture's own code")
    return explorer.place(), name.text_content()


def test_a_click_on_a_picture_of_the_map_goes_to_its_code(explorer, run):
    found = [(index, *place_of(explorer, index)) for index in (5, 20, 40, 60, 80, 100)]
    place_of(explorer, 0)
    seen = [(index, place) for index, place, name in found if explorer.named(place) == name]
    assert seen  # the others are covered by a neighbor
    for index, place in seen:
        explorer.page.mouse.click(*place)
        explorer.reaches(run.codes[index])
        explorer.shows(run.decode(run.codes[index]))


def test_a_click_beside_all_pictures_moves_in_the_plane(explorer, run):
    box = explorer.map.bounding_box()
    places = [
        (box["x"] + a * box["width"], box["y"] + b * box["height"])
        for a in np.linspace(0.03, 0.97, 12)
        for b in np.linspace(0.03, 0.97, 12)
    ]
    x, y = next(place for place in places if explorer.named(place) == "")
    explorer.page.mouse.click(x, y)
    wait_for(lambda: np.allclose(explorer.place(), (x, y), atol=2), "the point")
    before, after = (coordinates(run.principal, z) for z in (run.codes[0], explorer.z()))
    np.testing.assert_allclose(after[2:], before[2:], atol=2e-3)


def shrunk(pixels):
    """Average a tile to (4, 4, 3)."""
    return np.asarray(Image.fromarray(pixels).resize((4, 4), Image.Resampling.BOX)).astype(float)


def tiles_of_the_map(explorer, run, z):
    """Return some tiles of the map, shrunk: what is seen, and what is decoded there.

    The map shows the plane of the principal directions, and 7% more than the codes on each side.
    """
    shown = canvas_pixels(explorer.map.locator(".vae-nb-tiles"))
    size = np.array(shown.shape[1::-1])  # width, height
    plane = run.principal.coordinates(run.codes)[:, :2]
    middle, extent = (plane.min(axis=0) + plane.max(axis=0)) / 2, np.ptp(plane, axis=0)
    side = int(np.ceil(max(40, np.sqrt(size.prod() / 100))))
    count = np.ceil(size / side)
    others = coordinates(run.principal, z)[2:]
    seen, decoded = [], []
    for share in ((0.3, 0.6), (0.5, 0.5), (0.7, 0.2)):
        cell = np.round(np.array(share) * (count - 1))
        place = size / 2 + (cell - (count - 1) / 2) * side
        left, top = np.floor(place - side / 2 + 0.5).astype(int)
        seen.append(shrunk(shown[top : top + side, left : left + side]))
        offset = (place - size / 2) * (1, -1) / (0.86 * size) * extent
        there = run.principal.latent(np.concatenate([middle + offset, others]))
        decoded.append(shrunk(run.decode(there)))
    return np.array(seen), np.array(decoded)


@pytest.mark.parametrize("explorer_page", [FILE], indirect=True)  # the same code in both
def test_behind_the_map_is_what_the_plane_decodes_to(explorer, run):
    def are_those_of(index, tolerance):
        seen, decoded = tiles_of_the_map(explorer, run, run.codes[index])
        return np.abs(seen - decoded).mean() < tolerance

    # Another plane has other coordinates beside those shown: that of the most different tiles.
    planes = [tiles_of_the_map(explorer, run, code)[1] for code in run.codes[::8]]
    differences = [np.abs(plane - planes[0]).mean() for plane in planes]
    other, tolerance = 8 * int(np.argmax(differences)), max(differences) / 2
    assert tolerance > 2
    wait_for(lambda: are_those_of(0, tolerance), "the tiles")
    explorer.choose("Top left", other)
    wait_for(lambda: are_those_of(other, tolerance), "the tiles of another plane")
    assert not are_those_of(0, tolerance)
    explorer.press("Zoom in")
    wait_for(lambda: not are_those_of(other, tolerance), "the tiles of a part of the plane")
    explorer.press("Show the whole map")
    wait_for(lambda: are_those_of(other, tolerance), "the tiles of all of it")
    explorer.press("Decoded pictures behind the map")
    explorer.map.locator(".vae-nb-tiles").wait_for(state="hidden")
    explorer.press("Decoded pictures behind the map")
    wait_for(lambda: are_those_of(other, tolerance), "the tiles again")


@pytest.mark.parametrize("explorer_page", [FILE], indirect=True)  # the same code in both
def test_every_picture_has_room_once_one_zooms_in(explorer):
    covered = []
    for index in range(1, 128, 18):
        place, name = place_of(explorer, index)
        explorer.press("Reset")
        place_of(explorer, 0)
        if explorer.named(place) != name:
            covered.append(index)
    assert covered  # otherwise this test tests nothing
    for index in covered[:2]:
        _, name = place_of(explorer, index)
        explorer.point.focus()
        for _ in range(18):
            explorer.point.press("+")
        place = explorer.place()
        explorer.choose("Top left", 0)
        wait_for(lambda place=place: explorer.place() != place, "the point elsewhere")
        assert explorer.named(place) == name
        explorer.press("Show the whole map")


def test_the_map_says_what_stays_as_it_is(explorer, run):
    note = explorer.page.locator(".vae-nb-note")
    choice = explorer.page.get_by_role("combobox", name="Plane of the map")
    count = run.codes.shape[1]
    variances = np.var(run.codes, axis=0)
    # The plane that tells more is shown first.
    assert choice.input_value() == "p1 and p2"
    assert f"p3 to p{count} alone" in note.text_content()
    names = [name.split()[0] for name in run.latent.names]
    choice.select_option(f"{names[0]} and {names[1]}")
    others = f"{names[2]} to {names[-1]} alone"
    wait_for(lambda: others in note.text_content(), "the note")
    dimensions = [int(name[1:]) - 1 for name in names[:2]]
    share = variances[dimensions].sum() / variances.sum()
    told = int(re.search(r"(\d+)% of the codes' variance", note.text_content())[1])
    assert told == pytest.approx(100 * share, abs=1)
    explorer.point.focus()
    explorer.point.press("Shift+ArrowRight")
    z = run.codes[0].copy()
    z[dimensions[0]] += 0.5
    explorer.reaches(z)
    choice.select_option("p1 and p2")


def test_principal_directions_move_the_same_vector(explorer, run):
    explorer.page.get_by_role("radio", name="principal directions").check()
    wait_for(lambda: explorer.slider.first.get_attribute("aria-label")[0] == "p", "other sliders")
    explorer.shows(run.decode(run.codes[0]))
    explorer.slider.first.focus()
    explorer.slider.first.press("End")
    moved = coordinates(run.principal, run.codes[0])
    moved[0] = float(explorer.slider.first.input_value())
    explorer.reaches(run.principal.latent(moved))
    labels = [slider.get_attribute("aria-label") for slider in explorer.slider.all()]
    assert sum(int(re.search(r"(\d+)%", label)[1]) for label in labels) <= 104  # each is rounded


def test_keys_in_the_line_of_code_select_text_and_no_cells(explorer):
    explorer.tab("Random")
    code = explorer.page.get_by_role("textbox", name="The latent vector as code")
    cells = explorer.page.locator(".jp-Cell").count()
    code.focus()
    for key in ("Control+a", "x", "ArrowDown", "b"):
        explorer.page.keyboard.press(key)
    assert explorer.page.evaluate("document.activeElement.tagName") == "INPUT"
    assert explorer.page.locator(".jp-Cell").count() == cells
    assert code.input_value().startswith("z = np.array([")


def test_the_norm_is_compared_with_that_of_the_prior(explorer, run):
    draws = np.linalg.norm(
        np.random.default_rng(1).standard_normal((10_000, len(run.codes[0]))), axis=1
    )
    for index in np.argsort(np.linalg.norm(run.codes, axis=1))[[0, -1]]:  # a small one, a large one
        explorer.choose("Top left", index)
        explorer.shows(run.decode(run.codes[index]))
        text = explorer.page.locator(".vae-nb-readout").text_content()
        norm, prior, share = re.search(
            r"Norm ([\d.]+)\. Prior draws average about ([\d.]+); (almost all|\d+%) are smaller\.",
            text,
        ).groups()
        own = np.linalg.norm(run.codes[index])
        assert float(norm) == pytest.approx(own, abs=0.06)
        assert float(prior) == pytest.approx(draws.mean(), abs=0.1)
        percent = 100 if share == "almost all" else int(share[:-1])
        assert percent == pytest.approx(100 * np.mean(draws < own), abs=3)


def test_saving_downloads_the_picture(explorer):
    shown = explorer.pixels()
    with explorer.page.expect_download() as download:
        explorer.press("Save picture")
    with open(download.value.path(), "rb") as file:
        enlarged = np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB"))
    assert download.value.suggested_filename == "decoded.png"
    scale = len(enlarged) // len(shown)
    assert len(enlarged) >= 512
    assert np.array_equal(enlarged[::scale, ::scale], shown)
    assert "decoded.png" in explorer.status.text_content()


@pytest.mark.parametrize("explorer_page", [LAB], indirect=True)
def test_the_kernel_reads_and_moves_the_vector(explorer, run):
    page = explorer.page
    explorer.slider.first.focus()
    explorer.slider.first.press("End")
    z = run.codes[0].copy()
    z[dimension_of(explorer.slider.first)] = float(explorer.slider.first.input_value())
    told = page.locator(".from-kernel")
    wait_for(lambda: told.count() and json.loads(told.text_content()) == z.tolist(), "the kernel")
    page.get_by_role("button", name="From the kernel").click()
    moved = np.linspace(-1, 1, len(z))
    explorer.reaches(moved)
    explorer.shows(run.decode(moved))


def test_an_attribute_is_told_by_examples(explorer, run):
    page, examples = explorer.page, [5, 20, 40]
    explorer.tab("Attribute")
    slider = page.get_by_role("slider", name="Attribute")
    assert not slider.is_visible()
    picker = explorer.picker("With it")
    picker.locator("summary").click()
    for index in (*examples, 7, 7):  # the last one is taken back
        picker.get_by_role("group").get_by_role("button").nth(index).click()
    picker.get_by_role("button", name="Done").click()
    summary = picker.locator("summary")
    wait_for(lambda: "3 pictures" in summary.text_content(), "the number of examples")
    chosen = np.isin(np.arange(len(run.codes)), examples)
    start, end = run.codes[~chosen].mean(axis=0), run.codes[chosen].mean(axis=0)
    along = (end - start) / np.sum((end - start) ** 2)
    places = (run.codes - start) @ along
    wait_for(lambda: abs(float(slider.input_value()) - places[0]) <= 1 / 32, "the first place")
    said = page.locator(".vae-nb-band + .vae-nb-value").all_text_contents()
    spreads = [np.std(places[chosen]), np.std(places[~chosen])]
    assert said == [f"±{spread:.2f}" for spread in spreads]
    slider.focus()
    slider.press("End")
    moved = float(slider.input_value())
    assert moved >= places.max()
    explorer.reaches(run.codes[0] + (moved - places[0]) * (end - start))
    bars = [bar.bounding_box() for bar in page.locator(".vae-nb-bar").all()]
    assert bars[0]["width"] / bars[1]["width"] == pytest.approx(spreads[0] / spreads[1], rel=0.1)
    explorer.press("Pick none")
    slider.wait_for(state="hidden")


def make_path(explorer, indexes):
    for index in indexes:
        explorer.choose("Top left", index)
        explorer.tab("Path")
        explorer.press("Add this point")


@pytest.mark.parametrize("explorer_page", [FILE], indirect=True)  # the same code in both
def test_a_path_is_played_until_its_end(explorer, run):
    page, stops = explorer.page, [4, 9, 30]
    make_path(explorer, stops)
    way = page.get_by_role("slider", name="Way")
    explorer.press("Play")
    wait_for(lambda: float(way.input_value()) > 0.1, "the way")
    explorer.press("Pause")
    z = explorer.z()
    legs = 2 * float(way.input_value())
    assert 0 < legs < 2
    explorer.press("Play")
    wait_for(lambda: way.input_value() == "1", "the end")
    explorer.reaches(run.codes[30])
    page.get_by_role("button", name="Play").wait_for()
    assert not np.allclose(z, run.codes[30], atol=1e-3)
    way.focus()
    way.press("Home")
    explorer.reaches(run.codes[4])
    way.fill("0.75")
    explorer.reaches((run.codes[9] + run.codes[30]) / 2)
    page.get_by_role("button", name="Stop 2").click()
    explorer.reaches(run.codes[9])
    # Green, on the map: the way and its stops.
    shown = canvas_pixels(explorer.map.locator("canvas").last)
    assert np.count_nonzero(np.all(shown == (0, 158, 115), axis=2)) > 50
    for _ in stops:
        explorer.press("Remove last")
    way.wait_for(state="hidden")


def test_a_path_stops_when_something_else_moves_the_vector(explorer, run):
    make_path(explorer, [4, 9])
    explorer.press("Play")
    way = explorer.page.get_by_role("slider", name="Way")
    wait_for(lambda: float(way.input_value()) > 0.05, "the way")
    explorer.press("Reset")
    explorer.page.get_by_role("button", name="Play").wait_for()
    explorer.reaches(run.codes[9])  # the start, chosen last
    wait_for(lambda: way.input_value() == "0", "the way at its start")
    for _ in range(2):
        explorer.press("Remove last")


def test_a_path_goes_in_steps_where_motion_is_unwanted(file_address, new_page, run):
    page = new_page(reduced_motion="reduce")
    page.host = FILE
    page.goto(file_address)
    explorer = Explorer(page)
    explorer.image.wait_for()
    make_path(explorer, [4, 9])
    for share in (0.25, 0.5, 0.75, 1, 0):
        explorer.press("Next step")
        explorer.reaches((1 - share) * run.codes[4] + share * run.codes[9])
    page.close()


def test_a_link_shows_what_one_saw(file_address, new_page, run):
    page = new_page()
    page.host = FILE
    page.goto(file_address)
    explorer = Explorer(page)
    explorer.image.wait_for()
    assert page.url == file_address  # nothing has moved yet
    page.get_by_role("combobox", name="Plane of the map").select_option(index=0)
    explorer.tab("Attribute")
    picker = explorer.picker("With it")
    picker.locator("summary").click()
    for index in (5, 6):
        picker.get_by_role("group").get_by_role("button").nth(index).click()
    picker.get_by_role("button", name="Done").click()
    choose_corners(explorer, [1, 5, 8, 13])
    explorer.blend.press("Shift+ArrowRight")
    explorer.blend.press("Shift+ArrowDown")
    expected = blended(run, [1, 5, 8, 13], 0.4, 0.4)
    explorer.reaches(expected)
    page.wait_for_url(re.compile(r"blend=0\.4,0\.4"))
    other = new_page()
    other.host = FILE
    other.goto(page.url)
    copy = Explorer(other)
    copy.image.wait_for()
    copy.shows(run.decode(expected))
    assert np.array_equal(copy.z(), explorer.z())
    assert copy.place() == explorer.place()
    assert copy.blend.get_attribute("aria-valuetext") == explorer.blend.get_attribute(
        "aria-valuetext"
    )
    copy.tab("Attribute")
    assert "2 pictures" in copy.picker("With it").locator("summary").text_content()
    # Another link, put into the address of the open page.
    other.evaluate("(text) => { location.hash = text; }", page.url.split("#")[1].replace("-", ""))
    wait_for(lambda: np.array_equal(copy.z(), np.abs(explorer.z())), "the other link's vector")
    for each in (page, other):
        assert not each.errors, each.errors
        each.close()


BAD = ["section", "z=1", "z=a,b", "map=1", "z=NaN", "tab=Blend&z", "%E0%A4%A", "z=<img src=x>"]


@pytest.mark.parametrize("fragment", BAD)
def test_an_address_that_tells_no_state_is_ignored(fragment, file_address, new_page, run):
    page = new_page()
    page.host = FILE
    page.goto(f"{file_address}#{fragment}")
    explorer = Explorer(page)
    explorer.image.wait_for()
    explorer.shows(run.decode(run.codes[0]))
    assert "ignored" in explorer.status.text_content()
    assert not page.errors, page.errors
    page.close()


@pytest.mark.parametrize("explorer_page", [LAB], indirect=True)
def test_the_address_of_jupyterlab_stays_its_own(explorer):
    explorer.slider.first.press("ArrowRight")
    assert "#" not in explorer.page.url


def png_of(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_picture_of_the_readers_own_is_encoded(explorer, run, way):
    page = explorer.page
    plane = run.principal.coordinates(run.codes)[:, :2]
    # Its code is in the middle of the map, so that the whole ellipse is on it.
    middle = np.linalg.norm(plane - plane.mean(axis=0), axis=1).argmin()
    pixels = run.trained.train_set.pixels[middle]
    explorer.tab("Your own")
    if way == "chosen":
        file = {"name": "mine.png", "mimeType": "image/png", "buffer": png_of(pixels)}
        page.get_by_label("A picture of your own").set_input_files(file)
    else:
        data = base64.b64encode(png_of(pixels)).decode()
        page.dispatch_event(
            ".vae-nb-map", "drop", {"dataTransfer": page.evaluate_handle(DROP, data)}
        )
    wait_for(lambda: "your picture" in explorer.status.text_content(), "its code")
    mean, log_variance = run.trained.vae.encode(pixels.reshape(1, -1) / 255)
    tolerance = 0.02 * np.abs(mean).max()
    wait_for(lambda: np.allclose(explorer.z(), mean[0], atol=tolerance), "the picture's code")
    explorer.shows(run.decode(explorer.z()))
    assert np.array_equal(canvas_pixels(page.get_by_role("img", name="Your picture")), pixels)
    reconstruction = page.get_by_role("img", name="Its reconstruction")
    wait_for(
        lambda: np.array_equal(canvas_pixels(reconstruction), explorer.pixels()),
        "the reconstruction",
    )
    # The ellipse, in a color that nothing else on the map has.
    page.get_by_role("combobox", name="Plane of the map").focus()
    shown = canvas_pixels(explorer.map.locator("canvas").last)
    rows, columns = np.nonzero(np.all(shown == (0, 114, 178), axis=2))
    assert len(rows) > 20
    box, (x, y) = explorer.map.bounding_box(), explorer.place()
    center = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
    np.testing.assert_allclose(center, (x - box["x"], y - box["y"]), atol=3)
    matrix = np.linalg.inv(run.principal.matrix)[:2]  # from z to the plane
    widths = 2 * np.sqrt(matrix**2 @ np.exp(log_variance[0]))
    ratio = (np.ptp(columns) - 4) / (np.ptp(rows) - 4)
    per_unit = np.array([box["width"], box["height"]]) / np.ptp(plane, axis=0)
    assert ratio == pytest.approx(np.divide(*(widths * per_unit)), rel=0.1)


def test_a_drawing_is_encoded_at_each_stroke(explorer, run):
    page = explorer.page
    explorer.tab("Your own")
    explorer.press("Clear")
    red = page.get_by_role("radio", name="red")
    page.locator("label", has=red).click()  # on its colored dot, which lies over the button
    assert red.is_checked()
    page.get_by_role("radio", name="thick").check()
    box = explorer.pad.bounding_box()
    before = explorer.z()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    wait_for(lambda: not np.array_equal(explorer.z(), before), "a code while the mouse is down")
    page.mouse.up()
    drawn = canvas_pixels(explorer.pad)
    height, width = drawn.shape[:2]
    assert np.allclose(drawn[height // 2, width // 2], (229, 57, 53), atol=1)
    assert np.array_equal(drawn[0, 0], (255, 255, 255))
    mean, _ = run.trained.vae.encode(drawn.reshape(1, -1) / 255)
    tolerance = 0.02 * np.abs(mean).max()
    wait_for(lambda: np.allclose(explorer.z(), mean[0], atol=tolerance), "the drawing's code")
    reconstruction = page.get_by_role("img", name="Its reconstruction")
    wait_for(
        lambda: np.array_equal(canvas_pixels(reconstruction), explorer.pixels()),
        "the reconstruction",
    )
    explorer.press("Clear")
    wait_for(lambda: not reconstruction.is_visible(), "an empty sheet")
    assert np.all(canvas_pixels(explorer.pad) == 255)
    assert np.allclose(explorer.z(), mean[0], atol=tolerance)  # nothing has moved


def test_one_can_draw_on_the_decoded_picture(explorer):
    explorer.tab("Your own")
    before = explorer.z()
    decoded = explorer.pixels()
    explorer.press("Draw on the decoded picture")
    wait_for(lambda: np.array_equal(canvas_pixels(explorer.pad), decoded), "it on the sheet")
    box = explorer.pad.bounding_box()
    explorer.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_for(lambda: not np.array_equal(explorer.z(), before), "another code")
    explorer.press("Clear")


def test_a_finger_draws_on_a_phone(file_address, new_page):
    page = new_page(390, 844, has_touch=True)
    page.host = FILE
    page.goto(file_address)
    explorer = Explorer(page)
    explorer.image.wait_for()
    explorer.tab("Your own")
    before = explorer.z()
    box = explorer.pad.bounding_box()
    assert box["width"] > 110  # large enough for a finger
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_for(lambda: not np.array_equal(explorer.z(), before), "its code")
    assert canvas_pixels(explorer.pad).min() < 100
    assert is_inside(page, explorer.pad)
    assert is_inside(page, explorer.image)  # where the reconstruction is seen
    assert not page.errors, page.errors
    page.close()


def test_what_is_no_picture_is_one_sentence(explorer, run):
    explorer.tab("Your own")
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": b"no picture"}
    explorer.page.get_by_label("A picture of your own").set_input_files(file)
    sentence = "mine.png is not a picture that this browser can read."
    wait_for(lambda: explorer.status.text_content() == sentence, "the sentence")
    explorer.shows(run.decode(run.codes[0]))


@pytest.mark.parametrize("explorer_page", [LAB], indirect=True)
@pytest.mark.parametrize("title", TABS)
def test_no_serious_violation_of_accessibility(explorer, title):
    explorer.tab(title)
    explorer.page.locator(".vae-nb-explorer").evaluate(
        "(element) => { element.id ||= 'to-check'; }"
    )
    number = explorer.page.locator(".vae-nb-explorer").get_attribute("id")
    found = Axe().run(explorer.page, context=f"#{number}").response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], v["help"], v["nodes"][0]["html"][:300]) for v in serious]


# --- what is seen together ---


def is_inside(page, locator):
    box, window = locator.bounding_box(), page.viewport_size
    return (
        box["x"] >= 0
        and box["y"] >= 0
        and box["x"] + box["width"] <= window["width"]
        and box["y"] + box["height"] <= window["height"]
    )


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [(390, 844, "light"), (1280, 800, "dark"), (1920, 1080, "light")],
)
def test_picture_map_and_control_are_seen_together(width, height, scheme, file_address, new_page):
    page = new_page(width, height, color_scheme=scheme)
    page.host = FILE
    page.goto(file_address)
    explorer = Explorer(page)
    explorer.image.wait_for()
    assert no_wider_than_the_window(page)
    for tab, control_of in TABS.items():
        explorer.tab(tab)
        for part in (explorer.image, explorer.map, control_of(explorer)):
            assert is_inside(page, part)
        found = Axe().run(page).response["violations"]
        assert not [v["id"] for v in found if v["impact"] in ("serious", "critical")]
    picture, map_box = explorer.image.bounding_box(), explorer.map.bounding_box()
    # It is as large as what is beside it lets it be.
    assert picture["width"] >= 0.55 * min(width, 0.62 * height)
    assert picture["width"] == pytest.approx(picture["height"], rel=0.02)
    if width < 640:  # on a phone, the map lies under the picture, as wide as the page
        assert map_box["y"] >= picture["y"] + picture["height"]
        assert map_box["width"] > 0.9 * width
        assert map_box["height"] > 0.3 * height
    # Beside words that are higher than it, the picture keeps its shape.
    page.locator(".vae-nb-readout").evaluate("(words) => words.append(' a long name'.repeat(60))")
    picture = explorer.image.bounding_box()
    assert picture["width"] == pytest.approx(picture["height"], rel=0.02)
    assert not page.errors, page.errors
    page.close()


@pytest.mark.parametrize("explorer_page", [LAB], indirect=True)
def test_in_jupyterlab_it_has_the_colors_of_the_theme(explorer):
    def brightness():
        return explorer.page.locator(".vae-nb-explorer").evaluate(
            """(element) => {
                const context = new OffscreenCanvas(1, 1).getContext("2d");
                context.fillStyle = getComputedStyle(element).backgroundColor;
                context.fillRect(0, 0, 1, 1);
                return context.getImageData(0, 0, 1, 1).data[0];
            }"""
        )

    assert brightness() > 200
    explorer.page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert brightness() < 60
    explorer.page.evaluate("document.body.dataset.jpThemeLight = 'true'")


@pytest.mark.parametrize("explorer_page", [LAB], indirect=True)
def test_in_jupyterlab_too_they_are_seen_together(explorer):
    explorer.page.set_viewport_size({"width": 1280, "height": 800})
    explorer.page.locator(".vae-nb-layout").scroll_into_view_if_needed()
    explorer.slider.first.scroll_into_view_if_needed()
    for part in (explorer.image, explorer.map, explorer.slider.first):
        assert is_inside(explorer.page, part)
    explorer.page.set_viewport_size({"width": 1280, "height": 900})


# --- other models ---


def open_other(new_page, tmp_path, run, names=None, width=390):
    """Export another model and open its page."""
    if names is not None:
        images = vae_nb.ImageSet(run.train_set.pixels, names, run.train_set.labels)
        run = vae_nb.TrainedRun(run.config, images, images, run.vae, run.history, run.metrics)
    page = new_page(width, 844)
    page.host = FILE
    page.goto(export_page(run, tmp_path / "page.html").as_uri())
    page.locator(".vae-nb-picture").wait_for()
    return page


@pytest.mark.parametrize("latent_dim", [1, 2, 64])
def test_few_and_many_dimensions(latent_dim, pictures, output, new_page, tmp_path):
    config = tiny_config(pictures, **{"model.latent_dim": latent_dim})
    run = vae_nb.train_and_save(config, output, progress=False)
    for head in (run.vae.layers["mean"], run.vae.layers["log_variance"]):
        head.weights[:, 1:2] = head.biases[1:2] = 0  # this dimension carries nothing
        head.weights *= 50  # the codes of an untrained encoder vary too little
    page = open_other(new_page, tmp_path, run)
    explorer = Explorer(page)
    if latent_dim > 1:
        folded = page.get_by_role("slider", name="z2 (0.0 nats)")
        assert not folded.is_visible()
        page.get_by_text("Carrying nothing: 1 of the latent dimensions").click()
        assert folded.is_visible()
    assert explorer.slider.count() == latent_dim
    note = page.locator(".vae-nb-note").text_content()
    assert ("This map is the whole latent space." in note) == (latent_dim <= 2)
    before = explorer.z()
    explorer.point.focus()
    for key in ("ArrowRight", "ArrowUp"):
        explorer.point.press(key)
    wait_for(lambda: not np.array_equal(explorer.z(), before), "another vector")
    assert no_wider_than_the_window(page)
    assert not page.errors, page.errors
    page.close()


def test_a_strangers_names_are_text(pictures, output, new_page, tmp_path):
    run = vae_nb.train_and_save(tiny_config(pictures), output, progress=False)
    bad = '</script><img src=x onerror="window.broken = true">'
    names = (bad, *(f"{bad}{n}" for n in range(1, len(run.train_set))))
    page = open_other(new_page, tmp_path, run, names)
    assert bad in page.locator(".vae-nb-nearest").text_content()
    assert page.locator("img").count() == 0
    assert page.evaluate("window.broken") is None
    assert not page.errors, page.errors
    page.close()
