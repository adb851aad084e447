"""Keep the results of a sweep in the project: its table, curves and pictures of the first seed.

    python tools/keep_sweep.py output/sweeps/questions
    python tools/keep_sweep.py output/sweeps/trade_off --without-pictures

Writes docs/sweeps/<name>/: what notebooks and READMEs quote, and a table for people. For
maintainers; the models stay where they are.
"""

import shutil
import statistics
import sys
from pathlib import Path

from PIL import Image

from vae_nb import read_sweep

KEPT = Path(__file__).resolve().parents[1] / "docs" / "sweeps"
COLUMNS = {  # what the table shows of a run: heading, and how a mean is written
    "validation.excess": ("held-out excess", "{:.0f}"),
    "train.excess": ("training excess", "{:.0f}"),
    "train.mse": ("training MSE", "{:.4f}"),
    "samples.spread": ("spread", "{:.3f}"),
    "samples.distance": ("distance", "{:.2f}"),
    "training_seconds": ("seconds", "{:.0f}"),
}
HEADER = """\
# The sweep `{name}`

Made by `vae-nb sweep configs/sweeps/{name}.json` and `tools/keep_sweep.py`. A row is a
configuration, named by what differs from the one in the first row; its figures are means over
seed {seeds}. *Held-out excess, difference* is the mean of the differences from the first row at
the same seed, and its standard error. Losses are in nats per image; the seconds are those of the
training, with {threads} BLAS thread and another run beside it.

"""


def configurations(sweep):
    """The complete runs of a sweep by what was swept, the commonest values first.

    Parameters
    ----------
    sweep : vae_nb.SweepResults

    Returns
    -------
    dict of str to dict
        By a name that says what differs from the first: rows by seed.
    """
    rows = [row for row in sweep.rows if row["status"] == "complete"]
    usual = {key: statistics.mode(row[key] for row in rows) for key in sweep.swept}
    groups = {}
    for row in rows:
        different = [key for key in sweep.swept if row[key] != usual[key]]
        name = ", ".join(f"`{key}` {row[key]}" for key in different)
        groups.setdefault(name, {})[row["training.seed"]] = row
    first = groups.pop("", None) or groups.pop(next(iter(groups)))
    return {"": first, **groups}


def as_markdown(sweep):
    """The table of a sweep for people.

    Parameters
    ----------
    sweep : vae_nb.SweepResults

    Returns
    -------
    str
    """
    groups = configurations(sweep)
    first, rows = groups[""], [row for runs in groups.values() for row in runs.values()]
    text = HEADER.format(
        name=sweep.folder.name,
        seeds=", ".join(map(str, sorted(first))),
        threads=rows[0]["threads"],
    )
    names = [heading for heading, _ in COLUMNS.values()]
    text += f"| | {names[0]}, difference | {' | '.join(names)} |\n"
    text += "|---|" + "--:|" * (1 + len(names)) + "\n"
    for name, runs in groups.items():
        both = runs.keys() & first.keys()
        excess = [runs[s]["validation.excess"] - first[s]["validation.excess"] for s in both]
        difference = f"{statistics.mean(excess):+.0f}" if name else ""
        if name and len(excess) > 1:
            difference += f" ± {statistics.stdev(excess) / len(excess) ** 0.5:.0f}"
        means = [
            style.format(statistics.mean(row[column] for row in runs.values()))
            for column, (_, style) in COLUMNS.items()
        ]
        text += f"| {name or 'the first'} | {difference} | {' | '.join(means)} |\n"
    machines = sorted({row["blas"] for row in rows})
    return f"{text}\nMatrix products by {'; '.join(machines)}.\n"


def keep(folder, with_pictures=True):
    """Copy what is quoted of a sweep.

    Parameters
    ----------
    folder : Path
    with_pictures : bool

    Returns
    -------
    Path
        The copy.
    """
    sweep, kept = read_sweep(folder), KEPT / folder.name
    if folder == kept:
        sys.exit(f"{folder} is where it is kept; name the folder that the sweep was run into.")
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    shutil.copy(folder / "results.csv", kept)
    first = min(row["training.seed"] for row in sweep.rows)
    runs = {row["run"] for row in sweep.rows if row["training.seed"] == first}
    head, *lines = (folder / "curves.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    lines = [line for line in lines if line.partition(",")[0] in runs]
    (kept / "curves.csv").write_text("".join([head, *lines]), encoding="utf-8")
    (kept / "README.md").write_text(as_markdown(read_sweep(kept)), encoding="utf-8")
    for run in runs & sweep.curves.keys() if with_pictures else ():
        examples = Path(run) / "images" / "examples.png"
        (kept / examples).parent.mkdir(parents=True)
        with Image.open(folder / examples) as image:  # a third of the bytes, no visible loss
            few = image.quantize(256, dither=Image.Dither.NONE)
        few.save(kept / examples, optimize=True)
    return kept


if __name__ == "__main__":
    print(keep(Path(sys.argv[1]).absolute(), "--without-pictures" not in sys.argv))
