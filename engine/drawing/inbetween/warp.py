"""Which point of a curve is which of its partner: by dynamic programming, corners to corners, for many pairs at once."""

import numpy as np

from .curves import StrokeCurves, to_xy

SAMPLES = 48
_STEPS = ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1))
_UNEVEN = 0.02  # what a sample costs that is stretched or squeezed; a right angle between tangents costs 2


def warp_curves(a: StrokeCurves, b: StrokeCurves) -> tuple[np.ndarray, np.ndarray]:
    """Places along curves a and those of the same points along their partners in b: two rising float64 (K,), as Curves.along counts.

    The curves of a pair run the same way. Their ends meet.
    """
    if not len(a):
        return np.zeros(0), np.zeros(0)
    grid = np.linspace(0.0, 1.0, SAMPLES)
    va, vb = a.sample(grid), b.sample(grid)
    cost = _compute_cost(va, vb)
    row, column = _find_path(cost)
    curve = 2.0 * np.repeat(np.arange(len(a)), SAMPLES).reshape(len(a), SAMPLES)
    found = row.ravel() >= 0
    xa = (curve + row / (SAMPLES - 1)).ravel()[found]
    xb = (curve + column / (SAMPLES - 1)).ravel()[found]
    even = (curve + grid).ravel()
    smooth = np.interp(even, xa, xb).reshape(len(a), SAMPLES)
    smooth[:, 1:-1] = (smooth[:, :-2] + smooth[:, 1:-1] + smooth[:, 2:]) / 3.0  # whole samples make steps of it
    return _prefer_index(a, b, even, smooth.ravel(), va, vb)


def _compute_cost(va: np.ndarray, vb: np.ndarray) -> np.ndarray:
    """How badly samples fit each other, float32 (P, K, K): by direction, once the pairs are turned onto each other, and by place."""
    ta, tb = _compute_tangents(va), _compute_tangents(vb)
    turn = (ta.conj() * tb).sum(1)
    turn /= np.maximum(np.abs(turn), 1e-12)
    cost = 1.0 - _multiply_vectors(ta * turn[:, None], tb)
    ca, cb = va - va.mean(1, keepdims=True), vb - vb.mean(1, keepdims=True)
    power = np.maximum((np.abs(ca) ** 2).sum(1, keepdims=True), 1e-12)
    fit = (ca.conj() * cb).sum(1, keepdims=True) / power
    spread = np.maximum((np.abs(cb) ** 2).mean(1), 1e-12)
    ca = ca * fit / np.sqrt(spread)[:, None]
    cb = cb / np.sqrt(spread)[:, None]
    apart = (
        (np.abs(ca) ** 2).astype(np.float32)[:, :, None] + (np.abs(cb) ** 2).astype(np.float32)[:, None] - 2.0 * _multiply_vectors(ca, cb)
    )
    return cost + 0.25 * np.maximum(apart, 0.0)


def _multiply_vectors(va: np.ndarray, vb: np.ndarray) -> np.ndarray:
    """Scalar products of vectors of one with those of the other, float32 (P, K, K)."""
    return to_xy(va).astype(np.float32) @ to_xy(vb).astype(np.float32).transpose(0, 2, 1)


def _compute_tangents(v: np.ndarray) -> np.ndarray:
    step = np.gradient(v, axis=1)
    return step / np.maximum(np.abs(step), 1e-9)


def _find_path(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cheapest way from corner to corner for each pair: rows and columns, int64 (P, K) each, -1 where it has fewer steps."""
    pairs, count, _ = cost.shape
    total = np.full((pairs, count, count), np.inf, np.float32)
    total[:, 0, 0] = 0.0
    came = np.zeros((pairs, count, count), np.int8)
    for row in range(1, count):
        options = np.full((len(_STEPS), pairs, count), np.inf, np.float32)
        for kind, (down, right) in enumerate(_STEPS):
            if row >= down:
                uneven = _UNEVEN * (max(down, right) - 1) * 2
                options[kind, :, right:] = total[:, row - down, :-right] + cost[:, row, right:] * (0.5 * (down + right)) + uneven
        came[:, row] = options.argmin(0)
        total[:, row] = options.min(0)
    rows, columns = np.full((pairs, count), -1), np.full((pairs, count), -1)
    row, column = np.full(pairs, count - 1), np.full(pairs, count - 1)
    steps = np.array(_STEPS)
    every = np.arange(pairs)
    for place in range(count - 1, -1, -1):
        rows[:, place], columns[:, place] = row, column
        step = steps[came[every, np.maximum(row, 0), np.maximum(column, 0)]]
        done = row <= 0
        row, column = np.where(done, -1, row - step[:, 0]), np.where(done, -1, column - step[:, 1])
    return rows, columns


def _prefer_index(
    a: StrokeCurves, b: StrokeCurves, xa: np.ndarray, xb: np.ndarray, va: np.ndarray, vb: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where two curves have as many points, as a copy has that was moved, point goes to point unless that fits clearly worse."""
    counts = np.diff(a.offsets)
    same = (counts == np.diff(b.offsets)) & (counts > 2)
    if not same.any():
        return xa, xb
    keep_a, keep_b = same[a.curve], same[b.curve]
    own_a, own_b = a.along[keep_a], b.along[keep_b]
    grid = np.repeat(np.flatnonzero(same), SAMPLES) * 2.0 + np.tile(np.linspace(0, 1, SAMPLES), int(same.sum()))
    ta = _compute_tangents(va[same])

    def measure_misfit(there: np.ndarray) -> np.ndarray:
        tb = _compute_tangents(b.interpolate_points(there).reshape(-1, SAMPLES))
        turn = (ta.conj() * tb).sum(1, keepdims=True)
        return (1.0 - np.real(ta.conj() * tb * np.exp(-1j * np.angle(turn)))).mean(1)

    better = measure_misfit(np.interp(grid, own_a, own_b)) <= measure_misfit(np.interp(grid, xa, xb)) * 1.2 + 0.02
    rows = np.flatnonzero(same)[better]
    chosen = np.zeros(len(a), bool)
    chosen[rows] = True
    keep = ~chosen[(xa // 2).astype(np.int64).clip(0, len(a) - 1)]
    keep_a, keep_b = chosen[a.curve], chosen[b.curve]
    xa, xb = np.concatenate([xa[keep], a.along[keep_a]]), np.concatenate([xb[keep], b.along[keep_b]])
    order = np.argsort(xa, kind="stable")
    return xa[order], xb[order]
