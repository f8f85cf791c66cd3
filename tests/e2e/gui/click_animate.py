"""Animate Rig by hand: mark the joints of the picture, show the pose over the camera's view, click the button, find the strip."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import driver

REFERENCE = Path(os.environ["SHIAGE_TEST_REFERENCE"])
WEIGHTS = os.environ["SHIAGE_TEST_WEIGHTS"]
NOSE, SHOULDER = (0.5, 0.21), (0.43, 0.295)  # the right one; of the reference, as fractions from its top left


def on_picture(area, place):
    """The place in the window of a point of the reference."""
    region = next(region for region in area.regions if region.type == "WINDOW")
    x, y = region.view2d.view_to_region(place[0], 1 - place[1], clip=False)
    return region.x + x, region.y + y


def marked():
    return driver.module("operators.scene.rig.marks").of_image(bpy.context.scene.shiage.rig.reference)


def near(at, place):
    return max(abs(a - b) for a, b in zip(at, place, strict=True)) < 0.02


def open_panel():
    """Show only this panel, with its bones; the others are closed."""
    ours = [cls for cls in bpy.types.Panel.__subclasses__() if getattr(cls, "bl_idname", "").startswith("SHIAGE_PT_")]
    panels = [cls for cls in ours if cls.bl_space_type == "VIEW_3D"]
    tops = sorted((cls for cls in panels if not hasattr(cls, "bl_parent_id")), key=lambda cls: cls.bl_idname != "SHIAGE_PT_rig")
    children = [cls for cls in panels if hasattr(cls, "bl_parent_id")]
    for cls in (*children, *tops):
        bpy.utils.unregister_class(cls)
    for cls in (*tops, *children):
        cls.bl_options = set() if cls.bl_idname in ("SHIAGE_PT_rig", "SHIAGE_PT_rig_bones") else {"DEFAULT_CLOSED"}
        bpy.utils.register_class(cls)


def scenario():
    open_panel()
    scene = bpy.context.scene
    chosen = scene.shiage.rig
    area, preview, strips = yield from driver.cutting_desk()
    preview.type = "IMAGE_EDITOR"
    area.spaces.active.overlay.show_overlays = True
    driver.sidebar(area).active_panel_category = "Shiage"
    driver.show_all(area)
    yield 1.0
    driver.screenshot("empty.png")
    chosen.armature = scene.objects["RIG"]
    chosen.reference = bpy.data.images.load(str(REFERENCE))
    chosen.show_skeleton = True
    own = scene.shiage.options.animate_anyone
    own.weights, own.side, own.steps, own.lines = WEIGHTS, 64, 2, False
    scene.frame_set(5)
    yield 1.0
    x, y = yield from driver.find_button(area, "shiage.mark_reference")
    driver.click(x, y)
    yield 1.5
    region = next(region for region in preview.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=driver.window(), area=preview, region=region):
        bpy.ops.image.view_all(fit_view=True)
    yield 0.5
    driver.click(*on_picture(preview, NOSE))
    yield 1.5
    assert list(marked()) == ["nose"] and near(marked()["nose"], NOSE), marked()
    driver.screenshot("marking.png")
    driver.key("x")  # the right shoulder is hidden, say
    yield 0.5
    driver.key("BackSpace")  # go back to it
    yield 0.5
    driver.click(*on_picture(preview, SHOULDER))
    yield 1.5
    driver.key("Return")
    yield 1.0
    assert list(marked()) == ["nose", "shoulder.R"] and near(marked()["shoulder.R"], SHOULDER), marked()
    assert bpy.ops.shiage.marks_from_rig() == {"FINISHED"}
    assert len(marked()) == 17
    yield 1.0
    driver.screenshot("guessed.png")
    x, y = yield from driver.find_button(area, "shiage.mark_reference")
    driver.click(x, y)
    yield 1.5
    driver.drag(on_picture(preview, marked()["wrist.R"]), on_picture(preview, (0.3, 0.6)))
    yield 3.0
    driver.screenshot("dragged.png")
    driver.key("Return")
    yield 1.0
    assert near(marked()["wrist.R"], (0.3, 0.6)) and len(marked()) == 17, marked()
    bpy.ops.wm.save_mainfile()
    x, y = yield from driver.find_button(area, "shiage.animate_rig")
    driver.click(x, y)
    yield 2.0
    driver.screenshot("running.png")
    yield from driver.until(driver.colored, 300)
    preview.type = "SEQUENCE_EDITOR"
    preview.spaces.active.view_type = "PREVIEW"
    yield 1.0
    driver.show_all(preview)
    driver.show_all(strips)
    yield 2.0
    driver.screenshot("after.png")
    bpy.ops.wm.save_mainfile()


driver.run(scenario)
