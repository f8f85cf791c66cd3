"""What a network in training makes of a lesson, drawn for people."""

import cv2
import numpy as np
import torch

from engine.matching.features import build_view
from engine.matching.network import MatcherNetwork, collate_views

from .lessons import MatcherLesson

SIDE = 256  # px of a figure
_LINE = (20, 20, 20)
_MIXED = (255, 255, 255)  # regions without a truth, or without a match


def draw_sample_sheet(network: MatcherNetwork, taught: MatcherLesson, side: int = SIDE) -> np.ndarray:
    """The pictures of a lesson side by side, uint8 (H, W, 3): above in swatches of any color that tell the truth, below as each region of
    the others finds itself in the first one."""
    views = [build_view(picture.shapes, None if picture.painted else picture.tint, side) for picture in taught.pictures]
    known = taught.pictures[0].swatch
    with torch.inference_mode():
        batch = collate_views(views)
        tokens, _ = network.encode(batch)
        own = [(tokens[i : i + 1], batch.valid[i : i + 1], batch.near[i : i + 1]) for i in range(len(views))]
        found = [known] + [
            _paint_regions(network.compare(*one, *own[0])[0][0].numpy(), known, len(views[i + 1].geometry)) for i, one in enumerate(own[1:])
        ]
    most = max(int(picture.swatch.max(initial=0)) for picture in taught.pictures) + 1
    palette = np.random.default_rng(0).integers(70, 250, (most + 1, 3)).astype(np.uint8)
    palette[-1] = _MIXED
    truth = [picture.swatch for picture in taught.pictures]
    return np.vstack(
        [
            np.hstack([_draw_picture(seen.image, seen.labels, palette[swatch]) for seen, swatch in zip(views, row, strict=True)])
            for row in (truth, found)
        ]
    )


def _paint_regions(scores: np.ndarray, known: np.ndarray, count: int) -> np.ndarray:
    """The swatches int (count,) of regions, of which row r of `scores` is region r + 1; -1 where having no match is likelier."""
    best = scores[: count - 1].argmax(1)
    return np.concatenate([[-1], np.append(known[1:], -1)[np.where(best < len(known) - 1, best, len(known) - 1)]])


def _draw_picture(image: np.ndarray, labels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Regions in `colors` uint8 (R + 1, 3) under the lines of a view, in a square."""
    picture = np.where(image[1, ..., None] > 0.5, np.array(_LINE, np.uint8), colors[labels])
    square = max(picture.shape[:2])
    return cv2.copyMakeBorder(picture, 0, square - picture.shape[0], 0, square - picture.shape[1], cv2.BORDER_CONSTANT, value=_MIXED)
