"""Parts of a drawing behind wide gaps: found in the lines, and judged together."""

import numpy as np
import pytest
from drawings import box, circle, drawing, figure, line, stroke

from engine.drawing.regions import find_pockets, find_sides, segment_regions
from engine.drawing.sketch import Sketch
from engine.drawing.sketch.ends import find_skeleton_ends
from engine.drawing.sketch.raster import rasterize_strokes
from engine.matching.cells import CellBorder, judge_borders, settle_cells

SIZE = (640, 360)
GAP = 4.0


def find(art, size=SIZE, scanned=False):
    sketch = rasterize_strokes(art, size)
    if scanned:
        sketch = Sketch(sketch.paint, sketch.lines, sketch.traces, find_skeleton_ends(sketch.lines), sketch.id)
    regions = segment_regions(sketch, GAP)
    return sketch, regions, find_pockets(sketch, regions.grown, GAP)


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("gap", [6, 12, 30, 60, 90])
@pytest.mark.parametrize("scanned", [False, True])
def test_a_pocket_is_found_behind_a_gap_of_any_width_and_can_be_cut_off(scale, gap, scanned):
    art = circle((320 * scale, 180 * scale), 90 * scale, gap * scale, 0.4, 3.0 * scale)
    sketch, regions, pockets = find(art, (640 * scale, 360 * scale), scanned)
    assert regions.count == 1 and len(pockets.joins) == 1
    x, y, width = pockets.gaps[0]
    away = 90 * scale * np.sqrt(1 - (gap / 180) ** 2)
    assert (x, y) == pytest.approx((320 * scale + away * np.cos(0.4), 180 * scale + away * np.sin(0.4)), abs=4 * scale)
    assert width == pytest.approx(gap * scale, abs=4 * scale)
    cut = segment_regions(sketch, GAP, pockets.joins)
    one, two = find_sides(pockets.joins, cut.grown)[0]
    assert cut.count == 2 and {one, two} == {1, 2}
    assert cut.grown[180 * scale, 320 * scale] != cut.grown[5, 5]


def test_a_pocket_behind_lines_without_ends_is_found():
    sketch = rasterize_strokes(circle((320, 180), 90, 40, 0.4), SIZE)
    blind = Sketch(sketch.paint, sketch.lines, sketch.traces, np.zeros((0, 4), np.float32), sketch.id)
    pockets = find_pockets(blind, segment_regions(blind, GAP).grown, GAP)
    assert len(pockets.joins) == 1 and pockets.gaps[0, 2] == pytest.approx(40, abs=5)


def test_both_mouths_of_a_pocket_are_found():
    _, _, pockets = find(box(200, 80, 440, 280, gap=30))
    assert len(pockets.joins) == 4


@pytest.mark.parametrize(
    "art",
    [
        drawing(),
        circle((320, 180), 90),
        figure(0.0, x=120, y=60)[0],
        stroke([(280, 200), (300, 160), (320, 210), (420, 90)]),
        line((-10, 200), (650, 210)),
        drawing(*(line((40, 60 + 30 * i), (600, 64 + 30 * i)) for i in range(8))),
        stroke(np.array([(320, 180)]) + 90 * np.stack([np.cos(t := np.linspace(0, 3.3, 40)), np.sin(t)], 1)),
    ],
    ids=["nothing", "circle", "figure", "check mark", "horizon", "hatching", "half a circle"],
)
def test_what_is_closed_or_encloses_nothing_has_no_pocket(art):
    assert not len(find(art)[2].joins)


def test_cells_that_are_hardly_open_to_each_other_wear_what_each_looks_like():
    probs = np.array([[1, 0, 0], [0.02, 0.97, 0.01], [0.95, 0.04, 0.01]], np.float32)
    settled = settle_cells(probs, [CellBorder(1, 2, 0.02)])
    assert settled.argmax(1).tolist() == [0, 1, 0] and settled[1, 1] > 0.9


def test_a_cell_that_is_wide_open_is_heard_together_with_its_neighbor():
    probs = np.array([[1, 0, 0], [0.35, 0.64, 0.01], [0.98, 0.01, 0.01]], np.float32)
    assert settle_cells(probs, [CellBorder(1, 2, 0.4)]).argmax(1).tolist() == [0, 0, 0]


def test_cells_are_settled_exactly_where_borders_make_no_ring():
    rng = np.random.default_rng(3)
    probs = rng.dirichlet(np.ones(3), 4).astype(np.float32)
    borders = [CellBorder(1, 2, 0.05), CellBorder(2, 3, 0.2)]
    weight = np.zeros((3, 3, 3))
    for one, two, three in np.ndindex(3, 3, 3):
        cost = 12.0 * (0.05 * (one != two) + 0.2 * (two != three))
        weight[one, two, three] = probs[1, one] * probs[2, two] * probs[3, three] * np.exp(-cost)
    weight /= weight.sum()
    settled = settle_cells(probs, borders)
    for cell, axes in ((1, (1, 2)), (2, (0, 2)), (3, (0, 1))):
        assert settled[cell] == pytest.approx(weight.sum(axes), abs=1e-5)
    assert settled[0] == pytest.approx(probs[0], abs=1e-6)


def test_gaps_are_judged_by_what_lies_beside_them():
    probs = np.array([[1, 0, 0], [0.2, 0.8, 0], [0.99, 0.01, 0], [0.01, 0.99, 0], [0.3, 0.7, 0]], np.float32)
    borders = [CellBorder(1, other, 0.02) for other in (2, 3, 4)]
    verdict = judge_borders(probs, borders, np.array([False, True, False, False, False]), clear=0)
    assert verdict.parted.tolist() == [False, True, False] and verdict.open.tolist() == [False, False, True]
