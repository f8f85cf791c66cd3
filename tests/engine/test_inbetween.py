"""Drawings between two keys of strokes: which stroke is which, how strokes move, and what nobody should give it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from drawings import BLACK, circle, drawing, line, stroke
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from engine.drawing.inbetween import StrokeInbetweener, StrokeMatches, draw_inbetween, match_strokes
from engine.drawing.sketch.strokes import Strokes
from engine.job.errors import BadInput

PLACES = (-1.0, -0.25, 0.0, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0)


def turned(strokes: Strokes, degrees: float, center=(0.0, 0.0), shift=(0.0, 0.0), scale=1.0) -> Strokes:
    z = ((strokes.points.astype(float) - center) @ (1, 1j)) * np.exp(1j * np.radians(degrees)) * scale
    points = np.stack([z.real, z.imag], 1) + center + shift
    return replace(strokes, points=points.astype(np.float32))


def rows(strokes: Strokes, number: int) -> np.ndarray:
    return strokes.points[strokes.offsets[number] : strokes.offsets[number + 1]].astype(float)


def along(points: np.ndarray, count: int = 200) -> np.ndarray:
    run = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    return np.stack([np.interp(np.linspace(0, run[-1], count), run, points[:, k]) for k in (0, 1)], 1)


def length(points: np.ndarray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def ink(strokes: Strokes) -> np.ndarray:
    """Points all along the strokes."""
    lines = []
    for number, cyclic in enumerate(strokes.cyclic):
        points = rows(strokes, number)
        points = np.concatenate([points, points[:1]]) if cyclic else points
        lines.append(along(points, int(4 * length(points)) + 2))
    return np.concatenate(lines) if lines else np.zeros((0, 2))


def apart(a: Strokes, b: Strokes) -> float:
    """The furthest that ink of one is from ink of the other, px."""
    first, last = ink(a), ink(b)
    return max(cKDTree(first).query(last)[0].max(), cKDTree(last).query(first)[0].max())


def curve(*points, count=25, **how) -> Strokes:
    """A smooth stroke through a few points."""
    t = np.linspace(0, len(points) - 1, count)
    fit = np.polynomial.polynomial.polyfit(np.arange(len(points)), np.array(points, float), len(points) - 1)
    return stroke(np.polynomial.polynomial.polyval(t, fit).T, **how)


def face(seed: int = 0) -> Strokes:
    """Some strokes that differ in shape: an outline, eyes, a nose, a mouth, brows, hair, a neck and shoulders."""
    rng = np.random.default_rng(seed)
    locks = [((x, 60 + abs(x - 200) / 3), (x + rng.uniform(-8, 8), 80), (x + 3, 105 + 6 * k)) for k, x in enumerate((160, 185, 215, 245))]
    return drawing(
        circle((200, 150), 90),
        circle((170, 140), 14),
        circle((230, 140), 14),
        curve((198, 150), (208, 172), (196, 176), count=14),
        curve((165, 200), (200, 222), (238, 196)),
        curve((152, 112), (170, 104), (188, 114), count=12),
        curve((212, 114), (230, 102), (250, 113), count=11),
        *(curve(*lock, count=9) for lock in locks),
        curve((180, 238), (182, 260), (172, 280), count=16),
        curve((220, 238), (220, 262), (232, 282), count=17),
        curve((172, 280), (110, 300), (80, 350), count=31),
        curve((232, 282), (300, 305), (322, 356), count=33),
    )


def shuffled(strokes: Strokes, seed: int) -> tuple[Strokes, list[int]]:
    """Another order, half of the strokes drawn from the other end, closed ones begun anywhere, all of them with other points."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(strokes)).tolist()
    parts = []
    for number in order:
        points, cyclic = rows(strokes, number), bool(strokes.cyclic[number])
        if cyclic:
            points = np.roll(points, rng.integers(len(points)), 0)
            points = along(np.concatenate([points, points[:1]]), int(rng.integers(40, 80)))[:-1]
        else:
            points = along(points, int(rng.integers(12, 40)))
        if rng.random() < 0.5:
            points = points[::-1]
        parts.append(stroke(points, cyclic=cyclic))
    return drawing(*parts), order


