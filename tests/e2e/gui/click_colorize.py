"""An animator's first shot: add a reference, click Colorize Shot, wait, find the strip on the timeline."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import driver

REFERENCE = Path(os.environ["SHIAGE_TEST_REFERENCE"])


def scenario():
    area = driver.viewport()
    yield 1.0
    driver.sidebar(area).active_panel_category = "Shiage"
    yield 1.0
    bpy.ops.shiage.open_references(directory=str(REFERENCE.parent), files=[{"name": REFERENCE.name}])
    yield 1.0
    driver.screenshot("before.png")
    x, y = yield from driver.find_button(area, "shiage.colorize_shot")
    driver.click(x, y)
    yield 1.5
    driver.screenshot("running.png")
    yield from driver.until(driver.colored, 120)
    yield 1.0
    bpy.context.scene.frame_set(bpy.context.scene.frame_start + 2)
    yield 1.0
    driver.screenshot("after.png")
    bpy.ops.wm.save_mainfile()


driver.run(scenario)
