"""How well each region of one picture fits each region of another: place after alignment and flow, size, shape, border, neighbors."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse

from .shapes import REACH, Shapes

FLOOR = 1e-3  # least share of a region's overlap with another, before the logarithm
NEAR = 1.5  # px of the label map: lines this near lie on each other

# Weights of the evidence, in the order of `_evidence`, where the alignment holds everywhere (first row) and nowhere (second row).
# Fitted on drawn puppets with known parts to give the true swatch the highest probability; of overlap by flow the fit wants less, because
# puppets are cut into the same regions in every drawing, which drawings by hand are not.
WEIGHTS = np.array(
    [
        [0.25, 0.33, 0.08, 0.06, 0.35, 0.36, 0.08, 0.8, 0.31, 0.0, 0.03],
        [0.0, 0.0, 0.0, 0.0, 0.60, 0.64, 0.18, 0.35, 0.20, 0.0, 2.4],
    ],
    np.float32,
)
NEIGHBORS = np.array([[0.6, 0.42], [1.06, 1.03]], np.float32)  # the weights of neighbors across lines and across trace lines, likewise
NONE_SCORES = np.array([-4.8, -6.05], np.float32)  # the score of having no match, likewise
BACK = [1, 0, 3, 2, 4, 5, 6, 7, 8, 9, 10]  # the order of the evidence when A and B change places
ROUNDS = 3


@dataclass(frozen=True)
class RegionMatch:
    """How each region of A fits each of B: `scores` float32 (RA + 1, RB + 1), larger is likelier (row and column 0 unused).

    `nothing` is the score that a region of A is not in B at all · `alignment` 0..1 how far the lines of A and B can be laid on each other.
    """

    scores: np.ndarray
    nothing: float
    alignment: float


def match_regions(a: Shapes, b: Shapes) -> tuple[RegionMatch, RegionMatch]:
    """Compare two pictures: how A's regions fit B's, and how B's fit A's."""
    evidence, alignment = compute_evidence(a, b)
    return _weigh_evidence(evidence, alignment, a, b), _weigh_evidence(evidence[BACK].transpose(0, 2, 1), alignment, b, a)


def _weigh_evidence(evidence: np.ndarray, alignment: float, a: Shapes, b: Shapes) -> RegionMatch:
    weights = alignment * WEIGHTS[0] + (1.0 - alignment) * WEIGHTS[1]
    scores = np.tensordot(weights, evidence, axes=1)
    scores = _relax_scores(scores, a, b, alignment * NEIGHBORS[0] + (1.0 - alignment) * NEIGHBORS[1])
    return RegionMatch(scores, float(alignment * NONE_SCORES[0] + (1.0 - alignment) * NONE_SCORES[1]), alignment)


def compute_evidence(a: Shapes, b: Shapes) -> tuple[np.ndarray, float]:
    """The evidence float32 (K, RA + 1, RB + 1) before it is weighed, and the alignment of the lines."""
    similarity, rough = align_lines(a, b)
    place, alignment = _compute_flow(a, b, similarity)
    alignment = max(alignment, rough)
    return _measure_evidence(a, b, similarity, place), alignment


# --- alignment --------------------------------------------------------------------------------------------------------


def align_lines(a: Shapes, b: Shapes) -> tuple[np.ndarray, float]:
    """The similarity float64 (2, 3) that lays A's lines on B's, in label map pixels, and the share of lines that then meet.

    Tried from the same place, the figures' boxes and the spread of their lines; the best is refined.
    """
    if len(a.points) < 2 or len(b.points) < 2:
        return _make_similarity(b.scale / a.scale, 0.0, (0, 0), (0, 0)), 0.0
    starts = []
    box_a, box_b = _measure_box(a.points), _measure_box(b.points)
    for scale in (b.scale / a.scale, (box_b[3] - box_b[1]) / max(1.0, box_a[3] - box_a[1]), b.points.std() / max(1.0, a.points.std())):
        if not 0.05 < scale < 20.0:
            continue
        for anchor_a, anchor_b in ((_find_center(box_a), _find_center(box_b)), (a.points.mean(0), b.points.mean(0))):
            starts.append((scale, 0.0, anchor_a, anchor_b))
    same = b.scale / a.scale
    starts.insert(0, (same, 0.0, np.zeros(2), np.zeros(2)))
    costs = [_measure_cost(a, b, _make_similarity(*start)) for start in starts]
    best = int(np.argmin(np.array(costs) * np.where(np.arange(len(costs)) == 0, 0.9, 1.0)))
    matrix = _refine_similarity(a, b, starts[best])
    there = measure_line_distance(b, a.points @ matrix[:, :2].T + matrix[:, 2])
    return matrix, float((there < NEAR * 2).mean())


def _measure_box(points: np.ndarray) -> np.ndarray:
    low, high = np.percentile(points, [1, 99], axis=0)
    return np.concatenate([low, high])


def _find_center(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2


def _make_similarity(scale: float, angle: float, start, end) -> np.ndarray:
    """Turns and scales about `start`, which lands on `end`."""
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.concatenate([turn, (np.asarray(end) - turn @ np.asarray(start))[:, None]], axis=1)


def measure_line_distance(shapes: Shapes, points: np.ndarray) -> np.ndarray:
    """Distance to the nearest line of a picture, in its label map's pixels, at points (N, 2); REACH outside of it."""
    height, width = shapes.distance.shape
    factor = width / shapes.labels.shape[1]
    x, y = (points[:, 0] * factor).astype(np.int32), (points[:, 1] * factor).astype(np.int32)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    values = np.full(len(points), REACH, np.float32)
    values[inside] = shapes.distance[y[inside], x[inside]] * np.float32(REACH / 255.0)
    return values


