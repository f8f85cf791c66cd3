"""Vector toons: what is hidden, where lines meet, and the keys of a movement as animators draw them."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from lab.evaluation.inbetween import measure_chamfer
from lab.synthesis import cutout_person
from lab.synthesis.cutout import CutoutPart, draw_line, make_tube
from lab.synthesis.cutout_figure import draw_parts
from lab.synthesis.keys import PLACES, VARIANTS, draw_key_pair
from lab.synthesis.visible import draw_visible_parts, find_junctions, sample_points, split_pieces

SQUARE = np.array([[40.0, 40.0], [60.0, 40.0], [60.0, 60.0], [40.0, 60.0]])


def straight(name, first, last, rows=11):
    return draw_line(name, np.linspace(first, last, rows), 2.0)


def test_lines_end_where_a_part_before_them_begins():
    front = CutoutPart((draw_line("square", SQUARE, 2.0, cyclic=True),), (SQUARE,))
    found = split_pieces(draw_visible_parts([front, CutoutPart((straight("behind", (0, 50), (100, 50)),))]))
    assert [piece[3][0] for piece in found] == [0, 1, 1]
    np.testing.assert_allclose([found[1][0][0], found[1][0][-1]], [[0, 50], [40, 50]], atol=0.01)
    np.testing.assert_allclose([found[2][0][0], found[2][0][-1]], [[60, 50], [100, 50]], atol=0.01)
    np.testing.assert_allclose(found[2][4][[0, -1]], [0.6, 1.0], atol=1e-3)


def test_an_end_behind_a_part_touches_its_outline_and_a_free_one_nothing():
    front = CutoutPart((draw_line("square", SQUARE, 2.0, cyclic=True),), (SQUARE,))
    drawing = draw_visible_parts([front, CutoutPart((straight("behind", (0, 50), (50, 50)),))])
    ((own, place, other, _),) = find_junctions(drawing)
    assert (own, other) == (1, 0)
    assert place == pytest.approx(0.8, abs=1e-3)  # 40 of 50 px


def test_a_closed_line_that_is_half_hidden_is_one_open_stroke_wherever_it_begins():
    turn = np.linspace(0, 2 * np.pi, 65)[:-1]
    for shift in (0.0, 1.0, 2.5, 4.0):
        circle = 50 + 10 * np.stack([np.cos(turn + shift), np.sin(turn + shift)], 1)
        right = np.array([[50.0, 0.0], [100.0, 0.0], [100.0, 100.0], [50.0, 100.0]])
        ((points, _, cyclic, _, _),) = split_pieces(
            draw_visible_parts([CutoutPart((), (right,)), CutoutPart((draw_line("circle", circle, 2.0, cyclic=True),))])
        )
        assert not cyclic
        assert points[:, 0].max() == pytest.approx(50, abs=0.01)
        assert np.linalg.norm(np.diff(points, axis=0), axis=1).sum() == pytest.approx(10 * np.pi, rel=0.01)


def test_what_lies_on_the_far_side_of_its_own_part_is_not_seen():
    depth = np.linspace(1, -1, 21)
    ((points, *_),) = split_pieces(
        draw_visible_parts([CutoutPart((draw_line("round", np.linspace((0, 0), (20, 0), 21), 2.0, depth=depth),))])
    )
    assert points[-1, 0] == pytest.approx(10, abs=0.01)


def test_a_point_of_a_line_is_the_same_in_all_poses():
    """Row for row, a small step of the movement moves points a little."""
    rng = np.random.default_rng(4)
    who, poses = cutout_person.pick_person(rng), cutout_person.pick_poses(rng)
    here, there = ([one for part in draw_parts(who, cutout_person.mix_poses(*poses, at)) for one in part.lines] for at in (0.5, 0.51))
    assert [one.name for one in here] == [one.name for one in there]
    assert len({one.name for one in here}) == len(here)
    assert max(np.abs(a.points - b.points).max() for a, b in zip(here, there, strict=True)) < 3


def test_hands_swing_in_arcs():
    """Halfway, a wrist is as far from its shoulder as in the keys, whereas the middle between the keys' wrists is nearer."""
    rng = np.random.default_rng(4)
    who, (first, _) = cutout_person.pick_person(rng), cutout_person.pick_poses(rng)
    still = {**first, "left_shoulder": -1.2, "left_elbow": 0.0}, {**first, "left_shoulder": 0.3, "left_elbow": 0.0}
    sleeve = []
    for at in (0.0, 0.5, 1.0):
        lines = {one.name: one for part in draw_parts(who, cutout_person.mix_poses(*still, at)) for one in part.lines}
        sleeve.append(lines["left arm outside"].points[-1] - lines["left sleeve outside"].points[0])
    reach = np.linalg.norm(sleeve, axis=1)
    assert reach[1] == pytest.approx(reach[[0, 2]].mean(), rel=0.05)
    assert np.linalg.norm((sleeve[0] + sleeve[2]) / 2) < 0.85 * reach[1]


