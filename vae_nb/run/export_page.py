"""Writes the latent explorer as a page of its own: one file, without a server or a network."""

import base64
import html
import json
from pathlib import Path
from string import Template

import numpy as np

from vae_nb.run.attribution import attribution
from vae_nb.run.trained_run import TrainedRun
from vae_nb.show.explorer_state import FRONTEND, explorer_module, explorer_state
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import from_project_root


def export_page(run: TrainedRun, path: str | Path) -> Path:
    """Write the latent explorer of a trained model as one HTML file.

    The file holds the model with weights in float16, the training pictures as thumbnails, and what
    the licenses of the project's own drawings ask to be said.

    Parameters
    ----------
    path : str or Path
        A relative path starts at the project's root.

    Returns
    -------
    Path

    Raises
    ------
    FilesError
        If the file cannot be written.
    """
    path = from_project_root(path)
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


def _frontend(name: str) -> Template:
    return Template((FRONTEND / name).read_text(encoding="utf-8"))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
