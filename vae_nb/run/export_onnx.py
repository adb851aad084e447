"""Writes the encoder and the decoder as ONNX files, which many tools and languages can run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vae_nb.core.convolution import PIXELS, Convolution
from vae_nb.core.layers import LEAK, Dense
from vae_nb.core.model import LOG_VARIANCE_BOUND, VAE
from vae_nb.run.attribution import attribution
from vae_nb.run.trained_run import TrainedRun
from vae_nb.system.errors import FilesError
from vae_nb.system.files import atomic_path
from vae_nb.system.paths import from_project_root

if TYPE_CHECKING:
    import onnx

# Runtimes since 2022 know these versions of ONNX's operators and of its files.
OPERATORS_VERSION = 17
FILE_VERSION = 8

MAX_BYTES = 2**31 - 1  # of an ONNX file whose weights are in it
SIMPLE_ACTIVATIONS = {  # those that are an operator without parameters
    "relu": "Relu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "cosh": "Cosh",
}


def export_onnx(run: TrainedRun, path: str | Path) -> list[Path]:
    """Write the encoder and the decoder of a trained model as two ONNX files.

    A tool runs an ONNX graph as a whole, with all of its inputs. Encoder and decoder are used apart
    from each other, so each is a file of its own:

    - The encoder's input is "images", of shape (batch, height, width, channels), in [0, 1]. Its
      outputs are "mean" and "log_variance", of shape (batch, latent). It subtracts the mean image.
    - The decoder's input is "z", of shape (batch, latent). Its output is "images".

    All numbers are float32, and a batch may have any size. The files say what the pixels mean, and
    what the licenses of the project's own drawings ask to be said.

    Parameters
    ----------
    path : str or Path
        For `model.onnx`, the files are `model_encoder.onnx` and `model_decoder.onnx`. A relative
        path starts at the project's root.

    Returns
    -------
    list of Path
        The encoder's file and the decoder's.

    Raises
    ------
    FilesError
        If the package onnx is not installed, a file would be larger than 2 GB, or it cannot be
        written.
    """
    paths = onnx_paths(from_project_root(path))
    models = [_encoder_model(run), _decoder_model(run)]
    for model, path in zip(models, paths, strict=True):
        size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
        if size > MAX_BYTES:
            raise FilesError(
                f"Cannot write {path}: its weights take {size / 1e9:.1f} GB; allowed in an ONNX "
                f"file are less than {MAX_BYTES / 1e9:.1f} GB."
            )
    encoder, decoder = (model.SerializeToString() for model in models)
    with atomic_path(paths[0]) as encoder_part, atomic_path(paths[1]) as decoder_part:
        # Earlier files are replaced when both new ones are complete.
        encoder_part.write_bytes(encoder)
        decoder_part.write_bytes(decoder)
    return paths


def onnx_paths(path: Path) -> list[Path]:
    """Return the names of the encoder's file and of the decoder's."""
    return [path.with_stem(f"{path.stem}_{part}") for part in ("encoder", "decoder")]


def import_onnx() -> ModuleType:
    """Import the package onnx.

    Raises
    ------
    FilesError
        If it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise FilesError(
            "The package onnx is not installed; to export encoder and decoder: "
            "pip install -e '.[onnx]'"
        ) from None
    return onnx


class _Tensor(NamedTuple):
    """What goes from one layer to the next.

    Attributes
    ----------
    name : str
    image_shape : tuple of int or None
        (height, width, channels) if these are images, whose channels come first, as ONNX's
        convolutions want it. None if all numbers of an image are in one row.
    """

    name: str
    image_shape: tuple[int, ...] | None = None


