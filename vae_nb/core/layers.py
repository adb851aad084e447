"""Dense layers and their activations, each with its derivative.

A layer's parameters are views into an array that the model owns and that holds all of them. Its
weights' gradient is a product of two small arrays, x.T @ d loss / d pre-activation: these are kept,
and the product is taken when it is needed, block by block.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from vae_nb.core.blocks import blocks_of, for_each, in_threads


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

ACTIVATIONS = {  # the function and its derivative, of the pre-activation a
    "linear": Activation(lambda a: a, lambda a, output: np.ones_like(output)),
    "relu": Activation(
        lambda a: np.maximum(a, 0), lambda a, output: (a > 0).astype(a.dtype), HE_SCALE
    ),
    "tanh": Activation(np.tanh, lambda a, output: 1 - output * output),
    "sigmoid": Activation(sigmoid, lambda a, output: output * (1 - output)),
    "softplus": Activation(softplus, lambda a, output: sigmoid(a), HE_SCALE),
    # The derivative of cosh is sinh, and sinh(0) = 0: around zero this layer would pass no
    # gradient back and the decoder would learn its biases before it heard of z. So its biases
    # start at 1, where the slope is sinh(1) = 1.18. It grows as fast as exp: what keeps it from
    # running away is the limit on the gradient's norm.
    "cosh": Activation(np.cosh, lambda a, output: np.sinh(a), HE_SCALE, bias=1.0),
}


# A sum over the long side is taken in this many parts, however many threads there are, so that
# its rounding does not depend on them.
PARTS = 8


def _blocks(matrix):
    """Blocks of rows to share among threads; one block where BLAS has threads of its own."""
    return blocks_of(*matrix.shape) if in_threads() else [slice(0, len(matrix))]


def _times_long(vectors, matrix):
    """vectors @ matrix.T, where the matrix (long, short) has many more rows than columns.

    Parameters
    ----------
    vectors : ndarray, shape (batch, short)
    matrix : ndarray, shape (long, short)

    Returns
    -------
    ndarray, shape (batch, long)
    """
    product = np.empty((len(vectors), len(matrix)), np.result_type(vectors, matrix))
    columns = np.ascontiguousarray(vectors.T)  # (short, batch)

    def multiply(rows):
        # For few vectors this is faster than vectors @ matrix[rows].T
        product[:, rows] = (matrix[rows] @ columns).T

    for_each(multiply, _blocks(matrix))
    return product


def _sum_over_long(vectors, matrix):
    """vectors @ matrix, where the matrix (long, short) has many more rows than columns.

    Parameters
    ----------
    vectors : ndarray, shape (batch, long)
    matrix : ndarray, shape (long, short)

    Returns
    -------
    ndarray, shape (batch, short)
    """
    blocks = _blocks(matrix)
    shape = (min(PARTS, len(blocks)), len(vectors), matrix.shape[1])
    sums = np.zeros(shape, np.result_type(vectors, matrix))

    def multiply(part):
        for rows in blocks[part::PARTS]:
            sums[part] += vectors[:, rows] @ matrix[rows]

    for_each(multiply, range(len(sums)))
    return np.sum(sums, axis=0)


class Dense:
    """A dense layer: output = activation(x @ weights + biases).

    Parameters
    ----------
    weights : ndarray, shape (inputs, units)
    biases : ndarray, shape (units,)
        Views that the layer reads.
    activation : str
        A key of `ACTIVATIONS`.

    Attributes
    ----------
    matrix : ndarray, shape (long, short)
        The weights, or their transpose, with the longer side first: products go over its rows
        block by block, which is fastest where these lie one after the other in memory.
    x, pre_activation, output : ndarray
        What the last `forward` saw and made: (batch, inputs), (batch, units), (batch, units).
    """

    def __init__(self, weights, biases, activation):
        self.weights = weights
        self.biases = biases
        self.widens = weights.shape[1] > weights.shape[0]
        self.matrix = weights.T if self.widens else weights
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]
        self.x = self.pre_activation = self.output = None
        self._gradient_x = self._gradient = None

    def initialize(self, rng):
        """Draw the start of weights and biases that suits the activation.

        Parameters
        ----------
        rng : numpy.random.Generator
        """
        for row in self.weights:
            row[:] = rng.standard_normal(len(row), dtype=row.dtype)
        self.weights *= self.activation.weight_scale / math.sqrt(len(self.weights))
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
        multiply = _times_long if self.widens else _sum_over_long
        self.pre_activation = multiply(x, self.matrix)  # x @ weights
        self.pre_activation += self.biases
        self.output = self.activation.function(self.pre_activation)
        return self.output

    def backward(self, output_gradient, input_needed=True):
        """Find the gradients of weights and biases; pass the gradient on to the input.

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
        self._gradient_x = self.x
        self._gradient = output_gradient
        if self.activation_name != "linear":
            derivative = self.activation.derivative(self.pre_activation, self.output)
            self._gradient = output_gradient * derivative
        if not input_needed:
            return None
        multiply = _sum_over_long if self.widens else _times_long
        return multiply(self._gradient, self.matrix)  # gradient @ weights.T

    @property
    def weights_gradient(self):
        """d loss / d weights of the last `backward`, ndarray of shape (inputs, units)."""
        return self._gradient_x.T @ self._gradient

    @property
    def biases_gradient(self):
        """d loss / d biases of the last `backward`, ndarray of shape (units,)."""
        return np.sum(self._gradient, axis=0)

    def squared_gradient_norm(self):
        """The squared Euclidean norm of the gradients of weights and biases, without them.

        The sum of squares of x.T @ g is the sum of (x @ x.T) * (g @ g.T), two matrices of shape
        (batch, batch).

        Returns
        -------
        float

        References
        ----------
        Goodfellow (2015), "Efficient Per-Example Gradient Computations", section 4, for one
        example; here with the products between examples.
        """
        x, gradient = self._gradient_x, self._gradient
        # The biases are weights of an input that is always 1. Where the images' gradients cancel,
        # rounding can leave less than 0.
        return max(float(np.sum((x @ x.T + 1.0) * (gradient @ gradient.T), dtype=np.float64)), 0.0)

    def scale_gradient(self, scale):
        """Multiply the gradients of weights and biases.

        Parameters
        ----------
        scale : float
        """
        self._gradient = self._gradient * float(scale)  # a NumPy scalar would change the dtype

    def gradient_blocks(self):
        """The gradient of weights and biases in blocks.

        Returns
        -------
        list of tuple
            (size, write) of each piece of the flat array [matrix, biases]: `write(out)` computes
            the piece into an array of shape (size,). It holds for every `backward` to come.
        """
        long, short = self.matrix.shape
        blocks = blocks_of(long, short)
        sizes = [(rows.stop - rows.start) * short for rows in blocks]
        sizes[-1] += len(self.biases)  # the biases go with the last rows
        writes = [partial(self._write_gradient, rows) for rows in blocks]
        return list(zip(sizes, writes, strict=True))

    def _write_gradient(self, rows, out):
        factors = self._gradient_x, self._gradient
        left, right = reversed(factors) if self.widens else factors
        long, short = self.matrix.shape
        size = (rows.stop - rows.start) * short
        np.matmul(left[:, rows].T, right, out=out[:size].reshape(-1, short))
        if rows.stop == long:
            np.sum(self._gradient, axis=0, out=out[size:])
