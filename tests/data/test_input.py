"""The images that come with the project. Users may add their own beside them."""

import re
import sys

import pytest
from PIL import Image

from vae_nb.system.paths import PROJECT_ROOT

sys.path.insert(0, str(PROJECT_ROOT / "tools"))
from render_emojis import find_icon, known_names

INPUT = PROJECT_ROOT / "input"
NAME = re.compile(r"[0-9a-f]{4,6}_[a-z0-9_]+\.png")
STYLES = {  # and a word of the license beside each
    "emojione": "Creative Commons Attribution 4.0",
    "fluent": "MIT License",
    "fluent_flat": "MIT License",
    "noto_blobs": "Apache License",
    "openmoji": "Attribution-ShareAlike 4.0",
    "twemoji": "Creative Commons Attribution 4.0",
}


def images(folder):
    return [path for path in sorted((INPUT / folder).rglob("*.png")) if NAME.fullmatch(path.name)]


@pytest.mark.parametrize(
    ("folder", "count", "labels"), [("emojis", 160, 16), ("more_emojis", 1217, 8)]
)
def test_the_emojis_are_complete(folder, count, labels):
    paths = images(folder)
    assert len({path.name.split("_")[0] for path in paths}) >= count
    assert len({path.parent for path in paths}) >= labels
    for path in paths:
        code_point, name = path.stem.split("_", 1)
        assert int(code_point, 16) <= 0x10FFFF
        assert name


def test_no_emoji_is_in_both_sets():
    assert not {path.name for path in images("emojis")} & {
        path.name for path in images("more_emojis")
    }


@pytest.mark.parametrize("folder", ["emojis", "more_emojis", "styles"])
def test_every_emoji_is_a_small_transparent_image(folder):
    for path in images(folder):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (64, 64)), path
            lowest, highest = image.getextrema()[3]
            assert lowest == 0 or highest == 255, path
            assert highest > 0, path


def test_a_known_emoji_looks_like_itself():
    path = INPUT / "emojis" / "face-smiling" / "1f600_grinning_face.png"
    with Image.open(path) as image:
        assert image.getpixel((0, 0))[3] == 0
        red, green, blue, alpha = image.getpixel((32, 10))  # the forehead
    assert alpha == 255
    assert red > 230
    assert green > 180
    assert blue < 100


@pytest.mark.parametrize("folder", ["emojis", "more_emojis"])
def test_the_license_is_beside_the_images(folder):
    license = (INPUT / folder / "LICENSE.txt").read_text(encoding="utf-8")
    for words in ["Noto Color Emoji", "Copyright 2022 Google Inc.", "Version 1.1", "PERMISSION"]:
        assert words in license
    readme = (INPUT / "README.md").read_text(encoding="utf-8")
    assert "LICENSE.txt" in readme
    assert "Unicode" in readme


@pytest.mark.parametrize("style", STYLES)
def test_an_emoji_has_the_same_name_and_label_in_every_style(style):
    names = {path.relative_to(INPUT / "styles" / style) for path in images(f"styles/{style}")}
    assert len(names) > 100
    assert names <= {path.relative_to(INPUT / "emojis") for path in images("emojis")}


def test_every_style_differs_from_every_other():
    contents = [path.read_bytes() for path in [*images("emojis"), *images("styles")]]
    assert len(set(contents)) == len(contents)


def test_every_style_has_its_license_beside_it():
    assert {path.name for path in (INPUT / "styles").iterdir() if path.is_dir()} == set(STYLES)
    readme = (INPUT / "styles" / "README.md").read_text(encoding="utf-8")
    for style, words in STYLES.items():
        license = (INPUT / "styles" / style / "LICENSE.txt").read_text(encoding="utf-8")
        assert license.startswith("The pictures in this folder are drawn from ")
        assert words in license
        assert f"`{style}/`" in readme


def test_an_icon_of_another_emoji_is_not_taken():
    icons = {
        "icons": {"cricket-game": {}, "arrow": {}, "cat": {}},
        "aliases": {
            "cricket": {"parent": "cricket-game"},
            "arrow-left": {"parent": "arrow", "hFlip": True},
            "kitten": {"parent": "cat"},
        },
    }
    taken = {"cricket", "cricket-game", "arrow-left", "kitten-face"}
    assert find_icon(icons, ["cricket-game"], taken) == ("cricket-game", False)
    assert find_icon(icons, ["cricket"], taken) is None  # the insect is not the game
    assert find_icon(icons, ["arrow-left"], taken) == ("arrow", True)
    assert find_icon(icons, ["kitten-face", "kitten"], taken) == ("cat", False)
    assert find_icon(icons, ["dog"], taken) is None


def test_a_name_that_could_mean_two_emojis_is_not_used(tmp_path):
    paths = [
        tmp_path / "1f431_cat_face.png",
        tmp_path / "1f408_cat.png",
        tmp_path / "1f600_grin.png",
    ]
    packages = [{"chars.json": '{"1f600": "grinning"}'}]
    names = known_names(paths, packages)
    assert names["1f431_cat_face"] == ["cat-face", "cat-face-face"]  # "cat" is the other one
    assert names["1f408_cat"] == ["cat"]
    assert names["1f600_grin"] == ["grin", "grinning", "grin-face"]
