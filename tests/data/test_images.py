"""Images from files: decoding, order, what is skipped, batches, augmentation, the split."""

import errno
import io
import math
import os
import struct
import subprocess
import sys
import tracemalloc
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, TiffImagePlugin

from vae_nb.data.image_files import FORMATS, MAX_BYTES, load_images, skipped_lines
from vae_nb.data.image_set import ImageSet, augmented
from vae_nb.system.errors import ImagesError
from vae_nb.system.paths import PROJECT_ROOT

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


def load(*folders, size=(8, 8), channels=3):
    config = SimpleNamespace(input_dir=tuple(map(str, folders)), input_size=size, channels=channels)
    return load_images(config)


def save(path, image=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.new("RGB", (8, 8), RED)).save(path, **options)


def load_one(tmp_path, image, name="image.png", size=(8, 8), channels=3, **options):
    save(tmp_path / name, image, **options)
    images = load(tmp_path, size=size, channels=channels)
    assert images.skipped == ()
    assert images.names == (Path(name).stem,)
    return images.pixels[0]


def skip_reason(tmp_path, path):
    """Return the only reason why `path` is skipped beside a good image."""
    save(tmp_path / "good.png")
    images = load(tmp_path)
    assert images.names == ("good",)
    ((skipped_path, reason),) = images.skipped
    assert skipped_path == str(path)
    assert len(reason.splitlines()) == 1
    assert str(tmp_path) not in reason
    assert " at 0x" not in reason
    assert load(tmp_path).skipped == images.skipped
    return reason


def image_set(count, labels=None, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 2, 3, 3), np.uint8)
    names = tuple(f"image_{number}" for number in range(count))
    return ImageSet(pixels, names, tuple(labels or ["all"] * count))


# --- formats and modes ---


@pytest.mark.parametrize(
    "name",
    ["a.png", "a.bmp", "a.gif", "a.tif", "a.tiff", "a.webp", "a.jpg", "a.jpeg", "a.PNG", "a.Jpg"],
)
def test_every_format_is_read(tmp_path, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    pixels = load_one(tmp_path, None, name, **options)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels, np.full((8, 8, 3), RED), atol=3)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_the_first_frame_of_an_animation_is_read(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, BLUE, WHITE)]
    options = {"lossless": True} if suffix == "webp" else {}
    pixels = load_one(
        tmp_path, frames[0], f"a.{suffix}", save_all=True, append_images=frames[1:], **options
    )
    assert np.all(pixels == RED)


def test_palette(tmp_path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*BLUE, *RED])
    assert np.all(load_one(tmp_path, image) == RED)


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_a_transparent_palette_entry_becomes_white(tmp_path, name):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*BLUE, *RED])
    image.paste(0, (0, 0, 4, 8))
    pixels = load_one(tmp_path, image, name, transparency=0)
    assert np.all(pixels[:, :4] == WHITE)
    assert np.all(pixels[:, 4:] == RED)


def test_a_palette_with_alpha_values_is_blended(tmp_path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*BLUE, *RED])
    pixels = load_one(tmp_path, image, transparency=bytes([255, 51]))  # a fifth of red on white
    assert np.all(pixels == (255, 204, 204))


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_alpha_is_composited_on_white(tmp_path, name):
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 51))
    image.paste((0, 0, 0, 0), (0, 0, 4, 8))
    options = {"lossless": True} if name.endswith("webp") else {}
    pixels = load_one(tmp_path, image, name, **options)
    assert np.all(pixels[:, :4] == WHITE)
    assert np.all(pixels[:, 4:] == (255, 204, 204))


def test_alpha_is_composited_before_resizing(tmp_path):
    # Columns of red and of invisible black. No black may get into the visible colors.
    pattern = np.zeros((64, 64, 4), np.uint8)
    pattern[:, ::2] = (255, 0, 0, 255)
    pixels = load_one(tmp_path, Image.fromarray(pattern))
    assert np.all(pixels[..., 0] == 255)
    assert np.all(np.abs(pixels[..., 1].astype(int) - 127.5) < 8)


def test_a_transparent_color_of_rgb_becomes_white(tmp_path):
    image = Image.new("RGB", (8, 8), RED)
    image.paste(BLUE, (0, 0, 4, 8))
    pixels = load_one(tmp_path, image, transparency=BLUE)
    assert np.all(pixels[:, :4] == WHITE)
    assert np.all(pixels[:, 4:] == RED)


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_gray_with_alpha_and_one_bit(tmp_path, channels):
    kinds = {
        "gray": (Image.new("L", (8, 8), 100), 100),
        "gray_alpha": (Image.new("LA", (8, 8), (0, 51)), 204),
        "one_bit": (Image.new("1", (8, 8), 0), 0),
    }
    for name, (image, expected) in kinds.items():
        pixels = load_one(tmp_path / name, image, channels=channels)
        assert pixels.shape == (8, 8, channels)
        assert np.all(pixels == expected), name


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_gray_is_scaled(tmp_path, name):
    values = np.array([0, 128, 129, 257, 32767, 32768, 65406, 65535], np.uint16)
    pixels = load_one(tmp_path, Image.fromarray(np.tile(values, (8, 1))), name, channels=1)
    np.testing.assert_array_equal(pixels[0, :, 0], np.rint(values * (255 / 65535)))
    assert pixels[0, -1, 0] == 255


