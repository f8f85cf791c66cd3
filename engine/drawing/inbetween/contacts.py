"""Where strokes meet: ends on ends, and ends on the middle of other lines."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .curves import to_xy

_NEAREST = 16


@dataclass(frozen=True)
class LineContacts:
    """`end` int64 (C,) the point that lies on a line · `first`, `second` the points of the step that it lies on · `part` float64 (C,)
    0..1, how far along that step."""

    end: np.ndarray
    first: np.ndarray
    second: np.ndarray
    part: np.ndarray


def find_contacts(points: np.ndarray, curve: np.ndarray, reach: np.ndarray) -> LineContacts:
    """Ends of curves that lie on other curves.

    points  complex128 (N,), one curve after the other · curve int64 (N,) · reach float64 (N,) px, half of what ends may be off there
    """
    count = len(points)
    edge = np.flatnonzero(np.diff(curve))
    ends = np.unique(np.concatenate([[0], edge, edge + 1, [count - 1]])) if count else np.zeros(0, np.int64)
    if len(ends) < 2:
        nothing = np.zeros(0, np.int64)
        return LineContacts(nothing, nothing, nothing, nothing.astype(float))
    tree = cKDTree(to_xy(points))
    near = min(_NEAREST, count)
    _, found = tree.query(to_xy(points)[ends], k=near)
    end = np.repeat(ends, 2 * near)
    first = np.stack([found - 1, found], 2).ravel()  # the steps before and after each point that is near
    second = first + 1
    inside = (first >= 0) & (second < count)
    end, first, second = end[inside], first[inside], second[inside]
    second = np.where(curve[first] == curve[second], second, first)
    other = curve[first] != curve[end]
    end, first, second = end[other], first[other], second[other]

    step = points[second] - points[first]
    off = points[end] - points[first]
    part = (np.real(off * step.conj()) / np.maximum(np.abs(step) ** 2, 1e-12)).clip(0.0, 1.0)
    apart = np.abs(off - part * step)
    close = np.flatnonzero(apart <= reach[end] + reach[first])
    # One contact for each end and curve: the nearest place.
    order = close[np.lexsort((apart[close], curve[first[close]], end[close]))]
    pairs = np.stack([end[order], curve[first[order]]], 1)
    fresh = np.ones(len(order), bool)
    fresh[1:] = (pairs[1:] != pairs[:-1]).any(1)
    best = order[fresh]
    return LineContacts(end[best], first[best], second[best], part[best])
