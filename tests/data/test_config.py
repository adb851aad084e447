"""The configuration: what is allowed, what is refused and how, and what may be left out."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from vae_nb.data import config as config_module
from vae_nb.data.config import Config, ModelConfig, config_from_dict, load_config, parse_override
from vae_nb.system.errors import ConfigError
from vae_nb.system.paths import PROJECT_ROOT

sys.path.insert(0, str(PROJECT_ROOT / "tools"))

SCHEMA = json.loads((PROJECT_ROOT / "vae_nb" / "config.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
KINDS_OF_LAYERS = SCHEMA["properties"]["model"]["properties"]["encoder_layers"]["items"]["oneOf"]
LAYER, CONVOLUTION = KINDS_OF_LAYERS
CONFIGS = sorted((PROJECT_ROOT / "configs").glob("*.json"))
ACTIVATIONS = ["linear", "relu", "tanh", "sigmoid", "softplus", "cosh", "silu", "leaky_relu"]
RELU_8 = {"units": 8, "activation": "relu"}
PATCHES_8 = {"filters": 8, "kernel_size": 2, "strides": 2, "activation": "silu"}
TANH_4 = {"units": 4, "activation": "tanh"}

ORIGINAL = {
    "data": {"input_size": [64, 64], "channels": 3, "batch_size": 2, "validation_split": 0.2},
    "model": {
        "latent_dim": 16,
        "encoder_layers": [
            {"units": 512, "activation": "relu"},
            {"units": 256, "activation": "relu"},
            {"units": 128, "activation": "relu"},
        ],
        "decoder_layers": [
            {"units": 128, "activation": "relu"},
            {"units": 256, "activation": "relu"},
            {"units": 512, "activation": "cosh"},
        ],
    },
    "training": {
        "epochs": 1000,
        "learning_rate": 0.001,
        "optimizer": {"type": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    },
}

# Key path: (allowed values, refused values). Every number also refuses true and "1".
CASES = {
    "data.input_dir": (["faces", ["faces"], ["a", "b/c"]], ["", [], [""], ["a", 1], 3, "a\0b"]),
    "data.input_size": ([[4, 1024], [48, 32.0]], [[3, 64], [64, 1025], [64], [8, 8, 8], 64]),
    "data.channels": ([1, 3], [0, 2, 4, [3]]),
    "data.batch_size": ([1, 65536, 2.0], [0, -1, 65537, 2.5]),
    "data.validation_split": ([0.001, 0.999], [0, 1, -0.1, 1.5]),
    "data.split_by": (["picture", "name"], ["label", "Name", None]),
    "model.latent_dim": ([1, 4096], [0, 4097, 1.5]),
    "model.encoder_layers": (
        [[RELU_8], [TANH_4] * 32, [PATCHES_8, PATCHES_8, RELU_8]],
        [[], [RELU_8] * 33, {}, "relu", RELU_8],
    ),
    "model.decoder_layers": (
        [[RELU_8], [TANH_4] * 32, [RELU_8, PATCHES_8, PATCHES_8]],
        [[], [RELU_8] * 33, {}, "relu", None],
    ),
    # 3 needs a decoder that ends with a convolution; a test of its own has it.
    "model.output_kernel_size": ([1], [0, 2, 4, [3]]),
    "training.epochs": ([1, 1_000_000], [0, 1_000_001, 10**400]),
    "training.learning_rate": ([1e-9, 10], [0, -1, 10.1]),
    "training.optimizer": ([{}, {"type": "sgd"}], [[], "adam", None]),
    "training.optimizer.type": (["adam", "sgd"], ["Adam", "rmsprop", 1]),
    "training.optimizer.beta1": ([0, 0.999], [-0.1, 1]),
    "training.optimizer.beta2": ([0, 0.999], [-0.1, 1]),
    "training.optimizer.epsilon": ([1e-30, 1], [0, -1e-8, 1e-320]),
    "training.kl_weight": ([0, 10, 0.5], [-0.1, 10**400]),
    "training.kl_warmup": ([0, 1, 0.5], [-0.1, 1.1]),
    "training.learning_rate_schedule": (["cosine", "constant"], ["linear", 3]),
    "training.warmup_steps": ([0, 10**9], [-1, 0.5, 10**9 + 1]),
    "training.gradient_clip_norm": ([None, 50, 0.5], [0, -1]),
    "training.weight_decay": ([0, 0.01, 1], [-0.1, 1.1]),
    "training.augmentation": ([0, 0.25, 1], [-0.1, 1.1]),
    "training.early_stopping_patience": ([None, 1, 1_000_000], [0, 1.5, 1_000_001]),
    "training.checkpoint_seconds": ([0, 0.5, 30], [-1]),
    "training.seed": ([0, 2**32 - 1], [-1, 2**32, 0.5]),
}
SECTIONS = {"data", "model", "training", "training.optimizer"}


def schema_keys(schema=SCHEMA, prefix=""):
    """Yield (dotted key path, subschema) of every key except "$schema" and those of a layer."""
    for key, subschema in schema["properties"].items():
        if key != "$schema":
            yield prefix + key, subschema
            if "properties" in subschema:
                yield from schema_keys(subschema, f"{prefix}{key}.")


def types(schema):
    return {choice["type"] for choice in schema.get("anyOf", [schema])}


def nested(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def looked_up(values, path):
    for key in path.split("."):
        values = values[key]
    return values


def errors_of(values, **arguments):
    with pytest.raises(ConfigError) as caught:
        config_from_dict(values, "config.json", **arguments)
    assert str(caught.value) == "\n".join(caught.value.errors)
    return caught.value.errors


def written(folder, text, name="config.json"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def refusal(folder, text):
    with pytest.raises(ConfigError) as caught:
        load_config(written(folder, text))
    (sentence,) = caught.value.errors
    return sentence


# The schema


def test_schema_is_a_legal_schema_and_accepts_its_own_defaults():
    Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(load_config().to_dict())


def test_the_example_in_the_documentation_is_what_it_says(tmp_path):
    page = (PROJECT_ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    (example,) = re.findall("```json5\n(.*?)```", page, re.DOTALL)
    config = load_config(written(tmp_path, example))
    assert (config.model.latent_dim, config.data.channels) == (12, 1)
    decoder = [(layer.units, layer.activation) for layer in config.model.decoder_layers]
    assert decoder == [(64, "tanh"), (256, "relu")]
    assert errors_of({"training": {"learning_rate": -1}})[0] in page


def test_every_key_has_a_case_a_description_and_an_allowed_message():
    keys = dict(schema_keys())
    assert set(keys) == set(CASES) | SECTIONS
    keys_of_layers = [key for kind in KINDS_OF_LAYERS for key in kind["properties"].items()]
    for key, schema in [*keys.items(), *keys_of_layers]:
        assert schema["description"].endswith("."), key
        assert schema["errorMessage"], key
    assert all(("default" in schema) == (key not in SECTIONS) for key, schema in keys.items())


def test_nothing_unknown_is_let_through_anywhere():
    objects = [SCHEMA, LAYER, CONVOLUTION]
    objects += [schema for _, schema in schema_keys() if "properties" in schema]
    assert len(objects) == 7
    assert all(schema["additionalProperties"] is False for schema in objects)


def test_messages_name_every_choice():
    for kind in KINDS_OF_LAYERS:
        assert kind["properties"]["activation"]["enum"] == ACTIVATIONS
    for key, schema in [*schema_keys(), *LAYER["properties"].items()]:
        for choice in schema.get("enum", []):
            assert json.dumps(choice) in schema["errorMessage"], key


def test_what_is_allowed_is_said_in_words():
    said = {key: schema["errorMessage"] for key, schema in schema_keys()}
    assert said["data.input_dir"] == "a folder, or a list of at least one folder"
    assert said["data.input_size"] == "[height, width], each an integer from 4 to 1024"
    assert said["data.channels"] == "one of 1, 3"
    assert said["data.validation_split"] == "a number above 0, below 1"
    assert said["training.optimizer.beta1"] == "a number of at least 0, below 1"
    assert said["training.optimizer.epsilon"] == "a number of at least 1e-30"
    assert said["training.kl_warmup"] == "a number from 0 to 1"
    assert said["training.gradient_clip_norm"] == "a number above 0 or null"
    assert said["model.encoder_layers"] == (
        'a list of 1 to 32 values, each an object {"units": …, "activation": …} or an object '
        '{"filters": …, "kernel_size": …, "strides": …, "activation": …}'
    )


def test_the_classes_have_the_keys_and_the_defaults_of_the_schema():
    def keys(cls):
        return [field.name for field in dataclasses.fields(cls)]

    properties = SCHEMA["properties"]
    training = properties["training"]["properties"]
    assert keys(Config) == [key for key in properties if key != "$schema"]
    assert keys(config_module.DataConfig) == list(properties["data"]["properties"])
    assert keys(ModelConfig) == list(properties["model"]["properties"])
    assert keys(config_module.TrainingConfig) == list(training)
    assert keys(config_module.OptimizerConfig) == list(training["optimizer"]["properties"])
    assert Config() == load_config()


def test_an_editor_with_the_schema_and_load_config_agree():
    for path, (legal, illegal) in CASES.items():
        for value in legal:
            assert VALIDATOR.is_valid(nested(path, value)), path
        for value in illegal:
            if value != 10**400 or "maximum" in dict(schema_keys())[path]:
                assert not VALIDATOR.is_valid(nested(path, value)), path


# Values


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, (good, _) in CASES.items() for value in good]
)
def test_a_legal_value_is_taken(path, value):
    taken = looked_up(config_from_dict(nested(path, value)).to_dict(), path)
    if path == "data.input_dir":
        value = [value] if isinstance(value, str) else value
    if path == "training.optimizer":
        value = {**load_config().to_dict()["training"]["optimizer"], **value}
    assert taken == value
    assert not isinstance(taken, bool)


ILLEGAL = [(path, value) for path, (_, bad) in CASES.items() for value in bad]
NUMBERS = [
    path
    for path, schema in schema_keys()
    if "properties" not in schema and types(schema) & {"integer", "number"}
]


@pytest.mark.parametrize(
    ("path", "value"),
    ILLEGAL
    + [(path, v) for path in NUMBERS for v in (True, "1", float("nan"), float("inf"), [], {})]
    + [(path, 3) for path in sorted(SECTIONS)],
)
def test_an_illegal_value_is_refused_with_its_path_and_what_is_allowed(path, value):
    (sentence,) = errors_of(nested(path, value))
    assert sentence.startswith(f"config.json: {path} is ")
    assert sentence.endswith(f"; allowed is {dict(schema_keys())[path]['errorMessage']}.")


def test_numbers_are_covered():
    assert len(NUMBERS) > 10


def test_the_sentence_to_the_letter():
    assert errors_of({"training": {"learning_rate": -1}}) == [
        "config.json: training.learning_rate is -1; allowed is a number above 0, at most 10."
    ]
    assert errors_of([1]) == [
        "config.json: the top level is [1]; allowed is an object with the keys data, model and "
        "training."
    ]


@pytest.mark.parametrize("value", [None, True, 3, 1.5, "a", [], [{}]])
def test_a_top_level_that_is_not_an_object_is_refused(value):
    (sentence,) = errors_of(value)
    assert "the top level is " in sentence


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation):
    layers = [{"units": 3, "activation": activation}]
    model = config_from_dict({"model": {"encoder_layers": layers}}).model
    assert model.encoder_layers == (config_module.LayerConfig(3, activation),)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ({"units": 0, "activation": "relu"}, "[1].units is 0; allowed is an integer from 1"),
        ({"units": 65537, "activation": "relu"}, "[1].units is 65537; allowed is an integer"),
        ({"units": True, "activation": "relu"}, "[1].units is true; allowed is an integer"),
        ({"units": 2, "activation": "rleu"}, '[1].activation is "rleu"; allowed is one of "lin'),
        ({"units": 2}, '[1].activation is missing; allowed is one of "linear"'),
        ({"activation": "relu"}, "[1].units is missing; allowed is an integer from 1"),
        ({**RELU_8, "unit": 2}, "[1].unit is not a known key; did you mean model.enco"),
        ({**RELU_8, "zzz": 2}, "[1].zzz is not a known key; the known keys are units, activation."),
        (7, "[1] is 7; allowed is an object {"),
        ({**PATCHES_8, "filters": 0}, "[1].filters is 0; allowed is an integer from 1 to 65536"),
        ({**PATCHES_8, "kernel_size": 2.5}, "[1].kernel_size is 2.5; allowed is an integer from 1"),
        ({**PATCHES_8, "activation": 3}, '[1].activation is 3; allowed is one of "linear", "relu"'),
        ({**PATCHES_8, "stride": 2}, "[1].stride is not a known key; did you mean model.encoder_"),
        ({**PATCHES_8, "units": 8}, "[1].units is not a known key; the known keys are filters, ke"),
        ({**RELU_8, "filters": 8}, "[1].filters is not a known key; the known keys are units, act"),
    ],
)
def test_a_wrong_layer_is_named_by_its_index(layer, sentence):
    (error,) = errors_of({"model": {"encoder_layers": [RELU_8, layer, RELU_8]}})
    assert error.startswith(f"config.json: model.encoder_layers{sentence}")


def convolution(kernel_size, strides):
    return {**PATCHES_8, "kernel_size": kernel_size, "strides": strides}


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            {"encoder_layers": [PATCHES_8, RELU_8, PATCHES_8]},
            "model.encoder_layers[2] has filters after a layer with units; allowed in an encoder "
            "are filters first, then units.",
        ),
        (
            {"decoder_layers": [PATCHES_8, RELU_8]},
            "model.decoder_layers[1] has units after a layer with filters; allowed in a decoder "
            "are units first, then filters.",
        ),
        (
            {"encoder_layers": [PATCHES_8] * 5, "decoder_layers": [RELU_8]},
            "model.encoder_layers[4].strides is 2; allowed is a divisor of the height and the "
            "width of what the layer reads, 3×2.",
        ),
        (
            {"decoder_layers": [PATCHES_8] * 5},
            "model.decoder_layers have strides whose product is 32; allowed is a divisor of the "
            "image's height and width, 48×32.",
        ),
        (
            {"encoder_layers": [convolution(3, 2)]},
            "model.encoder_layers[0].kernel_size is 3; allowed is strides, 2, or an even number "
            "more.",
        ),
        (
            {"decoder_layers": [RELU_8, convolution(1, 2)]},
            "model.decoder_layers[1].kernel_size is 1; allowed is strides, 2, or an even number "
            "more.",
        ),
        (
            {"output_kernel_size": 3},
            "model.output_kernel_size is 3; allowed is 1 where the decoder's last layer has units.",
        ),
    ],
)
def test_layers_that_do_not_fit_get_a_sentence(model, sentence):
    values = {"data": {"input_size": [48, 32]}, "model": model}
    assert errors_of(values) == [f"config.json: {sentence}"]


def test_a_layer_from_an_override_that_does_not_fit_is_told_there():
    overrides = {"model.encoder_layers": [convolution(1, 2)]}
    (error,) = errors_of({}, overrides=overrides)
    assert error.startswith("overrides: model.encoder_layers[0].kernel_size is 1")


def test_a_convolutional_encoder_is_mirrored():
    layers = [PATCHES_8, convolution(4, 4), TANH_4]
    model = config_from_dict({"model": {"encoder_layers": layers, "output_kernel_size": 3}}).model
    assert [dataclasses.asdict(layer) for layer in model.decoder_layers] == layers[::-1]
    assert config_from_dict({"model": dataclasses.asdict(model)}).model == model


def test_a_wrong_layer_s_key_gets_the_neighbor_in_the_same_layer():
    (error,) = errors_of({"model": {"decoder_layers": [{**RELU_8, "unit": 2}]}})
    assert error.endswith("did you mean model.decoder_layers[0].units?")


def test_all_errors_at_once_in_one_line_each():
    errors = errors_of(
        {
            "latent_dim": 3,
            "data": {"channels": 2, "batch_size": 0},
            "model": {"encoder_layers": [{"units": 0, "activation": "x"}, RELU_8, {"units": 2}]},
            "training": {"optimizer": {"beta1": 1, "beta": 0}, "seed": -1},
        }
    )
    assert [error.removeprefix("config.json: ").split(" is ")[0] for error in errors] == [
        "latent_dim",
        "data.channels",
        "data.batch_size",
        "model.encoder_layers[0].units",
        "model.encoder_layers[0].activation",
        "model.encoder_layers[2].activation",
        "training.optimizer.beta",
        "training.optimizer.beta1",
        "training.seed",
    ]


def test_integers_may_be_written_as_floats_and_numbers_as_integers():
    config = config_from_dict(
        {
            "data": {"batch_size": 16.0, "input_size": [64.0, 32.0], "channels": 1.0},
            "model": {"encoder_layers": [{"units": 8.0, "activation": "relu"}]},
            "training": {"kl_weight": 2, "early_stopping_patience": 3.0},
        }
    )
    integers = [
        config.data.batch_size,
        config.data.channels,
        *config.data.input_size,
        config.model.encoder_layers[0].units,
        config.training.early_stopping_patience,
    ]
    assert [type(value) for value in integers] == [int] * 6
    assert type(config.training.kl_weight) is float


def test_a_long_value_is_shortened():
    (error,) = errors_of({"training": {"seed": "x" * 5000}})
    shown = error.removeprefix("config.json: training.seed is ").split(";")[0]
    assert 50 < len(shown) <= 60
    assert shown.endswith("…")


def test_values_that_are_not_json_are_refused_too():
    cycle = []
    cycle.append(cycle)
    for value in (cycle, {1, 2}, 10**5000, b"x", {(1, 2): 3}):
        (error,) = errors_of({"training": {"seed": value}})
        assert error.startswith("config.json: training.seed is ")


@pytest.mark.parametrize(
    ("key", "shown"), [(None, "null"), (True, "true"), (3, "3"), ((1, 2), "[1, 2]")]
)
def test_a_key_that_is_not_text_is_refused_too(key, shown):
    (error,) = errors_of({key: 1})
    assert error.startswith(f"config.json: {shown} is not a known key; ")


def test_unprintable_text_makes_a_printable_line():
    (error,) = errors_of({"a\nb\ud800": 1})
    assert "\n" not in error
    error.encode("utf-8")


# Unknown keys


@pytest.mark.parametrize(
    ("values", "found", "nearest"),
    [
        ({"model": {"latent_dims": 3}}, "model.latent_dims", "model.latent_dim"),
        ({"latent_dim": 3}, "latent_dim", "model.latent_dim"),
        ({"epochs": 3}, "epochs", "training.epochs"),
        ({"model": {"epochs": 3}}, "model.epochs", "training.epochs"),
        ({"training": {"beta1": 0.5}}, "training.beta1", "training.optimizer.beta1"),
        ({"training": {"learningRate": 1}}, "training.learningRate", "training.learning_rate"),
        ({"train": {}}, "train", "training"),
        ({"training": {"SEED": 1}}, "training.SEED", "training.seed"),
        ({"schema": ""}, "schema", "$schema"),
    ],
)
def test_an_unknown_key_gets_its_nearest_neighbor(values, found, nearest):
    assert errors_of(values) == [
        f"config.json: {found} is not a known key; did you mean {nearest}?"
    ]


@pytest.mark.parametrize(
    ("values", "found", "nested"),
    [
        ({"training.epochs": 3}, '"training.epochs"', '{"training": {"epochs": …}}'),
        ({"training.epoch": 3}, '"training.epoch"', '{"training": {"epochs": …}}'),
        (
            {"training": {"optimizer.beta1": 0}},
            'training."optimizer.beta1"',
            '{"training": {"optimizer": {"beta1": …}}}',
        ),
    ],
)
def test_a_key_path_in_a_file_is_answered_with_nested_objects(values, found, nested):
    assert errors_of(values) == [
        f"config.json: {found} is not a known key; in a file, write {nested}."
    ]


def test_an_unknown_key_without_a_neighbor_gets_the_keys_of_its_section():
    assert errors_of({"model": {"dropout": 0.1}}) == [
        "config.json: model.dropout is not a known key; the known keys are latent_dim, "
        "encoder_layers, decoder_layers, output_kernel_size."
    ]


def test_the_schema_key_is_allowed_at_the_top_as_a_string_only():
    assert config_from_dict({"$schema": "x.json"}) == load_config()
    assert errors_of({"$schema": 3}) == ["config.json: $schema is 3; allowed is a string."]
    (error,) = errors_of({"data": {"$schema": "x.json"}})
    assert error.startswith('config.json: data."$schema" is not a known key')


# What is left out


def test_the_defaults_are_the_schema_s():
    values = load_config().to_dict()
    leaves = {key: schema for key, schema in schema_keys() if key not in SECTIONS}
    for key, schema in leaves.items():
        assert looked_up(values, key) == schema["default"], key


@pytest.mark.parametrize("section", ["data", "model", "training"])
def test_a_partial_file_takes_the_other_defaults(section):
    values = {key: part for key, part in ORIGINAL.items() if key != section}
    config = config_from_dict(values)
    assert getattr(config, section) == getattr(load_config(), section)
    assert config_from_dict({}) == load_config()


def test_a_decoder_left_out_beside_an_encoder_is_the_encoder_mirrored():
    model = config_from_dict({"model": {"encoder_layers": [RELU_8, TANH_4]}}).model
    assert [dataclasses.asdict(layer) for layer in model.decoder_layers] == [TANH_4, RELU_8]


def test_a_decoder_left_out_beside_a_left_out_encoder_is_the_default():
    assert config_from_dict({"model": {"latent_dim": 3}}).model.decoder_layers == (
        load_config().model.decoder_layers
    )


def test_a_decoder_alone_leaves_the_default_encoder():
    model = config_from_dict({"model": {"decoder_layers": [TANH_4]}}).model
    assert model.encoder_layers == load_config().model.encoder_layers
    assert [dataclasses.asdict(layer) for layer in model.decoder_layers] == [TANH_4]


# Files


def test_comments_trailing_commas_and_a_byte_order_mark_are_accepted(tmp_path):
    text = '\ufeff// a comment\n{"training": {"epochs": 7, /* here too */ "seed": 3,},}\n'
    config = load_config(written(tmp_path, text))
    assert (config.training.epochs, config.training.seed) == (7, 3)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"training": {"kl_weight": NaN}}', ["training.kl_weight is NaN", "at least 0"]),
        ('{"training": {"kl_weight": Infinity}}', ["training.kl_weight is Infinity"]),
        ('{"training": {"kl_weight": 1e999}}', ["training.kl_weight is Infinity"]),
        ("", ["is empty", "an object"]),
        (" \n\t", ["is empty"]),
        ("\ufeff", ["is empty"]),
        ("[]", ["the top level is []", "an object"]),
        (b'{"data": {"input_dir": "emoj\xed"}}', ["cannot be read", "UTF-8"]),
        ('{"data": {}}'.encode("utf-16"), ["cannot be read", "UTF-8"]),
        ('{"data": {}}'.encode("utf-16-le"), ["cannot be read", "UTF-8"]),
        ("[" * 100_000, ["nested too deeply"]),
        ('{"training": ' * 10_000, ["nested too deeply"]),
        (
            '{"training": {\n"seed": 1' + "0" * 5000 + "}}",
            ["config.json: line 2 has a number of 5,001 digits, which is too many."],
        ),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, text, parts):
    sentence = refusal(tmp_path, text)
    assert str(tmp_path / "config.json") in sentence
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize(
    ("text", "line", "column", "found", "expected"),
    [
        # a comma, a colon or a bracket is missing or wrong
        ('{\n "data": {}\n  "model": {}\n}', 3, 3, '"model"', '"," or "}"'),
        ('{"data": {}', 1, 12, "the end of the file", '"," or "}"'),
        ('{"data": {"a": [1, 2 3]}}', 1, 22, '"3"', '"," or "]"'),
        ('{"data" {}}', 1, 9, '"{"', '":"'),
        ('{"data": {}, "model"}', 1, 21, '"}"', '":"'),
        ('{"a": {"b": 1, "c": [2}}', 1, 23, '"}"', '"," or "]"'),
        ('{"a": 1,, "b": 2}', 1, 9, '","', 'a key in quotes or "}"'),
        ('{"a": [1,, 2]}', 1, 10, '","', 'a value or "]"'),
        ('{"a": 1;}', 1, 8, '";"', '"," or "}"'),
        ('{"a": 1}}', 1, 9, '"}"', "the end of the file"),
        ("{}\n{}", 2, 1, '"{"', "the end of the file"),
        # a value or a key is missing or wrong
        ('{"a": , "b": 1}', 1, 7, '","', "a value"),
        ('{"a": True}', 1, 7, '"True"', "a value"),
        ('{"a": nul}', 1, 7, '"nul"', "a value"),
        ('{"a": 12x}', 1, 7, '"12x"', "a value"),
        ('{"a": 1,\n 2: 3}', 2, 2, '"2"', 'a key in quotes or "}"'),
        ('{"a": "b', 1, 9, "the end of the file", 'the closing "'),
        ('{"a": "b\nc"}', 1, 9, "the end of the line", 'the closing "'),
        ("{'a': 'b}", 1, 10, "the end of the file", "the closing '"),
        # it is something else
        ("training:\n  epochs: 3\n", 1, 1, '"training"', '"{"'),
        ("---\ntraining:\n", 1, 1, '"---"', '"{"'),
        ("epochs = 3", 1, 1, '"epochs"', '"{"'),
        ("<html></html>", 1, 1, '"<"', '"{"'),
        ("// nothing else", 1, 16, "the end of the file", '"{"'),
    ],
)
def test_a_text_that_is_not_json_is_refused_with_what_is_expected(
    tmp_path, text, line, column, found, expected
):
    path = tmp_path / "config.json"
    assert refusal(tmp_path, text) == (
        f"{path} is not JSON: at line {line}, column {column} is {found}; "
        f"expected there is {expected}."
    )


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ('{"training": {"epochs": 7}, "training": {}}', "training", 1),
        ('{"training": {\n"seed": 1,\n"seed": 2}}', "seed", 3),
        ('{"x": {"seed": 1},\n"y": {"seed": 1,\n// "seed":\n"a": "seed", seed: 2}}', "seed", 4),
    ],
)
def test_a_duplicate_key_is_refused_with_its_line(tmp_path, text, key, line):
    path = tmp_path / "config.json"
    assert refusal(tmp_path, text) == (
        f'{path}: the key "{key}" is twice in an object; the second is in line {line}.'
    )


@pytest.mark.parametrize(
    ("start", "repeated", "end"),
    [
        *(("", part, "") for part in ("/* ", '"\\', '"a" ', "// ", "[", "{a:", ",'")),
        ('{"a": ', "1", ' "b"'),
        ('{"a": ', "// ", '\n, "b": 1}'),
    ],
)
def test_a_wrong_file_of_the_largest_size_is_refused_within_seconds(tmp_path, start, repeated, end):
    times = (2**18 - len(start + end)) // len(repeated)
    began = time.perf_counter()
    assert refusal(tmp_path, start + repeated * times + end)
    assert time.perf_counter() - began < 60


@pytest.mark.slow(8)
def test_many_errors_and_long_keys_make_a_short_message(tmp_path):
    names = {f"key{number}": 1 for number in range(10_000)}
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, json.dumps({"x" * 50_000: 1, **names})))
    errors = caught.value.errors
    assert len(errors) == 21
    assert errors[-1].endswith("there are more errors than these.")
    assert max(map(len, errors)) < 300


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # a hole, which takes no space on the disk
    with pytest.raises(ConfigError, match=r"^.*huge\.json has more than 262,144 bytes, which is"):
        load_config(path)


def test_a_missing_file_is_named_by_its_absolute_path():
    with pytest.raises(ConfigError) as caught:
        load_config("no/such.json")
    assert str(PROJECT_ROOT / "no" / "such.json") in str(caught.value)


@pytest.mark.parametrize("name", ["basics.json", "basic", "Basic.jsn"])
def test_a_misspelled_file_gets_its_neighbor(name):
    with pytest.raises(ConfigError) as caught:
        load_config(f"configs/{name}")
    path = PROJECT_ROOT / "configs" / name
    assert caught.value.errors == [f"there is no file {path}; did you mean configs/basic.json?"]


def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ConfigError, match=r"pipe\.json cannot be read: it is not a regular file"):
        load_config(tmp_path / "pipe.json")


def test_a_long_path_is_shortened(tmp_path):
    for path in ("x" * 5000, "x/" * 2500):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert len(str(caught.value)) < 300
    with pytest.raises(ConfigError) as caught:
        config_from_dict({"a": 1}, "x" * 5000)
    assert len(str(caught.value)) < 300


def test_a_folder_is_not_a_configuration(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize("path", ["a\0b", "~no-such-reader-of-emojis/config.json", "x" * 5000])
def test_an_impossible_path_is_refused(path):
    with pytest.raises(ConfigError, match=r"cannot be read|there is no file"):
        load_config(path)


def test_a_relative_path_starts_at_the_project_s_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("configs/original.json").training.epochs == 1000


# The configurations that come along


def test_original_is_the_historic_default_to_the_letter():
    text = (PROJECT_ROOT / "configs" / "original.json").read_text(encoding="utf-8")
    assert json.loads(text) == ORIGINAL
    values = load_config("configs/original.json").to_dict()
    added = {"input_dir": ["input/emojis"], "split_by": "picture"}
    assert values["data"] == {**added, **ORIGINAL["data"]}
    assert values["model"] == {**ORIGINAL["model"], "output_kernel_size": 1}
    assert values["training"] == {**values["training"], **ORIGINAL["training"]}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_that_come_along_load(path):
    assert isinstance(load_config(path), Config)


def test_all_configurations_come_along():
    names = ["all_emojis", "all_styles", "basic", "convolutional", "deep", "fine_details"]
    names += ["original", "plane", "styles"]
    assert [path.stem for path in CONFIGS] == names


@pytest.mark.parametrize(
    ("name", "latent_dim", "units", "epochs", "learning_rate"),
    [
        ("basic", 8, [128, 64], 300, 0.001),
        ("deep", 16, [512, 256, 128], 500, 0.0001),
        ("fine_details", 32, [1024, 512], 1000, 0.00001),
    ],
)
def test_the_documented_variants(name, latent_dim, units, epochs, learning_rate):
    expected = {
        "model.latent_dim": latent_dim,
        "model.encoder_layers": [{"units": n, "activation": "relu"} for n in units],
        "training.epochs": epochs,
        "training.learning_rate": learning_rate,
    }
    config = load_config(f"configs/{name}.json")
    assert config == load_config(overrides=expected)
    assert [layer.units for layer in config.model.decoder_layers] == units[::-1]


def test_all_emojis_has_both_folders():
    config = load_config("configs/all_emojis.json")
    assert config.data.input_dir == ("input/emojis", "input/more_emojis")


def test_styles_is_the_convolutional_model_on_all_styles_without_a_leak():
    styles = sorted(
        path.parent.name for path in (PROJECT_ROOT / "input/styles").glob("*/LICENSE.txt")
    )
    config = load_config("configs/styles.json")
    assert config.data.input_dir == ("input/emojis", *(f"input/styles/{style}" for style in styles))
    assert config.data.split_by == "name"
    convolutional = load_config("configs/convolutional.json")
    assert config.model.encoder_layers == convolutional.model.encoder_layers
    assert config.model.decoder_layers == convolutional.model.decoder_layers


# Overrides


def test_overrides_replace_what_the_file_says_and_leave_the_rest(tmp_path):
    path = written(tmp_path, '{"training": {"epochs": 7, "optimizer": {"type": "sgd"}}}')
    overrides = {
        "training.epochs": 20,
        "training.optimizer.beta1": 0.5,
        "model.encoder_layers": [RELU_8, TANH_4],
        "data.input_size": (48, 32),
    }
    config = load_config(path, overrides=overrides)
    assert config.training.epochs == 20
    assert (config.training.optimizer.type, config.training.optimizer.beta1) == ("sgd", 0.5)
    assert [layer.units for layer in config.model.encoder_layers] == [8, 4]
    assert [layer.units for layer in config.model.decoder_layers] == [4, 8]
    assert config.data.input_size == (48, 32)
    assert load_config(path).training.epochs == 7


def test_overrides_leave_the_caller_s_values_alone():
    optimizer = {"type": "sgd"}
    load_config(overrides={"training.optimizer": optimizer, "training.optimizer.beta1": 0.5})
    assert optimizer == {"type": "sgd"}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"training.epochs": 0}, "overrides: training.epochs is 0; allowed is an integer from 1"),
        ({"epochs": 3}, "overrides: epochs is not a known key; did you mean training.epochs?"),
        ({"model.encoder_layers.0.units": 3}, "overrides: model.encoder_layers.0.units is not a"),
        ({"training.optimizer": {"bta1": 0.5}}, "overrides: training.optimizer.bta1 is not a"),
        ({"training": 3, "training.epochs": 3}, "overrides: training is 3; allowed is an object."),
        (
            {1: 2},
            "overrides: 1 is not a known key; the known keys are $schema, data, model, training.",
        ),
        ({"a\nb": 2}, "overrides: a\\nb is not a known key; the known keys are $schema, data, m"),
        ({"": 2}, "overrides: the top level is not a known key"),
        ("training.epochs=3", 'overrides is "training.epochs=3"; allowed is an object'),
        ([], "overrides is []; allowed is an object"),
    ],
)
def test_wrong_overrides_are_distinguished_from_a_wrong_file(overrides, sentence):
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=overrides)
    (error,) = caught.value.errors
    assert error.startswith(sentence)


def test_errors_of_the_file_and_of_the_overrides_come_together(tmp_path):
    path = written(tmp_path, '{"training": {"seed": -1, "epochs": 0}, "data": 3}')
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides={"training.epochs": 5, "training.kl_weight": -1})
    assert [error.split(" is ")[0] for error in caught.value.errors] == [
        f"{path}: data",
        "overrides: training.kl_weight",
        f"{path}: training.seed",
    ]


def test_an_override_into_a_section_that_is_not_one_leaves_the_file_s_error(tmp_path):
    path = written(tmp_path, '{"training": 3}')
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides={"training.epochs": 5})
    assert caught.value.errors == [f"{path}: training is 3; allowed is an object."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training.epochs=20", ("training.epochs", 20)),
        (" training.epochs =20", ("training.epochs", 20)),
        ("training.gradient_clip_norm=null", ("training.gradient_clip_norm", None)),
        ("data.input_size=[48, 32]", ("data.input_size", [48, 32])),
        ("model.decoder_layers=[{units: 2}]", ("model.decoder_layers", [{"units": 2}])),
        ("data.input_dir=input/emojis", ("data.input_dir", "input/emojis")),
        ('data.input_dir="2024"', ("data.input_dir", "2024")),
        ("data.input_dir=a=b", ("data.input_dir", "a=b")),
        ("data.input_dir=", ("data.input_dir", "")),
        ("training.seed=" + "[" * 5000, ("training.seed", "[" * 5000)),
    ],
)
def test_an_override_of_the_command_line(text, expected):
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["", "=", "=3", "  =3", "epochs"])
def test_an_override_without_a_key_or_a_value_is_refused(text):
    with pytest.raises(ConfigError, match="is not an override; allowed is key=value") as caught:
        parse_override(text)
    assert caught.value.errors == [str(caught.value)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("training.epochs 50", "training.epochs=50"),
        ("training.epochs", "training.epochs=VALUE"),
        ("data.input_dir  my faces ", "data.input_dir=my faces"),
    ],
)
def test_an_override_with_a_space_for_the_equals_sign_gets_its_correction(text, meant):
    with pytest.raises(ConfigError) as caught:
        parse_override(text)
    assert caught.value.errors == [f'"{text}" is not an override; did you mean {meant}?']


def test_an_override_s_long_key_is_shortened():
    for key in ("x" * 5000, 10**5000):
        with pytest.raises(ConfigError) as caught:
            load_config(overrides={key: 1})
        assert len(str(caught.value)) < 300


# The configuration as a whole


def test_image_shape_is_height_width_channels():
    config = config_from_dict({"data": {"input_size": [48, 32], "channels": 1}})
    assert config.data.image_shape == (48, 32, 1)


def test_a_configuration_is_frozen_and_hashable():
    config = load_config()
    assert hash(config) == hash(load_config())
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.training.epochs = 3


def test_a_replaced_value_is_checked_too():
    config = load_config()
    with pytest.raises(ValueError, match="epochs"):
        dataclasses.replace(config.training, epochs=0)
    assert type(dataclasses.replace(config.training, kl_weight=2).kl_weight) is float


def test_differences_are_named_by_their_key_paths():
    config = load_config()
    changes = {
        "data.input_dir": "faces",
        "model.encoder_layers": [RELU_8],
        "training.optimizer.beta1": 0.5,
        "training.gradient_clip_norm": 3,
    }
    other = load_config(overrides=changes | {"training.optimizer.type": "adam"})
    expected = [
        "data.input_dir",
        "model.encoder_layers",
        "model.decoder_layers",
        "training.optimizer.beta1",
        "training.gradient_clip_norm",
    ]
    assert config.differences(other) == other.differences(config) == expected
    assert config.differences(load_config()) == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("vae_nb", ["json5", "pydantic"]),
        ("vae_nb.core.model, vae_nb.core.training", ["json5", "pydantic"]),
        ("vae_nb.data.config", ["json5"]),
    ],
)
def test_an_import_leaves_the_libraries_for_later(module, absent):
    code = f"import sys, {module}; print({{*{absent}}} & {{*sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT
    )
    assert done.stdout.strip() == "set()"


# Properties

AT_LEAST_200 = max(200, settings().max_examples)

layers = st.lists(
    st.fixed_dictionaries(
        {"units": st.integers(1, 65536), "activation": st.sampled_from(ACTIVATIONS)}
    ),
    min_size=1,
    max_size=32,
)
decays = st.floats(0, 1, exclude_max=True)
folders = st.text(st.characters(exclude_characters="\0"), min_size=1)


def optional(**strategies):
    return st.fixed_dictionaries({}, optional=strategies)


legal_values = optional(
    data=optional(
        input_dir=folders | st.lists(folders, min_size=1),
        input_size=st.lists(st.integers(4, 1024), min_size=2, max_size=2),
        channels=st.sampled_from([1, 3, 1.0]),
        batch_size=st.integers(1, 65536) | st.integers(1, 65536).map(float),
        validation_split=st.floats(0, 1, exclude_min=True, exclude_max=True),
    ),
    model=optional(latent_dim=st.integers(1, 4096), encoder_layers=layers, decoder_layers=layers),
    training=optional(
        epochs=st.integers(1, 1_000_000),
        learning_rate=st.floats(0, 10, exclude_min=True),
        optimizer=optional(
            type=st.sampled_from(["adam", "sgd"]),
            beta1=decays,
            beta2=decays,
            epsilon=st.floats(1e-30, allow_infinity=False),
        ),
        kl_weight=st.floats(0, allow_infinity=False) | st.integers(0, 2**1000),
        kl_warmup=st.floats(0, 1),
        learning_rate_schedule=st.sampled_from(["cosine", "constant"]),
        warmup_steps=st.integers(0, 10**9),
        weight_decay=st.floats(0, 1),
        augmentation=st.floats(0, 1),
        gradient_clip_norm=st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
        early_stopping_patience=st.none() | st.integers(1, 1_000_000),
        checkpoint_seconds=st.floats(0, allow_infinity=False),
        seed=st.integers(0, 2**32 - 1),
    ),
)

# Each fits into some images, and some of them after one another.
convolutions = st.lists(
    st.fixed_dictionaries(
        {
            "filters": st.integers(1, 65536),
            "kernel_size": st.integers(1, 6),
            "strides": st.integers(1, 3),
            "activation": st.sampled_from(ACTIVATIONS),
        }
    )
    | layers.map(lambda dense: dense[0]),
    min_size=1,
    max_size=4,
)

key_names = sorted({name for key in CASES for name in key.split(".")} | set(RELU_8 | PATCHES_8))
keys = st.sampled_from(key_names) | st.text()
any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates too
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=12,
)
# Known sections with anything in them, so that the checks below the top level are reached.
nearly_legal = st.fixed_dictionaries(
    {},
    optional={
        section: st.dictionaries(st.sampled_from([*schema["properties"], "x"]), any_json) | any_json
        for section, schema in SCHEMA["properties"].items()
        if "properties" in schema
    },
)


@pytest.mark.slow(5)
@given(legal_values)
@settings(max_examples=AT_LEAST_200)
def test_a_legal_configuration_survives_the_way_through_json(values):
    config = config_from_dict(values)
    back = config_from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False)))
    assert back == config
    assert back.differences(config) == []


def outcome(function, *arguments, **keywords):
    """Return the result, or the ConfigError that is raised. Any other error fails the test."""
    try:
        return function(*arguments, **keywords)
    except ConfigError as error:
        return error


@given(convolutions, convolutions, st.sampled_from([1, 3]), st.sampled_from([36, 48, 64]))
@settings(max_examples=AT_LEAST_200)
def test_legal_layers_fit_or_get_one_sentence(encoder, decoder, output_kernel_size, side):
    model = {"encoder_layers": encoder, "decoder_layers": decoder}
    model["output_kernel_size"] = output_kernel_size
    result = outcome(config_from_dict, {"model": model, "data": {"input_size": [side, side]}})
    if isinstance(result, Config):
        assert config_from_dict(json.loads(json.dumps(result.to_dict()))) == result
    else:
        (sentence,) = result.errors
        assert re.match(r"the configuration: model\.\w+\S* (is|has|have) .*; allowed ", sentence)


@pytest.mark.slow(10)
@given(any_json | nearly_legal)
@settings(max_examples=AT_LEAST_200)
def test_any_json_is_a_configuration_or_a_config_error(values):
    result = outcome(config_from_dict, values)
    if isinstance(result, Config):
        VALIDATOR.validate(result.to_dict())
    else:
        assert result.errors == str(result).split("\n")
        str(result).encode("utf-8")


@pytest.mark.slow(3)
@given(
    st.binary() | st.text().map(str.encode) | any_json.map(lambda value: json.dumps(value).encode())
)
@settings(max_examples=AT_LEAST_200)
def test_any_bytes_are_a_configuration_or_a_config_error(tmp_path_factory, content):
    outcome(load_config, written(tmp_path_factory.getbasetemp(), content, "any.json"))


@pytest.mark.slow(8)
@given(st.dictionaries(st.sampled_from([*CASES, "x", "data.x"]) | st.text(), any_json, max_size=4))
@settings(max_examples=AT_LEAST_200)
def test_any_overrides_give_a_configuration_or_a_config_error(overrides):
    outcome(load_config, overrides=overrides)


@given(any_text)
@settings(max_examples=AT_LEAST_200)
def test_any_text_is_an_override_or_a_config_error(text):
    refused = isinstance(outcome(parse_override, text), ConfigError)
    assert refused == ("=" not in text or not text.partition("=")[0].strip())