def test_sixteen_bit_gray_of_other_byte_order_and_of_32_bit_integers(tmp_path):
    values = np.tile(np.array([[0, 25700], [32896, 65535]]), (4, 4))
    save(tmp_path / "big_endian.tif", Image.fromarray(values.astype(">u2")))
    save(tmp_path / "integers.tif", Image.fromarray(values.astype(np.int32)))
    for name, mode in [("big_endian", "I;16B"), ("integers", "I")]:
        with Image.open(tmp_path / f"{name}.tif") as image:
            assert image.mode == mode
    images = load(tmp_path, channels=1)
    assert images.skipped == ()
    for pixels in images.pixels:
        np.testing.assert_array_equal(pixels[:2, :2, 0], [[0, 100], [128, 255]])


def test_a_transparent_sixteen_bit_gray_becomes_white(tmp_path):
    values = np.zeros((8, 8), np.uint16)
    values[:, :4] = 1000
    pixels = load_one(tmp_path, Image.fromarray(values), transparency=1000)
    assert np.all(pixels[:, :4] == 255)
    assert np.all(pixels[:, 4:] == 0)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_cmyk(tmp_path, name, channels):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    pixels = load_one(tmp_path, image, name, channels=channels)
    np.testing.assert_allclose(
        pixels, np.full((8, 8, channels), RED if channels == 3 else 76), atol=3
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_lab(tmp_path, channels):
    image = Image.new("RGB", (8, 8), RED).convert("LAB")
    pixels = load_one(tmp_path, image, "a.tif", channels=channels)
    np.testing.assert_allclose(
        pixels, np.full((8, 8, channels), RED if channels == 3 else 76), atol=5
    )


def test_gray_by_configuration(tmp_path):
    assert np.all(load_one(tmp_path, None, channels=1) == 76)  # ITU-R 601: 0.299 of red


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation, suffix):
    # Each quarter has its own gray, so every turn and reflection shows.
    upright = np.kron([[0, 80], [160, 255]], np.ones((8, 8))).astype(np.uint8)
    # What a camera stores is what `orientation` turns into the upright image.
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose, each the inverse
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(turns[orientation]))
    exif = Image.Exif()
    exif[274] = orientation
    pixels = load_one(
        tmp_path, stored.convert("RGB"), f"a.{suffix}", (16, 16), channels=1, exif=exif
    )
    np.testing.assert_allclose(pixels[3::8, 3::8, 0], upright[3::8, 3::8], atol=4)


# --- shape ---


@pytest.mark.parametrize(
    ("image_size", "target", "rows", "columns"),
    [  # (width, height), (height, width), where the image lies
        ((40, 20), (16, 16), slice(4, 12), slice(0, 16)),
        ((20, 40), (16, 16), slice(0, 16), slice(4, 12)),
        ((20, 20), (48, 32), slice(8, 40), slice(0, 32)),
        ((3, 3), (48, 32), slice(8, 40), slice(0, 32)),
        ((32, 48), (48, 32), slice(0, 48), slice(0, 32)),
        ((600, 300), (8, 8), slice(2, 6), slice(0, 8)),
        ((100_000, 1), (5, 5), slice(2, 3), slice(0, 5)),
        ((1, 100_000), (5, 5), slice(0, 5), slice(2, 3)),
    ],
)
def test_padding_is_white_centered_and_keeps_the_aspect_ratio(
    tmp_path, image_size, target, rows, columns
):
    pixels = load_one(tmp_path, Image.new("RGB", image_size, BLUE), size=target)
    expected = np.full((*target, 3), 255, np.uint8)
    expected[rows, columns] = BLUE
    np.testing.assert_array_equal(pixels, expected)


