"""Dense layers and their activations, each with its derivative.

A layer's parameters and their gradients are views into arrays that the model owns, so that one
array holds all parameters and another all gradients.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def sigmoid(x):
    """The logistic function 1 / (1 + exp(-x)), without overflow.

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray, the same shape and dtype
        In [0, 1].
    """
    # tanh saturates where exp would overflow, and both are the same function.
    return 0.5 * np.tanh(0.5 * x) + 0.5


def softplus(x):
    """log(1 + exp(x)), without overflow.

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray, the same shape and dtype
        Never negative.
    """
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@dataclass(frozen=True)
class Activation:
    """A function applied to each element, its derivative, and a start that lets gradients pass.

    Attributes
    ----------
    function : callable
        From the pre-activation to the output.
    derivative : callable
        From the pre-activation and the output (one of them is the cheaper source) to
        d output / d pre-activation.
    weight_scale : float
        The start's weights are normal with standard deviation `weight_scale / sqrt(inputs)`.
    bias : float
        The start's biases.
    """

    function: Callable
    derivative: Callable
    weight_scale: float = 1.0
    bias: float = 0.0


# The scale sqrt(2) makes up for the half of its input that relu drops: He et al. (2015),
# "Delving Deep into Rectifiers", section 2.2.
HE_SCALE = math.sqrt(2)

ACTIVATIONS = {
    "linear": Activation(
        function=lambda pre_activation: pre_activation,
        derivative=lambda pre_activation, output: np.ones_like(output),
    ),
    "relu": Activation(
        function=lambda pre_activation: np.maximum(pre_activation, 0),
        derivative=lambda pre_activation, output: (output > 0).astype(output.dtype),
        weight_scale=HE_SCALE,
    ),
    "tanh": Activation(
        function=np.tanh,
        derivative=lambda pre_activation, output: 1 - output * output,
    ),
    "sigmoid": Activation(
        function=sigmoid,
        derivative=lambda pre_activation, output: output * (1 - output),
    ),
    "softplus": Activation(
        function=softplus,
        derivative=lambda pre_activation, output: sigmoid(pre_activation),
        weight_scale=HE_SCALE,
    ),
    # The derivative of cosh is sinh, and sinh(0) = 0: around zero this layer would pass no
    # gradient back and the decoder would learn its biases before it heard of z. So its biases
    # start at 1, where the slope is sinh(1) = 1.18. It grows as fast as exp: what keeps it from
    # running away is the limit on the gradient's norm.
    "cosh": Activation(
        function=np.cosh,
        derivative=lambda pre_activation, output: np.sinh(pre_activation),
        weight_scale=HE_SCALE,
        bias=1.0,
    ),
}


class Dense:
    """A dense layer: output = activation(x @ weights + biases).

    Parameters
    ----------
    weights, weights_gradient : ndarray, shape (inputs, units)
    biases, biases_gradient : ndarray, shape (units,)
        Views that the layer reads (parameters) and that `backward` fills (gradients).
    activation : str
        A key of `ACTIVATIONS`.

    Attributes
    ----------
    x, pre_activation, output : ndarray
        What the last `forward` saw and made: (batch, inputs), (batch, units), (batch, units).
    """

    def __init__(self, weights, biases, weights_gradient, biases_gradient, activation):
        self.weights = weights
        self.biases = biases
        self.weights_gradient = weights_gradient
        self.biases_gradient = biases_gradient
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]
        self.x = self.pre_activation = self.output = None

    def initialize(self, rng):
        """Draw the start of weights and biases that suits the activation.

        Parameters
        ----------
        rng : numpy.random.Generator
        """
        inputs = len(self.weights)
        scale = self.activation.weight_scale / math.sqrt(inputs)
        rng.standard_normal(out=self.weights.reshape(-1), dtype=self.weights.dtype)
        self.weights *= scale
        self.biases[:] = self.activation.bias

    def forward(self, x):
        """The layer's output, remembered with its input for `backward`.

        Parameters
        ----------
        x : ndarray, shape (batch, inputs)

        Returns
        -------
        ndarray, shape (batch, units)
        """
        self.x = x
        self.pre_activation = x @ self.weights
        self.pre_activation += self.biases
        self.output = self.activation.function(self.pre_activation)
        return self.output

    def backward(self, output_gradient, input_needed=True):
        """Fill the gradients of weights and biases; pass the gradient on to the input.

        Parameters
        ----------
        output_gradient : ndarray, shape (batch, units)
            d loss / d output of the last `forward`.
        input_needed : bool
            False for the first layer of a network, whose input nobody trains.

        Returns
        -------
        ndarray, shape (batch, inputs), or None
            d loss / d x.
        """
        gradient = output_gradient * self.activation.derivative(self.pre_activation, self.output)
        np.matmul(self.x.T, gradient, out=self.weights_gradient)  # (inputs, units)
        np.sum(gradient, axis=0, out=self.biases_gradient)  # (units,)
        return gradient @ self.weights.T if input_needed else None
