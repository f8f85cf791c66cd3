"""Curves of Grease Pencil to polylines, many at once, as Blender samples them. Arrays only."""

import numpy as np

CATMULL_ROM, POLY, BEZIER, NURBS = range(4)  # Blender's numbers


def catmull_rom(offsets: np.ndarray, cyclic: np.ndarray, resolution: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How uniform Catmull-Rom curves with doubled end points are sampled: (indices (M, 4), weights (M, 4), offsets (S+1,)).

    A sampled attribute is (values[indices] * weights).sum(1). `offsets` (S+1,) bounds the control points of each curve, `resolution`
    (S,) is the number of samples a segment.
    """
    counts = np.diff(offsets)
    segments = np.where(cyclic & (counts > 1), counts, np.maximum(counts - 1, 0))
    samples = segments * resolution + np.where(cyclic & (counts > 1), 0, 1)  # an open curve ends on its last point
    new_offsets = np.concatenate([[0], np.cumsum(samples)])
    curve = np.repeat(np.arange(len(counts)), samples)
    place = np.arange(new_offsets[-1]) - new_offsets[curve]
    segment, step = np.divmod(place, resolution[curve])
    around = segment[:, None] + np.arange(-1, 3)
    count = counts[curve][:, None]
    inside = np.where(cyclic[curve][:, None], around % np.maximum(count, 1), np.clip(around, 0, np.maximum(count - 1, 0)))
    t = (step / resolution[curve]).astype(np.float32)
    t2, t3 = t * t, t * t * t
    weights = 0.5 * np.stack([-t3 + 2 * t2 - t, 3 * t3 - 5 * t2 + 2, -3 * t3 + 4 * t2 + t, t3 - t2], axis=1)
    return inside + np.asarray(offsets)[:-1][curve][:, None], weights.astype(np.float32), new_offsets


def sample_bezier(
    points: np.ndarray, left: np.ndarray, right: np.ndarray, others: np.ndarray, cyclic: bool, resolution: int
) -> tuple[np.ndarray, np.ndarray]:
    """One Bezier curve: control points and handles (n, 3), other attributes (n, k) -> samples (m, 3), (m, k); attributes go linearly."""
    ahead = np.roll(np.arange(len(points)), -1)
    here = np.arange(len(points)) if cyclic else np.arange(len(points) - 1)
    ahead = ahead[here]
    t = (np.arange(resolution) / resolution)[None, :, None]
    s = 1 - t
    p0, p1, p2, p3 = (a[:, None, :] for a in (points[here], right[here], left[ahead], points[ahead]))
    curve = (s**3 * p0 + 3 * s**2 * t * p1 + 3 * s * t**2 * p2 + t**3 * p3).reshape(-1, points.shape[1])
    values = (s * others[here][:, None, :] + t * others[ahead][:, None, :]).reshape(-1, others.shape[1])
    if not cyclic:
        curve, values = np.concatenate([curve, points[-1:]]), np.concatenate([values, others[-1:]])
    return curve.astype(np.float32), values.astype(np.float32)


# Blender's knots_mode: whether a NURBS curve reaches its ends, and whether it is a chain of Bezier segments.
NORMAL, ENDPOINT, BEZIER_KNOTS, ENDPOINT_BEZIER = range(4)


def nurbs_knots(count: int, order: int, cyclic: bool, mode: int) -> np.ndarray:
    """The knots of a NURBS curve of `count` control points, placed as Blender does."""
    repeat = order - 1 if mode in (BEZIER_KNOTS, ENDPOINT_BEZIER) else 1
    to_end = mode in (ENDPOINT, ENDPOINT_BEZIER)
    head = order - cyclic if to_end else min(2, repeat)
    tail = 2 * order - 1 if cyclic else order if to_end else 0
    first = 1 if to_end and cyclic else 0
    total = count + order + (order - 1 if cyclic else 0)
    inner = first + np.maximum(np.arange(total - tail - first) - head + repeat, 0) // repeat
    following = first + max(total - tail - first - head + repeat, 0) // repeat
    knots = np.concatenate([np.zeros(first), inner])
    while len(knots) < total:  # the tail repeats the spacing of the beginning
        knots = np.append(knots, following + knots[len(knots) - (total - tail)] - knots[0])
    return knots.astype(float)


def sample_nurbs(
    points: np.ndarray, weights: np.ndarray, others: np.ndarray, cyclic: bool, resolution: int, order: int, mode: int
) -> tuple[np.ndarray, np.ndarray]:
    """One NURBS curve by de Boor's recursion: control points (n, 3), weights (n,), attributes (n, k) -> samples (m, 3), (m, k)."""
    count, degree = len(points), order - 1
    knots = nurbs_knots(count, order, cyclic, mode)
    values = np.concatenate([points, others], axis=1)
    if cyclic:
        values, weights = np.concatenate([values, values[:degree]]), np.concatenate([weights, weights[:degree]])
    total = len(values)
    samples = resolution * (count if cyclic else count - 1)
    u = np.linspace(knots[degree], knots[total], samples + (0 if not cyclic else 1))[: samples if cyclic else None]
    span = np.clip(np.searchsorted(knots, u, side="right") - 1, degree, total - 1)
    control = np.concatenate([values * weights[:, None], weights[:, None]], axis=1)
    d = control[span[:, None] + np.arange(-degree, 1)]
    for r in range(1, degree + 1):
        for j in range(degree, r - 1, -1):
            low, high = knots[span - degree + j], knots[span + 1 + j - r]
            alpha = np.divide(u - low, high - low, out=np.zeros_like(u), where=high > low)[:, None]
            d[:, j] = (1 - alpha) * d[:, j - 1] + alpha * d[:, j]
    result = (d[:, degree, :-1] / d[:, degree, -1:]).astype(np.float32)
    return result[:, :3], result[:, 3:]
