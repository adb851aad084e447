"""Read the image files of one or more folders into an `ImageSet`."""

import contextlib
import hashlib
import os
import re
import stat
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from vae_nb.data.config import DataConfig
from vae_nb.data.image_cache import read_entry, remove_entry, write_entry
from vae_nb.data.image_set import ImageSet
from vae_nb.system.errors import ImagesError, printable
from vae_nb.system.paths import from_project_root

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
# Only these decoders are tried, whatever the name of a file says. Pillow also knows formats whose
# decoders start other programs.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

SYSTEM_SAYS = "the system says"
DAMAGED = "the file is damaged or ends early"
# The reasons that Pillow gives as a number only.
DECODER_ERRORS = ImageFile.ERRORS | {-2: DAMAGED}

# The code that decides what an image looks like: a cache of images that were decoded by other code
# is not used.
CODE = Path(__file__).read_text(encoding="utf-8")

REASONS_IN_ERROR = 3
REASONS_IN_LIST = 20

# Decoding takes up to about 20 bytes per pixel (WebP) plus the bytes of the file: less than a
# gigabyte within these limits.
MAX_PIXELS = 40_000_000
MAX_BYTES = 200_000_000
# A scan or a tile may take only a few bytes of a file and yet a pass over all pixels to decode.
# Without limits a small file could keep the decoder busy for hours.
MAX_SCANS = 100  # of a progressive JPEG, which has about ten
MAX_TILES = 100_000  # or strips, of a TIFF
# Pillow turns the numbers in a tag into Python's, which take up to 20 times as much memory.
MAX_TAGS = 4096  # of a TIFF, which has about 20
MAX_NUMBERS = 200_000  # in one tag, for example a color map
MAX_EXIF_BYTES = 1_000_000

# Tags of a TIFF, and the types of those whose values Pillow leaves as bytes.
STRIP_OFFSETS, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS = 273, 322, 323, 324
BYTE, ASCII, UNDEFINED = 1, 2, 7


class FoundFile(NamedTuple):
    """A file to load, and what tells whether it is still the same."""

    path: str
    label: str
    style: str
    size: int  # bytes
    changed: int  # nanoseconds since 1970


def load_images(data_config: DataConfig, *, verify: bool = False) -> ImageSet:
    """Load every image of one or more folders.

    The decoded images are kept in a cache, and are loaded from there while the paths, sizes and
    modification times of the files stay the same.

    The folders are searched recursively, and the files are taken in the order of their paths.
    Hidden files and files without an image extension are ignored. A file that two folders share is
    loaded once. Of an animation, the first frame is read.

    The EXIF orientation is applied, and transparency becomes white. Then the image is resized with
    Lanczos to fit the target, with its aspect ratio kept, and centered on white.

    Parameters
    ----------
    data_config : DataConfig
        Three values are used: `input_dir`, a tuple of folders (relative ones start at the
        project's root), `input_size` (height, width), and `channels` (3 for RGB, 1 for gray).
    verify : bool
        Whether to decode all files again, whatever is in the cache.

    Returns
    -------
    ImageSet
        Its `skipped` lists the files that could not be read, each with the reason.

    Raises
    ------
    ImagesError
        If a folder is missing or is not a folder, if no image could be loaded, or if no cache can
        be written and the images do not fit into memory.
    """
    folders = [_existing_folder(name) for name in data_config.input_dir]
    files, skipped = _find_files(folders)
    image_shape = (*data_config.input_size, data_config.channels)
    key = _cache_key(files, skipped, image_shape)
    images = None if verify else read_entry(key)
    if images is None:
        unread = list(skipped)
        images = write_entry(key, image_shape, _decoded(files, image_shape, unread), unread)
        if any(reason.startswith(SYSTEM_SAYS) for _, reason in unread):
            remove_entry(key)  # the next time, the system may let the file be read
    if images is None:
        images = _load_into_memory(files, image_shape, skipped)
    if images is None:
        raise ImagesError(_nothing_loaded(folders, skipped))
    return images


