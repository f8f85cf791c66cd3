"""Pictures of line art -> antialiased lines without paper, binarised lines."""

import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from ..errors import BadInput
from ..job import MAX_SIDE, digest, file_sha256
from . import traces
from .ends import skeleton_ends
from .sketch import Sketch

_ASPECT = 0.03  # scans of one shot differ by a few pixels
_CLEAN = 0.004  # darkness; paper with less noise than this was never scanned or compressed
_FAINTEST = 0.1  # darkness of the faintest pencil
_FAINTEST_ALPHA = 51  # of 255: a line on transparent paper that is fainter is a slip of the pen
_FADING = 40  # px; a shorter faint piece that joins nothing is the fading end of a stroke


def read(path: Path, size: tuple[int, int] | None = None) -> Sketch:
    """Read a picture of line art at `size` = (width, height) px, or at its own.

    Lines on transparent paper are taken as they are; opaque paper is found, evened out and removed. A picture without lines gives
    a sketch without lines. Raises BadInput when it can't be read or has another shape than `size`.
    """
    picture = _open(path)
    if size is not None and picture.shape[1::-1] != tuple(size):
        height, width = picture.shape[:2]
        if abs(width * size[1] / (height * size[0]) - 1) > _ASPECT:
            raise BadInput(
                f"The sketch {path.name} is {width} x {height} px and doesn't fit {size[0]} x {size[1]}: use sketches of one shape."
            )
        picture = _resize(picture, size)
    paint = picture if (picture[..., 3] < 128).any() else _lift(picture[..., :3])
    lines = paint[..., 3] >= 128
    lines |= _joining(_thin(paint[..., 3]), lines)
    name = digest(file_sha256(path), list(lines.shape))[:16]
    return Sketch(paint=paint, lines=lines, traces=traces.find(paint, lines), ends=skeleton_ends(lines), id=name)


