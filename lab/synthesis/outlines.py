"""Outlines of decals: radius by angle, from -pi to pi."""

from collections.abc import Sequence

import numpy as np

from .figure import OUTLINE

ANGLES = np.arange(OUTLINE) / OUTLINE * 2 * np.pi - np.pi


def make_squircle(power: float = 4.0) -> np.ndarray:
    """Between an ellipse (2) and a rectangle (large)."""
    return (np.abs(np.cos(ANGLES)) ** power + np.abs(np.sin(ANGLES)) ** power) ** (-1 / power)


def make_star(points: int, depth: float = 0.5, turn: float = np.pi / 2) -> np.ndarray:
    """A star or a flower with `points` points."""
    wave = np.abs(((ANGLES - turn) * points / (2 * np.pi) + 0.5) % 1 - 0.5) * 2
    return 1 - depth * wave


def make_polygon(points: Sequence | np.ndarray) -> np.ndarray:
    """A polygon that is star-shaped about the origin."""
    corners = np.asarray(points, float)
    following = np.roll(corners, -1, 0)
    rays = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)
    edge = following - corners
    bottom = rays[:, None, 0] * edge[None, :, 1] - rays[:, None, 1] * edge[None, :, 0]
    bottom = np.where(np.abs(bottom) < 1e-9, 1e-9, bottom)
    distance = (corners[:, 0] * edge[:, 1] - corners[:, 1] * edge[:, 0])[None] / bottom
    where = (corners[None, :, 0] * rays[:, None, 1] - corners[None, :, 1] * rays[:, None, 0]) / bottom
    good = (distance > 0) & (where >= -1e-6) & (where <= 1 + 1e-6)
    return np.where(good, distance, np.inf).min(1).clip(max=10)


def make_almond(upper: float, lower: float, outer: float = 0.0) -> np.ndarray:
    """An eye: from x = -1 to 1, `upper` high (y is down), its outer corner (x = 1) raised by `outer`."""
    x = np.linspace(-1, 1, 33)
    top = -upper * (1 - np.abs(x) ** 2.4) - outer * x * 0.5
    bottom = lower * (1 - np.abs(x) ** 2.6) - outer * x * 0.5
    return make_polygon(np.concatenate([np.stack([x, top], 1), np.stack([x[::-1], bottom[::-1]], 1)[1:-1]]))