def test_tubes_have_their_radius_on_either_side():
    straight_tube = make_tube(np.array([[0.0, 0.0], [0.0, 50.0], [0.0, 100.0]]), np.array([10.0, 10.0]))
    np.testing.assert_allclose(straight_tube.map_points(0.5, 1.0)[0] - straight_tube.map_points(0.5, -1.0)[0], -20, atol=1e-6)
    assert straight_tube.trace_side(1, cap=0.1)[0, 0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_pairs_are_the_same_for_the_same_seed(variant):
    one, two = draw_key_pair(3, variant), draw_key_pair(3, variant)
    for a, b in ((one.first, two.first), (one.last, two.last), (one.draw_truth(0.5), two.draw_truth(0.5))):
        assert (a.strokes.points == b.strokes.points).all()
        assert (a.place == b.place).all()
        assert (a.line == b.line).all()


@pytest.mark.parametrize("seed", range(4))
def test_drawings_are_rich(seed):
    one = draw_key_pair(seed, "changing")
    for at in (0.0, *PLACES, 1.0):
        drawing = one.draw_truth(at)
        assert 70 <= len(drawing.strokes) <= 150
        assert len(find_junctions(drawing)) >= 60


def far(a, b):
    """How far the points of one drawing are from the lines of another, px."""
    return cKDTree(sample_points(b, 0.5)[0]).query(sample_points(a, 0.5)[0])[0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_keys_are_the_truth_at_their_own_place(variant):
    one = draw_key_pair(5, variant)
    for key, at in ((one.first, 0.0), (one.last, 1.0)):
        assert far(key, one.draw_truth(at)).mean() < 0.5  # points further apart cut corners
        assert far(one.draw_truth(at), key).mean() < 0.5


def test_at_home_strokes_are_the_same_in_both_keys():
    one = draw_key_pair(5, "home")
    assert (one.first.strokes.offsets == one.last.strokes.offsets).all()
    assert (one.first.line == one.last.line).all()
    for drawing in (one.draw_truth(0.25), one.draw_truth(0.75)):
        assert [piece[3][0] for piece in split_pieces(drawing)] == [piece[3][0] for piece in split_pieces(one.first)]


def test_variants_are_what_they_are_called():
    drawn = {name: draw_key_pair(5, name) for name in VARIANTS}
    home, shuffled, backward, other, split, jittered, changing, _, cut, overlapping, begun = drawn.values()
    names = [[int(piece[3][0]) for piece in split_pieces(one.last)] for one in (home, shuffled)]
    assert names[0] != names[1]
    assert sorted(names[0]) == sorted(names[1])
    turned = [b[4][0] > b[4][-1] for b in split_pieces(backward.last)]
    assert 0.3 < np.mean(turned) < 0.7
    assert (np.diff(other.first.strokes.offsets) != np.diff(other.last.strokes.offsets)).mean() > 0.5
    assert len(split.first.strokes) != len(split.last.strokes)
    assert max(len(set(piece[3])) for piece in split_pieces(split.last)) > 1  # one stroke along two lines
    assert 0.5 < far(jittered.first, home.draw_truth(0.0)).mean() < 2.5
    assert set(changing.first.line) != set(changing.last.line)
    for one in (cut, overlapping, begun):
        assert set(one.first.line) == set(home.first.line)
        assert measure_chamfer(home.first.strokes, one.first.strokes) < 1.5  # the same lines
    assert len(home.first.strokes) < min(len(cut.first.strokes), len(cut.last.strokes)) and len(cut.first.strokes) != len(cut.last.strokes)
    assert np.abs(np.diff([measure_ink(one.first) for one in (home, cut)])) < 0.01 * measure_ink(home.first)
    assert measure_ink(overlapping.first) > 1.05 * measure_ink(home.first)
    assert home.first.strokes.cyclic.any() and not begun.first.strokes.cyclic.any()
    assert len(begun.first.strokes) == len(home.first.strokes)


def measure_ink(drawing) -> float:
    return sum(
        np.hypot(*np.diff(np.concatenate([p, p[:1]]) if cyclic else p, axis=0).T).sum() for p, _, cyclic, _, _ in split_pieces(drawing)
    )
