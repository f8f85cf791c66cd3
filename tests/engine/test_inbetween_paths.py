"""Drawings between keys whose lines are cut differently: other pieces, ends that overlap or nearly meet, lines that begin elsewhere."""

import cv2
import numpy as np
import pytest
from drawings import circle, drawing, stroke
from scipy.spatial import cKDTree

from engine.drawing.inbetween import StrokeInbetweener, match_strokes, measure_alone
from engine.drawing.inbetween.joins import find_joins
from engine.drawing.sketch.strokes import Strokes

SHIFT = np.array([160.0, 0.0])
SOLID, HIDDEN = (0, 0, 0, 255), (200, 200, 200, 0)


def outline(degrees: np.ndarray, center=(180.0, 180.0)) -> np.ndarray:
    """Points of an outline that is alike nowhere: a head with a chin to the left."""
    turn = np.radians(degrees)
    radius = 90 + 14 * np.cos(turn - 0.4) + 9 * np.sin(2 * turn)
    return np.stack([np.cos(turn), np.sin(turn)], 1) * radius[:, None] + center


def cut(begins, overlap: float, center) -> list[Strokes]:
    """An outline in as many strokes, each of which goes on `overlap` degrees beside the next; or ends as many before it."""
    edges = [*begins, begins[0] + 360]
    return [stroke(outline(np.linspace(a, b + overlap, 24), center), 4) for a, b in zip(edges, edges[1:], strict=False)]


def features(center) -> list[Strokes]:
    marks = [((-30, -20), (-5, -24)), ((10, -24), (35, -20)), ((-20, 45), (22, 42))]
    return [stroke(np.linspace(a, b, 12) + center, 4) for a, b in marks] + [circle(np.array((-15, -5)) + center, 8)]


def sample_ink(strokes: Strokes) -> np.ndarray:
    parts = []
    for number, cyclic in enumerate(strokes.cyclic):
        points = strokes.points[strokes.offsets[number] : strokes.offsets[number + 1]].astype(float)
        points = np.concatenate([points, points[:1]]) if cyclic else points
        step = np.arange(0, len(points) - 1, 0.1)
        parts.append(np.stack([np.interp(step, np.arange(len(points)), points[:, k]) for k in (0, 1)], 1))
    return np.concatenate(parts)


def assert_follows(first: Strokes, last: Strokes, rest: list[Strokes], tolerance: float = 3.0) -> StrokeInbetweener:
    """All lines have partners, and each drawing between is the whole outline and its features, halfway moved, and nothing else."""
    matches = match_strokes(first, last)
    assert not matches.alone.any()
    made = StrokeInbetweener(first, last, matches)
    for at in (0.25, 0.5, 0.75):
        true = np.concatenate([outline(np.arange(0, 360, 0.5)), *map(sample_ink, rest)]) + at * SHIFT
        drawn = sample_ink(made.draw_at_place(at).strokes)
        assert cKDTree(drawn).query(true)[0].max() < tolerance
        assert cKDTree(true).query(drawn)[0].max() < tolerance
    return made


CUTS = {
    "whole and eight that overlap": ([0], 0, range(20, 380, 45), 8),
    "three and four that meet": ([30, 150, 270], 0, [0, 90, 180, 270], 0),
    "two and three that overlap": ([10, 200], 6, [40, 165, 280], 6),
    "whole and three with gaps": ([0], 0, [50, 170, 290], -4),
    "whole and thirteen": ([0], 0, np.linspace(5, 365, 13, endpoint=False), 4),
}


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("case", CUTS)
@pytest.mark.parametrize("with_features", [False, True])
def test_an_outline_in_other_pieces_is_one_whole_outline(case, both_ways, with_features):
    ones, over_a, others, over_b = CUTS[case]
    rest = features(np.array((180.0, 180.0))) if with_features else []
    whole = stroke(outline(np.arange(0, 360, 5.0)), 4, cyclic=True)
    parts = [[whole] if len(ones) == 1 else cut(list(ones), over_a, (180, 180)), cut(list(others), over_b, (180 + SHIFT[0], 180))]
    first = drawing(*parts[0], *rest)
    moved = features(np.array((180.0, 180.0)) + SHIFT) if with_features else []
    last = drawing(*parts[1][::-1], *moved)
    if both_ways:
        made = StrokeInbetweener(last, first, match_strokes(last, first))
        true = np.concatenate([outline(np.arange(0, 360, 0.5)), *map(sample_ink, rest)]) + 0.5 * SHIFT
        assert cKDTree(sample_ink(made.draw_at_place(0.5).strokes)).query(true)[0].max() < 3.0
    else:
        assert_follows(first, last, rest, tolerance=3.0 if over_b >= 0 else 4.5)


