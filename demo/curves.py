"""Curves of the puppet: sampled splines and the parts made of them. Pixels of the drawing, x right, y down."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

Points = Sequence | np.ndarray  # (N, 2)
STEP = 2.5  # px between samples


@dataclass(frozen=True)
class PenCurve:
    """One pull of the pen: points (N, 2); `width` px at full pressure, 0 for a border that is not inked;
    `taper` how much of the pressure is lost at (start, end), 0..1."""

    points: np.ndarray
    width: float = 3.4
    taper: tuple[float, float] = (0.55, 0.55)


@dataclass(frozen=True)
class FigurePart:
    """A flat piece of the figure. `outline` curves follow one another around it; `fill` names its swatch (None: lines only, covers
    nothing). With `clip` it shows only inside the part of that name. `trace` makes it a tone: 'light' or 'shade', drawn in trace color.
    `fine` parts get no gaps and hardly any wobble."""

    name: str
    fill: str | None
    outline: tuple[PenCurve, ...]
    details: tuple[PenCurve, ...] = ()
    clip: str = ""
    trace: str = ""
    fine: bool = False

    @property
    def polygon(self) -> np.ndarray:
        return np.concatenate([c.points for c in self.outline]) if self.outline else np.zeros((0, 2))


def transform_part(part: FigurePart, function, thicker: float = 1.0) -> FigurePart:
    """The part with `function`, (N, 2) -> (N, 2), applied to all its points, its lines `thicker` times as wide."""

    def transform_curves(curves: tuple[PenCurve, ...]) -> tuple[PenCurve, ...]:
        return tuple(replace(c, points=function(c.points), width=c.width * thicker) for c in curves)

    return replace(part, outline=transform_curves(part.outline), details=transform_curves(part.details))


def sample_spline(points: Points, closed: bool = False) -> np.ndarray:
    """A centripetal Catmull-Rom spline through the points, sampled about every STEP px."""
    p = np.asarray(points, float)
    if len(p) == 2 and not closed:
        p = np.array([p[0], p.mean(0), p[1]])
    p = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    pieces = []
    for i in range(1, len(p) - 2):
        a, b, c, d = p[i - 1 : i + 3]
        n = max(2, int(np.hypot(*(c - b)) / STEP) + 1)
        knots = np.concatenate([[0.0], np.cumsum([max(np.hypot(*(v - u)), 1e-6) ** 0.5 for u, v in ((a, b), (b, c), (c, d))])])
        t = np.linspace(knots[1], knots[2], n, endpoint=False)[:, None]

        def mix_points(u, v, i, j, t=t, knots=knots):
            return ((knots[j] - t) * u + (t - knots[i]) * v) / (knots[j] - knots[i])

        ab, bc, cd = mix_points(a, b, 0, 1), mix_points(b, c, 1, 2), mix_points(c, d, 2, 3)
        pieces.append(mix_points(mix_points(ab, bc, 0, 2), mix_points(bc, cd, 1, 3), 1, 2))
    return np.concatenate([*pieces, p[-2:-1] if not closed else pieces[0][:1]])


def make_line(points: Points, width: float = 2.4, taper: tuple[float, float] = (0.6, 0.85)) -> PenCurve:
    """An open pull of the pen."""
    return PenCurve(sample_spline(points), width, taper)


def make_loop(points: Points, corners: Sequence[int] = (), width: float = 3.4, bare: Sequence[int] = (), widths: dict | None = None):
    """A closed outline. The pen is lifted at `corners` (indices of points); stretches in `bare` (numbered from the first corner on) are
    not inked; `widths` sets other widths for some."""
    points = [tuple(p) for p in points]
    if not corners:
        return (PenCurve(sample_spline(points, closed=True), width, (0.35, 0.35)),)
    points = points[corners[0] :] + points[: corners[0]]
    ends = [c - corners[0] for c in corners] + [len(points)]
    points.append(points[0])
    return tuple(
        PenCurve(sample_spline(points[a : b + 1]), 0.0 if i in bare else (widths or {}).get(i, width))
        for i, (a, b) in enumerate(zip(ends[:-1], ends[1:], strict=True))
    )


def make_ellipse(center, rx: float, ry: float, start: float = 0.0) -> list[tuple[float, float]]:
    x, y = center
    a = np.radians(start) + np.arange(12) * np.pi / 6
    return [(x + rx * np.cos(t), y + ry * np.sin(t)) for t in a]


def make_direction(angle: float) -> np.ndarray:
    """A unit vector: 0 degrees hangs down, 90 points to the right of the screen, 180 up."""
    return np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])


def make_limb_frame(origin, angle: float, flip: float = 1.0, scale: float = 1.0):
    """A function that places limb-local points: u along `direction(angle)`, v to its left hand on the screen (right with flip -1)."""
    u, origin = make_direction(angle), np.asarray(origin, float)
    v = np.array([u[1], -u[0]]) * flip

    def place_points(points) -> np.ndarray:
        p = np.asarray(points, float) * scale
        return origin + p[..., :1] * u + p[..., 1:2] * v

    return place_points


def make_tube(path: Points, halves: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two edges of a limb along a smooth path; `halves` are half widths at the path's points."""
    p = sample_spline(path)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(p, axis=0).T))])
    given = np.asarray(path, float)
    at = [along[np.argmin(np.hypot(*(p - q).T))] for q in given]
    knots = np.linspace(0, 1, len(halves))
    t = np.interp(along, at, knots)
    half = np.interp(t, *_smooth_values(knots, halves))
    tangent = np.gradient(p, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1)
    return p + normal * half[:, None], p - normal * half[:, None]


def _smooth_values(knots, values):
    curve = sample_spline(np.stack([np.asarray(knots) * 400, np.asarray(values, float)], 1))
    return curve[:, 0] / 400, curve[:, 1]


def rotate_points(points, angle: float, about=(0.0, 0.0)) -> np.ndarray:
    """Turn clockwise on the screen by `angle` degrees."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return (np.asarray(points, float) - about) @ np.array([[c, s], [-s, c]]) + about
