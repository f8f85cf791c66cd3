"""Painted film frames as references: what is not flat there takes its texture from there, moved by the flow of the lines.

A flat swatch can't stand for a sky that fades or a fence with grain, nor for two things that no line parts. Only a reference that is
painted, fills its whole picture and can be laid on the drawing's lines gives texture; every other leaves the swatches alone.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ...colors.palette import Painted
from ...matching import pair
from ...matching.shapes import Shapes, grow

ALIGNED = 0.5  # alignment of the lines below which the flow is not trusted
EVEN = 3.0  # CIELAB; a region that varies by less is flat


@dataclass(frozen=True)
class Film:
    """A film frame: `key` what it was made from, `pixels` uint8 (H, W, 4) without its lines, and its shapes."""

    key: str
    pixels: np.ndarray
    shapes: Shapes


def of_reference(key: str, pixels: np.ndarray, painted: Painted, views: list[Shapes]) -> Film | None:
    """The film frame that a reference is, or None when it is flat or shows a figure on paper."""
    if painted.flat or len(views) != 1 or (painted.swatches[:, 3] == 0).any():
        return None
    off_lines = cv2.dilate(painted.lines.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    nearest = grow(np.where(off_lines, np.arange(1, off_lines.size + 1, dtype=np.int32).reshape(off_lines.shape), 0))
    return Film(key, pixels.reshape(-1, 4)[nearest - 1], views[0])


def texture(film: Film, drawing: Shapes, grown: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The film frame moved to a drawing, uint8 (H, W, 4), and which regions bool (R + 1,) take it; None when the lines can't be aligned."""
    place, alignment = pair.place(drawing, film.shapes)
    if alignment < ALIGNED:
        return None
    height, width = grown.shape
    scale = film.pixels.shape[1] / film.shapes.labels.shape[1]
    place = cv2.resize(place, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(scale)
    moved = cv2.remap(film.pixels, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(moved[..., :3].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    flat, count = grown.ravel(), drawing.count + 1
    area = np.maximum(np.bincount(flat, minlength=count), 1)
    varies = np.zeros(count)
    for channel in range(3):
        values = lab[..., channel].ravel()
        mean = np.bincount(flat, values, count) / area
        varies += np.maximum(np.bincount(flat, values**2, count) / area - mean**2, 0.0)
    return moved, np.sqrt(varies) > EVEN
