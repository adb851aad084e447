"""Write the files that are derived from the classes of the configuration.

    python tools/write_configuration.py

These are vae_nb/config.schema.json and vae_nb/sweep.schema.json, for editors, and the tables in
docs/configuration.md. Run it after a change to a key.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vae_nb.data.config import Config
from vae_nb.data.schema import json_schema
from vae_nb.sweeps.definition import SweepDefinition

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "configuration.md"
KINDS = {"config": Config, "sweep": SweepDefinition}


def contents() -> dict[Path, str]:
    """Return what each of the files must contain, by its path."""
    files = {}
    page = PAGE.read_text(encoding="utf-8")
    for name, kind in KINDS.items():
        schema = json_schema(kind)
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        files[ROOT / "vae_nb" / f"{name}.schema.json"] = f"{text}\n"
        begin, end = f"<!-- begin: keys of a {name} -->\n", f"<!-- end: keys of a {name} -->\n"
        table = f"{begin}\n{_table(schema)}\n{end}"
        page = re.sub(f"{begin}.*{end}", lambda _, table=table: table, page, flags=re.DOTALL)
    files[PAGE] = page
    return files


def _table(schema: dict[str, Any]) -> str:
    """Write the keys as a table in Markdown."""
    lines = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    for path, part in _keys(schema, ""):
        default = f"`{json.dumps(part['default'])}`" if "default" in part else ""
        lines.append(f"| `{path}` | {default} | {part['errorMessage']} | {part['description']} |")
    return "\n".join(lines) + "\n"


def _keys(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the schema of every value, also those in the objects of a list."""
    for key, part in schema["properties"].items():
        path = f"{prefix}{key}"
        if "properties" in part:
            yield from _keys(part, f"{path}.")
            continue
        yield path, part
        if "properties" in part.get("items", {}):
            yield from _keys(part["items"], f"{path}[…].")


if __name__ == "__main__":
    for path, text in contents().items():
        path.write_text(text, encoding="utf-8")
