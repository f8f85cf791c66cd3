"""Primitives with analytic ray intersections, of which toon worlds are made.

A primitive is a canonical body and an affine matrix that maps it to the screen: x to the right and y down, z toward the viewer,
in px. Rays run along z, so a pixel is a line through the canonical space, and intersections are in closed form. The kinds:

  BALL      the unit sphere
  CONE      two spheres of radius params[0] at 0 and params[1] at z = params[2], and the cone that touches both (a round cone)
  SHELL     a surface of revolution x^2 + y^2 = params[0] + params[1] z + params[2] z^2, from its hem up to z = params[3]; visible from
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

    def move_to_device(self, device: torch.device | str) -> "Primitives":
        """The same on another device."""
        return Primitives(*(getattr(self, f.name).to(device) for f in fields(self)))

    def invert_matrices(self) -> Tensor:
        """Screen to canonical space, float64 (P, 3, 4). Edge-on primitives get zeros, and no ray hits them."""
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
        return torch.cat([inverse, -(inverse * matrix[:, None, :, 3]).sum(2, keepdim=True)], 2)


def compute_screen_boxes(prims: Primitives) -> tuple[Tensor, Tensor]:
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


def compute_normals(kind: Tensor, local: Tensor, params: Tensor, inverse: Tensor) -> Tensor:
    """Unit normals on the screen, turned toward the viewer, float32 (N, 3), of points `local` (N, 3) on primitives given by row."""
    flat = torch.nonzero(kind == TRIANGLE)[:, 0]
    if len(flat) == len(kind):
        return _compute_ribbon_normals(local, params, inverse)
    x, y, z = local.unbind(1)
    r0, r1, length, _ = params.unbind(1)
    slope = length * length - (r0 - r1) ** 2
    height = ((length * z - r0 * (r0 - r1)) / slope.clamp(min=1e-6)).clamp(0, 1)
    z = torch.where(kind == CONE, z - length * height, torch.where(kind == SHELL, -(params[:, 1] / 2 + params[:, 2] * z), z))
    gradient = torch.stack([x, y, z])
    boxes = torch.nonzero(kind == BOX)[:, 0]
    sides = gradient[:, boxes]
    gradient[:, boxes] = torch.where(sides.abs() < 0.999, 0.0, sides)
    screen = torch.stack([_compute_dot(inverse[:, :, k].unbind(1), gradient) for k in range(3)], 1)
    length = (screen * screen).sum(1).clamp(min=1e-18).sqrt()
    screen = screen * (torch.where(screen[:, 2] < 0, -1.0, 1.0) / length)[:, None]
    screen[flat] = _compute_ribbon_normals(local[flat], params[flat], inverse[flat])
    return screen


def _compute_ribbon_normals(local: Tensor, params: Tensor, inverse: Tensor) -> Tensor:
    """The normals of triangles: a ribbon is shaded as if it were padded, they lean outward from its middle."""
    x, y = (_compute_dot(inverse[:, :, k].unbind(1), params.unbind(1)) for k in range(2))
    across = _compute_dot(local.unbind(1), params.unbind(1)).clamp(-1, 1)
    lean = across / (x * x + y * y).sqrt().clamp(min=1e-9)
    return torch.stack([x * lean, y * lean, (1 - across * across).sqrt()], 1)


def find_inner_points(local: Tensor, params: Tensor, inverse: Tensor) -> Tensor:
    """Which points of shells are on their inside, bool (N,)."""
    facing = inverse[:, 0, 2] * local[:, 0] + inverse[:, 1, 2] * local[:, 1]
    facing = facing - inverse[:, 2, 2] * (params[:, 1] / 2 + params[:, 2] * local[:, 2])
    return facing < 0


def _compute_dot(a, b) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
