"""Closing gaps: short straight joins from loose line ends to other ends, or to a line.

Like OpenToonz' autocloser: a join has a greatest length, lies in a cone around the direction in which the line would go on, and
crosses no ink. All candidates compete by one cost, length with a penalty for the turn; an end is used once.
"""

import cv2
import numpy as np
from scipy.spatial import KDTree

from ..sketch import Sketch

_FAN = np.radians([0, -12, 12, -24, 24, -36, 36, -48, 48, -60, 60])
_BEND = 1.0  # what a right angle at one end adds to the length of a join, as a fraction
_LIMIT = 1.6  # a join may cost this many gaps: at full length it turns by some 60 degrees in all
_FACING = 0.2  # the two cosines between a join and its ends add up to this at least: parallel ends don't meet
_CONTACT = 2.5  # px; over such a distance the directions of pixels say nothing
_NEAR = 4.0  # px; over such a distance an end may see its own line
_TURN = 1.5  # what a right angle adds to the length of a join to a line: over a wide gap such a join goes on straight
_SHORT = 6.0  # px; over so short a way it may turn as it likes
_LINE = 1.25  # joins to a line are a little worse than joins to an end
_FARTHER = 1.3  # times the gap: ends that point straight at each other may be this far apart
_STRAIGHT = 1.8  # the two cosines of such a join add up to this at least
_MOST = 20_000  # ends; a picture with more of them is a texture: nothing in it is a gap
_PARTNERS = 16  # ends that an end may be joined to: the nearest ones
_INSIDE = 0.5  # px; as far in the ink lies the point that stands for an end
_STEP = 0.5  # px
_BLOCK = 1000  # ends
_AROUND = np.array([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)])


def close_gaps(sketch: Sketch, gap: float) -> np.ndarray:
    """Joins over at most `gap` px of blank paper, float32 (M, 4): x0, y0, x1, y1. The first point is a loose end.

    Two ends that point straight at each other may be a little farther apart: what is missing between them was one line.

    Deterministic; more gap finds more joins, not always a superset.
    """
    ends = sketch.ends.astype(np.float64)
    if gap <= 0 or not 0 < len(ends) <= _MOST:
        return np.zeros((0, 4), np.float32)
    reach = gap + 2 * _INSIDE
    pairs, pair_cost = _join_ends(ends, sketch.lines, reach)
    shot, targets, shot_cost = _join_to_lines(ends, sketch.lines, reach)
    start = ends[np.concatenate([pairs[:, 0], shot]), :2]
    joins = np.concatenate([start, np.concatenate([ends[pairs[:, 1], :2], targets])], 1)
    users = np.concatenate([pairs, np.stack([shot, np.full_like(shot, -1)], 1)])
    cost = np.concatenate([pair_cost, shot_cost])
    clear = np.ones(len(joins), bool)
    clear[: len(pairs)] = _find_clear_joins(joins[: len(pairs)], sketch.lines)
    order = np.flatnonzero(clear)[np.argsort(cost[clear], kind="stable")]
    used = np.zeros(len(ends) + 1, bool)
    chosen = []
    for index in order.tolist():
        a, b = users[index]
        if not used[a] and not (b >= 0 and used[b]):
            used[a] = True
            if b >= 0:
                used[b] = True
            chosen.append(index)
    return joins[chosen].astype(np.float32)


