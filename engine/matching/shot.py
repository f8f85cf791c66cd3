"""One answer for a whole shot: what the references say of each drawing, and what neighboring drawings say of each other.

Every drawing keeps its own word from the references; its neighbors' words are added in proportion to how surely regions
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
    0.2  # least weight of what the references say of a drawing: drawings alike are misread alike, so their words are not independent
)
LINK_TRUST = 0.93  # how far a drawing believes a neighbor, at best
HINT_DOUBT = 2.0  # how much surer than not a region must be to follow from a hinted one, before it hears the hint more than the references


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
    words: Sequence[np.ndarray],
    links: Mapping[tuple[int, int], RegionLink],
    anchored: Sequence[bool],
    told: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Bring the drawings of a shot to agreement.

    `words` are the probabilities (R + 1, P + 1) by the references, `links[i, j]` how drawing i follows from j, `anchored` tells the
    drawings whose paint is known: they speak and do not listen. `told` is what a person's hints say of each drawing, as from
    `spread_hints`. Returns probabilities of the same shapes.

    One sweep forth and one back, as in a hidden Markov chain: what a drawing hears from one side never comes back to that side.
    """
    weight = max(REFERENCE_WEIGHT, 1.0 / max(1, len(words)))
    own = [word if sure else _temper_probs(word, weight) for word, sure in zip(words, anchored, strict=True)]
    if told is not None:
        own = [word * (1.0 - hint.sum(axis=1, keepdims=True)) + hint for word, hint in zip(own, told, strict=True)]
    heard = []
    for order in (range(len(words)), range(len(words) - 1, -1, -1)):
        said: dict[int, np.ndarray] = {}
        messages: dict[int, np.ndarray] = {}
        for i in order:
            messages[i] = _compute_message(i, links, said, own[i])
            said[i] = own[i] if anchored[i] else _normalize_rows(own[i] * messages[i])
        heard.append(messages)
    return [own[i] if anchored[i] else _normalize_rows(own[i] * heard[0][i] * heard[1][i]) for i in range(len(words))]


def propagate_hints(
    shapes: Sequence[tuple[int, int]],
    links: Mapping[tuple[int, int], RegionLink],
    anchored: Sequence[bool],
    hints: Mapping[int, Mapping[int, int]],
) -> list[np.ndarray]:
    """How surely each region of each drawing follows from one that a person has told the swatch of: float32 of the given `shapes`
    (R + 1, P + 1), rows add up to at most 1.

    References misread drawings that are alike in the same way, and all of them together would outvote a hint. So a hint goes from
    drawing to drawing by itself, forth and back from where it was given, as far as the links are sure. It ends where the paint is
    known, and at another hint; where two meet, that of the nearer drawing is heard.
    """
    heard = [np.zeros(shape, np.float32) for shape in shapes]
    away = sorted(((abs(i - source), source, i) for source in hints for i in range(len(shapes))), reverse=True)
    told = {source: _propagate_source(source, shapes, links, anchored, hints) for source in hints}
    for _, source, i in away:
        new = told[source].get(i)
        if new is not None:
            heard[i] = heard[i] * (1.0 - new.sum(axis=1, keepdims=True)) + new
    return heard


def _propagate_source(
    source: int,
    shapes: Sequence[tuple[int, int]],
    links: Mapping[tuple[int, int], RegionLink],
    anchored: Sequence[bool],
    hints: Mapping[int, Mapping[int, int]],
) -> dict[int, np.ndarray]:
    """What each drawing hears of the hints in drawing `source`, where it hears anything."""
    start: np.ndarray = np.zeros(shapes[source], np.float32)
    start[list(hints[source]), list(hints[source].values())] = 1.0
    carried: dict[int, np.ndarray] = {source: start}
    for step in (1, -1):
        said: dict[int, np.ndarray] = {source: start}
        i = source + step
        while 0 <= i < len(shapes) and not anchored[i] and any((i, j) in links and belief.any() for j, belief in said.items()):
            total, weights = _sum_beliefs(i, links, said, shapes[i])
            mean = total / np.maximum(weights, 1e-6)
            sure = mean**2 / (mean**2 + (HINT_DOUBT * (1.0 - mean)) ** 2)
            sure[sure < 0.01] = 0.0
            sure[list(hints.get(i, ()))] = 0.0
            carried[i] = said[i] = sure
            i += step
    return carried


def _compute_message(i: int, links: Mapping[tuple[int, int], RegionLink], said: Mapping[int, np.ndarray], like: np.ndarray) -> np.ndarray:
    """What those that have spoken say of drawing i: a mean of theirs, surer links counting more, and never a veto."""
    total, weights = _sum_beliefs(i, links, said, like.shape)
    if not weights.any():
        return np.ones_like(like)
    trust = LINK_TRUST * np.minimum(weights, 1.0)
    return trust * total / np.maximum(weights, 1e-6) + (1.0 - trust) / like.shape[1]


def _sum_beliefs(
    i: int, links: Mapping[tuple[int, int], RegionLink], said: Mapping[int, np.ndarray], shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """What the linked drawings said of drawing i, weighted by how sure and near they are; and the sum (R + 1, 1) of the weights."""
    total = np.zeros(shape, np.float32)
    weights = np.zeros((shape[0], 1), np.float32)
    for j, belief in said.items():
        link = links.get((i, j))
        if link is not None:
            sure = (link.max_transitions * link.alignment) ** 2 / abs(i - j)
            total += sure * (link.way @ belief)
            weights += sure
    return total, weights


def _temper_probs(word: np.ndarray, weight: float) -> np.ndarray:
    return _normalize_rows(np.maximum(word, 1e-6) ** weight)


def _normalize_rows(table: np.ndarray) -> np.ndarray:
    return table / np.maximum(table.sum(axis=1, keepdims=True), 1e-12)


def _softmax_rows(logs: np.ndarray) -> np.ndarray:
    table = np.exp(logs - logs.max(axis=1, keepdims=True))
    return table / table.sum(axis=1, keepdims=True)
