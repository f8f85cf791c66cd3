"""Draws poses as in the training data: limbs, joints, hands and face on black, by OpenCV, without antialiasing.

Widths are for a picture whose shorter side is 512 px. The networks' pictures are resized from it.
"""

import math
from colorsys import hsv_to_rgb

import cv2
import numpy as np

from ...job.pose import Point, Points, Pose

SHORT = 512  # px; the shorter side of the pictures that poses are drawn on
STEP = 64  # px; their sides are multiples of this
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
COLORS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85), (0, 255, 170),
    (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
FINGERS = tuple((0 if first % 4 == 1 else first - 1, first) for first in range(1, 21))
DIM = 0.6  # brightness of the limbs
WIDTH, JOINT, FACE = 4, 4, 3  # px: a limb's smaller half axis, radii
BLUE, WHITE = (0, 0, 255), (255, 255, 255)


def draw_pose(pose: Pose, size: tuple[int, int]) -> np.ndarray:
    """Draw a pose, given in pixels, on a picture of `size` (width, height): uint8 (H, W, 3) RGB."""
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    _draw_limbs(picture, pose.body)
    picture = (picture * DIM).astype(np.uint8)
    for point, color in zip(pose.body, COLORS, strict=False):
        if point is not None:
            cv2.circle(picture, _to_pixel(point), JOINT, color, -1)
    for hand in (pose.left_hand, pose.right_hand):
        _draw_hand(picture, hand)
    for point in _list_pixels(pose.face):
        if point is not None:
            cv2.circle(picture, point, FACE, WHITE, -1)
    return picture


def draw_training_pose(pose: Pose, size: tuple[int, int]) -> np.ndarray:
    """Draw a pose, given in pixels of a picture of `size`, as in training: uint8 (H, W, 3) of `find_training_size(size)`."""
    canvas = find_training_size(size)
    return draw_pose(pose.map_points(lambda point: (point[0] * canvas[0] / size[0], point[1] * canvas[1] / size[1])), canvas)


def find_training_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size at which a pose of a picture of `size` was drawn in training: shorter side 512, both sides multiples of 64."""
    scale = SHORT / min(size)
    width, height = (max(STEP, round(side * scale / STEP) * STEP) for side in size)
    return width, height


def _draw_limbs(picture: np.ndarray, body: Points) -> None:
    for (first, second), color in zip(LIMBS, COLORS, strict=False):
        a, b = body[first], body[second]
        if a is None or b is None:
            continue
        center = (int((a[0] + b[0]) / 2), int((a[1] + b[1]) / 2))
        angle = math.degrees(math.atan2(a[1] - b[1], a[0] - b[0]))
        outline = cv2.ellipse2Poly(center, (int(math.dist(a, b) / 2), WIDTH), int(angle), 0, 360, 1)
        cv2.fillConvexPoly(picture, np.asarray(outline), color)


def _draw_hand(picture: np.ndarray, hand: Points) -> None:
    points = _list_pixels(hand)
    for number, (first, second) in enumerate(FINGERS if points else ()):
        a, b = points[first], points[second]
        if a is not None and b is not None:
            color = [255.0 * part for part in hsv_to_rgb(number / len(FINGERS), 1.0, 1.0)]
            cv2.line(picture, a, b, color, 2)
    for point in points:
        if point is not None:
            cv2.circle(picture, point, JOINT, BLUE, -1)


def _list_pixels(points: Points) -> list[tuple[int, int] | None]:
    """The pixels of a hand's or a face's points. Points at the very edge are dropped, as by the detector in training."""
    pixels = [point and _to_pixel(point) for point in points]
    return [pixel if pixel and min(pixel) > 0 else None for pixel in pixels]


def _to_pixel(point: Point) -> tuple[int, int]:
    return int(point[0]), int(point[1])
