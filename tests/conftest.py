"""Fixtures and helpers that several test files share."""

import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings
from PIL import Image
from threadpoolctl import threadpool_limits

from vae_nb import load_config, show_messages, train_and_save

ROOT = Path(__file__).resolve().parents[1]

# A background job of a script ignores interrupts. Without this, all that it starts would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test` tries the same examples every time, `make test-long` more and others. There are no
# deadlines, so that slow machines pass, too.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile("default")

# Decoded images are kept for this run of the tests only; its processes inherit the variable.
os.environ.setdefault("VAE_NB_CACHE", tempfile.mkdtemp(prefix="vae_nb_cache_"))

# The workers of `pytest -n` share the cores, and so do the processes that their tests start.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:
    threads = max(1, os.cpu_count() // WORKERS)
    threadpool_limits(threads, "blas")  # of this process
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(variable, str(threads))

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


@pytest.fixture
def messages():
    """The text of the package's messages during a test."""
    text = io.StringIO()
    show_messages(text)
    yield text
    logger = logging.getLogger("vae_nb")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


def pytest_unconfigure():
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(os.environ["VAE_NB_CACHE"], ignore_errors=True)


def pytest_collection_modifyitems(items):
    """Start the slowest tests first, so that no worker is left with one at the end."""

    def seconds(item):
        mark = item.get_closest_marker("slow")
        return 0 if mark is None else mark.args[0]

    if WORKERS > 1:
        items.sort(key=seconds, reverse=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker of `pytest -n` one test at a time, but together what shares a costly setup.

    Browser tests share a browser and servers; they go to one worker and start before the others.
    Tests of figures share the figures of a set of images.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith("tests/browser/"):
                return "browser"
            if nodeid.startswith("tests/show/test_figures.py"):
                return f"figures [{nodeid.partition('[')[2]}"
            return nodeid

    return Scheduler(config, log)


@pytest.fixture(scope="session")
def own_images(tmp_path_factory):
    """Write 30 images of mixed formats, modes and sizes, as a user has them, and a damaged one."""
    folder = tmp_path_factory.mktemp("own images ñ")
    rng = np.random.default_rng(0)
    formats = [("png", "RGBA"), ("jpg", "RGB"), ("webp", "RGB"), ("gif", "P"), ("bmp", "RGB")]
    formats += [("tiff", "CMYK"), ("png", "L"), ("png", "LA"), ("jpeg", "L"), ("png", "P")]
    for number in range(30):
        suffix, mode = formats[number % len(formats)]
        height, width = rng.integers(20, 90, size=2)
        pixels = rng.integers(0, 256, size=(3, 3, 4), dtype=np.uint8)
        image = Image.fromarray(pixels, "RGBA").resize((width, height)).convert(mode)
        label = folder / ("faces" if number % 2 else "things")
        label.mkdir(exist_ok=True)
        image.save(label / f"my image {number}.{suffix}")
    (folder / "damaged.png").write_bytes(b"not an image")
    return folder


@pytest.fixture
def tiny_config_path(own_images, tmp_path):
    """Write a configuration that trains in a moment on the user's own images."""
    values = json.loads(json.dumps(TINY))
    values["data"]["input_dir"] = str(own_images)
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures")


def write_pictures(folder):
    """Write ten images of noise into two folders."""
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


def tiny_config(input_dir, **overrides):
    """Return a configuration that trains on a folder; `__` in a key stands for the dot."""
    values = {
        "data.input_dir": str(input_dir),
        "data.input_size": [8, 8],
        "data.channels": 1,
        "data.batch_size": 4,
        "model.latent_dim": 2,
        "model.encoder_layers": [{"units": 6, "activation": "tanh"}],
        "training.epochs": 3,
    }
    values |= {key.replace("__", "."): value for key, value in overrides.items()}
    return load_config(overrides=values)


@pytest.fixture
def tiny_run(pictures, output):
    return train_and_save(tiny_config(pictures), output, progress=False)


def files_in(folder):
    """Return the content of every file in a folder, without the lock file, which stays."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """A folder for what is made once and used by all workers of `pytest -n`."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def made_once(shared_folder):
    """Return a function that makes a folder once for all workers of `pytest -n`.

    It takes the folder's name and a function that fills it.
    """

    def folder_of(name, fill):
        folder = shared_folder / name
        with FileLock(shared_folder / f"{name}.lock"):
            if not folder.exists():
                part = shared_folder / f"{name}.part"
                fill(part)
                part.rename(folder)
        return folder

    return folder_of


@pytest.fixture(scope="session")
def project_copy(made_once):
    """Copy the project as it was shipped, so that notebooks run in the copy."""
    return made_once("project", copy_project)


@pytest.fixture(scope="session")
def site(made_once):
    """Build the site, and return its folder."""

    def build(folder):
        command = [sys.executable, ROOT / "tools" / "build_site.py", folder]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stdout + built.stderr

    return made_once("site", build) / "html"


def copy_project(to):
    """Copy what the notebooks need, with the shipped default configuration."""
    for folder in ("vae_nb", "notebooks", "configs", "input", "docs"):
        for file in shipped_files(folder):
            (to / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, to / file)
    # A user may have edited config.json, so the copy gets the default.
    shipped = load_config("configs/all_emojis.json", {"data.input_dir": "input/emojis"})
    (to / "config.json").write_text(json.dumps(shipped.to_dict()), encoding="utf-8")


def shipped_files(folder):
    """Return the files of a folder that git tracks, or all of them if there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    return [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()]


def run_command(*arguments, cwd, timeout=900):
    """Run `vae-nb` from another folder, as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "vae_nb", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
