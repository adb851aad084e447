"""Write what a sweep found as a page: one file, without a server or a network.

The sentences and the numbers are made here. The browser sorts them, and draws what they say.
"""

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vae_nb.data.config import DataConfig, load_config
from vae_nb.run.page import frontend, write_page
from vae_nb.sweeps.comparison import (
    MEASURES,
    Measure,
    Runs,
    by_configuration,
    compare,
    t_interval,
)
from vae_nb.sweeps.results import EXAMPLES, SweepResults
from vae_nb.system.paths import from_project_root

FIRST = ("score", "normalized held-out excess")  # the page opens with one of these, if it can
MAX_KEYS = 2  # by whose values the reference is named
MAX_POINTS = 200  # of a curve
MAX_TILE = 64  # pixels of the longer side of a picture

Json = dict[str, Any]


def write_report(sweep: SweepResults, path: str | Path) -> Path:
    """Write the report of a sweep as one HTML file.

    It says which configuration is best, by how much and with which uncertainty, and shows the
    table, the curves and the pictures of all runs. Pictures are only shown where the run's
    `config.json` tells whose drawings they are.

    Parameters
    ----------
    sweep : SweepResults
        From `vae_nb.read_sweep`.
    path : str or Path
        A relative path starts at the project's root.

    Returns
    -------
    Path

    Raises
    ------
    FilesError
        If a run's pictures are damaged, or the file cannot be written.
    """
    path = from_project_root(path)
    complete = [row for row in sweep.rows if row["status"] == "complete"]
    groups = _named(sweep) if complete else {}
    data_of = dict(_data_of_pictures(sweep.folder, [row["run"] for row in complete]))
    state = {
        "facts": _facts(sweep, groups),
        "notes": list(_notes(sweep, groups)),
        "configurations": [_configuration(name, runs) for name, runs in groups.items()],
        **_measured(groups),
        "splits": _splits(sweep, groups, data_of),
        "failed": [[row["run"], row["error"]] for row in sweep.rows if row["status"] != "complete"],
    }
    input_folders = dict.fromkeys(folder for data in data_of.values() for folder in data.input_dir)
    write_page(
        path,
        "report.html",
        {"title": f"Sweep {sweep.folder.name}"},
        "report.css",
        frontend("report.js"),
        state,
        input_folders,
    )
    return path


def _data_of_pictures(folder: Path, runs: Sequence[str]) -> Iterator[tuple[str, DataConfig]]:
    """Yield the runs that have example pictures, with what their configurations say of them."""
    for run in runs:
        config_path = folder / run / "config.json"
        if config_path.is_file() and (folder / run / "images" / "examples.png").is_file():
            # Pictures do not depend on the size of a batch.
            yield run, replace(load_config(config_path).data, batch_size=1)


# --- what is said ---


def _named(sweep: SweepResults) -> dict[str, Runs]:
    """Group the complete runs by configuration; the reference, the first, is named by its values.

    If these are many, it is only called the reference.
    """
    reference, *others = by_configuration(sweep).items()
    name = f"{_values(sweep, reference[1])} (reference)"
    if not sweep.swept:
        name = "the configuration"
    elif len(sweep.swept) > MAX_KEYS:
        name = "the reference"
    return {name: reference[1], **dict(others)}


def _values(sweep: SweepResults, runs: Runs) -> str:
    """Return what a configuration has of all that was swept."""
    some = next(iter(runs.values()))
    return ", ".join(f"{key.rpartition('.')[2]} {some[key]}" for key in sweep.swept)


def _facts(sweep: SweepResults, groups: Mapping[str, Runs]) -> str:
    complete = sum(map(len, groups.values()))
    failed = len(sweep.rows) - complete
    facts = f"{_count(complete, 'run is', 'runs are')} complete"
    facts += f", {failed} failed." if failed else "."
    if groups:
        seeds = sorted({seed for runs in groups.values() for seed in runs})
        facts += f" {_count(len(groups), 'configuration')}, {_count(len(seeds), 'split')} of the "
        facts += f"pictures ({_count(len(seeds), 'seed').partition(' ')[2]} {_listed(seeds)})."
    return facts


