"""The reader's own copy of the notebooks, and which version of a notebook it is."""

import hashlib
import json

from vae_nb.run import series
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import PROJECT_ROOT

WORKING_COPY = PROJECT_ROOT / "my_notebooks"


def refresh_working_copy(folder=None):
    """Copy the notebooks and their solutions to where a reader works on them.

    A notebook is copied where it is missing, and replaced by the series' new version where the
    reader has changed no cell of it: running it changes none. A file in the folder remembers
    which version was copied.

    Parameters
    ----------
    folder : Path or None
        None is `my_notebooks` in the project.

    Returns
    -------
    notebooks : list of Path
        The copies of the series' notebooks, in order.
    kept : list of Path
        Those that the reader has changed although the series has a new version.

    Raises
    ------
    FilesError
        If the folder cannot be written, or there are no notebooks to copy.
    """
    folder = WORKING_COPY if folder is None else folder
    versions_path = folder / ".versions.json"
    try:
        versions = dict(json.loads(versions_path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        versions = {}  # nothing is known of what is there, so all of it is the reader's
    kept = []
    originals = [
        *series.series_notebooks(),
        *sorted(series.NOTEBOOKS_FOLDER.glob("solutions/*.ipynb")),
    ]
    for original in originals:
        name = original.relative_to(series.NOTEBOOKS_FOLDER).as_posix()
        copy, version = folder / name, notebook_version(original)
        copied = versions.get(name)
        if copy.exists() and version in (copied, notebook_version(copy)):
            versions[name] = version
        elif copy.exists() and notebook_version(copy) != copied:
            kept.append(copy)
        else:
            with atomic_path(copy) as temporary:
                temporary.write_bytes(original.read_bytes())
            versions[name] = version
    with atomic_path(versions_path) as temporary:
        temporary.write_text(json.dumps(versions, indent=2), encoding="utf-8")
    return [folder / original.name for original in series.series_notebooks()], kept


def notebook_version(path):
    """What tells a notebook from one with other cells, whatever their outputs are.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str or None
        None if it is no notebook.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (OSError, ValueError, LookupError, TypeError):
        return None  # not a notebook any more
    return hashlib.sha256(repr(sources).encode()).hexdigest()
