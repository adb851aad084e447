"""Check plain values against a pydantic class, and say in sentences what is wrong with them.

A key is one field of a class: its name, type, default, bounds and description. The JSON schema for
editors, the tables in docs/configuration.md and every error message are derived from it.
"""

import dataclasses
import difflib
import functools
import json
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AllowInfNan,
    ConfigDict,
    Discriminator,
    Strict,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic.dataclasses import dataclass
from pydantic.json_schema import GenerateJsonSchema

from vae_nb.data.json_file import shown_path
from vae_nb.system.errors import ConfigError

MAX_ERRORS = 20  # that a message lists
MAX_KEY_LENGTH = 100  # in a message
BOUNDS = {  # of a number in a JSON schema, in words
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}

# pydantic would convert "1" and true to 1; strict types refuse them.
Integer = Annotated[int, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Text = Annotated[str, Strict()]

Kind = TypeVar("Kind")  # a subclass of Section
Schema = dict[str, Any]
Error = tuple[str, str]  # key path, what is wrong with it
Location = tuple[Any, ...]  # the keys and indices that lead to a value


@dataclass(frozen=True, config=ConfigDict(extra="forbid", validate_default=True))
class Section:
    """The base class of an object in a file: every key is a field."""

    @field_validator("*", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        """Turn a list into a tuple, and a float like 16.0 into an integer."""
        if isinstance(value, bool):
            raise ValueError("no key takes true or false")  # for Literal[1], true is 1
        if isinstance(value, list):
            return tuple(_whole(item) for item in value)
        return _whole(value)


def by_keys(*kinds: type) -> Discriminator:
    """Tell apart the sections of a union by the keys that an object has.

    The tags of the union's members are "0", "1" and so on, in the order of `kinds`.
    """
    keys_of_kinds = [[field.name for field in dataclasses.fields(kind)] for kind in kinds]

    def tag_of(value: Any) -> str | None:
        if isinstance(value, dict):
            return str(_most_similar(keys_of_kinds, value))
        return str(kinds.index(type(value))) if type(value) in kinds else None

    return Discriminator(tag_of)


def _most_similar(kinds: Sequence[Collection[str]], value: dict[Any, Any]) -> int:
    """Return the number of the kind that has most keys of an object; the first one of several."""
    shared = [sum(key in keys_of_kind for key in value) for keys_of_kind in kinds]
    return shared.index(max(shared))


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# --- checking ---


def validated(
    kind: type[Kind],
    values: Any,
    source: str | Path,
    overrides: Collection[Any] = (),
    errors: Collection[Error] = (),
) -> Kind:
    """Make an instance of a section from plain values.

    Parameters
    ----------
    source : str or Path
        The name of the place that the values come from, for the messages.
    overrides : collection of str
        The key paths whose values come from overrides instead.
    errors : collection of (str, str)
        Errors that are already known. They come first in the message.

    Raises
    ------
    ConfigError
        If anything is not allowed. The message has one line for each error.
    """
    fields = values
    if isinstance(values, dict) and isinstance(values.get("$schema"), str):
        fields = {key: value for key, value in values.items() if key != "$schema"}
    try:
        instance = TypeAdapter(kind).validate_python(fields)
    except ValidationError as error:
        found = _Errors(kind, error).of_file(values)
        errors = [*errors, *islice(found, MAX_ERRORS + 1)]
    if errors:
        raise ConfigError(*sentences(list(errors), source, overrides))
    return instance


class _Errors:
    """What is wrong with the values of a file, in the order of the schema.

    pydantic says where something is wrong. The sentences come from the schema and the values.
    """

    def __init__(self, kind: type, error: ValidationError) -> None:
        self.schema = json_schema(kind)
        self.known_paths = list(keys(kind))
        self.wrong: set[Location] = set()  # where something is wrong, or in a part of it
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            location = problem["loc"]
            self.wrong.update(location[:length] for length in range(len(location) + 1))

    def of_file(self, values: Any) -> Iterator[Error]:
        """Yield the key path of each error, and what is wrong."""
        return self._of_value(self.schema, values, "", ())

    def _of_value(
        self, schema: Schema, value: Any, path: str, location: Location
    ) -> Iterator[Error]:
        """Yield what is wrong with the parts of a value, or else with the value as a whole."""
        if location not in self.wrong:
            return
        if "oneOf" in schema and isinstance(value, dict):
            number = _most_similar([kind["properties"] for kind in schema["oneOf"]], value)
            yield from self._of_value(
                schema["oneOf"][number], value, path, (*location, str(number))
            )
            return
        errors_of_parts = self._of_parts(schema, value, path, location)
        first = next(errors_of_parts, None)
        if first is None:
            yield path, f"is {shown(value)}; allowed is {schema['errorMessage']}."
        else:
            yield first
            yield from errors_of_parts

    def _of_parts(
        self, schema: Schema, value: Any, path: str, location: Location
    ) -> Iterator[Error]:
        """Yield what is wrong with the keys of an object, or with the objects of a list."""
        if isinstance(value, dict):
            prefix = f"{path}." if path else ""
            properties = schema.get("properties", {})
            schema_of_others = schema.get("additionalProperties")
            for key in value:
                if key in properties:
                    continue
                if isinstance(schema_of_others, dict):
                    inside = (f"{prefix}{key_text(key)}", (*location, key))
                    yield from self._of_value(schema_of_others, value[key], *inside)
                elif schema_of_others is False:
                    what = self._unknown_key(key, prefix, list(properties))
                    yield f"{prefix}{_shown_key(key)}", what
            for key, part in properties.items():
                if key in value:
                    yield from self._of_value(part, value[key], prefix + key, (*location, key))
                elif key in schema.get("required", ()):
                    yield prefix + key, f"is missing; allowed is {part['errorMessage']}."
        elif isinstance(value, list | tuple) and _has_objects(schema):
            for index, item in enumerate(value):
                inside = (f"{path}[{index}]", (*location, index))
                yield from self._of_value(schema["items"], item, *inside)

    def _unknown_key(self, key: Any, prefix: str, names: list[str]) -> str:
        """Say that a key of an object is unknown. The known keys are `names`."""
        name = key_text(key)
        known_paths = [*self.known_paths, *(prefix + known for known in names)]
        nearest = nearest_key(prefix + name, known_paths)
        if nearest is not None and "." in name and "[" not in nearest:
            nested = "…"
            for part in reversed(nearest.split(".")):
                nested = f'{{"{part}": {nested}}}'
            return f"is not a known key; in a file, write {nested}."
        return unknown_key(nearest, names)


def _has_objects(schema: Schema) -> bool:
    """Whether a schema is that of a list of objects."""
    items = schema.get("items", {})
    return items.get("type") == "object" or "oneOf" in items


def sentences(errors: list[Error], source: str | Path, overrides: Collection[Any]) -> list[str]:
    """Return the lines of the message: each says where the error is, and what is wrong."""
    name = shown_path(source)
    starts = tuple(key_text(key) for key in overrides)
    lines = []
    for path, what in errors[:MAX_ERRORS]:
        is_override = any(
            path == start or path.startswith((f"{start}.", f"{start}[")) for start in starts
        )
        where = "overrides" if is_override else name
        lines.append(f"{where}: {path or 'the top level'} {what}")
    if len(errors) > MAX_ERRORS:
        lines.append(f"{name}: there are more errors than these.")
    return lines


def unknown_key(nearest: str | None, names: list[str]) -> str:
    """Say that a key is unknown. Suggest the nearest one, or else list the names of the others."""
    if nearest is not None:
        return f"is not a known key; did you mean {nearest}?"
    return f"is not a known key; the known keys are {', '.join(names)}."


def nearest_key(path: str, known_paths: list[str]) -> str | None:
    """Return the known key path with the most similar name, or None if none is similar."""
    by_name = {known.rpartition(".")[2].lower(): known for known in known_paths}
    names = difflib.get_close_matches(path.rpartition(".")[2].lower(), by_name, n=1)
    return by_name[names[0]] if names else None


def shown(value: Any) -> str:
    """Return a value as JSON, shortened. Any Python value can be shown."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):  # for example a list that contains itself
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}…"


def key_text(key: Any) -> str:
    """Return a key of any Python type as text, shortened."""
    text = key if isinstance(key, str) else shown(key)
    return text if len(text) <= MAX_KEY_LENGTH else f"{text[:MAX_KEY_LENGTH]}…"


def _shown_key(key: Any) -> str:
    """Return a key as it is, or in quotes if it does not look like a name."""
    is_name = isinstance(key, str) and key.isidentifier() and len(key) <= MAX_KEY_LENGTH
    return key if is_name else shown(key)


# --- the JSON schema ---


class _WithoutTitles(GenerateJsonSchema):
    """Leave out pydantic's titles, which repeat the names of the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Say no for every field."""
        return False


@functools.cache
def json_schema(kind: type) -> Schema:
    """Return the JSON schema of a file that a class describes.

    It has no references. Every value has an `errorMessage`, which says in words what is allowed;
    VS Code shows it too.
    """
    generated = TypeAdapter(kind).json_schema(schema_generator=_WithoutTitles)
    schema = _completed(generated, generated.pop("$defs", {}))
    *names, last = schema["properties"]
    schema["errorMessage"] = f"an object with the keys {', '.join(names)} and {last}"
    path = "The path of this schema. Editors use it to complete keys; nothing else reads it."
    own_key = {"description": path, "type": "string", "errorMessage": "a string"}
    schema["properties"] = {"$schema": own_key, **schema["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def keys(kind: type) -> dict[str, Schema]:
    """Return the schema of every key path, including sections, but not of the keys of a layer."""
    return _keys(json_schema(kind), "")


def _keys(schema: Schema, prefix: str) -> dict[str, Schema]:
    found = {}
    for key, part in schema.get("properties", {}).items():
        found[prefix + key] = part
        found.update(_keys(part, f"{prefix}{key}."))
    return found


def _completed(schema: Schema, definitions: Schema) -> Schema:
    """Replace references by what they refer to, and add what is allowed in words."""
    if not schema:  # any value is allowed
        return schema
    if "$ref" in schema:
        definition = definitions[schema["$ref"].rpartition("/")[2]]
        schema = {**definition, **schema}
        del schema["$ref"]
    if schema.get("type") == "object":
        schema.pop("title", None)  # the name of the class
    completed = dict(schema)
    if "oneOf" in schema:
        completed["oneOf"] = [_completed(kind, definitions) for kind in schema["oneOf"]]
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            completed[key] = _completed(schema[key], definitions)
    if "properties" in schema:
        completed["properties"] = {
            key: _completed(part, definitions) for key, part in schema["properties"].items()
        }
    completed["errorMessage"] = _allowed(completed)
    return completed


def _allowed(schema: Schema) -> str:
    """Say in words what a schema allows."""
    if "errorMessage" in schema:
        return schema["errorMessage"]
    for choices in ("anyOf", "oneOf"):
        if choices in schema:
            return " or ".join(_allowed(choice) for choice in schema[choices])
    if "enum" in schema:
        return f"one of {', '.join(json.dumps(choice) for choice in schema['enum'])}"
    kind = schema["type"]
    if kind in ("integer", "number"):
        return _allowed_number(schema)
    if "prefixItems" in schema:
        return f"{schema['title']}, each {_allowed(schema['prefixItems'][0])}"
    if kind == "array":
        least, most = schema["minItems"], schema.get("maxItems")
        count = f"{least} or more" if most is None else f"{least} to {most}"
        each = f", each {_allowed(schema['items'])}" if schema["items"] else ""
        return f"a list of {count} values{each}"
    if "minLength" in schema:
        return f"a string of {schema['minLength']} or more characters"
    if kind == "object" and "required" in schema:
        return "an object {" + ", ".join(f'"{key}": …' for key in schema["required"]) + "}"
    return {"string": "a string", "object": "an object", "null": "null"}[kind]


def _allowed_number(schema: Schema) -> str:
    kind = "an integer" if schema["type"] == "integer" else "a number"
    bounds = {key: _whole(schema[key]) for key in BOUNDS if key in schema}
    if bounds.keys() == {"minimum", "maximum"}:
        return f"{kind} from {bounds['minimum']} to {bounds['maximum']}"
    words = [f"{BOUNDS[key]} {bound}" for key, bound in bounds.items()]
    return f"{kind} {', '.join(words)}".rstrip()
