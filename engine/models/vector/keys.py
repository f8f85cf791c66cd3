"""The keys of a cel, and which drawing lies where between which of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ...drawing.colors import palette, reference
from ...drawing.sketch import Sketch, centerlines, scan
from ...drawing.sketch import strokes as stroke_files
from ...drawing.sketch.strokes import Strokes
from ...job import Drawing, Job

SEEN = 0.005  # of the picture that must wear a color for a key to be a painted one
OUTLINED = 0.5  # of the borders between colors must have a line
_NO_ENDS = np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class VectorKey:
    """`strokes` of a key · `fills` bool (S,) those that bound painted areas · `picture` uint8 (H, W, 4), None of strokes · `painted` the
    picture's colors, None of line art."""

    strokes: Strokes
    fills: np.ndarray
    picture: np.ndarray | None = None
    painted: palette.PaintedReference | None = None


@dataclass(frozen=True)
class BetweenPlace:
    """A drawing to be made: the ids of the keys around it, its place between them, and the scene frame that it is first shown at."""

    before: str
    after: str
    at: float
    frame: int


def read_key(drawing: Drawing, folder: Path, size: tuple[int, int]) -> tuple[VectorKey, tuple[str, ...]]:
    """A key of the `size` of the frames, and what a person should know of its picture. Raises BadInput when it can't be read."""
    path = folder / drawing.file
    if drawing.kind == "strokes":
        found = stroke_files.load_strokes(path)
        return VectorKey(found, stroke_files.load_fills(path, len(found))), ()
    picture = reference.read_reference(path, drawing.name, size)
    if picture.pixels.shape[1::-1] != size:
        picture = replace(picture, pixels=cv2.resize(picture.pixels, size, interpolation=cv2.INTER_NEAREST))
    warnings = picture.warnings
    painted = palette.extract_palette(picture.pixels) if drawing.kind == "painted" else None
    if painted is None or not _colored(painted):
        sketch, painted = scan.read_scan(path, size), None
    else:
        ink = np.where(painted.lines[..., None], picture.pixels, 0).astype(np.uint8)
        sketch = Sketch(ink, painted.lines, np.zeros_like(painted.lines), _NO_ENDS, drawing.id)
        if _outlined(painted) < OUTLINED:
            warnings += (
                f"Few lines lie between the colors of {drawing.name}, and only strokes are moved here: use a model that makes pictures.",
            )
    found = centerlines.trace_centerlines(sketch)
    return VectorKey(found, np.zeros(len(found), bool), picture.pixels, painted), warnings


def _colored(painted: palette.PaintedReference) -> bool:
    """Whether anything wears a color that is neither paper nor, as thick lines of a small picture, ink."""
    worn = np.bincount(painted.index[painted.index >= 0].ravel(), minlength=len(painted.swatches)) / painted.index.size
    paper, ink = painted.swatches[:, :3].min(axis=1) >= 245, painted.swatches[:, :3].max(axis=1) < 64
    return bool((worn[(painted.swatches[:, 3] > 0) & ~paper & ~ink] > SEEN).any())


def _outlined(painted: palette.PaintedReference) -> float:
    """How much of the borders between colors has a line on it, 0..1."""
    worn = palette.grow_labels(painted.index + 1)
    border = np.zeros(worn.shape, bool)
    border[:, 1:] |= worn[:, 1:] != worn[:, :-1]
    border[1:] |= worn[1:] != worn[:-1]
    lines = cv2.dilate(painted.lines.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return float(lines[border].mean()) if border.any() else 1.0


def find_betweens(job: Job, cel: int) -> dict[str, BetweenPlace]:
    """What is to be made of a cel, by id. A drawing that follows line art is that line art, and a key of those around it."""
    kinds: Mapping[str, Drawing] = {drawing.id: drawing for drawing in job.drawings}
    shown = [(e.frame, kinds[id]) for e in job.frames if (id := e.drawings[cel]) is not None]
    found: dict[str, BetweenPlace] = {}
    for number, (frame, drawing) in enumerate(shown):
        if drawing.kind != "between" or drawing.guide is not None or drawing.id in found:
            continue
        before = next(d for _, d in reversed(shown[:number]) if _is_key(d))
        after = next(d for _, d in shown[number:] if _is_key(d))
        begin = before.at if before.guide is not None else 0.0
        end = after.at if after.guide is not None else 1.0
        at = (drawing.at - begin) / (end - begin) if end != begin else 0.0
        found[drawing.id] = BetweenPlace(before.guide or before.id, after.guide or after.id, at, frame)
    return found


def _is_key(drawing: Drawing) -> bool:
    return drawing.kind != "between" or drawing.guide is not None
