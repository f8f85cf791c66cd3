"""Where lines go on: ends of strokes that meet, overlap, or nearly meet, so that the eye sees one line.

How far ends may be off depends on how long their strokes are and on how large the drawing is, as it does for the eye.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ..sketch.strokes import MIN_ALPHA, Strokes
from .curves import StrokeCurves, cut_stretches, find_full_spans, to_xy

_SHARPEST = np.cos(np.radians(150.0))  # two of several ends that meet may be one line when it turns by less
MEET = 1.5  # px, and half of both widths: how far apart ends may be that meet
_GAP = (0.15, 0.05)  # of the shorter stroke, of the drawing: how far apart ends may be that point at each other
_CORNER = (0.08, 0.02)  # and ends that don't
_OVERLAP = (0.55, 0.12)  # how long strokes may run beside each other
_BESIDE = 0.01  # of the drawing: how far apart they may run there
_AIMED = 0.7  # cosine between the way that a stroke ends and that to the other's end
_ALIKE = 0.5  # cosine between the ways of the two strokes
_HEADING = (0.25, 0.02)  # of the stroke, of the drawing: how much of an end tells which way it goes
_SAMPLES = 12  # of the last part of a stroke, to see what runs beside it
_CROWDED = 6  # ends that meet in one place; where there are more nothing goes on
_OTHER_COLOR = 64.0  # of 255; lines that differ by more are two
_OTHER_WIDTH = 2.5  # times as wide


@dataclass(frozen=True, eq=False)
class EndJoins:
    """Pairs of ends of strokes where a line goes on. An end is 2 x stroke, + 1 for its last point.

    ends    int64 (J, 2)
    cuts    float64 (J, 2)  fractional index on each of both strokes where the line changes over: their ends, or where they overlap
    seen    bool (J,)       the two go on in each other more likely than in any other end, and look alike
    """

    ends: np.ndarray
    cuts: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)


def find_joins(strokes: Strokes, fills: np.ndarray) -> EndJoins:
    """The joins of a drawing's open strokes; `fills` bool (S,) have none, whatever bounds paint is closed by itself."""
    open_ = ~strokes.cyclic & ~np.asarray(fills, bool) & (np.diff(strokes.offsets) > 1)
    rows = np.flatnonzero(open_)
    if not len(rows):
        return EndJoins(np.zeros((0, 2), np.int64), np.zeros((0, 2)), np.zeros(0, bool))
    points = strokes.points.astype(np.float64) @ (1.0, 1j)
    size = max(float(np.hypot(*np.ptp(strokes.points, axis=0))), 1.0)
    curves = cut_stretches(strokes, rows, find_full_spans(strokes)[rows])
    first, last = strokes.offsets[rows].astype(np.int64), strokes.offsets[rows + 1].astype(np.int64) - 1
    ends, at = np.stack([2 * rows, 2 * rows + 1], 1).ravel(), np.stack([first, last], 1).ravel()
    tips, length = points[at], np.repeat(curves.lengths, 2)
    outward = _measure_outward(curves, tips, size)

    pairs = _find_near_ends(tips, np.maximum(_limit(_OVERLAP, length, size), MEET + strokes.widths[at]))
    one, two = pairs.T
    gap = tips[two] - tips[one]
    apart, shorter = np.abs(gap), length[pairs].min(1)
    straight = -np.real(outward[one] * outward[two].conj())
    reach = MEET + strokes.widths[at][pairs].sum(1) / 2.0
    own = ends[one] // 2 == ends[two] // 2
    long = ~own | (length[one] > 8.0 * reach)
    degree = np.bincount(pairs[apart <= reach].ravel(), minlength=len(ends))[pairs]
    meets = (apart <= reach) & long & ((degree == 1).all(1) | ((straight > _SHARPEST) & (degree <= _CROWDED).all(1)))

    aim = gap / np.maximum(apart, 1e-9)
    aimed = np.minimum(np.real(outward[one] * aim.conj()), -np.real(outward[two] * aim.conj()))
    alike = _look_alike(strokes, at, pairs) & long
    near = (aimed > _AIMED) & (straight > _ALIKE) & (apart <= _limit(_GAP, shorter, size))
    near |= (straight > _SHARPEST) & (apart <= _limit(_CORNER, shorter, size))
    limit = _limit(_OVERLAP, shorter, size)
    side = np.flatnonzero((straight > _ALIKE) & (aimed < 0.0) & (apart <= limit) & alike & (apart > 1e-9))
    beside, cut = _measure_overlaps(curves, pairs[side], tips, limit[side], reach[side] + _BESIDE * size)
    overlaps = np.zeros(len(pairs), bool)
    overlaps[side] = beside

    kept = np.flatnonzero(meets | (near & alike) | overlaps)
    cuts = np.where(ends % 2, np.repeat(last - first, 2), 0).astype(float)[pairs]
    cuts[side[beside]] = cut[beside]
    # Overlapping is as good as meeting; a gap or a bend makes it less likely that a line goes on.
    cost = np.where(overlaps, 0.0, apart / np.maximum(_limit(_GAP, shorter, size), reach)) + 0.5 * (1.0 - straight)
    seen = np.zeros(len(pairs), bool)
    free = np.ones(len(ends), bool)
    for row in kept[np.argsort(cost[kept], kind="stable")].tolist():
        if alike[row] and free[pairs[row]].all():
            seen[row] = True
            free[pairs[row]] = False
    kept = kept[meets[kept] | seen[kept]]
    return EndJoins(ends[pairs[kept]], cuts[kept], seen[kept])


