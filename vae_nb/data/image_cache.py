"""A cache of decoded images, so that the files of a folder are decoded once.

An entry is two files in `.cache/images` of the project, or in the folder that the environment
variable VAE_NB_CACHE names: the pixels, which are mapped into memory rather than read, and a JSON
file with all else. It is known by a key, which depends on everything that decides the images. An
entry may be deleted at any time.
"""

import json
import math
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vae_nb.data.image_set import ImageSet
from vae_nb.system.errors import FilesError
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import PROJECT_ROOT

# The limits of all entries. One entry alone may have more bytes.
MAX_ENTRIES = 50
MAX_BYTES = 20_000_000_000

_writing = threading.Lock()  # temporary files have the name of the process, not of the thread


def read_entry(key: str) -> ImageSet | None:
    """Return the images of an entry, or None if there is no such entry, or it is damaged."""
    description = _description_path(key)
    try:
        entry = json.loads(description.read_text(encoding="utf-8"))
        shape = (len(entry["names"]), *entry["image_shape"])
        if _pixels_path(key).stat().st_size != math.prod(shape):
            return None
        with suppress(OSError):
            os.utime(description)  # it was used now
        return ImageSet(
            np.memmap(_pixels_path(key), np.uint8, "r", shape=shape),
            tuple(entry["names"]),
            tuple(entry["labels"]),
            tuple((path, reason) for path, reason in entry["skipped"]),
            known_fingerprint=entry["fingerprint"],
            styles=tuple(entry["styles"]),
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


def write_entry(
    key: str,
    image_shape: tuple[int, ...],
    images: Iterable[tuple[NDArray[np.uint8], str, str, str]],
    skipped: list[tuple[str, str]],
) -> ImageSet | None:
    """Write an entry image by image, so that a set may be larger than the memory.

    Parameters
    ----------
    images : iterable of (ndarray of uint8, str, str, str)
        Pixels, name, label and style of each image.
    skipped : list of (str, str)
        Read after the last image.

    Returns
    -------
    ImageSet or None
        None if there is no image, or the entry cannot be written.
    """
    with _writing:
        try:
            return _write_entry(key, image_shape, images, skipped)
        except (OSError, ValueError, FilesError):
            return None  # the disk is full, the folder is read-only, or the entry was removed


def _write_entry(
    key: str,
    image_shape: tuple[int, ...],
    images: Iterable[tuple[NDArray[np.uint8], str, str, str]],
    skipped: list[tuple[str, str]],
) -> ImageSet | None:
    names: list[str] = []
    labels: list[str] = []
    styles: list[str] = []
    with atomic_path(_pixels_path(key)) as temporary, open(temporary, "wb") as file:
        for pixels, name, label, style in images:
            file.write(pixels.tobytes())
            names.append(name)
            labels.append(label)
            styles.append(style)
    if not names:
        _pixels_path(key).unlink()
        return None
    mapped = np.memmap(_pixels_path(key), np.uint8, "r", shape=(len(names), *image_shape))
    entry = {
        "names": names,
        "labels": labels,
        "styles": styles,
        "skipped": skipped,
        "image_shape": image_shape,
        "fingerprint": ImageSet(mapped, tuple(names), tuple(labels)).fingerprint(),
    }
    with atomic_path(_description_path(key)) as temporary:
        temporary.write_text(json.dumps(entry), encoding="utf-8")
    _remove_old_entries(key)
    return read_entry(key)


def remove_entry(key: str) -> None:
    """Remove an entry. Where a system refuses because its images are in use, it stays."""
    for path in (_description_path(key), _pixels_path(key)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _folder() -> Path:
    return Path(os.environ.get("VAE_NB_CACHE") or PROJECT_ROOT / ".cache" / "images")


def _pixels_path(key: str) -> Path:
    return _folder() / f"{key}.pixels"


def _description_path(key: str) -> Path:
    return _folder() / f"{key}.json"


def _remove_old_entries(newest: str) -> None:
    """Remove the entries that were not used for longest, until all fit the limit."""
    with suppress(OSError):  # another process removes some, too
        descriptions = sorted(_folder().glob("*.json"), key=lambda path: -path.stat().st_mtime)
        total = 0
        for number, description in enumerate(descriptions, 1):
            key = description.stem
            total += description.stat().st_size + _pixels_path(key).stat().st_size
            if (total > MAX_BYTES or number > MAX_ENTRIES) and key != newest:
                remove_entry(key)
