"""Every picture of the series: one function each, from arrays to a matplotlib figure.

Saving and showing a figure are the caller's. Everything is laid out in whole pixels, counted from
the top left, so that each pixel of an emoji is drawn as large as its neighbour. Pictures are uint8
or floats in [0, 1], of 1 or 3 channels; small ones are enlarged a whole number of times, and only
those larger than their place are resampled. Names and labels are plain text, not formulas.
"""

import math
from collections import Counter
from itertools import cycle

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator
from PIL import Image

# Okabe & Ito (2008), "Color Universal Design": told apart by colour-blind readers too.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
BLUISH_GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
REDDISH_PURPLE = "#CC79A7"
GREY = "#999999"
LIGHT_GREY = "#DDDDDD"
LABEL_COLOURS = (
    BLUE,
    ORANGE,
    BLUISH_GREEN,
    REDDISH_PURPLE,
    VERMILLION,
    SKY_BLUE,
    YELLOW,
    BLACK,
)

DPI = 100
TEXT_SIZE = 11  # points, as is HEADING_SIZE: readable when the figure is shown at half its size
HEADING_SIZE = 13
LINE = 22  # pixels, as are all lengths below
MARGIN = 16
GAP = 4
MAX_COLUMNS = 12
MAX_ROWS = 20
PANEL = 470
THUMBNAIL = 44
FRAME = 2


# --- paper, text and pictures, in pixels ---


def _figure(width, height):
    """A figure of that many pixels, and its paper: axes in pixels that cover all of it."""
    # A little more than asked for, because 29 / 100 * 100 is less than 29.
    size = ((width + 0.001) / DPI, (height + 0.001) / DPI)
    figure = plt.figure(figsize=size, dpi=DPI, facecolor="white")
    plt.close(figure)  # else a notebook would show it twice
    paper = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    paper.set_axis_off()
    return figure, paper


def _axes(figure, left, top, width, height):
    """Axes at a place in pixels."""
    full_width, full_height = figure.bbox.size
    axes = figure.add_axes(
        (
            left / full_width,
            1 - (top + height) / full_height,
            width / full_width,
            height / full_height,
        )
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT_SIZE)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_size(TEXT_SIZE)
    axes.title.set_size(HEADING_SIZE)
    return axes


def _image(figure, left, top, pixels):
    """Axes that show an image, pixel for pixel, and count its pixels from the top left."""
    height, width = pixels.shape[:2]
    # A little smaller than whole pixels: matplotlib rounds an image's size up.
    axes = _axes(figure, left + 0.01, top + 0.01, width - 0.02, height - 0.02)
    axes.imshow(pixels, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)
    return axes


def _heading(paper, left, top, text):
    paper.text(left, top, text, size=HEADING_SIZE, va="top")


def _legend(figure, top, handles, columns):
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - top / figure.bbox.height),
        ncols=columns,
        fontsize=TEXT_SIZE,
        frameon=False,
        borderaxespad=0,
    )


def _printable(name, longest=24):
    """A name as it can be drawn: one short line of characters that the font has."""
    font = get_font(findfont(FontProperties()))
    name = " ".join(str(name).split())
    name = "".join(letter if font.get_char_index(ord(letter)) else "□" for letter in name)
    if len(name) > longest:
        name = name[: longest - 1] + "…"
    return name.replace("$", r"\$")  # a dollar would begin a formula


def _text_width(text, size=TEXT_SIZE):
    """How many pixels a line of text takes at most."""
    properties = FontProperties(size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, properties, ismath=False)
    return math.ceil(1.05 * width * DPI / 72) + 2  # drawn letters are widened to whole pixels


def _widest(texts, size=TEXT_SIZE):
    return max((_text_width(text, size) for text in texts if text), default=0)


def _coordinates(values):
    """Numbers as tick labels, all with the same number of digits."""
    values = np.asarray(values, float)
    digits = 1 if np.allclose(values, np.round(values, 1), rtol=0, atol=0.005) else 2
    return [f"{value:.{digits}f}".replace("-", "−") for value in np.round(values, digits) + 0.0]


