"""The variational autoencoder: encoder, reparameterisation, decoder, loss and gradient."""

import math
from typing import NamedTuple

import numpy as np

from vae_nb.core.blocks import in_blocks
from vae_nb.core.layers import Dense, sigmoid
from vae_nb.core.losses import (
    bernoulli_loss,
    bernoulli_loss_gradient,
    kl_divergence,
    kl_divergence_gradient,
)
from vae_nb.system.errors import ModelError

# exp(30) is about 1e13: far beyond any useful variance, and its square is far below the largest
# float32. Outside the bound the log-variance is constant, and its gradient is that of a constant.
LOG_VARIANCE_BOUND = 30.0

# Many pixels are white in every picture; the logit of a mean of exactly 1 would be infinite.
MEAN_IMAGE_RANGE = (0.01, 0.99)


# The output layer starts this small, so that an untrained model shows the mean picture and the
# first steps need not unlearn noise.
OUTPUT_INITIAL_SCALE = 0.03


class Loss(NamedTuple):
    """A loss averaged over a batch, in nats per image: total = reconstruction + kl_weight * kl."""

    total: float
    reconstruction: float
    kl: float


def reparameterize(mean, log_variance, noise):
    """A sample of N(mean, exp(log_variance)), as a function of both that has a gradient.

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


def layer_shapes(model_config, image_shape):
    """Every dense layer of a VAE, in the order of the parameter array.

    Parameters
    ----------
    model_config : vae_nb.data.config.ModelConfig
    image_shape : tuple of int
        (height, width, channels).

    Returns
    -------
    list of tuple
        (name, inputs, units, activation) of each layer.
    """
    pixels = int(np.prod(image_shape))
    latent = model_config.latent_dim
    shapes = []

    def chain(part, inputs, layers):
        for number, layer in enumerate(layers, start=1):
            shapes.append((f"{part}_{number}", inputs, layer.units, layer.activation))
            inputs = layer.units
        return inputs

    last = chain("encoder", pixels, model_config.encoder_layers)
    shapes.append(("mean", last, latent, "linear"))
    shapes.append(("log_variance", last, latent, "linear"))
    last = chain("decoder", latent, model_config.decoder_layers)
    shapes.append(("output", last, pixels, "linear"))
    return shapes


def count_parameters(model_config, image_shape):
    """How many weights and biases a VAE has, without making it.

    Parameters
    ----------
    model_config : vae_nb.data.config.ModelConfig
    image_shape : tuple of int
        (height, width, channels).

    Returns
    -------
    int
    """
    shapes = layer_shapes(model_config, image_shape)
    return sum((inputs + 1) * units for _, inputs, units, _ in shapes)


class VAE:
    """A variational autoencoder of dense layers.

    All parameters live in one contiguous array; the layers' weights and biases are views into it.

    Parameters
    ----------
    model_config : vae_nb.data.config.ModelConfig
    image_shape : tuple of int
        (height, width, channels).
    rng : numpy.random.Generator or None
        Draws the start of the weights. None leaves all parameters at zero, to be filled in.
    dtype : dtype
        float32 for training, float64 for gradient checks.

    Attributes
    ----------
    parameters : ndarray, shape (count,)
    gradient_blocks : list of tuple
        What an optimiser takes: (where, write) for each piece of the gradient, a slice of
        `parameters` and a function that computes the piece into an array given to it, from what
        the last `loss_and_gradients` found.
    mean_image : ndarray, shape (pixels,)
        Subtracted from the input; zero until `center_on`.

    Raises
    ------
    ModelError
        If there is not enough memory for the parameters.

    References
    ----------
    Kingma & Welling (2014), "Auto-Encoding Variational Bayes".
    """

    def __init__(self, model_config, image_shape, rng=None, dtype=np.float32):
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
                "Use fewer units or smaller pictures."
            ) from None
        self.mean_image = np.zeros(int(np.prod(image_shape)), dtype)

        named = self._views_of(self.parameters)
        self.layers = {
            name: Dense(named[f"{name}.weights"], named[f"{name}.biases"], activation)
            for name, _, _, activation in self._shapes
        }
        self.gradient_blocks = []
        start = 0
        for layer in self.layers.values():
            for size, write in layer.gradient_blocks():
                self.gradient_blocks.append((slice(start, start + size), write))
                start += size
        layers, depth = list(self.layers.values()), len(model_config.encoder_layers)
        self.encoder, self.decoder = layers[:depth], layers[depth + 2 :]
        self.mean_head, self.log_variance_head = layers[depth : depth + 2]

        if rng is not None:
            for layer in layers:
                layer.initialize(rng)
            self.decoder[-1].weights *= OUTPUT_INITIAL_SCALE

    @property
    def dtype(self):
        """The dtype of parameters, gradients and everything computed from them."""
        return self.parameters.dtype

    @property
    def gradients(self):
        """The gradient that the last `loss_and_gradients` found: a new array at each access.

        An ndarray of the shape of `parameters`; changing it changes nothing else.
        """
        gradients = np.empty_like(self.parameters)
        for where, write in self.gradient_blocks:
            write(gradients[where])
        return gradients

    def named_parameters(self):
        """The parameter arrays by name.

        Returns
        -------
        dict of str to ndarray
            Views, for example "encoder_1.weights" of shape (inputs, units).
        """
        return self._views_of(self.parameters)

    def named_gradients(self):
        """The arrays of `gradients`, copies as it is, by the names of their parameters.

        Returns
        -------
        dict of str to ndarray
            With the keys and shapes of `named_parameters`.
        """
        return self._views_of(self.gradients)

    def _views_of(self, flat):
        """Every layer's part of an array of the shape of `parameters`."""
        views = {}
        start = 0
        for name, inputs, units, _ in self._shapes:
            end = start + inputs * units
            # The longer side first: see `Dense.matrix`.
            matrix = flat[start:end].reshape(max(inputs, units), min(inputs, units))
            views[f"{name}.weights"] = matrix.T if units > inputs else matrix
            start = end + units
            views[f"{name}.biases"] = flat[end:start]
        return views

    def gradient_norm(self):
        """The Euclidean norm of the gradient that the last `loss_and_gradients` found.

        Returns
        -------
        float
        """
        return math.sqrt(sum(layer.squared_gradient_norm() for layer in self.layers.values()))

    def scale_gradients(self, scale):
        """Multiply the gradient that the last `loss_and_gradients` found.

        Parameters
        ----------
        scale : float
            For example what `vae_nb.clip_scale` gives.
        """
        for layer in self.layers.values():
            layer.scale_gradient(scale)

    def center_on(self, mean_image):
        """Subtract this picture from every input, and start the output at it.

        The output's biases become its logits, so that a decoder that knows nothing yet shows
        about the mean picture, and does not spend its first steps on learning it.

        Parameters
        ----------
        mean_image : ndarray, shape (pixels,)
            The training set's mean, in [0, 1].
        """
        self.mean_image[:] = mean_image
        clipped = np.clip(self.mean_image, *MEAN_IMAGE_RANGE)
        self.decoder[-1].biases[:] = np.log(clipped / (1 - clipped))

    def encode(self, x):
        """The posterior's mean and log-variance for pictures.

        Parameters
        ----------
        x : ndarray, shape (batch, pixels)
            In [0, 1].

        Returns
        -------
        mean, log_variance : ndarray, shape (batch, latent) each
        """
        hidden = np.asarray(x, self.dtype) - self.mean_image  # (batch, pixels)
        for layer in self.encoder:
            hidden = layer.forward(hidden)  # (batch, units)
        mean = self.mean_head.forward(hidden)
        log_variance = self.log_variance_head.forward(hidden)
        return mean, np.clip(log_variance, -LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)

    def decode_logits(self, z):
        """The logits of the pictures that latent vectors stand for.

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

    def decode(self, z):
        """The pictures that latent vectors stand for.

        Parameters
        ----------
        z : ndarray, shape (batch, latent)

        Returns
        -------
        ndarray, shape (batch, pixels)
            Probabilities in [0, 1].
        """
        return sigmoid(self.decode_logits(z))

    def reconstruct(self, x):
        """Pictures decoded from the mean of their posterior.

        Parameters
        ----------
        x : ndarray, shape (batch, pixels)

        Returns
        -------
        ndarray, shape (batch, pixels)
            In [0, 1].
        """
        return self.decode(self.encode(x)[0])

    def loss(self, x, noise, kl_weight=1.0):
        """The loss at given noise: the negative ELBO, where `kl_weight` is 1.

        Parameters
        ----------
        x : ndarray, shape (batch, pixels)
            In [0, 1].
        noise : ndarray, shape (batch, latent)
            Drawn from N(0, 1).
        kl_weight : float

        Returns
        -------
        Loss
            In nats per image: summed over pixels and latent dimensions, averaged over the batch.

        References
        ----------
        Kingma & Welling (2014), "Auto-Encoding Variational Bayes", equation 10; the weight is
        beta of Higgins et al. (2017), "beta-VAE", equation 4.
        """
        return self._forward(np.asarray(x, self.dtype), noise, kl_weight)[0]

    def _forward(self, x, noise, kl_weight):
        mean, log_variance = self.encode(x)
        logits = self.decode_logits(reparameterize(mean, log_variance, noise))
        losses = in_blocks(bernoulli_loss, np.empty(len(x), self.dtype), logits, x)
        reconstruction = float(np.mean(losses))
        kl = float(np.mean(kl_divergence(mean, log_variance)))
        return Loss(reconstruction + kl_weight * kl, reconstruction, kl), mean, log_variance, logits

    def loss_and_gradients(self, x, noise, kl_weight=1.0):
        """The loss at given noise, and its gradient: `gradients`, or `gradient_blocks`.

        Parameters
        ----------
        x : ndarray, shape (batch, pixels)
            In [0, 1].
        noise : ndarray, shape (batch, latent)
            Drawn from N(0, 1).
        kl_weight : float

        Returns
        -------
        Loss
            In nats per image, as `loss` gives it.
        """
        x = np.asarray(x, self.dtype)
        noise = np.asarray(noise, self.dtype)
        kl_weight = float(kl_weight)  # a NumPy scalar would change the dtype
        loss, mean, log_variance, logits = self._forward(x, noise, kl_weight)
        batch = len(x)

        # (batch, pixels)
        gradient = in_blocks(bernoulli_loss_gradient, np.empty_like(logits), logits, x)
        gradient /= batch  # the loss is a mean over the batch
        for layer in reversed(self.decoder):
            gradient = layer.backward(gradient)
        z_gradient = gradient  # (batch, latent)

        # z = mean + sigma * noise with sigma = exp(log_variance / 2), hence
        # dz / d mean = 1 and dz / d log_variance = sigma * noise / 2.
        kl_mean_gradient, kl_log_variance_gradient = kl_divergence_gradient(mean, log_variance)
        sigma = np.exp(0.5 * log_variance)
        mean_gradient = z_gradient + kl_weight / batch * kl_mean_gradient
        log_variance_gradient = z_gradient * noise * (0.5 * sigma)
        log_variance_gradient += kl_weight / batch * kl_log_variance_gradient
        log_variance_gradient *= np.abs(self.log_variance_head.output) < LOG_VARIANCE_BOUND

        gradient = self.mean_head.backward(mean_gradient)
        gradient += self.log_variance_head.backward(log_variance_gradient)  # (batch, units)
        for layer in reversed(self.encoder):
            gradient = layer.backward(gradient, input_needed=layer is not self.encoder[0])
        return loss

    def reorder_latent(self, order):
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