def _measure_cost(a: Shapes, b: Shapes, matrix: np.ndarray) -> float:
    turn = matrix[:, :2]
    forth = measure_line_distance(b, a.points[::2] @ turn.T + matrix[:, 2])
    back = measure_line_distance(a, (b.points[::2] - matrix[:, 2]) @ np.linalg.inv(turn).T)
    return float(forth.mean() + back.mean())


def _refine_similarity(a: Shapes, b: Shapes, start: tuple) -> np.ndarray:
    """A pattern search over shift, scale and turn with halving steps."""
    scale, angle, anchor_a, anchor_b = start
    middle = a.points.mean(0)
    end = _make_similarity(scale, angle, anchor_a, anchor_b) @ np.append(middle, 1.0)
    state = np.array([end[0], end[1], np.log(scale), angle])
    size = max(b.labels.shape)
    steps = np.array([0.04 * size, 0.04 * size, 0.08, 0.06])

    def measure_drift_cost(s: np.ndarray) -> float:
        drift = abs(s[2] - np.log(scale)) + abs(s[3])
        return _measure_cost(a, b, _make_similarity(np.exp(s[2]), s[3], middle, s[:2])) + 2.0 * drift

    best = measure_drift_cost(state)
    for _ in range(5):
        for axis in range(4):
            for sign in (-1.0, 1.0):
                trial = state.copy()
                trial[axis] += sign * steps[axis]
                value = measure_drift_cost(trial)
                if value < best:
                    best, state = value, trial
                    break
        steps *= 0.5
    return _make_similarity(np.exp(state[2]), state[3], middle, state[:2])


def _compute_flow(a: Shapes, b: Shapes, similarity: np.ndarray) -> tuple[np.ndarray, float]:
    """Where each pixel of A's label map lies in B's, float32 (h, w, 2), by dense flow between the distance maps, and the alignment 0..1."""
    height, width = a.distance.shape
    to_labels_a = a.labels.shape[1] / width
    to_flow_b = b.distance.shape[1] / b.labels.shape[1]
    small = similarity.copy()  # from A's flow pixels to B's flow pixels
    small[:, :2] *= to_labels_a * to_flow_b
    small[:, 2] *= to_flow_b
    warped = cv2.warpAffine(
        b.distance, small, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT, borderValue=255
    )
    flow = np.zeros((height, width, 2), np.float32)
    if min(height, width) >= 32:
        method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        method.setFinestScale(1)
        flow = method.calc(a.distance, warped, flow)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    meets = cv2.remap(warped, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=255)
    on_lines = a.distance < 255 * (NEAR / REACH)
    alignment = float((meets[on_lines] < 255 * (2.0 * NEAR / REACH)).mean()) if on_lines.any() else 0.0
    turn = similarity[:, :2]
    place = np.stack([x * to_labels_a, y * to_labels_a], axis=-1) @ turn.T.astype(np.float32) + similarity[:, 2].astype(np.float32)
    return place.astype(np.float32), alignment


# --- evidence ---------------------------------------------------------------------------------------------------------


def _count_overlaps(a: Shapes, b: Shapes, place: np.ndarray) -> np.ndarray:
    """How many pixels of each region of A land in each of B, float32 (RA + 1, RB + 1); `place` as from `_flow`, at any size."""
    size = (a.labels.shape[1], a.labels.shape[0])
    place = cv2.resize(place, size, interpolation=cv2.INTER_LINEAR) if place.shape[:2] != a.labels.shape else place
    x, y = place[..., 0].round().astype(np.int32), place[..., 1].round().astype(np.int32)
    height, width = b.labels.shape
    # What falls off the other picture goes to what lies at its edge: the paper outside, or what is cut off there.
    landed = b.labels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    code = a.labels.astype(np.int64) * (b.count + 1) + landed
    return np.bincount(code.ravel(), minlength=(a.count + 1) * (b.count + 1)).reshape(a.count + 1, b.count + 1).astype(np.float32)


