"""The crop of the shot for the network's pictures: it covers all poses, and is never stretched."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...job.pose import Point, Pose

STEP = 64  # px; the sides of the network's pictures are multiples of this
SLIM = 0.5  # the least ratio of the shorter side to the longer one
BESIDE = 0.06  # margin around the figure, as a fraction of the box's longer side
OUTSIDE = 0.3  # at most this fraction of the shot's picture is painted beyond its edge, so that a figure that is cut off is painted whole
BEYOND = ((1, 0, 1.3), (3, 4, 0.5), (6, 7, 0.5), (9, 10, 0.3), (12, 13, 0.3))  # extent of head, hands and feet beyond their joints


@dataclass(frozen=True)
class Framing:
    """`size` (width, height) px of the network's pictures · `corner` x, y px of their top left corner in the shot's pictures, possibly
    outside · `scale` network px per px of the shot."""

    size: tuple[int, int]
    corner: tuple[int, int]
    scale: float

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x, y, width, height of the crop in the shot's pictures."""
        width, height = (max(1, round(side / self.scale)) for side in self.size)
        return *self.corner, width, height

    def map_point(self, point: Point) -> Point:
        """Map a point of the shot's pictures to the network's."""
        return (point[0] - self.corner[0]) * self.scale, (point[1] - self.corner[1]) * self.scale

    def show_picture(self, picture: np.ndarray) -> np.ndarray:
        """Crop a picture of the shot uint8 (H, W, C) to the network's, 0 outside."""
        x, y, width, height = self.box
        cut = np.zeros((height, width, picture.shape[2]), np.uint8)
        here, there = _intersect_boxes((x, y, width, height), picture.shape[1::-1])
        cut[here] = picture[there]
        return resize_part(cut, self.size)

    def enlarge_frame(self, frame: np.ndarray) -> np.ndarray:
        """Resize the network's frame uint8 (h, w, C) to the box's size in pixels of the shot."""
        return resize_part(frame, self.box[2:])

    def put_back(self, part: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Paste a picture of the box's size (h, w, C) into one of the shot's `size` (width, height), 0 around it."""
        result = np.zeros((size[1], size[0], part.shape[2]), part.dtype)
        here, there = _intersect_boxes(self.box, size)
        result[there] = part[here]
        return result


def find_extent(pose: Pose, beyond: np.ndarray) -> np.ndarray:
    """The approximate x0, y0, x1, y1 of the figure of a pose, which extends beyond its joints by at least `beyond` on each side. At least
    one joint must be visible."""
    joints, extended = np.array(pose.seen), np.array((*pose.seen, *_reach_beyond_joints(pose)))
    low = np.minimum(extended.min(axis=0), joints.min(axis=0) - beyond[:2])
    return np.concatenate([low, np.maximum(extended.max(axis=0), joints.max(axis=0) + beyond[2:])])


def frame_box(covered: np.ndarray, picture: tuple[int, int], longer: int) -> Framing:
    """The framing of a box x0, y0, x1, y1 in pictures of this size (width, height), with a longer side of about `longer` px."""
    free = BESIDE * max(covered[2] - covered[0], covered[3] - covered[1])
    edge = OUTSIDE * np.array(picture, float)
    low = np.maximum(covered[:2] - free, -edge)
    high = np.minimum(covered[2:] + free, np.array(picture, float) + edge)
    if (high - low < 1.0).any():  # all joints are outside the picture
        low, high = np.zeros(2), np.array(picture, float)
    extent = np.maximum(high - low, SLIM * (high - low).max())
    side = max(STEP, round(longer / STEP) * STEP)
    scale = side / extent.max()
    size = tuple(max(STEP, round(length * scale / STEP + 0.49) * STEP) for length in extent)
    middle = (low + high) / 2.0
    corner = tuple(round(at - length / scale / 2.0) for at, length in zip(middle, size, strict=True))
    return Framing(size, corner, float(scale))  # type: ignore[arg-type]


def resize_part(picture: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize uint8 (H, W, C) to `size` (width, height)."""
    smaller = size[0] < picture.shape[1]
    return cv2.resize(picture, (size[0], size[1]), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _reach_beyond_joints(pose: Pose) -> list[Point]:
    found = []
    for inner, outer, far in BEYOND:
        a, b = pose.body[inner], pose.body[outer]
        if a is not None and b is not None:
            found.append((b[0] + far * (b[0] - a[0]), b[1] + far * (b[1] - a[1])))
    return found


def _intersect_boxes(box: Sequence[int], size: Sequence[int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The intersection of a box and a picture, as slices of the box and of the picture."""
    x, y, width, height = box
    left, top, right, bottom = max(0, x), max(0, y), min(size[0], x + width), min(size[1], y + height)
    right, bottom = max(left, right), max(top, bottom)
    return (slice(top - y, bottom - y), slice(left - x, right - x)), (slice(top, bottom), slice(left, right))