@pytest.mark.parametrize("past", [0.0, 6.0, -4.0], ids=["meets", "runs past", "misses"])
def test_a_closed_outline_begins_anywhere(past):
    first = drawing(stroke(outline(np.linspace(0, 360 + past, 80)), 4))
    last = drawing(stroke(outline(np.linspace(130, 490 + past, 80), (180 + SHIFT[0], 180)), 4))
    assert_follows(first, last, [])


def test_what_overlaps_in_a_key_overlaps_on_the_way():
    first = drawing(stroke(outline(np.arange(0, 360, 5.0)), 4, cyclic=True))
    last = drawing(*cut([20, 140, 260], 10, (180 + SHIFT[0], 180)))
    made = StrokeInbetweener(first, last, match_strokes(first, last))
    ends = [made.draw_at_place(at).strokes for at in (0.02, 0.98)]
    assert len(ends[0]) == len(ends[1]) == 3
    for strokes in ends:  # each stroke ends on the next one, some px from its end
        for number in range(3):
            points = [strokes.points[strokes.offsets[k] : strokes.offsets[k + 1]].astype(float) for k in range(3)]
            tip = points.pop(number)[-1]
            assert cKDTree(sample_ink(drawing(*map(stroke, points)))).query(tip)[0] < 1.0
            assert min(np.hypot(*(other[[0, -1]] - tip).T).min() for other in points) > 8.0


def test_paint_has_no_beginning():
    """Fills that are not marked as closed, begun half a turn apart, don't turn on their way."""
    shape = [outline(np.linspace(begin, begin + 355, 80), center) for begin, center in ((0, (180, 180)), (180, (340, 180)))]
    first, last = (drawing(stroke(points, 0, HIDDEN)) for points in shape)
    mark = np.array([True])
    drawn = StrokeInbetweener(first, last, match_strokes(first, last, (), mark, mark)).draw_at_place(0.5)
    assert len(drawn.strokes) == 1 and drawn.strokes.cyclic.all() and drawn.fills.all()
    true = outline(np.arange(0, 360, 0.5)) + 0.5 * SHIFT
    assert cKDTree(true).query(sample_ink(drawn.strokes))[0].max() < 3.0
    assert (drawn.place >= 0).all() and (drawn.place <= 80).all()


def test_a_filled_line_that_is_open_stays_open():
    arc = np.linspace(20, 250, 60)
    first, last = drawing(stroke(outline(arc), 4)), drawing(stroke(outline(arc, (340, 180)), 4))
    mark = np.array([True])
    drawn = StrokeInbetweener(first, last, match_strokes(first, last, (), mark, mark)).draw_at_place(0.5)
    assert not drawn.strokes.cyclic.any()
    np.testing.assert_allclose(drawn.strokes.points, outline(arc) + 0.5 * SHIFT, atol=1.5)


def lay_paint(strokes: Strokes) -> np.ndarray:
    picture = np.zeros((360, 640), np.uint8)
    for first, last in zip(strokes.offsets, strokes.offsets[1:], strict=False):
        cv2.fillPoly(picture, [np.round(strokes.points[first:last]).astype(np.int32)], 1)
    return picture


