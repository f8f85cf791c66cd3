"""Loose ends of lines: where gap closing starts from."""

import cv2
import numpy as np
from skimage.morphology import skeletonize

from .strokes import MIN_ALPHA, Strokes

_NONE = np.zeros((0, 4), np.float32)
_ARC = np.radians([-60, -30, 0, 30, 60, -90, 90])


def stroke_ends(strokes: Strokes, lines: np.ndarray) -> np.ndarray:
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
    return _loose(ends, tip - 0.5, width, lines)


def _loose(ends: np.ndarray, tips: np.ndarray, widths: np.ndarray, lines: np.ndarray) -> np.ndarray:
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
        at = np.round(origin + ray * (skip + distance)[..., None]).astype(np.int64)
        x, y = at[..., 0].clip(0, width - 1), at[..., 1].clip(0, height - 1)
        runs &= lines[y, x]
    loose = ends[~runs.any(1)]
    loose[:, :2] += 0.5  # from pixel numbers to the picture's coordinates
    return loose.astype(np.float32)


def skeleton_ends(lines: np.ndarray) -> np.ndarray:
    """Loose ends of lines of which only pixels are known, float32 (K, 4): x, y, direction."""
    skeleton = skeletonize(lines)
    thin = skeleton.astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    kernel[1, 1] = 0
    degree = cv2.filter2D(thin, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    rows, columns = np.nonzero(skeleton & (degree == 1))
    if not len(rows):
        return _NONE
    half = cv2.distanceTransform(lines.astype(np.uint8), cv2.DIST_L2, 3)
    # Walking back along the skeleton, all ends at once. Padded, so that a step never leaves the picture.
    padded = np.pad(thin, 1)
    y, x = rows + 1, columns + 1
    previous_y, previous_x = y.copy(), x.copy()
    length = np.zeros(len(y), np.int64)
    walking = np.ones(len(y), bool)
    forked = np.zeros(len(y), bool)
    offsets = [(dy, dx) for dy in (0, 1, -1) for dx in (0, 1, -1) if (dy or dx)]
    offsets.sort(key=lambda o: abs(o[0]) + abs(o[1]))
    trail_y, trail_x = [y.copy()], [x.copy()]
    reach = np.clip(np.round(3 * half[rows, columns]), 5, 40).astype(np.int64)
    for _ in range(int(reach.max())):
        next_y, next_x, moved = y.copy(), x.copy(), np.zeros(len(y), bool)
        for dy, dx in offsets:
            free = walking & ~moved & (padded[y + dy, x + dx] > 0)
            free &= (np.abs(y + dy - previous_y) > 1) | (np.abs(x + dx - previous_x) > 1) | (length == 0)
            next_y[free], next_x[free] = y[free] + dy, x[free] + dx
            moved |= free
        previous_y, previous_x, y, x = y, x, next_y, next_x
        length += moved
        walking &= moved & (length < reach)
        at_fork = moved & (degree[(y - 1).clip(0), (x - 1).clip(0)] >= 3)
        forked |= at_fork
        walking &= ~at_fork
        trail_y.append(y.copy())
        trail_x.append(x.copy())
    back = np.stack([columns + 1 - x, rows + 1 - y], 1).astype(np.float64)
    size = np.hypot(*back.T)
    # A spur is no longer than the line is wide: it is roughness of the line's edge, not an end.
    spur = forked & (length < 1.5 * half[rows, columns] + 2)
    keep = (size > 0) & ~spur
    if not keep.any():
        return _NONE
    direction = back[keep] / size[keep, None]
    tip = np.stack([columns, rows], 1)[keep].astype(np.float64)
    return _to_edge(tip, direction, half[rows, columns][keep], lines)


def _to_edge(tip: np.ndarray, direction: np.ndarray, half: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Skeletons stop short of the line's tip: go on to the last inked pixel."""
    height, width = lines.shape
    out = tip.copy()
    going = np.ones(len(tip), bool)
    for step in np.arange(0.5, 2.0 * float(half.max()) + 2, 0.5):
        at = tip + direction * step
        x, y = np.round(at).astype(np.int64).T
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        going &= inside & lines[y.clip(0, height - 1), x.clip(0, width - 1)] & (step <= 2 * half + 1)
        out[going] = at[going]
        if not going.any():
            break
    ends = np.concatenate([out, direction], 1)
    return _loose(ends, tip, 2 * half, lines)