def _decoded(
    files: Sequence[FoundFile], image_shape: tuple[int, ...], skipped: list[tuple[str, str]]
) -> Iterator[tuple[NDArray[np.uint8], str, str, str]]:
    """Yield pixels, name, label and style of each image that can be read. Append to `skipped`."""
    for file in files:
        try:
            pixels = _load_image(file.path, *image_shape)
        # Pillow's decoders raise many kinds of exceptions when a file is damaged.
        except Exception as error:
            skipped.append((printable(file.path), _reason(error)))
        else:
            name, _ = os.path.splitext(os.path.basename(file.path))
            yield pixels, printable(name), printable(file.label), printable(file.style)


def _load_into_memory(
    files: Sequence[FoundFile], image_shape: tuple[int, ...], skipped: list[tuple[str, str]]
) -> ImageSet | None:
    """Load images where no cache can be written; None if there is no image. Append to `skipped`."""
    try:
        pixels = np.empty((len(files), *image_shape), np.uint8)
    except (MemoryError, ValueError):
        height, width, channels = image_shape
        raise ImagesError(
            f"{len(files):,} images of {height}×{width} pixels with {channels} channels "
            "do not fit into this machine's memory."
        ) from None
    names: list[str] = []
    labels: list[str] = []
    styles: list[str] = []
    for image, name, label, style in _decoded(files, image_shape, skipped):
        pixels[len(names)] = image
        names.append(name)
        labels.append(label)
        styles.append(style)
    if not names:
        return None
    return ImageSet(
        pixels[: len(names)],
        tuple(names),
        tuple(labels),
        tuple(skipped),
        styles=tuple(styles),
    )


def _cache_key(
    files: Sequence[FoundFile], skipped: Sequence[tuple[str, str]], image_shape: tuple[int, ...]
) -> str:
    """Return a hash of everything that decides which images are loaded."""
    digest = hashlib.sha256(repr((CODE, Image.__version__, image_shape, skipped)).encode())
    for file in files:
        digest.update(repr(file).encode())
    return digest.hexdigest()


def skipped_lines(images: ImageSet) -> list[str]:
    """Return lines to print about the files that were not loaded: path and reason of the first."""
    lines = [f"{path}: {reason}" for path, reason in images.skipped[:REASONS_IN_LIST]]
    more = len(images.skipped) - len(lines)
    if more > 0:
        lines.append(f"{more:,} more files")
    return lines


def _existing_folder(name: str) -> Path:
    folder = from_project_root(name)
    # The functions of os.path return False for an impossible name; those of Path raise an error.
    if os.path.isdir(folder):
        return folder
    if os.path.exists(folder):
        raise ImagesError(f"data.input_dir: {folder} is a file; a folder of images is needed.")
    raise ImagesError(
        f"data.input_dir: there is no folder {folder}; relative paths start at the project's root."
    )


def _find_files(folders: list[Path]) -> tuple[list[FoundFile], list[tuple[str, str]]]:
    """Find the files to load, and (path, reason) of what is skipped."""
    # By real path: a file that two folders share is loaded once.
    files: dict[str, FoundFile] = {}
    skipped: list[tuple[str, str]] = []
    roots = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)
    for folder in folders:
        style = folder.resolve().name
        for path, real_path, label in _image_paths(folder, skipped):
            if not real_path.startswith(roots):
                skipped.append((printable(path), "it is a link that leads out of the folder"))
            elif real_path not in files:
                size, changed = _size_and_time(real_path)
                files[real_path] = FoundFile(path, label, style, size, changed)
    return list(files.values()), skipped


