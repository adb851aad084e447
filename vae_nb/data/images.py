"""A folder of pictures to an `ImageSet`; its split and its mini-batches."""

import hashlib
import os
import re
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from vae_nb.core.random_streams import random_stream
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


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Pictures of one shape, with their names and labels.

    Parameters
    ----------
    stored : ndarray of uint8, shape (m, height, width, channels)
        The pictures, or more than them: a selection shares the array that it was selected from.
    names, labels, skipped
        As below.
    rows : ndarray of int, shape (n,), or None
        Which of the stored pictures these are; None means all.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, height, width, channels)
        Of a selection a copy, made at each access.
    names : tuple of str
        File names without their extension, for example "1f600_grinning_face".
    labels : tuple of str
        Each picture's folder relative to the input folder ("a/b"); the input folder's own name
        for pictures that lie directly in it.
    skipped : tuple of (str, str)
        Path and reason of each file that was not loaded.
    """

    stored: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    rows: np.ndarray | None = None

    def __len__(self):
        return len(self.names)

    @property
    def pixels(self):
        return self.stored if self.rows is None else self.stored[self.rows]

    @property
    def image_shape(self):
        """(height, width, channels)."""
        return self.stored.shape[1:]

    def select(self, indices):
        """Some of the pictures.

        Parameters
        ----------
        indices : slice or ndarray of int or bool
            As they index an array of shape (n,).

        Returns
        -------
        ImageSet
            In the order of `indices`; nothing counts as skipped in it.
        """
        positions = np.arange(len(self))[indices]
        rows = positions if self.rows is None else self.rows[positions]
        names = tuple(self.names[position] for position in positions)
        labels = tuple(self.labels[position] for position in positions)
        return ImageSet(self.stored, names, labels, rows=rows)

    def fingerprint(self):
        """What tells this set from every other: a hash of shape, names, labels and pixels.

        The labels are in it because the split depends on them.

        Returns
        -------
        str
            SHA-256 in hexadecimal.
        """
        pixels = np.ascontiguousarray(self.pixels)
        digest = hashlib.sha256(repr((pixels.shape, self.names, self.labels)).encode())
        digest.update(pixels)
        return digest.hexdigest()

    def as_float(self, indices=slice(None), dtype=np.float32):
        """Pictures as the model reads them; the one place where uint8 becomes float.

        Parameters
        ----------
        indices : slice or ndarray of int or bool
        dtype : dtype

        Returns
        -------
        ndarray, shape (batch, pixels)
            In [0, 1].
        """
        rows = indices if self.rows is None else self.rows[indices]
        x = self.stored[rows].reshape(-1, int(np.prod(self.image_shape))).astype(dtype)
        x /= 255
        return x

    def mean_image(self, dtype=np.float32):
        """The mean picture.

        Parameters
        ----------
        dtype : dtype

        Returns
        -------
        ndarray, shape (pixels,)
            In [0, 1].
        """
        total = np.zeros(self.image_shape, np.int64)
        for row in range(len(self)) if self.rows is None else self.rows:
            total += self.stored[row]
        return (total.reshape(-1) / (255 * len(self))).astype(dtype)

    def batches(self, batch_size, rng, dtype=np.float32, augmentation=0.0):
        """Every picture once, in a shuffled order.

        Parameters
        ----------
        batch_size : int
        rng : numpy.random.Generator
        dtype : dtype
        augmentation : float
            The probability with which each picture is mirrored, and with which it is shifted: see
            `augmented`.

        Yields
        ------
        ndarray, shape (batch, pixels)
            In [0, 1]; the last one is smaller where `batch_size` does not divide the set.
        """
        order = rng.permutation(len(self))
        for start in range(0, len(self), batch_size):
            x = self.as_float(order[start : start + batch_size], dtype)
            yield augmented(x, self.image_shape, augmentation, rng) if augmentation else x

    def split(self, validation_split, seed):
        """Divide the set into pictures to train on and pictures held out.

        The pictures are shuffled within each label, the labels laid one after another, and every
        n/m-th of the n pictures is held out from a random start (a systematic sample of m). So
        of a label's s pictures s·m/n are held out, rounded up or down.

        Parameters
        ----------
        validation_split : float
            The share m/n to hold out; at least one picture is on either side.
        seed : int

        Returns
        -------
        train_set, validation_set : ImageSet
            Disjoint, together the whole set, each in its order.

        Raises
        ------
        ImagesError
            If there are fewer than two pictures.
        """
        count = len(self)
        if count < 2:
            raise ImagesError(
                f"A split into training and validation needs at least 2 pictures, found {count}."
            )
        rng = random_stream(seed, "split")
        shuffled = rng.permutation(count)
        # A stable sort by label keeps the shuffled order within each label.
        rank = {label: number for number, label in enumerate(sorted(set(self.labels)))}
        ranks = np.array([rank[label] for label in self.labels])
        laid_out = shuffled[np.argsort(ranks[shuffled], kind="stable")]
        held_out = int(np.clip(round(count * validation_split), 1, count - 1))
        positions = (np.arange(held_out) + rng.random()) * count / held_out
        is_held_out = np.zeros(count, bool)
        is_held_out[laid_out[positions.astype(int)]] = True
        return self.select(~is_held_out), self.select(is_held_out)


def augmented(x, image_shape, probability, rng):
    """Change some pictures a little, so that a training does not see the same ones each time.

    A picture is mirrored with this probability, left to right, and with the same probability
    shifted by up to one pixel in both directions; its edge fills what becomes free.

    Parameters
    ----------
    x : ndarray, shape (batch, pixels)
        Changed in place.
    image_shape : tuple of int
        (height, width, channels).
    probability : float
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (batch, pixels)
        `x`.

    References
    ----------
    Simard, Steinkraus & Platt (2003), "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis", section 2.
    """
    pictures = x.reshape(-1, *image_shape)  # (batch, height, width, channels), a view
    height, width, _ = image_shape
    is_mirrored, is_shifted = rng.random((2, len(x))) < probability
    pictures[is_mirrored] = pictures[is_mirrored][:, :, ::-1]
    for number, (down, right) in enumerate(rng.integers(-1, 2, (len(x), 2))):
        if is_shifted[number]:
            padded = np.pad(pictures[number], ((1, 1), (1, 1), (0, 0)), "edge")
            rows, columns = slice(1 - down, 1 - down + height), slice(1 - right, 1 - right + width)
            pictures[number] = padded[rows, columns]
    return x


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
