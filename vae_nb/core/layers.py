"""A dense layer, `activation(x @ weights + biases)`, and the activations, with their derivatives.

A layer's weights and biases are views into one array that the model owns. How their product is cut
into blocks for speed is the business of `blocks.py`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.blocks import Block, matmul, product_blocks


class Dense:
    """A dense layer: output = activation(x @ weights + biases).

    Parameters
    ----------
    weights : ndarray, shape (inputs, units)
    biases : ndarray, shape (units,)
    activation : str
        A key of `ACTIVATIONS`.

    Attributes
    ----------
    x, pre_activation, output : ndarray
        What the last `forward` read and made, of shapes (batch, inputs), (batch, units) and
        (batch, units).
    """

    x: NDArray
    pre_activation: NDArray
    output: NDArray
    # x and d loss / d pre-activation, kept by the last `backward`. The gradient of the weights is
    # their product, which is computed only when it is needed.
    _gradient_factors: tuple[NDArray, NDArray]

    def __init__(self, weights: NDArray, biases: NDArray, activation: str) -> None:
        self.weights = weights
        self.biases = biases
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw initial weights and set initial biases, as suits the activation."""
        self.activation.initialize(self.weights, self.biases, len(self.weights), rng)

    def forward(self, x: NDArray) -> NDArray:
        """Compute the layer's output, and remember what `backward` needs.

        Parameters
        ----------
        x : ndarray, shape (batch, inputs)

        Returns
        -------
        ndarray, shape (batch, units)
        """
        self.x = x
        self.pre_activation = matmul(x, self.weights)  # x @ weights
        self.pre_activation += self.biases
        self.output = self.activation.function(self.pre_activation)
        return self.output

    def backward(self, output_gradient: NDArray) -> NDArray:
        """Keep what the parameters' gradients follow from; pass the gradient on to the input.

        Parameters
        ----------
        output_gradient : ndarray, shape (batch, units)
            d loss / d output of the last `forward`.

        Returns
        -------
        ndarray, shape (batch, inputs)
            d loss / d x.
        """
        self.backward_to_parameters(output_gradient)
        _, gradient = self._gradient_factors
        return matmul(gradient, self.weights.T)

    def backward_to_parameters(self, output_gradient: NDArray) -> None:
        """Do what `backward` does without the gradient of the input.

        That is enough for the first layer of a network: nothing before it is trained.

        Parameters
        ----------
        output_gradient : ndarray, shape (batch, units)
        """
        gradient = output_gradient  # d loss / d pre-activation, (batch, units)
        if self.activation_name != "linear":
            gradient = gradient * self.activation.derivative(self.pre_activation, self.output)
        self._gradient_factors = self.x, gradient

    @property
    def weights_gradient(self) -> NDArray:
        """d loss / d weights of the last `backward`, an ndarray of shape (inputs, units)."""
        x, gradient = self._gradient_factors
        return x.T @ gradient

    @property
    def biases_gradient(self) -> NDArray:
        """d loss / d biases of the last `backward`, an ndarray of shape (units,)."""
        _, gradient = self._gradient_factors
        return np.sum(gradient, axis=0)

    def gradient_blocks(self) -> list[Block]:
        """Return both gradients as blocks of one flat array: the weights, then the biases.

        The list stays valid: a block is computed from what the last `backward` kept.
        """
        weights = product_blocks(lambda: self._gradient_factors, self.weights)

        def compute_biases(out: NDArray) -> None:
            _, gradient = self._gradient_factors
            np.sum(gradient, axis=0, out=out)

        count = self.weights.size
        return [*weights, (slice(count, count + len(self.biases)), compute_biases)]

    def squared_gradient_norm(self) -> float:
        """Return the squared Euclidean norm of the gradients of weights and biases.

        The weights' gradient need not be known: the sum of squares of x.T @ g is the sum of
        (x @ x.T) * (g @ g.T), two matrices of shape (batch, batch).

        References
        ----------
        Goodfellow (2015), "Efficient Per-Example Gradient Computations", section 4, for one
        example; here with the products between examples.
        """
        x, gradient = self._gradient_factors
        # The biases are weights of an input that is always 1.
        products = (x @ x.T + 1.0) * (gradient @ gradient.T)
        # Where the gradients of the images cancel, rounding can leave a sum below 0.
        return max(float(np.sum(products, dtype=np.float64)), 0.0)

    def scale_gradient(self, scale: float) -> None:
        """Multiply the gradients of weights and biases by a number."""
        x, gradient = self._gradient_factors
        # float: a NumPy scalar would change the dtype.
        self._gradient_factors = x, gradient * float(scale)