def test_a_known_pattern_is_resized_with_lanczos(tmp_path):
    pattern = np.kron([[0, 255], [255, 0]], np.ones((20, 20))).astype(np.uint8)
    pixels = load_one(tmp_path, Image.fromarray(pattern), size=(16, 8), channels=1)[..., 0]
    resized = Image.fromarray(pattern).resize((8, 8), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(pixels[4:12], np.asarray(resized))
    assert np.all(pixels[:4] == 255)
    assert np.all(pixels[12:] == 255)


def test_thirty_images_of_mixed_formats_and_sizes(tmp_path):
    suffixes = ["png", "jpg", "webp", "gif", "bmp", "tif"]
    for number in range(30):
        image = Image.new("RGB", (5 + 7 * number, 60 - number), (8 * number, 90, 10))
        save(tmp_path / f"group_{number % 4}" / f"{number:02}.{suffixes[number % 6]}", image)
    images = load(tmp_path, size=[48, 32], channels=1)
    assert len(images) == 30
    assert images.skipped == ()
    assert images.pixels.shape == (30, 48, 32, 1)
    assert images.image_shape == (48, 32, 1)
    assert images.pixels.dtype == np.uint8
    assert Counter(images.labels) == {"group_0": 8, "group_1": 8, "group_2": 7, "group_3": 7}


# --- which files, in which order ---


def test_order_names_and_labels_come_from_the_path(tmp_path):
    folder = tmp_path / "faces"
    for name in ["b.png", "B.png", "a/z.png", "a/deep/y.png", "a-b/x.png", "é.png", "10.png"]:
        save(folder / name)
    images = load(folder)
    assert images.names == ("10", "B", "x", "y", "z", "b", "é")
    assert images.labels == ("faces", "faces", "a-b", "a/deep", "a", "faces", "faces")


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    for name in ["b/1.png", "a/2.png", "c.png", "a/1.png"]:
        save(tmp_path / name)
    expected = load(tmp_path)
    walk = os.walk

    def reversed_walk(*arguments, **options):
        for parent, folders, files in reversed(list(walk(*arguments, **options))):
            yield parent, folders, files[::-1]

    monkeypatch.setattr(os, "walk", reversed_walk)
    images = load(tmp_path)
    assert images.names == ("1", "2", "1", "c")
    assert images.labels == expected.labels
    assert images.fingerprint() == expected.fingerprint()


def test_several_folders_are_taken_in_the_order_given(tmp_path):
    save(tmp_path / "one" / "a.png")
    save(tmp_path / "two" / "b.png")
    images = load(tmp_path / "two", tmp_path / "one")
    assert images.names == ("b", "a")
    assert images.labels == ("two", "one")


def test_the_style_is_the_name_of_the_input_folder(tmp_path):
    for path in ["noto/faces/smile.png", "blobs/faces/smile.png", "blobs/wink.png"]:
        save(tmp_path / path)
    images = load(tmp_path / "noto", tmp_path / "blobs")
    assert images.names == ("smile", "smile", "wink")
    assert images.labels == ("faces", "faces", "blobs")
    assert images.styles == ("noto", "blobs", "blobs")
    assert images.select([2, 0]).styles == ("blobs", "noto")
    assert load(tmp_path / "noto", tmp_path / "blobs").styles == images.styles  # from the cache


@needs_links
def test_a_file_reached_twice_is_loaded_once(tmp_path):
    save(tmp_path / "inner" / "a.png")
    save(tmp_path / "b.png")
    (tmp_path / "c.png").symlink_to(tmp_path / "b.png")
    assert load(tmp_path / "inner", tmp_path, tmp_path).names == ("a", "b")


@needs_links
def test_linked_folders_are_not_followed_and_named(tmp_path):
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    save(folder / "a.png")
    save(elsewhere / "b.png")
    (folder / "loop").symlink_to(folder)
    (folder / "link").symlink_to(elsewhere)
    images = load(folder)
    assert images.names == ("a",)
    reason = "it is a link to a folder, which is not followed"
    assert images.skipped == ((str(folder / "link"), reason), (str(folder / "loop"), reason))


@needs_links
def test_a_link_out_of_the_folder_is_skipped_and_one_within_is_not(tmp_path):
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    save(elsewhere / "private.png")
    save(folder / ".store" / "c.png")
    (folder / "a.png").symlink_to(elsewhere / "private.png")
    (folder / "b.png").symlink_to(folder / ".store" / "c.png")
    images = load(folder)
    assert images.names == ("b",)
    reason = "it is a link that leads out of the folder"
    assert images.skipped == ((str(folder / "a.png"), reason),)
    assert sorted(load(folder, elsewhere).names) == ["a", "b"]  # that folder is searched too


@needs_links
def test_links_that_lead_in_circles(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    save(tmp_path / "c.png")
    images = load(tmp_path)
    assert images.names == ("c",)
    assert {reason for _, reason in images.skipped} == {
        f"the system says: {os.strerror(errno.ELOOP)}"
    }


def test_hidden_and_other_files_are_ignored(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / ".hidden.png")
    save(tmp_path / ".folder" / "b.png")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "png").write_text("no extension")
    save(tmp_path / "folder.png" / "c.png")
    images = load(tmp_path)
    assert images.names == ("a", "c")
    assert images.skipped == ()


def test_relative_folders_start_at_the_project_root(tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    relative = os.path.relpath(tmp_path, PROJECT_ROOT)
    monkeypatch.chdir(tmp_path)
    images = load(relative)
    assert images.names == ("a",)
    assert images.labels == (tmp_path.name,)


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_names_that_cannot_be_printed_are_escaped(tmp_path):
    save(tmp_path / "good.png")
    for name in [b"two\nlines.png", b"latin\xe9.png"]:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"bad")
    paths = [path for path, _ in load(tmp_path).skipped]
    assert paths == [rf"{tmp_path}/latin\udce9.png", rf"{tmp_path}/two\nlines.png"]


# --- skipped files ---


def test_a_file_that_is_not_an_image(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("this is text")
    reason = skip_reason(tmp_path, path)
    assert reason == f"it is not an image in one of the formats {', '.join(FORMATS)}"


def test_another_format_behind_a_known_name(tmp_path):
    # Pillow would hand this one to Ghostscript.
    path = tmp_path / "postscript.png"
    save(path, format="EPS")
    assert skip_reason(tmp_path, path).startswith("it is not an image in one of the formats ")


def test_empty_file(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    assert skip_reason(tmp_path, path) == "it is empty"


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "bmp", "tif"])
def test_truncated_file(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    path = tmp_path / f"cut.{suffix}"
    save(path, Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert skip_reason(tmp_path, path).startswith("it ")


def test_floating_point_image(tmp_path):
    path = tmp_path / "float.tif"
    save(path, Image.new("F", (8, 8), 0.5))
    reason = skip_reason(tmp_path, path)
    assert reason == "its pixels are floating-point numbers, whose range is not known"


@pytest.mark.parametrize("value", [-1, 65536])
def test_gray_values_beyond_sixteen_bits(tmp_path, value):
    path = tmp_path / "integers.tif"
    save(path, Image.new("I", (8, 8), value))
    assert skip_reason(tmp_path, path) == "its gray values need more than 16 bits"


@pytest.mark.parametrize("width", [6400, 20_000])  # below and above Pillow's own limit
def test_decompression_bomb(tmp_path, width):
    path = tmp_path / "bomb.png"
    save(path, Image.new("1", (width, 10_000)))
    assert path.stat().st_size < 100_000
    assert skip_reason(tmp_path, path) == "it has more than 40,000,000 pixels"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-2, "the file is damaged or ends early"),
        (-9, "out of memory error"),
        (-77, "decoder error -77"),
    ],
)
def test_the_number_of_a_decoder_s_error_becomes_words(tmp_path, monkeypatch, code, words):
    path = tmp_path / "unlucky.tif"
    save(path)

    def fail(image):
        raise OSError(f"decoder error {code}")

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", fail)
    assert skip_reason(tmp_path, path) == f"it cannot be decoded ({words})"


