"""Read the definition of a sweep from a file.

A key is one field of `SweepDefinition`: its name, type, default, bounds and description.
`tools/write_docs.py` makes the schema for editors and docs/configuration.md from it.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from vae_nb.data.json_file import read_json
from vae_nb.data.schema import Integer, Section, Text, validated
from vae_nb.sweeps.worker import NOTEBOOKS

FileName = Annotated[Text, Field(min_length=1)]
GridValues = Annotated[list[Any], Field(min_length=1)]


@dataclass(frozen=True)
class SweepDefinition(Section):
    """A sweep: many configurations. Every key may be left out; it then has its default."""

    configs: list[FileName] = Field(
        default=["config.json"],
        min_length=1,
        description="The configuration files. Each of them is run with every combination of the "
        "grids.",
    )
    set: dict[str, Any] = Field(
        default={},
        description="Key paths and values that replace those of the configuration in every run, "
        "as with --set.",
    )
    grids: list[dict[str, GridValues]] = Field(
        default=[{}],
        min_length=1,
        description="Each grid is an object of key paths, for example model.latent_dim, and lists "
        "of values. Every combination of its values is run. A combination that is in several "
        "grids is run once.",
    )
    seeds: Integer = Field(
        default=1,
        ge=1,
        le=1000,
        description="How many seeds each configuration is run with: its own training.seed and the "
        "numbers after it.",
    )
    only: Text = Field(default=NOTEBOOKS, description="The notebooks of each run, as with --only.")


def read_sweep_definition(path: str | Path) -> dict[str, Any] | None:
    """Read the definition of a sweep from a file.

    Parameters
    ----------
    path : str or Path
        JSON, with comments and trailing commas. A relative path starts at the project's root.

    Returns
    -------
    dict or None
        The fields of `SweepDefinition`. None if the file is not a sweep but a configuration.

    Raises
    ------
    ConfigError
        If the file cannot be read, or something in it is not allowed. The message has one line
        for each error.
    """
    values = read_json(path)
    keys_of_sweeps = {field.name for field in fields(SweepDefinition)}
    if not isinstance(values, dict) or not keys_of_sweeps & values.keys():
        return None
    return asdict(validated(SweepDefinition, values, path))
