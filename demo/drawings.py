"""The demo's drawings: the figure placed, inked and broken here and there, as a hand would have left it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import ink, pose
from .curves import Part, moved
from .figure import construction, parts

SIZE = (1920, 1080)
PLACE = (1010.0, 1022.0)  # px, where she stands
SHEET_SIZE, SHEET_PLACE, SHEET_SCALE = (1300, 1480), (700.0, 1420.0), 1.42


@dataclass(frozen=True)
class Drawing:
    """`parts` from back to front, `whole` the strokes that ink them, `lines` the same with `gaps` (x, y, px) torn into them, `rough`
    construction lines (N, 2); all in px of the camera at rest."""

    parts: list[Part]
    whole: list[ink.Stroke]
    lines: list[ink.Stroke]
    gaps: list[tuple[float, float, float]]
    rough: list[np.ndarray]


def placed(figure: Sequence[Part], place: tuple[float, float], scale: float = 1.0) -> list[Part]:
    return [moved(part, lambda p: p * scale + place, scale) for part in figure]


def draw_all() -> list[Drawing]:
    """The shot's drawings, in order."""
    return [draw(number, now) for number, now in enumerate(pose.poses(), 1)]


def draw(number: int, now: pose.Pose) -> Drawing:
    return _inked(placed(parts(now), PLACE), number, [p + PLACE for p in construction(now)])


def sheet() -> Drawing:
    """The reference sheet: another pose at another scale."""
    return _inked(placed(parts(pose.SHEET), SHEET_PLACE, SHEET_SCALE), 0, [])


def _inked(figure: list[Part], number: int, rough: list[np.ndarray]) -> Drawing:
    figure = ink.wobbled(figure, number)
    whole = ink.strokes(figure, number)
    lines, gaps = ink.broken(whole, number)
    return Drawing(figure, whole, lines, gaps, rough)