def damaged_tiff():
    """Return the bytes of a compressed TIFF whose pixels are damaged."""
    buffer = io.BytesIO()
    Image.new("RGB", (50, 50), RED).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    with Image.open(buffer) as image:
        (start,) = image.tag_v2[273]
    content = buffer.getvalue()
    return content[: start + 10] + bytes(10) + content[start + 20 :]


def test_a_damaged_compressed_tiff(tmp_path):
    path = tmp_path / "cut.tif"
    path.write_bytes(damaged_tiff())
    assert skip_reason(tmp_path, path) == "it cannot be decoded (the file is damaged or ends early)"


def tiff(tags):
    """Return a TIFF that has only tags: {tag: values}, four bytes for each value."""
    data, entries = b"", b""
    place = 8 + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        where = values[0] if len(values) == 1 else place + len(data)
        entries += struct.pack("<HHLL", tag, 4, len(values), where)
        data += struct.pack(f"<{len(values)}L", *values) if len(values) > 1 else b""
    return b"II*\0" + struct.pack("<LH", 8, len(tags)) + entries + bytes(4) + data


TINY_TIFF = {256: [16], 257: [1], 258: [8], 259: [1], 262: [1], 277: [1], 278: [1]}


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({273: range(200_000), 279: range(200_000)}, "more than 100,000 strips or tiles"),
        ({324: range(200_000)}, "more than 100,000 strips or tiles"),
        ({258: range(300_000)}, "more than 200,000 numbers in one tag"),  # bits of each channel
        ({number: [0] for number in range(5000)}, "more than 4,096 tags"),
        ({322: [44_000], 323: [44_000], 324: [8], 325: [8]}, "tiles that are too large"),
    ],
    ids=["strips", "tiles", "numbers", "tags", "one tile"],
)
def test_a_tiff_that_asks_for_more_than_its_pixels(tmp_path, tags, reason):
    (tmp_path / "bomb.tif").write_bytes(tiff(TINY_TIFF | tags))
    assert skip_reason(tmp_path, tmp_path / "bomb.tif") == f"it is a TIFF with {reason}"


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_the_numbers_of_a_bomb_are_not_read(tmp_path, byte_order):
    path = tmp_path / "bomb.tif"
    start = (b"II*\0" if byte_order == "<" else b"MM\0*") + struct.pack(byte_order + "L", 8)
    entry = struct.pack(byte_order + "HHHLL", 1, 273, 4, 40_000_000, 100)
    path.write_bytes(start + entry)
    os.truncate(path, 160_000_100)  # with a hole, which takes no space on the disk
    tracemalloc.start()
    try:
        reason = skip_reason(tmp_path, path)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()
    assert reason == "it is a TIFF with more than 100,000 strips or tiles"


