"""Stretches of strokes as polylines that can be asked for a point anywhere along them. Points are complex numbers: x + iy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..sketch.strokes import Strokes


@dataclass(frozen=True)
class StrokeCurves:
    """Polylines one after the other, two entries each at least.

    points   complex128 (N,)
    along    float64 (N,)      2c + the fraction, 0..1, of the length of curve c that lies before the point: rises all the way
    stroke   int64 (N,)        what each entry is a point of
    index    float64 (N,)      fractional index of the point there, not wrapped around
    offsets  int64 (C+1,)
    lengths  float64 (C,)      px
    """

    points: np.ndarray
    along: np.ndarray
    stroke: np.ndarray
    index: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def curve(self) -> np.ndarray:
        """Which curve each entry belongs to, int64 (N,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def sample(self, fractions: np.ndarray) -> np.ndarray:
        """Points at fractions (K,) of every curve's length, complex128 (C, K)."""
        return self.interpolate_points((2.0 * np.arange(len(self))[:, None] + fractions).ravel()).reshape(len(self), len(fractions))

    def interpolate_points(self, along: np.ndarray) -> np.ndarray:
        """Points at places `along` (K,), which count as this class's own do; complex128 (K,)."""
        return np.interp(along, self.along, self.points) if len(self) else np.zeros(0, complex)

    def indices(self, along: np.ndarray) -> np.ndarray:
        """Fractional indices there, float64 (K,); for curves of one stretch each."""
        return np.interp(along, self.along, self.index) if len(self) else np.zeros(0)


def to_xy(points: np.ndarray) -> np.ndarray:
    """Complex points as float64 (..., 2)."""
    return np.stack([np.real(points), np.imag(points)], -1)


def find_full_spans(strokes: Strokes) -> np.ndarray:
    """The span of every stroke, float64 (S, 2): from its first point to its last, or round to the first again."""
    counts = np.diff(strokes.offsets)
    return np.stack([np.zeros(len(counts)), np.maximum(counts - 1 + (strokes.cyclic & (counts > 1)), 0)], 1)


def cut_stretches(strokes: Strokes, rows: np.ndarray, spans: np.ndarray) -> StrokeCurves:
    """One curve for each row: the stretch of stroke `rows` (C,) between the fractional indices `spans` (C, 2)."""
    return chain_stretches(strokes, [((int(row), float(begin), float(end)),) for row, (begin, end) in zip(rows, spans, strict=True)])


def chain_stretches(strokes: Strokes, links: Sequence[Sequence[tuple[int, float, float]]]) -> StrokeCurves:
    """One curve for each chain of stretches (stroke, begin, end), which follow each other."""
    indices, stroke, counts = [], [], []
    for chain in links:
        total = 0
        for row, begin, end in chain:
            index = _list_indices(begin, end)
            indices.append(index)
            stroke.append((row, len(index)))
            total += len(index)
        counts.append(total)
    index = np.concatenate(indices) if indices else np.zeros(0)
    rows = np.repeat([row for row, _ in stroke], [count for _, count in stroke]).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    points = interpolate_values(strokes, rows, index, strokes.points.astype(np.float64) @ (1.0, 1j))

    curve = np.repeat(np.arange(len(counts)), counts)
    step = np.abs(np.diff(points, prepend=points[:1]))
    step[offsets[:-1]] = 0.0
    lengths = np.bincount(curve, step, len(counts))
    floor = 1e-9 * np.maximum(lengths, 1.0)  # points that lie on each other still follow each other
    step += floor[curve]
    step[offsets[:-1]] = 0.0
    run = np.cumsum(step)
    run -= run[offsets[:-1]][curve]
    along = 2.0 * curve + run / run[offsets[1:] - 1][curve] if len(curve) else run
    return StrokeCurves(points, along, rows, index, offsets, lengths)


def interpolate_values(strokes: Strokes, rows: np.ndarray, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What the points of strokes have, `values` (N, ...), at fractional indices of stroke `rows`; cyclic strokes go round."""
    count = np.diff(strokes.offsets)[rows]
    low = np.floor(index).astype(np.int64)
    part = index - low
    first, second = np.clip(low, 0, count - 1), np.clip(low + 1, 0, count - 1)
    turns = strokes.cyclic[rows]
    first, second = np.where(turns, low % count, first), np.where(turns, (low + 1) % count, second)
    begin = strokes.offsets[:-1][rows]
    part = part.reshape(-1, *[1] * (values.ndim - 1))
    return values[begin + first] * (1.0 - part) + values[begin + second] * part


def _list_indices(begin: float, end: float) -> np.ndarray:
    """From one fractional index to another: the whole ones between, and both ends."""
    low, high = min(begin, end), max(begin, end)
    inner = np.arange(np.floor(low) + 1, np.ceil(high))
    index = np.concatenate([[low], inner, [high]])
    return index if begin <= end else index[::-1]
