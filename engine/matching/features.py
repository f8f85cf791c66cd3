"""What the network sees of a picture: its lines around the figure, which region each pixel is in, and the geometry of the regions."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import find_objects

from .shapes import REACH, Shapes

CHANNELS = 6  # of `View.image`
GEOMETRY = 13  # numbers for each region
STRIDE = 32  # sides of `View.image` are multiples of it
LIMIT = 16.0  # px of `View.image`; lines farther away look alike
MARGIN = 0.06  # of the figure's longer side, left around it
ENLARGE = 2.0  # small figures are enlarged by this much at most
MIRRORED = 1.0 - 2.0 * (np.arange(GEOMETRY) == 0)  # how geometry changes in a mirror


@dataclass(frozen=True)
class MatcherView:
    """A picture for the network. Nothing in it depends on what the picture is painted with.

    image     float32 (CHANNELS, h, w)       distance to lines, lines, borders that a line and that a trace line makes, and the tint of
                                             the lines: red less green, blue less green
    labels    int32 (h, w)                   0..R, 0 nothing
    geometry  float32 (R + 1, GEOMETRY)      of each region, row 0 unused
    edges     int64 (E, 2), traces bool (E,) as in Shapes
    window    float32 (4,)                   what is at xy in `image` is at xy * window[:2] + window[2:] in the label map
    """

    image: np.ndarray
    labels: np.ndarray
    geometry: np.ndarray
    edges: np.ndarray
    traces: np.ndarray
    window: np.ndarray


def build_view(shapes: Shapes, tint: np.ndarray | None = None, side: int = 384) -> MatcherView:
    """Look at a picture so that its figure is `side` px, of which `tint` int8 (h, w, 2) as from `tinted` is known or not."""
    left, top, right, bottom = _find_window(shapes)
    factor = min(side / max(right - left, bottom - top), ENLARGE)
    width, height = max(8, round((right - left) * factor)), max(8, round((bottom - top) * factor))
    sx, sy = (right - left) / width, (bottom - top) / height

    def sample_window(picture: np.ndarray, method: int, outside: float = 0.0) -> np.ndarray:
        scale = picture.shape[1] / shapes.labels.shape[1]
        matrix = np.array([[sx, 0, left + sx / 2], [0, sy, top + sy / 2]]) * scale - [[0, 0, 0.5], [0, 0, 0.5]]
        flags = method | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)

    labels = sample_window(shapes.labels.astype(np.float32), cv2.INTER_NEAREST).astype(np.int32)
    _keep_small_regions(labels, shapes, (left, top, sx, sy))
    distance = sample_window(shapes.distance.astype(np.float32), cv2.INTER_LINEAR, 255.0) * (REACH / 255.0) / ((sx + sy) / 2)
    image = np.zeros((CHANNELS, -(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE), np.float32)
    image[0] = 1.0
    seen = image[:, :height, :width]
    seen[0] = np.minimum(distance / LIMIT, 1.0)
    seen[1] = np.clip(1.5 - distance, 0.0, 1.0)
    seen[2:4] = _find_borders(labels, shapes)
    if tint is not None:
        seen[4:] = sample_window(tint.astype(np.float32), cv2.INTER_LINEAR).transpose(2, 0, 1) / 127.0
    padded = np.zeros(image.shape[1:], np.int32)
    padded[:height, :width] = labels
    geometry = _measure_geometry(shapes, labels, ((left + right) / 2, (top + bottom) / 2), max(right - left, bottom - top), factor)
    window = np.array([sx, sy, left, top], np.float32)
    return MatcherView(image, padded, geometry, shapes.edges.astype(np.int64), shapes.traces, window)


def measure_tint(paint: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The tint of lines, int8 (h, w, 2) at `size` (w, h), of `paint` uint8 (H, W, 4): red less green, blue less green, 0 off the lines."""
    opaque = paint.astype(np.float32)
    colors = (opaque[..., [0, 2]] - opaque[..., 1:2]) * (opaque[..., 3:] / 510.0)
    return cv2.resize(colors, size, interpolation=cv2.INTER_AREA).round().astype(np.int8)


