import cv2
import numpy as np
import pytest
from drawings import BLUE, RED, box, circle, drawing, figure, line, stroke
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.drawing.regions import CROSSINGS, close_gaps, segment_regions
from engine.drawing.sketch import Sketch
from engine.drawing.sketch.ends import find_skeleton_ends
from engine.drawing.sketch.raster import rasterize_strokes

SIZE = (400, 300)


def cut(art, gap=8.0, size=SIZE):
    return segment_regions(rasterize_strokes(art, size), gap)


def scanned(sketch: Sketch) -> Sketch:
    """The same drawing when only its pixels are known."""
    return Sketch(sketch.paint, sketch.lines, sketch.traces, find_skeleton_ends(sketch.lines), sketch.id)


def at(regions, point):
    return int(regions.grown[point[1], point[0]])


def sane(sketch, regions):
    labels, grown, count = regions.labels, regions.grown, regions.count
    assert labels.shape == grown.shape == sketch.lines.shape and labels.dtype == grown.dtype == np.int32
    assert grown.min() >= 1 and grown.max() == count
    assert np.array_equal(labels == 0, sketch.lines)
    assert np.array_equal(labels[~sketch.lines], grown[~sketch.lines])
    for per_region in (regions.areas, regions.centroids, regions.boxes, regions.border):
        assert len(per_region) == count + 1
    used = np.unique(labels[labels > 0])
    assert np.array_equal(used, np.arange(1, count + 1)) or sketch.lines.all()
    assert (regions.areas[used] > 0).all()
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    assert set(np.flatnonzero(regions.border)) == set(edge[edge > 0].tolist())
    touching = set()
    for a, b in ((grown[:, 1:], grown[:, :-1]), (grown[1:], grown[:-1])):
        apart = a != b
        touching |= set(zip(np.minimum(a, b)[apart].tolist(), np.maximum(a, b)[apart].tolist(), strict=True))
    assert {tuple(e) for e in regions.edges.tolist()} == touching
    assert len(regions.crossing) == len(regions.lengths) == len(regions.edges)


def test_nothing_drawn_is_one_region():
    regions = cut(drawing())
    sane(rasterize_strokes(drawing(), SIZE), regions)
    assert regions.count == 1 and regions.border[1] and not len(regions.edges) and not len(regions.leaks)


def test_all_ink_is_one_region():
    sketch = rasterize_strokes(stroke([(0, 150), (400, 150)], 800), SIZE)
    assert sketch.lines.all()
    regions = segment_regions(sketch, 8)
    assert regions.count == 1 and (regions.grown == 1).all() and not regions.labels.any()


@pytest.mark.parametrize("gap", [0, 1, 2, 3, 5, 8, 11])
@pytest.mark.parametrize("width", [1.0, 3.0, 6.0])
@pytest.mark.parametrize("kind", ["strokes", "scan"])
def test_a_figure_with_gaps_falls_into_its_parts(gap, width, kind):
    art, inside = figure(gap, width)
    sketch = rasterize_strokes(art, SIZE)
    if kind == "scan":
        sketch = scanned(sketch)
    regions = segment_regions(sketch, 12)
    sane(sketch, regions)
    parts = {name: at(regions, point) for name, point in inside.items()}
    assert len(set(parts.values())) == len(parts), parts
    assert not len(regions.leaks)
    assert regions.border[parts["background"]] and regions.border[parts["belly"]] and not regions.border[parts["face"]]


