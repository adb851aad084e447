"""Read a configuration from a file, complete it with the defaults, and check it.

A key is one field of a class in this file: its name, type, default, bounds and description.
`tools/write_docs.py` makes the schema for editors and docs/configuration.md from it.
"""

from __future__ import annotations

import dataclasses
import json
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict, Tag, model_validator
from pydantic.dataclasses import dataclass

from vae_nb.core.architecture import layer_shapes
from vae_nb.data.json_file import parse_json, read_json
from vae_nb.data.schema import (
    Error,
    Integer,
    Number,
    Section,
    Text,
    by_keys,
    key_text,
    keys,
    nearest_key,
    sentences,
    shown,
    unknown_key,
    validated,
)
from vae_nb.system.errors import ConfigError


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Folder = Annotated[Text, Field(min_length=1, pattern=r"^[^\x00]*$")]
FolderList = Annotated[list[Folder], Field(min_length=1)]
Folders = Annotated[
    tuple[Folder, ...],
    Strict(),
    Field(min_length=1),
    BeforeValidator(_as_tuple, json_schema_input_type=Folder | FolderList),
]
Side = Annotated[Integer, Field(ge=4, le=1024)]
Activation = Literal["linear", "relu", "tanh", "sigmoid", "softplus", "cosh", "silu", "leaky_relu"]


@dataclass(frozen=True)
class DataConfig(Section):
    """The images: their folders, the shape they are brought to, and their batches."""

    input_dir: Folders = Field(
        default=("input/emojis",),
        description="A folder of images, or a list of folders. They are searched recursively. "
        "A relative path starts at the project's root.",
        json_schema_extra={"errorMessage": "a folder, or a list of at least one folder"},
    )
    input_size: Annotated[tuple[Side, Side], Strict()] = Field(
        default=(64, 64),
        title="[height, width]",
        description="Height and width of every image, in pixels. Larger and smaller ones are "
        "resized and padded.",
    )
    channels: Literal[1, 3] = Field(default=3, description="3 for RGB, 1 for gray.")
    batch_size: Integer = Field(default=16, ge=1, le=65536, description="Images per training step.")
    validation_split: Number = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="Fraction of the images that is held out from training.",
    )
    split_by: Literal["picture", "name"] = Field(
        default="picture",
        description="What is held out as a whole: a picture, or all pictures of one name. With "
        "name, no drawing of a held-out emoji is trained on, in whatever style.",
    )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return (*self.input_size, self.channels)


@dataclass(frozen=True)
class LayerConfig(Section):
    """One dense layer."""

    units: Integer = Field(ge=1, le=65536, description="Number of units of the layer.")
    activation: Activation = Field(description="The layer's activation function.")


@dataclass(frozen=True)
class ConvolutionConfig(Section):
    """One convolution; in the decoder, one transposed convolution."""

    filters: Integer = Field(
        ge=1, le=65536, description="Number of channels of what the layer makes."
    )
    kernel_size: Integer = Field(
        ge=1,
        le=64,
        description="Side of the patches that the layer reads, or writes in the decoder, in "
        "pixels: strides, or an even number more.",
    )
    strides: Integer = Field(
        ge=1,
        le=64,
        description="Distance between two patches, in pixels: the layer makes an image smaller, or "
        "larger in the decoder, by this factor.",
    )
    activation: Activation = Field(description="The layer's activation function.")


AnyLayer = Annotated[LayerConfig, Tag("0")] | Annotated[ConvolutionConfig, Tag("1")]
Layers = Annotated[
    tuple[Annotated[AnyLayer, by_keys(LayerConfig, ConvolutionConfig)], ...],
    Strict(),
    Field(min_length=1, max_length=32),
]


