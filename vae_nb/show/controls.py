"""Controls that ipywidgets lacks: quick, in sharp pixels, and with names for screen readers.

Each control is an anywidget. Its traits are below; a file in `frontend/` shows them with the
browser's own elements.
"""

import io
import math
import reprlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from ipywidgets import widget_serialization
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from traitlets import Bunch

FRONTEND = Path(__file__).parent / "frontend"
TILE = 40  # pixels on the screen, of the longer side of an image to choose
SHEET_COLUMNS = 32


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
    caption : str
        Lines below the image.
    code : str
        A line to copy.
    """

    _esm = FRONTEND / "image_view.js"
    rgba = traitlets.Bytes(bytes(4)).tag(sync=True)
    size = traitlets.List([1, 1]).tag(sync=True)  # height, width
    scale = traitlets.Float(1.0).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)

    pixels: NDArray[np.uint8]

    def __init__(self, longest: int) -> None:
        super().__init__(layout={"flex": "none"})
        self._longest = longest

    def show(self, pixels: NDArray, text: str, caption: str = "", code: str = "") -> None:
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
            self.caption = caption
            self.code = code


class Sliders(_Control):
    """Named sliders, the last of them folded away.

    Parameters
    ----------
    step : float

    Attributes
    ----------
    names : list of str
    limits : list of (float, float)
        The lowest and the highest value of each.
    values : list of float
        One finite number for each slider. They may lie between two steps; a slider that the reader
        moves goes to a step.
    unfolded : int
        How many are not folded away.
    fold_text : str
        The line that unfolds the others.
    """

    _esm = FRONTEND / "sliders.js"
    step = traitlets.Float().tag(sync=True)
    limits: traitlets.List[tuple[float, float]] = traitlets.List().tag(sync=True)
    # Values that the browser has set are not sent back to it: one message less for each event.
    values: traitlets.List[float] = traitlets.List().tag(sync=True, echo_update=False)
    unfolded = traitlets.Int().tag(sync=True)
    fold_text = traitlets.Unicode().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, step: float) -> None:
        super().__init__(step=step)

    @traitlets.validate("values")
    def _check_values(self, proposal: Bunch) -> list[float]:
        values = proposal["value"]
        if len(values) != len(self.limits) or not np.all(np.isfinite(values)):
            raise traitlets.TraitError(
                f"The sliders' values are {values}; they must be {len(self.limits)} finite numbers."
            )
        return values

    def arrange(
        self,
        names: Sequence[str],
        limits: Iterable[tuple[float, float]],
        values: Iterable[float],
        unfolded: int | None = None,
        fold_text: str = "",
    ) -> None:
        """Replace all sliders; without `unfolded`, none is folded away."""
        with self.hold_sync():  # one message
            self.limits = list(limits)
            self.values = list(values)
            self.unfolded = len(names) if unfolded is None else unfolded
            self.fold_text = fold_text
            self.names = list(names)


class ImagePicker(_Control):
    """One image chosen among many, by its look or by its name.

    Parameters
    ----------
    title : str
        What the image is chosen for.
    images : ndarray of uint8, shape (n, height, width, channels)
    names : sequence of str, shape (n,)

    Attributes
    ----------
    value : int
        The index of the chosen image.
    """

    _esm = FRONTEND / "image_picker.js"
    title = traitlets.Unicode().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sheet = traitlets.Bytes().tag(sync=True)  # all images in one PNG
    columns = traitlets.Int(SHEET_COLUMNS).tag(sync=True)
    tile: traitlets.List[int] = traitlets.List().tag(sync=True)  # height, width
    value = traitlets.Int(0).tag(sync=True)

    def __init__(self, title: str, images: NDArray[np.uint8], names: Sequence[str]) -> None:
        height, width = images.shape[1:3]
        scale = TILE / max(height, width)
        tile = [max(1, round(height * scale)), max(1, round(width * scale))]
        sheet = _png_sheet(images, *tile)
        super().__init__(title=title, names=list(names), tile=tile, sheet=sheet)

    @traitlets.validate("value")
    def _check_value(self, proposal: Bunch) -> int:
        return _checked(self.title, proposal["value"], range(len(self.names)))


def _png_sheet(images: NDArray[np.uint8], tile_height: int, tile_width: int) -> bytes:
    """Return all images as tiles of one PNG, SHEET_COLUMNS in a row."""
    rows = math.ceil(len(images) / SHEET_COLUMNS)
    sheet = Image.new("RGB", (SHEET_COLUMNS * tile_width, rows * tile_height), "white")
    for index, pixels in enumerate(images):
        row, column = divmod(index, SHEET_COLUMNS)
        tile = Image.fromarray(pixels.squeeze()).convert("RGB").resize((tile_width, tile_height))
        sheet.paste(tile, (column * tile_width, row * tile_height))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


class PlaneMap(_Control):
    """The plane of the first two sliders: a figure, and a point that the reader moves over it.

    The point has no state of its own: it is where the sliders are, and moving it moves them.

    Parameters
    ----------
    sliders : Sliders
    """

    _esm = FRONTEND / "map.js"
    sliders = traitlets.Instance(Sliders).tag(sync=True, **widget_serialization)
    limits: traitlets.List[list[float]] = traitlets.List().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    background = traitlets.Bytes().tag(sync=True)

    def __init__(self, sliders: Sliders) -> None:
        super().__init__(sliders=sliders)

    def lay(self, figure: Figure, axes: Axes, text: str) -> None:
        """Lay the map over a figure; its point moves within the given axes of the figure."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        place = axes.get_position()
        with self.hold_sync():  # one message
            self.frame = {
                "left": place.x0,
                "top": 1 - place.y1,
                "width": place.width,
                "height": place.height,
            }
            self.text = text
            self.limits = np.array([axes.get_xlim(), axes.get_ylim()]).tolist()
            self.background = buffer.getvalue()


class Choice(_Control):
    """One of a few options.

    Parameters
    ----------
    title : str
    options : sequence of str
        The first is chosen.

    Attributes
    ----------
    value : str
    """

    _esm = FRONTEND / "choice.js"
    title = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)

    def __init__(self, title: str, options: Sequence[str]) -> None:
        super().__init__(title=title, options=list(options), value=options[0])

    @traitlets.validate("value")
    def _check_value(self, proposal: Bunch) -> str:
        return _checked(self.title, proposal["value"], self.options)


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


def _checked(title: str, value: Any, allowed: Sequence[Any]) -> Any:
    """Return a choice if it is one of those allowed; raise TraitError otherwise."""
    if value not in allowed:
        choices = reprlib.repr(list(allowed))
        raise traitlets.TraitError(f"{title}: {value!r} is not a choice; choose one of {choices}.")
    return value
