"""The report of a sweep: what it says, what it holds, and that it asks for nothing."""

import base64
import html.parser
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vae_nb.data.config import load_config
from vae_nb.run.attribution import attribution
from vae_nb.sweeps.comparison import MEASURES, t_interval
from vae_nb.sweeps.report import MAX_POINTS, MAX_TILE, write_report
from vae_nb.sweeps.results import DOCUMENTED, SweepResults, read_sweep

SPLITS = {1: 0.2, 2: 0.9, 3: 0.5, 4: 0.7}  # how hard they are: far apart


def row(seed, latent_dim, excess, status="complete", error=""):
    """Return a run of tiny pictures: they have no patches, and so no score."""
    return {
        "run": f"latent_dim={latent_dim}_seed={seed}",
        "model.latent_dim": latent_dim,
        "training.seed": seed,
        "status": status,
        "error": error,
        "parameters": 1000,
        "training_seconds": 10.0,
        "train.excess": 100.0,
        "validation.normalized_excess": excess,
        "validation.swd.fine": None,
    }


def sweep_of(*rows, curves=None, folder=Path("nowhere/mine")):
    return SweepResults(folder, list(rows), ["model.latent_dim"], curves or {})


class Page(html.parser.HTMLParser):
    """What a browser finds in a page: the state, the addresses, the tags and the footer."""

    def __init__(self, path):
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.tags, self.addresses, self.texts = [], [], {}
        self.feed(self.text)
        self.state = json.loads(self.texts["script"][0])

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        if self.tags:
            self.texts.setdefault(self.tags[-1], []).append(data)


@pytest.fixture
def report_of(tmp_path):
    """Return a function that writes a sweep's report, and reads it."""
    return lambda sweep: Page(write_report(sweep, tmp_path / "new" / "report.html"))


def answer_of(page, name="normalized held-out excess"):
    """Return what a measure says, with simple spaces: the headline and the sentences."""
    (answer,) = [m["answer"] for m in page.state["measures"] if m["name"] == name]
    return [text.replace("\xa0", " ") for text in (answer["headline"], *answer["sentences"])]


# --- what it says ---


def test_the_difference_is_that_on_the_same_splits(report_of):
    more = {1: 0.010, 2: 0.014, 3: 0.012, 4: 0.012}
    rows = [row(seed, 8, hard) for seed, hard in SPLITS.items()]
    rows += [row(seed, 16, hard + more[seed]) for seed, hard in SPLITS.items()]
    page = report_of(sweep_of(*rows))
    mean, half_width = t_interval(list(SPLITS.values()))
    paired, paired_half_width = t_interval(list(more.values()))
    assert half_width > 10 * paired  # the splits differ far more than the configurations
    assert answer_of(page) == [
        "Lowest normalized held-out excess: latent_dim 8 (reference)",
        f"Normalized held-out excess: {mean:.3f} ± {half_width:.3f} on average over 4 splits.",
        f"The next one, latent_dim 16, is higher by {paired:.3f} ± {paired_half_width:.3f} (2 %): "
        "the interval excludes 0.",
    ]
    measure = page.state["measures"][0]
    assert measure["name"] == "normalized held-out excess"  # there is no score to open with
    _, other = measure["answer"]["differences"]
    assert other["of_seeds"] == [[seed, pytest.approx(more[seed])] for seed in SPLITS]
    assert other["text"] == "+0.012"


def test_a_difference_that_can_be_chance_stays_open(report_of):
    more = {1: 0.1, 2: -0.1, 3: 0.05, 4: 0.0}
    rows = [row(seed, 16, hard + more[seed]) for seed, hard in SPLITS.items()]
    rows += [row(seed, 8, hard) for seed, hard in SPLITS.items()]
    rows += [row(seed, 32, hard + 1) for seed, hard in SPLITS.items()]
    headline, _, second, others = answer_of(report_of(sweep_of(*rows)))
    assert headline.endswith(": latent_dim 8")
    assert second.startswith("The next one, latent_dim 16 (reference), is higher by 0.013 ± ")
    assert second.endswith(": these splits do not show which of the two is better.")
    assert others == "For 1 of the 2 others, the interval of the difference excludes 0."


