"""The networks' input picture of the reference: the figure alone, at its size in the shot, on a background unlike any of its colors."""

from dataclasses import dataclass

import cv2
import numpy as np

from ...drawing.colors import palette
from ...job.errors import BadInput

# Background colors for the figure, best first: even, and like the studios in the training data.
GROUNDS = ((255, 255, 255), (200, 200, 200), (128, 128, 128), (150, 190, 230), (170, 220, 170), (235, 190, 210))
APART = 22.0  # CIELAB; a background so far from all swatches can be keyed by color alone


@dataclass(frozen=True)
class ReferenceFigure:
    """`pixels` uint8 (H, W, 4), the reference without its background · `swatches` uint8 (P, 4), all opaque · `box` x, y, width, height of
    the opaque part · `ground` the background color, or None when it keeps its own background · `apart` whether all swatches are far from
    it."""

    pixels: np.ndarray
    swatches: np.ndarray
    box: tuple[int, int, int, int]
    ground: tuple[int, int, int] | None
    apart: bool


def find_figure(pixels: np.ndarray, background: str, name: str) -> ReferenceFigure:
    """Cut out the figure of a reference uint8 (H, W, 4). `background` as in `palette.BACKGROUNDS`. Raises BadInput when there is none."""
    painted = palette.extract_palette(pixels, background)
    clear = painted.swatches[:, 3] == 0
    swatches = painted.swatches[~clear]
    paper = np.append(clear, False)[painted.index]
    if not len(swatches) or paper.all():
        raise BadInput(f"There is no figure in the reference {name}: choose a picture of a character, painted on even paper or on none.")
    if not paper.any():
        height, width = paper.shape
        return ReferenceFigure(pixels, swatches, (0, 0, width, height), None, False)
    cut = pixels.copy()
    cut[paper, 3] = 0
    x, y, width, height = cv2.boundingRect((cut[..., 3] >= 128).astype(np.uint8))
    lab = palette.convert_to_lab(swatches)
    far = [float(np.linalg.norm(lab - palette.convert_to_lab(np.array([ground], np.uint8)), axis=1).min()) for ground in GROUNDS]
    best = next((i for i, distance in enumerate(far) if distance >= APART), int(np.argmax(far)))
    return ReferenceFigure(cut, swatches, (x, y, width, height), GROUNDS[best], far[best] >= APART)


def lay_on_ground(figure: ReferenceFigure, size: tuple[int, int], scale: float, at: tuple[float, float]) -> np.ndarray:
    """Draw the figure into a picture of `size` (width, height), uint8 (H, W, 3), at `scale` pixels per pixel of the reference, whose top
    left corner is placed at `at`. It is shrunk and moved if it would be cut off. A reference with a background fills the picture."""
    x, y, width, height = figure.box
    most = min(size[0] / width, size[1] / height)
    middle = at[0] + scale * (x + width / 2.0), at[1] + scale * (y + height / 2.0)
    if figure.ground is None:
        scale, middle = max(size[0] / width, size[1] / height), (size[0] / 2.0, size[1] / 2.0)
    else:
        scale = min(scale, most)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (
        round(center - length / 2.0 if length > side else min(max(center - length / 2.0, 0), side - length))
        for center, length, side in zip(middle, (wide, high), size, strict=True)
    )
    cut = figure.pixels[y : y + height, x : x + width].astype(np.float32)
    cut[..., :3] *= cut[..., 3:] / 255.0
    how = cv2.INTER_AREA if wide < width else cv2.INTER_CUBIC
    small = cv2.resize(cut, (wide, high), interpolation=how)
    picture = np.full((size[1], size[0], 3), figure.ground or 0, np.float32)
    rows, columns = slice(max(0, top), min(size[1], top + high)), slice(max(0, left), min(size[0], left + wide))
    part = small[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    alpha = part[..., 3:] / 255.0
    picture[rows, columns] = part[..., :3] + (1.0 - alpha) * picture[rows, columns]
    return picture.clip(0, 255).round().astype(np.uint8)