def _measure_evidence(a: Shapes, b: Shapes, similarity: np.ndarray, place: np.ndarray) -> np.ndarray:
    scale = float(np.sqrt(abs(np.linalg.det(similarity[:, :2]))))
    areas_a, areas_b = np.maximum(a.areas * scale**2, 1.0), np.maximum(b.areas, 1.0)
    by_flow = _count_overlaps(a, b, place)
    height, width = a.labels.shape
    rows, columns = np.mgrid[:height:4, :width:4].astype(np.float32)
    straight = np.stack([columns, rows], axis=-1) @ similarity[:, :2].T.astype(np.float32) + similarity[:, 2].astype(np.float32)
    by_similarity = _count_overlaps(a, b, cv2.resize(straight, (width, height), interpolation=cv2.INTER_LINEAR))
    centers = a.centers @ similarity[:, :2].T.astype(np.float32) + similarity[:, 2].astype(np.float32)
    size = max(1.0, float(np.linalg.norm(np.ptp(b.points, axis=0)))) if len(b.points) else float(max(b.labels.shape))
    away = np.linalg.norm(centers[:, None] - b.centers[None], axis=2) / size
    own = np.maximum(a.areas, 1.0)[:, None]
    degree_a, degree_b = _count_neighbors(a), _count_neighbors(b)
    share_flow = by_flow / own
    return np.stack(
        [
            np.log(np.maximum(share_flow, FLOOR)),
            np.log(np.maximum(by_flow * scale**2 / areas_b[None], FLOOR)),
            np.log(np.maximum(by_similarity / own, FLOOR)),
            np.log(np.maximum(by_similarity * scale**2 / areas_b[None], FLOOR)),
            -np.minimum(away * 10.0, 5.0),
            -np.minimum(np.abs(np.log(areas_a)[:, None] - np.log(areas_b)[None]), 4.0),
            -np.minimum(np.abs(a.form[:, None, 0] - b.form[None, :, 0]), 3.0),
            -np.minimum(np.abs(a.form[:, None, 1] - b.form[None, :, 1]) * 3.0, 3.0),
            -np.minimum(np.abs(a.form[:, None, 2] - b.form[None, :, 2]) * 2.0, 3.0),
            -np.abs(a.border[:, None].astype(np.float32) - b.border[None]),
            -np.abs(np.log1p(degree_a)[:, None] - np.log1p(degree_b)[None]),
        ]
    ).astype(np.float32)


def _count_neighbors(shapes: Shapes) -> np.ndarray:
    return np.bincount(shapes.edges.ravel(), minlength=shapes.count + 1).astype(np.float32)


# --- neighbors --------------------------------------------------------------------------------------------------------


def compute_probabilities(scores: np.ndarray, nothing: float = -np.inf) -> np.ndarray:
    """Softmax along the rows of a score table whose row and column 0 are unused; these come out 0, and so does the share of `nothing`."""
    result = np.zeros_like(scores)
    inner = scores[1:, 1:]
    if inner.size:
        top = np.maximum(inner.max(axis=1, keepdims=True), nothing)
        inner = np.exp(inner - top)
        result[1:, 1:] = inner / (inner.sum(axis=1, keepdims=True) + np.exp(nothing - top))
    return result


def _build_adjacency(shapes: Shapes, which: np.ndarray) -> sparse.csr_array:
    edges = shapes.edges[which]
    size = shapes.count + 1
    ones = np.ones(len(edges), np.float32)
    matrix = sparse.coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(size, size)).tocsr()
    return ((matrix + matrix.T) > 0).astype(np.float32)


def _relax_scores(scores: np.ndarray, a: Shapes, b: Shapes, weights: np.ndarray) -> np.ndarray:
    """Add, a few times over, how well the neighbors of a region fit the neighbors of its match, across lines and across trace lines."""
    kinds = []
    for which_a, which_b, weight in ((~a.traces, ~b.traces, weights[0]), (a.traces, b.traces, weights[1])):
        near_a, near_b = _build_adjacency(a, which_a), _build_adjacency(b, which_b)
        degree = np.asarray(near_a.sum(axis=1)).ravel()
        if not degree.any():
            continue
        near_b = near_b + sparse.eye_array(b.count + 1, format="csr").astype(np.float32)  # a region may be split in A and whole in B
        mean = sparse.diags_array(1.0 / np.maximum(degree, 1.0)).astype(np.float32) @ near_a
        kinds.append((mean, near_b, weight, degree > 0))
    current = scores
    for _ in range(ROUNDS):
        belief = compute_probabilities(current)
        current = scores.copy()
        for mean, near_b, weight, has in kinds:
            support = np.log(0.1 + (near_b @ (mean @ belief).T).T)
            current[has] += weight * support[has]
    return current