def test_with_one_seed_there_is_no_interval(report_of):
    page = report_of(sweep_of(row(1, 8, 0.5), row(1, 16, 0.6), row(1, 32, 0.55)))
    headline, *sentences = answer_of(page)
    assert headline.endswith("latent_dim 8 (reference)")
    assert sentences == [
        "Normalized held-out excess: 0.500 on its only split.",
        "The next one, latent_dim 32, is higher by 0.050 (10 %).",
        "They share one split only. Nothing tells such a difference from chance, so no interval "
        "can be given. More seeds give one: --seeds 3.",
    ]
    assert "±" not in json.dumps(page.state, ensure_ascii=False)


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_one_configuration_is_compared_with_nothing(seeds, report_of):
    page = report_of(sweep_of(*(row(seed, 8, SPLITS[seed]) for seed in seeds)))
    alone, has, *no_interval = answer_of(page)
    assert ("±" in has) == (len(seeds) > 1)
    assert "nothing to compare" in alone
    assert bool(no_interval) == (len(seeds) == 1)


def test_configurations_without_a_common_split_are_not_compared(report_of):
    page = report_of(sweep_of(row(1, 8, 0.5), row(2, 16, 0.4)))
    _, _, sentence, _ = answer_of(page)
    assert sentence.startswith("No other configuration was run on the same splits")
    assert page.state["measures"][0]["answer"]["differences"][1]["mean"] is None


def test_failed_runs_are_told_with_their_reason(report_of):
    reason = "05_reconstruct.ipynb failed in cell [4]."
    failed = row(2, 16, None, status="failed", error=reason)
    page = report_of(sweep_of(row(1, 8, 0.5), row(2, 8, 0.6), row(1, 16, 0.6), failed))
    assert page.state["failed"] == [["latent_dim=16_seed=2", reason]]
    assert page.state["facts"].startswith("3 runs are complete, 1 failed.")
    assert len(page.state["runs"]) == 3
    nothing = report_of(sweep_of(failed))
    assert nothing.state["failed"] == page.state["failed"]
    assert nothing.state["measures"] == []


def test_a_report_of_the_documented_sweep_agrees_with_its_page(report_of):
    """docs/sweeps/finalists/README.md is made from the same table, by a tool."""
    page = report_of(read_sweep(DOCUMENTED))
    table = (DOCUMENTED / "README.md").read_text(encoding="utf-8")
    columns = [measure["name"] for measure in page.state["measures"]]
    assert sorted(columns) == sorted(measure.name for measure in MEASURES)
    for number, configuration in enumerate(page.state["configurations"]):
        name = configuration["name"].removeprefix("the ")  # the reference
        (line,) = re.findall(rf"^\| {name} \| [\d.]+ M \| .*$", table, re.MULTILINE)
        for measure in page.state["measures"]:
            cell = measure["means"][number]
            assert f"| {cell['text']} {cell['interval'].replace(chr(160), ' ')} |" in line
    assert answer_of(page, "score")[0] == "Lowest score: latent_dim 8, augmentation 0.0"


# --- what it holds ---


def test_a_report_asks_for_nothing(report_of):
    page = report_of(read_sweep(DOCUMENTED))
    assert page.addresses == ["data:,"]  # no picture of the browser's tab is asked for
    assert "default-src 'none'" in page.text
    assert not re.search(r"""(?:fetch|import)\(|url\((?!#)|src=["']?http""", page.text)


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", "<!--<script>", "a&amp;b", "$module"]
)
def test_a_name_is_text_and_never_markup(name, report_of):
    plain = report_of(sweep_of(row(1, "a", 0.5), row(1, "b", 0.6)))
    failed = {**row(2, name, None, status="failed", error=name), "run": name}
    rows = (row(1, "a", 0.5), row(1, name, 0.6), failed)
    page = report_of(sweep_of(*rows, folder=Path("nowhere") / name.replace("/", "")))
    assert page.tags == plain.tags
    assert page.state["configurations"][1]["name"] == f"latent_dim {name}"
    assert page.state["failed"] == [[name, name]]


