"""The committed pages of the explorer are those of the explorer and the configurations of today."""

import html
import json
import re
import sys

import numpy as np
import pytest
from conftest import ROOT, tiny_config

import vae_nb
from vae_nb.core.architecture import layer_shapes
from vae_nb.run.attribution import attribution
from vae_nb.show.explorer_state import FRONTEND, explorer_module, explorer_state

sys.path.insert(0, str(ROOT / "tools"))
from export_explorers import PAGES

# A dense model has more weights than a convolutional one, even for smaller pictures.
MAX_BYTES = {"convolutional.html": 3_000_000, "plane.html": 5_000_000}
STALE = "run python tools/export_explorers.py"


def frontend(name):
    return (FRONTEND / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=PAGES, ids=lambda path: path.name)
def page(request):
    """Return a committed page's configuration and its parts, by their names in page.html."""
    path = request.param
    assert path.exists(), f"{path.name} is missing; {STALE}"
    assert path.stat().st_size <= MAX_BYTES[path.name]
    template = frontend("page.html")
    first, *between = re.split(r"\$\w+", template)
    rest = path.read_text(encoding="utf-8")
    assert rest.startswith(first), STALE
    rest = rest.removeprefix(first)
    parts = {}
    for name, text in zip(re.findall(r"\$(\w+)", template), between, strict=True):
        parts[name], found, rest = rest.partition(text)
        assert found, f"page.html has changed after {name}; {STALE}"
    assert rest == "", STALE
    return vae_nb.load_config(PAGES[path]), parts


def test_a_committed_page_has_the_code_of_today(page):
    _, parts = page
    assert parts["module"] == explorer_module() + frontend("page.js"), STALE
    assert parts["styles"] == frontend("explorer.css"), STALE


def test_a_committed_page_has_a_model_of_its_configuration(page):
    config, parts = page
    facts = json.loads(parts["state"])["facts"]
    assert facts["number_format"] == "float16"
    found = [(layer["name"], layer["activation"], layer["weights"]) for layer in facts["layers"]]
    shapes = layer_shapes(config.model, config.data.image_shape)
    expected = [(shape.name, shape.activation, list(shape.weights)) for shape in shapes]
    assert found == expected, STALE
    images, _ = vae_nb.load_images(config.data).split(
        config.data.validation_split, config.training.seed, config.data.split_by
    )
    assert f"trained on {len(images)} pictures" in parts["about"], STALE
    assert parts["attribution"] == html.escape(attribution(config.data.input_dir)), STALE


def test_a_committed_page_is_told_what_the_explorer_needs(page):
    config = tiny_config("unused")
    vae = vae_nb.VAE(config.model, (8, 8, 1), np.random.default_rng(0))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
    images = vae_nb.ImageSet(pixels, tuple("abcde"), ("label",) * 5)
    _, parts = page
    facts = json.loads(parts["state"])["facts"]
    assert facts.keys() == explorer_state(vae, images).facts.keys(), STALE