# --- which stroke is which ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("degrees", [0, 20, -70])
def test_strokes_are_found_in_any_order_direction_and_density(seed, degrees):
    first = face(seed)
    last, order = shuffled(turned(first, degrees, (200, 200), (40, -20), 1.1), seed)
    matches = match_strokes(first, last)
    assert sorted(matches.pieces.tolist()) == sorted([number, order.index(number)] for number in range(len(first)))
    for (i, j), span in zip(matches.pieces, matches.spans, strict=True):
        if not first.cyclic[i]:  # the ends are those of the truth
            began, ended = turned(stroke(rows(first, i)[[0, -1]]), degrees, (200, 200), (40, -20), 1.1).points
            found = rows(last, j)[np.round(span[2:]).astype(int)]
            np.testing.assert_allclose(found, [began, ended], atol=1.0)
    assert (matches.confidence > 0.6).all()


def test_a_stroke_drawn_in_two_is_both_and_is_cut_where_they_meet():
    first = face()
    points = rows(first, 4)
    parts = [stroke(rows(first, k), cyclic=bool(first.cyclic[k])) for k in range(len(first)) if k != 4]
    last = turned(drawing(stroke(points[14:]), *parts, stroke(points[:15][::-1])), 15, (200, 200), (10, 5))
    for one, two, flip in ((first, last, False), (last, first, True)):  # a split, and a merger
        matches = match_strokes(one, two)
        pieces = matches.pieces[:, ::-1] if flip else matches.pieces
        spans = matches.spans[:, [2, 3, 0, 1]] if flip else matches.spans
        of = {tuple(piece): span for piece, span in zip(pieces.tolist(), spans, strict=True)}
        assert (pieces >= 0).all() and len(pieces) == len(last)
        np.testing.assert_allclose(sorted(of[4, len(last) - 1][:2]), [0, 14], atol=0.8)
        np.testing.assert_allclose(sorted(of[4, 0][:2]), [14, 24], atol=0.8)
        for at in (0.25, 0.5, 0.75):
            drawn = draw_inbetween(one, two, matches, at)
            ends = [rows(drawn.strokes, k)[[0, -1]] for k in range(len(drawn.strokes)) if 4 in drawn.source[k][int(flip) : int(flip) + 1]]
            assert len(ends) == 2
            assert min(np.hypot(*(a - b)) for a in ends[0] for b in ends[1]) < 0.5  # they still meet


def test_a_pinned_pair_is_kept_whatever_it_looks_like():
    first, last = face(), turned(face(), 5)
    matches = match_strokes(first, last, [(1, 2), (2, 1)])
    found = {tuple(piece): sure for piece, sure in zip(matches.pieces.tolist(), matches.confidence, strict=True)}
    assert found[1, 2] == found[2, 1] == 1.0
    assert len(matches) == len(first)


def test_a_stroke_pinned_to_two_is_both_of_them():
    first = drawing(line((0, 0), (100, 0)), circle((50, 80), 20))
    last = drawing(line((60, 10), (110, 10)), circle((50, 90), 20), line((10, 10), (60, 10)))
    matches = match_strokes(first, last, [(0, 0), (0, 2)])
    assert sorted(matches.pieces.tolist()) == [[0, 0], [0, 2], [1, 1]]


def test_pins_of_strokes_that_are_not_there_are_bad_input():
    with pytest.raises(BadInput, match="pin them again"):
        match_strokes(face(), face(), [(0, 99)])


def test_strokes_around_paint_match_only_such():
    first, last = drawing(circle((50, 50), 30), circle((50, 50), 20)), drawing(circle((60, 50), 20), circle((60, 50), 30))
    fills_a, fills_b = np.array([True, False]), np.array([True, False])
    matches = match_strokes(first, last, (), fills_a, fills_b)
    assert sorted(matches.pieces.tolist()) == [[0, 0], [1, 1]]
    assert matches.fills.tolist() == [bool(fills_a[i]) for i in matches.pieces[:, 0]]
    assert draw_inbetween(first, last, matches, 0.5).fills.sum() == 1


def test_copies_keep_their_order_where_nothing_else_tells_strokes_apart():
    rng = np.random.default_rng(1)
    counts = rng.integers(5, 30, 24)
    first = drawing(*(stroke(np.stack([np.full(n, 10.0 * k), np.linspace(0, 60, n)], 1)) for k, n in enumerate(counts)))
    matches = match_strokes(first, turned(first, 0, shift=(30, 0)))  # each lies where the third next one was
    assert matches.pieces.tolist() == [[k, k] for k in range(24)] or sorted(matches.pieces.tolist()) == [[k, k] for k in range(24)]


