"""The paint of a drawing between two painted keys: where its strokes came from tells where its regions came from."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ...drawing.regions import Regions
from ...drawing.sketch.strokes import Strokes

GRID = 8  # px between the places whose way is found by the strokes around; between them it is interpolated
NEAR = 8  # points of strokes that tell a place where it came from
PATCH = 1 / 120  # of the picture's height: what differs from its region and is wider was another region in the keys


@dataclass(frozen=True)
class PaintOrigin:
    """Where points of a drawing lie in a painted key: `points` and `there` float32 (N, 2) px · `index` (H, W) the swatch that each pixel of
    the key wears, -1 unknown."""

    points: np.ndarray
    there: np.ndarray
    index: np.ndarray


def trace_origin(points: np.ndarray, place: np.ndarray, stroke: np.ndarray, key: Strokes) -> tuple[np.ndarray, np.ndarray]:
    """Those of the points (N, 2) that come from a stroke of a key, and where there they come from: `place` (N,) along it in points, NaN
    for none, `stroke` (N,) its number."""
    known = np.isfinite(place) & (stroke >= 0)
    begin, end = key.offsets[:-1][stroke[known]], key.offsets[1:][stroke[known]]
    count = end - begin
    low = np.floor(place[known]).astype(int)
    part = (place[known] - low)[:, None]
    first, second = begin + low % count, begin + (low + 1) % count
    second = np.where(key.cyclic[stroke[known]], second, np.minimum(begin + low + 1, end - 1))
    return points[known], key.points[first] * (1.0 - part) + key.points[second] * part


def read_worn_swatches(origin: PaintOrigin) -> np.ndarray:
    """The swatch int16 (H, W) that each pixel wears in a key, where the strokes around it say that it came from; -1 unknown."""
    height, width = origin.index.shape
    if not len(origin.points):
        return np.full((height, width), -1, np.int16)
    columns, rows = -(-width // GRID) + 1, -(-height // GRID) + 1
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2) * float(GRID)
    near = min(NEAR, len(origin.points))
    far, which = cKDTree(origin.points).query(grid, k=near)
    share = 1.0 / (far.reshape(-1, near) ** 2 + 1.0)
    moved = (origin.there - origin.points)[which.reshape(-1, near)]
    way = ((moved * share[..., None]).sum(axis=1) / share.sum(axis=1, keepdims=True)).reshape(rows, columns, 2).astype(np.float32)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    way = cv2.remap(way, (x + 0.5) / GRID, (y + 0.5) / GRID, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    there = origin.index.astype(np.int16)
    return cv2.remap(there, x + way[..., 0], y + way[..., 1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)


def paint_regions(regions: Regions, evidence: Sequence[tuple[np.ndarray, float]], swatches: int) -> tuple[np.ndarray, int]:
    """The swatch int (H, W) that each pixel wears, -1 unknown, and of how many regions no key says anything.

    `evidence` is what each key says, from `worn`, and its weight. A region wears what most of its pixels say, edge to edge; but
    patches that say something else stay as they are: the region leaks, or its tones have no lines between them.
    """
    table = np.zeros((regions.count + 1) * swatches)
    for voted, weight in evidence:
        known = (regions.labels > 0) & (voted >= 0)
        table += weight * np.bincount(regions.labels[known] * swatches + voted[known], minlength=len(table))
    votes = table.reshape(regions.count + 1, swatches)
    swatch = np.where(votes.sum(axis=1) > 0, votes.argmax(axis=1), -1)
    painted = swatch[regions.grown]
    nearest = np.full(painted.shape, -1)
    for voted, _ in sorted(evidence, key=lambda one: one[1]):  # the nearer key last
        nearest = np.where(voted >= 0, voted, nearest)
    differs = (nearest >= 0) & (nearest != painted)
    side = 2 * max(2, round(PATCH * len(painted))) + 1
    core = cv2.erode(differs.view(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    count, patch = cv2.connectedComponents(differs.view(np.uint8), connectivity=4)
    whole = np.zeros(count, bool)
    whole[np.unique(patch[core > 0])] = True
    whole[0] = False
    return np.where(whole[patch], nearest, painted), int((swatch[1:] < 0).sum())
