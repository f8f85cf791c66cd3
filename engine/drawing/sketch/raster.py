"""Strokes -> antialiased, binarised lines.

OpenCV draws polylines of one width on a supersampled canvas, which is averaged down; a stroke of varying width is cut into
pieces of one width. Consecutive strokes of one color share a canvas that is only as large as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ...job.files import compute_digest
from . import traces
from .ends import find_stroke_ends
from .sketch import Sketch
from .strokes import MIN_ALPHA, Strokes

_SHIFT = 4  # fractional bits of the coordinates that OpenCV is given
_FINE = 600_000  # px; up to this size a picture is supersampled by 8
_CANVAS = 160_000_000  # supersampled pixels at most
_MAX_THICKNESS = 32_000  # OpenCV refuses 32,768
_ALPHA_STEP = 15  # opacities are drawn in 17 steps


@dataclass(frozen=True)
class _LineSegments:
    """Straight pieces of strokes in drawing order, inside the picture: rows of start and end, with what they are drawn with."""

    start: np.ndarray  # float64 (M, 2) px
    end: np.ndarray  # float64 (M, 2)
    width: np.ndarray  # float64 (M,) px
    color: np.ndarray  # uint8 (M, 4)
    stroke: np.ndarray  # int64 (M,)

    def __getitem__(self, rows) -> "_LineSegments":
        return _LineSegments(self.start[rows], self.end[rows], self.width[rows], self.color[rows], self.stroke[rows])


def rasterize_strokes(strokes: Strokes, size: tuple[int, int]) -> Sketch:
    """Draw strokes, in their order, into a picture of `size` = (width, height) px.

    Paint has the strokes' true widths. A line thinner than a pixel is a pixel wide in `lines`.
    """
    width, height = size
    scale = 8 if width * height <= _FINE else next((s for s in (4, 2) if width * height * s * s <= _CANVAS), 1)
    segments = _cut_segments(strokes, size, scale)
    segments = segments[np.argsort(~traces.is_trace_color(segments.color), kind="stable")]  # black wins, whatever is drawn last
    paint = np.zeros((height, width, 4), np.uint8)
    lines = np.zeros((height, width), bool)
    for batch in _batch_by_color(segments):
        _draw_batch(batch, scale, paint, lines)
    main, trace = _draw_center_lines(segments, size)
    lines |= main | trace
    found = traces.find_traces(paint, lines)
    found = (found | (trace & (paint[..., 3] == 0))) & ~main
    parts = (strokes.points, strokes.widths, strokes.colors, strokes.offsets, strokes.cyclic)
    name = compute_digest(list(size), *(np.ascontiguousarray(part).tobytes() for part in parts))[:16]
    return Sketch(paint=paint, lines=lines, traces=found, ends=find_stroke_ends(strokes, lines), id=name)


# --- strokes to straight pieces -----------------------------------------------------------------------------------


def _cut_segments(strokes: Strokes, size: tuple[int, int], scale: int) -> _LineSegments:
    """Every stroke as straight pieces of one width and color that touch the picture."""
    counts = np.diff(strokes.offsets)
    stroke = np.repeat(np.arange(len(counts)), counts)
    first = np.arange(len(stroke))
    second = first + 1
    last = strokes.offsets[1:][counts > 0].astype(np.int64) - 1
    # The segment after the last point leads back to the first one, or nowhere; a lone point is a dot.
    begin = strokes.offsets[:-1][counts > 0].astype(np.int64)
    second[last] = np.where(strokes.cyclic[counts > 0], begin, last)
    keep = (second != first) | (counts[stroke] == 1)
    first, second, stroke = first[keep], second[keep], stroke[keep]

    seen = np.maximum(strokes.colors[first, 3], strokes.colors[second, 3]) >= MIN_ALPHA
    first, second, stroke = first[seen], second[seen], stroke[seen]

    points, widths = strokes.points.astype(np.float64), strokes.widths.astype(np.float64)
    start, end, width0, width1 = points[first], points[second], widths[first], widths[second]
    inside, start_at, end_at = _clip_segments(start, end, np.maximum(width0, width1) / 2 + 2, size)
    first, second, stroke = first[inside], second[inside], stroke[inside]
    start, end, width0, width1 = start[inside], end[inside], width0[inside], width1[inside]
    start_at, end_at = start_at[inside], end_at[inside]

    # Tapering segments in pieces whose widths differ by no more than what can be drawn.
    span = np.abs(width1 - width0) * (end_at - start_at)
    pieces = np.clip(np.ceil(span * scale / 2), 1, 16).astype(np.int64)
    row = np.repeat(np.arange(len(pieces)), pieces)
    index = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    length = (end_at - start_at)[row] / pieces[row]
    t0 = start_at[row] + index * length
    t1 = t0 + length
    middle = (t0 + t1) / 2
    delta = end[row] - start[row]
    colors = (strokes.colors[first].astype(np.uint16) + strokes.colors[second] + 1) // 2
    colors[:, 3] = np.maximum((colors[:, 3] + _ALPHA_STEP // 2) // _ALPHA_STEP, 1) * _ALPHA_STEP
    return _LineSegments(
        start=start[row] + t0[:, None] * delta,
        end=start[row] + t1[:, None] * delta,
        width=width0[row] + middle * (width1 - width0)[row],
        color=colors.astype(np.uint8)[row],
        stroke=stroke[row],
    )


def _clip_segments(
    start: np.ndarray, end: np.ndarray, margin: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where segments lie within the picture and a margin (Liang and Barsky): (they do, from t0, to t1), t in 0..1."""
    delta = end - start
    low = -margin[:, None] - start
    high = np.asarray(size, np.float64) + margin[:, None] - start
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = low / delta, high / delta
    still = delta == 0
    outside = still & ((low > 0) | (high < 0))
    near = np.where(still, 0.0, np.minimum(a, b)).max(1, initial=0.0)
    far = np.where(still, 1.0, np.maximum(a, b)).min(1, initial=1.0)
    return (near <= far) & ~outside.any(1), near, far