def _count(number: int, one: str, several: str | None = None) -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def _listed(seeds: Sequence[int]) -> str:
    """List seeds: the first and the last, if there are all between them."""
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _notes(sweep: SweepResults, groups: Mapping[str, Runs]) -> Iterator[str]:
    """Yield how the table is to be read."""
    if any(len(runs) > 1 for runs in groups.values()):
        yield "± reaches to the ends of the 95 % t interval of a mean."
    if len(groups) > 1:
        values = _values(sweep, next(iter(groups.values())))
        yield f"The reference has {values}. The others are named by what they have instead."
        yield (
            "Differences are taken within each split, a dot each, and then averaged. Their "
            "intervals are not corrected for their number. The best of many looks better than it "
            "is: before you rely on it, run it again with seeds that had no part in the choice."
        )


def _configuration(name: str, runs: Runs) -> Json:
    parameters = next(iter(runs.values()))["parameters"]
    return {"name": name, "detail": f"{parameters / 1e6:.2g} M parameters"}


def _measured(groups: Mapping[str, Runs]) -> Json:
    """Return the measures that some run has, and the runs with their values."""
    first = [measure for name in FIRST for measure in MEASURES if measure.name == name]
    columns = {
        measure: {
            name: {seed: measure.value(row) for seed, row in runs.items()}
            for name, runs in groups.items()
        }
        for measure in dict.fromkeys([*first, *MEASURES])
    }
    columns = {
        measure: values
        for measure, values in columns.items()
        if any(math.isfinite(value) for of in values.values() for value in of.values())
    }
    runs_of_all = [
        {
            "configuration": number,
            "seed": seed,
            "cells": [_cell([of[name][seed]], measure) for measure, of in columns.items()],
        }
        for number, (name, runs) in enumerate(groups.items())
        for seed in sorted(runs)
    ]
    return {
        "measures": [_measure(groups, measure, of) for measure, of in columns.items()],
        "runs": runs_of_all,
    }


def _measure(
    groups: Mapping[str, Runs], measure: Measure, values: Mapping[str, Mapping[int, float]]
) -> Json:
    """Return a measure: its means and, if less is better, what it says of the configurations."""
    described: Json = {
        "name": measure.name,
        "meaning": measure.meaning,
        "means": [_cell(of.values(), measure) for of in values.values()],
        "answer": None,
    }
    if measure.less_is_better:
        best, differences = compare(groups, measure)
        sign = measure._replace(style=f"+{measure.style}")
        described["answer"] = {
            "best": list(groups).index(best),
            "headline": f"Lowest {measure.name}: {best}"
            if len(groups) > 1
            else "One configuration, and so nothing to compare it with",
            "sentences": list(_sentences(measure, values[best], best, differences)),
            "differences": [
                {**_cell(of.values(), sign), "of_seeds": [[seed, of[seed]] for seed in sorted(of)]}
                for of in differences.values()
            ],
        }
    return described


def _cell(values: Any, measure: Measure) -> Json:
    """Return the mean of some values and its interval, as numbers and as texts."""
    mean, half_width = (float(number) for number in t_interval(list(values)))
    return {
        "mean": mean if math.isfinite(mean) else None,
        "half_width": half_width if math.isfinite(half_width) else None,
        "text": f"{mean:{measure.style}}" if math.isfinite(mean) else "–",
        "interval": _plus_minus(half_width, measure).strip(),
    }


def _plus_minus(half_width: float, measure: Measure) -> str:
    """Write how far an interval reaches; nothing if there is none."""
    style = measure.style.removeprefix("+")
    return (
        f"\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{half_width:{style}}"
        if math.isfinite(half_width)
        else ""
    )


