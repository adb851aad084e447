"""A training that can be watched, and stopped, in JupyterLab."""

import asyncio
import base64
import functools
import io
import threading
import time

import ipywidgets as widgets
import numpy as np

from vae_nb.show import figures
from vae_nb.show.controls import Button, Picture, Status
from vae_nb.system.errors import Interrupted
from vae_nb.system.signals import hold_signals

PICTURES = 4
SCREEN = 640  # pixels on the screen, of the pictures' longer side
REDRAWING_SECONDS = 2  # a drawing takes about a tenth of it


class TrainingMonitor(widgets.VBox):
    """Loss curves and reconstructions of a training that goes on, and a button that ends it.

    Parameters
    ----------
    x : ndarray, shape (n, pixels)
        Pictures in [0, 1] to reconstruct; the first four are.

    Attributes
    ----------
    stop_button : vae_nb.show.controls.Button
        Ends the training after its current epoch. The best weights since the end of the KL
        warm-up are kept, or the last ones before it.
    curves : ipywidgets.HTML
    reconstructions : vae_nb.show.controls.Picture
        Originals above, reconstructions below.
    status : vae_nb.show.controls.Status
    """

    def __init__(self, x):
        self._x = x[:PICTURES]
        self._stop = threading.Event()
        self._drawn = -np.inf
        self.stop_button = Button("Stop after this epoch", self.stop)
        self.curves = widgets.HTML()
        self.reconstructions = Picture(SCREEN)
        self.status = Status()
        buttons = widgets.HBox([self.stop_button, self.status])
        super().__init__([buttons, self.reconstructions, self.curves])

    def stop(self):
        """Ask the training to end after its current epoch."""
        self._stop.set()
        self.stop_button.disabled = True
        self.status.text = "Stopping after this epoch."

    async def watch(self, train, *arguments, on_epoch_end=None, **options):
        """Run a training in a thread of its own, so that the kernel can listen to the button.

        The button keeps the result. Interrupting the kernel ends the training after its current
        step: `vae_nb.train_and_save` leaves a checkpoint then, from which it can go on.

        Parameters
        ----------
        train : callable
            `vae_nb.train` or `vae_nb.train_and_save`.
        arguments, options
            What to call it with.
        on_epoch_end : callable or None
            Called after each epoch too.

        Returns
        -------
        What `train` returns.
        """

        def after_epoch(vae, columns):
            if held.number is not None:
                raise Interrupted(f"Interrupted after epoch {columns['epoch'][-1]}.")
            others_stop = on_epoch_end is not None and on_epoch_end(vae, columns) is True
            return self(vae, columns) or others_stop

        call = functools.partial(train, *arguments, on_epoch_end=after_epoch, **options)
        self._stop.clear()
        self.stop_button.disabled, self.status.text = False, ""
        try:
            # ipykernel 7.4 does not interrupt a cell that awaits, and no one could the thread.
            with hold_signals() as held:
                result = await asyncio.to_thread(call)
        except Interrupted as interrupted:
            self.status.text = str(interrupted)
            raise
        finally:
            self.stop_button.disabled = True
        history = getattr(result, "history", result)
        self._draw(history.saved_epoch)
        self.status.text = (
            f"{'Stopped' if self._stop.is_set() else 'Ended'} after {len(history)} epochs; "
            f"the weights of epoch {history.saved_epoch} are kept."
        )
        return result

    def __call__(self, vae, columns):
        """Show the state after an epoch; returns whether the training shall end."""
        self._vae, self._columns = vae, columns
        if time.monotonic() - self._drawn > REDRAWING_SECONDS:
            self._draw(columns["epoch"][-1])
        return self._stop.is_set()

    def _draw(self, epoch):
        """Show the curves so far, and reconstructions with the weights, those after `epoch`."""
        last = {name: values[-1] for name, values in self._columns.items()}
        figure = figures.loss_curves(self._columns, epoch)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        losses = ", ".join(
            f"{name} {last[key]:.0f}"
            for name, key in (("training", "train_total"), ("held-out", "validation_total"))
        )
        text = f"Loss curves up to epoch {last['epoch']}. Losses in nats per image: {losses}."
        data = base64.b64encode(buffer.getvalue()).decode()
        self.curves.value = (
            f'<img src="data:image/png;base64,{data}" alt="{text}" style="max-width: 100%">'
        )
        rows = np.stack([self._x, self._vae.reconstruct(self._x)])  # (2, pictures, pixels)
        pictures = rows.reshape(1, -1, *self._vae.image_shape)
        self.reconstructions.show(
            figures.film(pictures, columns=len(self._x))[0],
            f"{len(self._x)} pictures, and below each its reconstruction after epoch {epoch}.",
        )
        self._drawn = time.monotonic()
