"""Wide gaps of drawings: which of them part a figure from the background, as the references have it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...drawing.regions import find_background, find_sides
from ...job.files import compute_digest
from ...matching import cells, embedding, shapes, shot
from ...pictures.drawings import Analysis, DrawingStore
from ...pictures.figure_match import match_regions

REVISION = "1"  # for the keys of what is kept of gaps


@dataclass(frozen=True)
class Source:
    """What drawings are matched to: a view on a reference, or the drawing that a reference is the paint of."""

    key: str
    shapes: shapes.Shapes
    tokens: embedding.RegionTokens


@dataclass(frozen=True)
class WideGaps:
    """Gaps of a drawing that are too wide to be closed for their lines' sake, float32 (K, 3) x, y, width in px: `closed` ones, because what
    lies on their two sides surely differs, by `cuts` float32 (M, 4), x0, y0, x1, y1 · `open` ones, which may part a figure from the
    background · `idle` ones, which surely don't."""

    cuts: np.ndarray
    closed: np.ndarray
    open: np.ndarray
    idle: np.ndarray


def judge_gaps(store: DrawingStore, drawing: str, analysis: Analysis, sources: Sequence[Source], swatches: np.ndarray) -> WideGaps | None:
    """The wide gaps of a drawing, or None where it has none, or the references have no background. The drawing stays as it is cut."""
    pockets, clear = store.find_pockets(drawing), np.flatnonzero(swatches[:, 3] == 0)
    if not len(pockets.joins) or not len(clear) or not sources:
        return None
    key = gaps_key(analysis, sources, swatches)
    kept = store.cache.get(key)
    if kept is None:
        store.cut_drawing(drawing, pockets.joins)
        try:
            verdict = _judge_cut_drawing(store, drawing, pockets.joins, sources, len(swatches), int(clear[0]))
        finally:
            store.cut_drawing(drawing, pockets.joins[:0])
        kept = {"parted": verdict.parted, "open": verdict.open}
        store.cache.put(key, kept)
    parted, doubtful = kept["parted"], kept["open"]
    gaps = pockets.gaps
    return WideGaps(pockets.joins[parted], gaps[parted], gaps[doubtful], gaps[~parted & ~doubtful])


def gaps_key(analysis: Analysis, sources: Sequence[Source], swatches: np.ndarray) -> str:
    """The name in the cache of what is found out about the gaps of a drawing."""
    return "gaps-" + compute_digest(analysis.key, embedding.REVISION, REVISION, [s.key for s in sources], swatches.tobytes())[:24]


def _judge_cut_drawing(
    store: DrawingStore, drawing: str, joins: np.ndarray, sources: Sequence[Source], swatches: int, clear: int
) -> cells.CellVerdict:
    """What the references say of a drawing that is cut at all its gaps."""
    cut, tokens, grown = store.analyze(drawing), store.load_tokens(drawing), store.load_labels(drawing).astype(np.int32)
    matches = [(match_regions(cut.shapes, source.shapes, tokens, source.tokens)[0], source.shapes) for source in sources]
    probs = shot.compute_reference_probs(matches, swatches, cut.count)
    areas = np.bincount(grown.ravel(), minlength=cut.count + 1)
    borders = [
        cells.CellBorder(one, two, min(span / (2.0 * np.sqrt(np.pi * min(areas[one], areas[two]))), 1.0))
        for (one, two), span in zip(find_sides(joins, grown).tolist(), np.hypot(*(joins[:, 2:] - joins[:, :2]).T).tolist(), strict=True)
    ]
    return cells.judge_borders(probs, borders, find_background(grown, cut.count + 1), clear)
