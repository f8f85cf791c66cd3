"""What may be one line: strokes, and strokes that go on in one another."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from ..sketch.strokes import Strokes
from .curves import StrokeCurves, chain_stretches, find_full_spans
from .joins import MEET, EndJoins, find_joins

GRID = 32  # samples of a unit
_SHORT = 4  # strokes of a chain, of which all that are possible are tried
_RUNS = 8  # strokes of a path, of which all runs are tried
_CROWD = 24  # strokes of a path, of which only pairs are tried besides the whole
Links = tuple[tuple[int, float, float], ...]  # stretches (stroke, begin, end), one after the other


@dataclass(frozen=True, eq=False)
class StrokeUnits:
    """Single strokes first, in order, then chains of them.

    links    what each unit is made of
    members  int64 (U, M)         its strokes, -1 = none
    begins   float64 (U, M + 1)   at which fraction of its length each of them begins; and the end
    turned   bool (U, M)          runs the other way in the unit
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

    @cached_property
    def counts(self) -> np.ndarray:
        """How many strokes each unit has, int64 (U,)."""
        return (self.members >= 0).sum(1)

    def find_ranks(self, unit: np.ndarray, stroke: np.ndarray) -> np.ndarray:
        """Which member of a unit a stroke is, -1 for none; for arrays of any one shape."""
        keys, ranks, base = self._members_by_key
        wanted = unit * base + stroke
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, ranks[at], -1)

    def share_strokes(self, unit: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Whether units have a stroke in common, bool; for arrays of any one shape."""
        wanted = unit * len(self) + other
        at = np.minimum(np.searchsorted(self._sharing_keys, wanted), len(self._sharing_keys) - 1)
        return self._sharing_keys[at] == wanted

    @cached_property
    def _members_by_key(self) -> tuple[np.ndarray, np.ndarray, int]:
        unit, rank = np.nonzero(self.members >= 0)
        base = int(self.members.max(initial=0)) + 1
        keys = unit * base + self.members[unit, rank]
        order = np.argsort(keys)
        return keys[order], rank[order], base

    @cached_property
    def _sharing_keys(self) -> np.ndarray:
        unit, rank = np.nonzero(self.members >= 0)
        has = sparse.csr_matrix((np.ones(len(unit)), (unit, self.members[unit, rank])))
        shared = (has @ has.T).tocoo()
        return np.sort(shared.row.astype(np.int64) * len(self) + shared.col)


def build_units(strokes: Strokes, fills: np.ndarray) -> StrokeUnits:
    """The strokes of a drawing that have points, and the chains that they make where lines go on. `fills` bool (S,): these make none."""
    alive = np.flatnonzero(np.diff(strokes.offsets))
    spans = find_full_spans(strokes)
    joins = find_joins(strokes, fills)
    chains, rings = _find_chains(strokes, alive, joins)
    cuts = {}
    for pair, cut in zip(joins.ends.tolist(), joins.cuts.tolist(), strict=True):
        cuts[tuple(pair)], cuts[tuple(pair[::-1])] = tuple(cut), tuple(cut[::-1])
    links = [_link_strokes(chain, ring, spans, cuts) for chain, ring in zip(chains, rings, strict=True)]
    curves = chain_stretches(strokes, links)
    most = max(map(len, links), default=1)
    members, turned = np.full((len(links), most), -1), np.zeros((len(links), most), bool)
    for row, chain in enumerate(links):
        members[row, : len(chain)] = [stroke for stroke, _, _ in chain]
        turned[row, : len(chain)] = [begin > end for _, begin, end in chain]
    curve = curves.curve
    first = np.flatnonzero((np.diff(curves.stroke, prepend=-1) != 0) | (np.diff(curve, prepend=-1) != 0))
    begins = np.ones((len(links), most + 1))
    nth = np.arange(len(first)) - np.searchsorted(curve[first], curve[first])
    begins[curve[first], nth] = curves.along[first] - 2.0 * curve[first]

    counts = np.maximum(np.diff(strokes.offsets), 1)
    stroke = np.repeat(np.arange(len(strokes)), np.diff(strokes.offsets))
    width = np.bincount(stroke, strokes.widths, len(strokes)) / counts
    color = np.stack([np.bincount(stroke, strokes.colors[:, k], len(strokes)) / counts for k in range(4)], 1)
    samples = curves.sample(np.linspace(0.0, 1.0, GRID)).reshape(len(links), GRID)
    main = members[:, 0]
    gap, reach = np.abs(samples[:, 0] - samples[:, -1]), MEET + width[main]
    turns = strokes.cyclic[main] & (counts[main] > 1) if len(links) else np.zeros(0, bool)
    closed = turns | np.array(rings, bool) | ((gap <= reach) & (curves.lengths > 8.0 * reach))
    return StrokeUnits(
        tuple(links), members, begins, turned, curves, samples, closed, width[main], color[main], np.asarray(fills, bool)[main]
    )


def reverse_links(chain: Links) -> Links:
    """The same chain, drawn the other way."""
    return tuple((stroke, end, begin) for stroke, begin, end in chain[::-1])


def _find_chains(strokes: Strokes, alive: np.ndarray, joins: EndJoins) -> tuple[list[tuple[int, ...]], list[bool]]:
    """Single strokes, short chains of all kinds and whole paths, each as the ends that its strokes are left by; and which are rings."""
    onward: dict[int, list[int]] = {}
    seen: dict[int, int] = {}
    for (one, two), sure in zip(joins.ends.tolist(), joins.seen.tolist(), strict=True):
        onward.setdefault(one, []).append(two)
        onward.setdefault(two, []).append(one)
        if sure:
            seen[one], seen[two] = two, one
    singles = [(2 * row + 1,) for row in alive.tolist()]
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    tried: list[tuple[int, ...]] = []
    begun = [(end,) for end in onward]  # a chain as the ends that it is left by, the first one's other end being free
    paths = [(path, ring) for path, ring in _follow_paths(seen) if len(path) > 1]
    crowded = {end // 2 for path, _ in paths if len(path) > _CROWD for end in path}
    for count in range(2, _SHORT + 1):
        longer = []
        for ends in begun:
            for entered in onward.get(ends[-1], ()):
                if entered // 2 not in [end // 2 for end in ends] and (count == 2 or entered // 2 not in crowded):
                    longer.append((*ends, entered ^ 1))
        tried += longer
        begun = longer
    for path, ring in paths:
        tried += _list_runs(path, ring)
    for chain in tried:
        names = tuple(end // 2 for end in chain)
        # Where a ring begins is of no matter.
        found.setdefault(tuple(sorted(names)) if _is_ring(chain, onward) else min(names, names[::-1]), chain)
    chains = [*singles, *found.values()]
    return chains, [_is_ring(chain, onward) for chain in chains]


def _is_ring(chain: tuple[int, ...], onward: dict[int, list[int]]) -> bool:
    return (chain[0] ^ 1) in onward.get(chain[-1], ())


def _follow_paths(seen: dict[int, int]) -> Iterator[tuple[tuple[int, ...], bool]]:
    """Lines as the eye follows them from stroke to stroke, as the ends that strokes are left by; and whether each comes back."""
    left = {end // 2 for end in seen}
    for end in sorted(seen, key=lambda end: (end ^ 1) in seen):  # from free ends first: what is left then are rings
        if end // 2 not in left:
            continue
        path = [end]
        left.discard(end // 2)
        while (entered := seen.get(path[-1])) is not None and entered // 2 in left:
            path.append(entered ^ 1)
            left.discard(entered // 2)
        yield tuple(path), seen.get(path[-1]) == path[0] ^ 1


def _list_runs(path: tuple[int, ...], ring: bool) -> list[tuple[int, ...]]:
    """The whole path, and all runs of it that are longer than the chains that are there already, unless they are too many."""
    runs = [path]
    if len(path) <= _RUNS:
        around = path + path[:-1] if ring else path
        for count in range(_SHORT + 1, len(path)):
            runs += [around[begin : begin + count] for begin in range(len(path) if ring else len(path) - count + 1)]
    return runs


def _link_strokes(chain: tuple[int, ...], ring: bool, spans: np.ndarray, cuts: dict) -> Links:
    """The stretches of a chain, each from where the line comes over to where it goes over into the next."""
    links = []
    for nth, end in enumerate(chain):
        begin, last = spans[end // 2].tolist()[:: 1 if end % 2 else -1]
        before, after = chain[nth - 1], chain[(nth + 1) % len(chain)]
        if nth > 0 or ring:
            begin = cuts[end ^ 1, before][0]
        if nth < len(chain) - 1 or ring:
            last = cuts[end, after ^ 1][0]
        links.append((end // 2, begin, last))
    return tuple(links)
