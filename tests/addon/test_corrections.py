"""Corrections: a region is pointed at, the hint is kept with the scene, and the whole shot is solved again."""

import os

import bpy
import pytest
import small_shot
from conftest import module

pytestmark = pytest.mark.usefixtures("engine_python")

PICTURES = ("0001.png", "0003.png", "0005.png")
GREEN, GREEN_TEXT = (1, 200, 30, 255), "#01c81eff"


@pytest.fixture
def shot(scene, tmp_path):
    """A saved file with a drawn figure and a reference, not colored yet. Frame 3 shows the second drawing."""
    small_shot.draw(scene)
    module("operators.references").add_reference(scene.shiage, bpy.data.images.load(str(small_shot.write_reference(tmp_path / "ref.png"))))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


@pytest.fixture
def colored(shot):
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    return shot


def eye(number: int) -> tuple[float, float]:
    """The middle of the small disk of a drawing, as a fraction of the picture."""
    return (110 + 20 * number + 0.5) / small_shot.WIDTH, 90.5 / small_shot.HEIGHT


def head(number: int) -> tuple[float, float]:
    return (80 + 20 * number + 0.5) / small_shot.WIDTH, 130.5 / small_shot.HEIGHT


def worn(scene, number: int, point: tuple[float, float]) -> tuple[int, ...]:
    picture = module("operators.scene.settings").job_folder(scene) / "frames" / PICTURES[number]
    return small_shot.pixel(picture, int(point[0] * small_shot.WIDTH), int(point[1] * small_shot.HEIGHT))


def test_one_correction_is_heard_by_the_whole_shot(colored):
    assert bpy.ops.shiage.correct(frame=3, point=eye(1), kind="COLOR", color=GREEN_TEXT) == {"FINISHED"}
    assert [worn(colored, i, eye(i)) for i in (1, 2)] == [GREEN, GREEN]
    assert [worn(colored, i, head(i)) for i in range(3)] == [small_shot.SKIN] * 3
    (hint,) = colored.shiage.hints
    assert hint.frame == 3 and hint.kind == "COLOR" and tuple(hint.point) == pytest.approx(eye(1))
    assert [round(255 * v) for v in hint.color] == list(GREEN)


def test_it_is_kept_with_the_file_and_taken_back_by_its_button(colored):
    bpy.ops.shiage.correct(frame=3, point=eye(1), kind="COLOR", color=GREEN_TEXT)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    scene = bpy.context.scene
    assert [hint.frame for hint in scene.shiage.hints] == [3]
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    assert worn(scene, 1, eye(1)) == GREEN
    assert bpy.ops.shiage.remove_correction(index=0) == {"FINISHED"}
    assert not scene.shiage.hints and worn(scene, 1, eye(1)) == small_shot.EYE


def test_unpainted_and_same_as(colored):
    bpy.ops.shiage.correct(frame=5, point=eye(2), kind="NONE")
    assert worn(colored, 2, eye(2))[3] == 0
    bpy.ops.shiage.correct(frame=5, point=eye(2), kind="SAME", other_frame=3, other_point=head(1))
    assert worn(colored, 2, eye(2)) == small_shot.SKIN
    assert len(colored.shiage.hints) == 1, "a second correction of a region takes the place of the first"


def test_a_redrawn_key_keeps_its_correction(colored):
    bpy.ops.shiage.correct(frame=3, point=eye(1), kind="COLOR", color=GREEN_TEXT)
    small_shot._circle(colored.objects["Figure"].data.layers[0].frames[1].drawing, 180, 120, 12)
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    assert worn(colored, 1, eye(1)) == GREEN


def test_only_hints_of_the_job_change(colored, tmp_path):
    jobs, settings = module("engine.job"), module("operators.scene.settings")
    before = jobs.load_job(settings.job_folder(colored))
    colored.objects["Figure"].hide_render = True  # would not be gathered
    bpy.ops.shiage.correct(frame=1, point=head(0), kind="COLOR", color=GREEN_TEXT)
    after = jobs.load_job(settings.job_folder(colored))
    assert after.drawings == before.drawings and after.frames == before.frames
    assert len(after.hints) == 1 and after.hints[0].swatch == GREEN_TEXT


