"""The benchmarks run and say what is missing, and the committed tables show the committed run."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from benchmarks import roofline, training_step
from benchmarks.implementations import Problem, VaeNb
from benchmarks.machine import Rates
from benchmarks.problem import count_work, seed_config, write_step, write_training
from benchmarks.worker import Worker
from vae_nb import VAE, Adam, load_config, load_images, random_stream, train

RESULTS = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
KEYS = {"model", "implementation", "batch", "median_ms", "min_ms", "peak_mb", "floor_ms"}


def test_the_step_is_measured_where_no_peer_is_installed(tmp_path):
    for name in ("torch", "jax"):
        text = f"raise ModuleNotFoundError('No module {name}', name='{name}')"
        (tmp_path / f"{name}.py").write_text(text)
    path = tmp_path / "step.json"
    two_rounds = "from benchmarks import training_step as it; it.ROUNDS = 2; it.main()"
    command = [sys.executable, "-c", two_rounds, "--batch", "2"]
    done = subprocess.run(
        [*command, "--json", str(path)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "torch_fused is left out: torch is not installed.",
        "torch_compile is left out: torch is not installed.",
        "jax_jit is left out: jax is not installed.",
    ]
    results = json.loads(path.read_text())
    (row,) = results["rows"]
    assert row.keys() >= KEYS
    assert (row["implementation"], row["batch"]) == ("vae_nb", 2)
    assert 0 < row["min_ms"] <= row["median_ms"]
    assert row["floor_ms"] > 0
    assert 50 < row["peak_mb"] < 400
    assert results["machine"].keys() >= {"processor", "cores", "blas", "threads", "environment"}
    assert f"| 2 | vae_nb | {row['median_ms']:.1f} " in done.stdout


def test_an_implementation_that_computes_something_else_is_refused(tmp_path, monkeypatch):
    write_step(tmp_path, 2)
    monkeypatch.setattr(training_step, "TOLERANCE", 0.0)
    assert training_step.check_same(tmp_path, ["vae_nb"] * 2) == ["vae_nb"] * 2  # bit for bit
    real_ask = Worker.ask
    workers = []

    def ask_with_other_losses(worker, command, **values):
        """Change a loss of every worker but the first."""
        if worker not in workers:
            workers.append(worker)
        answer = real_ask(worker, command, **values)
        if "losses" in answer and worker is not workers[0]:
            answer["losses"][-1] *= 1.01
        return answer

    monkeypatch.setattr(Worker, "ask", ask_with_other_losses)
    with pytest.raises(SystemExit, match="vae_nb does not compute what vae_nb computes"):
        training_step.check_same(tmp_path, ["vae_nb"] * 2)


@pytest.mark.parametrize("model", training_step.MODELS)
def test_the_step_is_the_one_that_training_takes(model, tmp_path):
    """The benchmark's step is the same as one written with the public names."""
    vae = write_step(tmp_path, 3, training_step.MODELS[model]())
    problem = Problem(tmp_path)
    implementation = VaeNb(problem)
    np.testing.assert_array_equal(implementation.vae.parameters, vae.parameters)
    adam = Adam(vae.parameters)
    x, noise = problem.array("x"), problem.array("noise")
    for draw in noise[:3]:
        loss = implementation.step(x, draw, 1e-3, 2.0)
        assert loss == vae.loss_and_gradients(x, draw, 2.0).total
        adam.update(vae.gradients, 1e-3)
    np.testing.assert_array_equal(implementation.vae.parameters, vae.parameters)


def test_the_timed_training_is_that_of_train(tmp_path):
    # PyTorch and JAX read the images from files, so the timed training has no augmentation.
    config = load_config("config.json", {"training.epochs": 2, "training.augmentation": 0})
    write_training(tmp_path, config)
    with Worker("vae_nb", tmp_path) as worker:
        rows = worker.ask("train")["rows"]
    sets = load_images(config.data).split(config.data.validation_split, config.training.seed)
    weights = random_stream(config.training.seed, "weights")
    vae = VAE(config.model, config.data.image_shape, weights)
    history = train(vae, *sets, config.training, config.data.batch_size, progress=False)
    expected = history["validation_reconstruction"] + history["validation_kl"]
    np.testing.assert_allclose([loss for _, loss in rows], expected, rtol=1e-6)


def test_work_is_counted_by_hand():
    config = seed_config(
        model={
            "latent_dim": 2,
            "encoder_layers": [{"units": 3, "activation": "relu"}],
            "decoder_layers": [{"units": 4, "activation": "relu"}],
        }
    )
    vae = VAE(config.model, (1, 5, 1))
    weights = 5 * 3 + 3 * 2 + 3 * 2 + 2 * 4 + 4 * 5
    biases = 3 + 2 + 2 + 4 + 5
    moved, operations = count_work(vae, batch=7)
    assert moved == 4 * (weights + (weights - 15) + 6 * (weights + biases))
    assert operations == 2 * 7 * (2 * weights + (weights - 15))


def test_the_work_of_convolutions_is_counted_by_hand():
    patches = {"kernel_size": 2, "strides": 2, "activation": "relu"}
    config = seed_config(
        model={
            "latent_dim": 2,
            "encoder_layers": [{"filters": 3, **patches}, {"filters": 5, **patches}],
            "decoder_layers": [{"filters": 4, **patches}],
            "output_kernel_size": 3,
        }
    )
    vae = VAE(config.model, (8, 4, 1))
    first = 4 * 3  # the weights of the first layer, and so on
    second, heads, image, decoder, output = 12 * 5, 2 * 10 * 2, 2 * 4 * 2 * 4, 4 * 4 * 4, 4 * 9
    weights = first + second + heads + image + decoder + output
    products = 8 * first + 2 * second + heads + image + 8 * decoder + 32 * output
    moved, operations = count_work(vae, batch=7)
    assert moved == 4 * (weights + (weights - first) + 6 * vae.parameters.size)
    assert operations == 2 * 7 * (2 * products + (products - 8 * first))


def test_a_floor_is_bytes_and_operations():
    rates = Rates()
    rates.bandwidths, rates.gemm_rates = [1e9, 2e9, 4e9], [1e12]
    assert rates.floor_seconds(2e9, 3e12) == 4
    rates.measure()
    assert min(rates.bandwidths[-1], rates.gemm_rates[-1]) > 0


def test_memory_grows_by_the_images_alone():
    command = [sys.executable, "-m", "benchmarks.growth", "--images"]
    rows = []
    for count in (2000, 20_000):
        done = subprocess.run([*command, str(count)], capture_output=True, check=True, cwd=ROOT)
        rows.append(json.loads(done.stdout))
    grown = rows[1]["peak_mb"] - rows[0]["peak_mb"]
    images = rows[1]["picture_mb"] - rows[0]["picture_mb"]
    assert images == pytest.approx(18_000 * 64 * 64 * 3 / 2**20)
    assert grown < 1.1 * images


def test_the_roofline_is_drawn():
    vae = VAE(seed_config().model, (64, 64, 3))
    phases = {int(batch): seconds for batch, seconds in RESULTS["phases"].items()}
    figure = roofline.draw(RESULTS["machine"], RESULTS["rows"], phases, vae)
    roof, bars = figure.axes[:2]
    assert {line.get_label() for line in roof.lines} >= {"vae_nb (NumPy)", "JAX jit"}
    measured = sum(bar.get_height() for bar in bars.patches if bar.get_x() < -0.2)
    assert measured == pytest.approx(1e3 * sum(phases[2].values()))
