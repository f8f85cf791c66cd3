"""The visible part of a character: strokes whose points know their line of the character and their place on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from skimage.measure import points_in_poly

from engine.drawing.sketch.strokes import Strokes

from .cutout import CutoutLine, CutoutPart

INK = (34, 32, 44, 255)
_SHORTEST = 3.0  # px; nobody draws shorter strokes
_HALVINGS = 12
_TOUCH = 1.5  # px; an end this near another line is joined to it


@dataclass(frozen=True, eq=False)
class VisibleDrawing:
    """Strokes and their origin. N points.

    line   int32 (N,)    which line of the character a point is of
    place  float32 (N,)  where on that line, 0 to 1
    """

    strokes: Strokes
    line: np.ndarray
    place: np.ndarray


def draw_visible_parts(parts: Sequence[CutoutPart]) -> VisibleDrawing:
    """The drawing of parts, the foremost first; its strokes in the order in which the parts give them."""
    covers: list[np.ndarray] = []
    runs: list[_VisibleRun] = []
    number = 0
    for part in parts:
        for line in part.lines:
            runs += _find_visible_runs(number, line, covers)
            number += 1
        covers += part.covers
    return join_pieces([(run.points, run.widths, run.cyclic, np.full(len(run.points), run.line), run.place) for run in runs])


def join_pieces(pieces: Sequence[tuple[np.ndarray, np.ndarray, bool, np.ndarray, np.ndarray]]) -> VisibleDrawing:
    """A drawing of pieces: points (n, 2), widths (n,), cyclic, line (n,), place (n,)."""
    points, widths, cyclic, line, place = zip(*pieces, strict=True) if pieces else ([np.zeros((0, 2))], [[]], [], [[]], [[]])
    total = sum(map(len, widths))
    strokes = Strokes(
        points=np.concatenate(points).astype(np.float32),
        widths=np.concatenate(widths).astype(np.float32),
        colors=np.tile(np.array(INK, np.uint8), (total, 1)),
        offsets=np.cumsum([0, *map(len, points)] if pieces else [0]).astype(np.int32),
        cyclic=np.array(cyclic, bool),
    )
    return VisibleDrawing(strokes, np.concatenate(line).astype(np.int32), np.concatenate(place).astype(np.float32))


def split_pieces(drawing: VisibleDrawing) -> list[tuple[np.ndarray, np.ndarray, bool, np.ndarray, np.ndarray]]:
    """The strokes of a drawing one by one, as `join_pieces` takes them."""
    strokes = drawing.strokes
    rows = [slice(first, last) for first, last in zip(strokes.offsets, strokes.offsets[1:], strict=False)]
    return [
        (strokes.points[row], strokes.widths[row], bool(cyclic), drawing.line[row], drawing.place[row])
        for row, cyclic in zip(rows, strokes.cyclic, strict=True)
    ]


@dataclass(frozen=True)
class _VisibleRun:
    line: int
    points: np.ndarray
    widths: np.ndarray
    place: np.ndarray
    cyclic: bool


def _find_visible_runs(number: int, line: CutoutLine, covers: list[np.ndarray]) -> list[_VisibleRun]:
    """Split a line into its visible runs."""
    low, high = line.points.min(0), line.points.max(0)
    near = [cover for cover in covers if (cover.min(0) < high).all() and (cover.max(0) > low).all()]
    points, depth, widths = line.points, line.depth, line.widths
    if line.cyclic:
        points, depth, widths = (np.concatenate([values, values[:1]]) for values in (points, depth, widths))
    visible = _mask_visible(points, depth, near)
    if visible.all():
        rows = np.arange(len(points), dtype=float)
        return [_make_run(number, rows[:-1] if line.cyclic else rows, points, widths, line.cyclic)]
    change = np.flatnonzero(visible[1:] != visible[:-1])
    good = np.where(visible[change], change, change + 1).astype(float)  # the visible end, and the other one
    bad = np.where(visible[change], change + 1, change).astype(float)
    for _ in range(_HALVINGS):
        middle = (good + bad) / 2
        clear = _mask_visible(_interpolate_rows(points, middle), _interpolate_rows(depth, middle), near)
        good, bad = np.where(clear, middle, good), np.where(clear, bad, middle)
    borders = [0.0] if visible[0] else []
    borders += list(good)
    borders += [len(points) - 1.0] if visible[-1] else []
    found = []
    for first, last in zip(borders[::2], borders[1::2], strict=True):
        rows = np.concatenate([[first], np.arange(np.floor(first) + 1, np.ceil(last)), [last]])
        found.append(_make_run(number, rows, points, widths, False))
    if line.cyclic and len(found) > 1 and visible[0]:  # one run crosses the end of the circle
        first, last = found[0], found.pop()
        joined = (np.concatenate([getattr(last, name)[:-1], getattr(first, name)]) for name in ("points", "widths", "place"))
        found[0] = _VisibleRun(number, *joined, cyclic=False)
    return [run for run in found if np.linalg.norm(np.diff(run.points, axis=0), axis=1).sum() >= _SHORTEST]


def _make_run(number: int, rows: np.ndarray, points: np.ndarray, widths: np.ndarray, cyclic: bool) -> _VisibleRun:
    return _VisibleRun(number, _interpolate_rows(points, rows), _interpolate_rows(widths, rows), rows / (len(points) - 1), cyclic)


def _interpolate_rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values between rows."""
    low = np.minimum(rows.astype(int), len(values) - 2)
    share = rows - low
    share = share[:, None] if values.ndim > 1 else share
    return values[low] * (1 - share) + values[low + 1] * share


