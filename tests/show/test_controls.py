"""The controls in the kernel; the browser's side uses the same traits."""

import inspect
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
from PIL import Image

from vae_nb.show import controls
from vae_nb.show.controls import Button, Choice, ImagePicker, ImageView, PlaneMap, Sliders

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
    used = set(re.findall(r'model\.(?:get|set)\("(\w+)"', script))
    assert used == own
    # The map is a view of the sliders' traits as well.
    listened = set(re.findall(r'\bmodel\.on\("change:(\w+)"', script))
    assert listened <= own
    of_sliders = set(re.findall(r'\bsliders\.(?:get|set)\("(\w+)"', script))
    assert of_sliders <= set(Sliders.class_traits(sync=True))


def test_every_file_of_the_front_end_is_used():
    used = {str(control._esm) for control in CONTROLS} | {str(controls._Control._css)}
    assert used == {path.read_text(encoding="utf-8") for path in controls.FRONTEND.iterdir()}


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


def test_sliders_are_arranged_all_unfolded():
    sliders = Sliders(0.5)
    sliders.arrange(["a", "b"], [(-1, 1), (0, 4)], [0.0, 2.0])
    assert (sliders.names, sliders.values, sliders.unfolded) == (["a", "b"], [0.0, 2.0], 2)


@pytest.mark.parametrize("shape", [(8, 8, 3), (80, 40, 1)])
def test_the_pickers_sheet_has_every_image_at_its_place(shape):
    grays = np.arange(0, 240, 6, dtype=np.uint8)  # 40 images: two rows
    images = np.broadcast_to(grays[:, None, None, None], (40, *shape))
    picker = ImagePicker("One", images, [f"n{k}" for k in range(40)])
    sheet = np.asarray(Image.open(io.BytesIO(picker.sheet)))
    height, width = picker.tile
    assert max(height, width) == 40
    assert height * shape[1] == width * shape[0]
    for index, gray in enumerate(grays):
        row, column = divmod(index, picker.columns)
        tile = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert np.all(tile == gray)


def test_choices_that_do_not_exist_are_refused_in_words():
    picker = ImagePicker("First emoji", np.zeros((2, 3, 3, 1), np.uint8), ["a", "b"])
    for value in (2, -1):
        with pytest.raises(traitlets.TraitError, match=r"is not a choice; choose one of \[0, 1\]"):
            picker.value = value
    choice = Choice("Along", ["x", "y"])
    with pytest.raises(
        traitlets.TraitError, match=r"'z' is not a choice; choose one of \['x', 'y'\]"
    ):
        choice.value = "z"
    assert (picker.value, choice.value) == (0, "x")


def test_the_map_lies_where_the_figures_axes_do():
    figure, axes = plt.subplots()
    plt.close(figure)
    axes.set(xlim=(-1, 3), ylim=(0, 2))
    plane = PlaneMap(Sliders(0.1))
    plane.lay(figure, axes, "a plane")
    assert plane.limits == [[-1, 3], [0, 2]]
    background = np.asarray(Image.open(io.BytesIO(plane.background)).convert("L"))
    height, width = background.shape
    left = round(width * plane.frame["left"])
    bottom = round(height * (plane.frame["top"] + plane.frame["height"]))
    assert background[height // 2, left - 1 : left + 2].min() < 60  # the axes' spines
    assert background[bottom - 1 : bottom + 2, width // 2].min() < 60


def test_a_button_does_on_a_click_in_the_browser_what_click_does():
    clicks = []
    button = Button("Go", lambda: clicks.append(1))
    button.click()
    button._handle_custom_msg("click", [])
    assert len(clicks) == 2
