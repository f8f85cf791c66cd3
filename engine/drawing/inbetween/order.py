"""What the drawing order says: keys that are copies of each other, moved, have the same strokes in the same order."""

from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from ..sketch.strokes import Strokes

_COPIED = 0.8  # of the strokes must follow each other with the same numbers of points
_COMMON = 0.3  # how often two strokes may have as many points by chance, for that to say anything
_LONGEST = 3000  # strokes that are compared so
_SURE = 5.0  # how much more than order alone a copy says


@dataclass(frozen=True, eq=False)
class StrokeOrder:
    """expected float64 (S,): about which stroke of b comes where that of a does, nan = unknown · copy int64 (S,): which it was copied
    with, -1 = none."""

    expected: np.ndarray
    copy: np.ndarray

    def rate_pairs(self, one: np.ndarray, two: np.ndarray, single: np.ndarray) -> np.ndarray:
        """How well strokes `one` of a and `two` of b follow it, 0..1, and 5 for copies; `single` bool: the pair is of these two alone."""
        near = np.maximum(1.0 - np.abs(two - self.expected[one]) / 2.0, 0.0)
        return np.where(single & (self.copy[one] == two), _SURE, np.nan_to_num(near))


def find_copies(a: Strokes, b: Strokes) -> StrokeOrder:
    """What the numbers of points tell before anything was matched."""
    order = StrokeOrder(np.full(len(a), np.nan), np.full(len(a), -1))
    names_a, names_b = (list(zip(np.diff(key.offsets).tolist(), key.cyclic.tolist(), strict=True)) for key in (a, b))
    if not names_a or not names_b or max(len(a), len(b)) > _LONGEST:
        return order
    _, often = np.unique(np.array(names_b), axis=0, return_counts=True)
    if ((often / len(b)) ** 2).sum() > _COMMON:
        return order
    blocks = SequenceMatcher(None, names_a, names_b, autojunk=False).get_matching_blocks()
    if sum(block.size for block in blocks) >= _COPIED * max(len(a), len(b)):
        for block in blocks:
            order.copy[block.a : block.a + block.size] = np.arange(block.b, block.b + block.size)
    return order


def learn_order(order: StrokeOrder, one: np.ndarray, two: np.ndarray) -> StrokeOrder:
    """What matched strokes tell, where clearly more of them than by chance keep the order."""
    rows = np.argsort(one, kind="stable")
    one, two = one[rows], two[rows]
    kept = _find_rising_rows(two)
    if len(kept) < 0.5 * len(one) + 1.5 * np.sqrt(len(one)):
        return order
    return StrokeOrder(np.interp(np.arange(len(order.copy)), one[kept], two[kept]), order.copy)


def _find_rising_rows(values: np.ndarray) -> np.ndarray:
    """Rows of the longest rising subsequence."""
    tails: list[int] = []
    names: list[int] = []
    before: list[int] = []
    for row, value in enumerate(values.tolist()):
        place = int(np.searchsorted(tails, value)) if tails else 0
        before.append(names[place - 1] if place else -1)
        tails[place : place + 1] = [value]
        names[place : place + 1] = [row]
    chain, row = [], names[-1] if names else -1
    while row >= 0:
        chain.append(row)
        row = before[row]
    return np.array(chain[::-1], np.int64)
