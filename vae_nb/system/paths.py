"""The project's folder, and the paths that start there."""

import os
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def from_project_root(path: str | Path) -> Path:
    """Return an absolute path. A relative one starts at the project's root.

    The working directory of a notebook differs between JupyterLab, papermill and nbval. The
    project's root is always the same.

    Parameters
    ----------
    path : str or Path
        `~` stands for the user's home directory.
    """
    # Path.expanduser raises an error for the home of an unknown user (~nobody); this one does not.
    return PROJECT_ROOT / os.path.expanduser(path)
