"""Every picture of the series: one function each, from arrays to a matplotlib figure.

Saving and showing a figure are the caller's. Everything is laid out in whole pixels, counted from
the top left, so that each pixel of an emoji is drawn as large as its neighbour. Pictures are uint8
or floats in [0, 1], of 1 or 3 channels; small ones are enlarged a whole number of times, and only
those larger than their place are resampled. Names and labels are plain text, not formulas.
"""

import math
from collections import Counter
from itertools import cycle, groupby
from operator import itemgetter

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
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
LABEL_COLOURS = (BLUE, ORANGE, BLUISH_GREEN, REDDISH_PURPLE)
LABEL_COLOURS += (VERMILLION, SKY_BLUE, YELLOW, BLACK)

DPI = 100
TEXT_SIZE = 11  # points, as is HEADING_SIZE: readable when the figure is shown at half its size
HEADING_SIZE = 13
LINE = 22  # pixels, as are all lengths below
MARGIN = 16
GAP = 4
NAME_GAP = 10  # between a name and what it names
MAX_COLUMNS = 12
DATASET_COLUMNS = 14
DATASET_ROWS = 20
PANEL = 480
THUMBNAIL = 40
FRAME = 2
ROW = 26  # of a list of configurations


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
    bottom = figure.bbox.height - top - height
    axes = figure.add_axes(np.array([left, bottom, width, height]) / np.tile(figure.bbox.size, 2))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.xaxis.label.set_size(TEXT_SIZE)
    axes.yaxis.label.set_size(TEXT_SIZE)
    axes.title.set_size(HEADING_SIZE)
    return axes


def _image(figure, left, top, pixels):
    """Axes that show an image, pixel for pixel, and count its pixels from the top left."""
    height, width = pixels.shape[:2]
    # A little smaller than whole pixels: matplotlib rounds an image's size up.
    axes = _axes(figure, left + 0.01, top + 0.01, width - 0.02, height - 0.02)
    axes.set_facecolor("none")
    axes.imshow(pixels, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0)
    return axes


def _write(paper, x, y, text, ha="center", va="center", size=TEXT_SIZE):
    paper.text(x, y, text, ha=ha, va=va, size=size)


def _write_heading(paper, top, text):
    _write(paper, MARGIN, top, text, "left", "top", HEADING_SIZE)


def _legend(figure, handles, columns):
    """A legend at the lower edge."""
    place = {"loc": "lower center", "ncols": columns}
    figure.legend(handles=handles, fontsize=TEXT_SIZE, frameon=False, **place)


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


