"""Painted film frames as references: what is not flat there takes its texture from there, moved by the flow of the lines.

A flat swatch can't stand for a sky that fades or a fence with grain, nor for two things that no line parts. Only a reference that is
painted, fills its whole picture and shows the shot's own framing gives texture; every other leaves the swatches alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from ...drawing.colors.palette import PaintedReference, grow_labels
from ...matching import twin
from ...matching.shapes import REACH, SIDE, Shapes

ALIGNED = 0.5  # share of lines that must meet for the flow to be trusted
DRAWN = 0.6  # share of a drawing's lines that lie on edges of the film frame it was drawn over
NEAR = 2.0  # px; lines this near meet
EVEN = 3.0  # CIELAB; a region that varies by less is flat


@dataclass(frozen=True)
class FilmFrame:
    """A film frame: `key` of what it was made from · `pixels` uint8 (H, W, 4) without its lines · `index` int16 (H, W) into the cel's
    palette, -1 on lines · `lines` bool of any size, those that drawings are aligned to."""

    key: str
    pixels: np.ndarray
    index: np.ndarray
    lines: np.ndarray


@dataclass(frozen=True)
class FrameFlow:
    """Where each pixel of a drawing lies in a film frame: `x`, `y` float32 (H, W) as fractions of its size; `alignment` 0..1, the share of
    lines that meet."""

    x: np.ndarray
    y: np.ndarray
    alignment: float


def find_film_frame(key: str, pixels: np.ndarray, painted: PaintedReference, table: np.ndarray, lines: np.ndarray) -> FilmFrame | None:
    """The film frame that a reference is, or None when it is flat or shows a figure on paper; `table` as from `palette.merge_palettes`."""
    if painted.flat or (painted.swatches[:, 3] == 0).any():
        return None
    off_lines = cv2.dilate(painted.lines.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    nearest = grow_labels(np.where(off_lines, np.arange(1, off_lines.size + 1, dtype=np.int32).reshape(off_lines.shape), 0))
    return FilmFrame(key, pixels.reshape(-1, 4)[nearest - 1], table[painted.index], lines)


def find_drawing_over(view: Shapes, drawings: Iterable[tuple[str, Shapes]]) -> str | None:
    """The drawing whose lines lie best on those of a film frame, or None: lines drawn over a frame align better than lines found in it."""
    shares = {name: twin.measure_line_overlap(drawing, view)[0] for name, drawing in drawings}
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] >= DRAWN else None


def align_lines(film: FilmFrame, lines: np.ndarray) -> FrameFlow:
    """Follow the lines of a drawing, bool (H, W), to those of a film frame, by dense flow between the distances to them."""
    height, width = lines.shape
    scale = min(1.0, SIDE / max(height, width))
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    here, there = (_distance(mask, size) for mask in (lines, film.lines))
    moved = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    moved.setFinestScale(0)
    vectors = moved.calc(here, there, np.zeros((size[1], size[0], 2), np.float32))
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float32)
    x, y = columns + vectors[..., 0], rows + vectors[..., 1]
    on_lines = here == 0
    meets = cv2.remap(there, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[on_lines] < 255 * NEAR / REACH
    full = [cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in (x / size[0], y / size[1])]
    return FrameFlow(full[0], full[1], float(meets.mean()) if len(meets) else 0.0)


def count_votes(film: FilmFrame, way: FrameFlow, grown: np.ndarray, count: int, swatches: int) -> np.ndarray:
    """The share of each region that lands on each swatch of a film frame, float32 (count + 1, swatches + 1); the last for none."""
    seen = _moved(film.index, way, cv2.INTER_NEAREST)
    code = grown.astype(np.int64) * (swatches + 1) + np.where(seen < 0, swatches, seen)
    found = np.bincount(code.ravel(), minlength=(count + 1) * (swatches + 1)).reshape(count + 1, -1).astype(np.float32)
    return found / np.maximum(found.sum(axis=1, keepdims=True), 1.0)


def move_texture(film: FilmFrame, way: FrameFlow, grown: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The film frame moved to a drawing, uint8 (H, W, 4), and which regions bool (count + 1,) take it: those that are not even in it."""
    moved = _moved(film.pixels, way, cv2.INTER_LINEAR)
    lab = cv2.cvtColor(moved[..., :3].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    flat = grown.ravel()
    area = np.maximum(np.bincount(flat, minlength=count + 1), 1)
    varies = np.zeros(count + 1)
    for channel in range(3):
        values = lab[..., channel].ravel()
        mean = np.bincount(flat, values, count + 1) / area
        varies += np.maximum(np.bincount(flat, values**2, count + 1) / area - mean**2, 0.0)
    return moved, np.sqrt(varies) > EVEN


def _moved(picture: np.ndarray, way: FrameFlow, interpolation: int) -> np.ndarray:
    height, width = picture.shape[:2]
    return cv2.remap(picture, way.x * width, way.y * height, interpolation, borderMode=cv2.BORDER_REPLICATE)


def _distance(lines: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Distance to the nearest line, uint8 at `size`, 0 to 255 at REACH."""
    far = cv2.distanceTransform((~lines).astype(np.uint8), cv2.DIST_L2, 5) * (size[0] / lines.shape[1])
    far = cv2.resize(np.minimum(far, REACH), size, interpolation=cv2.INTER_NEAREST)
    return (far * (255.0 / REACH)).astype(np.uint8)
