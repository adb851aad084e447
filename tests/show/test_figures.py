"""Figures: laid out in whole pixels, nothing clipped, nothing shown twice."""

import io

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from vae_nb import figures
from vae_nb.core.architecture import count_parameters, layer_shapes
from vae_nb.data.config import ConvolutionConfig, LayerConfig, ModelConfig
from vae_nb.show.figures.latent import without_overlap
from vae_nb.show.figures.paper import GAP, coordinate_names
from vae_nb.show.figures.tiles import make_tiles, tile_size

matplotlib.use("agg")


def some_images(*shape, seed=0):
    """Return noise: every image and every pixel is different."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def some_labels(count, kinds):
    """Return labels in runs, with names that a folder may have."""
    names = ["_hidden", "a $b$ c", "Ünïcödé" * 9, "日本語", "", "line\nbreak", "100 %"]
    names += [f"label {number}" for number in range(kinds)]
    return [names[number * kinds // count] for number in range(count)]


def some_columns(epochs, warmup_epochs=0):
    epoch = np.arange(1, epochs + 1)
    loss = 6000 + 500 / epoch
    columns = {"epoch": epoch, "kl_weight": np.minimum(1, epoch / max(1, warmup_epochs))}
    for part in ("total", "reconstruction", "kl"):
        columns |= {f"train_{part}": loss, f"validation_{part}": loss + 100}
    return columns


def some_values(*shape):
    """Return measures of runs; one is missing."""
    values = np.random.default_rng(2).normal(500, 100, shape)
    values[0, 0, 0] = np.nan
    return values


def some_config(latent, encoder, decoder):
    def layers(part):
        return tuple(LayerConfig(units, "relu") for units in part)

    return ModelConfig(latent, layers(encoder), layers(decoder))


def all_figures(count, shape, labels, latent):
    """Return every figure of one set of images, by name."""
    images = some_images(count, *shape)
    floats = images / 255
    kinds = some_labels(count, labels)
    points = np.random.default_rng(1).standard_normal((count, 2))
    points[:, 1] *= latent > 1
    names = [f"z{number + 1}" for number in range(latent)]
    grid = some_images(11 if latent > 1 else 1, 11, *shape)
    values = np.linspace(-2.5, 2.5, 11)
    layers = layer_shapes(some_config(latent, [512, 64], [64, 512]), shape)
    errors = {layer.name: 1e-9 for layer in layers}
    return {
        "dataset": figures.dataset(images, kinds),
        "architecture": figures.architecture(layers),
        "gradient_check": figures.gradient_check({"correct": errors, "bug": errors | {"mean": 0}}),
        "reconstructions": figures.reconstructions(
            images[:18], floats[:18], images[-1:], floats[-1:]
        ),
        "latent_space": figures.latent_space(
            [("First two", "z₁", "z₂", points), ("Components", "first", "second", 9 * points)],
            floats,
            kinds,
        ),
        "kl_per_dimension": figures.kl_per_dimension(np.ones(latent), np.arange(latent) < 9),
        "loss_curves": figures.loss_curves(some_columns(60, 6), saved_epoch=50, entropy=5900.0),
        "latent_traversal": figures.latent_traversal(
            {
                "a $long$ 日 name": (grid, values, values[: len(grid)], "first dimension z₁", "z₂"),
                "another": (grid[:, :1], values[:1], values[: len(grid)], "one column", "rows"),
            }
        ),
        "courses": figures.courses(
            {
                "a $long$ 日 name": (some_columns(60, 6), 6200.0, 5900.0),
                "short": (some_columns(1, 0), 6300.0, 5800.0),
            }
        ),
        "contact_sheet": figures.contact_sheet(
            {
                f"{n} $日$ a long name": some_images(40 + 90 * n, 200, 3)
                for n in range(count % 4 + 1)
            }
        ),
        "latent_plane": figures.latent_plane(
            some_images(15, 15, *shape), 3.0, images, np.resize(points, (count, 2))
        ),
        "latent_planes": figures.latent_planes(
            {
                "a $long$ 日 name": (some_images(15, 15, *shape), np.resize(points, (count, 2))),
                "another": (some_images(15, 15, *shape), np.resize(9 * points, (count, 2))),
            },
            3.0,
            images,
        ),
        "posterior_clouds": figures.posterior_clouds(
            {"a $long$ 日 name": (points, 0.3 + 0 * points), "far": (9 * points, 1 + 0 * points)},
            images,
            range(min(count, 5)),
        ),
        "reparameterization": figures.reparameterization(
            np.random.default_rng(3).standard_normal((40, 2)),
            points[:3],
            0.5 + 0 * points[:3],
            images[:3],
        ),
        "gradient_flow": figures.gradient_flow(),
        "latent_strips": figures.latent_strips(
            some_images(latent, 7, *shape), np.linspace(-3, 3, 7), names
        ),
        "interpolation": figures.interpolation(grid[:3], ["grinning → 日本 $"] * min(3, len(grid))),
        "image_grid": figures.image_grid(images[:30], title="Samples from the prior"),
        "image_grid_titles": figures.image_grid(floats[:5], titles=["a $long$ title " * 3] * 5)
        if count >= 5
        else figures.image_grid(floats, 1, "Two", ["日", "_"]),
        "image_table": figures.image_table(
            grid[:3, :6], ["a $row$ 日"] * min(3, len(grid)), ["a column's name"] * 6
        ),
        "image_tables": figures.image_tables(
            {
                "Held out": {"original": images[:2], "a $long$ name 日": floats[:2]},
                "Draws": {"": images[:2]},
            }
        ),
        "shared_matrix": figures.shared_matrix(
            floats[0], np.random.default_rng(2).standard_normal((4 * shape[2], labels + 1))
        ),
        "sliders": figures.sliders(floats[0], np.linspace(-4, 4, latent), names),
        "sweep_dots": figures.sweep_dots(
            [*names[1:], "a $long$ name 日 " * 3],
            some_values(latent, 3, 4),
            ["held-out excess (nats)", "spread", "KL"],
            range(4),
            reach=np.full((latent, 3), 30.0),
            center=0,
        ),
    }


SETS = {
    "emojis": (160, (64, 64, 3), 16, 16),
    "gray, not square": (30, (48, 32, 1), 4, 2),
    "tiny": (2, (8, 8, 3), 1, 1),
    "large images": (10, (256, 200, 3), 2, 64),
    "many, 100 labels": (1377, (16, 16, 3), 100, 33),
}


@pytest.fixture(scope="module", params=list(SETS))
def every(request):
    return all_figures(*SETS[request.param])


def rendered(figure):
    """Return the figure's pixels on the screen, (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]  # a copy: the canvas goes


