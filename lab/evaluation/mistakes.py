"""What kind of mistake each wrong region is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .metrics import UNKNOWN, find_majority

KINDS = {
    "lost": "no reference has the color",
    "merged": "enclosed by lines, but the engine gave it to a region beside it, since it is small or cut off by a closure",
    "leak": "the lines let paint through: even with perfect matching another color would fill most of it",
    "background": "background in the figure, or figure in the background",
    "tone": "the right material in another tone",
    "twin": "the same part of the other side, or of another character",
    "neighbor": "the color of a region beside it",
    "elsewhere": "the color of something farther away",
}
SIZES = (40, 160, 640, 2560)  # px at 512 x 512: the bounds of the classes of size


@dataclass(frozen=True)
class PaintComparison:
    """One drawing with its true and its given paint, codes uint32 (H, W): what mistakes are found in.

    ink      bool (H, W), the lines
    regions  int32 (H, W), the true regions, 0 elsewhere
    beside   of each true region those near it
    labels   int32 (H, W), the regions that the engine cut the drawing into, 0 on lines
    """

    truth: np.ndarray
    paint: np.ndarray
    ink: np.ndarray
    regions: np.ndarray
    beside: Sequence[np.ndarray]
    labels: np.ndarray


def classify_mistakes(
    scene: PaintComparison, palette: np.ndarray, materials: Mapping[int, str]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Of each true region its area, whether it is right, and which of KINDS its mistake is, or "". The first of KINDS that fits counts.

    `palette` are the codes that the references have, `materials` those that are known, by code.
    """
    wanted, _, area = find_majority(scene.regions, scene.truth)
    given, _, _ = find_majority(scene.regions, scene.paint)
    best, _, _ = find_majority(scene.labels, scene.truth)
    ceiling, _, _ = find_majority(scene.regions, best[scene.labels])
    enclosed = np.asarray(cv2.connectedComponents((~scene.ink).view(np.uint8), connectivity=4)[1], np.int32)
    home, _, _ = find_majority(scene.regions, enclosed)
    room = np.bincount(enclosed.ravel())[home]
    count = len(wanted)
    names = [""] * count
    bad = (wanted != given) & (area > 0)
    bad[0] = False
    for region in np.flatnonzero(bad).tolist():
        right, wrong = int(wanted[region]), int(given[region])
        if right not in palette:
            name = "lost"
        elif ceiling[region] != right:
            name = "merged" if room[region] <= 1.2 * area[region] else "leak"
        elif right == 0 or wrong == 0 or wrong == UNKNOWN:
            name = "background"
        elif right in materials and materials[right] == materials.get(wrong):
            name = "tone"
        elif right in materials and wrong in materials and _strip_material(materials[right]) == _strip_material(materials[wrong]):
            name = "twin"
        elif (wanted[scene.beside[region]] == wrong).any():
            name = "neighbor"
        else:
            name = "elsewhere"
        names[region] = name
    return area[1:], (wanted == given)[1:], names[1:]


def _strip_material(name: str) -> str:
    """The material without the side and the character that it belongs to: 'other iris 1' is an iris."""
    return name.rstrip("0123456789 ").removeprefix("other ")


def classify_sizes(area: np.ndarray, scale: float) -> np.ndarray:
    """Which class of SIZES regions belong to, 0..len(SIZES); `scale` is the area of the picture over 512 x 512."""
    return np.searchsorted(np.array(SIZES) * scale, area, side="right")
