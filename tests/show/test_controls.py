"""The controls in the kernel; the browser's side uses the same traits."""

import inspect
import re

import numpy as np
import pytest

from vae_nb.show import controls
from vae_nb.show.controls import ImageView

CONTROLS = [
    control
    for _, control in inspect.getmembers(controls, inspect.isclass)
    if control.__module__ == "vae_nb.show.controls" and "_esm" in vars(control)
]


@pytest.mark.parametrize("control", CONTROLS)
def test_the_browser_reads_and_sets_traits_that_exist(control):
    script = str(control._esm)
    traits = {name for name, trait in control.class_traits(sync=True).items() if name[0] != "_"}
    own = traits - set(controls._Control.class_traits())
    assert set(re.findall(r'model\.(?:get|set)\("(\w+)"', script)) == own
    assert set(re.findall(r'\bmodel\.on\("change:(\w+)"', script)) <= own


@pytest.mark.parametrize(
    ("shape", "scale"), [((64, 64, 3), 5), ((48, 32, 1), 6), ((640, 320, 3), 0.5), ((1, 1, 1), 320)]
)
def test_an_image_is_sent_as_it_is_and_enlarged_by_a_whole_number(shape, scale):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    view = ImageView(320)
    view.show(pixels, "some pixels")
    sent = np.frombuffer(view.rgba, np.uint8).reshape(*view.size, 4)
    assert np.array_equal(sent[:, :, :3], np.broadcast_to(pixels, (*shape[:2], 3)))
    assert np.all(sent[:, :, 3] == 255)
    assert (view.scale, view.text) == (scale, "some pixels")
    assert view.pixels is pixels


def test_an_image_of_floats_is_rounded():
    view = ImageView(10)
    view.show(np.array([[[0.0], [0.499 / 255], [0.501 / 255], [1.0]]]), "")
    assert view.pixels.ravel().tolist() == [0, 0, 1, 255]