def _thinned(labels, room):
    """Every label, or every second, third … where a label takes more pixels than there is room.

    The rest is left blank.
    """
    step = max(1, math.ceil(room))
    return [label if number % step == 0 else "" for number, label in enumerate(labels)]


# --- tiles and montages ---


def _tile_size(rows, columns):
    """The largest side of a tile, of which so many rows and columns fit a figure."""
    sizes = (size for size in (128, 64) if columns * size <= 960 and rows * size <= 1600)
    return next(sizes, 32)


def _tiles(pictures, size):
    """Pictures for the screen: of any leading shape, RGB, uint8, no larger than `size`."""
    pictures = np.asarray(pictures)
    if pictures.dtype != np.uint8:
        pictures = np.round(255 * np.clip(pictures, 0, 1)).astype(np.uint8)
    pictures = np.broadcast_to(pictures, (*pictures.shape[:-1], 3))  # grey in all three
    *leading, height, width, _ = pictures.shape
    longest = max(height, width)
    if longest <= size:
        return pictures.repeat(size // longest, axis=-3).repeat(size // longest, axis=-2)
    new_height, new_width = (max(1, round(side * size / longest)) for side in (height, width))
    tiles = np.empty((*leading, new_height, new_width, 3), np.uint8)
    for index in np.ndindex(*leading):
        image = Image.fromarray(np.ascontiguousarray(pictures[index]))
        tiles[index] = image.resize((new_width, new_height), Image.Resampling.LANCZOS)
    return tiles


def _in_rows(tiles, columns):
    """A list of tiles, wrapped: shape (rows, columns, height, width, 3), the last row filled up."""
    rows = math.ceil(len(tiles) / columns)
    wrapped = np.full((rows * columns, *tiles.shape[1:]), 255, np.uint8)
    wrapped[: len(tiles)] = tiles
    return wrapped.reshape(rows, columns, *tiles.shape[1:])


def _joined(tiles, gap):
    """One image of tiles (rows, columns, height, width, 3), with white between them."""
    rows, columns, height, width, _ = tiles.shape
    padded = np.full((rows, columns, height + gap, width + gap, 3), 255, np.uint8)
    padded[:, :, :height, :width] = tiles
    joined = padded.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap), 3)
    return joined[: joined.shape[0] - gap, : joined.shape[1] - gap]


def _montage(blocks, gap=GAP, column_names=(), xlabel="", ylabel=""):
    """Blocks of tiles below one another.

    Parameters
    ----------
    blocks : list of tuple
        (heading, tiles, row names): the heading may be empty, tiles have the shape (rows, columns,
        height, width, 3), there may be no row names.
    gap : int
        Between tiles.
    column_names, xlabel, ylabel
        Below the last block, and at the left of the last.

    Returns
    -------
    Figure, list of Axes
        The axes of each block, which count pixels from its top left.
    """
    tile_height, tile_width = np.array(blocks[0][1].shape[2:4]) + gap
    images = [_joined(tiles, gap) for _, tiles, _ in blocks]
    image_width = max(image.shape[1] for image in images)
    # Text that is centred on an image smaller than itself hangs over on both sides.
    hangover = max(0, _widest([xlabel]) - image_width, _widest(column_names) - tile_width) / 2
    hangover_y = max(0, _widest([ylabel]) - images[-1].shape[0]) / 2
    names_width = _widest(name for _, _, names in blocks for name in names)
    left = math.ceil(MARGIN + max(names_width + 8 * bool(names_width), hangover))
    left += LINE * bool(ylabel)
    headings_width = MARGIN + _widest((heading for heading, _, _ in blocks), HEADING_SIZE)
    width = max(math.ceil(left + image_width + hangover), headings_width) + MARGIN
    heights = [image.shape[0] for image in images]
    heights = [h + (LINE + 8) * bool(block[0]) for h, block in zip(heights, blocks, strict=True)]
    below = LINE * bool(column_names) + LINE * bool(xlabel)
    top = MARGIN + math.ceil(hangover_y)
    height = top + sum(heights) + MARGIN * (len(blocks) - 1) + below + MARGIN
    height += math.ceil(hangover_y)

    figure, paper = _figure(width, height)
    all_axes = []
    for (heading, tiles, names), image in zip(blocks, images, strict=True):
        if heading:
            _heading(paper, MARGIN, top, heading)
            top += LINE + 8
        axes = _image(figure, left, top, image)
        if len(names):
            centres = tile_height * np.arange(len(tiles)) + (tile_height - gap) / 2
            axes.set_yticks(centres, _thinned(names, LINE / tile_height))
        all_axes.append(axes)
        top += len(image) + MARGIN
    if len(column_names):
        centres = tile_width * np.arange(len(column_names)) + (tile_width - gap) / 2
        room = (_widest(column_names) + 8) / tile_width
        axes.set_xticks(centres, _thinned(column_names, room))
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure, all_axes


