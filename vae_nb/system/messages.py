"""What the package reports while it works: log messages, shown as plain lines."""

import logging
import sys
from typing import TextIO


def show_messages(stream: TextIO | None = None) -> None:
    """Show the package's log messages, one line each.

    Nothing below a warning is shown otherwise: a program that imports the package decides itself
    what happens to the messages of the logger "vae_nb".

    Parameters
    ----------
    stream : file or None
        Where the lines are written. None stands for the standard output.
    """
    logger = logging.getLogger("vae_nb")
    # Assigned, so that a second call does not show every line twice.
    logger.handlers = [logging.StreamHandler(stream or sys.stdout)]
    logger.setLevel(logging.INFO)
    logger.propagate = False  # Jupyter's programs show what reaches the root logger, too
