"""Fill Inbetweens by the button and by the shell, with the real engine and its own model; what stands in the way, and pins."""

import json

import bpy
import figures
import layouts
import numpy as np
import pytest
from conftest import module
from test_inbetween_scene import drawing_at, everything, numbers, positions, snapshot

pytestmark = pytest.mark.usefixtures("engine_python")


@pytest.fixture
def shot(scene, tmp_path):
    """A saved file with a figure that has keys at 1 and 9, active, and the playhead between them."""
    ob = figures.add(scene, keys=(1, 9))
    bpy.context.view_layer.objects.active = ob
    scene.frame_set(3)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


def layer_of(scene):
    return scene.objects["Figure"].data.layers["Lines"]


def obstacle(scene):
    return module("operators.inbetween").find_obstacle(scene, bpy.context.view_layer)


def shiage(*arguments):
    return module("operators.shell").main([str(argument) for argument in arguments])


# --- the button ---------------------------------------------------------------------------------------------------


def test_the_button_fills_between_the_keys(shot):
    layer = layer_of(shot)
    before = snapshot(layer)
    assert obstacle(shot) == ""
    assert module("operators.inbetween").summarize_drawings(shot, bpy.context.view_layer) == "1 → 9  ·  3 drawings"
    assert bpy.ops.shiage.fill_inbetweens() == {"FINISHED"}
    assert numbers(layer) == [1, 3, 5, 7, 9]
    assert all(before[number] == snapshot(layer)[number] for number in (1, 9))
    first, last = (positions(drawing_at(layer, number)) for number in (1, 9))
    middle = positions(drawing_at(layer, 5))
    assert np.allclose(middle[:, 1], 0, atol=1e-5)
    assert np.allclose(middle.mean(axis=0), (first.mean(axis=0) + last.mean(axis=0)) / 2, atol=0.05), "it moves as a whole"
    entry = module("operators.session").entries[0]
    assert entry.task == "inbetween" and entry.remark == "3 drawings are on Lines."
    found = module("operators.inbetween").get_last_matches(shot)
    assert {(match.a, match.b) for match in found} == {(i, i) for i in range(5)}


def test_the_result_of_an_earlier_session_is_found(shot, tmp_path):
    bpy.ops.shiage.fill_inbetweens()
    module("operators.session").entries.clear()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    scene = bpy.context.scene
    assert numbers(layer_of(scene)) == [1, 9], "that was not saved"
    (entry,) = module("operators.session").entries
    assert entry.task == "inbetween" and len(module("operators.inbetween").get_last_matches(scene)) == 5
    assert bpy.ops.shiage.import_result(folder=str(entry.folder)) == {"FINISHED"}
    assert numbers(layer_of(scene)) == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("mode", ["PAINT_GREASE_PENCIL", "EDIT", "SCULPT_GREASE_PENCIL"])
def test_while_a_person_draws_or_edits(shot, mode):
    bpy.ops.object.mode_set(mode=mode)
    assert bpy.ops.shiage.fill_inbetweens() == {"FINISHED"}
    assert numbers(layer_of(shot)) == [1, 3, 5, 7, 9]
    assert bpy.context.object.mode == mode


def test_moved_turned_scaled_parented(shot):
    ob = shot.objects["Figure"]
    empty = bpy.data.objects.new("Empty", None)
    shot.collection.objects.link(empty)
    empty.rotation_euler, empty.scale = (0.3, 0.4, 0.5), (2, 2, 2)
    ob.parent, ob.location, ob.rotation_euler, ob.scale = empty, (1, 2, 3), (0.1, 1.2, 0.3), (0.5, 3, 1)
    layer_of(shot).rotation = (0, 0.5, 0)
    bpy.context.view_layer.update()
    assert bpy.ops.shiage.fill_inbetweens() == {"FINISHED"}
    first, last = (positions(drawing_at(layer_of(shot), number)) for number in (1, 9))
    assert np.allclose(positions(drawing_at(layer_of(shot), 5)).mean(axis=0), (first + last).mean(axis=0) / 2, atol=0.05)


