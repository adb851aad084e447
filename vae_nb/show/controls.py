"""Controls that ipywidgets lacks: with names for screen readers, quick, and in sharp pixels.

Each is an anywidget: the traits below, and a file in `frontend/` that shows them with the
browser's own elements.
"""

import io
import reprlib
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from ipywidgets import widget_serialization
from PIL import Image

FRONTEND = Path(__file__).parent / "frontend"
TILE = 40  # pixels on the screen, of the longer side of a picture to choose from
SHEET_COLUMNS = 32


class _Control(anywidget.AnyWidget):
    _css = FRONTEND / "controls.css"


class Picture(_Control):
    """A picture with a text for those who cannot see it.

    Parameters
    ----------
    longest : int
        Pixels on the screen, of the longer side. A smaller picture is enlarged a whole number of
        times, so that it stays sharp.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width, channels)
        What is shown.
    text : str
    caption : str
        Lines below the picture.
    code : str
        A line to copy.
    """

    _esm = FRONTEND / "picture.js"
    rgba = traitlets.Bytes(bytes(4)).tag(sync=True)
    size = traitlets.List([1, 1]).tag(sync=True)
    scale = traitlets.Float(1.0).tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    caption = traitlets.Unicode().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)

    def __init__(self, longest):
        super().__init__(layout={"flex": "none"})
        self._longest = longest

    def show(self, pixels, text, caption="", code=""):
        """Show a picture, shape (height, width, channels), floats in [0, 1] or uint8."""
        if pixels.dtype != np.uint8:
            pixels = np.round(255 * pixels).astype(np.uint8)
        height, width, _ = pixels.shape
        scale = self._longest / max(height, width)
        rgba = np.full((height, width, 4), 255, np.uint8)
        rgba[:, :, :3] = pixels  # grey in all three
        self.pixels = pixels
        with self.hold_sync():  # one message
            self.rgba, self.text = rgba.tobytes(), text
            self.caption, self.code = caption, code
            self.size, self.scale = [height, width], int(scale) if scale > 1 else scale


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
        A finite number each. They may lie between two steps; a slider that the reader moves goes
        to a step.
    unfolded : int
        How many are not folded away.
    fold_text : str
        What stands for the others.
    """

    _esm = FRONTEND / "sliders.js"
    step = traitlets.Float().tag(sync=True)
    limits = traitlets.List().tag(sync=True)
    # What the browser has set is not sent back to it: one message less for each event.
    values = traitlets.List().tag(sync=True, echo_update=False)
    unfolded = traitlets.Int().tag(sync=True)
    fold_text = traitlets.Unicode().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, step):
        super().__init__(step=step)

    @traitlets.validate("values")
    def _check_values(self, proposal):
        values = proposal["value"]
        if len(values) != len(self.limits) or not np.all(np.isfinite(values)):
            raise traitlets.TraitError(
                f"The sliders' values are {values}; needed are {len(self.limits)} finite numbers."
            )
        return values

    def arrange(self, names, limits, values, unfolded=None, fold_text=""):
        """Show other sliders than before."""
        with self.hold_sync():
            self.limits, self.values = list(limits), list(values)
            self.unfolded = len(names) if unfolded is None else unfolded
            self.names, self.fold_text = list(names), fold_text


class PicturePicker(_Control):
    """One picture chosen among many, by its look or by its name.

    Parameters
    ----------
    title : str
        What the picture is chosen for.
    pictures : ndarray of uint8, shape (n, height, width, channels)
    names : sequence of str, shape (n,)

    Attributes
    ----------
    value : int
        The index of the chosen picture.
    """

    _esm = FRONTEND / "picker.js"
    title = traitlets.Unicode().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sheet = traitlets.Bytes().tag(sync=True)  # all pictures in one PNG
    columns = traitlets.Int(SHEET_COLUMNS).tag(sync=True)
    tile = traitlets.List().tag(sync=True)
    value = traitlets.Int(0).tag(sync=True)

    def __init__(self, title, pictures, names):
        n, height, width, _ = pictures.shape
        scale = TILE / max(height, width)
        tile = [max(1, round(side * scale)) for side in (height, width)]
        rows = -(-n // SHEET_COLUMNS)
        sheet = Image.new("RGB", (SHEET_COLUMNS * tile[1], rows * tile[0]), "white")
        for index, picture in enumerate(pictures):
            row, column = divmod(index, SHEET_COLUMNS)
            small = Image.fromarray(picture.squeeze()).convert("RGB").resize(tile[::-1])
            sheet.paste(small, (column * tile[1], row * tile[0]))
        buffer = io.BytesIO()
        sheet.save(buffer, "PNG")
        super().__init__(title=title, names=list(names), tile=tile, sheet=buffer.getvalue())

    @traitlets.validate("value")
    def _check_value(self, proposal):
        return _checked(self.title, proposal["value"], range(len(self.names)))


class PlaneMap(_Control):
    """The plane of the first two sliders: a figure, and a point that the reader moves over it.

    The point is no state of its own: it is where the sliders are, and moving it moves them.

    Parameters
    ----------
    sliders : Sliders
    """

    _esm = FRONTEND / "map.js"
    sliders = traitlets.Instance(Sliders).tag(sync=True, **widget_serialization)
    limits = traitlets.List().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    background = traitlets.Bytes().tag(sync=True)

    def __init__(self, sliders):
        super().__init__(sliders=sliders)

    def lay(self, figure, axes, text):
        """Lay the map over a matplotlib figure; its point moves within the given axes of it."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        place = axes.get_position()
        frame = {"left": place.x0, "top": 1 - place.y1, "width": place.width}
        with self.hold_sync():
            self.frame, self.text = frame | {"height": place.height}, text
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

    def __init__(self, title, options):
        super().__init__(title=title, options=list(options), value=options[0])

    @traitlets.validate("value")
    def _check_value(self, proposal):
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

    def __init__(self, text, on_click):
        super().__init__(text=text)
        self.on_msg(lambda _widget, _content, _buffers: self.click())
        self._on_click = on_click

    def click(self):
        """Do what a click does."""
        self._on_click()


class Status(_Control):
    """A line of text that is spoken by a screen reader when it changes."""

    _esm = FRONTEND / "status.js"
    text = traitlets.Unicode().tag(sync=True)


def _checked(title, value, allowed):
    """A choice, if it is one of those allowed."""
    if value not in allowed:
        allowed = reprlib.repr(list(allowed))
        raise traitlets.TraitError(f"{title}: {value!r} is no choice; allowed are {allowed}.")
    return value
