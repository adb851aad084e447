"""A notebook with nothing but the latent explorer, for Voilà."""

from pathlib import Path
from typing import Any

from vae_nb.run.workspace import Workspace
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import from_project_root

TITLE = "Latent explorer"
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def write_explorer_notebook(
    config_path: str | Path | None = "config.json",
    output_dir: str | Path = "output",
    overrides: dict[str, Any] | None = None,
) -> Path:
    """Write a notebook with nothing but the latent explorer, for Voilà to serve.

    Parameters
    ----------
    config_path : str or Path or None
        A configuration file. None stands for the configuration of the model in the output folder.
    output_dir, overrides
        The same as in `run_series`.

    Returns
    -------
    Path
        `notebooks/explorer.ipynb` in the output folder.

    Raises
    ------
    FilesError
        If the file cannot be written.
    """
    import nbformat

    workspace = Workspace(output_dir)
    if config_path is not None:
        config_path = str(from_project_root(config_path))
    folder = str(workspace.folder)
    source = f"""import logging
import vae_nb

logging.getLogger("vae_nb").setLevel(logging.CRITICAL)  # no messages on the page
config = vae_nb.config_for({folder!r}, {config_path!r}, {overrides or {}!r})
run = vae_nb.load_or_train(config, {folder!r})
vae_nb.LatentExplorer(run.vae, run.train_set, folder={str(workspace.images)!r})"""
    cells = [nbformat.v4.new_markdown_cell(f"# {TITLE}"), nbformat.v4.new_code_cell(source)]
    metadata = {"kernelspec": KERNEL, "title": TITLE}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    path = workspace.notebooks / "explorer.ipynb"
    with atomic_path(path) as temporary:
        nbformat.write(notebook, temporary)
    return path
