"""Damaged files by the hundred, in a process of its own: `python tests/fuzzing.py KIND SEED COUNT`.

Each is loaded as it was, or refused in one sentence; whatever else happens ends the process. The
number of each case is printed before it, so that the last line names the one that hung or crashed;
its damage depends on the seed and that number alone.
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


def damaged(content, rng):
    """Some bytes with flipped bits, an end cut off, or a stretch overwritten, moved or doubled."""
    data = bytearray(content)
    way = rng.choice(["flip", "flip", "truncate", "overwrite", "delete", "double", "zero"])
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice([1, 4, 64, 1000]))
    if way == "flip":
        for _ in range(rng.choice([1, 1, 2, 8, 40])):
            # The beginning of a file says how to read the rest.
            position = rng.randrange(rng.choice([min(64, len(data)), len(data)]))
            data[position] ^= 1 << rng.randrange(8)
    elif way == "truncate":
        del data[start:]
    elif way == "overwrite":
        data[start:end] = rng.randbytes(end - start)
    elif way == "delete":
        del data[start:end]
    elif way == "double":
        data[end:end] = data[start:end]
    else:
        data[start:end] = bytes(end - start)
    return bytes(data)


def pictures():
    """A picture in every format and several of its ways of writing one, by file name."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 7, 4), np.uint8)
    rgba = Image.fromarray(pixels, "RGBA").resize((48, 40))
    rgb, grey, palette = rgba.convert("RGB"), rgba.convert("LA"), rgba.convert("P")
    exif = Image.Exif()
    exif[0x112] = 6
    film = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    sixteen = Image.fromarray(rng.integers(0, 65536, (40, 48)).astype(np.uint16))
    files = {
        "rgba.png": (rgba, {}),
        "palette.png": (palette, {"transparency": 3}),
        "sixteen.png": (sixteen, {}),
        "grey.png": (grey, {}),
        "baseline.jpg": (rgb, {"exif": exif}),
        "progressive.jpg": (rgb, {"progressive": True}),
        "cmyk.jpg": (rgb.convert("CMYK"), {}),
        "lossless.webp": (rgba, {"lossless": True}),
        "lossy.webp": (rgba, {"exif": exif}),
        "film.webp": (rgb, film),
        "palette.gif": (palette, {"transparency": 3}),
        "film.gif": (rgb, film),
        "rgb.bmp": (rgb, {}),
        "palette.bmp": (palette, {}),
        "plain.tif": (rgba, {}),
        "lzw.tif": (rgb, {"compression": "tiff_lzw"}),
        "deflate.tif": (sixteen, {"compression": "tiff_adobe_deflate"}),
        "jpeg.tif": (rgb, {"compression": "jpeg"}),
        "film.tif": (rgb, film),
    }
    contents = {}
    for name, (image, options) in files.items():
        buffer = io.BytesIO()
        kind = {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], name.rpartition(".")[2].upper())
        image.save(buffer, kind, **options)
        contents[name] = buffer.getvalue()
    return contents


def load_picture(path):
    """Whether a picture is loaded; if not, its reason is one line."""
    config = SimpleNamespace(input_dir=(str(path.parent),), input_size=(16, 16), channels=3)
    images = load_images(config)
    for _, reason in images.skipped:
        assert reason, "a reason"
        assert len(reason.splitlines()) == 1, reason
    assert len(images) + len(images.skipped) == 2
    return len(images) == 2


def load_saved(load, path, whole):
    """Whether a saved file is loaded, equal to the whole one; if not, it is said in one line."""
    sentence = None
    try:
        loaded = contents_of(load(path))
    except VaeNbError as error:
        sentence = str(error)
    if sentence is None:
        assert loaded == whole, "it is another one"
        return True
    assert str(path) in sentence, sentence
    assert len(sentence.splitlines()) == 1, sentence
    return False


def contents_of(loaded):
    if isinstance(loaded, tuple):
        vae, history, config = loaded
        arrays = {"parameters": vae.parameters, "mean": vae.mean_image, **history.columns}
        rest = [config.to_dict(), history.saved_epoch, history.seconds]
    else:
        arrays, rest = loaded.arrays, loaded.position
    return {name: array.tobytes() for name, array in arrays.items()}, json.dumps(rest)


def peak_megabytes():
    """The most memory that this process had; Linux's own figure, as the other counts a parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s*(\d+)", status.read_text())[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main(kind, seed, count, source):
    """`source` is a saved file, for the kinds "model" and "checkpoint"."""
    folder = Path(tempfile.mkdtemp())
    if kind == "pictures":
        originals = pictures()
        Image.new("RGB", (8, 8)).save(folder / "good.png")
        load = load_picture
    else:
        originals = {"vae.npz": Path(source).read_bytes()}
        reader = {"model": load_model, "checkpoint": load_checkpoint}[kind]
        whole = contents_of(reader(Path(source)))

        def load(path):
            return load_saved(reader, path, whole)

    loaded = number = 0
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