@settings(deadline=None, max_examples=60)
@given(
    gap=st.floats(0.5, 12),
    angle=st.floats(0, 6.28),
    radius=st.floats(25, 110),
    width=st.floats(0.5, 9),
    x=st.floats(0, 1),
    kind=st.sampled_from(["strokes", "scan"]),
)
def test_paint_never_leaks_through_a_gap_that_is_closed(gap, angle, radius, width, x, kind):
    sketch = rasterize_strokes(circle((200 + x, 150 - x), radius, gap, angle, width), SIZE)
    sketch = scanned(sketch) if kind == "scan" else sketch
    regions = segment_regions(sketch, 13)
    sane(sketch, regions)
    assert regions.count == 2
    y, x = np.indices(regions.grown.shape)
    distance = np.hypot(x + 0.5 - 200, y + 0.5 - 150)
    inner = at(regions, (200, 150))
    assert (regions.grown[distance < radius - width / 2 - 3] == inner).all()
    assert (regions.grown[distance > radius + width / 2 + 3] != inner).all()


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_scribble_gives_a_sane_map(data):
    points = st.tuples(st.floats(-20, 140), st.floats(-20, 110))
    parts = [
        stroke(
            data.draw(st.lists(points, min_size=1, max_size=6)),
            data.draw(st.floats(0.2, 8)),
            data.draw(st.sampled_from([(0, 0, 0, 255), RED, BLUE, (0, 0, 0, 90)])),
            data.draw(st.booleans()),
        )
        for _ in range(data.draw(st.integers(0, 7)))
    ]
    sketch = rasterize_strokes(drawing(*parts), (120, 90))
    for drawn in (sketch, scanned(sketch)):
        sane(drawn, segment_regions(drawn, data.draw(st.floats(0, 40))))


def test_wider_gaps_stay_open_and_are_reported_where_they_are():
    regions = cut(circle((200, 150), 80, 16, 0.0), gap=8)
    assert regions.count == 1 and len(regions.leaks) == 1
    x, y, width = regions.leaks[0]
    assert (x, y) == pytest.approx((280, 150), abs=4) and width == pytest.approx(16, abs=2.5)


def test_ends_that_point_straight_at_each_other_are_joined_from_a_little_farther():
    halves = drawing(line((-10, 150), (190, 150)), line((200, 150), (410, 150)))
    assert cut(halves, gap=8).count == 2 and cut(halves, gap=5).count == 1
    bent = drawing(line((-10, 110), (191, 148)), line((202, 150), (410, 60)))
    assert cut(bent, gap=7).count == 1


@pytest.mark.parametrize("short", [1, 4, 9])
@pytest.mark.parametrize("kind", ["strokes", "scan"])
def test_lines_that_stop_short_of_the_pictures_edge_are_led_to_it(short, kind):
    sketch = rasterize_strokes(drawing(line((short, 80), (400 - short, 120)), line((150, short), (190, 300 - short))), SIZE)
    assert segment_regions(scanned(sketch) if kind == "scan" else sketch, 10).count == 4


@pytest.mark.parametrize("angle", [0.0, 0.8, 2.5])
def test_a_gap_between_lines_without_ends_is_closed_or_reported(angle):
    for width, closed in ((5, True), (14, False)):
        sketch = rasterize_strokes(circle((200, 150), 80, width, angle, 6), SIZE)
        blind = Sketch(sketch.paint, sketch.lines, sketch.traces, np.zeros((0, 4), np.float32), sketch.id)
        regions = segment_regions(blind, 8)
        sane(blind, regions)
        assert regions.count == (2 if closed else 1) and len(regions.leaks) == (0 if closed else 1)
        if not closed:
            mouth = (200 + 80 * np.cos(angle), 150 + 80 * np.sin(angle), width)
            assert regions.leaks[0] == pytest.approx(mouth, abs=4)


def test_both_leaks_of_one_part_are_reported():
    regions = cut(box(100, 60, 300, 240, gap=14), gap=6)
    assert len(regions.leaks) == 4
    assert sorted(map(tuple, regions.leaks[:, :2].round(-1).tolist())) == [(100, 150), (200, 60), (200, 240), (300, 150)]


