"""Corrections by hand: Fix Region, a click on the picture, a swatch of the palette; in the preview, in the viewport; beside; and undo."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import driver

REFERENCE = Path(os.environ["SHIAGE_TEST_REFERENCE"])
EYE = (110.5 / 320, 110.5 / 240)  # of the first drawing


def in_preview(area, point):
    """The place in the window of a point of the picture, given as fractions from its top left."""
    region = next(region for region in area.regions if region.type == "PREVIEW")
    render = bpy.context.scene.render
    x, y = region.view2d.view_to_region((point[0] - 0.5) * render.resolution_x, (0.5 - point[1]) * render.resolution_y, clip=False)
    return region.x + x, region.y + y


def in_viewport(area, point):
    from bpy_extras.view3d_utils import location_3d_to_region_2d

    region = next(region for region in area.regions if region.type == "WINDOW")
    camera = bpy.context.scene.camera
    corners = [camera.matrix_world @ corner for corner in camera.data.view_frame(scene=bpy.context.scene)]
    right_top, _, left_bottom, left_top = corners
    place = left_top + (right_top - left_top) * point[0] + (left_bottom - left_top) * point[1]
    x, y = location_3d_to_region_2d(region, area.spaces.active.region_3d, place)
    return region.x + round(x), region.y + round(y)


def finished():
    entries = driver.module("operators.session").entries
    return bool(entries) and not entries[0].live and not entries[0].wants_import and bool(driver.strips())


def hints():
    return bpy.context.scene.shiage.hints


def color(hint):
    return tuple(round(255 * value) for value in hint.color)


def point_at(area, place):
    """Steps: press Fix Region in the sidebar and click a place, which opens the palette."""
    x, y = yield from driver.find_button(area, "shiage.fix_region")
    driver.click(x, y)
    yield 1.5
    driver.click(*place)
    yield 1.5


def correct(area, place, picture):
    """Steps: the palette opens under the mouse; the first swatch is chosen by the keys, as in any menu."""
    yield from point_at(area, place)
    assert not driver.module("operators.session").entries[0].live, "the click alone chooses nothing"
    driver.screenshot(picture)
    driver.key("Home")
    yield 0.3
    driver.key("Return")
    yield 0.5
    yield from driver.until(finished, 120)
    yield 1.0


def scenario():
    scene = bpy.context.scene
    area, preview, strips = yield from driver.cutting_desk()
    driver.sidebar(area).active_panel_category = "Shiage"
    driver.show_all(area)
    yield 1.0
    bpy.ops.shiage.open_references(directory=str(REFERENCE.parent), files=[{"name": REFERENCE.name}])
    bpy.ops.wm.save_mainfile()
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    yield from driver.until(finished, 60)
    scene.frame_set(1)
    driver.show_all(preview)
    driver.show_all(strips)
    yield 1.0
    yield from correct(area, in_preview(preview, EYE), "palette.png")
    driver.screenshot("corrected.png")
    assert [hint.frame for hint in hints()] == [1]
    assert max(abs(a - b) for a, b in zip(hints()[0].point, EYE, strict=True)) < 0.01
    first = color(hints()[0])
    scene.frame_set(3)
    yield 1.0
    yield from correct(area, in_viewport(area, (100.5 / 320, 150.5 / 240)), "palette_viewport.png")
    driver.screenshot("corrected_viewport.png")
    assert [hint.frame for hint in hints()] == [1, 3]
    assert color(hints()[1]) == first
    yield from point_at(area, in_viewport(area, (0.04, 0.5)))
    assert len(hints()) == 2, "a click beside the figure corrects nothing"
    driver.screenshot("beside.png")
    scene.frame_set(5)
    yield 1.0
    yield from point_at(area, in_preview(preview, (150.5 / 320, 110.5 / 240)))
    driver.key("End")  # Same as Another Region
    yield 0.3
    driver.key("Return")
    yield 1.0
    driver.screenshot("same_as.png")
    driver.click(*in_preview(preview, (120.5 / 320, 150.5 / 240)))
    yield 1.0
    yield from driver.until(finished, 120)
    yield 1.0
    assert [(hint.frame, hint.kind) for hint in hints()] == [(1, "COLOR"), (3, "COLOR"), (5, "SAME")]
    with bpy.context.temp_override(window=driver.window()):
        bpy.ops.ed.undo()  # of the import
        bpy.ops.ed.undo()  # of the correction
    assert [hint.frame for hint in hints()] == [1, 3]
    bpy.ops.wm.save_mainfile()


driver.run(scenario)
