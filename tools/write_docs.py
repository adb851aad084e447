"""Write the files, tables and figures that are derived from the code and from committed results.

    python tools/write_docs.py

Run it after a change to a key of the configuration or to a notebook, and after new measurements. It
writes

- vae_nb/config.schema.json and vae_nb/sweep.schema.json, for editors;
- the tables of docs/configuration.md, which come from the same classes;
- the pages of the measurements: docs/variants.md, docs/run_times.md, docs/scale.md,
  docs/experiments.md,
  docs/sweeps/*/README.md, benchmarks/results.md;
- what stands in docs/notebooks.md and in the READMEs between `<!-- begin: NAME -->` and
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
import measure_sweeps
import train_variants

from benchmarks import __main__ as benchmarks
from vae_nb import load_config, read_sweep
from vae_nb.data.config import Config
from vae_nb.data.schema import json_schema
from vae_nb.sweeps.definition import SweepDefinition
from vae_nb.sweeps.results import DOCUMENTED

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "configuration.md"
NOTEBOOKS_PAGE = ROOT / "docs" / "notebooks.md"
KINDS = {"config": Config, "sweep": SweepDefinition}
READMES = (ROOT / "README.md", ROOT / "README.es.md")


def contents() -> dict[Path, str]:
    """Return what each of the files must contain, by its path."""
    files = {}
    blocks = {}
    for name, kind in KINDS.items():
        schema = json_schema(kind)
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        files[ROOT / "vae_nb" / f"{name}.schema.json"] = f"{text}\n"
        blocks[f"keys of a {name}"] = _keys_table(schema)
    files |= _pages()
    blocks |= _figures(files)
    blocks["notebooks"] = f"\n{count_notebooks.as_markdown()}"
    for path in (PAGE, NOTEBOOKS_PAGE, *READMES):
        files[path] = _with_blocks(path.read_text(encoding="utf-8"), blocks)
    return files


def _pages() -> dict[Path, str]:
    """Return the pages that show nothing but measurements."""
    pages = {}
    for path, as_markdown in (
        (train_variants.TABLE, train_variants.as_markdown),
        (measure_experiments.TABLE, measure_experiments.as_markdown),
        (measure_run.TABLE, measure_run.as_markdown),
        (measure_sweeps.TABLE, measure_sweeps.as_markdown),
        (benchmarks.FOLDER / "results.json", benchmarks.as_markdown),
    ):
        pages[path.with_suffix(".md")] = as_markdown(json.loads(path.read_text(encoding="utf-8")))
    for table in keep_sweep.KEPT.glob("*/results.csv"):
        pages[table.with_name("README.md")] = keep_sweep.as_markdown(read_sweep(table.parent))
    return pages


def _figures(pages: dict[Path, str]) -> dict[str, str]:
    """Return the tables and figures of the READMEs, by the names of their blocks."""
    variants = pages[train_variants.TABLE.with_suffix(".md")]
    finalists = read_sweep(DOCUMENTED)
    keep_sweep.check_the_default(finalists)
    sweep = pages[DOCUMENTED / "README.md"]
    _, step, *_ = pages[benchmarks.FOLDER / "results.md"].split("\n## ")
    times = json.loads(measure_run.TABLE.read_text(encoding="utf-8"))
    historic = load_config("configs/original.json")
    departures = load_config("configs/all_emojis.json", {"data.input_dir": "input/emojis"})
    return {
        "variants": variants[variants.index("\n| ") :],
        "sweep": sweep[sweep.index("\n| ") : sweep.index("\n## Differences")],
        "step": step[step.index("\n") :],
        "elsewhere": _ratios_elsewhere(),
        "minutes": measure_run.minutes(times),
        "minutes on a slow laptop": measure_run.minutes(times, slowdown=3),
        "departures": ", ".join(f"`{key}`" for key in departures.differences(historic)),
    }


def _ratios_elsewhere() -> str:
    """Say how many times as long vae_nb's step takes as its peers' on another machine."""
    path = benchmarks.FOLDER / "results.json"
    other = json.loads(path.read_text(encoding="utf-8"))["elsewhere"][0]
    ratios: dict[str, list[str]] = {}
    for row in other["rows"]:
        ratios.setdefault(row["implementation"], []).append(f"{row['ratio']:.2f}")
    machine = other["machine"]
    return (
        f"{machine['processor']}, {machine['bandwidth_gb_s']:.0f} GB/s, "
        f"{machine['gemm_gflop_s']:.0f} GFLOP/s: {', '.join(ratios['torch_fused'])} (PyTorch), "
        f"{', '.join(ratios['jax_jit'])} (JAX)"
    )


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