def test_a_figure_cut_by_the_edge_is_no_leak_but_a_gap_in_it_is():
    sides = [line((100, 320), (120, 100)), line((300, 320), (280, 100))]
    tight = cut(drawing(*sides, line((120, 100), (280, 100))), gap=4)
    assert not len(tight.leaks) and tight.count == 2
    open_top = cut(drawing(*sides, line((120, 100), (280, 100), 9)), gap=4)
    assert len(open_top.leaks) == 1 and open_top.leaks[0, :2] == pytest.approx((200, 100), abs=3)
    inner_line = cut(drawing(*sides, line((120, 100), (280, 100)), line((200, 200), (200, 320), 12)), gap=4)
    assert not len(inner_line.leaks)


def test_a_bay_of_the_background_is_no_leak():
    comb = drawing(*(line((60 + 40 * i, 60), (60 + 40 * i, 75)) for i in range(6)), line((40, 75), (300, 75)))
    assert not len(cut(comb, gap=4).leaks)


def test_an_end_joins_the_line_ahead():
    art = drawing(box(100, 60, 300, 240), line((110, 150), (300, 150)))
    regions = cut(art, gap=10)
    assert regions.count == 3 and len(regions.closures) == 1
    assert regions.closures[0] == pytest.approx([109, 150, 101, 150], abs=1.6)
    pair = sorted([at(regions, (200, 100)), at(regions, (200, 200))])
    edge = regions.edges.tolist().index(pair)
    assert CROSSINGS[regions.crossing[edge]] == "line" and regions.lengths[edge] > 150


def test_corners_and_tips_close():
    corner = drawing(line((105, 60), (300, 60)), line((300, 60), (300, 240)), line((300, 240), (100, 240)), line((100, 240), (100, 65)))
    assert cut(corner, gap=9).count == 2
    tip = drawing(line((150, 50), (197, 250)), line((250, 50), (203, 250)), line((140, 50), (260, 50)))
    assert cut(tip, gap=9).count == 2


def test_lines_that_run_side_by_side_are_not_joined_at_their_ends():
    hatching = drawing(*(line((150 + 6 * i, 100), (150 + 6 * i, 130), width=1.5) for i in range(8)))
    regions = cut(drawing(circle((200, 150), 120), hatching), gap=10)
    assert regions.count == 2 and not len(regions.closures)


def test_a_line_that_ends_beside_an_outline_does_not_cut_off_what_lies_between():
    assert cut(drawing(box(100, 40, 300, 260, width=2), line((286, 120), (284, 261), width=2)), gap=17).count == 2


def test_over_a_few_pixels_a_line_may_turn_to_the_next_one():
    pocket = drawing(box(100, 40, 300, 260, width=2), line((295, 120), (292, 261), width=2))
    assert cut(pocket, gap=5).count == 3


def test_strands_inside_a_region_vanish_into_it():
    strands = drawing(*(line((130 + 30 * i, 110), (140 + 30 * i, 190), width=2) for i in range(5)))
    sketch = rasterize_strokes(drawing(circle((200, 150), 120), strands), SIZE)
    regions = segment_regions(sketch, 10)
    assert regions.count == 2
    assert (regions.grown[sketch.lines & (regions.grown == at(regions, (200, 150)))].size) > 1000


def test_joins_do_not_cross_ink():
    wall = line((200, 40), (200, 260), width=2)
    facing = drawing(line((120, 150), (196, 150), width=2), line((204, 150), (280, 150), width=2))
    for x0, _, x1, _ in close_gaps(rasterize_strokes(drawing(wall, facing), SIZE), 12):
        assert not min(x0, x1) < 198 < 202 < max(x0, x1)


def test_paint_meets_in_the_middle_of_the_line():
    for width in (3.0, 5.0, 9.0):
        regions = cut(line((-10, 150), (410, 150), width=width))
        split = (regions.grown[:, 200] == regions.grown[0, 200]).sum()
        assert split == pytest.approx(150, abs=1)


