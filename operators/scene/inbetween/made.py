"""A drawing that the engine has made, as its file in the job folder has it, and what of it belongs to each layer. Arrays only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....engine.job.errors import BadInput


@dataclass(frozen=True)
class GeneratedDrawing:
    """New strokes, in px of the cel's plane.

    `points` float32 (N, 2) · `offsets` int (S+1,) · `cyclic` bool (S,) · `source` int (S, 2) the strokes of the key before and after, -1
    for none · `place` float32 (N, 2) where on them each point comes from, in points · `confidence` float32 (S,) · `at` the place in time
    between the keys.
    """

    points: np.ndarray
    offsets: np.ndarray
    cyclic: np.ndarray
    source: np.ndarray
    place: np.ndarray
    confidence: np.ndarray
    at: float


def read_generated(file: Path, at: float, strokes: tuple[int, int]) -> GeneratedDrawing | None:
    """A drawing of keys that have so many `strokes`; None while it is not finished. Raises BadInput when it does not fit them."""
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in ("points", "offsets", "cyclic", "source", "place", "confidence")}
            made = GeneratedDrawing(**arrays, at=at)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{file} is not understood ({error}): fill again.") from error
    count = len(made.cyclic)
    fits = (
        made.source.shape == (count, 2)
        and made.offsets.shape == (count + 1,)
        and made.confidence.shape == (count,)
        and made.points.shape == made.place.shape == (made.offsets[-1], 2)
        and np.isfinite(made.points).all()
        and (made.source >= -1).all()
        and (made.source < strokes).all()
    )
    if not fits:
        raise BadInput(f"{file} does not fit the keys that it was made of: fill again.")
    return made


def split_by_layer(made: GeneratedDrawing, first: Sequence[int], last: Sequence[int]) -> list[GeneratedDrawing]:
    """What belongs to each layer, with the strokes numbered as they are there; `first`, `last` say how many strokes each layer has in the
    keys. A stroke belongs where it came from; it has no partner on another layer, from which it takes its way alone."""
    layer, local = (np.full(made.source.shape, -1) for _ in range(2))
    for side, counts in enumerate((first, last)):
        known = made.source[:, side] >= 0
        layers = np.repeat(np.arange(len(counts)), counts)
        begun = np.cumsum([0, *counts])[:-1]
        layer[known, side] = layers[made.source[known, side]]
        local[known, side] = made.source[known, side] - begun[layer[known, side]]
    home = np.where(layer[:, 0] >= 0, layer[:, 0], layer[:, 1])
    local[layer != home[:, None]] = -1
    return [_select_strokes(made, local, home == number) for number in range(len(first))]


def _select_strokes(made: GeneratedDrawing, source: np.ndarray, chosen: np.ndarray) -> GeneratedDrawing:
    counts = np.diff(made.offsets)
    points = np.repeat(chosen, counts)
    offsets = np.concatenate([[0], np.cumsum(counts[chosen])]).astype(np.int32)
    return GeneratedDrawing(
        made.points[points], offsets, made.cyclic[chosen], source[chosen], made.place[points], made.confidence[chosen], made.at
    )
