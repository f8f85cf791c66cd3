"""Builds figures, piece by piece."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from engine.job.pose import BODY

from .figure import INK, OUTLINE, SHADED, ToonFigure, ToonPart
from .outlines import ANGLES
from .primitives import BALL, BOX, CONE, HEM, SHELL, TRIANGLE

AZIMUTHS = (np.arange(HEM) + 0.5) / HEM * 2 * np.pi - np.pi
_WHOLE = np.array([[-1.0, -1, -1], [1, 1, 1]])
_FRONT = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))  # the chart of solids: canonical x and z

Vector = Sequence[float] | np.ndarray
Points = Sequence[Vector] | np.ndarray


class FigureBuilder:
    """Collects the rows of a figure. Lengths are in units of the figure. Methods return the number of what they add."""

    def __init__(self) -> None:
        self.parts = [ToonPart("background", "background", 0)]
        self.focus = 0
        self._joints: list[tuple] = []
        self._prims: list[tuple] = []
        self._params: list[np.ndarray] = []
        self._locals: list[np.ndarray] = []
        self._charts: list[np.ndarray] = []
        self._hems = [np.zeros(HEM)]
        self._decals: list[tuple] = []
        self._pairs: list[tuple] = []
        self._points: list[tuple] = []
        self._curves = 0
        self._moods: list[int] = []
        self._mood = -1
        self._marks: dict[str, tuple[int, Vector]] = dict.fromkeys(BODY, (-1, (0.0, 0.0, 0.0)))

    def add_part(self, name: str, material: str, tones: int = SHADED, edge: int = INK) -> int:
        """Add a piece that is painted with one material. A name that exists already is the same part."""
        for number, part in enumerate(self.parts):
            if part.name == name:
                return number
        self.parts.append(ToonPart(name, material, tones, edge))
        return len(self.parts) - 1

    def add_joint(self, parent: int, at: Vector, turn: Vector = (0, 0, 0), swing: Vector = (0, 0, 0)) -> int:
        """Add a joint at a point of its parent's space, turned by angles about x, y, z."""
        rest = np.eye(4)
        rest[:3, :3] = compute_rotation(*turn)
        rest[:3, 3] = at
        self._joints.append((parent, rest, np.asarray(swing, float)))
        return len(self._joints) - 1

    def get_parent_joint(self, joint: int) -> int:
        """The parent of a joint."""
        return self._joints[joint][0]

    def mark_joint(self, name: str, joint: int, at: Vector = (0.0, 0.0, 0.0)) -> None:
        """Set the place of a body joint, one of `engine.job.pose.BODY`, in a joint's space."""
        self._marks[name] = (joint, at)

    def mark_solid(self, name: str, prim: int, x: float, z: float) -> None:
        """The same, on a solid's front where its chart has these coordinates, or inside if that is beside it."""
        place = np.nan_to_num(self.find_surface_points(prim, np.array([[x, z]]))[0])
        self._marks[name] = (self._prims[prim][1], (self._locals[prim][0] @ [x, place[1], z, 1.0])[:3])

    def mark_flat_shape(self, name: str, prim: int, x: float, y: float) -> None:
        """The same, in the plane of a flat shape."""
        self._marks[name] = (self._prims[prim][1], (x, y, 0.0))

    def add_feature(self, moods: int) -> list[int]:
        """Add a feature that changes. Returns the numbers of its moods, the usual one first."""
        first = sum(self._moods)
        self._moods.append(moods)
        return list(range(first, first + moods))

    @contextmanager
    def limit_to_mood(self, mood: int) -> Iterator[None]:
        """Decals and lines that are added inside are visible in this mood only."""
        before, self._mood = self._mood, mood
        yield
        self._mood = before

    # --- bodies ---------------------------------------------------------------------------------------------------

    def _add_primitive(
        self, kind: int, joint: int, local: np.ndarray, part: int, params: Vector, hem: int = 0, lining: int | None = None
    ) -> int:
        params = (*params, 0, 0, 0, 0)[:4]
        self._prims.append((kind, joint, part, part if lining is None else lining, params, hem))
        self._params.append(np.array([params]))
        self._locals.append(local[None])
        self._charts.append(np.array(_FRONT)[None])
        return len(self._prims) - 1

    def add_ball(self, joint: int, center: Vector, radii: Vector | float, part: int, turn: Vector = (0, 0, 0)) -> int:
        """An ellipsoid. Its canonical z points up, y to the front, so that charts are the same as those of other bodies."""
        rx, ry, rz = np.broadcast_to(np.asarray(radii, float), 3)
        frame = compute_rotation(*turn) @ np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], float)
        return self._add_primitive(BALL, joint, compose_transform(frame * [rx, rz, ry], center), part, ())

    def add_cone(
        self, joint: int, a: Vector, b: Vector, ra: float, rb: float, part: int, front: Vector = (0, 0, 1), flat: float = 1.0
    ) -> int:
        """A round cone from a to b; canonical z runs from a to b, y to the front, where it is flattened."""
        frame, length = align_axes(a, b, front)
        length = max(length, abs(ra - rb) * 1.02 + 1e-4)
        return self._add_primitive(CONE, joint, compose_transform(frame * [1, flat, 1], a), part, (ra, rb, length))

    def add_tube(
        self,
        joints: int | Sequence[int],
        points: Points,
        radii: Vector,
        part: int,
        flat: float = 1.0,
        front: Vector = (0, 0, 1),
    ):
        """Round cones end to end; `joints` carry one each."""
        joints = [joints] * (len(points) - 1) if isinstance(joints, int) else list(joints)
        ends = zip(points[:-1], points[1:], radii[:-1], radii[1:], joints, strict=True)
        return [self.add_cone(joint, a, b, ra, rb, part, front, flat) for a, b, ra, rb, joint in ends]

    def add_shell(
        self,
        joint: int,
        bottom: Vector,
        top: Vector,
        radii: tuple[float, float, float],
        part: int,
        lining: int,
        hem: Callable[[np.ndarray], np.ndarray] | None = None,
        front: Vector = (0, 0, 1),
        flat: float = 1.0,
    ) -> int:
        """Cloth around an axis: radii at the bottom (z = 0), halfway, and at the top (z = 1). `hem` gives the lowest z by azimuth."""
        frame, length = align_axes(bottom, top, front)
        q0, q1, q2 = (r * r for r in radii)
        table = np.zeros(HEM) if hem is None else np.asarray(hem(AZIMUTHS), float)
        self._hems.append(table)
        params = (q0, 4 * q1 - 3 * q0 - q2, 2 * q0 - 4 * q1 + 2 * q2, 1.0)
        return self._add_primitive(
            SHELL, joint, compose_transform(frame * [1, flat, length], bottom), part, params, len(self._hems) - 1, lining
        )

    def add_cap(
        self,
        joint: int,
        center: Vector,
        radii: Vector,
        part: int,
        lining: int,
        hem: Callable[[np.ndarray], np.ndarray],
        turn: Vector = (0, 0, 0),
    ):
        """An ellipsoid that is cut off below its hem, in -1..1: hair, helmets, hats."""
        rx, ry, rz = radii
        frame = compute_rotation(*turn) @ np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], float)
        self._hems.append(np.asarray(hem(AZIMUTHS), float))
        return self._add_primitive(
            SHELL, joint, compose_transform(frame * [rx, rz, ry], center), part, (1, 0, -1, 1.0), len(self._hems) - 1, lining
        )

    def add_box(self, joint: int, center: Vector, half: Vector, part: int, rounding: float = 0.3, turn: Vector = (0, 0, 0)) -> int:
        """A box whose corners are rounded: 0 not at all, 1 as far as the middles of the edges."""
        frame = compute_rotation(*turn) @ np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], float)
        size = np.array([half[0], half[2], half[1]])
        return self._add_primitive(
            BOX, joint, compose_transform(frame * size, center), part, (np.sqrt(3) - rounding * (np.sqrt(3) - np.sqrt(2)),)
        )

    def add_triangles(self, joint: int, corners: np.ndarray, across: np.ndarray, part: int) -> list[int]:
        """Triangles of a ribbon: corners (T, 3, 3), charted where they lie, and how far each is from the ribbon's middle (T, 3)."""
        local = np.zeros((len(corners), 4, 4))
        local[:, :3, :3] = corners.transpose(0, 2, 1)
        local[:, 3, :3] = 1
        first = len(self._prims)
        self._prims += [(TRIANGLE, joint, part, part, (), 0)] * len(corners)
        self._params.append(np.pad(across, ((0, 0), (0, 1))))
        self._locals.append(local)
        self._charts.append(local[:, :2, :3])
        return list(range(first, len(self._prims)))

    # --- what is painted on bodies --------------------------------------------------------------------------------

    def add_decal(
        self,
        prims: int | Sequence[int],
        part: int,
        center: Vector,
        size: Vector,
        outline: np.ndarray | None = None,
        angle: float = 0.0,
        within: int = -1,
        period: Vector = (0, 0),
        around: bool = False,
        side: float = 1.0,
    ) -> int:
        """A shape on the charts of bodies. Its own axes are turned by `angle` and `size` long; around: charted by azimuth and z."""
        c, s = np.cos(angle), np.sin(angle)
        matrix = np.array([[c, s], [-s, c]]) / np.asarray(size, float)[:, None]
        matrix = np.concatenate([matrix, -(matrix @ np.asarray(center, float))[:, None]], 1)
        outline = np.ones(OUTLINE) if outline is None else outline
        number = len(self._decals)
        prims = [prims] if isinstance(prims, int) else list(prims)
        if self._prims[prims[0]][0] == TRIANGLE:
            side = 0.0
        self._decals.append((part, matrix, np.asarray(period, float), outline, within, around, 0.0 if around else side, self._mood))
        everywhere = around or bool(np.any(period))
        x, y = outline * np.cos(ANGLES) * size[0], outline * np.sin(ANGLES) * size[1]
        reach = np.array([c * x - s * y + center[0], s * x + c * y + center[1]])
        reach = np.array([reach.min(1), reach.max(1)])
        if self._prims[prims[0]][0] == TRIANGLE:
            charts = np.concatenate(self._charts)[prims]
            near = everywhere | ((charts.min(2) <= reach[1]) & (charts.max(2) >= reach[0])).all(1)
            self._pairs += [(prims[k], number, _WHOLE) for k in np.flatnonzero(near).tolist()]
        else:
            self._pairs += [(prim, number, self._compute_decal_box(prim, reach, side, everywhere)) for prim in prims]
        return number

    def _compute_decal_box(self, prim: int, reach: np.ndarray, side: float, everywhere: bool) -> np.ndarray:
        """The canonical box of what is painted on a body between these chart coordinates, (2, 3)."""
        kind, _, _, _, params, hem = self._prims[prim]
        whole = _WHOLE
        if kind == CONE:
            wide = max(params[0], params[1])
            whole = np.array([[-wide, -wide, -params[0]], [wide, wide, params[2] + params[1]]])
        elif kind == SHELL:
            wide = np.sqrt(max(params[0] + z * (params[1] + z * params[2]) for z in (0, 0.5, 1, float(self._hems[hem].min()))))
            whole = np.array([[-wide, -wide, self._hems[hem].min()], [wide, wide, params[3]]])
        if everywhere:
            return whole
        box = whole.copy()
        box[:, 0::2] = np.clip(reach, whole[0, 0::2], whole[1, 0::2])
        if kind != BOX:
            x, z = np.meshgrid(*(np.linspace(box[0, axis], box[1, axis], 7) for axis in (0, 2)))
            depth = self.find_surface_points(prim, np.stack([x.ravel(), z.ravel()], 1), side)[:, 1]
            if np.isfinite(depth).all():
                margin = 0.05 * (whole[1, 1] - whole[0, 1])
                box[:, 1] = depth.min() - margin, depth.max() + margin
            else:
                box[:, 1] = (0, whole[1, 1]) if side > 0 else (whole[0, 1], 0) if side < 0 else box[:, 1]
        return box

    def find_surface_points(self, prim: int, chart: np.ndarray, side: float = 1.0) -> np.ndarray:
        """The canonical points (N, 3) of a solid where its front (side 1) or back has these chart coordinates (N, 2); nan off the body."""
        kind, _, _, _, (p0, p1, p2, p3), hem = self._prims[prim]
        x, z = np.asarray(chart, float).T
        if kind == BALL:
            square = 1 - x * x - z * z
        elif kind == CONE:
            fall = p0 - p1
            slope = p2 * p2 - fall * fall
            up = (p2 * z - fall * p0) / slope
            flank = (fall * fall * z * z - 2 * p2 * fall * p0 * z + (p2 * p0) ** 2) / slope - x * x
            caps = np.maximum(p0 * p0 - x * x - z * z, p1 * p1 - x * x - (z - p2) ** 2)
            square = np.where((up > 0) & (up < 1), np.maximum(flank, caps), caps)
        elif kind == SHELL:
            square = p0 + z * (p1 + z * p2) - x * x
            azimuth = np.arctan2(x, side * np.sqrt(np.maximum(square, 0)))
            floor = np.interp(azimuth, AZIMUTHS, self._hems[hem], period=2 * np.pi)
            square = np.where((z >= floor) & (z <= p3), square, -1)
        else:
            square = np.where(np.maximum(np.abs(x), np.abs(z)) <= 1, np.minimum(p0 * p0 - x * x - z * z, 1), -1)
        y = side * np.sqrt(np.where(square >= 0, square, np.nan))
        return np.stack([x, y, z], 1)

    def find_azimuth_points(self, prim: int, chart: np.ndarray) -> np.ndarray:
        """The canonical points (N, 3) of a shell at azimuths and heights (N, 2)."""
        params = self._prims[prim][4]
        turn, z = np.asarray(chart, float).T
        radius = np.sqrt(np.maximum(params[0] + z * (params[1] + z * params[2]), 0))
        return np.stack([radius * np.sin(turn), radius * np.cos(turn), z], 1)

    def add_curve(self, prim: int, points: np.ndarray, kind: int = INK) -> None:
        """A line on a body through canonical points (N, 3); the rest of it, where points are nan, is left out."""
        points = points[np.isfinite(points).all(1)]
        if len(points) >= 2:
            self._points += [(point, prim, self._curves, kind, self._mood) for point in points]
            self._curves += 1

    def add_curve_on_triangles(self, prims: Sequence[int], points: np.ndarray, kind: int = INK) -> None:
        """A line across triangles, through points (N, 2) of their chart."""
        charts = np.concatenate(self._charts)[np.asarray(prims)]  # (T, 2, 3)
        plane = np.concatenate([charts, np.ones((len(prims), 1, 3))], 1)
        good = np.flatnonzero(np.abs(np.linalg.det(plane)) > 1e-9).tolist()
        inverse = np.linalg.inv(plane[good])
        weights = inverse[None] @ np.concatenate([points, np.ones((len(points), 1))], 1)[:, None, :, None]
        weights = weights[..., 0]  # (N, T, 3)
        best = weights.min(2).argmax(1)
        found = [(w[k], prims[good[k]]) for w, k in zip(weights, best, strict=True) if w[k].min() > -0.02]
        if len(found) >= 2:
            self._points += [(corner, prim, self._curves, kind, self._mood) for corner, prim in found]
            self._curves += 1

    # --------------------------------------------------------------------------------------------------------------

    def build_figure(self) -> ToonFigure:
        """Build the figure."""

        def make_int_tensor(values: Sequence) -> torch.Tensor:
            return torch.tensor(np.array(values, dtype=np.int64).reshape(-1))

        def make_float_tensor(values: Sequence | np.ndarray, *shape: int) -> torch.Tensor:
            return torch.tensor(np.array(values, dtype=np.float32).reshape(-1, *shape))

        parent, rest, swing = zip(*self._joints, strict=True)
        kind, joint, part, lining, _, hem = zip(*self._prims, strict=True)
        decal = list(zip(*self._decals, strict=True)) or [()] * 8
        pairs = list(zip(*self._pairs, strict=True)) or [()] * 3
        point = list(zip(*self._points, strict=True)) or [()] * 5
        person = self._marks["shoulder.R"][0] >= 0  # others may have a face
        return ToonFigure(
            parts=tuple(self.parts),
            focus=self.focus,
            moods=tuple(self._moods),
            parent=make_int_tensor(parent),
            rest=make_float_tensor(rest, 4, 4),
            swing=make_float_tensor(swing, 3),
            kind=make_int_tensor(kind).to(torch.uint8),
            params=make_float_tensor(np.concatenate(self._params), 4),
            hem=make_int_tensor(hem),
            hems=make_float_tensor(self._hems, HEM),
            joint=make_int_tensor(joint),
            local=make_float_tensor(np.concatenate(self._locals), 4, 4),
            part=make_int_tensor(part),
            lining=make_int_tensor(lining),
            chart=make_float_tensor(np.concatenate(self._charts), 2, 3),
            decal_part=make_int_tensor(decal[0]),
            decal_matrix=make_float_tensor(decal[1], 2, 3),
            decal_period=make_float_tensor(decal[2], 2),
            decal_outline=make_float_tensor(decal[3], OUTLINE),
            decal_within=make_int_tensor(decal[4]),
            decal_round=make_int_tensor(decal[5]).bool(),
            decal_side=make_float_tensor(decal[6]),
            decal_mood=make_int_tensor(decal[7]),
            pairs=torch.stack([make_int_tensor(pairs[0]), make_int_tensor(pairs[1])], 1),
            pair_box=make_float_tensor(pairs[2], 2, 3),
            point=make_float_tensor(point[0], 3),
            point_owner=make_int_tensor(point[1]),
            point_curve=make_int_tensor(point[2]),
            point_kind=make_int_tensor(point[3]),
            point_mood=make_int_tensor(point[4]),
            mark=make_int_tensor([joint if person else -1 for joint, _ in self._marks.values()]),
            mark_at=make_float_tensor([at for _, at in self._marks.values()], 3),
        )


