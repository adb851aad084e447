"""Write the files, tables and figures that are derived from the code and from committed results.

    python tools/write_docs.py

Run it after a change to a key of the configuration or to a notebook, and after new measurements. It
writes

- vae_nb/config.schema.json and vae_nb/sweep.schema.json, for editors;
- the tables of docs/configuration.md, which come from the same classes;
- the pages of the measurements: docs/run_times.md, docs/scale.md, docs/sweeps/*/README.md,
  benchmarks/results.md;
- what stands in the READMEs and in some pages of docs/ between `<!-- begin: NAME -->` and
  `<!-- end: NAME -->`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import count_notebooks
import keep_sweep
import measure_experiments
import measure_run
import measure_start
import measure_sweeps
import train_variants

from benchmarks import __main__ as benchmarks
from vae_nb import load_config, read_sweep
from vae_nb.data.config import Config
from vae_nb.data.schema import json_schema
from vae_nb.sweeps.definition import SweepDefinition
from vae_nb.sweeps.results import DOCUMENTED

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS_PAGE = ROOT / "docs" / "notebooks.md"
KINDS = {"config": Config, "sweep": SweepDefinition}
WITH_BLOCKS = (
    ROOT / "README.md",
    ROOT / "README.es.md",
    ROOT / "docs" / "configuration.md",
    ROOT / "docs" / "experiments.md",
    NOTEBOOKS_PAGE,
)


def contents() -> dict[Path, str]:
    """Return what each of the files must contain, by its path."""
    files = {}
    blocks = {}
    for name, kind in KINDS.items():
        schema = json_schema(kind)
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        files[ROOT / "vae_nb" / f"{name}.schema.json"] = f"{text}\n"
        blocks[f"keys of a {name}"] = _keys_table(schema)
    blocks |= _results() | _numbers()
    for path in WITH_BLOCKS:
        files[path] = _with_blocks(path.read_text(encoding="utf-8"), blocks)
    return files | _pages()


def _pages() -> dict[Path, str]:
    """Return the pages that show nothing but measurements."""
    pages = {}
    for path, as_markdown in (
        (measure_run.TABLE, measure_run.as_markdown),
        (measure_sweeps.TABLE, measure_sweeps.as_markdown),
        (benchmarks.FOLDER / "results.json", benchmarks.as_markdown),
    ):
        pages[path.with_suffix(".md")] = as_markdown(_read(path))
    for table in keep_sweep.KEPT.glob("*/results.csv"):
        pages[table.with_name("README.md")] = keep_sweep.as_markdown(read_sweep(table.parent))
    return pages


def _results() -> dict[str, str]:
    """Return the tables of docs/experiments.md and docs/notebooks.md."""
    keep_sweep.check_the_default(read_sweep(DOCUMENTED))
    historic = load_config("configs/original.json")
    departures = load_config("configs/all_emojis.json", {"data.input_dir": "input/emojis"})
    results = {
        "variants": train_variants.as_markdown(_read(train_variants.TABLE)),
        "sharing": measure_experiments.as_markdown(_read(measure_experiments.TABLE)),
        "speed": _ratios(_read(benchmarks.FOLDER / "results.json")),
        "notebooks": count_notebooks.as_markdown(),
    }
    return {name: f"\n\n{text.strip()}\n\n" for name, text in results.items()} | {
        "departures": ", ".join(f"`{key}`" for key in departures.differences(historic)),
    }


def _numbers() -> dict[str, str]:
    """Return the numbers in the READMEs."""
    times, start = _read(measure_run.TABLE), _read(measure_start.TABLE)
    minutes = count_notebooks.core_minutes()
    return {
        "minutes": measure_run.minutes(times),
        "minutes on a slow laptop": measure_run.minutes(times, slowdown=3),
        "gigabytes": measure_start.gigabytes(start),
        "seconds of the installation": str(10 * round(start["install_seconds"] / 10)),
        "hours of the core": f"{sum(minutes.values()) / 60:.0f}",
        **{f"minutes of {number}": str(count) for number, count in minutes.items()},
    }


def _ratios(results: dict[str, Any]) -> str:
    """Write how many times as long vae_nb's step takes as its peers', by model and machine."""
    table = "| model | machine | batch | PyTorch | JAX |\n|---|---|--:|--:|--:|\n"
    parts = [
        ("dense", results),
        ("dense", results["elsewhere"][0]),
        ("convolutional", results["convolutional"]),
    ]
    for model, part in parts:
        ratios: dict[int, dict[str, str]] = {}
        for row in part["rows"]:
            ratios.setdefault(row["batch"], {})[row["implementation"]] = f"{row['ratio']:.2f}"
        name = part["machine"]["processor"]
        for batch, by in ratios.items():
            table += f"| {model} | {name} | {batch} | {by['torch_fused']} | {by['jax_jit']} |\n"
    return table


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _with_blocks(text: str, blocks: dict[str, str]) -> str:
    """Replace what stands between the marks of each block, in a line or on lines of its own."""

    def replaced(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        return f"{begin}{blocks[name]}{end}"

    pattern = r"(<!-- begin: ([\w ]+) -->).*?(<!-- end: \2 -->)"
    return re.sub(pattern, replaced, text, flags=re.DOTALL)


def _keys_table(schema: dict[str, Any]) -> str:
    """Write the keys as a table in Markdown."""
    lines = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    for path, part in _keys(schema, ""):
        default = f"`{json.dumps(part['default'])}`" if "default" in part else ""
        lines.append(f"| `{path}` | {default} | {part['errorMessage']} | {part['description']} |")
    return "\n\n" + "\n".join(lines) + "\n\n"


def _keys(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the schema of every value, also those in the objects of a list."""
    for key, part in schema["properties"].items():
        path = f"{prefix}{key}"
        if "properties" in part:
            yield from _keys(part, f"{path}.")
            continue
        yield path, part
        items = part.get("items", {})
        kinds = [kind for kind in items.get("oneOf", [items]) if "properties" in kind]
        inside = {  # a key of several kinds is told once
            key: part_of_key for kind in kinds for key, part_of_key in kind["properties"].items()
        }
        if inside:
            yield from _keys({"properties": inside}, f"{path}[…].")


if __name__ == "__main__":
    for path, text in contents().items():
        path.write_text(text, encoding="utf-8")