def patches(center, offsets, radii) -> Strokes:
    return drawing(
        *(circle(np.array(center) + offset, radius, color=HIDDEN, width=0) for offset, radius in zip(offsets, radii, strict=True))
    )


def test_the_union_of_fills_stays_whole():
    """A body that one key paints with three patches side by side, the other with four on top of each other."""
    first = patches((180, 180), ((-45, 0), (45, 0), (0, 0)), (60, 60, 80))
    last = patches((420, 180), ((0, -50), (0, 50), (-25, 0), (25, 0)), (62, 62, 66, 66))
    matches = match_strokes(first, last, (), np.ones(3, bool), np.ones(4, bool))
    assert not matches.alone.any() and measure_alone(first, last, matches) == (0.0, 0.0)
    made = StrokeInbetweener(first, last, matches)
    area = min(lay_paint(first).sum(), lay_paint(last).sum())
    for at in (0.125, 0.25, 0.49, 0.5, 0.75, 0.875):
        drawn = made.draw_at_place(at)
        paint = lay_paint(drawn.strokes)
        assert paint.sum() > 0.97 * area and drawn.fills.all()
        assert cv2.connectedComponents(paint)[0] == 2 and cv2.connectedComponents(1 - paint)[0] == 2  # one patch, no holes
        np.testing.assert_allclose(np.argwhere(paint).mean(0)[::-1], (180 + 240 * at, 180), atol=4)
        assert (drawn.source[:, int(at < 0.5)] == -1).all()


def test_fills_that_stay_whole_one_by_one_keep_their_partners():
    first = patches((180, 180), ((-45, 0), (45, 0), (0, 0)), (60, 60, 80))
    last = patches((420, 180), ((-45, 0), (45, 0), (0, 0)), (60, 60, 80))
    matches = match_strokes(first, last, (), np.ones(3, bool), np.ones(3, bool))
    assert matches.unions is None and sorted(matches.pieces.tolist()) == [[0, 0], [1, 1], [2, 2]]


def test_pinned_fills_are_no_union():
    first = patches((180, 180), ((-45, 0), (45, 0), (0, 0)), (60, 60, 80))
    last = patches((420, 180), ((0, -50), (0, 50), (0, 0)), (60, 60, 80))
    pairs = [(0, 1), (1, 0), (2, 2)]
    matches = match_strokes(first, last, pairs, np.ones(3, bool), np.ones(3, bool))
    assert matches.unions is None and sorted(matches.pieces.tolist()) == [[0, 1], [1, 0], [2, 2]]


def test_lines_that_only_come_near_are_not_one():
    """Strokes of other colors, or that end on each other's sides, go on in nothing."""
    black = stroke(np.stack([np.linspace(10, 100, 30), np.full(30, 50.0)], 1), 4)
    joined = []
    for color in ((255, 0, 0, 255), (0, 0, 0, 255)):
        other = stroke(np.stack([np.linspace(106, 200, 30), np.full(30, 50.0)], 1), 4, color)
        crossing = stroke(np.stack([np.full(20, 103.0), np.linspace(60, 90, 20)], 1), 4)
        joins = find_joins(drawing(black, other, crossing), np.zeros(3, bool))
        joined.append(joins.ends.tolist())
    assert joined == [[], [[1, 2]]]  # only the one that has its color, end to end


def test_what_has_no_partner_is_measured_by_length():
    first = drawing(stroke([(0, 0), (300, 0)]), stroke([(0, 40), (100, 40)]))
    last = drawing(stroke([(0, 10), (300, 10)]))
    matches = match_strokes(first, last, [(0, 0)])
    assert measure_alone(first, last, matches) == pytest.approx((0.25, 0.0))


def test_an_outline_of_two_hundred_pieces():
    whole = drawing(stroke(outline(np.arange(0, 360, 2.0)), 4, cyclic=True))
    pieces = drawing(*cut(np.linspace(7, 367, 200, endpoint=False), 0.4, (180 + SHIFT[0], 180)))
    made = assert_follows(whole, pieces, [])
    assert len(made.draw_at_place(0.5).strokes) == 200
