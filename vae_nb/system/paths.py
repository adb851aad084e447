"""Where the project lies."""

import os
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def from_project_root(path):
    """A path made absolute; a relative one starts at the project's root.

    A notebook's working directory differs between JupyterLab, papermill and nbval; the
    project's root does not.

    Parameters
    ----------
    path : str or Path
        `~` is the reader's home directory.

    Returns
    -------
    Path
    """
    return PROJECT_ROOT / os.path.expanduser(path)  # unlike Path's, it leaves ~nobody as it is
