"""The command that continues an interrupted run of the notebooks."""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vae_nb.data.config import parse_override
from vae_nb.system.errors import ConfigError
from vae_nb.system.paths import from_project_root


def continuing_command(
    config_path: str | Path,
    output_dir: str | Path,
    overrides: dict[str, Any],
    only: str | None,
    resume: bool,
) -> str:
    """Return the command `vae-nb run …`, as text for a shell, from what `run_series` is given."""
    words = [_program(), "run"]
    if resume:
        words.append("--resume")
    if from_project_root(config_path) != from_project_root("config.json"):
        words += ["--config", str(from_project_root(config_path))]
    if from_project_root(output_dir) != from_project_root("output"):
        words += ["--output", str(from_project_root(output_dir))]
    for key, value in overrides.items():
        words += ["--set", _setting(key, value)]
    if only is not None:
        words += ["--only", only]
    return shlex.join(words)


def _program() -> str:
    """Return how this environment's `vae-nb` is called."""
    script = Path(sys.executable).with_name("vae-nb")
    if shutil.which("vae-nb") is None and script.exists():
        return str(script)
    return "vae-nb"


def _setting(key: str, value: Any) -> str:
    """Return an override as `--set` takes it."""
    if isinstance(value, str):
        plain = f"{key}={value}"
        try:
            if parse_override(plain) == (key, value):
                return plain
        except ConfigError:
            pass  # for example an empty text, which needs its quotation marks
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def numbers_text(notebooks: Sequence[Path]) -> str:
    """Return what `--only` takes for some notebooks of the series: "04-10", or "04,06"."""
    numbers = [notebook.name[:2] for notebook in notebooks]
    first = int(numbers[0])
    is_range = [int(number) for number in numbers] == list(range(first, first + len(numbers)))
    if is_range and len(numbers) > 1:
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(numbers)
