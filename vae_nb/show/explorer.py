"""Sliders that move through the latent space, for a notebook in JupyterLab."""

import json
import operator
import re
import threading

import ipywidgets as widgets
import numpy as np
from PIL import Image

from vae_nb.core.latent import latent_axes, principal_axes
from vae_nb.core.metrics import (
    aggregate_posterior,
    encode_set,
    pixel_distances,
)
from vae_nb.show import figures
from vae_nb.show.controls import Button, Choice, Picture, PicturePicker, PlaneMap, Sliders, Status
from vae_nb.system.errors import ModelError, VaeNbError
from vae_nb.system.files import atomic_path
from vae_nb.system.locks import folder_lock
from vae_nb.system.paths import PROJECT_ROOT, from_project_root

SCREEN = 320  # pixels on the screen, of the decoded picture's longer side


NEAREST = 64  # of the nearest training picture's


STEP = 1 / 16  # of a slider, in the units of its axis


BLEND_STEP = 1 / 20


LEAST_REACH = 4  # a slider goes at least four standard deviations each way


PRIOR_DRAWS = 10_000  # what a vector's norm is compared with


SOME_CODES = 500  # so many tell how far apart codes are


NAMED_CHANGES = 3  # so many changed coordinates are told of, the largest first


LATENT, PRINCIPAL = "latent dimensions", "principal directions"


