"""Colored frames on the timeline: the strip and the plane, made, brought up to date, undone."""

import warnings

import bpy
import numpy as np
import pytest
from conftest import module

SIZE = (512, 320)
COLORS = {"a": (200, 40, 40), "b": (40, 180, 60), "c": (50, 70, 220), "d": (230, 200, 30)}


@pytest.fixture(autouse=True)
def no_deprecated_names():
    """Nothing that a later Blender takes away."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        yield


def picture(color, size=SIZE):
    """A square of a color in the middle of a transparent picture."""
    rgba = np.zeros((size[1], size[0], 4), np.uint8)
    rgba[100:220, 196:316] = (*color, 255)
    return module("operators.scene.png").encode_png(rgba)


def write_job(folder, timing, missing=(), status=None):
    """A job folder with frames as the engine leaves it: timing [(frame, exposure, name or None)]."""
    job, files = module("engine.job"), module("engine.job.files")
    ids = list(dict.fromkeys(name for _, _, name in timing if name))
    request = job.Job(
        task="colorize",
        model="flats",
        size=SIZE,
        cels=(job.Cel("Figure", ()),),
        drawings=tuple(job.Drawing(i, 0, "strokes", f"strokes/{i}.npz") for i in ids),
        frames=tuple(job.Exposure(frame, exposure, (name,)) for frame, exposure, name in timing),
        title="Shot",
    )
    folder.mkdir(exist_ok=True)
    job.save_job(request, folder)
    job.clear_stale(folder, request)
    done = []
    for (name,), file in job.list_pictures(request).items():
        if name in missing:
            continue
        files.write_atomic(
            folder / file, picture(COLORS[name]) if name else module("operators.scene.png").encode_png(np.zeros((4, 4, 4), np.uint8))
        )
        done.append({"frame": int(file[-8:-4]), "file": file})
    if status:
        files.write_json(folder / job.RESULT_FILE, {"status": status, "pictures": done})
    return folder


def import_strip(scene, folder):
    return module("operators.scene.place.timeline").import_strip(scene, folder)


def names(strip):
    return [element.filename for element in strip.elements]


def span(strip):
    return module("operators.scene.compat").strip_range(strip)


def strips(scene):
    return module("operators.scene.compat").get_strips(scene.sequence_editor)


def add_color(scene, channel, start, length):
    kind = {"length": length} if bpy.app.version >= (5, 0, 0) else {"frame_end": start + length}
    return strips(scene).new_effect(name="Other", type="COLOR", channel=channel, frame_start=start, **kind)


def rendered(scene, frame):
    """The pixels that the scene renders at a frame, straight alpha, uint8."""
    scene.frame_set(frame)
    scene.render.film_transparent = True
    module("operators.scene.compat").render_png(scene)
    scene.view_settings.view_transform = "Standard"
    png = module("operators.scene.read.raster").png_of(scene)
    return module("operators.scene.png").decode_png(png)


# --- the strip ----------------------------------------------------------------------------------------------------


def test_held_drawings_are_repeated_elements(scene, tmp_path):
    folder = write_job(tmp_path / "job", [(3, 2, "a"), (5, 1, "b"), (6, 3, "a"), (9, 2, None)], status="done")
    strip = import_strip(scene, folder)
    assert names(strip) == ["0003.png"] * 2 + ["0005.png"] + ["0003.png"] * 3 + ["0009.png"] * 2
    assert span(strip) == (3, 11)
    assert (strip.blend_type, strip.channel) == ("ALPHA_OVER", 1)
    for frame, color in ((3, "a"), (4, "a"), (5, "b"), (8, "a")):
        pixels = rendered(scene, frame)
        assert pixels[160, 256].tolist() == [*COLORS[color], 255]
        assert pixels[10, 10, 3] == 0
    assert rendered(scene, 10)[160, 256, 3] == 0


def test_the_channel_is_free_over_the_whole_range(scene, tmp_path):
    scene.sequence_editor_create()
    add_color(scene, 1, 8, 30)
    add_color(scene, 2, -20, 22)
    folder = write_job(tmp_path / "job", [(1, 12, "a")])
    assert import_strip(scene, folder).channel == 3


def test_a_smaller_picture_is_fitted(scene, tmp_path):
    scene.render.resolution_x, scene.render.resolution_y = 1024, 640
    strip = import_strip(scene, write_job(tmp_path / "job", [(1, 2, "a")]))
    assert (strip.transform.scale_x, strip.transform.scale_y) == pytest.approx((2, 2))


def test_a_second_run_brings_the_same_strip_up_to_date(scene, tmp_path):
    folder = write_job(tmp_path / "job", [(1, 2, "a"), (3, 2, "b")])
    strip = import_strip(scene, folder)
    strip.name, strip.channel, strip.blend_alpha, strip.transform.offset_x = "mine", 4, 0.5, 30
    assert rendered(scene, 1)[160, 286, 0] > 0
    write_job(folder, [(2, 3, "c"), (5, 1, "a"), (6, 2, "d")])
    again = import_strip(scene, folder)
    assert again == strip
    assert len(strips(scene)) == 1
    assert (strip.name, strip.channel, strip.blend_alpha, strip.transform.offset_x) == ("mine", 4, 0.5, 30)
    assert names(strip) == ["0002.png"] * 3 + ["0005.png"] + ["0006.png"] * 2
    assert span(strip) == (2, 8)
    strip.blend_alpha, strip.transform.offset_x = 1, 0
    assert rendered(scene, 3)[160, 256].tolist() == [*COLORS["c"], 255]


def test_a_file_that_changed_is_shown_anew(scene, tmp_path):
    folder = write_job(tmp_path / "job", [(1, 4, "a")])
    import_strip(scene, folder)
    assert rendered(scene, 2)[160, 256].tolist() == [*COLORS["a"], 255]
    write_job(folder, [(1, 4, "b")])
    import_strip(scene, folder)
    assert rendered(scene, 2)[160, 256].tolist() == [*COLORS["b"], 255]


def test_trimmed_ends_stay_and_a_taken_channel_is_left(scene, tmp_path):
    folder = write_job(tmp_path / "job", [(1, 4, "a"), (5, 4, "b")])
    strip = import_strip(scene, folder)
    module("operators.scene.compat").trim_strip(strip, 3, 6)
    write_job(folder, [(1, 4, "c"), (5, 8, "d")])
    import_strip(scene, folder)
    assert span(strip) == (3, 6)
    assert rendered(scene, 5)[160, 256].tolist() == [*COLORS["d"], 255]
    module("operators.scene.compat").trim_strip(strip, 1, 13)
    add_color(scene, 1, 13, 10)
    write_job(folder, [(1, 20, "a")])
    import_strip(scene, folder)
    assert (span(strip), strip.channel) == ((1, 21), 2)


def test_unfinished_frames_are_transparent(scene, tmp_path):
    folder = write_job(tmp_path / "job", [(1, 2, "a"), (3, 2, "b"), (5, 2, "c")], missing=("b",), status="cancelled")
    strip = import_strip(scene, folder)
    assert span(strip) == (1, 7)
    assert rendered(scene, 2)[160, 256, 3] == 255
    assert rendered(scene, 3)[160, 256, 3] == 0
    assert rendered(scene, 5)[160, 256, 3] == 255


def test_pictures_of_an_earlier_request_do_not_count(scene, tmp_path):
    folder = write_job(tmp_path / "job", [(1, 2, "a"), (3, 2, "b")], status="done")
    job, files = module("engine.job"), module("engine.job.files")
    files.write_json(folder / job.RESULT_FILE, {"status": "cancelled", "pictures": [{"frame": 3, "file": "frames/0003.png"}]})
    assert names(import_strip(scene, folder)) == ["blank.png"] * 2 + ["0003.png"] * 2


def test_nothing_to_import_is_told_and_nothing_made(scene, tmp_path):
    folder = write_job(tmp_path / "job", [(1, 2, "a")], missing=("a",))
    for put in (import_strip, module("operators.scene.place.timeline").import_plane):
        with pytest.raises(module("engine.job.errors").BadInput, match="No frame"):
            put(scene, folder)
    assert scene.sequence_editor is None or not len(strips(scene))
    assert [ob.name for ob in scene.objects] == ["Camera"]
    with pytest.raises(module("engine.job.errors").BadInput):
        import_strip(scene, tmp_path / "nowhere")


def test_paths_are_relative_in_a_saved_file_and_survive_it(scene, tmp_path):
    place = tmp_path / "a 'shot' ü😀"
    place.mkdir()
    folder = write_job(place / "job", [(1, 2, "a")])
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "shot.blend"))
    assert import_strip(scene, folder).directory.startswith("//job")
    assert module("operators.scene.place.timeline").import_plane(scene, folder)
    assert bpy.data.images[-1].filepath.startswith("//job")
    bpy.ops.wm.save_mainfile()
    moved = tmp_path / "moved"
    place.rename(moved)
    bpy.ops.wm.open_mainfile(filepath=str(moved / "shot.blend"))
    scene = bpy.context.scene
    assert rendered(scene, 1)[160, 256].tolist() == [*COLORS["a"], 255]
    count = len(scene.objects)
    import_strip(scene, moved / "job")
    module("operators.scene.place.timeline").import_plane(scene, moved / "job")
    assert (len(strips(scene)), len(scene.objects)) == (1, count)


def test_undo_and_redo(scene, tmp_path):
    folder = write_job(tmp_path / "job", [(1, 2, "a")])
    bpy.ops.ed.undo_push(message="before")
    import_strip(scene, folder)
    module("operators.scene.place.timeline").import_plane(scene, folder)
    bpy.ops.ed.undo_push(message="import")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert scene.sequence_editor is None or not len(strips(scene))
    assert [ob.name for ob in scene.objects] == ["Camera"]
    bpy.ops.ed.redo()
    scene = bpy.context.scene
    assert names(strips(scene)[0]) == ["0001.png"] * 2
    assert len(scene.objects) == 2
    strip, plane = import_strip(scene, folder), module("operators.scene.place.timeline").import_plane(scene, folder)
    assert (len(strips(scene)), len(scene.objects)) == (1, 2)
    assert strip and plane


def test_the_sequencer_shows_the_scene(scene, tmp_path):
    import_strip(scene, write_job(tmp_path / "job", [(1, 2, "a")]))
    for window in bpy.context.window_manager.windows:
        if hasattr(window.workspace, "sequencer_scene"):
            assert window.workspace.sequencer_scene == scene


# --- the plane ----------------------------------------------------------------------------------------------------


def import_plane(scene, folder):
    return module("operators.scene.place.timeline").import_plane(scene, folder)


@pytest.mark.parametrize("lens", ["PERSP", "ORTHO", "shifted"])
def test_the_plane_fills_the_view_in_exact_colors(scene, tmp_path, lens):
    if lens == "ORTHO":
        scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 5
    elif lens == "shifted":
        scene.camera.data.shift_x, scene.camera.data.shift_y, scene.camera.scale = 0.1, -0.2, (2, 2, 2)
        scene.camera.rotation_euler = (1.3, 0.2, 0.4)
        bpy.context.view_layer.update()
    folder = write_job(tmp_path / "job", [(3, 2, "a"), (5, 2, "b")])
    import_plane(scene, folder)
    scene.render.engine = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
    scene.eevee.taa_render_samples = 1
    expected = module("operators.scene.png").decode_png(picture(COLORS["b"]))
    pixels = rendered(scene, 6)
    different = np.abs(pixels.astype(int) - expected).max(2) > 1
    edge = np.zeros(different.shape, bool)
    edge[98:222, 194:318], edge[102:218, 198:314] = True, False
    assert not (different & ~edge & (expected[:, :, 3] > 0)).any()
    assert (pixels[:, :, 3] > 127).sum() == pytest.approx(120 * 120, rel=0.02)
    if lens == "PERSP":
        assert rendered(scene, 3)[160, 256].tolist() == pytest.approx([*COLORS["a"], 255], abs=1)
        assert rendered(scene, 2)[160, 256, 3] == 0
        assert rendered(scene, 7)[160, 256, 3] == 0


def test_a_second_run_brings_the_same_plane_up_to_date(scene, tmp_path):
    folder = write_job(tmp_path / "job", [(3, 2, "a"), (5, 2, "b")])
    plane = import_plane(scene, folder)
    plane.name = "mine"
    write_job(folder, [(1, 3, "c")])
    assert import_plane(scene, folder) == plane
    (node,) = (node for node in plane.data.materials[0].node_tree.nodes if node.type == "TEX_IMAGE")
    assert (node.image_user.frame_start, node.image_user.frame_duration) == (0, 5)
    assert sorted(file.name for file in (folder / "plane").iterdir()) == [f"000{i}.png" for i in range(1, 6)]
    assert len(bpy.data.images) - ("Render Result" in bpy.data.images) == 1


def test_the_plane_lies_behind_the_drawings_and_follows_the_camera(scene, tmp_path):
    import figures

    figures.add(scene).location.y = 4
    plane = import_plane(scene, write_job(tmp_path / "job", [(1, 2, "a")]))
    bpy.context.view_layer.update()
    assert all((plane.matrix_world @ vertex.co).y > 4 for vertex in plane.data.vertices)
    assert plane.parent == scene.camera
