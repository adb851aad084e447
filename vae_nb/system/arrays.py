"""Save arrays and a description of them in one `.npz` file, and read such a file with distrust."""

import json
import math
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vae_nb.system.errors import ModelError
from vae_nb.system.files import atomic_path

METADATA = "metadata"  # the name of the array that holds the description, as JSON in UTF-8
MAX_METADATA_BYTES = 2**19  # the description is a configuration and a few numbers

Header = tuple[tuple[int, ...], np.dtype]  # shape and dtype of an array
Choose = Callable[[dict[str, Any], dict[str, Header]], Iterable[str]]


def save_arrays(path: str | Path, arrays: Mapping[str, NDArray], metadata: dict[str, Any]) -> None:
    """Write arrays and a description of them to one file. The file is complete or not written.

    Parameters
    ----------
    metadata : dict
        The description: anything that JSON can express.

    Raises
    ------
    FilesError
        If the file cannot be written. The old file at `path` is then still there.
    """
    text = json.dumps(metadata, allow_nan=False).encode()
    named_arrays = {**arrays, METADATA: np.frombuffer(text, np.uint8)}
    # NumPy gets an open file, because it would add .npz to a name that ends otherwise.
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **named_arrays)  # type: ignore[arg-type]  # none is named allow_pickle


def load_arrays(
    path: str | Path, choose: Choose | None = None
) -> tuple[dict[str, NDArray], dict[str, Any]]:
    """Read a file of `save_arrays`, even one from a stranger: nothing in it is executed.

    An array is read only if `choose` names it and if it has exactly the size that its header
    claims. So no file can ask for more memory than the model that it describes.

    Parameters
    ----------
    choose : callable, optional
        Called as `choose(metadata, headers)` before any array is read. `headers` has the shape and
        the dtype of each array by its name. Returns the names of the arrays to read, or raises an
        error. Without it, all arrays are read.

    Returns
    -------
    arrays : dict of str to ndarray
    metadata : dict

    Raises
    ------
    ModelError
        If the file is missing, or was not written by `save_arrays`.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a named pipe would wait forever
            raise ModelError(f"Cannot read {path}: it is not a regular file.")
        with zipfile.ZipFile(path) as archive:
            members = _members_by_name(archive)
            headers = {name: _read_header(archive, member) for name, member in members.items()}
            if METADATA not in headers:
                raise ModelError(f"{path} is not a saved model: it has no {METADATA}.")
            metadata = _read_metadata(archive, members[METADATA], headers.pop(METADATA))
            names = headers if choose is None else choose(metadata, headers)
            arrays = {name: _read_array(archive, members[name]) for name in names}
    except ModelError:
        raise
    except FileNotFoundError:
        raise ModelError(f"There is no model file {path}.") from None
    except OSError as error:
        raise ModelError(f"Cannot read {path}: {error.strerror or error}.") from None
    except MemoryError:
        raise ModelError(
            f"{path} is not a saved model, or does not fit into this machine's memory."
        ) from None
    # The parsers of the archive, the headers and the JSON raise many kinds of exceptions when a
    # file is damaged.
    except Exception as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ModelError(f"{path} is not a saved model, or damaged: {reason}.") from None
    return arrays, metadata


def _members_by_name(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise ValueError("two of its arrays have one name")
    return members


def _read_metadata(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, header: Header
) -> dict[str, Any]:
    """Read the description of an `.npz` archive."""
    shape, dtype = header
    if dtype != np.uint8 or math.prod(shape) > MAX_METADATA_BYTES:
        raise ValueError(f"its {METADATA} is larger than any model's, or is not text")
    metadata = json.loads(_read_array(archive, member).tobytes())
    if not isinstance(metadata, dict):
        raise ValueError(f"its {METADATA} is not a JSON object")
    return metadata


def _read_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    """Read the shape and dtype of one array of an `.npz` archive, and check its size."""
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise ValueError(f"{member.filename!r} is compressed, which a saved model never is")
    with archive.open(member) as file:
        shape, dtype, _ = _parse_header(file, member)
        return shape, dtype


def _parse_header(
    file: IO[bytes], member: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype, bool]:
    """Parse an array's header: its shape, its dtype, and whether it is stored by columns."""
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{member.filename!r} has an unknown array format {version}")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in "fiu":
        raise ValueError(f"{member.filename!r} holds {dtype}, not numbers")
    if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
        raise ValueError(f"{member.filename!r} does not have the size that its header claims")
    return shape, dtype, by_columns


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray:
    """Read one array of an `.npz` archive."""
    with archive.open(member) as file:
        shape, dtype, by_columns = _parse_header(file, member)
        # The archive has a checksum of the bytes. It is checked when the last one is read.
        values = np.frombuffer(file.read(), dtype)
        return values.reshape(shape, order="F" if by_columns else "C")
