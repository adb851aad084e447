"""What the site's pages have beyond their sources: a Sphinx extension.

Notebooks get texts for their pictures, the live explorer, links to the glossary, and folded
solutions. The glossary's table becomes a list whose entries can be linked to. Every page with
pictures says whose drawings it shows.
"""

import ast
import inspect
import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.inspect import stringify_signature

from vae_nb import figures
from vae_nb.run.attribution import attribution

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = "docs/glossary"
ROW = re.compile(r"^\| (.+?) \| (.+?) \| (.+?) \| (\[.+\)) \|$", re.M)
ROWS = ROW.findall((ROOT / f"{GLOSSARY}.md").read_text(encoding="utf-8"))
TERMS = {term.casefold(): (term, meaning) for term, _, meaning, _ in ROWS}
LONGEST_FIRST = "|".join(map(re.escape, sorted(TERMS, key=len, reverse=True)))
TERM = re.compile(rf"(?<!\w)({LONGEST_FIRST})(?:s|es)?(?!\w)", re.IGNORECASE)
NOT_PROSE = (nodes.title, nodes.reference, nodes.literal, nodes.FixedTextElement, nodes.math)

# Notebooks that get the explorer: what the code of the cell before it has, and the committed model.
EXPLORERS = {
    "00": ("LatentExplorer(", "plane"),
    "08": ("plane_film(", "plane"),
    "09": ("LatentExplorer(", "convolutional"),
    "11": ("sharing_weights.png", "convolutional"),
}
EXPLORER = """<iframe class="explorer" title="Latent explorer" src="../_static/{0}.html"></iframe>

*In this page, the explorer runs without a kernel, with a model of `configs/{0}.json`.*
"""


def setup(app):
    app.connect("source-read", change_source)
    app.connect("doctree-resolved", change_page)
    app.connect("html-page-context", finish_page)
    app.connect("autodoc-process-signature", sign_class)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def change_source(_app, docname, source):
    up = "../" * docname.count("/")
    source[0] = source[0].replace(f"]({up}README.md", f"]({up}index.md")
    if docname == "index":
        source[0] = source[0].replace("README", from_the_readme())
    elif docname == GLOSSARY:
        source[0] = as_definitions(source[0])
    elif docname.startswith("notebooks/"):
        notebook = json.loads(source[0])
        folder, name = docname.split("/")[-2:]
        describe_pictures(notebook["cells"])
        if folder == "lab":
            link_solutions(notebook["cells"], name)
        elif folder == "notebooks" and name[:2] in EXPLORERS:
            add_explorer(notebook["cells"], *EXPLORERS[name[:2]])
        source[0] = json.dumps(notebook)


def from_the_readme():
    """Return what the front page has of README.md: what is between its picture and its map."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.partition("(README.es.md)\n")[2].partition("## A map of the repository")[0]
    return re.sub(r"\]\(notebooks/(lab|more|solutions)\)", r"](\1.md)", text)


def as_definitions(text):
    """Turn the glossary's table into a list of definitions."""
    entries = [
        f"{term}\n  {meaning} Notebook {notebook}. En español: *{spanish}*.\n"
        for term, spanish, meaning, notebook in ROWS
    ]
    introduction = text.partition("\n| ")[0]
    return "\n".join([introduction, "```{glossary}", *entries, "```\n"])


def describe_pictures(cells):
    """Give each picture of a notebook a text for those who do not see it."""
    section, functions = "", {}
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            section = [section, *re.findall(r"^#+ (.+)$", source, re.MULTILINE)][-1]
            continue
        tree = ast.parse(source)
        functions |= {part.name: part for part in tree.body if isinstance(part, ast.FunctionDef)}
        for output in cell["outputs"]:
            for kind in output.get("data", {}):
                if kind.startswith("image/"):
                    given = output["metadata"].get(kind, {}).get("alt")
                    text = given or f"{what_is_drawn(tree, functions)}. Section “{section}”"
                    cell["metadata"]["mystnb"] = {"image": {"alt": text}}


