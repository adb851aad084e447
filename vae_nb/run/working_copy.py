"""The reader's own copy of the notebooks."""

import json
from pathlib import Path

from vae_nb.run import series
from vae_nb.run.notebook_text import notebook_version, without_outputs
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import PROJECT_ROOT

WORKING_COPY = PROJECT_ROOT / "my_notebooks"
BESIDE_THE_SERIES = ("lab/*.ipynb", "more/*.ipynb", "solutions/*.ipynb")


def refresh_working_copy(folder: Path | None = None) -> tuple[list[Path], list[Path]]:
    """Copy the notebooks, and what is beside them, to the folder in which a reader works on them.

    The copies have no outputs, so that a reader meets a question before its answer. A notebook is
    copied if it is missing. If the series has a new version of it, that replaces a copy in which
    the reader has changed no cell; running a notebook changes no cell. A file in the folder records
    which versions were copied.

    Parameters
    ----------
    folder : Path or None
        None is `my_notebooks` in the project.

    Returns
    -------
    notebooks : list of Path
        The copies of the series' notebooks, in order.
    kept : list of Path
        The copies that the reader has changed although the series has a new version.

    Raises
    ------
    FilesError
        If the folder cannot be written, or there are no notebooks to copy.
    """
    if folder is None:
        folder = WORKING_COPY
    notebooks = series.series_notebooks()
    others = [
        path
        for pattern in BESIDE_THE_SERIES
        for path in sorted(series.NOTEBOOKS_FOLDER.glob(pattern))
    ]
    versions_path = folder / ".versions.json"
    copied_versions = _read_versions(versions_path)
    kept = []
    for original in [*notebooks, *others]:
        name = original.relative_to(series.NOTEBOOKS_FOLDER).as_posix()
        copy = folder / name
        version = notebook_version(original)
        reader_version = notebook_version(copy)
        copied_version = copied_versions.get(name)
        if not copy.exists():
            is_outdated = True
        elif version in (copied_version, reader_version):  # the series has nothing new
            is_outdated = False
        elif reader_version is not None and reader_version == copied_version:
            is_outdated = True  # the reader has changed no cell
        else:
            kept.append(copy)
            continue
        if is_outdated:
            text = without_outputs(original.read_text(encoding="utf-8"))
            with atomic_path(copy) as temporary:
                temporary.write_text(text, encoding="utf-8")
        copied_versions[name] = version
    with atomic_path(versions_path) as temporary:
        temporary.write_text(json.dumps(copied_versions, indent=2), encoding="utf-8")
    return [folder / notebook.name for notebook in notebooks], kept


def _read_versions(path: Path) -> dict[str, str | None]:
    """Read which version of each file was copied."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}  # without a record, every file that differs counts as the reader's
