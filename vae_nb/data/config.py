"""The configuration: read from a file, completed by the schema's defaults, checked.

`config.schema.json` beside this file is the one place of the keys, their defaults and bounds.
"""

import dataclasses
import difflib
import functools
import json
import re
import sys
from operator import attrgetter
from pathlib import Path

from vae_nb.system.errors import ConfigError
from vae_nb.system.paths import from_project_root

MOST_BYTES = 2**18  # of a file; a parser in Python reads that many in a few seconds
MOST_ERRORS = 20  # that are told of one configuration
LONGEST_KEY = 100  # whose nearest neighbour is looked for


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The pictures: where they lie, what they are brought to, how they are drawn."""

    input_dir: tuple[str, ...]
    input_size: tuple[int, int]
    channels: int
    batch_size: int
    validation_split: float

    @property
    def image_shape(self):
        """(height, width, channels) of every picture."""
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
    """The optimiser; sgd takes `beta1` as its momentum and leaves the rest unused."""

    type: str
    beta1: float
    beta2: float
    epsilon: float


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """The training loop; what each value means is said in `config.schema.json`."""

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

    def to_dict(self):
        """The configuration as plain JSON values; `config_from_dict` takes them back."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def differences(self, other):
        """Dotted key paths whose values differ; a list counts as one value.

        Parameters
        ----------
        other : Config

        Returns
        -------
        list of str
            In the order of the schema; empty when the two are equal.
        """
        return [key for key in config_keys() if attrgetter(key)(self) != attrgetter(key)(other)]


def config_keys():
    """The dotted key path of every value of a configuration, in the order of the schema.

    Returns
    -------
    list of str
        A list of layers counts as one value.
    """
    keys = _keys(_schema()).items()
    return [key for key, schema in keys if "default" in schema and "properties" not in schema]


def load_config(path=None, overrides=None):
    """Read a configuration file and complete it by the defaults.

    Parameters
    ----------
    path : str or Path, optional
        JSON, with `//` comments and trailing commas; relative to the project's root. None: the
        defaults alone.
    overrides : dict, optional
        Dotted key paths ("training.epochs") to the values that replace the file's. An encoder
        brings its mirror image as the decoder, unless the overrides have a decoder too.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        When the file cannot be read, or anything in it or in the overrides is not legal; the
        message has one line for each error, the attribute `errors` is the list of them.
    """
    if path is None:
        return config_from_dict({}, "the defaults", overrides)
    return config_from_dict(read_json(path), path, overrides)


def config_from_dict(values, source="the configuration", overrides=None):
    """A configuration from plain values, completed by the defaults.

    Parameters
    ----------
    values : dict
        As of `Config.to_dict`; it may be partial.
    source : str
        What the errors name as the place of the values.
    overrides : dict, optional
        As of `load_config`.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        With one line for each error.
    """
    overrides = {} if overrides is None else overrides
    if not isinstance(overrides, dict):
        raise ConfigError(f"overrides is {_shown(overrides)}; allowed is an object of key paths.")
    errors = []  # (key path, what is wrong with it)
    legal = _keys(_schema())
    for path, value in overrides.items():
        if path in legal:
            values = _overridden(values, path, value)
        elif len(errors) <= MOST_ERRORS:
            section = f"{path}".partition(".")[0]
            known = [key for key in legal if key.startswith(f"{section}.")]
            errors.append((path, _unknown_key(f"{path}", legal, known or _schema()["properties"])))
    mirrored = "model.encoder_layers" in overrides and "model.decoder_layers" not in overrides
    if mirrored and isinstance(values, dict) and isinstance(values.get("model"), dict):
        model = {key: value for key, value in values["model"].items() if key != "decoder_layers"}
        values = {**values, "model": model}
    complete = _complete(_schema(), values, "", errors)
    if errors:
        sentences = [
            f"{'overrides' if _is_within(path, overrides) else source}: "
            f"{path or 'the top level'} {what}"
            for path, what in errors[:MOST_ERRORS]
        ]
        more = [f"{source}: there are more errors than these."] * (len(errors) > MOST_ERRORS)
        raise ConfigError(*sentences, *more)
    given = values.get("model", {})
    if "encoder_layers" in given and "decoder_layers" not in given:
        complete["model"]["decoder_layers"] = complete["model"]["encoder_layers"][::-1]
    return _config(**complete)