def _name_tiles(axis, names, tile_length, gap, name_length):
    """Names along an axis, one at each tile: as many blank as it takes for them not to touch."""
    pitch = tile_length + gap
    step = math.ceil(name_length / pitch)
    shown = [name if number % step == 0 else "" for number, name in enumerate(names)]
    axis.set_ticks(pitch * np.arange(len(names)) + tile_length / 2, shown)


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
    Figure
        Its last axes are the last block's, and count pixels from the top left.
    """
    tile_height, tile_width = blocks[0][1].shape[2:4]
    images = [_joined(tiles, gap) for _, tiles, _ in blocks]
    image_width = max(image.shape[1] for image in images)
    names_width = _widest(name for _, _, names in blocks for name in names)
    headings_width = _widest((heading for heading, _, _ in blocks), HEADING_SIZE)
    heading_height = LINE + GAP
    # Text that is centred on an image smaller than itself hangs over on both sides.
    beside = max(0, _widest([xlabel]) - image_width, _widest(column_names) - tile_width) // 2
    above = max(0, _widest([ylabel]) - len(images[-1])) // 2
    left = MARGIN + LINE * bool(ylabel) + max(names_width + NAME_GAP * bool(names_width), beside)
    width = max(left + image_width + beside, MARGIN + headings_width) + MARGIN
    height = sum(len(image) + MARGIN for image in images) + MARGIN + 2 * above
    height += sum(heading_height for heading, _, _ in blocks if heading)
    height += LINE * bool(column_names) + LINE * bool(xlabel)

    figure, paper = _figure(width, height)
    top = MARGIN + above
    for (heading, _, names), image in zip(blocks, images, strict=True):
        if heading:
            _write_heading(paper, top, heading)
            top += heading_height
        axes = _image(figure, left, top, image)
        _name_tiles(axes.yaxis, names, tile_height, gap, LINE)
        top += len(image) + MARGIN
    _name_tiles(axes.xaxis, column_names, tile_width, gap, _widest(column_names) + 8)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure


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
    columns = min(DATASET_COLUMNS, max(counts.values()))
    needed = np.array([math.ceil(count / columns) for count in counts.values()])
    rows = np.zeros(len(counts), int)
    for _ in range(min(DATASET_ROWS, needed.sum())):  # the next row to whoever has fewest so far
        rows[np.argmin(np.where(rows < needed, rows, DATASET_ROWS))] += 1

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
    return _montage([(heading, np.concatenate(parts), names)])


def _some_of(some, count, noun):
    plural = noun if count == 1 else f"{noun}s"
    return f"{count} {plural}" if some == count else f"{some} of {count} {plural}"


def architecture(layers):
    """A VAE's layers: from the picture over the sample z to the picture.

    A box is as high as the logarithm of its number of units.

    Parameters
    ----------
    layers : list of tuple
        (name, inputs, units, activation) of each, as `vae_nb.core.model.layer_shapes` gives them.

    Returns
    -------
    Figure
    """
    pixels = layers[0][1]
    # (part, colour, a symbol for each box, units of each box, what is below)
    columns = [("picture", LIGHT_GREY, [""], pixels, "")]
    for name, _, units, activation in layers:
        if name == "mean":
            columns.append(("posterior", ORANGE, ["μ\n", "log σ²\n"], units, activation))
            columns.append(("sample", YELLOW, ["z\n"], units, ""))
        elif name != "log_variance":
            encoder = name.startswith("encoder_")
            part, colour = ("encoder", SKY_BLUE) if encoder else ("decoder", BLUISH_GREEN)
            columns.append((part, colour, [""], units, activation))
    columns.append(("picture", LIGHT_GREY, [""], pixels, "sigmoid"))

    most = max(units for *_, units, _ in columns)
    width = _widest(["log σ²", f"{most:,}"]) + 12
    pitch = max(width + 20, _widest(text for part, *_, below in columns for text in (part, below)))
    tallest = max(len(boxes) * (_box_height(units, most) + 24) for *_, boxes, units, _ in columns)
    top = MARGIN + 3 * LINE
    bottom = top + math.ceil(tallest)
    figure, paper = _figure(len(columns) * pitch + 2 * MARGIN, bottom + 2 * LINE + MARGIN)
    total = sum((inputs + 1) * units for _, inputs, units, _ in layers)
    _write_heading(paper, MARGIN, f"{total:,} parameters")

    x = MARGIN
    for part, same in groupby(columns, key=itemgetter(0)):
        end = x + pitch * len(list(same))
        paper.plot([x + 10, end - 10], [top, top], color=BLACK, linewidth=1)
        _write(paper, (x + end) / 2, top - 14, part)
        x = end
    starts = []  # of the arrows: the right edges of the column before
    for number, (part, colour, boxes, units, below) in enumerate(columns):
        x = MARGIN + pitch * (number + 0.5)
        height = _box_height(units, most)
        places = np.arange(len(boxes)) - (len(boxes) - 1) / 2
        centres = (top + bottom) / 2 + places * (height + 24)
        for symbol, y in zip(boxes, centres, strict=True):
            corner = (x - width / 2, y - height / 2)
            paper.add_patch(Rectangle(corner, width, height, facecolor=colour, edgecolor=BLACK))
            _write(paper, x, y, f"{symbol}{units:,}")
            for start in starts:
                paper.annotate("", (x - width / 2, y), start, arrowprops={"arrowstyle": "->"})
        starts = [(x + width / 2, y) for y in centres]
        _write(paper, x, bottom + LINE / 2, below)
        if part == "sample":
            _write(paper, x, bottom + 1.5 * LINE, "z = μ + σ·ε,  ε ~ N(0, 1)")
    return figure


def _box_height(units, most):
    return 48 + 232 * math.log(units) / math.log(max(most, 2))


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
    left_end = 10 ** math.floor(math.log10(positive.min(initial=1e-8)) - 1)
    labels = [_printable(name, longest=40) for name in names]
    left = MARGIN + _widest(labels) + NAME_GAP
    panel = max(120, 24 * len(names))
    figure, _ = _figure(left + 700 + 2 * MARGIN, panel + 2 * MARGIN + 4 * LINE)
    axes = _axes(figure, left, MARGIN, 700, panel)
    axes.grid(axis="y", color=LIGHT_GREY)
    axes.set_axisbelow(True)
    looks = cycle([("o", BLUE), ("X", VERMILLION), ("s", BLUISH_GREEN), ("^", ORANGE)])
    for name, row, (marker, colour) in zip(errors, values, looks, strict=False):
        style = {"color": colour, "markersize": 9, "clip_on": False, "label": _printable(name)}
        style |= {"fillstyle": "none", "markeredgewidth": 2}  # those that coincide are all seen
        axes.plot(np.maximum(row, left_end), range(len(names)), marker, **style)
    axes.axvline(1e-7, color=BLACK, linestyle=":", label="1e-7")
    axes.set(xscale="log", xlim=(left_end, 10 * positive.max(initial=1e-7)))
    axes.set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)), yticklabels=labels)
    zero = " (0 is drawn at the left end)" if np.any(values == 0) else ""
    axes.set_xlabel(f"relative error of the gradient{zero}")
    handles, _ = axes.get_legend_handles_labels()
    _legend(figure, handles, columns=len(handles))
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
        for number, pair in enumerate(zip(*rows, strict=True)):
            above = "" if number else heading
            blocks.append((above, np.stack(pair), ["original", "reconstruction"]))
    return _montage(blocks)


def latent_space(planes, pictures, labels):
    """Where pictures lie in planes through the latent space.

    As many pictures as have room are thumbnails, the others dots.

    Parameters
    ----------
    planes : list of tuple
        (title, xlabel, ylabel, points) with points of shape (n, 2): a panel each.
    pictures : ndarray, shape (n, height, width, channels)
    labels : sequence of str, shape (n,)
        The most frequent have colours of their own, with a legend if there are several.

    Returns
    -------
    Figure
    """
    frequent = [label for label, _ in Counter(labels).most_common(len(LABEL_COLOURS))]
    colours = dict(zip(frequent, LABEL_COLOURS, strict=False))
    entries = [(_printable(label) or "no label", colour) for label, colour in colours.items()]
    if len(set(labels)) > len(frequent):
        entries.append(("other labels", GREY))
    picture_colours = np.array([colours.get(label, GREY) for label in labels])
    thumbnails = _tiles(pictures, THUMBNAIL)
    pitch, top, left = PANEL + 92, MARGIN + LINE + GAP, 76
    legend_height = 24 * math.ceil(len(entries) / 4) + MARGIN if len(entries) > 1 else 0
    figure, _ = _figure(len(planes) * pitch, top + PANEL + 3 * LINE + legend_height)
    for number, (title, xlabel, ylabel, points) in enumerate(planes):
        axes = _axes(figure, number * pitch + left, top, PANEL, PANEL)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        panel = _scatter_pictures(axes, np.asarray(points, float), thumbnails, picture_colours)
        _image(figure, number * pitch + left, top, panel)
    dot = {"marker": "o", "markersize": 8, "linestyle": ""}
    handles = [Line2D([], [], color=colour, label=label, **dot) for label, colour in entries]
    if legend_height:
        _legend(figure, handles, columns=4)
    return figure


def _scatter_pictures(axes, points, thumbnails, colours):
    """Draw dots, and return the thumbnails as an image (PANEL, PANEL, 4) to lay over them."""
    height, width = np.array(thumbnails.shape[1:3]) + 2 * FRAME
    span = np.ptp(points, axis=0)
    border = THUMBNAIL / 2 + FRAME + GAP  # a thumbnail at the border is whole
    border = border / (PANEL - 2 * border) * np.where(span > 0, span, 1)
    border += np.where(span > 0, 0, 0.5)
    low, high = points.min(axis=0) - border, points.max(axis=0) + border
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    places = (points - low) / (high - low) * PANEL  # (n, 2), from the bottom left
    places[:, 1] = PANEL - places[:, 1]
    corners = np.round(places - np.array([width, height]) / 2).astype(int)
    chosen = _without_overlap(corners, (width, height))

    panel = np.zeros((PANEL, PANEL, 4), np.uint8)  # transparent
    for index in chosen:
        x, y = corners[index]
        framed = panel[y : y + height, x : x + width]
        framed[:] = 255 * np.array(to_rgba(colours[index]))
        framed[FRAME:-FRAME, FRAME:-FRAME, :3] = thumbnails[index]
    dots = np.delete(np.arange(len(points)), chosen)
    axes.scatter(*points[dots].T, s=30, c=colours[dots], edgecolors="white", linewidths=0.7)
    return panel


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
    kl, active = np.asarray(kl), np.asarray(active, bool)
    figure, _ = _figure(900, 424)
    axes = _axes(figure, 76, 48, 808, 278)
    axes.bar(np.arange(1, len(kl) + 1), kl, color=np.where(active, BLUE, GREY))
    handles = [Patch(color=BLUE, label="active"), Patch(color=GREY, label="not active")]
    axes.set_title(f"{np.count_nonzero(active)} of {len(kl)} latent dimensions are active")
    axes.set(xlabel="latent dimension", ylabel="KL divergence (nats per image)")
    axes.set_xlim(0.4, len(kl) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True, min_n_ticks=1))
    _legend(figure, handles, columns=2)
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
    warm = epochs[np.argmax(kl_weight == kl_weight[-1])]
    if epochs[0] < warm < epochs[-1]:
        marks.append((warm, BLACK, "KL warm-up ends"))
    if saved_epoch != epochs[-1]:
        marks.append((saved_epoch, BLUISH_GREEN, "saved epoch"))
    after_start = slice(math.ceil(len(epochs) / 20) if len(epochs) > 1 else 0, None)
    # A line of one point cannot be seen.
    style = {"marker": "o" if len(epochs) == 1 else "", "linewidth": 2}
    figure, _ = _figure(1100, 400)
    for number, part in enumerate(("total", "reconstruction", "kl")):
        axes = _axes(figure, 100 + 362 * number, 48, 256, 270)
        training, held_out = (np.asarray(columns[f"{s}_{part}"]) for s in ("train", "validation"))
        axes.plot(epochs, training, color=BLUE, label="training", **style)
        axes.plot(epochs, held_out, color=VERMILLION, linestyle="--", label="held-out", **style)
        for epoch, colour, name in marks:
            axes.axvline(epoch, color=colour, linestyle="-.", label=name)
        low = min(training.min(), held_out.min())
        high = max(training[after_start].max(), held_out[after_start].max())
        if entropy is not None and part == "reconstruction":
            label = "entropy of the pictures"
            axes.axhline(entropy, color=BLACK, linestyle=":", linewidth=2, label=label)
            low = min(low, entropy)
        margin = 0.05 * (high - low) or 1.0
        # The first epochs may be far above all others: their curve leaves at the top.
        axes.set(ylim=(low - margin, high + margin), xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
        axes.set(title="KL divergence" if part == "kl" else part)
        axes.set(xlabel="epoch", ylabel="nats per image")
        axes.ticklabel_format(axis="y", useOffset=False, style="plain")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    # The plot of the reconstruction has all that the others have.
    handles, _ = figure.axes[2].get_legend_handles_labels()
    _legend(figure, handles, columns=len(handles))
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
    return _montage([("", tiles, names)], 0, _coordinates(x_values), xlabel, ylabel)


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
    return _montage([("", tiles, names)], GAP, _coordinates(values), xlabel)


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
    beside = ((0, 0), (0, 0), (FRAME, FRAME), (FRAME, FRAME), (0, 0))
    framed = np.pad(tiles, beside, constant_values=255)
    framed[:, [0, -1]] = 255 * np.array(to_rgb(VERMILLION))
    framed[:, :, FRAME:-FRAME, FRAME:-FRAME] = tiles
    names = [_printable(name, longest=40) for name in row_names]
    weights = _coordinates(np.linspace(0, 1, tiles.shape[1]))
    return _montage([("", framed, names)], GAP, weights, "weight t of the right-hand end")


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
    figure = _montage([(title, _in_rows(tiles, columns), ())])
    for number, name in enumerate(titles):
        row, column = divmod(number, columns)
        x = column * (tiles.shape[2] + GAP) + tiles.shape[2] / 2
        y = row * (tiles.shape[1] + GAP) + height + 2
        _write(figure.axes[-1], x, y, name, va="top")
    return figure


def picture_table(pictures, row_names, column_names=(), title=""):
    """Pictures in rows, and columns, that have names.

    Parameters
    ----------
    pictures : ndarray, shape (rows, columns, height, width, channels)
    row_names : sequence of str, shape (rows,)
    column_names : sequence of str, shape (columns,) or (0,)
    title : str
        Above all of them.

    Returns
    -------
    Figure
    """
    row_names = [_printable(name) for name in row_names]
    column_names = [_printable(name) for name in column_names]
    tiles = _tiles(pictures, _tile_size(*np.shape(pictures)[:2]))
    beside = max(0, math.ceil((_widest(column_names) + 8 - tiles.shape[3]) / 2))
    tiles = np.pad(tiles, ((0, 0), (0, 0), (0, 0), (beside, beside), (0, 0)), constant_values=255)
    return _montage([(title, tiles, row_names)], GAP, column_names)


def sweep_dots(blocks, xlabels, seeds, center=None):
    """The runs of several configurations: a line for each configuration, a dot for each seed.

    Parameters
    ----------
    blocks : list of tuple
        (heading, names, values): names has the shape (configurations,), values (configurations,
        panels, seeds), with NaN where there was no run. A black stroke is the mean over the seeds.
    xlabels : sequence of str, shape (panels,)
        What the panels show.
    seeds : sequence, shape (seeds,)
    center : float or None
        Where every panel has a vertical line.

    Returns
    -------
    Figure
    """
    blocks = [(head, [_printable(n, 36) for n in names], values) for head, names, values in blocks]
    left = MARGIN + _widest(name for _, names, _ in blocks for name in names) + NAME_GAP
    heights = [len(names) * ROW + (LINE + GAP) * bool(head) for head, names, _ in blocks]
    panel, pitch = 270, 270 + 2 * MARGIN
    width = left + pitch * len(xlabels)
    figure, paper = _figure(width, MARGIN + sum(heights) + MARGIN * len(blocks) + 88)
    looks = [*zip(seeds, cycle(LABEL_COLOURS), cycle("osD^vPX*"))]
    top, columns = MARGIN, [[] for _ in xlabels]
    for (head, names, values), height in zip(blocks, heights, strict=True):
        if head:
            _write_heading(paper, top, head)
        top += height - len(names) * ROW
        for number, shown in enumerate(columns):
            axes = _axes(figure, left + pitch * number, top, panel, len(names) * ROW)
            shown.append(axes)
            for row, of_seeds in enumerate(np.asarray(values, float)[:, number]):
                axes.axhline(row, color=LIGHT_GREY, linewidth=1, zorder=0)
                for value, (_, colour, marker) in zip(of_seeds, looks, strict=True):
                    axes.plot(value, row, marker, color=colour, markersize=7, alpha=0.85)
                if np.isfinite(of_seeds).any():
                    axes.plot(np.nanmean(of_seeds), row, "|", color=BLACK, markersize=18, mew=3)
            if center is not None:
                axes.axvline(center, color=GREY, linestyle=":", zorder=0)
            axes.set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)))
            axes.set_yticklabels(names if number == 0 else [])
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        top += len(names) * ROW + MARGIN
    for shown, xlabel in zip(columns, xlabels, strict=True):
        limits = np.array([axes.get_xlim() for axes in shown])
        for axes in shown:  # comparable from block to block
            axes.set_xlim(limits[:, 0].min(), limits[:, 1].max())
            axes.tick_params(axis="x", labelbottom=axes is shown[-1])
        shown[-1].set_xlabel(xlabel)
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=f"seed {seed}")
        for seed, colour, marker in looks
    ]
    handles.append(Line2D([], [], color=BLACK, marker="|", mew=3, linestyle="", label="mean"))
    _legend(figure, handles, columns=len(handles))
    return figure


def sweep_curves(panels, ylabel):
    """Curves of several runs, a panel for each comparison.

    Parameters
    ----------
    panels : dict of str to dict
        By the panel's title: (epochs, training, held_out) by the run's name, three arrays of the
        shape (epochs,).
    ylabel : str

    Returns
    -------
    Figure
    """
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure, _ = _figure(84 + 380 * columns, rows * 370 + 52)
    for number, (title, runs) in enumerate(panels.items()):
        row, column = divmod(number, columns)
        axes = _axes(figure, 84 + 380 * column, 40 + 370 * row, 290, 260)
        lowest, highest = math.inf, -math.inf
        for (name, (epochs, *both)), colour in zip(runs.items(), cycle(LABEL_COLOURS)):
            for values, style in zip(both, ("-", "--"), strict=True):
                label = _printable(name, longest=30) if style == "--" else None
                axes.plot(epochs, values, style, color=colour, linewidth=1.8, label=label)
                # The first epochs are far above the others, and so are spikes.
                high = np.percentile(values[len(values) // 20 :], 75)
                lowest, highest = min(lowest, values.min()), max(highest, high)
        columns_of_names = 1 + (_widest(runs) < 100)
        margin = 0.04 * (highest - lowest) or 1.0
        room = margin * (1 + 3.5 * math.ceil(len(runs) / columns_of_names))
        axes.set(title=title, ylim=(lowest - margin, highest + room), xlabel="epoch")
        axes.set_ylabel(ylabel if column == 0 else "")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        place = {"loc": "upper right", "ncols": columns_of_names}
        look = {"handlelength": 1.2, "columnspacing": 1, "labelspacing": 0.25}
        look |= {"facecolor": "white", "edgecolor": "none"}  # over what passes behind the names
        axes.legend(fontsize=TEXT_SIZE, **look, **place)
    styles = {"training": "-", "held-out": "--"}
    handles = [Line2D([], [], color=BLACK, linestyle=s, label=n) for n, s in styles.items()]
    _legend(figure, handles, columns=2)
    return figure


def sweep_trade_off(points, names, reference, front, xlabel, ylabel):
    """Configurations by two figures of each: which ones nobody beats in both.

    Parameters
    ----------
    points : ndarray, shape (configurations, 2)
        x and y of each.
    names : sequence of str, shape (configurations,)
        Those on the front are numbered by x, and listed.
    reference : int
        Has a ring.
    front : ndarray of bool, shape (configurations,)
    xlabel, ylabel : str

    Returns
    -------
    Figure
    """
    points, front = np.asarray(points, float), np.asarray(front, bool)
    order = np.flatnonzero(front)[np.argsort(points[front, 0], kind="stable")]
    lines = [f"{n}  {_printable(names[place], 36)}" for n, place in enumerate(order, 1)]
    height = max(420, LINE * (len(lines) + 2))
    figure, paper = _figure(84 + 600 + 2 * MARGIN + max(_widest(lines), 160), height + 120)
    axes = _axes(figure, 84, 24, 600, height)
    axes.plot(*points[~front].T, "o", color=GREY, markersize=8, label="dominated")
    axes.plot(*points[order].T, "o:", color=BLUE, markersize=9, label="Pareto front")
    ring = {"markersize": 19, "markerfacecolor": "none", "color": BLACK, "linestyle": ""}
    axes.plot(*points[reference], "o", **ring, label="reference")
    axes.margins(0.08, 0.1)
    _write(paper, 84 + 600 + MARGIN, 40, "on the front:", "left")
    for number, (place, line) in enumerate(zip(order, lines, strict=True), 1):
        _write(paper, 84 + 600 + MARGIN, 40 + LINE * number, line, "left")
        # Neighbours are often close: one has its number above, the next one below.
        offset = (-4, 9) if number % 2 else (4, -20)
        style = {"textcoords": "offset points", "ha": "center", "fontsize": TEXT_SIZE}
        axes.annotate(f"{number}", points[place], offset, **style)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    _legend(figure, None, columns=3)
    return figure


def film(pictures, columns=1):
    """The frames of an animation, several pictures in each.

    Parameters
    ----------
    pictures : ndarray, shape (frames, n, height, width, channels)
    columns : int
        Of the n pictures, so many are in a row.

    Returns
    -------
    ndarray of uint8, shape (frames, frame height, frame width, 3)
    """
    size = _tile_size(math.ceil(np.shape(pictures)[1] / columns), columns)
    return np.stack([_joined(_in_rows(_tiles(some, size), columns), GAP) for some in pictures])


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
    z, names = np.asarray(z, float), [_printable(name) for name in names]
    values = [f"{value:.2f}".replace("-", "−") for value in np.round(z, 2) + 0.0]
    tile = _tiles(picture, 320)
    track, height = 280, (26 if len(z) <= 32 else 17) * len(z)
    limit = max(3, math.ceil(np.abs(z).max()))
    picture_height, picture_width, _ = tile.shape
    left = 3 * MARGIN + picture_width + _widest(names) + NAME_GAP
    full_height = 2 * MARGIN + max(picture_height, height + LINE)
    figure, _ = _figure(left + track + NAME_GAP + _widest(values) + MARGIN, full_height)
    _image(figure, MARGIN, (full_height - picture_height) // 2, tile)
    axes = _axes(figure, left, (full_height - LINE - height) // 2, track, height)
    y = np.arange(len(z))
    axes.hlines(y, -limit, limit, color=LIGHT_GREY, linewidth=4)
    axes.hlines(y, 0, z, color=BLUE, linewidth=4)
    axes.plot(z, y, "o", color=BLUE, markersize=9, clip_on=False)
    axes.set(xlim=(-limit, limit), ylim=(len(z) - 0.5, -0.5))
    axes.set(xticks=[-limit, 0, limit], yticks=y, yticklabels=names)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=NAME_GAP * 72 / DPI)
    for row, value in enumerate(values):
        _write(axes, limit + NAME_GAP / track * 2 * limit, row, value, ha="left")
    return figure
