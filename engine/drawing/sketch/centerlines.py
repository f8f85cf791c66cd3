"""Line art as pixels -> strokes along the middle of its lines.

Skeleton pixels with two neighbors are chains, those with more are forks. Chains that go straight on through a fork are one stroke, as a
hand would draw it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter1d
from skimage.morphology import skeletonize

from .sketch import Sketch
from .strokes import Strokes

STEP = 3.0  # px between the points of a stroke
SMOOTH = 1.5  # px; the skeleton's staircase is smaller
HEADING_REACH = 10  # px along a chain that tell where it is heading
STRAIGHT = np.cos(np.radians(45))  # chains that turn less at a fork go on through it


@dataclass(frozen=True, eq=False)
class _SkeletonChain:
    """`path` float64 (n, 2) pixels x, y, forks at its ends included · `forks` the fork at its begin and at its end, -1 for none."""

    path: np.ndarray
    forks: tuple[int, int]


def trace_centerlines(sketch: Sketch) -> Strokes:
    """The strokes of a sketch, in the order of their topmost points: widths are those of the lines, colors those along their middle."""
    skeleton = np.pad(skeletonize(sketch.lines), 1)
    half = cv2.distanceTransform(np.pad(sketch.lines, 1).view(np.uint8), cv2.DIST_L2, 5)
    half = np.minimum(half, max(sketch.lines.shape))  # infinite where all is ink
    runs = _join_chains(_merge_bridged_forks(_remove_spurs(_split_chains(skeleton), half), half))
    points, widths, offsets, cyclic = [], [], [0], []
    for path, closed in sorted(runs, key=lambda run: run[0][:, 1].min()):
        smooth = _smooth_path(path, closed)
        x, y = np.rint(smooth).astype(int).T
        points.append(smooth - 0.5)  # from pixel numbers of the padded picture to coordinates
        widths.append(2.0 * gaussian_filter1d(half[y, x], 1.0, mode="nearest"))
        offsets.append(offsets[-1] + len(smooth))
        cyclic.append(closed)
    at = np.concatenate([np.zeros((0, 2)), *points]).astype(np.float32)
    colors = _sample_colors(sketch, at, np.array(offsets))
    found = Strokes(at, np.concatenate([np.zeros(0), *widths]), colors, np.array(offsets, np.int32), np.array(cyclic, bool))
    return replace(found, widths=_fit_widths(found, sketch))


def _sample_colors(sketch: Sketch, at: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The color of the lines at points (N, 2), uint8 (N, 4); of one opacity along each stroke, for where a line is thin, antialiasing
    looks like ink that is faint."""
    column, row = np.clip(np.floor(at).astype(int), 0, np.array(sketch.size) - 1).T
    colors = sketch.paint[row, column].copy()
    colors[colors[:, 3] < 64, :3] = 0  # where the skeleton misses the ink
    solid = cv2.dilate(sketch.paint[..., 3], np.ones((3, 3), np.uint8))[row, column]
    for first, last in itertools.pairwise(offsets):
        colors[first:last, 3] = np.percentile(solid[first:last], 75)
    return colors