def test_a_bigtiff(tmp_path):
    assert np.all(load_one(tmp_path, None, "a.tif", big_tiff=True) == RED)
    path = tmp_path / "bomb.tif"
    entry = struct.pack("<QHHQQ", 1, 273, 16, 1_000_000, 100)
    path.write_bytes(b"II+\0" + struct.pack("<HHQ", 8, 0, 16) + entry)
    reason = "it is a TIFF with more than 100,000 strips or tiles"
    assert load(tmp_path).skipped == ((str(path), reason),)


def test_endless_exif_data(tmp_path):
    path = tmp_path / "bomb.png"
    # The orientation 6, and two million other numbers.
    exif = b"II*\0" + struct.pack("<LHHHLLHHLLL", 8, 2, 274, 3, 1, 6, 50_000, 3, 2_000_000, 38, 0)
    save(path, exif=exif + bytes(4_000_000))
    assert skip_reason(tmp_path, path) == "it has more than 1,000,000 bytes of EXIF data"


def test_a_jpeg_of_endless_scans(tmp_path):
    path = tmp_path / "bomb.jpg"
    save(path, progressive=True)
    content = path.read_bytes()
    last_scan = content[content.rindex(b"\xff\xda") : -2]
    path.write_bytes(content[:-2] + 200 * last_scan + content[-2:])
    assert skip_reason(tmp_path, path) == "it is a JPEG with more than 100 scans"


def test_one_long_label_costs_no_memory_for_every_image():
    labels = ["a" * 20_000, *["b"] * 9_999]
    images = ImageSet(np.zeros((10_000, 1, 1, 1), np.uint8), tuple(labels), tuple(labels))
    tracemalloc.start()
    try:
        images.split(0.2, 0)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.webp"
    save(path)
    os.truncate(path, MAX_BYTES + 1)  # with a hole, which takes no space on the disk
    assert skip_reason(tmp_path, path) == "it has more than 200,000,000 bytes"


@needs_pipes
def test_a_named_pipe_does_not_block(tmp_path):
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    assert skip_reason(tmp_path, path) == "it is not a regular file"


@needs_links
def test_a_link_to_nothing(tmp_path):
    path = tmp_path / "link.png"
    path.symlink_to(tmp_path / "gone.png")
    assert skip_reason(tmp_path, path) == "the system says: No such file or directory"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such permissions here")
def test_an_unreadable_file(tmp_path):
    path = tmp_path / "locked.png"
    save(path)
    path.chmod(0)
    if os.geteuid() == 0:
        pytest.skip("the superuser reads everything")
    assert skip_reason(tmp_path, path) == "the system says: Permission denied"


def test_an_unreadable_folder(tmp_path, monkeypatch):
    save(tmp_path / "locked" / "a.png")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    reason = skip_reason(tmp_path, tmp_path / "locked")
    assert reason == "the system says: Permission denied"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "it does not fit into this machine's memory"),
        (OSError(5, "Input/output error"), "the system says: Input/output error"),
        (KeyError(), "it cannot be decoded (KeyError)"),
        (ValueError("a\nb <x at 0x7f12AB>"), r"it cannot be decoded (a\nb <x>)"),
    ],
)
def test_whatever_a_decoder_raises_becomes_a_reason(tmp_path, monkeypatch, error, reason):
    path = tmp_path / "unlucky.png"
    save(path, Image.new("RGB", (5, 8)))
    transpose = ImageOps.exif_transpose

    def fail(image, **options):
        if image.width == 5:
            raise error
        return transpose(image, **options)

    monkeypatch.setattr(ImageOps, "exif_transpose", fail)
    assert skip_reason(tmp_path, path) == reason


def test_messages_of_libtiff_are_silenced(tmp_path, capfd):
    path = tmp_path / "cut.tif"
    path.write_bytes(damaged_tiff())
    with Image.open(path) as image, pytest.raises(OSError, match="decoder error"):
        image.load()
    assert capfd.readouterr().err  # or this test could not fail
    skip_reason(tmp_path, path)
    assert capfd.readouterr() == ("", "")
    os.write(2, b"heard again")
    assert capfd.readouterr() == ("", "heard again")


