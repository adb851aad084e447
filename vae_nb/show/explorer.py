"""The latent explorer in a notebook. It decodes in the browser; this side sends it the model."""

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray
from traitlets import Bunch

from vae_nb.core.model import VAE
from vae_nb.data.image_set import ImageSet
from vae_nb.show.explorer_state import FRONTEND, explorer_module, explorer_state
from vae_nb.system.errors import ModelError


class LatentExplorer(anywidget.AnyWidget):
    """A decoded emoji, and controls that move it through the latent space.

    The model is sent to the browser once, and decodes there. `vae-nb export` writes the same
    explorer as a page that needs no kernel.

    Parameters
    ----------
    vae : vae_nb.VAE
    images : vae_nb.ImageSet
        Images to start from, and to compare with.
    rng : numpy.random.Generator or None
        Seeds the random draws in the browser; None leaves that to the browser.

    Attributes
    ----------
    z : ndarray, shape (latent,)
        The latent vector shown; setting it moves all controls.
    pixels : ndarray of uint8, shape (height, width, channels)
        The decoded emoji, from the kernel's own decoder.
    """

    _esm = explorer_module()
    _css = FRONTEND / "explorer.css"
    facts = traitlets.Dict().tag(sync=True)
    numbers = traitlets.Bytes().tag(sync=True)
    codes = traitlets.Bytes().tag(sync=True)
    thumbnails = traitlets.Bytes().tag(sync=True)
    seed = traitlets.Int(None, allow_none=True).tag(sync=True)
    # A vector that the browser has set is not sent back to it: one message less for each event.
    vector: traitlets.List[float] = traitlets.List().tag(sync=True, echo_update=False)

    def __init__(self, vae: VAE, images: ImageSet, rng: np.random.Generator | None = None) -> None:
        self._vae = vae
        state = explorer_state(vae, images)
        first_code = np.frombuffer(state.codes, "<f8", vae.latent_dim).tolist()
        seed = None if rng is None else int(rng.integers(2**32))
        super().__init__(**state._asdict(), vector=first_code, seed=seed)

    @property
    def z(self) -> NDArray[np.float64]:
        return np.array(self.vector, np.float64)

    @z.setter
    def z(self, z: ArrayLike) -> None:
        self.vector = np.atleast_1d(np.asarray(z, np.float64)).tolist()

    @property
    def pixels(self) -> NDArray[np.uint8]:
        probabilities = self._vae.decode(self.z[None])[0]  # (pixels,)
        return np.round(255 * probabilities).astype(np.uint8).reshape(self._vae.image_shape)

    @traitlets.validate("vector")
    def _check_vector(self, proposal: Bunch) -> list[float]:
        vector = np.asarray(proposal["value"], np.float64)
        if vector.shape != (self._vae.latent_dim,) or not np.all(np.isfinite(vector)):
            raise ModelError(
                f"z has shape {vector.shape}; it must be {self._vae.latent_dim} finite numbers, "
                "one for each latent dimension."
            )
        return vector.tolist()
