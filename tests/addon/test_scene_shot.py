"""Which drawings of a shot are read, into which cels, for how long; and that reading leaves the file as it was."""

import contextlib

import bpy
import figures
import numpy as np
import pytest
from conftest import module

SIZE = (512, 320)


def gather(scene, frames=(1, 12), **how):
    return module("operators.scene.read.shot").gather_shot(scene, bpy.context.view_layer, size=SIZE, frames=frames, **how)


def timing(shot):
    """[(frame, exposure, drawings)], each drawing as the number of its first appearance, None for nothing."""
    numbers = {}
    return [
        (e.frame, e.exposure, *(None if d is None else numbers.setdefault(d, len(numbers)) for d in e.drawings)) for e in shot.exposures
    ]


def reference(name="sheet"):
    image = bpy.data.images.new(name, 8, 8)
    image.pack()
    return image


def bad_input():
    return pytest.raises(module("engine.job.errors").BadInput)


def snapshot():
    """{path: value} of everything that RNA tells of the file's data."""
    found, seen = {}, set()
    skipped = {"rna_type", "preview", "depsgraph", "is_evaluated", "original", "users", "id_data", "use_nodes"}
    windows = {"window_managers", "screens", "workspaces"}

    def visit(path, value):
        if isinstance(value, bpy.types.ID) and path.count("/") > 1:
            found[path] = value.name_full
        elif isinstance(value, bpy.types.bpy_struct):
            key = (value.as_pointer(), value.bl_rna.identifier)
            if key not in seen:
                seen.add(key)
                for prop in value.bl_rna.properties:
                    if prop.identifier not in skipped and not getattr(prop, "deprecated_note", ""):
                        with contextlib.suppress(AttributeError, TypeError, ValueError, RuntimeError):
                            visit(f"{path}/{prop.identifier}", getattr(value, prop.identifier))
        elif isinstance(value, bpy.types.bpy_prop_collection):
            for index, item in enumerate(value):
                visit(f"{path}/{index}", item)
        else:
            found[path] = repr(value[:] if hasattr(value, "__getitem__") else value)

    for prop in bpy.data.bl_rna.properties:
        if prop.type == "COLLECTION" and prop.identifier not in windows:
            for block in getattr(bpy.data, prop.identifier):
                visit(f"{prop.identifier}/{block.name_full}", block)
    return found


# --- exposures ----------------------------------------------------------------------------------------------------


def test_held_drawings_are_one(scene):
    figures.add(scene, keys=(1, 3, 8))
    shot = gather(scene)
    assert timing(shot) == [(1, 2, 0), (3, 5, 1), (8, 5, 2)]
    assert len(shot.drawings) == 3
    assert [shot.drawings[e.drawings[0]].frame for e in shot.exposures] == [1, 3, 8]


def test_a_drawing_that_comes_back_is_the_same(scene):
    layer = figures.add(scene, keys=(1, 4)).data.layers[0]
    layer.frames.copy(1, 7)
    assert timing(gather(scene)) == [(1, 3, 0), (4, 3, 1), (7, 6, 0)]


def test_before_the_first_key_blank_keys_and_ended_holds_show_nothing(scene):
    ob = figures.add(scene, keys=(3, 7))
    ob.data.layers[0].frames.new(5)  # a key without strokes
    bpy.context.view_layer.objects.active = ob
    scene.frame_set(10)
    bpy.ops.grease_pencil.insert_blank_frame(all_layers=False, duration=1)
    frames = {f.frame_number: f.drawing for f in ob.data.layers[0].frames}
    assert frames[11] is None  # the end of a hold; what Blender puts at 10 is the layer's first drawing again
    assert timing(gather(scene)) == [(1, 2, None), (3, 2, 0), (5, 2, None), (7, 3, 1), (10, 1, 0), (11, 2, None)]


def test_a_step_is_held_to_the_end_of_the_range(scene):
    figures.add(scene, keys=(1, 2, 3, 4, 5, 6))
    assert timing(gather(scene, frames=(1, 5), step=2)) == [(1, 2, 0), (3, 2, 1), (5, 1, 2)]


