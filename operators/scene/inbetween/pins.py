"""Strokes that a person has pinned together: known by their midpoints, found again whatever their order."""

import bpy
import numpy as np

from ..read.strokes import LayerStrokes
from .keys import KeyPair

NEAR = 0.02  # of a key's extent: a stroke whose middle is nearer to the pin's is the one that was pinned


def compute_middles(flat: LayerStrokes) -> np.ndarray:
    """The point halfway along each stroke, float64 (S, 3)."""
    found = np.zeros((len(flat.cyclic), 3))
    for i, cyclic in enumerate(flat.cyclic):
        points = flat.points[flat.offsets[i] : flat.offsets[i + 1]].astype(float)
        path = np.concatenate([points, points[:1]]) if cyclic else points
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        found[i] = [np.interp(along[-1] / 2, along, path[:, axis]) for axis in range(3)]
    return found


def pin_strokes(ob: bpy.types.Object, layer: str, pair: KeyPair, a: np.ndarray, b: np.ndarray) -> None:
    """Keep on an object that the stroke with the middle `a` becomes that with the middle `b`; what either was pinned to before goes."""
    kept = ob.shiage.pins
    for index in reversed(range(len(kept))):
        item = kept[index]
        same = item.layer == layer and (item.first, item.last) == (pair.first, pair.last)
        if same and (np.allclose(item.a, a, atol=1e-5) or np.allclose(item.b, b, atol=1e-5)):
            kept.remove(index)
    item = kept.add()
    item.layer, item.first, item.last, item.a, item.b = layer, pair.first, pair.last, a, b
    ob.shiage.active_pin = len(kept) - 1


def of_pair(ob: bpy.types.Object, layer: str, first: LayerStrokes, last: LayerStrokes) -> list[tuple[int, int]]:
    """The pinned strokes of two keys, by number among those that have points. Keys that were moved in time keep their pins."""
    pins = [item for item in ob.shiage.pins if item.layer == layer]
    if not pins:
        return []
    middle, reach = [compute_middles(first), compute_middles(last)], [_compute_reach(first), _compute_reach(last)]
    found: dict[int, int] = {}
    for item in pins:
        a, b = (_find_nearest(middle[side], np.array(point), reach[side]) for side, point in enumerate((item.a, item.b)))
        if a is not None and b is not None:
            found = {one: other for one, other in found.items() if one != a and other != b} | {a: b}
    return list(found.items())


def _compute_reach(flat: LayerStrokes) -> float:
    return NEAR * float(np.linalg.norm(np.ptp(flat.points, axis=0)))


def _find_nearest(middle: np.ndarray, point: np.ndarray, reach: float) -> int | None:
    far = np.linalg.norm(middle - point, axis=1)
    return int(far.argmin()) if far.min() <= reach + 1e-5 else None
