"""The demo's drawings: the figure placed, inked and broken here and there, as a hand would have left it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import ink, pose
from .curves import FigurePart, transform_part
from .figure import build_figure, draw_construction

SIZE = (1920, 1080)
PLACE = (1010.0, 1022.0)  # px, where she stands
SHEET_SIZE, SHEET_PLACE, SHEET_SCALE = (1300, 1480), (700.0, 1420.0), 1.42


@dataclass(frozen=True)
class DemoDrawing:
    """`parts` from back to front, `whole` the strokes that ink them, `lines` the same with `gaps` (x, y, px) torn into them, `rough`
    construction lines (N, 2); all in px of the camera at rest."""

    parts: list[FigurePart]
    whole: list[ink.InkStroke]
    lines: list[ink.InkStroke]
    gaps: list[tuple[float, float, float]]
    rough: list[np.ndarray]


def place_figure(figure: Sequence[FigurePart], place: tuple[float, float], scale: float = 1.0) -> list[FigurePart]:
    return [transform_part(part, lambda p: p * scale + place, scale) for part in figure]


def draw_all() -> list[DemoDrawing]:
    """The shot's drawings, in order."""
    return [draw_pose(number, now) for number, now in enumerate(pose.list_poses(), 1)]


def draw_pose(number: int, now: pose.CourierPose) -> DemoDrawing:
    return _ink_figure(place_figure(build_figure(now), PLACE), number, [p + PLACE for p in draw_construction(now)])


def draw_sheet() -> DemoDrawing:
    """The reference sheet: another pose at another scale."""
    return _ink_figure(place_figure(build_figure(pose.SHEET), SHEET_PLACE, SHEET_SCALE), 0, [])


def _ink_figure(figure: list[FigurePart], number: int, rough: list[np.ndarray]) -> DemoDrawing:
    figure = ink.wobble_parts(figure, number)
    whole = ink.ink_parts(figure, number)
    lines, gaps = ink.tear_gaps(whole, number)
    return DemoDrawing(figure, whole, lines, gaps, rough)
