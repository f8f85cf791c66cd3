"""Black wins: an outline stays whole where a trace line crosses it or runs along it.

In a picture the trace line's color covers the outline there. Where black shows through, the color is darker than the trace line is
elsewhere. Where nothing shows through, the outline is joined again: across the trace line, and along it between two ends that lead into it.
"""

import cv2
import numpy as np
from skimage.graph import MCP_Geometric

from ..colors.palette import grow_labels
from .ends import find_skeleton_ends
from .pieces import keep_connected, label_pieces

_DARKER, _DARK = 0.88, 0.75  # of a trace line's own value; what is joined to the second and darker than the first has black below
_BLUNT = 0.7  # of a line's width, that its end has at least where something hides the rest
_ALONG = 0.85  # cosine between an end's direction and the way along a trace line
_FARTHEST = 0.3  # of the picture's shorter side; so far an outline is followed below a trace line
_AMID = 5  # of the 8 pixels around one
_NEAR = 48  # px; what is farther from a trace line does not matter to it
_SIDE = 4  # px of an end's way that give its direction, in widths of a trace line at least


def restore_outlines(paint: np.ndarray, lines: np.ndarray, traces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take what covers an outline out of the trace lines and ink it: new paint uint8 (H, W, 4) and new traces bool (H, W).

    `paint`, `lines` and `traces` are those of a sketch that was read from a picture.
    """
    if not traces.any() or not (lines & ~traces).any():
        return paint, traces
    box = _find_box(traces)
    inked, rest = _restore_in_box(paint[box], lines[box], traces[box], _FARTHEST * min(lines.shape))
    paint, found = paint.copy(), traces.copy()
    paint[box], found[box] = inked, rest
    return paint, found


def _find_box(mask: np.ndarray) -> tuple[slice, slice]:
    """The part of a picture in which a mask lies, and what is near it."""
    return tuple(
        slice(max(0, int(found[0]) - _NEAR), int(found[-1]) + _NEAR + 1) for found in (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    )  # type: ignore[return-value]


def _restore_in_box(paint: np.ndarray, lines: np.ndarray, traces: np.ndarray, farthest: float) -> tuple[np.ndarray, np.ndarray]:
    main = lines & ~traces
    under = _find_dark_parts(paint, main, traces)
    main |= under
    width = _measure_width(traces)
    ends, hidden = _find_ends(main, traces, width)
    main |= _join_along(ends[hidden], traces & ~main, width, farthest)
    main |= _join_across(main, traces & ~main, ends, width)
    if not (main & traces).any():
        return paint, traces
    for _ in range(2):  # single pixels between what was joined
        main |= traces & (cv2.boxFilter(main.view(np.uint8), cv2.CV_8U, (3, 3), normalize=False) >= _AMID)
    covered, rest = main & traces, traces & ~main
    clear = lines & ~_grow(traces, 2)
    around = _grow(covered, 2) & (paint[..., 3] > 0)
    mixed = around & np.where(lines, ~rest, ~_grow(rest, 1))  # what is mixed of both colors, and the soft edge
    return _ink_pixels(paint, clear if clear.any() else lines & ~traces, mixed), rest


def _grow(mask: np.ndarray, reach: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0


def _find_dark_parts(paint: np.ndarray, main: np.ndarray, traces: np.ndarray) -> np.ndarray:
    """The parts of trace lines through which black is seen, bool (H, W): darker than the rest of the line, and beside an outline."""
    # The mean of a line's pixels nearby: JPEG dulls single pixels of thin lines.
    at = np.flatnonzero(traces)
    value = np.zeros(traces.shape, np.float32)
    value.ravel()[at] = paint.reshape(-1, 4)[at, :3].max(axis=1)
    total, number = (cv2.boxFilter(part, cv2.CV_32F, (5, 5), normalize=False).ravel()[at] for part in (value, traces.astype(np.uint8)))
    count, pieces = label_pieces(traces)
    piece, here = pieces.ravel()[at], total / number
    order = np.lexsort((here, piece))
    starts = np.searchsorted(piece[order], np.arange(count + 1))
    own = np.zeros(count, np.float32)
    for label in range(1, count):
        own[label] = here[order[starts[label] + (starts[label + 1] - starts[label]) * 9 // 10]]
    # A piece that is dark all over may be the part of a line that black cuts off from the rest.
    own = np.maximum(own, np.percentile(here, 90) * 0.9)
    darker, dark = np.zeros_like(traces), np.zeros_like(traces)
    darker.ravel()[at] = here < _DARKER * own[piece]
    dark.ravel()[at] = here < _DARK * own[piece]
    return keep_connected(darker, dark & _grow(main, 2))


def _measure_width(traces: np.ndarray) -> int:
    """The width of trace lines in px."""
    half = cv2.distanceTransform(traces.astype(np.uint8), cv2.DIST_L2, 3)
    ridge = (half > 0) & (half >= cv2.dilate(half, np.ones((3, 3), np.uint8)))
    return max(1, int(np.ceil(2 * np.percentile(half[ridge], 75) - 1)))


def _find_ends(main: np.ndarray, traces: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The ends of outlines at trace lines, as from `find_skeleton_ends`, float32 (K, 4), and which of them may go on below one, bool (K,):
    those that are no wider than it, and that don't taper, as where the pen was lifted."""
    body = cv2.morphologyEx(main.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    body = body if body.sum() > main.sum() / 2 else main  # without what shows at a trace line's edge
    ends = find_skeleton_ends(body)
    half = cv2.dilate(cv2.distanceTransform(body.view(np.uint8), cv2.DIST_L2, 3), np.ones((3, 3), np.uint8))
    near = _grow(traces, 2)

    def sample(picture: np.ndarray, back: float) -> np.ndarray:
        x, y = (ends[:, :2] - back * ends[:, 2:]).T
        return picture[y.astype(int).clip(0, picture.shape[0] - 1), x.astype(int).clip(0, picture.shape[1] - 1)]

    ends = ends[sample(near, 0.0)]
    own = sample(half, 2.0 * width + 4.0)
    return ends, (2 * own - 1 <= width + 1) & (sample(half, 3.5) >= _BLUNT * own)


def _join_across(main: np.ndarray, traces: np.ndarray, ends: np.ndarray, width: int) -> np.ndarray:
    """The pixels of trace lines at ends of an outline that lie between two pieces of it, no farther apart than such a line is wide."""
    around = np.zeros(main.shape, np.uint8)
    around[ends[:, 1].astype(int), ends[:, 0].astype(int)] = 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 5,) * 2)
    closed = cv2.morphologyEx(main.view(np.uint8), cv2.MORPH_CLOSE, disk) > 0
    return _keep_joints(closed & traces & _grow(around > 0, width + 4), main)


