"""The figures of a cel's references, each a picture that a network can be shown."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import find_objects
from skimage.measure import label

from ..drawing.colors import palette
from ..matching import embedding, shapes

SHARE = 0.06  # of the largest figure on a sheet: smaller ones are props
APART = 0.04  # of a sheet's longer side: parts nearer than this are one figure


@dataclass(frozen=True)
class Cutout:
    """`pixels` uint8 (H, W, 3), on white where the background was taken away · `painted` what they are painted with · `cut_out` whether
    there was a background to take away."""

    pixels: np.ndarray
    painted: palette.PaintedReference
    cut_out: bool


@dataclass(frozen=True)
class Figure:
    """A cutout and what the matcher knows of it: `shapes` its regions, wearing swatches of the cel's palette, in pixels of their own label
    map · `tokens` and `dense` what the trained matcher sees in it."""

    pixels: np.ndarray
    shapes: shapes.Shapes
    tokens: embedding.RegionTokens
    dense: embedding.DenseFeatures
    cut_out: bool


def describe_cutouts(cutouts: Sequence[Cutout]) -> tuple[np.ndarray, list[Figure]]:
    """One palette for all cutouts, uint8 (P, 4), and the figures."""
    swatches, tables = palette.merge_palettes([cutout.painted for cutout in cutouts])
    matcher, found = embedding.load_matcher(), []
    for cutout, table in zip(cutouts, tables, strict=True):
        seen = shapes.describe_reference(cutout.painted, table, whole=True)[0]
        found.append(Figure(cutout.pixels, seen, matcher.encode(seen), matcher.dense(seen), cutout.cut_out))
    return swatches, found


def find_figures(pixels: np.ndarray, background: str) -> list[Cutout]:
    """The figures on a reference uint8 (H, W, 4), largest first; `background` as in `palette.BACKGROUNDS`. One if its background stays."""
    painted = palette.extract_palette(pixels, background)
    clear = painted.swatches[:, 3] == 0
    paper = np.append(clear, False)[painted.index]
    if not paper.any() or paper.all():
        return [cut_whole(pixels, background)]
    reach = max(1, round(APART / 2 * max(paper.shape)))
    near = cv2.dilate((~paper).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)) > 0
    parts = np.where(paper, 0, label(near, connectivity=2))
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    boxes = find_objects(parts)
    found = []
    for part in sorted(np.flatnonzero(areas >= max(1, SHARE * areas.max())).tolist(), key=lambda part: -areas[part]):
        rows, columns = boxes[part - 1]
        margin = (rows.stop - rows.start + columns.stop - columns.start) // 40 + 2
        window = (slice(max(0, rows.start - margin), rows.stop + margin), slice(max(0, columns.start - margin), columns.stop + margin))
        small = np.flatnonzero(areas < SHARE * areas.max())  # what is near belongs to it: a prop, an eye in the dark
        shown = (parts[window] == part) | (np.isin(parts[window], small) & ~paper[window])
        crop = np.where(shown[..., None], pixels[window], 0).astype(np.uint8)
        found.append(Cutout(_on_white(pixels[window], shown), palette.extract_palette(crop, "auto"), cut_out=True))
    return found


def cut_whole(pixels: np.ndarray, background: str) -> Cutout:
    """A reference uint8 (H, W, 4) as it is, on white; `background` says what is no paint in it."""
    return Cutout(_on_white(pixels, np.ones(pixels.shape[:2], bool)), palette.extract_palette(pixels, background), cut_out=False)


def _on_white(pixels: np.ndarray, shown: np.ndarray) -> np.ndarray:
    alpha = pixels[..., 3:].astype(np.float32) / 255.0 * shown[..., None]
    return (pixels[..., :3] * alpha + 255.0 * (1.0 - alpha) + 0.5).astype(np.uint8)
