"""A training that can be watched, and stopped, in JupyterLab."""

import asyncio
import base64
import io
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vae_nb.core.model import VAE
from vae_nb.core.training import asks_to_stop
from vae_nb.show import figures
from vae_nb.show.controls import Button, ImageView, Status
from vae_nb.system.errors import Interrupted
from vae_nb.system.signals import hold_signals

MAX_IMAGES = 4
RECONSTRUCTIONS_SIZE = 640  # pixels on the screen, of their longer side
REDRAWING_SECONDS = 2  # drawing takes about a tenth of it

Result = TypeVar("Result")


class TrainingMonitor(widgets.VBox):
    """Loss curves and reconstructions of a running training, and a button that ends it.

    Parameters
    ----------
    x : ndarray, shape (n, pixels)
        Images in [0, 1] to reconstruct; only the first four are.

    Attributes
    ----------
    stop_button : vae_nb.show.controls.Button
        Ends the training after its current epoch. The best weights since the end of the KL
        warm-up are kept, or the last ones before it.
    curves : ipywidgets.HTML
    reconstructions : vae_nb.show.controls.ImageView
        Originals above, reconstructions below.
    status : vae_nb.show.controls.Status
    """

    def __init__(self, x: NDArray) -> None:
        self._x = x[:MAX_IMAGES]
        self._stop = threading.Event()
        self._drawn = -np.inf  # when, in seconds of the monotonic clock
        self.stop_button = Button("Stop after this epoch", self.stop)
        self.curves = widgets.HTML()
        self.reconstructions = ImageView(RECONSTRUCTIONS_SIZE)
        self.status = Status()
        buttons = widgets.HBox([self.stop_button, self.status])
        super().__init__([buttons, self.reconstructions, self.curves])

    def stop(self) -> None:
        """Ask the training to end after its current epoch."""
        self._stop.set()
        self.stop_button.disabled = True
        self.status.text = "Stopping after this epoch."

    async def watch(
        self,
        train: Callable[..., Result],
        *arguments: Any,
        on_epoch_end: Callable[..., object] | None = None,
        **options: Any,
    ) -> Result:
        """Run a training in a thread of its own, so that the kernel can react to the button.

        The button keeps the result. An interrupt of the kernel ends the training after its current
        step; `vae_nb.train_and_save` then leaves a checkpoint, from which it can be resumed.

        Parameters
        ----------
        train : callable
            `vae_nb.train` or `vae_nb.train_and_save`.
        arguments, options
            What to call it with.
        on_epoch_end : callable or None
            Called after each epoch too. If it returns True, the training ends with this epoch.

        Returns
        -------
        The result of `train`.
        """
        self._stop.clear()
        self.stop_button.disabled = False
        self.status.text = ""
        trained = False
        try:
            # ipykernel 7.4 does not interrupt a cell that awaits, and a thread cannot be
            # interrupted at all. So the signal is held, and the training looks for it.
            with hold_signals() as held:

                def after_epoch(vae: VAE, columns: dict[str, list]) -> bool:
                    nonlocal trained
                    trained = True
                    if held.number is not None:
                        raise Interrupted(f"Interrupted after epoch {columns['epoch'][-1]}.")
                    answer = None if on_epoch_end is None else on_epoch_end(vae, columns)
                    return self(vae, columns) or asks_to_stop(answer)

                result = await asyncio.to_thread(
                    train, *arguments, on_epoch_end=after_epoch, **options
                )
        except Interrupted as interrupted:
            self.status.text = str(interrupted)
            raise
        finally:
            self.stop_button.disabled = True
        history: Any = getattr(result, "history", result)  # of a run; `train` returns it itself
        if trained:  # no epoch was left where a training is resumed after its last one
            self._draw(history.saved_epoch)
        self.status.text = (
            f"{'Stopped' if self._stop.is_set() else 'Ended'} after {len(history)} epochs; "
            f"the weights of epoch {history.saved_epoch} are kept."
        )
        return result

    def __call__(self, vae: VAE, columns: dict[str, list]) -> bool:
        """Show the state after an epoch; return whether the training must end."""
        self._vae = vae
        self._columns = columns
        if time.monotonic() - self._drawn > REDRAWING_SECONDS:
            self._draw(columns["epoch"][-1])
        return self._stop.is_set()

    def _draw(self, epoch: int) -> None:
        """Show the curves so far, and reconstructions with the weights of an epoch."""
        last = {name: values[-1] for name, values in self._columns.items()}
        text = (
            f"Loss curves up to epoch {last['epoch']}. Losses in nats per image: "
            f"training {last['train_total']:.0f}, held-out {last['validation_total']:.0f}."
        )
        self.curves.value = _as_html(figures.loss_curves(self._columns, epoch), text)
        rows = np.stack([self._x, self._vae.reconstruct(self._x)])  # (2, images, pixels)
        frames = rows.reshape(1, -1, *self._vae.image_shape)
        self.reconstructions.show(
            figures.film(frames, columns=len(self._x))[0],
            f"{len(self._x)} images, and below each its reconstruction after epoch {epoch}.",
        )
        self._drawn = time.monotonic()


def _as_html(figure: Figure, text: str) -> str:
    """Return a figure as an HTML image with a text for those who cannot see it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{text}" style="max-width: 100%">'
