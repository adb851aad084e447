"""Which layers a configuration asks for, their shapes, and whether these fit together.

Nothing here needs the parameters, so a model that is too large can be described, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from vae_nb.core.convolution import PIXELS, Patches
from vae_nb.system.errors import ConfigError

if TYPE_CHECKING:
    from vae_nb.data.config import AnyLayer, ConvolutionConfig, ModelConfig

Shape = tuple[int, ...]  # of a layer's input or output for one image


class LayerShape(NamedTuple):
    """What is known about a layer before its parameters exist.

    Attributes
    ----------
    name : str
    activation : str
    input_shape, output_shape : tuple of int
        For one image: (units,), or (height, width, channels) where pixels have neighbors.
    biases : int
        How many biases the layer has.
    reads, writes : Patches or None
        The patches of its input that a convolution reads, and those of its output that it writes;
        None for a dense layer.
    """

    name: str
    activation: str
    input_shape: Shape
    output_shape: Shape
    biases: int
    reads: Patches | None = None
    writes: Patches | None = None

    @property
    def weights(self) -> tuple[int, int]:
        """The shape of the layer's matrix."""
        if self.reads is None or self.writes is None:
            return math.prod(self.input_shape), math.prod(self.output_shape)
        rows = self.reads.kernel_size**2 * self.input_shape[-1]
        columns = self.writes.kernel_size**2 * self.output_shape[-1]
        return rows, columns

    @property
    def parameters(self) -> int:
        """How many weights and biases the layer has."""
        return math.prod(self.weights) + self.biases


def layer_shapes(model_config: ModelConfig, image_shape: Sequence[int]) -> list[LayerShape]:
    """List every layer of a VAE, in the order of the parameter array.

    Where the decoder's convolutions begin, a linear layer makes the small image that they read. It
    is in the list as "decoder_image", and not in the configuration.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels).

    Raises
    ------
    ConfigError
        If the layers do not fit one another or the image. It is one sentence, which begins with a
        key path.
    """
    latent = (model_config.latent_dim,)
    encoder = _encoder_shapes(model_config.encoder_layers, tuple(image_shape))
    return [
        *encoder,
        _dense("mean", "linear", encoder[-1].output_shape, latent),
        _dense("log_variance", "linear", encoder[-1].output_shape, latent),
        *_decoder_shapes(model_config, tuple(image_shape)),
    ]


def count_parameters(model_config: ModelConfig, image_shape: Sequence[int]) -> int:
    """Count the weights and biases that a VAE would have.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels).
    """
    return sum(shape.parameters for shape in layer_shapes(model_config, image_shape))


def _encoder_shapes(layers: Sequence[AnyLayer], image_shape: Shape) -> list[LayerShape]:
    """The encoder's layers: convolutions, each of which makes the image smaller, then units."""
    shapes = []
    input_shape = image_shape
    for index, layer in enumerate(layers):
        name = f"encoder_{index + 1}"
        if hasattr(layer, "units"):
            shape = _dense(name, layer.activation, input_shape, (layer.units,))
        else:
            key = f"model.encoder_layers[{index}]"
            if len(input_shape) == 1:
                raise ConfigError(
                    f"{key} has filters after a layer with units; allowed in an encoder are "
                    "filters first, then units."
                )
            patches = _patches(layer, key)
            height, width, _ = input_shape
            if height % patches.strides or width % patches.strides:
                raise ConfigError(
                    f"{key}.strides is {patches.strides}; allowed is a divisor of the height and "
                    f"the width of what the layer reads, {height}×{width}."
                )
            output_shape = (height // patches.strides, width // patches.strides, layer.filters)
            shape = LayerShape(
                name, layer.activation, input_shape, output_shape, layer.filters, patches, PIXELS
            )
        shapes.append(shape)
        input_shape = shape.output_shape
    return shapes


def _decoder_shapes(model_config: ModelConfig, image_shape: Shape) -> list[LayerShape]:
    """The decoder's layers: units, then transposed convolutions, then the output layer."""
    shapes: list[LayerShape] = []
    input_shape: Shape = (model_config.latent_dim,)
    layers = model_config.decoder_layers
    for index, layer in enumerate(layers):
        name = f"decoder_{index + 1}"
        if hasattr(layer, "units"):
            if len(input_shape) > 1:
                raise ConfigError(
                    f"model.decoder_layers[{index}] has units after a layer with filters; allowed "
                    "in a decoder are units first, then filters."
                )
            shape = _dense(name, layer.activation, input_shape, (layer.units,))
        else:
            patches = _patches(layer, f"model.decoder_layers[{index}]")
            if len(input_shape) == 1:
                first_image = _first_image(layers[index:], image_shape)
                shapes.append(_dense("decoder_image", "linear", input_shape, first_image))
                input_shape = first_image
            height, width, _ = input_shape
            output_shape = (height * patches.strides, width * patches.strides, layer.filters)
            shape = LayerShape(
                name, layer.activation, input_shape, output_shape, layer.filters, PIXELS, patches
            )
        shapes.append(shape)
        input_shape = shape.output_shape

    kernel_size = model_config.output_kernel_size
    if len(input_shape) > 1:
        # Each pixel has its own bias, so that an untrained model can show the mean image.
        biases = math.prod(image_shape)
        output = LayerShape(
            *("output", "linear", input_shape, image_shape, biases),
            *(PIXELS, Patches(kernel_size, strides=1)),
        )
    elif kernel_size > 1:
        raise ConfigError(
            f"model.output_kernel_size is {kernel_size}; allowed is 1 where the decoder's last "
            "layer has units."
        )
    else:
        output = _dense("output", "linear", input_shape, (math.prod(image_shape),))
    return [*shapes, output]


def _dense(name: str, activation: str, input_shape: Shape, output_shape: Shape) -> LayerShape:
    """A dense layer: to it, all numbers of its input are alike."""
    inputs = (math.prod(input_shape),)
    return LayerShape(name, activation, inputs, output_shape, math.prod(output_shape))


def _patches(layer: ConvolutionConfig, key: str) -> Patches:
    """The patches of a layer, after a check that the border is as wide on all sides of an image.

    A border of (kernel_size - strides) / 2 pixels makes an image smaller, or larger, by exactly the
    factor `strides`.
    """
    patches = Patches(layer.kernel_size, layer.strides)
    wider = patches.kernel_size - patches.strides
    if wider < 0 or wider % 2:
        raise ConfigError(
            f"{key}.kernel_size is {patches.kernel_size}; allowed is strides, {patches.strides}, "
            "or an even number more."
        )
    return patches


def _first_image(layers: Sequence[AnyLayer], image_shape: Shape) -> Shape:
    """The shape of the small image that the decoder's convolutions start from.

    It has as many channels as the first of them has filters.
    """
    convolutions = [layer for layer in layers if not hasattr(layer, "units")]
    height, width, _ = image_shape
    factor = math.prod(layer.strides for layer in convolutions)
    if height % factor or width % factor:
        raise ConfigError(
            f"model.decoder_layers have strides whose product is {factor}; allowed is a divisor of "
            f"the image's height and width, {height}×{width}."
        )
    return height // factor, width // factor, convolutions[0].filters
