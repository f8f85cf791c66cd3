"""Which stretches of two keys' strokes are the same line."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class StrokeMatches:
    """Every stretch of every stroke of both keys, once; what runs beside the end of another stroke is there twice in the other key.

    pieces      int32 (P, 2)    stroke of the key before and after, -1 = none
    spans       float32 (P, 4)  the stretch (begin, end) of the one and of the other, in fractional indices of points; drawn backwards
                                where begin > end. A cyclic stroke of n points goes on past its last one: n is its first point again,
                                and a stretch may begin anywhere, so indices count modulo n
    confidence  float32 (P,)    the probability that this is right, 0..1; of a stroke without a partner, that it has none
    fills       bool (P,)       it bounds a painted area
    """

    pieces: np.ndarray
    spans: np.ndarray
    confidence: np.ndarray
    fills: np.ndarray

    def __len__(self) -> int:
        return len(self.pieces)
