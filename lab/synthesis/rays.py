"""Intersections of bodies with the rays of rows of pixels.

A ray starts on a plane near the body and runs t px toward the viewer. Balls, the pieces of cones, and shells are quadrics
e (x^2 + y^2) + f z^2 + 2 g z + k = 0 in their canonical space, so along a row of pixels, u px to the right, t is
m0 + m1 u ± sqrt(q0 + q1 u + q2 u^2). What is constant over a row is computed once, in double precision, including where the row enters and
leaves the body, so little is left to do per pixel.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .primitives import HEM

_MISSED = -1e9  # t of rays that miss
_TINY = 1e-14
_EDGE = 1e-4  # barycentric; triangles beside each other leave no crack


@dataclass(frozen=True)
class PixelRows:
    """Rows of pixels across bodies of one kind, S of them. All float64.

    origin  (3, S)  canonical point where the ray of u = 0 starts
    across  (3, S)  canonical step to the next ray
    toward  (3, S)  canonical step a px nearer to the viewer
    params  (4, S)  of the body
    hem     int64 (S,)
    """

    origin: Tensor
    across: Tensor
    toward: Tensor
    params: Tensor
    hem: Tensor


@dataclass(frozen=True)
class RowSolution:
    """Where rows may meet bodies: at u from `first` to `last`, float64 (S,). `terms` float32 (K, S) and `hem` are for `intersect_rays`."""

    first: Tensor
    last: Tensor
    terms: Tensor
    hem: Tensor


def solve_rows(kind: int, rows: PixelRows) -> RowSolution:
    """Work out rows across bodies of one kind."""
    terms, first, last = (_solve_ball, _solve_cone, _solve_shell, _solve_box, _solve_triangle)[kind](rows)
    return RowSolution(first, last, torch.stack(terms).float(), rows.hem)


def intersect_rays(kind: int, met: RowSolution, row: Tensor, u: Tensor, hems: Tensor) -> tuple[Tensor, Tensor]:
    """Which of the rays at `u` float32 (F,) of rows `row` int64 (F,) hit their bodies, int64 (N,), and t of the nearest hit, (N,)."""
    t = (_intersect_ball, _intersect_cone, _intersect_shell, _intersect_box, _intersect_triangle)[kind](_PixelRays(met, row, u, hems))
    hit = torch.nonzero(t > _MISSED)[:, 0]
    return hit, t.index_select(0, hit)


@dataclass(frozen=True)
class _PixelRays:
    met: RowSolution
    row: Tensor
    u: Tensor
    hems: Tensor

    def get_term(self, number: int) -> Tensor:
        return self.met.terms[number].index_select(0, self.row)

    def evaluate_linear(self, number: int) -> Tensor:
        return self.get_term(number) + self.get_term(number + 1) * self.u

    def evaluate_square(self, number: int) -> Tensor:
        return self.get_term(number) + (self.get_term(number + 1) + self.get_term(number + 2) * self.u) * self.u


# --- quadrics ---------------------------------------------------------------------------------------------------------


def _solve_quadric(rows: PixelRows, e: Tensor | float, f: Tensor | float, g: Tensor | float, k: Tensor | float) -> list[Tensor]:
    """m0, m1, q0, q1, q2 of a quadric."""
    (ox, oy, oz), (sx, sy, sz), (dx, dy, dz) = rows.origin, rows.across, rows.toward
    a = e * (dx * dx + dy * dy) + f * dz * dz
    a = torch.where(a.abs() < _TINY, _TINY, a)
    b0, b1 = e * (ox * dx + oy * dy) + (f * oz + g) * dz, e * (sx * dx + sy * dy) + f * sz * dz
    c0 = e * (ox * ox + oy * oy) + (f * oz + 2 * g) * oz + k
    c1, c2 = e * (ox * sx + oy * sy) + (f * oz + g) * sz, e * (sx * sx + sy * sy) + f * sz * sz
    a2 = a * a
    return [-b0 / a, -b1 / a, (b0 * b0 - a * c0) / a2, 2 * (b0 * b1 - a * c1) / a2, (b1 * b1 - a * c2) / a2]


def _find_extent(q0: Tensor, q1: Tensor, q2: Tensor) -> tuple[Tensor, Tensor]:
    """Between which u a quadric stands over the row; everywhere if it is open."""
    root = q1 * q1 - 4 * q0 * q2
    open_ = q2 > -_TINY
    half = root.clamp(min=0).sqrt()
    twice = torch.where(open_, -1.0, 2 * q2)
    first = torch.where(open_, -torch.inf, torch.where(root < 0, torch.inf, (half - q1) / twice))
    return first, torch.where(open_, torch.inf, torch.where(root < 0, -torch.inf, (-half - q1) / twice))


def _solve_ball(rows: PixelRows):
    terms = _solve_quadric(rows, 1.0, 1.0, 0.0, -1.0)
    return terms, *_find_extent(*terms[2:])


def _intersect_ball(at: _PixelRays) -> Tensor:
    q = at.evaluate_square(2)
    return torch.where(q >= 0, at.evaluate_linear(0) + q.clamp(min=0).sqrt(), _MISSED)


def _solve_cone(rows: PixelRows):
    r0, r1, h, _ = rows.params
    fall = r0 - r1
    slope = h * h - fall * fall
    near = _solve_quadric(rows, 1.0, 1.0, 0.0, -r0 * r0)
    far = _solve_quadric(rows, 1.0, 1.0, -h, h * h - r1 * r1)
    side = _solve_quadric(rows, slope, -fall * fall, h * fall * r0, -h * h * r0 * r0)
    # How far up the side a point is, 0 to 1: linear in u and t.
    up = [(h * rows.origin[2] - fall * r0) / slope, h * rows.across[2] / slope, h * rows.toward[2] / slope]
    first, last = _find_extent(*near[2:])
    other = _find_extent(*far[2:])
    first, last = torch.minimum(first, other[0]), torch.maximum(last, other[1])
    for u in _find_extent(*side[2:]):  # the side's outline, where it has one between the caps
        height = up[0] + up[1] * u + up[2] * (side[0] + side[1] * u)
        good = torch.isfinite(u) & (height >= 0) & (height <= 1)
        first, last = torch.where(good, torch.minimum(first, u), first), torch.where(good, torch.maximum(last, u), last)
    return [*near, *far, *side, *up], first, last


def _intersect_cone(at: _PixelRays) -> Tensor:
    best = torch.full_like(at.u, _MISSED)
    for number in (0, 5, 10):
        q = at.evaluate_square(number + 2)
        t = at.evaluate_linear(number) + q.clamp(min=0).sqrt()
        good = q >= 0
        if number == 10:
            height = at.evaluate_linear(15) + at.get_term(17) * t
            good &= (height > 0) & (height < 1)
        best = torch.where(good, torch.maximum(best, t), best)
    return best


def _solve_shell(rows: PixelRows):
    a, b, c, top = rows.params
    terms = _solve_quadric(rows, 1.0, -c, -b / 2, -a)
    return [*terms, *rows.origin, *rows.across, *rows.toward, top], *_find_extent(*terms[2:])


def _intersect_shell(at: _PixelRays) -> Tensor:
    q = at.evaluate_square(2)
    middle, half = at.evaluate_linear(0), q.clamp(min=0).sqrt()
    best = torch.full_like(middle, _MISSED)
    left = torch.nonzero(q >= 0)[:, 0]
    for t in (middle + half, middle - half):  # the far side is tested where the near one is cut away
        some = _PixelRays(at.met, at.row.index_select(0, left), at.u.index_select(0, left), at.hems)
        step = t.index_select(0, left)
        x, y, z = (some.get_term(5 + axis) + some.get_term(8 + axis) * some.u + some.get_term(11 + axis) * step for axis in range(3))
        turn = (torch.atan2(x, y) / (2 * torch.pi) + 0.5) * HEM - 0.5
        entry = turn.floor()
        weight, base, entry = turn - entry, at.met.hem.index_select(0, some.row) * HEM, entry.to(torch.int64)
        table = at.hems.reshape(-1)
        here, there = table.index_select(0, base + entry % HEM), table.index_select(0, base + (entry + 1) % HEM)
        visible = (z >= here + (there - here) * weight) & (
            z <= some.get_term(14)
        )  # where the profile is negative there is nothing to be hit
        best[left[visible]] = step[visible]
        left = left[~visible]
    return best


# --- others -----------------------------------------------------------------------------------------------------------


def _solve_box(rows: PixelRows):
    everywhere = torch.full_like(rows.origin[0], torch.inf)
    return [*rows.origin, *rows.across, *rows.toward, rows.params[0]], -everywhere, everywhere


def _intersect_box(at: _PixelRays) -> Tensor:
    origin = [at.get_term(axis) + at.get_term(3 + axis) * at.u for axis in range(3)]
    ray = [at.get_term(6 + axis) for axis in range(3)]
    enter, leave = torch.full_like(at.u, -_MISSED), torch.full_like(at.u, _MISSED)
    for o, d in zip(origin, ray, strict=True):
        safe = torch.where(d.abs() < 1e-12, 1e-12, d)
        one, two = (-1 - o) / safe, (1 - o) / safe
        near, far = torch.maximum(one, two), torch.minimum(one, two)
        enter, leave = torch.minimum(enter, near), torch.maximum(leave, far)
    a, b = _compute_dot(ray, ray).clamp(min=1e-20), _compute_dot(origin, ray)
    root = b * b - a * (_compute_dot(origin, origin) - at.get_term(9) ** 2)
    half = root.clamp(min=0).sqrt()
    enter, leave = torch.minimum(enter, (half - b) / a), torch.maximum(leave, (-half - b) / a)
    return torch.where((enter >= leave) & (root >= 0), enter, _MISSED)


def _solve_triangle(rows: PixelRows):
    speed = rows.toward.sum(0)
    still = speed.abs() < _TINY
    speed = torch.where(still, 1.0, speed)
    t0, t1 = (1 - rows.origin.sum(0)) / speed, -rows.across.sum(0) / speed
    first, last = torch.full_like(t0, -torch.inf), torch.full_like(t0, torch.inf)
    for o, s, d in zip(rows.origin, rows.across, rows.toward, strict=True):
        begin, slope = o + d * t0 + _EDGE, s + d * t1
        crossing = -begin / torch.where(slope == 0, 1.0, slope)
        first = torch.where(slope > 0, torch.maximum(first, crossing), torch.where((slope == 0) & (begin < 0), torch.inf, first))
        last = torch.where(slope < 0, torch.minimum(last, crossing), last)
    return [t0, t1], torch.where(still, torch.inf, first), torch.where(still, -torch.inf, last)


def _intersect_triangle(at: _PixelRays) -> Tensor:
    return at.evaluate_linear(0)


def _compute_dot(a, b) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