def saved(figure, **options):
    file = io.BytesIO()
    figure.savefig(file, format="png", **options)
    return np.asarray(Image.open(file).convert("RGB"))


def places(canvas, tile):
    """Find exactly these pixels: return a list of (x, y) of the top left."""
    height, width, _ = tile.shape
    rows, columns = canvas.shape[0] - height + 1, canvas.shape[1] - width + 1
    candidates = np.ones((rows, columns), bool)
    for y, x in ((0, 0), (height // 2, width // 2), (height - 1, width - 1)):
        candidates &= canvas[y : y + rows, x : x + columns, 0] == tile[y, x, 0]
    return [
        (x, y)
        for y, x in np.argwhere(candidates)
        if np.array_equal(canvas[y : y + height, x : x + width], tile)
    ]


def enlarged(image, scale):
    """Enlarge an image for the screen: each pixel is a square."""
    return np.broadcast_to(image, (*image.shape[:2], 3)).repeat(scale, 0).repeat(scale, 1)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def test_figures_are_returned_and_forgotten_by_pyplot(every):
    assert all(isinstance(figure, Figure) for figure in every.values())
    assert plt.get_fignums() == []


def room_at_the_edges(figure):
    """Return the pixels between everything drawn and the edges: left, bottom, right, top."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())  # in inches
    return np.array([*box.min, *(figure.get_size_inches() - box.max)]) * figure.dpi


def test_nothing_is_outside_the_canvas(every):
    for name, figure in every.items():
        edges = room_at_the_edges(figure)
        assert np.all(edges > -0.1), (name, edges)


def test_text_is_large_enough_at_half_size(every):
    for figure in every.values():
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
        assert min(sizes) >= 11
        assert figure.dpi == 100
        assert figure.get_figwidth() <= 14.1


@pytest.mark.parametrize("shape", [(64, 64, 3), (16, 16, 1), (48, 32, 1), (28, 28, 3), (5, 9, 3)])
@pytest.mark.parametrize("count", [1, 12])
def test_pixels_are_even(shape, count):
    images = some_images(count, *shape)
    figure = figures.image_grid(images, title="Title")
    size = 128 if count <= 7 else 64
    for canvas, screen in (
        (rendered(figure), 1),
        (saved(figure), 1),
        (saved(figure, bbox_inches="tight"), 1),  # as a notebook shows it
        (saved(figure, dpi=200), 2),
    ):
        for image in images:
            assert len(places(canvas, enlarged(image, screen * (size // max(shape))))) == 1


def test_floats_are_the_pixels_of_the_same_image():
    images = some_images(3, 16, 16, 3)
    as_floats = rendered(figures.image_grid((images / 255).astype(np.float32)))
    np.testing.assert_array_equal(as_floats, rendered(figures.image_grid(images)))


def test_large_images_are_resampled():
    image = some_images(256, 200, 3)
    expected = Image.fromarray(image).resize((100, 128), Image.Resampling.LANCZOS)
    canvas = rendered(figures.image_grid(image[None]))
    assert len(places(canvas, np.asarray(expected))) == 1


def test_dataset_shows_all_of_a_small_set_in_rows_by_label():
    images = some_images(9, 64, 64, 3)
    figure = figures.dataset(images, ["b", "a"] * 4 + ["b"])
    canvas = rendered(figure)
    (corners,) = zip(*(places(canvas, enlarged(image, 2)) for image in images), strict=True)
    rows = [y for _, y in corners]
    assert len({*rows[::2]}) == len({*rows[1::2]}) == 1  # a row for each label
    assert rows[0] < rows[1]  # in the order of their first image
    assert {"9 images, 2 labels", "a", "b"} <= {*texts(figure)}


def test_dataset_says_what_it_leaves_out():
    images = some_images(1377, 2, 2, 3)
    assert "280 of 1377 images, 1 label" in texts(figures.dataset(images, ["x"] * 1377))
    labels = [f"{number % 100:02}" for number in range(1377)]
    assert "280 of 1377 images, 20 of 100 labels" in texts(figures.dataset(images, labels))
    labels = ["rare", *["frequent"] * 1376]
    assert {"267 of 1377 images, 2 labels", "rare"} <= {*texts(figures.dataset(images, labels))}


def test_architecture_counts_parameters():
    config = some_config(3, [7, 5], [6])
    figure = figures.architecture(layer_shapes(config, (4, 4, 3)))
    assert f"{count_parameters(config, (4, 4, 3)):,} parameters" in texts(figure)
    assert {"7", "5", "6", "48", "μ\n3", "log σ²\n3", "z\n3", "relu"} <= {*texts(figure)}


def test_architecture_tells_the_sides_and_channels_of_images():
    layers = (ConvolutionConfig(8, 2, 2, "silu"), ConvolutionConfig(16, 4, 2, "relu"))
    config = ModelConfig(
        3, (*layers, LayerConfig(9, "tanh")), output_kernel_size=3, decoder_layers=layers
    )
    figure = figures.architecture(layer_shapes(config, (48, 32, 1)))
    expected = ["48×32×1", "24×16×8", "12×8×16", "9", "z\n3", "12×8×8", "24×16×8", "48×32×16"]
    assert {*expected} <= {*texts(figure)}
    assert f"{count_parameters(config, (48, 32, 1)):,} parameters" in texts(figure)


def test_gradient_check_draws_zero_at_the_left_end():
    errors = {"correct": {"a": 0.0, "b": 1e-10}, "bug": {"a": 0.3, "b": 1e-9}}
    figure = figures.gradient_check(errors)
    axes = figure.axes[-1]
    correct, bug, limit = axes.lines
    np.testing.assert_allclose(correct.get_xdata(), [axes.get_xlim()[0], 1e-10])
    np.testing.assert_allclose(bug.get_xdata(), [0.3, 1e-9])
    np.testing.assert_allclose(limit.get_xdata(), 1e-7)
    assert axes.get_xlim()[0] < 1e-10
    assert axes.get_xlim()[1] > 0.3


def test_reconstructions_are_directly_below_their_originals():
    train, held_out = some_images(14, 64, 64, 3), some_images(2, 64, 64, 3, seed=1)
    figure = figures.reconstructions(train, 255 - train, held_out, 255 - held_out)
    canvas = rendered(figure)
    bottom = 0
    for image in (*train, *held_out):
        ((x, y),) = places(canvas, image)
        assert places(canvas, 255 - image) == [(x, y + 64 + GAP)]
        bottom = max(bottom, y)
    assert places(canvas, held_out[0])[0][1] == bottom
    assert sum(text.startswith(("Training", "Held-out")) for text in texts(figure)) == 2


def test_reconstructions_without_held_out_images():
    images = some_images(2, 8, 8, 1)
    figure = figures.reconstructions(images, images, images[:0], images[:0])
    assert not any(text.startswith("Held-out") for text in texts(figure))


def test_thumbnails_do_not_overlap_and_leave_no_room():
    corners = np.random.default_rng(0).integers(0, 400, (500, 2))
    size = np.array([30, 44])
    chosen = without_overlap(corners, size)
    covers = np.all(np.abs(corners[:, None] - corners[chosen]) < size, axis=-1)  # (n, chosen)
    assert np.all(covers[chosen].sum(axis=1) == 1)  # each by itself alone
    assert np.all(covers.any(axis=1))  # the others had no room
    assert len(chosen) > 20


def test_latent_space_draws_each_image_once_in_each_panel():
    images = some_images(60, 15, 10, 3)
    points = np.random.default_rng(0).standard_normal((60, 2))
    figure = figures.latent_space([("t", "x", "y", points)], images, ["a"] * 60)
    canvas = rendered(figure)
    whole = [len(places(canvas, enlarged(image, 2))) for image in images]
    (dots,) = (axes.collections[0] for axes in figure.axes if axes.collections)
    assert max(whole) == 1
    assert sum(whole) + len(dots.get_offsets()) == 60
    assert sum(whole) > 20


def test_latent_space_puts_images_where_their_points_are():
    images = some_images(3, 30, 30, 3)
    points = np.array([[0, 0], [1, 0], [0, 2.0]])
    figure = figures.latent_space([("t", "x", "y", points)], images, ["a", "b", "b"])
    canvas = rendered(figure)
    axes = figure.axes[1]
    for image, point in zip(images, points, strict=True):
        ((x, y),) = places(canvas, image)
        expected_x, expected_y = axes.transData.transform(point)
        assert abs(x + 15 - expected_x) <= 1
        assert abs(len(canvas) - y - 15 - expected_y) <= 1


def test_latent_space_colors_the_most_frequent_labels():
    labels = [f"label {number}" for number in range(12) for _ in range(number + 1)]
    images = some_images(len(labels), 8, 8, 3)
    points = np.random.default_rng(0).standard_normal((len(labels), 2))
    figure = figures.latent_space([("t", "x", "y", points)], images, labels)
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert entries == [f"label {number}" for number in range(11, 3, -1)] + ["other labels"]


def test_kl_per_dimension_counts_active_units():
    figure = figures.kl_per_dimension(np.array([2.0, 1.0, 0.1]), np.array([True, True, False]))
    assert "2 of 3 latent dimensions are active" in texts(figure)
    assert [bar.get_height() for bar in figure.axes[-1].patches] == [2.0, 1.0, 0.1]


def test_loss_curves_survive_the_first_epochs():
    columns = some_columns(100, warmup_epochs=10)
    columns["train_reconstruction"][:3] = 1e6
    columns["train_reconstruction"][60] = 8000.0
    figure = figures.loss_curves(columns, saved_epoch=90, entropy=5000.0)
    total, reconstruction, _ = figure.axes
    low, high = reconstruction.get_ylim()
    assert low < 5000 < 8000 < high < 1e4
    marks = {line.get_label(): line.get_xdata()[0] for line in reconstruction.lines}
    assert marks["KL warm-up ends"] == 10
    assert marks["saved epoch"] == 90
    assert "entropy of the images" not in [line.get_label() for line in total.lines]


@pytest.mark.parametrize("epochs", [1, 2])
def test_loss_curves_of_a_short_training(epochs):
    figure = figures.loss_curves(some_columns(epochs), saved_epoch=epochs)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "held-out"]


@pytest.mark.parametrize("shape", [(64, 64, 3), (32, 8, 1), (8, 32, 1)])
@pytest.mark.parametrize("steps", [3, 11, 40])
def test_traversal_is_seamless_and_its_coordinates_can_be_read(shape, steps):
    grid = some_images(2, steps, *shape)
    values = np.linspace(-2.5, 2.5, steps)
    other = some_images(3, 2, *shape, seed=1)
    figure = figures.latent_traversal(
        {"one": (other, [0, 1], [0, 1, 2], "x", "y"), "two": (grid, values, [-1, 1], "x", "y")}
    )
    axes = figure.axes[-1]
    tiles = make_tiles(grid, tile_size(3, steps + 2))
    height, width = tiles.shape[2:4]
    canvas = rendered(figure)
    ((left, bottom),) = places(canvas, tiles[0, 0])
    assert places(canvas, tiles[0, -1]) == [(left + (steps - 1) * width, bottom)]
    assert places(canvas, tiles[1, 0]) == [(left, bottom - height)]  # y points upwards

    for axis, first in ((axes.xaxis, -2.5), (axes.yaxis, 1)):
        labels = [label for label in axis.get_ticklabels() if label.get_text()]
        assert float(labels[0].get_text().replace("−", "-")) == first
        boxes = [label.get_window_extent() for label in labels]
        assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)


@pytest.mark.parametrize("shape", [(32, 32, 3), (32, 16, 1)])
def test_a_plane_shows_the_grid_and_the_pictures_at_their_codes(shape):
    decoded = some_images(15, 15, *shape)
    figure = figures.latent_plane(decoded, 3.0, decoded[0, :2], [[0, 0], [2.99, 2.99]])
    canvas = rendered(figure)
    panels = [axes for axes in figure.axes if axes.get_xlabel() == "z1"]
    grid, codes = (axes.get_window_extent() for axes in panels)
    ((x, y),) = places(canvas, enlarged(decoded[-1, 0], 1))  # y points upwards
    assert abs(x - grid.x0 - (32 - shape[1]) // 2) <= 1
    assert abs(canvas.shape[0] - y - grid.y1) <= 1
    x, y = max(places(canvas, enlarged(decoded[0, 0], 1)))  # in the right panel
    middle = np.array([x + shape[1] / 2, canvas.shape[0] - y - shape[0] / 2])
    assert np.all(np.abs(middle - [codes.x0 + codes.width / 2, codes.y0 + codes.height / 2]) <= 2)
    x, y = max(places(canvas, enlarged(decoded[0, 1], 1)))  # whole, though near the corner
    assert x + shape[1] <= codes.x1
    assert canvas.shape[0] - y <= codes.y1


def test_two_planes_show_one_square_and_all_codes():
    decoded = some_images(2, 15, 15, 32, 32, 3)
    pictures = some_images(2, 32, 32, 3, seed=1)
    planes = {"near": (decoded[0], [[0, 0], [9, 9]]), "far": (decoded[1], [[0, 0], [-20, 10]])}
    figure = figures.latent_planes(planes, 3.0, pictures)
    canvas = rendered(figure)
    for grid in decoded:
        assert len(places(canvas, grid[0, 0])) == 1
    limits = [axes.get_xlim() for axes in figure.axes if axes.get_xlabel() == "z1"]
    np.testing.assert_allclose(limits, [[-3, 3], [-22, 22]] * 2)
    (near_x, near_y), (far_x, far_y) = sorted(places(canvas, pictures[1]))
    scale = 480 / 44
    assert far_x - near_x == pytest.approx(76 + 480 + 16 - 29 * scale, abs=2)
    assert near_y - far_y == pytest.approx(scale, abs=2)


def test_a_contact_sheet_keeps_shapes_and_order():
    pictures = {"wide": some_images(235, 940, 3), "high": some_images(94, 47, 3)}
    pictures["third"] = some_images(47, 94, 3)
    figure = figures.contact_sheet(pictures)
    boxes = [axes.get_window_extent() for axes in figure.axes[1:]]
    sizes = [(round(box.width), round(box.height)) for box in boxes]
    assert sizes == [(470, 118), (470, 940), (470, 235)]
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[2].y1 < boxes[1].y0
    assert boxes[2].x0 == pytest.approx(boxes[0].x0)
    assert texts(figure)[:3] == ["wide", "high", "third"]


def test_a_walk_over_the_plane_marks_where_it_is():
    decoded = some_images(15, 15, 32, 32, 3)
    path = [[0, 0], [1.5, 1.5]]
    frames = figures.plane_film(decoded, 3.0, path, decoded[0, :2])
    assert frames.shape == (2, 240, 240 + 4 + 240, 3)
    changed = np.argwhere(np.any(frames[0] != frames[1], axis=2)[:, :240])
    np.testing.assert_allclose(changed.min(axis=0), [60 - 9, 120 - 9], atol=1)
    np.testing.assert_allclose(changed.max(axis=0), [120 + 9, 180 + 9], atol=1)
    picture = enlarged(decoded[0, 1], 7)
    np.testing.assert_array_equal(frames[1, 8:232, 252:476], picture)


def test_interpolation_frames_the_ends():
    grid = some_images(2, 5, 64, 64, 3)
    figure = figures.interpolation(grid, ["latent", "pixels"])
    canvas = rendered(figure)
    frame = [213, 94, 0]
    for row in range(2):
        for column in range(5):
            ((x, y),) = places(canvas, enlarged(grid[row, column], 2))
            framed = np.all(canvas[y - 2 : y + 130, [x - 1, x + 128]] == frame)
            assert framed == (column in (0, 4))
    assert {"latent", "pixels", "0.00", "0.25", "1.00"} <= {*texts(figure)}


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([-2, 0.5, -0.0], ["−2.0", "0.5", "0.0"]),
        ([0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
        ([0, 0.125, 0.25], ["0.000", "0.125", "0.250"]),
        ([0, 1 / 3, 2 / 3], ["0.00", "0.33", "0.67"]),
        (np.array([0.1, 0.7], np.float32), ["0.1", "0.7"]),
    ],
)
def test_coordinates_have_as_many_digits_as_they_need(values, names):
    assert coordinate_names(values) == names


def test_an_interpolation_in_eighths_names_them_exactly():
    figure = figures.interpolation(some_images(1, 9, 64, 64, 3), ["latent"])
    assert {"0.000", "0.125", "0.375", "1.000"} <= {*texts(figure)}


def test_charts_make_room_for_long_names_and_many_panels():
    columns = some_columns(60)
    for name in columns.keys() - {"epoch", "kl_weight"}:
        columns[name] = 1000 * columns[name]  # ticks of seven digits
    wide = "W" * 36
    charts = [
        figures.loss_curves(columns, saved_epoch=50),
        figures.sweep_dots([wide], some_values(1, 1, 3), ["excess"], range(3)),
        figures.gradient_check({"correct": {f"{wide}{number}": 1e-9 for number in range(40)}}),
    ]
    for count in range(1, 7):
        charts.append(
            figures.courses({f"{wide}{k}": (some_columns(30), 6.2, 5.9) for k in range(count)})
        )
    for figure in charts:
        assert min(room_at_the_edges(figure)) > 1
        assert min(axes.bbox.width for axes in figure.axes) > 180
        assert min(axes.bbox.height for axes in figure.axes) > 20


def test_titles_of_a_grid_are_below_their_images():
    images = some_images(4, 64, 64, 3)
    figure = figures.image_grid(images, 2, titles=["a", "b", "c", "a very long title"])
    canvas = rendered(figure)
    for image, text in zip(images, figure.axes[-1].texts, strict=True):
        ((x, y),) = places(canvas, enlarged(image, 2))
        box = text.get_window_extent()
        assert abs((box.x0 + box.x1) / 2 - (x + 64)) <= 1
        assert y + 128 <= len(canvas) - box.y1 <= y + 140


def test_sliders_show_every_value():
    z = np.linspace(-3.5, 3.5, 64)
    figure = figures.sliders(some_images(64, 64, 3), z, [f"z{i}" for i in range(64)])
    assert {"z0", "z63", "−3.50", "3.50"} <= {*texts(figure)}
    assert len(places(rendered(figure), enlarged(some_images(64, 64, 3), 5))) == 1


@pytest.mark.parametrize("shape", [(64, 64, 3), (48, 32, 1)])
def test_a_film_shows_each_image_enlarged_in_its_place(shape):
    images = some_images(4, 5, *shape)  # (frames, images, height, width, channels)
    frames = figures.film(images, columns=3)
    tiles = make_tiles(images, 128)
    height, width = tiles.shape[2:4]
    gap = GAP
    assert frames.dtype == np.uint8
    assert frames.shape == (4, 2 * height + gap, 3 * width + 2 * gap, 3)
    for frame, row in zip(frames, tiles, strict=True):
        for number, tile in enumerate(row):
            y, x = (number // 3) * (height + gap), (number % 3) * (width + gap)
            assert np.array_equal(frame[y : y + height, x : x + width], tile)
        assert np.all(frame[height + gap :, 2 * (width + gap) :] == 255)  # no sixth image


def test_dots_of_a_sweep_are_where_their_values_are():
    values = np.array([[[1.0, 3.0], [np.nan, np.nan]], [[2.0, np.nan], [7.0, 8.0]]])
    figure = figures.sweep_dots(["a", "b"], values, ["left", "right"], [5, 6])
    left, right = figure.axes
    drawn = {}
    for axes in (left, right):
        for line in axes.lines:
            if line.get_marker() in "os|" and np.isfinite(line.get_xdata()).all():
                place = (axes is right, line.get_marker(), float(line.get_ydata()[0]))
                drawn[place] = float(line.get_xdata()[0])
    assert drawn == {
        (False, "o", 0.0): 1.0,  # the first seed of the first configuration
        (False, "s", 0.0): 3.0,
        (False, "|", 0.0): 2.0,  # the mean
        (False, "o", 1.0): 2.0,
        (False, "|", 1.0): 2.0,  # of the seeds that ran
        (True, "o", 1.0): 7.0,
        (True, "s", 1.0): 8.0,
        (True, "|", 1.0): 7.5,
    }
    assert [label.get_text() for label in left.get_yticklabels()] == ["a", "b"]
    assert right.get_xlabel() == "right"


def test_an_interval_of_a_sweep_lies_around_the_mean():
    values = np.array([[[1.0, 3.0]], [[4.0, 6.0]]])
    figure = figures.sweep_dots(["a", "b"], values, ["excess"], [5, 6], reach=[[0.5], [2.0]])
    (bars,) = figure.axes[0].collections
    ends = np.array([[end[0] for end in bar] for bar in bars.get_segments()])
    np.testing.assert_allclose(ends, [[1.5, 2.5], [3.0, 7.0]])


def test_the_courses_of_several_trainings_have_one_scale_and_survive_a_spike():
    calm, wild = some_columns(50), some_columns(50)
    wild["train_reconstruction"] = wild["train_reconstruction"] + 1e6
    figure = figures.courses({"calm": (calm, 6400.0, 5900.0), "wild": (wild, 6300.0, 5800.0)})
    first, second, first_kl, second_kl = figure.axes
    assert first.get_ylim() == second.get_ylim()
    assert first_kl.get_ylim() == second_kl.get_ylim()
    low, high = first.get_ylim()
    assert 5600 < low < 5800 < 6400 < high < 7000