def _fit_widths(strokes: Strokes, sketch: Sketch) -> np.ndarray:
    """Widths with which each stroke holds as much ink, in px of area, as lies nearest to it: the distance to the paper knows only whole
    pixels."""
    if not len(strokes):
        return np.zeros(0, np.float32)
    drawn = np.zeros(sketch.lines.shape, np.int32)
    for number, (first, last) in enumerate(itertools.pairwise(strokes.offsets)):
        cv2.polylines(drawn, [np.floor(strokes.points[first:last]).astype(np.int32)], bool(strokes.cyclic[number]), number + 1)
    _, nearest = cv2.distanceTransformWithLabels((drawn == 0).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owner = np.zeros(nearest.max() + 1, np.int32)
    owner[nearest[drawn > 0]] = drawn[drawn > 0]
    inked = sketch.paint[..., 3] > 0
    ink = np.bincount(owner[nearest[inked]], sketch.paint[..., 3][inked] / 255.0, len(strokes) + 1)[1:]
    stroke = np.repeat(np.arange(len(strokes)), np.diff(strokes.offsets))
    step = np.diff(strokes.points, axis=0, append=strokes.points[-1:])
    covered = np.hypot(*step.T) * strokes.colors[:, 3] / 255.0
    covered[strokes.offsets[1:] - 1] = 0.0
    length = np.maximum(np.bincount(stroke, covered, len(strokes)), 1.0)
    more = np.clip((ink - np.bincount(stroke, covered * strokes.widths, len(strokes))) / length, -1.0, 1.0)
    return np.maximum(strokes.widths + more[stroke], 0.5).astype(np.float32)


def _split_chains(skeleton: np.ndarray) -> list[_SkeletonChain]:
    """The skeleton taken apart at its forks."""
    near = cv2.filter2D(skeleton.astype(np.uint8), -1, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT) - 1
    forked = skeleton & (near > 2)
    _, fork, _, middle = cv2.connectedComponentsWithStats(forked.astype(np.uint8), connectivity=8)
    count, chain = cv2.connectedComponents((skeleton & ~forked).astype(np.uint8), connectivity=8)
    ys, xs = np.nonzero(chain)
    order = np.argsort(chain[ys, xs], kind="stable")
    parts = np.split(np.column_stack([xs, ys])[order], np.searchsorted(chain[ys, xs][order], np.arange(2, count)))
    found = []
    for part in parts if count > 1 else []:
        path = _order_pixels(part)
        ends = [_find_fork_beside(fork, path[0]), _find_fork_beside(fork, path[-1])]
        if len(path) == 1:  # it may lie between two forks
            ends = (_list_forks_around(fork, path[0]) + [0, 0])[:2]
        parts_of = [path.astype(float)]
        if ends[0]:
            parts_of.insert(0, middle[ends[0]][None])
        if ends[1]:
            parts_of.append(middle[ends[1]][None])
        found.append(_SkeletonChain(np.concatenate(parts_of), (ends[0] - 1, ends[1] - 1)))
    return found


def _order_pixels(pixels: np.ndarray) -> np.ndarray:
    """The pixels of a chain, one after the other."""
    left = {(x, y) for x, y in pixels.tolist()}
    neighbors = [(1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1)]  # straight ones first
    start = next((p for p in left if sum((p[0] + dx, p[1] + dy) in left for dx, dy in neighbors) == 1), next(iter(left)))
    path = [start]
    left.discard(start)
    while True:
        x, y = path[-1]
        following = next(((x + dx, y + dy) for dx, dy in neighbors if (x + dx, y + dy) in left), None)
        if following is None:
            return np.array(path)
        path.append(following)
        left.discard(following)


def _list_forks_around(fork: np.ndarray, pixel: np.ndarray) -> list[int]:
    x, y = pixel
    return [int(number) for number in np.unique(fork[y - 1 : y + 2, x - 1 : x + 2]) if number]


def _find_fork_beside(fork: np.ndarray, pixel: np.ndarray) -> int:
    return next(iter(_list_forks_around(fork, pixel)), 0)


def _remove_spurs(chains: list[_SkeletonChain], half: np.ndarray) -> list[_SkeletonChain]:
    """Without chains from a fork to nowhere that are no longer than the line is thick: roughness of its edge."""
    return [chain for chain in chains if min(chain.forks) >= 0 or max(chain.forks) < 0 or not _is_short(chain, half)]


def _merge_bridged_forks(chains: list[_SkeletonChain], half: np.ndarray) -> list[_SkeletonChain]:
    """Forks that lie no further apart than the line is thick become one: where thick lines cross, a skeleton has two."""
    bridge = [min(chain.forks) >= 0 and _is_short(chain, half) for chain in chains]
    count = max((fork for chain in chains for fork in chain.forks), default=-1) + 1
    merged = _group_pairs([chain.forks for chain, idle in zip(chains, bridge, strict=True) if idle], count)
    kept = [chain for chain, idle in zip(chains, bridge, strict=True) if not idle]
    return [_SkeletonChain(chain.path, (_map_fork(merged, chain.forks[0]), _map_fork(merged, chain.forks[1]))) for chain in kept]


def _map_fork(merged: np.ndarray, fork: int) -> int:
    return int(merged[fork]) if fork >= 0 else -1


def _is_short(chain: _SkeletonChain, half: np.ndarray) -> bool:
    x, y = chain.path[len(chain.path) // 2].astype(int)
    return bool(_measure_length(chain.path) < 2.0 * half[y, x] + 2.0)


def _group_pairs(pairs: Sequence[tuple[int, int]], count: int) -> np.ndarray:
    """The group of each of `count` things, of which these pairs belong together."""
    links = sparse.coo_array((np.ones(len(pairs), bool), np.array(pairs, int).reshape(-1, 2).T), shape=(count, count))
    return sparse.csgraph.connected_components(links, directed=False)[1]


def _join_chains(chains: list[_SkeletonChain]) -> list[tuple[np.ndarray, bool]]:
    """Strokes of chains: (path, closed). At each fork the pairs of ends that go on most straight are joined."""
    ends: dict[int, list[tuple[int, int]]] = {}
    for number, chain in enumerate(chains):
        for side, fork in enumerate(chain.forks):
            if fork >= 0:
                ends.setdefault(fork, []).append((number, side))
    mate: dict[tuple[int, int], tuple[int, int]] = {}
    for meeting in ends.values():
        directions = [_measure_heading(chains[number].path, side) for number, side in meeting]
        straight = -(np.array(directions) @ np.array(directions).T)
        free = set(range(len(meeting)))
        for flat in np.argsort(-straight, axis=None):
            i, j = divmod(int(flat), len(meeting))
            if straight[i, j] < STRAIGHT:
                break
            if i < j and {i, j} <= free:
                free -= {i, j}
                mate[meeting[i]], mate[meeting[j]] = meeting[j], meeting[i]
    group = _group_pairs([(a, b) for (a, _), (b, _) in mate.items()], len(chains))
    runs = []
    for number in range(group.max(initial=-1) + 1):
        members = np.flatnonzero(group == number).tolist()
        begin = next(((m, side) for m in members for side in (0, 1) if (m, side) not in mate), (members[0], 0))
        runs.append(_follow_chains(chains, mate, begin))
    return [(path, closed) for path, closed in runs if len(path) > 1]


def _follow_chains(
    chains: list[_SkeletonChain], mate: dict[tuple[int, int], tuple[int, int]], begin: tuple[int, int]
) -> tuple[np.ndarray, bool]:
    """The stroke that begins at one end of a chain, and whether it comes back there."""
    pieces, at = [], begin
    while True:
        number, side = at
        path = chains[number].path if side == 0 else chains[number].path[::-1]
        pieces.append(path if not pieces else path[1:])
        following = mate.get((number, 1 - side))
        if following is None or following == begin:
            break
        at = following
    path = np.concatenate(pieces)
    alone = len(pieces) == 1 and chains[begin[0]].forks == (-1, -1)
    closed = following == begin or (alone and len(path) > 4 and np.abs(path[0] - path[-1]).max() <= 1.0)
    return (path[:-1] if following == begin else path), bool(closed)


def _measure_heading(path: np.ndarray, side: int) -> np.ndarray:
    """The direction in which a chain leaves its end into the fork, reversed: away from the fork."""
    along = path if side == 0 else path[::-1]
    way = along[min(HEADING_REACH, len(along) - 1)] - along[0]
    return way / max(np.hypot(*way), 1e-9)


def _measure_length(path: np.ndarray) -> float:
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def _smooth_path(path: np.ndarray, closed: bool) -> np.ndarray:
    """A path without the staircase of pixels, its points STEP apart, both ends where they were."""
    if closed:
        path = np.concatenate([path, path[:1]])
    if len(path) > 4:
        smooth = gaussian_filter1d(path, SMOOTH, axis=0, mode="wrap" if closed else "nearest")
        if not closed:
            smooth[0], smooth[-1] = path[0], path[-1]
    else:
        smooth = path
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(smooth, axis=0).T))])
    count = max(2, round(along[-1] / STEP) + 1)
    at = np.linspace(0.0, along[-1], count)
    if closed:
        at = at[:-1]
    return np.column_stack([np.interp(at, along, smooth[:, axis]) for axis in (0, 1)])
