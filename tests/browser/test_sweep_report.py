"""The report of a sweep in a browser: the documented one, opened from the disk."""

import re
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe

from browser.front_ends import no_wider_than_the_window
from vae_nb.sweeps.report import write_report
from vae_nb.sweeps.results import DOCUMENTED, read_sweep

pytestmark = pytest.mark.browser

BAD = '</script><img src=x onerror="window.broken = true">'


@pytest.fixture(scope="module")
def sweep():
    return read_sweep(DOCUMENTED)


@pytest.fixture(scope="module")
def address(sweep, tmp_path_factory):
    return write_report(sweep, tmp_path_factory.mktemp("report") / "report.html").as_uri()


@pytest.fixture
def page(new_page, address):
    page = new_page()
    page.goto(address)
    yield page
    assert not page.errors, page.errors
    page.close()


def column(page, name):
    """Return the numbers of a column, from the top to the bottom."""
    heads = page.locator("thead th").all_inner_texts()
    (index,) = [n for n, head in enumerate(heads) if head.split(" ▲")[0].split(" ▼")[0] == name]
    cells = page.locator(f"tbody tr > :nth-child({index + 1})").all_inner_texts()
    return [float(cell.split()[0]) for cell in cells]


def serious_violations(page):
    found = Axe().run(page).response["violations"]
    return [
        violation["id"] for violation in found if violation["impact"] in ("serious", "critical")
    ]


def test_a_click_on_a_heading_sorts_and_another_one_turns_the_order(page):
    assert column(page, "score") == sorted(column(page, "score"))  # the best one is first
    button = page.get_by_role("button", name="training excess")
    head = page.locator("th", has=button)
    before = column(page, "training excess")
    button.click()
    assert column(page, "training excess") == sorted(before) != before
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator("[aria-sort]").count() == 1
    page.keyboard.press("Enter")  # it has kept the focus
    assert column(page, "training excess") == sorted(before, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_the_table_has_the_runs_too(page, sweep):
    page.get_by_role("radio", name="Runs").check()
    assert page.locator("tbody tr").count() == len(sweep.rows) == 70
    page.get_by_role("button", name="seconds").click()
    seconds = sorted(run["training_seconds"] for run in sweep.rows)
    assert column(page, "seconds") == [round(value) for value in seconds]


def test_another_measure_gives_another_answer(page):
    headline = page.locator("#headline")
    assert headline.text_content() == "Lowest score: latent_dim 8, augmentation 0.0"
    page.get_by_label("Compare by").select_option("normalized held-out excess")
    assert headline.text_content().startswith("Lowest normalized held-out excess: encoder 512 relu")
    assert page.locator("tr.chosen").inner_text().startswith("encoder 512 relu")


def told(page):
    """Return the epoch and the losses that are told of the curves."""
    text = page.locator("#readout").text_content().replace(",", "")
    numbers = re.search(r"^(.*) epoch (\d+): training ([\d.]+) held-out ([\d.]+)$", text)
    return numbers[1], int(numbers[2]), float(numbers[3]), float(numbers[4])


def test_the_curves_tell_their_values_to_mouse_and_keys(page, sweep):
    box = page.locator("#chart").bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"])
    nearest = told(page)[0]
    assert nearest.startswith("encoder 512 relu")
    page.mouse.move(0, 0)
    name, epoch, *_ = told(page)
    assert name == "latent_dim 8 augmentation 0.0"  # the chosen one
    page.locator("#chart").focus()
    page.keyboard.press("ArrowLeft")
    _, earlier, training, held_out = told(page)
    assert earlier < epoch
    curve = sweep.curves["latent_dim=8_augmentation=0_seed=11"]
    (index,) = (curve["epoch"] == earlier).nonzero()[0]
    assert training == pytest.approx(curve["train_reconstruction"][index], rel=1e-4)
    assert held_out == pytest.approx(curve["validation_reconstruction"][index], rel=1e-4)
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"])
    page.keyboard.press("ArrowUp")  # now the keys have the word, though the mouse is still there
    name, *_ = told(page)
    assert name not in ("latent_dim 8 augmentation 0.0", nearest)
    assert name in page.locator("tr.chosen").inner_text().replace(",", "")


def test_a_chosen_configuration_stands_out_everywhere(page):
    page.get_by_role("button", name="encoder 256-64 tanh").click()
    assert page.locator("tr.chosen").inner_text().startswith("encoder 256-64 tanh")
    assert "encoder 256-64 tanh" in page.locator("#legend").inner_text()
    assert page.locator(".strip.chosen").inner_text() == "encoder 256-64 tanh"
    assert told(page)[0] == "encoder 256-64 tanh"
    assert page.evaluate("document.activeElement.textContent") == "encoder 256-64 tanh"


def test_the_pictures_are_seen_with_the_license_of_the_drawings(page):
    widths = page.locator(".strip img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert widths == [8 * 64, *7 * [12 * 64]]
    assert "Noto Color Emoji" in page.locator("footer").inner_text()


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800), (1920, 1080)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_and_all_can_read_it(width, height, scheme, address, new_page):
    page = new_page(width, height, color_scheme=scheme)
    page.goto(address)
    assert no_wider_than_the_window(page)
    assert not serious_violations(page)
    if width >= 1000:  # all is seen together
        for part in ("#headline", "#chart", "#strips", "thead", "tbody tr:nth-child(5)"):
            box = page.locator(part).bounding_box()
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= height
    assert not page.errors, page.errors
    page.close()


def test_a_users_names_are_text_and_failures_are_told(sweep, new_page, tmp_path):
    kept = sweep.rows[-1]["run"]
    bad = {**sweep.rows[0], "run": BAD, "status": "failed", "error": f"It failed. {BAD}"}
    rows = [bad, *sweep.rows[1:-1], {**sweep.rows[-1], "model.encoder_layers": BAD}]
    page = new_page(390, 844)
    page.goto(write_report(replace(sweep, rows=rows), tmp_path / "report.html").as_uri())
    assert f"{BAD}: It failed. {BAD}" in page.locator("#failed").inner_text()
    assert f"encoder {BAD}" in page.locator("tbody").inner_text()
    assert kept not in page.locator("#failed").inner_text()
    assert page.evaluate("window.broken") is None
    assert no_wider_than_the_window(page)
    assert not serious_violations(page)
    assert not page.errors, page.errors
    page.close()


def test_a_sweep_of_failures_shows_only_them(sweep, new_page, tmp_path):
    rows = [{**row, "status": "failed", "error": "It failed."} for row in sweep.rows[:2]]
    page = new_page()
    page.goto(write_report(replace(sweep, rows=rows), tmp_path / "report.html").as_uri())
    assert page.locator("#failed li").count() == 2
    assert not page.locator("table").is_visible()
    assert not page.locator("#chart").is_visible()
    assert not serious_violations(page)
    assert not page.errors, page.errors
    page.close()
