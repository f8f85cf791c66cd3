"""Two keys of a moving person, as animators draw them, and the true drawing at any place between.

In the variant `home` every stroke of the first key is also in the last one, at the same place in the order, drawn in the same direction
with the same number of points, as a tool needs that matches strokes by their number. The other variants are closer to real drawings:

  shuffled   the strokes of the last key come in another order
  reversed   half of them are drawn from the other end
  resampled  each stroke has a point every 2 to 9 px, unevenly
  split      one in three long strokes is drawn in two, and one in three of those that meet at a corner in one go, in both keys
  jittered   both keys are off by a px or two, smoothly, and each line by half a px on its own; what is between them, by the mix of both
  changing   strokes that vanish behind others, come out, or are cut in two by what passes before them
  all        all of these
  cut        most lines are drawn in one to four strokes that meet, closed ones too, and in others in the other key
  overlapping  so, and the strokes run beside each other for some px, a little off
  begun      closed lines are strokes that begin anywhere, and meet, run past or miss their start
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from . import cutout_person
from .cutout_figure import draw_parts
from .cutout_person import SIZE, CutoutPerson, Pose
from .visible import VisibleDrawing, draw_visible_parts, join_pieces, split_pieces

VARIANTS = ("home", "shuffled", "reversed", "resampled", "split", "jittered", "changing", "all", "cut", "overlapping", "begun")
PLACES = (0.25, 0.5, 0.75)  # of the drawings that are compared
_SPACING = 4.0  # px from point to point
_LONG = 24.0  # px; what is shorter is not drawn in two
_MEET = 1.5  # px
_PIECE = 20.0  # px; strokes that a line is cut into are no shorter
_MOST_PIECES = 4
_OVERLAP = (2.0, 6.0)  # px by which each of two strokes goes on beside the other
_OFF = 0.4  # px, standard deviation, that strokes lie beside the line then
_MISSED = 0.03  # of a closed line: what it may miss its start by
_LINES = 256  # more than a person has

_Piece = tuple[np.ndarray, np.ndarray, bool, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class HandJitter:
    """The jitter of an unsteady hand: waves over the whole picture, so that joined strokes stay roughly joined.

    waves    float64 (W, 2)  radians a px
    turns    float64 (W,)    radians
    pushes   float64 (W, 2)  px
    offsets  float64 (L, 2)  px, of each line
    """

    waves: np.ndarray
    turns: np.ndarray
    pushes: np.ndarray
    offsets: np.ndarray

    def compute_offsets(self, points: np.ndarray, line: np.ndarray) -> np.ndarray:
        """The offsets of points, px."""
        return np.sin(points @ self.waves.T + self.turns) @ self.pushes + self.offsets[line]


@dataclass(frozen=True, eq=False)
class ToonKeyPair:
    """Two keys, and how to draw the truth between them. `lasting` int (L,) are the lines of the truth, None for all visible ones. `jitters`
    those of the keys, if they have any."""

    seed: int
    variant: str
    who: CutoutPerson
    poses: tuple[Pose, Pose]
    lasting: np.ndarray | None
    jitters: tuple[HandJitter, HandJitter] | None
    first: VisibleDrawing
    last: VisibleDrawing

    def draw_truth(self, at: float) -> VisibleDrawing:
        """The true drawing at a share of the way."""
        shown = split_pieces(_draw_pose(self.who, self.poses, at))
        if self.lasting is not None:
            shown = [piece for piece in shown if piece[3][0] in self.lasting]
        if self.jitters is not None:
            first, last = self.jitters
            shown = [
                (p + (1 - at) * first.compute_offsets(p, line) + at * last.compute_offsets(p, line), w, cyclic, line, where)
                for p, w, cyclic, line, where in shown
            ]
        return join_pieces(shown)


def draw_key_pair(seed: int, variant: str) -> ToonKeyPair:
    """Two keys, the same ones for the same seed and variant. Every variant of a seed shows the same person in the same poses."""
    rng = np.random.default_rng([seed, 1])
    who, poses = cutout_person.pick_person(rng), cutout_person.pick_poses(rng)
    keys = [_draw_pose(who, poses, at) for at in (0.0, 1.0)]
    everything = variant == "all"
    lasting = None
    if variant in ("changing", "all"):
        drawn = [[_resample_piece(piece, _count_points(piece)) for piece in split_pieces(key)] for key in keys]
    else:
        lasting = _find_lasting_lines([keys[0], *(_draw_pose(who, poses, at) for at in PLACES), keys[1]])
        whole = [[piece for piece in split_pieces(key) if piece[3][0] in lasting] for key in keys]
        counts = [max(_count_points(a), _count_points(b)) for a, b in zip(*whole, strict=True)]
        drawn = [[_resample_piece(piece, count) for piece, count in zip(key, counts, strict=True)] for key in whole]
    accident = np.random.default_rng([seed, 2, VARIANTS.index(variant)])
    if everything or variant == "split":
        drawn = [_merge_strokes(accident, _cut_strokes(accident, key)) for key in drawn]
    if variant in ("cut", "overlapping"):
        drawn = [_cut_in_pieces(accident, key, variant == "overlapping") for key in drawn]
    if variant == "begun":
        drawn = [[_begin_anywhere(accident, piece) if piece[2] else piece for piece in key] for key in drawn]
    if everything or variant == "resampled":
        drawn = [[_resample_piece(piece, _count_points(piece, accident.uniform(2, 9)), accident) for piece in key] for key in drawn]
    jitters = None
    if everything or variant == "jittered":
        jitters = (_draw_jitter(accident), _draw_jitter(accident))
        drawn = [
            [(points + jitter.compute_offsets(points, line), widths, cyclic, line, place) for points, widths, cyclic, line, place in key]
            for key, jitter in zip(drawn, jitters, strict=True)
        ]
    if everything or variant == "reversed":
        drawn[1] = [_reverse_piece(piece) if accident.random() < 0.5 else piece for piece in drawn[1]]
    if everything or variant == "shuffled":
        drawn[1] = [drawn[1][k] for k in accident.permutation(len(drawn[1]))]
    return ToonKeyPair(seed, variant, who, poses, lasting, jitters, join_pieces(drawn[0]), join_pieces(drawn[1]))


def _draw_pose(who: CutoutPerson, poses: tuple[Pose, Pose], at: float) -> VisibleDrawing:
    return draw_visible_parts(draw_parts(who, cutout_person.mix_poses(*poses, at)))


def _find_lasting_lines(drawings: list[VisibleDrawing]) -> np.ndarray:
    """The lines of which all drawings show as many runs, closed in all of them or in none."""
    kept: set[tuple[int, tuple[bool, ...]]] | None = None
    for drawing in drawings:
        runs: dict[int, tuple[bool, ...]] = {}
        for _, _, cyclic, line, _ in split_pieces(drawing):
            runs[int(line[0])] = (*runs.get(int(line[0]), ()), cyclic)
        kept = set(runs.items()) if kept is None else kept & set(runs.items())
    return np.array(sorted(line for line, _ in kept or ()), int)


def _measure_arc(piece: _Piece) -> np.ndarray:
    """How far each point lies along the stroke, px; of a closed one also the way back to its start."""
    points = np.concatenate([piece[0], piece[0][:1]]) if piece[2] else piece[0]
    return np.concatenate([[0.0], np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()])


def _count_points(piece: _Piece, spacing: float = _SPACING) -> int:
    return max(int(np.ceil(_measure_arc(piece)[-1] / spacing)) + (not piece[2]), 4 if piece[2] else 2)


def _resample_piece(piece: _Piece, count: int, uneven: Generator | None = None) -> _Piece:
    """A stroke with another number of points."""
    points, widths, cyclic, line, place = piece
    along = _measure_arc(piece)
    steps = np.ones(count if cyclic else count - 1) if uneven is None else uneven.uniform(0.4, 1.6, count if cyclic else count - 1)
    wanted = np.concatenate([[0.0], steps.cumsum() / steps.sum()]) * along[-1]
    if cyclic:
        wanted = wanted[:-1]
        points, widths, line = (np.concatenate([values, values[:1]]) for values in (points, widths, line))
        place = np.append(place, 1.0)
    rows = np.interp(wanted, along, np.arange(len(along)))
    low = np.minimum(rows.astype(int), len(along) - 2)
    share = rows - low
    nearest = np.where(share < 0.5, low, low + 1)
    mixed = [values[low] + (values[low + 1] - values[low]) * share for values in (points[:, 0], points[:, 1], widths, place)]
    # Where a stroke continues along another line, places don't mix.
    where = np.where(line[low] == line[low + 1], mixed[3], place[nearest])
    return np.stack(mixed[:2], 1), mixed[2], cyclic, line[nearest], where


def _reverse_piece(piece: _Piece) -> _Piece:
    points, widths, cyclic, line, place = piece
    return points[::-1], widths[::-1], cyclic, line[::-1], place[::-1]


def _cut_strokes(rng: Generator, key: list[_Piece]) -> list[_Piece]:
    """One in three long strokes in two."""
    found: list[_Piece] = []
    for piece in key:
        points, widths, cyclic, line, place = piece
        if cyclic or _measure_arc(piece)[-1] < _LONG or len(points) < 5 or rng.random() > 1 / 3:
            found.append(piece)
            continue
        at = round(len(points) * rng.uniform(0.3, 0.7))
        for rows in (slice(None, at + 1), slice(at, None)):
            found.append((points[rows], widths[rows], False, line[rows], place[rows]))
    return found


def _merge_strokes(rng: Generator, key: list[_Piece]) -> list[_Piece]:
    """One in three of the strokes whose ends meet, in one go."""
    key = list(key)
    for number in range(len(key)):
        if key[number][2] or rng.random() > 1 / 3:
            continue
        piece = key[number]
        for other in range(len(key)):
            end = piece[0][-1]
            if other == number or key[other][2] or not len(key[other][0]):
                continue
            following = key[other] if np.linalg.norm(key[other][0][0] - end) < _MEET else _reverse_piece(key[other])
            if np.linalg.norm(following[0][0] - end) < _MEET and np.linalg.norm(following[0][-1] - piece[0][0]) > _MEET:
                rows = slice(1, None)
                key[number] = (
                    np.concatenate([piece[0], following[0][rows]]),
                    np.concatenate([piece[1], following[1][rows]]),
                    False,
                    np.concatenate([piece[3], following[3][rows]]),
                    np.concatenate([piece[4], following[4][rows]]),
                )
                key[other] = (np.zeros((0, 2)), np.zeros(0), True, np.zeros(0, int), np.zeros(0))
                break
    return [piece for piece in key if len(piece[0])]


def _take_stretch(piece: _Piece, begin: float, end: float) -> _Piece:
    """A stroke along a part of another: `begin` to `end` px along it; a closed one goes on round."""
    points, widths, cyclic, line, place = piece
    along = _measure_arc(piece)
    if cyclic:
        points, widths, line, place = (np.concatenate([values, values, values, values[:1]]) for values in (points, widths, line, place))
        along = np.concatenate([along[:-1] - along[-1], along[:-1], along + along[-1]])
    inner = np.flatnonzero((along > begin) & (along < end))
    ends = np.clip(np.interp([begin, end], along, np.arange(len(along))), 0, len(along) - 1)
    nearest = np.round(ends).astype(int)
    x, y, w = (np.interp([begin, end], along, values) for values in (*points.T, widths))
    rows = [nearest[:1], inner, nearest[1:]]
    found = np.stack([x, y], 1)
    return (
        np.concatenate([found[:1], points[inner], found[1:]]),
        np.concatenate([w[:1], widths[inner], w[1:]]),
        False,
        np.concatenate([line[row] for row in rows]),
        np.concatenate([place[row] for row in rows]),
    )


def _cut_in_pieces(rng: Generator, key: list[_Piece], overlap: bool) -> list[_Piece]:
    """Lines in one to four strokes each."""
    found: list[_Piece] = []
    for piece in key:
        length = _measure_arc(piece)[-1]
        count = min(int(rng.integers(1, _MOST_PIECES + 1)), int(length / _PIECE))
        if count < 2:
            found.append(piece)
            continue
        shares = rng.uniform(0.5, 1.5, count)
        edges = np.concatenate([[0.0], shares.cumsum() / shares.sum()]) * length
        if piece[2]:
            edges += rng.uniform(0, length)
            edges -= length * (edges[0] >= length)
        for nth, (begin, end) in enumerate(zip(edges, edges[1:], strict=False)):
            before, after = rng.uniform(*_OVERLAP, 2) * overlap
            first, last = nth == 0 and not piece[2], nth == count - 1 and not piece[2]
            drawn = _take_stretch(piece, begin - before * (not first), end + after * (not last))
            found.append((drawn[0] + rng.normal(0, _OFF, 2) * overlap, *drawn[1:]))
    return found


def _begin_anywhere(rng: Generator, piece: _Piece) -> _Piece:
    """A closed line as a stroke that begins anywhere, and meets, runs past or misses its start."""
    length = _measure_arc(piece)[-1]
    begin = rng.uniform(0, length * 0.9)
    past = rng.choice([0.0, rng.uniform(*_OVERLAP), -_MISSED * length * rng.uniform(0.3, 1)])
    return _take_stretch(piece, begin, begin + length + min(past, 0.1 * length))


def _draw_jitter(rng: Generator) -> HandJitter:
    waves = 2 * np.pi / SIZE * rng.uniform(1.5, 7, (6, 2)) * rng.choice([-1, 1], (6, 2))
    return HandJitter(waves, rng.uniform(0, 2 * np.pi, 6), rng.normal(0, 0.8, (6, 2)), rng.normal(0, 0.4, (_LINES, 2)))
