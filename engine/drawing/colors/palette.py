"""The palette of a reference: which swatches it is painted with, and which pixel wears which.

A flat reference (cel paint, with or without antialiasing) gives its exact colors. A painted or JPEG one is clustered in
CIELAB, and each swatch is the median of its cluster. Lines, antialiasing and noise are no swatches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from skimage.measure import label

BACKGROUNDS = ("auto", "keep", "remove")
TRANSPARENT = (0, 0, 0, 0)

MAX_FLAT = 256  # distinct colors; more is not a flat palette
FLAT_SHARE = 0.97  # of the even pixels that the palette must explain for the reference to count as flat
NOISE_DISTANCE = 2.5  # CIELAB; what can't be told apart by eye
NOISE_RATIO = 20  # how many times rarer noise is than what it disturbs
UNBLENDED_DISTANCE = 24.0  # of RGB; a pixel that is so far from all blends of the paint beside it is ink
PAINTED_DISTANCE = 9.0  # CIELAB; clusters nearer than this are one swatch
PAINTED_SHARE = 4e-4  # of the picture that a painted swatch covers at least
PAINTED_MAX = 48
LINE_CONTRAST = 14.0  # CIELAB lightness by which a line is darker than what lies on both sides of it
LINE_WIDTH = 1 / 150  # of the picture's height: the widest line
PAPER_DISTANCE = 4.0  # CIELAB; paper is this even
PAPER_SIDE = 0.85  # share of a side of the picture that is paper where the figure is not cut off


@dataclass(frozen=True)
class PaintedReference:
    """A reference taken apart.

    `swatches` uint8 (P, 4) RGBA, alpha 0 or 255 · `index` int16 (H, W) into swatches, -1 where a line, antialiasing or noise is ·
    `lines` bool (H, W) · `flat` whether the swatches are exact.
    """

    swatches: np.ndarray
    index: np.ndarray
    lines: np.ndarray
    flat: bool


def extract_palette(pixels: np.ndarray, background: str = "auto") -> PaintedReference:
    """Take a reference apart: `pixels` uint8 (H, W, 4). `background` as in BACKGROUNDS says what uniform paper around the figure is."""
    opaque = pixels[..., 3] >= 128
    rgb = np.ascontiguousarray(pixels[..., :3])
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    exact = _find_exact_colors(rgb, opaque)
    if exact is not None:
        colors, index = exact
        index, lines = _remove_lines(index, colors, rgb, lab[..., 0], opaque)
    else:
        lines = _find_thin_dark(lab[..., 0], opaque, _max_line_width(opaque))
        colors, index = _cluster_colors(rgb, opaque & ~lines)
    paper = _find_paper(lab, opaque, background)
    return _number_swatches(colors, index, ~opaque | paper, lines & ~paper, flat=exact is not None)


def merge_palettes(palettes: Sequence[PaintedReference]) -> tuple[np.ndarray, list[np.ndarray]]:
    """One palette for several references: swatches (P, 4), and for each reference int16 (its P + 1,) to translate its `index` (-1 last).

    Flat colors are kept apart unless they are equal; a painted swatch joins the flat or painted one that looks the same.
    """
    swatches: list[tuple[int, ...]] = []
    tables: dict[int, np.ndarray] = {}
    for number in sorted(range(len(palettes)), key=lambda n: not palettes[n].flat):
        palette = palettes[number]
        table = np.full(len(palette.swatches) + 1, -1, np.int16)
        for i, color in enumerate(map(tuple, palette.swatches.tolist())):
            match = swatches.index(color) if color in swatches else -1
            if match < 0 and not palette.flat and color[3]:
                match = _find_nearest_swatch(color, swatches, PAINTED_DISTANCE * 0.7)
            if match < 0:
                match = len(swatches)
                swatches.append(color)
            table[i] = match
        tables[number] = table
    return np.array(swatches, np.uint8).reshape(-1, 4), [tables[n] for n in range(len(palettes))]


def grow_labels(labels: np.ndarray) -> np.ndarray:
    """Give every pixel of a label map the nearest label that is not 0."""
    if not (labels > 0).any():
        return np.ones_like(labels)
    _, nearest = cv2.distanceTransformWithLabels((labels == 0).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(nearest.max() + 1, labels.dtype)
    table[nearest[labels > 0]] = labels[labels > 0]
    return table[nearest]


def convert_to_lab(colors: np.ndarray) -> np.ndarray:
    """CIELAB float32 (N, 3) of uint8 (N, 3 or more)."""
    return cv2.cvtColor(colors[None, :, :3].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[0]


def _find_nearest_swatch(color: tuple[int, ...], swatches: list[tuple[int, ...]], limit: float) -> int:
    visible = [i for i, s in enumerate(swatches) if s[3]]
    if not visible:
        return -1
    distance = np.linalg.norm(
        convert_to_lab(np.array([swatches[i] for i in visible], np.uint8)) - convert_to_lab(np.array([color], np.uint8)), axis=1
    )
    best = int(distance.argmin())
    return visible[best] if distance[best] < limit else -1


def _max_line_width(picture: np.ndarray) -> float:
    return max(3.0, picture.shape[0] * LINE_WIDTH)


def _make_disc(width: float) -> np.ndarray:
    """A round kernel that a stroke of `width` px does not fill."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ((round(width) + 2) // 2) + 1,) * 2)


