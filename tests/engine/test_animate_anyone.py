"""The parts of Animate Anyone around its networks: proportions, framing, the reference's background, mattes and swatches, windows."""

import json
import math

import cv2
import numpy as np
import pytest
from animate_shots import PAINT, pose, sheet
from PIL import Image

from engine.job.errors import BadInput
from engine.job.pose import Pose, parse_pose, read_pose
from engine.models.animate_anyone import alignment, figure, finish, framing, pipeline, pose_image
from lab.synthesis import ToonPlan, draw_sample


def length(one: Pose, a: int, b: int) -> float:
    first, second = one.body[a], one.body[b]
    assert first and second
    return math.dist(first, second)


# --- poses --------------------------------------------------------------------------------------------------------


def test_a_pose_survives_its_file(tmp_path):
    hand = tuple((float(i), 2.0 * i) if i % 3 else None for i in range(21))
    one = Pose(pose(0.1).body, left_hand=hand, face=tuple((1.5, float(i)) for i in range(68)))
    (tmp_path / "a.json").write_text(json.dumps(one.json() | {"size": [640, 360]}), encoding="utf-8")
    again, size = read_pose(tmp_path / "a.json")
    assert size == (640, 360) and again.right_hand == () and again.left_hand == hand and again.face == one.face
    assert all(math.dist(a, b) < 0.01 for a, b in zip(again.body, one.body, strict=True))
    with pytest.raises(ValueError, match="22 points instead of 21"):
        parse_pose({"body": [None] * 18, "left_hand": [None] * 22})
    with pytest.raises(ValueError, match="two numbers or null"):
        parse_pose({"body": [[float("nan"), 1]] * 18})


def test_poses_are_drawn_at_the_size_of_the_training():
    """A pose is drawn with the same widths and at the same relative place, whatever the picture's size."""
    assert pose_image.find_training_size((1920, 1080)) == (896, 512) and pose_image.find_training_size((768, 1152)) == (512, 768)
    small, large = (
        pose_image.draw_training_pose(pose(0.0), (160, 160)),
        pose_image.draw_training_pose(pose(0.0, 800, 200, 1000), (1600, 1600)),
    )
    assert small.shape == large.shape == (512, 512, 3)
    assert (small != large).any(axis=2).mean() < 0.005
    assert not pose_image.draw_training_pose(Pose((None,) * 18), (160, 160)).any()


# --- proportions --------------------------------------------------------------------------------------------------


def test_poses_take_the_proportions_of_the_drawing():
    """Bones get the lengths of the drawing's at one scale and keep their directions. The feet stay in place."""
    drawing = pose(0.0, x=300, y=100, tall=200, head=2.5)
    shot = [pose(number / 9, x=80 + 3 * number) for number in range(9)]
    found = alignment.fit_alignment(drawing, shot)
    made = [found.align_pose(one) for one in shot]
    for a, b in ((1, 0), (0, 14), (2, 3), (9, 10)):
        longest = max(length(one, a, b) for one in made)
        assert longest == pytest.approx(found.scale * length(drawing, a, b), rel=0.06), (a, b)
    for old, new in zip(shot, made, strict=True):
        assert max(y for _, y in (new.body[10], new.body[13])) == pytest.approx(max(y for _, y in (old.body[10], old.body[13])))
        for a, b in alignment.LIMBS:
            turns = [math.atan2(one.body[b][1] - one.body[a][1], one.body[b][0] - one.body[a][0]) for one in (old, new)]
            assert turns[0] == pytest.approx(turns[1], abs=1e-6)
    x, y = alignment.place_reference(drawing, made, found.scale)
    here = np.array(drawing.body) * found.scale + (x, y)
    assert np.abs(here - np.array(made[4].body)).max() < 40


def test_a_drawing_of_the_same_proportions_changes_nothing():
    shot = [pose(number / 9) for number in range(9)]
    found = alignment.fit_alignment(shot[0].map_points(lambda at: (3 * at[0], 3 * at[1])), shot)
    assert found.scale == pytest.approx(1 / 3, rel=0.05)
    made = found.align_pose(shot[2])
    assert max(math.dist(a, b) for a, b in zip(made.body, shot[2].body, strict=True)) < 8


