"""All figures of the series: one function each, from arrays to a matplotlib figure.

The caller shows or saves a figure. Figures with images are laid out in whole pixels, counted from
the top left, so that each pixel of an emoji is drawn as large as its neighbor. Charts without
images leave their layout to matplotlib. Images are uint8 or floats in [0, 1], with 1 or 3 channels.
Small ones are enlarged a whole number of times; only images larger than their place are resampled.
Names and labels are plain text, not formulas.

- `images`: a set of images, reconstructions, grids, tables and the frames of a film.
- `latent`: the latent space, the KL per dimension, traversals and the sliders.
- `plane`: latent spaces of two dimensions, and a walk through one.
- `clouds`: posteriors as clouds, and how they are drawn from noise.
- `flow`: how the gradient flows back through a VAE.
- `network`: the layers, and the check of their gradients.
- `patches`: a convolution as a product.
- `curves`: the losses of a training, and of several side by side.
- `sweeps`: comparisons of the runs of a sweep.

All of them build on `paper` (colors, charts, axes and text in pixels); those that show images also
build on `tiles`.
"""

from vae_nb.show.figures.clouds import posterior_clouds, reparameterization
from vae_nb.show.figures.curves import courses, loss_curves
from vae_nb.show.figures.flow import gradient_flow
from vae_nb.show.figures.images import (
    contact_sheet,
    dataset,
    film,
    image_grid,
    image_table,
    image_tables,
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
    LABEL_COLORS,
    LIGHT_GRAY,
    ORANGE,
    REDDISH_PURPLE,
    SKY_BLUE,
    VERMILLION,
    YELLOW,
)
from vae_nb.show.figures.patches import shared_matrix
from vae_nb.show.figures.plane import latent_plane, latent_planes, plane_film, plane_picture
from vae_nb.show.figures.sweeps import sweep_dots

__all__ = [
    "BLACK",
    "BLUE",
    "BLUISH_GREEN",
    "GRAY",
    "LABEL_COLORS",
    "LIGHT_GRAY",
    "ORANGE",
    "REDDISH_PURPLE",
    "SKY_BLUE",
    "VERMILLION",
    "YELLOW",
    "architecture",
    "contact_sheet",
    "courses",
    "dataset",
    "film",
    "gradient_check",
    "gradient_flow",
    "image_grid",
    "image_table",
    "image_tables",
    "interpolation",
    "kl_per_dimension",
    "latent_plane",
    "latent_planes",
    "latent_space",
    "latent_strips",
    "latent_traversal",
    "loss_curves",
    "plane_film",
    "plane_picture",
    "posterior_clouds",
    "reconstructions",
    "reparameterization",
    "shared_matrix",
    "sliders",
    "sweep_dots",
]
