"""What a sweep leaves behind: tables of its runs and of their epochs, and some pictures of each."""

import csv
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vae_nb.core.metrics import pixel_distances
from vae_nb.core.random_streams import random_stream
from vae_nb.system.errors import FilesError
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import PROJECT_ROOT, from_project_root

DOCUMENTED = PROJECT_ROOT / "docs" / "sweeps" / "questions"
TEXTS = {"run", "config", "status", "error", "config_hash", "code_version", "blas"}
EXAMPLES = 4  # of each kind: training pictures, held-out pictures, draws from the prior
# Of every row; what is swept stands between the first of them and the others.
COLUMNS = {"run", "status", "error", "config_hash", "code_version"}


@dataclass(frozen=True)
class SweepResults:
    """A sweep that was run.

    Attributes
    ----------
    folder : Path
    rows : list of dict
        Of `results.csv`: a run each, with what was swept, metrics (as `metrics.json` has them, the
        keys joined by dots), seconds. Numbers are numbers; what a run does not have is None.
    swept : list of str
        The columns that tell the runs apart, without the seed.
    curves : dict of str to dict
        Of `curves.csv`: the columns of each run's `vae_nb.History`, by the run's name.
    """

    folder: Path
    rows: list
    swept: list
    curves: dict

    def examples(self, run):
        """What a run's model makes of pictures.

        Parameters
        ----------
        run : str
            Its name.

        Returns
        -------
        ndarray of uint8, shape (2, 12, height, width, 3), or None
            Above: four training pictures, four held-out ones, and the training pictures nearest
            to four draws from the prior. Below: their reconstructions, and these draws. None where
            the sweep's folder has no pictures of the run.

        Raises
        ------
        FilesError
            If the picture is damaged.
        """
        path = self.folder / run / "images" / "examples.png"
        if not path.is_file():
            return None
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            height, width = pixels.shape[0] // 2, pixels.shape[1] // (3 * EXAMPLES)
            return pixels.reshape(2, height, 3 * EXAMPLES, width, 3).swapaxes(1, 2)
        except (OSError, ValueError, SyntaxError) as error:
            raise FilesError(f"{path} is no picture of examples: {error}.") from None


def find_sweep(output_dir="output"):
    """The sweep that last gave a result in an output folder; the documented one if none did.

    Parameters
    ----------
    output_dir : str or Path
        A relative path starts at the project's root.

    Returns
    -------
    Path
    """
    tables = from_project_root(output_dir).glob("sweeps/*/results.csv")
    for table in sorted(tables, key=lambda path: path.stat().st_mtime, reverse=True):
        with suppress(FilesError):
            if any(row.get("status") == "complete" for row in _read_rows(table)):
                return table.parent
    return DOCUMENTED


def read_sweep(folder):
    """Read the tables of a sweep.

    Parameters
    ----------
    folder : str or Path
        A relative path starts at the project's root.

    Returns
    -------
    SweepResults

    Raises
    ------
    FilesError
        If the tables are not there, or hold no run.
    """
    folder = from_project_root(folder)
    rows, epochs = _read_rows(folder / "results.csv"), _read_rows(folder / "curves.csv")
    if not rows or not rows[0].keys() >= COLUMNS or not all("run" in row for row in epochs):
        raise FilesError(f"The tables in {folder} hold no run of a sweep.")
    columns = list(rows[0])
    swept = columns[1 : columns.index("status")]
    curves = {}
    for epoch in epochs:
        of_run = curves.setdefault(epoch.pop("run"), {name: [] for name in epoch})
        for name, value in epoch.items():
            of_run[name].append(value)
    curves = {
        run: {name: np.array(values) for name, values in columns.items()}
        for run, columns in curves.items()
    }
    return SweepResults(folder, rows, [key for key in swept if key != "training.seed"], curves)


def _read_rows(path):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FilesError(f"{path} cannot be read as a table: {reason}.") from None
    if any(None in row or None in row.values() for row in rows):
        raise FilesError(f"{path} is no table: a line is longer or shorter than the first.")
    return [{key: _parsed(key, text) for key, text in row.items()} for row in rows]


def _parsed(column, text):
    if column in TEXTS:
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None


def write_rows(path, rows):
    """Write a tidy table as CSV: a column for every key that a row has.

    Parameters
    ----------
    path : Path
    rows : list of dict

    Raises
    ------
    FilesError
        If it cannot be written.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row)) or ["run"]
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def flat(metrics, prefix=""):
    """The items of nested metrics, their keys joined by dots.

    Parameters
    ----------
    metrics : dict
        As of `metrics.json`.

    Yields
    ------
    (str, object)
    """
    for key, value in metrics.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def write_examples(path, run):
    """Write what a model makes of some pictures, as `SweepResults.examples` reads it.

    Parameters
    ----------
    path : Path
    run : vae_nb.TrainedRun

    Raises
    ------
    FilesError
        If it cannot be written.
    """
    parts = [_some(run.train_set), _some(run.validation_set)]  # (EXAMPLES, pixels) each
    draws = random_stream(run.config.training.seed, "samples").standard_normal(
        (EXAMPLES, run.vae.latent_dim)
    )
    samples = run.vae.decode(draws)
    training = run.train_set.as_float()
    nearest = training[pixel_distances(samples, training).argmin(axis=1)]
    above = np.concatenate([*parts, nearest])
    below = np.concatenate([*map(run.vae.reconstruct, parts), samples])
    height, width, channels = run.config.data.image_shape
    tiles = np.stack([above, below]).reshape(2, -1, height, width, channels)
    pixels = np.round(255 * np.clip(tiles, 0, 1)).astype(np.uint8).swapaxes(1, 2)
    pixels = pixels.reshape(2 * height, -1, channels)
    with atomic_path(path) as temporary:
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(temporary)


def _some(image_set):
    """Pictures that are evenly spread over a set; a smaller set is gone through several times."""
    places = np.linspace(0, len(image_set) - 1, EXAMPLES).round().astype(int)
    return image_set.as_float(places)
