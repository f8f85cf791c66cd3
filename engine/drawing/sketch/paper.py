"""The paper below line art: which of it is dark and bears light lines, and its color without the drawing.

Lines are thin: what is lighter or darker than the paper around it and narrower than `_THIN`. Paper may be of several tones, and light may
fall on it unevenly. Solid ink is no paper; it has the color of the lines, or a line around it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_FINE, _COARSE = 960, 480  # px, the longer side of the pictures in which lines and paper are looked for
_THIN = 13  # px of the fine picture
_LIGHTEST = 215  # of 255; on lighter paper no line can be told by being lighter
_CONTRAST = (24, 60)  # of 255: fainter differences from the paper are no line; the second on noisy paper
_SPECK = 12  # px of the fine picture; smaller pieces are grain and dust
_MAINLY = 2.0  # so many times as much must be light lines for paper to be called dark
_LEAST = 0.15  # of the picture, and
_EDGE = 0.1  # of its edge: smaller dark areas are part of the drawing
_FRAME, _ALONE = 0.5, 20.0  # of its edge, and so many times all other lines: the rest is blank, and no part of the drawing
_SOLID = 0.6  # of the paper's brightness; darker areas are ink or another tone of paper
_SOFT = 1.3  # ratio across an area's border, over 6 px of the coarse picture; less is light that fades
_AS_INK = 0.2  # of the way from ink to paper: nearer to ink is ink
_OUTLINED = 0.3  # of an area's border, that has a line on it where the area is drawn
_DRAWN = 0.004  # of an area, that lines cover which are on it


@dataclass(frozen=True)
class Paper:
    """`color` of the paper without the drawing, float32 (H, W, 3) of 255 · `solid` the areas that are too dark for paper, bool (H, W)."""

    color: np.ndarray
    solid: np.ndarray


# --- dark paper -------------------------------------------------------------------------------------------------------


def find_dark_paper(picture: np.ndarray) -> np.ndarray:
    """Where an opaque picture, uint8 (H, W, 3), has lines that are lighter than its paper, bool (H, W): everywhere, nowhere, or on a part
    of it that is paper of another tone."""
    shape = picture.shape[:2]
    small = _shrink_picture(picture, _FINE).mean(axis=2).astype(np.uint8)
    if (small < _LIGHTEST).mean() < _LEAST:
        return np.zeros(shape, bool)
    paper = _measure_surroundings(small)
    light, dark = _measure_lines(small, paper)
    level, areas = _find_dark_part(paper, light, dark)
    if areas.any():
        return _refine_border(picture, areas, level)
    return np.full(shape, light.sum() > _MAINLY * dark.sum() and not _has_light_areas(small, paper, light), bool)


def swap_lightness(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Light lines on dark paper as dark ones on light paper, `where` it is: white becomes black, and colors keep their hue."""
    if not where.any():
        return picture
    high, low = picture.max(axis=2, keepdims=True), picture.min(axis=2, keepdims=True)
    swapped = np.where(where[..., None], 255 - high + (picture - low), picture)
    if where.all():
        return swapped
    kernel = np.ones((3, 3), np.uint8)
    seam = cv2.morphologyEx(where.astype(np.uint8), cv2.MORPH_GRADIENT, kernel) > 0  # soft pixels between both papers
    return np.where(seam[..., None], cv2.dilate(swapped, kernel), swapped)


def _shrink_picture(picture: np.ndarray, longest: int) -> np.ndarray:
    height, width = picture.shape[:2]
    shrink = max(1.0, max(width, height) / longest)
    return cv2.resize(picture, (max(1, round(width / shrink)), max(1, round(height / shrink))), interpolation=cv2.INTER_AREA)