def test_several_pairs_and_layers(shot):
    data = shot.objects["Figure"].data
    for number in (13, 14):
        figures.write(layer_of(shot).frames.new(number).drawing, figures.figure())
    figures.add_layer(data, "Top", keys=(5, 13))
    figures.add_layer(data, "Single", keys=(5,))
    figures.add_layer(data, "Rough", keys=(1, 9))
    chosen = shot.shiage.inbetween
    chosen.keys, chosen.frame_start, chosen.frame_end, chosen.spacing, chosen.count = "RANGE", 1, 13, "COUNT", 1
    assert bpy.ops.shiage.fill_inbetweens() == {"FINISHED"}
    assert numbers(layer_of(shot)) == [1, 5, 9, 11, 13, 14]
    assert numbers(data.layers["Top"]) == [5, 9, 13]
    assert numbers(data.layers["Rough"]) == [1, 9] and numbers(data.layers["Single"]) == [5]


def test_two_objects_share_their_drawings(shot):
    twin = bpy.data.objects.new("Twin", shot.objects["Figure"].data)
    shot.collection.objects.link(twin)
    for ob in (twin, shot.objects["Figure"]):
        ob.select_set(True)
    shot.shiage.inbetween.use_selected = True
    assert bpy.ops.shiage.fill_inbetweens() == {"FINISHED"}
    assert numbers(layer_of(shot)) == [1, 3, 5, 7, 9]


# --- spacing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "frames", "places"),
    [
        ({"spacing": "ONES"}, [2, 3, 4, 5, 6, 7, 8], [1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8]),
        ({"spacing": "TWOS", "easing": "in_out"}, [3, 5, 7], [(1 - np.cos(np.pi * x)) / 2 for x in (0.25, 0.5, 0.75)]),
        ({"spacing": "THREES"}, [4, 7], [3 / 8, 6 / 8]),
        ({"spacing": "COUNT", "count": 1}, [5], [0.5]),
        ({"spacing": "COUNT", "count": 7}, [2, 3, 4, 5, 6, 7, 8], [n / 8 for n in range(1, 8)]),
        ({"spacing": "CHART", "chart": "1/8 25% 0.5"}, [3, 5, 7], [0.125, 0.25, 0.5]),
    ],
)
def test_spacing(shot, settings, frames, places):
    chosen = shot.shiage.inbetween
    for name, value in settings.items():
        setattr(chosen, name, value)
    found = module("operators.scene.settings.inbetween").list_drawings(chosen, module("operators.scene.inbetween.keys").KeyPair(1, 9))
    assert [frame for frame, _ in found] == frames
    assert np.allclose([at for _, at in found], places)


# --- what is in the way ----------------------------------------------------------------------------------------------


def test_obstacles(shot):
    chosen, layer = shot.shiage.inbetween, layer_of(shot)
    shot.frame_set(12)
    assert obstacle(shot) == "There is no key of Lines after frame 12: go to a frame between two keys"
    shot.frame_set(0)
    assert obstacle(shot) == "There is no key of Lines before frame 0: go to a frame between two keys"
    shot.frame_set(9)
    assert obstacle(shot) == "", "at the last key, those before it"
    chosen.keys, chosen.frame_start, chosen.frame_end = "RANGE", 2, 40
    assert obstacle(shot) == "There are no two keys of Lines from frame 2 to 40: choose other frames"
    chosen.keys, chosen.spacing, chosen.count = "PLAYHEAD", "COUNT", 500
    assert obstacle(shot) == "There is room for 7 drawings between the keys 1 and 9, not for 500"
    chosen.spacing, chosen.chart = "CHART", "a bit"
    assert "'a' is no place on a timing chart" in obstacle(shot)
    chosen.chart = ""
    assert "The timing chart is empty" in obstacle(shot)
    chosen.spacing = "TWOS"
    layer.lock = True
    assert obstacle(shot) == "Every layer is hidden, locked, rough or left out: choose one, or show it"
    chosen.layers = "ACTIVE"
    assert obstacle(shot) == "The active layer of Figure is hidden or locked: show and unlock it, or choose another"
    layer.lock, layer.hide, chosen.layers = False, True, "ALL"
    assert obstacle(shot) == "All that is drawn lies on the layer Lines (hidden), which takes no part: show it"
    layer.hide = False
    drawing_at(layer, 9).remove_strokes()
    assert obstacle(shot) == "The key 9 of Lines has no strokes: draw it, or go to other keys"
    bpy.context.view_layer.objects.active = shot.camera
    assert obstacle(shot) == "Select the Grease Pencil object to fill"
    with pytest.raises(RuntimeError, match="Select the Grease Pencil object to fill"):
        bpy.ops.shiage.fill_inbetweens()


