"""Every figure of the series."""

from vae_nb.show.figures.curves import loss_curves
from vae_nb.show.figures.images import (
    dataset,
    film,
    image_grid,
    image_table,
    interpolation,
    reconstructions,
)
from vae_nb.show.figures.latent import (
    kl_per_dimension,
    latent_space,
    latent_strips,
    latent_traversal,
    sliders,
)
from vae_nb.show.figures.network import architecture, gradient_check
from vae_nb.show.figures.paper import (
    BLACK,
    BLUE,
    BLUISH_GREEN,
    GRAY,
    LIGHT_GRAY,
    ORANGE,
    REDDISH_PURPLE,
    SKY_BLUE,
    VERMILLION,
    YELLOW,
)
from vae_nb.show.figures.sweeps import sweep_curves, sweep_dots, sweep_trade_off

__all__ = [
    "BLACK",
    "BLUE",
    "BLUISH_GREEN",
    "GRAY",
    "LIGHT_GRAY",
    "ORANGE",
    "REDDISH_PURPLE",
    "SKY_BLUE",
    "VERMILLION",
    "YELLOW",
    "architecture",
    "dataset",
    "film",
    "gradient_check",
    "image_grid",
    "image_table",
    "interpolation",
    "kl_per_dimension",
    "latent_space",
    "latent_strips",
    "latent_traversal",
    "loss_curves",
    "reconstructions",
    "sliders",
    "sweep_curves",
    "sweep_dots",
    "sweep_trade_off",
]
