"""Where one key's strokes are to be looked for in the other: similarity maps z -> turn * z + shift of complex points."""

import numpy as np
from scipy.spatial import cKDTree

from .curves import to_xy
from .units import StrokeUnits

_TRIES = 96
_NEAR = 0.04  # of the size; what lies nearer than this to a line of the other key counts as on it
_LARGEST = 2.5  # change of size
_TURN = 0.5  # what half a turn costs, as a share of all lines being met
_NEAREST = 24  # matches that say where what is around them goes
_SINGLY = 5  # of them are also asked alone
_POINTS = 5  # of each match
_OVERALL = 0.3  # how much the overall map counts: as one match that is not quite near


def align_overall(a: np.ndarray, b: np.ndarray, size: float) -> tuple[complex, complex]:
    """The map that brings most lines of a onto lines of b. `a`, `b` complex128 (U, K) samples of single strokes, `size` px.

    Tried: none, centers onto each other, and what brings strokes of like shape onto each other.
    """
    if not a.size or not b.size:
        return 1.0 + 0j, 0j
    turns, shifts = [1.0 + 0j], [0j]
    center = b.mean() - a.mean()
    turns.append(1.0 + 0j)
    shifts.append(center)
    spread_a, spread_b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norm_a, norm_b = np.linalg.norm(spread_a, axis=1), np.linalg.norm(spread_b, axis=1)
    # Long strokes that aren't straight tell most of a turn.
    big_a, big_b = _pick_telling_strokes(spread_a, norm_a), _pick_telling_strokes(spread_b, norm_b)
    if len(big_a) and len(big_b):
        x, y = spread_a[big_a] / norm_a[big_a, None], spread_b[big_b] / norm_b[big_b, None]
        forth, back = x.conj() @ y.T, x.conj() @ y[:, ::-1].T
        alike = np.where(_rate_fit(forth) >= _rate_fit(back), forth, back)
        scale = norm_b[big_b][None] / norm_a[big_a][:, None]
        rating = _rate_fit(alike) * np.exp(-np.abs(np.log(scale)))
        best = np.argsort(-rating, axis=None)[:_TRIES]
        row, column = np.unravel_index(best, rating.shape)
        turn = alike[row, column] / np.maximum(np.abs(alike[row, column]), 1e-9) * scale[row, column]
        kept = np.abs(np.log(np.abs(turn))) < np.log(_LARGEST)
        turn, row, column = turn[kept], row[kept], column[kept]
        turns += turn.tolist()
        shifts += (b[big_b[column]].mean(1) - turn * a[big_a[row]].mean(1)).tolist()
    turn, shift = np.array(turns), np.array(shifts)
    step = max(1, a.shape[1] // 6)
    points_a, points_b = _thin_points(a[:, ::step]), _thin_points(b[:, ::step])
    onto_b = turn[:, None] * points_a + shift[:, None]
    onto_a = (points_b - shift[:, None]) / turn[:, None]
    met = _measure_coverage(b, onto_b, _NEAR * size) + _measure_coverage(a, onto_a, _NEAR * size / np.abs(turn)[:, None])
    rating = met / 2.0 - _TURN * np.abs(np.angle(turn)) / np.pi - 0.1 * np.abs(np.log(np.abs(turn)))
    best = int(rating.argmax())
    return complex(turn[best]), complex(shift[best])


def align_locally(
    units: StrokeUnits, matched: np.ndarray, a: np.ndarray, b: np.ndarray, trust: np.ndarray, size: float, first: complex
) -> tuple[np.ndarray, np.ndarray]:
    """How each unit may be moved by the matches around it, but its own: (turn, shift), complex128 (M, U) each. The first of the M maps
    is what all of them say, the others what the nearest ones say, one by one.

    matched int64 (K,) units that have a partner · a, b complex128 (K, GRID) they and their partners, point by point · trust float64 (K,)
    probabilities · first the turn where nothing is near
    """
    pick = np.linspace(0, a.shape[1] - 1, _POINTS).round().astype(int)
    a, b = a[:, pick], b[:, pick]
    middle = a.mean(1)
    tree = cKDTree(to_xy(middle))
    count = min(_NEAREST, len(a))

    def find_nearest(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        near = tree.query(to_xy(places), k=count)[1].reshape(len(places), count)
        return near, np.abs(a[near] - places[:, None, None]).min(2)

    near, gap = find_nearest(units.samples.mean(1))
    foreign = ~units.share_strokes(matched[near], np.broadcast_to(np.arange(len(units))[:, None], near.shape))
    maps = [_fit_maps(a[near], b[near], foreign * trust[near] / (gap**2 + (0.03 * size) ** 2), first)]
    around, apart = find_nearest(middle)
    turn, shift = _fit_maps(a[around], b[around], trust[around] / (apart**2 + (0.01 * size) ** 2), first)
    order = np.argsort(np.where(foreign, gap, np.inf), axis=1)[:, :_SINGLY]
    for column in order.T:
        match = near[np.arange(len(units)), column]
        maps.append((turn[match], shift[match]))
    return np.stack([turn for turn, _ in maps]), np.stack([shift for _, shift in maps])


def _fit_maps(p: np.ndarray, q: np.ndarray, weight: np.ndarray, first: complex) -> tuple[np.ndarray, np.ndarray]:
    """Maps by weighted least squares that bring p to q, complex128 (U, n, points); weight (U, n)."""
    weight = np.repeat(weight + 1e-12, p.shape[2], 1)
    p, q = p.reshape(len(p), -1), q.reshape(len(q), -1)
    total = weight.sum(1)
    mean_p, mean_q = (weight * p).sum(1) / total, (weight * q).sum(1) / total
    p, q = p - mean_p[:, None], q - mean_q[:, None]
    power = (weight * np.abs(p) ** 2).sum(1) + _OVERALL
    turn = ((weight * p.conj() * q).sum(1) + _OVERALL * first) / power
    scale = np.abs(turn) + 1e-9
    turn *= scale.clip(1.0 / _LARGEST, _LARGEST) / scale
    return turn, mean_q - turn * mean_p


def _rate_fit(fit: np.ndarray) -> np.ndarray:
    """How well shapes fit each other, 0..1; a little worse if turned, because straight lines fit both ways."""
    return np.abs(fit) * (1.0 - 0.1 * np.abs(np.angle(fit)) / np.pi)


def _pick_telling_strokes(spread: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """The longest strokes that have a direction: no dots, and no circles."""
    long = np.flatnonzero(norm > 1e-6)
    moment = np.abs((spread[long] ** 2).sum(1)) / norm[long] ** 2
    return long[np.argsort(-norm[long] * (0.2 + (moment < 0.98)))][:40]


def _thin_points(samples: np.ndarray) -> np.ndarray:
    points = samples.ravel()
    return points[:: max(1, len(points) // 200)]


def _measure_coverage(samples: np.ndarray, points: np.ndarray, reach) -> np.ndarray:
    """Which share of points (T, N) lies on the lines, for each of T tries."""
    lines = samples.ravel()
    lines = lines[:: max(1, len(lines) // 20000)]
    apart, _ = cKDTree(to_xy(lines)).query(to_xy(points))
    return (1.0 / (1.0 + (apart / reach) ** 2)).mean(1)
