"""What is known of drawings before any is painted: where their lines are, which are blank, and which of them the references color."""

from dataclasses import dataclass

import cv2
import numpy as np

from ...colors import palette

SIDE = 384  # px; the longer side at which lines are laid over each other
REACH = 2.0  # px of these; so far lines may lie apart and still be the same
ALIGNED = 0.5  # share of lines that meet, both ways, from which a picture is taken for a drawing's colors


@dataclass(frozen=True)
class Survey:
    """Of a drawing: `box` (left, top, right, bottom) px that holds its lines, in the shot's pictures, all 0 when it is blank · `lines` bool
    (h, w) at `SIDE`."""

    box: tuple[int, int, int, int]
    lines: np.ndarray

    @property
    def blank(self) -> bool:
        return self.box[2] == 0


def survey(lines: np.ndarray) -> Survey:
    """Of lines bool (H, W)."""
    rows, columns = np.flatnonzero(lines.any(axis=1)), np.flatnonzero(lines.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else (0, 0, 0, 0)
    return Survey(box, _shrunk(lines, _small(lines.shape)))


def marks(painted: palette.Painted, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The lines of a reference, and the lines and edges of paint, both bool (h, w), as those of drawings of `size` (width, height)."""
    index = painted.index
    edges = painted.lines.copy()
    edges[1:] |= index[1:] != index[:-1]
    edges[:, 1:] |= index[:, 1:] != index[:, :-1]
    small = _small(size[::-1])
    return _shrunk(painted.lines, small), _shrunk(edges, small)


def overlap(drawing: np.ndarray, lines: np.ndarray, edges: np.ndarray) -> float:
    """How much of a drawing's lines lies on edges of a reference, and of the reference's lines on the drawing's: the smaller share, 0..1.
    A reference without lines is asked the one way alone. All bool (h, w)."""
    if not drawing.any() or not edges.any():
        return 0.0
    forth = (_distance(edges)[drawing] <= REACH).mean()
    if not lines.any():
        return float(forth)
    return float(min(forth, (_distance(drawing)[lines] <= REACH).mean()))


def _small(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, SIDE / max(shape[:2]))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _shrunk(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask at another size: whatever is touched is set."""
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA if size[0] < mask.shape[1] else cv2.INTER_NEAREST) > 0


def _distance(mask: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
