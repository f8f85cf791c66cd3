"""The drawings of a shot as AniDoc needs them: lines for the network, regions for the matcher and for the paint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...job import Drawing, Job
from ...matching import shapes
from ...regions import CROSSINGS, Regions, segment
from ...sketch import Sketch, raster, scan, strokes
from . import correspondence
from .canvas import Canvas
from .references import Figure

HEIGHT = 1080  # px; the option `gap` is given for a picture of this height


@dataclass(frozen=True)
class Read:
    """What is kept of a drawing while the shot is painted: `lines` packed bits of bool (H, W) · `deepest` float32 (R + 1, 2) a point
    in each region · `fits` how it fits each figure · `link` float32 (R + 1, R' + 1) how likely each region of the drawing before is each
    of this one's; None for the first."""

    lines: np.ndarray
    deepest: np.ndarray
    fits: tuple[correspondence.Fit, ...]
    link: np.ndarray | None

    def sketch(self, size: tuple[int, int]) -> np.ndarray:
        """The lines, bool (H, W)."""
        return np.unpackbits(self.lines, count=size[0] * size[1]).astype(bool).reshape(size[1], size[0])


def open_drawing(job: Job, drawing: Drawing, folder: Path) -> tuple[Sketch, Regions]:
    """A drawing and its regions. Raises BadInput when it can't be read."""
    path = folder / drawing.file
    sketch = raster.rasterize(strokes.load(path), job.size) if drawing.kind == "strokes" else scan.read(path, job.size)
    return sketch, segment(sketch, float(job.options["gap"]) * job.size[1] / HEIGHT)  # type: ignore[arg-type]


def read(job: Job, drawing: Drawing, folder: Path, figures: Sequence[Figure], before: shapes.Shapes | None) -> tuple[Read, shapes.Shapes]:
    """Read a drawing and match it with the figures and with the drawing before. Raises BadInput."""
    sketch, regions = open_drawing(job, drawing, folder)
    traces = regions.crossing == CROSSINGS.index("trace")
    described = shapes.describe(regions.grown, sketch.lines, regions.count, regions.edges, traces)
    fits = tuple(correspondence.fit(described, figure) for figure in figures)
    link = None if before is None else correspondence.chances(before, described)
    deepest = correspondence.deepest(described, job.size[0])
    return Read(np.packbits(sketch.lines), deepest, fits, link), described


def binarized(lines: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Lines bool (H, W) in the network's picture, bool: thin ones are not lost when they shrink."""
    share = canvas.show(lines.astype(np.float32), 0.0)
    return share > min(0.25, 0.4 * canvas.scale)


def to_uint8(frame: np.ndarray) -> np.ndarray:
    """A frame float (3, H, W) in 0..1 as uint8 (H, W, 3)."""
    return cv2.convertScaleAbs(np.ascontiguousarray(frame.transpose(1, 2, 0)), alpha=255.0)
