"""How well the gaps of damaged lines are closed: against the same world drawn whole."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from engine.drawing.regions import Regions, segment_regions
from engine.drawing.sketch import Sketch, scan

from ..synthesis import ToonPlan, draw_sample
from .metrics import average_known, encode_colors, find_majority
from .shots import CLOSING, HELD_OUT, save_picture

NEAR = 3.0  # px; a hand strays this far from where a line should be


@dataclass(frozen=True)
class ClosingScores:
    """Of one drawing, 0..1; nan where there is nothing to count.

    precision  share of the closures that run where the whole drawing has a line
    recall     share of the open gaps between two regions that a closure closes
    boundary   F-score of the regions' boundaries, against those of the whole drawing, 3 px apart at most
    ceiling    share of the figure's pixels that have the right color when every region has the color that most of it should have
    unclosed   the same when no gap is closed
    """

    precision: float
    recall: float
    boundary: float
    ceiling: float
    unclosed: float


def measure_closing(family: str, seed: int, size: int, folder: Path) -> ClosingScores:
    """Measure one world of a single drawing with all the damage there is: gaps of 1 to 12 px."""
    pair = []
    for damage in (0.0, 1.0):
        drawn = draw_sample(seed + HELD_OUT, ToonPlan(family, (size, size), drawings=1, damage=damage))
        pair.append((scan.read_scan(save_picture(folder / f"{damage:g}.png", drawn.lines.paint[0].numpy())), drawn))
    (whole, _), (damaged, drawn) = pair
    target, bare, cut = segment_regions(whole, 0.0), segment_regions(damaged, 0.0), segment_regions(damaged, CLOSING)
    truth = encode_colors(drawn.paint_flats()[0].numpy())
    precision, recall = score_closures(cut.closures, drawn.gaps[:, 1:].numpy(), whole.lines, target.labels, damaged.lines)
    return ClosingScores(
        precision,
        recall,
        score_boundaries(cut.grown, target.grown),
        measure_ceiling(cut, truth, damaged),
        measure_ceiling(bare, truth, damaged),
    )


def measure_ceiling(regions: Regions, truth: np.ndarray, sketch: Sketch) -> float:
    """Pix-F of perfect matching: each region gets the color (code) that most of its pixels should have."""
    winner, _, _ = find_majority(regions.labels, truth)
    figure = (truth != 0) & ~sketch.lines
    return float((winner[regions.labels] == truth)[figure].mean()) if figure.any() else float("nan")


def score_closures(closures: np.ndarray, gaps: np.ndarray, whole: np.ndarray, target: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """Precision and recall of closures (M, 4) for gaps (K, 3) x, y, px. `whole` bool (H, W) are the lines as they should be, `target` the
    regions between them, `drawn` the damaged lines. A gap counts when it lies between two regions and lets paint through."""
    far = cv2.distanceTransform((~whole).view(np.uint8), cv2.DIST_L2, 5)
    height, width = whole.shape
    t = (np.arange(9) + 0.5)[:, None, None] / 9
    along = closures[:, :2] * (1 - t) + closures[:, 2:] * t  # (9, M, 2)
    x, y = along[..., 0].astype(int).clip(0, width - 1), along[..., 1].astype(int).clip(0, height - 1)
    right = (far[y, x] <= NEAR).mean(0) > 0.5
    found = [bool((_measure_distances(closures, gap[:2]) <= NEAR + gap[2] / 2).any()) for gap in gaps if _is_open(gap, target, drawn)]
    return average_known(right.astype(float)), average_known(np.array(found, float))


def _measure_distances(closures: np.ndarray, point: np.ndarray) -> np.ndarray:
    """From a point to each closure, (M,)."""
    start, way = closures[:, :2], closures[:, 2:] - closures[:, :2]
    t = ((point - start) * way).sum(1) / np.maximum((way**2).sum(1), 1e-9)
    return np.hypot(*(start + t.clip(0, 1)[:, None] * way - point).T)


def _is_open(gap: np.ndarray, target: np.ndarray, drawn: np.ndarray) -> bool:
    """Whether two regions that should be apart are joined around a gap."""
    x, y, span = gap
    reach = int(span / 2) + 5
    crop = np.s_[max(int(y) - reach, 0) : int(y) + reach + 1, max(int(x) - reach, 0) : int(x) + reach + 1]
    sides, paper = target[crop], ~drawn[crop]
    parts = np.asarray(cv2.connectedComponents(paper.view(np.uint8), connectivity=4)[1], np.int32)
    sides = np.where(paper, sides, 0)
    area = np.bincount(sides.ravel())
    area[0] = 0
    order = np.argsort(-area)[:2]
    if len(order) < 2 or area[order[1]] < 8:
        return False
    one, two = (np.bincount(parts[sides == side]).argmax() for side in order)
    return bool(one == two)


def score_boundaries(cut: np.ndarray, target: np.ndarray) -> float:
    """F-score of the boundaries between regions in two label maps (H, W), those that are NEAR each other being the same."""
    one, two = _find_boundary(cut), _find_boundary(target)
    if not one.any() or not two.any():
        return float(one.any() == two.any())
    precision = (_measure_distance(two)[one] <= NEAR).mean()
    recall = (_measure_distance(one)[two] <= NEAR).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _find_boundary(labels: np.ndarray) -> np.ndarray:
    found = np.zeros(labels.shape, bool)
    found[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    found[1:] |= labels[1:] != labels[:-1]
    return found


def _measure_distance(mask: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 5)


def average_closings(found: Sequence[ClosingScores]) -> ClosingScores:
    return ClosingScores(*(average_known([getattr(one, f.name) for one in found]) for f in fields(ClosingScores)))
