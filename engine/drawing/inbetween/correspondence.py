"""Which stroke of one key is which of the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from ...job.errors import BadInput
from ..sketch.strokes import Strokes
from . import alignment
from .agreement import compare_neighbors, map_places
from .candidates import FEATURES, NOTHING, StrokeCandidates, find_candidates, find_sharing_units
from .curves import find_full_spans, to_xy
from .cutting import cut_matches
from .drawing import StrokeInbetweener
from .joins import close_fills
from .leftovers import absorb_leftovers
from .matches import StrokeMatches
from .order import StrokeOrder, find_copies, learn_order
from .unions import unite_fills
from .units import StrokeUnits, build_units

# What features (candidates.FEATURES) say for a match, as log odds.
_WEIGHTS = np.array(
    [
        [0.0, -3.0, -4.6, -2.6, -5.0, -1.5, -3.0, -0.3, -0.1, 0.9, 3.5, 1.4, 0.6],  # where all of the drawing goes
        [-1.9, -5.0, -4.8, -3.7, -3.6, -1.5, -3.0, 0.0, -0.1, 0.4, 2.9, 1.4, 0.9],  # where the surroundings go
    ]
)
_SUPPORT = [FEATURES.index("support"), FEATURES.index("ally")]
_HOPES = (4.0, 3.0, 2.0, 1.5)  # log odds given to all matches, round by round: what moved far is found only once its neighbors are
_RELAXATIONS = 5
_MANY = 90  # strokes
_SCARCE = 4.0
_SURE = 20.0  # log odds of what a person pinned
_CALIBRATION = (0.63, 0.55)  # of log odds, so that they are right as often as they say on drawn people
_ALONE = 0.27  # how often a stroke that got no partner has none, there
_PATH = 0.9  # how much each further stroke of a path counts, against a stroke on its own
_LIMIT = 5.0  # seconds for the best selection; then the best one found is taken


@dataclass(frozen=True, eq=False)
class CandidateSelection:
    """Candidates that are true together, and their log odds float64 (K,)."""

    found: StrokeCandidates
    odds: np.ndarray


def match_strokes(
    a: Strokes,
    b: Strokes,
    pairs: Sequence[tuple[int, int]] = (),
    fills_a: np.ndarray | None = None,
    fills_b: np.ndarray | None = None,
) -> StrokeMatches:
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
    a, b = close_fills(a, fills_a), close_fills(b, fills_b)
    matches = absorb_leftovers(a, b, _match_units(a, b, pairs, fills_a, fills_b))
    return unite_fills(a, b, matches, pairs, lambda one, two, marked: _match_units(one, two, (), *marked), _draw_half)


def _draw_half(a: Strokes, b: Strokes, matches: StrokeMatches) -> tuple[Strokes, np.ndarray]:
    made = StrokeInbetweener(a, b, matches).draw_at_place(0.5)
    return made.strokes, made.source[:, 0]


def _match_units(a: Strokes, b: Strokes, pairs: Sequence[tuple[int, int]], fills_a: np.ndarray, fills_b: np.ndarray) -> StrokeMatches:
    units_a, units_b = build_units(a, fills_a), build_units(b, fills_b)
    chosen = _select_candidates(units_a, units_b, pairs, find_copies(a, b))
    return _build_matches(a, b, units_a, units_b, chosen, fills_a, fills_b)


def _select_candidates(a: StrokeUnits, b: StrokeUnits, pairs: Sequence[tuple[int, int]], order: StrokeOrder) -> CandidateSelection:
    """Find the best candidates, look again from where they say that their surroundings go, and again."""
    points = np.concatenate([a.samples.ravel(), b.samples.ravel()])
    size = max(float(np.hypot(*np.ptp(to_xy(points), axis=0))), 1.0) if len(points) else 1.0
    pinned = _find_pinned_units(a, b, pairs)
    single_a, single_b = a.counts == 1, b.counts == 1
    first = alignment.align_overall(a.samples[single_a], b.samples[single_b], size)
    maps = np.full((1, len(a)), first[0]), np.full((1, len(a)), first[1])
    chosen = CandidateSelection(NOTHING, np.zeros(0))
    few = _rate_scarcity(int(max(single_a.sum(), single_b.sum())))
    for turn, hope in enumerate(_HOPES):
        weights = _WEIGHTS[min(turn, 1)]
        if len(chosen.found):
            one, two = _sample_matches(a, b, chosen.found)
            trust = 1.0 / (1.0 + np.exp(-chosen.odds))
            maps = alignment.align_locally(a, chosen.found.a, one, two, trust, size, first[0])
            order = learn_order(order, a.members[chosen.found.a, 0], b.members[chosen.found.b, 0])
        found = find_candidates(a, b, maps, order, size, weights, pinned)
        if not len(found):
            return CandidateSelection(found, np.zeros(0))
        odds = _relax_odds(a, b, found, size, pinned, weights, hope + few)
        rows = _pack_candidates(a, b, found, odds)
        chosen = CandidateSelection(found.take(rows), odds[rows])
    # The fewer strokes are left over, the likelier it is that one is the other, however far away.
    free_a, free_b = ~find_sharing_units(a, chosen.found.a), ~find_sharing_units(b, chosen.found.b)
    left = np.flatnonzero(free_a[found.a] & free_b[found.b])
    more = _rate_scarcity(int(max((free_a & single_a).sum(), (free_b & single_b).sum()))) - few
    last = left[_pack_candidates(a, b, found.take(left), odds[left] + max(more, 0.0))]
    rows = np.concatenate([rows, last])
    return CandidateSelection(found.take(rows), odds[rows])


def _rate_scarcity(count: int) -> float:
    """Log odds for a match where there are fewer strokes to choose from than in the drawings that the weights were fitted to."""
    return float(np.clip(np.log(_MANY / max(count, 1)), 0.0, _SCARCE))


def _relax_odds(
    a: StrokeUnits, b: StrokeUnits, found: StrokeCandidates, size: float, pinned, weights: np.ndarray, hope: float
) -> np.ndarray:
    """Bring candidates to agreement with their neighbors': log odds, float64 (C,)."""
    known = np.isin(found.a, pinned[0]) & np.isin(found.b, pinned[1])
    score = found.features @ weights + hope + _SURE * known
    neighbors = compare_neighbors(a, b, found, score, size)
    odds = score
    for _ in range(_RELAXATIONS):
        found.features[:, _SUPPORT] = np.stack(neighbors.support(_compute_probability(found, odds)), 1)
        odds = score + found.features[:, _SUPPORT] @ weights[_SUPPORT]
    return odds


