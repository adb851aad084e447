"""Decoded images are kept, and decoded again when their files have changed."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, tiny_config
from PIL import Image

from vae_nb.data import image_cache, image_files
from vae_nb.data.image_files import load_images


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The test's own cache."""
    monkeypatch.setenv("VAE_NB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch):
    """The paths of the files that are decoded."""
    paths = []

    def load_image(path, *shape, decode=image_files._load_image):
        paths.append(os.path.basename(path))
        return decode(path, *shape)

    monkeypatch.setattr(image_files, "_load_image", load_image)
    return paths


def load(pictures, **options):
    return load_images(tiny_config(pictures).data, **options)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert (found.names, found.labels, found.skipped) == (
        expected.names,
        expected.labels,
        expected.skipped,
    )
    assert found.fingerprint() == expected.fingerprint()


def test_images_are_decoded_once(pictures, decoded):
    (pictures / "damaged.png").write_bytes(b"not an image")
    first = load(pictures)
    assert len(decoded) == 11
    decoded.clear()
    second = load(pictures)
    assert decoded == []
    assert_same(second, first)
    assert second.skipped[0][0].endswith("damaged.png")


def test_the_known_fingerprint_is_that_of_the_images(pictures):
    load(pictures)
    images = load(pictures)
    assert images.known_fingerprint == images.select(slice(None)).fingerprint()
    assert images.select([0, 2]).fingerprint() != images.known_fingerprint


def test_mapped_images_cannot_be_changed(pictures):
    with pytest.raises(ValueError, match="read-only"):
        load(pictures).stored[0] = 0


def touch(path):
    os.utime(path, ns=(1, 1))


def draw(path):
    time = path.stat().st_mtime_ns
    Image.new("RGB", (100, 100), "red").save(path)
    os.utime(path, ns=(time, time))  # its size is another one


def rename(path):
    path.rename(path.with_name("other.png"))


@pytest.mark.parametrize("change", [touch, draw, rename, os.remove])
def test_a_changed_file_makes_all_be_decoded_again(pictures, decoded, change):
    load(pictures)
    change(pictures / "things" / "0.png")
    decoded.clear()
    load(pictures)
    assert len(decoded) == (9 if change is os.remove else 10)


@pytest.mark.parametrize("change", [{"data__channels": 3}, {"data__input_size": [4, 8]}])
def test_another_size_or_color_is_another_entry(pictures, decoded, change):
    load(pictures)
    images = load_images(tiny_config(pictures, **change).data)
    assert len(decoded) == 20
    assert images.image_shape != load(pictures).image_shape
    assert len(decoded) == 20


def test_verify_decodes_again(pictures, decoded):
    """The file has its old size and time, so that nothing else tells that it has changed."""
    path = pictures / "things" / "0.png"
    first = load(pictures)
    status = path.stat()
    Image.new("RGB", (8, 8), "red").save(path)
    path.write_bytes(path.read_bytes().ljust(status.st_size, b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert_same(load(pictures), first)
    verified = load(pictures, verify=True)
    assert verified.fingerprint() != first.fingerprint()
    decoded.clear()
    assert_same(load(pictures), verified)
    assert decoded == []


def cut(path):
    content = path.read_bytes()
    path.unlink()  # its mapped images stay as they are
    path.write_bytes(content[:-1])


def write_a_list(path):
    path.write_text("[]")


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [*itertools.product(["pixels", "json"], [cut, os.remove]), ("json", write_a_list)],
)
def test_a_damaged_entry_is_made_again(pictures, cache, decoded, suffix, damage):
    first = load(pictures)
    (path,) = cache.glob(f"*.{suffix}")
    damage(path)
    decoded.clear()
    assert_same(load(pictures), first)
    assert len(decoded) == 10


def test_a_cache_that_cannot_be_written_is_not_needed(pictures, cache):
    cache.write_text("a file where the folder would be")
    in_memory = load(pictures)
    cache.unlink()
    assert_same(load(pictures), in_memory)
    assert list(cache.iterdir())


def test_a_file_that_the_system_refuses_is_tried_again(pictures, monkeypatch):
    def refuse(path, *shape, decode=image_files._load_image):
        if path.endswith("0.png"):
            raise PermissionError(13, "Permission denied")
        return decode(path, *shape)

    with monkeypatch.context() as patch:
        patch.setattr(image_files, "_load_image", refuse)
        ((_, reason),) = load(pictures).skipped
    assert reason == "the system says: Permission denied"
    assert load(pictures).skipped == ()


@pytest.mark.parametrize("limit", ["MAX_ENTRIES", "MAX_BYTES"])
def test_the_entries_that_were_not_used_for_longest_are_removed(
    pictures, cache, decoded, monkeypatch, limit
):
    for height in (4, 5):
        load_images(tiny_config(pictures, data__input_size=[height, 8]).data)
    for age, path in enumerate(sorted(cache.glob("*.json"), key=lambda path: path.stat().st_mtime)):
        os.utime(path, (1000 + age, 1000 + age))
    load_images(tiny_config(pictures, data__input_size=[4, 8]).data)  # is used now
    size = sum(path.stat().st_size for path in cache.iterdir())
    monkeypatch.setattr(image_cache, limit, 2 if limit == "MAX_ENTRIES" else size + 100)
    load_images(tiny_config(pictures, data__input_size=[4, 9]).data)
    assert len(list(cache.iterdir())) == 4
    decoded.clear()
    load_images(tiny_config(pictures, data__input_size=[4, 8]).data)
    assert decoded == []


LOAD = """import sys
from vae_nb import load_config, load_images
print(load_images(load_config(sys.argv[1]).data).fingerprint())"""


def test_several_processes_load_at_the_same_time(pictures, cache, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(
        f'{{"data": {{"input_dir": "{pictures}", "input_size": [8, 8], "channels": 1}}}}'
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for _ in range(4)
    ]
    found = {process.communicate()[0].strip() for process in processes}
    assert found == {load(pictures).fingerprint()}
    assert len(list(cache.iterdir())) == 2
