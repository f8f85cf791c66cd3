"""The points of the drawings between two keys: for each, where it is in either key."""

from dataclasses import dataclass

import numpy as np

from ..sketch.strokes import Strokes
from .curves import StrokeCurves, cut_stretches
from .matches import StrokeMatches
from .warp import warp_curves

_TOLERANCE = 0.1  # px that a key's line may be off for a point left out
FINENESS = 48  # steps that are longer than this part of the drawing's size are parted, for the motion's sake


@dataclass(frozen=True)
class MotionNodes:
    """Points along pieces, in order.

    piece   int64 (N,)       row of Matches
    a, b    complex128 (N,)  where they are in the keys; nan where a piece is in one key only
    place   float64 (N, 2)   fractional indices on the strokes of the two keys, nan for none
    real    bool (N,)        points of the drawing made; others only help to find the motion
    size    px, of what both keys show together
    """

    piece: np.ndarray
    a: np.ndarray
    b: np.ndarray
    place: np.ndarray
    real: np.ndarray
    size: float


def build_nodes(a: Strokes, b: Strokes, matches: StrokeMatches) -> MotionNodes:
    """Points for every piece: those of the key that has more of them there, and whatever the other's shape needs besides."""
    size = _measure_size(a, b)
    spans = matches.spans.astype(np.float64)
    in_a, in_b = matches.pieces[:, 0] >= 0, matches.pieces[:, 1] >= 0
    both = np.flatnonzero(in_a & in_b)
    ca = cut_stretches(a, matches.pieces[both, 0], spans[both, :2])
    cb = cut_stretches(b, matches.pieces[both, 1], spans[both, 2:])
    xa, xb = _merge_places(ca, cb)
    xa, xb, real = _refine_steps(xa, xb, ca, cb, size)
    parts = [(both[_find_curve(xa)], ca.interpolate_points(xa), cb.interpolate_points(xb), ca.indices(xa), cb.indices(xb), real)]
    for side, key, rows in ((0, a, np.flatnonzero(in_a & ~in_b)), (1, b, np.flatnonzero(in_b & ~in_a))):
        curves = cut_stretches(key, matches.pieces[rows, side], spans[rows, 2 * side : 2 * side + 2])
        x, _, real = _refine_steps(curves.along, curves.along, curves, curves, size)
        there, index = curves.interpolate_points(x), curves.indices(x)
        no_place = np.full(len(x), np.nan)
        nowhere = no_place.astype(complex)
        if side == 0:
            parts.append((rows[_find_curve(x)], there, nowhere, index, no_place, real))
        else:
            parts.append((rows[_find_curve(x)], nowhere, there, no_place, index, real))
    piece, za, zb, ia, ib, real = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(piece, kind="stable")
    return MotionNodes(piece[order], za[order], zb[order], np.stack([ia, ib], 1)[order], real[order], size)


def _measure_size(a: Strokes, b: Strokes) -> float:
    points = np.concatenate([a.points, b.points])
    return max(float(np.hypot(*np.ptp(points, axis=0))), 1.0) if len(points) else 1.0


def _find_curve(along: np.ndarray) -> np.ndarray:
    return (along // 2).astype(np.int64)


def _merge_places(a: StrokeCurves, b: StrokeCurves) -> tuple[np.ndarray, np.ndarray]:
    """Places along pairs of curves, rising."""
    if not len(a):
        return np.zeros(0), np.zeros(0)
    warp_a, warp_b = warp_curves(a, b)
    denser = np.diff(a.offsets) >= np.diff(b.offsets)
    own, others = a.along[denser[a.curve]], b.along[~denser[b.curve]]
    xa = np.concatenate([own, np.interp(others, warp_b, warp_a)])
    xb = np.concatenate([np.interp(own, warp_a, warp_b), others])
    order = np.argsort(xa + xb, kind="stable")
    xa, xb = xa[order], xb[order]
    # What the sparser key has between: its points that lie off the line through those chosen.
    for curves, x in ((a, xa), (b, xb)):
        rest = curves.along[(denser if curves is b else ~denser)[curves.curve]]
        off = np.abs(np.interp(rest, x, curves.interpolate_points(x)) - curves.interpolate_points(rest)) > _TOLERANCE
        rest = rest[off]
        more_a = rest if curves is a else np.interp(rest, warp_b, warp_a)
        more_b = rest if curves is b else np.interp(rest, warp_a, warp_b)
        xa, xb = np.concatenate([xa, more_a]), np.concatenate([xb, more_b])
        order = np.argsort(xa + xb, kind="stable")
        xa, xb = np.maximum.accumulate(xa[order]), np.maximum.accumulate(xb[order])
    return xa, xb


def _refine_steps(
    xa: np.ndarray, xb: np.ndarray, a: StrokeCurves, b: StrokeCurves, size: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Long steps parted evenly: places along both curves, and which of them were there before."""
    if not len(xa):
        return xa, xb, np.zeros(0, bool)
    step = np.maximum(np.abs(np.diff(a.interpolate_points(xa))), np.abs(np.diff(b.interpolate_points(xb))))
    parts = np.where(np.diff(_find_curve(xa)) == 0, np.ceil(step * (FINENESS / size)).clip(1, 4 * FINENESS), 1).astype(np.int64)
    begin = np.repeat(np.arange(len(parts)), parts)
    nth = np.arange(len(begin)) - np.repeat(np.cumsum(parts) - parts, parts)
    share = nth / parts[begin]
    fine_a = xa[begin] + share * np.diff(xa)[begin]
    fine_b = xb[begin] + share * np.diff(xb)[begin]
    return np.append(fine_a, xa[-1]), np.append(fine_b, xb[-1]), np.append(nth == 0, True)