def test_what_is_offered(colored):
    found = module("operators.scene.read.hints").region_at(module("operators.scene.settings").job_folder(colored), 4, eye(1))
    skin, iris = ("#" + bytes(color).hex() for color in (small_shot.SKIN, small_shot.EYE))
    assert set(found.colors) == {skin, iris} and found.color == iris


@pytest.mark.parametrize(
    ("frame", "point", "word"), [(99, (0.5, 0.5), "no drawing"), (3, (0.01, 0.01), "paper around"), (3, (1.2, 0.5), "outside the picture")]
)
def test_a_click_beside_is_a_sentence(colored, frame, point, word):
    with pytest.raises(RuntimeError, match=word):
        bpy.ops.shiage.correct(frame=frame, point=point, kind="COLOR", color=GREEN_TEXT)
    assert not colored.shiage.hints


def test_buttons_say_why_they_are_off(shot):
    with pytest.raises(RuntimeError, match="Color the shot first"):
        bpy.ops.shiage.fix_region()
    with pytest.raises(RuntimeError, match="no correction to remove"):
        bpy.ops.shiage.remove_correction(index=0)
    with pytest.raises(RuntimeError, match="No region is in doubt"):
        bpy.ops.shiage.next_unknown()


def test_next_unknown_goes_round(colored):
    session = module("operators.session")
    module("operators.corrections").find_painted_job(colored).notes[:] = [
        session.PictureNote(3, 2),
        session.PictureNote(4, 0, 1),
        session.PictureNote(5, 1),
    ]
    visited = []
    colored.frame_set(1)
    for _ in range(3):
        bpy.ops.shiage.next_unknown()
        visited.append(colored.frame_current)
    assert visited == [3, 5, 3]


def test_another_size_of_pictures_asks_for_coloring_anew(colored):
    colored.shiage.percentage = 50
    bpy.ops.shiage.correct(frame=3, point=eye(1), kind="COLOR", color=GREEN_TEXT)
    assert len(colored.shiage.hints) == 1 and worn(colored, 1, eye(1)) == small_shot.EYE
    bpy.ops.shiage.colorize_shot()
    picture = module("operators.scene.settings").job_folder(colored) / "frames/0003.png"
    assert small_shot.pixel(picture, 65, 45) == GREEN


def test_a_correction_waits_for_the_job_that_runs(colored):
    corrections, session = module("operators.corrections"), module("operators.session")
    entry = module("operators.colorize").start_job(colored, colored.view_layers[0], None, lambda fraction: None)
    hints, jobs, settings = module("operators.scene.read.hints"), module("engine.job"), module("operators.scene.settings")
    hints.add_hint(colored, jobs.Hint(3, (130.5, 90.5), GREEN_TEXT))
    corrections.solve_again(colored)
    assert not jobs.load_job(settings.job_folder(colored)).hints, "a running job is left alone"
    session.wait_for_job(entry, lambda _entry: None)
    assert corrections._solve_waiting() is False
    entry = corrections.find_painted_job(colored)
    assert entry.live
    session.wait_for_job(entry, lambda _entry: None)
    assert worn(colored, 1, eye(1)) == GREEN


@pytest.mark.parametrize("output", ["//../renders", "//a/./b/..//c/", "{tmp}/x/../y"])
def test_an_output_folder_however_it_is_written(shot, tmp_path, output):
    shot.shiage.output = output.format(tmp=tmp_path)
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    assert module("operators.corrections").find_obstacle(shot) == ""
    assert bpy.ops.shiage.correct(frame=3, point=eye(1), kind="COLOR", color=GREEN_TEXT) == {"FINISHED"}
    assert worn(shot, 1, eye(1)) == GREEN
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    assert len(module("operators.session").entries) == 1, "the same job is not listed twice"


@pytest.mark.skipif(os.name == "nt", reason="not everybody may make links there")
def test_a_file_that_is_opened_through_a_link(colored, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "link" / "shot.blend"))
    scene = bpy.context.scene
    assert module("operators.corrections").find_obstacle(scene) == ""
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    assert len(module("operators.session").entries) == 1


def test_hints_from_the_shell(shot, tmp_path):
    shell = module("operators.shell")
    assert shell.main(["colorize", "--hint", "3,130,90,#01c81e", "--hint", "1,5,5,none"]) == 0
    assert worn(shot, 1, eye(1)) == GREEN
    assert len(shot.shiage.hints) == 2
    assert shell.main(["colorize", "--hint", "3,130,90"]) == 2
