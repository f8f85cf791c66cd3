"""Pictures of good and bad cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .answers import PaintedDrawing
from .mistakes import PaintComparison
from .tasks import PaintTask

SIDE = 208  # px of a tile
COLUMNS = ("reference", "drawing", "painted", "true", "wrong")
_RED, _GRAY = np.array([222, 40, 48]), np.array([205, 205, 205])


@dataclass(frozen=True, eq=False)
class PaintedExample:
    """A drawing that was painted: how well, which shot's, and its row of tiles uint8 (SIDE, 5 * SIDE, 3)."""

    score: float
    shot: str
    tiles: np.ndarray


def draw_example(task: PaintTask, number: int, given: PaintedDrawing, scene: PaintComparison, score: float) -> PaintedExample:
    frame = task.get_frame(number)
    crop = _find_box((scene.truth != 0) | scene.ink)
    ink = frame.sketch.paint[crop]
    wrong = np.where(((scene.truth != scene.paint) & ~scene.ink)[..., None], _RED, np.where((scene.truth == 0)[..., None], 255, _GRAY))
    wrong = np.where(scene.ink[..., None], 120, wrong).astype(np.uint8)
    reference = task.find_nearest_reference(number).pixels
    tiles = [
        _make_tile(_lay_on_paper(reference)[_find_box(reference[..., 3] > 0)]),
        *(_make_tile(_lay_ink(picture, ink)) for picture in (np.full_like(ink, 255), given.colors[crop], frame.colors[crop])),
        _make_tile(wrong[crop]),
    ]
    return PaintedExample(score, task.shot.name, np.concatenate(tiles, 1))


def _lay_ink(picture: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """Ink over a picture, both uint8 (H, W, 4), on white."""
    alpha = ink[..., 3:].astype(np.float32) / 255
    return (_lay_on_paper(picture) * (1 - alpha) + ink[..., :3] * alpha).round().astype(np.uint8)


def _lay_on_paper(picture: np.ndarray) -> np.ndarray:
    alpha = picture[..., 3:].astype(np.float32) / 255
    return (picture[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


def _find_box(mask: np.ndarray) -> tuple[slice, slice]:
    """The part of a picture in which something is, and a little around it."""
    y, x = np.nonzero(mask)
    if not len(y):
        return slice(None), slice(None)
    return slice(max(0, y.min() - 8), y.max() + 9), slice(max(0, x.min() - 8), x.max() + 9)


def _make_tile(picture: np.ndarray) -> np.ndarray:
    """A picture fitted into a square on white."""
    inner = SIDE - 8
    scale = inner / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile = np.full((SIDE, SIDE, 3), 255, np.uint8)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def choose_examples(examples: Sequence[PaintedExample], good: int = 1, bad: int = 2) -> list[PaintedExample]:
    """The best and the worst, each of another shot where there are shots enough."""
    chosen: list[PaintedExample] = []
    for order, count in ((sorted(examples, key=lambda one: -one.score), good), (sorted(examples, key=lambda one: one.score), bad)):
        fresh = [one for one in order if one.shot not in {other.shot for other in chosen}]
        seen: set[str] = set()
        for one in fresh or [one for one in order if one not in chosen]:
            if one.shot not in seen and len(seen) < count:
                seen.add(one.shot)
                chosen.append(one)
    return chosen


def write_examples(path: Path, examples: Sequence[PaintedExample]) -> None:
    """A sheet of rows, a PNG of 256 colors."""
    image = Image.fromarray(np.concatenate([one.tiles for one in examples])).quantize(
        256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)
