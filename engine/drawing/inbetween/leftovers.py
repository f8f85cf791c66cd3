"""Lines that are cut at other places in the other key: stretches of strokes that come to lie on one of its lines.

Where strokes were told apart by gaps or crossings, one key has two of what the other has one and a half of. What such a stroke lies on when
it moves as its surroundings do says more than its ends.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ..sketch.strokes import Strokes
from .curves import cut_stretches, find_full_spans, to_xy
from .matches import StrokeMatches
from .motion import find_motion
from .nodes import build_nodes

_NEAR = 0.008  # of the size: how far from the line they may end up
_ALONG = 0.8  # cosine of the angle to it, at most points
_COVERED = 0.6  # of a short stroke's points must lie on one line
_STRETCHED = 1.8  # times as long, or as short
_UNLIKE = 1.25  # a match of strokes whose lengths differ by more is looked at again
_FITS = 0.8  # of the shorter one's points must lie on the longer one then
_DOUBTED = 0.85  # confidence below which a match is looked at again
_SURE = 0.999  # what a person pinned stays
_RIGHT = 0.25  # how often that is the same line, on drawn people
_DENSE = 4  # points of lines per px of reach, to look them up
_BRIEF = 3.0  # reaches; a shorter stretch of a longer stroke is no stretch of its own

_ALONE, _TAKEN = -1, -2


@dataclass(frozen=True)
class _DenseLines:
    """The lines of a key, densely: `points` complex128 (N,) · `heading` there · `index` fractional on its `stroke` · `run` px along it ·
    `left` px to its end."""

    points: np.ndarray
    heading: np.ndarray
    index: np.ndarray
    stroke: np.ndarray
    run: np.ndarray
    left: np.ndarray
    tree: cKDTree


@dataclass(frozen=True)
class _LineStretch:
    """Nodes `first` to `last` of a piece; the `line` that they lie on, or _ALONE, and the indices on it where they begin and end."""

    first: int
    last: int
    line: int
    begin: float = 0.0
    end: float = 0.0


def absorb_leftovers(a: Strokes, b: Strokes, matches: StrokeMatches) -> StrokeMatches:
    """Give strokes of one key alone the stretches of the other's lines that they come to lie on when they move as what is around them does.

    Such a stretch may have a partner already: drawings near that key then show both lines on top of each other.
    """
    matches = _undo_doubtful_matches(a, b, matches)
    alone = (matches.pieces < 0).any(1)
    if not alone.any() or alone.all():
        return matches
    points = build_nodes(a, b, matches)
    moves = find_motion(points, np.full(len(points.piece), 1.0))
    reach = _NEAR * points.size
    keep = np.ones(len(matches), bool)
    new: list[tuple[int, int, int, list[float]]] = []  # piece that it is of, strokes of a and b, spans
    taken: dict[int, list[tuple[float, float]]] = {}  # stretches of b that strokes of a lie on now
    for side, key in ((1, b), (0, a)):  # strokes of a to lines of b, and the other way
        own, lines = 1 - side, _sample_lines(key, reach)
        there = moves.move_points(float(side))
        fills = np.zeros(len(key), bool)
        fills[matches.pieces[matches.pieces[:, side] >= 0, side]] = matches.fills[matches.pieces[:, side] >= 0]
        for piece in np.flatnonzero(matches.pieces[:, side] < 0).tolist():
            rows = np.flatnonzero(points.piece == piece)
            if len(rows) < 2 or matches.fills[piece]:
                continue
            stroke, place = int(matches.pieces[piece, own]), points.place[rows, own]
            known = taken.get(stroke, []) if side == 0 else []
            found = _find_stretches(there[rows], _mark_inside_spans(place, known), lines, fills, reach)
            if found == [_LineStretch(0, len(rows) - 1, _ALONE)]:
                continue
            keep[piece] = False
            for part in found:
                span = [0.0] * 4
                span[2 * own : 2 * own + 2] = _locate_cut(place, part.first, -1, known), _locate_cut(place, part.last, 1, known)
                span[2 * side : 2 * side + 2] = part.begin, part.end
                strokes = (stroke, part.line) if own == 0 else (part.line, stroke)
                new.append((piece, *strokes, span))
                if side == 1 and part.line >= 0:
                    taken.setdefault(part.line, []).append((min(part.begin, part.end), max(part.begin, part.end)))
    return _replace_pieces(matches, keep, new)


def _replace_pieces(matches: StrokeMatches, keep: np.ndarray, new: list[tuple[int, int, int, list[float]]]) -> StrokeMatches:
    if not new:
        return replace(
            matches, pieces=matches.pieces[keep], spans=matches.spans[keep], confidence=matches.confidence[keep], fills=matches.fills[keep]
        )
    origin = np.array([piece for piece, *_ in new])
    strokes = np.array([(i, j) for _, i, j, _ in new], np.int32)
    both = (strokes >= 0).all(1)
    return StrokeMatches(
        np.concatenate([matches.pieces[keep], strokes]),
        np.concatenate([matches.spans[keep], np.array([span for *_, span in new], np.float32)]),
        np.concatenate([matches.confidence[keep], np.where(both, _RIGHT, matches.confidence[origin]).astype(np.float32)]),
        np.concatenate([matches.fills[keep], matches.fills[origin]]),
    )


def _undo_doubtful_matches(a: Strokes, b: Strokes, matches: StrokeMatches) -> StrokeMatches:
    """Matches are undone where strokes, moved as their surroundings, lie elsewhere: the shorter on a part of the longer, or both on other
    lines."""
    spans = matches.spans.astype(np.float64)
    both = (matches.pieces >= 0).all(1) & ~matches.fills & (matches.confidence < _SURE)
    for side, key in ((0, a), (1, b)):
        both[both] &= ~key.cyclic[matches.pieces[both, side]]
    rows = np.flatnonzero(both)
    if not len(rows):
        return matches
    lengths = np.stack(
        [cut_stretches(key, matches.pieces[rows, s], spans[rows, 2 * s : 2 * s + 2]).lengths for s, key in ((0, a), (1, b))], 1
    )
    unlike = lengths.max(1) > _UNLIKE * np.maximum(lengths.min(1), 1e-6)
    odd = unlike | (matches.confidence[rows] < _DOUBTED)
    rows, lengths, unlike = rows[odd], lengths[odd], unlike[odd]
    if not len(rows) or 2 * len(rows) > both.sum():  # everything grows: nothing tells where it goes
        return matches
    points = build_nodes(a, b, _split_matches(matches, rows))
    moves = find_motion(points, np.full(len(points.piece), 1.0))
    reach = _NEAR * points.size
    lines, there = (_sample_lines(a, reach), _sample_lines(b, reach)), (moves.move_points(0.0), moves.move_points(1.0))
    undone = []
    for nth, row in enumerate(rows):
        on, along, covers = [], [], []
        for side, other in ((0, 1), (1, 0)):
            own = np.flatnonzero(points.piece == len(matches) - len(rows) + nth + side * len(rows))
            good, near = _find_on_lines(there[other][own], lines[other], reach)
            partner = good & (lines[other].stroke[near] == matches.pieces[row, other])
            covered = abs(lines[other].run[near[-1]] - lines[other].run[near[0]]) / max(lengths[nth, side], 1e-6)
            on.append(good.mean())
            along.append(partner.mean())
            covers.append(bool(partner[0] and partner[-1]) and 1.0 / _UNLIKE < covered < _UNLIKE)
        short = int(lengths[nth].argmin())
        part = unlike[nth] and covers[short] and along[short] >= _FITS
        if part or (min(on) >= _FITS and max(along) < _FITS / 2.0):
            undone.append(row)
    return _split_matches(matches, np.array(undone, np.int64)) if undone else matches


def _split_matches(matches: StrokeMatches, rows: np.ndarray) -> StrokeMatches:
    """Without these pairs; their strokes come last, alone, those of the key before first."""
    keep = np.setdiff1d(np.arange(len(matches)), rows)
    pieces, spans = [matches.pieces[keep]], [matches.spans[keep]]
    for side in (0, 1):
        one = matches.pieces[rows].copy()
        one[:, 1 - side] = -1
        span = matches.spans[rows].copy()
        span[:, 2 * (1 - side) : 2 * (1 - side) + 2] = 0.0
        pieces.append(one)
        spans.append(span)
    doubt = 1.0 - matches.confidence[rows]
    confidence, fills = (
        np.concatenate(parts) for parts in ((matches.confidence[keep], doubt, doubt), (matches.fills[keep], *[matches.fills[rows]] * 2))
    )
    return StrokeMatches(np.concatenate(pieces), np.concatenate(spans), confidence, fills)


def _sample_lines(key: Strokes, reach: float) -> _DenseLines:
    curves = cut_stretches(key, np.flatnonzero(np.diff(key.offsets)), find_full_spans(key)[np.diff(key.offsets) > 0])
    counts = np.maximum(np.ceil(curves.lengths / (reach / _DENSE)), 2).astype(np.int64)
    curve = np.repeat(np.arange(len(curves)), counts)
    nth = np.arange(len(curve)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = nth / (counts[curve] - 1)
    dense = curves.interpolate_points(2.0 * curve + share)
    stroke = curves.stroke[curves.offsets[:-1]][curve]
    run = share * curves.lengths[curve]
    return _DenseLines(
        dense, np.gradient(dense), curves.indices(2.0 * curve + share), stroke, run, curves.lengths[curve] - run, cKDTree(to_xy(dense))
    )


def _find_on_lines(points: np.ndarray, lines: _DenseLines, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Which points lie on a line and go along it, bool (N,), and the nearest of its points."""
    apart, near = lines.tree.query(to_xy(points))
    way = np.gradient(points) if len(points) > 1 else np.zeros(len(points), complex)
    heading = lines.heading[near]
    cosine = np.real(way * heading.conj()) / np.maximum(np.abs(way) * np.abs(heading), 1e-9)
    return (apart < reach) & (np.abs(cosine) > _ALONG), near