def _find_thin_dark(lightness: np.ndarray, opaque: np.ndarray, width: float) -> np.ndarray:
    """Pixels that are darker than both sides of a stroke of at most `width` px; transparency counts as white."""
    level = np.where(opaque, lightness, 100.0).astype(np.float32)
    return opaque & (cv2.morphologyEx(level, cv2.MORPH_CLOSE, _make_disc(width)) - level > LINE_CONTRAST)


# --- flat references --------------------------------------------------------------------------------------------------


def _find_exact_colors(rgb: np.ndarray, opaque: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The exact colors (C, 3) of a flat picture and int16 (H, W) into them (-1 elsewhere); None when it isn't flat."""
    packed = rgb[..., 0].astype(np.int32) << 16 | rgb[..., 1].astype(np.int32) << 8 | rgb[..., 2]
    packed[~opaque] = -1
    even = _find_even_pixels(packed) & opaque
    total = int(even.sum())
    if total < 0.4 * opaque.sum():
        return None
    values, counts = np.unique(packed[even], return_counts=True)
    keep = counts >= max(4, 2e-6 * packed.size)
    if keep.sum() > MAX_FLAT or counts[keep].sum() < FLAT_SHARE * total or not keep.any():
        return None
    values = values[keep]
    if not _has_few_colors(counts[keep], total) or _has_noise_colors(_unpack_colors(values), counts[keep]):
        return None
    values = np.union1d(values, _find_small_colors(packed, opaque, values))
    place = np.minimum(np.searchsorted(values, packed), len(values) - 1)
    return _unpack_colors(values), np.where(values[place] == packed, place, -1).astype(np.int16)


def _find_small_colors(packed: np.ndarray, opaque: np.ndarray, large: np.ndarray) -> np.ndarray:
    """Colors of features too small for an even surrounding, as eyes on a sheet are; none where the large colors have a train of such."""
    values, counts = np.unique(packed[_find_square_pixels(packed) & opaque], return_counts=True)
    values = np.setdiff1d(values[counts >= max(6, 3e-6 * packed.size)], large)
    if not len(values):
        return values
    near = (
        np.linalg.norm(convert_to_lab(_unpack_colors(values))[:, None] - convert_to_lab(_unpack_colors(large))[None], axis=2).min(axis=1)
        < 2 * NOISE_DISTANCE
    )
    return values[~near] if near.sum() < 3 and len(values) + len(large) <= MAX_FLAT else values[:0]


def _unpack_colors(values: np.ndarray) -> np.ndarray:
    return np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.uint8)


def _has_few_colors(counts: np.ndarray, total: int) -> bool:
    """Whether a handful of colors covers the picture: true of cel paint, not of banded gradients or JPEG noise."""
    largest = np.sort(counts)[::-1]
    return largest[:64].sum() >= FLAT_SHARE * total and (largest >= 1e-3 * total).sum() >= 0.25 * min(len(largest), 64)


def _has_noise_colors(colors: np.ndarray, counts: np.ndarray) -> bool:
    """Whether large colors have a train of rare ones that look the same: JPEG noise, even when the picture was saved as PNG since."""
    lab = convert_to_lab(colors)
    near = np.linalg.norm(lab[:, None] - lab[None], axis=2) < NOISE_DISTANCE
    return int((near & (counts[:, None] * NOISE_RATIO < counts[None])).any(axis=1).sum()) >= 3


def _find_even_pixels(packed: np.ndarray) -> np.ndarray:
    """Pixels whose 3 x 3 surroundings have one value."""
    across = np.zeros(packed.shape, bool)
    across[:, 1:-1] = (packed[:, 1:-1] == packed[:, :-2]) & (packed[:, 1:-1] == packed[:, 2:])
    even = np.zeros(packed.shape, bool)
    center = packed[1:-1]
    even[1:-1] = across[1:-1] & across[:-2] & across[2:] & (center == packed[:-2]) & (center == packed[2:])
    return even