# --- the pictures ---


def dataset(pictures, labels):
    """A set of pictures, in rows by label.

    A large set is shown in part: at most 20 rows, shared out among the labels.

    Parameters
    ----------
    pictures : ndarray, shape (n, height, width, channels)
    labels : sequence of str, shape (n,)

    Returns
    -------
    Figure
    """
    labels = np.asarray(labels)
    counts = Counter(labels.tolist())  # in the order of their first picture
    columns = min(MAX_COLUMNS, max(counts.values()))
    needed = np.array([math.ceil(count / columns) for count in counts.values()])
    rows = np.zeros(len(counts), int)
    for _ in range(min(MAX_ROWS, needed.sum())):  # the next row to whoever has fewest so far
        rows[np.argmin(np.where(rows < needed, rows, MAX_ROWS))] += 1

    size = _tile_size(rows.sum(), columns)
    parts, names, shown = [], [], 0
    for label, label_rows in zip(counts, rows, strict=True):
        if label_rows:
            indices = np.flatnonzero(labels == label)[: label_rows * columns]
            parts.append(_in_rows(_tiles(pictures[indices], size), columns))
            names += [_printable(label)] + [""] * (label_rows - 1)
            shown += len(indices)
    heading = _some_of(shown, len(labels), "picture")
    heading += ", " + _some_of(np.count_nonzero(rows), len(counts), "label")
    return _montage([(heading, np.concatenate(parts), names)])[0]


def _some_of(some, count, noun):
    plural = noun if count == 1 else f"{noun}s"
    return f"{count} {plural}" if some == count else f"{some} of {count} {plural}"