def _keep_joints(found: np.ndarray, main: np.ndarray) -> np.ndarray:
    """The pieces of a mask that touch an outline in two places or more."""
    if not found.any():
        return found
    count, pieces = label_pieces(found)
    near = _grow(found, 1)
    places = label_pieces(near & main)[1]
    around = np.asarray(cv2.dilate(pieces.astype(np.float32), np.ones((3, 3), np.uint8)))
    touching = places > 0
    pairs = np.unique(np.stack([around[touching].astype(np.int64), places[touching]], axis=1), axis=0)
    met = np.bincount(pairs[:, 0], minlength=count)
    met[0] = 0
    return (met >= 2)[pieces]


def _join_along(ends: np.ndarray, traces: np.ndarray, width: int, farthest: float) -> np.ndarray:
    """The pixels of trace lines along which an outline goes on from one of its `ends` to another."""
    joined = np.zeros_like(traces)
    cost = np.where(traces, 1.0, np.where(_grow(traces, 2), 2.0, -1.0))
    points = ends[:, :2].astype(int)
    ways: list[tuple[float, int, int, np.ndarray]] = []
    for first in range(len(ends)):
        low = np.maximum(points[first] - int(farthest), 0)
        box = cost[low[1] : points[first, 1] + int(farthest), low[0] : points[first, 0] + int(farthest)]
        others = [n for n in range(first + 1, len(ends)) if ((points[n] >= low) & (points[n] - low < box.shape[::-1])).all()]
        if not others:
            continue
        graph = MCP_Geometric(box)
        length, _ = graph.find_costs([tuple((points[first] - low)[::-1])])
        for second in others:
            end = tuple((points[second] - low)[::-1])
            if length[end] <= farthest:
                way = np.array(graph.traceback(end))[:, ::-1] + low
                if _leads_on(ends[first], way, width) and _leads_on(ends[second], way[::-1], width):
                    ways.append((float(length[end]), first, second, way))
    taken: set[int] = set()
    for _, first, second, way in sorted(ways, key=lambda found: found[0]):
        if first not in taken and second not in taken:
            taken |= {first, second}
            joined[way[:, 1], way[:, 0]] = True
    return _grow(joined, max(1, width // 2)) & traces


def _leads_on(end: np.ndarray, way: np.ndarray, width: int) -> bool:
    """Whether a way of pixels (N, 2) x, y goes on in the direction of a line's end (x, y, direction)."""
    step = way[min(len(way) - 1, max(_SIDE, 2 * width))] + 0.5 - end[:2]
    return float(step @ end[2:]) >= _ALONG * float(np.hypot(*step))


def _ink_pixels(paint: np.ndarray, main: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """The paint with covered pixels in the color of the outline nearest to them."""
    nearest = grow_labels(np.where(main, np.arange(1, main.size + 1, dtype=np.int32).reshape(main.shape), 0)) - 1
    inked = paint.copy()
    inked[covered, :3] = paint.reshape(-1, 4)[nearest[covered], :3]
    return inked
