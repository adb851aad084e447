"""Read the notebooks' cells and the functions that they define."""

import ast

import nbformat
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("[0-9][0-9]_*.ipynb"))
MORE = sorted((ROOT / "notebooks" / "more").glob("*.ipynb"))


def read(path):
    """Read a notebook."""
    return nbformat.read(path, as_version=4)


def tagged(path, tag):
    """Return the cells of a notebook that have a tag."""
    return [cell for cell in read(path).cells if tag in cell.metadata.get("tags", [])]


def functions_of(number, paths=NOTEBOOKS, **names):
    """Return the functions and classes that a notebook defines, without running its cells.

    Parameters
    ----------
    number : str
        The notebook's number, for example "03", or the name of a deep dive, for example
        "more/adam_and_its_relatives".
    paths : list of Path
        `NOTEBOOKS` or `SOLUTIONS`. A deep dive is not looked for here.
    **names
        Values for other names that the functions use.

    Returns
    -------
    dict
        Every name that is imported or defined at the top level of a cell. If a name is defined
        twice, the last definition counts.
    """
    if number.startswith("more/"):
        path = ROOT / "notebooks" / f"{number}.ipynb"
    else:
        (path,) = [path for path in paths if path.name.startswith(number)]
    definitions = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    body = [
        node
        for cell in read(path).cells
        if cell.cell_type == "code"
        for node in ast.parse(cell.source).body
        if isinstance(node, definitions)
    ]
    namespace = dict(names)
    exec(compile(ast.Module(body, []), path.name, "exec"), namespace)
    return namespace