def architecture(layers):
    """A VAE's layers: from the picture over the sample z to the picture.

    A box is as high as the logarithm of its number of units.

    Parameters
    ----------
    layers : list of tuple
        (name, inputs, units, activation) of each, as `vae_nb.model.layer_shapes` gives them.

    Returns
    -------
    Figure
    """
    by_name = {name: (units, activation) for name, _, units, activation in layers}
    pixels, latent = layers[0][1], by_name["mean"][0]
    encoder = [by_name[name] for name in by_name if name.startswith("encoder_")]
    decoder = [by_name[name] for name in by_name if name.startswith("decoder_")]
    # (part, colour, boxes as (symbol, units), what is below)
    columns = [("picture", LIGHT_GREY, [("", pixels)], "")]
    columns += [("encoder", SKY_BLUE, [("", units)], activation) for units, activation in encoder]
    columns += [("posterior", ORANGE, [("μ\n", latent), ("log σ²\n", latent)], "linear")]
    columns += [("sample", YELLOW, [("z\n", latent)], "")]
    for units, activation in [*decoder, by_name["output"]]:
        columns.append(("decoder", BLUISH_GREEN, [("", units)], activation))
    columns += [("picture", LIGHT_GREY, [("", pixels)], "sigmoid")]

    def box_height(units):
        return 48 + 232 * math.log(units) / math.log(max(pixels, 2))

    parts = [part for part, _, _, _ in columns]
    box = _widest([f"{units:,}" for _, _, boxes, _ in columns for _, units in boxes] + ["log σ²"])
    box += 12
    pitch = max(box + 20, _widest([*parts, *(below for *_, below in columns)]) + 10)
    tallest = math.ceil(max(280, 2 * box_height(latent) + 24))
    middle = MARGIN + 3 * LINE + tallest / 2
    bottom = middle + tallest / 2
    total = sum((inputs + 1) * units for _, inputs, units, _ in layers)
    figure, paper = _figure(
        len(columns) * pitch + 2 * MARGIN, math.ceil(bottom + 2 * LINE + 8 + MARGIN)
    )
    _heading(paper, MARGIN, MARGIN, f"{total:,} parameters")

    before = []  # right edges of the boxes of the column before
    for number, (_, colour, boxes, below) in enumerate(columns):
        centre = MARGIN + pitch * (number + 0.5)
        after = []
        for position, (symbol, units) in enumerate(boxes):
            height = box_height(units)
            y = middle + (position - (len(boxes) - 1) / 2) * (height + 24)
            corner = (centre - box / 2, y - height / 2)
            paper.add_patch(Rectangle(corner, box, height, facecolor=colour, edgecolor=BLACK))
            text = f"{symbol}{units:,}"
            paper.text(centre, y, text, size=TEXT_SIZE, ha="center", va="center")
            for start in before:
                arrow = {"arrowstyle": "->", "shrinkA": 1, "shrinkB": 1}
                paper.annotate("", (centre - box / 2, y), start, arrowprops=arrow)
            after.append((centre + box / 2, y))
        before = after
        paper.text(centre, bottom + LINE / 2 + 4, below, size=TEXT_SIZE, ha="center", va="center")
        if parts[number] == "sample":
            formula = "z = μ + σ·ε,  ε ~ N(0, 1)"
            y = bottom + 1.5 * LINE + 4
            paper.text(centre, y, formula, size=TEXT_SIZE, ha="center", va="center")
        if number == 0 or parts[number] != parts[number - 1]:
            width = parts[number:].count(parts[number]) if parts[number] != "picture" else 1
            start, end = centre - box / 2, centre + box / 2 + pitch * (width - 1)
            y = middle - tallest / 2 - 12
            paper.plot([start, end], [y, y], color=BLACK, linewidth=1)
            paper.text(
                (start + end) / 2, y - 6, parts[number], size=TEXT_SIZE, ha="center", va="bottom"
            )
    return figure


def gradient_check(errors):
    """Relative errors of gradients, a dot for each parameter array.

    Parameters
    ----------
    errors : dict of str to dict
        For each name in the legend, relative errors by parameter name, as `vae_nb.gradient_check`
        gives them.

    Returns
    -------
    Figure
    """
    names = list(next(iter(errors.values())))
    values = np.array([[by_name[name] for name in names] for by_name in errors.values()])
    positive = values[values > 0]
    left_end = 10 ** math.floor(math.log10(min(positive.min(initial=1e-8), 1e-8)) - 1)
    labels = [_printable(name, 40) for name in names]
    left = MARGIN + _widest(labels) + 12
    panel = max(120, 24 * len(names))
    figure, _ = _figure(left + 700 + 2 * MARGIN, panel + 2 * MARGIN + 4 * LINE)
    axes = _axes(figure, left, MARGIN, 700, panel)
    axes.grid(axis="y", color=LIGHT_GREY)
    axes.set_axisbelow(True)
    handles = []
    markers = cycle([("o", BLUE), ("X", VERMILLION), ("s", BLUISH_GREEN), ("^", ORANGE)])
    for name, row, (marker, colour) in zip(errors, values, markers, strict=False):
        handles += axes.plot(
            np.maximum(row, left_end),
            np.arange(len(names)),
            marker,
            color=colour,
            markersize=9,
            clip_on=False,
            label=_printable(name),
        )
    handles.append(axes.axvline(1e-7, color=BLACK, linestyle=":", label="1e-7"))
    axes.set_xscale("log")
    axes.set_xlim(left_end, max(10 * positive.max(initial=1e-7), 1e-6))
    axes.set_yticks(range(len(names)), labels)
    axes.set_ylim(len(names) - 0.5, -0.5)
    zero = " (0 is drawn at the left end)" if np.any(values == 0) else ""
    axes.set_xlabel(f"relative error of the gradient{zero}")
    _legend(figure, MARGIN + panel + 2.6 * LINE, handles, columns=len(handles))
    return figure