def test_what_is_not_seen_stays_unseen():
    drawing, one = pose(0.0, head=2.0), pose(0.2)
    half = Pose(
        tuple(point if index in (0, 1, 2, 3, 5, 14) else None for index, point in enumerate(one.body)), right_hand=((5.0, 5.0),) * 21
    )
    found = alignment.fit_alignment(drawing, [half])
    made = found.align_pose(half)
    assert [point is None for point in made.body] == [point is None for point in half.body]
    lonely = Pose(tuple(point if index in (10, 17) else None for index, point in enumerate(one.body)))
    assert found.align_pose(lonely) == lonely
    same = alignment.fit_alignment(Pose((None,) * 18), [one]).align_pose(one)
    assert max(math.dist(a, b) for a, b in zip(same.body, one.body, strict=True)) < 1e-9


# --- framing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture, x, tall", [((640, 360), 300, 200), ((360, 640), 150, 400), ((1920, 1080), 1500, 90)])
def test_the_frame_holds_the_figure(picture, x, tall):
    one = pose(0.2, x=x, y=40, tall=tall)
    frame = framing.frame_box(framing.find_extent(one, np.zeros(4)), picture, 512)
    assert max(frame.size) == 512 and min(frame.size) >= 256 and all(side % 64 == 0 for side in frame.size)
    for point in one.seen:
        assert all(0 <= at < side for at, side in zip(frame.map_point(point), frame.size, strict=True))
    x0, y0, width, height = frame.box
    assert width / height == pytest.approx(frame.size[0] / frame.size[1], rel=0.02), "nothing is stretched"
    marked = np.zeros((picture[1], picture[0], 3), np.uint8)
    cv2.circle(marked, (round(one.body[1][0]), round(one.body[1][1])), 6, (255, 90, 20), -1)
    back = frame.put_back(frame.enlarge_frame(frame.show_picture(marked)), picture)
    assert np.abs(back.astype(int) - marked.astype(int)).mean() < 1.0


def test_a_figure_far_out_of_the_picture_leaves_room_for_what_is_in_it():
    one = pose(0.0, x=100, y=-3000, tall=3100)
    frame = framing.frame_box(framing.find_extent(one, np.zeros(4)), (200, 200), 256)
    assert frame.box[3] < 400


# --- the reference ------------------------------------------------------------------------------------------------


