"""An animator's first shot: add a reference, click Colorize Shot, wait, find the strip on the timeline."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import driver

REFERENCE = Path(os.environ["SHIAGE_TEST_REFERENCE"])


def scenario():
    scene = bpy.context.scene
    area, preview, strips = yield from driver.cutting_desk()
    driver.sidebar(area).active_panel_category = "Shiage"
    driver.show_all(area)
    yield 1.0
    bpy.ops.shiage.open_references(directory=str(REFERENCE.parent), files=[{"name": REFERENCE.name}])
    scene.shiage.percentage = 50
    yield 1.0
    driver.screenshot("before.png")
    x, y = yield from driver.find_button(area, "shiage.colorize_shot")
    driver.click(x, y)
    yield 3.0
    driver.screenshot("running.png")
    yield from driver.until(driver.colored, 200)
    scene.frame_set((scene.frame_start + scene.frame_end) // 2)
    driver.show_all(preview)
    driver.show_all(strips)
    yield 3.0
    driver.screenshot("after.png")
    bpy.ops.wm.save_mainfile()


driver.run(scenario)
