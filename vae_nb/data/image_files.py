"""A folder of image files, read into an `ImageSet`."""

import os
import re
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from vae_nb.data.image_set import ImageSet
from vae_nb.system.errors import ImagesError, printable
from vae_nb.system.paths import from_project_root

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


# Only these decoders are tried, whatever a file's name says: Pillow knows formats that start
# other programs.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


REASONS_IN_ERROR = 3


REASONS_IN_LIST = 20


# Decoding takes up to some 20 bytes for a pixel (WebP), and the file's bytes: below a gigabyte.
MOST_PIXELS = 40_000_000


MOST_BYTES = 200_000_000


# A file of a few bytes for each of them may ask for any number of passes over all its pixels.
MOST_SCANS = 100  # of a progressive JPEG, which has about ten


MOST_TILES = 100_000  # or strips, of a TIFF


TILE_WIDTH, TILE_LENGTH, STRIP_OFFSETS, TILE_OFFSETS = 322, 323, 273, 324  # its tags


def load_images(data_config):
    """Load every picture of one or more folders.

    Files are searched recursively and taken in the order of their path; hidden files and files
    without a picture's extension are passed over, and a file that two folders share is loaded
    once. Of an animation the first frame is read. The EXIF orientation is applied, transparency
    becomes white, and a picture is resized with Lanczos to fit the target, keeping its aspect
    ratio, and padded with white around its centre.

    Parameters
    ----------
    data_config : vae_nb.data.config.DataConfig
        `input_dir`, a tuple of folders (relative ones start at the project's root), `input_size`
        (height, width) and `channels` (3 RGB, 1 grey) are used.

    Returns
    -------
    ImageSet
        Files that could not be read are in its `skipped`, each with the reason.

    Raises
    ------
    ImagesError
        If a folder is missing or no folder, if no picture could be loaded, or if the pictures
        do not fit into memory.
    """
    folders = [_existing_folder(name) for name in data_config.input_dir]
    files, skipped = _find_files(folders)
    shape = (len(files), *data_config.input_size, data_config.channels)
    try:
        pixels = np.empty(shape, np.uint8)
    except (MemoryError, ValueError):
        raise ImagesError(
            f"{len(files):,} pictures of {shape[1]}×{shape[2]} pixels with {shape[3]} channels "
            "do not fit into this machine's memory."
        ) from None
    names, labels = [], []
    for path, label in files:
        try:
            pixels[len(names)] = _load_picture(path, *shape[1:])
        # Pillow's decoders meet damaged files with exceptions of nearly every class.
        except Exception as error:
            skipped.append((printable(path), _reason(error)))
        else:
            names.append(printable(path.stem))
            labels.append(printable(label))
    if not names:
        raise ImagesError(_nothing_loaded(folders, skipped))
    return ImageSet(pixels[: len(names)], tuple(names), tuple(labels), tuple(skipped))


def skipped_lines(images):
    """What to print of the files that were not loaded: path and reason of the first ones.

    Parameters
    ----------
    images : ImageSet

    Returns
    -------
    list of str
    """
    lines = [f"{path}: {reason}" for path, reason in images.skipped[:REASONS_IN_LIST]]
    more = len(images.skipped) - len(lines)
    return lines + [f"{more:,} more files"] * (more > 0)


def _existing_folder(name):
    folder = from_project_root(name)
    if os.path.isdir(folder):  # unlike Path's, it raises nothing
        return folder
    if os.path.exists(folder):
        raise ImagesError(f"data.input_dir: {folder} is a file; a folder of pictures is needed.")
    raise ImagesError(
        f"data.input_dir: there is no folder {folder}; relative paths start at the project's root."
    )


def _find_files(folders):
    """(path, label) of each file to load, in order, and what could not even be searched."""
    files, skipped = {}, []  # files by real path: one that two folders share is loaded once

    def note(error):
        skipped.append((printable(error.filename), _reason(error)))

    roots = [os.path.join(os.path.realpath(folder), "") for folder in folders]
    for folder in folders:
        found = []
        for parent, folder_names, file_names in os.walk(folder, onerror=note):
            folder_names[:] = sorted(name for name in folder_names if not name.startswith("."))
            links = filter(os.path.islink, (os.path.join(parent, name) for name in folder_names))
            skipped += [
                (printable(path), "it is a link to a folder, which is not followed")
                for path in links
            ]
            found += [
                Path(parent, name).relative_to(folder)
                for name in file_names
                if name.lower().endswith(SUFFIXES) and not name.startswith(".")
            ]
        for relative in sorted(found, key=Path.as_posix):
            path = folder / relative
            real_path = os.path.realpath(path)
            if not real_path.startswith(tuple(roots)):
                skipped.append((printable(path), "it is a link that leads out of the folder"))
                continue
            label = "/".join(relative.parent.parts) or folder.resolve().name
            files.setdefault(real_path, (path, label))
    return list(files.values()), skipped