def compute_rotation(x: float, y: float, z: float) -> np.ndarray:
    """The rotation about x, then y, then z."""
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def compose_transform(frame: np.ndarray, at: Vector) -> np.ndarray:
    """A 4 x 4 matrix of axes (columns) and an origin."""
    matrix = np.eye(4)
    matrix[:3, :3] = frame
    matrix[:3, 3] = at
    return matrix


def align_axes(a: Vector, b: Vector, front: Vector) -> tuple[np.ndarray, float]:
    """Axes whose z runs from a to b and whose y looks to the front, and the distance."""
    way = [float(q) - float(p) for p, q in zip(a, b, strict=True)]
    length = math.hypot(*way)
    z = [v / max(length, 1e-9) for v in way]
    dot = sum(f * v for f, v in zip(front, z, strict=True))
    y = [f - dot * v for f, v in zip(front, z, strict=True)]
    if math.hypot(*y) < 1e-3:
        y = [0.0, z[2], -z[1]]
    size = math.hypot(*y)
    y = [v / size for v in y]
    x = [y[1] * z[2] - y[2] * z[1], y[2] * z[0] - y[0] * z[2], y[0] * z[1] - y[1] * z[0]]
    if x[0] < 0:  # mirrored frames are as good: charts have x to the right
        x = [-v for v in x]
    return np.array([x, y, z]).T, length
