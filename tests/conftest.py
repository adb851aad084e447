"""What several test files need."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from vae_nb import load_config

ROOT = Path(__file__).resolve().parents[1]

# A script's background job ignores interrupts, and so would everything that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test-long` searches longer; nothing depends on how fast the machine is.
settings.register_profile("default", deadline=None)
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile("default")

TINY = {
    "data": {"input_size": [48, 32], "channels": 1, "batch_size": 4},
    "model": {
        "latent_dim": 3,
        "encoder_layers": [
            {"units": 12, "activation": "relu"},
            {"units": 8, "activation": "cosh"},
        ],
    },
    "training": {"epochs": 2},
}


@pytest.fixture(scope="session")
def own_pictures(tmp_path_factory):
    """30 pictures as a reader may have them: mixed formats, modes and sizes, one damaged."""
    folder = tmp_path_factory.mktemp("own pictures ñ")
    rng = np.random.default_rng(0)
    formats = [("png", "RGBA"), ("jpg", "RGB"), ("webp", "RGB"), ("gif", "P"), ("bmp", "RGB")]
    formats += [("tiff", "CMYK"), ("png", "L"), ("png", "LA"), ("jpeg", "L"), ("png", "P")]
    for number in range(30):
        suffix, mode = formats[number % len(formats)]
        height, width = rng.integers(20, 90, size=2)
        colours = rng.integers(0, 256, size=(3, 3, 4), dtype=np.uint8)
        image = Image.fromarray(colours, "RGBA").resize((width, height)).convert(mode)
        place = folder / ("faces" if number % 2 else "things")
        place.mkdir(exist_ok=True)
        image.save(place / f"my picture {number}.{suffix}")
    (folder / "damaged.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def tiny_config_path(own_pictures, tmp_path):
    """A configuration of a training that takes a moment, on the reader's own pictures."""
    values = json.loads(json.dumps(TINY))
    values["data"]["input_dir"] = str(own_pictures)
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


@pytest.fixture
def pictures(tmp_path):
    """Ten pictures of noise in two folders."""
    folder = tmp_path / "pictures"
    rng = np.random.default_rng(0)
    for number in range(10):
        label = folder / ("faces" if number % 2 else "things")
        label.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(label / f"{number}.png")
    return folder


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output"


def tiny_config(pictures, **overrides):
    """A configuration of a training on `pictures`; `__` in a key stands for the dot."""
    keys = {
        "data.input_dir": str(pictures),
        "data.input_size": [8, 8],
        "data.channels": 1,
        "data.batch_size": 4,
        "model.latent_dim": 2,
        "model.encoder_layers": [{"units": 6, "activation": "tanh"}],
        "training.epochs": 3,
    }
    keys |= {key.replace("__", "."): value for key, value in overrides.items()}
    return load_config(overrides=keys)


def files_in(folder):
    """Every file in a folder and its content, but for the lock, which stays."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory):
    """The project as it was shipped, for notebooks to run in: a reader's own is left alone."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("vae_nb", "notebooks", "configs", "input", "docs"):
        for file in shipped_files(folder):
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, copy / file)
    # config.json may be edited; this one is the default but for its folders.
    shipped = load_config("configs/all_emojis.json", {"data.input_dir": "input/emojis"})
    (copy / "config.json").write_text(json.dumps(shipped.to_dict()), encoding="utf-8")
    return copy


def shipped_files(folder):
    """The files that git knows in a folder; all of them where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    return [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()]


def run_command(*arguments, cwd, timeout=900):
    """Run `vae-nb` as a user would, from another folder."""
    return subprocess.run(
        [sys.executable, "-m", "vae_nb", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
