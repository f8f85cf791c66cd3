"""The paint of a drawing between two painted keys: where its strokes came from tells where its regions came from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ...regions import Regions
from ...sketch.strokes import Strokes

SAMPLES = 400  # pixels of a region that vote
NEAR = 8  # points of strokes that tell a pixel where it came from


@dataclass(frozen=True)
class Origin:
    """Where points of a drawing lie in a painted key: `points` and `there` float32 (N, 2) px · `index` (H, W) the swatch that each pixel of
    the key wears, -1 unknown · `weight` how far the key is heard."""

    points: np.ndarray
    there: np.ndarray
    index: np.ndarray
    weight: float


def origin_of(points: np.ndarray, place: np.ndarray, stroke: np.ndarray, key: Strokes) -> tuple[np.ndarray, np.ndarray]:
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


def vote(regions: Regions, origins: Sequence[Origin], swatches: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The swatch int32 (R + 1,) of each region, -1 for one of which no key says anything, and how sure that is, float32 (R + 1,)."""
    table = np.zeros((regions.count + 1, swatches))
    ys, xs = np.nonzero(regions.labels)
    label = regions.labels[ys, xs]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(label))
    order = order[np.argsort(label[order], kind="stable")]
    begin = np.searchsorted(label[order], np.arange(regions.count + 2))
    rank = np.arange(len(order)) - begin[label[order]]
    chosen = order[rank < SAMPLES]
    at, label = np.column_stack([xs, ys])[chosen] + 0.5, label[chosen]
    for origin in origins:
        if not len(origin.points):
            continue
        near = min(NEAR, len(origin.points))
        far, which = cKDTree(origin.points).query(at, k=near)
        share = 1.0 / (far.reshape(-1, near) ** 2 + 1.0)
        moved = (origin.there - origin.points)[which.reshape(-1, near)]
        there = at + (moved * share[..., None]).sum(axis=1) / share.sum(axis=1, keepdims=True)
        x, y = np.clip(there.astype(int), 0, np.array(origin.index.shape[1::-1]) - 1).T
        worn = origin.index[y, x]
        np.add.at(table, (label[worn >= 0], worn[worn >= 0]), origin.weight)
    heard = table.sum(axis=1)
    swatch = np.where(heard > 0, table.argmax(axis=1), -1).astype(np.int32)
    swatch[0] = -1
    return swatch, (table.max(axis=1) / np.maximum(heard, 1e-9)).astype(np.float32)
