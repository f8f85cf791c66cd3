"""How the drawings of a shot are fitted into a network's pictures: cropped to their content and padded, never stretched."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

STEP = 64  # px; the networks' pictures are multiples of this
MARGIN = 0.04  # around the content, as a fraction of its longer side


@dataclass(frozen=True)
class Canvas:
    """`size` (width, height) px of the network's pictures · `box` (x, y, width, height) px is the part of the shot's pictures in them ·
    `scale` network px a px · `corner` x, y of the box's top left corner in the network's pictures."""

    size: tuple[int, int]
    box: tuple[int, int, int, int]
    scale: float
    corner: tuple[float, float]

    def map_points(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the shot's pictures as points of the network's."""
        return ((points - np.array(self.box[:2])) * self.scale + np.array(self.corner)).astype(np.float32)

    def fit_picture(self, picture: np.ndarray, fill: float | None = 255) -> np.ndarray:
        """Fit a picture (H, W) or (H, W, C) of the shot, or of the box's shape, into the network's. Padded with `fill`, or with its own
        edges if that is None."""
        x, y, width, height = self.box
        inner = (max(1, round(width * self.scale)), max(1, round(height * self.scale)))
        small = _resize_picture(picture[y : y + height, x : x + width], inner)
        left, top = round(self.corner[0]), round(self.corner[1])
        if fill is None:
            right, bottom = self.size[0] - left - inner[0], self.size[1] - top - inner[1]
            return cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REPLICATE)
        result = np.full((self.size[1], self.size[0], *picture.shape[2:]), fill, picture.dtype)
        result[top : top + inner[1], left : left + inner[0]] = small
        return result

    def put_back(self, frame: np.ndarray, size: tuple[int, int], fill: int = 255) -> np.ndarray:
        """Paste the network's frame uint8 (h, w, 3) into a picture of the shot's `size` (width, height), `fill` outside the box."""
        x, y, width, height = self.box
        left, top = round(self.corner[0]), round(self.corner[1])
        inner = frame[top : top + max(1, round(height * self.scale)), left : left + max(1, round(width * self.scale))]
        result = np.full((size[1], size[0], 3), fill, np.uint8)
        result[y : y + height, x : x + width] = _resize_picture(inner, (width, height))
        return result


def fit_canvas(box: tuple[int, int, int, int], longer: int, least: int = STEP) -> Canvas:
    """The canvas for a box. Its longer side is the multiple of 64 nearest to `longer` px. No side is below `least`, also a multiple."""
    width, height = box[2:]
    side = max(STEP, round(longer / STEP) * STEP)
    scale = side / max(width, height)
    size = tuple(max(least, -(-round(length * scale) // STEP) * STEP) for length in (width, height))
    corner = tuple((whole - max(1, round(length * scale))) // 2 for whole, length in zip(size, (width, height), strict=True))
    return Canvas(size, box, scale, corner)  # type: ignore[arg-type]


def bound_content(masks: Iterable[np.ndarray], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The bounding box (x, y, width, height) of masks bool (H, W), with a margin; the whole picture when all are empty."""
    rows, columns = np.zeros(size[1], bool), np.zeros(size[0], bool)
    for mask in masks:
        rows |= mask.any(axis=1)
        columns |= mask.any(axis=0)
    if not rows.any():
        return 0, 0, *size
    (top, bottom), (left, right) = (np.flatnonzero(line)[[0, -1]].tolist() for line in (rows, columns))
    margin = round(MARGIN * max(right - left, bottom - top)) + 1
    left, top = max(0, left - margin), max(0, top - margin)
    return left, top, min(size[0], right + 1 + margin) - left, min(size[1], bottom + 1 + margin) - top


def binarize_lines(lines: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Lines bool (H, W) fitted into the network's picture, bool. Thin lines survive downscaling."""
    share = canvas.fit_picture(lines.astype(np.float32), 0.0)
    return share > min(0.25, 0.4 * canvas.scale)


def to_uint8(frame: np.ndarray) -> np.ndarray:
    """A frame float (3, H, W) in 0..1 as uint8 (H, W, 3)."""
    return cv2.convertScaleAbs(np.ascontiguousarray(frame.transpose(1, 2, 0)), alpha=255.0)


def _resize_picture(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    smaller = size[0] < picture.shape[1] or size[1] < picture.shape[0]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
