"""How long each notebook is, to read and to write.

    python tools/count_notebooks.py

The longest text is the most words between two things to look at or to do: a figure, a code cell
or a question.
"""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


def count(path):
    """Cells, words, lines of code and the longest text of a notebook.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to int
    """
    words = code_lines = longest = running = exercises = 0
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        tags = cell["metadata"].get("tags", [])
        source = "".join(cell["source"])
        exercises += "exercise" in tags
        if cell["cell_type"] == "markdown":
            words += len(source.split())
            running = len(source.split()) + (0 if "predict" in tags else running)
            longest = max(longest, running)
        else:
            lines = (line.strip() for line in source.splitlines())
            code_lines += sum(bool(line) and not line.startswith("#") for line in lines)
            running = 0
    return {
        "cells": len(cells),
        "words": words,
        "code lines": code_lines,
        "exercises": exercises,
        "longest text": longest,
        "kB": path.stat().st_size // 1000,
    }


def main():
    """Print a table of all notebooks, the solutions too."""
    paths = [*sorted(FOLDER.glob("*.ipynb")), *sorted(FOLDER.glob("solutions/*.ipynb"))]
    rows = {str(path.relative_to(FOLDER)): count(path) for path in paths}
    columns = list(next(iter(rows.values())))
    width = max(map(len, rows))
    print(" " * width, *(f"{column:>13}" for column in columns))
    for name, row in rows.items():
        print(f"{name:{width}}", *(f"{row[column]:13,}" for column in columns))
    totals = (sum(row[column] for row in rows.values()) for column in columns[:4])
    print(f"{'total':{width}}", *(f"{total:13,}" for total in totals))


if __name__ == "__main__":
    sys.exit(main())
