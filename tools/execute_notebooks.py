"""Execute the notebooks in place and normalize them for a commit.

    python tools/execute_notebooks.py            all: the core in order, lab, more, solutions
    python tools/execute_notebooks.py 04 07      those whose names begin so, in each folder
    python tools/execute_notebooks.py lab/04 more/

A normalized notebook has no timing, no widget state, no language version, and images of 256 colors.
Cells with `"keep_output": false` in their metadata have no output. Executing twice gives the same
bytes, except for images of a trained model. This is for maintainers: users run the notebooks with
`vae-nb run` or in JupyterLab.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbstripout import strip_output
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
PATTERNS = ("*.ipynb", "lab/*.ipynb", "more/*.ipynb", "solutions/*.ipynb")


def normalize(notebook):
    """Remove what changes from one execution to the next and means nothing.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Changed in place.

    Returns
    -------
    str
        The text to commit.
    """
    strip_output(
        notebook,
        keep_output=True,
        keep_count=True,
        keep_id=True,
        extra_keys=["metadata.language_info", "metadata.widgets"],
    )
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.metadata.get("keep_output") is False:
            cell.outputs = []
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = with_few_colors(output.data["image/png"])
    return nbformat.writes(notebook) + "\n"


def with_few_colors(text):
    """Give an image a palette of 256 colors: a third of the bytes, without visible loss.

    Parameters
    ----------
    text : str
        A PNG file in base64. An image that already has a palette is returned as it is.

    Returns
    -------
    str
        A PNG file in base64.
    """
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    if image.mode == "P":
        return text
    buffer = io.BytesIO()
    opaque = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    # Without k-means, a color that few pixels have may turn into another one.
    few_colors = opaque.convert("RGB").quantize(256, kmeans=3, dither=Image.Dither.NONE)
    few_colors.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def execute(path):
    """Execute one notebook in place."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    client.execute()
    path.write_text(normalize(notebook), encoding="utf-8")


def main(beginnings):
    """Execute the notebooks whose names begin so, or all.

    Parameters
    ----------
    beginnings : list of str
        For example ["04", "lab/07"]. An empty list means all notebooks.
    """
    for path in [path for pattern in PATTERNS for path in sorted(FOLDER.glob(pattern))]:
        name = path.relative_to(FOLDER).as_posix()
        if not beginnings or any(text.startswith(tuple(beginnings)) for text in (name, path.name)):
            print(name, flush=True)
            execute(path)


if __name__ == "__main__":
    main(sys.argv[1:])