def mirror_view(seen: MatcherView) -> MatcherView:
    """The view in a mirror."""
    return replace(
        seen,
        image=seen.image[:, :, ::-1].copy(),
        labels=seen.labels[:, ::-1].copy(),
        geometry=(seen.geometry * MIRRORED).astype(np.float32),
    )


def _find_window(shapes: Shapes) -> tuple[float, float, float, float]:
    """The figure with some paper around it: left, top, right, bottom in label map pixels."""
    height, width = shapes.labels.shape
    if len(shapes.points) < 2:
        return 0.0, 0.0, float(width), float(height)
    low, high = np.percentile(shapes.points, [0.5, 99.5], axis=0)
    margin = MARGIN * float((high - low).max()) + 4.0
    left, top = np.maximum(low - margin, 0)
    right, bottom = np.minimum(high + margin, [width, height])
    return float(left), float(top), float(right), float(bottom)


def _keep_small_regions(labels: np.ndarray, shapes: Shapes, window: tuple[float, float, float, float]) -> None:
    """Give each region of the window that got lost in it one pixel."""
    height, width = labels.shape
    lost = np.flatnonzero(np.bincount(labels.ravel(), minlength=shapes.count + 1)[1:] == 0) + 1
    x = ((shapes.centers[lost, 0] - window[0]) / window[2]).astype(np.int64)
    y = ((shapes.centers[lost, 1] - window[1]) / window[3]).astype(np.int64)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    labels[y[inside], x[inside]] = lost[inside]


def _find_borders(labels: np.ndarray, shapes: Shapes) -> np.ndarray:
    """Where two regions meet at a line, and where at a trace line or none, float32 (2, h, w)."""
    found = np.zeros((2, *labels.shape), np.float32)
    size = shapes.count + 1
    traced = np.sort(shapes.edges[shapes.traces].astype(np.int64) @ [size, 1])
    for axis in (0, 1):
        one, two = (labels[:-1], labels[1:]) if axis == 0 else (labels[:, :-1], labels[:, 1:])
        y, x = np.nonzero(one != two)
        a, b = one[y, x].astype(np.int64), two[y, x].astype(np.int64)
        kind = np.isin(np.minimum(a, b) * size + np.maximum(a, b), traced).astype(np.int64)
        found[kind, y, x] = 1.0
    return found


def _measure_geometry(shapes: Shapes, labels: np.ndarray, middle: tuple[float, float], size: float, factor: float) -> np.ndarray:
    table = np.zeros((shapes.count + 1, GEOMETRY), np.float32)
    table[:, :2] = (shapes.centers - middle) / size
    area = np.maximum(shapes.areas, 1.0) / size**2
    table[:, 2] = np.log(area) / 4.0 + 1.0
    table[:, 3:6] = shapes.form
    table[:, 6] = shapes.border
    for column, which in ((7, ~shapes.traces), (8, shapes.traces)):
        table[:, column] = np.log1p(np.bincount(shapes.edges[which].ravel(), minlength=shapes.count + 1))
    boxes = [
        (1, 1) if box is None else (box[0].stop - box[0].start, box[1].stop - box[1].start)
        for box in find_objects(labels, max_label=shapes.count)
    ]
    high, wide = np.array([(1, 1), *boxes], np.float32).T
    scale = factor * size
    table[:, 9], table[:, 10] = np.log(high / scale) / 2.0 + 1.0, np.log(wide / scale) / 2.0 + 1.0
    table[:, 11] = np.minimum(area * scale**2 / (high * wide), 1.5)
    table[:, 12] = np.linalg.norm(table[:, :2], axis=1)
    table[0] = 0.0
    return table
