"""An onion-skin autofill as 2-D packages have it: each region takes the color of the region of the drawing before that is most like it
in place, size and shape, and fits its neighbors. Drawing by drawing, from the nearest key on, on what was filled before.
"""

from dataclasses import dataclass

import numpy as np
from skimage.measure import label

from engine.drawing.colors import palette

from .baselines import color_regions, find_nearest
from .metrics import encode_colors
from .tasks import PaintTask

_PLACE, _SIZE, _SHAPE = 6.0, 0.7, 1.0  # what a picture's diagonal, a size e times as large, and a shape e times as long add to the cost
_NEIGHBOR = 0.6  # what a neighbor that fits takes off it
_SMALL = 4  # px; no region


@dataclass(frozen=True)
class _BlobTable:
    """Regions 1..R: areas (R + 1,), centers (R + 1, 2) in fractions of the picture's diagonal, shape (R + 1, 2), near (R + 1, R + 1)."""

    areas: np.ndarray
    centers: np.ndarray
    shape: np.ndarray
    near: np.ndarray
    color: np.ndarray


def autofill_drawings(task: PaintTask) -> list[np.ndarray]:
    """Paint for every scored drawing."""
    keys = {reference.frame: reference for reference in task.references}
    done: dict[int, _BlobTable] = {frame: _describe_reference(keys[frame].pixels) for frame in keys if frame is not None}
    start = None if None not in keys else _describe_reference(keys[None].pixels)
    order = sorted(task.scored_frames, key=lambda number: min((abs(number - frame) for frame in keys if frame is not None), default=number))
    painted: dict[int, np.ndarray] = {}
    for number in order:
        before = start if start is not None and not done else done[min(done, key=lambda frame: (abs(frame - number), frame not in keys))]
        regions = task.get_frame(number).regions
        blobs = _describe_blobs(regions.labels, regions.grown, np.zeros(regions.count + 1, np.uint32))
        color = before.color[_pair_blobs(blobs, before)]
        done[number] = _BlobTable(blobs.areas, blobs.centers, blobs.shape, blobs.near, color)
        painted[number] = color_regions(color, regions.grown)
    return [painted[number] for number in task.scored_frames]


def _describe_reference(pixels: np.ndarray) -> _BlobTable:
    found = palette.extract_palette(pixels)
    labels = label(found.index + 1, connectivity=1, background=0).astype(np.int32)
    areas = np.bincount(labels.ravel())
    keep = areas >= _SMALL
    keep[0] = False
    labels = (np.cumsum(keep) * keep).astype(np.int32)[labels]
    swatch = np.zeros(int(keep.sum()) + 1, np.int64)
    swatch[labels[labels > 0]] = found.index[labels > 0]
    color = encode_colors(found.swatches)[swatch] if len(found.swatches) else np.zeros(len(swatch), np.uint32)
    grown = labels[find_nearest(labels > 0)] if (labels > 0).any() else labels
    return _describe_blobs(labels, grown, color)


def _describe_blobs(labels: np.ndarray, grown: np.ndarray, color: np.ndarray) -> _BlobTable:
    count = len(color)
    height, width = labels.shape
    diagonal = float(np.hypot(height, width))
    flat = labels.ravel()
    y, x = np.divmod(np.arange(flat.size), width)
    areas = np.maximum(np.bincount(flat, minlength=count), 1).astype(float)

    def average_values(values: np.ndarray) -> np.ndarray:
        return np.bincount(flat, values, count) / areas

    cx, cy = average_values(x), average_values(y)
    xx, yy, xy = average_values(x * x) - cx**2, average_values(y * y) - cy**2, average_values(x * y) - cx * cy
    half, root = (xx + yy) / 2, np.sqrt(np.maximum(((xx - yy) / 2) ** 2 + xy**2, 0))
    shape = np.stack([np.log((half + root + 0.5) / (half - root + 0.5)) / 2, np.log((2 * half + 0.5) / areas)], 1)
    near = np.zeros((count, count), bool)
    for a, b in ((grown[:, :-1], grown[:, 1:]), (grown[:-1], grown[1:])):
        near[a[a != b], b[a != b]] = True
    near |= near.T
    return _BlobTable(areas / flat.size, np.stack([cx, cy], 1) / diagonal, shape, near, color)


def _pair_blobs(here: _BlobTable, there: _BlobTable) -> np.ndarray:
    """The region of the other drawing that each region is filled after, (R + 1,). The likest pairs first; neighbors of pairs that were
    made are likelier to be pairs. A region whose likeness was taken by another shares it at a price."""
    cost = _PLACE * np.linalg.norm(here.centers[:, None] - there.centers[None], axis=2)
    cost += _SIZE * np.abs(np.log(here.areas)[:, None] - np.log(there.areas)[None])
    cost += _SHAPE * np.abs(here.shape[:, None] - there.shape[None]).sum(2)
    cost[:, 0] = np.inf
    chosen = np.zeros(len(here.areas), np.int64)
    if cost.shape[1] < 2:
        return chosen
    open_rows = np.ones(len(chosen), bool)
    open_rows[0] = False
    cost[0] = np.inf
    while open_rows.any():
        rows = np.flatnonzero(open_rows)
        best = cost[rows].argmin(1)
        row = rows[cost[rows, best].argmin()]
        column = int(cost[row].argmin())
        chosen[row] = column
        open_rows[row] = False
        cost[np.ix_(here.near[row], there.near[column])] -= _NEIGHBOR / max(1, int(here.near[row].sum()))
        cost[:, column] += 0.5
    return chosen
