"""Which stretches of two keys' strokes are the same line."""

from dataclasses import dataclass

import numpy as np

from ..sketch.strokes import Strokes
from .curves import cut_stretches


@dataclass(frozen=True, eq=False)
class PaintUnions:
    """Paint that moves as one, whatever fills it is made of. The fills of either key go with the union's outline, those of the key before
    are seen until the middle, those of the key after from then on.

    first, last  the outlines in either key, one closed stroke for each union
    spans        float32 (K, 4)  which stretch of the one is which of the other
    row          int32 (P,)      the union that each piece of the matches goes with, -1 = none
    """

    first: Strokes
    last: Strokes
    spans: np.ndarray
    row: np.ndarray


@dataclass(frozen=True, eq=False)
class StrokeMatches:
    """Every stretch of every stroke of both keys, once; what runs beside the end of another stroke is there twice in the other key.

    pieces      int32 (P, 2)    stroke of the key before and after, -1 = none
    spans       float32 (P, 4)  the stretch (begin, end) of the one and of the other, in fractional indices of points; drawn backwards
                                where begin > end. A cyclic stroke of n points goes on past its last one: n is its first point again,
                                and a stretch may begin anywhere, so indices count modulo n
    confidence  float32 (P,)    the probability that this is right, 0..1; of a stroke without a partner, that it has none
    fills       bool (P,)       it bounds a painted area
    unions      fills that move together and have no partners one by one; None: there are none
    """

    pieces: np.ndarray
    spans: np.ndarray
    confidence: np.ndarray
    fills: np.ndarray
    unions: PaintUnions | None = None

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def alone(self) -> np.ndarray:
        """Pieces of one key that have nothing to go to in the other, bool (P,)."""
        lonely = np.asarray((self.pieces < 0).any(1))
        return lonely if self.unions is None else lonely & (self.unions.row < 0)


def measure_alone(a: Strokes, b: Strokes, matches: StrokeMatches) -> tuple[float, float]:
    """Which share of the lines of either key has no partner, by length, 0..1. A point counts as a px."""
    found = []
    for side, key in enumerate((a, b)):
        rows = np.flatnonzero(matches.pieces[:, side] >= 0)
        lengths = cut_stretches(key, matches.pieces[rows, side], matches.spans[rows, 2 * side : 2 * side + 2].astype(float)).lengths
        lengths = np.maximum(lengths, 1.0)
        found.append(float(lengths[matches.alone[rows]].sum() / lengths.sum()) if len(rows) else 0.0)
    return found[0], found[1]
