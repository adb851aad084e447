"""Pages of one file, without a server or a network."""

import html
import json
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

from vae_nb.run.attribution import attribution
from vae_nb.show.explorer_state import FRONTEND
from vae_nb.system.files import atomic_path


def write_page(
    path: Path,
    template: str,
    texts: dict[str, str],
    styles: str,
    module: str,
    state: dict[str, Any],
    input_folders: Iterable[str],
) -> None:
    """Fill a template of `show/frontend` and write it.

    Parameters
    ----------
    template, styles : str
        Names of files in `show/frontend`.
    texts : dict of str to str
        Text for the template's other places; it is never markup.
    module : str
        The page's JavaScript.
    state : dict
        What the JavaScript reads, as JSON.
    input_folders : iterable of str
        Those of the pictures that the page shows, for what their licenses ask to be said.

    Raises
    ------
    FilesError
        If the file cannot be written.
    """
    page = Template(frontend(template)).substitute(
        {name: html.escape(text) for name, text in texts.items()},
        styles=frontend(styles),
        attribution=html.escape(attribution(input_folders)),
        # Names come from strangers' files: no "<" may end the script that they are in.
        state=json.dumps(state, allow_nan=False).replace("<", r"\u003c"),
        module=module,
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def frontend(name: str) -> str:
    """Read a file of `show/frontend`."""
    return (FRONTEND / name).read_text(encoding="utf-8")
