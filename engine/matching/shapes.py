"""What the matcher knows of one picture: its regions, their shapes and neighbors, and how far each pixel is from a line."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import find_objects
from skimage.measure import label

from ..drawing.colors.palette import PaintedReference, grow_labels

SIDE = 960  # px, longer side of `labels`
FLOW_SIDE = 480  # px, longer side of `distance`
REACH = 24.0  # px of `labels`; lines farther away look alike
MOST = 1500  # regions of a view on a reference; a photograph falls into tens of thousands, of which the smallest tell nothing
VIEW_SHARE = 0.06  # of the largest figure on a sheet: smaller ones are props, not another view


@dataclass(frozen=True)
class Shapes:
    """Regions 1..R of a picture, in pixels of its reduced label map (row 0 of every table is unused).

    `labels` int32 (h, w), each pixel in a region · `distance` uint8 (h2, w2), 0 on lines to 255 at REACH ·
    `points` float32 (N, 2) x, y on lines · `areas` float32 (R+1,) · `centers` float32 (R+1, 2) ·
    `form` float32 (R+1, 3) log elongation, spread, thickness · `border` bool (R+1,) · `edges` int32 (E, 2) pairs of neighbors ·
    `traces` bool (E,) whether only a trace line, or none, parts them · `scale` label map pixels in one pixel of the picture ·
    `swatch` int32 (R+1,), -1 unknown, of a reference; None of a drawing.
    """

    labels: np.ndarray
    distance: np.ndarray
    points: np.ndarray
    areas: np.ndarray
    centers: np.ndarray
    form: np.ndarray
    border: np.ndarray
    edges: np.ndarray
    traces: np.ndarray
    scale: float
    swatch: np.ndarray | None = None

    @property
    def count(self) -> int:
        return len(self.areas) - 1


def describe_regions(
    grown: np.ndarray, lines: np.ndarray, count: int, edges: np.ndarray, traces: np.ndarray, swatch: np.ndarray | None = None
) -> Shapes:
    """Shapes of a label map `grown` int32 (H, W) in 1..count and all its `lines` bool (H, W); the rest as in Shapes."""
    height, width = grown.shape
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    labels = cv2.resize(grown, size, interpolation=cv2.INTER_NEAREST) if scale < 1.0 else grown
    labels = _keep_tiny_regions(labels, grown, count)
    small_lines = cv2.resize(lines.astype(np.uint8), size, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_NEAREST)
    if scale < 1.0:  # INTER_AREA of 0/1 bytes rounds thin lines away: a pixel is a line when any of its pixels is
        reach = max(1, int(np.ceil(1.0 / scale)))
        small_lines = cv2.resize(
            cv2.dilate(lines.astype(np.uint8), np.ones((reach, reach), np.uint8)), size, interpolation=cv2.INTER_NEAREST
        )
    far = cv2.distanceTransform((small_lines == 0).astype(np.uint8), cv2.DIST_L2, 3)
    far = np.minimum(far, REACH)
    flow_scale = min(1.0, FLOW_SIDE / max(size))
    flow_size = (max(8, round(size[0] * flow_scale)), max(8, round(size[1] * flow_scale)))
    distance = (cv2.resize(far, flow_size, interpolation=cv2.INTER_AREA) * (255.0 / REACH)).astype(np.uint8)
    y, x = np.nonzero(small_lines)
    every = max(1, len(x) // 2500)
    points = np.stack([x[::every], y[::every]], axis=1).astype(np.float32)
    areas, centers, form = _measure_moments(labels, far, count)
    border = np.zeros(count + 1, bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        border[side] = True
    return Shapes(labels, distance, points, areas, centers, form, border, edges, traces, scale, swatch)


def _keep_tiny_regions(labels: np.ndarray, grown: np.ndarray, count: int) -> np.ndarray:
    """The reduced label map with one pixel for each region that got lost in it."""
    lost = np.flatnonzero(np.bincount(labels.ravel(), minlength=count + 1)[1:] == 0) + 1
    if len(lost) == 0:
        return labels
    place = np.zeros(count + 1, np.int64)
    place[grown.ravel()] = np.arange(grown.size)
    y, x = np.divmod(place[lost], grown.shape[1])
    labels = labels.copy()
    labels[y * labels.shape[0] // grown.shape[0], x * labels.shape[1] // grown.shape[1]] = lost
    return labels


def _measure_moments(labels: np.ndarray, far: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    height, width = labels.shape
    flat = labels.ravel()
    y, x = np.divmod(np.arange(flat.size, dtype=np.int64), width)
    areas = np.bincount(flat, minlength=count + 1).astype(np.float64)
    safe = np.maximum(areas, 1.0)

    def mean_by_region(values: np.ndarray) -> np.ndarray:
        return np.bincount(flat, values, count + 1) / safe

    cx, cy = mean_by_region(x), mean_by_region(y)
    xx, yy, xy = mean_by_region(x * x) - cx**2 + 1 / 12, mean_by_region(y * y) - cy**2 + 1 / 12, mean_by_region(x * y) - cx * cy
    half, root = (xx + yy) / 2, np.sqrt(np.maximum(((xx - yy) / 2) ** 2 + xy**2, 0.0))
    long, short = half + root, np.maximum(half - root, 1 / 24)
    elongation = np.log(long / short)
    spread = np.log(np.sqrt(2.0 * half) / np.sqrt(safe))
    thickness = np.log((mean_by_region(far.ravel()) + 0.3) / np.sqrt(safe))
    form = np.stack([elongation, spread, thickness], axis=1).astype(np.float32)
    return areas.astype(np.float32), np.stack([cx, cy], axis=1).astype(np.float32), form


# --- references -------------------------------------------------------------------------------------------------------


def describe_reference(painted: PaintedReference, table: np.ndarray, whole: bool = False) -> list[Shapes]:
    """Shapes of each view on a reference, or of the `whole` as one, with their swatches.

    `table` (P + 1,) translates `painted.index` to the cel's palette.
    """
    index = table[painted.index].astype(np.int32)
    scale = min(1.0, SIDE * 1.5 / max(index.shape))
    size = (round(index.shape[1] * scale), round(index.shape[0] * scale))
    index = cv2.resize(index.astype(np.int16), size, interpolation=cv2.INTER_NEAREST).astype(np.int32)
    reach = max(1, round(1.0 / scale))
    thick = cv2.dilate(painted.lines.astype(np.uint8), np.ones((reach, reach), np.uint8)) if reach > 1 else painted.lines.astype(np.uint8)
    lines = cv2.resize(thick, size, interpolation=cv2.INTER_NEAREST) > 0
    index[lines] = -1
    outside = np.flatnonzero(painted.swatches[:, 3] == 0) if len(painted.swatches) else []
    clear = int(table[outside[0]]) if len(outside) else -2
    return [_describe_view(*crop) for crop in ([(index, lines)] if whole else _split_views(index, lines, clear))]


def _split_views(index: np.ndarray, lines: np.ndarray, clear: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The figures of a sheet, each with the others taken away and cropped to its surroundings. One whole picture when there is one."""
    figure = index != clear
    parts = np.asarray(label(figure, connectivity=2))
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    large = np.flatnonzero(areas >= max(1, VIEW_SHARE * areas.max()))
    if clear < 0 or len(large) < 2:
        return [(index, lines)]
    views = []
    boxes = find_objects(parts)
    for part in large:
        rows, columns = boxes[part - 1]
        margin = (rows.stop - rows.start + columns.stop - columns.start) // 8 + 4
        window = (
            slice(max(0, rows.start - margin), rows.stop + margin),
            slice(max(0, columns.start - margin), columns.stop + margin),
        )
        others = (parts[window] != part) & np.isin(parts[window], large)
        views.append((np.where(others, clear, index[window]), lines[window] & ~others))
    return views


