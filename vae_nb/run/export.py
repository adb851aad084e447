"""Writes the latent explorer as a page of its own: one file, without a server or a network."""

import base64
import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from string import Template

import numpy as np

from vae_nb.run.trained_run import TrainedRun
from vae_nb.show.explorer_state import FRONTEND, explorer_module, explorer_state
from vae_nb.system.errors import FilesError
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import PROJECT_ROOT, from_project_root

INPUT = PROJECT_ROOT / "input"
NOTO = ("emojis", "more_emojis")  # the folders of `input/` whose license lies beside them
LICENSE_START = 4  # paragraphs; after these, at the latest, the text of the license follows


def export_page(run: TrainedRun, path: str | Path) -> Path:
    """Write the latent explorer of a trained model as one HTML file.

    The file holds the model with weights in float16, the training pictures as thumbnails, and what
    the licenses of the project's own drawings ask to be said.

    Parameters
    ----------
    path : str or Path
        A name that ends in `.html`. A relative path starts at the project's root.

    Returns
    -------
    Path

    Raises
    ------
    FilesError
        If the name does not end in `.html`, or the file cannot be written.
    """
    path = from_project_root(path)
    check_page_name(path)
    state = explorer_state(run.vae, run.train_set, np.float16)
    codes = np.frombuffer(state.codes, "<f8")
    values = {
        "facts": state.facts,
        "vector": codes[: run.vae.latent_dim].tolist(),
        "seed": None,
        "numbers": _base64(state.numbers),
        "codes": _base64(state.codes),
        "thumbnails": _base64(state.thumbnails),
    }
    about = (
        f"A variational autoencoder with {run.vae.latent_dim} latent dimensions, trained on "
        f"{len(run.train_set)} pictures. It runs in this page."
    )
    page = _frontend("page.html").substitute(
        styles=_frontend("explorer.css").template,
        about=about,
        attribution=html.escape(attribution(run.config.data.input_dir)),
        # Names come from strangers' files: no "<" may end the script that they are in.
        state=json.dumps(values).replace("<", r"\u003c"),
        module=explorer_module() + _frontend("page.js").template,
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def check_page_name(path: Path) -> None:
    """Raise FilesError if a page cannot have this name: better before a training than after it."""
    if path.suffix.lower() != ".html":
        raise FilesError(f"Cannot export to {path}; allowed is a name that ends in .html.")


def attribution(folders: str | Iterable[str]) -> str:
    """Say whose drawings are in some input folders, as the license files beside them do.

    A reader's own folder has no such file, and nothing is said of it.
    """
    folders = [folders] if isinstance(folders, str) else folders
    files = [_license_of(from_project_root(folder)) for folder in folders]
    texts = [_start_of(file) for file in files if file is not None]
    return "\n\n".join(dict.fromkeys(texts))


def _license_of(folder: Path) -> Path | None:
    """Find the license file of one of the project's folders of drawings."""
    folder = folder.resolve()
    if not folder.is_relative_to(INPUT):
        return None
    if folder.relative_to(INPUT).parts[:1] in [(name,) for name in NOTO]:
        return INPUT / "LICENSE-OFL.txt"
    above = [folder, *folder.parents]
    files = [place / "LICENSE.txt" for place in above[: above.index(INPUT)]]
    return next((file for file in files if file.is_file()), None)


def _start_of(file: Path) -> str:
    """Return the first paragraph of a license file, and those that name holders and license."""
    first, *others = file.read_text(encoding="utf-8").split("\n\n")[:LICENSE_START]
    named = [text for text in others if re.search(r"^(Copyright|This Font)", text, re.MULTILINE)]
    return "\n".join(" ".join(text.split()) for text in [first, *named])


def _frontend(name: str) -> Template:
    return Template((FRONTEND / name).read_text(encoding="utf-8"))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
