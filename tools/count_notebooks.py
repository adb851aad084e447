"""Count the cells, words and lines of code of each notebook.

    python tools/count_notebooks.py

The "longest text" is the largest number of words between two code cells or questions.
"""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


def count(path):
    """Count the cells, words and lines of code of a notebook.

    Returns
    -------
    dict of str to int
    """
    words = 0
    words_since_code_or_question = 0
    longest_text = 0
    code_lines = 0
    exercises = 0
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        tags = cell["metadata"].get("tags", [])
        source = "".join(cell["source"])
        if "exercise" in tags:
            exercises += 1
        if cell["cell_type"] == "markdown":
            words_of_cell = len(source.split())
            words += words_of_cell
            if "predict" in tags:
                words_since_code_or_question = 0
            words_since_code_or_question += words_of_cell
            longest_text = max(longest_text, words_since_code_or_question)
        else:
            words_since_code_or_question = 0
            lines = [line.strip() for line in source.splitlines()]
            code_lines += len([line for line in lines if line and not line.startswith("#")])
    return {
        "cells": len(cells),
        "words": words,
        "code lines": code_lines,
        "exercises": exercises,
        "longest text": longest_text,
        "kB": path.stat().st_size // 1000,
    }


def main():
    """Print a table of all notebooks and solutions."""
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
