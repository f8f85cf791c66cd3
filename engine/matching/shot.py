"""One answer for a whole shot: what the references say of each drawing, and what neighboring drawings say of each other.

Every drawing keeps its own probabilities from the references; its neighbors' are added in proportion to how surely regions
follow from one to the other. Predictions are never taken for references, so an error does not run through the shot.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .pair import RegionMatch, compute_probabilities
from .shapes import Shapes

REFERENCE_WEIGHT = (
    0.2  # least weight of what the references say of a drawing: drawings alike are misread alike, so they are not independent
)
LINK_TRUST = 0.93  # how far a drawing believes a neighbor, at best
HINT_DOUBT = 2.0  # how much surer than not a region must be to follow from a hinted one, before the hint counts more than the references


@dataclass(frozen=True)
class RegionLink:
    """How surely each region of one drawing follows from each of another: `way` sparse (RA + 1, RB + 1), rows add up to at most 1."""

    way: sparse.csr_array
    alignment: float

    @functools.cached_property
    def max_transitions(self) -> np.ndarray:
        """The largest value of each row, float32 (RA + 1, 1)."""
        return self.way.max(axis=1).toarray().reshape(-1, 1)

    def arrays(self) -> dict[str, np.ndarray]:
        table = self.way.tocoo()
        return {
            "row": table.row.astype(np.int32),
            "column": table.col.astype(np.int32),
            "value": table.data,
            "shape": np.array(table.shape),
            "alignment": np.array(self.alignment),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> "RegionLink":
        way = sparse.coo_array((arrays["value"], (arrays["row"], arrays["column"])), shape=tuple(arrays["shape"])).tocsr()
        return RegionLink(way, float(arrays["alignment"]))


def link_regions(match: RegionMatch) -> RegionLink:
    way = compute_probabilities(match.scores, match.nothing)
    way[way < 0.01] = 0.0
    return RegionLink(sparse.csr_array(way), match.alignment)


def compute_reference_probs(matches: Sequence[tuple[RegionMatch, Shapes]], swatches: int, count: int) -> np.ndarray:
    """What references say of one drawing: probabilities float32 (R + 1, P + 1), the last column for unknown."""
    table = np.full((count + 1, swatches + 1), -np.inf, np.float32)
    for match, reference in matches:
        assert reference.swatch is not None
        worn = reference.swatch[1:]
        for swatch in np.unique(worn[worn >= 0]):
            alike = np.logaddexp.reduce(match.scores[:, 1:][:, worn == swatch] - match.nothing, axis=1)
            table[:, swatch] = np.logaddexp(table[:, swatch], alike)
    table[:, -1] = 0.0  # scores count from that of having no match, which makes references comparable
    return _softmax_rows(table).astype(np.float32)


def smooth_over_shot(
    probs: Sequence[np.ndarray],
    links: Mapping[tuple[int, int], RegionLink],
    anchored: Sequence[bool],
    hinted: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Bring the drawings of a shot to agreement.

    `probs` are the probabilities (R + 1, P + 1) by the references, `links[i, j]` how drawing i follows from j, `anchored` marks the
    drawings whose paint is known: they send messages and take none. `hinted` is what hints make of each drawing, as from
    `propagate_hints`. Returns probabilities of the same shapes.

    One sweep forth and one back, as in a hidden Markov chain: a message from one side never returns to that side.
    """
    weight = max(REFERENCE_WEIGHT, 1.0 / max(1, len(probs)))
    own = [row if sure else _temper_probs(row, weight) for row, sure in zip(probs, anchored, strict=True)]
    if hinted is not None:
        own = [row * (1.0 - hint.sum(axis=1, keepdims=True)) + hint for row, hint in zip(own, hinted, strict=True)]
    passes = []
    for order in (range(len(probs)), range(len(probs) - 1, -1, -1)):
        beliefs: dict[int, np.ndarray] = {}
        messages: dict[int, np.ndarray] = {}
        for i in order:
            messages[i] = _compute_message(i, links, beliefs, own[i])
            beliefs[i] = own[i] if anchored[i] else _normalize_rows(own[i] * messages[i])
        passes.append(messages)
    return [own[i] if anchored[i] else _normalize_rows(own[i] * passes[0][i] * passes[1][i]) for i in range(len(probs))]


