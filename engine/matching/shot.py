"""One answer for a whole shot: what the references say of each drawing, and what neighboring drawings say of each other.

Every drawing keeps its own word from the references; its neighbors' words are added in proportion to how surely regions
follow from one to the other. Predictions are never taken for references, so an error does not run through the shot.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .pair import Match, probabilities
from .shapes import Shapes

UNKNOWN = -1.6  # score of "no swatch of the references", against the best match of a region
TEMPERATURE = 1.0
SWAY = 0.5  # weight of a neighboring drawing's word
ROUNDS = 4
FLOOR = 0.02  # least probability that a neighbor gives a swatch: nobody has a veto


@dataclass(frozen=True)
class Link:
    """How surely each region of one drawing follows from each of another: `way` sparse (RA + 1, RB + 1), rows add up to at most 1."""

    way: sparse.csr_matrix
    alignment: float

    def arrays(self) -> dict[str, np.ndarray]:
        table = self.way.tocoo()
        return {
            "row": table.row.astype(np.int32),
            "column": table.col.astype(np.int32),
            "value": table.data,
            "shape": np.array(table.shape),
            "alignment": np.float64(self.alignment),
        }

    @staticmethod
    def of_arrays(arrays: Mapping[str, np.ndarray]) -> "Link":
        way = sparse.coo_matrix((arrays["value"], (arrays["row"], arrays["column"])), shape=tuple(arrays["shape"])).tocsr()
        return Link(way, float(arrays["alignment"]))


def link(match: Match) -> Link:
    way = probabilities(match.scores)
    way[way < 0.01] = 0.0
    return Link(sparse.csr_matrix(way), match.alignment)


def from_references(matches: Sequence[tuple[Match, Shapes]], swatches: int, count: int) -> np.ndarray:
    """What references say of one drawing: probabilities float32 (R + 1, P + 1), the last column for unknown."""
    score = np.full((count + 1, swatches), -np.inf, np.float32)
    for match, reference in matches:
        assert reference.swatch is not None
        # A region's score is compared between references by how well they fit as a whole.
        scores = match.scores / TEMPERATURE
        for swatch in np.unique(reference.swatch[1:]):
            if swatch >= 0:
                columns = np.flatnonzero(reference.swatch == swatch)
                score[:, swatch] = np.maximum(score[:, swatch], scores[:, columns[columns > 0]].max(axis=1))
    table = np.concatenate([score, np.full((count + 1, 1), -np.inf, np.float32)], axis=1)
    best = np.where(np.isfinite(score), score, -1e9).max(axis=1) if swatches else np.zeros(count + 1)
    table[:, -1] = best + UNKNOWN
    return _softmax(table).astype(np.float32)


def agree(words: Sequence[np.ndarray], links: Mapping[tuple[int, int], Link], anchored: Sequence[bool]) -> list[np.ndarray]:
    """Bring the drawings of a shot to agreement.

    `words` are the probabilities (R + 1, P + 1) by the references, `links[i, j]` how drawing i follows from j, `anchored` tells the
    drawings whose paint is known: they speak and do not listen. Returns probabilities of the same shapes.
    """
    logs = [np.log(np.maximum(word, 1e-6)) for word in words]
    sure = {pair: way.way.max(axis=1).toarray() * way.alignment for pair, way in links.items()}
    beliefs = list(words)
    for _ in range(ROUNDS):
        totals = [log.copy() for log in logs]
        for (i, j), way in links.items():
            if not anchored[i]:
                weight = SWAY * (2.0 if anchored[j] else 1.0)
                totals[i] += weight * sure[i, j] * np.log(np.maximum(way.way @ beliefs[j], FLOOR))
        beliefs = [words[i] if anchored[i] else _softmax(total) for i, total in enumerate(totals)]
    return beliefs


def _softmax(logs: np.ndarray) -> np.ndarray:
    table = np.exp(logs - logs.max(axis=1, keepdims=True))
    return table / table.sum(axis=1, keepdims=True)