def reconstructions(train, train_reconstructed, held_out, held_out_reconstructed):
    """Pictures with what the VAE makes of them directly below.

    Parameters
    ----------
    train, train_reconstructed : ndarray, shape (n, height, width, channels)
    held_out, held_out_reconstructed : ndarray, shape (m, height, width, channels)
        All are shown, 12 in a row.

    Returns
    -------
    Figure
    """
    columns = min(MAX_COLUMNS, max(len(train), len(held_out)))
    size = _tile_size(2 * math.ceil((len(train) + len(held_out)) / columns), columns)
    blocks = []
    for heading, originals, reconstructed in (
        ("Training pictures", train, train_reconstructed),
        ("Held-out pictures, never trained on", held_out, held_out_reconstructed),
    ):
        rows = (_in_rows(_tiles(part, size), columns) for part in (originals, reconstructed))
        pairs = [np.stack(pair) for pair in zip(*rows, strict=True)]
        headings = [heading] + [""] * (len(pairs) - 1)
        names = ["original", "reconstruction"]
        blocks += [(above, pair, names) for above, pair in zip(headings, pairs, strict=False)]
    return _montage(blocks)[0]


def latent_space(planes, pictures, labels):
    """Where pictures lie in planes through the latent space.

    As many pictures as have room are thumbnails, the others dots.

    Parameters
    ----------
    planes : list of tuple
        (title, xlabel, ylabel, points) with points of shape (n, 2): a panel each.
    pictures : ndarray, shape (n, height, width, channels)
    labels : sequence of str, shape (n,)
        The eight most frequent have colours of their own.

    Returns
    -------
    Figure
    """
    counts = Counter(_printable(label) for label in labels)
    colours = {
        label: colour
        for (label, _), colour in zip(
            counts.most_common(len(LABEL_COLOURS)), LABEL_COLOURS, strict=False
        )
    }
    entries = [*colours.items()] + [("other labels", GREY)] * (len(counts) > len(colours))
    picture_colours = [colours.get(_printable(label), GREY) for label in labels]
    thumbnails = _tiles(pictures, THUMBNAIL)
    left = 76
    panels_width = len(planes) * (left + PANEL + MARGIN)
    top = MARGIN + LINE + 8
    legend_top = top + PANEL + 2.6 * LINE
    height = math.ceil(legend_top + 24 * math.ceil(len(entries) / 4) + MARGIN)
    figure, _ = _figure(panels_width, height)
    for number, (title, xlabel, ylabel, points) in enumerate(planes):
        panel_left = number * (left + PANEL + MARGIN) + left
        axes = _axes(figure, panel_left, top, PANEL, PANEL)
        axes.set_title(title)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        _scatter_pictures(figure, axes, panel_left, top, points, thumbnails, picture_colours)
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=8, linestyle="", label=label)
        for label, colour in entries
    ]
    _legend(figure, legend_top, handles, columns=4)
    return figure