def test_a_long_curve_is_thinned_from_its_first_epoch_to_its_last(report_of):
    epochs = np.arange(1.0, 1001)
    curves = {"epoch": epochs, "train_reconstruction": 5000 - epochs}
    curves["validation_reconstruction"] = np.where(epochs == 1, np.nan, 5000.0)
    first = row(1, 8, 0.5)
    (split,) = report_of(sweep_of(first, curves={first["run"]: curves})).state["splits"]
    (curve,) = split["curves"]
    assert len(curve["epochs"]) == len(curve["training"]) == MAX_POINTS
    assert (curve["epochs"][0], curve["epochs"][-1]) == (1, 1000)
    assert curve["training"] == [5000 - epoch for epoch in curve["epochs"]]
    assert curve["held_out"][:2] == [None, 5000]


def written_run(folder, seed, latent_dim, pixels, input_dir="input/emojis"):
    """Write what a run's folder has of pictures; return its row."""
    run = row(seed, latent_dim, 0.5)
    (folder / run["run"] / "images").mkdir(parents=True)
    Image.fromarray(pixels).save(folder / run["run"] / "images" / "examples.png")
    config = load_config("config.json", {"data.input_dir": str(input_dir)})
    text = json.dumps(config.to_dict())
    (folder / run["run"] / "config.json").write_text(text, encoding="utf-8")
    return run


def opened(address):
    """Return the pixels of a picture in a page."""
    kind, _, data = address.partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def test_each_run_has_its_pictures_and_each_split_its_originals(report_of, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 2 * 8, 12 * 6, 3), np.uint8)
    rows = [written_run(tmp_path, 1, dim, pixels[n]) for n, dim in enumerate((8, 16))]
    page = report_of(sweep_of(*rows, folder=tmp_path))
    (split,) = page.state["splits"]
    (group,) = split["pictures"]
    assert np.array_equal(opened(group["originals"]), pixels[0][:8, : 8 * 6])
    for number, address in group["rows"]:
        assert np.array_equal(opened(address), pixels[number][8:])
    assert attribution("input/emojis").split("\n")[0] in page.texts["footer"][0]


def test_large_pictures_are_made_smaller(report_of, tmp_path):
    run = written_run(tmp_path, 1, 8, np.zeros((2 * 100, 12 * 200, 3), np.uint8))
    (split,) = report_of(sweep_of(run, folder=tmp_path)).state["splits"]
    address = split["pictures"][0]["rows"][0][1]
    assert opened(address).shape == (MAX_TILE // 2, 12 * MAX_TILE, 3)


def test_a_users_own_pictures_are_attributed_to_no_one(report_of, tmp_path):
    run = written_run(tmp_path, 1, 8, np.zeros((16, 96, 3), np.uint8), input_dir=tmp_path)
    page = report_of(sweep_of(run, folder=tmp_path))
    assert page.state["splits"][0]["pictures"]
    assert page.texts["footer"][0].strip() == ""


def test_pictures_of_unknown_origin_are_not_shown(report_of, tmp_path):
    run = written_run(tmp_path, 1, 8, np.zeros((16, 96, 3), np.uint8))
    (tmp_path / run["run"] / "config.json").unlink()
    assert report_of(sweep_of(run, folder=tmp_path)).state["splits"] == []


def test_seventy_runs_with_pictures_are_a_file_of_moderate_size(tmp_path):
    sweep = read_sweep(DOCUMENTED)
    kept = next(iter(sweep.curves))
    examples = DOCUMENTED / kept / "images" / "examples.png"
    rows = []
    for run in sweep.rows:
        folder = tmp_path / run["run"]
        (folder / "images").mkdir(parents=True)
        (folder / "images" / "examples.png").write_bytes(examples.read_bytes())
        (folder / "config.json").write_bytes((DOCUMENTED / kept / "config.json").read_bytes())
        rows.append(run)
    curves = {run["run"]: sweep.curves[kept] for run in rows}
    full = replace(sweep, folder=tmp_path, curves=curves)
    path = write_report(full, tmp_path / "report.html")
    assert len(rows) == 70
    assert path.stat().st_size < 5_000_000
