"""Strokes without a partner that come to lie on a line of the other key: the two lines run together there, or part."""

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from ..sketch.strokes import Strokes
from .curves import stretches, whole, xy
from .matches import Matches
from .motion import motion
from .nodes import nodes

_NEAR = 0.008  # of the size: how far from the line they may end up
_ALONG = 0.8  # cosine of the angle to it, at most points
_COVERED = 0.6  # of a stroke's points must lie on one line
_STRETCHED = 1.8  # times as long, or as short
_RIGHT = 0.25  # how often that is the same line, on drawn people
_DENSE = 4  # points of lines per px of reach, to look them up


def absorb(a: Strokes, b: Strokes, matches: Matches) -> Matches:
    """Give strokes of one key alone the stretch of the other's line that they come to lie on when they move as what is around them does.

    That stretch then has two partners: drawings near that key show both lines on top of each other.
    """
    alone = (matches.pieces < 0).any(1)
    if not alone.any() or alone.all():
        return matches
    points = nodes(a, b, matches)
    moves = motion(points, np.full(len(points.piece), 1.0))
    pieces, spans, confidence = matches.pieces.copy(), matches.spans.copy(), matches.confidence.copy()
    for side, key in ((1, b), (0, a)):  # strokes of a to lines of b, and the other way
        there = moves.at(float(side))
        lines = stretches(key, np.flatnonzero(np.diff(key.offsets)), whole(key)[np.diff(key.offsets) > 0])
        reach = _NEAR * points.size
        counts = np.maximum(np.ceil(lines.lengths / (reach / _DENSE)), 2).astype(np.int64)
        curve = np.repeat(np.arange(len(lines)), counts)
        nth = np.arange(len(curve)) - np.repeat(np.cumsum(counts) - counts, counts)
        along = 2.0 * curve + nth / (counts[curve] - 1)
        dense, index, stroke = lines.at(along), lines.indices(along), lines.stroke[lines.offsets[:-1]][curve]
        fills = np.zeros(len(key), bool)
        fills[matches.pieces[matches.pieces[:, side] >= 0, side]] = matches.fills[matches.pieces[:, side] >= 0]
        tree = cKDTree(xy(dense))
        heading = np.gradient(dense)
        for piece in np.flatnonzero(matches.pieces[:, side] < 0):
            rows = np.flatnonzero(points.piece == piece)
            found = _line(there[rows], tree, stroke, heading, reach)
            if found is None or fills[stroke[found[0]]] or matches.fills[piece]:
                continue
            first, last = found
            drawn = np.abs(np.diff(there[rows])).sum()
            length = np.abs(along[last] - along[first]) * lines.lengths[curve[first]]
            if not drawn / _STRETCHED < length < drawn * _STRETCHED:
                continue
            pieces[piece, side], confidence[piece] = stroke[first], _RIGHT
            spans[piece, 2 * side : 2 * side + 2] = index[first], index[last]
    return replace(matches, pieces=pieces, spans=spans, confidence=confidence)


def _line(points: np.ndarray, tree: cKDTree, stroke: np.ndarray, heading: np.ndarray, reach: float) -> tuple[int, int] | None:
    """The samples of the line on which the first and the last of some points lie, if most of them lie on it."""
    if len(points) < 2:
        return None
    apart, near = tree.query(xy(points))
    way = np.gradient(points)
    cosine = np.real(way * heading[near].conj()) / np.maximum(np.abs(way) * np.abs(heading[near]), 1e-9)
    good = (apart < reach) & (np.abs(cosine) > _ALONG)
    names, counts = np.unique(stroke[near[good]], return_counts=True)
    if not len(names) or counts.max() < _COVERED * len(points):
        return None
    on = good & (stroke[near] == names[counts.argmax()])
    if not (on[0] and on[-1]):
        return None
    return int(near[0]), int(near[-1])
