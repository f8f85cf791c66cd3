"""Which stroke of one key is which of the other."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..errors import BadInput
from ..sketch.strokes import Strokes
from .curves import stretches, whole
from .matches import Matches

_GRID = np.linspace(0.0, 1.0, 24)


def correspond(
    a: Strokes,
    b: Strokes,
    pairs: Sequence[tuple[int, int]] = (),
    fills_a: np.ndarray | None = None,
    fills_b: np.ndarray | None = None,
) -> Matches:
    """Find the strokes of key `a` in key `b`.

    pairs    strokes (of a, of b) that a person says are the same
    fills_*  bool (S,): strokes that bound painted areas; they match only such. None: none does
    Raises BadInput for pairs of strokes that aren't there.
    """
    for i, j in pairs:
        if not (0 <= i < len(a) and 0 <= j < len(b)):
            raise BadInput(f"Strokes {i} and {j} are pinned together, but the keys have {len(a)} and {len(b)}: pin them again.")
    fills_a = np.zeros(len(a), bool) if fills_a is None else np.asarray(fills_a, bool)
    fills_b = np.zeros(len(b), bool) if fills_b is None else np.asarray(fills_b, bool)
    alive_a, alive_b = np.flatnonzero(np.diff(a.offsets)), np.flatnonzero(np.diff(b.offsets))
    ca, cb = stretches(a, alive_a, whole(a)[alive_a]), stretches(b, alive_b, whole(b)[alive_b])
    va, vb = ca.sample(_GRID), cb.sample(_GRID)
    size = max(np.ptp(np.concatenate([a.points, b.points]), axis=0).max(), 1.0) if len(a.points) + len(b.points) else 1.0
    forth = np.abs(va[:, None] - vb[None]).mean(2) if va.size and vb.size else np.zeros((len(va), len(vb)))
    back = np.abs(va[:, None] - vb[None, :, ::-1]).mean(2) if va.size and vb.size else np.zeros((len(va), len(vb)))
    cost = np.minimum(forth, back) / size
    cost[fills_a[alive_a][:, None] != fills_b[alive_b][None]] = 10.0
    rows, columns = linear_sum_assignment(cost)
    good = cost[rows, columns] < 0.3
    rows, columns = rows[good], columns[good]
    span_a, span_b = whole(a)[alive_a[rows]], whole(b)[alive_b[columns]]
    turned = (back < forth)[rows, columns]
    span_b[turned] = span_b[turned][:, ::-1]
    lost_a, lost_b = np.setdiff1d(alive_a, alive_a[rows]), np.setdiff1d(alive_b, alive_b[columns])
    none_a, none_b = np.full(len(lost_a), -1), np.full(len(lost_b), -1)
    pieces = np.concatenate([np.stack(two, 1) for two in ((alive_a[rows], alive_b[columns]), (lost_a, none_a), (none_b, lost_b))])
    spans = np.concatenate(
        [
            np.concatenate([span_a, span_b], 1),
            np.concatenate([whole(a)[lost_a], np.zeros((len(lost_a), 2))], 1),
            np.concatenate([np.zeros((len(lost_b), 2)), whole(b)[lost_b]], 1),
        ]
    )
    confidence = np.concatenate([np.exp(-3 * cost[rows, columns]), np.full(len(lost_a) + len(lost_b), 0.5)])
    fills = np.concatenate([fills_a[alive_a[rows]], fills_a[lost_a], fills_b[lost_b]])
    return Matches(pieces.astype(np.int32), spans.astype(np.float32), confidence.astype(np.float32), fills)
