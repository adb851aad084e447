"""Plain arrays and a description of them: one `.npz` file, written whole, read with distrust."""

import json
import math
import zipfile

import numpy as np

from vae_nb.errors import ModelError
from vae_nb.files import atomic_path

METADATA = "metadata"  # the array that holds the description, as UTF-8 encoded JSON


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
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays, **{METADATA: np.frombuffer(text, np.uint8)})


def load_arrays(path):
    """Read what `save_arrays` wrote, from anyone: nothing in the file is executed.

    An array is read only if it has, to the byte, the size that its header claims, so that a
    small file cannot ask for much memory.

    Parameters
    ----------
    path : str or Path

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
        with zipfile.ZipFile(path) as archive:
            arrays = {
                member.filename.removesuffix(".npy"): _read_array(archive, member)
                for member in archive.infolist()
            }
        metadata = json.loads(arrays.pop(METADATA).tobytes())
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
    if not isinstance(metadata, dict):
        raise ModelError(f"{path} is not a saved model: its {METADATA} is no JSON object.")
    return arrays, metadata


def _read_array(archive, member):
    """One array of an `.npz` archive, its size checked before memory is taken."""
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise ValueError(f"{member.filename!r} is compressed, which a saved model never is")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{member.filename!r} has an unknown array format {version}")
        shape, column_major, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.kind not in "fiu":
            raise ValueError(f"{member.filename!r} holds {dtype}, not numbers")
        if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"{member.filename!r} is not of the size that its header claims")
        # Read as bytes: a checksum of the archive covers them up to the last one.
        values = np.frombuffer(file.read(), dtype)
        return values.reshape(shape, order="F" if column_major else "C")
