"""A notebook as text: which version it is, and how it looks before it is run.

This module imports only the standard library, because tools/pack_class.py needs it where the
project is not installed.
"""

import hashlib
import json
from pathlib import Path


def without_outputs(text: str) -> str:
    """Return a notebook as it is before it is run: no outputs, no execution counts."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def notebook_version(path: Path) -> str | None:
    """Return a hash of a notebook's cells without their outputs; None if it is not a notebook."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return hashlib.sha256(repr(sources).encode()).hexdigest()