def _mark_inside_spans(place: np.ndarray, spans: list[tuple[float, float]]) -> np.ndarray:
    inside = np.zeros(len(place), bool)
    for low, high in spans:
        inside |= (place >= low) & (place <= high)
    return inside


def _locate_cut(place: np.ndarray, node: int, step: int, known: list[tuple[float, float]]) -> float:
    """Where a stretch that ends at a node is cut: where one that is taken begins before the next node, else halfway there."""
    other = node + step
    if not 0 <= other < len(place):
        return float(place[node])
    low, high = sorted((float(place[node]), float(place[other])))
    return next((end for span in known for end in span if low <= end <= high), (low + high) / 2.0)


def _find_stretches(points: np.ndarray, taken: np.ndarray, lines: _DenseLines, fills: np.ndarray, reach: float) -> list[_LineStretch]:
    """A piece's nodes, cut into stretches that lie on a line and those that don't; what is taken is left out."""
    on, near = _find_on_lines(points, lines, reach)
    label = np.where(on & ~fills[lines.stroke[near]], lines.stroke[near], _ALONE)
    label[taken] = _TAKEN
    run = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(points)))])
    label = _merge_brief_runs(label, run, _BRIEF * reach)
    found = []
    for first, last in _find_runs(label):
        line = int(label[first])
        if line >= 0:
            inner = np.arange(first, last + 1)
            inner = inner[on[inner] & (lines.stroke[near[inner]] == line)]
            length = abs(lines.run[near[inner[-1]]] - lines.run[near[inner[0]]]) if len(inner) > 1 else 0.0
            drawn = run[last] - run[first]
            if len(inner) >= _COVERED * (last - first + 1) and drawn / _STRETCHED < length < drawn * _STRETCHED:
                found.append(
                    _LineStretch(first, last, line, *_snap_to_ends(lines, int(near[inner[0]]), int(near[inner[-1]]), _BRIEF * reach))
                )
                continue
            line = _ALONE
        if line == _ALONE and found and found[-1].line == _ALONE and found[-1].last == first - 1:
            found[-1] = _LineStretch(found[-1].first, last, _ALONE)
        elif line == _ALONE:
            found.append(_LineStretch(first, last, _ALONE))
    return found


