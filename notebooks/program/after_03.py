"""The program of notebooks 02 to 04, as it is after notebook 03."""

import numpy as np


class Dense:
    """A dense layer: tanh(x W + b), or x W + b if it is linear."""

    def __init__(self, inputs, units, rng, linear=False):
        self.weights = rng.standard_normal((inputs, units)) / np.sqrt(inputs)
        self.biases = np.zeros(units)
        self.linear = linear

    def forward(self, x):
        self.x = x  # (batch, inputs)
        self.y = x @ self.weights + self.biases  # (batch, units)
        if not self.linear:
            self.y = np.tanh(self.y)
        return self.y

    def backward(self, y_gradient):
        a_gradient = y_gradient if self.linear else y_gradient * (1 - self.y**2)
        self.weights_gradient = self.x.T @ a_gradient  # (inputs, units)
        self.biases_gradient = a_gradient.sum(axis=0)  # (units,)
        return a_gradient @ self.weights.T


class NoisyAutoencoder:
    """Pictures to clouds of codes, and a draw from each cloud back to a picture."""

    def __init__(self, mean_image, hidden, latent, rng):
        self.mean_image = mean_image
        self.latent = latent
        self.encoder = Dense(len(mean_image), hidden, rng)
        self.mean_head = Dense(hidden, latent, rng, linear=True)
        self.log_variance_head = Dense(hidden, latent, rng, linear=True)
        self.decoder = Dense(latent, hidden, rng)
        self.output = Dense(hidden, len(mean_image), rng, linear=True)
        self.output.weights *= 0.1  # start close to the mean picture
        self.layers = [self.encoder, self.mean_head, self.log_variance_head]
        self.layers += [self.decoder, self.output]

    def encode(self, x):
        hidden = self.encoder.forward(x - self.mean_image)
        return self.mean_head.forward(hidden), self.log_variance_head.forward(hidden)

    def decode(self, z):
        return self.mean_image + self.output.forward(self.decoder.forward(z))

    def encode_backward(self, mean_gradient, log_variance_gradient):
        self.encoder.backward(
            self.mean_head.backward(mean_gradient)
            + self.log_variance_head.backward(log_variance_gradient)
        )

    def loss_and_gradients(self, x, noise):
        mean, log_variance = self.encode(x)  # (batch, latent) each
        sigma = np.exp(0.5 * log_variance)
        error = self.decode(mean + sigma * noise) - x  # (batch, pixels)
        z_gradient = self.decoder.backward(self.output.backward(2 / len(x) * error))
        self.encode_backward(z_gradient, z_gradient * 0.5 * sigma * noise)
        return np.sum(error**2) / len(x)


def train(model, x, epochs, rate, rng, batches=8):
    """Gradient descent. Returns the mean loss of each epoch."""
    losses = []
    for _ in range(epochs):
        total = 0
        for rows in np.array_split(rng.permutation(len(x)), batches):
            noise = rng.standard_normal((len(rows), model.latent))
            total += model.loss_and_gradients(x[rows], noise) * len(rows)
            for layer in model.layers:
                layer.weights -= rate * layer.weights_gradient
                layer.biases -= rate * layer.biases_gradient
        losses.append(total / len(x))
    return losses


def kl_divergence(mean, log_variance):
    """KL of N(mean, exp(log_variance)) from N(0, 1), in nats per picture: (batch,)."""
    return 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1)


def sigmoid(a):
    return np.exp(-np.logaddexp(0, -a))


def bernoulli_loss(logits, x):
    """Cross-entropy from logits, in nats per picture: (batch,)."""
    return np.sum(np.logaddexp(0, logits) - x * logits, axis=1)


class VAE(NoisyAutoencoder):
    """A variational autoencoder with Bernoulli pixels. Losses are in nats per picture."""

    def __init__(self, mean_image, hidden, latent, rng, kl_weight=1):
        super().__init__(mean_image, hidden, latent, rng)
        clipped = np.clip(mean_image, 0.01, 0.99)
        self.output.biases[:] = np.log(clipped / (1 - clipped))  # logits of the mean picture
        self.kl_weight = kl_weight

    def decode_logits(self, z):
        return self.output.forward(self.decoder.forward(z))  # (batch, pixels)

    def decode(self, z):
        return sigmoid(self.decode_logits(z))

    def sample(self, mean, log_variance, noise):
        return mean + np.exp(0.5 * log_variance) * noise

    def sample_slope(self, log_variance, noise):  # d sample / d log_variance
        return 0.5 * np.exp(0.5 * log_variance) * noise

    def kl(self, mean, log_variance):
        return kl_divergence(mean, log_variance)  # (batch,)

    def kl_gradients(self, mean, log_variance):
        return mean, 0.5 * (np.exp(log_variance) - 1)

    def loss_and_gradients(self, x, noise):
        mean, log_variance = self.encode(x)  # (batch, latent) each
        logits = self.decode_logits(self.sample(mean, log_variance, noise))
        loss = bernoulli_loss(logits, x) + self.kl_weight * self.kl(mean, log_variance)

        z_gradient = self.decoder.backward(self.output.backward((sigmoid(logits) - x) / len(x)))
        of_mean, of_log_variance = self.kl_gradients(mean, log_variance)
        weight = self.kl_weight / len(x)
        self.encode_backward(
            z_gradient + weight * of_mean,
            z_gradient * self.sample_slope(log_variance, noise) + weight * of_log_variance,
        )
        return loss.mean()
