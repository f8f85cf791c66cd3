"""How near drawings between two keys come to the truth: where lines lie, whether they still meet, and whether they are the same lines.

A drawing made knows from which points of the keys its points come, and the keys know which line of the character each of their points is
of. So what is measured holds for any method that says where its strokes come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from engine.drawing.inbetween import InbetweenDrawing
from engine.drawing.sketch.strokes import MIN_ALPHA, Strokes

from ..synthesis.cutout_person import SIZE
from ..synthesis.keys import ToonKeyPair
from ..synthesis.visible import VisibleDrawing, find_junctions, sample_points, split_pieces

STEP = 1.0  # px from sample to sample along strokes
OPEN = 3.0  # px; strokes whose middle lines are further from each other leave a gap that can be seen
LOST = 20.0  # px; a gap is counted no larger, and as large where one of the strokes isn't there
_SAME = 0.25  # of a line; a point and its partner are the same part of it
_NEAR = 0.1  # of a line; how far from a junction the nearest point of the line may be
_FAINT = 32  # of 255; fainter strokes show no line that ought to be there


def dissolve_keys(pair: ToonKeyPair, at: float) -> InbetweenDrawing:
    """Cross-dissolve: both keys over each other, the one as faint as the other is strong."""
    first, last = pair.first.strokes, pair.last.strokes
    colors = np.concatenate([first.colors, last.colors]).copy()
    fade = np.repeat([1 - at, at], [len(first.points), len(last.points)])
    colors[:, 3] = np.round(colors[:, 3] * fade)
    strokes = Strokes(
        points=np.concatenate([first.points, last.points]),
        widths=np.concatenate([first.widths, last.widths]),
        colors=colors,
        offsets=np.concatenate([first.offsets, last.offsets[1:] + first.offsets[-1]]),
        cyclic=np.concatenate([first.cyclic, last.cyclic]),
    )
    number = np.arange(len(strokes))
    source = np.stack([np.where(number < len(first), number, -1), np.where(number < len(first), -1, number - len(first))], 1)
    index = np.arange(len(strokes.points)) - np.repeat(strokes.offsets[:-1], np.diff(strokes.offsets))
    place = np.full((len(index), 2), np.nan, np.float32)
    place[: len(first.points), 0] = index[: len(first.points)]
    place[len(first.points) :, 1] = index[len(first.points) :]
    return InbetweenDrawing(strokes, source.astype(np.int32), place, np.ones(len(strokes), np.float32), np.zeros(len(strokes), bool))


@lru_cache(maxsize=16)
def _draw_truth(pair: ToonKeyPair, at: float) -> tuple[VisibleDrawing, np.ndarray]:
    """The true drawing and its junctions."""
    drawing = pair.draw_truth(at)
    return drawing, find_junctions(drawing)


def measure_chamfer(truth: Strokes, made: Strokes) -> float:
    """How far lines lie from where they ought to be, px: the mean of two means, the distance from the lines made to the nearest true line,
    which counts as much as a line is opaque, and the distance from the true lines to the nearest one made that isn't faint. Both along
    strokes, px by px; the height of the picture if there is nothing."""
    points, alpha = _sample_strokes(made)
    true, _ = _sample_strokes(truth)
    strong = points[alpha >= _FAINT]
    if not len(strong) or not len(true):
        return float(SIZE)
    there = cKDTree(true).query(points)[0]
    back = cKDTree(strong).query(true)[0]
    return float((np.average(there, weights=alpha) + back.mean()) / 2)


def _sample_strokes(strokes: Strokes) -> tuple[np.ndarray, np.ndarray]:
    """Points along strokes, and their opacity."""
    rows = np.arange(len(strokes.points), dtype=np.int32)
    points, row, _ = sample_points(VisibleDrawing(strokes, rows, rows.astype(np.float32)), STEP)
    return points, strokes.colors[row, 3].astype(float)


# --- which lines of the character a drawing made shows ---------------------------------------------------------------


@dataclass(frozen=True)
class _NamedPoints:
    """What the points of a drawing made are, as one of the keys has it: `line` int (N,), -1 for none, and `place` on it."""

    line: np.ndarray
    place: np.ndarray


def _name_points(made: InbetweenDrawing, key: VisibleDrawing, side: int) -> _NamedPoints:
    strokes = made.strokes
    source = np.repeat(made.source[:, side], np.diff(strokes.offsets))
    known = np.flatnonzero(source >= 0)
    stroke = source[known]
    first, count = key.strokes.offsets[stroke], np.diff(key.strokes.offsets)[stroke]
    index = made.place[known, side].astype(float)
    closed = key.strokes.cyclic[stroke]
    index = np.where(closed, index % count, np.clip(index, 0, count - 1))
    low = np.floor(index).astype(int)
    high = np.where(closed, (low + 1) % count, np.minimum(low + 1, count - 1))
    share = index - low
    nearest = first + np.where(share < 0.5, low, high)
    low, high = first + low, first + high
    line = np.full(len(source), -1)
    place = np.zeros(len(source))
    line[known] = key.line[nearest]
    mixed = key.place[low] * (1 - share) + key.place[high] * share
    same = (key.line[low] == key.line[high]) & (np.abs(key.place[low] - key.place[high]) < 0.5)  # not over the seam of a closed line
    place[known] = np.where(same, mixed, key.place[nearest])
    return _NamedPoints(line, place)


def _find_segments(strokes: Strokes) -> np.ndarray:
    """Rows of points that follow each other and can be seen, int (M, 2); a single point follows itself."""
    found = []
    for first, last, cyclic in zip(strokes.offsets, strokes.offsets[1:], strokes.cyclic, strict=False):
        rows = np.arange(first, last)
        following = np.roll(rows, -1) if cyclic else np.minimum(rows + 1, last - 1)
        found.append(np.stack([rows, following], 1)[: None if cyclic or len(rows) < 2 else -1])
    rows = np.concatenate(found) if found else np.zeros((0, 2), int)
    return rows[strokes.colors[rows, 3].min(1) >= MIN_ALPHA]


# --- whether strokes still meet --------------------------------------------------------------------------------------


def measure_gaps(pair: ToonKeyPair, at: float, made: InbetweenDrawing) -> np.ndarray:
    """How far strokes are from each other that truly meet, px, at most LOST: one number for each junction and each key that has it.

    A junction is a place of the true drawing where a stroke's end touches another line. Where a key has it too, its end and that line are
    looked up among what the drawing made has from this key: how far is the one from the other? LOST where either isn't there. A junction
    that is torn, but not one that is drawn somewhere else, counts as open beyond OPEN px; where it lies is what `measure_chamfer` tells.
    """
    true = _draw_truth(pair, at)[1]
    segments = _find_segments(made.strokes)
    found = []
    for side, key in enumerate((pair.first, pair.last)):
        named = _name_points(made, key, side)
        known = _draw_truth(pair, float(side))[1]
        for line, place, other, _ in true:
            same = known[(known[:, 0] == line) & (known[:, 2] == other)]
            if len(same):
                nearest = same[np.argmin(np.abs(same[:, 1] - place))]
                if abs(nearest[1] - place) <= _SAME:
                    found.append(_measure_gap(made.strokes.points, segments, named, nearest))
    return np.array(found, float)


def _measure_gap(points: np.ndarray, segments: np.ndarray, named: _NamedPoints, junction: np.ndarray) -> float:
    line, place, other, _ = junction
    # A segment that leads from one line to the next, in a stroke that was drawn in one go, belongs to both: there the one ends.
    on = named.line[segments] == line
    places = np.where(on, named.place[segments], place)
    near = on.all(1) | (on.any(1) & (np.abs(places - place).max(1) <= _SAME))
    own, (a, b) = segments[near], places[near].T
    across = segments[(named.line[segments] == other).any(1)]
    if not len(own) or not len(across):
        return LOST
    share = np.clip(np.divide(place - a, b - a, out=np.zeros(len(a)), where=a != b), 0, 1)
    away = np.abs(a + share * (b - a) - place)
    if away.min() > _NEAR:
        return LOST
    best = away <= away.min() + 1e-4
    ends = points[own[best, 0]] + (points[own[best, 1]] - points[own[best, 0]]) * share[best, None]
    return min(LOST, min(_measure_distance(end, points[across[:, 0]], points[across[:, 1]]) for end in ends))


def _measure_distance(point: np.ndarray, first: np.ndarray, last: np.ndarray) -> float:
    """From a point to the nearest of segments."""
    step = last - first
    share = ((point - first) * step).sum(1) / np.maximum((step * step).sum(1), 1e-12)
    return float(np.linalg.norm(first + np.clip(share, 0, 1)[:, None] * step - point, axis=1).min())


# --- whether the right strokes were matched --------------------------------------------------------------------------


@dataclass(frozen=True)
class MatchQuality:
    """How well strokes were matched.

    right       share of what was matched, by length, that is the same line of the character, at most a quarter of it off
    found       share of what both keys show, by points of the first, that was matched rightly
    confidence  float (S,)  of the strokes made
    sure        float (S,)  1: this stroke's match is right in most of its points; or it has no partner and none is there
    """

    right: float
    found: float
    confidence: np.ndarray
    sure: np.ndarray


def measure_matches(pair: ToonKeyPair, made: InbetweenDrawing) -> MatchQuality:
    """Compare the matches that a drawing made tells of with the truth."""
    first, last = (_name_points(made, key, side) for side, key in enumerate((pair.first, pair.last)))
    # Where a closed line was begun says nothing.
    closed = {int(key.line[offset]) for key in (pair.first, pair.last) for offset in key.strokes.offsets[:-1][key.strokes.cyclic]}
    anywhere = np.isin(first.line, list(closed))
    both = (first.line >= 0) & (last.line >= 0)
    right = both & (first.line == last.line) & (anywhere | (np.abs(first.place - last.place) <= _SAME))
    strokes = made.strokes
    segments = _find_segments(replace(strokes, colors=np.full_like(strokes.colors, 255)))
    length = np.linalg.norm(strokes.points[segments[:, 0]] - strokes.points[segments[:, 1]], axis=1) + 1e-9
    paired = both[segments].all(1)
    good = right[segments].all(1)
    return MatchQuality(
        right=float(length[good].sum() / length[paired].sum()) if paired.any() else np.nan,
        found=_measure_recall(pair, first, segments[good]),
        confidence=made.confidence.astype(float),
        sure=_judge_strokes(pair, made, (first, last), right),
    )


def _measure_recall(pair: ToonKeyPair, first: _NamedPoints, good: np.ndarray) -> float:
    """The share of the first key's points that the last key has too that lie on `good` segments."""
    key = pair.first
    there = _mask_shown(pair.last, key.line, key.place)
    covered = np.zeros(len(key.line), bool)
    for a, b in good:
        low, high = sorted((first.place[a], first.place[b]))
        if high - low > 0.5:  # over the seam of a closed line
            low, high = high, 1.0
        covered |= (key.line == first.line[a]) & (key.place >= low - 1e-4) & (key.place <= high + 1e-4)
    return float(covered[there].mean()) if there.any() else np.nan


