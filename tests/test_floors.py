"""The package stays small, and its files import only from floors below their own."""

import ast
import io
import tokenize

import pytest
from conftest import ROOT

FLOORS = {
    "__main__": 9,
    "cli": 8,
    "sweeps": 7,
    "series": 6,
    "sweep_results": 5,
    "workspace": 5,
    "controls": 5,
    "explorer": 5,
    "training_monitor": 5,
    "exercises": 5,
    "model_files": 5,
    "figures": 4,
    "training": 4,
    "model": 3,
    "metrics": 3,
    "gradient_checking": 3,
    "layers": 2,
    "losses": 2,
    "optimizers": 2,
    "images": 2,
    "storage": 2,
    "config": 1,
    "errors": 0,
    "paths": 0,
    "files": 0,
    "interruption": 0,
    "random_streams": 0,
    "threads": 0,
}
# Each leans on one neighbour: a loss needs the sigmoid and softplus, a file's failure its error,
# the signals that end work the error that does, a workspace its files, what is shown in JupyterLab
# its controls.
NEIGHBOURS = {
    ("losses", "layers"),
    ("files", "errors"),
    ("interruption", "errors"),
    ("workspace", "model_files"),
    ("explorer", "controls"),
    ("training_monitor", "controls"),
}
# Libraries that are slow to import have one home each.
HOMES = {
    "matplotlib": {"figures"},
    "ipywidgets": {"controls", "explorer", "training_monitor"},
    "anywidget": {"controls"},
    "jupyterlab": {"cli"},
    "voila": {"cli"},
    "papermill": {"series"},
    "nbclient": {"series"},
    "nbformat": {"series"},
    "click": {"cli"},
    "filelock": {"files"},
    "psutil": {"files", "series"},
    "distributed": {"sweeps"},
}
# The package exports its names lazily by `importlib`; it imports nothing itself.
FILES = {path.stem: path for path in (ROOT / "vae_nb").glob("*.py") if path.stem != "__init__"}


def imported_modules(path):
    """Every module that a file imports, wherever in it, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            if node.module == "vae_nb":
                yield from (f"vae_nb.{alias.name}" for alias in node.names)
            else:
                yield node.module


def code_lines(path):
    """How many lines are neither blank nor comment nor docstring."""
    text = path.read_text(encoding="utf-8")
    lines = set()
    ignored = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in ignored and token.string:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            lines.difference_update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


@pytest.mark.parametrize("name", FILES)
def test_imports_go_down(name):
    assert name in FLOORS, f"{name}.py has no floor"
    for module in imported_modules(FILES[name]):
        package, _, target = module.partition(".")
        if package == "vae_nb":
            target = target.partition(".")[0]
            assert target in FLOORS, f"{name}.py imports {module}"
            below = FLOORS[target] < FLOORS[name]
            assert below or (name, target) in NEIGHBOURS, f"{name}.py imports {module}"
        elif package in HOMES:
            assert name in HOMES[package], f"{name}.py imports {module}"


def test_the_package_can_be_read_in_an_evening():
    lines = {name: code_lines(path) for name, path in FILES.items()}
    lines["__init__"] = code_lines(ROOT / "vae_nb" / "__init__.py")
    # A check is read beside its exercise, one at a time, and holds nothing up.
    assert lines.pop("exercises") <= 1050
    assert sum(lines.values()) <= 3700, lines
    assert sum(lines[name] for name in FILES if FLOORS[name] < 5) <= 1900, lines


def test_code_lines_are_counted_without_blanks_comments_and_docstrings(tmp_path):
    path = tmp_path / "example.py"
    path.write_text(
        '"""Two\n\nlines."""\n\n# a comment\nX = """three\n\nlines"""  # counted\n\n\n'
        'def f():\n    """Not."""\n    return (\n        1\n    )\n'
    )
    assert code_lines(path) == 3 + 1 + 3
