"""An onion-skin autofill as 2-D packages have it: each region takes the color of the region of the drawing before that is most like it
in place, size and shape, and fits its neighbors. Drawing by drawing, from the nearest key on, on what was filled before.
"""

from dataclasses import dataclass

import numpy as np
from skimage.measure import label

from engine.drawing.colors import palette

from .baselines import colored, nearest
from .metrics import codes
from .tasks import Task

_PLACE, _SIZE, _SHAPE = 6.0, 0.7, 1.0  # what a picture's diagonal, a size e times as large, and a shape e times as long add to the cost
_NEIGHBOR = 0.6  # what a neighbor that fits takes off it
_SMALL = 4  # px; no region


@dataclass(frozen=True)
class _Blobs:
    """Regions 1..R: areas (R + 1,), centers (R + 1, 2) in fractions of the picture's diagonal, shape (R + 1, 2), near (R + 1, R + 1)."""

    areas: np.ndarray
    centers: np.ndarray
    shape: np.ndarray
    near: np.ndarray
    color: np.ndarray


def autofill(task: Task) -> list[np.ndarray]:
    """Paint for every scored drawing."""
    keys = {reference.frame: reference for reference in task.references}
    done: dict[int, _Blobs] = {frame: _of_reference(keys[frame].pixels) for frame in keys if frame is not None}
    start = None if None not in keys else _of_reference(keys[None].pixels)
    order = sorted(task.scored, key=lambda number: min((abs(number - frame) for frame in keys if frame is not None), default=number))
    painted: dict[int, np.ndarray] = {}
    for number in order:
        before = start if start is not None and not done else done[min(done, key=lambda frame: (abs(frame - number), frame not in keys))]
        regions = task.frame(number).regions
        blobs = _blobs(regions.labels, regions.grown, np.zeros(regions.count + 1, np.uint32))
        color = before.color[_pair(blobs, before)]
        done[number] = _Blobs(blobs.areas, blobs.centers, blobs.shape, blobs.near, color)
        painted[number] = colored(color, regions.grown)
    return [painted[number] for number in task.scored]


def _of_reference(pixels: np.ndarray) -> _Blobs:
    found = palette.extract(pixels)
    labels = label(found.index + 1, connectivity=1, background=0).astype(np.int32)
    areas = np.bincount(labels.ravel())
    keep = areas >= _SMALL
    keep[0] = False
    labels = (np.cumsum(keep) * keep).astype(np.int32)[labels]
    swatch = np.zeros(int(keep.sum()) + 1, np.int64)
    swatch[labels[labels > 0]] = found.index[labels > 0]
    color = codes(found.swatches)[swatch] if len(found.swatches) else np.zeros(len(swatch), np.uint32)
    grown = labels[nearest(labels > 0)] if (labels > 0).any() else labels
    return _blobs(labels, grown, color)


def _blobs(labels: np.ndarray, grown: np.ndarray, color: np.ndarray) -> _Blobs:
    count = len(color)
    height, width = labels.shape
    diagonal = float(np.hypot(height, width))
    flat = labels.ravel()
    y, x = np.divmod(np.arange(flat.size), width)
    areas = np.maximum(np.bincount(flat, minlength=count), 1).astype(float)

    def average(values: np.ndarray) -> np.ndarray:
        return np.bincount(flat, values, count) / areas

    cx, cy = average(x), average(y)
    xx, yy, xy = average(x * x) - cx**2, average(y * y) - cy**2, average(x * y) - cx * cy
    half, root = (xx + yy) / 2, np.sqrt(np.maximum(((xx - yy) / 2) ** 2 + xy**2, 0))
    shape = np.stack([np.log((half + root + 0.5) / (half - root + 0.5)) / 2, np.log((2 * half + 0.5) / areas)], 1)
    near = np.zeros((count, count), bool)
    for a, b in ((grown[:, :-1], grown[:, 1:]), (grown[:-1], grown[1:])):
        near[a[a != b], b[a != b]] = True
    near |= near.T
    return _Blobs(areas / flat.size, np.stack([cx, cy], 1) / diagonal, shape, near, color)


def _pair(here: _Blobs, there: _Blobs) -> np.ndarray:
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
