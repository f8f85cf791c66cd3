"""The extension is disabled while a job runs: the engine ends. Enabled again, the job resumes where it was."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import addon_utils
import bpy
import driver

NAME = "bl_ext.user_default.shiage"
REFERENCE = Path(os.environ["SHIAGE_TEST_REFERENCE"])


def scenario():
    driver.begin_long_job(REFERENCE)
    yield 1.5
    children = driver.engines()
    assert children, "the engine is at work"
    addon_utils.disable(NAME)
    yield 2.0
    assert not hasattr(bpy.types.Scene, "shiage")
    assert not set(children) & set(driver.engines()), "the engine has ended"
    addon_utils.enable(NAME)
    yield 1.0
    bpy.ops.shiage.find_jobs()
    (entry,) = driver.module("operators.session").entries
    bpy.ops.shiage.retry_job(folder=str(entry.folder))
    yield from driver.until(driver.colored, 120)
    bpy.ops.wm.save_mainfile()


driver.run(scenario)
