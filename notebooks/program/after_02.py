"""The program of notebooks 02 to 04, as it is after notebook 02."""

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
