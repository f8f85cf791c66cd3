"""Matched points as AniDoc's networks see them: which are taken, and the maps of their numbers.

Points are x, y in pixels of the network's pictures. `visible` tells in which frames a track can be seen.
"""

from collections.abc import Sequence

import cv2
import numpy as np

MATCHES = 50  # matched points that are followed through the shot at most
TRACKS = 10  # of which so many are shown to the network
SPARSE_TRACKS = 5
SEEN = 3  # a track must be visible in more frames than this
MOTION = 1.0  # px a frame that a track must move on average
HEAT_SIDE = 20  # px; a heatmap's blob is twice as wide


def round_to_pixels(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Points (..., 2) as whole pixels of a picture of `size` (width, height), halves to even; int64."""
    return np.clip(np.rint(points), 0, np.array(size) - 1).astype(np.int64)


def pick_points(count: int, seed: int, most: int = MATCHES) -> np.ndarray:
    """Which of `count` matches are followed: `most` of them at random, all if there are no more, in random order."""
    return np.random.default_rng(seed).choice(count, min(most, count), replace=False)


def find_moving_points(tracks: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of tracks (F, K, 2), `visible` bool (F, K), move enough to be shown: their numbers int64 (M,), and how likely each is drawn."""
    seen = visible.sum(axis=0) > SEEN
    shown = np.where(seen[None, :, None], tracks, 0.0)
    motion = np.linalg.norm(np.diff(shown, axis=0), axis=2).mean(axis=0) if len(tracks) > 1 else np.zeros(tracks.shape[1])
    kept = np.flatnonzero(motion > MOTION)
    return kept, (motion[kept] / motion[kept].sum()).astype(np.float32)


def draw_points(kept: np.ndarray, probability: np.ndarray, seed: int, most: int = TRACKS) -> np.ndarray:
    """Up to `most` of the kept tracks, without repetition, those that move more being likelier; numbers into all tracks."""
    if len(kept) == 0:
        return kept
    exact = probability.astype(np.float64) / probability.astype(np.float64).sum()
    return np.random.default_rng(seed).choice(kept, min(most, len(kept)), replace=False, p=exact)


def build_id_map(points: np.ndarray, size: tuple[int, int], visible: np.ndarray | None = None) -> np.ndarray:
    """uint8 (H, W): the number, 1..K, of a point at its one pixel, of the last where several meet, else 0. `size` is (width, height)."""
    picture = np.zeros((size[1], size[0]), np.uint8)
    for number, (x, y) in enumerate(round_to_pixels(points, size).tolist(), 1):
        if visible is None or visible[number - 1]:
            picture[y, x] = number
    return picture


def build_frame_maps(tracks: np.ndarray, visible: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`id_map` of each frame: uint8 (F, H, W) for tracks (F, K, 2)."""
    return np.stack([build_id_map(points, size, seen) for points, seen in zip(tracks, visible, strict=True)])


def build_heatmap(tracks: np.ndarray, visible: np.ndarray, size: tuple[int, int], side: int = HEAT_SIDE) -> np.ndarray:
    """uint8 (F, H, W): a Gaussian blob, 255 in its middle, at each point that is seen and lies in the picture.

    As in the published code a blob is squeezed by the picture's edge, not cut off, and lies over those before it.
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
    """Tracks (F, K, 2) on straight lines between points of the first frame, at 0, and the last, at 1; evenly spaced as published."""
    part = np.asarray(places)[:, None, None]
    return (1.0 - part) * first[None] + part * last[None]
