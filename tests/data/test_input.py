"""The images that come with the project. Users may add their own beside them."""

import re

import pytest
from PIL import Image

from vae_nb.system.paths import PROJECT_ROOT

INPUT = PROJECT_ROOT / "input"
NAME = re.compile(r"[0-9a-f]{4,6}_[a-z0-9_]+\.png")


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


@pytest.mark.parametrize("folder", ["emojis", "more_emojis"])
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


def test_the_license_is_beside_the_images():
    license = (INPUT / "LICENSE-OFL.txt").read_text(encoding="utf-8")
    for words in ["Noto Color Emoji", "Copyright 2022 Google Inc.", "Version 1.1", "PERMISSION"]:
        assert words in license
    readme = (INPUT / "README.md").read_text(encoding="utf-8")
    assert "LICENSE-OFL.txt" in readme
    assert "Unicode" in readme
