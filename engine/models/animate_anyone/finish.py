"""Finishes the network's frames: removes the background, snaps patches of even paint to exact swatches, and cleans the lines."""

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.measure import label

from ...drawing.colors import paint, snap
from ...drawing.colors.palette import convert_to_lab, grow_labels

STROKE = 1 / 90  # the widest line that is detected, as a fraction of the picture's longer side
FAINT, BOLD = 12.0, 50.0  # CIELAB lightness by which lines are darker than their surroundings, at least and at most
NEAR, FAR = 6.0, 16.0  # CIELAB; background is nearer than this to the background color, the figure farther
DRIFT = 20.0  # CIELAB; the largest difference of the network's background from that of its input
SPECK = 0.004  # of the figure's area; smaller parts that are separate from it are background
FLECK = 5e-5  # of the picture's area; smaller patches of one color are noise
SOFT = 2.0  # px at the figure's edge, where a pixel may be both


@dataclass(frozen=True)
class CutFrame:
    """A frame split into parts: `ink` uint8 (H, W, 4) its lines · `regions` int32 (H, W), every pixel in one of the patches 1..R of even
    paint, separated by lines · `swatch` int32 (R + 1,) of each, -1 for the background · `confidence` float32 (R + 1,)."""

    ink: np.ndarray
    regions: np.ndarray
    swatch: np.ndarray
    confidence: np.ndarray

    @property
    def ground(self) -> np.ndarray:
        """The mask of the background, bool (H, W), also under lines."""
        return (self.swatch < 0)[self.regions]