@dataclass(frozen=True)
class ModelConfig(Section):
    """The architecture: hidden layers on both sides of the latent space."""

    latent_dim: Integer = Field(
        default=16, ge=1, le=4096, description="Number of latent dimensions."
    )
    encoder_layers: Layers = Field(
        default=(LayerConfig(512, "relu"), LayerConfig(256, "relu"), LayerConfig(128, "relu")),
        description="The encoder's hidden layers, from the image to the latent heads.",
    )
    decoder_layers: Layers = Field(
        default=(LayerConfig(128, "relu"), LayerConfig(256, "relu"), LayerConfig(512, "cosh")),
        description="The decoder's hidden layers, from the latent space to the logits. If they "
        "are left out beside a given encoder, the decoder is that encoder mirrored.",
    )
    output_kernel_size: Literal[1, 3] = Field(
        default=1,
        description="Side of the patch of the image that each pixel of the decoder's last "
        "convolution adds to, in pixels. 3 smooths the seams between patches.",
    )

    @model_validator(mode="before")
    @classmethod
    def _mirror_the_encoder(cls, values: Any) -> Any:
        """Complete an encoder without a decoder."""
        if isinstance(values, dict) and "decoder_layers" not in values:
            encoder = values.get("encoder_layers")
            if isinstance(encoder, list | tuple):
                return {**values, "decoder_layers": encoder[::-1]}
        return values


@dataclass(frozen=True)
class OptimizerConfig(Section):
    """The optimizer. With sgd, `beta1` is the momentum, and the other values are not used."""

    type: Literal["adam", "sgd"] = Field(
        default="adam", description="adam, or sgd with momentum (see beta1)."
    )
    beta1: Number = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Adam's decay of the mean of the gradients; with sgd it is the momentum.",
    )
    beta2: Number = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="Adam's decay of the mean of the squared gradients; sgd does not use it.",
    )
    epsilon: Number = Field(
        default=1e-8,
        ge=1e-30,  # a much smaller number is 0 in float32
        description="Added to Adam's denominator; sgd does not use it.",
    )


@dataclass(frozen=True)
class TrainingConfig(Section):
    """The training loop."""

    epochs: Integer = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="Maximum number of passes over the training set. Early stopping may end the "
        "training sooner.",
    )
    learning_rate: Number = Field(
        default=0.001,
        gt=0,
        le=10,
        description="The highest learning rate; the schedule starts and may end below it.",
    )
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig)
    kl_weight: Number = Field(
        default=1,
        ge=0,
        description="Weight of the KL divergence in the loss; with 1, the loss is the negative "
        "ELBO.",
    )
    kl_warmup: Number = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Fraction of the training steps over which the KL weight rises from 0.",
    )
    learning_rate_schedule: Literal["cosine", "constant"] = Field(
        default="cosine",
        description="What happens to the learning rate after warmup_steps: it falls to 0 along a "
        "cosine, or stays constant.",
    )
    warmup_steps: Integer = Field(
        default=100,
        ge=0,
        le=1_000_000_000,
        description="Number of training steps over which the learning rate rises from 0.",
    )
    gradient_clip_norm: Number | None = Field(
        default=50,
        gt=0,
        description="The maximum norm of the gradient. A gradient with a larger norm is scaled "
        "down. null: no maximum.",
    )
    weight_decay: Number = Field(
        default=0,
        ge=0,
        le=1,
        description="How much each step shrinks all parameters: this fraction of the learning rate "
        "(AdamW). 0: not at all.",
    )
    augmentation: Number = Field(
        default=0,
        ge=0,
        le=1,
        description="Probability that a training image is mirrored, and also that it is shifted "
        "by up to a pixel, each time that it is drawn. The training loss is that of the changed "
        "images. 0: never.",
    )
    early_stopping_patience: Integer | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="The training ends after this number of epochs without a lower held-out "
        "loss; epochs of the KL warm-up do not count. null: never.",
    )
    checkpoint_seconds: Number = Field(
        default=30,
        ge=0,
        description="Seconds between two checkpoints. 0: a checkpoint after every epoch.",
    )
    seed: Integer = Field(
        default=0, ge=0, le=2**32 - 1, description="The seed of all random numbers."
    )


@dataclass(frozen=True)
class Config(Section):
    """A configuration of the emoji VAE. Every key may be left out; it then has its default."""

    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, which `config_from_dict` reads."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def differences(self, other: Config) -> list[str]:
        """Return the dotted key paths whose values differ, in the order of the schema.

        A list counts as one value.
        """
        return [key for key in config_keys() if attrgetter(key)(self) != attrgetter(key)(other)]


