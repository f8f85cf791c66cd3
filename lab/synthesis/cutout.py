"""Cut-out characters: parts with lines on them, stacked in front of each other.

A character is a function of its pose that returns its parts, the foremost first. Lines are always whole, so that row k of a line is the
same point of the character in every pose. `visible.py` finds their visible parts.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CutoutLine:
    """A line of a character, whole, whether it is visible or not. In px, y down.

    points  float64 (n, 2)
    widths  float64 (n,)  diameter
    depth   float64 (n,)  below 0 where it lies on the far side of its own part
    cyclic  the last point is joined to the first
    """

    name: str
    points: np.ndarray
    widths: np.ndarray
    depth: np.ndarray
    cyclic: bool = False


@dataclass(frozen=True)
class CutoutPart:
    """Lines, and the polygons float64 (k, 2) that hide the lines of all parts behind this one."""

    lines: tuple[CutoutLine, ...]
    covers: tuple[np.ndarray, ...] = ()


def draw_line(
    name: str, points: np.ndarray, width: float, taper: float = 0.0, depth: np.ndarray | None = None, cyclic: bool = False
) -> CutoutLine:
    """Make a line that gets thinner toward its ends by the fraction `taper`."""
    u = np.linspace(-1, 1, len(points))
    widths = np.full(len(points), width) if cyclic else width * (1 - taper * np.abs(u) ** 3)
    return CutoutLine(name, np.asarray(points, float), widths, np.ones(len(points)) if depth is None else depth, cyclic)


@dataclass(frozen=True)
class Tube:
    """A shape with a given width along a bent middle line: limbs, bodies, tails, locks of hair.

    middle  float64 (n, 2)
    radius  float64 (n,)
    """

    middle: np.ndarray
    radius: np.ndarray

    def map_points(self, along: np.ndarray | float, across: np.ndarray | float) -> np.ndarray:
        """Points float64 (..., 2) at a fraction of the length, 0 to 1, and of the radius, -1 left and 1 right in its direction."""
        along, across = np.broadcast_arrays(np.asarray(along, float), np.asarray(across, float))
        rows = np.linspace(0, 1, len(self.middle))
        step = np.gradient(self.middle, axis=0)
        normal = np.stack([-step[:, 1], step[:, 0]], 1) / np.maximum(np.linalg.norm(step, axis=1), 1e-9)[:, None]
        side = normal * self.radius[:, None]
        return np.stack([np.interp(along, rows, self.middle[:, k]) + across * np.interp(along, rows, side[:, k]) for k in (0, 1)], -1)

    def trace_side(self, across: float, first: float = 0.0, last: float = 1.0, rows: int = 41, cap: float = 0.0) -> np.ndarray:
        """The line along the tube at a share of the radius; with a cap it starts in the middle and is round for that share of the
        length."""
        line = self.map_points(np.linspace(first + cap, last, rows), across)
        if not cap:
            return line
        turn = np.linspace(0, np.pi / 2, 9)[:-1]
        return np.concatenate([self.map_points(first + cap * (1 - np.cos(turn)), across * np.sin(turn)), line])

    def trace_ring(self, along: float, bulge: float = 0.0, first: float = -1.0, last: float = 1.0, rows: int = 17) -> np.ndarray:
        """The line across the tube, bulging by a share of its length."""
        across = np.linspace(first, last, rows)
        return self.map_points(along + bulge * (1 - across**2), across)

    def trace_outline(self, cap: float = 0.0) -> np.ndarray:
        """The polygon around it."""
        return np.concatenate([self.trace_side(-1, cap=cap)[::-1], self.trace_side(1, cap=cap)])


def make_tube(joints: np.ndarray, radii: np.ndarray, rounding: float = 0.3) -> Tube:
    """A tube along joints float (k, 2), its middle line rounded at a share of the way to the next joint. `radii` are spread evenly along
    it."""
    joints = np.asarray(joints, float)
    inner = [point for k in range(1, len(joints) - 1) for point in _round_corner(joints[k - 1 : k + 2], rounding)]
    middle = np.array([joints[0], *inner, joints[-1]])
    for _ in range(3):
        middle = smooth_corners(middle)
    rows = np.linspace(0, 1, len(middle))
    return Tube(middle, np.interp(rows, np.linspace(0, 1, len(radii)), radii))


def _round_corner(three: np.ndarray, rounding: float) -> list[np.ndarray]:
    before, here, after = three
    return [here + rounding * (before - here), here, here + rounding * (after - here)]


def smooth_corners(points: np.ndarray) -> np.ndarray:
    """Corners cut at a quarter of the sides (Chaikin), twice the points; the ends stay."""
    a, b = points[:-1], points[1:]
    cut = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], 1).reshape(-1, points.shape[1])
    return np.concatenate([points[:1], cut[1:-1], points[-1:]])


def draw_curve(points, rounds: int = 3) -> np.ndarray:
    """A smooth line from the first to the last of a few points."""
    points = np.asarray(points, float)
    for _ in range(rounds):
        points = smooth_corners(points)
    return points


@dataclass(frozen=True)
class LocalFrame:
    """A place with axes of its own: columns of `axes` float64 (2, 2) are its x and y."""

    origin: np.ndarray
    axes: np.ndarray

    def map_points(self, points) -> np.ndarray:
        return np.asarray(points, float) @ self.axes.T + self.origin


def make_frame(origin: np.ndarray, angle: float, scale: tuple[float, float] = (1.0, 1.0)) -> LocalFrame:
    """A frame turned by `angle`, clockwise on the screen, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return LocalFrame(np.asarray(origin, float), np.array([[c * scale[0], -s * scale[1]], [s * scale[0], c * scale[1]]]))


def point_upward(angle: float) -> np.ndarray:
    """The direction at an angle from upright, clockwise."""
    return np.array([np.sin(angle), -np.cos(angle)])


def point_downward(angle: float) -> np.ndarray:
    """The direction at an angle from hanging, counterclockwise."""
    return np.array([np.sin(angle), np.cos(angle)])
