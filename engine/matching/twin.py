"""A drawing that the reference is the paint of: its regions are read off, not guessed."""

import cv2
import numpy as np

from .pair import NEAR, measure_line_distance
from .shapes import Shapes

MIN_LINE_OVERLAP = 0.85  # share of lines that lie on each other, both ways, before the paint is looked at
MIN_PURITY = 0.96  # share of the paint that must agree with one swatch a region


def measure_line_overlap(drawing: Shapes, reference: Shapes) -> tuple[float, float]:
    """The share of a drawing's lines that lie on a reference's, without moving either, and the other way round; 0 for another format."""
    if len(drawing.points) < 2 or len(reference.points) < 2:
        return 0.0, 0.0
    scale = reference.labels.shape[1] / drawing.labels.shape[1]
    if abs(reference.labels.shape[0] / drawing.labels.shape[0] / scale - 1.0) > 0.01:
        return 0.0, 0.0
    reach = NEAR * 1.4
    forth = (measure_line_distance(reference, drawing.points * scale) < reach * scale).mean()
    back = (measure_line_distance(drawing, reference.points / scale) < reach).mean()
    return float(forth), float(back)


def read_swatches(grown: np.ndarray, count: int, index: np.ndarray, swatches: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Read the swatches of regions off a reference: `grown` (H, W) in 1..count, `index` int16 (H2, W2) into swatches (P, 4), -1 unknown.

    Returns swatch int32 (count + 1,), -1 where nothing was seen, the share float32 (count + 1,) of each region that agrees,
    and the share of the whole figure that does.
    """
    seen = cv2.resize(index, (grown.shape[1], grown.shape[0]), interpolation=cv2.INTER_NEAREST)
    inside = seen >= 0
    votes = np.bincount(grown[inside] * len(swatches) + seen[inside], minlength=(count + 1) * len(swatches)).reshape(
        count + 1, len(swatches)
    )
    total = votes.sum(axis=1)
    swatch = np.where(total > 0, votes.argmax(axis=1), -1).astype(np.int32)
    share = (votes.max(axis=1) / np.maximum(total, 1)).astype(np.float32)
    clear = swatches[:, 3] == 0
    of_paper = clear[np.maximum(swatch, 0)] & (swatch >= 0)
    right = votes.max(axis=1)[~of_paper].sum()
    figure = votes[~of_paper].sum() + votes[of_paper][:, ~clear].sum()
    return swatch, share, float(right / figure) if figure else 0.0