def _load_picture(path, height, width, channels):
    """A file's picture as an array of uint8, shape (height, width, channels)."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ImagesError("it is not a regular file")  # a named pipe would block for ever
    if status.st_size == 0:
        raise ImagesError("it is empty")
    if status.st_size > MOST_BYTES:
        raise ImagesError(f"it has more than {MOST_BYTES:,} bytes")
    with (
        warnings.catch_warnings(action="ignore"),
        open(path, "rb") as file,
        _opened(file) as image,
    ):
        if image.width * image.height > MOST_PIXELS:
            raise ImagesError(f"it has more than {MOST_PIXELS:,} pixels")
        ImageOps.exif_transpose(image, in_place=True)
        opaque = _on_white(_eight_bits(image)).convert("RGB" if channels == 3 else "L")
    return np.asarray(_fit(opaque, height, width)).reshape(height, width, channels)


def _opened(file):
    """A file as a picture that is not decoded yet; what would take for ever is refused before."""
    start = file.read(16)
    if start[:3] == b"\xff\xd8\xff":
        file.seek(0)
        if file.read().count(b"\xff\xda") > MOST_SCANS:
            raise ImagesError(f"it is a JPEG of more than {MOST_SCANS} scans")
    elif start[:4] in TiffImagePlugin.PREFIXES:
        tags = TiffImagePlugin.ImageFileDirectory_v2(start[: 16 if 43 in start[2:4] else 8])
        file.seek(tags.next)
        tags.load(file)
        # Their bytes, for reading them as numbers would take many times as much memory.
        offsets = max(len(tags._tagdata.get(tag, b"")) for tag in (STRIP_OFFSETS, TILE_OFFSETS))
        pixels = tags.get(TILE_WIDTH, 0) * tags.get(TILE_LENGTH, 0)
        if offsets > 4 * MOST_TILES or pixels > MOST_PIXELS:
            raise ImagesError("it is a TIFF of too many or too large tiles")
    file.seek(0)
    return Image.open(file, formats=FORMATS)


def _eight_bits(image):
    """A picture of integer or floating-point grey values, scaled to 0..255; others as they are."""
    if image.mode == "F":
        raise ImagesError("its pixels are floating-point numbers, whose range is not known")
    if not image.mode.startswith("I"):
        return image
    values = np.array(image, np.int32)
    if values.min() < 0 or values.max() > 65535:
        raise ImagesError("its grey values go beyond 16 bits")
    # A PNG may declare one grey value to be transparent.
    values[values == image.info.get("transparency", -1)] = 65535
    values += 128  # half of 257 = 65535 / 255: rounds to the nearest
    values //= 257
    return Image.fromarray(values.astype(np.uint8))


def _on_white(image):
    if not image.has_transparency_data:
        return image
    if image.mode != "RGBA":  # a copy otherwise
        image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _fit(image, height, width):
    """Resize to fit into the target, and pad with white around the centre."""
    # Padded after resizing: a long strip's padded square could be too large for the memory.
    scale = min(height / image.height, width / image.width)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new(image.mode, (width, height), "white")
    corner = ((width - size[0]) // 2, (height - size[1]) // 2)
    canvas.paste(image.resize(size, Image.Resampling.LANCZOS), corner)
    return canvas


def _reason(error):
    """Why a file was skipped: one line, the same each time."""
    if isinstance(error, ImagesError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return f"it is no picture that can be read as one of {', '.join(FORMATS)}"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {MOST_PIXELS:,} pixels"
    if isinstance(error, MemoryError):
        return "it does not fit into this machine's memory"
    if isinstance(error, OSError) and error.strerror:
        return f"the system says: {error.strerror}"
    message = re.sub(r" at 0x[0-9a-fA-F]+", "", printable(error))  # an address differs each time
    return f"it cannot be decoded ({message or type(error).__name__})"


def _nothing_loaded(folders, skipped):
    where = ", ".join(map(printable, folders))
    if not skipped:
        return f"There is no picture in {where}: no file ends in one of {', '.join(SUFFIXES)}."
    reasons = "; ".join(f"{path}: {reason}" for path, reason in skipped[:REASONS_IN_ERROR])
    more = "; …" if len(skipped) > REASONS_IN_ERROR else ""
    return f"No picture could be loaded from {where}; skipped: {len(skipped)} ({reasons}{more})."
