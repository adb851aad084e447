"""Convolutions: one small dense layer, shared by all patches of an image.

Where the kernel is as large as the stride, patches do not overlap. Then a convolution cuts an image
into patches, and multiplies each of them by the same matrix; a transposed convolution multiplies
each pixel by a matrix, and puts the patches that come out beside one another. Larger kernels make
patches that overlap: they are read twice, or added.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.blocks import Block, blocks_of, for_each, matrix_in, sum_over_blocks
from vae_nb.core.layers import ACTIVATIONS


class Patches(NamedTuple):
    """How an image is cut into square patches.

    Attributes
    ----------
    kernel_size : int
        The side of a patch, in pixels: `strides`, or an even number more.
    strides : int
        The distance from a patch to the next one, in pixels. It divides the image's sides.
    """

    kernel_size: int
    strides: int

    @property
    def overlap(self) -> bool:
        """Whether patches overlap."""
        return self.kernel_size > self.strides

    @property
    def border(self) -> int:
        """How far the outermost patches reach beyond the image, in pixels; zeros are there."""
        return (self.kernel_size - self.strides) // 2


PIXELS = Patches(kernel_size=1, strides=1)


def unfold(images: NDArray, patches: Patches) -> NDArray:
    """Cut images into patches.

    Parameters
    ----------
    images : ndarray, shape (batch, height, width, channels)

    Returns
    -------
    ndarray, shape (batch, height / strides, width / strides, kernel_size² · channels)
        Each row of numbers is a patch: its pixels from left to right and from top to bottom.
    """
    kernel, strides = patches
    batch, height, width, channels = images.shape
    rows, columns = height // strides, width // strides
    if not patches.overlap:  # the numbers only change places
        cut = images.reshape(batch, rows, strides, columns, strides, channels)
        return cut.swapaxes(2, 3).reshape(batch, rows, columns, -1)

    border = patches.border
    padded = np.zeros((batch, height + 2 * border, width + 2 * border, channels), images.dtype)
    padded[:, border : border + height, border : border + width] = images
    # An image may have one channel only. So the numbers of one pixel of all patches, not those of
    # one patch, come one after another in memory: copying is fast where it goes on for long.
    cut = np.empty((kernel, kernel, channels, batch, rows, columns), images.dtype)
    for i, j in np.ndindex(kernel, kernel):
        pixel = padded[:, i : i + height : strides, j : j + width : strides]
        cut[i, j] = pixel.transpose(3, 0, 1, 2)
    return cut.reshape(-1, batch, rows, columns).transpose(1, 2, 3, 0)


def fold(cut: NDArray, patches: Patches) -> NDArray:
    """Put patches together; where they overlap, they are added.

    This is the adjoint of `unfold`: for all images x and patches p, the sum of unfold(x) * p equals
    the sum of x * fold(p). So each is what the other's backward pass needs.

    Parameters
    ----------
    cut : ndarray, shape (batch, rows, columns, kernel_size² · channels)

    Returns
    -------
    ndarray, shape (batch, rows · strides, columns · strides, channels)

    References
    ----------
    Dumoulin & Visin (2016), "A guide to convolution arithmetic for deep learning", chapter 4.
    """
    kernel, strides = patches
    batch, rows, columns, _ = cut.shape
    height, width = rows * strides, columns * strides
    cut = cut.reshape(batch, rows, columns, kernel, kernel, -1)
    if not patches.overlap:
        return cut.swapaxes(2, 3).reshape(batch, height, width, -1)

    border = patches.border
    channels = cut.shape[-1]
    # As in `unfold`, a long run in memory is one pixel of all patches.
    padded = np.zeros((channels, batch, height + 2 * border, width + 2 * border), cut.dtype)
    for i, j in np.ndindex(kernel, kernel):
        pixel = padded[:, :, i : i + height : strides, j : j + width : strides]
        pixel += cut[:, :, :, i, j].transpose(3, 0, 1, 2)
    images = padded[:, :, border : border + height, border : border + width]
    return np.ascontiguousarray(images.transpose(1, 2, 3, 0))


class Convolution:
    """A convolution, or a transposed one: a dense layer that all patches share.

    It reads patches of its input and writes patches of its output:
    output = activation(fold(unfold(input) @ weights) + biases). A convolution reads patches and
    writes single pixels. A transposed convolution reads single pixels and writes patches. With
    single pixels, `unfold` and `fold` change nothing.

    Parameters
    ----------
    weights : ndarray, shape (numbers in a patch that is read, numbers in a patch that is written)
    biases : ndarray, shape (channels,) or (height * width * channels,)
        One for each channel of the output, or one for each number of it.
    activation : str
        A key of `ACTIVATIONS`.
    input_shape : tuple of int
        (height, width, channels).
    reads, writes : Patches

    Attributes
    ----------
    x, pre_activation, output : ndarray
        What the last `forward` read and made, of shapes (batch, inputs), (batch, outputs) and
        (batch, outputs). Each row is an image: height, width and channels in one.

    References
    ----------
    LeCun et al. (1989), "Backpropagation applied to handwritten zip code recognition"; Zeiler et
    al. (2010), "Deconvolutional Networks".
    """

    x: NDArray
    pre_activation: NDArray
    output: NDArray
    _gradient: NDArray  # of the weights, as they are laid out in memory, then of the biases

    def __init__(
        self,
        weights: NDArray,
        biases: NDArray,
        activation: str,
        input_shape: tuple[int, ...],
        reads: Patches,
        writes: Patches,
    ) -> None:
        self.weights = weights
        self.biases = biases
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]
        self.reads = reads
        self.writes = writes
        height, width, _ = input_shape
        rows, columns = height // reads.strides, width // reads.strides
        channels = weights.shape[1] // writes.kernel_size**2
        self.input_shape = input_shape
        self.output_shape = (rows * writes.strides, columns * writes.strides, channels)

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw initial weights and set initial biases, as suits the activation."""
        # Where the patches that are written overlap, more of them reach one output.
        inputs = len(self.weights) * (self.writes.kernel_size / self.writes.strides) ** 2
        self.activation.initialize(self.weights, self.biases, inputs, rng)

    def forward(self, x: NDArray) -> NDArray:
        """Compute the layer's output, and remember what `backward` needs.

        Parameters
        ----------
        x : ndarray, shape (batch, inputs)

        Returns
        -------
        ndarray, shape (batch, outputs)
        """
        self.x = x
        self.pre_activation = np.empty((len(x), math.prod(self.output_shape)), x.dtype)
        self.output = np.empty_like(self.pre_activation)

        def compute(images: slice) -> None:
            read = _unfolded(x[images], self.input_shape, self.reads)
            written = _product(read, self.weights, self.writes)
            a = _folded(written, self.output_shape, self.writes)  # (images, outputs)
            a.reshape(-1, self.biases.size)[:] += self.biases
            self.pre_activation[images] = a
            self.output[images] = self.activation.function(a)

        for_each(compute, self._blocks(len(x)))
        return self.output

    def backward(self, output_gradient: NDArray) -> NDArray:
        """Compute the parameters' gradients; pass the gradient on to the input.

        Parameters
        ----------
        output_gradient : ndarray, shape (batch, outputs)
            d loss / d output of the last `forward`.

        Returns
        -------
        ndarray, shape (batch, inputs)
            d loss / d x.
        """
        x_gradient = np.empty_like(self.x)
        self._backward(output_gradient, x_gradient)
        return x_gradient

    def backward_to_parameters(self, output_gradient: NDArray) -> None:
        """Do what `backward` does without the gradient of the input.

        Parameters
        ----------
        output_gradient : ndarray, shape (batch, outputs)
        """
        self._backward(output_gradient, None)

    def _backward(self, output_gradient: NDArray, x_gradient: NDArray | None) -> None:
        """Compute the parameters' gradients, and fill that of the input where it is asked for.

        A weight takes part at every position of every image, so its gradient is a sum over all of
        them: of the products of what was read and the gradient of what was written. `unfold` is the
        adjoint of `fold`, so the gradient of what was written is the gradient of the output,
        unfolded, and the gradient of the input is that of what was read, folded.
        """
        shape = (self.weights.size + self.biases.size,)

        def compute(images: slice) -> NDArray:
            gradient = output_gradient[images]  # d loss / d pre-activation, (images, outputs)
            if self.activation_name != "linear":
                gradient = gradient * self.activation.derivative(
                    self.pre_activation[images], self.output[images]
                )
            written = _unfolded(gradient, self.output_shape, self.writes)
            read = _unfolded(self.x[images], self.input_shape, self.reads)
            if x_gradient is not None:
                read_gradient = _product(written, self.weights.T, self.reads)
                x_gradient[images] = _folded(read_gradient, self.input_shape, self.reads)
            gradients = np.empty(shape, gradient.dtype)
            weights_gradient, biases_gradient = self._split(gradients)
            weights_gradient[:] = read.T @ written
            # The biases are weights of an input that is always 1. This is faster than np.sum.
            gradient = gradient.reshape(-1, self.biases.size)
            biases_gradient[:] = np.ones(len(gradient), gradient.dtype) @ gradient
            return gradients

        blocks = self._blocks(len(output_gradient))
        self._gradient = sum_over_blocks(compute, blocks, shape, self.weights.dtype)

    @property
    def weights_gradient(self) -> NDArray:
        """d loss / d weights of the last `backward`, in their shape."""
        weights_gradient, _ = self._split(self._gradient)
        return weights_gradient

    @property
    def biases_gradient(self) -> NDArray:
        """d loss / d biases of the last `backward`, in their shape."""
        _, biases_gradient = self._split(self._gradient)
        return biases_gradient

    def gradient_blocks(self) -> list[Block]:
        """Return both gradients as one block: the weights, then the biases."""

        def compute(out: NDArray) -> None:
            out[:] = self._gradient

        return [(slice(0, self.weights.size + self.biases.size), compute)]

    def squared_gradient_norm(self) -> float:
        """Return the squared Euclidean norm of the gradients of weights and biases."""
        return float(np.sum(np.square(self._gradient), dtype=np.float64))

    def scale_gradient(self, scale: float) -> None:
        """Multiply the gradients of weights and biases by a number."""
        self._gradient *= float(scale)  # a NumPy scalar would change the dtype

    def _split(self, flat: NDArray) -> tuple[NDArray, NDArray]:
        """View a flat array of all gradients as that of the weights and that of the biases."""
        count = self.weights.size
        return matrix_in(flat[:count], *self.weights.shape), flat[count:]

    def _blocks(self, batch: int) -> list[slice]:
        """Blocks of images: all that is computed from a block stays in the cache."""
        widest = max(math.prod(self.input_shape), math.prod(self.output_shape))
        return blocks_of(batch, 4 * widest)


def _unfolded(x: NDArray, shape: tuple[int, ...], patches: Patches) -> NDArray:
    """Cut flat images (batch, numbers) into patches, one in a row: (all patches, numbers)."""
    cut = unfold(x.reshape(-1, *shape), patches)
    return cut.reshape(-1, cut.shape[-1])


def _folded(cut: NDArray, shape: tuple[int, ...], patches: Patches) -> NDArray:
    """Put patches, one in a row, together to flat images (batch, numbers)."""
    height, width, _ = shape
    rows, columns = height // patches.strides, width // patches.strides
    images = fold(cut.reshape(-1, rows, columns, cut.shape[1]), patches)
    return images.reshape(-1, math.prod(shape))


def _product(x: NDArray, matrix: NDArray, patches: Patches) -> NDArray:
    """x @ matrix, laid out in memory as `fold` reads it fastest for these patches."""
    if patches.overlap:
        return (matrix.T @ x.T).T
    return x @ matrix
