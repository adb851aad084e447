"""A training that is watched and stopped in JupyterLab."""

import json

import numpy as np
import pytest

from browser.front_ends import (
    canvas_pixels,
    run_all_cells,
    wait_for,
    wait_until_run,
    write_notebook,
)
from vae_nb.run.model_files import load_checkpoint

pytestmark = pytest.mark.browser

TRAINING = """import json, numpy as np, vae_nb
layers = [{"units": 16, "activation": "relu"}]
config = vae_nb.load_config(None, {
    "data.input_size": [16, 16], "model.encoder_layers": layers, "model.latent_dim": 2,
    "training.epochs": 100_000, "training.kl_warmup": 0, "training.learning_rate": 0.01,
    "training.learning_rate_schedule": "constant",
})
images = vae_nb.load_images(config.data)
train_set, validation_set = images.split(0.2, 0)
vae = vae_nb.VAE(config.model, images.image_shape, np.random.default_rng(0))
monitor = vae_nb.TrainingMonitor(train_set.as_float())
display(monitor)
history = await monitor.watch(
    vae_nb.train, vae, train_set, validation_set, config.training, progress=False
)"""
REPORT = """losses = history["validation_total"].tolist()
print(json.dumps([history.saved_epoch, len(history), losses.index(min(losses)) + 1]))"""
SAVED_TRAINING = (
    TRAINING[: TRAINING.index("history =")]
    + """await monitor.watch(
    vae_nb.train_and_save, config, OUTPUT, progress=False
)"""
)


def watched(page, url):
    """Run a notebook until its curves and its reconstructions have been drawn twice."""
    run_all_cells(page, url)
    curves = page.get_by_role("img", name="Loss curves up to epoch")
    curves.wait_for()
    first = curves.get_attribute("alt")
    images = page.locator(".vae-nb-image")
    wait_for(lambda: canvas_pixels(images).shape[0] > 1, "reconstructions")
    reconstructions = canvas_pixels(images)
    assert len(set(map(bytes, reconstructions.reshape(-1, 3)))) > 2  # something is drawn
    wait_for(lambda: curves.get_attribute("alt") != first, "newer curves")
    wait_for(
        lambda: not np.array_equal(canvas_pixels(images), reconstructions),
        "newer reconstructions",
    )


def test_a_training_is_watched_and_stopped(lab, lab_folder, new_page):
    write_notebook(lab_folder / "training.ipynb", TRAINING, REPORT)
    page = new_page()
    watched(page, lab("training.ipynb"))
    page.get_by_role("button", name="Stop after this epoch", exact=True).click()
    wait_until_run(page, timeout=30)
    report = page.locator(".jp-OutputArea-output").filter(has_text="[").last
    saved, epochs, best = json.loads(report.text_content())
    assert saved == best <= epochs < 100_000
    text = f"Stopped after {epochs} epochs; the weights of epoch {best} are kept."
    assert page.locator(".vae-nb-status").text_content() == text
    assert page.get_by_role("button", name="Stop after this epoch").is_disabled()
    assert not page.errors
    page.close()


def test_an_interrupt_of_the_kernel_leaves_a_checkpoint(lab, lab_folder, new_page, tmp_path):
    source = f"OUTPUT = {str(tmp_path)!r}\n{SAVED_TRAINING}"
    write_notebook(lab_folder / "interrupted.ipynb", source)
    page = new_page()
    watched(page, lab("interrupted.ipynb"))
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_text("Interrupt Kernel", exact=True).click()
    checkpoint = tmp_path / "models" / "checkpoint.npz"
    status = page.locator(".vae-nb-status")
    wait_for(lambda: "Interrupted" in status.text_content(), "the interrupt")
    assert f"of 100000; resume goes on from {checkpoint}." in status.text_content()
    assert page.get_by_role("button", name="Stop after this epoch").is_disabled()
    # The cell's own output is the one sentence, and no traceback.
    error = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')
    error.filter(has_text="Interrupted: Interrupted in epoch").wait_for()
    assert "Traceback" not in error.last.text_content()
    state = load_checkpoint(checkpoint)
    assert state.position["step"] > len(state.arrays["epoch"]) > 1
    assert not page.errors
    page.close()
