"""Read a file of JSON5: JSON with comments and trailing commas."""

import difflib
import re
import stat
import string
from itertools import pairwise
from pathlib import Path
from typing import Any

from vae_nb.system.errors import ConfigError
from vae_nb.system.paths import from_project_root

MAX_BYTES = 2**18  # of a file; the parser, which is written in Python, reads them in a few seconds
MAX_PATH_LENGTH = 200  # in a message
MAX_DIGITS = 4300  # of an integer, which Python reads

TOKEN = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*(?:.*?\*/|.*) )
    | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'  # strings
    | [^\s{}\[\]:,'"/]+  # words and numbers
    | [{}\[\]:,'"]  # marks, and the quote of a string that does not end
    """,
    re.DOTALL | re.VERBOSE,
)
WORD = string.ascii_letters + string.digits + "_.+-"
CLOSING = {"{": "}", "[": "]"}


def read_json(path: str | Path) -> Any:
    """Read a file of JSON5.

    Parameters
    ----------
    path : str or Path
        A relative path starts at the project's root.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is not JSON5.
    """
    shown = shown_path(path)
    content = _content(path)
    if len(content) > MAX_BYTES:
        raise ConfigError(
            f"{shown} has more than {MAX_BYTES:,} bytes, which is too many for a configuration."
        )
    try:
        text = content.decode("utf-8-sig")
        if "\0" in text:  # UTF-16 has it in every second byte of a plain text
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"{shown} cannot be read: it is not UTF-8; save it as UTF-8 text."
        ) from None
    if not text.strip():
        raise ConfigError(f"{shown} is empty; allowed is an object, for example {{}}.")
    try:
        return parse_json(text)
    except RecursionError:
        raise ConfigError(f"{shown} is nested too deeply for a configuration.") from None
    except ValueError as error:
        raise ConfigError(f"{shown}{_explanation(text, str(error))}.") from None


def parse_json(text: str) -> Any:
    """Parse JSON5. Raises ValueError or RecursionError if the text is not JSON5."""
    import json5

    return json5.loads(text, allow_duplicate_keys=False)


def shown_path(path: str | Path) -> str:
    """Return a path for a message, without its middle part if it is very long."""
    text = str(path)
    half = MAX_PATH_LENGTH // 2
    return text if len(text) <= MAX_PATH_LENGTH else f"{text[:half]}…{text[-half:]}"


def _content(path: str | Path) -> bytes:
    """Return the first bytes of a file, one more than are allowed."""
    file = from_project_root(path)
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # opening a named pipe would wait for a writer
            raise OSError("it is not a regular file")
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        suggestion = _similar_file(path)
        raise ConfigError(f"there is no file {shown_path(file)}{suggestion}") from None
    except (OSError, ValueError) as error:  # for example: a folder, or an impossible name
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{shown_path(file)} cannot be read: {reason}; allowed is a JSON file."
        ) from None


def _similar_file(path: str | Path) -> str:
    """Return the end of a sentence that suggests a JSON file of the same folder."""
    file = from_project_root(path)
    names = [other.name for other in file.parent.glob("*.json")]
    for name in difflib.get_close_matches(file.name, names, n=1):
        return f"; did you mean {shown_path(Path(path).with_name(name))}?"
    return "."


def _explanation(text: str, error: str) -> str:
    """Say why a text is not JSON5, from the message of the parser."""
    unexpected = re.fullmatch(r"<string>:(\d+) .* at column (\d+)", error, re.DOTALL)
    if unexpected:
        lines = text.split("\n")[: int(unexpected[1])]
        lines[-1] = lines[-1][: int(unexpected[2]) - 1]
        before = "\n".join(lines)
        return f" is not JSON: {_unexpected(text, before)}"
    duplicate = re.fullmatch(r'Duplicate key "(.*)" found in object', error, re.DOTALL)
    if duplicate:
        key = duplicate[1]
        line = _line_of_duplicate(text, key)
        return f': the key "{key[:40]}" is twice in an object; the second is in line {line}'
    number = re.search(rf"(?<!\d)\d{{{MAX_DIGITS},}}", text)
    if number:
        line = text.count("\n", 0, number.start()) + 1
        return f": line {line} has a number of {len(number[0]):,} digits, which is too many"
    return " is not JSON"


def _unexpected(text: str, before: str) -> str:
    """Say where a text is not JSON5. The parser read it until after `before`."""
    symbol = before[-1:]
    if not _expected(before).startswith("the closing "):  # it is not in a string
        if symbol in ("}", "]", ",", ":", ";", ")") and f'"{symbol}"' not in _expected(before[:-1]):
            before = before[:-1]  # the parser read a character too much
        elif before != text:
            before = before.rstrip(WORD)  # it read a part of a wrong word
    line = before.count("\n") + 1
    column = len(before) - before.rfind("\n")
    after = text[len(before) :]
    word = re.match(r'"?([\w.+-]{1,40}|.)', after)
    end = "the end of the line" if after else "the end of the file"
    found = f'"{word[1]}"' if word else end
    return f"at line {line}, column {column} is {found}; expected there is {_expected(before)}"


def _expected(before: str) -> str:
    """Say what may follow a text that is the beginning of JSON5."""
    last = ""
    previous = ""
    brackets = []  # the closing ones that must follow
    for match in TOKEN.finditer(before):
        token = match[0]
        if token in ("'", '"'):
            return f"the closing {token}"
        if match["comment"]:
            continue
        if token in CLOSING:
            brackets.append(CLOSING[token])
        elif token in brackets[-1:]:
            brackets.pop()
        previous = last
        last = token
    if not brackets:
        return "the end of the file" if last else '"{"'
    closing = f'"{brackets[-1]}"'
    is_object = brackets[-1] == "}"
    if last == ":":
        return "a value"
    if last in ("{", "[", ","):
        return f"a key in quotes or {closing}" if is_object else f"a value or {closing}"
    if is_object and previous in ("{", ",") and last != "}":
        return '":"'
    return f'"," or {closing}'


def _line_of_duplicate(text: str, key: str) -> int:
    """Return the line where an object has a key for the second time."""
    tokens = [match for match in TOKEN.finditer(text) if not match["comment"]]
    counts = []  # of the key, in each open object
    position = 0
    for token, following in pairwise(tokens):
        if token[0] == "{":
            counts.append(0)
        elif token[0] == "}":
            counts.pop()
        elif following[0] == ":" and token[0].strip("'\"") == key:
            counts[-1] += 1
            position = token.start()
            if counts[-1] == 2:
                break
    return text.count("\n", 0, position) + 1
