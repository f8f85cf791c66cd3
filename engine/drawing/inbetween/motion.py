"""How the points between two keys move: as stiffly as the keys allow, in arcs, and joined where lines are joined.

Each step from a point to the next is turned and scaled along a logarithmic spiral, by what its surroundings turn and scale from key to
key, and what is left is interpolated evenly. Steps bind the points of a stroke, ends to the lines that they meet, and neighbors
(a triangulation of either key) that move alike. The points come from all steps at once, by least squares; points that stay
where they are hold the rest, so that an arm swings about its shoulder.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.sparse.linalg import splu
from scipy.spatial import Delaunay, QhullError

from .contacts import find_contacts
from .curves import to_xy
from .nodes import FINENESS, MotionNodes

_REACH = 0.04  # of the size: how far around a point the keys are compared, for its turn
_STILL = 0.015  # of the size: what moves less holds the rest
_EVEN = 0.002  # how much a point that moves, but isn't turned, goes straight, against one that holds
_TURNED = 0.25  # radians; what is turned by more, itself or against most of the drawing, goes in an arc
_NEIGHBOR = 0.15  # how much neighbors count against points of a stroke
_ALIKE = 0.2  # neighbors whose distance changes by this part of it count half
_FOLLOWER = 1e-3  # what is in one key only, against what is in both
_JOINT = 30.0  # what binds a joint, as steps of one hundredth of the size


@dataclass(frozen=True)
class SlidingEnds:
    """Ends that lie on another line, but not on the same place of it in both keys. `end` int64 (K,) the point · `begin`, `target`
    float64 (K,) where on the line, in points, in either key."""

    end: np.ndarray
    begin: np.ndarray
    target: np.ndarray


@dataclass(frozen=True, eq=False)
class StrokeMotion:
    """Points on their way. `nodes` what moves · `slides` ends that slide · `edges` int64 (E, 2) · `weights` float64 (E,) · `spiral`
    complex128 (N,) logarithm of scale and i x turn (radians) of a point's surroundings from key to key."""

    nodes: MotionNodes
    slides: SlidingEnds
    edges: np.ndarray
    weights: np.ndarray
    spiral: np.ndarray

    def move_points(self, place: float) -> np.ndarray:
        """Where the points are, complex128 (N,), at 0 (the key before) to 1 (the one after), or beyond."""
        solver, incidence, anchors, away = self._solver_system
        vectors = self.weights * self._interpolate_steps(place)
        a, b = self._key_points
        right = incidence.T @ vectors + anchors * ((1.0 - place) * a + place * b)
        solved = solver.solve(to_xy(right))
        return self._slide_ends(solved[:, 0] + 1j * solved[:, 1] + away, place)

    def _slide_ends(self, points: np.ndarray, place: float) -> np.ndarray:
        """Ends brought onto the lines that they slide along, and the rest of their strokes after them, less and less."""
        nodes, result, slides = self.nodes, points.copy(), self.slides
        every = np.arange(len(points))
        mixed = (1.0 - place) * slides.begin + place * slides.target
        gap_a = nodes.a[slides.end] - np.interp(slides.begin, every, nodes.a)
        gap_b = nodes.b[slides.end] - np.interp(slides.target, every, nodes.b)
        missing = np.interp(mixed, every, points) + (1.0 - place) * gap_a + place * gap_b - points[slides.end]
        for end, by in zip(slides.end.tolist(), missing.tolist(), strict=True):
            first, last = np.searchsorted(nodes.piece, (nodes.piece[end], nodes.piece[end] + 1))
            rows = np.arange(first, last)
            run = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(points[rows])))])
            away = run if end == first else run[-1] - run
            reach = max(min(run[-1], max(0.15 * nodes.size, 3.0 * abs(by))), 1e-9)
            result[rows] += by * np.maximum(1.0 - away / reach, 0.0) ** 2
        return result

    def _interpolate_steps(self, place: float) -> np.ndarray:
        first, second = self.edges.T
        turn = (self.spiral[first] + self.spiral[second]) / 2.0
        a = self.nodes.a[second] - self.nodes.a[first]
        b = self.nodes.b[second] - self.nodes.b[first]
        forth, back = np.exp(place * turn), np.exp((place - 1.0) * turn)
        step = np.where(np.isnan(a), back * b, np.where(np.isnan(b), forth * a, (1.0 - place) * forth * a + place * back * b))
        return np.nan_to_num(step)

    @cached_property
    def _key_points(self) -> tuple[np.ndarray, np.ndarray]:
        """Where points are in the keys, relative to a place near all of them; those without a place have no anchor."""
        away = self._solver_system[3]
        return np.nan_to_num(self.nodes.a - away), np.nan_to_num(self.nodes.b - away)

    @cached_property
    def _solver_system(self):
        nodes = self.nodes
        count, size = len(nodes.a), nodes.size
        moved = np.abs(nodes.b - nodes.a) / (_STILL * size)
        turn = np.imag(self.spiral)
        turned = np.minimum(np.abs(turn), np.abs(turn - np.median(turn))) / _TURNED
        hold = (_EVEN + 1.0 / (1.0 + moved**2) ** 2) / (1.0 + turned**2) ** 2
        anchors = np.nan_to_num(hold) / (FINENESS * size)
        away = np.nanmean(np.concatenate([nodes.a, nodes.b]))
        rows = np.arange(len(self.edges))
        ones = np.ones(len(rows))
        shape = (len(rows), count)
        incidence = sparse.csr_matrix((np.concatenate([ones, -ones]), (np.tile(rows, 2), self.edges[:, ::-1].T.ravel())), shape)
        matrix = incidence.T @ sparse.diags(self.weights) @ incidence + sparse.diags(anchors + 1e-9 / size)
        solver = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        return solver, incidence, anchors, away


