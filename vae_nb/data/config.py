"""Read a configuration from a file, complete it with the defaults, and check it.

`vae_nb/config.schema.json` is the only place where the keys, their defaults and their bounds are
written down.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import re
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

from vae_nb.system.errors import ConfigError
from vae_nb.system.paths import from_project_root

MAX_BYTES = 2**18  # of a file; the parser, which is written in Python, reads them in a few seconds
MAX_ERRORS = 20  # that a message lists
MAX_KEY_LENGTH = 100  # of an unknown key; for a longer one no similar key is suggested

Errors = list[tuple[str, str]]  # (key path, what is wrong with it)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The images: their folders, the shape they are brought to, and their batches."""

    input_dir: tuple[str, ...]
    input_size: tuple[int, int]
    channels: int
    batch_size: int
    validation_split: float

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return (*self.input_size, self.channels)


@dataclasses.dataclass(frozen=True)
class LayerConfig:
    """One dense layer."""

    units: int
    activation: str


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The architecture: hidden layers on both sides of the latent space."""

    latent_dim: int
    encoder_layers: tuple[LayerConfig, ...]
    decoder_layers: tuple[LayerConfig, ...]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """The optimizer. With sgd, `beta1` is the momentum, and the other values are not used."""

    type: str
    beta1: float
    beta2: float
    epsilon: float


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """The training loop. `config.schema.json` explains each value."""

    epochs: int
    learning_rate: float
    optimizer: OptimizerConfig
    kl_weight: float
    kl_warmup: float
    learning_rate_schedule: str
    warmup_steps: int
    gradient_clip_norm: float | None
    augmentation: float
    early_stopping_patience: int | None
    checkpoint_seconds: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Config:
    """A complete, checked configuration."""

    data: DataConfig
    model: ModelConfig
    training: TrainingConfig

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, which `config_from_dict` reads."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def differences(self, other: Config) -> list[str]:
        """Return the dotted key paths whose values differ, in the order of the schema.

        A list counts as one value.
        """
        return [key for key in config_keys() if attrgetter(key)(self) != attrgetter(key)(other)]


def config_keys() -> list[str]:
    """Return the dotted key path of every value of a configuration, in the order of the schema.

    A list of layers counts as one value.
    """
    return [
        key
        for key, schema in _keys(_schema()).items()
        if "default" in schema and "properties" not in schema
    ]


def load_config(path: str | Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """Read a configuration file and complete it with the defaults.

    Parameters
    ----------
    path : str or Path, optional
        A JSON file, in which `//` comments and trailing commas are allowed. A relative path starts
        at the project's root. Without a path, the configuration has the defaults alone.
    overrides : dict, optional
        Dotted key paths ("training.epochs") and the values that replace those of the file. If
        there is an encoder but no decoder in it, the decoder becomes the encoder mirrored.

    Raises
    ------
    ConfigError
        If the file cannot be read, or anything in it or in the overrides is not allowed. The
        message has one line for each error; the attribute `errors` is the list of these lines.
    """
    if path is None:
        return config_from_dict({}, "the defaults", overrides)
    return config_from_dict(read_json(path), path, overrides)


def config_from_dict(
    values: Any,
    source: str | Path = "the configuration",
    overrides: dict[str, Any] | None = None,
) -> Config:
    """Make a configuration from plain values, completed with the defaults.

    Parameters
    ----------
    values : dict
        Values as `Config.to_dict` returns them; any of them may be left out.
    source : str or Path
        The name of the place that the values come from, for the error messages.
    overrides : dict, optional
        See `load_config`.

    Raises
    ------
    ConfigError
        If anything is not allowed. The message has one line for each error.
    """
    if overrides is None:
        overrides = {}
    if not isinstance(overrides, dict):
        raise ConfigError(f"overrides is {_shown(overrides)}; allowed is an object of key paths.")
    errors: Errors = []
    values = _with_overrides(values, overrides, errors)
    complete = _complete(_schema(), values, "", errors)
    if errors:
        raise ConfigError(*_sentences(errors, source, overrides))
    given_model = values.get("model", {})
    if "encoder_layers" in given_model and "decoder_layers" not in given_model:
        complete["model"]["decoder_layers"] = complete["model"]["encoder_layers"][::-1]
    return _config(complete)


def parse_override(text: str) -> tuple[str, Any]:
    """Split a `key=value` from the command line.

    Parameters
    ----------
    text : str
        The value is read as JSON5. If it is not JSON5, it is a string without quotes.

    Returns
    -------
    (str, object)
        The dotted key path and the value: an item for the overrides of `load_config`.

    Raises
    ------
    ConfigError
        If there is no "=", or nothing before it.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"{_shown(text)} is not an override; allowed is key=value.")
    try:
        return key, _parsed(value)
    except (ValueError, RecursionError):
        return key, value


