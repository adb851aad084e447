"""Count what each notebook asks of a reader, and how many minutes that takes.

    python tools/count_notebooks.py        prints the table of docs/notebooks.md

`python tools/write_docs.py` writes the table into that page. A reader is taken to read 150 words or
8 lines of code in a minute, and to spend 2 minutes on a prediction and 1.5 on a figure. To that
comes the measured time of running the notebook, where docs/run_times.json has it.
"""

import json
import re
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import measure_run
from markdown_tables import head, line

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
TRACKS = {"core": "[0-9][0-9]_*.ipynb", "lab": "lab/*.ipynb", "more": "more/*.ipynb"}
COLUMNS = ["track", "words", "lines of code", "predictions", "figures", "minutes", "claimed"]

WORDS_A_MINUTE, LINES_A_MINUTE = 150, 8
MINUTES_OF_A_PREDICTION, MINUTES_OF_A_FIGURE = 2, 1.5

CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
CLAIM = re.compile(r"\*\*Time\.\*\* about (\d+) minutes")


def count(path):
    """Count what a notebook asks of a reader.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        "words" of the text, without code blocks, a formula being one word; "lines of code", without
        comments; "predictions"; "figures", the images in the outputs; "minutes" of all that;
        "claimed", the minutes that the first cell names, or None.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    row = count_cells(cells)
    row["minutes"] += running_seconds().get(path.name[:2], 0) / 60 if path.parent == FOLDER else 0
    claim = CLAIM.search("".join(cells[0]["source"]))
    return row | {"claimed": int(claim[1]) if claim else None}


def count_cells(cells):
    """Count what some cells ask of a reader.

    Parameters
    ----------
    cells : list of dict

    Returns
    -------
    dict
        What `count` returns, without "claimed". Their running is not in the minutes.
    """
    words = lines = predictions = figures = 0
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            words += count_words(source)
            predictions += "predict" in cell["metadata"].get("tags", [])
        elif cell["cell_type"] == "code":
            stripped = (text.strip() for text in source.splitlines())
            lines += sum(bool(text) and not text.startswith("#") for text in stripped)
            figures += sum(
                any(kind.startswith("image/") for kind in output.get("data", {}))
                for output in cell["outputs"]
            )
    minutes = words / WORDS_A_MINUTE + lines / LINES_A_MINUTE
    minutes += MINUTES_OF_A_PREDICTION * predictions + MINUTES_OF_A_FIGURE * figures
    return {
        "words": words,
        "lines of code": lines,
        "predictions": predictions,
        "figures": figures,
        "minutes": minutes,
    }


def count_words(text):
    """Count the words of a text in Markdown: what has a letter or a digit in it."""
    text = FORMULA.sub(" formula ", CODE_BLOCK.sub("", text))
    return len(re.findall(r"\S*\w\S*", text))


def running_seconds():
    """Return how long each notebook of the core runs, by its number."""
    runs = json.loads(measure_run.TABLE.read_text(encoding="utf-8"))["runs"]["one"]
    return {
        number: statistics.median(run["notebooks"][number] for run in runs)
        for number in runs[0]["notebooks"]
    }


def core_minutes():
    """Return what each notebook of the core says about its minutes, by its number.

    One that says nothing is counted, to the nearest five.

    Returns
    -------
    dict of str to int
    """
    minutes = {}
    for path in sorted(FOLDER.glob(TRACKS["core"])):
        row = count(path)
        minutes[path.name[:2]] = row["claimed"] or 5 * round(row["minutes"] / 5)
    return minutes


def as_markdown():
    """Write the table of all notebooks but the solutions, with a sum for each track.

    Returns
    -------
    str
    """
    table = head(["notebook", *COLUMNS])
    sums = ""
    for track, pattern in TRACKS.items():
        rows = {path: count(path) for path in sorted(FOLDER.glob(pattern))}
        for path, row in rows.items():
            link = f"[{path.stem}](../{path.relative_to(FOLDER.parent).as_posix()})"
            table += line([link, track, *_cells(row)])
        if rows:
            summed = {key: sum(row[key] for row in rows.values()) for key in COLUMNS[1:-1]}
            name = f"**{track}, {len(rows)} notebooks**"
            sums += line([name, "", *_cells(summed | {"claimed": None})])
    return table + sums


def _cells(row):
    """Return a row's cells after the track, as text."""
    claimed = "" if row["claimed"] is None else str(row["claimed"])
    numbers = [f"{row[key]:,}" for key in COLUMNS[1:-2]]
    return [*numbers, f"{row['minutes']:.0f}", claimed]


if __name__ == "__main__":
    print(as_markdown(), end="")