def find_motion(nodes: MotionNodes, reach: np.ndarray) -> StrokeMotion:
    """Find how points move. `reach` float64 (N,) px: half of what ends of lines may be off where they meet others."""
    size = nodes.size
    same = np.flatnonzero(np.diff(nodes.piece) == 0)
    chain = np.stack([same, same + 1], 1)
    joints, slides = _find_joints(nodes, reach)
    near = _find_neighbors(nodes)
    edges = np.concatenate([chain, joints, near])
    kind = np.repeat([0, 1, 2], [len(chain), len(joints), len(near)])

    a = nodes.a[edges[:, 1]] - nodes.a[edges[:, 0]]
    b = nodes.b[edges[:, 1]] - nodes.b[edges[:, 0]]
    length = np.maximum(np.fmax(np.abs(a), np.abs(b)), 1e-3 * size)
    # What is in one key only follows, and pulls nothing.
    lead = np.where(np.isnan(nodes.a + nodes.b)[edges].any(1), _FOLLOWER, 1.0)
    weights = lead * np.select([kind == 0, kind == 1], [1.0 / length, 100.0 * _JOINT / size], 0.0)
    mass = np.bincount(chain.ravel(), np.repeat(length[kind == 0] / 2.0, 2), len(nodes.a)) + 1e-3 * size
    spiral = _estimate_spiral(edges, weights, a, b, kind != 1, mass, size)
    # Neighbors that keep their distance, when turned as their surroundings are, move together.
    turn = (spiral[edges[:, 0]] + spiral[edges[:, 1]]) / 2.0
    changed = np.abs(b * np.exp(-turn / 2.0) - a * np.exp(turn / 2.0)) / length
    alike = np.where(np.isnan(changed), 0.5, 1.0 / (1.0 + (np.nan_to_num(changed) / _ALIKE) ** 2) ** 2)
    # How far neighbors are apart counts twice: those far off say little.
    far = 1.0 / (1.0 + (length / (0.1 * size)) ** 2)
    weights = np.where(kind == 2, lead * (_NEIGHBOR * alike * far + 1e-4) / length, weights)
    spiral = _estimate_spiral(edges, weights, a, b, kind != 1, mass, size)
    return StrokeMotion(nodes, slides, edges, weights, spiral)


