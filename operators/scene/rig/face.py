"""The 68 points of a face (in iBUG's order), nose, eyes and ears, fitted to a head of which little is known.

The template is a plain face in a frame of its own, made by formulas: x to the figure's left, y to the crown, z out of the face; the origin
lies between the eyes, at the surface of the face. One unit is the distance of the eyes along x and z, and the way from there to the chin
along y, so that faces of any proportion fit.
"""

from dataclasses import dataclass

import numpy as np

EYES, BROW = 0.5, 0.16  # how far the eyes lie from the middle, the brows over the eyes
NOSE = (0.0, -0.33, 0.5)
EAR = (1.0, -0.12, -1.1)  # the left one


def _draw_jaw() -> np.ndarray:
    """17 points from the right ear over the chin to the left ear."""
    turn = np.linspace(-np.pi / 2, np.pi / 2, 17)
    x = 1.05 * np.sign(turn) * np.abs(np.sin(turn)) ** 0.75
    y = -(np.abs(np.cos(turn)) ** 1.3)
    return np.stack([x, y, 0.12 - 1.1 * (x / 1.05) ** 2], axis=1)


def _draw_brow() -> np.ndarray:
    """The right one, from outside to inside."""
    x = -np.array([0.92, 0.76, 0.58, 0.4, 0.22])
    return np.stack([x, BROW + np.array([-0.04, 0.03, 0.06, 0.04, 0.0]), 0.18 - 0.45 * x**2], axis=1)


def _draw_nose() -> np.ndarray:
    """Four points down the bridge to the tip, then five along its base, from right to left."""
    bridge = [(0.0, NOSE[1] * k / 3, 0.14 + 0.36 * k / 3) for k in range(4)]
    base = [(x, -0.41 - 0.03 * (1 - abs(x) / 0.25), 0.3 - 0.5 * abs(x)) for x in (-0.25, -0.13, 0.0, 0.13, 0.25)]
    return np.array(bridge + base)


def _draw_eye() -> np.ndarray:
    """The right one: outer corner, over it to the inner corner, under it back."""
    x = -EYES + np.array([-0.24, -0.09, 0.09, 0.24, 0.09, -0.09])
    y = np.array([0.0, 0.05, 0.05, 0.0, -0.045, -0.045])
    return np.stack([x, y, 0.06 - 0.25 * x**2], axis=1)


def _draw_mouth() -> np.ndarray:
    """12 points around the lips and 8 inside, each from the right corner over the upper lip to the left corner and back."""
    outer = [(0.4, 0.0), (0.24, 0.055), (0.09, 0.085), (0.0, 0.07)], [(0.25, -0.075), (0.1, -0.115), (0.0, -0.12)]
    inner = [(0.33, 0.0), (0.11, 0.015), (0.0, 0.01)], [(0.11, -0.015), (0.0, -0.02)]
    points = [point for upper, lower in (outer, inner) for point in _mirror_ring(upper, lower)]
    return np.array([(x, y - 0.6, 0.26 - 0.6 * x**2) for x, y in points])


def _mirror_ring(upper: list[tuple[float, float]], lower: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A closed line of which one half is given, corner and middle included, mirrored to the other."""
    top = [(-x, y) for x, y in upper] + upper[-2::-1]
    return top + lower + [(-x, y) for x, y in lower[-2::-1]]


_MIRROR = np.array([-1.0, 1.0, 1.0])
_RIGHT_EYE, _RIGHT_BROW = _draw_eye(), _draw_brow()
TEMPLATE = np.concatenate(
    [
        _draw_jaw(),
        _RIGHT_BROW,
        _RIGHT_BROW[::-1] * _MIRROR,
        _draw_nose(),
        _RIGHT_EYE,
        _RIGHT_EYE[[3, 2, 1, 0, 5, 4]] * _MIRROR,
        _draw_mouth(),
    ]
)  # (68, 3)
ON_JAW = np.isin(np.arange(68), [*range(2, 15), *range(55, 60), *range(65, 68)])  # what moves with the jaw: chin and lower lip
SWAPPED = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)  # where each point lies in a mirrored face


@dataclass(frozen=True)
class Head:
    """A head at rest, in any space. `origin` (3,) between the eyes, at the surface · `axes` (3, 3), rows: the unit directions to the
    figure's left, to the crown, and out of the face · `eyes` their distance · `chin` how far the chin lies below them."""

    origin: np.ndarray
    axes: np.ndarray
    eyes: float
    chin: float

    def place(self, points) -> np.ndarray:
        """Points (N, 3) of the template's frame, in the head's space."""
        return self.origin + (np.asarray(points) * (self.eyes, self.chin, self.eyes)) @ self.axes


def compute_axes(left: np.ndarray, up: np.ndarray) -> np.ndarray:
    """The axes of a head that points up to its crown in a figure whose left is `left`; both any length, not parallel."""
    up = up / np.linalg.norm(up)
    left = left - (left @ up) * up
    left = left / np.linalg.norm(left)
    return np.stack([left, up, np.cross(left, up)])


def estimate_head(base: np.ndarray, length: float, axes: np.ndarray) -> Head:
    """A head of which only the bone is known, that begins at `base` and is `length` long."""
    origin = base + length * (0.5 * axes[1] + 0.55 * axes[2])
    return Head(origin, axes, 0.4 * length, 0.55 * length)


def fit_head(head: Head, eyes: tuple[np.ndarray, np.ndarray] | None, chin: np.ndarray | None) -> Head:
    """An estimated head brought to the middles of its eyes, right and left, and to the tip of its chin, as far as they are known."""
    origin, distance = head.origin, head.eyes
    if eyes is not None:
        distance = float(abs((eyes[1] - eyes[0]) @ head.axes[0])) or head.eyes
        origin = (eyes[0] + eyes[1]) / 2 + 0.22 * distance * head.axes[2]  # from the middle of the eyeballs to their front
    drop = head.chin if eyes is None else 1.5 * distance
    if chin is not None:
        drop = float((origin - chin) @ head.axes[1])
    return Head(origin, head.axes, distance, drop if drop > 0.2 * distance else 1.5 * distance)
