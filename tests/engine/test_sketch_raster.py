import cv2
import numpy as np
import pytest
from drawings import BLACK, BLUE, BROWN, RED, circle, drawing, figure, line, stroke
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.drawing.sketch.raster import rasterize_strokes

SMALL, LARGE = (320, 240), (1920, 1080)  # supersampled by 8, by 4


def cover(sketch):
    return sketch.paint[..., 3].astype(float) / 255


def pieces(mask, connectivity=8):
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)[0] - 1


@settings(deadline=None, max_examples=40)
@given(width=st.floats(1, 30), y=st.floats(60, 160), size=st.sampled_from([SMALL, LARGE]))
def test_a_line_is_as_wide_as_it_says_and_where_it_says(width, y, size):
    column = cover(rasterize_strokes(line((40, y), (280, y), width=width), size))[:, 160]
    step = (1 / 8 if size == SMALL else 1 / 4) + 0.02  # cover is averaged down in 8 bits: each halving rounds
    assert column.sum() == pytest.approx(width, abs=step)
    assert (column * (np.arange(len(column)) + 0.5)).sum() / column.sum() == pytest.approx(y, abs=step)


def test_lines_are_not_shifted_on_the_average():
    rng = np.random.default_rng(1)
    shifts = []
    for y, width in zip(rng.uniform(60, 160, 40), rng.uniform(1, 9, 40), strict=True):
        column = cover(rasterize_strokes(line((40, y), (280, y), width=width), SMALL))[:, 160]
        shifts.append((column * (np.arange(len(column)) + 0.5)).sum() / column.sum() - y)
    assert abs(np.mean(shifts)) < 0.03


@settings(deadline=None, max_examples=60)
@given(
    points=st.lists(st.tuples(st.floats(5, 310), st.floats(5, 230)), min_size=2, max_size=8),
    width=st.floats(0.05, 6),
)
def test_a_stroke_is_one_line_without_holes_however_thin(points, width):
    sketch = rasterize_strokes(stroke(points, width), SMALL)
    assert pieces(sketch.lines) == 1
    for x, y in points:
        assert sketch.lines[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].any()


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_wild_strokes_never_fail_and_ink_stays_in_its_place(data):
    count = data.draw(st.integers(1, 12))
    far = st.floats(-1e6, 1e6, width=32)
    points = np.array(data.draw(st.lists(st.tuples(far, far), min_size=count, max_size=count)))
    widths = data.draw(st.lists(st.floats(0, 1e4, width=32), min_size=count, max_size=count))
    art = stroke(points, np.array(widths), (10, 20, 30, data.draw(st.integers(0, 255))), data.draw(st.booleans()))
    sketch = rasterize_strokes(art, (64, 48))
    assert sketch.paint.shape == (48, 64, 4) and sketch.lines.shape == (48, 64)
    assert not sketch.lines[~(cv2.dilate(sketch.paint[..., 3], np.ones((3, 3))) > 0)].any() or min(widths) < 1
    assert np.isfinite(sketch.ends).all()


def test_a_stroke_from_far_outside_crosses_the_picture_where_it_should():
    sketch = rasterize_strokes(stroke([(-2e5, -1e5 + 50), (2e5, 1e5 + 50)], 3), (200, 200))
    for x in (20, 100, 180):
        assert sketch.lines[round(50 + x / 2), x]
    assert pieces(sketch.lines) == 1


def test_a_tapering_stroke_has_its_width_everywhere():
    sketch = rasterize_strokes(stroke([(20, 100), (300, 100)], np.array([0.0, 28.0])), SMALL)
    widths = cover(sketch).sum(0)
    for x in range(40, 290, 10):
        assert widths[x] == pytest.approx((x + 0.5 - 20) / 10, abs=1.0)


def test_order_color_and_opacity():
    under, over = line((20, 100), (300, 100), width=9), line((160, 20), (160, 200), width=9, color=(120, 40, 200, 255))
    assert rasterize_strokes(drawing(under, over), SMALL).paint[100, 160].tolist() == [120, 40, 200, 255]
    assert rasterize_strokes(drawing(over, under), SMALL).paint[100, 160].tolist() == [0, 0, 0, 255]
    glass = line((160, 20), (160, 200), width=9, color=(255, 255, 255, 120))
    paint = rasterize_strokes(drawing(under, glass), SMALL).paint
    assert paint[60, 160].tolist() == [255, 255, 255, 120]
    assert paint[100, 160].tolist() == [120, 120, 120, 255]


def test_a_translucent_stroke_is_even_where_it_crosses_itself():
    art = stroke([(20, 100), (200, 100), (200, 180), (110, 180), (110, 20)], 8, (0, 0, 0, 120))
    paint = rasterize_strokes(art, SMALL).paint
    assert paint[100, 110, 3] == paint[100, 60, 3] == 120


def test_a_faint_stroke_is_a_line_and_an_invisible_one_is_not():
    assert rasterize_strokes(line((20, 100), (300, 100), color=(0, 0, 0, 40)), SMALL).lines.any()
    hidden = rasterize_strokes(line((20, 100), (300, 100), color=(0, 0, 0, 8)), SMALL)
    assert not hidden.lines.any() and not hidden.paint.any() and not len(hidden.ends)


