"""Sliders that move through the latent space, for a notebook in JupyterLab."""

import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from traitlets import Bunch

from vae_nb.core.latent import latent_axes, principal_axes
from vae_nb.core.metrics import encode_set, pixel_distances
from vae_nb.core.model import VAE
from vae_nb.data.image_set import ImageSet
from vae_nb.show import figures
from vae_nb.show.controls import Button, Choice, ImagePicker, ImageView, PlaneMap, Sliders, Status
from vae_nb.system.errors import ModelError, VaeNbError
from vae_nb.system.files import atomic_path
from vae_nb.system.locks import folder_lock
from vae_nb.system.paths import PROJECT_ROOT, from_project_root

LATENT = "latent dimensions"
PRINCIPAL = "principal directions"

DECODED_SIZE = 320  # pixels on the screen, of the decoded image's longer side
NEAREST_SIZE = 64  # the same for the nearest training image
STEP = 1 / 16  # of a slider, in the units of its axis
BLEND_STEP = 1 / 20
MIN_REACH = 4  # a slider goes at least so many standard deviations each way

PRIOR_DRAWS = 10_000  # a vector's norm is compared with theirs
UNLIKELY_SHARE = 0.999  # of the draws that have a smaller norm
MAX_MEASURED_CODES = 500  # to find out how far apart codes are
MAX_NAMED_CHANGES = 3  # of the changed coordinates, the largest first
MIN_CHANGE = 0.005  # a smaller change would be shown as 0.00