def _describe_view(index: np.ndarray, lines: np.ndarray) -> Shapes:
    labels = np.asarray(label(index + 1, connectivity=1, background=0), np.int32)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    keep = areas >= max(4, np.sort(areas)[-MOST:][0])
    number = np.zeros(len(areas), np.int32)
    number[keep] = np.arange(1, keep.sum() + 1)
    labels = number[labels]
    count = int(keep.sum())
    swatch = np.full(count + 1, -1, np.int32)
    swatch[labels[labels > 0]] = index[labels > 0]
    grown = grow_labels(labels)
    near_line = cv2.dilate(lines.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    edges, length, lined = _find_neighbors(grown, near_line)
    boundary = _find_boundaries(grown)
    return describe_regions(grown, lines | boundary, count, edges, lined < 0.5 * length, swatch)


def _find_boundaries(grown: np.ndarray) -> np.ndarray:
    found = np.zeros(grown.shape, bool)
    found[:, 1:] |= grown[:, 1:] != grown[:, :-1]
    found[1:] |= grown[1:] != grown[:-1]
    return found


def _find_neighbors(grown: np.ndarray, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbors int32 (E, 2), the length of each common boundary and how much of it runs along a line."""
    count = int(grown.max()) + 1
    pairs, on_line = [], []
    for a, b, line in ((grown[:, :-1], grown[:, 1:], lines[:, 1:]), (grown[:-1], grown[1:], lines[1:])):
        apart = a != b
        low, high = np.minimum(a[apart], b[apart]), np.maximum(a[apart], b[apart])
        pairs.append(low.astype(np.int64) * count + high)
        on_line.append(line[apart])
    codes, inverse, length = np.unique(np.concatenate(pairs), return_inverse=True, return_counts=True)
    lined = np.bincount(inverse, np.concatenate(on_line), len(codes))
    return np.stack(np.divmod(codes, count), axis=1).astype(np.int32).reshape(-1, 2), length, lined
