"""Paint that several fills lay together: the eye sees their union, and so that is what moves.

Fills that overlap and have no line of their own can't be told apart. Where one by one they have no partners, or would come apart on the
way, the outline of all of them is one key's path and the other's, and each fill goes with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..sketch.strokes import MIN_ALPHA, Strokes
from .curves import find_full_spans
from .matches import PaintUnions, StrokeMatches

_SIDE = 384  # px of the longer side of the pictures in which paint is looked at
_SAME_COLOR = 8  # of 255
_INSIDE = 0.95  # of a fill that lies in another: it adds nothing
_TOUCHING = 4  # px there that fills have in common at least
_TORN = 0.03  # of the paint that may open up on the way, beyond what is open in the keys
_MOST = 300  # fills of a drawing that are compared

Matcher = Callable[[Strokes, Strokes, tuple[np.ndarray, np.ndarray]], StrokeMatches]
Drawer = Callable[[Strokes, Strokes, StrokeMatches], tuple[Strokes, np.ndarray]]


@dataclass(frozen=True)
class _PaintGrid:
    """Where a small picture lies: px there = (px - low) x scale."""

    low: np.ndarray
    scale: float
    shape: tuple[int, int]

    def fill_polygon(self, points: np.ndarray) -> np.ndarray:
        """The inside of an outline, uint8 (H, W)."""
        picture = np.zeros(self.shape, np.uint8)
        return cv2.fillPoly(picture, [np.round((points - self.low) * self.scale * 16).astype(np.int32)], 1, cv2.LINE_8, 4)


@dataclass(frozen=True, eq=False)
class _UnionPair:
    """Fills of either key that are the same paint: `rows` int (N,) of each · `span` (4,) of their outlines, as in StrokeMatches."""

    rows: tuple[np.ndarray, np.ndarray]
    span: np.ndarray
    confidence: float


def unite_fills(
    a: Strokes, b: Strokes, matches: StrokeMatches, pinned: Sequence[tuple[int, int]], match: Matcher, draw_half: Drawer
) -> StrokeMatches:
    """The matches, with fills as unions where these have to move as one; what a person has `pinned` stays.

    `match` finds the partners of strokes, some of which bound paint; `draw_half` draws what matches make halfway, and says by stroke which
    one of `a` it comes from.
    """
    keys = (a, b)
    groups = []
    for side, key in enumerate(keys):
        fills = _mark_fills(key, matches, side)
        fills[[pair[side] for pair in pinned]] = False
        groups.append(_find_groups(key, fills))
    if not any(len(group) > 1 for of_key in groups for group in of_key):
        return matches
    pairs = [
        pair
        for pair in _pair_groups(keys, groups, matches, match)
        if max(map(len, pair.rows)) > 1 and not _stays_whole(keys, pair.rows, matches, draw_half)
    ]
    return _separate_fills(keys, matches, pairs) if pairs else matches


def _mark_fills(key: Strokes, matches: StrokeMatches, side: int) -> np.ndarray:
    """Fills that have no visible line, bool (S,)."""
    rows = matches.pieces[matches.fills, side]
    inked = np.zeros(len(key), bool)
    stroke = np.repeat(np.arange(len(key)), np.diff(key.offsets))
    inked[stroke[(key.colors[:, 3] >= MIN_ALPHA) & (key.widths > 0)]] = True
    found = np.zeros(len(key), bool)
    found[rows[rows >= 0]] = True
    return found & ~inked & (np.diff(key.offsets) > 2)


def _get_points(key: Strokes, row: int) -> np.ndarray:
    return key.points[key.offsets[row] : key.offsets[row + 1]].astype(np.float64)


def _make_grid(outlines: Sequence[np.ndarray]) -> _PaintGrid:
    points = np.concatenate(outlines)
    low, extent = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-6)
    scale = _SIDE / float(extent.max())
    width, height = (np.ceil(extent * scale) + 5).astype(int)
    return _PaintGrid(low - 2.0 / scale, scale, (int(height), int(width)))


def _find_groups(key: Strokes, fills: np.ndarray) -> list[np.ndarray]:
    """Fills of one color that overlap, directly or by others between them; those alone too."""
    rows = np.flatnonzero(fills)
    if not len(rows) or len(rows) > _MOST:
        return []
    outlines = [_get_points(key, row) for row in rows.tolist()]
    grid = _make_grid(outlines)
    inside = [grid.fill_polygon(points) for points in outlines]
    area = [int(picture.sum()) for picture in inside]
    low, high = (np.array([edge(points, axis=0) for points in outlines]) for edge in (np.min, np.max))
    colors = key.colors[key.offsets[rows], :3].astype(int)
    near = (low[:, None] <= high[None]).all(2) & (high[:, None] >= low[None]).all(2)
    near &= np.abs(colors[:, None] - colors[None]).max(2) < _SAME_COLOR
    links = []
    for one, two in np.argwhere(np.triu(near, 1)).tolist():
        common = int((inside[one] & inside[two]).sum())
        if _TOUCHING <= common < _INSIDE * min(area[one], area[two]):
            links.append((one, two))
    ones, twos = np.array(links, np.int64).reshape(-1, 2).T
    count, name = connected_components(sparse.coo_matrix((np.ones(len(ones)), (ones, twos)), (len(rows), len(rows))), directed=False)
    return [rows[name == group] for group in range(count)]


def _pair_groups(
    keys: tuple[Strokes, Strokes], groups: Sequence[Sequence[np.ndarray]], matches: StrokeMatches, match: Matcher
) -> list[_UnionPair]:
    """Which group of one key is which of the other, by what their outlines are matched with when they stand for their fills."""
    reduced, marked = [], []
    for side, (key, of_key) in enumerate(zip(keys, groups, strict=True)):
        united = [group for group in of_key if len(group) > 1]
        rest = np.setdiff1d(np.arange(len(key)), np.concatenate([np.zeros(0, np.int64), *united]))
        fills = np.zeros(len(key), bool)
        rows = matches.pieces[matches.fills, side]
        fills[rows[rows >= 0]] = True
        reduced.append(_append_strokes(_take_strokes(key, rest), _join_outlines([_trace_outline(key, group) for group in united], key)))
        marked.append(([*rest[:, None], *united], np.append(fills[rest], np.ones(len(united), bool))))
    found = match(reduced[0], reduced[1], (marked[0][1], marked[1][1]))
    rows = np.flatnonzero((found.pieces >= 0).all(1) & found.fills)
    return [
        _UnionPair((marked[0][0][i], marked[1][0][j]), found.spans[row], float(found.confidence[row]))
        for row, (i, j) in zip(rows, found.pieces[rows].tolist(), strict=True)
    ]


def _stays_whole(keys: tuple[Strokes, Strokes], rows: tuple[np.ndarray, np.ndarray], matches: StrokeMatches, draw_half: Drawer) -> bool:
    """Whether fills have partners one by one, and together no more holes and parts halfway than they have in the keys."""
    one, two = rows
    pieces = matches.pieces[np.isin(matches.pieces[:, 0], one) | np.isin(matches.pieces[:, 1], two)]
    if not (np.isin(pieces[:, 0], one) & np.isin(pieces[:, 1], two)).all():
        return False
    strokes, source = draw_half(*keys, matches)
    shown = ((keys[0], one), (keys[1], two), (strokes, np.flatnonzero(np.isin(source, one))))
    drawings = [[_get_points(key, row) for row in those.tolist()] for key, those in shown]
    openness = []
    for outlines in drawings:
        grid = _make_grid(outlines)
        paint = np.maximum.reduce([grid.fill_polygon(points) for points in outlines])
        parts, _ = cv2.connectedComponents(paint)
        _, around, stats, _ = cv2.connectedComponentsWithStats(1 - paint, connectivity=4)
        holes = np.delete(stats[:, cv2.CC_STAT_AREA], [0, around[0, 0]]).sum()
        openness.append((parts, holes / max(paint.sum(), 1)))
    (parts_a, holes_a), (parts_b, holes_b), (parts, holes) = openness
    return parts <= max(parts_a, parts_b) and holes <= max(holes_a, holes_b) + _TORN


def _trace_outline(key: Strokes, rows: np.ndarray) -> np.ndarray:
    """The outline of the union of fills, float64 (K, 2)."""
    if len(rows) == 1:
        return _get_points(key, int(rows[0]))
    outlines = [_get_points(key, row) for row in rows.tolist()]
    grid = _make_grid(outlines)
    paint = np.maximum.reduce([grid.fill_polygon(points) for points in outlines])
    contours, _ = cv2.findContours(paint, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(contours, key=len)[:, 0].astype(np.float64)
    return longest[:: max(1, len(longest) // 240)] / grid.scale + grid.low


def _join_outlines(outlines: Sequence[np.ndarray], key: Strokes) -> Strokes:
    """Closed strokes without a line, that can't be seen."""
    counts = [len(points) for points in outlines]
    return Strokes(
        np.concatenate([np.zeros((0, 2)), *outlines]).astype(np.float32),
        np.zeros(sum(counts), np.float32),
        np.zeros((sum(counts), 4), np.uint8),
        np.cumsum([0, *counts]).astype(key.offsets.dtype),
        np.ones(len(counts), bool),
    )


