"""Puppets: flat shapes in layers, on a skeleton. Each shape is a ribbon: a line with a width to either side.

Ribbons are cut into triangles, which are rendered like other primitives. When the puppet turns, the layers shift against each other.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.random import Generator
from scipy.interpolate import CubicSpline, PchipInterpolator
from torch import Tensor

from .builder import FigureBuilder
from .figure import ToonFigure


@dataclass(frozen=True)
class RibbonPuppet:
    """A figure of ribbons, and the data for bending them. V vertices, R ribbons; T triangles, which are the figure's primitives.

    vertices   float32 (V, 3)  in the space of the ribbon's joint
    ribbon     int64 (V,)
    along      float32 (V,)    distance from the ribbon's root
    outward    float32 (V, 2)  unit vector away from the ribbon's middle, 0 in the middle
    corners    int64 (T, 3)    vertices of the triangles
    limber     float32 (R,)    how far a ribbon bends, radians a unit
    boil       float           how far outlines stray from drawing to drawing, units
    swaps      tuple of int    ribbons that may change from the front to the back
    """

    figure: ToonFigure
    vertices: Tensor
    ribbon: Tensor
    along: Tensor
    outward: Tensor
    corners: Tensor
    limber: Tensor
    boil: float
    swaps: tuple[int, ...]

    def bend_ribbons(self, rng: Generator, count: int) -> Tensor:
        """The primitives' matrices in `count` small steps of bending, float32 (count, T, 4, 4)."""
        ribbons = len(self.limber)
        time = np.arange(count)[:, None]
        first, last = rng.normal(0, 0.6, (2, ribbons)).clip(-1, 1)
        share = np.linspace(0, 1, count)[:, None] if count > 1 else np.zeros((1, 1))
        sway = 0.4 * np.sin(time * rng.uniform(0.2, 0.6, ribbons) + rng.uniform(0, 6.3, ribbons))
        curl = torch.tensor(first + (last - first) * share + sway, dtype=torch.float32) * self.limber
        curl = curl[:, self.ribbon]
        curl = torch.where(curl.abs() < 1e-3, 1e-3, curl)

        # Boiling: each drawing's outline has waves of its own.
        waves = torch.tensor(rng.uniform(0, 6.3, (count, ribbons, 3)), dtype=torch.float32)[:, self.ribbon]
        rates = torch.tensor([2.1, 4.7, 9.1])
        stray = torch.sin(self.along[:, None] * rates + waves).sum(-1) * self.boil / 2
        flat = self.vertices[:, :2] + self.outward * stray[..., None]

        # A ribbon that bends lies on a circle; its root is at the joint and it points down or up.
        x, y = flat.unbind(-1)
        turn = curl * y
        bent = torch.stack([1 / curl - (1 / curl - x) * turn.cos(), (1 / curl - x) * turn.sin()], -1)
        depth = self.vertices[:, 2].expand(count, -1).clone()
        if self.swaps and rng.random() < 0.5:
            swapped = int(rng.choice(self.swaps))
            depth[int(rng.integers(count)) :, self.ribbon == swapped] *= -1
        points = torch.cat([bent, depth[..., None]], -1)[:, self.corners]  # (count, T, 3 corners, 3)
        local = torch.zeros(count, len(self.corners), 4, 4)
        local[:, :, :3, :3] = points.transpose(2, 3)
        local[:, :, 3, :3] = 1
        return local