def test_many_threads_silence_libtiff_and_give_the_error_stream_back(tmp_path, capfd):
    (tmp_path / "cut.tif").write_bytes(damaged_tiff())
    save(tmp_path / "good.png")
    with ThreadPoolExecutor(8) as pool:
        for images in pool.map(load, [tmp_path] * 50):
            assert images.names == ("good",)
    os.write(2, b"heard again")
    assert capfd.readouterr() == ("", "heard again")


def test_a_process_without_an_error_stream_reads_a_tiff(tmp_path):
    save(tmp_path / "a.tif", compression="tiff_lzw")
    code = (
        "import os, sys\n"
        "from types import SimpleNamespace\n"
        "from vae_nb import load_images\n"
        "os.close(2)\n"
        "folders = (sys.argv[1],)\n"
        "data = SimpleNamespace(input_dir=folders, input_size=(8, 8), channels=3)\n"
        "print(*load_images(data).names)\n"
    )
    process = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(process, capture_output=True, check=False).stdout.split() == [b"a"]


def test_warnings_of_pillow_are_silenced(tmp_path, capfd):
    save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")  # ends too early
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Image.open(tmp_path / "a.jpg") as image:
            image.getexif()
        assert caught  # or this test could not fail
        caught.clear()
        assert load(tmp_path).skipped == ()
        assert caught == []
    assert capfd.readouterr() == ("", "")


# --- errors ---


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ImagesError, match="relative paths start at the project's root") as error:
        load("no/such/folder")
    assert str(PROJECT_ROOT / "no" / "such" / "folder") in str(error.value)


