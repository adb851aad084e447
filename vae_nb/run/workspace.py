"""An output folder, and where things lie in it."""

import json
import os
from contextlib import contextmanager

from PIL import Image, ImageDraw, ImageFont

from vae_nb.system.errors import FilesError
from vae_nb.system.files import atomic_path, make_folder, remove_parts
from vae_nb.system.locks import folder_lock
from vae_nb.system.paths import from_project_root

CAPTION_HEIGHT = 28  # pixels, below an animation's picture


LAST_FRAME_SECONDS = 2  # an animation rests before it starts again


class Workspace:
    """An output folder and the places in it.

    Parameters
    ----------
    output_dir : str or Path
        A relative path starts at the project's root. Folders are made when they are needed.

    Attributes
    ----------
    folder, images, models, notebooks, model_path, checkpoint_path, metrics_path : Path
    """

    def __init__(self, output_dir="output"):
        self.folder = from_project_root(output_dir)
        self.images = self.folder / "images"
        self.models = self.folder / "models"
        self.notebooks = self.folder / "notebooks"
        self.model_path = self.models / "vae.npz"
        self.checkpoint_path = self.models / "checkpoint.npz"
        self.metrics_path = self.folder / "metrics.json"

    @contextmanager
    def lock(self, wait=False):
        """Within it no other process runs notebooks or trains into this folder.

        Parameters
        ----------
        wait : bool
            Whether to wait for another process, and say so, or to give up at once.

        Raises
        ------
        FilesError
            If another process does; it is named. If the folder cannot be written.
        """
        with folder_lock(self.folder, wait):
            # Better refused now than after a training.
            make_folder(self.models)
            for path in (self.model_path, self.checkpoint_path, self.metrics_path):
                if os.path.isdir(path):
                    raise FilesError(f"Cannot write {path}: a folder has its name.")
            remove_parts(self.folder, self.models, self.images, self.notebooks)
            yield

    def save_figure(self, figure, name):
        """Save a picture to the workspace's `images` folder.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        name : str
            A file name, for example "loss.png".

        Returns
        -------
        Path

        Raises
        ------
        FilesError
            If the file cannot be written.
        """
        path = self.images / name
        with atomic_path(path) as temporary:
            figure.savefig(temporary)
        return path

    def save_animation(self, frames, name, captions=None, seconds=0.1):
        """Save an animated GIF to the workspace's `images` folder; it repeats for ever.

        Parameters
        ----------
        frames : ndarray of uint8, shape (frames, height, width, 3)
            For example from `vae_nb.figures.film`.
        name : str
            A file name that ends in ".gif".
        captions : sequence of str, shape (frames,), or None
            A line below each frame.
        seconds : float
            How long a frame stands; the last one stands 2 seconds longer.

        Returns
        -------
        Path

        Raises
        ------
        FilesError
            If the file cannot be written.
        """
        images = [Image.fromarray(frame) for frame in frames]
        if captions is not None:
            images = list(map(captioned, images, captions))
        # A palette for each frame: one for all of them would leave speckles in rare colours.
        images = [image.quantize(256) for image in images]
        durations = [round(1000 * seconds)] * len(images)
        durations[-1] += 1000 * LAST_FRAME_SECONDS
        path = self.images / name
        with atomic_path(path) as temporary:
            images[0].save(
                temporary, save_all=True, append_images=images[1:], duration=durations, loop=0
            )
        return path

    def save_metrics(self, metrics):
        """Write `metrics.json`.

        Parameters
        ----------
        metrics : dict

        Raises
        ------
        FilesError
            If the file cannot be written.
        """
        with atomic_path(self.metrics_path) as temporary:
            temporary.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def captioned(image, caption):
    """An image with a line of text on white below it."""
    taller = Image.new("RGB", (image.width, image.height + CAPTION_HEIGHT), "white")
    taller.paste(image)
    place = (image.width / 2, image.height + CAPTION_HEIGHT / 2)
    draw, size = ImageDraw.Draw(taller), 16
    while size > 8 and draw.textlength(caption, ImageFont.load_default(size)) > image.width - 8:
        size -= 1
    draw.text(place, caption, "black", ImageFont.load_default(size), anchor="mm")
    return taller
