"""How the gradient of the loss flows back through a VAE."""

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from vae_nb.show.figures.paper import (
    BLACK,
    BLUISH_GREEN,
    GRAY,
    LIGHT_GRAY,
    ORANGE,
    SKY_BLUE,
    TEXT_SIZE,
    VERMILLION,
    YELLOW,
    make_figure,
    write,
)

BOX_HEIGHT = 56
APART = 9  # pixels from the middle of a box's side to either arrow


class _Box(NamedTuple):
    text: str
    x: float
    y: float
    width: float
    color: str


BOXES = {
    "x": _Box("x", 60, 200, 60, LIGHT_GRAY),
    "encoder": _Box("encoder", 200, 200, 110, SKY_BLUE),
    "mean": _Box("μ", 370, 120, 90, ORANGE),
    "log_variance": _Box("log σ²", 370, 280, 90, ORANGE),
    "z": _Box("z = μ + σ ε", 570, 200, 120, YELLOW),
    "decoder": _Box("decoder", 740, 200, 110, BLUISH_GREEN),
    "logits": _Box("logits", 890, 200, 90, LIGHT_GRAY),
    "reconstruction": _Box("reconstruction\nloss", 1065, 200, 130, LIGHT_GRAY),
    "kl_mean": _Box("KL, first part\n½ μ²", 590, 45, 190, LIGHT_GRAY),
    "kl_log_variance": _Box("KL, second part\n½ (σ² − 1 − log σ²)", 590, 355, 190, LIGHT_GRAY),
}
# From one box to the next: how far below the middles of their sides; the gradient that comes back
# along the arrow, and where that is written, in pixels from the middle of the arrow.
ARROWS = [
    ("x", "encoder", (0, 0), "", (0, 0)),
    ("encoder", "mean", (-14, 0), "", (0, 0)),
    ("encoder", "log_variance", (14, 0), "", (0, 0)),
    ("mean", "z", (14, -14), "× 1", (-20, 22)),
    ("log_variance", "z", (-14, 14), "× ½ σ ε", (46, 24)),
    ("z", "decoder", (0, 0), "∂L/∂z", (0, 44)),
    ("decoder", "logits", (0, 0), "", (0, 0)),
    ("logits", "reconstruction", (0, 0), "x̂ − x", (0, 44)),
    ("mean", "kl_mean", (-14, 0), "μ", (22, 22)),
    ("log_variance", "kl_log_variance", (14, 0), "½ (σ² − 1)", (-44, 26)),
]


def gradient_flow() -> Figure:
    """Draw the forward pass of a VAE in gray, and its gradient, which flows back, in color."""
    figure, paper = make_figure(1150, 400)
    for box in BOXES.values():
        corner = (box.x - box.width / 2, box.y - BOX_HEIGHT / 2)
        paper.add_patch(
            Rectangle(corner, box.width, BOX_HEIGHT, facecolor=box.color, edgecolor=BLACK)
        )
        write(paper, box.x, box.y, box.text)
    for start, end, (start_below, end_below), label, (right_of, below) in ARROWS:
        first, last = BOXES[start], BOXES[end]
        right, left = first.x + first.width / 2, last.x - last.width / 2
        out, into = first.y + start_below, last.y + end_below
        _draw_arrow(paper, (right, out - APART), (left, into - APART), GRAY)
        if start != "x":  # the picture itself is not trained
            _draw_arrow(paper, (left, into + APART), (right, out + APART), VERMILLION)
        place = (right + left) / 2 + right_of, (out + into) / 2 + below
        paper.text(*place, label, color=VERMILLION, size=TEXT_SIZE, ha="center", va="center")
    return figure


def _draw_arrow(
    paper: Axes, start: tuple[float, float], end: tuple[float, float], color: str
) -> None:
    arrow = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color=color)
    arrow.set_linewidth(1.8)
    paper.add_patch(arrow)
