"""Surveys drawings before any is painted: where their lines are, which are blank, and which of them the references color."""

from dataclasses import dataclass

import cv2
import numpy as np

from ...drawing.colors import palette

SIDE = 384  # px; the longer side at which lines are compared
REACH = 2.0  # px at that size; lines no farther apart count as the same
SIMILAR = 0.1  # drawings whose share is this close to the best are compared at full size, at most so many:
MOST = 8
SURE = 0.8  # below this share there is a warning
ALIGNED = 0.5  # from this share on a picture is taken as a drawing in color


@dataclass(frozen=True)
class DrawingSurvey:
    """The survey of a drawing: `box` (left, top, right, bottom) px around its lines, in the shot's pictures, all 0 when it is blank ·
    `lines` bool (h, w) at `SIDE`."""

    box: tuple[int, int, int, int]
    lines: np.ndarray

    @property
    def blank(self) -> bool:
        return self.box[2] == 0


def survey_lines(lines: np.ndarray) -> DrawingSurvey:
    """Survey lines bool (H, W)."""
    rows, columns = np.flatnonzero(lines.any(axis=1)), np.flatnonzero(lines.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else (0, 0, 0, 0)
    return DrawingSurvey(box, _shrink_mask(lines, _fit_side(lines.shape)))


@dataclass(frozen=True)
class ReferenceMarks:
    """The marks of a reference, bool (H, W): its `lines`, and `edges`, which are the lines and the edges of its paint."""

    lines: np.ndarray
    edges: np.ndarray

    @staticmethod
    def from_painted(painted: palette.PaintedReference) -> "ReferenceMarks":
        index, edges = painted.index, painted.lines.copy()
        edges[1:] |= index[1:] != index[:-1]
        edges[:, 1:] |= index[:, 1:] != index[:, :-1]
        return ReferenceMarks(painted.lines, edges)

    def shrink_marks(self) -> "ReferenceMarks":
        """The marks at the size of surveys."""
        size = _fit_side(self.lines.shape)
        return ReferenceMarks(_shrink_mask(self.lines, size), _shrink_mask(self.edges, size))


def measure_overlap(drawing: np.ndarray, marks: ReferenceMarks) -> float:
    """The share of a drawing's lines bool (H, W) that lies on lines or edges of a reference. The reference may show more."""
    if not drawing.any() or not marks.edges.any():
        return 0.0
    return float((_measure_distance(marks.edges)[drawing] <= REACH).mean())


def measure_closeness(drawing: np.ndarray, marks: ReferenceMarks) -> float:
    """How close a drawing's lines and a reference's are, both ways, 0..1. This tells similar drawings apart."""
    if not drawing.any() or not marks.edges.any():
        return 0.0
    near = np.exp(-_measure_distance(marks.edges)[drawing]).mean()
    return float(min(near, np.exp(-_measure_distance(drawing)[marks.lines]).mean()) if marks.lines.any() else near)


def _fit_side(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, SIDE / max(shape[:2]))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _shrink_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask: a pixel is set if any of its source pixels is."""
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA if size[0] < mask.shape[1] else cv2.INTER_NEAREST) > 0


def _measure_distance(mask: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