def test_a_trace_line_bounds_a_tone():
    regions = cut(drawing(circle((200, 150), 100), line((200, 49), (200, 251), 0, 0.5, 1.5, BLUE)))
    left, right = at(regions, (150, 150)), at(regions, (250, 150))
    edge = regions.edges.tolist().index(sorted([left, right]))
    assert CROSSINGS[regions.crossing[edge]] == "trace"
    outer = regions.edges.tolist().index(sorted([left, at(regions, (5, 5))]))
    assert CROSSINGS[regions.crossing[outer]] == "line"


def test_a_trace_line_that_stops_short_of_the_outline_is_continued():
    regions = cut(drawing(circle((200, 150), 100), line((200, 58), (200, 242), 0, 0.5, 1.0, RED)), gap=12)
    assert regions.count == 3


def test_a_region_parted_by_a_closure_alone_says_so():
    regions = cut(drawing(box(100, 60, 300, 240), line((200, 60), (200, 140)), line((200, 160), (200, 240))), gap=25)
    edge = regions.edges.tolist().index(sorted([at(regions, (150, 150)), at(regions, (250, 150))]))
    assert CROSSINGS[regions.crossing[edge]] == "line"
    dumbbell = drawing(circle((120, 150), 60, 30, 0.0), circle((280, 150), 60, 30, np.pi))
    sides = drawing(line((178, 133), (222, 133)), line((178, 167), (222, 167)))
    assert CROSSINGS.index("closure") not in cut(drawing(dumbbell, sides), gap=4).crossing


def test_a_highlight_stays_and_a_fleck_goes():
    eye = drawing(circle((200, 150), 30, width=2), circle((195, 145), 3, width=1))
    regions = cut(eye)
    assert at(regions, (195, 145)) not in (at(regions, (210, 160)), at(regions, (5, 5)))
    crossing = drawing(line((50, 100), (350, 103.2), width=2), line((50, 103), (350, 100.2), width=2))
    sketch = rasterize_strokes(crossing, SIZE)
    raw = cv2.connectedComponents((~sketch.lines).astype(np.uint8), connectivity=4)[0] - 1
    assert segment_regions(sketch, 0).count <= raw
    assert all(area >= 10 for area in segment_regions(sketch, 0).areas[1:])


def test_diagonal_lines_hold():
    for width in (0.3, 1.0):
        regions = cut(stroke([(0, 0), (400, 300)], width), gap=0)
        assert regions.count == 2
        regions = cut(stroke([(200, 20), (350, 150), (200, 280), (50, 150)], width, cyclic=True), gap=0)
        assert regions.count == 2


def test_the_order_of_strokes_does_not_matter():
    art, inside = figure(5)
    parts = [
        stroke(art.points[a:b], art.widths[a:b], art.colors[a:b], c)
        for a, b, c in zip(art.offsets, art.offsets[1:], art.cyclic, strict=False)
    ]
    one, two = cut(art, 8), cut(drawing(*reversed(parts)), 8)
    assert one.count == two.count
    assert (np.unique(np.stack([one.grown.ravel(), two.grown.ravel()]), axis=1).shape[1]) < one.count * 1.2 + 4


def test_measures():
    regions = cut(box(100, 60, 300, 240, width=2))
    inner = at(regions, (200, 150))
    assert regions.areas[inner] == pytest.approx(198 * 178, rel=0.01)
    assert regions.centroids[inner] == pytest.approx((200, 150), abs=0.6)
    assert regions.boxes[inner] == pytest.approx((101, 61, 198, 178), abs=1)


def test_a_texture_of_dashes_is_left_alone():
    lines = np.zeros((700, 1000), bool)
    lines[::3] = True
    lines[:, ::7] = False
    sketch = Sketch(
        np.dstack([np.zeros((700, 1000, 3), np.uint8), lines * np.uint8(255)]), lines, ~lines & lines, find_skeleton_ends(lines), ""
    )
    assert len(sketch.ends) > 50_000
    assert not len(close_gaps(sketch, 12))