def parse_override(text):
    """Split the `key=value` of a command line.

    Parameters
    ----------
    text : str
        The value is read as JSON5; where that fails it is the plain string.

    Returns
    -------
    (str, object)
        The dotted key path and the value, an item of `load_config`'s overrides.

    Raises
    ------
    ConfigError
        When there is no "=" or nothing before it.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"{_shown(text)} is no override; allowed is key=value.")
    try:
        return key, _parsed(value)
    except (ValueError, RecursionError):
        return key, value


def read_json(path):
    """Read a file of JSON5: JSON with comments and trailing commas.

    Parameters
    ----------
    path : str or Path
        A relative path starts at the project's root.

    Returns
    -------
    object

    Raises
    ------
    ConfigError
        When it cannot be read, or is no JSON5.
    """
    file = from_project_root(path)
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigError(f"{path} has more than {MOST_BYTES:,} bytes; no configuration has.")
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # missing, not UTF-8
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise ConfigError(f"{file} cannot be read: {reason}; allowed is a JSON file.") from None
    if not text.strip():
        raise ConfigError(f"{path} is empty; allowed is {_schema()['errorMessage']}.")
    try:
        return _parsed(text)
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply to be a configuration.") from None
    except ValueError as error:
        what = re.sub(r"<string>:(\d+) (.*) at column (\d+)", r"line \1, column \3: \2", str(error))
        raise ConfigError(f"{path}: {what}.") from None


def _parsed(text):
    import json5

    return json5.loads(text, allow_duplicate_keys=False)


def _overridden(values, path, value):
    if not isinstance(values, dict):
        return values  # the check refuses it
    key, _, rest = path.partition(".")
    return {**values, key: _overridden(values.get(key, {}), rest, value) if rest else value}


def _is_within(path, overrides):
    return any(path == key or str(path).startswith((f"{key}.", f"{key}[")) for key in overrides)


def _complete(schema, value, path, errors):
    """The value with its defaults filled in; appends what is wrong with it to the errors.

    A validator stops at the first error and readers want all of them: so this walks along the
    schema and has each leaf validated on its own.
    """
    if "$ref" in schema:
        schema = _schema()["definitions"][Path(schema["$ref"]).name]
    if "properties" in schema and isinstance(value, dict):
        return _complete_object(schema, value, path, errors)
    of_layers = "$ref" in schema.get("items", {})
    own = {"type", "minItems", "maxItems"} if of_layers or "properties" in schema else {*schema}
    if not _is_legal({key: schema[key] for key in schema if key in own}, value):
        errors.append((path, f"is {_shown(value)}; allowed is {schema['errorMessage']}."))
        return None
    if of_layers:
        item = schema["items"]
        return [_complete(item, each, f"{path}[{i}]", errors) for i, each in enumerate(value)]
    return _plain(schema, value)


def _complete_object(schema, values, path, errors):
    prefix = f"{path}." if path else ""
    known = schema["properties"]
    legal = [*_keys(_schema()), *(prefix + key for key in known)]
    for key in values:
        if key not in known and len(errors) <= MOST_ERRORS:
            name = key if str(key).isidentifier() and len(key) <= LONGEST_KEY else _shown(key)
            errors.append((f"{prefix}{name}", _unknown_key(f"{prefix}{key}", legal, known)))
    complete = {}
    for key, subschema in known.items():
        if key in values or "default" in subschema:
            value = values[key] if key in values else subschema["default"]
            complete[key] = _complete(subschema, value, prefix + key, errors)
        elif key in schema.get("required", ()):
            errors.append((prefix + key, f"is missing; allowed is {subschema['errorMessage']}."))
    return complete


def _unknown_key(path, legal, known):
    def likeness(candidate):
        # The last names decide: two paths are alike by a shared section alone.
        names = [text.lower().rpartition(".")[2] for text in (path, candidate)]
        pairs = names, (path, candidate)
        return [difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs]

    nearest = max(legal, key=likeness) if len(path) <= LONGEST_KEY else None
    if nearest and likeness(nearest)[0] >= 0.6:  # difflib's own bound for a close match
        return f"is not a known key; did you mean {nearest}?"
    return f"is not a known key; known are {', '.join(known)}."


def _is_legal(schema, value):
    import fastjsonschema

    try:
        _validator(json.dumps(schema))(value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    # No NaN, no infinity, no integer that a float cannot hold.
    return not isinstance(value, int | float) or abs(value) <= sys.float_info.max


@functools.cache
def _validator(schema_text):
    import fastjsonschema

    return fastjsonschema.compile(json.loads(schema_text))


def _plain(schema, value):
    """A legal value with 16.0 for an integer made 16, and 1 for a number made 1.0."""
    if isinstance(value, list | tuple):
        return tuple(_plain(schema["items"], item) for item in value)
    if value is None or isinstance(value, str):
        return value
    return int(value) if "integer" in schema["type"] else float(value)


def _config(data, model, training, **_):
    if isinstance(data["input_dir"], str):
        data["input_dir"] = (data["input_dir"],)
    for side in ("encoder_layers", "decoder_layers"):
        model[side] = tuple(LayerConfig(**layer) for layer in model[side])
    training["optimizer"] = OptimizerConfig(**training["optimizer"])
    return Config(DataConfig(**data), ModelConfig(**model), TrainingConfig(**training))


@functools.cache
def _schema():
    return json.loads(
        (Path(__file__).parents[1] / "config.schema.json").read_text(encoding="utf-8")
    )


def _keys(schema, prefix=""):
    """Every key of the schema but the layers': dotted key path to subschema."""
    keys = {}
    for key, subschema in schema.get("properties", {}).items():
        keys |= {prefix + key: subschema, **_keys(subschema, f"{prefix}{key}.")}
    return keys


def _shown(value):
    """A value as JSON, shortened; any Python value has something to show."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):  # odd keys, cycles, endless digits or depth
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}…"