def _take_strokes(key: Strokes, rows: np.ndarray) -> Strokes:
    kept = np.isin(np.repeat(np.arange(len(key)), np.diff(key.offsets)), rows)  # rows rise
    offsets = np.cumsum([0, *np.diff(key.offsets)[rows]]).astype(key.offsets.dtype)
    return Strokes(key.points[kept], key.widths[kept], key.colors[kept], offsets, key.cyclic[rows])


def _append_strokes(key: Strokes, more: Strokes) -> Strokes:
    return Strokes(
        np.concatenate([key.points, more.points]),
        np.concatenate([key.widths, more.widths]),
        np.concatenate([key.colors, more.colors]),
        np.append(key.offsets, more.offsets[1:] + key.offsets[-1]),
        np.append(key.cyclic, more.cyclic),
    )


def _separate_fills(keys: tuple[Strokes, Strokes], matches: StrokeMatches, pairs: Sequence[_UnionPair]) -> StrokeMatches:
    """The fills of united groups alone, and which union each goes with."""
    names = [np.full(len(key), -1) for key in keys]
    for nth, pair in enumerate(pairs):
        for side in (0, 1):
            names[side][pair.rows[side]] = nth
    keep = np.ones(len(matches), bool)
    parts = []
    for side, key in enumerate(keys):
        keep &= (matches.pieces[:, side] < 0) | (names[side][matches.pieces[:, side]] < 0)
        rows = np.flatnonzero(names[side] >= 0)
        piece, span = np.full((len(rows), 2), -1, np.int32), np.zeros((len(rows), 4), np.float32)
        piece[:, side], span[:, 2 * side : 2 * side + 2] = rows, find_full_spans(key)[rows]
        sure = np.array([pairs[nth].confidence for nth in names[side][rows]], np.float32)
        parts.append((piece, span, sure, np.ones(len(rows), bool), names[side][rows]))
    kept = (matches.pieces[keep], matches.spans[keep], matches.confidence[keep], matches.fills[keep], np.full(int(keep.sum()), -1))
    pieces, spans, confidence, fills, row = (np.concatenate(column) for column in zip(kept, *parts, strict=True))
    first, last = (_join_outlines([_trace_outline(key, pair.rows[side]) for pair in pairs], key) for side, key in enumerate(keys))
    unions = PaintUnions(first, last, np.array([pair.span for pair in pairs], np.float32), row.astype(np.int32))
    return StrokeMatches(pieces, spans, confidence, fills, unions)


def add_outlines(a: Strokes, b: Strokes, matches: StrokeMatches) -> tuple[Strokes, Strokes, StrokeMatches]:
    """Keys and matches with the outlines of unions as strokes, which come last."""
    unions = matches.unions
    if unions is None:
        return a, b, matches
    number = np.arange(len(unions.spans), dtype=np.int32)
    more = (
        number[:, None] + np.array([len(a), len(b)], np.int32),
        unions.spans,
        np.ones(len(number), np.float32),
        np.zeros(len(number), bool),
    )
    own = (matches.pieces, matches.spans, matches.confidence, matches.fills)
    pieces, spans, confidence, fills = (np.concatenate(column) for column in zip(own, more, strict=True))
    return _append_strokes(a, unions.first), _append_strokes(b, unions.last), StrokeMatches(pieces, spans, confidence, fills)
