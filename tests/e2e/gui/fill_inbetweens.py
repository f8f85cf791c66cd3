"""The playhead is between two keys: click Fill Inbetweens, show the result, undo and redo it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import driver


def numbers(layer: str) -> list[int]:
    return sorted(frame.frame_number for frame in bpy.data.objects["Head"].data.layers[layer].frames)


def filled() -> bool:
    for entry in driver.module("operators.session").entries:
        if entry.job.state in ("failed", "cancelled"):
            raise RuntimeError(entry.job.text)
    return len(numbers("Lines")) > 2 and len(numbers("Paint")) > 2


def look_through_camera(area) -> None:
    space = area.spaces.active
    space.region_3d.view_perspective = "CAMERA"
    space.show_gizmo = False
    space.overlay.show_floor = space.overlay.show_axis_x = space.overlay.show_axis_y = space.overlay.show_cursor = False
    driver.show_all(area)


def scenario():
    scene = bpy.context.scene
    area = driver.viewport()
    driver.only_panels("inbetween", "inbetween_strokes")
    look_through_camera(area)
    yield 1.0
    driver.sidebar(area).active_panel_category = "Shiage"
    yield 1.0
    driver.screenshot("before.png")
    x, y = yield from driver.find_button(area, "shiage.fill_inbetweens")
    driver.click(x, y)
    yield from driver.until(filled, 120)
    assert numbers("Lines") == numbers("Paint") == [1, 3, 5, 7, 9, 11, 13, 15, 17]
    assert bpy.context.object == bpy.data.objects["Head"]
    for frame in (1, 5, 9, 13, 17):
        scene.frame_set(frame)
        yield 1.0
        driver.screenshot(f"frame{frame:02d}.png")
    driver.with_window(bpy.ops.ed.undo)
    yield 1.0
    assert numbers("Lines") == numbers("Paint") == [1, 17], "undo takes all of it away, in one step"
    driver.with_window(bpy.ops.ed.redo)
    yield 1.0
    assert len(numbers("Lines")) == len(numbers("Paint")) == 9, "and redo brings it back"
    scene = bpy.context.scene
    bpy.context.view_layer.objects.active = bpy.data.objects["Head"]
    driver.with_window(lambda: bpy.ops.object.mode_set(mode="EDIT"))
    scene.shiage.inbetween.show_arcs = True
    scene.frame_set(9)
    yield 1.5
    driver.screenshot("edit.png")
    yield from pin_the_nose()
    yield from while_drawing()
    bpy.ops.wm.save_mainfile()


def pin_the_nose():
    """The line of the nose looks different after the turn: pin the pair by hand."""
    nose = 7
    for frame in (1, 17):
        driver.with_window(lambda frame=frame: bpy.ops.shiage.select_stroke(object="Head", layer="Lines", frame=frame, stroke=nose))
        yield 0.5
    driver.with_window(bpy.ops.shiage.pin_pair)
    assert len(bpy.context.object.shiage.pins) == 1
    driver.screenshot("pinned.png")
    bpy.ops.shiage.fill_inbetweens(again=True)

    def imported() -> bool:
        entry = driver.module("operators.session").entries[0]
        return not entry.live and not entry.wants_import and bool(entry.remark)

    yield from driver.until(imported, 120)
    found = driver.module("operators.inbetween").get_last_matches(bpy.context.scene)
    assert ("Lines", nose, nose) in [(match.layer, match.a, match.b) for match in found]
    bpy.context.scene.frame_set(9)
    yield 1.0
    driver.screenshot("again.png")


def while_drawing():
    """Drawings of an earlier run are replaced in Draw Mode, and undo reverts that too."""
    driver.with_window(lambda: bpy.ops.object.mode_set(mode="PAINT_GREASE_PENCIL"))
    driver.with_window(lambda: bpy.ops.ed.undo_push(message="an animator's own work"))
    scene = bpy.context.scene
    scene.shiage.inbetween.spacing = "THREES"
    bpy.ops.shiage.fill_inbetweens()
    yield from driver.until(lambda: numbers("Lines") == [1, 4, 7, 10, 13, 16, 17], 120)
    assert bpy.context.object.mode == "PAINT_GREASE_PENCIL"
    yield 1.0
    driver.with_window(bpy.ops.ed.undo)
    yield 1.0
    assert numbers("Lines") == numbers("Paint") == [1, 3, 5, 7, 9, 11, 13, 15, 17]
    driver.with_window(bpy.ops.ed.redo)
    yield 1.0
    assert numbers("Lines") == numbers("Paint") == [1, 4, 7, 10, 13, 16, 17]


driver.run(scenario)
