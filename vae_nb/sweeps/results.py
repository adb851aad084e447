"""What a sweep leaves behind: tables of its runs and of their epochs, and example images."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vae_nb.core.metrics import pixel_distances
from vae_nb.core.random_streams import random_stream
from vae_nb.data.image_set import ImageSet
from vae_nb.run.trained_run import TrainedRun
from vae_nb.system.errors import FilesError
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import PROJECT_ROOT, from_project_root

DOCUMENTED = PROJECT_ROOT / "docs" / "sweeps" / "finalists"
EXAMPLES = 4  # of each kind: training images, held-out images, draws from the prior

# Columns of text. In the other columns, what looks like a number is one.
TEXTS = {"run", "config", "status", "error", "config_hash", "code_version", "blas"}
# Every row has these columns. What is swept is between "run" and "status".
COLUMNS = {"run", "status", "error", "config_hash", "code_version"}

Row = dict[str, Any]

# --- reading ---


@dataclass(frozen=True)
class SweepResults:
    """The results of a sweep.

    Attributes
    ----------
    folder : Path
    rows : list of dict
        One row of `results.csv` for each run: what was swept, the metrics (nested keys of
        `metrics.json` are joined by dots), and the seconds. Numbers are numbers; a value that a run
        does not have is None.
    swept : list of str
        The columns in which the runs differ, without the seed.
    curves : dict of str to dict
        `curves.csv`: the columns of each run's `vae_nb.History`, by the run's name.
    """

    folder: Path
    rows: list[Row]
    swept: list[str]
    curves: dict[str, dict[str, NDArray]]

    def examples(self, run: str) -> NDArray | None:
        """Return example images of a run.

        Parameters
        ----------
        run : str
            The run's name.

        Returns
        -------
        ndarray of uint8, shape (2, 12, height, width, 3), or None
            The first row has four training images, four held-out images, and the training images
            that are nearest to four draws from the prior. The second row has the reconstructions of
            the first eight, and the draws. None if the sweep's folder has no examples of the run.

        Raises
        ------
        FilesError
            If the file is damaged.
        """
        path = self.folder / run / "images" / "examples.png"
        if not path.is_file():
            return None
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            height = pixels.shape[0] // 2
            width = pixels.shape[1] // (3 * EXAMPLES)
            return pixels.reshape(2, height, 3 * EXAMPLES, width, 3).swapaxes(1, 2)
        except (OSError, ValueError, SyntaxError) as error:
            raise FilesError(f"{path} is not an image of examples: {error}.") from None


def find_sweep(output_dir: str | Path = "output") -> Path:
    """Find the sweep in an output folder that last gave a result, or else the documented sweep.

    Parameters
    ----------
    output_dir : str or Path
        A relative path starts at the project's root.

    Returns
    -------
    Path
        The sweep's folder.
    """
    tables = from_project_root(output_dir).glob("sweeps/*/results.csv")
    for table in sorted(tables, key=lambda path: path.stat().st_mtime, reverse=True):
        with suppress(FilesError):
            if any(row.get("status") == "complete" for row in _read_rows(table)):
                return table.parent
    return DOCUMENTED


def read_sweep(folder: str | Path) -> SweepResults:
    """Read the tables of a sweep.

    Parameters
    ----------
    folder : str or Path
        A relative path starts at the project's root.

    Raises
    ------
    FilesError
        If the tables do not exist, or contain no run.
    """
    folder = from_project_root(folder)
    rows = _read_rows(folder / "results.csv")
    epochs = _read_rows(folder / "curves.csv")
    if not rows or not rows[0].keys() >= COLUMNS or not all("run" in row for row in epochs):
        raise FilesError(f"The tables in {folder} contain no run of a sweep.")
    columns = list(rows[0])
    swept = columns[1 : columns.index("status")]
    swept = [key for key in swept if key != "training.seed"]
    return SweepResults(folder, rows, swept, _curves_in(epochs))


def _curves_in(epochs: list[Row]) -> dict[str, dict[str, NDArray]]:
    """Return the columns of each run's epochs, by the run's name."""
    rows_of: dict[str, list[Row]] = {}
    for epoch in epochs:
        rows_of.setdefault(epoch["run"], []).append(epoch)
    curves = {}
    for run, rows in rows_of.items():
        columns = [column for column in rows[0] if column != "run"]
        curves[run] = {column: np.array([row[column] for row in rows]) for column in columns}
    return curves


def _read_rows(path: Path) -> list[Row]:
    """Read a table."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FilesError(f"{path} cannot be read as a table: {reason}.") from None
    # DictReader puts values without a column under None, and None where a value is missing.
    if any(None in row or None in row.values() for row in rows):
        raise FilesError(f"{path} is not a table: a line is longer or shorter than the first.")
    return [{column: _parsed(column, text) for column, text in row.items()} for row in rows]


def _parsed(column: str, text: str) -> float | int | str | None:
    """Return a cell as a number or a text; None if it is empty."""
    if column in TEXTS:
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None


# --- writing ---


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a table as CSV, with a column for every key of the rows.

    Raises
    ------
    FilesError
        If the file cannot be written.
    """
    columns: list[str] = []
    for row in rows:
        for key in row:
            if key not in columns:
                columns.append(key)
    if not columns:
        columns = ["run"]
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def flat(metrics: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of nested metrics, the keys joined by dots.

    Parameters
    ----------
    metrics : dict
        What `metrics.json` holds.
    prefix : str
        Put before every key.
    """
    for key, value in metrics.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def write_examples(path: Path, run: TrainedRun) -> None:
    """Write example images of a run, for `SweepResults.examples` to read.

    Raises
    ------
    FilesError
        If the file cannot be written.
    """
    training = run.train_set.as_float()  # (images, pixels)
    draws = random_stream(run.config.training.seed, "samples").standard_normal(
        (EXAMPLES, run.vae.latent_dim)
    )
    samples = run.vae.decode(draws)  # (EXAMPLES, pixels)
    nearest = training[pixel_distances(samples, training).argmin(axis=1)]
    trained = _some_images(run.train_set)
    held_out = _some_images(run.validation_set)
    above = np.concatenate([trained, held_out, nearest])  # (3 * EXAMPLES, pixels)
    below = np.concatenate([run.vae.reconstruct(trained), run.vae.reconstruct(held_out), samples])
    height, width, channels = run.config.data.image_shape
    tiles = np.stack([above, below]).reshape(2, 3 * EXAMPLES, height, width, channels)
    pixels = np.round(255 * np.clip(tiles, 0, 1)).astype(np.uint8).swapaxes(1, 2)
    pixels = pixels.reshape(2 * height, 3 * EXAMPLES * width, channels)
    with atomic_path(path) as temporary:
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(temporary)


def _some_images(image_set: ImageSet) -> NDArray:
    """Return a few images, evenly spread over a set, of shape (EXAMPLES, pixels).

    If the set has fewer images, some of them come several times.
    """
    rows = np.linspace(0, len(image_set) - 1, EXAMPLES).round().astype(int)
    return image_set.as_float(rows)