class RibbonCutter:
    """Cuts ribbons for a builder."""

    def __init__(self, builder: FigureBuilder) -> None:
        self.builder = builder
        self._vertices: list[np.ndarray] = []
        self._outward: list[np.ndarray] = []
        self._along: list[np.ndarray] = []
        self._ribbon: list[np.ndarray] = []
        self._corners: list[np.ndarray] = []
        self._limber: list[float] = []
        self._total = 0

    def cut_ribbon(
        self, joint: int, points, widths, part: int, z: float, limber: float = 0.0, closed: bool = False, cut: bool = False, steps: int = 22
    ) -> list[int]:
        """A ribbon along a smooth line through points (K, 2), `widths` (K,) to either side. Ends are round, unless `cut`; closed: a ring.

        Returns its primitives.
        """
        points, widths = np.asarray(points, float), np.asarray(widths, float)
        share, smooth, slope = _fit_spline(len(points), closed, steps)
        middle, way = smooth @ points, slope @ points
        normal = np.stack([-way[:, 1], way[:, 0]], 1) / np.maximum(np.hypot(*way.T), 1e-9)[:, None]
        wide = PchipInterpolator(np.linspace(0, 1, len(points)), widths)(share)
        if not cut and not closed:
            middle, normal, wide = _round_ends(middle, way, normal, wide)
        return self._cut_strip(joint, middle, normal, wide, wide, part, z, limber)

    def cut_blob(self, joint: int, center, radii, part: int, z: float, shape=None, limber: float = 0.0, steps: int = 30) -> list[int]:
        """A round shape; `shape(t)` for t = 0 at the bottom to 1 at the top scales its width."""
        share = (1 - np.cos(np.pi * np.linspace(0, 1, steps + 1))) / 2
        y = 2 * share - 1
        wide = np.sqrt(np.maximum(1 - y * y, 0)) * (1 if shape is None else shape(share)) * radii[0]
        middle = np.stack([np.full(len(y), center[0]), center[1] + y * radii[1]], 1)
        normal = np.tile([-1.0, 0.0], (len(y), 1))
        return self._cut_strip(joint, middle, normal, wide, wide, part, z, limber)

    def _cut_strip(self, joint, middle, normal, left, right, part, z, limber) -> list[int]:
        count = len(middle)
        sides = np.stack([middle + normal * left[:, None], middle, middle - normal * right[:, None]], 1)  # (N, 3, 2)
        across = np.array([-1.0, 0.0, 1.0])
        first = self._total
        z = z + 0.003 * len(self._limber)  # no two ribbons lie in one plane
        step = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(middle, axis=0).T))])
        self._vertices.append(np.concatenate([sides.reshape(-1, 2), np.full((3 * count, 1), z)], 1))
        self._outward.append(np.stack([normal, 0 * normal, -normal], 1).reshape(-1, 2))
        self._along.append(np.repeat(step, 3))
        self._ribbon.append(np.full(3 * count, len(self._limber)))
        self._limber.append(limber)
        self._total += 3 * count
        a = (3 * np.arange(count - 1)[:, None] + np.arange(2)).ravel()
        corners = np.stack([a, a + 1, a + 4, a, a + 4, a + 3], 1).reshape(-1, 3)
        self._corners.append(corners + first)
        return self.builder.add_triangles(joint, self._vertices[-1][corners], across[corners % 3], part)

    def draw_line(self, prims: list[int], points, kind: int = 0) -> None:
        """A line on a ribbon through points (N, 2) of its joint's plane."""
        self.builder.add_curve_on_triangles(prims, np.asarray(points, float), kind)

    def finish_puppet(self, boil: float, swaps: list[int]) -> RibbonPuppet:
        """The finished puppet."""
        return RibbonPuppet(
            figure=self.builder.build_figure(),
            vertices=torch.tensor(np.concatenate(self._vertices), dtype=torch.float32),
            ribbon=torch.tensor(np.concatenate(self._ribbon)),
            along=torch.tensor(np.concatenate(self._along), dtype=torch.float32),
            outward=torch.tensor(np.concatenate(self._outward), dtype=torch.float32),
            corners=torch.tensor(np.concatenate(self._corners)),
            limber=torch.tensor(self._limber, dtype=torch.float32),
            boil=boil,
            swaps=tuple(swaps),
        )

    @property
    def last_ribbon(self) -> int:
        """The number of the last ribbon."""
        return len(self._limber) - 1


@cache
def _fit_spline(count: int, closed: bool, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample positions on a smooth line through `count` points, (N,), and the weights of its points and directions there, (N, count)."""
    share = np.linspace(0, 1, steps + 1)
    if not closed:  # closer together at the ends, where outlines are round
        share = (1 - np.cos(np.pi * share)) / 2
    unit = np.eye(count)
    if closed:
        unit[-1] = unit[0]  # the last point is the first
    line = CubicSpline(np.linspace(0, 1, count), unit, bc_type="periodic" if closed else "not-a-knot" if count > 3 else "natural")
    return share, line(share), line(share, 1)


def _round_ends(middle: np.ndarray, way: np.ndarray, normal: np.ndarray, wide: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A ribbon with half a circle at each end."""
    turn = np.linspace(0, np.pi / 2, 7)[1:]
    for _ in range(2):  # the end, then, turned round, the start
        radius, ahead = wide[-1], way[-1] / max(float(np.hypot(*way[-1])), 1e-9)
        if radius > 1e-3:
            middle = np.concatenate([middle, middle[-1] + ahead * radius * np.sin(turn)[:, None]])
            wide = np.concatenate([wide, radius * np.cos(turn)])
            normal = np.concatenate([normal, np.repeat(normal[-1:], len(turn), 0)])
            way = np.concatenate([way, np.repeat(way[-1:], len(turn), 0)])
        middle, way, normal, wide = middle[::-1], -way[::-1], normal[::-1], wide[::-1]
    return middle, normal, wide
