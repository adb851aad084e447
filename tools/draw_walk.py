"""Draw the walk through a plane of emojis that the READMEs begin with.

    python tools/draw_walk.py

The model is that of configs/plane.json, which tools/train_variants.py keeps in output/variants/; it
is trained if it is not there. Writes docs/images/walk.gif.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from vae_nb import load_config, load_or_train
from vae_nb.show.figures.tiles import joined, make_tiles

ROOT = Path(__file__).resolve().parents[1]
WALK = ROOT / "docs" / "images" / "walk.gif"
REACH = 2.6  # the plane goes from -REACH to REACH in both dimensions
TILES, TILE = 16, 20  # along a side of the plane, and their pixels
SIDE = TILES * TILE
GAP = 16  # pixels between the plane and the picture
FRAMES, MILLISECONDS = 120, 80
FINE = 4000  # points of the path, from which the frames are chosen
RING = 8  # pixels, the radius of the mark
COLORS = 80  # of a frame; one more is kept for pixels that stay as they are
VISIBLE = 5  # of 255: a pixel that changes by less stays as it is

# The path is the smooth closed curve through these points of the plane.
STOPS = [
    (2.0, -2.0),
    (2.2, -0.4),
    (2.0, 1.0),
    (2.1, 2.2),
    (0.9, 1.7),
    (-0.4, 2.1),
    (-1.7, 2.2),
    (-2.1, 1.0),
    (-1.1, 0.4),
    (-2.1, -0.7),
    (-1.6, -2.1),
    (-0.5, -1.3),
    (0.8, -2.0),
]


def closed_curve(stops, count):
    """Return points of the trigonometric polynomial through an odd number of stops.

    Parameters
    ----------
    stops : array_like, shape (stops, 2)
    count : int

    Returns
    -------
    ndarray, shape (count, 2)
    """
    coefficients = np.fft.rfft(stops, axis=0)
    return np.fft.irfft(coefficients, count, axis=0) * count / len(stops)


def evenly(vae, path, count):
    """Choose points of a closed path so that the picture changes at an even speed.

    Half of the speed is that of the point itself, so that the mark never rushes.

    Parameters
    ----------
    vae : vae_nb.VAE
    path : ndarray, shape (points, 2)
    count : int

    Returns
    -------
    ndarray, shape (count, 2)
    """
    closed = np.vstack([path, path[:1]])
    travelled = np.zeros(len(closed))
    for along in (closed, vae.decode(closed.astype(np.float32))):
        steps = np.linalg.norm(np.diff(along, axis=0), axis=1)
        travelled[1:] += np.cumsum(steps) / steps.sum()
    wanted = np.linspace(0, travelled[-1], count, endpoint=False)
    return np.stack([np.interp(wanted, travelled, axis) for axis in closed.T], axis=1)


def frames_of(run):
    """Draw the frames: the plane with a mark, and beside it what the mark is on.

    Parameters
    ----------
    run : vae_nb.TrainedRun

    Returns
    -------
    list of PIL.Image.Image
    """
    shape = run.train_set.image_shape
    centers = REACH * ((np.arange(TILES) + 0.5) / TILES * 2 - 1)
    plane = np.stack(np.meshgrid(centers, centers[::-1]), -1).reshape(-1, 2)
    decoded = run.vae.decode(plane.astype(np.float32)).reshape(TILES, TILES, *shape)
    background = joined(make_tiles(decoded, TILE), 0)
    path = evenly(run.vae, closed_curve(STOPS, FINE), FRAMES)
    pictures = run.vae.decode(path.astype(np.float32)).reshape(-1, *shape)
    frames = []
    for point, picture in zip(path, make_tiles(pictures, SIDE), strict=True):
        frame = Image.new("RGB", (2 * SIDE + GAP, SIDE), "white")
        frame.paste(Image.fromarray(background))
        frame.paste(Image.fromarray(picture), (SIDE + GAP, 0))
        x, y = (point * (1, -1) / REACH + 1) / 2 * SIDE
        draw = ImageDraw.Draw(frame)
        for radius, color, width in ((RING + 3, "white", 7), (RING + 1, "black", 3)):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), None, color, width)
        frames.append(frame)
    return frames


def save(frames, path):
    """Write a GIF that repeats forever; a frame holds only the pixels that change.

    Parameters
    ----------
    frames : list of PIL.Image.Image
    path : Path
    """
    shown = np.full_like(frames[0], -1, np.int16)
    images = []
    for frame in frames:
        pixels = np.asarray(frame, np.int16)
        changes = np.abs(pixels - shown).max(axis=2) > VISIBLE
        shown[changes] = pixels[changes]
        strip = Image.fromarray(pixels[changes].astype(np.uint8)[np.newaxis])
        few_colors = strip.quantize(COLORS, kmeans=3, dither=Image.Dither.NONE)
        indices = np.full(changes.shape, COLORS, np.uint8)
        indices[changes] = np.asarray(few_colors)[0]
        image = Image.fromarray(indices, "P")
        image.putpalette(few_colors.getpalette())
        images.append(image)
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        duration=MILLISECONDS,
        loop=0,
        transparency=COLORS,
        disposal=1,
        optimize=False,
    )


def main():
    """Draw the walk."""
    run = load_or_train(load_config("configs/plane.json"), ROOT / "output" / "variants" / "plane")
    save(frames_of(run), WALK)
    print(f"{WALK.relative_to(ROOT)}: {WALK.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