def test_a_moving_camera_makes_new_drawings(scene):
    figures.add(scene)
    scene.camera.keyframe_insert("location", frame=1)
    scene.camera.location.x = 1
    scene.camera.keyframe_insert("location", frame=4)
    assert [exposure[:2] for exposure in timing(gather(scene))] == [(1, 1), (2, 1), (3, 1), (4, 9)]


def test_identity_depends_on_content_and_size_alone(scene):
    figures.add(scene)
    first = gather(scene)
    assert set(gather(scene, frames=(5, 6)).drawings) == set(first.drawings)
    small = module("operators.scene.read.shot").gather_shot(scene, bpy.context.view_layer, size=(256, 160), frames=(1, 1))
    assert set(small.drawings).isdisjoint(first.drawings)


# --- who takes part -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Rough", "ROUGH 2", "_rough", "head_sketch", "guide.001", "HeadRough", "Underdrawing"])
def test_rough_layers_are_left_out(scene, name):
    data = figures.add(scene).data
    expected = set(gather(scene).drawings)
    figures.add_layer(data, name, strokes=[(figures.arc((1, 0), 0.5), 0.02, True)])
    assert set(gather(scene).drawings) == expected


@pytest.mark.parametrize("name", ["Throughput", "Sketchy", "Guided", "Lines", "輪郭"])
def test_other_names_take_part(scene, name):
    data = figures.add(scene).data
    before = set(gather(scene).drawings)
    figures.add_layer(data, name, strokes=[(figures.arc((1, 0), 0.5), 0.02, True)])
    assert set(gather(scene).drawings) != before


def test_layers_of_a_rough_group_and_left_out_layers(scene):
    ob = figures.add(scene)
    expected = set(gather(scene).drawings)
    group = ob.data.layer_groups.new("Rough")
    inside = figures.add_layer(ob.data, "Inside", strokes=[(figures.arc((1, 0), 0.5), 0.02, True)])
    ob.data.layers.move_to_layer_group(inside, group)
    figures.add_layer(ob.data, "Colors", strokes=[(figures.arc((0, 0), 0.5), 0.02, True)])
    assert set(gather(scene).drawings) != expected
    ob.shiage.excluded_layers.add().name = "Colors"
    assert set(gather(scene).drawings) == expected
    left_out = module("operators.scene.read.layers").left_out
    assert {layer.name: left_out(ob, layer) for layer in ob.data.layers} == {"Lines": "", "Inside": "rough", "Colors": "left out"}


def test_fills_are_no_lines(scene):
    ob = figures.add(scene)
    expected = set(gather(scene).drawings)
    ob.data.materials.append(figures.material("Fill", line=False, fill=True))
    layer = figures.add_layer(ob.data, "Fills", strokes=[(figures.arc((0, 0), 1), 0.02, True)], material=1)
    if bpy.app.version >= (5, 1, 0):
        layer.frames[0].drawing.attributes.new("fill_id", "INT", "CURVE").data.foreach_set("value", [1])
        layer.frames[0].drawing.attributes.new("hide_stroke", "BOOLEAN", "CURVE").data.foreach_set("value", [True])
    assert set(gather(scene).drawings) == expected


@pytest.mark.parametrize("hide", ["render", "viewport", "eye", "collection", "collection for rendering"])
def test_hidden_objects_take_no_part(scene, hide):
    figures.add(scene, "Shown")
    expected = set(gather(scene).drawings)
    ob = figures.add(scene, "Hidden", strokes=[(figures.arc((1, 0), 0.5), 0.02, True)])
    collection = bpy.data.collections.new("Hidden")
    scene.collection.children.link(collection)
    collection.objects.link(ob)
    scene.collection.objects.unlink(ob)
    if hide == "render":
        ob.hide_render = True
    elif hide == "viewport":
        ob.hide_viewport = True
    elif hide == "eye":
        ob.hide_set(True)
    elif hide == "collection":
        bpy.context.view_layer.layer_collection.children["Hidden"].exclude = True
    else:
        collection.hide_render = True
    bpy.context.view_layer.update()
    assert set(gather(scene).drawings) == expected


