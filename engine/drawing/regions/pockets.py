"""Pockets: parts of a drawing that lines enclose but for a wide gap. What lies in them looks like background until somebody knows better.

A gap may be as wide as a hand is, and then nothing in the lines alone tells it from the space between two legs. So pockets are found
here, from narrow mouths to wide ones, and whether they are parts of a figure is for the matcher to say.
"""

from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from ..sketch import Sketch
from .closing import draw_joins, find_adjacent_components
from .leaks import bridge_necks, find_background, find_necks, find_open_gaps, get_leak_width, keep_background

_REACH = 0.5  # of the picture's short side: no gap is wider
_OPEN = 0.45  # of its outline may be open, else nothing is enclosed
_STEP = 2.0  # how much wider the next gaps are that are looked for
_SIDE = 640  # px, longer side of the picture in which they are looked for
_AHEAD = 3.0  # px before an end lies what it looks into
_ASIDE = 3.0  # px beside a join lies what it parts
_MOST = 400  # ends that look into the background; with more it is a texture


@dataclass(frozen=True)
class Pockets:
    """`joins` float32 (M, 4), x0, y0, x1, y1: lines over paper that would cut the pockets off."""

    joins: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """The gaps that they lead over, float32 (M, 3): x, y of their middles, and their widths in px."""
        spans = np.hypot(self.joins[:, 2] - self.joins[:, 0], self.joins[:, 3] - self.joins[:, 1])
        return np.concatenate([(self.joins[:, :2] + self.joins[:, 2:]) / 2, spans[:, None]], 1).astype(np.float32)


def find_pockets(sketch: Sketch, grown: np.ndarray, gap: float) -> Pockets:
    """What the background of a sketch reaches into through gaps wider than `gap` px. `grown` int32 (H, W) as in Regions."""
    height, width = grown.shape
    factor = -(-max(height, width) // _SIDE)
    size = (max(width // factor, 1), max(height // factor, 1))
    lines = cv2.resize(sketch.lines.view(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 0
    labels = np.where(lines, 0, cv2.resize(grown, size, interpolation=cv2.INTER_NEAREST))
    scale = np.array([size[0] / width, size[1] / height])
    whole = find_background(labels, int(grown.max()) + 1)[labels]
    ends = np.concatenate([sketch.ends[:, :2] * scale, sketch.ends[:, 2:]], 1).astype(np.float32)
    facing = replace(sketch, lines=lines, ends=_find_facing_ends(ends, whole))
    small = _keep_enclosing_joins(_join_levels(facing, whole, gap / factor), whole)
    return Pockets(_snap_to_lines(small / np.tile(scale, 2), sketch.lines, 2.0 * factor))


def _find_facing_ends(ends: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The ends of lines that look into the background; none of a texture."""
    height, width = outside.shape
    x, y = np.floor(ends[:, :2] + _AHEAD * ends[:, 2:]).astype(int).T
    facing = ends[outside[y.clip(0, height - 1), x.clip(0, width - 1)]]
    return facing if len(facing) <= _MOST else facing[:0]


def _join_levels(sketch: Sketch, outside: np.ndarray, gap: float) -> np.ndarray:
    """Joins over ever wider gaps: what a narrower one has cut off is no background any more. float32 (M, 4)."""
    joins = np.zeros((0, 4), np.float32)
    widest = _REACH * min(outside.shape)
    wide = min(get_leak_width(outside.shape, gap), widest)
    while True:
        for find_joins in (partial(_join_ends, sketch, gap), _bridge_narrows):
            found = find_joins(outside, wide)
            if len(found):
                joins = np.concatenate([joins, found])
                outside = keep_background(~draw_joins(found, ~outside))
        if wide >= widest:
            return joins
        wide = min(wide * _STEP, widest)


def _join_ends(sketch: Sketch, gap: float, outside: np.ndarray, wide: float) -> np.ndarray:
    return find_open_gaps(sketch, outside, gap, wide) if len(sketch.ends) else np.zeros((0, 4), np.float32)


def _bridge_narrows(outside: np.ndarray, wide: float) -> np.ndarray:
    """Joins over the necks of less than `wide` px by which pockets hang on the background."""
    return bridge_necks(find_necks(outside, wide), ~outside)


def _keep_enclosing_joins(joins: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The joins that cut off what is enclosed for the most part."""
    if not len(joins):
        return joins
    count, parts = cv2.connectedComponents((~draw_joins(joins, ~outside)).view(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    parts = np.asarray(parts)
    airy = find_background(parts, count)
    sides = find_adjacent_components(joins, parts, ~outside)
    spans = np.hypot(joins[:, 2] - joins[:, 0], joins[:, 3] - joins[:, 1])
    mouth = np.zeros(count)
    for span, near in zip(spans, sides, strict=True):
        mouth[near] += span
    enclosed = ~airy & (mouth <= _OPEN * _measure_outlines(parts, count))
    enclosed[0] = False
    return joins[[any(enclosed[part] for part in near) for near in sides]]


def _measure_outlines(parts: np.ndarray, count: int) -> np.ndarray:
    """The length of the outline of each part, holes left out, (count,)."""
    found = np.zeros(count)
    for part in range(1, count):
        shapes, _ = cv2.findContours((parts == part).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        found[part] = max(cv2.arcLength(shape, True) for shape in shapes)
    return found


def _snap_to_lines(joins: np.ndarray, lines: np.ndarray, reach: float) -> np.ndarray:
    """Bring the ends of joins to the nearest ink, where there is some within `reach` px. float32 (M, 4)."""
    height, width = lines.shape
    near = int(np.ceil(reach))
    points = joins.reshape(-1, 2).copy()
    for index, (x, y) in enumerate(points.tolist()):
        left, top = max(int(x) - near, 0), max(int(y) - near, 0)
        rows, columns = np.nonzero(lines[top : min(int(y) + near + 1, height), left : min(int(x) + near + 1, width)])
        if len(rows):
            ink = np.stack([columns + left + 0.5, rows + top + 0.5], 1)
            points[index] = ink[np.hypot(*(ink - (x, y)).T).argmin()]
    return points.reshape(-1, 4).astype(np.float32)


def find_sides(joins: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """The regions on the two sides of each join, int32 (M, 2); the same one twice where it parts nothing."""
    height, width = grown.shape
    way = joins[:, 2:] - joins[:, :2]
    normal = np.stack([-way[:, 1], way[:, 0]], 1) / np.maximum(np.hypot(*way.T), 1e-6)[:, None]
    middle = (joins[:, :2] + joins[:, 2:]) / 2
    sides = []
    for away in (-_ASIDE, _ASIDE):
        x, y = np.floor(middle + away * normal).astype(int).T
        sides.append(grown[y.clip(0, height - 1), x.clip(0, width - 1)])
    return np.stack(sides, 1).astype(np.int32)
