"""Pictures of line art -> antialiased lines without paper, binarised lines."""

import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from ...job import MAX_SIDE
from ...job.errors import BadInput
from ...job.files import compute_digest, compute_file_sha256
from . import traces
from .crossings import restore_outlines
from .ends import find_skeleton_ends
from .paper import estimate_paper, find_dark_paper, swap_lightness
from .pieces import keep_connected
from .sketch import Sketch

_ASPECT = 0.03  # scans of one shot differ by a few pixels
_CLEAN = 0.004  # darkness; paper with less noise than this was never scanned or compressed
_FAINTEST = 0.1  # darkness of the faintest pencil
_FAINTEST_ALPHA = 51  # of 255: a line on transparent paper that is fainter is a slip of the pen
_GRAIN = 1.2  # px; the size of pencil grain, as the deviation of a Gaussian
_FAINTEST_GRAIN = 28  # of 255: the same for opacities that are smoothed
_INK = 8  # of 255; what is fainter is paper, also between the dots of a dotted line
_FADING = 20  # px, beyond the soft edge of a solid line: what goes on for so long is a line, what does not the fading end of a stroke
_MUCH = 0.2  # of the picture; so much solid ink is left out where the noise of the paper is measured
_ALONE = 40  # px; a shorter faint piece that touches no line is dust


def read_scan(path: Path, size: tuple[int, int] | None = None) -> Sketch:
    """Read a picture of line art at `size` = (width, height) px, or at its own.

    Lines on transparent paper are taken as they are; opaque paper is found, evened out and removed. A picture without lines gives
    a sketch without lines. Raises BadInput when it can't be read or has another shape than `size`.
    """
    picture = _open_picture(path)
    if size is not None and picture.shape[1::-1] != tuple(size):
        height, width = picture.shape[:2]
        if abs(width * size[1] / (height * size[0]) - 1) > _ASPECT:
            raise BadInput(
                f"The sketch {path.name} is {width} x {height} px and doesn't fit {size[0]} x {size[1]}: use sketches of one shape."
            )
        picture = _resize_picture(picture, size)
    clear = bool((picture[..., 3] < 128).any())
    dark_paper = np.zeros(picture.shape[:2], bool) if clear else find_dark_paper(picture[..., :3])
    paint = picture if clear else _lift_lines(swap_lightness(picture[..., :3], dark_paper))
    lines = _binarize_lines(paint[..., 3])
    name = compute_digest(compute_file_sha256(path), list(lines.shape))[:16]
    paint, found = restore_outlines(paint, lines, traces.find_traces(paint, lines))
    return Sketch(paint=paint, lines=lines, traces=found, ends=find_skeleton_ends(lines), id=name, dark=bool(dark_paper.any()))


def _open_picture(path: Path) -> np.ndarray:
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