def cut_frame(frame: np.ndarray, swatches: np.ndarray, ground: tuple[int, int, int] | None, apart: bool, clean: bool) -> CutFrame:
    """Split a frame uint8 (H, W, 3) that was painted with `swatches` uint8 (P, 4) on the background color `ground`, None for no background.
    Unless that is `apart` from all swatches, what the figure encloses belongs to the figure. `clean`: lines get one color and even
    edges."""
    even = cv2.medianBlur(frame, 5)
    lab = cv2.cvtColor(frame.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    ink = _measure_ink(frame, lab[..., 0], clean)
    lines = ink[..., 3] >= 128
    colors = convert_to_lab(swatches)
    if ground is not None:
        colors = np.concatenate([colors, _find_ground_color(lab, ground)[None]])
    index = _find_nearest_colors(even, colors)
    if ground is not None:
        outside = (index == len(swatches)) & ~lines
        if not apart:
            outside &= _flood_from_edge(outside)
        outside |= _find_holes(~outside & ~lines, lines)
        figure = _find_nearest_colors(even, colors[:-1])
        index = np.where(outside, len(swatches), np.where(index == len(swatches), figure, index))
    patches = label(np.where(lines, -1, index), background=-1, connectivity=1)
    sizes = np.bincount(patches.ravel())
    patches[sizes[patches] < max(4, FLECK * lines.size)] = 0
    regions = grow_labels(patches.astype(np.int32))
    numbers, regions = np.unique(regions, return_inverse=True)
    regions = (regions.reshape(lines.shape) + 1).astype(np.int32)
    first = np.zeros(len(numbers) + 1, np.int64)
    kept = patches.ravel() > 0
    first[regions.ravel()[kept]] = index.ravel()[kept]  # all pixels of a patch have the same color
    known = np.concatenate([swatches, [[*ground, 255]]]).astype(np.uint8) if ground is not None else swatches
    confidence = snap.snap_to_swatches(frame, regions, lines, len(numbers), known)[1]
    swatch = np.where(first == len(swatches), -1, first).astype(np.int32)
    swatch[0] = -1
    return CutFrame(ink, regions, swatch, confidence)


def compose_painted(frame: np.ndarray, cut: CutFrame, ground: tuple[int, int, int] | None) -> np.ndarray:
    """The network's own picture without its background, uint8 (H, W, 4). The background color is removed from the figure's edge."""
    if ground is None or not cut.ground.any():
        return np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)])
    lab = cv2.cvtColor(frame.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    far = np.linalg.norm(lab - _find_ground_color(lab, ground), axis=2)
    figure = ~cut.ground
    inside = cv2.distanceTransform(figure.astype(np.uint8), cv2.DIST_L2, 3)
    outside = cv2.distanceTransform((~figure).astype(np.uint8), cv2.DIST_L2, 3)
    alpha = np.where((inside < SOFT) & (outside < SOFT), np.clip((far - NEAR) / (FAR - NEAR), 0.0, 1.0), figure)
    alpha = np.maximum(alpha, cut.ink[..., 3] / 255.0)[..., None]
    color = (frame - (1.0 - alpha) * np.array(ground, np.float32)) / np.maximum(alpha, 0.05)
    return np.dstack([color.clip(0, 255), alpha * 255.0]).round().astype(np.uint8)


def compose_snapped(cut: CutFrame, swatches: np.ndarray, lines: bool) -> np.ndarray:
    """The frame in exact swatches with a transparent background, uint8 (H, W, 4), with its lines on top if `lines`."""
    colors = np.concatenate([swatches, np.zeros((1, 4), np.uint8)])[cut.swatch]
    return paint.compose_picture(cut.regions, colors, cut.ink, None, lines)


def _measure_ink(frame: np.ndarray, lightness: np.ndarray, clean: bool) -> np.ndarray:
    """The lines of a frame, uint8 (H, W, 4): thin parts that are darker than both sides."""
    wide = max(3, round(STROKE * max(lightness.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide + 2, wide + 2))
    depth = cv2.morphologyEx(lightness, cv2.MORPH_CLOSE, kernel) - lightness
    ridge = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth > FAINT)
    if not ridge.any():
        return np.zeros((*depth.shape, 4), np.uint8)
    full = float(np.clip(np.percentile(depth[ridge], 60), 1.5 * FAINT, BOLD))  # in a blurred frame all lines are fainter
    alpha = np.clip((depth - 0.2 * full) / (0.6 * full), 0.0, 1.0)
    strong = depth > 0.5 * full
    pieces = label(alpha > 0.05, connectivity=2)
    keep = np.bincount(pieces[strong], minlength=pieces.max() + 1) >= 2 * wide
    keep[0] = False
    alpha = np.where(keep[pieces], alpha, 0.0).astype(np.float32)
    color = frame
    core = frame[strong & keep[pieces]]
    if clean and len(core):
        even = cv2.resize(cv2.GaussianBlur(alpha, (0, 0), 0.7), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
        alpha = cv2.resize((even > 0.45).astype(np.float32), alpha.shape[::-1], interpolation=cv2.INTER_AREA)
        color = np.broadcast_to(np.percentile(core, 25, axis=0).astype(np.uint8), frame.shape)
    return np.dstack([color, (alpha * 255.0).round().astype(np.uint8)])


def _find_ground_color(lab: np.ndarray, ground: tuple[int, int, int]) -> np.ndarray:
    """The actual color of the background: the median of similar colors along the frame's edge."""
    shown = convert_to_lab(np.array([ground], np.uint8))[0]
    edge = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    near = edge[np.linalg.norm(edge - shown, axis=1) < DRIFT]
    return np.median(near, axis=0).astype(np.float32) if len(near) >= 0.1 * len(edge) else shown


def _flood_from_edge(mask: np.ndarray) -> np.ndarray:
    """The parts of a mask that reach the picture's edge."""
    padded = np.pad(mask.astype(np.uint8), 1, constant_values=1)
    return cv2.floodFill(padded, None, (0, 0), 2)[1][1:-1, 1:-1] == 2


def _find_holes(figure: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """The parts of a mask that are small and, together with the lines, separate from the rest."""
    parts = label(figure | lines, connectivity=2)
    sizes = np.bincount(parts.ravel(), weights=figure.ravel())
    small = sizes < SPECK * max(sizes[1:].sum(), 1.0)
    small[0] = False
    return small[parts] & figure


def _find_nearest_colors(picture: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """The index of the nearest of `colors`, CIELAB (P, 3), for each pixel of uint8 (H, W, 3), int64 (H, W). Channels are quantized by 4."""
    levels = np.arange(2, 256, 4, dtype=np.uint8)
    lab = convert_to_lab(np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3))
    nearest, least = np.zeros(len(lab), np.int64), np.full(len(lab), np.inf, np.float32)
    for number, color in enumerate(colors):
        far = ((lab - color) ** 2).sum(axis=1)
        closer = far < least
        nearest[closer], least[closer] = number, far[closer]
    red, green, blue = (picture[..., channel].astype(np.int64) >> 2 for channel in range(3))
    return nearest[red << 12 | green << 6 | blue]