def _image_paths(folder: Path, skipped: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """List (path, real path, label) of the files with an image extension. Append to `skipped`.

    They are sorted by path. The label is the folder of an image relative to the input folder, or
    the input folder's own name.
    """

    def skip_unreadable_folder(error: OSError) -> None:
        skipped.append((printable(error.filename), _reason(error)))

    paths = []
    own_name = folder.resolve().name
    for parent, folder_names, file_names in os.walk(folder, onerror=skip_unreadable_folder):
        # os.walk goes into the folders that stay in this list, in this order.
        folder_names[:] = sorted(name for name in folder_names if not name.startswith("."))
        for name in folder_names:
            path = os.path.join(parent, name)
            if os.path.islink(path):
                reason = "it is a link to a folder, which is not followed"
                skipped.append((printable(path), reason))
        label = "/".join(Path(parent).relative_to(folder).parts) or own_name
        real_parent = os.path.realpath(parent)
        for name in file_names:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                path = os.path.join(parent, name)
                is_link = os.path.islink(path)
                real_path = os.path.realpath(path) if is_link else os.path.join(real_parent, name)
                paths.append((path, real_path, label))
    return sorted(paths, key=lambda found: found[0].replace(os.sep, "/"))


def _size_and_time(path: str) -> tuple[int, int]:
    """Return a file's size in bytes and when it was changed; (0, 0) if it cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _load_image(path: str, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Load the image of a file, with shape (height, width, channels)."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait forever
        raise ImagesError("it is not a regular file")
    if status.st_size == 0:
        raise ImagesError("it is empty")
    if status.st_size > MAX_BYTES:
        raise ImagesError(f"it has more than {MAX_BYTES:,} bytes")
    with (
        warnings.catch_warnings(action="ignore"),
        open(path, "rb") as file,
        _opened(file) as image,
    ):
        if image.width * image.height > MAX_PIXELS:
            raise ImagesError(f"it has more than {MAX_PIXELS:,} pixels")
        _decode(image, file)
        ImageOps.exif_transpose(image, in_place=True)
        opaque = _on_white(_eight_bits(image))
        if opaque.mode == "LAB":  # Pillow has no direct conversion to gray
            opaque = opaque.convert("RGB")
        opaque = opaque.convert("RGB" if channels == 3 else "L")
    return np.asarray(_fit(opaque, height, width)).reshape(height, width, channels)


def _opened(file: IO[bytes]) -> Image.Image:
    """Open an image without decoding it. Refuse files whose decoding would take far too long."""
    start = file.read(16)
    if start[:3] == b"\xff\xd8\xff":
        _check_scans(file)
    elif start[:4] in TiffImagePlugin.PREFIXES:
        _check_tags(file, start)
    file.seek(0)
    return Image.open(file, formats=FORMATS)


def _check_scans(file: IO[bytes]) -> None:
    """Refuse a JPEG with too many scans."""
    file.seek(0)
    start_of_scan = b"\xff\xda"
    if file.read().count(start_of_scan) > MAX_SCANS:
        raise ImagesError(f"it is a JPEG with more than {MAX_SCANS} scans")


def _check_tags(file: IO[bytes], start: bytes) -> None:
    """Refuse a TIFF with too many strips, tiles or other numbers. Only its directory is read."""
    order = "<" if start[:2] == b"II" else ">"
    if start[2] == 43:  # a BigTIFF
        header, tag_count, entry = "8xQ", "Q", struct.Struct(order + "HHQ8x")
    else:
        header, tag_count, entry = "4xL", "H", struct.Struct(order + "HHL4x")
    (directory,) = struct.unpack_from(order + header, start)
    file.seek(directory)
    (tags,) = struct.unpack(order + tag_count, file.read(struct.calcsize(order + tag_count)))
    if tags > MAX_TAGS:
        raise ImagesError(f"it is a TIFF with more than {MAX_TAGS:,} tags")
    for _ in range(tags):
        tag, kind, count = entry.unpack(file.read(entry.size))
        if tag in (STRIP_OFFSETS, TILE_OFFSETS) and count > MAX_TILES:
            raise ImagesError(f"it is a TIFF with more than {MAX_TILES:,} strips or tiles")
        if kind not in (BYTE, ASCII, UNDEFINED) and count > MAX_NUMBERS:
            raise ImagesError(f"it is a TIFF with more than {MAX_NUMBERS:,} numbers in one tag")


def _decode(image: Image.Image, file: IO[bytes]) -> None:
    """Decode an image. Refuse tiles and EXIF data that would take too much memory."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        if image.tag_v2.get(TILE_WIDTH, 0) * image.tag_v2.get(TILE_LENGTH, 0) > MAX_PIXELS:
            raise ImagesError("it is a TIFF with tiles that are too large")
        with _silent_stderr(file):
            image.load()
    else:
        image.load()
    if len(image.info.get("exif", b"")) > MAX_EXIF_BYTES:
        raise ImagesError(f"it has more than {MAX_EXIF_BYTES:,} bytes of EXIF data")


# File descriptors belong to the whole process: only one thread at a time may exchange one.
_stderr_lock = threading.Lock()


@contextlib.contextmanager
def _silent_stderr(file: IO[bytes]) -> Iterator[None]:
    """Throw away what is written to file descriptor 2 while a file is decoded.

    The C code of libtiff writes its warnings there, and Pillow cannot turn them off.
    """
    if file.fileno() == 2:  # the process had closed its error stream, so the number was free
        yield
        return
    with _stderr_lock, open(os.devnull, "wb") as nowhere:
        stderr = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale the gray values of an image to 0..255. An image of another kind stays as it is."""
    if image.mode == "F":
        raise ImagesError("its pixels are floating-point numbers, whose range is not known")
    if not image.mode.startswith("I"):
        return image
    values = np.array(image, np.int32)
    if values.min() < 0 or values.max() > 65535:
        raise ImagesError("its gray values need more than 16 bits")
    # A PNG may declare one gray value to be transparent: it becomes white.
    values[values == image.info.get("transparency", -1)] = 65535
    # Divide by 257 = 65535 / 255. Half of it is added first, to round to the nearest.
    values += 128
    values //= 257
    return Image.fromarray(values.astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """Put an image with transparency on a white background."""
    if not image.has_transparency_data:
        return image
    if image.mode != "RGBA":  # without this check, convert would copy an RGBA image
        image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _fit(image: Image.Image, height: int, width: int) -> Image.Image:
    """Resize an image to fit into the target, and center it on white."""
    # Resized before it is padded: the padded square of a long strip could be too large for memory.
    scale = min(height / image.height, width / image.width)
    fitted_width = max(1, round(image.width * scale))
    fitted_height = max(1, round(image.height * scale))
    resized = image.resize((fitted_width, fitted_height), Image.Resampling.LANCZOS)
    canvas = Image.new(image.mode, (width, height), "white")
    canvas.paste(resized, ((width - fitted_width) // 2, (height - fitted_height) // 2))
    return canvas


def _reason(error: Exception) -> str:
    """Say in one line why a file was skipped. The same error gives the same line every time."""
    if isinstance(error, ImagesError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return f"it is not an image in one of the formats {', '.join(FORMATS)}"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {MAX_PIXELS:,} pixels"
    if isinstance(error, MemoryError):
        return "it does not fit into this machine's memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{SYSTEM_SAYS}: {error.strerror}"
    if isinstance(error, struct.error):
        return f"it cannot be decoded ({DAMAGED})"
    # A message may contain an address in memory, which differs every time.
    message = re.sub(r" at 0x[0-9a-fA-F]+", "", printable(error))
    if code := re.fullmatch(r"decoder error (-\d+)", message):
        message = DECODER_ERRORS.get(int(code[1]), message)
    return f"it cannot be decoded ({message or type(error).__name__})"


def _nothing_loaded(folders: list[Path], skipped: list[tuple[str, str]]) -> str:
    """Say why a set of images would be empty."""
    where = ", ".join(printable(folder) for folder in folders)
    if not skipped:
        return f"There is no image in {where}: no file ends in one of {', '.join(SUFFIXES)}."
    reasons = "; ".join(f"{path}: {reason}" for path, reason in skipped[:REASONS_IN_ERROR])
    more = "; …" if len(skipped) > REASONS_IN_ERROR else ""
    return f"No image could be loaded from {where}; skipped: {len(skipped)} ({reasons}{more})."