def test_what_is_alike_nowhere_is_not_sure():
    rng = np.random.default_rng(2)
    first = drawing(*(stroke(np.cumsum(rng.normal(0, 6, (20, 2)), 0) + rng.uniform(0, 400, 2)) for _ in range(30)))
    last = drawing(*(circle(rng.uniform(0, 3000, 2), rng.uniform(2, 300), color=(255, 0, 0, 255)) for _ in range(20)))
    matches = match_strokes(first, last)
    both = (matches.pieces >= 0).all(1)
    assert both.sum() <= 3
    assert set(matches.pieces[:, 0]) - {-1} == set(range(30)) and set(matches.pieces[:, 1]) - {-1} == set(range(20))
    assert matches.confidence[both].max(initial=0.0) < 0.9


# --- how strokes move -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [40, 90, -150])
def test_what_swings_about_a_point_keeps_its_length_and_stays_on_its_arc(degrees):
    body, eye = circle((0, 0), 30), circle((10, -8), 5)
    arm, hand = stroke(np.stack([np.linspace(30, 150, 25), np.zeros(25)], 1)), stroke(circle((162, 0), 12).points[8:-8])
    first = drawing(body, eye, arm, hand)
    last = drawing(body, eye, turned(arm, degrees), turned(hand, degrees))
    made = StrokeInbetweener(first, last, match_strokes(first, last, [(k, k) for k in range(4)]))
    for at in (0.25, 0.5, 0.75):
        points = rows(made.draw_at_place(at).strokes, 2)
        assert length(points) == pytest.approx(120, rel=0.03)
        wrist = 150 * np.array([np.cos(np.radians(at * degrees)), np.sin(np.radians(at * degrees))])
        assert np.hypot(*(points[-1] - wrist)) < 16


def test_a_drawing_that_moves_as_a_whole_is_moved_as_a_whole():
    first = face()
    last = turned(first, 60, (200, 200))
    made = StrokeInbetweener(first, last, match_strokes(first, last))
    for at in (0.3, 0.5):
        drawn = made.draw_at_place(at).strokes
        # Wherever it turns about: distances between points stay.
        own, true = (np.concatenate([along(rows(key, k), 40) for k in range(3, len(key))]) for key in (drawn, first))
        assert np.abs(np.hypot(*(own[::17, None] - own[None, ::17]).T) - np.hypot(*(true[::17, None] - true[None, ::17]).T)).max() < 3


def test_ends_stay_on_the_lines_that_they_meet():
    first = drawing(curve((0, 0), (50, 30), (100, 0)), line((50, 30), (50, 120)), line((50, 120), (90, 160)))
    last = drawing(curve((10, 10), (60, 20), (120, -40)), line((60, 20), (100, 100)), line((100, 100), (160, 100)))
    made = StrokeInbetweener(first, last, match_strokes(first, last, [(0, 0), (1, 1), (2, 2)]))
    for at in (0.2, 0.5, 0.8):
        drawn = made.draw_at_place(at).strokes
        assert cKDTree(along(rows(drawn, 0), 2000)).query(rows(drawn, 1)[0])[0] < 0.8
        assert np.hypot(*(rows(drawn, 1)[-1] - rows(drawn, 2)[0])) < 0.5


def test_an_end_slides_along_the_line_that_it_lies_on():
    first = drawing(line((0, 0), (400, 0)), line((40, 0), (40, 100)))
    last = drawing(curve((0, 0), (200, 60), (400, 0)), line((360, 21.6), (360, 130)))
    made = StrokeInbetweener(first, last, match_strokes(first, last, [(0, 0), (1, 1)]))
    for at in (0.25, 0.5, 0.75):
        drawn = made.draw_at_place(at).strokes
        assert cKDTree(along(rows(drawn, 0), 4000)).query(rows(drawn, 1)[0])[0] < 1.0


def test_corners_go_to_corners():
    first = drawing(stroke(along(np.array([[0, 0], [100, 0], [100, 40]]), 40)))
    last = drawing(stroke(along(np.array([[0, 0], [80, 0], [80, 60]]), 55)))
    drawn = draw_inbetween(first, last, match_strokes(first, last), 0.5)
    points = rows(drawn.strokes, 0)
    steps = np.diff(points, axis=0)
    bends = np.abs(np.angle((steps[1:] @ (1, 1j)) / (steps[:-1] @ (1, 1j))))
    corner = int(bends.argmax()) + 1
    assert bends.max() > 0.6  # a corner, not an arc
    assert np.hypot(*(points[corner] - (90, 0))) < 5


