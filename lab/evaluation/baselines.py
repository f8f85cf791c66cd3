"""Simple methods, to see what a model is worth: the reference copied, and the reference moved along the lines.

Each answers with the paint uint8 (H, W, 4) of every scored drawing of a task.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from engine.drawing.colors import palette

from .metrics import encode_colors, find_majority
from .shots import EvaluationFrame
from .tasks import PaintTask, TaskReference

SIDE = 480  # px; the longer side of the pictures that flow is found in
REACH = 24.0  # px of these; lines farther away look alike


@dataclass(frozen=True)
class FlatReference:
    """A reference without its lines: `colors` uint8 (H, W, 4), edge to edge, `lines` bool (H, W)."""

    colors: np.ndarray
    lines: np.ndarray


def flatten_reference(reference: TaskReference, size: tuple[int, int]) -> FlatReference:
    """A reference at a size (width, height). A painted one keeps its own pixels."""
    painted = palette.extract_palette(reference.pixels)
    known = painted.index >= 0
    if painted.flat and known.any():
        swatches = np.concatenate([painted.swatches, np.zeros((1, 4), np.uint8)])[painted.index]
        colors = swatches.view(np.uint32)[..., 0][find_nearest(known)].view(np.uint8).reshape(swatches.shape)
    else:
        colors = reference.pixels
    lines = cv2.resize(painted.lines.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.2
    return FlatReference(cv2.resize(colors, size, interpolation=cv2.INTER_NEAREST), lines)


def find_nearest(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the nearest known pixel of each pixel."""
    number = np.asarray(
        cv2.distanceTransformWithLabels((~known).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1], np.int32
    )
    row, column = np.nonzero(known)
    rows, columns = np.zeros(number.max() + 1, np.int64), np.zeros(number.max() + 1, np.int64)
    rows[number[row, column]], columns[number[row, column]] = row, column
    return rows[number], columns[number]


def copy_references(there: Sequence[FlatReference]) -> list[np.ndarray]:
    """The references of `choose_references` as they are."""
    return [reference.colors for reference in there]


def warp_references(task: PaintTask, there: Sequence[FlatReference]) -> list[np.ndarray]:
    """The references of `choose_references`, moved by the dense optical flow (DIS) between the distances to lines."""
    interpolation = cv2.INTER_LINEAR if task.shot.painted else cv2.INTER_NEAREST
    return [
        _warp_reference(reference, task.get_frame(number), interpolation)
        for number, reference in zip(task.scored_frames, there, strict=True)
    ]


def fill_by_majority(task: PaintTask, paints: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each region of the drawings takes the color that most of it has in `paints`."""
    result = []
    for number, colors in zip(task.scored_frames, paints, strict=True):
        regions = task.get_frame(number).regions
        winner, _, _ = find_majority(regions.labels, encode_colors(colors))
        result.append(color_regions(winner, regions.grown))
    return result


def choose_references(task: PaintTask) -> list[FlatReference]:
    """For each scored drawing the reference that is nearest in time."""
    size = task.get_frame(task.frames[0]).size
    found = {}
    for reference in task.references:
        found[reference.frame] = flatten_reference(reference, size)
        if reference.frame is not None:
            found[reference.frame] = replace(found[reference.frame], lines=task.get_frame(reference.frame).sketch.lines)
    return [found[task.find_nearest_reference(number).frame] for number in task.scored_frames]


def color_regions(color: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """Regions in their colors: codes uint32 (R + 1,) and labels (H, W) to uint8 (H, W, 4)."""
    table = np.zeros(int(grown.max()) + 1, np.uint32)
    table[: len(color)] = color
    return table[grown].view(np.uint8).reshape(*grown.shape, 4)


def _warp_reference(there: FlatReference, frame: EvaluationFrame, interpolation: int) -> np.ndarray:
    width, height = frame.size
    scale = min(1.0, SIDE / max(width, height))
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    one, two = _measure_distance(frame.sketch.lines, size), _measure_distance(there.lines, size)
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    method.setFinestScale(0)
    vectors = method.calc(one, two, np.zeros((size[1], size[0], 2), np.float32))
    vectors = cv2.resize(vectors, (width, height), interpolation=cv2.INTER_LINEAR) * np.array(
        [width / size[0], height / size[1]], np.float32
    )
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(there.colors, columns + vectors[..., 0], rows + vectors[..., 1], interpolation, borderMode=cv2.BORDER_REPLICATE)


def _measure_distance(lines: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    far = cv2.distanceTransform((~lines).view(np.uint8), cv2.DIST_L2, 5) * (size[0] / lines.shape[1])
    far = cv2.resize(np.minimum(far, REACH), size, interpolation=cv2.INTER_AREA)
    return (far * (255 / REACH)).astype(np.uint8)