def test_fading_keeps_the_dark_part_dark():
    alpha = rasterize_strokes(
        stroke(np.linspace((20, 100), (300, 100), 20), 6, np.c_[np.zeros((20, 3)), np.linspace(255, 60, 20)]), SMALL
    ).paint[100, :, 3]
    assert alpha[40] > 230 and 50 < alpha[290] < 90 and (np.diff(alpha[30:290].astype(int)) <= 0).all()


def test_a_stroke_that_fades_out_ends_where_it_is_last_seen():
    art = stroke(np.linspace((20, 100), (300, 100), 29), 4, BLACK)
    art.colors[20:, 3] = 0
    ends = rasterize_strokes(art, SMALL).ends
    assert ends[ends[:, 2] > 0][0, 0] == pytest.approx(221, abs=2)


def test_a_closed_stroke_closes_and_a_lone_point_is_a_dot():
    open_art, closed = stroke([(50, 50), (150, 50), (150, 150)], 3), stroke([(50, 50), (150, 50), (150, 150)], 3, cyclic=True)
    assert pieces(~rasterize_strokes(open_art, SMALL).lines, 4) == 1
    assert pieces(~rasterize_strokes(closed, SMALL).lines, 4) == 2
    dot = rasterize_strokes(stroke([(80.5, 60.5)], 8), SMALL)
    assert cover(dot).sum() == pytest.approx(np.pi * 16, rel=0.12) and not len(dot.ends)


def test_trace_lines_are_those_drawn_in_red_green_and_blue():
    colors = {RED: True, BLUE: True, (0, 200, 40, 255): True, (255, 80, 80, 255): True, BLACK: False, BROWN: False}
    colors |= {(90, 0, 0, 255): False, (120, 120, 120, 255): False, (230, 160, 140, 255): False, (150, 75, 0, 255): False}
    for color, trace in colors.items():
        for width in (0.4, 1, 4):
            sketch = rasterize_strokes(circle((100, 100), 50, width=width, color=color), SMALL)
            assert sketch.lines.any() and np.array_equal(sketch.traces, sketch.lines if trace else np.zeros_like(sketch.lines)), color


def test_a_main_line_stays_whole_where_a_trace_line_meets_it():
    sketch = rasterize_strokes(drawing(line((20, 100), (300, 100), width=4), line((160, 100), (160, 200), width=4, color=RED)), SMALL)
    assert not sketch.traces[99:101].all(0).any() and sketch.traces[110:190, 160].all()


def test_ends_are_where_the_ink_stops_and_point_on():
    sketch = rasterize_strokes(line((50, 100), (150, 100), width=6), SMALL)
    ends = sketch.ends[np.argsort(sketch.ends[:, 0])]
    assert ends.shape == (2, 4)
    assert ends[0] == pytest.approx([47.5, 100, -1, 0], abs=0.6) and ends[1] == pytest.approx([152.5, 100, 1, 0], abs=0.6)


def test_an_end_on_another_line_is_no_end():
    wall = line((200, 20), (200, 220), width=4)
    for stop in (198.5, 200, 201.5):
        ends = rasterize_strokes(drawing(wall, line((50, 100), (stop, 100), width=4)), SMALL).ends
        assert not (np.abs(ends[:, 1] - 100) < 5).sum() > 1, stop
    near = rasterize_strokes(drawing(wall, line((50, 100), (193, 100), width=4)), SMALL).ends
    assert ((near[:, 0] > 190) & (np.abs(near[:, 1] - 100) < 2)).any()


def test_a_circle_that_runs_over_its_own_beginning_has_no_ends():
    angle = np.linspace(0, 2 * np.pi + 0.3, 100)
    overlapping = stroke(np.array([150, 110]) + 60 * np.stack([np.cos(angle), np.sin(angle)], 1), 4)
    assert len(rasterize_strokes(overlapping, SMALL).ends) == 0


def test_ends_outside_the_picture_are_none():
    assert len(rasterize_strokes(line((-50, 100), (500, 100)), SMALL).ends) == 0


def test_nothing_drawn_is_an_empty_sketch():
    for art in (drawing(), line((-90, -90), (-20, -20))):
        sketch = rasterize_strokes(art, SMALL)
        assert not sketch.paint.any() and not sketch.lines.any() and not sketch.traces.any() and sketch.ends.shape == (0, 4)
        assert sketch.size == SMALL


def test_the_id_names_the_content():
    one, two = figure()[0], figure(x=1)[0]
    assert rasterize_strokes(one, SMALL).id == rasterize_strokes(one, SMALL).id
    assert len({rasterize_strokes(one, SMALL).id, rasterize_strokes(two, SMALL).id, rasterize_strokes(one, LARGE).id}) == 3


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3)])
def test_strange_sizes(size):
    assert rasterize_strokes(figure()[0], size).lines.shape == size[::-1]
