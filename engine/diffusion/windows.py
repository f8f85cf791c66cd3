"""Long sequences in overlapping windows of the length that a network knows."""

import numpy as np


def windows(count: int, length: int, overlap: int) -> list[range]:
    """Windows of `length` that together cover range(count), each sharing `overlap` or more with the one before; a single one if it fits.

    The starts are spread evenly, so that the last window is as long as all others.
    """
    if not 0 <= overlap < length:
        raise ValueError(f"an overlap of {overlap} does not fit windows of {length}")
    if count <= length:
        return [range(count)]
    number = -(-(count - overlap) // (length - overlap))
    starts = np.linspace(0, count - length, number).round().astype(int).tolist()
    return [range(start, start + length) for start in starts]


def weights(spans: list[range], count: int) -> np.ndarray:
    """How much each window counts for each element, float32 (len(spans), count): less towards its ends. Columns add up to 1."""
    table = np.zeros((len(spans), count), np.float32)
    for row, span in zip(table, spans, strict=True):
        place = np.arange(len(span), dtype=np.float32)
        row[span.start : span.stop] = np.minimum(place, place[::-1]) + 1.0
    return table / table.sum(axis=0)