def sigmoid(x: NDArray) -> NDArray:
    """Compute the logistic function 1 / (1 + exp(-x)), without overflow.

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray, the same shape and dtype
        In [0, 1].
    """
    # This equals the formula above, and tanh saturates where exp would overflow.
    return 0.5 * np.tanh(0.5 * x) + 0.5


def softplus(x: NDArray) -> NDArray:
    """Compute log(1 + exp(x)), without overflow.

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray, the same shape and dtype
        Never negative.
    """
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def silu(x: NDArray) -> NDArray:
    """Compute x * sigmoid(x): a smooth relu that dips below 0.

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray, the same shape and dtype
        At least -0.279.

    References
    ----------
    Elfwing, Uchibe & Doya (2018), "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning".
    """
    return x * sigmoid(x)


def silu_derivative(x: NDArray, output: NDArray) -> NDArray:
    """d silu / d x.

    With s = sigmoid(x), whose derivative is s (1 - s), the product rule gives s + x s (1 - s). Here
    x s is the output.

    Parameters
    ----------
    x, output : ndarray, any shape
        The input of `silu`, and what it returned.

    Returns
    -------
    ndarray, the same shape and dtype
        Between -0.1 and 1.1.
    """
    s = sigmoid(x)
    return s + output * (1 - s)


@dataclass(frozen=True)
class Activation:
    """A function of each element, its derivative, and an initialization that lets gradients pass.

    Attributes
    ----------
    function : callable
        From the pre-activation to the output.
    derivative : callable
        From the pre-activation and the output to d output / d pre-activation. It gets both because
        one of them is the cheaper source.
    weight_scale : float
        Initial weights are normal with standard deviation `weight_scale / sqrt(inputs)`.
    bias : float
        The initial value of the biases.
    """

    function: Callable[[NDArray], NDArray]
    derivative: Callable[[NDArray, NDArray], NDArray]
    weight_scale: float = 1.0
    bias: float = 0.0

    def initialize(
        self, weights: NDArray, biases: NDArray, inputs: float, rng: np.random.Generator
    ) -> None:
        """Draw initial weights and set initial biases.

        Parameters
        ----------
        weights : ndarray, shape (rows, columns)
        biases : ndarray
        inputs : float
            How many inputs reach one output.
        """
        for row in weights:  # one at a time: the layer may be large
            row[:] = rng.standard_normal(len(row), dtype=row.dtype)
        weights *= self.weight_scale / math.sqrt(inputs)
        biases[:] = self.bias


# The scale sqrt(2) makes up for the half of its input that relu drops: He et al. (2015),
# "Delving Deep into Rectifiers", section 2.2.
HE_SCALE = math.sqrt(2)

# What leaky_relu leaves of a negative input, as in Keras. It passes on the mean square
# (1 + LEAK²) / 2 of a symmetric input, where relu passes 1/2: He et al., equation 15.
LEAK = 0.2
LEAKY_SCALE = math.sqrt(2 / (1 + LEAK**2))

# The mean square of silu(a) is 0.356 where a has the distribution N(0, 1).
SILU_SCALE = math.sqrt(1 / 0.356)

ACTIVATIONS = {  # the function, and its derivative from the pre-activation a and the output
    "linear": Activation(lambda a: a, lambda a, output: np.ones_like(output)),
    "relu": Activation(
        lambda a: np.maximum(a, 0), lambda a, output: (a > 0).astype(a.dtype), HE_SCALE
    ),
    "tanh": Activation(np.tanh, lambda a, output: 1 - output * output),
    "sigmoid": Activation(sigmoid, lambda a, output: output * (1 - output)),
    "softplus": Activation(softplus, lambda a, output: sigmoid(a), HE_SCALE),
    # The derivative of cosh is sinh, and sinh(0) = 0, while cosh(0) = 1. Around zero this layer
    # passes little gradient back, and a decoder can slide to that place and learn to do without z
    # (notebooks/more/the_cosh_layer.ipynb shows it, and that it takes both). So the biases are
    # initialized to 1, where the slope is sinh(1) = 1.18. cosh grows as fast as exp; the key
    # training.gradient_clip_norm keeps it from running away.
    "cosh": Activation(np.cosh, lambda a, output: np.sinh(a), HE_SCALE, bias=1.0),
    "silu": Activation(silu, silu_derivative, SILU_SCALE),
    # 1 where a is positive, and LEAK elsewhere.
    "leaky_relu": Activation(
        lambda a: np.maximum(a, LEAK * a),
        lambda a, output: np.maximum((a > 0).astype(a.dtype), LEAK),
        LEAKY_SCALE,
    ),
}
