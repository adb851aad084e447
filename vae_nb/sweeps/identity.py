"""How to recognize a run: by its configuration, its images, and the code."""

import hashlib
import json
from typing import Any

from vae_nb.data.config import Config
from vae_nb.run.notebook_text import notebook_version
from vae_nb.run.origin import IRRELEVANT_KEYS
from vae_nb.run.series import series_notebooks
from vae_nb.system.paths import PROJECT_ROOT

NEW_KEYS = (("data", "split_by", "picture"), ("model", "output_kernel_size", 1))


def short_hash(value: Any) -> str:
    """Return twelve hexadecimal digits that depend on a value that JSON can express."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def config_hash(config: Config, fingerprint: str) -> str:
    """Return a hash that tells a configuration and its images from others.

    Parameters
    ----------
    fingerprint : str
        `ImageSet.fingerprint` of the configuration's images.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    values = config.to_dict()
    for key in IRRELEVANT_KEYS:
        section, _, name = key.partition(".")
        del values[section][name]
    # The hashes of sweeps from before these keys stay what they are.
    for section, name, default in NEW_KEYS:
        if values[section][name] == default:
            del values[section][name]
    return short_hash([values, fingerprint])


def code_version(only: str) -> str:
    """Return a hash that tells this code from other code: the package, and some notebooks' cells.

    Parameters
    ----------
    only : str
        Which notebooks; see `vae_nb.run.series.series_notebooks`.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    package = PROJECT_ROOT / "vae_nb"
    texts = []
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.json")]):
        parts = path.relative_to(package).parts
        # The names of an editor's own files and folders start with a dot.
        if not any(part.startswith(".") for part in parts):
            texts.append(path.read_text(encoding="utf-8"))
    return short_hash([texts, [notebook_version(path) for path in series_notebooks(only)]])