def _join_ends(ends: np.ndarray, lines: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    apart, other = KDTree(ends[:, :2]).query(ends[:, :2], range(2, _PARTNERS + 2), distance_upper_bound=_FARTHER * reach)
    one, rank = np.nonzero(np.isfinite(apart))
    two = other[one, rank]
    pairs = np.unique(np.stack([np.minimum(one, two), np.maximum(one, two)], 1)[one != two], axis=0)
    way = ends[pairs[:, 1], :2] - ends[pairs[:, 0], :2]
    length = np.hypot(*way.T)
    way /= np.maximum(length, 1e-6)[:, None]
    cos_a = (way * ends[pairs[:, 0], 2:]).sum(1)
    cos_b = -(way * ends[pairs[:, 1], 2:]).sum(1)
    cost = length * (1 + _BEND * (2 - cos_a - cos_b) / 2)
    good = (cos_a + cos_b >= _FACING) & (np.minimum(cos_a, cos_b) >= -0.2) & (cost <= _LIMIT * reach)
    good &= (length <= reach) | (cos_a + cos_b > _STRAIGHT)
    good |= (length <= _CONTACT) & (cos_a + cos_b >= -0.5)
    near = np.flatnonzero(good & (length <= _NEAR))
    good[near] = ~_are_touching(ends[pairs[near, 0], :2], ends[pairs[near, 1], :2], lines)
    return pairs[good], cost[good]


def _join_to_lines(ends: np.ndarray, lines: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cheapest way from each end to ink within its cone: (end numbers, points on the ink (K, 2), costs)."""
    rows, targets, costs = [], [], []
    for first in range(0, len(ends), _BLOCK):
        found = _shoot_rays(ends[first : first + _BLOCK], lines, reach)
        rows.append(found[0] + first)
        targets.append(found[1])
        costs.append(found[2])
    return np.concatenate(rows), np.concatenate(targets), np.concatenate(costs)


def _shoot_rays(ends: np.ndarray, lines: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`_end_to_line` for as many ends as fit into memory at a time.

    The picture's edge counts as ink: a line that ends near it was meant to reach it.
    """
    height, width = lines.shape
    padded = np.pad(lines, 1, constant_values=True)
    angle = np.arctan2(ends[:, 3], ends[:, 2])[:, None] + _FAN
    ray = np.stack([np.cos(angle), np.sin(angle)], -1)
    distance = np.arange(_STEP, reach + _STEP, _STEP)
    at = ends[:, None, None, :2] + ray[:, :, None] * distance[:, None]  # (K, A, D, 2)
    x = np.floor(at[..., 0]).astype(np.int32).clip(-1, width) + 1
    y = np.floor(at[..., 1]).astype(np.int32).clip(-1, height) + 1
    ink = padded[y, x]
    # What is inked from the end on is the line itself; then comes paper, then what the line was meant to reach.
    left = np.maximum.accumulate(~ink, axis=2)
    own = distance <= 2.0
    left &= np.maximum.accumulate(left & own, axis=2)
    hit = ink & left
    index = hit.argmax(2)
    reached = np.take_along_axis(hit, index[..., None], 2)[..., 0]
    blank = distance[index]
    near = np.nonzero(reached & (blank <= _NEAR))
    reached[near] = ~_are_touching(ends[near[0], :2], at[(*near, index[near])], lines)
    cost = np.where(reached, blank * _LINE * (1 + _TURN * (1 - np.cos(_FAN))), np.inf)
    cost[(cost > reach * _LINE) & (blank > _SHORT)] = np.inf
    best = cost.argmin(1)
    rows = np.flatnonzero(np.isfinite(cost[np.arange(len(ends)), best]))
    best = best[rows]
    return rows, at[rows, best, index[rows, best]], cost[rows, best]


def _are_touching(one: np.ndarray, two: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Which pairs of near points are joined by ink around the first already, bool (K,): such a gap is a notch in a rough line."""
    radius = int(_NEAR) + 1
    x, y = np.floor(one).astype(int).T
    dx, dy = np.floor(two).astype(int).T - (x, y)
    padded = np.pad(lines.view(np.uint8), radius)
    found = np.zeros(len(one), bool)
    for index in range(len(one)):
        patch = padded[y[index] : y[index] + 2 * radius + 1, x[index] : x[index] + 2 * radius + 1]
        parts = cv2.connectedComponents(patch, connectivity=8)[1]
        first, second = parts[radius, radius], parts[radius + dy[index], radius + dx[index]]
        found[index] = first == second and first > 0
    return found


def _find_clear_joins(joins: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Which joins have nothing but paper between their two ends."""
    if not len(joins):
        return np.zeros(0, bool)
    way = joins[:, 2:] - joins[:, :2]
    length = np.hypot(*way.T)
    count = max(int(np.ceil(length.max())), 2)
    t = (np.arange(count) + 0.5) / count
    along = t * length[:, None]
    middle = (along > 2.0) & (along < length[:, None] - 2.0)
    at = np.floor(joins[:, None, :2] + way[:, None] * t[:, None]).astype(np.int32)
    ink = lines[at[..., 1].clip(0, lines.shape[0] - 1), at[..., 0].clip(0, lines.shape[1] - 1)]
    return ~(ink & middle).any(1)


def draw_joins(joins: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """`lines` and the joins, a pixel wide and 8-connected, bool (H, W)."""
    canvas = lines.astype(np.uint8)
    for x0, y0, x1, y1 in np.floor(joins).astype(int).tolist():
        cv2.line(canvas, (x0, y0), (x1, y1), 1, 1, cv2.LINE_8)
    return canvas.view(bool)


def find_adjacent_components(joins: np.ndarray, components: np.ndarray, lines: np.ndarray) -> list[list[int]]:
    """The components (H, W), other than 0, that touch each join where it crosses paper."""
    height, width = components.shape
    counts = (2 * np.hypot(joins[:, 2] - joins[:, 0], joins[:, 3] - joins[:, 1])).astype(np.int64).clip(2)
    join = np.repeat(np.arange(len(joins)), counts)
    t = ((np.arange(len(join)) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / counts[join])[:, None]
    x, y = np.floor(joins[join, :2] * (1 - t) + joins[join, 2:] * t).astype(np.int64).T
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    paper = ~lines[y, x]
    join, x, y = join[paper], x[paper, None], y[paper, None]
    near = components[(y + _AROUND[:, 1]).clip(0, height - 1), (x + _AROUND[:, 0]).clip(0, width - 1)].astype(np.int64)
    found: list[list[int]] = [[] for _ in joins]
    for key in np.unique((join[:, None] << 32 | near)[near > 0]).tolist():
        found[key >> 32].append(key & 0xFFFFFFFF)
    return found
