"""Writes the latent explorer as a page of its own: one file, without a server or a network."""

import base64
from pathlib import Path

import numpy as np

from vae_nb.run.page import frontend, write_page
from vae_nb.run.trained_run import TrainedRun
from vae_nb.show.explorer_state import explorer_module, explorer_state
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
    write_page(
        path,
        "page.html",
        {"about": about},
        "explorer.css",
        explorer_module() + frontend("page.js"),
        values,
        run.config.data.input_dir,
    )
    return path


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