def _resize_picture(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize premultiplied, so that the color of transparent paper does not bleed into the lines."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    smaller = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    flat = cv2.resize(np.concatenate([picture[..., :3] * alpha, alpha], 2), size, interpolation=how)
    flat[..., :3] /= np.maximum(flat[..., 3:], 1e-6)
    flat[..., 3] *= 255
    return np.round(flat).clip(0, 255).astype(np.uint8)


# --- lines ------------------------------------------------------------------------------------------------------------


def _binarize_lines(alpha: np.ndarray) -> np.ndarray:
    """The lines of opacities uint8 (H, W), bool: what is covered by half, and the middle of what is thinner or broken by grain."""
    solid = alpha >= 128
    faint = np.zeros(alpha.shape, bool)
    # Thin lines are ridges as they are; a pencil line is one once its grain is smoothed out.
    for opacity, least, across, contrast in (
        (alpha, _FAINTEST_ALPHA, 2, 1.5),
        (cv2.GaussianBlur(alpha, (0, 0), _GRAIN), _FAINTEST_GRAIN, 3, 1.3),
    ):
        at = np.flatnonzero((opacity >= least) & ~solid & (alpha >= _INK))
        faint.ravel()[at[_find_ridges(opacity, at, across, contrast)]] = True
    return solid | _keep_joining_pieces(faint, solid, alpha)


def _find_ridges(opacity: np.ndarray, at: np.ndarray, across: int, contrast: float) -> np.ndarray:
    """Which pixels (flat numbers) are the middle of a line, bool: no fainter than beside it, `contrast` times what is `across` px off."""
    padded = np.pad(opacity, across)
    width, flat = padded.shape[1], padded.ravel()
    at = at + across * (1 + 2 * (at // opacity.shape[1])) + across * width
    here = flat[at]
    enough = np.ceil(here / contrast)
    found = np.zeros(len(at), bool)
    for step in (1, width, width + 1, width - 1):
        far = step * (across if step in (1, width) else max(2, round(across / 1.4)))
        found |= (here >= np.maximum(flat[at + step], flat[at - step])) & (np.maximum(flat[at + far], flat[at - far]) < enough)
    return found


def _keep_joining_pieces(faint: np.ndarray, solid: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The faint pieces, bool (H, W), that join solid lines at two places, run out from one, or are long: the others are dust."""
    pieces = np.asarray(cv2.connectedComponents(faint.view(np.uint8), connectivity=8)[1])
    near = np.where(solid, cv2.dilate(faint.view(np.uint8), np.ones((3, 3), np.uint8)), 0)
    places = np.pad(np.asarray(cv2.connectedComponents(near, connectivity=8)[1], np.int32), 1).ravel()
    at = np.flatnonzero(faint)
    width = faint.shape[1] + 2
    piece, here = pieces.ravel()[at].astype(np.int64), at + 2 * (at // faint.shape[1]) + width + 1
    beside = [places[here + dy * width + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    inked = alpha.ravel()[at] >= _FAINTEST_GRAIN
    size = np.bincount(piece, inked & (np.max(beside, 0) == 0))  # beside solid lines all is soft edge
    pairs = np.unique(np.concatenate([piece << 32 | place for place in beside]))
    met = np.bincount((pairs >> 32)[pairs & 0xFFFFFFFF > 0], minlength=len(size))
    joins, runs_out = met >= 2, (met == 1) & (size >= _FADING) | (size >= _ALONE)
    found = np.zeros(faint.shape, bool)
    found.ravel()[at[joins[piece] | (runs_out[piece] & inked)]] = True
    return found


# --- opaque paper -------------------------------------------------------------------------------------------------


def _lift_lines(picture: np.ndarray) -> np.ndarray:
    """Lift the lines off opaque paper: straight-alpha RGBA whose alpha is how much ink there is."""
    paper = estimate_paper(picture)
    ratio = (picture.astype(np.float32) + 1) / (paper.color + 1)
    # Ink reflects nothing in at least one channel, so the darkest channel says how much of it there is, and the rest its color.
    darkness = (1 - np.minimum(np.minimum(ratio[..., 0], ratio[..., 1]), ratio[..., 2])).clip(0, 1)
    blank = darkness[~paper.solid] if paper.solid.mean() > _MUCH else darkness
    noise = 1.4826 * float(np.median(np.abs(blank - np.median(blank))))
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
    lines = keep_connected(core, core & (darkness > max(1.5 * floor, 0.4 * full)), 1 if noise < _CLEAN else _measure_speck(darkness.shape))
    alpha = np.where(lines, alpha.clip(0.51), alpha.clip(0, 0.49))
    alpha[cv2.dilate(lines.view(np.uint8), np.ones((3, 3), np.uint8)) == 0] = 0
    color = ((ratio - (1 - darkness[..., None])) / np.maximum(darkness[..., None], 1e-3) * 255).clip(0, 255)
    return np.dstack([color, alpha * 255]).round().astype(np.uint8)


def _measure_speck(shape: tuple[int, ...]) -> int:
    """The size in px of dust: 6 px at 1920 x 1080, and what JPEG makes of grain."""
    return max(6, round(6 * shape[0] * shape[1] / (1920 * 1080)))
