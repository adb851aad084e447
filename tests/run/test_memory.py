"""A training that cannot fit into this machine's memory is refused before anything is loaded."""

import numpy as np
import psutil
import pytest
from conftest import run_command, tiny_config

from vae_nb import VAE, ModelError, load_config, load_or_train, train_and_save
from vae_nb.core.optimizers import make_optimizer
from vae_nb.run.memory import check_memory, training_bytes

TOO_LARGE = [{"units": 65536, "activation": "relu"}] * 32


FILTERS = [{"filters": 4, "kernel_size": 2, "strides": 2, "activation": "silu"}]
UNITS = [{"units": 6, "activation": "tanh"}]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("layers", [UNITS, FILTERS])
def test_the_estimate_is_the_size_of_the_arrays(pictures, layers, optimizer):
    config = tiny_config(
        pictures, training__optimizer__type=optimizer, model__encoder_layers=layers
    )
    vae = VAE(config.model, config.data.image_shape)
    moments = make_optimizer(vae.parameters, config.training.optimizer).arrays()
    arrays = [vae.parameters, vae.parameters, *moments.values()]  # with the best parameters
    batch = config.data.batch_size
    vae.loss_and_gradients(np.zeros((batch, 64), np.float32), np.zeros((batch, 2), np.float32))
    for layer in vae.layers.values():
        arrays += [layer.pre_activation, layer.output]
    assert training_bytes(config) == sum(array.nbytes for array in arrays)
    check_memory(config)


@pytest.mark.parametrize("train", [train_and_save, load_or_train])
def test_a_training_that_is_too_large_is_refused_in_a_sentence(train, pictures, output):
    config = tiny_config(pictures, model__encoder_layers=TOO_LARGE)
    gigabytes = psutil.virtual_memory().total / 1e9
    pattern = rf"Its training takes about 4,\d+ GB of memory, and this machine has {gigabytes:,.0f}"
    with pytest.raises(ModelError, match=pattern):
        train(config, output)


def test_the_commands_refuse_it_before_images_are_read(tmp_path):
    path = tmp_path / "large.json"
    path.write_text(f'{{"model": {{"encoder_layers": {TOO_LARGE}}}}}'.replace("'", '"'))
    assert load_config(path).model.encoder_layers[0].units == 65536
    for arguments in (
        ["check-config", path],
        ["run", "--config", path, "--output", tmp_path / "o"],
    ):
        result = run_command(*arguments, cwd=tmp_path)
        assert result.returncode == 2
        assert "GB of memory, and this machine has" in result.stderr
        assert "Traceback" not in result.stderr