class LatentExplorer(widgets.VBox):
    """A decoded emoji, and controls that move it through the latent space.

    Parameters
    ----------
    vae : vae_nb.VAE
    images : vae_nb.ImageSet
        Pictures to start from, and to compare with.
    rng : numpy.random.Generator or None
        Random draws; None seeds one from the operating system.
    folder : str or Path
        Where "Save" puts pictures and their latent vectors; a relative path starts at the
        project's root.

    Attributes
    ----------
    z : ndarray, shape (latent,)
        The latent vector shown; setting it moves all controls.
    pixels : ndarray of uint8, shape (height, width, channels)
        The decoded emoji.
    picture : vae_nb.show.controls.Picture
        Its caption is what is known of the latent vector, its code the vector as Python.
    sliders : vae_nb.show.controls.Sliders
    map : vae_nb.show.controls.PlaneMap
        The plane of the first two sliders.
    along : vae_nb.show.controls.Choice
        Whether sliders and map follow the latent dimensions or the principal directions.
    first, second : vae_nb.show.controls.PicturePicker
        The two ends of the blend; "reset" goes to the first.
    blend : vae_nb.show.controls.Sliders
        A single one, from 0 (the first emoji) to 1 (the second); it is at 0 whenever the latent
        vector was moved by something else.
    prior_button, fitted_button, reset_button, save_button : vae_nb.show.controls.Button
    status : vae_nb.show.controls.Status
    """

    def __init__(self, vae, images, rng=None, folder="output/images"):
        self._vae = vae
        self._pictures = images.pixels  # (images, height, width, channels)
        self._file_names = images.names
        self._rng = rng or np.random.default_rng()
        self._folder = from_project_root(folder)
        self._codes = encode_set(vae, images)[0].astype(np.float64)  # (images, latent)
        mean, covariance = aggregate_posterior(vae, images)
        self._fitted = mean, np.linalg.cholesky(covariance)
        # Of its own seed: what is drawn here decides no picture.
        prior = np.random.default_rng(0).standard_normal((PRIOR_DRAWS, vae.latent_dim))
        self._prior_norms = np.sort(np.linalg.norm(prior, axis=1))
        self._expected_norm = self._prior_norms.mean()
        self._usual_distance = _usual_distance(self._codes)
        readable = [_readable(name) for name in images.names]
        self._names = readable if len({*readable, ""}) > len(images) else list(images.names)
        self._all_axes = {LATENT: latent_axes(vae, images), PRINCIPAL: principal_axes(vae, images)}
        self._axes = self._all_axes[LATENT]
        # JupyterLab may let several threads of the kernel hear the controls.
        self._lock, self._weight = threading.RLock(), 0.0
        self._make_controls()
        super().__init__([self._layout()])
        self._z, self._nearest = self._codes[0], None
        self._arrange()

    def _make_controls(self):
        self.picture = Picture(SCREEN)
        self._nearest_picture = Picture(NEAREST)
        self.sliders, self.blend = Sliders(STEP), Sliders(BLEND_STEP)
        self.blend.arrange(["Blend (0 to 1)"], [(0, 1)], [0.0])
        self.map = PlaneMap(self.sliders)
        self.along = Choice("Sliders and map along the", [LATENT, PRINCIPAL])
        self.first = PicturePicker("First emoji", self._pictures, self._names)
        self.second = PicturePicker("Second emoji", self._pictures, self._names)
        self.second.value = len(self._names) - 1
        self.prior_button = Button("Draw from the prior", self._draw_from_prior)
        self.fitted_button = Button("Draw from the fitted density", self._draw_from_fitted)
        self.reset_button = Button("Reset", self._reset)
        self.save_button = Button("Save", self._save)
        self.status = Status()
        self.sliders.observe(self._from_sliders, "values")
        self.along.observe(self._arrange, "value")
        self.first.observe(self._reset, "value")
        self.second.observe(self._from_blend, "value")
        self.blend.observe(self._from_blend, "values")

    def _layout(self):
        screen = widgets.Box([self.picture, self._nearest_picture], layout={"width": "330px"})
        screen.add_class("vae-nb-screen")
        buttons = widgets.HBox(
            [self.prior_button, self.fitted_button, self.reset_button, self.save_button],
            layout={"flex_flow": "row wrap"},
        )
        parts = [
            screen,
            widgets.VBox([self.map], layout={"width": "400px"}),
            widgets.VBox(
                [self.first, self.second, self.blend, buttons, self.status],
                layout={"flex": "1 1 280px"},
            ),
        ]
        # Side by side where there is room for it; never wider than the page.
        top = widgets.HBox(parts, layout={"flex_flow": "row wrap", "grid_gap": "8px 20px"})
        return widgets.VBox([top, self.along, self.sliders])

    @property
    def z(self):
        return self._z.copy()

    @z.setter
    def z(self, z):
        z = np.array(z, np.float64)
        if z.shape != (self._vae.latent_dim,) or not np.all(np.isfinite(z)):
            raise ModelError(
                f"z has shape {z.shape}; needed are {self._vae.latent_dim} finite numbers, one for "
                "each latent dimension."
            )
        with self._lock:
            self._show(z, self._axes.coordinates(z).tolist())

    @property
    def pixels(self):
        return self.picture.pixels

    def _arrange(self, _change=None):
        """Put sliders and map along the chosen axes; the latent vector stays."""
        axes = self._all_axes[self.along.value]
        codes = axes.coordinates(self._codes)  # (images, latent)
        reach = np.maximum(LEAST_REACH, np.ceil(np.abs(codes).max(axis=0))).tolist()
        limits = [(-limit, limit) for limit in reach]
        folded = f"Carrying nothing: {len(axes.names) - axes.telling} of the {self.along.value}"
        plane = np.zeros((len(codes), 2))  # one latent dimension makes a line
        plane[:, : codes.shape[1]] = codes[:, :2]
        labels = [*axes.names, "(there is no second)"][:2]
        figure = figures.latent_space(
            [("The training pictures", *labels, plane)], self._pictures, [""] * len(codes)
        )
        text = f"Where the training pictures lie, over {labels[0]} and {labels[1]}."
        with self._lock:
            self._axes, self._start = axes, codes[self.first.value]
            self._values = axes.coordinates(self._z).tolist()
            self.sliders.arrange(axes.names, limits, self._values, axes.telling, folded)
            self.map.lay(figure, figure.axes[1], text)
            self._describe()

    def _from_sliders(self, change):
        with self._lock:
            if change["new"] != self._values:  # else it was set here
                self._show(self._axes.latent(change["new"]), change["new"])
                if sum(map(operator.ne, change["new"], change["old"])) > 2:
                    # More than a hand moves: the browser did not know of something newer here.
                    self.sliders.send_state("values")

    def _from_blend(self, change):
        with self._lock:
            weight = self.blend.values[0]
            # At 0, another second emoji changes nothing.
            if weight != self._weight or (weight and change["owner"] is self.second):
                ends = self._codes[[self.first.value, self.second.value]]
                z = (1 - weight) * ends[0] + weight * ends[1]
                self._show(z, self._axes.coordinates(z).tolist(), weight)

    def _draw_from_prior(self):
        self.z = self._rng.standard_normal(self._vae.latent_dim)
        self._say("Drawn")

    def _draw_from_fitted(self):
        mean, factor = self._fitted
        self.z = mean + factor @ self._rng.standard_normal(self._vae.latent_dim)
        self._say("Drawn")

    def _reset(self, _change=None):
        with self._lock:
            self._start = self._axes.coordinates(self._codes[self.first.value])
            self.z = self._codes[self.first.value]
        self._say("Back at the first emoji")

    def _say(self, what):
        """Say what has happened, for those who do not see the picture."""
        nearest = self._names[self._nearest]
        self.status.text = f"{what}. The nearest training picture is {nearest}."

    def _show(self, z, values, weight=0.0):
        """Show a latent vector: its coordinates along the sliders' axes, and the blend's weight."""
        with self._lock:
            self._z, self._values, self._weight = z, values, weight
            # First the picture: to send something takes a core from the decoder.
            self._describe()
            self.sliders.values, self.blend.values = values, [weight]

    def _describe(self):
        """Decode the latent vector, and say what is known of it."""
        distances = np.linalg.norm(self._codes - self._z, axis=1)
        nearest = int(np.argmin(distances))
        name, norm = self._names[nearest], float(np.linalg.norm(self._z))
        if nearest != self._nearest:
            self._nearest = nearest
            self._nearest_picture.show(self._pictures[nearest], f"Training picture: {name}")
        nearer = np.searchsorted(self._prior_norms, norm) / PRIOR_DRAWS
        far = " The prior hardly ever draws one so far out." if nearer >= 0.999 else ""
        away = f"{distances[nearest]:.1f} away{self._usual_distance}"
        caption = (
            f"Nearest training picture: {name}, {away}.\n"
            f"Norm {norm:.1f}; draws from the prior have about {self._expected_norm:.1f}, and "
            f"{nearer:.0%} of them less.{far}"
        )
        text = f"Decoded picture; the nearest training picture is {name}. {self._changes()}"
        code = f"z = np.array({np.round(self._z, 4).tolist()})"
        # Decoded at the end: reading all weights empties the caches.
        pixels = self._vae.decode(self._z[None])[0].reshape(self._vae.image_shape)
        self.picture.show(pixels, text, caption, code)

    def _changes(self):
        """Which coordinates differ from the first emoji's, in words."""
        start = self._names[self.first.value]
        change = np.array(self._values) - self._start
        count = np.count_nonzero(np.abs(change) >= 0.005)
        if not count:
            return f"It is the reconstruction of {start}."
        largest = np.argsort(-np.abs(change))[: min(count, NAMED_CHANGES)].tolist()
        parts = [f"{self._axes.names[k].split()[0]} by {change[k]:+.2f}" for k in largest]
        if count > NAMED_CHANGES:
            parts.append(f"{count - NAMED_CHANGES} more")
        return f"Changed from {start}: {', '.join(parts)}."

    def save(self):
        """Save the picture, enlarged, and its latent vector; nothing is overwritten.

        Returns
        -------
        Path
            The picture's, `explorer_1.png` for example. `explorer_1.json` beside it holds "z", the
            name of the "nearest" training picture, and the "norm" of z.

        Raises
        ------
        FilesError
            If a file cannot be written.
        """
        scale = int(max(1, self.picture.scale))
        pixels = self.pixels.repeat(scale, axis=0).repeat(scale, axis=1)
        facts = {
            "z": self._z.tolist(),
            "nearest": self._file_names[self._nearest],
            "norm": float(np.linalg.norm(self._z)),
        }
        with folder_lock(self._folder, wait=True):  # another page would take the same number
            number = 1
            while any(self._folder.glob(f"explorer_{number}.*")):
                number += 1
            path = self._folder / f"explorer_{number}.png"
            # Both are whole before one has its name.
            with atomic_path(path) as picture, atomic_path(path.with_suffix(".json")) as vector:
                Image.fromarray(pixels.squeeze()).save(picture)
                vector.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        return path

    def _save(self):
        try:
            path = self.save()
            if path.is_relative_to(PROJECT_ROOT):
                path = path.relative_to(PROJECT_ROOT)
            self.status.text = f"Saved {path} and {path.with_suffix('.json').name}."
        except VaeNbError as error:
            self.status.text = str(error)


def _usual_distance(codes):
    """How far from a code its nearest neighbour is, in words; empty where there is none."""
    if len(codes) < 2:
        return ""
    some = codes[:: 1 + len(codes) // SOME_CODES]
    distances = np.partition(pixel_distances(some, codes), 1, axis=1)  # 0 to itself, the nearest
    return f" (neighbouring codes are {np.median(distances[:, 1]):.1f} apart)"


def _readable(name):
    """The name of an emoji from its file's: "1f600_grinning_face" is "grinning face"."""
    without_code_point = re.sub(r"^(?=[0-9a-f]*\d)[0-9a-f]{4,5}_", "", name)
    return without_code_point.replace("_", " ")
