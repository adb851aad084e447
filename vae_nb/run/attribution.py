"""Says whose drawings are in the project's own folders, as their license files do."""

import re
from collections.abc import Iterable
from pathlib import Path

from vae_nb.system.paths import PROJECT_ROOT, from_project_root

INPUT = PROJECT_ROOT / "input"
LICENSE = "LICENSE.txt"
LICENSE_START = 4  # paragraphs; after these, at the latest, the text of the license follows


def attribution(folders: str | Iterable[str]) -> str:
    """Say whose drawings are in some input folders, as the license files in `input/` do.

    A reader's own folder has no such file, and nothing is said of it.

    Parameters
    ----------
    folders : str or iterable of str
        Relative paths start at the project's root.

    Returns
    -------
    str
        One paragraph for each license file, with an empty line between two of them. Empty if there
        is none.
    """
    folders = [folders] if isinstance(folders, str) else folders
    files = [file for folder in folders for file in _licenses_of(from_project_root(folder))]
    return "\n\n".join(dict.fromkeys(_start_of(file) for file in files))


def _licenses_of(folder: Path) -> list[Path]:
    """Find the license file of the drawings in a folder: in it, or above it, or those below it."""
    folder = folder.resolve()
    if not folder.is_relative_to(INPUT):
        return []
    above = [folder, *folder.parents]
    files = [place / LICENSE for place in above[: above.index(INPUT)]]
    nearest = next((file for file in files if file.is_file()), None)
    return [nearest] if nearest else sorted(folder.rglob(LICENSE))


def _start_of(file: Path) -> str:
    """Return the first paragraph of a license file, and those that name holders and license."""
    first, *others = file.read_text("utf-8", "replace").split("\n\n")[:LICENSE_START]
    named = [text for text in others if re.search(r"^(Copyright|This Font)", text, re.MULTILINE)]
    said = "\n".join(" ".join(text.split()) for text in [first, *named])
    return said.replace("The pictures in this folder are", "Pictures are", 1)