def test_no_room_between_keys(shot):
    layer = layer_of(shot)
    figures.write(layer.frames.new(2).drawing, figures.figure())
    shot.frame_set(1)
    assert obstacle(shot) == "There is no room between the keys 1 and 2: move one, or choose a closer spacing"


def test_linked_drawings_are_told(shot, tmp_path):
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "shot.blend"), link=True) as (_, into):
        into.objects = ["Figure"]
    ob = bpy.data.objects["Figure"]
    bpy.context.scene.collection.objects.link(ob)
    bpy.context.view_layer.objects.active = ob
    bpy.context.scene.frame_set(3)
    assert "are linked from another file: make them local first" in obstacle(bpy.context.scene)


def test_the_same_key_twice(shot, capfd):
    layer = layer_of(shot)
    figures.write(drawing_at(layer, 9), figures.figure())
    with pytest.raises(RuntimeError, match="are the same drawing: nothing lies between them"):
        bpy.ops.shiage.fill_inbetweens()
    assert numbers(layer) == [1, 9]


def test_keys_with_nothing_in_common(shot):
    layer = layer_of(shot)
    figures.write(drawing_at(layer, 9), [(figures.arc((40, 60), 3, count=9), 0.02, False)])
    assert bpy.ops.shiage.fill_inbetweens() == {"FINISHED"}
    assert numbers(layer) == [1, 3, 5, 7, 9]
    found = module("operators.inbetween").get_last_matches(shot)
    assert any(match.alone for match in found) and found[0].alone, "those without a partner come first"


# --- what is kept between two redraws ---------------------------------------------------------------------------------


def update() -> None:
    """What Blender does before it draws."""
    bpy.context.view_layer.update()


def preview() -> str:
    """What the panel says of what would be filled: the obstacle, or the summary."""
    scene, view_layer, operators = bpy.context.scene, bpy.context.view_layer, module("operators.inbetween")
    return operators.find_obstacle(scene, view_layer) or operators.summarize_drawings(scene, view_layer)


@pytest.fixture
def filled(shot):
    """The shot with drawings at 3, 5 and 7, in the mode that looks at all of them, and what the panel says of it."""
    bpy.ops.shiage.fill_inbetweens()
    shot.shiage.inbetween.keys = "RANGE"
    update()
    assert preview() == "1 → 9  ·  3 drawings"
    return shot


def test_drawings_are_not_read_again_while_nothing_changes(filled, monkeypatch):
    keys, read = module("operators.scene.inbetween.keys"), []
    checksum = keys.compute_checksum
    monkeypatch.setattr(keys, "compute_checksum", lambda drawing: read.append(drawing) or checksum(drawing))
    with bpy.context.temp_override(**layouts.sidebar()):
        for _ in range(3):
            assert "1 → 9  ·  3 drawings" in layouts.draw_panels(bpy.context)
    filled.frame_set(4)
    filled.camera.location.x += 1
    update()
    assert preview() == "1 → 9  ·  3 drawings" and not read
    drag_a_point(filled, 5)
    update()
    assert preview() == "1 → 5, 5 → 9  ·  2 drawings" and read


def drag_a_point(scene, number: int) -> None:
    """Change the drawing at a frame."""
    drawing_at(layer_of(scene), number).strokes[0].points[0].position.x += 0.5