def _compute_probability(found: StrokeCandidates, odds: np.ndarray) -> np.ndarray:
    """Of each candidate against all others of either unit, and against none."""
    power = np.exp(np.clip(odds, -30.0, 30.0))
    of_a, of_b = np.bincount(found.a, power), np.bincount(found.b, power)
    return power / (1.0 + of_a[found.a]) * power / (1.0 + of_b[found.b])


def _pack_candidates(a: StrokeUnits, b: StrokeUnits, found: StrokeCandidates, odds: np.ndarray) -> np.ndarray:
    """The rows that have the most odds together while no stroke is in two of them. Paths count for all strokes that they explain, so that
    one that fits wins over some of its strokes that fit by halves."""
    rows = np.flatnonzero(odds > 0.0)
    if not len(rows):
        return rows
    worth = odds * (1.0 + _PATH * ((a.counts[found.a] + b.counts[found.b]) / 2.0 - 1.0))
    used, column = [], []
    for units_, unit, base in ((a, found.a[rows], 0), (b, found.b[rows], int(a.members.max()) + 1)):
        row, nth = np.nonzero(units_.members[unit] >= 0)
        used.append(units_.members[unit[row], nth] + base)
        column.append(row)
    stroke, name = np.unique(np.concatenate(used), return_inverse=True)
    at = np.concatenate(column)
    matrix = sparse.csr_matrix((np.ones(len(at)), (name, at)), (len(stroke), len(rows)))
    best = milp(
        -worth[rows],
        constraints=LinearConstraint(matrix, -np.inf, 1.0),
        integrality=np.ones(len(rows)),
        bounds=Bounds(0.0, 1.0),
        options={"time_limit": _LIMIT, "mip_rel_gap": 1e-3},
    )
    return rows[best.x > 0.5] if best.x is not None else _pack_greedily(matrix, rows, worth)