def _scatter_pictures(figure, axes, left, top, points, thumbnails, colours):
    """Thumbnails and dots on a panel."""
    height, width = np.array(thumbnails.shape[1:3]) + 2 * FRAME
    points = np.asarray(points, float)
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    low, span = np.where(span > 0, low, low - 0.5), np.where(span > 0, span, 1.0)
    margin = THUMBNAIL / 2 + FRAME + GAP  # a thumbnail at the border is whole
    inner = PANEL - 2 * margin
    places = margin + (points - low) / span * inner  # (n, 2), x and y upwards
    places[:, 1] = PANEL - places[:, 1]
    for set_limits, start, length in zip((axes.set_xlim, axes.set_ylim), low, span, strict=True):
        set_limits(start - margin / inner * length, start + (1 + margin / inner) * length)

    corners = np.round(places - np.array([width, height]) / 2).astype(int)
    chosen = _without_overlap(corners, (width, height))
    panel = np.zeros((PANEL, PANEL, 4), np.uint8)  # transparent
    for index in chosen:
        x, y = corners[index]
        red_green_blue = [int(colours[index][digit : digit + 2], 16) for digit in (1, 3, 5)]
        panel[y : y + height, x : x + width] = (*red_green_blue, 255)
        inside = panel[y + FRAME : y + height - FRAME, x + FRAME : x + width - FRAME]
        inside[..., :3] = thumbnails[index]
    others = np.setdiff1d(np.arange(len(points)), chosen)
    dot_colours = [colours[index] for index in others]
    axes.scatter(*points[others].T, s=30, c=dot_colours, edgecolors="white", linewidths=0.7)
    _image(figure, left, top, panel)


def _without_overlap(corners, size):
    """Which rectangles of one size to show so that none covers another: greedy, in random order.

    Parameters
    ----------
    corners : ndarray of int, shape (n, 2)
    size : (width, height)

    Returns
    -------
    list of int
    """
    chosen = []
    for index in np.random.default_rng(0).permutation(len(corners)):
        distances = np.abs(corners[chosen] - corners[index])  # (chosen, 2)
        if np.all(np.any(distances >= size, axis=1)):
            chosen.append(index)
    return chosen


def kl_per_dimension(kl, active):
    """How much each latent dimension tells.

    Parameters
    ----------
    kl : ndarray, shape (latent,)
        In nats, averaged over a set.
    active : ndarray of bool, shape (latent,)

    Returns
    -------
    Figure
    """
    active = np.asarray(active, bool)
    figure, _ = _figure(900, 400)
    axes = _axes(figure, 76, 48, 808, 278)
    dimensions = np.arange(1, len(active) + 1)
    bars = []
    for which, colour, label in ((active, BLUE, "active"), (~active, GREY, "not active")):
        heights = np.asarray(kl)[which]
        bars.append(axes.bar(dimensions[which], heights, color=colour, label=label))
    axes.set_title(f"{np.count_nonzero(active)} of {len(active)} latent dimensions are active")
    axes.set(xlabel="latent dimension", ylabel="KL divergence (nats per image)")
    axes.set_xlim(0.4, len(active) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True))
    _legend(figure, 370, bars, columns=2)
    return figure


