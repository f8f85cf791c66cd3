"""Points of a reference that are located in the first drawing of a window and followed through the others.

Regions are matched by the trained matcher and the measured evidence together. Within its region a point is located by the matcher's
features. If these lead out of the region, its deepest point is used. docs/anidoc.md has the measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...matching import embedding, shot
from ...matching.shapes import Shapes
from ...pictures.figure_match import SURE, FigureFit
from ...pictures.figures import Figure
from . import points


@dataclass(frozen=True)
class Tracks:
    """K points: `reference` float32 (K, 2), `tracks` float32 (F, K, 2), `visible` bool (F, K)."""

    reference: np.ndarray
    tracks: np.ndarray
    visible: np.ndarray

    def keep_points(self, chosen: np.ndarray) -> "Tracks":
        return Tracks(self.reference[chosen], self.tracks[:, chosen], self.visible[:, chosen])


@dataclass(frozen=True)
class FeatureView:
    """A picture in which points are located: `labels` int32 (h, w) its regions · `scale` pixels of the label map per picture pixel ·
    `deepest` float32 (R + 1, 2) a point in each region, in pixels of the picture · `dense` the matcher's features at each place."""

    labels: np.ndarray
    scale: float
    deepest: np.ndarray
    dense: embedding.DenseFeatures

    @staticmethod
    def from_shapes(shapes: Shapes, dense: embedding.DenseFeatures, width: int) -> "FeatureView":
        """The view of a picture that is `width` px wide."""
        return FeatureView(shapes.labels, shapes.labels.shape[1] / width, find_deepest_points(shapes, width), dense)

    def look_up_regions(self, at: np.ndarray) -> np.ndarray:
        """The regions at points (K, 2) of the picture, int64 (K,)."""
        x, y = np.clip((at * self.scale).astype(np.int64), 0, np.array(self.labels.shape[::-1]) - 1).T
        return self.labels[y, x].astype(np.int64)

    def find_points(self, other: "FeatureView", at: np.ndarray, regions: np.ndarray) -> np.ndarray:
        """Locate points `at` (K, 2) of another picture in `regions` (K,) of this one, float32 (K, 2)."""
        if len(at) == 0:
            return np.zeros((0, 2), np.float32)
        found = embedding.match_points(other.dense, at * other.scale, self.dense)[0] / self.scale
        inside = self.look_up_regions(found) == regions
        return np.where(inside[:, None], found, self.deepest[regions]).astype(np.float32)


@dataclass(frozen=True)
class TrackStart:
    """K points `reference` float32 (K, 2) of a figure, located in a drawing: `places` float32 (K, 2) in its pixels, in `regions` (K,)."""

    reference: np.ndarray
    places: np.ndarray
    regions: np.ndarray


def start_tracks(fit: FigureFit, figure: Figure, clear: np.ndarray, shown: FeatureView, drawing: FeatureView) -> TrackStart:
    """One point for each region of a drawing that is painted in the figure. `clear` bool (P,) marks palette entries that are not paint."""
    assert figure.shapes.swatch is not None
    swatch = figure.shapes.swatch[fit.region]
    regions = np.flatnonzero((fit.region > 0) & (swatch >= 0) & ~clear[swatch])
    places = drawing.deepest[regions]
    return TrackStart(shown.find_points(drawing, places, fit.region[regions]), places, regions)


def follow_tracks(begin: TrackStart, drawings: Sequence[FeatureView], links: Sequence[shot.RegionLink]) -> Tracks:
    """Follow the points from the first drawing through the others. `links[i]` links the regions of drawing i to those of drawing i + 1."""
    belief = np.zeros((len(begin.regions), len(drawings[0].deepest)), np.float32)
    belief[np.arange(len(begin.regions)), begin.regions] = 1.0
    tracks, visible = [begin.places], [np.ones(len(begin.regions), bool)]
    for drawing, link in zip(drawings[1:], links, strict=True):
        belief = belief @ link.way
        tracks.append(drawing.find_points(drawings[0], begin.places, belief.argmax(axis=1)))
        visible.append(belief.max(axis=1) > SURE)
    return Tracks(begin.reference, np.stack(tracks), np.stack(visible))


def straighten_tracks(tracks: Tracks, places: Sequence[float]) -> Tracks:
    """Interpolate tracks on straight lines between the first frame, at 0, and the last, at 1, at all `places`."""
    moved = points.interpolate_tracks(tracks.tracks[0], tracks.tracks[-1], places).astype(np.float32)
    both = tracks.visible[0] & tracks.visible[-1]
    return Tracks(tracks.reference, moved, np.broadcast_to(both, moved.shape[:2]))


def select_tracks(tracks: Tracks, mode: str, seed: int, most: int) -> Tracks:
    """Choose the tracks for the network: those that are `moving`, as published, or `all`, or `none`. At most `most` of them, at random."""
    tracks = tracks.keep_points(points.pick_points(tracks.tracks.shape[1], seed))
    count = tracks.tracks.shape[1]
    if mode == "none" or count == 0:
        return tracks.keep_points(np.zeros(0, np.int64))
    if mode == "all":
        return tracks.keep_points(np.arange(min(most, count)))
    return tracks.keep_points(points.draw_points(*points.find_moving_points(tracks.tracks, tracks.visible), seed, most))


def find_deepest_points(shapes: Shapes, width: int) -> np.ndarray:
    """The point of each region that is farthest from its edge, float32 (R + 1, 2), in pixels of the picture of `width` px."""
    labels = np.pad(shapes.labels, 1)
    edge = np.zeros(labels.shape, bool)
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        edge |= labels != np.roll(labels, shift, axis)
    depth = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    order = np.argsort(depth.ravel(), kind="stable")
    place = np.zeros(shapes.count + 1, np.int64)
    place[shapes.labels.ravel()[order]] = order  # the last assignment, the deepest, wins
    y, x = np.divmod(place, shapes.labels.shape[1])
    return ((np.stack([x, y], axis=1) + 0.5) * (width / shapes.labels.shape[1])).astype(np.float32)