# --- straight pieces to pixels ------------------------------------------------------------------------------------


def _batch_by_color(segments: _LineSegments) -> Iterator[_LineSegments]:
    """Runs of consecutive segments of one color, whatever their opacity."""
    color = segments.color[:, :3]
    cuts = np.flatnonzero((color[1:] != color[:-1]).any(1)) + 1
    edges = [0, *cuts.tolist(), len(color)]
    for first, last in zip(edges, edges[1:], strict=False):
        if last > first:
            yield segments[slice(first, last)]


def _draw_batch(batch: _LineSegments, scale: int, paint: np.ndarray, lines: np.ndarray) -> None:
    """Draw segments of one color over `paint`, and add what they cover by half or more to `lines`."""
    height, width = lines.shape
    reach = batch.width[:, None] / 2 + 2
    corners = np.stack([np.minimum(batch.start, batch.end) - reach, np.maximum(batch.start, batch.end) + reach])
    left, top = np.maximum(np.floor(corners[0].min(0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners[1].max(0)), (width, height)).astype(int)
    if right <= left or bottom <= top:
        return
    canvas = np.zeros(((bottom - top) * scale, (right - left) * scale), np.uint8)
    # OpenCV draws odd thicknesses only: 1 as 1, and 2, 4, 6 ... one wider than asked.
    thickness = np.minimum(2 * np.round((batch.width * scale - 1) / 2), _MAX_THICKNESS).astype(np.int64).clip(0)
    thickness[thickness == 0] = 1
    for alpha, thick, polylines in _chain_polylines(batch, thickness, (left, top), scale):
        cv2.polylines(canvas, polylines, False, alpha, thick, cv2.LINE_8, _SHIFT)

    alpha = _average_down(canvas, scale)
    solid = (batch.color[:, 3] == 255).all()
    cover = alpha if solid else _average_down((canvas > 0).astype(np.uint8) * np.uint8(255), scale)
    lines[top:bottom, left:right] |= cover >= 128
    inked = np.flatnonzero(alpha)
    at = (top + inked // alpha.shape[1]) * width + left + inked % alpha.shape[1]
    _composite_color(paint, at, batch.color[0, :3], alpha.ravel()[inked])


def _chain_polylines(
    batch: _LineSegments, thickness: np.ndarray, origin: tuple[int, int], scale: int
) -> Iterator[tuple[int, int, list[np.ndarray]]]:
    """Chains of segments that are drawn alike, by opacity (the faint first, so that they never cover) and thickness."""
    if not len(thickness):
        return
    alpha = batch.color[:, 3].astype(np.int64)
    joined = (batch.end[:-1] == batch.start[1:]).all(1) & (batch.stroke[1:] == batch.stroke[:-1])
    joined &= (thickness[1:] == thickness[:-1]) & (alpha[1:] == alpha[:-1])
    # Pixel i of the canvas covers [i, i+1) of the supersampled picture, so its center is at i + 0.5.
    start, end = (np.round(((p - origin) * scale - 0.5) * (1 << _SHIFT)).astype(np.int32) for p in (batch.start, batch.end))
    first = np.concatenate([[0], np.flatnonzero(~joined) + 1])
    last = np.concatenate([first[1:], [len(thickness)]])
    points = np.insert(start, last, end[last - 1], axis=0)  # every chain: its starts, and its last end
    kinds: dict[tuple[int, int], list[np.ndarray]] = {}
    rows = zip(alpha[first].tolist(), thickness[first].tolist(), first.tolist(), last.tolist(), strict=True)
    for chain, (opacity, thick, i, j) in enumerate(rows):
        kinds.setdefault((opacity, thick), []).append(points[i + chain : j + chain + 1])
    for (opacity, thick), polylines in sorted(kinds.items()):
        yield opacity, thick, polylines


def _average_down(canvas: np.ndarray, scale: int) -> np.ndarray:
    while scale > 1:  # by halves: OpenCV's fast path
        canvas = cv2.resize(canvas, (canvas.shape[1] // 2, canvas.shape[0] // 2), interpolation=cv2.INTER_AREA)
        scale //= 2
    return canvas


def _composite_color(paint: np.ndarray, at: np.ndarray, color: np.ndarray, alpha: np.ndarray) -> None:
    """Draw one color, with these opacities (0..255) at these flat pixel numbers, over straight-alpha paint."""
    pixels = paint.view(np.uint32).ravel()  # a pixel at a time moves ten times faster than its channels
    under = pixels[at].view(np.uint8).reshape(-1, 4)
    result = np.empty_like(under)
    result[:, :3] = color
    result[:, 3] = alpha
    mixed = np.flatnonzero(under[:, 3])
    if len(mixed):
        a = alpha[mixed, None].astype(np.float32) / 255
        b = under[mixed, 3:].astype(np.float32) / 255 * (1 - a)
        result[mixed, :3] = np.round((color * a + under[mixed, :3] * b) / (a + b))
        result[mixed, 3] = np.round((a + b)[:, 0] * 255)
    pixels[at] = result.view(np.uint32)[:, 0]


def _draw_center_lines(segments: _LineSegments, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The middle of every stroke, one pixel wide and without holes: (main lines, trace lines), bool (H, W)."""
    width, height = size
    kinds = traces.is_trace_color(segments.color)
    found = []
    for kind in (False, True):
        part = segments[kinds == kind]
        canvas = np.zeros((height, width), np.uint8)
        for _, _, polylines in _chain_polylines(part, np.ones(len(part.width), np.int64), (0, 0), 1):
            cv2.polylines(canvas, polylines, False, 1, 1, cv2.LINE_8, _SHIFT)
        found.append(canvas.view(bool))
    return found[0], found[1]