def test_widths_and_colors_are_mixed():
    first = stroke([(0, 0), (50, 10), (100, 0)], width=(2, 4, 2), color=(0, 0, 0, 255))
    last = stroke([(0, 20), (50, 30), (100, 20)], width=(4, 8, 4), color=(200, 100, 0, 155))
    drawn = draw_inbetween(first, last, match_strokes(first, last, [(0, 0)]), 0.5).strokes
    assert drawn.widths.max() == pytest.approx(6.0) and drawn.widths.min() == pytest.approx(3.0)
    np.testing.assert_allclose(drawn.colors, np.tile([100, 50, 0, 205], (len(drawn.points), 1)), atol=1)


def test_a_stroke_without_partner_goes_with_what_it_is_joined_to_and_draws_back_to_it():
    first = drawing(face(), line((200, 60), (200, 20), color=(255, 0, 0, 255)))  # stands on the outline of the head
    last = turned(face(), 0, shift=(120, 30))
    made = StrokeInbetweener(first, last, match_strokes(first, last))
    lengths = []
    for at in (0.2, 0.5, 0.8):
        drawn = made.draw_at_place(at)
        number = int(np.flatnonzero(drawn.source[:, 0] == len(first) - 1)[0])
        assert drawn.source[number, 1] == -1
        points = rows(drawn.strokes, number)
        lengths.append(length(points))
        np.testing.assert_allclose(points[0], (200 + 120 * at, 60 + 30 * at), atol=2)
        assert np.isnan(drawn.place[drawn.strokes.offsets[number], 1])
    np.testing.assert_allclose(lengths, [32, 20, 8], atol=1)


@pytest.mark.parametrize("fills", [True, False])
def test_a_stroke_that_comes_to_lie_behind_paint_is_left_whole(fills):
    mark, ball = line((100, 100), (140, 100), color=(255, 0, 0, 255)), circle((300, 100), 60)
    first, last = drawing(face(), mark, ball), drawing(face(), turned(ball, 0, shift=(-180, 0)))
    painted_a, painted_b = np.arange(len(first)) == len(first) - 1, np.arange(len(last)) == len(last) - 1
    matches = match_strokes(first, last, [(len(first) - 1, len(last) - 1)], painted_a & fills, painted_b & fills)
    drawn = draw_inbetween(first, last, matches, 0.75)
    number = int(np.flatnonzero(drawn.source[:, 0] == len(face()))[0])
    assert drawn.source[number, 1] == -1
    assert length(rows(drawn.strokes, number)) == pytest.approx(40 if fills else 10, abs=1.0)
    assert drawn.source[-1].tolist() == [len(first) - 1, len(last) - 1]  # what hides it is drawn later


def test_a_stroke_that_appears_is_the_same_the_other_way_round():
    first, last = drawing(face(), line((200, 60), (200, 20))), turned(face(), 0, shift=(120, 30))
    forth = StrokeInbetweener(first, last, match_strokes(first, last)).draw_at_place(0.3).strokes
    back = StrokeInbetweener(last, first, match_strokes(last, first)).draw_at_place(0.7).strokes
    assert apart(forth, back) < 1.5


def test_points_say_where_they_come_from():
    first, last = face(), turned(face(3), 25, (200, 200))
    drawn = draw_inbetween(first, last, match_strokes(first, last), 0.5)
    for number in range(len(drawn.strokes)):
        place = drawn.place[drawn.strokes.offsets[number] : drawn.strokes.offsets[number + 1]]
        for side, key in enumerate((first, last)):
            source = drawn.source[number, side]
            count = len(rows(key, source))
            assert (place[:, side] >= 0).all()
            assert place[:, side].max() <= (2 * count if key.cyclic[source] else count - 1)
    near = draw_inbetween(first, last, match_strokes(first, last), 1e-6)
    for number, (source, _) in enumerate(near.source):
        place = near.place[near.strokes.offsets[number] : near.strokes.offsets[number + 1], 0].astype(float)
        points = rows(first, source)
        ring = np.concatenate([points, points, points[:1]]) if first.cyclic[source] else points
        found = np.stack([np.interp(place, np.arange(len(ring)), ring[:, k]) for k in (0, 1)], 1)
        np.testing.assert_allclose(rows(near.strokes, number), found, atol=0.05)


