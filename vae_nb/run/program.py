"""The program that the reader writes in notebooks 02 to 04, kept as a file from one to the next."""

import ast
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

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
    cells: Iterable[str],
    names: Sequence[str],
    output_dir: str | Path = "output",
    builds_on: str | None = None,
) -> Path:
    """Write functions and classes of a notebook to a file, for the next notebook.

    Parameters
    ----------
    step : str
        The notebook's number, for example "02".
    cells : iterable of str
        The source of the cells in the order in which they ran: what IPython calls `In`.
    names : sequence of str
        What to write, in this order. If a name is defined twice, the last definition counts.
    builds_on : str or None
        The number of the notebook whose program comes first; `names` are added to it, or take the
        place of what has the same name there.

    Returns
    -------
    Path
        `program/after_02.py` in the output folder.

    Raises
    ------
    FilesError
        If a name is defined in no cell, or the file cannot be written.
    """
    earlier = {}
    if builds_on is not None:
        earlier = _definitions([_existing_path(builds_on, output_dir).read_text(encoding="utf-8")])
    definitions = _definitions(cells)
    missing = [name for name in names if name not in definitions]
    if missing:
        raise FilesError(
            f"Cannot save the program: no cell that ran defines {', '.join(missing)}. "
            "Run the notebook from its first cell."
        )
    path = _program_path(step, output_dir)
    pieces = earlier | {name: definitions[name] for name in names}
    text = "\n\n".join([START.format(step=step), *(piece + "\n" for piece in pieces.values())])
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


def _definitions(cells: Iterable[str]) -> dict[str, str]:
    """Find the source of each function and class that is defined at the top level of a cell."""
    found = {}
    for cell in cells:
        try:
            nodes = ast.parse(cell).body
        except SyntaxError:  # a cell with a command of IPython, or one that did not run
            continue
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[node.name] = ast.get_source_segment(cell, node) or ""
    return found