def test_an_object_that_is_hidden_for_a_while(scene):
    ob = figures.add(scene)
    for frame, hidden in ((1, True), (4, False), (9, True)):
        ob.hide_render = hidden
        ob.keyframe_insert("hide_render", frame=frame)
    assert timing(gather(scene)) == [(1, 3, None), (4, 5, 0), (9, 4, None)]


def test_chosen_objects_only(scene):
    one, two = figures.add(scene, "One"), figures.add(scene, "Two", strokes=[(figures.arc((1, 0), 0.5), 0.02, True)])
    both, first, second = (gather(scene, objects=chosen) for chosen in (None, [one], [two]))
    assert first.cels[0].objects == ("One",)
    assert len({*both.drawings, *first.drawings, *second.drawings}) == 3


def test_what_would_be_read_says_why_it_can_not(scene):
    with bad_input() as caught:
        gather(scene)
    assert "no Grease Pencil object" in str(caught.value)
    ob = figures.add(scene)
    with bad_input() as caught:
        gather(scene, frames=(5, 4))
    assert "5 to 4" in str(caught.value)
    with bad_input():
        gather(scene, objects=[])
    ob.data.layers[0].hide = True
    with bad_input() as caught:
        gather(scene)
    assert "hidden" in str(caught.value)
    ob.data.layers[0].hide = False
    ob.hide_render = True
    with bad_input() as caught:
        gather(scene)
    assert "hidden" in str(caught.value)
    ob.hide_render = False
    with bad_input() as caught:
        gather(scene, frames=(-5, 0))
    assert "Nothing is drawn" in str(caught.value)
    scene.camera = None
    with bad_input() as caught:
        gather(scene)
    assert "no camera" in str(caught.value)


# --- cels ---------------------------------------------------------------------------------------------------------


def test_objects_with_references_of_their_own_are_cels_in_depth_order(scene):
    near, far, floor = figures.add(scene, "Near"), figures.add(scene, "Far", keys=(1, 5)), figures.add(scene, "Floor")
    near.location.y, far.location.y, floor.location.y = -2, 3, 1
    near.shiage.references.add().image = reference("near sheet")
    far.shiage.references.add().image = reference("far sheet")
    shot = gather(scene)
    assert [cel.name for cel in shot.cels] == ["Far", "Floor", "Near"]
    assert [len(cel.references) for cel in shot.cels] == [1, 0, 1]
    assert all(path.is_file() for cel in shot.cels for path in cel.references)
    assert {drawing.cel for drawing in shot.drawings.values()} == {0, 1, 2}
    assert timing(shot) == [(1, 4, 0, 1, 2), (5, 8, 3, 1, 2)]
    assert not shot.warnings


def test_cels_that_change_places_are_told(scene):
    for name, way in (("One", (-2, 3)), ("Two", (1, 1))):
        ob = figures.add(scene, name)
        ob.shiage.references.add().image = reference(name)
        for frame, y in zip((1, 12), way, strict=True):
            ob.location.y = y
            ob.keyframe_insert("location", frame=frame)
    (warning,) = gather(scene).warnings
    assert "comes before" in warning


def test_same_references_are_one_cel(scene):
    sheet = reference()
    for name in ("Head", "Body"):
        figures.add(scene, name).shiage.references.add().image = sheet
    assert [cel.objects for cel in gather(scene).cels] == [("Head", "Body")]


def test_colors_of_lines_are_kept(scene):
    ob = figures.add(scene, opacity=0.5, color=(1, 0, 0, 1))
    ob.data.layers[0].opacity = 0.5
    (drawing,) = gather(scene).drawings.values()
    assert drawing.strokes.colors.tolist() == [[255, 0, 0, 64]] * len(drawing.strokes.points)
    ob.data.layers[0].frames[0].drawing.attributes.remove(ob.data.layers[0].frames[0].drawing.attributes["vertex_color"])
    ob.data.materials[0].grease_pencil.color = (0, 0.2140411, 1, 1)
    (drawing,) = gather(scene).drawings.values()
    assert drawing.strokes.colors[0].tolist() == [0, 127, 255, 64] or drawing.strokes.colors[0].tolist() == [0, 128, 255, 64]