def test_drawing_order_changes_in_the_middle():
    first, last = drawing(circle((0, 0), 30), circle((100, 0), 60)), drawing(circle((100, 10), 60), circle((0, 10), 30))
    made = StrokeInbetweener(first, last, match_strokes(first, last, [(0, 1), (1, 0)]))
    assert made.draw_at_place(0.4).source[:, 0].tolist() == [0, 1]
    assert made.draw_at_place(0.6).source[:, 0].tolist() == [1, 0]


def test_a_hundred_drawings_are_smooth():
    first, last = face(), turned(face(1), 80, (200, 200), (60, 0))
    made = StrokeInbetweener(first, last, match_strokes(first, last))
    drawn = np.stack([made.draw_at_place(at).strokes.points for at in np.linspace(0.01, 0.99, 99)])
    step = np.hypot(*np.moveaxis(np.diff(drawn, axis=0), 2, 0))
    assert step.max() < 6 * np.median(step.max(1)) and step.max() < 12


# --- keys as they are, and bad ones ---------------------------------------------------------------------------------


def assert_sound(drawn, first: Strokes, last: Strokes, matches: StrokeMatches):
    strokes = drawn.strokes
    count = len(strokes)
    assert drawn.source.shape == (count, 2) and drawn.confidence.shape == drawn.fills.shape == (count,)
    assert drawn.place.shape == (len(strokes.points), 2)
    assert np.isfinite(strokes.points).all() and np.isfinite(strokes.widths).all() and (strokes.widths >= 0).all()
    assert strokes.points.dtype == strokes.widths.dtype == np.float32 and strokes.colors.dtype == np.uint8
    assert strokes.offsets.dtype == np.int32 and strokes.offsets[-1] == len(strokes.points)
    assert ((drawn.source >= -1) & (drawn.source < [max(len(first), 0), max(len(last), 0)])).all()
    assert ((drawn.confidence >= 0) & (drawn.confidence <= 1)).all()


EMPTY = drawing()
ODD = {
    "empty": EMPTY,
    "a point": stroke([(5, 5)]),
    "a closed point": stroke([(5, 5)], cyclic=True),
    "no length": stroke([(5, 5)] * 3),
    "a closed line": stroke([(3, 3), (9, 9)], cyclic=True),
    "a line": line((0, 0), (100, 0)),
    "dots": drawing(*(stroke([(10 * k, 5)]) for k in range(5))),
    "a stroke without points": Strokes(
        np.array([[0, 0], [9, 9]], np.float32), np.ones(2, np.float32), np.tile(np.array(BLACK, np.uint8), (2, 1)),
        np.array([0, 0, 2], np.int32), np.array([True, False]),
    ),
    "far away": turned(face(), 130, shift=(9e5, -9e5), scale=0.05),
    "a face": face(),
}  # fmt: skip


@pytest.mark.parametrize("first", ODD)
@pytest.mark.parametrize("last", ODD)
@pytest.mark.filterwarnings("error")
def test_any_keys_give_sound_drawings(first, last):
    one, two = ODD[first], ODD[last]
    matches = match_strokes(one, two)
    made = StrokeInbetweener(one, two, matches)
    for at in PLACES:
        assert_sound(made.draw_at_place(at), one, two, matches)


def test_the_keys_come_back_as_they_are():
    first, last = face(), shuffled(turned(face(2), 30), 5)[0]
    made = StrokeInbetweener(first, last, match_strokes(first, last))
    for at, key, side in ((0.0, first, 0), (1.0, last, 1)):
        drawn = made.draw_at_place(at)
        np.testing.assert_array_equal(drawn.strokes.points, key.points)
        np.testing.assert_array_equal(drawn.source[:, side], np.arange(len(key)))
    # And there is no leap next to them.
    assert apart(made.draw_at_place(1e-4).strokes, first) < 0.3
    assert apart(made.draw_at_place(1 - 1e-4).strokes, last) < 0.3