def test_the_ground_is_far_from_the_figures_colors(tmp_path):
    pixels = np.asarray(Image.open(sheet(tmp_path / "a.png")))
    assert figure.find_figure(pixels, "auto", "a").ground == (255, 255, 255)
    white = np.array(pixels)
    white[(white[..., :3] == PAINT["shirt"]).all(axis=2), :3] = 250
    found = figure.find_figure(white, "auto", "a")
    assert found.apart and found.ground != (255, 255, 255)
    shown = figure.lay_on_ground(found, (192, 256), 1.5, (10.0, 5.0))
    assert (shown[0, 0] == found.ground).all() and (shown[256 // 2] != found.ground).any()
    with pytest.raises(BadInput, match="no figure"):
        figure.find_figure(np.full((50, 50, 4), 255, np.uint8), "auto", "blank")


def test_a_figure_that_would_be_cut_off_is_made_smaller(tmp_path):
    found = figure.find_figure(np.asarray(Image.open(sheet(tmp_path / "a.png"))), "auto", "a")
    shown = figure.lay_on_ground(found, (64, 64), 9.0, (-300.0, -200.0))
    rows, columns = np.nonzero((shown != found.ground).any(axis=2))
    assert rows.max() - rows.min() >= 60 and columns.min() >= 0


# --- mattes and swatches ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family, seed", [("solid", 3), ("solid", 5), ("puppet", 3), ("puppet", 8)])
@pytest.mark.parametrize("clean", [False, True])
def test_frames_as_a_decoder_blurs_them_become_clear_and_exact(family, seed, clean):
    """Toon worlds on a background color, blurred and with noise of two sizes: nearly all alpha and most paint is restored."""
    drawn = draw_sample(seed, ToonPlan(family, (320, 320), references=1))
    frames = drawn.paint_pictures().cpu().numpy()
    found = figure.find_figure(np.ascontiguousarray(frames[-1]), "auto", "sheet")
    true, rng = frames[0], np.random.default_rng(0)
    alpha = true[..., 3:] / 255.0
    shown = true[..., :3] * alpha + np.array(found.ground) * (1 - alpha)
    rough = cv2.resize(rng.normal(0, 5, (20, 20, 3)), (320, 320), interpolation=cv2.INTER_CUBIC)
    frame = (cv2.GaussianBlur(shown, (0, 0), 1.0) + rng.normal(0, 3, shown.shape) + rough).clip(0, 255).astype(np.uint8)
    cut = finish.cut_frame(frame, found.swatches, found.ground, found.apart, clean)
    made = finish.compose_snapped(cut, found.swatches, lines=True)
    there = true[..., 3] >= 128
    assert ((made[..., 3] >= 128) != there).mean() < 0.02
    plain = there & (drawn.lines.paint[0].cpu().numpy()[..., 3] == 0) & (made[..., 3] == 255)
    worn = {tuple(color) for color in found.swatches[:, :3].tolist()}
    known = plain & np.array([[tuple(color) in worn for color in row] for row in true[..., :3].tolist()])
    assert (made[known][:, :3] == true[known][:, :3]).all(axis=1).mean() > 0.88
    flat = finish.compose_snapped(cut, found.swatches, lines=False)
    assert {tuple(color) for color in flat[flat[..., 3] > 0][:, :3].tolist()} <= worn
    own = finish.compose_painted(frame, cut, found.ground)
    assert ((own[..., 3] >= 128) != there).mean() < 0.02


def test_without_a_ground_nothing_is_clear():
    frame = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    swatches = np.array([[200, 50, 50, 255], [50, 60, 200, 255]], np.uint8)
    cut = finish.cut_frame(frame, swatches, None, False, False)
    assert (finish.compose_snapped(cut, swatches, True)[..., 3] == 255).all() and (
        finish.compose_painted(frame, cut, None)[..., 3] == 255
    ).all()


def test_white_that_the_figure_encloses_stays():
    """White eyes on a white background belong to the figure. With another background color the gap between arm and body is transparent."""
    frame = np.full((120, 120, 3), 255, np.uint8)
    cv2.rectangle(frame, (20, 20), (100, 100), (200, 60, 50), -1)
    cv2.rectangle(frame, (45, 45), (75, 75), (255, 255, 255), -1)
    swatches = np.array([[200, 60, 50, 255], [252, 252, 252, 255]], np.uint8)
    kept = finish.compose_snapped(finish.cut_frame(frame, swatches, (255, 255, 255), False, False), swatches, True)
    assert kept[60, 60, 3] == 255 and kept[5, 5, 3] == 0
    clear = finish.compose_snapped(finish.cut_frame(frame, swatches[:1], (255, 255, 255), True, False), swatches[:1], True)
    assert clear[60, 60, 3] == 0 and clear[30, 30, 3] == 255


# --- windows ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5, 24, 25, 44, 100, 1000])
@pytest.mark.parametrize("cyclic", [False, True])
@pytest.mark.parametrize("stride", [1, 3])
def test_windows_cover_every_frame(count, cyclic, stride):
    spans = pipeline.plan_windows(count, cyclic=cyclic, stride=stride)
    assert {frame for span in spans for frame in span} == set(range(count))
    assert all(len(span) <= 24 for span in spans)
    assert all(len(set(span)) == len(span) for span in spans) or (cyclic and stride > 1), "a loop may be shorter than a far window"
    if not cyclic:
        assert all(a < b for span in spans for a, b in zip(span, span[1:], strict=False)), "no window goes over the end"


def test_a_cycle_is_closed():
    for count in (8, 24, 40):
        spans = pipeline.plan_windows(count, cyclic=True)
        assert any(
            (span.index(count - 1), span.index(0)) == (at, at + 1) for span in spans for at in range(23) if {0, count - 1} <= set(span)
        )
    assert pipeline.plan_windows(8) == [list(range(8))]
