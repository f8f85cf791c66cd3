"""Primitives that rays meet analytically: the clay of which toon worlds are made.

A primitive is a canonical body and an affine matrix that carries it onto the screen: x to the right and y down, z toward the viewer,
in px. Rays run along z, so a pixel is a line through the canonical space, and the body is met in closed form. The kinds:

  BALL      the unit sphere
  CONE      two spheres of radius params[0] at 0 and params[1] at z = params[2], and the cone that touches both (a round cone)
  SHELL     a surface of revolution x^2 + y^2 = params[0] + params[1] z + params[2] z^2, from its hem up to z = params[3]; seen from
            both sides. The hem is a table of the lowest z by azimuth; azimuth 0 is +y. Skirts, capes, caps of hair.
  BOX       the cube |x|, |y|, |z| <= 1 with its corners cut by a sphere of radius params[0]
  TRIANGLE  the triangle whose corners are the three unit vectors: its matrix's columns are its corners on the screen, and its canonical
            coordinates are barycentric. params[0:3] is how far each corner lies from the middle of its ribbon, -1..1.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

BALL, CONE, SHELL, BOX, TRIANGLE = range(5)
HEM = 128  # entries of a hem, from azimuth -pi to pi
_FAR = -1e9
_SLIVER = 0.1  # px; thinner triangles are nothing


@dataclass(frozen=True)
class Primitives:
    """Rows of primitives on screens. P rows; several drawings can share a table.

    kind     uint8 (P,)
    drawing  int64 (P,)        which drawing of the batch the row belongs to
    matrix   float32 (P, 3, 4) canonical space to the screen
    params   float32 (P, 4)
    hem      int64 (P,)        row of `hems`, 0 where there is none
    hems     float32 (H, HEM)
    """

    kind: Tensor
    drawing: Tensor
    matrix: Tensor
    params: Tensor
    hem: Tensor
    hems: Tensor

    def __getitem__(self, rows: Tensor) -> "Primitives":
        return Primitives(*(getattr(self, f.name)[rows] if f.name != "hems" else self.hems for f in fields(self)))

    def inverse(self) -> Tensor:
        """Screen to canonical space, float32 (P, 3, 4). Primitives seen edge-on get zeros, and are met by no ray."""
        matrix = self.matrix.double()  # the corners of small triangles lie close together
        linear = matrix[:, :, :3]
        a, b, c = linear.unbind(2)
        cross = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], 1)
        determinant = (a * cross[:, 0]).sum(1)
        size = torch.linalg.vector_norm(linear, dim=1).prod(1)
        flat = determinant.abs() <= 1e-12 * size + 1e-20
        sides = torch.stack([a - b, b - c, c - a], 1)[:, :, :2]
        height = (sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]).abs() / sides.norm(dim=2).amax(1).clamp(min=1e-9)
        flat |= (self.kind == TRIANGLE) & (height < _SLIVER)
        inverse = torch.where(flat[:, None, None], 0.0, cross / torch.where(flat, 1.0, determinant)[:, None, None])
        return torch.cat([inverse, -(inverse @ matrix[:, :, 3:])], 2).float()


def boxes(prims: Primitives) -> tuple[Tensor, Tensor]:
    """The screen boxes of primitives: lowest and highest x, y, each float32 (P, 2)."""
    matrix, params, kind = prims.matrix[:, :2], prims.params, prims.kind
    linear, center = matrix[:, :, :3], matrix[:, :, 3]
    norm = torch.linalg.vector_norm(linear, dim=2)
    low, high = center - norm, center + norm

    tip = center + linear[:, :, 2] * params[:, 2:3]
    cone = (kind == CONE)[:, None]
    low = torch.where(cone, torch.minimum(center - norm * params[:, :1], tip - norm * params[:, 1:2]), low)
    high = torch.where(cone, torch.maximum(center + norm * params[:, :1], tip + norm * params[:, 1:2]), high)

    top = params[:, 3]
    floor = prims.hems.min(1).values[prims.hem]
    a, b, c = params[:, :3].unbind(1)
    turn = torch.where(c < -1e-6, -b / (2 * torch.where(c < -1e-6, c, -1.0)), top)  # where a bulging profile is widest
    widest = torch.minimum(torch.maximum(turn, floor), top)
    radius = torch.stack([a + b * z + c * z * z for z in (floor, top, widest)]).amax(0).clamp(min=0).sqrt()
    half = torch.linalg.vector_norm(linear[:, :, :2], dim=2) * radius[:, None] + linear[:, :, 2].abs() * ((top - floor) / 2)[:, None]
    middle = center + linear[:, :, 2] * ((top + floor) / 2)[:, None]
    shell = (kind == SHELL)[:, None]
    low, high = torch.where(shell, middle - half, low), torch.where(shell, middle + half, high)

    reach = linear.abs().sum(2)
    box = (kind == BOX)[:, None]
    low, high = torch.where(box, center - reach, low), torch.where(box, center + reach, high)
    triangle = (kind == TRIANGLE)[:, None]
    return torch.where(triangle, linear.amin(2), low), torch.where(triangle, linear.amax(2), high)


def meet(kind: int, origin: list[Tensor], ray: list[Tensor], params: Tensor, hem: Tensor, hems: Tensor, row: Tensor) -> Tensor:
    """How far along their rays points of bodies of one kind lie, what the viewer sees first: float32 (F,), below -1e8 where they miss.

    `origin`: x, y, z (F,) of canonical points; `ray`: the canonical step that comes a px nearer to the viewer. Bodies are given by `row`
    (F,) in `params`, here (4, P), and `hem`.
    """
    return (_ball, _cone, _shell, _box, _triangle)[kind](origin, ray, params, hem, hems, row)


def normals(kind: Tensor, local: Tensor, params: Tensor, inverse: Tensor) -> Tensor:
    """Unit normals on the screen, turned toward the viewer, float32 (N, 3), of points `local` (N, 3) on primitives given by row."""
    x, y, z = local.unbind(1)
    r0, r1, length, _ = params.unbind(1)
    slope = length * length - (r0 - r1) ** 2
    height = ((length * z - r0 * (r0 - r1)) / slope.clamp(min=1e-6)).clamp(0, 1)
    z = torch.where(kind == CONE, z - length * height, torch.where(kind == SHELL, -(params[:, 1] / 2 + params[:, 2] * z), z))
    gradient = [torch.where((kind == BOX) & (axis.abs() < 0.999), 0.0, axis) for axis in (x, y, z)]
    screen = torch.stack([_dot(inverse[:, :, k].unbind(1), gradient) for k in range(3)], 1)

    # A ribbon is shaded as if it were padded: its normals lean outward from its middle.
    flat = torch.nonzero(kind == TRIANGLE)[:, 0]
    lean = (inverse[flat, :, :2] * params[flat, :3, None]).sum(1)
    lean = lean / torch.linalg.vector_norm(lean, dim=1, keepdim=True).clamp(min=1e-9)
    across = (local[flat] * params[flat, :3]).sum(1).clamp(-1, 1)
    screen[flat] = torch.cat([lean * across[:, None], (1 - across * across).sqrt()[:, None]], 1)
    length = (screen * screen).sum(1).clamp(min=1e-18).sqrt()
    return screen * (torch.where(screen[:, 2] < 0, -1.0, 1.0) / length)[:, None]


def inside(kind: Tensor, local: Tensor, params: Tensor, inverse: Tensor) -> Tensor:
    """Which points of shells are seen from within, bool (N,)."""
    facing = inverse[:, 0, 2] * local[:, 0] + inverse[:, 1, 2] * local[:, 1]
    facing = facing - inverse[:, 2, 2] * (params[:, 1] / 2 + params[:, 2] * local[:, 2])
    return (kind == SHELL) & (facing < 0)


def _dot(a, b) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _ball(origin, ray, params, hem, hems, row) -> Tensor:
    a, b, c = _dot(ray, ray), _dot(origin, ray), _dot(origin, origin) - 1
    root = b * b - a * c
    return torch.where((root >= 0) & (a > 0), (root.clamp(min=0).sqrt() - b) / a.clamp(min=1e-12), _FAR)


def _cone(origin, ray, params, hem, hems, row) -> Tensor:
    length = _dot(ray, ray).clamp(min=1e-20).sqrt()
    ray = [-axis / length for axis in ray]  # from the viewer, of length 1
    r0, r1, h = (column.index_select(0, row) for column in params[:3])
    fall = r0 - r1
    slope = h * h - fall * fall
    axial, step = h * origin[2], h * ray[2]
    near, square = _dot(ray, origin), _dot(origin, origin)
    k2 = slope - step * step
    k1 = slope * near - axial * step + step * fall * r0
    k0 = slope * square - axial * axial + 2 * axial * fall * r0 - h * h * r0 * r0
    root = k1 * k1 - k0 * k2
    safe = torch.where(k2.abs() < 1e-9, 1e-9, k2)
    first = (-root.clamp(min=0).sqrt() - k1) / safe
    other = (root.clamp(min=0).sqrt() - k1) / safe
    first = torch.minimum(first, other)
    height = axial - r0 * fall + first * step
    best = torch.where((root >= 0) & (height > 0) & (height < slope), first, -_FAR)
    cap = near * near - square + r0 * r0
    best = torch.where(cap >= 0, torch.minimum(best, -near - cap.clamp(min=0).sqrt()), best)
    far_near = near - step
    far_square = square - 2 * axial + h * h
    cap = far_near * far_near - far_square + r1 * r1
    best = torch.where(cap >= 0, torch.minimum(best, -far_near - cap.clamp(min=0).sqrt()), best)
    return torch.where(best < -_FAR / 2, -best / length, _FAR)


def _shell(origin, ray, params, hem, hems, row) -> Tensor:
    a, b, c = (column.index_select(0, row) for column in params[:3])
    x, y, z = origin
    dx, dy, dz = ray
    k2 = dx * dx + dy * dy - c * dz * dz
    k1 = x * dx + y * dy - b * dz / 2 - c * z * dz
    k0 = x * x + y * y - a - b * z - c * z * z
    root = k1 * k1 - k2 * k0
    hit = root >= 0
    root = root.clamp(min=0).sqrt()
    safe = torch.where(k2.abs() < 1e-12, 1e-12, k2)
    one, two = (-k1 + root) / safe, (-k1 - root) / safe
    near = torch.maximum(one, two)
    table, top = hems.reshape(-1), params[3]
    best = torch.full_like(near, _FAR)
    left = torch.nonzero(hit)[:, 0]
    for t in (near, torch.minimum(one, two)):  # the far side is looked at where the near one has been cut away
        step, own = t.index_select(0, left), row.index_select(0, left)
        px, py, at = (o.index_select(0, left) + step * d.index_select(0, left) for o, d in zip(origin, ray, strict=True))
        turn = (torch.atan2(px, py) / (2 * torch.pi) + 0.5) * HEM - 0.5
        entry = turn.floor()
        weight, base, entry = turn - entry, hem.index_select(0, own) * HEM, entry.to(torch.int64)
        floor = torch.lerp(table.index_select(0, base + entry % HEM), table.index_select(0, base + (entry + 1) % HEM), weight)
        seen = (at >= floor) & (at <= top.index_select(0, own))  # where the profile is negative there is nothing to be hit
        best[left[seen]] = step[seen]
        left = left[~seen]
    return best


def _box(origin, ray, params, hem, hems, row) -> Tensor:
    enter, leave = torch.full_like(origin[0], -_FAR), torch.full_like(origin[0], _FAR)
    for o, d in zip(origin, ray, strict=True):
        safe = torch.where(d.abs() < 1e-12, 1e-12, d)
        one, two = (-1 - o) / safe, (1 - o) / safe
        near, far = torch.maximum(one, two), torch.minimum(one, two)
        enter, leave = torch.minimum(enter, near), torch.maximum(leave, far)
    a, b, c = _dot(ray, ray).clamp(min=1e-20), _dot(origin, ray), _dot(origin, origin) - params[0].index_select(0, row) ** 2
    root = (b * b - a * c).clamp(min=0).sqrt()
    enter, leave = torch.minimum(enter, (root - b) / a), torch.maximum(leave, (-root - b) / a)
    return torch.where((enter >= leave) & (b * b >= a * c), enter, _FAR)


def _triangle(origin, ray, params, hem, hems, row) -> Tensor:
    speed = ray[0] + ray[1] + ray[2]
    t = (1 - origin[0] - origin[1] - origin[2]) / torch.where(speed.abs() < 1e-12, 1e-12, speed)
    corners = [o + t * d for o, d in zip(origin, ray, strict=True)]
    seen = (corners[0] >= -1e-4) & (corners[1] >= -1e-4) & (corners[2] >= -1e-4) & (speed.abs() >= 1e-12)
    return torch.where(seen, t, _FAR)
