"""Clicks to correct: how often a person must touch a drawing until its paint is right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .metrics import find_majority
from .mistakes import PaintComparison

SMALL = 10  # px; nobody touches what is smaller


@dataclass(frozen=True)
class CorrectionClick:
    """What a person says: the region at `point` (x, y px) of drawing `number` has this color (code)."""

    number: int
    point: tuple[int, int]
    color: int


Solver = Callable[[Sequence[CorrectionClick]], Sequence[np.ndarray]]  # all hints so far -> the paint of every drawing, codes (H, W)


def count_clicks(scenes: Sequence[PaintComparison], solve: Solver | None = None) -> list[int]:
    """How many regions of each drawing are touched, drawing by drawing, always the largest one that is wrong.

    A region gets the color that most of it should have. `solve` takes what is known by now and paints anew; without it a click changes
    the touched region alone. A region is touched once, whatever comes of it.
    """
    hints: list[CorrectionClick] = []
    paints = [scene.paint for scene in scenes]
    counts = []
    for number, scene in enumerate(scenes):
        labels = scene.labels
        wanted, _, area = find_majority(labels, scene.truth)
        given, _, _ = find_majority(labels, paints[number])
        count = 0
        left = np.where(area >= SMALL, area, 0)
        left[0] = 0
        while True:
            wrong = np.where(wanted != given, left, 0)
            region = int(wrong.argmax())
            if not wrong[region]:
                break
            count += 1
            left[region] = 0
            if solve is not None:
                hints.append(CorrectionClick(number, _find_inner_point(labels == region), int(wanted[region])))
                paints = list(solve(hints))
                given, _, _ = find_majority(labels, paints[number])
        counts.append(count)
    return counts


def _find_inner_point(mask: np.ndarray) -> tuple[int, int]:
    """The point of a region that is farthest from its boundary."""
    depth = cv2.distanceTransform(np.pad(mask, 1).view(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(x), int(y)
