"""Which units of one key could be which of the other, and what speaks for it."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .curves import to_xy
from .order import StrokeOrder
from .units import GRID, StrokeUnits

FEATURES = ("near", "close", "bent", "turned", "longer", "wider", "other color", "open", "chain", "support", "ally", "order", "always")
ORDER = FEATURES.index("order")
_PARTNERS = 120  # strokes, and the chains of as many, that are looked at for each unit
_TRIED = 24  # of them, with all maps
_KEPT = 8
_UNLIKE = 0.7  # logarithm of how much longer chains may be than their partners
_LONGEST = 6  # strokes more than two that count against a match: an outline is no less likely for being drawn in many
_BLOCK = 20_000


@dataclass(frozen=True, eq=False)
class StrokeCandidates:
    """Pairs of units, those of one unit of a together.

    a, b      int64 (C,)      units
    back      bool (C,)       b runs the other way
    shift     float64 (C,)    at which fraction of the length of b, a closed one, a begins
    turn      complex128 (C,) scale and turn of the map by which they fit best
    features  float64 (C, F)  see FEATURES
    """

    a: np.ndarray
    b: np.ndarray
    back: np.ndarray
    shift: np.ndarray
    turn: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: np.ndarray) -> "StrokeCandidates":
        return StrokeCandidates(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


NOTHING = StrokeCandidates(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0), np.zeros(0, complex), np.zeros((0, len(FEATURES)))
)


def find_candidates(
    a: StrokeUnits,
    b: StrokeUnits,
    maps: tuple[np.ndarray, np.ndarray],
    order: StrokeOrder,
    size: float,
    weights: np.ndarray,
    pinned: tuple[np.ndarray, np.ndarray],
) -> StrokeCandidates:
    """The likeliest partners of each unit of a. `maps` (turn, shift) complex128 (M, U) say where each may be looked for, the first of
    them first; `weights` (F,) rate features; `pinned` (units of a, of b) int64 are partners for sure, and have no others."""
    if not len(a) or not len(b):
        return NOTHING
    one, two = _pair_units(a, b, maps)
    busy_a, busy_b = np.zeros(len(a), bool), np.zeros(len(b), bool)
    busy_a[find_sharing_units(a, pinned[0])], busy_b[find_sharing_units(b, pinned[1])] = True, True
    fits = (a.fills[one] == b.fills[two]) & ~busy_a[one] & ~busy_b[two]
    # Chains are many, and there is always another one that is about as long.
    longer = np.abs(np.log((a.curves.lengths * np.abs(maps[0][0]) + 1.0)[one] / (b.curves.lengths + 1.0)[two]))
    fits &= (longer < _UNLIKE) | ((a.counts[one] == 1) & (b.counts[two] == 1))
    one, two = np.concatenate([one[fits], pinned[0]]), np.concatenate([two[fits], pinned[1]])
    first = _rate_pairs(a, b, one, two, maps[0][0][one], maps[1][0][one], size)
    first.features[:, ORDER] = order.rate_pairs(
        a.members[first.a, 0], b.members[first.b, 0], (a.counts[first.a] == 1) & (b.counts[first.b] == 1)
    )
    rows = _pick_best(first.a, first.features @ weights, _TRIED)
    found, score = first.take(rows), (first.features @ weights)[rows]
    one, two = found.a, found.b
    for turn, shift in zip(maps[0][1:], maps[1][1:], strict=True):
        other = _rate_pairs(a, b, one, two, turn[one], shift[one], size, found.back)
        other.features[:, ORDER] = found.features[:, ORDER]
        rating = other.features @ weights
        better = rating > score
        score = np.where(better, rating, score)
        found = StrokeCandidates(
            found.a,
            found.b,
            found.back,
            np.where(better, other.shift, found.shift),
            np.where(better, other.turn, found.turn),
            np.where(better[:, None], other.features, found.features),
        )
    return found.take(_pick_best(found.a, score, _KEPT))


def _pick_best(unit: np.ndarray, score: np.ndarray, count: int) -> np.ndarray:
    """Rows with the highest scores of each unit, those of one unit together."""
    order = np.lexsort((-score, unit))
    nth = np.arange(len(order)) - np.searchsorted(unit[order], unit[order])
    return order[nth < count]


def find_sharing_units(units: StrokeUnits, rows: np.ndarray) -> np.ndarray:
    """Units that have a stroke in common with some of `rows`."""
    strokes = np.setdiff1d(units.members[rows], -1)
    return np.asarray(np.isin(units.members, strokes).any(1))


def _pair_units(a: StrokeUnits, b: StrokeUnits, maps: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    count = min(len(b), round(_PARTNERS * len(b) / max(int((b.counts == 1).sum()), 1)))
    if count == len(b):
        return np.repeat(np.arange(len(a)), count), np.tile(np.arange(count), len(a))
    at, middle = maps[0][0] * a.samples.mean(1) + maps[1][0], b.samples.mean(1)
    _, near = cKDTree(to_xy(middle)).query(to_xy(at), k=count)
    return np.repeat(np.arange(len(a)), count), near.ravel()


def _concatenate_candidates(parts: list[StrokeCandidates]) -> StrokeCandidates:
    return StrokeCandidates(*(np.concatenate([getattr(part, name) for part in parts]) for name in StrokeCandidates.__dataclass_fields__))


def _rate_pairs(
    a: StrokeUnits,
    b: StrokeUnits,
    one: np.ndarray,
    two: np.ndarray,
    turn: np.ndarray,
    offset: np.ndarray,
    size: float,
    back: np.ndarray | None = None,
) -> StrokeCandidates:
    """Pairs, where maps (turn, offset) complex128 (Q,) bring them, as candidates: both ways, or the one way `back` bool (Q,)."""
    if len(one) > _BLOCK:  # what is computed at once stays in the processor's cache
        cuts = range(_BLOCK, len(one), _BLOCK)
        blocks = np.split(np.arange(len(one)), cuts)
        ways = [None if back is None else back[rows] for rows in blocks]
        return _concatenate_candidates(
            [_rate_pairs(a, b, one[r], two[r], turn[r], offset[r], size, way) for r, way in zip(blocks, ways, strict=True)]
        )
    if back is None:
        return _concatenate_candidates([_rate_pairs(a, b, one, two, turn, offset, size, np.full(len(one), way)) for way in (False, True)])
    va, vb = turn[:, None] * a.samples[one] + offset[:, None], b.samples[two]
    vb[back] = vb[back, ::-1]
    ring = a.closed[one] & b.closed[two]
    even = np.ones((len(one), GRID))
    even[ring, -1] = 0.0  # the first sample again
    count = even.sum(1)
    mean_a, mean_b = (va * even).sum(1) / count, (vb * even).sum(1) / count
    xa, xb = (va - mean_a[:, None]) * even, (vb - mean_b[:, None]) * even
    norm_a, norm_b = np.linalg.norm(xa, axis=1), np.linalg.norm(xb, axis=1)
    fit = (xa.conj() * xb).sum(1)
    shift = np.zeros(len(one))
    rows = np.flatnonzero(ring)
    if len(rows):
        turned = np.fft.ifft(np.fft.fft(xa[rows, :-1], axis=1).conj() * np.fft.fft(xb[rows, :-1], axis=1), axis=1)
        best = turned.real.argmax(1)
        fit[rows] = turned[np.arange(len(rows)), best]
        shift[rows] = best / (GRID - 1)
    # Dots have no shape and no direction.
    dot_a, dot_b = norm_a < 0.5 * np.sqrt(GRID), norm_b < 0.5 * np.sqrt(GRID)
    bent = 1.0 - np.minimum(np.abs(fit) / np.maximum(norm_a * norm_b, 1e-9), 1.0) ** 2
    bent = np.where(dot_a | dot_b, dot_a != dot_b, bent)
    angle = np.where(dot_a | dot_b, 0.0, np.abs(np.angle(fit)) / np.pi)
    # Mean square distance of points: that of the centers, and |xa - xb|^2 = |xa|^2 + |xb|^2 - 2 Re<xa, xb>.
    square = np.abs(mean_a - mean_b) ** 2 + (norm_a**2 + norm_b**2 - 2.0 * fit.real) / count
    apart = np.sqrt(np.maximum(square, 0.0)) / size
    longer = np.abs(np.log((a.curves.lengths[one] * np.abs(turn) + 1.0) / (b.curves.lengths[two] + 1.0)))
    wider = np.abs(np.log((a.width[one] + 0.5) / (b.width[two] + 0.5)))
    features = [
        apart / (apart + 0.03),
        apart / (apart + 0.2),
        bent / (bent + 0.05),
        angle,
        np.minimum(longer, 2.0),
        np.minimum(wider, 2.0),
        np.abs(a.color[one] - b.color[two]).max(1) / 255.0,
        a.closed[one] != b.closed[two],
        np.minimum(a.counts[one] + b.counts[two] - 2, _LONGEST),
        *np.zeros((3, len(one))),  # support, ally and order depend on more than the pair
        np.ones(len(one)),
    ]
    return StrokeCandidates(one, two, back, shift, turn, np.stack(features, 1))
