"""Measures of drawings between keys, on cases whose answers are known."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from engine.drawing.inbetween import InbetweenDrawing
from lab.evaluation.inbetween import LOST, OPEN, dissolve_keys, measure_chamfer, measure_gaps, measure_matches
from lab.synthesis.keys import draw_key_pair
from lab.synthesis.visible import VisibleDrawing, find_junctions, join_pieces


def drawing(*lines, cyclic=()):
    """Lines given by their ends, a point every 5 px; line k of the character is the kth, or what (k, from, to, ends) says."""
    found = []
    for number, one in enumerate(lines):
        own, first, last, ends = one if len(one) == 4 else (number, 0.0, 1.0, one)
        count = round(np.linalg.norm(np.subtract(*ends)) / 5) + 1
        found.append(
            (np.linspace(*ends, count), np.full(count, 2.0), number in cyclic, np.full(count, own), np.linspace(first, last, count))
        )
    return join_pieces(found)


@dataclass(frozen=True, eq=False)
class Still:
    """Keys and the truth between them."""

    first: VisibleDrawing
    last: VisibleDrawing
    middle: VisibleDrawing

    def draw_truth(self, at: float) -> VisibleDrawing:
        return {0.0: self.first, 0.5: self.middle, 1.0: self.last}[at]


def same(key, strokes=None, partner=None):
    """The key itself as a drawing made, of strokes with the same numbers in both keys, or of `partner`s."""
    number = np.arange(len(key.strokes))
    index = np.arange(len(key.line)) - np.repeat(key.strokes.offsets[:-1], np.diff(key.strokes.offsets))
    source = np.stack([number, number if partner is None else partner], 1)
    return InbetweenDrawing(
        strokes or key.strokes, source, np.stack([index, index], 1).astype(np.float32), np.ones(len(number)), np.zeros(len(number), bool)
    )


TEE = drawing(((0, 100), (200, 100)), ((100, 100), (100, 200)))  # a bar, and a post that touches it


def moved(key, stroke, by):
    points = key.strokes.points.copy()
    points[key.strokes.offsets[stroke] : key.strokes.offsets[stroke + 1]] += by
    return replace(key.strokes, points=points)


# --- chamfer ---


def test_the_truth_is_no_distance_away():
    assert measure_chamfer(TEE.strokes, TEE.strokes) == 0


def test_a_line_that_is_five_px_off_is_five_px_away():
    bar = drawing(((0, 100), (200, 100)))
    assert measure_chamfer(bar.strokes, moved(bar, 0, (0, 5))) == pytest.approx(5, abs=1e-3)


def test_what_is_missing_counts_once_and_what_is_too_much_too():
    bars = drawing(((0, 100), (200, 100)), ((0, 130), (200, 130)))
    one = drawing(((0, 100), (200, 100)))
    assert measure_chamfer(bars.strokes, one.strokes) == pytest.approx((0 + 15) / 2)
    assert measure_chamfer(one.strokes, bars.strokes) == pytest.approx((15 + 0) / 2)


def test_lines_count_as_much_as_they_are_opaque():
    bars, one = drawing(((0, 100), (200, 100)), ((0, 130), (200, 130))).strokes, drawing(((0, 100), (200, 100))).strokes
    colors = bars.colors.copy()
    colors[len(colors) // 2 :, 3] = 85  # a third
    assert measure_chamfer(one, replace(bars, colors=colors)) == pytest.approx((30 / 4 + 0) / 2)


def test_how_densely_points_lie_says_nothing():
    coarse = join_pieces([(np.array([[0.0, 100.0], [200.0, 100.0]]), np.full(2, 2.0), False, np.zeros(2), np.array([0.0, 1.0]))])
    other = drawing(((0, 107), (200, 107)))
    assert measure_chamfer(other.strokes, coarse.strokes) == pytest.approx(7, abs=1e-3)


def test_an_empty_drawing_is_a_picture_away():
    assert measure_chamfer(TEE.strokes, join_pieces([]).strokes) == 512


def test_dissolving_keeps_both_keys_where_they_are():
    bar, low = drawing(((0, 100), (200, 100))), drawing(((0, 120), (200, 120)))
    still = Still(bar, low, drawing(((0, 110), (200, 110))))
    assert measure_chamfer(still.draw_truth(0.5).strokes, dissolve_keys(still, 0.5).strokes) == pytest.approx(10, abs=1e-3)
    assert measure_chamfer(still.draw_truth(0.0).strokes, dissolve_keys(still, 0.0).strokes) == 0


# --- junctions ---


def test_a_tee_has_one_junction():
    np.testing.assert_allclose(find_junctions(TEE), [[1, 0, 0, 0.5]], atol=0.01)


def test_strokes_that_still_meet_leave_no_gap_wherever_they_are():
    still = Still(TEE, TEE, TEE)
    everywhere = replace(TEE.strokes, points=TEE.strokes.points + 50)
    for strokes in (TEE.strokes, everywhere):
        np.testing.assert_allclose(measure_gaps(still, 0.5, same(TEE, strokes)), [0, 0], atol=1e-4)


@pytest.mark.parametrize("by", [2.0, 7.5, 60.0])
def test_a_gap_is_as_wide_as_it_is_up_to_a_bound(by):
    found = measure_gaps(Still(TEE, TEE, TEE), 0.5, same(TEE, moved(TEE, 1, (0, by))))
    np.testing.assert_allclose(found, [min(by, LOST)] * 2, atol=1e-3)


def test_ends_that_slide_along_a_line_still_touch_it():
    np.testing.assert_allclose(measure_gaps(Still(TEE, TEE, TEE), 0.5, same(TEE, moved(TEE, 1, (60, 0)))), 0, atol=1e-4)


def test_a_junction_without_one_of_its_strokes_is_lost():
    only = drawing(((0, 100), (200, 100)))
    np.testing.assert_array_equal(measure_gaps(Still(TEE, TEE, TEE), 0.5, same(only)), [LOST, LOST])
    colors = TEE.strokes.colors.copy()
    colors[-10:, 3] = 0
    assert (
        measure_gaps(Still(TEE, TEE, TEE), 0.5, same(TEE, replace(TEE.strokes, colors=colors))) == 0
    ).all()  # its far end, which meets nothing
    colors[:] = 0
    assert (measure_gaps(Still(TEE, TEE, TEE), 0.5, same(TEE, replace(TEE.strokes, colors=colors))) == LOST).all()


def test_a_wrong_match_tears_a_junction_on_the_side_of_one_key_only():
    """The post is made of the first key's post and the last key's ledge: from there nobody knows of a post."""
    key = drawing(((0, 100), (200, 100)), ((100, 100), (100, 200)), ((0, 300), (100, 300)))
    made = same(key, partner=np.array([0, 2, 1]))
    first, last = measure_gaps(Still(key, key, key), 0.5, made)
    assert first == pytest.approx(0, abs=1e-4)
    assert last == LOST  # what is made of the last key's post lies 200 px away


def test_what_is_drawn_in_one_go_is_joined():
    corner = drawing(((0, 100), (100, 100)), ((100, 100), (100, 200)))
    points = np.concatenate([corner.strokes.points[:21], corner.strokes.points[22:]])
    line, place = (np.concatenate([values[:21], values[22:]]) for values in (corner.line, corner.place))
    once = join_pieces([(points, np.full(len(points), 2.0), False, line, place)])
    np.testing.assert_allclose(measure_gaps(Still(once, once, corner), 0.5, same(once)), 0, atol=1e-4)


def test_junctions_that_a_key_does_not_have_are_not_asked_of_it():
    apart = drawing(((0, 100), (200, 100)), ((100, 140), (100, 200)))
    assert len(measure_gaps(Still(TEE, apart, TEE), 0.5, same(TEE))) == 1


# --- matches ---


def test_right_matches_are_right():
    found = measure_matches(Still(TEE, TEE, TEE), same(TEE))
    assert (found.right, found.found) == (pytest.approx(1), pytest.approx(1))
    assert found.sure.tolist() == [1, 1]


def test_the_share_of_right_matches_is_by_length():
    key = drawing(((0, 100), (200, 100)), ((100, 100), (100, 200)), ((0, 300), (100, 300)))
    found = measure_matches(Still(key, key, key), same(key, partner=np.array([0, 2, 1])))
    assert found.right == pytest.approx(0.5)
    assert found.found == pytest.approx(41 / 83)
    assert found.sure.tolist() == [1, 0, 0]


def test_a_line_drawn_backwards_by_mistake_is_wrong_but_in_its_middle():
    made = same(TEE)
    place = made.place.copy()
    place[41:, 1] = place[41:, 1][::-1]
    found = measure_matches(Still(TEE, TEE, TEE), replace(made, place=place))
    assert found.right == pytest.approx((200 + 20) / 300, abs=0.05)
    assert found.sure.tolist() == [1, 0]


def test_no_partner_is_right_where_there_is_none():
    key, other = TEE, drawing((0, 0.0, 1.0, ((0, 100), (200, 100))))
    made = replace(same(key), source=np.array([[0, 0], [1, -1]]))
    assert measure_matches(Still(key, other, key), made).sure.tolist() == [1, 1]
    assert measure_matches(Still(key, key, key), made).sure.tolist() == [1, 0]


def test_closed_lines_may_begin_anywhere():
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    ring = join_pieces([(30 * np.stack([np.cos(turn), np.sin(turn)], 1) + 100, np.full(24, 2.0), True, np.zeros(24), np.arange(24) / 24)])
    made = same(ring)
    place = made.place.copy()
    place[:, 1] = (place[:, 1] + 11.5) % 24
    found = measure_matches(Still(ring, ring, ring), replace(made, place=place))
    assert found.right == pytest.approx(1)
    assert found.found == pytest.approx(1)


# --- toons ---


@pytest.mark.parametrize("variant", ["home", "split", "resampled", "changing", "all"])
def test_a_dissolve_tears_nothing(variant):
    """Both keys are whole in it, and every stroke of theirs is known, however it was cut, merged or turned."""
    one = draw_key_pair(3, variant)
    assert np.mean(measure_gaps(one, 0.5, dissolve_keys(one, 0.5)) > OPEN) < 0.04


def test_the_truth_of_a_toon_moves_away_from_its_keys():
    one = draw_key_pair(3, "changing")
    halfway = [measure_chamfer(one.draw_truth(0.5).strokes, dissolve_keys(one, at).strokes) for at in (0.0, 0.5, 1.0)]
    assert min(halfway) > 2
