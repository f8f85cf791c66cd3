"""How far candidates agree with those of neighboring strokes: lines that meet in one key meet in the other."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .candidates import StrokeCandidates
from .curves import to_xy
from .units import GRID, StrokeUnits

_NEIGHBORS = 8  # strokes
_HYPOTHESES = 12  # candidates of each neighboring stroke
_LOOSE = 0.02  # of the size: what the places of two lines may come to differ by, where they touch
_STRETCH = 0.2  # and, of their distance, where they don't


@dataclass(frozen=True, eq=False)
class Agreement:
    """rows int64 (C, n, h) the candidates asked by each, -1 = none · agree float32 (C, n, h), -1..1 · near float32 (C, n) how much
    each neighbor counts."""

    rows: np.ndarray
    agree: np.ndarray
    near: np.ndarray

    def support(self, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What neighbors say for each candidate, given the probability of all: on average, -1..1, and whether one at least is for it,
        0..1; float (C,) each."""
        belief = np.where(self.rows >= 0, probability[self.rows], 0.0)
        each = (belief * self.agree).sum(2)
        sure = np.minimum(belief.sum(2), 1.0)
        average = (each * self.near).sum(1) / ((sure * self.near).sum(1) + 0.5)
        return average, 1.0 - np.prod(1.0 - 0.8 * self.near * np.clip(each, 0.0, 1.0), axis=1)


def compare_neighbors(a: StrokeUnits, b: StrokeUnits, found: StrokeCandidates, score: np.ndarray, size: float) -> Agreement:
    """Compare every candidate with the best by `score` of the strokes that are near in a."""
    singles = int((a.counts == 1).sum())
    neighbor, own_at, other_at, gap = _find_neighbors(a, singles)
    asked = _list_hypotheses(a, found, score)  # (strokes, h)
    rows = asked[neighbor]  # (U, n, h)
    rows = np.where(neighbor[:, :, None] >= 0, rows, -1)
    # A chain that shares a stroke with the unit can't be true besides it.
    shared = a.share_strokes(found.a[rows], np.broadcast_to(np.arange(len(a))[:, None, None], rows.shape))
    rows = np.where(shared, -1, rows)

    stroke = np.maximum(neighbor, 0)
    point = a.samples[stroke, other_at]  # (U, n)
    own = a.samples[np.arange(len(a))[:, None], own_at]
    # Where the neighbor's point comes to, for each of its candidates.
    fraction = _locate_fraction(a, found, np.maximum(rows, 0), a.members[stroke, 0], other_at / (GRID - 1.0))
    there = map_places(b, found, np.maximum(rows, 0), fraction)  # (U, n, h)
    mine = map_places(b, found, np.arange(len(found))[:, None], own_at[found.a] / (GRID - 1.0))  # (C, n)
    # Turned as the one or as the other is.
    between = (point - own)[found.a]
    way = there[found.a] - mine[:, :, None]
    off = np.abs(way - (found.turn[:, None] * between)[:, :, None])
    off = np.minimum(off, np.abs(way - found.turn[np.maximum(rows, 0)][found.a] * between[:, :, None]))
    sigma = _LOOSE * size + _STRETCH * gap[found.a][:, :, None]
    agree = 2.0 / (1.0 + (off / sigma) ** 2) - 1.0
    near = 1.0 / (1.0 + gap / (0.02 * size))
    return Agreement(rows[found.a], agree.astype(np.float32), np.where(neighbor >= 0, near, 0.0)[found.a].astype(np.float32))


def _find_neighbors(a: StrokeUnits, singles: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The nearest strokes of each unit, as single units, -1 = none; the samples nearest to each other of both; and their distance."""
    points = a.samples[:singles].ravel()
    tree = cKDTree(to_xy(points))
    asked = np.unique(np.linspace(0, GRID - 1, 9).round().astype(int))
    own = a.samples[:, asked].ravel()
    count = min(96, len(points))
    apart, near = tree.query(to_xy(own), k=count)
    apart, near = apart.reshape(len(a), -1), near.reshape(len(a), -1)
    stroke, sample = near // GRID, near % GRID
    mine = np.repeat(asked, count)[None] + np.zeros_like(near)
    member = a.find_ranks(np.broadcast_to(np.arange(len(a))[:, None], stroke.shape), a.members[stroke, 0]) >= 0
    apart = np.where(member, np.inf, apart)
    order = np.lexsort((apart, stroke), axis=1)
    stroke, sample, mine, apart = (np.take_along_axis(values, order, 1) for values in (stroke, sample, mine, apart))
    again = np.zeros(stroke.shape, bool)
    again[:, 1:] = stroke[:, 1:] == stroke[:, :-1]
    apart = np.where(again, np.inf, apart)
    order = np.argsort(apart, axis=1, kind="stable")[:, :_NEIGHBORS]
    stroke, sample, mine, apart = (np.take_along_axis(values, order, 1) for values in (stroke, sample, mine, apart))
    none = np.isinf(apart)
    return np.where(none, -1, stroke), mine, sample, np.where(none, 0.0, apart)


def _list_hypotheses(a: StrokeUnits, found: StrokeCandidates, score: np.ndarray) -> np.ndarray:
    """The best candidates of all units that a stroke is in, int64 (singles, h), by single unit; -1 = none."""
    singles = int((a.counts == 1).sum())
    unit_of = np.full(int(a.members.max()) + 1, -1)
    unit_of[a.members[:singles, 0]] = np.arange(singles)
    strokes = a.members[found.a]
    row, column = np.nonzero(strokes >= 0)
    single = unit_of[strokes[row, column]]
    order = np.lexsort((-score[row], single))
    row, single = row[order], single[order]
    nth = np.arange(len(single)) - np.searchsorted(single, single)
    table = np.full((singles, _HYPOTHESES), -1)
    kept = nth < _HYPOTHESES
    table[single[kept], nth[kept]] = row[kept]
    return table


def _locate_fraction(a: StrokeUnits, found: StrokeCandidates, rows: np.ndarray, stroke: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Where a place on a stroke, by fraction of its length, is on the units that have it; (U, n, h) for stroke, fraction (U, n)."""
    unit = found.a[rows]
    nth = np.maximum(a.find_ranks(unit, np.broadcast_to(stroke[:, :, None], unit.shape)), 0)
    low, high = a.begins[unit, nth], a.begins[unit, nth + 1]
    turned = a.turned[unit, nth]
    part = np.where(turned, 1.0 - fraction[:, :, None], fraction[:, :, None])
    return low + part * (high - low)


def map_places(b: StrokeUnits, found: StrokeCandidates, rows: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Where candidates put places of their units, by fraction of the length."""
    part = np.where(found.back[rows], 1.0 - fraction, fraction)
    # A closed one that runs back is begun anew in its own reversed order.
    moved = np.where(found.back[rows], part - found.shift[rows], part + found.shift[rows])
    part = np.where(b.closed[found.b[rows]] & (found.shift[rows] > 0), moved % 1.0, part)
    at = part * (GRID - 1)
    low = np.minimum(at.astype(np.int64), GRID - 2)
    samples, unit = b.samples, found.b[rows]
    return samples[unit, low] * (1.0 - (at - low)) + samples[unit, low + 1] * (at - low)
