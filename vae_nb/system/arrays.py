"""Plain arrays and a description of them: one `.npz` file, written whole, read with distrust."""

import json
import math
import os
import stat
import zipfile

import numpy as np

from vae_nb.system.errors import ModelError
from vae_nb.system.files import atomic_path

METADATA = "metadata"  # the array that holds the description, as UTF-8 encoded JSON
METADATA_BYTES = 2**19  # at most; it is a configuration and a few numbers


def save_arrays(path, arrays, metadata):
    """Write arrays and a description of them to one file, whole or not at all.

    Parameters
    ----------
    path : str or Path
    arrays : dict of str to ndarray
    metadata : dict
        Whatever JSON can say.

    Raises
    ------
    FilesError
        If the file cannot be written; what was at `path` is still there then.
    """
    text = json.dumps(metadata, allow_nan=False).encode()
    # To an open file: NumPy would add .npz to another name.
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays, **{METADATA: np.frombuffer(text, np.uint8)})


def load_arrays(path, choose=lambda metadata, headers: headers):
    """Read what `save_arrays` wrote, from anyone: nothing in the file is executed.

    An array is read only if it has, to the byte, the size that its header claims, and was chosen
    by it, so that no file can ask for more memory than a model of its description takes.

    Parameters
    ----------
    path : str or Path
    choose : callable
        Called as `choose(metadata, headers)` before any array is read, with the (shape, dtype) of
        each array by name. It gives the names of those to read, or raises what is wrong.

    Returns
    -------
    arrays : dict of str to ndarray
    metadata : dict

    Raises
    ------
    ModelError
        If there is no such file, or it is not one that `save_arrays` wrote.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ModelError(f"Cannot read {path}: it is not a regular file.")  # a pipe would block
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise ValueError("two of its arrays have one name")
            headers = {name: _read_header(archive, info) for name, info in members.items()}
            shape, dtype = headers.pop(METADATA)
            if dtype != np.uint8 or math.prod(shape) > METADATA_BYTES:
                raise ValueError(f"its {METADATA} is larger than any model's, or no text")
            metadata = json.loads(_read_array(archive, members.pop(METADATA)).tobytes())
            if not isinstance(metadata, dict):
                raise ValueError(f"its {METADATA} is no JSON object")
            names = choose(metadata, headers)
            arrays = {name: _read_array(archive, members[name]) for name in names}
    except ModelError:
        raise
    except FileNotFoundError:
        raise ModelError(f"There is no model file {path}.") from None
    except KeyError:
        raise ModelError(f"{path} is not a saved model: it has no {METADATA}.") from None
    except OSError as error:
        raise ModelError(f"Cannot read {path}: {error.strerror or error}.") from None
    except MemoryError:
        raise ModelError(
            f"{path} is not a saved model, or does not fit into this machine's memory."
        ) from None
    # The parsers of archive, header and JSON meet damage with exceptions of nearly every class.
    except Exception as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ModelError(f"{path} is not a saved model, or damaged: {reason}.") from None
    return arrays, metadata


def _read_header(archive, member):
    """The shape and dtype of one array of an `.npz` archive, its size checked."""
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise ValueError(f"{member.filename!r} is compressed, which a saved model never is")
    with archive.open(member) as file:
        return _parsed_header(file, member)[::2]


def _parsed_header(file, member):
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{member.filename!r} has an unknown array format {version}")
    shape, column_major, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in "fiu":
        raise ValueError(f"{member.filename!r} holds {dtype}, not numbers")
    if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
        raise ValueError(f"{member.filename!r} is not of the size that its header claims")
    return shape, column_major, dtype


def _read_array(archive, member):
    """One array of an `.npz` archive."""
    with archive.open(member) as file:
        shape, column_major, dtype = _parsed_header(file, member)
        # Read as bytes: a checksum of the archive covers them up to the last one.
        values = np.frombuffer(file.read(), dtype)
        return values.reshape(shape, order="F" if column_major else "C")