def loss_curves(columns, saved_epoch, entropy=None):
    """The losses of a training: total, reconstruction and KL.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (epochs,)
        `vae_nb.History.columns`: losses in nats per image.
    saved_epoch : int
        Counted from 1.
    entropy : float or None
        The entropy of the pictures themselves, in nats per image: no reconstruction loss can be
        below.

    Returns
    -------
    Figure
    """
    epochs, kl_weight = np.asarray(columns["epoch"]), np.asarray(columns["kl_weight"])
    marks = []
    warm = int(epochs[np.argmax(kl_weight == kl_weight[-1])])
    if epochs[0] < warm < epochs[-1]:
        marks.append((warm, BLACK, "KL warm-up ends"))
    if saved_epoch != epochs[-1]:
        marks.append((saved_epoch, BLUISH_GREEN, "saved epoch"))
    figure, _ = _figure(1100, 400)
    for number, part in enumerate(("total", "reconstruction", "kl")):
        axes = _axes(figure, 84 + 362 * number, 48, 270, 270)
        handles, lowest, highest = [], [], []
        for curve, name, colour, line in (
            ("train", "training", BLUE, "-"),
            ("validation", "held-out", VERMILLION, "--"),
        ):
            values = np.asarray(columns[f"{curve}_{part}"], float)
            style = {"color": colour, "linestyle": line, "linewidth": 2, "label": name}
            handles += axes.plot(epochs, values, marker="o" if len(epochs) == 1 else "", **style)
            lowest.append(values.min())
            highest.append(values[math.ceil(len(values) / 20) % len(values) :].max())
        for epoch, colour, name in marks:
            style = {"color": colour, "linestyle": "-.", "label": name}
            handles.append(axes.axvline(epoch, **style))
        if entropy is not None and part == "reconstruction":
            style = {"color": BLACK, "linestyle": ":", "linewidth": 2}
            floor = axes.axhline(entropy, label="entropy of the pictures", **style)
            lowest.append(entropy)
        margin = 0.05 * (max(highest) - min(lowest)) or 1.0
        # The first epochs may be far above all others: their curve leaves at the top.
        axes.set_ylim(min(lowest) - margin, max(highest) + margin)
        axes.set_title({"kl": "KL divergence"}.get(part, part))
        axes.set(xlabel="epoch", ylabel="nats per image")
        axes.ticklabel_format(axis="y", useOffset=False, style="plain")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    if entropy is not None:
        handles.append(floor)
    _legend(figure, 366, handles, columns=len(handles))
    return figure


def latent_traversal(pictures, x_values, y_values, xlabel, ylabel):
    """A grid of pictures decoded over two latent dimensions.

    Parameters
    ----------
    pictures : ndarray, shape (rows, columns, height, width, channels)
        The first row belongs to the first y value and is drawn at the bottom: y points upwards.
    x_values : sequence of float, shape (columns,)
    y_values : sequence of float, shape (rows,)
    xlabel, ylabel : str

    Returns
    -------
    Figure
    """
    tiles = _tiles(pictures, _tile_size(*np.shape(pictures)[:2]))[::-1]
    names = _coordinates(y_values)[::-1]
    figure, [axes] = _montage([("", tiles, names)], 0, _coordinates(x_values), xlabel, ylabel)
    axes.tick_params(length=3)
    return figure


def latent_strips(pictures, values, names):
    """What each latent dimension does: a row of pictures for each.

    Parameters
    ----------
    pictures : ndarray, shape (dimensions, steps, height, width, channels)
    values : sequence of float, shape (steps,)
        Of the dimension that changes.
    names : sequence of str, shape (dimensions,)

    Returns
    -------
    Figure
    """
    tiles = _tiles(pictures, _tile_size(*np.shape(pictures)[:2]))
    names = [_printable(name) for name in names]
    xlabel = "value of the latent dimension"
    return _montage([("", tiles, names)], GAP, _coordinates(values), xlabel)[0]


def interpolation(pictures, row_names):
    """Pictures on the way from one to another, the ends framed.

    Parameters
    ----------
    pictures : ndarray, shape (rows, steps, height, width, channels)
    row_names : sequence of str, shape (rows,)

    Returns
    -------
    Figure
    """
    tiles = _tiles(pictures, _tile_size(*np.shape(pictures)[:2]))
    rows, steps, height, width, _ = tiles.shape
    names = [_printable(name) for name in row_names]
    weights = _coordinates(np.linspace(0, 1, steps))
    xlabel = "weight t of the right-hand end"
    figure, [axes] = _montage([("", tiles, names)], 2 * GAP, weights, xlabel)
    for row in range(rows):
        for column in (0, steps - 1):
            corner = (column * (width + 2 * GAP) - 1.5, row * (height + 2 * GAP) - 1.5)
            style = {"fill": False, "edgecolor": VERMILLION, "linewidth": 3 * 72 / DPI}
            axes.add_patch(Rectangle(corner, width + 3, height + 3, clip_on=False, **style))
    return figure