def test_a_file_is_not_a_folder(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(ImagesError, match="is a file; a folder of images is needed") as error:
        load(tmp_path / "a.png")
    assert str(tmp_path / "a.png") in str(error.value)


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(ImagesError, match="There is no image in") as error:
        load(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_if_no_image_is_left_the_folder_and_the_first_reasons_are_named(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.png").touch()
    with pytest.raises(ImagesError) as error:
        load(tmp_path)
    message = str(error.value)
    assert message.startswith(f"No image could be loaded from {tmp_path}; skipped: 5 (")
    assert f"{tmp_path / '0.png'}: it is empty; " in message
    assert message.count("it is empty") == 3
    assert message.endswith("; …).")


def test_many_skipped_files_do_not_flood_the_output(tmp_path):
    save(tmp_path / "good.png")
    for number in range(30):
        (tmp_path / f"{number:02}.png").write_bytes(b"")
    lines = skipped_lines(load(tmp_path))
    assert len(lines) == 21
    assert lines[0] == f"{tmp_path / '00.png'}: it is empty"
    assert lines[-1] == "10 more files"


@pytest.mark.long
def test_a_folder_of_100_000_files(tmp_path):
    save(tmp_path / "good.png")
    content = (tmp_path / "good.png").read_bytes()
    for number in range(100_000):
        (tmp_path / f"{number}.png").write_bytes(content if number % 10 else b"not an image")
    images = load(tmp_path)
    assert (len(images), len(images.skipped)) == (90_001, 10_000)


def test_too_many_pixels_for_the_memory(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(ImagesError, match="do not fit into this machine's memory"):
        load(tmp_path, size=(10**9, 10**9))


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_to_split(count):
    with pytest.raises(ImagesError, match=f"at least 2 images, found {count}"):
        image_set(count).split(0.2, seed=0)


def test_too_few_names_to_split():
    images = ImageSet(np.zeros((3, 1, 1, 1), np.uint8), ("smile",) * 3, ("a",) * 3)
    images.split(0.2, seed=0)
    with pytest.raises(ImagesError, match="at least 2 names of images, found 1"):
        images.split(0.2, seed=0, by="name")


# --- the set ---


def test_memory_is_the_uint8_pixels_alone(tmp_path):
    for number in range(5):
        save(tmp_path / f"{number}.png")
    (tmp_path / "2b.png").touch()
    pixels = load(tmp_path).pixels
    assert pixels.dtype == np.uint8
    assert pixels.nbytes == 5 * 8 * 8 * 3
    assert np.all(pixels == RED)


def test_as_float_is_the_pixels_over_255():
    images = image_set(7)
    x = images.as_float()
    assert x.shape == (7, 18)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, images.pixels.reshape(7, 18) / 255, rtol=1e-7)
    picked = images.as_float(np.array([4, 1]), np.float64)
    assert picked.dtype == np.float64
    np.testing.assert_array_equal(picked, images.pixels[[4, 1]].reshape(2, 18) / 255)
    assert images.as_float(slice(2, 5)).shape == (3, 18)


def test_white_is_exactly_one():
    white = ImageSet(np.full((2, 2, 2, 1), 255, np.uint8), ("a", "b"), ("c", "c"))
    assert np.all(white.as_float() == 1)
    assert np.all(white.mean_image() == 1)


def test_mean_image():
    images = image_set(7)
    mean = images.mean_image(np.float64)
    assert mean.shape == (18,)
    np.testing.assert_allclose(mean, images.as_float(dtype=np.float64).mean(axis=0), rtol=1e-12)
    assert images.mean_image().dtype == np.float32


def test_select_keeps_images_names_and_labels_together():
    images = image_set(4, labels="abab")
    some = images.select(np.array([3, 0]))
    assert some.names == ("image_3", "image_0")
    assert some.labels == ("b", "a")
    np.testing.assert_array_equal(some.pixels, images.pixels[[3, 0]])
    assert images.select(slice(1, 3)).names == ("image_1", "image_2")


def test_a_selection_shares_the_images_and_can_be_selected_from():
    images = image_set(6)
    some = images.select(np.array([5, 0, 3])).select(slice(1, None))
    assert some.stored is images.stored  # no copy, however large the set
    assert (some.names, len(some)) == (("image_0", "image_3"), 2)
    assert some.image_shape == images.image_shape
    expected = images.pixels[[0, 3]]
    np.testing.assert_array_equal(some.pixels, expected)
    np.testing.assert_array_equal(some.as_float([1]), images.as_float([3]))
    np.testing.assert_array_equal(some.as_float(slice(0, 1)), images.as_float([0]))
    np.testing.assert_allclose(some.mean_image(), expected.mean(axis=0).ravel() / 255, rtol=1e-6)
    whole = ImageSet(expected.copy(), some.names, some.labels)
    assert some.fingerprint() == whole.fingerprint()


def test_pixels_in_another_order_and_back():
    images = image_set(4, labels="abab")
    order = np.random.default_rng(0).permutation(6)
    shuffled = images.with_pixels_in_order(order)
    assert (shuffled.names, shuffled.labels) == (images.names, images.labels)
    colors = images.pixels.reshape(4, 6, 3)
    np.testing.assert_array_equal(shuffled.pixels.reshape(4, 6, 3), colors[:, order])
    back = shuffled.with_pixels_in_order(np.argsort(order))
    np.testing.assert_array_equal(back.pixels, images.pixels)
    some = images.select([2]).with_pixels_in_order(order)
    np.testing.assert_array_equal(some.pixels, shuffled.pixels[[2]])


def test_fingerprint_changes_with_pixel_name_label_and_shape():
    images = image_set(3)
    pixels = images.pixels.copy()
    pixels[1, 0, 2, 1] ^= 1
    others = [
        ImageSet(pixels, images.names, images.labels),
        ImageSet(images.pixels, ("image_0", "image_1", "other"), images.labels),
        ImageSet(images.pixels, images.names, ("all", "all", "other")),
        ImageSet(images.pixels.transpose(0, 2, 1, 3), images.names, images.labels),
        ImageSet(images.pixels.reshape(3, 3, 2, 3), images.names, images.labels),
        images.select(np.array([1, 0, 2])),
    ]
    fingerprints = {images.fingerprint(), *(other.fingerprint() for other in others)}
    assert len(fingerprints) == 1 + len(others)
    assert image_set(3).fingerprint() == images.fingerprint()
    assert len(images.fingerprint()) == 64


@settings(deadline=None)
@given(count=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 2**32))
def test_batches_cover_each_image_once(count, batch_size, seed):
    images = ImageSet(
        np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1), ("",) * count, ("",) * count
    )
    batches = list(images.batches(batch_size, np.random.default_rng(seed), np.float64))
    sizes = [len(x) for x in batches]
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    assert 1 <= sizes[-1] <= batch_size
    seen = np.rint(np.concatenate(batches)[:, 0] * 255)
    assert sorted(seen) == list(range(count))
    again = images.batches(batch_size, np.random.default_rng(seed), np.float64)
    np.testing.assert_array_equal(np.concatenate(list(again)), np.concatenate(batches))


def test_batches_are_shuffled_anew_by_the_same_generator():
    images = image_set(20)
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(images.batches(8, rng))) for _ in range(2))
    assert first.dtype == np.float32
    assert not np.array_equal(first, images.as_float())
    assert not np.array_equal(first, second)


# --- augmentation ---


@pytest.mark.parametrize("channels", [1, 3])
def test_an_augmented_image_is_its_mirror_image_shifted_by_up_to_a_pixel(channels):
    rng = np.random.default_rng(0)
    shape = (6, 5, channels)
    x = rng.random((200, np.prod(shape)))
    before = x.reshape(-1, *shape).copy()
    changed = augmented(x, shape, 1.0, rng)
    assert changed is x
    found = set()
    for old, new in zip(before, x.reshape(-1, *shape), strict=True):
        padded = np.pad(old[:, ::-1], ((1, 1), (1, 1), (0, 0)), "edge")
        # A shift down by one shows what was one row above.
        (shift,) = [
            (down, right)
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if np.array_equal(new, padded[1 - down : 7 - down, 1 - right : 6 - right])
        ]
        found.add(shift)
    assert len(found) == 9