def read_json(path: str | Path) -> Any:
    """Read a file of JSON5, which is JSON with comments and trailing commas.

    Parameters
    ----------
    path : str or Path
        A relative path starts at the project's root.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is not JSON5.
    """
    file = from_project_root(path)
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(
                f"{path} has more than {MAX_BYTES:,} bytes, which is too many for a configuration."
            )
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # for example: the file is missing, or is not UTF-8
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise ConfigError(f"{file} cannot be read: {reason}; allowed is a JSON file.") from None
    if not text.strip():
        raise ConfigError(f"{path} is empty; allowed is {_schema()['errorMessage']}.")
    try:
        return _parsed(text)
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply for a configuration.") from None
    except ValueError as error:
        what = re.sub(r"<string>:(\d+) (.*) at column (\d+)", r"line \1, column \3: \2", str(error))
        raise ConfigError(f"{path}: {what}.") from None


def _parsed(text: str) -> Any:
    import json5

    return json5.loads(text, allow_duplicate_keys=False)


def _with_overrides(values: Any, overrides: dict[str, Any], errors: Errors) -> Any:
    """Replace the values that have an override. Appends the unknown keys to `errors`."""
    known_paths = _keys(_schema())
    for path, value in overrides.items():
        if path in known_paths:
            values = _replaced(values, path, value)
        elif len(errors) <= MAX_ERRORS:
            section = str(path).partition(".")[0]
            known_keys = [key for key in known_paths if key.startswith(f"{section}.")]
            if not known_keys:
                known_keys = list(_schema()["properties"])
            errors.append((str(path), _unknown_key(str(path), list(known_paths), known_keys)))
    replaces_the_encoder_alone = (
        "model.encoder_layers" in overrides and "model.decoder_layers" not in overrides
    )
    if replaces_the_encoder_alone and isinstance(values, dict):
        model = values.get("model")
        if isinstance(model, dict):
            # The decoder of the file belongs to the encoder of the file.
            model = {key: layers for key, layers in model.items() if key != "decoder_layers"}
            values = {**values, "model": model}
    return values


def _replaced(values: Any, path: str, value: Any) -> Any:
    """Return a copy of the values with a new one at a key path."""
    if not isinstance(values, dict):
        return values  # it is not allowed, and will be refused
    key, _, rest = path.partition(".")
    if rest:
        value = _replaced(values.get(key, {}), rest, value)
    return {**values, key: value}


def _sentences(errors: Errors, source: str | Path, overrides: dict[str, Any]) -> list[str]:
    """Return the lines of the message: each says where the error is, and what is wrong."""
    sentences = []
    for path, what in errors[:MAX_ERRORS]:
        where = "overrides" if _is_within(path, overrides) else source
        sentences.append(f"{where}: {path or 'the top level'} {what}")
    if len(errors) > MAX_ERRORS:
        sentences.append(f"{source}: there are more errors than these.")
    return sentences


def _is_within(path: str, overrides: dict[str, Any]) -> bool:
    return any(path == str(key) or path.startswith((f"{key}.", f"{key}[")) for key in overrides)


def _complete(schema: dict[str, Any], value: Any, path: str, errors: Errors) -> Any:
    """Return a value with its defaults filled in. Appends what is wrong with it to `errors`.

    A validator of JSON schemas stops at the first error, and users want to see all of them. So
    this function goes through the schema and has each value validated on its own.
    """
    if "$ref" in schema:
        schema = _schema()["definitions"][Path(schema["$ref"]).name]
    is_section = "properties" in schema
    is_list_of_layers = "$ref" in schema.get("items", {})
    if is_section and isinstance(value, dict):
        return _complete_object(schema, value, path, errors)
    own_schema = schema
    if is_section or is_list_of_layers:
        # The values in the section or list are checked on their own.
        own_keys = ("type", "minItems", "maxItems")
        own_schema = {key: schema[key] for key in own_keys if key in schema}
    if not _is_legal(own_schema, value):
        errors.append((path, f"is {_shown(value)}; allowed is {schema['errorMessage']}."))
        return None
    if is_list_of_layers:
        return [
            _complete(schema["items"], layer, f"{path}[{index}]", errors)
            for index, layer in enumerate(value)
        ]
    return _plain(schema, value)


