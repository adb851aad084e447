"""The plan of a sweep: which runs it consists of."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from operator import attrgetter
from pathlib import Path
from typing import Any

from vae_nb.data.config import (
    AnyLayer,
    Config,
    ConvolutionConfig,
    config_from_dict,
    config_keys,
    load_config,
)
from vae_nb.data.json_file import read_json
from vae_nb.sweeps.identity import short_hash
from vae_nb.system.errors import ConfigError, printable

MAX_NAME_LENGTH = 100

Grid = Mapping[str, Sequence[Any]]  # dotted key paths to the values that they take
CellValue = float | int | str  # what a table of results holds


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes
    ----------
    name : str
        The name of its folder.
    config : vae_nb.Config
    values : dict
        What differs between the runs of the sweep, by key path: numbers or text for `results.csv`.
    """

    name: str
    config: Config
    values: dict[str, CellValue]


# --- what a reader asks for ---


def parse_grid(text: str) -> tuple[str, list[Any]]:
    """Split the `key=value,value,…` of a command line into the key and its values.

    Parameters
    ----------
    text : str
        The values are read as JSON5. If that fails, they are plain strings.

    Raises
    ------
    ConfigError
        If there is no "=", or nothing on one side of it.
    """
    import json5

    key, _, values = (part.strip() for part in text.partition("="))
    if not key or not values:
        raise ConfigError(f'"{text}" is not part of a grid; allowed is key=value,value,….')
    try:
        return key, json5.loads(f"[{values}]")
    except (ValueError, RecursionError):
        return key, [value.strip() for value in values.split(",")]


# --- the runs ---


def plan_sweep(
    configs: Sequence[str | Path] = ("config.json",),
    grids: Sequence[Grid] = ({},),
    seeds: int = 1,
    overrides: dict[str, Any] | None = None,
) -> list[PlannedRun]:
    """List the runs of a sweep: every configuration with every combination of each grid's values.

    A configuration that comes up several times is run once.

    Parameters
    ----------
    configs : sequence of str or Path
        Configuration files.
    grids : sequence of dict
        Dotted key paths to the values that they take.
    seeds : int
        How many seeds each is run with: its own seed and the numbers after it.
    overrides : dict or None
        Dotted key paths to values for every run; see `load_config`.

    Returns
    -------
    list of PlannedRun

    Raises
    ------
    ConfigError
        If something in it is not allowed.
    """
    swept_keys = _swept_keys(grids)
    _check_swept_keys(swept_keys, seeds, configs[0])
    runs: list[PlannedRun] = []
    planned_configs = set()
    names = set()
    all_values = set()
    for candidate in _candidates(configs, grids, seeds, overrides or {}):
        config = candidate.config
        if config in planned_configs:
            continue
        planned_configs.add(config)

        values: dict[str, CellValue] = {}
        if len(configs) > 1:
            values["config"] = candidate.stem
        for key in swept_keys:
            values[key] = _cell_value(config, key)
        values["training.seed"] = config.training.seed

        name = _run_name(candidate, values)
        if name in names:
            name = f"{name}_{short_hash(config.to_dict())}"
        names.add(name)

        row = tuple(values.items())
        if row in all_values:
            raise ConfigError(
                f"Two configurations are called {candidate.stem}; their names must differ."
            )
        all_values.add(row)
        runs.append(PlannedRun(name, config, values))
    return runs


def _swept_keys(grids: Sequence[Grid]) -> list[str]:
    """Return the keys of all grids, each key once."""
    keys: list[str] = []
    for grid in grids:
        for key in grid:
            if key not in keys:
                keys.append(key)
    return keys


def _check_swept_keys(keys: list[str], seeds: int, config_path: str | Path) -> None:
    """Raise ConfigError if a key cannot be swept."""
    if seeds > 1 and "training.seed" in keys:
        raise ConfigError(
            f"training.seed is swept, and {seeds} seeds are asked for; only one of them is allowed."
        )
    for key in keys:
        if key not in config_keys():
            load_config(config_path, {key: {}})  # if the key is unknown, this suggests another one
            raise ConfigError(f"{key} cannot be swept; allowed are {', '.join(config_keys())}.")


@dataclass(frozen=True)
class _Candidate:
    """A configuration of a sweep, and how it came about."""

    config: Config
    stem: str  # the name of its file, without the extension
    swept_keys: list[str]  # the keys of its grid


def _candidates(
    configs: Sequence[str | Path], grids: Sequence[Grid], seeds: int, overrides: dict[str, Any]
) -> Iterator[_Candidate]:
    """Yield a configuration for each file, combination of values and seed; some may be equal."""
    for path in configs:
        file = read_json(path)
        for combination in _combinations(grids):
            chosen = overrides | combination
            first_seed = config_from_dict(file, path, chosen).training.seed
            for seed in range(first_seed, first_seed + seeds):
                config = config_from_dict(file, path, chosen | {"training.seed": seed})
                yield _Candidate(config, Path(path).stem, list(combination))


def _combinations(grids: Sequence[Grid]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values of each grid, by key path."""
    for grid in grids:
        for values in product(*grid.values()):
            yield dict(zip(grid, values, strict=True))


def _run_name(candidate: _Candidate, values: dict[str, CellValue]) -> str:
    """Return a folder's name that tells a run from others: config=deep_latent_dim=8_seed=0."""
    parts = []
    if "config" in values:
        parts.append(f"config={values['config']}")
    for key in candidate.swept_keys:
        if key != "training.seed":
            parts.append(f"{_last_part(key)}={_short_text(values[key])}")
    parts.append(f"seed={values['training.seed']}")
    return re.sub(r"[^\w.=+-]+", "-", "_".join(parts))[:MAX_NAME_LENGTH]


def _last_part(key: str) -> str:
    """Return a key's own name: latent_dim for model.latent_dim."""
    return key.rpartition(".")[2]


def _short_text(value: CellValue) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cell_value(config: Config, key: str) -> CellValue:
    """Return a configuration's value as a number or a short text."""
    value = attrgetter(key)(config)
    if key == "model.decoder_layers" and value == config.model.encoder_layers[::-1]:
        return "mirrored"
    if key.endswith("_layers"):
        return _layers_text(value)
    if isinstance(value, tuple):
        return " ".join(printable(item) for item in value)
    return "none" if value is None else value


def _layers_text(layers: Sequence[AnyLayer]) -> str:
    """Describe layers in a short text, for example "512-256 relu, 64 tanh".

    A convolution is its filters, with its kernel and its strides: "32k2s2-64k2s2 silu".
    """
    parts = []
    for activation, neighbors in groupby(layers, key=attrgetter("activation")):
        sizes = "-".join(_size_text(layer) for layer in neighbors)
        parts.append(f"{sizes} {activation}")
    return ", ".join(parts)


def _size_text(layer: AnyLayer) -> str:
    if isinstance(layer, ConvolutionConfig):
        return f"{layer.filters}k{layer.kernel_size}s{layer.strides}"
    return str(layer.units)
