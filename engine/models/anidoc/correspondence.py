"""Points of a reference, found in the first drawing of a window and followed through the others, by the regions they lie in."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...matching import pair
from ...matching.shapes import Shapes
from . import points
from .references import Figure

SURE = 0.3  # probability above which a region is taken for another's
MODES = ("moving", "all", "none")


@dataclass(frozen=True)
class Tracks:
    """K points in the network's pixels: `reference` float32 (K, 2), `tracks` float32 (F, K, 2), `visible` bool (F, K)."""

    reference: np.ndarray
    tracks: np.ndarray
    visible: np.ndarray

    def of(self, chosen: np.ndarray) -> "Tracks":
        return Tracks(self.reference[chosen], self.tracks[:, chosen], self.visible[:, chosen])


@dataclass(frozen=True)
class Fit:
    """How a drawing's regions fit a figure's.

    `region` int (R + 1,) of the figure, -1 where none is likely · `swatch` float32 (R + 1, P) how likely each wears which swatch, rows
    add up to at most 1 · `share` of the drawing's area, its largest region left out, that is surely found in the figure.
    """

    region: np.ndarray
    swatch: np.ndarray
    share: float


def fit(drawing: Shapes, figure: Figure) -> Fit:
    """Find a drawing's regions in a figure."""
    assert figure.shapes.swatch is not None
    likely = chances(drawing, figure.shapes)
    sure = likely.max(axis=1)
    region = np.where(sure > SURE, likely.argmax(axis=1), -1)
    region[0] = -1
    worn = figure.shapes.swatch
    wears = np.zeros((len(worn), len(figure.swatches)), np.float32)
    wears[np.flatnonzero(worn >= 0), worn[worn >= 0]] = 1.0
    areas = drawing.areas.astype(np.float64).copy()
    areas[0] = areas[areas.argmax()] = 0.0
    return Fit(region, likely @ wears, float((areas * sure).sum() / max(areas.sum(), 1.0)))


def follow(first: Fit, figure: Figure, found: np.ndarray, places: Sequence[np.ndarray], links: Sequence[np.ndarray]) -> Tracks:
    """All regions of the first drawing that wear paint in the figure, as points.

    `found` float32 (RF + 1, 2) and `places` (R + 1, 2) are where the network's pictures have the regions of the figure and of each
    drawing; `links[i]` are the `chances` of the regions of drawing i in drawing i + 1.
    """
    paint = (first.swatch * (figure.swatches[:, 3] > 0)).sum(axis=1) > SURE
    painted = np.flatnonzero(paint & (first.region > 0))
    belief = np.zeros((len(painted), len(places[0])), np.float32)
    belief[np.arange(len(painted)), painted] = 1.0
    tracks = np.zeros((len(places), len(painted), 2), np.float32)
    visible = np.zeros((len(places), len(painted)), bool)
    for index, place in enumerate(places):
        if index:
            belief = belief @ links[index - 1]
        tracks[index] = place[belief.argmax(axis=1)]
        visible[index] = belief.max(axis=1) > SURE
    return Tracks(found[first.region[painted]], tracks, visible)


def select(tracks: Tracks, mode: str, seed: int, most: int) -> Tracks:
    """The tracks that the network is shown: as published those that `moving`, or `all`, or `none`; `most` of them at random."""
    tracks = tracks.of(points.pick(tracks.tracks.shape[1], seed))
    count = tracks.tracks.shape[1]
    if mode == "none" or count == 0:
        return tracks.of(np.zeros(0, np.int64))
    if mode == "all":
        return tracks.of(np.arange(min(most, count)))
    return tracks.of(points.draw(*points.moving(tracks.tracks, tracks.visible), seed, most))


def chances(a: Shapes, b: Shapes) -> np.ndarray:
    """How likely each region of A is each of B, float32 (RA + 1, RB + 1)."""
    match = pair.match(a, b)[0]
    return pair.probabilities(match.scores, match.nothing)


def deepest(shapes: Shapes, width: int) -> np.ndarray:
    """The point of each region that is farthest from its edge, float32 (R + 1, 2), in pixels of the picture, which is `width` px wide."""
    labels = np.pad(shapes.labels, 1)
    edge = np.zeros(labels.shape, bool)
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        edge |= labels != np.roll(labels, shift, axis)
    depth = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    order = np.argsort(depth.ravel(), kind="stable")
    place = np.zeros(shapes.count + 1, np.int64)
    place[shapes.labels.ravel()[order]] = order  # the last, and deepest, stays
    y, x = np.divmod(place, shapes.labels.shape[1])
    return ((np.stack([x, y], axis=1) + 0.5) * (width / shapes.labels.shape[1])).astype(np.float32)