def picture_grid(pictures, columns=MAX_COLUMNS, title="", titles=()):
    """Pictures in rows, for example samples from the prior.

    Parameters
    ----------
    pictures : ndarray, shape (n, height, width, channels)
    columns : int
        At most so many in a row; fewer where wide titles leave no room.
    title : str
        Above all of them.
    titles : sequence of str, shape (n,) or (0,)
        Below each.

    Returns
    -------
    Figure
    """
    titles = [_printable(name) for name in titles]
    columns = min(columns, len(pictures), max(1, 1100 // (_widest(titles) + 12)))
    tiles = _tiles(pictures, _tile_size(math.ceil(len(pictures) / columns), columns))
    _, height, width, _ = tiles.shape
    if titles:  # room for a title makes a tile larger
        beside = max(0, math.ceil((_widest(titles) + 8 - width) / 2))
        padding = ((0, 0), (0, LINE + 4), (beside, beside), (0, 0))
        tiles = np.pad(tiles, padding, constant_values=255)
    figure, [axes] = _montage([(title, _in_rows(tiles, columns), [])])
    for number, name in enumerate(titles):
        row, column = divmod(number, columns)
        x = column * (tiles.shape[2] + GAP) + tiles.shape[2] / 2
        y = row * (tiles.shape[1] + GAP) + height + 2
        axes.text(x, y, name, size=TEXT_SIZE, ha="center", va="top")
    return figure


def sliders(picture, z, names):
    """A still picture of the latent explorer: the decoded picture and its latent vector.

    Parameters
    ----------
    picture : ndarray, shape (height, width, channels)
    z : ndarray, shape (latent,)
    names : sequence of str, shape (latent,)

    Returns
    -------
    Figure
    """
    z = np.asarray(z, float)
    names = [_printable(name) for name in names]
    tile = _tiles(picture, 320)
    columns = 1 if len(z) <= 32 else 2
    rows = math.ceil(len(z) / columns)
    pitch, track = 26, 280 // columns
    limit = max(3, math.ceil(np.abs(z).max()))
    values = [f"{value:.2f}".replace("-", "−") for value in np.round(z, 2) + 0.0]
    names_width, values_width = _widest(names) + 12, _widest(values) + 12
    column_width = names_width + track + values_width + 2 * MARGIN
    slider_height = rows * pitch + LINE
    height = max(len(tile), slider_height) + 2 * MARGIN
    figure, paper = _figure(tile.shape[1] + 3 * MARGIN + columns * column_width, height)
    _image(figure, MARGIN, (height - len(tile)) // 2, tile)

    def position(value):  # from the left of a track
        return (value + limit) / (2 * limit) * track

    for number, (name, value, text) in enumerate(zip(names, z, values, strict=True)):
        column, row = divmod(number, rows)
        start = tile.shape[1] + 3 * MARGIN + column * column_width + names_width
        y = (height - slider_height) / 2 + pitch * (row + 0.5)
        paper.text(start - 12, y, name, size=TEXT_SIZE, ha="right", va="center")
        paper.text(start + track + 12, y, text, size=TEXT_SIZE, va="center")
        paper.plot([start, start + track], [y, y], color=LIGHT_GREY, linewidth=4)
        ends = [start + position(0), start + position(value)]
        paper.plot(ends, [y, y], color=BLUE, linewidth=4, solid_capstyle="butt")
        paper.plot(ends[1], y, "o", color=BLUE, markersize=9)
        if row == rows - 1 or number == len(z) - 1:
            for end in (-limit, 0, limit):
                x, below = start + position(end), y + pitch / 2 + LINE / 2
                label = f"{end}".replace("-", "−")
                paper.text(x, below, label, size=TEXT_SIZE, ha="center", va="center")
    return figure
