"""Strips and planes come out in the colors that the pictures have, or it is told before, and one click mends it."""

import json

import bpy
import layouts
import numpy as np
import pytest
import small_shot
from conftest import module

SWATCHES = np.array([(240, 200, 160), (40, 120, 200), (255, 0, 0), (20, 20, 20), (0, 255, 255), (255, 255, 255)], np.uint8)
CHANGES = {
    "AgX": lambda scene: setattr(scene.view_settings, "view_transform", "AgX"),
    "Filmic": lambda scene: setattr(scene.view_settings, "view_transform", "Filmic"),
    "Khronos PBR Neutral": lambda scene: setattr(scene.view_settings, "view_transform", "Khronos PBR Neutral"),
    "False Color": lambda scene: setattr(scene.view_settings, "view_transform", "False Color"),
    "look": lambda scene: setattr(scene.view_settings, "look", "High Contrast"),
    "exposure": lambda scene: setattr(scene.view_settings, "exposure", 0.5),
    "gamma": lambda scene: setattr(scene.view_settings, "gamma", 1.3),
    "display": lambda scene: setattr(scene.display_settings, "display_device", "Rec.1886"),
    "white balance": lambda scene: setattr(scene.view_settings, "use_white_balance", True),
    "output": lambda scene: override_output(scene),
}


def override_output(scene):
    """The file gets other colors than the scene shows."""
    settings = scene.render.image_settings
    settings.color_management = "OVERRIDE"
    settings.view_settings.view_transform = "AgX"


def make_exact(scene):
    module("operators.scene.colors").show_exact_colors(scene)


def difference(scene):
    return module("operators.scene.colors").find_difference(scene)


@pytest.fixture
def job_folder(scene, tmp_path):
    """A finished job whose one picture is six swatches, 48 x 32 px."""
    import test_scene_timeline

    folder = test_scene_timeline.write_job(tmp_path / "job", [(1, 2, "a")], status="done")
    picture = np.zeros((32, 48, 4), np.uint8)
    for index, color in enumerate(SWATCHES):
        y, x = divmod(index, 3)
        picture[16 * y : 16 * y + 16, 16 * x : 16 * x + 16] = (*color, 255)
    for file in (folder / "frames").glob("*.png"):
        file.write_bytes(module("operators.scene.png").encode_png(picture))
    scene.render.resolution_x, scene.render.resolution_y = 48, 32
    make_exact(scene)
    return folder


def rendered(scene):
    """The six swatches as the scene renders them to a file."""
    scene.frame_set(1)
    module("operators.scene.compat").render_png(scene)
    scene.render.dither_intensity = 0
    png = module("operators.scene.png").decode_png(module("operators.scene.read.raster").png_of(scene))
    return np.array([png[16 * (i // 3) + 8, 16 * (i % 3) + 8, :3] for i in range(6)])


def test_strip_and_plane_have_the_swatches_where_nothing_is_told(scene, job_folder):
    timeline = module("operators.scene.place.timeline")
    assert difference(scene) == ""
    timeline.import_strip(scene, job_folder)
    assert (rendered(scene) == SWATCHES).all()
    scene.sequence_editor_clear()
    timeline.import_plane(scene, job_folder)
    scene.render.engine = "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"
    scene.eevee.taa_render_samples = 1
    assert (rendered(scene) == SWATCHES).all()


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_the_colors_is_told_and_mended(scene, job_folder, name):
    module("operators.scene.place.timeline").import_strip(scene, job_folder)
    CHANGES[name](scene)
    assert "Show Exact Colors" in difference(scene)
    if name != "white balance":  # at its own white point it changes nothing
        assert (rendered(scene) != SWATCHES).any()
    assert bpy.ops.shiage.show_exact_colors() == {"FINISHED"}
    assert difference(scene) == ""
    assert (rendered(scene) == SWATCHES).all()
    assert not bpy.ops.shiage.show_exact_colors.poll()


def test_a_new_file_is_told(scene):
    """AgX is the view transform of a new file."""
    assert "'AgX'" in difference(scene)


def test_the_panels_show_the_button_before_anything_is_made(scene):
    small_shot.draw(scene)
    with bpy.context.temp_override(**layouts.sidebar()):
        shown = " ".join(layouts.draw_panels(bpy.context))
        assert shown.count("choose Show Exact Colors") == 2 and "--exact-colors" not in shown  # Shot and Animate Rig; no word of the shell
        make_exact(scene)
        assert "Show Exact Colors" not in " ".join(layouts.draw_panels(bpy.context))


@pytest.mark.parametrize("mended", [False, True])
def test_the_shell_says_it(scene, engine_python, tmp_path, capfd, mended):
    small_shot.draw(scene)
    reference = small_shot.write_reference(tmp_path / "ref.png")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    arguments = ["colorize", "--reference", str(reference), "--json", str(tmp_path / "answer.json"), "--frames", "1-2"]
    assert module("operators.shell").main([*arguments, *(["--exact-colors"] if mended else [])]) == 0
    answer = json.loads((tmp_path / "answer.json").read_text("utf-8"))
    told = [text for text in answer["warnings"] if "'AgX'" in text]
    assert len(told) == (0 if mended else 1) and all("give --exact-colors" in text for text in told)
    assert ("'AgX'" in capfd.readouterr().err) != mended
    assert (difference(scene) == "") == mended


def test_scans_are_read_as_they_are(scene, tmp_path):
    """Whatever the scene does to colors, on the screen or in its output."""
    size = small_shot.WIDTH, small_shot.HEIGHT
    scene.render.resolution_x, scene.render.resolution_y = size
    file = small_shot.write_reference(tmp_path / "scan.png")
    strips = module("operators.scene.compat").get_strips(scene.sequence_editor_create())
    strips.new_image(name="Scan", filepath=str(file), channel=1, frame_start=1, fit_method="ORIGINAL")
    for name in ("AgX", "exposure", "gamma", "display", "white balance", "output"):
        CHANGES[name](scene)
    shot = module("operators.scene.read.scans").gather_scans(scene, "Scan", size=size, frames=(1, 1))
    (drawing,) = shot.drawings.values()
    pixels = module("operators.scene.png").decode_png(drawing.picture)
    assert tuple(pixels[90, 110]) == small_shot.EYE and tuple(pixels[150, 120]) == small_shot.SKIN
