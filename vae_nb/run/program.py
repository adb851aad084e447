"""The program that the reader writes in notebooks 02 to 04, kept as a file from one to the next."""

import ast
import importlib.util
import inspect
import linecache
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from vae_nb.run.series import NOTEBOOKS_FOLDER
from vae_nb.run.workspace import Workspace
from vae_nb.system.errors import FilesError
from vae_nb.system.files import atomic_path

SNAPSHOTS = NOTEBOOKS_FOLDER / "program"
START = '''\
"""The program of notebooks 02 to 04, as it is after notebook {step}."""

import numpy as np
'''


def save_program(
    step: str,
    pieces: Sequence[Callable[..., Any]],
    output_dir: str | Path = "output",
    builds_on: str | None = None,
) -> Path:
    """Write functions and classes of a notebook to a file, for the next notebook.

    Parameters
    ----------
    step : str
        The notebook's number, for example "02".
    pieces : sequence of function or class
        What to write, in this order, as it stands in the cells that ran.
    builds_on : str or None
        The number of the notebook whose program comes first; `pieces` are added to it, or take the
        place of what has the same name there.

    Returns
    -------
    Path
        `program/after_02.py` in the output folder.

    Raises
    ------
    FilesError
        If the source of a piece is not known, or the file cannot be written.
    """
    sources = {}
    if builds_on is not None:
        sources = _definitions(_existing_path(builds_on, output_dir).read_text(encoding="utf-8"))
    sources |= {piece.__name__: _source_of(piece) for piece in pieces}
    path = _program_path(step, output_dir)
    text = "\n\n".join([START.format(step=step), *(source + "\n" for source in sources.values())])
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def load_program(step: str, output_dir: str | Path = "output") -> ModuleType:
    """Load what `save_program` wrote, or the snapshot beside the notebooks if there is no file.

    Parameters
    ----------
    step : str
        The number of the notebook that saved it, for example "02".

    Returns
    -------
    module
        With the functions and classes. Its `__file__` says where they are from.

    Raises
    ------
    FilesError
        If the file does not run.
    """
    path = _existing_path(step, output_dir)
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # the reader may have written anything
        raise FilesError(
            f"The program in {path} does not run: {type(error).__name__}: {error}. "
            f"Run notebook {step} again, or delete the file: then the shipped program is used."
        ) from None
    return module


def _program_path(step: str, output_dir: str | Path) -> Path:
    return Workspace(output_dir).folder / "program" / f"after_{step}.py"


def _existing_path(step: str, output_dir: str | Path) -> Path:
    path = _program_path(step, output_dir)
    return path if path.exists() else SNAPSHOTS / path.name


def _source_of(piece: Callable[..., Any]) -> str:
    """Return the source of a function or class: IPython keeps that of every cell for tracebacks."""
    # A class does not say where it is from, but its methods do.
    functions = [piece, *vars(piece).values()]
    names = [f.__code__.co_filename for f in functions if inspect.isfunction(f)]
    cell = "".join(linecache.getlines(names[0])) if names else ""
    try:
        return _definitions(cell)[piece.__name__]
    except KeyError:
        raise FilesError(
            f"Cannot save the program: the source of {piece.__name__} is not known. "
            "Run the cell that defines it, and then this one."
        ) from None


def _definitions(text: str) -> dict[str, str]:
    """Return the source of each function and class that is defined at the top level."""
    return {
        node.name: ast.get_source_segment(text, node) or ""
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
