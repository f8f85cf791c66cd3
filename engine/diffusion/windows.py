"""Splits long sequences into overlapping windows of the length that a network was trained on."""

import math
from collections.abc import Sequence

import numpy as np


def split_windows(count: int, length: int, overlap: int) -> list[range]:
    """Windows of `length` that together cover range(count), each sharing at least `overlap` with the one before. A single one if it fits.

    The starts are spaced evenly, so that the last window is as long as the others.
    """
    if not 0 <= overlap < length:
        raise ValueError(f"an overlap of {overlap} does not fit windows of {length}")
    if count <= length:
        return [range(count)]
    number = -(-(count - overlap) // (length - overlap))
    starts = np.linspace(0, count - length, number).round().astype(int).tolist()
    return [range(start, start + length) for start in starts]


def split_loop(count: int, length: int, overlap: int, stride: int = 1) -> list[list[int]]:
    """Windows of a loop, as in Animate Anyone's published pipeline: each of `length`, the last ones continuing with the loop's start.

    With `stride` above 1 there are also windows of every 2nd, 4th, … element, on up to `stride` levels, if the sequence is long enough.
    """
    if count <= length:
        return [list(range(count))]
    levels = min(stride, math.ceil(math.log2(count / length)) + 1)
    return [
        [(start + place * every) % count for place in range(length)]
        for every in (1 << level for level in range(levels))
        for start in range(0, count, length * every - overlap)
    ]


def blend_weights(spans: Sequence[Sequence[int]], count: int, even: bool = False) -> np.ndarray:
    """The blending weight of each window for each element, float32 (len(spans), count): lower towards its ends, or the same if `even`.
    Columns add up to 1."""
    table = np.zeros((len(spans), count), np.float32)
    for row, span in zip(table, spans, strict=True):
        place = np.arange(len(span), dtype=np.float32)
        row[list(span)] = 1.0 if even else np.minimum(place, place[::-1]) + 1.0
    return table / table.sum(axis=0)
