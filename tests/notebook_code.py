"""Read the notebooks' cells and the functions that they define."""

import ast

import nbformat
from conftest import ROOT

FOLDER = ROOT / "notebooks"
CORE = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
LABS = sorted(FOLDER.glob("lab/[0-9][0-9]_*.ipynb"))
MORE = sorted(FOLDER.glob("more/*.ipynb"))
SOLUTIONS = sorted(FOLDER.glob("solutions/[0-9][0-9]_*.ipynb"))
ALL = [*CORE, *LABS, *MORE, *SOLUTIONS]


def name_of(path):
    """Return a notebook's name in the names of tests, for example "lab-04_train"."""
    return path.stem if path in CORE else f"{path.parent.name}-{path.stem}"


def title_of(path):
    """Return a notebook's heading, for example "04 · Train"."""
    return read(path).cells[0].source.splitlines()[0].removeprefix("# ")


def read(path):
    """Read a notebook."""
    return nbformat.read(path, as_version=4)


def tagged(path, tag):
    """Return the cells of a notebook that have a tag."""
    return [cell for cell in read(path).cells if tag in cell.metadata.get("tags", [])]


def functions_of(number, paths=CORE, **names):
    """Return the functions and classes that a notebook defines, without running its cells.

    Parameters
    ----------
    number : str
        The notebook's number, for example "03", or the name of a deep dive, for example
        "more/adam_and_its_relatives".
    paths : list of Path
        `CORE`, `LABS` or `SOLUTIONS`. A deep dive is not looked for here.
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
