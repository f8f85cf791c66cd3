"""Loose ends of lines: where gap closing starts from."""

import cv2
import numpy as np
from skimage.morphology import skeletonize

from .strokes import MIN_ALPHA, Strokes

_NONE = np.zeros((0, 4), np.float32)
_LONGEST = 48  # px back from an end; nobody draws thicker lines
_ARC = np.radians([-60, -30, 0, 30, 60, -90, 90])


def find_stroke_ends(strokes: Strokes, lines: np.ndarray) -> np.ndarray:
    """The two ends of every open stroke that don't lie on another line, float32 (K, 4): x, y, direction."""
    counts = np.diff(strokes.offsets)
    use = np.flatnonzero((counts >= 2) & ~strokes.cyclic)
    if not len(use):
        return _NONE
    first = strokes.offsets[:-1][use].astype(np.int64)
    last = strokes.offsets[1:][use].astype(np.int64) - 1
    tips = np.concatenate([first, last])
    steps = np.concatenate([np.ones(len(use), np.int64), -np.ones(len(use), np.int64)])
    others = np.concatenate([last, first])
    visible = strokes.colors[:, 3] >= MIN_ALPHA
    while (faded := ~visible[tips] & ~visible[tips + steps] & (tips + steps != others)).any():
        tips[faded] += steps[faded]  # a stroke ends where it has faded out
    points, widths = strokes.points.astype(np.float64), strokes.widths.astype(np.float64)
    tip, width = points[tips], np.maximum(widths[tips], 1)

    # Looking back along the stroke as far as it takes to see where it is heading.
    reach = np.maximum(4.0, 1.5 * width)
    at = tips.copy()
    for _ in range(64):
        near = (np.hypot(*(points[at] - tip).T) < reach) & (at != others)
        if not near.any():
            break
        at[near] += steps[near]
    back = tip - points[at]
    length = np.hypot(*back.T)
    direction = back / np.maximum(length, 1e-9)[:, None]
    ok = (length > 0.5) & (visible[tips] | visible[tips + steps])
    tip, direction, width = tip[ok], direction[ok], width[ok]
    ends = np.concatenate([tip + direction * (width / 2 - 0.5)[:, None] - 0.5, direction], axis=1)
    return _keep_loose_ends(ends, tip - 0.5, width, lines)


