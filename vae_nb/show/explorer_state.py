"""What the latent explorer in the browser is given: the model, its pictures, and their codes.

The browser decodes, encodes, and says in words what it shows. What does not change while a reader
plays is computed here, once.
"""

import io
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from vae_nb.core.architecture import LayerShape, layer_shapes
from vae_nb.core.convolution import PIXELS
from vae_nb.core.latent import Axes, latent_axes, principal_axes
from vae_nb.core.metrics import encode_set, pixel_distances
from vae_nb.core.model import VAE
from vae_nb.data.image_set import ImageSet
from vae_nb.system.errors import printable

FRONTEND = Path(__file__).parent / "frontend"
# In the order in which they need one another.
MODULES = (
    *("network.js", "latent.js", "elements.js", "pixels.js", "thumbnails.js", "picker.js"),
    *("tiles.js", "map.js", "sliders.js", "blend.js", "attribute.js", "path.js"),
    *("random.js", "own_picture.js", "address.js", "explorer.js"),
)

MIN_REACH = 4  # a slider goes at least so many standard deviations each way
PRIOR_DRAWS = 10_000  # a vector's norm is compared with theirs
NORM_QUANTILES = 1001  # of these draws
MAX_MEASURED_CODES = 500  # to find out how far apart codes are
MAX_THUMBNAIL = 64  # pixels of its longer side
SHEET_COLUMNS = 32


class ExplorerState(NamedTuple):
    """What the browser is given.

    Attributes
    ----------
    facts : dict
        All that is not a long list of numbers; it can be written as JSON.
    numbers : bytes
        The weights and biases of all layers in the order of the model, each matrix row by row, and
        the mean image: float32 or float16, little-endian.
    codes : bytes
        The means of the posteriors of all images, float64, shape (images, latent).
    thumbnails : bytes
        All images as tiles of one PNG.
    """

    facts: dict[str, Any]
    numbers: bytes
    codes: bytes
    thumbnails: bytes


def explorer_state(vae: VAE, images: ImageSet, dtype: DTypeLike = np.float32) -> ExplorerState:
    """Compute what the explorer needs of a model and of images to compare with.

    Parameters
    ----------
    dtype : dtype
        Of the weights: float32, or float16 for a smaller file.
    """
    posteriors = encode_set(vae, images)
    codes = posteriors.mean.astype(np.float64)  # (images, latent)
    fitted_mean, covariance = posteriors.aggregate()
    # A seed of its own: these draws are only counted, not shown.
    draws = np.random.default_rng(0).standard_normal((PRIOR_DRAWS, vae.latent_dim))
    norms = np.linalg.norm(draws, axis=1)
    tile = _tile_size(*images.image_shape[:2])
    number_type = np.dtype(dtype).newbyteorder("<")
    facts = {
        "image_shape": vae.image_shape,
        "layers": [_described(shape) for shape in layer_shapes(vae.config, vae.image_shape)],
        "number_format": np.dtype(dtype).name,
        "names": _readable_names(images),
        "axes": [
            _described_axes("latent dimensions", latent_axes(posteriors), codes),
            _described_axes("principal directions", principal_axes(vae, posteriors), codes),
        ],
        "fitted": {
            "mean": fitted_mean.tolist(),
            "factor": np.linalg.cholesky(covariance).tolist(),
        },
        "prior_norm": float(norms.mean()),
        "prior_norms": np.quantile(norms, np.linspace(0, 1, NORM_QUANTILES)).tolist(),
        "neighbor_distance": _neighbor_distance(codes),
        "tile": tile,
        "columns": SHEET_COLUMNS,
    }
    parameters = [array.ravel() for array in vae.named_parameters().values()]
    numbers = np.concatenate([*parameters, vae.mean_image]).astype(number_type)
    return ExplorerState(
        facts,
        numbers.tobytes(),
        codes.astype("<f8").tobytes(),
        _png_sheet(images.pixels, *tile),
    )


