"""An output folder, and where things are in it."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vae_nb.run.progress import remove_progress
from vae_nb.system.errors import FilesError
from vae_nb.system.files import atomic_path, make_folder, remove_parts
from vae_nb.system.locks import folder_lock
from vae_nb.system.paths import from_project_root

CAPTION_HEIGHT = 28  # pixels, below an animation's frame
CAPTION_MARGIN = 4  # pixels, on the left and on the right
CAPTION_SIZE = 16  # of the font; a long caption has a smaller one
MIN_CAPTION_SIZE = 8

LAST_FRAME_SECONDS = 2  # how much longer the last frame stays before the animation repeats


class Figure(Protocol):
    """What is needed of a matplotlib figure. Only the room `show` imports matplotlib."""

    def savefig(self, path: Path, /) -> None:
        """Write the figure to a file."""


class Workspace:
    """An output folder and the places in it.

    Parameters
    ----------
    output_dir : str or Path
        A relative path starts at the project's root. Folders are made when they are needed.

    Attributes
    ----------
    folder, images, models, notebooks, model_path, checkpoint_path, metrics_path : Path
    progress_path : Path
        Says how far a training is. The file exists only while the training runs.
    """

    def __init__(self, output_dir: str | Path = "output") -> None:
        self.folder = from_project_root(output_dir)
        self.images = self.folder / "images"
        self.models = self.folder / "models"
        self.notebooks = self.folder / "notebooks"
        self.model_path = self.models / "vae.npz"
        self.checkpoint_path = self.models / "checkpoint.npz"
        self.metrics_path = self.folder / "metrics.json"
        self.progress_path = self.folder / ".progress.json"

    @contextmanager
    def lock(self, wait: bool = False) -> Iterator[None]:
        """Within this context, no other process runs notebooks or trains into the folder.

        Parameters
        ----------
        wait : bool
            Whether to wait for another process that holds the lock, and say so, or to give up at
            once.

        Raises
        ------
        FilesError
            If another process holds the lock; the message names it. If the folder cannot be
            written.
        """
        with folder_lock(self.folder, wait):
            # It is better to fail now than after a training.
            make_folder(self.models)
            for path in (self.model_path, self.checkpoint_path, self.metrics_path):
                if os.path.isdir(path):
                    raise FilesError(f"Cannot write {path}: a folder has its name.")
            remove_parts(self.folder, self.models, self.images, self.notebooks)
            remove_progress(self.progress_path)
            yield

    def save_figure(self, figure: Figure, name: str) -> Path:
        """Save a figure to the workspace's `images` folder.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
        name : str
            A file name, for example "loss.png".

        Returns
        -------
        Path
            The file.

        Raises
        ------
        FilesError
            If the file cannot be written.
        """
        path = self.images / name
        with atomic_path(path) as temporary:
            figure.savefig(temporary)
        return path

    def save_animation(
        self,
        frames: NDArray,
        name: str,
        captions: Sequence[str] | None = None,
        seconds: float = 0.1,
    ) -> Path:
        """Save an animated GIF to the workspace's `images` folder. It repeats forever.

        Parameters
        ----------
        frames : ndarray of uint8, shape (frames, height, width, 3)
            For example from `vae_nb.figures.film`.
        name : str
            A file name that ends in ".gif".
        captions : sequence of str, length frames, or None
            A line of text below each frame.
        seconds : float
            How long each frame is shown; the last one is shown 2 seconds longer.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        FilesError
            If the file cannot be written.
        """
        images = [Image.fromarray(frame) for frame in frames]
        if captions is not None:
            images = [
                _captioned(image, caption) for image, caption in zip(images, captions, strict=True)
            ]
        palette = _shared_palette(images)
        images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
        durations = [round(1000 * seconds)] * len(images)  # milliseconds
        durations[-1] += 1000 * LAST_FRAME_SECONDS
        path = self.images / name
        with atomic_path(path) as temporary:
            images[0].save(
                temporary, save_all=True, append_images=images[1:], duration=durations, loop=0
            )
        return path

    def save_metrics(self, metrics: dict[str, Any]) -> None:
        """Write `metrics.json`.

        Raises
        ------
        FilesError
            If the file cannot be written.
        """
        with atomic_path(self.metrics_path) as temporary:
            temporary.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def _shared_palette(frames: Sequence[Image.Image]) -> Image.Image:
    """Return an image with 256 colors for all frames.

    With one palette, a GIF stores only the part of a frame that changes.
    """
    strip = Image.fromarray(np.concatenate([np.asarray(frame) for frame in frames]))
    palette = strip.quantize(256)
    colors = np.array(palette.getpalette(), np.uint8).reshape(-1, 3)
    colors[np.all(colors >= 245, axis=1)] = 255  # paper stays white
    palette.putpalette(colors.ravel().tolist())
    return palette


def _captioned(frame: Image.Image, caption: str) -> Image.Image:
    """Return a frame with a line of text on white below it."""
    taller = Image.new("RGB", (frame.width, frame.height + CAPTION_HEIGHT), "white")
    taller.paste(frame)
    draw = ImageDraw.Draw(taller)
    max_width = frame.width - 2 * CAPTION_MARGIN
    size = CAPTION_SIZE
    font = ImageFont.load_default(size)
    while size > MIN_CAPTION_SIZE and draw.textlength(caption, font) > max_width:
        size -= 1
        font = ImageFont.load_default(size)
    center = (frame.width / 2, frame.height + CAPTION_HEIGHT / 2)
    draw.text(center, caption, "black", font, anchor="mm")
    return taller