def test_the_same_key_twice_is_that_key():
    key = face()
    matches = match_strokes(key, key)
    assert sorted(matches.pieces.tolist()) == [[k, k] for k in range(len(key))]
    for at in (0.1, 0.5, 1.3):
        assert apart(draw_inbetween(key, key, matches, at).strokes, key) < 0.05


def test_beyond_the_keys_the_motion_goes_on():
    first, last = face(), turned(face(), 0, shift=(100, 0))
    made = StrokeInbetweener(first, last, match_strokes(first, last))
    assert apart(made.draw_at_place(1.5).strokes, turned(first, 0, shift=(150, 0))) < 1.0
    assert apart(made.draw_at_place(-0.5).strokes, turned(first, 0, shift=(-50, 0))) < 1.0


strokes_of = st.lists(
    st.tuples(
        st.lists(st.tuples(st.floats(-500, 500, width=32), st.floats(-500, 500, width=32)), min_size=1, max_size=6),
        st.floats(0, 20, width=32),
        st.booleans(),
    ),
    max_size=6,
).map(lambda parts: drawing(*(stroke(points, width, BLACK, cyclic) for points, width, cyclic in parts)))


@settings(max_examples=60, deadline=None)
@given(first=strokes_of, last=strokes_of, at=st.floats(-1, 2))
def test_whatever_the_keys_are_every_stretch_is_there_once(first, last, at):
    matches = match_strokes(first, last)
    assert_sound(draw_inbetween(first, last, matches, at), first, last, matches)
    assert np.isfinite(matches.spans).all() and ((matches.confidence >= 0) & (matches.confidence <= 1)).all()
    for side, key in enumerate((first, last)):
        assert set(range(len(key))) == set(matches.pieces[:, side]) - {-1}
        other = matches.pieces[:, 1 - side]
        for number in range(len(key)):
            own = matches.pieces[:, side] == number
            total = np.abs(np.diff(matches.spans[own][:, 2 * side : 2 * side + 2], axis=1)).sum()
            count = len(rows(key, number))
            whole = count - 1 + (bool(key.cyclic[number]) and count > 1)
            assert total >= whole - 0.01 or (other[own] < 0).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), degrees=st.floats(-60, 60), x=st.floats(-80, 80), y=st.floats(-80, 80))
def test_mirrored_time_is_the_same_motion(seed, degrees, x, y):
    first, last = face(seed), turned(face(seed), degrees, (200, 200), (x, y))
    pairs = [(k, k) for k in range(len(first))]
    forth = draw_inbetween(first, last, match_strokes(first, last, pairs), 0.3).strokes
    back = draw_inbetween(last, first, match_strokes(last, first, pairs), 0.7).strokes
    assert apart(forth, back) < 1.0


def test_lines_that_gaps_cut_at_other_places_are_laid_on_each_other():
    """An outline that one key has in two strokes and the other in three, with gaps between them: stretch by stretch, and nothing flies."""
    turn = np.linspace(0.0, 1.9 * np.pi, 400)
    outline = np.stack([200 + 120 * np.cos(turn), 200 + 150 * np.sin(turn)], 1)

    def cut(points, *places):
        edges = [0, *(round(place * len(points)) for place in places), len(points)]
        return [points[first + 3 : last - 3] for first, last in itertools.pairwise(edges)]

    inner = [np.stack([np.linspace(x, x + 40, 30), np.full(30, y)], 1) for x, y in ((150, 150), (220, 150), (180, 230))]
    a = drawing(*map(stroke, [*cut(outline, 0.4), *inner]))
    b = drawing(*map(stroke, [*cut(outline + (4, -3), 0.25, 0.7), *(mark + (4, -3) for mark in inner)]))
    matches = match_strokes(a, b)
    alone = (matches.pieces < 0).any(1)
    assert np.abs(np.diff(matches.spans[alone].reshape(-1, 2, 2), axis=2)).max(initial=0) < 8  # what one key shows in a gap of the other
    for side, key in ((0, a), (1, b)):  # every stretch has a partner, once
        length = np.abs(matches.spans[:, 2 * side + 1] - matches.spans[:, 2 * side]).sum()
        assert length == pytest.approx(sum(np.diff(key.offsets) - 1), rel=0.02)
    made = draw_inbetween(a, b, matches, 0.5).strokes.points
    true = np.concatenate([outline, *inner]) + (2, -1.5)
    assert np.sqrt(((made[:, None] - true[None]) ** 2).sum(-1)).min(1).max() < 3.0