def config_keys() -> list[str]:
    """Return the dotted key path of every value of a configuration, in the order of the schema.

    A list of layers counts as one value.
    """
    return [
        key
        for key, schema in keys(Config).items()
        if key != "$schema" and "properties" not in schema
    ]


def load_config(path: str | Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """Read a configuration file and complete it with the defaults.

    Parameters
    ----------
    path : str or Path, optional
        A JSON file, in which `//` comments and trailing commas are allowed. A relative path starts
        at the project's root. Without a path, the configuration has the defaults alone.
    overrides : dict, optional
        Dotted key paths ("training.epochs") and the values that replace those of the file. If
        there is an encoder but no decoder in it, the decoder becomes the encoder mirrored.

    Raises
    ------
    ConfigError
        If the file cannot be read, or anything in it or in the overrides is not allowed. The
        message has one line for each error; the attribute `errors` is the list of these lines.
    """
    if path is None:
        return config_from_dict({}, "the defaults", overrides)
    return config_from_dict(read_json(path), path, overrides)


def config_from_dict(
    values: Any,
    source: str | Path = "the configuration",
    overrides: dict[str, Any] | None = None,
) -> Config:
    """Make a configuration from plain values, completed with the defaults.

    Parameters
    ----------
    values : dict
        Values as `Config.to_dict` returns them; any of them may be left out.
    source : str or Path
        The name of the place that the values come from, for the error messages.
    overrides : dict, optional
        See `load_config`.

    Raises
    ------
    ConfigError
        If anything is not allowed. The message has one line for each error.
    """
    if overrides is None:
        overrides = {}
    if not isinstance(overrides, dict):
        raise ConfigError(f"overrides is {shown(overrides)}; allowed is an object of key paths.")
    known_paths = list(keys(Config))
    errors: list[Error] = []
    for path, value in overrides.items():
        if path in known_paths:
            values = _replaced(values, path, value)
        else:
            errors.append(_unknown_override(path, known_paths))
    if "model.encoder_layers" in overrides and "model.decoder_layers" not in overrides:
        values = _without_decoder(values)
    config = validated(Config, values, source, overrides, errors)
    try:
        layer_shapes(config.model, config.data.image_shape)
    except ConfigError as error:
        path, _, what = str(error).partition(" ")
        raise ConfigError(*sentences([(path, what)], source, overrides)) from None
    return config


def parse_override(text: str) -> tuple[str, Any]:
    """Split a `key=value` from the command line.

    Parameters
    ----------
    text : str
        The value is read as JSON5. If it is not JSON5, it is a string without quotes.

    Returns
    -------
    (str, object)
        The dotted key path and the value: an item for the overrides of `load_config`.

    Raises
    ------
    ConfigError
        If there is no "=", or nothing before it.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        hint = "allowed is key=value."
        name, _, written = text.strip().partition(" ")
        if name in keys(Config):
            hint = f"did you mean {name}={written.strip() or 'VALUE'}?"
        raise ConfigError(f"{shown(text)} is not an override; {hint}")
    try:
        return key, parse_json(value)
    except (ValueError, RecursionError):
        return key, value


def _unknown_override(path: Any, known_paths: list[str]) -> Error:
    text = key_text(path)
    section = text.partition(".")[0]
    names = [known for known in known_paths if known.startswith(f"{section}.")]
    if not names:
        names = [known for known in known_paths if "." not in known]
    return text, unknown_key(nearest_key(text, known_paths), names)


def _replaced(values: Any, path: str, value: Any) -> Any:
    """Return a copy of the values with a new one at a key path."""
    if not isinstance(values, dict):
        return values  # it is not allowed, and will be refused
    key, _, rest = path.partition(".")
    if rest:
        value = _replaced(values.get(key, {}), rest, value)
    return {**values, key: value}


def _without_decoder(values: Any) -> Any:
    """Return a copy of the values without a decoder: the file's belongs to the file's encoder."""
    if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
        return values
    model = {key: layers for key, layers in values["model"].items() if key != "decoder_layers"}
    return {**values, "model": model}
