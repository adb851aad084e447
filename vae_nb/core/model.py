"""The variational autoencoder: encoder, reparameterization, decoder, loss and gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vae_nb.core.architecture import LayerShape, count_parameters, layer_shapes
from vae_nb.core.blocks import Block, in_blocks, matrix_in
from vae_nb.core.convolution import Convolution
from vae_nb.core.layers import Dense, sigmoid
from vae_nb.core.losses import (
    bernoulli_loss,
    bernoulli_loss_gradient,
    kl_divergence,
    kl_divergence_gradient,
)
from vae_nb.system.errors import ModelError

if TYPE_CHECKING:
    from vae_nb.data.config import ModelConfig

# exp(30) is about 1e13: far beyond any useful variance, and far below the largest float32, 3e38.
# Outside the bound the log-variance is constant, and its gradient is that of a constant.
LOG_VARIANCE_BOUND = 30.0

# Many pixels are white in every image; the logit of a mean of exactly 1 would be infinite.
MEAN_IMAGE_RANGE = (0.01, 0.99)

# The initial weights of the output layer are this small, so that an untrained model shows the mean
# image and the first steps need not unlearn noise.
OUTPUT_INITIAL_SCALE = 0.03


# So many numbers may the layers of a model put out at a time where no gradient is wanted: 64 MB of
# float32, and as much before the activations.
OUTPUTS_AT_A_TIME = 2**24


class Loss(NamedTuple):
    """A loss averaged over a batch, in nats per image: total = reconstruction + kl_weight * kl."""

    total: float
    reconstruction: float
    kl: float


def reparameterize(mean: NDArray, log_variance: NDArray, noise: NDArray) -> NDArray:
    """Sample N(mean, exp(log_variance)) in a way that has a gradient with respect to both.

    Parameters
    ----------
    mean, log_variance : ndarray, shape (batch, latent)
    noise : ndarray, shape (batch, latent)
        Drawn from N(0, 1).

    Returns
    -------
    ndarray, shape (batch, latent)
        mean + sigma * noise, with the standard deviation sigma = exp(log_variance / 2).

    References
    ----------
    Kingma & Welling (2014), "Auto-Encoding Variational Bayes", section 2.4.
    """
    return mean + np.exp(0.5 * log_variance) * noise


def reparameterize_gradient(
    z_gradient: NDArray, log_variance: NDArray, noise: NDArray
) -> tuple[NDArray, NDArray]:
    """Pass the gradient of a sample on to the mean and the log-variance that it came from.

    z = mean + sigma * noise with sigma = exp(log_variance / 2). Therefore dz / d mean = 1 and
    dz / d log_variance = sigma * noise / 2.

    Parameters
    ----------
    z_gradient : ndarray, shape (batch, latent)
        d loss / d z.
    log_variance, noise : ndarray, shape (batch, latent)
        What `reparameterize` was given.

    Returns
    -------
    tuple of two ndarrays, each of shape (batch, latent)
        d loss / d mean and d loss / d log_variance.
    """
    sigma = np.exp(0.5 * log_variance)
    return z_gradient, z_gradient * noise * (0.5 * sigma)


def _make_layer(shape: LayerShape, weights: NDArray, biases: NDArray) -> Dense | Convolution:
    """Make a layer of a shape around its parameters."""
    if shape.reads is None or shape.writes is None:
        return Dense(weights, biases, shape.activation)
    return Convolution(
        weights, biases, shape.activation, shape.input_shape, shape.reads, shape.writes
    )


class VAE:
    """A variational autoencoder of dense layers and convolutions.

    All parameters live in one contiguous array; the weights and biases of the layers are views into
    it.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels).
    rng : numpy.random.Generator or None
        Draws the initial weights. None leaves all parameters at zero, to be filled in.
    dtype : dtype
        float32 for training, float64 for gradient checks.

    Attributes
    ----------
    parameters : ndarray, shape (count,)
    layers : dict of str to Dense or Convolution
        All layers by name, in the order of the parameter array.
    encoder, decoder : list of Dense or Convolution
        The hidden layers of the encoder; the hidden layers of the decoder and its output layer.
    mean_head, log_variance_head : Dense
        They read the last layer of the encoder.
    gradient_blocks : list of tuple
        What an optimizer takes: (where, compute) for each piece of the gradient. `where` is a slice
        of `parameters`. `compute(out)` writes the piece into an array of its size, as the last
        `loss_and_gradients` found it.
    mean_image : ndarray, shape (pixels,)
        Subtracted from the input; zero until `center_on`.
    images_at_a_time : int
        How many images should go through the model at a time where no gradient is wanted. Layers
        remember all that they put out, and convolutions put out a lot.

    Raises
    ------
    ModelError
        If there is not enough memory for the parameters.
    ConfigError
        If the layers do not fit one another or the image.

    References
    ----------
    Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
    """

    def __init__(
        self,
        model_config: ModelConfig,
        image_shape: Sequence[int],
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.config = model_config
        self.image_shape = tuple(image_shape)
        self.latent_dim = model_config.latent_dim
        self._shapes = layer_shapes(model_config, image_shape)
        count = count_parameters(model_config, image_shape)
        try:
            self.parameters = np.zeros(count, dtype)
        except MemoryError:
            raise ModelError(
                f"The model has {count:,} parameters: too many for this machine's memory. "
                "Use fewer units or smaller images."
            ) from None
        self.mean_image = np.zeros(math.prod(image_shape), dtype)

        views = self.named_parameters()
        self.layers = {
            shape.name: _make_layer(
                shape, views[f"{shape.name}.weights"], views[f"{shape.name}.biases"]
            )
            for shape in self._shapes
        }
        depth = len(model_config.encoder_layers)
        layers = list(self.layers.values())
        self.encoder = layers[:depth]
        self.mean_head, self.log_variance_head = layers[depth : depth + 2]
        self.decoder = layers[depth + 2 :]
        self.gradient_blocks = self._locate_gradient_blocks()
        outputs = sum(math.prod(shape.output_shape) for shape in self._shapes)  # for one image
        self.images_at_a_time = max(1, OUTPUTS_AT_A_TIME // outputs)

        if rng is not None:
            for layer in layers:
                layer.initialize(rng)
            self.decoder[-1].weights *= OUTPUT_INITIAL_SCALE

    def _locate_gradient_blocks(self) -> list[Block]:
        """The gradient blocks of all layers, each with its place in the parameter array."""
        blocks = []
        start = 0  # of the layer's parameters
        for layer in self.layers.values():
            for where, compute in layer.gradient_blocks():
                blocks.append((slice(start + where.start, start + where.stop), compute))
            start += layer.weights.size + layer.biases.size
        return blocks

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the parameters, the gradients and everything computed from them."""
        return self.parameters.dtype

    @property
    def gradients(self) -> NDArray:
        """The gradient found by the last `loss_and_gradients`, of the shape of `parameters`.

        It is computed into a new array at each access; changing that array changes nothing else.
        """
        gradients = np.empty_like(self.parameters)
        for where, compute in self.gradient_blocks:
            compute(gradients[where])
        return gradients

    def named_parameters(self) -> dict[str, NDArray]:
        """Return views of the parameters by name, such as "encoder_1.weights".

        Weights have the shape (inputs, units), biases the shape (units,). Those of a convolution
        are told in `Convolution`.
        """
        return self._views_of(self.parameters)

    def named_gradients(self) -> dict[str, NDArray]:
        """Return a copy of the gradients by the names of their parameters, in the same shapes."""
        return self._views_of(self.gradients)

    def _views_of(self, flat: NDArray) -> dict[str, NDArray]:
        """Each layer's part of an array of the shape of `parameters`, by name."""
        views = {}
        start = 0
        for shape in self._shapes:
            end = start + math.prod(shape.weights)
            views[f"{shape.name}.weights"] = matrix_in(flat[start:end], *shape.weights)
            start = end + shape.biases
            views[f"{shape.name}.biases"] = flat[end:start]
        return views

    def gradient_norm(self) -> float:
        """Return the Euclidean norm of the gradient found by the last `loss_and_gradients`."""
        return math.sqrt(sum(layer.squared_gradient_norm() for layer in self.layers.values()))

    def scale_gradients(self, scale: float) -> None:
        """Multiply the gradient found by the last `loss_and_gradients`.

        Parameters
        ----------
        scale : float
            For example from `clip_scale`.
        """
        for layer in self.layers.values():
            layer.scale_gradient(scale)

    @property
    def is_centered(self) -> bool:
        """Whether the model has a mean image (an all-black one counts as none)."""
        return bool(np.any(self.mean_image))

    def center_on(self, mean_image: NDArray) -> None:
        """Subtract an image from every input, and let the output show it at first.

        The biases of the output become the logits of the image. A decoder that has learned nothing
        yet then shows roughly the mean image, and does not spend its first steps on learning it.
        This overwrites what the biases had learned, so it is for a new model.

        Parameters
        ----------
        mean_image : ndarray, shape (pixels,)
            The training set's mean, in [0, 1].
        """
        self.mean_image[:] = mean_image
        clipped = np.clip(self.mean_image, *MEAN_IMAGE_RANGE)
        self.decoder[-1].biases[:] = np.log(clipped / (1 - clipped))

    def encode(self, x: NDArray) -> tuple[NDArray, NDArray]:
        """Encode images as the mean and the log-variance of their posteriors.

        Parameters
        ----------
        x : ndarray, shape (batch, pixels)
            In [0, 1].

        Returns
        -------
        mean, log_variance : ndarray, shape (batch, latent)
        """
        hidden = np.asarray(x, self.dtype) - self.mean_image  # (batch, pixels)
        for layer in self.encoder:
            hidden = layer.forward(hidden)  # (batch, units)
        mean = self.mean_head.forward(hidden)
        log_variance = self.log_variance_head.forward(hidden)
        return mean, np.clip(log_variance, -LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)

    def decode_logits(self, z: NDArray) -> NDArray:
        """Decode latent vectors into the logits of images.

        Parameters
        ----------
        z : ndarray, shape (batch, latent)

        Returns
        -------
        ndarray, shape (batch, pixels)
        """
        hidden = np.asarray(z, self.dtype)
        for layer in self.decoder:
            hidden = layer.forward(hidden)
        return hidden  # (batch, pixels)

    def decode(self, z: NDArray) -> NDArray:
        """Decode latent vectors into images.

        Parameters
        ----------
        z : ndarray, shape (batch, latent)

        Returns
        -------
        ndarray, shape (batch, pixels)
            In [0, 1]: the probabilities of the Bernoulli distributions.
        """
        z = np.asarray(z, self.dtype)
        images = np.empty((len(z), self.mean_image.size), self.dtype)
        for start in range(0, len(z), self.images_at_a_time):
            some = slice(start, start + self.images_at_a_time)
            images[some] = sigmoid(self.decode_logits(z[some]))
        return images

    def reconstruct(self, x: NDArray) -> NDArray:
        """Encode images, and decode the means of their posteriors.

        Parameters
        ----------
        x : ndarray, shape (batch, pixels)

        Returns
        -------
        ndarray, shape (batch, pixels)
            In [0, 1].
        """
        return self.decode(self.encode(x)[0])

    def loss(self, x: NDArray, noise: NDArray, kl_weight: float = 1.0) -> Loss:
        """Compute the loss at given noise. With `kl_weight` 1 it is the negative ELBO.

        Parameters
        ----------
        x : ndarray, shape (batch, pixels)
            In [0, 1].
        noise : ndarray, shape (batch, latent)
            Drawn from N(0, 1).

        Returns
        -------
        Loss
            In nats per image: summed over pixels and latent dimensions, averaged over the batch.

        References
        ----------
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", equation 10; the weight is
        beta of Higgins et al. (2017), "beta-VAE", equation 4.
        """
        x = np.asarray(x, self.dtype)
        loss, _, _, _ = self._forward(x, noise, kl_weight)
        return loss

    def _forward(
        self, x: NDArray, noise: NDArray, kl_weight: float
    ) -> tuple[Loss, NDArray, NDArray, NDArray]:
        """The loss, and what its gradient needs: mean, log-variance and logits."""
        mean, log_variance = self.encode(x)
        logits = self.decode_logits(reparameterize(mean, log_variance, noise))
        losses = in_blocks(bernoulli_loss, np.empty(len(x), self.dtype), logits, x)
        reconstruction = float(np.mean(losses))
        kl = float(np.mean(kl_divergence(mean, log_variance)))
        loss = Loss(reconstruction + kl_weight * kl, reconstruction, kl)
        return loss, mean, log_variance, logits

    def loss_and_gradients(self, x: NDArray, noise: NDArray, kl_weight: float = 1.0) -> Loss:
        """Compute the loss at given noise, and its gradient with respect to all parameters.

        The gradient is then in `gradients`, and in `gradient_blocks` for an optimizer.

        Parameters
        ----------
        x : ndarray, shape (batch, pixels)
            In [0, 1].
        noise : ndarray, shape (batch, latent)
            Drawn from N(0, 1).

        Returns
        -------
        Loss
            In nats per image, the same as from `loss`.
        """
        x = np.asarray(x, self.dtype)
        noise = np.asarray(noise, self.dtype)
        kl_weight = float(kl_weight)  # a NumPy scalar would change the dtype
        loss, mean, log_variance, logits = self._forward(x, noise, kl_weight)

        mean_gradient, log_variance_gradient = self.posterior_gradient(
            x, logits, mean, log_variance, noise, kl_weight
        )
        # Where `encode` clipped the log-variance, it is constant.
        log_variance_gradient *= np.abs(self.log_variance_head.output) < LOG_VARIANCE_BOUND

        gradient = self.mean_head.backward(mean_gradient)
        gradient += self.log_variance_head.backward(log_variance_gradient)  # (batch, units)
        first, *others = self.encoder
        for layer in reversed(others):
            gradient = layer.backward(gradient)
        first.backward_to_parameters(gradient)
        return loss

    def posterior_gradient(
        self,
        x: NDArray,
        logits: NDArray,
        mean: NDArray,
        log_variance: NDArray,
        noise: NDArray,
        kl_weight: float,
    ) -> tuple[NDArray, NDArray]:
        """Pass the gradient of the loss back through the decoder, to the posteriors.

        Parameters
        ----------
        x, logits : ndarray, shape (batch, pixels)
            The images, and what the last `decode_logits` made of
            `reparameterize(mean, log_variance, noise)`.
        mean, log_variance, noise : ndarray, shape (batch, latent)

        Returns
        -------
        tuple of two ndarrays, each of shape (batch, latent)
            d loss / d mean and d loss / d log_variance.
        """
        batch = len(x)
        # (batch, pixels)
        gradient = in_blocks(bernoulli_loss_gradient, np.empty_like(logits), logits, x)
        gradient /= batch  # the loss is a mean over the batch
        for layer in reversed(self.decoder):
            gradient = layer.backward(gradient)
        z_gradient = gradient  # (batch, latent)

        mean_gradient, log_variance_gradient = reparameterize_gradient(
            z_gradient, log_variance, noise
        )
        kl_mean_gradient, kl_log_variance_gradient = kl_divergence_gradient(mean, log_variance)
        mean_gradient = mean_gradient + kl_weight / batch * kl_mean_gradient
        log_variance_gradient += kl_weight / batch * kl_log_variance_gradient
        return mean_gradient, log_variance_gradient

    def reorder_latent(self, order: NDArray) -> None:
        """Put the latent dimensions in another order; nothing else changes.

        Parameters
        ----------
        order : ndarray of int, shape (latent,)
            A permutation: the new first dimension is the old `order[0]`.
        """
        for head in (self.mean_head, self.log_variance_head):
            head.weights[:] = head.weights[:, order]
            head.biases[:] = head.biases[order]
        self.decoder[0].weights[:] = self.decoder[0].weights[order]
