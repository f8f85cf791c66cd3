"""Every number of an evaluation, on cases whose answer is known."""

import math

import cv2
import numpy as np
import pytest
import torch
from drawings import box, drawing, line
from PIL import Image

from engine.drawing.regions import segment_regions
from engine.drawing.sketch import strokes
from engine.drawing.sketch.raster import rasterize_strokes
from lab.evaluation import autofill, baselines, gaps, mistakes, open_lines, shots
from lab.evaluation.clicks import CorrectionClick, count_clicks
from lab.evaluation.metrics import (
    UNKNOWN,
    average_accuracies,
    count_flicker,
    encode_colors,
    find_majority,
    find_neighbors,
    find_true_regions,
    measure_accuracy,
    measure_calibration,
    measure_purity,
)
from lab.evaluation.mistakes import PaintComparison
from lab.evaluation.tasks import PaintTask, TaskReference, list_tasks
from lab.synthesis import ToonPlan, draw_scenes, stage_scene

RED, GREEN, BLUE, BROWN = (
    int(encode_colors(np.array([color], np.uint8))[0]) for color in ((200, 0, 0, 255), (0, 200, 0, 255), (0, 0, 200, 255), (90, 60, 0, 255))
)
NOTHING = 0


def stripes(*columns: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Codes (20, W) of stripes (code, width) with a line a pixel wide between them, and these lines."""
    truth = np.concatenate([np.full((20, width + 1), code, np.uint32) for code, width in columns], 1)[:, :-1]
    ink = np.zeros(truth.shape, bool)
    ink[:, np.cumsum([width + 1 for _, width in columns])[:-1] - 1] = True
    return truth, ink


def test_transparent_colors_are_one():
    found = encode_colors(np.array([[1, 2, 3, 0], [9, 9, 9, 0], [1, 2, 3, 255], [1, 2, 4, 255]], np.uint8))
    assert found[0] == found[1] == 0 and len(set(found.tolist())) == 3


def test_true_regions_are_apart_by_lines_and_by_color():
    truth, ink = stripes((NOTHING, 10), (RED, 10), (RED, 10))
    truth[:10, :10] = BLUE
    regions = find_true_regions(truth, ink)
    assert regions.max() == 4
    assert (regions[ink] == 0).all()
    assert len({regions[2, 2], regions[15, 2], regions[5, 15], regions[5, 27]}) == 4


def test_neighbors_are_across_a_line():
    truth, ink = stripes((NOTHING, 10), (RED, 10), (GREEN, 10))
    assert [near.tolist() for near in find_neighbors(find_true_regions(truth, ink))] == [[], [2], [1, 3], [2]]


def test_slivers_beside_a_line_are_no_regions():
    truth, ink = stripes((NOTHING, 10), (RED, 10))
    truth[:, 8:11] = RED  # the line strayed by two pixels
    assert find_true_regions(truth, ink).max() == 2


def test_accuracy_by_hand():
    truth, ink = stripes((NOTHING, 40), (RED, 30), (GREEN, 20), (BLUE, 10))
    paint = truth.copy()
    paint[truth == BLUE] = RED
    paint[:5, :40][~ink[:5, :40]] = RED  # a quarter of the background, which stays background by majority
    found = measure_accuracy(truth, paint, find_true_regions(truth, ink), ink)
    assert found.acc == pytest.approx(3 / 4)
    assert found.pix == pytest.approx((2000 - 200 - 200) / 2000)
    assert found.pix_f == pytest.approx(1000 / 1200)
    assert found.b_miou == pytest.approx(600 / 800)


def test_lines_count_nowhere():
    truth, ink = stripes((NOTHING, 40), (RED, 30))
    paint = np.where(ink, BLUE, truth).astype(np.uint32)
    found = measure_accuracy(truth, paint, find_true_regions(truth, ink), ink)
    assert found == measure_accuracy(truth, truth, find_true_regions(truth, ink), ink)
    assert found.acc == found.pix == found.pix_f == found.b_miou == 1


def test_the_threshold_is_ten_pixels():
    truth = np.zeros((40, 40), np.uint32)
    truth[2:5, 2:5] = RED  # 9 px
    truth[10:14, 10:13] = GREEN  # 12 px
    ink = np.zeros(truth.shape, bool)
    paint = truth.copy()
    paint[truth == RED] = BLUE
    found = measure_accuracy(truth, paint, find_true_regions(truth, ink), ink)
    assert found.acc == pytest.approx(2 / 3) and found.acc_thr == 1


def test_what_is_left_unpainted_is_never_right():
    truth, ink = stripes((NOTHING, 40), (RED, 30))
    paint = np.full(truth.shape, UNKNOWN)
    assert measure_accuracy(truth, paint, find_true_regions(truth, ink), ink).acc == 0
    assert math.isnan(measure_purity(paint, np.array([RED]), ink))


def test_drawings_count_alike_and_no_background_counts_nothing():
    truth, ink = stripes((RED, 30), (GREEN, 30))
    whole = measure_accuracy(truth, truth, find_true_regions(truth, ink), ink)
    wrong = measure_accuracy(truth, np.full_like(truth, BLUE), find_true_regions(truth, ink), ink)
    assert math.isnan(whole.b_miou)
    assert average_accuracies([whole, wrong]).acc == 0.5 and math.isnan(average_accuracies([whole, wrong]).b_miou)


def test_purity_is_the_share_of_swatches():
    paint, ink = stripes((NOTHING, 40), (RED, 30), (BROWN, 10))
    assert measure_purity(paint, np.array([RED, NOTHING]), ink) == pytest.approx(0.75)


def test_flicker_sees_a_region_that_changes_its_color():
    truth, ink = stripes((NOTHING, 40), (RED, 30), (GREEN, 20))
    regions = find_true_regions(truth, ink)
    paint = truth.copy()
    paint[truth == GREEN] = BLUE
    assert count_flicker([truth] * 3, [truth, paint, paint], [regions] * 3) == (1, 6)
    assert count_flicker([truth] * 3, [paint] * 3, [regions] * 3) == (0, 6)  # wrong, but steady
    recolored = np.where(truth == GREEN, BLUE, truth).astype(np.uint32)  # the true color changes: no flicker
    assert count_flicker([truth, recolored], [truth, recolored], [regions] * 2) == (0, 2)


def test_flicker_follows_a_region_that_moves():
    truth, ink = stripes((NOTHING, 40), (RED, 30), (NOTHING, 40))
    moved, moved_ink = stripes((NOTHING, 48), (RED, 30), (NOTHING, 32))
    paint = np.where(moved == RED, BLUE, moved).astype(np.uint32)
    assert count_flicker([truth, moved], [truth, paint], [find_true_regions(truth, ink), find_true_regions(moved, moved_ink)]) == (1, 3)


def test_calibration():
    confidence = np.repeat([0.95, 0.55], 100)
    right = np.concatenate([np.arange(100) < 95, np.arange(100) < 55])
    assert measure_calibration(confidence, right, 0.6).ece == pytest.approx(0, abs=1e-9)
    sure_of_all = measure_calibration(np.full(200, 0.95), right, 0.6)
    assert sure_of_all.ece == pytest.approx(0.2) and sure_of_all.sure == 1 and sure_of_all.sure_right == 0.75
    found = measure_calibration(confidence, right, 0.6)
    assert (found.unknown, found.painted_right, found.sure, found.sure_right) == (0.5, 0.95, 0.5, 0.95)


# --- clicks and mistakes ----------------------------------------------------------------------------------------------


def scene(truth, ink, paint, labels=None):
    regions = find_true_regions(truth, ink)
    return PaintComparison(truth, paint, ink, regions, find_neighbors(regions), regions if labels is None else labels)


def test_a_click_for_each_wrong_region():
    truth, ink = stripes((NOTHING, 40), (RED, 30), (GREEN, 20), (BLUE, 10))
    paint = np.where((truth == GREEN) | (truth == BLUE), RED, truth).astype(np.uint32)
    assert count_clicks([scene(truth, ink, truth), scene(truth, ink, paint)]) == [0, 2]


def test_the_largest_wrong_region_is_touched_first_and_all_is_solved_again():
    truth, ink = stripes((NOTHING, 40), (RED, 30), (GREEN, 20), (BLUE, 10))
    paint = np.where(truth > 0, BROWN, truth).astype(np.uint32)
    asked: list[list[CorrectionClick]] = []

    def solve(hints):
        asked.append(list(hints))
        return [truth, truth]  # one hint is enough for both drawings

    assert count_clicks([scene(truth, ink, paint)] * 2, solve) == [1, 0]
    (hint,) = asked[0]
    assert hint.number == 0 and hint.color == RED
    x, y = hint.point
    assert truth[y, x] == RED and not ink[y, x] and 45 < x < 66


def test_clicks_end_where_a_solver_does_not_listen():
    truth, ink = stripes((NOTHING, 40), (RED, 30), (GREEN, 20))
    paint = np.zeros_like(truth)
    assert count_clicks([scene(truth, ink, paint)], lambda hints: [paint]) == [2]


def test_kinds_of_mistakes():
    truth, ink = stripes((NOTHING, 20), (RED, 20), (GREEN, 20), (BLUE, 20), (BROWN, 20), (RED, 20), (NOTHING, 20))
    shadow, twin = RED - 1, GREEN - 1
    truth[:, 105:125] = shadow
    starts = {name: slice(start, start + 20) for name, start in zip("nrgbBsN", range(0, 147, 21), strict=True)}
    paint = truth.copy()
    paint[:, starts["r"]] = twin  # a neighbor's... no: nowhere near
    paint[:, starts["g"]] = twin
    paint[:, starts["b"]] = BROWN
    paint[:, starts["s"]] = RED
    paint[:, starts["N"]] = RED
    labels = find_true_regions(truth, ink)
    materials = {RED: "shirt", shadow: "shirt", GREEN: "iris", twin: "other iris 1", BLUE: "hair", BROWN: "belt"}
    palette = np.array([NOTHING, RED, GREEN, BLUE, shadow, twin])
    area, right, names = mistakes.classify_mistakes(scene(truth, ink, paint, labels), palette, materials)
    assert names == ["", "elsewhere", "twin", "neighbor", "", "tone", "background"]
    assert right.tolist() == [not name for name in names] and (area == 400).all()
    lost = mistakes.classify_mistakes(scene(truth, ink, np.full_like(truth, RED), labels), palette, materials)[2]
    assert lost[4] == "lost"
    joined = np.where(np.isin(labels, labels[5, [5, 90, 140]]), labels[5, 5], labels)  # brown is taken for a part of the background
    kinds = mistakes.classify_mistakes(scene(truth, ink, np.full_like(truth, RED), joined), np.append(palette, BROWN), materials)[2]
    assert kinds[4] == "merged"
    ink[5, 83] = False  # and now there is a gap in the line between them
    kinds = mistakes.classify_mistakes(scene(truth, ink, np.full_like(truth, RED), joined), np.append(palette, BROWN), materials)[2]
    assert kinds[4] == "leak"


def test_classes_of_size():
    assert mistakes.classify_sizes(np.array([5, 40, 100, 3000]), 1.0).tolist() == [0, 1, 1, 4]
    assert mistakes.classify_sizes(np.array([160]), 4.0).tolist() == [1]


# --- gaps -------------------------------------------------------------------------------------------------------------


def cut(*parts, gap=12.0):
    drawn = rasterize_strokes(drawing(*parts), (200, 160))
    return drawn, segment_regions(drawn, gap)


def test_closures_and_gaps_are_counted():
    whole, target = cut(box(40, 40, 160, 120), gap=0.0)
    damaged, closed = cut(box(40, 40, 160, 120, gap=8))
    places = np.array([[100, 40, 8], [160, 80, 8], [100, 120, 8], [40, 80, 8]], float)
    assert gaps.score_closures(closed.closures, places, whole.lines, target.labels, damaged.lines) == (1.0, 1.0)
    stray = np.array([[80, 40, 80, 120]], np.float32)  # right across the box
    precision, recall = gaps.score_closures(np.concatenate([closed.closures[:3], stray]), places, whole.lines, target.labels, damaged.lines)
    assert (precision, recall) == (0.75, 0.75)


def test_gaps_that_let_nothing_through_do_not_count():
    whole, target = cut(box(40, 40, 160, 120), line((70, 80), (130, 80)), gap=0.0)
    damaged, closed = cut(box(40, 40, 160, 120), line((70, 80), (130, 80), gap=8))
    precision, recall = gaps.score_closures(closed.closures, np.array([[100.0, 80, 8]]), whole.lines, target.labels, damaged.lines)
    assert math.isnan(recall) and math.isnan(precision)


def test_boundaries_and_ceiling():
    whole, target = cut(box(40, 40, 160, 120), gap=0.0)
    _, shifted = cut(box(42, 40, 162, 120), gap=0.0)
    damaged, leaking = cut(box(40, 40, 160, 120, gap=8), gap=0.0)
    assert gaps.score_boundaries(target.grown, target.grown) == gaps.score_boundaries(shifted.grown, target.grown) == 1
    assert gaps.score_boundaries(leaking.grown, target.grown) == 0
    split, halves = cut(box(40, 40, 160, 120), line((100, 40), (100, 120)), gap=0.0)
    found = gaps.score_boundaries(halves.grown, target.grown)
    assert 0.8 < found < 0.95  # all of the truth is found, and a fifth too much
    truth = np.zeros((160, 200), np.uint32)
    truth[40:121, 40:161] = RED
    assert gaps.measure_ceiling(target, truth, whole) == 1 and gaps.measure_ceiling(leaking, truth, damaged) == 0
    truth[40:121, 100:161] = BLUE
    assert gaps.measure_ceiling(halves, truth, split) == 1
    assert gaps.measure_ceiling(target, truth, whole) == pytest.approx(0.5, abs=0.02)


# --- shots, tasks and simple methods ----------------------------------------------------------------------------------


def shot_of(tmp_path, *corners) -> shots.EvaluationShot:
    """Two boxes side by side, in red and blue, at some places."""
    frames = []
    for number, (left, top) in enumerate(corners):
        path = tmp_path / f"{number}.npz"
        strokes.save_strokes(drawing(box(left, top, left + 60, top + 60), box(left + 60, top, left + 100, top + 60)), path)
        colors = np.zeros((160, 200, 4), np.uint8)
        colors[top : top + 60, left : left + 60] = (200, 0, 0, 255)
        colors[top : top + 60, left + 60 : left + 100] = (0, 0, 200, 255)
        frames.append(shots.EvaluationFrame(path, colors, 12.0))
    return shots.EvaluationShot("boxes", "boxes", frames, None, {})


def score(task: PaintTask, colors: list[np.ndarray]) -> float:
    found = []
    for number, given in zip(task.scored_frames, colors, strict=True):
        frame = task.get_frame(number)
        ink = frame.sketch.lines
        found.append(measure_accuracy(frame.truth, encode_colors(given), find_true_regions(frame.truth, ink), ink))
    return average_accuracies(found).acc


def test_tasks_leave_out_what_is_given(tmp_path):
    found = {task.scenario: task for task in list_tasks(shot_of(tmp_path, (20, 20), (24, 20), (28, 22), (30, 24)), 1)}
    assert set(found) == {"consecutive", "first key", "two keys"}
    assert (
        found["consecutive"].scored_frames == [1]
        and found["first key"].scored_frames == [1, 2, 3]
        and found["two keys"].scored_frames == [1, 2]
    )
    assert found["two keys"].find_nearest_reference(2).frame == 3


def test_simple_methods_on_a_small_move(tmp_path):
    (task,) = (task for task in list_tasks(shot_of(tmp_path, (20, 20), (28, 24)), 1) if task.scenario == "consecutive")
    there = baselines.choose_references(task)
    moved, copied = baselines.warp_references(task, there), baselines.copy_references(there)
    assert score(task, copied) == 1  # by majority
    assert score(task, moved) == score(task, baselines.fill_by_majority(task, moved)) == score(task, autofill.autofill_drawings(task)) == 1
    same = (encode_colors(moved[0]) == task.get_frame(1).truth)[~task.get_frame(1).sketch.lines].mean()
    left = (encode_colors(copied[0]) == task.get_frame(1).truth)[~task.get_frame(1).sketch.lines].mean()
    assert same > 0.99 > left


def test_simple_methods_on_a_leap(tmp_path):
    shot = shot_of(tmp_path, (5, 5), (95, 90))
    task = PaintTask(shot, "consecutive", (0, 1), (TaskReference(shot.draw_picture(0), 0),))
    assert score(task, baselines.copy_references(baselines.choose_references(task))) < 0.5
    assert score(task, autofill.autofill_drawings(task)) == 1  # size and shape are enough


def test_a_clip_is_read_as_its_makers_write_it(tmp_path):
    boxes = shot_of(tmp_path, (20, 20), (28, 24), (36, 30))
    clip = tmp_path / "clips/somebody"
    for number, frame in enumerate(boxes.frames):
        shots.save_picture(clip / f"line/{number:04d}.png", frame.sketch.paint)
        if number != 1:
            shots.save_picture(clip / f"gt/{number:04d}.png", boxes.draw_picture(number))
    numbers = segment_regions(boxes.frames[2].sketch, 12.0).labels
    Image.fromarray(np.dstack([numbers * 0, numbers * 0, numbers]).astype(np.uint8)).save((clip / "seg").mkdir() or clip / "seg/0002.png")
    shots.save_picture(clip / "ref/turn.png", boxes.draw_picture(0))
    (found,) = shots.read_clips(tmp_path / "clips")
    assert found.name == "somebody" and len(found.frames) == 2 and not found.painted
    assert found.frames[0].cut is None and np.array_equal(found.frames[1].cut, numbers)
    assert np.array_equal(found.sheet, boxes.draw_picture(0))
    assert np.array_equal(found.draw_picture(1), boxes.draw_picture(2))
    wanted, _, _ = find_majority(found.frames[1].cut, found.frames[1].truth)
    assert set(wanted[1:].tolist()) == {0, RED, BLUE}


@pytest.mark.parametrize("made", [[], ["line"], ["line", "gt"]])
def test_folders_without_a_clip_are_told(tmp_path, made):
    for name in made:
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / f"{name}.png"), np.zeros((32, 32), np.uint8))
    with pytest.raises(shots.BadInput):
        shots.read_clips(tmp_path)


def test_lines_are_opened_as_it_is_asked_and_nothing_else_changes(tmp_path):
    scene = stage_scene(7, ToonPlan("puppet", (256, 256), drawings=1, damage=0.0))
    whole, *opened = draw_scenes([scene, *(open_lines.open_scene_lines(scene, kind) for kind in ("48 px", "strokes missing"))])
    ink = whole.lines.paint[0, ..., 3] > 0
    for sample in opened:
        left = sample.lines.paint[0, ..., 3] > 0
        assert torch.equal(sample.swatch, whole.swatch) and 0.5 * ink.sum() < left.sum() < ink.sum() and not (left & ~ink).any()
    assert not len(whole.gaps) and len(opened[0].gaps) and opened[0].gaps[:, 3] == pytest.approx(48 * 256 / 1080)
