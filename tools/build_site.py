"""Build the site from the notebooks, the docs and the docstrings.

    python tools/build_site.py           into docs/_build/html
    python tools/build_site.py FOLDER    into FOLDER/html

Sphinx gets one folder with all pages, arranged as in the project, so that the links between them
hold. A warning is an error. No notebook is executed, and nothing is asked of the network.
"""

import importlib
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as run_sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import vae_nb

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FOLDERS = ("benchmarks", "configs", "docs", "input", "notebooks")
NOT_COPIED = shutil.ignore_patterns("_build", "conf.py", "site", ".*", "__pycache__")
OPTIONS = ["--fail-on-warning", "--keep-going", "--jobs=auto", "--quiet", f"-c{DOCS}"]


def collect_pages(pages):
    """Copy the pages, with what they show and link to, and write those of the reference."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, pages / folder, ignore=NOT_COPIED)
    for file in [*ROOT.glob("C*.md"), *ROOT.glob("LICENSE*"), *(DOCS / "site").glob("*.md")]:
        shutil.copy2(file, pages)
    (pages / "reference").mkdir()
    for name, text in reference_pages().items():
        (pages / "reference" / f"{name}.rst").write_text(text, encoding="utf-8")


def reference_pages():
    """Return a page for each room of the package, and one for the figures."""
    rooms = {}
    for module, names in vae_nb._PUBLIC.items():
        rooms.setdefault(module.split(".")[1], []).extend(names)
    pages = {room: reference(f"vae_nb.{room}", vae_nb, names) for room, names in rooms.items()}
    for module in (vae_nb.exercises, vae_nb.figures):
        name = module.__name__.rpartition(".")[2]
        pages[name] = reference(module.__name__, module, module.__all__)
    return pages


def reference(room, module, names):
    """Return a page that documents some names of a module."""
    title = room.rpartition(".")[2]
    summary = importlib.import_module(room).__doc__.partition("\n\n")[0]
    lines = [title, "=" * len(title), "", summary, "", f".. currentmodule:: {module.__name__}", ""]
    values = {name: getattr(module, name) for name in names}
    lines += [".. autosummary::", ""]
    lines += [f"   {name}" for name, value in values.items() if callable(value)]
    for name, value in values.items():
        if isinstance(value, type):
            lines += ["", f".. autoclass:: {name}", "   :members:"]
        elif callable(value):
            lines += ["", f".. autofunction:: {name}"]
        elif not isinstance(value, str):  # a color
            lines += ["", f".. data:: {name}", "", f"   {', '.join(value)}"]
    return "\n".join([*lines, ""])


def build(folder=DOCS / "_build"):
    """Build the site; return Sphinx's exit code."""
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    collect_pages(pages)
    return run_sphinx([*OPTIONS, f"-d{folder / 'doctrees'}", str(pages), str(folder / "html")])


if __name__ == "__main__":
    sys.exit(build(*map(Path, sys.argv[1:])))
