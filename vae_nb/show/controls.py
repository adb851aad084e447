"""Controls that ipywidgets lacks, for the monitor: in sharp pixels, with names for screen readers.

Each control is an anywidget. Its traits are below; a file in `frontend/` shows them with the
browser's own elements.
"""

import math
from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from vae_nb.show.explorer_state import FRONTEND


class _Control(anywidget.AnyWidget):
    _css = FRONTEND / "controls.css"


class ImageView(_Control):
    """An image, with a text for those who cannot see it.

    Parameters
    ----------
    longest : int
        Pixels on the screen, of the longer side. A smaller image is enlarged a whole number of
        times, so that it stays sharp.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width, channels)
        The image shown.
    text : str
        Read aloud by screen readers.
    """

    _esm = FRONTEND / "image_view.js"
    rgba = traitlets.Bytes(bytes(4)).tag(sync=True)
    size = traitlets.List([1, 1]).tag(sync=True)  # height, width
    scale = traitlets.Float(1.0).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)

    pixels: NDArray[np.uint8]

    def __init__(self, longest: int) -> None:
        super().__init__(layout={"flex": "none"})
        self._longest = longest

    def show(self, pixels: NDArray, text: str) -> None:
        """Show an image, shape (height, width, channels), floats in [0, 1] or uint8."""
        if pixels.dtype != np.uint8:
            pixels = np.round(255 * pixels).astype(np.uint8)
        height, width, _ = pixels.shape
        scale = self._longest / max(height, width)
        if scale > 1:
            scale = math.floor(scale)
        rgba = np.full((height, width, 4), 255, np.uint8)
        rgba[:, :, :3] = pixels  # gray in all three channels
        self.pixels = pixels
        with self.hold_sync():  # one message
            self.rgba = rgba.tobytes()
            self.size = [height, width]
            self.scale = scale
            self.text = text


class Button(_Control):
    """A button.

    Parameters
    ----------
    text : str
    on_click : callable
        Called without arguments.
    """

    _esm = FRONTEND / "button.js"
    text = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, text: str, on_click: Callable[[], object]) -> None:
        super().__init__(text=text)
        self._on_click = on_click
        self.on_msg(self._on_message)  # the only message is a click

    def _on_message(self, _widget: Any, _content: Any, _buffers: Any) -> None:
        self.click()

    def click(self) -> None:
        """Do what a click does."""
        self._on_click()


class Status(_Control):
    """A line of text that a screen reader speaks when it changes."""

    _esm = FRONTEND / "status.js"
    text = traitlets.Unicode().tag(sync=True)