def _find_square_pixels(packed: np.ndarray) -> np.ndarray:
    """Pixels of a square of 2 x 2 with one value. Small swatches, as of eyes on a sheet, have these; blends of paint and ink seldom do."""
    corner = (packed[:-1, :-1] == packed[1:, :-1]) & (packed[:-1, :-1] == packed[:-1, 1:]) & (packed[:-1, :-1] == packed[1:, 1:])
    found = np.zeros(packed.shape, bool)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            found[rows, columns] |= corner
    return found


def _remove_lines(
    index: np.ndarray, colors: np.ndarray, rgb: np.ndarray, lightness: np.ndarray, opaque: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take the lines out of `index`, int16 (H, W): the thin parts of line colors. Wide parts of them, like pupils, stay swatches.

    A line color is mostly thin and darker than what lies around it. Thick lines in a small picture, and those of light colors, are known
    by touching most other colors.
    """
    count, inside = len(colors), index >= 0
    fine, coarse = (_find_thin_dark(lightness, opaque, width) for width in (_max_line_width(index), 2 * _max_line_width(index) + 2))
    total = np.maximum(np.bincount(index[inside], minlength=count), 1)
    is_fine = np.bincount(index[inside & fine], minlength=count) >= 0.6 * total
    is_coarse = np.bincount(index[inside & coarse], minlength=count) >= 0.6 * total
    touches = _count_touched_colors(index, count, opaque) >= max(3, 0.5 * count)
    lines = (fine & ~inside) | _find_unblended_pixels(index, colors, rgb, opaque)
    result = index.copy()
    for color in np.flatnonzero((is_fine | touches) & (total >= index.shape[0] // 2)):  # a speck is no line
        mask = index == color
        if not is_fine[color] and not is_coarse[color]:
            broad = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _make_disc(_max_line_width(index)))
            if broad.sum() > 0.4 * total[color]:
                continue
        edge = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
        width = 2.0 * mask.sum() / max(1, edge.sum())
        wide = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _make_disc(1.4 * width)) > 0
        _, parts, stats, _ = cv2.connectedComponentsWithStats(wide.astype(np.uint8), connectivity=4)
        wide &= (stats[:, cv2.CC_STAT_AREA] >= 6 * width**2)[parts]  # less is where lines meet
        lines |= mask & ~wide
        result[mask & ~wide] = -1
    return result, lines


def _count_touched_colors(index: np.ndarray, count: int, opaque: np.ndarray) -> np.ndarray:
    """How many others each color touches, int (count,): transparency is one; antialiasing may lie between."""
    padded = np.where(opaque, index, count).astype(np.int64)
    pairs = np.zeros((count + 1) ** 2, np.int64)
    for step in (1, 2, 3):
        for one, two in ((padded[step:], padded[:-step]), (padded[:, step:], padded[:, :-step])):
            met = (one >= 0) & (two >= 0) & (one != two)
            pairs += np.bincount(one[met] * (count + 1) + two[met], minlength=len(pairs))
    table = pairs.reshape(count + 1, -1)
    return (table + table.T > 8).sum(axis=1)[:count]


def _find_unblended_pixels(index: np.ndarray, colors: np.ndarray, rgb: np.ndarray, opaque: np.ndarray) -> np.ndarray:
    """Pixels, bool (H, W), that are no blend of the swatches beside them: ink that nowhere has its full color."""
    unknown = opaque & (index < 0)
    if not unknown.any() or not (index >= 0).any():
        return unknown
    near = grow_labels(index + np.int16(1)) - np.int16(1)
    y, x = np.nonzero(unknown)
    one, seen = colors[near[y, x]].astype(np.float32), rgb[y, x].astype(np.float32)
    away = np.linalg.norm(seen - one, axis=1)
    for extreme in (cv2.dilate, cv2.erode):
        two = colors[np.asarray(extreme(near, np.ones((7, 7), np.uint8)), np.int16)[y, x]].astype(np.float32)
        along = ((seen - one) * (two - one)).sum(axis=1) / np.maximum(((two - one) ** 2).sum(axis=1), 1e-6)
        away = np.minimum(away, np.linalg.norm(seen - one - along.clip(0.0, 1.0)[:, None] * (two - one), axis=1))
    found = np.zeros(index.shape, bool)
    found[y, x] = away > UNBLENDED_DISTANCE
    return found


# --- painted references -----------------------------------------------------------------------------------------------


def _cluster_colors(rgb: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colors (C, 3) by greedy peaks of the CIELAB histogram, and int16 (H, W) of the nearest (-1 off the mask)."""
    smooth = cv2.medianBlur(rgb, 5)
    lab = cv2.cvtColor(smooth.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    edge = cv2.morphologyEx(lab[..., 0], cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 8.0
    samples = lab[mask & ~edge] if (mask & ~edge).sum() > 100 else lab[mask]
    if len(samples) == 0:
        return np.zeros((0, 3), np.uint8), np.full(rgb.shape[:2], -1, np.int16)
    if len(samples) > 400_000:
        samples = samples[:: len(samples) // 400_000 + 1]
    centers = _find_histogram_peaks(samples)
    for _ in range(4):
        nearest = _assign_centers(samples, centers)
        centers = np.array(
            [np.median(samples[nearest == i], axis=0) if (nearest == i).any() else c for i, c in enumerate(centers)], np.float32
        )
    share = np.bincount(_assign_centers(samples, centers), minlength=len(centers)) / len(samples)
    centers = centers[share >= min(PAINTED_SHARE, share.max())]
    index = np.full(rgb.shape[:2], -1, np.int16)
    even = mask & (cv2.dilate(edge.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    even = even if even.sum() > 100 else mask
    index[even] = _assign_centers(lab[even], centers)
    colors = np.array([np.median(rgb[index == i], axis=0) if (index == i).any() else (0, 0, 0) for i in range(len(centers))])
    return colors.round().astype(np.uint8).reshape(-1, 3), index


def _find_histogram_peaks(samples: np.ndarray) -> np.ndarray:
    bins, inverse, counts = np.unique((samples / 3.0).round().astype(np.int16), axis=0, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(inverse.ravel(), samples[:, k], len(bins)) for k in range(3)], axis=1)
    means = (sums / counts[:, None]).astype(np.float32)
    centers: list[np.ndarray] = []
    for i in np.argsort(-counts):
        if len(centers) >= PAINTED_MAX:
            break
        if all(np.linalg.norm(means[i] - c) >= PAINTED_DISTANCE for c in centers):
            near = np.linalg.norm(means - means[i], axis=1) < PAINTED_DISTANCE / 2
            if counts[near].sum() >= PAINTED_SHARE * len(samples) or not centers:
                centers.append(means[i])
    return np.array(centers, np.float32)


def _assign_centers(lab: np.ndarray, centers: np.ndarray) -> np.ndarray:
    distance = (centers**2).sum(1)[None] - 2.0 * (lab @ centers.T)
    return distance.argmin(axis=1).astype(np.int16)


# --- paper ------------------------------------------------------------------------------------------------------------


def _find_paper(lab: np.ndarray, opaque: np.ndarray, background: str) -> np.ndarray:
    """Uniform opaque paper around the figure, bool (H, W). All False when there is none, or it is to be kept.

    Paper fills three of the four sides (a figure may be cut off at one), in one even color: a film frame does not.
    """
    none = np.zeros(opaque.shape, bool)
    if background == "keep" or not opaque.any():
        return none
    sides = [(lab[0], opaque[0]), (lab[-1], opaque[-1]), (lab[:, 0], opaque[:, 0]), (lab[:, -1], opaque[:, -1])]
    border = np.concatenate([side[seen] for side, seen in sides])
    if len(border) < 0.5 * sum(len(seen) for _, seen in sides):
        return none  # the picture is transparent around the figure already
    color = np.median(border, axis=0)
    shares = sorted(float((seen & (np.linalg.norm(side - color, axis=1) < PAPER_DISTANCE)).mean()) for side, seen in sides)
    if background == "auto" and shares[1] < PAPER_SIDE:
        return none
    like_paper = opaque & (np.linalg.norm(lab - color, axis=2) < PAPER_DISTANCE)
    parts = np.asarray(label(like_paper, connectivity=1))
    at_border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    chosen = np.zeros(parts.max() + 1, bool)
    chosen[at_border] = True
    chosen[0] = False
    return chosen[parts]


def _number_swatches(colors: np.ndarray, index: np.ndarray, outside: np.ndarray, lines: np.ndarray, flat: bool) -> PaintedReference:
    """Drop colors that are not in use, add the transparent swatch where something is outside, and number them by area."""
    index = np.where(outside, -1, index)
    area = np.bincount(index[index >= 0], minlength=len(colors))
    order = np.array([i for i in np.argsort(-area, kind="stable") if area[i] > 0], int)
    table = np.full(len(colors) + 1, -1, np.int16)
    table[order] = np.arange(len(order))
    swatches = (
        np.concatenate([colors[order], np.full((len(order), 1), 255, np.uint8)], axis=1) if len(order) else np.zeros((0, 4), np.uint8)
    )
    index = table[index]
    if outside.any():
        swatches = np.concatenate([swatches, np.array([TRANSPARENT], np.uint8)])
        index = np.where(outside, np.int16(len(swatches) - 1), index)
    return PaintedReference(swatches.astype(np.uint8), index.astype(np.int16), lines, flat)
