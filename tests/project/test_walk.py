"""The GIF at the top of the READMEs shows what is drawn, repeats, and is small."""

import sys

import numpy as np
from conftest import ROOT
from PIL import Image, ImageSequence

sys.path.insert(0, str(ROOT / "tools"))
import draw_walk

MAX_BYTES = 1_500_000


def test_the_committed_walk_is_small_and_repeats_forever():
    assert draw_walk.WALK.stat().st_size <= MAX_BYTES
    with Image.open(draw_walk.WALK) as film:
        assert film.n_frames == draw_walk.FRAMES
        assert film.info["loop"] == 0
        assert film.size == (2 * draw_walk.SIDE + draw_walk.GAP, draw_walk.SIDE)


def test_a_saved_film_shows_its_frames(tmp_path):
    """Also where a frame holds only what has changed."""
    frames = []
    for step in range(12):
        pixels = np.full((20, 40, 3), 255, np.uint8)
        pixels[:, :20] = (250, 200, 40)
        pixels[5:15, 3 * step : 3 * step + 8] = (20 * step, 0, 255 - 20 * step)
        frames.append(Image.fromarray(pixels))
    draw_walk.save(frames, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        shown = [np.asarray(frame.convert("RGB"), int) for frame in ImageSequence.Iterator(film)]
    assert len(shown) == len(frames)
    for seen, drawn in zip(shown, frames, strict=True):
        assert np.abs(seen - np.asarray(drawn, int)).max() <= draw_walk.VISIBLE


def test_the_path_is_closed_and_goes_through_its_stops():
    stops = np.array(draw_walk.STOPS)
    count = 100 * len(stops)
    path = draw_walk.closed_curve(stops, count)
    np.testing.assert_allclose(path[::100], stops, atol=1e-9)
    steps = np.linalg.norm(np.diff(path, axis=0, append=path[:1]), axis=1)
    assert steps[-1] <= 2 * np.median(steps)  # from the end back to the beginning
    assert np.abs(path).max() <= draw_walk.REACH