class LatentExplorer(widgets.VBox):
    """A decoded emoji, and controls that move it through the latent space.

    Parameters
    ----------
    vae : vae_nb.VAE
    images : vae_nb.ImageSet
        Images to start from, and to compare with.
    rng : numpy.random.Generator or None
        For random draws; None seeds one from the operating system.
    folder : str or Path
        Where "Save" puts images and their latent vectors. A relative path starts at the project's
        root.

    Attributes
    ----------
    z : ndarray, shape (latent,)
        The latent vector shown; setting it moves all controls.
    pixels : ndarray of uint8, shape (height, width, channels)
        The decoded emoji.
    picture : vae_nb.show.controls.ImageView
        The decoded emoji on the screen. Its caption describes the latent vector; its code is the
        vector as Python.
    sliders : vae_nb.show.controls.Sliders
    map : vae_nb.show.controls.PlaneMap
        The plane of the first two sliders.
    along : vae_nb.show.controls.Choice
        Whether sliders and map follow the latent dimensions or the principal directions.
    first, second : vae_nb.show.controls.ImagePicker
        The two ends of the blend; "reset" goes to the first.
    blend : vae_nb.show.controls.Sliders
        A single one, from 0 (the first emoji) to 1 (the second). It goes back to 0 when another
        control moves the latent vector.
    prior_button, fitted_button, reset_button, save_button : vae_nb.show.controls.Button
    status : vae_nb.show.controls.Status
    """

    def __init__(
        self,
        vae: VAE,
        images: ImageSet,
        rng: np.random.Generator | None = None,
        folder: str | Path = "output/images",
    ) -> None:
        self._vae = vae
        self._images = images.pixels  # (images, height, width, channels)
        self._file_names = images.names
        self._names = _readable_names(images.names)
        self._rng = rng or np.random.default_rng()
        self._folder = from_project_root(folder)

        posteriors = encode_set(vae, images)
        self._codes = posteriors.mean.astype(np.float64)  # (images, latent)
        self._fitted_mean, covariance = posteriors.aggregate()
        self._fitted_factor = np.linalg.cholesky(covariance)
        self._all_axes = {
            LATENT: latent_axes(posteriors),
            PRINCIPAL: principal_axes(vae, posteriors),
        }
        # A seed of its own: these draws are only counted, not shown.
        prior_draws = np.random.default_rng(0).standard_normal((PRIOR_DRAWS, vae.latent_dim))
        self._prior_norms = np.sort(np.linalg.norm(prior_draws, axis=1))
        self._expected_norm = self._prior_norms.mean()
        self._usual_distance = _usual_distance(self._codes)

        # JupyterLab may handle the controls' messages in several threads of the kernel.
        self._lock = threading.RLock()
        self._make_controls()
        super().__init__([self._layout()])
        self._z = self._codes[0]
        self._weight = 0.0  # of the second emoji in the blend
        self._show_nearest(0)
        self._arrange()

    def _make_controls(self) -> None:
        self.picture = ImageView(DECODED_SIZE)
        self._nearest_view = ImageView(NEAREST_SIZE)
        self.sliders = Sliders(STEP)
        self.blend = Sliders(BLEND_STEP)
        self.blend.arrange(["Blend (0 to 1)"], [(0, 1)], [0.0])
        self.map = PlaneMap(self.sliders)
        self.along = Choice("Sliders and map along the", [LATENT, PRINCIPAL])
        self.first = ImagePicker("First emoji", self._images, self._names)
        self.second = ImagePicker("Second emoji", self._images, self._names)
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

    def _layout(self) -> widgets.VBox:
        screen = widgets.Box([self.picture, self._nearest_view], layout={"width": "330px"})
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
        # Side by side if there is room for it; never wider than the page.
        top = widgets.HBox(parts, layout={"flex_flow": "row wrap", "grid_gap": "8px 20px"})
        return widgets.VBox([top, self.along, self.sliders])

    @property
    def z(self) -> NDArray[np.float64]:
        return self._z.copy()

    @z.setter
    def z(self, z: ArrayLike) -> None:
        vector = np.array(z, np.float64)
        if vector.shape != (self._vae.latent_dim,) or not np.all(np.isfinite(vector)):
            raise ModelError(
                f"z has shape {vector.shape}; it must be {self._vae.latent_dim} finite numbers, "
                "one for each latent dimension."
            )
        with self._lock:
            self._show(vector, self._axes.coordinates(vector).tolist())

    @property
    def pixels(self) -> NDArray[np.uint8]:
        return self.picture.pixels

    def _arrange(self, _change: Bunch | None = None) -> None:
        """Put sliders and map along the chosen axes; the latent vector stays."""
        axes = self._all_axes[self.along.value]
        codes = axes.coordinates(self._codes)  # (images, latent)
        reach = np.maximum(MIN_REACH, np.ceil(np.abs(codes).max(axis=0))).tolist()
        limits = [(-limit, limit) for limit in reach]
        folded = len(axes.names) - axes.informative
        fold_text = f"Carrying nothing: {folded} of the {self.along.value}"

        plane = np.zeros((len(codes), 2))  # one latent dimension makes a line
        plane[:, : codes.shape[1]] = codes[:, :2]
        xlabel, ylabel = [*axes.names, "(there is no second)"][:2]
        panel = ("The training images", xlabel, ylabel, plane)
        figure = figures.latent_space([panel], self._images, [""] * len(codes))
        text = f"Where the training images lie, over {xlabel} and {ylabel}."

        with self._lock:
            self._axes = axes
            self._start = codes[self.first.value]
            self._values = axes.coordinates(self._z).tolist()
            self.sliders.arrange(axes.names, limits, self._values, axes.informative, fold_text)
            self.map.lay(figure, figure.axes[1], text)
            self._describe()

    def _from_sliders(self, change: Bunch) -> None:
        """Follow the sliders, unless they were set here."""
        with self._lock:
            values = change["new"]
            if values == self._values:
                return
            self._show(self._axes.latent(values), values)
            pairs = zip(values, change["old"], strict=True)
            moved = sum(new != old for new, old in pairs)
            # A hand moves one slider, or two on the map. More values differ if the browser started
            # from an older vector than the one here. That one is still on its way to the browser,
            # so the values must follow it.
            if moved > 2:
                self.sliders.send_state("values")

    def _from_blend(self, change: Bunch) -> None:
        """Follow the blend, unless it was set here."""
        with self._lock:
            weight = self.blend.values[0]
            # At 0, another second emoji changes nothing.
            second_counts = weight != 0 and change["owner"] is self.second
            if weight != self._weight or second_counts:
                first_code = self._codes[self.first.value]
                second_code = self._codes[self.second.value]
                z = (1 - weight) * first_code + weight * second_code
                self._show(z, self._axes.coordinates(z).tolist(), weight)

    def _draw_from_prior(self) -> None:
        self.z = self._rng.standard_normal(self._vae.latent_dim)
        self._say("Drawn")

    def _draw_from_fitted(self) -> None:
        noise = self._rng.standard_normal(self._vae.latent_dim)
        self.z = self._fitted_mean + self._fitted_factor @ noise
        self._say("Drawn")

    def _reset(self, _change: Bunch | None = None) -> None:
        with self._lock:
            self._start = self._axes.coordinates(self._codes[self.first.value])
            self.z = self._codes[self.first.value]
        self._say("Back at the first emoji")

    def _say(self, event: str) -> None:
        """Say what has happened, for those who do not see the image."""
        nearest = self._names[self._nearest]
        self.status.text = f"{event}. The nearest training image is {nearest}."

    def _show(self, z: NDArray, values: list[float], weight: float = 0.0) -> None:
        """Show a latent vector: its coordinates along the sliders' axes, and the blend's weight."""
        with self._lock:
            self._z = z
            self._values = values
            self._weight = weight
            # First the image: sending a message takes a core away from the decoder.
            self._describe()
            self.sliders.values = values
            self.blend.values = [weight]

    def _describe(self) -> None:
        """Decode the latent vector, and describe it in words."""
        distances = np.linalg.norm(self._codes - self._z, axis=1)
        nearest = int(np.argmin(distances))
        name = self._names[nearest]
        if nearest != self._nearest:
            self._show_nearest(nearest)
        text = f"Decoded image; the nearest training image is {name}. {self._changes()}"
        caption = (
            f"Nearest training image: {name}, {distances[nearest]:.1f} away{self._usual_distance}."
            f"\n{self._norm_in_words()}"
        )
        code = f"z = np.array({np.round(self._z, 4).tolist()})"
        # Decoded last: reading all weights empties the caches.
        pixels = self._vae.decode(self._z[None])[0].reshape(self._vae.image_shape)
        self.picture.show(pixels, text, caption, code)

    def _show_nearest(self, index: int) -> None:
        """Show the training image whose code is nearest to the latent vector."""
        self._nearest = index
        self._nearest_view.show(self._images[index], f"Training image: {self._names[index]}")

    def _norm_in_words(self) -> str:
        """Compare the latent vector's norm with that of draws from the prior."""
        norm = np.linalg.norm(self._z)
        smaller = np.searchsorted(self._prior_norms, norm) / PRIOR_DRAWS  # a share of the draws
        words = (
            f"Norm {norm:.1f}; draws from the prior have about {self._expected_norm:.1f}, and "
            f"{smaller:.0%} of them less."
        )
        if smaller >= UNLIKELY_SHARE:
            words += " The prior almost never draws one so far out."
        return words

    def _changes(self) -> str:
        """Tell which coordinates differ from the first emoji's."""
        start = self._names[self.first.value]
        change = np.array(self._values) - self._start
        count = np.count_nonzero(np.abs(change) >= MIN_CHANGE)
        if count == 0:
            return f"It is the reconstruction of {start}."
        largest = np.argsort(-np.abs(change))[: min(count, MAX_NAMED_CHANGES)]
        parts = [f"{self._axes.names[k].split()[0]} by {change[k]:+.2f}" for k in largest]
        if count > MAX_NAMED_CHANGES:
            parts.append(f"{count - MAX_NAMED_CHANGES} more")
        return f"Changed from {start}: {', '.join(parts)}."

    def save(self) -> Path:
        """Save the image, enlarged, and its latent vector; nothing is overwritten.

        Returns
        -------
        Path
            The path of the image, for example `explorer_1.png`. `explorer_1.json` beside it holds
            "z", the name of the "nearest" training image, and the "norm" of z.

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
            # Both files are complete before either gets its name.
            with atomic_path(path) as image, atomic_path(path.with_suffix(".json")) as vector:
                Image.fromarray(pixels.squeeze()).save(image)
                vector.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        return path

    def _save(self) -> None:
        try:
            path = self.save()
        except VaeNbError as error:
            self.status.text = str(error)
            return
        if path.is_relative_to(PROJECT_ROOT):
            path = path.relative_to(PROJECT_ROOT)
        self.status.text = f"Saved {path} and {path.with_suffix('.json').name}."


def _usual_distance(codes: NDArray) -> str:
    """Tell how far a code is from its nearest neighbor; empty if there is only one code."""
    if len(codes) < 2:
        return ""
    measured = codes[:: 1 + len(codes) // MAX_MEASURED_CODES]
    distances = pixel_distances(measured, codes)  # (measured, codes)
    # In each row, 0 to the code itself comes first, then the nearest neighbor.
    distances = np.partition(distances, 1, axis=1)
    return f" (neighboring codes are {np.median(distances[:, 1]):.1f} apart)"


def _readable_names(names: Sequence[str]) -> list[str]:
    """Return readable names, or the files' own where readable ones would be alike or empty."""
    readable = [_readable(name) for name in names]
    if "" in readable or len(set(readable)) < len(names):
        return list(names)
    return readable


def _readable(name: str) -> str:
    """Make "grinning face" of the file name "1f600_grinning_face"."""
    without_code_point = re.sub(r"^(?=[0-9a-f]*\d)[0-9a-f]{4,5}_", "", name)
    return without_code_point.replace("_", " ")
