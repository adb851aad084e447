"""The plan of a sweep: which runs it stands for."""

import json
import re
from dataclasses import dataclass
from itertools import groupby, product
from operator import attrgetter
from pathlib import Path

from vae_nb.data.config import Config, config_from_dict, config_keys, load_config, read_json
from vae_nb.sweeps.identity import short_hash
from vae_nb.system.errors import (
    ConfigError,
    printable,
)

LONGEST_NAME = 100


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes
    ----------
    name : str
        Of its folder.
    config : vae_nb.Config
    values : dict
        What tells it from the other runs, by key path: number or text, as `results.csv` has it.
    """

    name: str
    config: Config
    values: dict


def read_sweep_definition(path):
    """Read a sweep from a file.

    Parameters
    ----------
    path : str or Path
        JSON, with comments and trailing commas; `sweep.schema.json` says what is in it.

    Returns
    -------
    dict or None
        "configs", "set", "grids", "seeds" and "only", complete; None if the file is no sweep but a
        configuration.

    Raises
    ------
    ConfigError
        If the file cannot be read, or something in it is not legal.
    """
    values = read_json(path)
    schema = (Path(__file__).parents[1] / "sweep.schema.json").read_text(encoding="utf-8")
    schema = json.loads(schema)
    if (
        not isinstance(values, dict)
        or not (schema["properties"].keys() - {"$schema"}) & values.keys()
    ):
        return None
    import fastjsonschema

    try:
        complete = fastjsonschema.compile(schema)(values)
        return {key: value for key, value in complete.items() if key != "$schema"}
    except fastjsonschema.JsonSchemaValueException as error:
        what = error.message.removeprefix("data").removeprefix(".")
        found = json.dumps(error.value, ensure_ascii=False)
        raise ConfigError(f"{path}: {what}; found {found[:60]}.") from None


def parse_grid(text):
    """Split the `key=value,value,…` of a command line.

    Parameters
    ----------
    text : str
        The values are read as JSON5; where that fails they are plain strings.

    Returns
    -------
    (str, list)

    Raises
    ------
    ConfigError
        If there is no "=", or nothing on one of its sides.
    """
    import json5

    key, _, values = (part.strip() for part in text.partition("="))
    if not key or not values:
        raise ConfigError(f'"{text}" is no part of a grid; allowed is key=value,value,….')
    try:
        return key, json5.loads(f"[{values}]")
    except (ValueError, RecursionError):
        return key, [value.strip() for value in values.split(",")]


def plan_sweep(configs=("config.json",), grids=({},), seeds=1, overrides=None):
    """The runs of a sweep: every configuration with every combination of each grid's values.

    Runs with the same configuration are one.

    Parameters
    ----------
    configs : sequence of str or Path
        Configuration files.
    grids : sequence of dict
        Dotted key paths to the values that they take.
    seeds : int
        How many seeds each is run with: its own and those that follow.
    overrides : dict or None
        As `load_config` takes them, for every run.

    Returns
    -------
    list of PlannedRun

    Raises
    ------
    ConfigError
        If anything in it is not legal.
    """
    overrides = overrides or {}
    swept = list(dict.fromkeys(key for grid in grids for key in grid))
    if seeds > 1 and "training.seed" in swept:
        raise ConfigError(f"training.seed is swept, and {seeds} seeds are asked for; only one may.")
    for key in swept:
        if key not in config_keys():
            load_config(configs[0], {key: {}})  # of an unknown key it says which was meant
            raise ConfigError(f"{key} cannot be swept; allowed are {', '.join(config_keys())}.")
    runs, files = {}, {path: read_json(path) for path in configs}
    for (path, file), grid in product(files.items(), grids):
        for values in product(*grid.values()):
            chosen = overrides | dict(zip(grid, values, strict=True))
            first = config_from_dict(file, path, chosen).training.seed
            for seed in range(first, first + seeds):
                config = config_from_dict(file, path, chosen | {"training.seed": seed})
                # `setdefault`: two grids may have a run in common.
                runs.setdefault(config, (Path(path).stem, grid, seed))
    planned, names = [], set()
    for config, (stem, grid, seed) in runs.items():
        values = {"config": stem} if len(configs) > 1 else {}
        values |= {key: _value(config, key) for key in swept}
        told = [key for key in ("config", *grid) if key in values and key != "training.seed"]
        parts = [f"{key.rpartition('.')[2]}={_text(values[key])}" for key in told]
        name = re.sub(r"[^\w.=+-]+", "-", "_".join([*parts, f"seed={seed}"]))[:LONGEST_NAME]
        if name in names:
            name = f"{name}_{short_hash(config.to_dict())}"
        names.add(name)
        planned.append(PlannedRun(name, config, values | {"training.seed": seed}))
        if any(run.values == planned[-1].values for run in planned[:-1]):
            raise ConfigError(f"Two configurations are called {stem}; their names must differ.")
    return planned


def _value(config, key):
    """A configuration's value as a number or a short text."""
    value = attrgetter(key)(config)
    if key == "model.decoder_layers" and value == config.model.encoder_layers[::-1]:
        return "mirrored"
    if key.endswith("_layers"):
        alike = groupby(value, key=attrgetter("activation"))
        return ", ".join(f"{'-'.join(str(e.units) for e in some)} {name}" for name, some in alike)
    if isinstance(value, tuple):
        return " ".join(map(printable, value))
    return "none" if value is None else value


def _text(value):
    return f"{value:g}" if isinstance(value, float) else str(value)
