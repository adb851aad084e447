"""Keep the results of a sweep in the project: its table, and the first seed's curves and images.

    python tools/keep_sweep.py output/sweeps/questions
    python tools/keep_sweep.py output/sweeps/trade_off --without-images

Writes what the notebooks and READMEs quote, and a table for people, to docs/sweeps/<name>/. The
models stay where they are. This is for maintainers.
"""

import shutil
import statistics
import sys
from pathlib import Path

from PIL import Image

from vae_nb import load_images, plan_sweep, read_sweep
from vae_nb.sweeps.definition import read_sweep_definition
from vae_nb.sweeps.identity import config_hash

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "docs" / "sweeps"
DEFAULT = "`training.epochs` 200"  # what differs from the sweep's first configuration
HISTORIC_LAYERS = "`model.encoder_layers` 512-256-128 relu"
COLUMNS = {  # metric: its heading in the table, and the format of its mean
    "validation.excess": ("held-out excess", "{:.0f}"),
    "train.excess": ("training excess", "{:.0f}"),
    "train.mse": ("training MSE", "{:.4f}"),
    "samples.spread": ("spread", "{:.3f}"),
    "samples.distance": ("distance", "{:.2f}"),
    "training_seconds": ("seconds", "{:.0f}"),
}
# The default is the configuration with the lowest held-out excess over spread among those that
# train within so many seconds, reach this training MSE, and draw images about as far from known
# ones as new images are. Notebook 10 chooses by the same rule.
MOST_SECONDS = 60
MOST_MSE = 0.003
MOST_FROM_DISTANCE_1 = 0.05

HEADER = """\
# The sweep `{name}`

Made by `vae-nb sweep configs/sweeps/{name}.json` and `tools/keep_sweep.py`. A row is a
configuration, named by what differs from the one in the first row; its figures are means over
seed {seeds}. *Held-out excess, difference* is the mean of the differences from the first row at
the same seed, and its standard error. Losses are in nats per image; the seconds are those of the
training, with {threads} BLAS thread and another run beside it.

"""


def configurations(sweep):
    """Group the complete runs of a sweep by configuration.

    Parameters
    ----------
    sweep : vae_nb.SweepResults

    Returns
    -------
    dict of str to dict
        For each configuration, its rows by seed. The first configuration has the most frequent
        values, and its name is empty. The other names say what differs from it.
    """
    rows = [row for row in sweep.rows if row["status"] == "complete"]
    usual = {key: statistics.mode(row[key] for row in rows) for key in sweep.swept}
    groups = {}
    for row in rows:
        different = [key for key in sweep.swept if row[key] != usual[key]]
        name = ", ".join(f"`{key}` {row[key]}" for key in different)
        groups.setdefault(name, {})[row["training.seed"]] = row
    first_name = "" if "" in groups else next(iter(groups))
    first = groups.pop(first_name)
    return {"": first, **groups}


def as_markdown(sweep):
    """Write a sweep's table for people.

    Parameters
    ----------
    sweep : vae_nb.SweepResults

    Returns
    -------
    str
    """
    groups = configurations(sweep)
    first = groups[""]
    rows = [row for runs in groups.values() for row in runs.values()]
    text = HEADER.format(
        name=sweep.folder.name,
        seeds=", ".join(map(str, sorted(first))),
        threads=rows[0]["threads"],
    )
    names = [heading for heading, _ in COLUMNS.values()]
    text += f"| | {names[0]}, difference | {' | '.join(names)} |\n"
    text += "|---|" + "--:|" * (1 + len(names)) + "\n"
    for name, runs in groups.items():
        mean = means(runs)
        texts = [style.format(mean[column]) for column, (_, style) in COLUMNS.items()]
        label = name or "the first"
        difference = excess_difference(runs, first) if name else ""
        text += f"| {label} | {difference} | {' | '.join(texts)} |\n"
    machines = sorted({row["blas"] for row in rows})
    return f"{text}\nMatrix products by {'; '.join(machines)}.\n"


