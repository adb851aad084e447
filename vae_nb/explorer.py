"""Sliders that move through the latent space, for a notebook in JupyterLab."""

import io
import re
from contextlib import contextmanager

import ipywidgets as widgets
import numpy as np
from PIL import Image

from vae_nb.metrics import encode_set, kl_per_dimension

PICTURE_SIDE = 320  # pixels on the screen, of the longer side
STEP = 1 / 16  # of a slider
SLIDERS_HEIGHT = 520  # pixels, 16 sliders; more of them are scrolled beside the picture
LEAST_REACH = 4  # a slider goes at least four standard deviations of the prior each way

# The browser enlarges the picture; it shall keep its pixels sharp.
STYLE = "<style>.vae-nb-picture { image-rendering: pixelated; }</style>"


class LatentExplorer(widgets.VBox):
    """A decoded emoji with one slider for each latent dimension.

    Parameters
    ----------
    vae : vae_nb.VAE
    images : vae_nb.ImageSet
        Pictures to start from.
    rng : numpy.random.Generator or None
        Draws from the prior; None seeds one from the operating system.

    Attributes
    ----------
    z : ndarray, shape (latent,)
        The latent vector shown; setting it moves the sliders, to their nearest steps and
        no further than they go.
    picture : widgets.Image
        The decoded emoji, as PNG.
    sliders : list of widgets.FloatSlider
    start : widgets.Dropdown
        The emoji that "reset" goes back to.
    random_button, reset_button : widgets.Button
    """

    def __init__(self, vae, images, rng=None):
        self._vae = vae
        self._rng = rng or np.random.default_rng()
        self._means, _ = encode_set(vae, images)  # (images, latent)
        kl = kl_per_dimension(vae, images)
        furthest = np.maximum(LEAST_REACH, np.abs(self._means).max(axis=0))
        # Reach and step are powers of two: browser and kernel then compute the same bits.
        reach = 2.0 ** np.ceil(np.log2(furthest))
        self.sliders = [
            widgets.FloatSlider(
                min=-limit,
                max=limit,
                step=STEP,
                description=f"z{number} ({nats:.1f} nats)",
                readout_format=".2f",
                style={"description_width": "9em"},
                layout={"width": "auto"},
            )
            for number, (limit, nats) in enumerate(zip(reach, kl, strict=True), start=1)
        ]
        options = sorted((_readable(name), index) for index, name in enumerate(images.names))
        self.start = widgets.Dropdown(
            options=options,
            value=0,
            description="Start from",
            style={"description_width": "initial"},
            layout={"width": f"{PICTURE_SIDE}px"},
        )
        self.random_button = widgets.Button(
            description="Random draw", tooltip="Draw a latent vector from the prior N(0, 1)"
        )
        self.reset_button = widgets.Button(
            description="Reset", tooltip="Back to the emoji chosen as the start"
        )
        height, width = _screen_size(vae.image_shape)
        self.picture = widgets.Image(
            format="png", layout={"width": f"{width}px", "height": f"{height}px"}
        )
        self.picture.add_class("vae-nb-picture")

        self._moving_together = False
        for slider in self.sliders:
            slider.observe(self._show, "value")
        self.start.observe(self._reset, "value")
        self.reset_button.on_click(self._reset)
        self.random_button.on_click(self._draw)
        self._reset()

        buttons = widgets.HBox([self.random_button, self.reset_button])
        left = widgets.VBox(
            [self.start, self.picture, buttons, widgets.HTML(STYLE)], layout={"flex": "none"}
        )
        # As many columns as there is room for; never wider than the page.
        right = widgets.GridBox(
            self.sliders,
            layout={
                "grid_template_columns": "repeat(auto-fill, minmax(25em, 1fr))",
                "align_content": "flex-start",
                "flex": "1 1 0",
                "max_height": f"{SLIDERS_HEIGHT}px",
                "overflow": "auto",
            },
        )
        super().__init__([widgets.HBox([left, right])])

    @property
    def z(self):
        return np.array([slider.value for slider in self.sliders])

    @z.setter
    def z(self, z):
        # The browser rounds to steps counted from the slider's minimum, and sends back what it
        # changed, late and one slider after another. It must find nothing to change.
        with self._one_update():
            for slider, value in zip(self.sliders, z, strict=True):
                inside = np.clip(value, slider.min, slider.max)
                slider.value = float(slider.min + round((inside - slider.min) / STEP) * STEP)

    @contextmanager
    def _one_update(self):
        """Decode once after all sliders have moved, not once for each."""
        self._moving_together = True
        try:
            yield
        finally:
            self._moving_together = False
        self._show()

    def _show(self, _change=None):
        if self._moving_together:
            return
        pixels = self._vae.decode(self.z[None])[0].reshape(self._vae.image_shape)
        self.picture.value = png_bytes(pixels)

    def _reset(self, _change=None):
        self.z = self._means[self.start.value]

    def _draw(self, _button):
        self.z = self._rng.standard_normal(len(self.sliders))


def _readable(name):
    """The name of an emoji from its file's: "1f600_grinning_face" is "grinning face"."""
    without_code_point = re.sub(r"^(?=[0-9a-f]*\d)[0-9a-f]{4,5}_", "", name)
    return without_code_point.replace("_", " ")


def _screen_size(image_shape):
    """(height, width) on the screen: enlarged a whole number of times, so that it stays sharp."""
    height, width, _ = image_shape
    scale = PICTURE_SIDE / max(height, width)
    if scale > 1:
        scale = int(scale)
    return round(height * scale), round(width * scale)


def png_bytes(pixels):
    """A picture with values in [0, 1], shape (height, width, channels), as PNG bytes."""
    array = np.round(pixels * 255).astype(np.uint8)
    buffer = io.BytesIO()
    # A low compression level: the picture travels only to a browser on the same machine.
    Image.fromarray(array.squeeze()).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
