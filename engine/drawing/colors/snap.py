"""Frames of a model to exact swatches: each region takes the swatch that most of its pixels come nearest to, and that is likely there."""

import cv2
import numpy as np

from .palette import convert_to_lab

SAMPLES = 300  # pixels of a region that vote
SPREAD = 10.0  # CIELAB; how far a model's paint strays from a swatch
STRAY = 0.02  # share of pixels that say nothing
EDGE = 3.0  # px from a line; so far lines bleed
DEEP = 0.6  # of a region's depth; a thinner one is asked in its middle
PRIOR = 1.0  # weight of what the matcher knows, against the mean pixel


def snap_to_swatches(
    frame: np.ndarray, grown: np.ndarray, lines: np.ndarray, count: int, swatches: np.ndarray, prior: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Swatch int32 (R + 1,) of each region, -1 for region 0, and confidence float32 (R + 1,).

    `frame` uint8 (H, W, 3) · `grown` int (H, W), every pixel in a region 1..R · `lines` bool (H, W) · `swatches` uint8 (P, 4); what is
    clear looks white in a frame · `prior` float32 (R + 1, P), how likely each swatch is, rows add up to at most 1.
    """
    pixels, regions = _choose_voters(grown, lines, count)
    colors = np.where(swatches[:, 3:] > 0, swatches[:, :3], 255).astype(np.uint8)
    far = convert_to_lab(frame.reshape(-1, 3)[pixels])[:, None] - convert_to_lab(colors)[None]
    votes = np.exp(-(far**2).sum(axis=2) / (2.0 * SPREAD**2))
    votes = (1.0 - STRAY) * votes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-12) + STRAY / len(swatches)
    voters = np.maximum(np.bincount(regions, minlength=count + 1), 1)
    words = np.stack([np.bincount(regions, vote, count + 1) / voters for vote in np.log(votes).T], axis=1)
    if prior is not None:
        unknown = np.maximum(1.0 - prior.sum(axis=1, keepdims=True), 0.0)
        words += PRIOR * np.log(prior + unknown / len(swatches) + STRAY / len(swatches))
    belief = np.exp(words - words.max(axis=1, keepdims=True))
    belief /= belief.sum(axis=1, keepdims=True)
    swatch = belief.argmax(axis=1).astype(np.int32)
    swatch[0] = -1
    return swatch, belief.max(axis=1).astype(np.float32)


def _choose_voters(grown: np.ndarray, lines: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat pixels and their regions: some of each, off the lines and what bleeds from them, or from the middle of thin regions."""
    depth = cv2.distanceTransform((~lines).astype(np.uint8), cv2.DIST_L2, 3).ravel()
    labels = grown.ravel()
    deepest = np.zeros(count + 1, np.float32)
    np.maximum.at(deepest, labels, depth)
    taken = np.flatnonzero(depth >= np.minimum(EDGE, DEEP * deepest)[labels])
    order = taken[np.argsort(labels[taken], kind="stable")]
    sizes = np.bincount(labels[order], minlength=count + 1)
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(order)) - starts[labels[order]]
    step = np.maximum(sizes // SAMPLES, 1)[labels[order]]
    chosen = order[(rank % step == 0)]
    return chosen, labels[chosen]