def _keep_loose_ends(ends: np.ndarray, tips: np.ndarray, widths: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Those of the ends that lie in the picture, and whose line does not run on into other ink. Takes pixel numbers, gives coordinates."""
    height, width = lines.shape
    inside = (ends[:, 0] > 0) & (ends[:, 1] > 0) & (ends[:, 0] < width - 1) & (ends[:, 1] < height - 1)
    ends, tips, widths = ends[inside], tips[inside], widths[inside]
    angle = np.arctan2(ends[:, 3], ends[:, 2])[:, None] + _ARC
    ray = np.stack([np.cos(angle), np.sin(angle)], -1)  # (K, A, 2)
    # Ahead from the outermost ink; sideways from the middle of the line's end.
    sideways = np.abs(_ARC) > 1.5
    origin = np.where(sideways[None, :, None], tips[:, None], ends[:, None, :2])
    skip = np.where(sideways[None], widths[:, None] / 2 + 0.25, 0.5)
    runs = np.ones(angle.shape, bool)
    for distance in (0.0, 0.5, 1.0, 1.5):
        at = np.floor(origin + ray * (skip + distance)[..., None] + 0.5).astype(np.int64)
        x, y = at[..., 0].clip(0, width - 1), at[..., 1].clip(0, height - 1)
        runs &= lines[y, x]
    loose = ends[~runs.any(1)]
    loose[:, :2] += 0.5  # from pixel numbers to the picture's coordinates
    return loose.astype(np.float32)


def find_skeleton_ends(lines: np.ndarray) -> np.ndarray:
    """Loose ends of lines of which only pixels are known, float32 (K, 4): x, y, direction."""
    skeleton = np.pad(skeletonize(lines), 1)  # padded, so that a neighbor is never outside
    at = np.flatnonzero(skeleton)
    if not len(at):
        return _NONE
    around = _list_neighbor_offsets(skeleton.shape[1])
    near = skeleton.ravel()[at[:, None] + around]
    # How often a walk around a pixel meets a branch: 1 at an end, 2 along a line, 3 and more at a fork.
    branches = np.zeros(skeleton.size, np.uint8)
    branches[at] = (~near & np.roll(near, -1, 1)).sum(1)
    tips = at[(branches[at] == 1) & (near.sum(1) <= 2)]
    half = np.pad(cv2.distanceTransform(lines.view(np.uint8), cv2.DIST_L2, 5), 1).ravel().clip(0, max(lines.shape))  # inf if all is ink
    back, length, thick, forked = _walk_back(skeleton.ravel(), branches, half, tips, around)
    # A spur is no longer than the line is wide: roughness of the line's edge, not an end.
    keep = (back != tips) & ~(forked & (length < 1.5 * thick + 2))
    tip, back = (np.stack([where[keep] % skeleton.shape[1] - 1, where[keep] // skeleton.shape[1] - 1], 1) for where in (tips, back))
    direction = (tip - back) / np.hypot(*(tip - back).T)[:, None]
    return _extend_to_edge(tip.astype(np.float64), direction, thick[keep], lines)


def _list_neighbor_offsets(width: int) -> np.ndarray:
    """The neighbors of a pixel, in a circle, as differences of flat pixel numbers."""
    return np.array([-width, -width + 1, 1, width + 1, width, width - 1, -1, -width - 1])


def _walk_back(
    skeleton: np.ndarray, branches: np.ndarray, half: np.ndarray, tips: np.ndarray, around: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """From each tip back along the (flat) skeleton, as far as it takes to see where the line is heading, or to a fork.

    Returns, for each tip: the last pixel, the steps made, the line's largest half width on the way, whether there was a fork.
    """
    steps = np.concatenate([around[::2], around[1::2]])  # straight ones first, so that a corner is not cut into a fork
    here, before = tips.copy(), tips.copy()
    length, thick = np.zeros(len(tips), np.int64), half[tips].astype(np.float64)
    forked, walking = np.zeros(len(tips), bool), np.ones(len(tips), bool)
    for _ in range(_LONGEST):
        following = np.full(len(tips), -1)
        for step in steps:
            to = here + step
            new = walking & (following < 0) & skeleton[to] & (to != before)
            new &= ~np.isin(to - before, around) | (before == here)
            following[new] = to[new]
        walking &= following >= 0
        if not walking.any():
            break
        before[walking], here[walking] = here[walking], following[walking]
        length[walking] += 1
        thick[walking] = np.maximum(thick, half[here])[walking]
        forked |= walking & (branches[here] >= 3)
        walking &= ~forked & (length < np.maximum(3 * thick, 6))
    return here, length, thick, forked


def _extend_to_edge(tip: np.ndarray, direction: np.ndarray, half: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Skeletons stop short of the line's tip: go on to the last inked pixel, and leave out what ends at the picture's edge."""
    height, width = lines.shape
    out, going = tip.copy(), np.ones(len(tip), bool)
    for step in np.arange(0.5, 2.0 * float(half.max(initial=0)) + 2, 0.5):
        at = tip + direction * step
        x, y = np.floor(at + 0.5).astype(np.int64).T
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        going &= inside & lines[y.clip(0, height - 1), x.clip(0, width - 1)] & (step <= 2 * half + 1)
        if not going.any():
            break
        out[going] = at[going]
    inside = (out >= 0.5).all(1) & (out < (width - 1.5, height - 1.5)).all(1)
    return np.concatenate([out + 0.5, direction], 1)[inside].astype(np.float32)