def _mask_shown(drawing: VisibleDrawing, line: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Which points of lines a drawing shows too."""
    lines, low, high = _find_runs(drawing)
    within = (line[:, None] == lines) & (place[:, None] >= low - 1e-4) & (place[:, None] <= high + 1e-4)
    return within.any(1)


@lru_cache(maxsize=4)
def _find_runs(drawing: VisibleDrawing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The runs of lines that a drawing shows: the line, from which place, to which."""
    found = []
    for _, _, cyclic, lines, places in split_pieces(drawing):
        for line in np.unique(lines):
            on = places[lines == line]
            found.append((line, 0.0, 1.0) if cyclic else (line, on.min(), on.max()))
    lines, low, high = np.array(found, float).reshape(-1, 3).T
    return lines, low, high


def _judge_strokes(pair: ToonKeyPair, made: InbetweenDrawing, named: Sequence[_NamedPoints], right: np.ndarray) -> np.ndarray:
    found = []
    for source, first, last in zip(made.source, made.strokes.offsets, made.strokes.offsets[1:], strict=False):
        rows = slice(first, last)
        if (source >= 0).all():
            found.append(right[rows].mean() > 0.5)
            continue
        side = int(source[0] < 0)
        other = (pair.last, pair.first)[side]
        found.append(_mask_shown(other, named[side].line[rows], named[side].place[rows]).mean() < 0.5)
    return np.array(found, float)