def _find_joints(nodes: MotionNodes, reach: np.ndarray) -> tuple[np.ndarray, SlidingEnds]:
    """Ends that lie on the same line in both keys, or in the only one that has them: pairs of points that stay on each other,
    int64 (J, 2), and ends that slide."""
    ends, onto = [], []
    for there in (nodes.a, nodes.b):
        rows = np.flatnonzero(~np.isnan(there))
        found = find_contacts(there[rows], nodes.piece[rows], reach[rows])
        ends.append(rows[found.end])
        onto.append(rows[found.first] + found.part)
    count = int(nodes.piece.max()) + 1
    names = [end * count + nodes.piece[place.astype(np.int64)] for end, place in zip(ends, onto, strict=True)]
    _, in_a, in_b = np.intersect1d(*names, return_indices=True)
    end, from_a, to_b = ends[0][in_a], onto[0][in_a], onto[1][in_b]
    near_a, near_b = np.round(from_a).astype(np.int64), np.round(to_b).astype(np.int64)
    moved = np.fmin(np.abs(nodes.a[near_a] - nodes.a[near_b]), np.abs(nodes.b[near_a] - nodes.b[near_b]))
    still = moved <= 1.5 * nodes.size / FINENESS
    pairs = [np.stack([end, (near_a + near_b) // 2], 1)[still]]
    for end_there, place in zip(ends, onto, strict=True):
        line = np.round(place).astype(np.int64)
        alone = np.isnan(nodes.a[end_there] + nodes.b[end_there]) | np.isnan(nodes.a[line] + nodes.b[line])
        pairs.append(np.stack([end_there, line], 1)[alone])
    return np.concatenate(pairs), SlidingEnds(end[~still], from_a[~still], to_b[~still])


def _find_neighbors(nodes: MotionNodes) -> np.ndarray:
    """Points that lie side by side in either key."""
    found = [np.zeros((0, 2), np.int64)]
    for there in (nodes.a, nodes.b):
        rows = np.flatnonzero(~np.isnan(there))
        points = to_xy(there[rows])
        try:
            corners = Delaunay(points).simplices
        except (QhullError, ValueError):  # fewer than three points, or all on a line: the next point will do
            found.append(np.stack([rows[:-1], rows[1:]], 1))
            continue
        edges = np.unique(np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1), axis=0)
        found.append(rows[edges])
        # Points that lie on others are in no triangle.
        lonely = np.setdiff1d(np.arange(len(rows)), corners)
        found.append(np.stack([rows[lonely], rows[np.maximum(lonely - 1, 0)]], 1))
    edges = np.unique(np.sort(np.concatenate(found), 1), axis=0)
    edges = edges[edges[:, 0] != edges[:, 1]]
    side = (nodes.piece[edges[:, 0]] == nodes.piece[edges[:, 1]]) & (edges[:, 1] - edges[:, 0] == 1)
    return edges[~side]


def _estimate_spiral(
    edges: np.ndarray, weights: np.ndarray, a: np.ndarray, b: np.ndarray, telling: np.ndarray, mass: np.ndarray, size: float
) -> np.ndarray:
    """Logarithm of the scale and turn of what is around each point, complex128 (N,): `telling` steps (a, b) in both keys are compared,
    and what they say spreads along all edges."""
    count = len(mass)
    first, second = edges.T
    seen = telling & ~np.isnan(a) & ~np.isnan(b)
    both, power, other = (np.where(seen, values, 0.0) * weights for values in (a.conj() * b, np.abs(a) ** 2, np.abs(b) ** 2))

    def sum_by_point(values: np.ndarray) -> np.ndarray:
        return np.bincount(first, values, count) + np.bincount(second, values, count)

    columns = np.stack([sum_by_point(np.real(both)), sum_by_point(np.imag(both)), sum_by_point(power), sum_by_point(other)], 1)
    graph = sparse.coo_matrix((weights, (first, second)), (count, count)).tocsr()
    graph = graph + graph.T
    matrix = sparse.diags(mass) + (_REACH * size) ** 2 * (sparse.diags(np.asarray(graph.sum(1)).ravel()) - graph)
    solver = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    real, imaginary, power, other = solver.solve(columns).T
    z = real + 1j * imaginary
    tiny = 1e-12 * size
    scale = np.log((np.maximum(other, tiny) / np.maximum(power, tiny)).clip(1e-3, 1e3)) / 2.0
    angle = np.angle(z)
    return scale + 1j * _unwrap_angles(graph, angle, np.abs(z))


def _unwrap_angles(graph, angle: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Angles that go on from neighbor to neighbor instead of starting anew after half a turn."""
    inverse = graph.copy()
    inverse.data = 1.0 / inverse.data
    tree = minimum_spanning_tree(inverse)
    parts, part = connected_components(tree, directed=False)
    roots = np.unique(part, return_index=True)[1]
    bridges = sparse.coo_matrix((np.ones(parts - 1), (np.full(parts - 1, roots[0]), roots[1:])), tree.shape)
    order, parents = breadth_first_order(tree + bridges, roots[0], directed=False)
    values = angle.tolist()
    for child, parent in zip(order[1:].tolist(), parents[order[1:]].tolist(), strict=True):
        values[child] -= 2.0 * np.pi * round((values[child] - values[parent]) / (2.0 * np.pi))
    result = np.array(values)
    mean = np.bincount(part, result * strength, parts) / np.maximum(np.bincount(part, strength, parts), 1e-300)
    return result - (2.0 * np.pi * np.round(mean / (2.0 * np.pi)))[part]
