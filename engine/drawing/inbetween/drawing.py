"""A drawing between two keys, made of strokes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from skimage.measure import points_in_poly

from ..sketch.strokes import Strokes
from .contacts import find_contacts
from .curves import interpolate_values, to_xy
from .joins import close_fills
from .matches import StrokeMatches
from .motion import StrokeMotion, find_motion
from .nodes import MotionNodes, build_nodes
from .unions import add_outlines

_HIDDEN = 0.7  # of a stroke's points must lie behind an area


@dataclass(frozen=True, eq=False)
class InbetweenDrawing:
    """A drawing made, as the job folder keeps it.

    strokes     in drawing order
    source      int32 (S, 2)    stroke of the key before and after that each stroke is made of, -1 = none
    place       float32 (N, 2)  fractional indices of the points there that each point is, 0 to the stroke's count of points; nan where
                                there is none
    confidence  float32 (S,)    of the match
    fills       bool (S,)       bounds a painted area
    """

    strokes: Strokes
    source: np.ndarray
    place: np.ndarray
    confidence: np.ndarray
    fills: np.ndarray


@dataclass(frozen=True, eq=False)
class StrokeInbetweener:
    """All drawings between two keys: what is the same for each is found once."""

    a: Strokes
    b: Strokes
    matches: StrokeMatches

    def draw_at_place(self, place: float) -> InbetweenDrawing:
        """The drawing at `place`, -1..2: 0 is the key before and 1 the one after, as they are; beyond them the motion goes on."""
        if place in (0.0, 1.0):
            return self._copy_key(int(place))
        matches, points = self.matches, self._nodes
        if not len(points.piece):
            return self._assemble_drawing([], np.zeros(0, np.int64))
        there = self._motion.move_points(place)
        widths = _mix_values(*self._widths, place).clip(0.0)
        colors = _mix_values(*self._colors, place)
        parts = []
        begin = np.flatnonzero(np.diff(points.piece, prepend=-1))
        for first, last in zip(begin, [*begin[1:], len(points.piece)], strict=True):
            rows = np.arange(first, last)[points.real[first:last]]
            piece = points.piece[first]
            if not self._is_shown(piece, place):
                continue
            stroke = [there[rows], widths[rows], colors[rows], self._places[rows]]
            left = 1.0 if not matches.alone[piece] else _remaining_share(matches.pieces[piece], place)
            if left <= 0.0:
                continue
            if left < 1.0 and not self._covered_pieces[piece]:
                stroke = self._shrink_stroke(piece, stroke, left)
            parts.append((piece, [column[:-1] for column in stroke] if self._closed_pieces[piece] else stroke))
        order = np.argsort(self._drawing_ranks[int(place > 0.5)][[piece for piece, _ in parts]], kind="stable")
        return self._assemble_drawing([parts[row][1] for row in order], np.array([parts[row][0] for row in order], np.int64))

    def _is_shown(self, piece: int, place: float) -> bool:
        """Whether a piece is drawn: outlines of unions are not, and of the fills of a union those of the nearer key are."""
        matches = self.matches
        if piece >= len(matches):
            return False
        united = matches.unions is not None and matches.unions.row[piece] >= 0
        return not united or int(matches.pieces[piece, 0] < 0) == int(place >= 0.5)

    def _shrink_stroke(self, piece: int, stroke: list[np.ndarray], left: float) -> list[np.ndarray]:
        """What is left of a stroke that has no partner, and that nothing hides: a closed one gets smaller, an open one draws
        back to where it is fixed."""
        points = stroke[0]
        if self._closed_pieces[piece]:
            center = points[:-1].mean()
            return [center + left * (points - center), *stroke[1:]]
        run = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(points)))])
        if run[-1] <= 0.0:
            return stroke
        run /= run[-1]
        held_first, held_last = self._held[piece]
        begin = (1.0 - left) * (0.5 if held_first == held_last else 0.0 if held_first else 1.0)
        ends = np.array([begin, begin + left])
        inner = np.flatnonzero((run > ends[0]) & (run < ends[1]))
        cut = []
        for column in stroke:
            low, high = (_interpolate_column(end, run, column) for end in ends)
            cut.append(np.concatenate([[low], column[inner], [high]]))
        return cut

    def _assemble_drawing(self, parts: list[list[np.ndarray]], pieces: np.ndarray) -> InbetweenDrawing:
        columns = (
            [np.concatenate(column) for column in zip(*parts, strict=True)]
            if parts
            else [np.zeros(shape) for shape in (0, 0, (0, 4), (0, 2))]
        )
        points, widths, colors, place = columns
        strokes = Strokes(
            points=to_xy(points).astype(np.float32),
            widths=widths.astype(np.float32),
            colors=np.round(colors).clip(0, 255).astype(np.uint8),
            offsets=np.cumsum([0, *(len(part[0]) for part in parts)]).astype(np.int32),
            cyclic=self._closed_pieces[pieces],
        )
        matches = self.matches
        return InbetweenDrawing(
            strokes, matches.pieces[pieces], place.astype(np.float32), matches.confidence[pieces], matches.fills[pieces]
        )

    def _copy_key(self, side: int) -> InbetweenDrawing:
        """One of the keys itself."""
        strokes, matches = (self.a, self.b)[side], self.matches
        count = len(strokes)
        own = np.flatnonzero(matches.pieces[:, side] >= 0)
        rows = matches.pieces[own, side]
        confidence, fills = np.ones(count, np.float32), np.zeros(count, bool)
        np.minimum.at(confidence, rows, matches.confidence[own])
        fills[rows] |= matches.fills[own]
        source = np.full((count, 2), -1, np.int32)
        source[:, side] = np.arange(count)
        place = np.full((len(strokes.points), 2), np.nan, np.float32)
        place[:, side] = np.arange(len(strokes.points)) - np.repeat(strokes.offsets[:-1], np.diff(strokes.offsets))
        return InbetweenDrawing(strokes, source, place, confidence, fills)

    @cached_property
    def _nodes(self) -> MotionNodes:
        return build_nodes(*self._keys, self._all_matches)

    @cached_property
    def _keys(self) -> tuple[Strokes, Strokes]:
        """Both keys, with what bounds paint closed, and the outlines of unions."""
        found = []
        for side, key in enumerate((self.a, self.b)):
            fills = np.zeros(len(key), bool)
            rows = self.matches.pieces[self.matches.fills, side]
            fills[rows[rows >= 0]] = True
            found.append(close_fills(key, fills))
        return add_outlines(found[0], found[1], self.matches)[:2]

    @cached_property
    def _all_matches(self) -> StrokeMatches:
        """Those of the outlines of unions too."""
        return add_outlines(self.a, self.b, self.matches)[2]

    @cached_property
    def _places(self) -> np.ndarray:
        """Where points come from, as `InbetweenDrawing.place`; what goes on past the last point of a closed stroke begins anew."""
        place = self._nodes.place.copy()
        for side, key in enumerate(self._keys):
            stroke = self._all_matches.pieces[self._nodes.piece, side]
            rows = np.flatnonzero(stroke >= 0)
            rows = rows[key.cyclic[stroke[rows]]]
            place[rows, side] %= np.diff(key.offsets)[stroke[rows]]
        return place

    @cached_property
    def _motion(self) -> StrokeMotion:
        return find_motion(self._nodes, np.fmax(*self._widths) / 2.0 + 0.5)

    @cached_property
    def _widths(self) -> tuple[np.ndarray, np.ndarray]:
        return self._sample_keys(lambda strokes: strokes.widths.astype(np.float64))

    @cached_property
    def _colors(self) -> tuple[np.ndarray, np.ndarray]:
        return self._sample_keys(lambda strokes: strokes.colors.astype(np.float64))

    def _sample_keys(self, of) -> tuple[np.ndarray, np.ndarray]:
        """What the points have in either key; nan for none."""
        points, found = self._nodes, []
        for side, key in enumerate(self._keys):
            values = of(key)
            result = np.full((len(points.piece), *values.shape[1:]), np.nan)
            rows = np.flatnonzero(~np.isnan(points.place[:, side]))
            result[rows] = interpolate_values(
                key, self._all_matches.pieces[points.piece[rows], side].astype(np.int64), points.place[rows, side], values
            )
            found.append(result)
        return found[0], found[1]

    @cached_property
    def _closed_pieces(self) -> np.ndarray:
        """Pieces that are the whole of a cyclic stroke in each key that has them, bool (P,)."""
        closed = np.ones(len(self._all_matches), bool)
        for side, key in enumerate(self._keys):
            rows = self._all_matches.pieces[:, side]
            if not len(key):
                continue
            counts = np.diff(key.offsets)[rows]
            span = np.abs(self._all_matches.spans[:, 2 * side] - self._all_matches.spans[:, 2 * side + 1])
            closed &= (rows < 0) | (key.cyclic[rows] & (counts > 1) & (np.abs(span - counts) < 1e-3))
        return closed

    @cached_property
    def _held(self) -> np.ndarray:
        """Whether the first and last point of each piece lie on another line, bool (P, 2); told for pieces of one key only."""
        points, held = self._nodes, np.zeros((len(self._all_matches), 2), bool)
        reach = np.fmax(*self._widths) / 2.0 + 0.5
        for side, there in enumerate((points.a, points.b)):
            rows = np.flatnonzero(~np.isnan(there))
            ends = rows[find_contacts(there[rows], points.piece[rows], reach[rows]).end]
            ends = ends[self._all_matches.pieces[points.piece[ends], 1 - side] < 0]
            last = np.append(np.diff(points.piece) != 0, True)
            held[points.piece[ends], last[ends].astype(int)] = True
        return held

    @cached_property
    def _covered_pieces(self) -> np.ndarray:
        """Pieces of one key that come to lie behind paint, where the other key is: that hides them, bool (P,)."""
        matches, points = self._all_matches, self._nodes
        covered = np.zeros(len(matches), bool)
        covers = np.flatnonzero(matches.fills & self._closed_pieces & (matches.pieces >= 0).all(1))
        for side in (0, 1):
            alone = np.flatnonzero(matches.pieces[:, 1 - side] < 0)
            if not len(covers) or not len(alone):
                continue
            there, rank = to_xy(self._motion.move_points(1.0 - side)), self._drawing_ranks[1 - side]
            for cover in covers:
                behind = np.flatnonzero(np.isin(points.piece, alone[rank[alone] < rank[cover]]))
                inside = points_in_poly(there[behind], there[points.piece == cover])
                piece = points.piece[behind]
                share = np.bincount(piece, inside, len(matches)) / np.maximum(np.bincount(piece, minlength=len(matches)), 1)
                covered |= share >= _HIDDEN
        return covered

    @cached_property
    def _drawing_ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each piece comes in the drawing order of either key, float64 (P,); one without a place there follows what it follows in
        its own key."""
        pieces, ranks = self._all_matches.pieces, []
        for side, other in ((0, self._keys[1]), (1, self._keys[0])):
            here, there = pieces[:, side], pieces[:, 1 - side]
            rank = np.full(len(other) + 1, -1.0)
            both = (here >= 0) & (there >= 0)
            np.maximum.at(rank, there[both] + 1, here[both])
            known = np.maximum.accumulate(np.where(rank >= 0, np.arange(len(rank)), 0))
            ranks.append(np.where(here >= 0, here, rank[known[there + 1]] + 0.5 + there / (2.0 * len(rank))))
        return ranks[0], ranks[1]


def _remaining_share(sources: np.ndarray, place: float) -> float:
    """How much of a stroke of one key is there at a place."""
    return min(1.0 - place if sources[0] >= 0 else place, 1.0)


def _mix_values(a: np.ndarray, b: np.ndarray, place: float) -> np.ndarray:
    return np.where(np.isnan(a), b, np.where(np.isnan(b), a, (1.0 - place) * a + place * b))


def _interpolate_column(at: float, run: np.ndarray, column: np.ndarray) -> np.ndarray:
    row = int(np.clip(np.searchsorted(run, at) - 1, 0, len(run) - 2))
    step = run[row + 1] - run[row]
    part = (at - run[row]) / step if step > 0 else 0.0
    return (1.0 - part) * column[row] + part * column[row + 1]


def draw_inbetween(a: Strokes, b: Strokes, matches: StrokeMatches, at: float) -> InbetweenDrawing:
    """The drawing at place `at`, -1..2, between two keys (0 and 1). For many of them make `Inbetweens` once."""
    return StrokeInbetweener(a, b, matches).draw_at_place(at)