def test_lines_without_a_material_are_grey_as_in_blender(scene):
    figures.add(scene).data.materials.clear()
    (drawing,) = gather(scene).drawings.values()
    assert drawing.strokes.colors[0].tolist() == [203, 203, 203, 255]


# --- nothing is changed -------------------------------------------------------------------------------------------


def test_reading_changes_nothing(scene):
    ob = figures.add(scene, keys=(1, 3, 8))
    ob.modifiers.new("Noise", "GREASE_PENCIL_NOISE").factor = 0.4
    ob.keyframe_insert("location", frame=1)
    ob.location.x = 1
    ob.keyframe_insert("location", frame=12)
    masked = figures.add(scene, "Masked")
    bpy.context.view_layer.objects.active = masked
    figures.add_layer(masked.data, "Mask", strokes=[(figures.arc((0.5, 0), 0.9, count=40), 0.3, True)])
    masked.data.layers.active = masked.data.layers["Lines"]
    bpy.ops.grease_pencil.layer_mask_add(name="Mask")
    masked.data.layers["Lines"].use_masks = True
    masked.shiage.references.add().image = reference()
    other = bpy.data.objects.new("Second", scene.camera.data)
    scene.collection.objects.link(other)
    scene.timeline_markers.new("cut", frame=6).camera = other
    scene.frame_set(5, subframe=0.25)
    before = snapshot()
    shot = gather(scene)
    after = snapshot()
    assert {path: (before.get(path), after.get(path)) for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == {}
    assert len(before) > 1000
    assert any(drawing.picture for drawing in shot.drawings.values())


def test_what_is_not_keyed_yet_survives(scene):
    ob = figures.add(scene)
    ob["mood"] = 1.0
    ob.keyframe_insert("location", frame=1)
    ob.keyframe_insert('["mood"]', frame=1)
    other = bpy.data.objects.new("Second", scene.camera.data)
    scene.collection.objects.link(other)
    scene.timeline_markers.new("cut", frame=1).camera = other
    scene.frame_set(4)
    ob.location.x, ob["mood"] = 2.5, 7.0
    camera = scene.camera = bpy.data.objects["Camera"]
    gather(scene)
    assert (ob.location.x, ob["mood"], scene.frame_current) == (2.5, 7.0, 4)
    assert scene.camera == camera


def test_an_error_on_the_way_brings_the_frame_back(scene):
    figures.add(scene)
    scene.frame_set(7)

    def stop(fraction):
        if fraction > 0.3:
            raise module("engine.job.errors").JobCancelled("stopped")

    with pytest.raises(module("engine.job.errors").JobCancelled):
        gather(scene, on_progress=stop)
    assert scene.frame_current == 7


# --- the job folder -----------------------------------------------------------------------------------------------


def test_the_job_folder_holds_what_was_read(scene, tmp_path):
    figures.add(scene, keys=(1, 3))
    shot = gather(scene)
    write_job, job = module("operators.scene.read.request").write_job, module("engine.job")
    with bad_input() as caught:
        write_job(shot, tmp_path / "job", "flats", {}, [])
    assert "no reference" in str(caught.value)
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"a picture")
    stale = tmp_path / "job" / "strokes" / "0123456789abcdef.npz"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of another request")
    request = write_job(shot, tmp_path / "job", "flats", {"gap": 3.0}, [sheet])
    assert job.load_job(tmp_path / "job") == request
    assert not stale.exists()
    assert (request.size, request.fps, request.frames) == (SIZE, 24.0, shot.exposures)
    for drawing in request.drawings:
        with np.load(tmp_path / "job" / drawing.file, allow_pickle=False) as arrays:
            strokes = shot.drawings[drawing.id].strokes
            assert {name: arrays[name].dtype.name for name in arrays} == {
                "points": "float32",
                "widths": "float32",
                "colors": "uint8",
                "offsets": "int32",
                "cyclic": "bool",
            }
            assert all((arrays[name] == array).all() for name, array in strokes.arrays().items())
            assert (arrays["points"] * 64 == np.round(arrays["points"] * 64)).all()
