"""Leaks: open gaps through which a part of the drawing runs out into the background."""

from typing import NamedTuple

import cv2
import numpy as np
from skimage.segmentation import watershed

from ..sketch import Sketch
from .closing import close_gaps, draw_joins, find_adjacent_components

_WIDER = 3.0  # times the gap: what a person still sees as a slip of the pen
_SIDE = 36  # and at least the picture's short side over this: 30 px at 1920 x 1080
_AREA = 3e-4  # of the picture: what is smaller is no part of a figure
_DEPTH = 1.5  # a pocket is deeper than its mouth is wide, else it is a bay of the background
_CONTACT = 0.2  # of the picture's top, left and right edges


def find_leaks(sketch: Sketch, labels: np.ndarray, count: int, gap: float) -> np.ndarray:
    """Where the background reaches into a substantial pocket that closing wider gaps would cut off, float32 (K, 3): x, y, gap px.

    `labels` int32 (H, W) are the regions 1..count, 0 on walls.

    A figure that the picture's edge cuts is no background, though it touches the edge: figures stand on the lower edge, so the
    background is what touches the other three most. A narrow passage between two parts of a figure is reported too: nothing
    tells it from a gap.
    """
    wide = get_leak_width(labels.shape, gap)
    outside = find_background(labels, count + 1)[labels]
    joins = find_open_gaps(sketch, outside, gap, wide)
    middle = (joins[:, :2] + joins[:, 2:]) / 2
    found = np.concatenate([middle, np.hypot(*(joins[:, 2:] - joins[:, :2]).T)[:, None]], 1)
    free = keep_background(~draw_joins(joins, ~outside)) if len(joins) else outside
    return np.concatenate([found, find_necks(free, wide)]).astype(np.float32)


def get_leak_width(shape: tuple[int, ...], gap: float) -> float:
    """Up to how many px an open gap is seen as a slip of the pen, whatever lies behind it."""
    return max(_WIDER * gap, min(shape) / _SIDE)


def find_open_gaps(sketch: Sketch, outside: np.ndarray, gap: float, wide: float) -> np.ndarray:
    """Joins of line ends, longer than `gap`, that would cut a pocket off the background, (K, 4)."""
    height, width = outside.shape
    joins = close_gaps(sketch, wide)
    middle = np.floor((joins[:, :2] + joins[:, 2:]) / 2).astype(int)
    joins = joins[outside[middle[:, 1].clip(0, height - 1), middle[:, 0].clip(0, width - 1)]]
    spans = np.hypot(joins[:, 2] - joins[:, 0], joins[:, 3] - joins[:, 1])
    if not (spans > gap).any():
        return joins[:0]
    free = ~draw_joins(joins, ~outside)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(free.view(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    airy = find_background(np.asarray(parts), count)
    areas = stats[:, cv2.CC_STAT_AREA]
    leaking = np.zeros(len(joins), bool)
    for index, sides in enumerate(find_adjacent_components(joins, np.asarray(parts), ~outside)):
        least = max(_AREA * outside.size, (_DEPTH * spans[index]) ** 2)
        pocket = any(areas[s] >= least for s in sides if not airy[s])
        leaking[index] = spans[index] > gap and pocket and any(airy[s] for s in sides)
    return joins[leaking]


def find_necks(free: np.ndarray, wide: float) -> np.ndarray:
    """Where pockets hang on the background by less than `wide` px, whatever the lines' ends look like, (K, 3): x, y, px."""
    half = cv2.erode(free.view(np.uint8), np.ones((2, 2), np.uint8), anchor=(0, 0))[::2, ::2]
    if not len(_find_cores(half, wide / 2 - 1).pockets):  # as in most drawings: seen in a quarter of the time
        return np.zeros((0, 3))
    depth, parts, stats, air, pockets = _find_cores(free, wide)
    found = []
    for pocket in pockets.tolist():
        left, top, width, height, _ = stats[pocket].tolist()
        reach = int(4 * wide)
        crop = np.s_[max(top - reach, 0) : top + height + reach, max(left - reach, 0) : left + width + reach]
        inside, around = depth[crop], parts[crop]
        mark = np.where(air, 1, np.where(np.isin(np.arange(len(air)), pockets), 3, 0))
        mark[pocket] = 2
        basins = watershed(-inside, mark[around], mask=inside > 0)
        mouths, places = cv2.connectedComponents(((basins == 1) & _dilate_mask(basins == 2)).view(np.uint8), connectivity=8)
        for mouth in range(1, mouths):
            y, x = np.unravel_index(np.argmax(np.where(places == mouth, inside, 0)), inside.shape)
            found.append((x + crop[1].start + 0.5, y + crop[0].start + 0.5, 2 * inside[y, x]))
    return np.array(found).reshape(-1, 3)


class _PocketCores(NamedTuple):
    depth: np.ndarray  # float32 (H, W) px to the next wall
    parts: np.ndarray  # int32 (H, W), what is more than half as deep as `wide`
    stats: np.ndarray
    air: np.ndarray  # which of the parts are background, bool
    pockets: np.ndarray  # the numbers of the other large ones


def _find_cores(free: np.ndarray, wide: float) -> _PocketCores:
    depth = cv2.distanceTransform(np.ascontiguousarray(free, np.uint8), cv2.DIST_L2, 5)
    count, found, stats, _ = cv2.connectedComponentsWithStats((depth > wide / 2).view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    parts = np.asarray(found, np.int32)
    air = find_background(parts, count)
    large = (stats[:, cv2.CC_STAT_AREA] >= _AREA * free.size) & ~air
    large[0] = False
    return _PocketCores(depth, parts, stats, air, np.flatnonzero(large))


def _dilate_mask(mask: np.ndarray) -> np.ndarray:
    """The 4-neighbors of a mask, and itself."""
    return cv2.dilate(mask.view(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) > 0


def bridge_necks(necks: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Joins over necks (K, 3), from the nearest wall on one side to the nearest on the other, float32 (M, 4)."""
    height, width = walls.shape
    joins = []
    for x, y, span in necks.tolist():
        reach = int(span) + 3
        left, top = max(int(x) - reach, 0), max(int(y) - reach, 0)
        rows, columns = np.nonzero(walls[top : min(int(y) + reach + 1, height), left : min(int(x) + reach + 1, width)])
        way = np.stack([columns + left + 0.5 - x, rows + top + 0.5 - y], 1)
        length = np.hypot(*way.T)
        if not len(way):
            continue
        one = way[length.argmin()]
        opposite = way @ one < -0.5 * length * length.min()
        if opposite.any():
            two = way[opposite][length[opposite].argmin()]
            joins.append((x + one[0], y + one[1], x + two[0], y + two[1]))
    return np.array(joins, np.float32).reshape(-1, 4)


def keep_background(free: np.ndarray) -> np.ndarray:
    """What of `free` bool (H, W) hangs together with the background."""
    count, found = cv2.connectedComponents(free.view(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    parts = np.asarray(found, np.int32)
    return find_background(parts, count)[parts]


def find_background(labels: np.ndarray, count: int) -> np.ndarray:
    """Which labels are background, bool (count,): those with the most, or much, of the picture's top, left and right edges."""
    edge = np.concatenate([labels[0], labels[:, 0], labels[:, -1]])
    share = np.bincount(edge, minlength=count) / len(edge)
    share[0] = 0
    return (share >= _CONTACT) | ((share == share.max()) & (share > 0))
