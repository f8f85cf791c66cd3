"""Ground truth of samples: the places of points in other drawings, and the swatches of a damaged drawing's regions."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.drawing.regions import Regions, segment_regions
from engine.drawing.sketch import Sketch
from engine.drawing.sketch.ends import find_skeleton_ends
from engine.job.pose import BODY

from .primitives import Primitives
from .render import transform_to_local
from .sample import ToonSample

# How far a feature of the head must lie toward the viewer, from the middle of the ears, in half their distance.
_TOWARD = {"nose": -0.3, "eye.R": -0.25, "eye.L": -0.25, "ear.R": -0.57, "ear.L": -0.57}
_NEAR = 0.04  # units; depths that differ by less are the same surface


def invert_views(sample: ToonSample) -> Tensor:
    """From the screen to the canonical space of each primitive in each drawing, float64 (D, P, 3, 4)."""
    count, rows = sample.view.matrix.shape[:2]
    figure, matrix = sample.figure, sample.view.matrix.reshape(-1, 3, 4)
    nothing = torch.zeros(count * rows, dtype=torch.int64, device=matrix.device)
    prims = Primitives(figure.kind.repeat(count), nothing, matrix, figure.params.repeat(count, 1), nothing, figure.hems)
    return prims.invert_matrices().reshape(count, rows, 3, 4)


def track_pixels(sample: ToonSample, source: int, target: int) -> tuple[Tensor, Tensor]:
    """Where what each pixel of one drawing shows is in another: xy float32 (H, W, 2) in px, nan for the background, and whether it
    can be seen there, bool (H, W). Pixel (column i, row j) stands for the point (i + 0.5, j + 0.5)."""
    layers, view = sample.layers, sample.view
    height, width = layers.prim.shape[1:]
    device = layers.prim.device
    row, column = torch.nonzero(layers.prim[source] >= 0, as_tuple=True)
    prim = layers.prim[source, row, column]
    local = transform_to_local(invert_views(sample)[source, prim], column + 0.5, row + 0.5, layers.depth[source, row, column])
    matrix = view.matrix[target, prim].double()  # some primitives are nearly edge-on
    there = ((matrix[:, :, :3] * local[:, None]).sum(2) + matrix[:, :, 3]).float()
    xy = torch.full((height, width, 2), torch.nan, device=device)
    xy[row, column] = there[:, :2]

    x, y = there[:, 0].floor().to(torch.int64), there[:, 1].floor().to(torch.int64)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    near = (layers.depth[target, y, x] - there[:, 2]).abs() < _NEAR * view.unit[target]
    same = layers.part[target, y, x] == layers.part[source, row, column]
    visible = torch.zeros((height, width), dtype=torch.bool, device=device)
    visible[row, column] = inside & near & same
    return xy, visible


@dataclass(frozen=True)
class RegionTruth:
    """The regions of a drawing as the project cuts them, and what they should be painted with.

    regions  as `engine.drawing.regions.segment` gives them
    swatch   int64 (count + 1,)   the swatch that most of the region's pixels have; entry 0 unused
    purity   float32 (count + 1,) the share of its pixels that have it: low where paint leaks
    part     int64 (count + 1,)   the part that most of the pixels show
    """

    regions: Regions
    swatch: np.ndarray
    purity: np.ndarray
    part: np.ndarray


def make_sketch(sample: ToonSample, drawing: int) -> Sketch:
    """A drawing of a sample as the engine reads scans."""
    lines = sample.lines.lines[drawing].cpu().numpy()
    paint = sample.lines.paint[drawing].cpu().numpy()
    traces = sample.lines.traces[drawing].cpu().numpy()
    return Sketch(paint=paint, lines=lines, traces=traces, ends=find_skeleton_ends(lines), id=f"{drawing:04d}")


def label_regions(sample: ToonSample, drawing: int, gap: float) -> RegionTruth:
    """Segment a damaged drawing by the project's own segmenter, closing gaps of up to `gap` px, and label its regions."""
    cut = segment_regions(make_sketch(sample, drawing), gap)
    labels = cut.labels.reshape(-1)
    swatch, purity = _find_majority(labels, sample.swatch[drawing].cpu().numpy().reshape(-1), cut.count)
    part, _ = _find_majority(labels, sample.layers.part[drawing].cpu().numpy().reshape(-1), cut.count)
    return RegionTruth(cut, swatch, purity, part)


def _find_majority(labels: np.ndarray, values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    kinds, index = np.unique(values, return_inverse=True)
    votes = np.bincount(labels * len(kinds) + index, minlength=(count + 1) * len(kinds)).reshape(count + 1, len(kinds))
    return kinds[votes.argmax(1)], (votes.max(1) / np.maximum(votes.sum(1), 1)).astype(np.float32)


def locate_bodies(sample: ToonSample) -> np.ndarray:
    """The joints of each character's body as a detector of poses would see them, float32 (D, C, 18, 2): x, y in px, nan for what lies
    outside the picture or, of the head, looks away from the viewer, and for all of what is no person."""
    marks = sample.view.marks.cpu().numpy()
    marks = marks.reshape(len(marks), -1, len(BODY), 3)
    width, height = sample.plan.size
    ears = marks[:, :, [BODY.index("ear.R"), BODY.index("ear.L")]]
    middle, half = ears.mean(2), np.linalg.norm(ears[:, :, 0] - ears[:, :, 1], axis=2) / 2.0
    hidden = np.any((marks[..., :2] < 0) | (marks[..., :2] >= (width, height)), axis=-1, keepdims=True)[..., 0]
    for name, least in _TOWARD.items():
        joint = BODY.index(name)
        hidden[:, :, joint] |= (marks[:, :, joint, 2] - middle[..., 2]) < least * half
    return np.where(hidden[..., None], np.nan, marks[..., :2]).astype(np.float32)