def _sentences(
    measure: Measure,
    of_best: Mapping[int, float],
    best: str,
    differences: Mapping[str, Mapping[int, float]],
) -> Iterator[str]:
    """Yield what a measure says: how much the best has, and how far the others are from it."""
    count = sum(map(math.isfinite, of_best.values()))
    mean, half_width = (float(number) for number in t_interval([*of_best.values()]))
    level = f"{mean:{measure.style}}{_plus_minus(half_width, measure)}"
    splits = "its only split" if count == 1 else f"average over {count} splits"
    yield f"{measure.name[0].upper()}{measure.name[1:]}: {level} on {splits}."
    others = {name: of for name, of in differences.items() if name != best and of}
    if not others:
        if len(differences) > 1:
            yield "No other configuration was run on the same splits, so none can be compared."
        if not math.isfinite(half_width):
            yield "With one run, no interval can be given. More seeds give one: --seeds 3."
        return
    intervals = {name: t_interval([*of.values()]) for name, of in others.items()}
    order = sorted(others, key=lambda name: float(intervals[name][0]))
    second = order[0]

    def difference_of(name: str) -> str:
        level = float(np.mean([of_best[seed] for seed in others[name]]))
        return _difference(intervals[name], level, measure)

    yield f"The next one, {second}, {difference_of(second)}"
    reference = next(iter(differences))
    if reference in order[1:]:
        yield f"The reference {difference_of(reference)}"
    if all(len(of) == 1 for of in others.values()):
        yield (
            "They share one split only. Nothing tells such a difference from chance, so no "
            "interval can be given. More seeds give one: --seeds 3."
        )
    elif len(others) > 1:
        clear = sum(bool(abs(mean) > half_width) for mean, half_width in intervals.values())
        yield f"For {clear} of the {len(others)} others, the interval of the difference excludes 0."


def _difference(interval: tuple[NDArray, NDArray], level: float, measure: Measure) -> str:
    """Say how far a configuration is from the best, and whether that can be chance."""
    mean, half_width = (float(number) for number in interval)
    word = "lower" if mean < 0 else "higher"
    text = f"is {word} by {abs(mean):{measure.style}}{_plus_minus(half_width, measure)}"
    if level > 0:
        text += f" ({100 * abs(mean) / level:.0f}\N{NO-BREAK SPACE}%)"
    if not math.isfinite(half_width):
        return f"{text}."
    if abs(mean) > half_width:
        return f"{text}: the interval excludes 0."
    return f"{text}: these splits do not show which of the two is better."


# --- curves and pictures ---


def _splits(
    sweep: SweepResults, groups: Mapping[str, Runs], data_of: Mapping[str, DataConfig]
) -> list[Json]:
    """Return the curves and the pictures of each split that has any."""
    splits = []
    for seed in sorted({seed for runs in groups.values() for seed in runs}):
        names = {
            number: runs[seed]["run"] for number, runs in enumerate(groups.values()) if seed in runs
        }
        curves = [
            {"configuration": number, **_curves(sweep.curves[run])}
            for number, run in names.items()
            if run in sweep.curves
        ]
        pictures: dict[DataConfig, Json] = {}
        for number, run in names.items():
            examples = sweep.examples(run) if run in data_of else None
            if examples is not None:
                # Of one seed and one kind of data, all runs have the same originals.
                originals = {"originals": _strip(examples[0, : 2 * EXAMPLES]), "rows": []}
                group = pictures.setdefault(data_of[run], originals)
                group["rows"].append([number, _strip(examples[1])])
        if curves or pictures:
            splits.append({"seed": seed, "curves": curves, "pictures": [*pictures.values()]})
    return splits


def _curves(history: Mapping[str, NDArray]) -> Json:
    """Return the reconstruction losses of a run at some of its epochs, the first and the last too.

    The entries of a curve are None where there is no number.
    """
    count = len(history["epoch"])
    some = np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).round().astype(int))

    def at_some(column: str) -> list[float | None]:
        values = np.asarray(history[column], float)[some]
        return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]

    return {
        "epochs": [int(epoch) for epoch in np.asarray(history["epoch"], float)[some]],
        "training": at_some("train_reconstruction"),
        "held_out": at_some("validation_reconstruction"),
    }


def _strip(tiles: NDArray) -> str:
    """Write tiles of shape (n, height, width, 3) as one picture, in the form of an address."""
    count, height, width, _ = tiles.shape
    image = Image.fromarray(np.ascontiguousarray(tiles.swapaxes(0, 1)).reshape(height, -1, 3))
    scale = min(1, MAX_TILE / max(height, width))
    if scale < 1:
        image = image.resize((count * round(width * scale) or count, round(height * scale) or 1))
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
