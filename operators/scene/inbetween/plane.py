"""The plane that a layer's drawings lie in, and those drawings as strokes in it, in pixels. So what moves the camera, the object or
the layer moves no stroke."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..read.strokes import LayerStrokes, ScreenStrokes, join_strokes, object_scale

FLAT = 1e-4  # of the longest extent: what lies nearer to a plane than this lies in it


@dataclass(frozen=True)
class LayerPlane:
    """A plane of a layer's space, and the picture that lies on it.

    `right`, `up` float64 (3,), unit vectors in it · `normal` their cross product · `foot` float64 (3,), the point of it that is nearest to
    the layer's origin · `scale` px per unit · `corner` (2,), what lies at the picture's top left, in units along `right` and `up`.
    """

    right: np.ndarray
    up: np.ndarray
    foot: np.ndarray
    scale: float = 1.0
    corner: tuple[float, float] = (0.0, 0.0)

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.right, self.up)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the layer -> units along `right` and `up`, float64 (N, 2)."""
        return (points - self.foot) @ np.stack([self.right, self.up], axis=1)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the layer -> px float64 (N, 2), y down."""
        return (self.place(points) - self.corner) * (self.scale, -self.scale)

    def depth(self, points: np.ndarray) -> np.ndarray:
        """How far points (N, 3) lie before the plane, float64 (N,)."""
        return (points - self.foot) @ self.normal

    def points(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """The reverse of `pixels` and `depth`: float64 (N, 3)."""
        place = pixels / (self.scale, -self.scale) + self.corner
        return self.foot + place[:, :1] * self.right + place[:, 1:] * self.up + depth[:, None] * self.normal


def fit_plane(points: np.ndarray) -> LayerPlane:
    """The plane through points (N, 3) of a layer, exact if they lie in one. It shows X to the right and Z, or Y, upwards as far as it
    can; points on a line lie in the plane that is nearest to the front view."""
    middle = points.mean(axis=0, dtype=float)
    spread, axes = np.linalg.eigh(np.cov((points - middle).T, bias=True) if len(points) > 1 else np.zeros((3, 3)))
    normal = axes[:, 0]
    if spread[1] <= FLAT**2 * max(spread[2], 1e-30):  # a line or a point: any plane through it will do
        line = axes[:, 2] if spread[2] > 0 else np.array([1.0, 0.0, 0.0])
        front = np.array([0.0, 1.0, 0.0])
        normal = front - (front @ line) * line
        normal = normal if np.linalg.norm(normal) > 1e-3 else np.array([0.0, 0.0, 1.0]) - line[2] * line
    normal = _snap_direction(normal / np.linalg.norm(normal))
    right = np.array([1.0, 0.0, 0.0]) - normal[0] * normal
    if np.linalg.norm(right) < 0.1:
        right = np.array([0.0, 1.0, 0.0]) - normal[1] * normal
    right = _snap_direction(right / np.linalg.norm(right))
    up = np.cross(normal, right)
    up = up if (up[2] if abs(up[2]) >= abs(up[1]) else up[1]) > 0 else -up
    normal = np.cross(right, up)
    return LayerPlane(right, up, normal * (middle @ normal))


def _snap_direction(direction: np.ndarray) -> np.ndarray:
    """A direction along an axis but for noise is that axis: most drawings lie in a plane of the axes."""
    near = np.round(direction)
    return near if np.abs(direction - near).max() < 1e-6 else direction


def strokes_in(flats: Sequence[LayerStrokes], layers: Sequence, plane: LayerPlane) -> ScreenStrokes:
    """A drawing on each of some layers, one over the other, as strokes in the picture that lies on a plane."""
    parts = []
    for flat, layer in zip(flats, layers, strict=True):
        widths = 2.0 * plane.scale / object_scale(layer.matrix_local) * np.maximum(flat.radii, 0)
        pixels = plane.pixels(flat.points).astype(np.float32)
        parts.append(ScreenStrokes(pixels, widths.astype(np.float32), flat.colors, flat.offsets, flat.cyclic))
    return join_strokes(parts)
