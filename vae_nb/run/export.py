"""Writes a trained model for others. The ending of the file's name decides as what."""

import os
from pathlib import Path

from vae_nb.run.export_onnx import export_onnx, import_onnx, onnx_paths
from vae_nb.run.export_page import export_page
from vae_nb.run.model_card import export_card
from vae_nb.run.trained_run import TrainedRun
from vae_nb.system.errors import FilesError
from vae_nb.system.files import make_folder
from vae_nb.system.paths import from_project_root

KINDS = {
    ".html": "the explorer as a page",
    ".onnx": "encoder and decoder",
    ".md": "a model card",
}


def export_model(run: TrainedRun, path: str | Path) -> list[Path]:
    """Write a trained model as a page, as ONNX files, or as a model card.

    Parameters
    ----------
    path : str or Path
        A name that ends in `.html`, `.onnx` or `.md`. A relative path starts at the project's root.

    Returns
    -------
    list of Path
        The files that were written: two for `.onnx`, otherwise one.

    Raises
    ------
    FilesError
        If the name has another ending, a file cannot be written, or a package is missing.
    """
    path = from_project_root(path)
    check_export(path)
    kind = path.suffix.lower()
    if kind == ".onnx":
        return export_onnx(run, path)
    return [export_page(run, path) if kind == ".html" else export_card(run, path)]


def check_export(path: Path) -> None:
    """Check that a model can be exported to a path: better before a training than after it.

    The folder of the path is made if it is missing.

    Raises
    ------
    FilesError
        See `export_model`.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        *others, last = [f"{ending} ({what})" for ending, what in KINDS.items()]
        raise FilesError(
            f"Cannot export to {path}; allowed is a name that ends in {', '.join(others)} or "
            f"{last}."
        )
    paths = [path]
    if kind == ".onnx":
        import_onnx()
        paths = onnx_paths(path)
    make_folder(path.parent)
    for target in paths:
        if os.path.isdir(target):
            raise FilesError(f"Cannot write {target}: a folder has its name.")