class _Graph:
    """Nodes of an ONNX graph and their constants, in the order in which they are added."""

    def __init__(self) -> None:
        self.onnx = import_onnx()
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, values: NDArray) -> str:
        """Add a constant, and return its name."""
        self.constants[name] = self.onnx.numpy_helper.from_array(values, name)
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        node = self.onnx.helper.make_node(operator, inputs, [output], output, **attributes)
        self.nodes.append(node)
        return output

    def reshape(self, name: str, shape: tuple[int, ...]) -> str:
        """Give each image of a batch another shape."""
        sizes = [0, *shape]  # 0 stands for the size that is there: the batch may have any
        shape_name = "shape_" + "_".join(map(str, shape))
        constant = self.constant(shape_name, np.array(sizes, np.int64))
        return self.add("Reshape", name, constant)

    def as_rows(self, tensor: _Tensor) -> _Tensor:
        """Put all numbers of an image in one row, as they are in NumPy."""
        if tensor.image_shape is None:
            return tensor
        name = self.add("Transpose", tensor.name, perm=[0, 2, 3, 1])
        return _Tensor(self.reshape(name, (math.prod(tensor.image_shape),)))

    def as_images(self, tensor: _Tensor, shape: tuple[int, ...]) -> _Tensor:
        """Make images of rows."""
        if tensor.image_shape is not None:
            return tensor
        name = self.reshape(tensor.name, shape)
        return _Tensor(self.add("Transpose", name, perm=[0, 3, 1, 2]), shape)

    def layer(self, name: str, layer: Dense | Convolution, x: _Tensor) -> _Tensor:
        """Add a layer of the model."""
        if isinstance(layer, Convolution):
            a = self._convolution(name, layer, self.as_images(x, layer.input_shape))
        else:
            weights = self.constant(f"{name}.weights", _float32(layer.weights))
            biases = self.constant(f"{name}.biases", _float32(layer.biases))
            a = _Tensor(self.add("Gemm", self.as_rows(x).name, weights, biases))
        return a._replace(name=self._activation(layer.activation_name, a.name))

    def _convolution(self, name: str, layer: Convolution, x: _Tensor) -> _Tensor:
        """Add a convolution or a transposed one, without its activation."""
        channels_in, channels_out = layer.input_shape[-1], layer.output_shape[-1]
        if layer.writes == PIXELS:
            operator, patches = "Conv", layer.reads
            side = patches.kernel_size
            kernel = layer.weights.reshape(side, side, channels_in, channels_out)
            kernel = kernel.transpose(3, 2, 0, 1)
        else:
            operator, patches = "ConvTranspose", layer.writes
            side = patches.kernel_size
            kernel = layer.weights.reshape(channels_in, side, side, channels_out)
            kernel = kernel.transpose(0, 3, 1, 2)
        written = self.add(
            operator,
            x.name,
            self.constant(f"{name}.weights", _float32(kernel)),
            kernel_shape=[side, side],
            strides=[patches.strides] * 2,
            pads=[patches.border] * 4,
        )
        # One bias for each channel, or one for each number of an image.
        each = (1, 1, channels_out) if layer.biases.size == channels_out else layer.output_shape
        biases = layer.biases.reshape(each).transpose(2, 0, 1)
        constant = self.constant(f"{name}.biases", _float32(biases))
        return _Tensor(self.add("Add", written, constant), layer.output_shape)

    def _activation(self, activation: str, a: str) -> str:
        """Add an activation, and return the name of its output."""
        if activation == "linear":
            return a
        if activation == "silu":
            return self.add("Mul", a, self.add("Sigmoid", a))
        if activation == "leaky_relu":
            return self.add("LeakyRelu", a, alpha=LEAK)
        return self.add(SIMPLE_ACTIVATIONS[activation], a)

    def as_model(
        self,
        run: TrainedRun,
        name: str,
        inputs: Mapping[str, tuple[int, ...]],
        outputs: Mapping[str, tuple[int, ...]],
    ) -> onnx.ModelProto:
        """Make a model of the graph.

        Parameters
        ----------
        inputs, outputs : dict of str to tuple of int
            The shape for one image, by the tensor's name.
        """
        helper = self.onnx.helper
        meanings = _meanings(run.vae)

        def described(shapes: Mapping[str, tuple[int, ...]]) -> list[onnx.ValueInfoProto]:
            number = self.onnx.TensorProto.FLOAT
            return [
                helper.make_tensor_value_info(tensor, number, ["batch", *shape], meanings[tensor])
                for tensor, shape in shapes.items()
            ]

        graph = helper.make_graph(
            self.nodes,
            name,
            described(inputs),
            described(outputs),
            list(self.constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPERATORS_VERSION)],
            ir_version=FILE_VERSION,
            producer_name="emoji-vae-notebooks",
            producer_version=version("emoji-vae-notebooks"),
            doc_string=f"The {name} of a variational autoencoder of pictures.",
        )
        facts = {tensor: meanings[tensor] for tensor in (*inputs, *outputs)}
        facts["image_shape"] = json.dumps(run.vae.image_shape)
        facts["latent_dim"] = json.dumps(run.vae.latent_dim)
        said = attribution(run.config.data.input_dir)
        helper.set_model_props(model, facts | ({"training_pictures": said} if said else {}))
        return model


def _meanings(vae: VAE) -> dict[str, str]:
    """Say what is in each input and output."""
    colors = {1: "gray", 3: "red, green, blue"}[vae.image_shape[-1]]
    return {
        "images": f"(batch, height, width, channels), channels: {colors}; each in [0, 1], 1 is "
        "white; rows from top to bottom",
        "mean": "(batch, latent), the means of the posteriors",
        "log_variance": "(batch, latent), the logarithms of the posteriors' variances",
        "z": "(batch, latent), latent vectors: draws from N(0, 1), or means of posteriors",
    }


def _encoder_model(run: TrainedRun) -> onnx.ModelProto:
    vae, graph = run.vae, _Graph()
    mean_image = graph.constant("mean_image", _float32(vae.mean_image.reshape(vae.image_shape)))
    centered = graph.add("Sub", "images", mean_image)
    hidden = _Tensor(graph.reshape(centered, (math.prod(vae.image_shape),)))
    for name, layer in vae.layers.items():
        if layer in vae.encoder:
            hidden = graph.layer(name, layer, hidden)
    mean = graph.layer("mean", vae.mean_head, hidden)
    log_variance = graph.layer("log_variance", vae.log_variance_head, hidden)
    graph.add("Identity", mean.name, output="mean")
    bounds = {"lowest": -LOG_VARIANCE_BOUND, "highest": LOG_VARIANCE_BOUND}
    names = [graph.constant(name, np.array(bound, np.float32)) for name, bound in bounds.items()]
    graph.add("Clip", log_variance.name, *names, output="log_variance")
    latent = (vae.latent_dim,)
    outputs = {"mean": latent, "log_variance": latent}
    return graph.as_model(run, "encoder", {"images": vae.image_shape}, outputs)


def _decoder_model(run: TrainedRun) -> onnx.ModelProto:
    vae, graph = run.vae, _Graph()
    hidden = _Tensor("z")
    for name, layer in vae.layers.items():
        if layer in vae.decoder:
            hidden = graph.layer(name, layer, hidden)
    logits = graph.reshape(graph.as_rows(hidden).name, vae.image_shape)
    graph.add("Sigmoid", logits, output="images")
    return graph.as_model(run, "decoder", {"z": (vae.latent_dim,)}, {"images": vae.image_shape})


def _float32(values: NDArray) -> NDArray[np.float32]:
    return values.astype(np.float32)