def move_key(layer, number: int, frames: int) -> None:
    """Drag a key in the Dope Sheet."""
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "DOPESHEET_EDITOR"
    for frame in layer.frames:
        frame.select = frame.frame_number == number
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        assert bpy.ops.transform.transform(mode="TIME_TRANSLATE", value=(frames, 0, 0, 0)) == {"FINISHED"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda layer: drag_a_point(bpy.context.scene, 5), "1 → 5, 5 → 9  ·  2 drawings"),
        (lambda layer: setattr(layer.frames[2], "keyframe_type", "KEYFRAME"), "1 → 5, 5 → 9  ·  2 drawings"),
        (lambda layer: move_key(layer, 9, 4), "1 → 13  ·  5 drawings"),
        (lambda layer: layer.frames.remove(9), "There are no two keys of Lines from frame 1 to 24: choose other frames"),
        (lambda layer: drawing_at(layer, 9).remove_strokes(), "There are no two keys of Lines from frame 1 to 24: choose other frames"),
        (lambda layer: figures.write(layer.frames.new(12).drawing, figures.figure()), "1 → 9, 9 → 12  ·  4 drawings"),
        (lambda layer: setattr(layer, "hide", True), "All that is drawn lies on the layer Lines (hidden), which takes no part: show it"),
        (lambda layer: setattr(layer, "lock", True), "Every layer is hidden, locked, rough or left out: choose one, or show it"),
        (
            lambda layer: setattr(layer, "name", "Rough"),
            "All that is drawn lies on the layer Rough (rough), which takes no part: rename it if it is the final line art",
        ),
    ],
)
def test_the_panel_knows_what_was_drawn(filled, change, told):
    change(layer_of(filled))
    update()
    assert preview() == told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("spacing", "ONES", "1 → 9  ·  7 drawings"),
        ("spacing", "COUNT", "There is room for 7 drawings between the keys 1 and 9, not for 20"),
        ("frame_end", 8, "There are no two keys of Lines from frame 1 to 8: choose other frames"),
        ("frame_start", 2, "There are no two keys of Lines from frame 2 to 24: choose other frames"),
        ("keys", "PLAYHEAD", "There is no key of Lines after frame 12: go to a frame between two keys"),
        ("model", "anidoc", "Get the model's weights first, under Models"),
    ],
)
def test_the_panel_knows_what_was_chosen(filled, monkeypatch, tmp_path, name, value, told):
    monkeypatch.setenv("SHIAGE_WEIGHTS", str(tmp_path))
    module("operators.weights").refresh_missing()
    filled.shiage.inbetween.count = 20
    filled.frame_set(12)
    assert preview() == "1 → 9  ·  3 drawings"
    setattr(filled.shiage.inbetween, name, value)
    assert preview() == told


def test_the_panel_knows_what_was_undone(filled):
    bpy.ops.ed.undo_push(message="before")
    drag_a_point(filled, 5)
    bpy.ops.ed.undo_push(message="a point was dragged")
    assert preview() == "1 → 5, 5 → 9  ·  2 drawings"
    bpy.ops.ed.undo()
    assert preview() == "1 → 9  ·  3 drawings"
    bpy.ops.ed.redo()
    assert preview() == "1 → 5, 5 → 9  ·  2 drawings"


def test_the_panel_knows_which_file_and_which_scene_is_shown(filled, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "filled.blend"))
    drag_a_point(filled, 5)
    update()
    assert preview() == "1 → 5, 5 → 9  ·  2 drawings"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "filled.blend"))
    assert preview() == "1 → 9  ·  3 drawings"
    other = bpy.data.scenes.new("Other")
    bpy.context.window.scene = other
    assert preview() == "Select the Grease Pencil object to fill"
    bpy.context.window.scene = bpy.data.scenes["Scene"]
    bpy.context.view_layer.objects.active = bpy.data.objects["Camera"]
    assert preview() == "Select the Grease Pencil object to fill"
    bpy.context.view_layer.objects.active = figures.add(bpy.context.scene, "Second", keys=(2, 6, 10))
    assert preview() == "2 → 6, 6 → 10  ·  2 drawings"


def test_the_panel_knows_which_layers_are_left_out(filled):
    bpy.ops.shiage.toggle_layer(object="Figure", layer="Lines")
    assert preview() == "All that is drawn lies on the layer Lines (left out), which takes no part: let it take part under Drawings"
    figures.add_layer(filled.objects["Figure"].data, "Top", keys=(1, 5))
    filled.shiage.inbetween.layers = "ACTIVE"
    assert preview() == "1 → 5  ·  1 drawings"
    filled.objects["Figure"].data.layers.active = layer_of(filled)
    assert preview() == "1 → 9  ·  3 drawings", "the active layer, whatever it is"


# --- pins ------------------------------------------------------------------------------------------------------------