def test_images_are_augmented_with_the_probability_asked_for():
    rng = np.random.default_rng(1)
    before = rng.random((20_000, 4 * 4))
    mirror_image = before.reshape(-1, 4, 4)[:, :, ::-1].reshape(-1, 16)
    x = augmented(before.copy(), (4, 4, 1), 0.3, rng)
    unchanged = np.mean(np.all(x == before, axis=1))
    mirrored = np.mean(np.all(x == mirror_image, axis=1))
    stays = 0.7 + 0.3 / 9  # one of nine shifts is none
    for share, expected in ((unchanged, 0.7 * stays), (mirrored, 0.3 * stays)):
        assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / len(x))


def test_batches_are_augmented_only_if_asked_and_the_set_stays_as_it_is():
    images = image_set(20)
    pixels = images.pixels.copy()
    plain, never, always = (
        np.concatenate(list(images.batches(8, np.random.default_rng(2), augmentation=share)))
        for share in (0.0, 1e-12, 1.0)
    )
    first = images.batches(8, np.random.default_rng(2))
    np.testing.assert_array_equal(plain, np.concatenate(list(first)))
    np.testing.assert_array_equal(plain, never)  # the same order, whatever is drawn beside it
    assert not np.array_equal(plain, always)
    np.testing.assert_array_equal(images.pixels, pixels)


# --- the split ---

label_lists = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=80)
shares = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**32)


@settings(deadline=None)
@given(labels=label_lists, share=shares, seed=seeds)
def test_split_is_disjoint_complete_seeded_and_in_order(labels, share, seed):
    images = image_set(len(labels), labels)
    train_set, validation_set = images.split(share, seed)
    assert len(validation_set) == min(max(round(len(labels) * share), 1), len(labels) - 1)
    numbers = [
        [int(name.split("_")[1]) for name in part.names] for part in (train_set, validation_set)
    ]
    assert sorted(numbers[0] + numbers[1]) == list(range(len(labels)))
    for part, chosen in zip((train_set, validation_set), numbers, strict=True):
        assert chosen == sorted(chosen)
        assert part.labels == tuple(labels[number] for number in chosen)
        assert part.skipped == ()
        np.testing.assert_array_equal(part.pixels, images.pixels[chosen])
    again = images.split(share, seed)
    assert [part.names for part in again] == [train_set.names, validation_set.names]


@settings(deadline=None)
@given(labels=label_lists, share=shares, seed=seeds)
def test_split_holds_out_each_label_in_proportion(labels, share, seed):
    _, validation_set = image_set(len(labels), labels).split(share, seed)
    held_out = Counter(validation_set.labels)
    for label, size in Counter(labels).items():
        # A systematic sample of m of n takes floor or ceil of s·m/n from any s in a row.
        expected = size * len(validation_set) / len(labels)
        assert math.floor(expected + 1e-9) <= held_out[label] <= math.ceil(expected - 1e-9)


@settings(deadline=None)
@given(names=label_lists, share=shares, seed=seeds)
def test_split_by_name_never_divides_a_name(names, share, seed):
    images = image_set(len(names)).select(slice(None))
    images = ImageSet(images.pixels, tuple(names), images.labels)
    if len(set(names)) < 2:
        return
    train_set, validation_set = images.split(share, seed, "name")
    assert set(train_set.names).isdisjoint(validation_set.names)
    assert len(train_set) + len(validation_set) == len(names)
    held_out_names = min(max(round(len(set(names)) * share), 1), len(set(names)) - 1)
    assert len(set(validation_set.names)) == held_out_names


def test_more_styles_hold_out_the_same_names():
    """So a model of more drawings is measured on the pictures that the others are measured on."""
    one = image_set(40, ["a", "b"] * 20)
    repeated = np.concatenate([np.arange(40), np.arange(5, 35), np.arange(40)])
    all_styles = one.select(repeated)
    for seed in range(10):
        held_out = one.split(0.2, seed)[1].names
        assert one.split(0.2, seed, "name")[1].names == held_out
        assert set(all_styles.split(0.2, seed, "name")[1].names) == set(held_out)


def test_split_differs_between_seeds_and_within_labels():
    images = image_set(40, ["a", "b"] * 20)
    held_out = [images.split(0.2, seed)[1].names for seed in range(20)]
    assert len(set(held_out)) == 20


def test_no_label_is_always_held_out_because_of_its_place():
    images = image_set(10, "abcdefghij")
    held_out = Counter(name for seed in range(200) for name in images.split(0.1, seed)[1].names)
    assert set(held_out) == set(images.names)
    assert max(held_out.values()) < 50  # 20 each on average