def _open(path: Path) -> np.ndarray:
    """Any picture as straight-alpha RGBA, uint8 (H, W, 4)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if max(image.size) > MAX_SIDE:
                    raise BadInput(f"The sketch {path.name} is {image.size[0]} x {image.size[1]} px: make it {MAX_SIDE} px at most.")
                image = ImageOps.exif_transpose(image)
                if image.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N", "F"):
                    values = np.asarray(image, np.float32)
                    top = 65535 if values.max(initial=0) > 255 else 255 if values.max(initial=0) > 1 else 1
                    image = Image.fromarray((values / top * 255).clip(0, 255).astype(np.uint8))
                return np.array(image.convert("RGBA"))
    except FileNotFoundError as error:
        raise BadInput(f"The sketch {path} does not exist: choose another picture.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(f"The sketch {path.name} can't be read as a picture ({error}): save it as PNG.") from error


def _resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize premultiplied, so that the color of transparent paper does not bleed into the lines."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    smaller = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    flat = cv2.resize(np.concatenate([picture[..., :3] * alpha, alpha], 2), size, interpolation=how)
    flat[..., :3] /= np.maximum(flat[..., 3:], 1e-6)
    flat[..., 3] *= 255
    return np.round(flat).clip(0, 255).astype(np.uint8)


def _thin(alpha: np.ndarray) -> np.ndarray:
    """The middle of lines that are so thin that they cover no pixel by half, bool (H, W): ridges of their opacity."""
    padded = np.pad(alpha, 2).astype(np.int32)
    y, x = np.nonzero((padded >= _FAINTEST_ALPHA) & (padded < 128))
    here = padded[y, x]
    ridge = np.zeros(len(here), bool)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        beside = np.maximum(padded[y + dy, x + dx], padded[y - dy, x - dx])
        beyond = np.maximum(padded[y + 2 * dy, x + 2 * dx], padded[y - 2 * dy, x - 2 * dx])
        ridge |= (here >= beside) & (2 * here > 3 * beyond)
    found = np.zeros(padded.shape, bool)
    found[y[ridge], x[ridge]] = True
    return found[2:-2, 2:-2]


def _joining(faint: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """The faint pieces, bool (H, W), that are long or join lines at two places: the others are dust and fading ends."""
    count, found = cv2.connectedComponents(faint.astype(np.uint8), connectivity=8)
    pieces = np.asarray(found, np.intp)
    near = cv2.dilate(faint.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & lines
    places = np.pad(cv2.connectedComponents(near.astype(np.uint8), connectivity=8)[1], 1)
    y, x = np.nonzero(faint)
    meetings = [np.stack([pieces[y, x], places[y + 1 + dy, x + 1 + dx]], 1) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    pairs = np.unique(np.concatenate(meetings), axis=0)
    joined = np.bincount(pairs[pairs[:, 1] > 0, 0], minlength=count) >= 2
    keep = joined | (np.bincount(pieces.ravel(), minlength=count) >= _FADING)
    keep[0] = False
    return keep[pieces]


# --- opaque paper -------------------------------------------------------------------------------------------------


def _lift(picture: np.ndarray) -> np.ndarray:
    """Lift the lines off opaque paper: straight-alpha RGBA whose alpha is how much ink there is."""
    ratio = (picture.astype(np.float32) + 1) / (_paper(picture) + 1)
    # Ink reflects nothing in at least one channel, so the darkest channel says how much of it there is, and the rest its color.
    darkness = (1 - np.minimum(np.minimum(ratio[..., 0], ratio[..., 1]), ratio[..., 2])).clip(0, 1)
    noise = 1.4826 * float(np.median(np.abs(darkness - np.median(darkness))))
    floor = max(_FAINTEST, 6 * noise)
    # A line is as strong as its darkest pixels nearby, a pencil line fainter than an ink line; its edge is at half of that.
    peak = cv2.dilate(darkness, np.ones((5, 5), np.uint8))
    ridge = (darkness >= peak) & (darkness > 1.5 * floor)
    if not ridge.any():
        return np.zeros((*darkness.shape, 4), np.uint8)
    full = float(np.percentile(darkness[ridge], 60))
    strength = np.clip(peak, floor * 1.5, full)
    alpha = (darkness / strength).clip(0, 1)
    core = (alpha >= 0.5) & (darkness > floor)
    lines = _connected(core, core & (darkness > max(1.5 * floor, 0.4 * full)), 1 if noise < _CLEAN else _speck(darkness.shape))
    alpha = np.where(lines, alpha.clip(0.51), alpha.clip(0, 0.49))
    alpha[cv2.dilate(lines.view(np.uint8), np.ones((3, 3), np.uint8)) == 0] = 0
    color = ((ratio - (1 - darkness[..., None])) / np.maximum(darkness[..., None], 1e-3) * 255).clip(0, 255)
    return np.dstack([color, alpha * 255]).round().astype(np.uint8)


def _paper(picture: np.ndarray) -> np.ndarray:
    """The color of the paper without the drawing, float32 (H, W, 3): its slow changes are the scanner's light."""
    height, width = picture.shape[:2]
    shrink = max(1.0, max(width, height) / 480)
    small = cv2.resize(picture, (max(1, round(width / shrink)), max(1, round(height / shrink))), interpolation=cv2.INTER_AREA)
    reach = max(3, min(small.shape[:2]) // 16 | 1)
    bright = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    bright = cv2.GaussianBlur(bright, (0, 0), reach / 2)
    # Solid black is no paper.
    level = np.percentile(bright.reshape(-1, 3), 75, axis=0)
    bright = np.maximum(bright, level * 0.6)
    return cv2.resize(bright.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _connected(weak: np.ndarray, strong: np.ndarray, speck: int) -> np.ndarray:
    """The weak pixels that hang on a strong one, without specks of fewer than `speck` px."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak.view(np.uint8), connectivity=8)
    labels = np.asarray(labels, np.int32)
    keep = (np.bincount(labels[strong], minlength=count) > 0) & (stats[:, cv2.CC_STAT_AREA] >= speck)
    keep[0] = False
    return keep[labels]


def _speck(shape: tuple[int, ...]) -> int:
    """The size in px of dust: 6 px at 1920 x 1080, and what JPEG makes of grain."""
    return max(6, round(6 * shape[0] * shape[1] / (1920 * 1080)))