def _find_runs(label: np.ndarray) -> list[tuple[int, int]]:
    """First and last node of each run of one label."""
    edges = np.flatnonzero(np.diff(label)) + 1
    return list(zip([0, *edges.tolist()], [*(edges - 1).tolist(), len(label) - 1], strict=True))


def _merge_brief_runs(label: np.ndarray, run: np.ndarray, brief: float) -> np.ndarray:
    """Runs that are shorter than `brief` px take the label of the longer of their neighbors, the shortest first; none becomes taken."""
    label = label.copy()
    while True:
        runs = _find_runs(label)
        lengths = [run[last] - run[first] for first, last in runs]
        best = None
        for n in sorted(range(len(runs)), key=lengths.__getitem__):
            beside = [k for k in (n - 1, n + 1) if 0 <= k < len(runs) and label[runs[k][0]] != _TAKEN]
            if lengths[n] < brief and beside:
                best = n, max(beside, key=lengths.__getitem__)
                break
        if best is None:
            return label
        first, last = runs[best[0]]
        label[first : last + 1] = label[runs[best[1]][0]]


def _snap_to_ends(lines: _DenseLines, first: int, last: int, brief: float) -> tuple[float, float]:
    """The indices of two places on a line; a line's end that is no further than `brief` px belongs to them."""
    rising = lines.run[first] <= lines.run[last]
    low, high = (first, last) if rising else (last, first)
    stroke = np.flatnonzero(lines.stroke == lines.stroke[first])
    low = int(stroke[0]) if lines.run[low] < brief else low
    high = int(stroke[-1]) if lines.left[high] < brief else high
    begin, end = float(lines.index[low]), float(lines.index[high])
    return (begin, end) if rising else (end, begin)
