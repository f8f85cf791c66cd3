"""While a job runs the scene is renamed, the object deleted, and another file opened. Then the first file is opened again."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import driver

REFERENCE = Path(os.environ["SHIAGE_TEST_REFERENCE"])


def scenario():
    file = bpy.data.filepath
    driver.begin_long_job(REFERENCE)
    yield 0.3
    bpy.context.scene.name = "Renamed"
    bpy.data.objects.remove(bpy.data.objects["Figure"])
    yield 0.3
    bpy.ops.wm.read_homefile()
    driver.quiet()
    yield 1.0
    entries = driver.module("operators.session").entries
    yield from driver.until(lambda: not any(entry.live for entry in entries), 120)
    yield 1.0
    assert entries[0].job.state == "done", entries[0].job
    assert not driver.strips(), "the strip belongs into the other file"
    bpy.ops.wm.open_mainfile(filepath=file)
    driver.quiet()
    yield 2.0
    if not driver.strips():
        print("IMPORT BY HAND", entries[0].remark)
        bpy.ops.shiage.import_result(folder=str(entries[0].folder))
    yield 0.5
    assert len(driver.strips()) == 1
    bpy.ops.wm.save_mainfile()


driver.run(scenario)
