"""Scanned drawings in the Sequencer, as pictures with exposures."""

import bpy
import figures
import numpy as np
import pytest
from conftest import module
from test_scene_shot import snapshot, timing

SIZE = (256, 160)


def scan(folder, name, x):
    """A circle on grey paper, 256 x 160 px."""
    rows, columns = np.mgrid[:160, :256]
    rgba = np.full((160, 256, 4), (230, 228, 220, 255), np.uint8)
    rgba[np.abs(np.hypot(columns - x, rows - 80) - 40) < 2] = (20, 20, 30, 255)
    (folder / name).write_bytes(module("operators.scene.png").encode_png(rgba))
    return name


def add_strip(scene, folder, names, start=1, channel=1):
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = module("operators.scene.compat").get_strips(editor)
    strip = strips.new_image(name="scans", filepath=str(folder / names[0]), channel=channel, frame_start=start, fit_method="FIT")
    for name in names[1:]:
        strip.elements.append(name)
    return strip


def gather(scene, name="scans", frames=(1, 8), **how):
    return module("operators.scene.read.scans").gather_scans(scene, name, size=how.pop("size", SIZE), frames=frames, **how)


def test_held_scans_are_one_drawing_as_they_are_on_the_disk(scene, tmp_path):
    one, two = scan(tmp_path, "a 1.png", 80), scan(tmp_path, "a 2.png", 140)
    add_strip(scene, tmp_path, [one, one, two, one], start=3).mute = True
    shot = gather(scene)
    assert timing(shot) == [(1, 2, None), (3, 2, 0), (5, 1, 1), (6, 1, 0), (7, 2, None)]
    decode = module("operators.scene.png").decode_png
    for drawing, name in zip(shot.drawings.values(), (one, two), strict=True):
        assert (decode(drawing.picture) == decode((tmp_path / name).read_bytes())).all()
    half = gather(scene, size=(128, 80))
    assert decode(next(iter(half.drawings.values())).picture).shape == (80, 128, 4)


def test_equal_files_are_one_drawing(scene, tmp_path):
    add_strip(scene, tmp_path, [scan(tmp_path, "one.png", 80), scan(tmp_path, "same.png", 80)])
    assert timing(gather(scene, frames=(1, 2))) == [(1, 2, 0)]


def test_what_the_animator_did_to_the_strip_is_seen(scene, tmp_path):
    strip = add_strip(scene, tmp_path, [scan(tmp_path, "one.png", 80)])
    straight = gather(scene, frames=(1, 1))
    strip.use_flip_x = True
    (drawing,) = gather(scene, frames=(1, 1)).drawings.values()
    assert set(straight.drawings) != {drawing.id}
    expected = module("operators.scene.png").decode_png((tmp_path / "one.png").read_bytes())[:, ::-1]
    assert (module("operators.scene.png").decode_png(drawing.picture) == expected).all()


def test_other_strips_and_the_scene_are_not_seen_and_stay(scene, tmp_path):
    strip = add_strip(scene, tmp_path, [scan(tmp_path, "one.png", 80)])
    alone = set(gather(scene, frames=(1, 1)).drawings)
    other = add_strip(scene, tmp_path, [scan(tmp_path, "two.png", 200)], channel=2)
    other.name = "other"
    strip.blend_alpha = 0.5
    figures.add(scene)
    before = snapshot()
    assert set(gather(scene, frames=(1, 1)).drawings) == alone
    assert snapshot() == before


def test_a_movie_that_holds_its_drawings(scene, tmp_path):
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter(str(tmp_path / "scans.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 24, SIZE)
    for x in (80, 80, 140, 140, 140, 143):
        scan(tmp_path, "frame.png", x)
        writer.write(cv2.imread(str(tmp_path / "frame.png")))
    writer.release()
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    editor = scene.sequence_editor or scene.sequence_editor_create()
    module("operators.scene.compat").get_strips(editor).new_movie(
        name="scans", filepath=str(tmp_path / "scans.avi"), channel=1, frame_start=2, fit_method="FIT"
    )
    assert timing(gather(scene)) == [(1, 1, None), (2, 2, 0), (4, 3, 1), (7, 1, 2), (8, 1, None)]


def test_what_can_not_be_read_is_told(scene, tmp_path):
    error = module("engine.job.errors").BadInput
    with pytest.raises(error, match="no strip"):
        gather(scene)
    add_strip(scene, tmp_path, [scan(tmp_path, "one.png", 80)], start=50)
    with pytest.raises(error, match="shows nothing"):
        gather(scene)
    with pytest.raises(error, match="empty"):
        gather(scene, frames=(2, 1))
    (tmp_path / "one.png").unlink()
    with pytest.raises(error, match="missing"):
        gather(scene, frames=(50, 51))
    kind = {"length": 5} if bpy.app.version >= (5, 0, 0) else {"frame_end": 6}
    strips = module("operators.scene.compat").get_strips(scene.sequence_editor)
    strips.new_effect(name="plain", type="COLOR", channel=3, frame_start=1, **kind)
    with pytest.raises(error, match="no pictures"):
        gather(scene, "plain")


def test_the_job_folder_of_scans(scene, tmp_path):
    add_strip(scene, tmp_path, [scan(tmp_path, "one.png", 80)])
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"a picture")
    shot = gather(scene, frames=(1, 1))
    request = module("operators.scene.read.request").write_job(shot, tmp_path / "job", "flats", {}, [sheet])
    (drawing,) = request.drawings
    assert (drawing.kind, drawing.file) == ("raster", f"sketches/{drawing.id}.png")
    assert (tmp_path / "job" / drawing.file).read_bytes() == next(iter(shot.drawings.values())).picture
