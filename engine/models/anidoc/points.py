"""Matched points as input of AniDoc's networks: which are selected, and the maps of their numbers.

Points are x, y in pixels of the network's pictures. `visible` marks the frames in which a track is visible.
"""

from collections.abc import Sequence

import cv2
import numpy as np

MATCHES = 50  # at most so many matched points are followed through the shot
TRACKS = 10  # and so many of them are given to the network
SPARSE_TRACKS = 5
SEEN = 3  # a track must be visible in more frames than this
MOTION = 1.0  # px per frame that a track must move on average
HEAT_SIDE = 20  # px; half the width of a heatmap's blob


def round_to_pixels(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Round points (..., 2) to whole pixels of a picture of `size` (width, height), halves to even, int64."""
    return np.clip(np.rint(points), 0, np.array(size) - 1).astype(np.int64)


def pick_points(count: int, seed: int, most: int = MATCHES) -> np.ndarray:
    """The indices of the matches to follow: `most` of `count` at random, or all if there are no more, in random order."""
    return np.random.default_rng(seed).choice(count, min(most, count), replace=False)


def find_moving_points(tracks: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tracks (F, K, 2), with `visible` bool (F, K), that move enough: their indices int64 (M,), and the probability of drawing each."""
    enough = visible.sum(axis=0) > SEEN
    shown = np.where(enough[None, :, None], tracks, 0.0)
    motion = np.linalg.norm(np.diff(shown, axis=0), axis=2).mean(axis=0) if len(tracks) > 1 else np.zeros(tracks.shape[1])
    kept = np.flatnonzero(motion > MOTION)
    return kept, (motion[kept] / motion[kept].sum()).astype(np.float32)


def draw_points(kept: np.ndarray, probability: np.ndarray, seed: int, most: int = TRACKS) -> np.ndarray:
    """Draw up to `most` of the kept tracks without repetition, with higher probability for more motion. Returns indices into all tracks."""
    if len(kept) == 0:
        return kept
    exact = probability.astype(np.float64) / probability.astype(np.float64).sum()
    return np.random.default_rng(seed).choice(kept, min(most, len(kept)), replace=False, p=exact)


def build_id_map(points: np.ndarray, size: tuple[int, int], visible: np.ndarray | None = None) -> np.ndarray:
    """uint8 (H, W): the number 1..K of each point at its pixel, of the last one if several share it, else 0. `size` is (width, height)."""
    picture = np.zeros((size[1], size[0]), np.uint8)
    for number, (x, y) in enumerate(round_to_pixels(points, size).tolist(), 1):
        if visible is None or visible[number - 1]:
            picture[y, x] = number
    return picture


def build_frame_maps(tracks: np.ndarray, visible: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`build_id_map` for each frame: uint8 (F, H, W) for tracks (F, K, 2)."""
    return np.stack([build_id_map(points, size, shown) for points, shown in zip(tracks, visible, strict=True)])


def build_heatmap(tracks: np.ndarray, visible: np.ndarray, size: tuple[int, int], side: int = HEAT_SIDE) -> np.ndarray:
    """uint8 (F, H, W): a Gaussian blob, 255 in its middle, at each point that is visible and inside the picture.

    As in the published code a blob is squeezed at the picture's edge, not clipped, and overwrites those before it.
    """
    width, height = size
    blob = _build_blob()
    maps = np.zeros((len(tracks), height, width), np.uint8)
    inside = ((tracks >= 0) & (tracks < np.array(size))).all(axis=2) & visible.astype(bool)
    for picture, points, shown in zip(maps, tracks.astype(np.int64), inside, strict=True):
        for x, y in points[shown].tolist():
            left, top, right, bottom = max(x - side, 1), max(y - side, 1), min(x + side, width - 1), min(y + side, height - 1)
            if right > left and bottom > top:
                picture[top:bottom, left:right] = cv2.resize(blob, (right - left, bottom - top))
    return maps


def _build_blob() -> np.ndarray:
    """A Gaussian 40 px wide in a disc 200 px wide, uint8."""
    y, x = np.mgrid[-100:100, -100:100].astype(np.float64)
    disc = cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), 100, 1, -1)
    bell = np.exp(-(x**2 + y**2) / (2 * 40.0**2)) * disc
    return (bell / bell.max() * 255).astype(np.uint8)


def interpolate_tracks(first: np.ndarray, last: np.ndarray, places: Sequence[float]) -> np.ndarray:
    """Tracks (F, K, 2) on straight lines between points of the first frame, at 0, and the last, at 1. Published: evenly spaced places."""
    part = np.asarray(places)[:, None, None]
    return (1.0 - part) * first[None] + part * last[None]