def _mask_visible(points: np.ndarray, depth: np.ndarray, covers: list[np.ndarray]) -> np.ndarray:
    visible = depth >= 0
    for cover in covers:
        visible &= ~points_in_poly(points, cover)
    return visible


def find_junctions(drawing: VisibleDrawing) -> np.ndarray:
    """Where a stroke's end touches another line: float64 (J, 4), line and place of the end, line and place that it touches."""
    strokes = drawing.strokes
    found = []
    ends = [
        (row, number) for number in np.flatnonzero(~strokes.cyclic) for row in (strokes.offsets[number], strokes.offsets[number + 1] - 1)
    ]
    points, line, place = sample_points(drawing, 0.5)
    tree = cKDTree(points)
    for row, _ in ends:
        near = np.array(tree.query_ball_point(strokes.points[row], _TOUCH), int)
        near = near[line[near] != drawing.line[row]]
        if len(near):
            nearest = near[np.argmin(((points[near] - strokes.points[row]) ** 2).sum(1))]
            found.append((drawing.line[row], drawing.place[row], line[nearest], place[nearest]))
    return np.array(found, float).reshape(-1, 4)


def sample_points(drawing: VisibleDrawing, spacing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (M, 2) along all strokes, at most `spacing` px from each other, with their lines and places."""
    points, lines, places = [np.zeros((0, 2), np.float32)], [drawing.line[:0]], [drawing.place[:0]]
    for piece, _, cyclic, line, place in split_pieces(drawing):
        if cyclic and len(piece):
            piece, line, place = np.concatenate([piece, piece[:1]]), np.append(line, line[0]), np.append(place, 1.0)
        if len(piece) > 1:
            length = np.linalg.norm(np.diff(piece, axis=0), axis=1)
            counts = np.maximum(np.ceil(length / spacing).astype(int), 1)
            steps = [first + np.arange(count) / count for first, count in enumerate(counts)]
            rows = np.concatenate([*steps, [len(piece) - 1.0]])
            piece, line, place = _interpolate_rows(piece, rows), line[np.round(rows).astype(int)], _interpolate_rows(place, rows)
        points.append(piece)
        lines.append(line)
        places.append(place)
    return np.concatenate(points), np.concatenate(lines), np.concatenate(places)
