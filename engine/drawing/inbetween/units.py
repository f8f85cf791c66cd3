"""What may be one line: strokes, and strokes that go on in one another."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..sketch.strokes import Strokes
from .curves import StrokeCurves, chain_stretches, find_full_spans, to_xy

GRID = 32  # samples of a unit
MOST = 4  # strokes of a chain
Links = tuple[tuple[int, float, float], ...]  # stretches (stroke, begin, end), one after the other
_SHARPEST = np.cos(np.radians(150.0))  # two of several ends that meet may be one line when it turns by less
_REACH = 1.5  # px, and half of both widths: how far apart ends may be that meet


@dataclass(frozen=True, eq=False)
class StrokeUnits:
    """Single strokes first, in order, then chains of them.

    links    what each unit is made of
    members  int64 (U, 4)         its strokes, -1 = none
    begins   float64 (U, 5)       at which fraction of its length each of them begins; and the end
    turned   bool (U, 4)          runs the other way in the unit
    curves   the units as curves
    samples  complex128 (U, GRID) points, evenly along each
    closed   bool (U,)            the end meets the beginning
    width    float64 (U,) px · color float64 (U, 4) · fills bool (U,)
    """

    links: tuple[Links, ...]
    members: np.ndarray
    begins: np.ndarray
    turned: np.ndarray
    curves: StrokeCurves
    samples: np.ndarray
    closed: np.ndarray
    width: np.ndarray
    color: np.ndarray
    fills: np.ndarray

    def __len__(self) -> int:
        return len(self.links)


def build_units(strokes: Strokes, fills: np.ndarray) -> StrokeUnits:
    """The strokes of a drawing that have points, and the chains that they make where ends meet. `fills` bool (S,): these make none."""
    alive = np.flatnonzero(np.diff(strokes.offsets))
    spans = find_full_spans(strokes)
    links = [((int(row), *spans[row].tolist()),) for row in alive]
    links += _find_chains(strokes, spans, alive, fills)
    curves = chain_stretches(strokes, links)
    members, turned = np.full((len(links), MOST), -1), np.zeros((len(links), MOST), bool)
    for row, chain in enumerate(links):
        members[row, : len(chain)] = [stroke for stroke, _, _ in chain]
        turned[row, : len(chain)] = [begin > end for _, begin, end in chain]
    curve = curves.curve
    first = np.flatnonzero((np.diff(curves.stroke, prepend=-1) != 0) | (np.diff(curve, prepend=-1) != 0))
    begins = np.ones((len(links), MOST + 1))
    nth = np.arange(len(first)) - np.searchsorted(curve[first], curve[first])
    begins[curve[first], nth] = curves.along[first] - 2.0 * curve[first]

    counts = np.maximum(np.diff(strokes.offsets), 1)
    stroke = np.repeat(np.arange(len(strokes)), np.diff(strokes.offsets))
    width = np.bincount(stroke, strokes.widths, len(strokes)) / counts
    color = np.stack([np.bincount(stroke, strokes.colors[:, k], len(strokes)) / counts for k in range(4)], 1)
    shape = (len(links), GRID)
    samples = curves.sample(np.linspace(0.0, 1.0, GRID)).reshape(shape)
    main = members[:, 0]
    gap = np.abs(samples[:, 0] - samples[:, -1])
    turns = strokes.cyclic[main] & (counts[main] > 1) if len(links) else np.zeros(0, bool)
    closed = turns | ((gap <= _REACH + width[main]) & (curves.lengths > 8.0 * (_REACH + width[main])))
    return StrokeUnits(
        tuple(links), members, begins, turned, curves, samples, closed, width[main], color[main], np.asarray(fills, bool)[main]
    )


def reverse_links(chain: Links) -> Links:
    """The same chain, drawn the other way."""
    return tuple((stroke, end, begin) for stroke, begin, end in chain[::-1])


def _find_chains(strokes: Strokes, spans: np.ndarray, alive: np.ndarray, fills: np.ndarray) -> list[Links]:
    """Chains of two to four open strokes whose ends meet, where only these two do or where they don't turn back."""
    partner = _find_meetings(strokes, alive[(~strokes.cyclic & ~np.asarray(fills, bool) & (np.diff(strokes.offsets) > 1))[alive]])
    found: dict[tuple[int, ...], Links] = {}
    begun = [[end] for end in partner]  # a chain as the ends that it is left by, the first one's other end being free
    for _ in range(MOST - 1):
        longer = []
        for ends in begun:
            for entered in partner.get(ends[-1], ()):
                if entered // 2 in [end // 2 for end in ends]:
                    continue
                chain = [*ends, entered ^ 1]
                longer.append(chain)
                names = tuple(end // 2 for end in chain)
                found.setdefault(
                    min(names, names[::-1]), tuple((end // 2, *spans[end // 2].tolist()[:: 1 if end % 2 else -1]) for end in chain)
                )
        begun = longer
    return list(found.values())


def _find_meetings(strokes: Strokes, rows: np.ndarray) -> dict[int, list[int]]:
    """For each end (2 x stroke, + 1 for its last point) the ends of other strokes that go on from there."""
    if not len(rows):
        return {}
    points = strokes.points.astype(np.float64) @ (1.0, 1j)
    first, last = strokes.offsets[rows].astype(np.int64), strokes.offsets[rows + 1].astype(np.int64) - 1
    ends = np.stack([2 * rows, 2 * rows + 1], 1).ravel()
    at = np.stack([first, last], 1).ravel()
    inward = np.stack([_measure_inward(points, first, last), _measure_inward(points, last, first)], 1).ravel()
    reach = _REACH / 2.0 + strokes.widths[at] / 2.0
    place = to_xy(points[at])
    pairs = cKDTree(place).query_pairs(2.0 * float(np.quantile(reach, 0.95)), output_type="ndarray")
    pairs = pairs[np.abs(points[at][pairs[:, 0]] - points[at][pairs[:, 1]]) <= reach[pairs].sum(1)]
    pairs = pairs[ends[pairs[:, 0]] // 2 != ends[pairs[:, 1]] // 2]
    degree = np.bincount(pairs.ravel(), minlength=len(ends))
    straight = -np.real(inward[pairs[:, 0]] * inward[pairs[:, 1]].conj())
    goes_on = ((degree[pairs] == 1).all(1)) | ((straight > _SHARPEST) & (degree[pairs] <= 6).all(1))
    partner: dict[int, list[int]] = {}
    for one, two in ends[pairs[goes_on]].tolist():
        partner.setdefault(one, []).append(two)
        partner.setdefault(two, []).append(one)
    return partner


def _measure_inward(points: np.ndarray, end: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Unit direction in which strokes leave their end: toward a point a little further in, so that a hook at the tip says nothing."""
    toward = end + np.sign(other - end) * np.minimum(np.abs(other - end), 2)
    step = points[toward] - points[end]
    return step / np.maximum(np.abs(step), 1e-9)
