"""Settings of the site that `make site` builds. `tools/build_site.py` gives Sphinx its pages."""

import importlib.util
import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "site"), str(DOCS.parent)]

metadata = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
repository = metadata.get("urls", {}).get("Repository", "")
mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static"

project = "emoji-vae notebooks"
version = release = metadata["version"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "pages",
]
highlight_language = "none"  # of a block that names no language
default_role = "code"  # as docstrings mean `this`
suppress_warnings = [
    "myst.header",  # a lab's exercises are two levels below its title
    "toc.empty_glob",  # a class set has no solutions
]

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the committed outputs are shown
nb_render_markdown_format = "myst"  # tables in outputs, too
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
python_use_unqualified_type_names = True
autosummary_generate = False

html_title = project
html_use_index = False  # there is the search
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_theme = "sphinx_book_theme"
html_favicon = "site/favicon.svg"
html_static_path = ["site/static", "explorer", str(mathjax)]  # nothing comes from another host
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
mathjax_path = "mathjax/tex-chtml.js"
templates_path = ["site/templates"]
html_theme_options = {
    "use_fullscreen_button": False,
    "search_bar_text": "Search",
    "footer_content_items": "attribution.html",
    "navbar_persistent": [],  # the sidebar has the search
    # These lead to the repository, once `project.urls` says where it is.
    "repository_url": repository,
    "repository_branch": "main",
    "use_repository_button": bool(repository),
    "use_edit_page_button": bool(repository),
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "notebook_interface": "jupyterlab",
    }
    if repository
    else {},
}