def explorer_module() -> str:
    """Return the explorer's JavaScript as one module.

    A notebook takes a single module, and so does a page that is one file. So the files of
    `frontend/` are put one after another, without the lines that import one from another.
    """
    files = [(FRONTEND / name).read_text(encoding="utf-8") for name in MODULES]
    without_imports = re.sub(r"^import [^;]*;\n", "", "\n".join(files), flags=re.MULTILINE)
    return re.sub(r"^export (?!default)", "", without_imports, flags=re.MULTILINE)


def _described(shape: LayerShape) -> dict[str, Any]:
    """Describe a layer; a dense one is an image of one pixel, all of whose numbers are a patch."""
    dense = shape.reads is None or shape.writes is None
    rows, columns = shape.weights
    return {
        "name": shape.name,
        "activation": shape.activation,
        "input": (1, 1, rows) if dense else shape.input_shape,
        "output": (1, 1, columns) if dense else shape.output_shape,
        "reads": shape.reads or PIXELS,
        "writes": shape.writes or PIXELS,
        "weights": (rows, columns),
        "biases": shape.biases,
    }


def _described_axes(kind: str, axes: Axes, codes: NDArray) -> dict[str, Any]:
    """Describe axes: how far their sliders go, and how much their first plane tells.

    Parameters
    ----------
    codes : ndarray, shape (images, latent)
    """
    coordinates = axes.coordinates(codes)  # (images, latent)
    # The axes of either kind are at right angles, so these add up to the variance of the codes.
    variances = np.var(coordinates, axis=0) * np.sum(axes.matrix**2, axis=0)
    total = float(np.sum(variances))
    return {
        "kind": kind,
        "names": axes.names,
        "center": axes.center.tolist(),
        "matrix": axes.matrix.tolist(),
        "inverse": np.linalg.inv(axes.matrix).tolist(),
        "informative": axes.informative,
        "reach": np.maximum(MIN_REACH, np.ceil(np.abs(coordinates).max(axis=0))).tolist(),
        "plane_share": float(np.sum(variances[:2])) / total if total else 0.0,
    }


def _neighbor_distance(codes: NDArray) -> float | None:
    """Measure how far a code usually is from its nearest neighbor; None if there is one code."""
    if len(codes) < 2:
        return None
    measured = codes[:: 1 + len(codes) // MAX_MEASURED_CODES]
    distances = pixel_distances(measured, codes)  # (measured, codes)
    # In each row, 0 to the code itself comes first, then the nearest neighbor.
    return float(np.median(np.partition(distances, 1, axis=1)[:, 1]))


def _tile_size(height: int, width: int) -> list[int]:
    """Return height and width of a thumbnail; an image is not enlarged."""
    scale = min(1, MAX_THUMBNAIL / max(height, width))
    return [max(1, round(height * scale)), max(1, round(width * scale))]


def _png_sheet(images: NDArray[np.uint8], tile_height: int, tile_width: int) -> bytes:
    """Return all images as tiles of one PNG, SHEET_COLUMNS in a row."""
    rows = math.ceil(len(images) / SHEET_COLUMNS)
    columns = min(SHEET_COLUMNS, len(images))
    sheet = Image.new("RGB", (columns * tile_width, rows * tile_height), "white")
    for index, pixels in enumerate(images):
        row, column = divmod(index, SHEET_COLUMNS)
        tile = Image.fromarray(pixels.squeeze()).convert("RGB").resize((tile_width, tile_height))
        sheet.paste(tile, (column * tile_width, row * tile_height))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _readable_names(images: ImageSet) -> list[str]:
    """Return readable names, or the files' own where readable ones would be alike or empty.

    Several drawings of one emoji are told apart by their style.
    """
    readable = [_readable(name) for name in images.names]
    has_empty = "" in readable
    if len(set(images.styles)) > 1:
        readable = [f"{name}, {style}" for name, style in zip(readable, images.styles, strict=True)]
    if has_empty or len(set(readable)) < len(readable):
        readable = list(images.names)
    return [printable(name) for name in readable]


def _readable(name: str) -> str:
    """Make "grinning face" of the file name "1f600_grinning_face"."""
    without_code_point = re.sub(r"^(?=[0-9a-f]*\d)[0-9a-f]{4,5}_", "", name)
    return without_code_point.replace("_", " ")