def means(runs):
    """Return the means of the table's columns over the seeds of a configuration.

    Parameters
    ----------
    runs : dict of int to dict
        The rows by seed.

    Returns
    -------
    dict of str to float
    """
    return {column: statistics.mean(row[column] for row in runs.values()) for column in COLUMNS}


def margin_of_the_default(sweep):
    """Compare the default with the second best configuration, and with the historic one.

    Parameters
    ----------
    sweep : vae_nb.SweepResults
        The sweep that the READMEs quote.

    Returns
    -------
    margin : float
        By how much the second best score is above the default's, as a fraction of it.
    gain : float
        The historic layers' held-out excess less the default's, in nats per image.
    """
    table = {name: means(runs) for name, runs in configurations(sweep).items()}
    scores = {
        name: mean["validation.excess"] / mean["samples.spread"]
        for name, mean in table.items()
        if mean["training_seconds"] <= MOST_SECONDS
        and mean["train.mse"] <= MOST_MSE
        and abs(mean["samples.distance"] - 1) <= MOST_FROM_DISTANCE_1
    }
    best, second, *_ = sorted(scores, key=scores.get)
    if best != DEFAULT:
        sys.exit(f"The best configuration of {sweep.folder} is {best}, and not the default.")
    gain = table[HISTORIC_LAYERS]["validation.excess"] - table[best]["validation.excess"]
    return scores[second] / scores[best] - 1, gain


def check_runs(sweep):
    """End with a message if a sweep is not the one that its definition plans now.

    Parameters
    ----------
    sweep : vae_nb.SweepResults
    """
    definition = read_sweep_definition(ROOT / "configs" / "sweeps" / f"{sweep.folder.name}.json")
    del definition["only"]
    runs = plan_sweep(**definition, overrides=definition.pop("set"))
    fingerprint = load_images(runs[0].config.data).fingerprint()
    planned = {run.name: config_hash(run.config, fingerprint) for run in runs}
    if {row["run"]: row["config_hash"] for row in sweep.rows} != planned:
        sys.exit(f"{sweep.folder} does not hold the runs of its definition; start it again.")


def excess_difference(runs, first):
    """Compare the held-out excess with the first configuration's: the mean and its error.

    Parameters
    ----------
    runs, first : dict of int to dict
        The rows of both configurations by seed.

    Returns
    -------
    str
    """
    shared_seeds = runs.keys() & first.keys()
    differences = [
        runs[seed]["validation.excess"] - first[seed]["validation.excess"] for seed in shared_seeds
    ]
    text = f"{statistics.mean(differences):+.0f}"
    if len(differences) > 1:
        text += f" ± {statistics.stdev(differences) / len(differences) ** 0.5:.0f}"
    return text


def keep(folder, with_images=True):
    """Copy what the notebooks and READMEs quote from a sweep.

    Parameters
    ----------
    folder : Path
        The sweep's folder.
    with_images : bool
        Whether to copy the example images, too.

    Returns
    -------
    Path
        The folder of the copy.
    """
    sweep = read_sweep(folder)
    check_runs(sweep)
    kept = KEPT / folder.name
    if folder == kept:
        sys.exit(f"{folder} already is the kept copy; name the folder that the sweep wrote.")
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    shutil.copy(folder / "results.csv", kept)
    first_seed = min(row["training.seed"] for row in sweep.rows)
    runs = {row["run"] for row in sweep.rows if row["training.seed"] == first_seed}
    head, *lines = (folder / "curves.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    lines = [line for line in lines if line.partition(",")[0] in runs]
    (kept / "curves.csv").write_text("".join([head, *lines]), encoding="utf-8")
    (kept / "README.md").write_text(as_markdown(read_sweep(kept)), encoding="utf-8")
    if with_images:
        for run in runs & sweep.curves.keys():
            examples = Path(run) / "images" / "examples.png"
            (kept / examples).parent.mkdir(parents=True)
            with Image.open(folder / examples) as image:
                # 256 colors: a third of the bytes, without visible loss.
                few_colors = image.quantize(256, dither=Image.Dither.NONE)
            few_colors.save(kept / examples, optimize=True)
    return kept


if __name__ == "__main__":
    print(keep(Path(sys.argv[1]).absolute(), "--without-images" not in sys.argv))
