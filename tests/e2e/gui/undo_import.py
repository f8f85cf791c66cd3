"""The import is one undo step: undo removes the strip and nothing else, redo restores it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import driver

REFERENCE = Path(os.environ["SHIAGE_TEST_REFERENCE"])


def scenario():
    bpy.ops.shiage.open_references(directory=str(REFERENCE.parent), files=[{"name": REFERENCE.name}])
    driver.with_window(lambda: bpy.ops.ed.undo_push(message="an animator's own work"))
    bpy.ops.shiage.colorize_shot()
    yield from driver.until(driver.colored, 120)
    yield 1.0
    driver.with_window(bpy.ops.ed.undo)
    yield 0.5
    assert not driver.strips(), "undo takes the strip away"
    assert len(bpy.context.scene.shiage.references) == 1, "and nothing that was there before"
    assert bpy.data.objects.get("Figure") is not None
    driver.with_window(bpy.ops.ed.redo)
    yield 0.5
    assert len(driver.strips()) == 1, "redo brings it back"
    bpy.ops.wm.save_mainfile()


driver.run(scenario)