def what_is_drawn(tree, functions):
    """Say what code draws: which figure of `vae_nb.figures`, or a chart with which axes."""
    axes = []
    for call in calls_in(tree, functions):
        name = getattr(call.func, "attr", "")
        if ast.unparse(call.func) == f"figures.{name}":
            summary = getattr(figures, name).__doc__.splitlines()[0].partition(" ")[2]
            return summary[0].upper() + summary[1:].rstrip(".")
        texts = [word.value for word in call.keywords if word.arg in ("xlabel", "ylabel")]
        texts += call.args[:1] if name in ("set_xlabel", "set_ylabel") else []
        axes += [text.value for text in texts if isinstance(text, ast.Constant)]
    return f"Chart with the axes {', '.join(dict.fromkeys(axes))}" if axes else "Figure"


def calls_in(tree, functions):
    """Yield the calls in code, and those in the notebook's functions that it calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node
            if isinstance(node.func, ast.Name) and node.func.id in functions:
                yield from calls_in(functions[node.func.id], functions)


def link_solutions(cells, name):
    """Make a lab's mention of its solutions a link, where there are some."""
    path = f"solutions/{name}.ipynb"
    if (ROOT / "notebooks" / path).exists():
        for cell in cells:
            text = "".join(cell["source"])
            cell["source"] = text.replace(f"`{path}`", f"[`{path}`](../{path})")


def add_explorer(cells, code, model):
    """Show an explorer that needs no kernel after the first cell that has this code."""
    for place, cell in enumerate(cells, 1):
        if cell["cell_type"] == "code" and code in "".join(cell["source"]):
            text = EXPLORER.format(model)
            live = {"cell_type": "markdown", "id": "live", "metadata": {}, "source": text}
            cells.insert(place, live)
            break


def change_page(app, doctree, docname):
    if docname.startswith("notebooks/solutions/"):
        fold_solutions(doctree)
    if docname.startswith("notebooks/"):
        link_terms(doctree, app, docname)


def fold_solutions(doctree):
    """Hide what is below the heading of each exercise until the reader asks for it."""
    (page,) = doctree.findall(lambda node: isinstance(node.parent, nodes.document))
    for exercise in page.children:
        if isinstance(exercise, nodes.section):
            fold = "<details><summary>Show the solution</summary>"
            exercise.insert(1, nodes.raw("", fold, format="html"))
            exercise.append(nodes.raw("", "</details>", format="html"))


def link_terms(doctree, app, docname):
    """Link each term of the glossary where a page first has it; a tooltip says what it means."""
    linked = set()
    for text in list(doctree.findall(nodes.Text)):
        if not is_prose(text):
            continue
        parts, end = [], 0
        for match in TERM.finditer(text):
            term, meaning = TERMS[match[1].casefold()]
            if term not in linked:
                linked.add(term)
                _, anchor = app.env.get_domain("std").objects["term", term]
                address = f"{app.builder.get_relative_uri(docname, GLOSSARY)}#{anchor}"
                link = nodes.reference(
                    "", match[0], refuri=address, reftitle=meaning, internal=True, classes=["term"]
                )
                parts += [nodes.Text(text[end : match.start()]), link]
                end = match.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def is_prose(node):
    while node := node.parent:
        if isinstance(node, NOT_PROSE) or node.astext().startswith("Sources."):
            return False
    return True


def finish_page(_app, pagename, _templatename, context, _doctree):
    """Tell the footer whose drawings the page shows, and the header what it can offer."""
    body = context.get("body", "")
    if "<img" in body or "<iframe" in body:
        folders = "input" if "input/styles" in body else "input/emojis"
        context["attribution"] = attribution(folders).split("\n\n")
    if not (ROOT / f"{pagename}{context.get('page_source_suffix')}").exists():
        context["page_source_suffix"] = ""  # there is no source to download or to edit


def sign_class(_app, what, _name, value, _options, signature, returned):
    """Give a class that hides its signature, as widgets do, that of its `__init__`."""
    if what == "class" and signature.startswith("(*args"):
        own = inspect.signature(value.__init__)
        own = own.replace(parameters=list(own.parameters.values())[1:])
        signature = stringify_signature(own, show_return_annotation=False)
    return signature, returned