def close_fills(strokes: Strokes, fills: np.ndarray) -> Strokes:
    """The strokes, with those that bound paint closed, because paint has no open side wherever its outline was begun; but what is drawn
    as a line besides, with ends far apart, stays open."""
    open_ = np.asarray(fills, bool) & ~strokes.cyclic & (np.diff(strokes.offsets) > 2)
    if not open_.any():
        return strokes
    inked = np.append(np.flatnonzero((strokes.colors[:, 3] >= MIN_ALPHA) & (strokes.widths > 0)), len(strokes.points))
    drawn = open_ & (inked[np.searchsorted(inked, strokes.offsets[:-1])] < strokes.offsets[1:])
    closed = open_ & ~drawn
    if drawn.any():
        ends = find_joins(strokes, ~drawn).ends // 2
        closed[ends[ends[:, 0] == ends[:, 1], 0]] = True
    return replace(strokes, cyclic=strokes.cyclic | closed)


def _find_near_ends(tips: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Pairs of ends that lie within both of their radii of each other, int64 (Q, 2); level by level, because most strokes are short and
    have few ends around them."""
    level = np.ceil(np.log2(np.maximum(radius, 1e-6))).astype(int)
    found = [np.zeros((0, 2), np.int64)]
    for lowest in np.unique(level):
        rows = np.flatnonzero(level >= lowest)
        pairs = rows[cKDTree(to_xy(tips[rows])).query_pairs(2.0**lowest, output_type="ndarray")]
        found.append(pairs[level[pairs].min(1) == lowest])
    pairs = np.concatenate(found)
    return pairs[np.abs(tips[pairs[:, 0]] - tips[pairs[:, 1]]) <= radius[pairs].min(1)]


def _limit(share: tuple[float, float], length: np.ndarray, size: float) -> np.ndarray:
    return np.minimum(share[0] * length, share[1] * size)


def _measure_outward(curves: StrokeCurves, tips: np.ndarray, size: float) -> np.ndarray:
    """Unit direction in which strokes leave by their ends, first and last in turn: from a little further in, so that a hook at the tip
    says little."""
    share = _limit(_HEADING, curves.lengths, size) / np.maximum(curves.lengths, 1e-9)
    base = 2.0 * np.arange(len(curves))
    inner = curves.interpolate_points(np.stack([base + share, base + 1.0 - share], 1).ravel())
    step = tips - inner
    return step / np.maximum(np.abs(step), 1e-9)


def _look_alike(strokes: Strokes, at: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Whether the strokes of pairs of ends have about the same color and width there."""
    one, two = at[pairs].T
    color = np.abs(strokes.colors[one].astype(float) - strokes.colors[two]).max(1) < _OTHER_COLOR
    width = np.abs(np.log((strokes.widths[one] + 1.0) / (strokes.widths[two] + 1.0))) < np.log(_OTHER_WIDTH)
    return color & width


def _measure_overlaps(
    curves: StrokeCurves, pairs: np.ndarray, tips: np.ndarray, limit: np.ndarray, reach: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether strokes run beside each other from either end to the other, no longer than `limit` px and no further apart than `reach` px;
    and the fractional indices of the middle of that on both, float64 (Q, 2)."""
    cuts, good = np.zeros((len(pairs), 2)), np.ones(len(pairs), bool)
    for near, far in ((0, 1), (1, 0)):  # where the one's tip lies on the other
        end = pairs[:, far]
        part = _inward_places(curves, end, np.linspace(0.0, 1.0, _SAMPLES) * limit[:, None])
        line = curves.interpolate_points(part.ravel()).reshape(part.shape)
        step, off = np.diff(line, axis=1), tips[pairs[:, near]][:, None] - line[:, :-1]
        along = (np.real(off * step.conj()) / np.maximum(np.abs(step) ** 2, 1e-12)).clip(0.0, 1.0)
        apart = np.abs(off - along * step)
        best = apart.argmin(1)
        every = np.arange(len(pairs))
        good &= apart[every, best] <= reach
        inward = (best + along[every, best]) / (_SAMPLES - 1) * limit
        good &= inward < 0.999 * limit
        cuts[:, far] = curves.indices(_inward_places(curves, end, inward[:, None] / 2.0).ravel())
    return good, cuts


def _inward_places(curves: StrokeCurves, end: np.ndarray, inward: np.ndarray) -> np.ndarray:
    """Places along curves, `inward` px (Q, K) from their ends (Q,), which count two for each curve."""
    share = (inward / np.maximum(curves.lengths[end // 2], 1e-9)[:, None]).clip(0.0, 1.0)
    return 2.0 * (end // 2)[:, None] + np.where((end % 2 == 1)[:, None], 1.0 - share, share)
