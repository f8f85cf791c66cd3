"""Leaks: gaps too wide to be closed unasked, through which a part of the drawing runs out into the background."""

import cv2
import numpy as np

from ..sketch import Sketch
from .closing import beside, close_gaps, draw

_WIDER = 3.0  # times the gap: what a person still sees as a slip of the pen
_SIDE = 36  # and at least the picture's short side over this: 30 px at 1920 x 1080
_AREA = 3e-4  # of the picture: what is smaller is no part of a figure
_DEPTH = 1.5  # a pocket is deeper than its mouth is wide, else it is a bay of the background
_CONTACT = 0.2  # of the picture's top, left and right edges


def find_leaks(sketch: Sketch, labels: np.ndarray, border: np.ndarray, gap: float) -> np.ndarray:
    """Where the background reaches into a substantial pocket that closing wider gaps would cut off, float32 (K, 3): x, y, gap px.

    A figure that the picture's edge cuts is no background, though it touches the edge: figures stand on the lower edge, so the
    background is what touches the other three most.
    """
    height, width = labels.shape
    wide = max(_WIDER * gap, min(width, height) / _SIDE)
    outside = _background(labels, border)
    joins = close_gaps(sketch, wide)
    middle = np.floor((joins[:, :2] + joins[:, 2:]) / 2).astype(int)
    joins = joins[outside[middle[:, 1].clip(0, height - 1), middle[:, 0].clip(0, width - 1)]]
    spans = np.hypot(joins[:, 2] - joins[:, 0], joins[:, 3] - joins[:, 1])
    if not (spans > gap).any():
        return np.zeros((0, 3), np.float32)
    walls = draw(joins, ~outside)
    count, parts, stats, _ = cv2.connectedComponentsWithStats((~walls).astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    contact = _contact(parts, count)
    areas = stats[:, cv2.CC_STAT_AREA]
    open_air = (contact >= _CONTACT) | (np.arange(count) == contact[1:].argmax() + 1 if count > 1 else False)
    found = []
    for join, span, sides in zip(joins, spans, beside(joins, parts, ~outside), strict=True):
        if span <= gap:
            continue  # closed already
        pockets = [s for s in sides if not open_air[s] and areas[s] >= max(_AREA * width * height, (_DEPTH * span) ** 2)]
        if pockets and any(open_air[s] for s in sides):
            found.append(((join[0] + join[2]) / 2, (join[1] + join[3]) / 2, span))
    return np.array(found, np.float32).reshape(-1, 3)


def _background(labels: np.ndarray, border: np.ndarray) -> np.ndarray:
    """Where the background is, bool (H, W)."""
    if not border.any():
        return np.zeros(labels.shape, bool)
    contact = _contact(labels, len(border))
    chosen = contact >= _CONTACT
    chosen[contact.argmax()] = True
    chosen[0] = False
    return chosen[labels]


def _contact(labels: np.ndarray, count: int) -> np.ndarray:
    """The share that each label has of the picture's top, left and right edges, float (count,); 0 for label 0."""
    edge = np.concatenate([labels[0], labels[:, 0], labels[:, -1]])
    share = np.bincount(edge, minlength=count) / len(edge)
    share[0] = 0
    return share
