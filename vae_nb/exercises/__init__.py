"""The checks behind the notebooks' exercises.

Read `checker`, then `notebook_01` to `notebook_11`: one module of checks for each notebook.
Imports from `show`, `data`, `core` and `system`.
"""

from vae_nb.exercises import (  # noqa: F401 - importing them registers their checks
    notebook_01,
    notebook_02,
    notebook_03,
    notebook_04,
    notebook_05,
    notebook_06,
    notebook_07,
    notebook_08,
    notebook_09,
    notebook_10,
    notebook_11,
)
from vae_nb.exercises.checker import Verdict, check

__all__ = ["Verdict", "check"]