def test_select_two_strokes_and_pin_them(shot):
    ob, layer = shot.objects["Figure"], layer_of(shot)
    bpy.ops.shiage.fill_inbetweens()
    for frame, stroke in ((1, 1), (9, 2)):
        assert bpy.ops.shiage.select_stroke(object="Figure", layer="Lines", frame=frame, stroke=stroke) == {"FINISHED"}
        assert shot.frame_current == frame and ob.mode == "EDIT"
        assert module("operators.scene.inbetween.matches").find_selected_strokes(ob, layer, frame) == [stroke]
    bpy.ops.shiage.pin_pair()
    (item,) = ob.shiage.pins
    assert (item.layer, item.first, item.last) == ("Lines", 1, 9)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert bpy.ops.shiage.fill_inbetweens(again=True) == {"FINISHED"}
    found = {(match.a, match.b) for match in module("operators.inbetween").get_last_matches(shot)}
    assert (1, 2) in found and (1, 1) not in found
    assert bpy.ops.shiage.remove_pin(index=0) == {"FINISHED"} and not ob.shiage.pins


def test_pinning_asks_for_one_stroke_in_each_key(shot):
    with pytest.raises(RuntimeError, match="Select one stroke in the key 1 and one in the key 9 of Lines, in Edit Mode: now it is 5 and 5"):
        bpy.ops.shiage.pin_pair()


def test_remove(shot):
    layer = layer_of(shot)
    before = {number: everything(drawing_at(layer, number)) for number in (1, 9)}
    bpy.ops.shiage.fill_inbetweens()
    assert bpy.ops.shiage.remove_inbetweens() == {"FINISHED"}
    assert snapshot(layer) == before


# --- the shell -------------------------------------------------------------------------------------------------------


def test_the_shell_fills_and_saves(shot, tmp_path):
    bpy.context.view_layer.objects.active = None
    arguments = ["--frames", "1-9", "--chart", "1/4 1/2", "--own-layer", "--save", "--json", tmp_path / "answer.json"]
    assert shiage("inbetween", *arguments) == 0
    answer = json.loads((tmp_path / "answer.json").read_text("utf-8"))
    assert answer["status"] == "done" and answer["strokes"] == "Lines inbetweens" and answer["exit_code"] == 0
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    own = bpy.context.scene.objects["Figure"].data.layers["Lines inbetweens"]
    assert numbers(own) == [4, 6, 9]


def test_the_shell_tells_what_has_no_partner_as_a_warning(shot, tmp_path):
    drawing_at(layer_of(shot), 9).remove_strokes(indices=[1])
    assert shiage("inbetween", "--frames", "1-9", "--json", tmp_path / "answer.json") == 0
    (warning,) = json.loads((tmp_path / "answer.json").read_text("utf-8"))["warnings"]
    assert "by length, vanish" in warning


def test_what_is_drawn_on_a_layer_that_takes_no_part_is_named(shot):
    layer_of(shot).name = "Rough"
    shot.objects["Figure"].data.layers.new("Fills").frames.new(1)
    update()
    expected = "All that is drawn lies on the layer Rough (rough), which takes no part: rename it if it is the final line art"
    assert obstacle(shot) == expected
    shot.objects["Figure"].data.layers.remove(shot.objects["Figure"].data.layers["Rough"])
    update()
    assert obstacle(shot) == "There is no key of Fills after frame 3: go to a frame between two keys"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--frames", "20-30"], "There are no two keys of Lines from frame 20 to 30"),
        (["--count", "500"], "There is room for 7 drawings"),
        (["--count", "0"], "There can be 1 to 999 drawings"),
        (["--count", "1", "--step", "2"], "not allowed with"),
        (["--chart", "soon"], "is no place on a timing chart"),
        (["--ease", "bouncy"], "invalid choice"),
        (["--objects", "Nobody"], "has no object 'Nobody'"),
        (["--objects", "Camera"], "Camera is no Grease Pencil object"),
        (["--model", "flats"], "can't inbetween"),
    ],
)
def test_bad_input_is_status_2(shot, capfd, arguments, told):
    assert shiage("inbetween", *arguments) == 2
    said = capfd.readouterr().err
    assert told in said and "Traceback" not in said
    assert numbers(layer_of(shot)) == [1, 9]
