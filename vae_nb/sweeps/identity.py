"""What a run is known by: its configuration, its images, and the code."""

import hashlib
import json

from vae_nb.run.origin import IRRELEVANT_KEYS
from vae_nb.run.series import series_notebooks
from vae_nb.run.working_copy import notebook_version
from vae_nb.system.paths import PROJECT_ROOT


def short_hash(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def config_hash(config, fingerprint):
    """What tells a configuration and its pictures from others.

    Parameters
    ----------
    config : vae_nb.Config
    fingerprint : str
        As of `vae_nb.ImageSet.fingerprint`.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    values = config.to_dict()
    for key in IRRELEVANT_KEYS:
        section, _, name = key.partition(".")
        del values[section][name]
    return short_hash([values, fingerprint])


def code_version(only):
    """What tells this code from other code: the package, and the cells of some notebooks.

    Parameters
    ----------
    only : str
        As `vae_nb.run.series.series_notebooks` takes it.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    package = PROJECT_ROOT / "vae_nb"
    files = sorted([*package.rglob("*.py"), *package.rglob("*.json")])
    texts = [
        path.read_text(encoding="utf-8")
        for path in files
        # An editor's own files, or their folder, begin with a dot.
        if not any(part.startswith(".") for part in path.relative_to(package).parts)
    ]
    return short_hash([texts, [notebook_version(path) for path in series_notebooks(only)]])
