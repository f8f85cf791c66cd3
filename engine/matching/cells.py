"""Cells: parts of a drawing that a wide gap joins. What they wear is decided together, by energy: what each looks like, and how far each is
open to the next.

As in the fill tools that cut a picture along its lines' triangulation: to differ across a gap costs the more, the wider it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OPEN_COST = 12.0  # what it costs two cells to differ, were all of the smaller one's outline a gap; in nats
SURE = 0.9  # how sure a cell must be of what it wears to be painted though it is open
DOUBTED = 0.5  # how likely it must be to be more than background to be reported as open


@dataclass(frozen=True)
class CellBorder:
    """The gap between the cells `one` and `two`, numbers of regions, and its `share` 0..1 of the smaller one's outline."""

    one: int
    two: int
    share: float


def settle_cells(probs: np.ndarray, borders: Sequence[CellBorder]) -> np.ndarray:
    """What regions wear when cells are settled together, float32 (R + 1, P + 1) as `probs`: belief propagation, exact where the borders
    make no ring."""
    result = np.maximum(probs, 1e-9).astype(np.float64)
    ways = [(border.one, border.two, border.share) for border in borders]
    ways += [(two, one, share) for one, two, share in ways]
    messages = [np.ones(probs.shape[1]) for _ in ways]
    for _ in range(min(len(borders), 16)):
        for index, (source, _, share) in enumerate(ways):
            product = result[source].copy()
            for other, (_, into, _) in enumerate(ways):
                if into == source and other != (index + len(borders)) % len(ways):
                    product *= messages[other]
            product /= product.sum()
            apart = np.exp(-OPEN_COST * share)
            messages[index] = product + apart * (1.0 - product)
    for message, (_, target, _) in zip(messages, ways, strict=True):
        result[target] *= message
    return (result / result.sum(axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class CellVerdict:
    """Of each border bool (K,): `parted` where its two sides surely wear different swatches · `open` where they may, but nobody is sure ·
    the others lie between parts of the background."""

    parted: np.ndarray
    open: np.ndarray


def judge_borders(probs: np.ndarray, borders: Sequence[CellBorder], outside: np.ndarray, clear: int) -> CellVerdict:
    """Which gaps part a figure from the background. `probs` (R + 1, P + 1) of the regions of a drawing cut at all its gaps · `outside` bool
    (R + 1,) those that are background · `clear` the swatch of the background."""
    given = probs.copy()
    given[outside] = np.eye(probs.shape[1], dtype=probs.dtype)[clear]
    settled = settle_cells(given, borders)
    parted, unsure = np.zeros(len(borders), bool), np.zeros(len(borders), bool)
    for index, border in enumerate(borders):
        sides = np.array([border.one, border.two])
        wear, sure = settled[sides, :-1].argmax(1), settled[sides, :-1].max(1)
        parted[index] = wear[0] != wear[1] and sure.min() >= SURE
        painted = 1.0 - given[sides, clear]
        unsure[index] = not parted[index] and painted.max() >= DOUBTED and painted.min() < DOUBTED
    return CellVerdict(parted, unsure)