def propagate_hints(
    shapes: Sequence[tuple[int, int]],
    links: Mapping[tuple[int, int], RegionLink],
    anchored: Sequence[bool],
    hints: Mapping[int, Mapping[int, int]],
) -> list[np.ndarray]:
    """How surely each region of each drawing follows from one whose swatch a person has given: float32 of the given `shapes`
    (R + 1, P + 1), rows add up to at most 1.

    References misread drawings that are alike in the same way, and all of them together would outvote a hint. So a hint goes from
    drawing to drawing by itself, forth and back from where it was given, as far as the links are sure. It ends where the paint is
    known, and at another hint; where two meet, that of the nearer drawing counts.
    """
    result = [np.zeros(shape, np.float32) for shape in shapes]
    away = sorted(((abs(i - source), source, i) for source in hints for i in range(len(shapes))), reverse=True)
    propagated = {source: _propagate_source(source, shapes, links, anchored, hints) for source in hints}
    for _, source, i in away:
        new = propagated[source].get(i)
        if new is not None:
            result[i] = result[i] * (1.0 - new.sum(axis=1, keepdims=True)) + new
    return result


def _propagate_source(
    source: int,
    shapes: Sequence[tuple[int, int]],
    links: Mapping[tuple[int, int], RegionLink],
    anchored: Sequence[bool],
    hints: Mapping[int, Mapping[int, int]],
) -> dict[int, np.ndarray]:
    """What the hints in drawing `source` make of each drawing that they reach."""
    start: np.ndarray = np.zeros(shapes[source], np.float32)
    start[list(hints[source]), list(hints[source].values())] = 1.0
    carried: dict[int, np.ndarray] = {source: start}
    for step in (1, -1):
        beliefs: dict[int, np.ndarray] = {source: start}
        i = source + step
        while 0 <= i < len(shapes) and not anchored[i] and any((i, j) in links and belief.any() for j, belief in beliefs.items()):
            total, weights = _sum_beliefs(i, links, beliefs, shapes[i])
            mean = total / np.maximum(weights, 1e-6)
            sure = mean**2 / (mean**2 + (HINT_DOUBT * (1.0 - mean)) ** 2)
            sure[sure < 0.01] = 0.0
            sure[list(hints.get(i, ()))] = 0.0
            carried[i] = beliefs[i] = sure
            i += step
    return carried


def _compute_message(
    i: int, links: Mapping[tuple[int, int], RegionLink], beliefs: Mapping[int, np.ndarray], like: np.ndarray
) -> np.ndarray:
    """What those that have spoken say of drawing i: a mean of theirs, surer links counting more, and never a veto."""
    total, weights = _sum_beliefs(i, links, beliefs, like.shape)
    if not weights.any():
        return np.ones_like(like)
    trust = LINK_TRUST * np.minimum(weights, 1.0)
    return trust * total / np.maximum(weights, 1e-6) + (1.0 - trust) / like.shape[1]


def _sum_beliefs(
    i: int, links: Mapping[tuple[int, int], RegionLink], beliefs: Mapping[int, np.ndarray], shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """What the linked drawings make of drawing i, weighted by how sure and near they are; and the sum (R + 1, 1) of the weights."""
    total = np.zeros(shape, np.float32)
    weights = np.zeros((shape[0], 1), np.float32)
    for j, belief in beliefs.items():
        link = links.get((i, j))
        if link is not None:
            sure = (link.max_transitions * link.alignment) ** 2 / abs(i - j)
            total += sure * (link.way @ belief)
            weights += sure
    return total, weights


def _temper_probs(probs: np.ndarray, weight: float) -> np.ndarray:
    return _normalize_rows(np.maximum(probs, 1e-6) ** weight)


def _normalize_rows(table: np.ndarray) -> np.ndarray:
    return table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12)


def _softmax_rows(logs: np.ndarray) -> np.ndarray:
    table = np.exp(logs - logs.max(axis=1, keepdims=True))
    return table / table.sum(axis=1, keepdims=True)