def _measure_surroundings(small: np.ndarray) -> np.ndarray:
    """What most pixels around each pixel of a picture uint8 (h, w) wear: the paper, unless ink is all around."""
    coarse = _shrink_picture(small, _COARSE)
    median = cv2.medianBlur(coarse, max(3, min(coarse.shape) // 5 | 1))
    return np.asarray(cv2.resize(median, small.shape[::-1], interpolation=cv2.INTER_LINEAR))


def _measure_lines(small: np.ndarray, paper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much lighter and how much darker than its paper each pixel of a line is, float32 (h, w) both, 0 where there is no line."""
    kernel = np.ones((_THIN, _THIN), np.uint8)
    least = np.clip(6 * 1.4826 * np.median(cv2.absdiff(small, paper)), *_CONTRAST)
    found = []
    for away, thin in (
        (cv2.subtract(small, paper), cv2.morphologyEx(small, cv2.MORPH_TOPHAT, kernel)),
        (cv2.subtract(paper, small), cv2.morphologyEx(small, cv2.MORPH_BLACKHAT, kernel)),
    ):
        strength = np.minimum(away, thin).astype(np.float32)
        _, pieces, stats, _ = cv2.connectedComponentsWithStats((strength >= least).astype(np.uint8), connectivity=8)
        keep = stats[:, cv2.CC_STAT_AREA] >= _SPECK
        keep[0] = False
        found.append(np.where(keep[pieces], strength, 0))
    return found[0], found[1]


def _has_light_areas(small: np.ndarray, paper: np.ndarray, light: np.ndarray) -> bool:
    """Whether much of a picture, or of its edge, is as light as its light lines and too thick for lines."""
    bright = (np.median(paper[light > 0]) + np.median(small[light > 0])) / 2
    thick = cv2.morphologyEx((small > bright).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2 * _THIN + 1,) * 2, np.uint8))
    return bool(thick.mean() > _LEAST or _take_edge(thick).mean() > _EDGE)


def _take_edge(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _find_dark_part(paper: np.ndarray, light: np.ndarray, dark: np.ndarray) -> tuple[float, np.ndarray]:
    """The areas of dark paper beside light paper, bool (H, W), and the lightness between them."""
    level, _ = cv2.threshold(paper, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    count, areas = cv2.connectedComponents((paper <= level).astype(np.uint8), connectivity=4)
    found = np.zeros(paper.shape, bool)
    for label in range(1, count):
        area = areas == label
        own, rest = light[area].sum(), light[areas == 0].sum()
        if area.mean() < _LEAST or _take_edge(area).mean() < _EDGE or own <= _MAINLY * dark[area].sum():
            continue
        framed = _take_edge(area).mean() >= _FRAME and own > _ALONE * max(rest, dark.sum())  # what is light is beside the paper
        if framed or (dark[areas == 0].sum() > _MAINLY * rest and _count_crossings(area, light > 0, dark > 0) >= 2):
            found |= area
    return level, found


def _count_crossings(area: np.ndarray, light: np.ndarray, dark: np.ndarray) -> int:
    """In how many places a light line of an area goes on as a dark one beside it. What lies along the border alone is no line."""
    kernel = np.ones((_THIN, _THIN), np.uint8)
    border = cv2.morphologyEx(area.view(np.uint8), cv2.MORPH_GRADIENT, kernel) > 0
    meeting = border
    for lines, side in ((light, area), (dark, ~area)):
        pieces = np.asarray(cv2.connectedComponents((lines & side).view(np.uint8), connectivity=8)[1])
        leaving = np.isin(pieces, np.setdiff1d(pieces[~border], 0)) & lines & side
        meeting = meeting & (cv2.dilate(leaving.view(np.uint8), kernel) > 0)
    return cv2.connectedComponents(meeting.astype(np.uint8), connectivity=8)[0] - 1


def _refine_border(picture: np.ndarray, areas: np.ndarray, level: float) -> np.ndarray:
    """Areas of a smaller picture as those of the picture, bool (H, W), to the pixel."""
    height, width = picture.shape[:2]
    scale = width / areas.shape[1]
    near = cv2.dilate(areas.view(np.uint8), np.ones((4 * _THIN + 1,) * 2, np.uint8))
    sure = cv2.erode(areas.view(np.uint8), np.ones((4 * _THIN + 1,) * 2, np.uint8))
    near, sure = (cv2.resize(part, (width, height), interpolation=cv2.INTER_NEAREST) > 0 for part in (near, sure))
    kernel = np.ones((round(_THIN * scale) | 1,) * 2, np.uint8)
    tones = cv2.morphologyEx(cv2.morphologyEx(picture.mean(axis=2).astype(np.uint8), cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    return sure | (near & (tones <= level))


# --- the color of the paper -------------------------------------------------------------------------------------------


def estimate_paper(picture: np.ndarray) -> Paper:
    """The paper of dark lines, of an opaque picture uint8 (H, W, 3). Its slow changes are the light of a scanner or a lamp, its sudden ones
    other tones of paper."""
    height, width = picture.shape[:2]
    small = _shrink_picture(picture, _COARSE)
    reach = max(3, min(small.shape[:2]) // 16 | 1)
    tones = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    bright = cv2.GaussianBlur(tones, (0, 0), reach / 2)
    level = np.percentile(bright.reshape(-1, 3), 75, axis=0)
    soft, toned, solid = _sort_dark_areas(picture, small, tones, level)
    bright = np.where((soft | toned)[..., None], bright, np.maximum(bright, level * _SOLID))
    color = cv2.resize(bright.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    if toned.any():
        # The blur must not carry one tone into the other.
        beside = cv2.dilate(toned.view(np.uint8), np.ones((4 * reach + 1,) * 2, np.uint8))
        beside[cv2.dilate(solid.view(np.uint8), np.ones((reach, reach), np.uint8)) > 0] = 0
        beside = cv2.resize(beside, (width, height), interpolation=cv2.INTER_NEAREST) > 0
        kernel = np.ones((round(reach * width / small.shape[1]) | 1,) * 2, np.uint8)
        exact = cv2.morphologyEx(picture, cv2.MORPH_CLOSE, kernel).astype(np.float32)
        color = np.where(beside[..., None], exact, color)
    return Paper(color, cv2.resize(solid.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0)


def _sort_dark_areas(picture: np.ndarray, small: np.ndarray, tones: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, ...]:
    """Areas much darker than most paper, three times bool (h, w): those into which the light fades, those of another tone, solid ink."""
    count, areas = cv2.connectedComponents(np.any(tones < level * _SOLID, axis=2).astype(np.uint8), connectivity=4)
    soft, toned, solid = (np.zeros(areas.shape, bool) for _ in range(3))
    if count > 1:
        value = tones.max(axis=2)
        ink = float(np.percentile(picture.max(axis=2), 0.5))
        lines = cv2.morphologyEx(small, cv2.MORPH_BLACKHAT, np.ones((_THIN // 2 | 1,) * 2, np.uint8)).max(axis=2) >= _CONTRAST[0]
        for label in range(1, count):
            area = areas == label
            kind = soft if _fades_out(area, value) else toned if _is_tone(area, value, lines, ink, float(level.max())) else solid
            kind |= area
    return soft, toned, solid


def _fades_out(area: np.ndarray, value: np.ndarray) -> bool:
    """Whether an area has no border, but grows dark slowly."""
    outside, inside = _take_ring(~area), _take_ring(area)
    return bool(outside.any() and inside.any() and np.median(value[outside]) < _SOFT * np.median(value[inside]))


def _take_ring(area: np.ndarray) -> np.ndarray:
    """The pixels of an area that lie 2 to 3 px from its border."""
    inner, outer = (cv2.erode(area.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=times) > 0 for times in (3, 1))
    return outer & ~inner


def _is_tone(area: np.ndarray, value: np.ndarray, lines: np.ndarray, ink: float, paper: float) -> bool:
    """Whether an area is paper: no line goes around it, and it is drawn on, or goes to the picture's edge and is lighter than ink."""
    border = cv2.morphologyEx(area.view(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
    if lines[border].mean() > _OUTLINED:
        return False
    core = cv2.erode(area.view(np.uint8), np.ones((9, 9), np.uint8)) > 0
    if core.any() and lines[core].mean() >= _DRAWN:
        return True
    return bool(_take_edge(area).mean() >= _EDGE and np.median(value[area]) - ink >= _AS_INK * (paper - ink))