def _complete_object(
    schema: dict[str, Any], values: dict[str, Any], path: str, errors: Errors
) -> dict[str, Any]:
    """Complete the values of a section or of a layer."""
    prefix = f"{path}." if path else ""
    properties = schema["properties"]
    known_paths = [*_keys(_schema()), *(prefix + key for key in properties)]
    for key in values:
        if key not in properties and len(errors) <= MAX_ERRORS:
            what = _unknown_key(f"{prefix}{key}", known_paths, list(properties))
            errors.append((f"{prefix}{_shown_key(key)}", what))
    complete = {}
    for key, subschema in properties.items():
        if key in values:
            complete[key] = _complete(subschema, values[key], prefix + key, errors)
        elif "default" in subschema:
            complete[key] = _complete(subschema, subschema["default"], prefix + key, errors)
        elif key in schema.get("required", ()):
            errors.append((prefix + key, f"is missing; allowed is {subschema['errorMessage']}."))
    return complete


def _unknown_key(path: str, known_paths: list[str], known_keys: list[str]) -> str:
    """Say that a key is unknown. Suggest the most similar key path, or else list `known_keys`."""
    if len(path) <= MAX_KEY_LENGTH:
        nearest = max(known_paths, key=lambda known: _similarity(path, known))
        similarity_of_names, _ = _similarity(path, nearest)
        if similarity_of_names >= 0.6:  # the bound that difflib itself uses for a close match
            return f"is not a known key; did you mean {nearest}?"
    return f"is not a known key; the known keys are {', '.join(known_keys)}."


def _similarity(path: str, other: str) -> tuple[float, float]:
    """Compare two key paths: first their last names, then the whole paths.

    The last names decide, because two paths in the same section are always similar.
    """
    name = path.lower().rpartition(".")[2]
    other_name = other.lower().rpartition(".")[2]
    return (
        difflib.SequenceMatcher(None, name, other_name).ratio(),
        difflib.SequenceMatcher(None, path, other).ratio(),
    )


def _is_legal(schema: dict[str, Any], value: Any) -> bool:
    import fastjsonschema

    try:
        _validator(json.dumps(schema))(value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    # No NaN, no infinity, and no integer that is too large for a float.
    return not isinstance(value, int | float) or abs(value) <= sys.float_info.max


@functools.cache
def _validator(schema_text: str) -> Callable[[Any], Any]:
    import fastjsonschema

    return fastjsonschema.compile(json.loads(schema_text))


def _plain(schema: dict[str, Any], value: Any) -> Any:
    """Return a legal value in the type of its schema: 16.0 may become 16, and 1 1.0."""
    if isinstance(value, list | tuple):
        return tuple(_plain(schema["items"], item) for item in value)
    if value is None or isinstance(value, str):
        return value
    return int(value) if "integer" in schema["type"] else float(value)


def _config(values: dict[str, Any]) -> Config:
    """Make the configuration from complete and legal values."""
    data, model, training = values["data"], values["model"], values["training"]
    if isinstance(data["input_dir"], str):
        data["input_dir"] = (data["input_dir"],)
    for side in ("encoder_layers", "decoder_layers"):
        model[side] = tuple(LayerConfig(**layer) for layer in model[side])
    training["optimizer"] = OptimizerConfig(**training["optimizer"])
    return Config(DataConfig(**data), ModelConfig(**model), TrainingConfig(**training))


@functools.cache
def _schema() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "config.schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


def _keys(schema: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """Return the subschema of every key path, except those of a layer."""
    keys = {}
    for key, subschema in schema.get("properties", {}).items():
        keys[prefix + key] = subschema
        keys.update(_keys(subschema, f"{prefix}{key}."))
    return keys


def _shown(value: Any) -> str:
    """Return a value as JSON, shortened. Any Python value can be shown."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):  # for example a list that contains itself
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _shown_key(key: Any) -> str:
    """Return a key as it is, or in quotes if it does not look like a name."""
    is_name = isinstance(key, str) and key.isidentifier() and len(key) <= MAX_KEY_LENGTH
    return key if is_name else _shown(key)
