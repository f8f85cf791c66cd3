"""Which units of one key could be which of the other, and what speaks for it."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .units import GRID, Units

FEATURES = ("near", "close", "bent", "turned", "longer", "wider", "other color", "open", "chain", "support", "order", "always")
_PARTNERS = 120  # looked at for each unit
_KEPT = 8
_BLOCK = 20_000


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of units, those of one unit of a together.

    a, b      int64 (C,)      units
    back      bool (C,)       b runs the other way
    shift     float64 (C,)    at which fraction of the length of b, a closed one, a begins
    features  float64 (C, F)  see FEATURES
    """

    a: np.ndarray
    b: np.ndarray
    back: np.ndarray
    shift: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: np.ndarray) -> "Candidates":
        return Candidates(self.a[rows], self.b[rows], self.back[rows], self.shift[rows], self.features[rows])


def candidates(
    a: Units, b: Units, maps: tuple[np.ndarray, np.ndarray], size: float, weights: np.ndarray, pinned: tuple[np.ndarray, np.ndarray]
) -> Candidates:
    """The likeliest partners of each unit of a. `maps` (turn, shift) complex128 (U,) say where each is looked for; `weights` (F,) rate
    features; `pinned` (units of a, of b) int64 are partners for sure, and have no others."""
    nothing = np.zeros(0, np.int64)
    if not len(a) or not len(b):
        return Candidates(nothing, nothing, nothing.astype(bool), nothing.astype(float), np.zeros((0, len(FEATURES))))
    one, two = _pairs(a, b, maps)
    busy_a, busy_b = np.zeros(len(a), bool), np.zeros(len(b), bool)
    busy_a[_sharing(a, pinned[0])], busy_b[_sharing(b, pinned[1])] = True, True
    fits = (a.fills[one] == b.fills[two]) & ~busy_a[one] & ~busy_b[two]
    one, two = np.concatenate([one[fits], pinned[0]]), np.concatenate([two[fits], pinned[1]])
    found = []
    for begin in range(0, len(one), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        found.append(_rated(a, b, one[rows], two[rows], maps, size))
    every = Candidates(*(np.concatenate([getattr(part, name) for part in found]) for name in Candidates.__dataclass_fields__))
    score = every.features @ weights
    order = np.lexsort((-score, every.a))
    _, begins = np.unique(every.a[order], return_index=True)
    nth = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    return every.take(order[nth < _KEPT])


def _sharing(units: Units, rows: np.ndarray) -> np.ndarray:
    """Units that have a stroke in common with some of `rows`."""
    strokes = np.setdiff1d(units.members[rows], -1)
    return np.isin(units.members, strokes).any(1)


def _pairs(a: Units, b: Units, maps: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    count = min(_PARTNERS, len(b))
    if count == len(b):
        return np.repeat(np.arange(len(a)), count), np.tile(np.arange(count), len(a))
    at, middle = maps[0] * a.samples.mean(1) + maps[1], b.samples.mean(1)
    _, near = cKDTree(np.stack([middle.real, middle.imag], 1)).query(np.stack([at.real, at.imag], 1), k=count)
    return np.repeat(np.arange(len(a)), count), near.ravel()


def _rated(a: Units, b: Units, one: np.ndarray, two: np.ndarray, maps: tuple[np.ndarray, np.ndarray], size: float) -> Candidates:
    """Both ways for each pair, closed ones begun where they fit best."""
    turn, offset = maps[0][one], maps[1][one]
    va = turn[:, None] * a.samples[one] + offset[:, None]
    vb = b.samples[two]
    mean_a, mean_b = va.mean(1, keepdims=True), vb.mean(1, keepdims=True)
    xa, xb = va - mean_a, vb - mean_b
    norm_a, norm_b = np.linalg.norm(xa, axis=1), np.linalg.norm(xb, axis=1)
    norm = np.maximum(norm_a * norm_b, 1e-9)
    # Mean square distance = that of the centers, and what is left when both are centered: |xa|^2 + |xb|^2 - 2 Re<xa, xb>.
    fit = np.stack([(xa.conj() * xb).sum(1), (xa.conj() * xb[:, ::-1]).sum(1)])
    shift = np.zeros(fit.shape)
    ring = np.flatnonzero(a.closed[one] & b.closed[two])
    if len(ring):
        spectrum = np.fft.fft(xa[ring, :-1], axis=1).conj()
        for way, other in enumerate((xb[ring, :-1], xb[ring, :0:-1])):
            turned = np.fft.ifft(spectrum * np.fft.fft(other, axis=1), axis=1)
            best = turned.real.argmax(1)
            fit[way, ring] = turned[np.arange(len(ring)), best] * (GRID / (GRID - 1))
            shift[way, ring] = best / (GRID - 1)
    small = np.minimum(norm_a, norm_b) < 0.5 * np.sqrt(GRID)  # dots have no shape
    bent = np.where(
        small, np.where(np.maximum(norm_a, norm_b) < 2.0 * np.sqrt(GRID), 0.0, 1.0), 1.0 - np.minimum(np.abs(fit) / norm, 1.0) ** 2
    )
    angle = np.where(small, 0.0, np.abs(np.angle(fit)) / np.pi)
    apart = np.sqrt(np.maximum(np.abs(mean_a - mean_b)[:, 0] ** 2 + (norm_a**2 + norm_b**2 - 2.0 * fit.real) / GRID, 0.0)) / size
    length = (a.curves.lengths[one] * np.abs(turn) + 1.0) / (b.curves.lengths[two] + 1.0)
    width = (a.width[one] + 0.5) / (b.width[two] + 0.5)
    color = np.abs(a.color[one] - b.color[two]).max(1) / 255.0
    extra = (a.members[one] >= 0).sum(1) + (b.members[two] >= 0).sum(1) - 2
    pair = [
        np.minimum(np.abs(np.log(length)), 2.0),
        np.minimum(np.abs(np.log(width)), 2.0),
        color,
        a.closed[one] != b.closed[two],
        extra,
        np.zeros(len(one)),
        np.zeros(len(one)),
        np.ones(len(one)),
    ]
    ways = [
        np.stack([apart[k] / (apart[k] + 0.03), apart[k] / (apart[k] + 0.2), bent[k] / (bent[k] + 0.05), angle[k], *pair], 1)
        for k in (0, 1)
    ]
    back = np.repeat([False, True], len(one))
    return Candidates(np.tile(one, 2), np.tile(two, 2), back, shift.ravel(), np.concatenate(ways))
