"""Keep the results of a sweep in the project.

    python tools/keep_sweep.py output/sweeps/finalists

Writes its tables, with the curves of the first seed, and a page for people to docs/sweeps/<name>/;
of the sweep that notebook 10 reads also the example images of the first seed, with the
configurations, which say whose drawings they show. The models stay where they are.
"""

import shutil
import sys
from pathlib import Path

from markdown_tables import head, interval, line
from PIL import Image

from vae_nb import load_config, load_images, plan_sweep, read_sweep
from vae_nb.sweeps.comparison import MEASURES, by_configuration, choose
from vae_nb.sweeps.definition import read_sweep_definition
from vae_nb.sweeps.identity import config_hash
from vae_nb.sweeps.results import DOCUMENTED

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "docs" / "sweeps"
LAYERS_BEFORE = "512 relu"  # the encoder of the default before

HEADER = """\
# The sweep `{name}`

Made by `vae-nb sweep configs/sweeps/{name}.json` and `tools/keep_sweep.py`. Each configuration was
trained on {count} splits (seeds {seeds}), and is named by what it has instead of the values of the
reference: {reference}. Excess is in nats per image. SWD is the
sliced Wasserstein distance of patches, averaged over its three levels; the score is the geometric
mean of both SWDs and the normalized excess, and less is better. The seconds are those of the
training, with {threads} BLAS thread and other work beside it: an upper bound.

"""
MEANS = """\
## Means

± is the 95 % t interval of the mean over the splits.

"""
DIFFERENCES = """
## Differences from the reference on the same split

± is the 95 % t interval of the mean difference. It is bold where the interval excludes 0. The
intervals are not corrected for their number: one in twenty excludes 0 by chance.

"""


def as_markdown(sweep):
    """Write a sweep's tables for people.

    Parameters
    ----------
    sweep : vae_nb.SweepResults

    Returns
    -------
    str
    """
    groups = by_configuration(sweep)
    reference = groups["reference"]
    some = next(iter(reference.values()))
    text = HEADER.format(
        name=sweep.folder.name,
        count=len(reference),
        seeds=", ".join(map(str, sorted(reference))),
        reference=", ".join(f"`{key}` {some[key]}" for key in sweep.swept),
        threads=some["threads"],
    )
    headings = [measure.name for measure in MEASURES]
    text += MEANS + head(["", "parameters", *headings])
    for name, runs in groups.items():
        parameters = next(iter(runs.values()))["parameters"]
        cells = [interval(map(measure.value, runs.values()), measure.style) for measure in MEASURES]
        text += line([name, f"{parameters / 1e6:.1f} M", *cells])
    text += DIFFERENCES + head(["", *headings])
    for name, runs in list(groups.items())[1:]:
        seeds = runs.keys() & reference.keys()
        cells = []
        for measure in MEASURES:
            value = measure.value
            differences = [value(runs[seed]) - value(reference[seed]) for seed in seeds]
            cells.append(interval(differences, f"+{measure.style}", mark=True))
        text += line([name, *cells])
    machines = sorted({row["blas"] for runs in groups.values() for row in runs.values()})
    return f"{text}\nMatrix products by {'; '.join(machines)}.\n"


def check_the_default(sweep):
    """End with a message if config.json is not the configuration that the rule chooses.

    Parameters
    ----------
    sweep : vae_nb.SweepResults
        The sweep of the finalists.
    """
    groups = by_configuration(sweep)
    (before,) = (
        name
        for name, runs in groups.items()
        if next(iter(runs.values()))["model.encoder_layers"] == LAYERS_BEFORE
    )
    chosen = choose(groups, before)
    seed, row = next(iter(groups[chosen].items()))
    config = load_config("config.json", {"training.seed": seed})
    if row["config_hash"] != config_hash(config, load_images(config.data).fingerprint()):
        sys.exit(f"The rule chooses {chosen} of {sweep.folder}, and config.json is another one.")


def check_runs(sweep):
    """End with a message if a sweep is not the one that its definition plans now.

    Parameters
    ----------
    sweep : vae_nb.SweepResults
    """
    definition = read_sweep_definition(ROOT / "configs" / "sweeps" / f"{sweep.folder.name}.json")
    del definition["only"]
    overrides = definition.pop("set")
    runs = plan_sweep(**definition, overrides=overrides)
    fingerprint = load_images(runs[0].config.data).fingerprint()
    planned = {run.name: config_hash(run.config, fingerprint) for run in runs}
    if {row["run"]: row["config_hash"] for row in sweep.rows} != planned:
        sys.exit(f"{sweep.folder} does not hold the runs of its definition; start it again.")


def keep(folder):
    """Copy what the notebooks and READMEs quote from a sweep.

    Parameters
    ----------
    folder : Path
        The sweep's folder.

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
    for run in runs & sweep.curves.keys() if kept == DOCUMENTED else ():
        examples = Path(run) / "images" / "examples.png"
        (kept / examples).parent.mkdir(parents=True)
        with Image.open(folder / examples) as image:
            # 256 colors: a third of the bytes, without visible loss.
            few_colors = image.quantize(256, dither=Image.Dither.NONE)
        few_colors.save(kept / examples, optimize=True)
        shutil.copy(folder / run / "config.json", kept / run)
    return kept


if __name__ == "__main__":
    print(keep(Path(sys.argv[1]).absolute()))
