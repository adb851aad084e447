"""Load hundreds of damaged files in a process of its own.

    python tests/fuzzing.py KIND SEED COUNT SOURCE

Each file has to be loaded as it was before the damage, or refused in one sentence. Anything else
ends the process. It prints the number of each case first, so that the last line names the case
that hung or crashed. A case's damage depends only on the seed and its number.
"""

import io
import json
import random
import re
import resource
import signal
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from vae_nb.data.image_files import load_images
from vae_nb.run.model_files import load_checkpoint, load_model
from vae_nb.system.errors import VaeNbError

HANG_SECONDS = 10
SAVED_FILES = {"model": load_model, "checkpoint": load_checkpoint}


def damaged(content, rng):
    """Return the bytes with one kind of damage: flipped bits, a cut end, a zeroed stretch, …"""
    data = bytearray(content)
    damage = rng.choice(["flip", "flip", "truncate", "overwrite", "delete", "double", "zero"])
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice([1, 4, 64, 1000]))
    if damage == "flip":
        for _ in range(rng.choice([1, 1, 2, 8, 40])):
            # Often near the beginning, which says how to read the rest of the file.
            position = rng.randrange(rng.choice([min(64, len(data)), len(data)]))
            data[position] ^= 1 << rng.randrange(8)
    elif damage == "truncate":
        del data[start:]
    elif damage == "overwrite":
        data[start:end] = rng.randbytes(end - start)
    elif damage == "delete":
        del data[start:end]
    elif damage == "double":
        data[end:end] = data[start:end]
    else:
        data[start:end] = bytes(end - start)
    return bytes(data)


def encoded_images():
    """Return images in every format, written in several ways: the files' bytes by name."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 7, 4), np.uint8)
    rgba = Image.fromarray(pixels, "RGBA").resize((48, 40))
    rgb = rgba.convert("RGB")
    gray = rgba.convert("LA")
    palette = rgba.convert("P")
    exif = Image.Exif()
    exif[0x112] = 6  # the orientation
    frames = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    sixteen_bit = Image.fromarray(rng.integers(0, 65536, (40, 48)).astype(np.uint16))
    files = {
        "rgba.png": (rgba, {}),
        "palette.png": (palette, {"transparency": 3}),
        "sixteen_bit.png": (sixteen_bit, {}),
        "gray.png": (gray, {}),
        "baseline.jpg": (rgb, {"exif": exif}),
        "progressive.jpg": (rgb, {"progressive": True}),
        "cmyk.jpg": (rgb.convert("CMYK"), {}),
        "lossless.webp": (rgba, {"lossless": True}),
        "lossy.webp": (rgba, {"exif": exif}),
        "frames.webp": (rgb, frames),
        "palette.gif": (palette, {"transparency": 3}),
        "frames.gif": (rgb, frames),
        "rgb.bmp": (rgb, {}),
        "palette.bmp": (palette, {}),
        "plain.tif": (rgba, {}),
        "lzw.tif": (rgb, {"compression": "tiff_lzw"}),
        "deflate.tif": (sixteen_bit, {"compression": "tiff_adobe_deflate"}),
        "jpeg.tif": (rgb, {"compression": "jpeg"}),
        "lab.tif": (rgb.convert("LAB"), {"compression": "tiff_lzw"}),
        "big.tif": (rgb, {"big_tiff": True}),
        "frames.tif": (rgb, frames),
    }
    formats = Image.registered_extensions()  # for example ".jpg": "JPEG"
    contents = {}
    for name, (image, options) in files.items():
        buffer = io.BytesIO()
        image.save(buffer, formats[Path(name).suffix], **options)
        contents[name] = buffer.getvalue()
    return contents


def load_image(path):
    """Say whether an image is loaded. If it is not, check that the reason is one line."""
    config = SimpleNamespace(input_dir=(str(path.parent),), input_size=(16, 16), channels=3)
    images = load_images(config)
    for _, reason in images.skipped:
        assert reason, "a reason"
        assert len(reason.splitlines()) == 1, reason
    assert len(images) + len(images.skipped) == 2
    return len(images) == 2


def load_saved(load, path, whole):
    """Say whether a saved file is loaded, equal to the whole one; if not, check the message."""
    try:
        loaded = contents_of(load(path))
    except VaeNbError as error:
        sentence = str(error)
        assert str(path) in sentence, sentence
        assert len(sentence.splitlines()) == 1, sentence
        return False
    assert loaded == whole, "the contents have changed"
    return True


def contents_of(loaded):
    """Return what was loaded in a form that can be compared."""
    if isinstance(loaded, tuple):
        vae, history, config = loaded
        arrays = {"parameters": vae.parameters, "mean": vae.mean_image, **history.columns}
        rest = [config.to_dict(), history.saved_epoch, history.seconds]
    else:
        arrays, rest = loaded.arrays, loaded.position
    return {name: array.tobytes() for name, array in arrays.items()}, json.dumps(rest)


def peak_megabytes():
    """Return the peak memory of this process.

    On Linux `ru_maxrss` also counts the parent process, so the figure comes from /proc.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+)", status.read_text())[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main(kind, seed, count, source):
    """Load `count` damaged copies of each file.

    `source` is a saved file, for the kinds "model" and "checkpoint"; any other kind means images.
    """
    folder = Path(tempfile.mkdtemp())
    if kind in SAVED_FILES:
        originals = {"vae.npz": Path(source).read_bytes()}
        reader = SAVED_FILES[kind]
        whole = contents_of(reader(Path(source)))

        def load(path):
            return load_saved(reader, path, whole)
    else:
        originals = encoded_images()
        Image.new("RGB", (8, 8)).save(folder / "good.png")
        load = load_image

    loaded = 0
    number = 0
    for name, content in originals.items():
        path = folder / name
        for _ in range(count):
            number += 1
            print(f"{name}, case {number}", flush=True)
            path.write_bytes(damaged(content, random.Random(f"{seed} {number}")))
            signal.alarm(HANG_SECONDS)
            loaded += load(path)
            signal.alarm(0)
        path.unlink()
    megabytes = round(peak_megabytes())
    print(json.dumps({"cases": number, "loaded": loaded, "megabytes": megabytes}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
