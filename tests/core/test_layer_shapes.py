"""The layers that a configuration asks for: their order, their shapes, their sizes."""

from checks import model_config

from vae_nb.core.architecture import count_parameters, layer_shapes
from vae_nb.core.convolution import PIXELS, Patches
from vae_nb.data.config import load_config


def outputs(config, image_shape):
    return {shape.name: shape.output_shape for shape in layer_shapes(config, image_shape)}


def test_a_dense_model():
    config = model_config([(5, "relu")], [(4, "tanh")], latent_dim=3)
    assert outputs(config, (2, 3, 1)) == {
        "encoder_1": (5,),
        "mean": (3,),
        "log_variance": (3,),
        "decoder_1": (4,),
        "output": (6,),
    }
    assert all(shape.reads is shape.writes is None for shape in layer_shapes(config, (2, 3, 1)))
    weights = [shape.weights for shape in layer_shapes(config, (2, 3, 1))]
    assert weights == [(6, 5), (5, 3), (5, 3), (3, 4), (4, 6)]


def test_the_small_image_comes_where_the_filters_begin():
    patches = (8, 2, 2, "silu")
    config = model_config([patches, (5, "tanh")], [(6, "tanh"), patches, (7, 4, 2, "relu")])
    assert outputs(config, (12, 8, 3)) == {
        "encoder_1": (6, 4, 8),
        "encoder_2": (5,),
        "mean": (2,),
        "log_variance": (2,),
        "decoder_1": (6,),
        "decoder_image": (3, 2, 8),
        "decoder_2": (6, 4, 8),
        "decoder_3": (12, 8, 7),
        "output": (12, 8, 3),
    }
    by_name = {shape.name: shape for shape in layer_shapes(config, (12, 8, 3))}
    assert by_name["encoder_1"].reads == by_name["decoder_2"].writes == Patches(2, 2)
    assert by_name["encoder_1"].writes == by_name["decoder_2"].reads == PIXELS
    assert by_name["encoder_2"].weights == (6 * 4 * 8, 5)
    assert by_name["decoder_3"].weights == (8, 4 * 4 * 7)
    assert by_name["decoder_3"].biases == 7
    assert by_name["output"].biases == 12 * 8 * 3  # each pixel has its own


def test_the_shipped_convolutional_model_is_small():
    config = load_config("configs/convolutional.json")
    assert count_parameters(config.model, config.data.image_shape) <= 500_000
    shapes = layer_shapes(config.model, config.data.image_shape)
    (image,) = [shape for shape in shapes if shape.name == "decoder_image"]
    (last,) = [shape for shape in shapes if shape.name == "encoder_4"]
    assert image.output_shape == last.output_shape == (4, 4, 128)