def _pack_greedily(matrix, rows: np.ndarray, odds: np.ndarray) -> np.ndarray:
    taken, free = [], np.ones(matrix.shape[0], bool)
    columns = matrix.tocsc()
    for at in np.argsort(-odds[rows]):
        strokes = columns.indices[columns.indptr[at] : columns.indptr[at + 1]]
        if free[strokes].all():
            free[strokes] = False
            taken.append(at)
    return rows[np.sort(np.array(taken, np.int64))]


def _find_pinned_units(a: StrokeUnits, b: StrokeUnits, pairs: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Units for pinned strokes: single ones, or the chain of those that are pinned to one stroke."""
    one, two = [], []
    for i in dict.fromkeys(i for i, _ in pairs):
        js = sorted({j for k, j in pairs if k == i})
        others = sorted({k for k, j in pairs if j in js})
        unit_a, unit_b = _find_unit(a, others if len(js) == 1 else [i]), _find_unit(b, js)
        if unit_a >= 0 and unit_b >= 0 and unit_a not in one and unit_b not in two:
            one.append(unit_a)
            two.append(unit_b)
    return np.array(one, np.int64), np.array(two, np.int64)


def _find_unit(units_: StrokeUnits, strokes: Sequence[int]) -> int:
    unit = np.flatnonzero(units_.counts == len(strokes))
    found = units_.find_ranks(*np.broadcast_arrays(unit[:, None], np.array(strokes, np.int64))) >= 0
    rows = unit[found.all(1)]
    return int(rows[0]) if len(rows) else -1


def _sample_matches(a: StrokeUnits, b: StrokeUnits, found: StrokeCandidates) -> tuple[np.ndarray, np.ndarray]:
    """Points of matched units, evenly along them, one on the other: complex128 (K, GRID) each."""
    grid = np.linspace(0.0, 1.0, a.samples.shape[1])
    rows = np.arange(len(found))[:, None]
    return a.samples[found.a], map_places(b, found, rows, np.broadcast_to(grid, (len(found), len(grid))))


def _build_matches(
    a: Strokes, b: Strokes, units_a: StrokeUnits, units_b: StrokeUnits, chosen: CandidateSelection, fills_a, fills_b
) -> StrokeMatches:
    pieces, spans, row = cut_matches(a, b, units_a, units_b, chosen.found)
    scale, offset = _CALIBRATION
    confidence = 1.0 / (1.0 + np.exp(-scale * chosen.odds - offset))[row] if len(row) else np.zeros(0)
    confidence[chosen.odds[row] > _SURE / 2.0] = 1.0
    parts = [(pieces, spans, confidence, fills_a[pieces[:, 0]])]
    for side, (key, fills) in enumerate(((a, fills_a), (b, fills_b))):
        rest = np.setdiff1d(np.flatnonzero(np.diff(key.offsets)), pieces[:, side])
        alone = np.full((len(rest), 2), -1)
        alone[:, side] = rest
        stretch = np.zeros((len(rest), 4))
        stretch[:, 2 * side : 2 * side + 2] = find_full_spans(key)[rest]
        parts.append((alone, stretch, np.full(len(rest), _ALONE), fills[rest]))
    pieces, spans, confidence, fills = (np.concatenate(column) for column in zip(*parts, strict=True))
    return StrokeMatches(pieces.astype(np.int32), spans.astype(np.float32), confidence.astype(np.float32), fills)
