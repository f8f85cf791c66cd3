"""Run in Blender's window by bench.py: color the shot and note how long each timer callback of the session takes, in milliseconds."""

import json
import os
import sys
import time
from pathlib import Path

import bpy

FOLDER = Path(os.environ["SHIAGE_BENCH"])
session = sys.modules["bl_ext.user_default.shiage.operators.session"]
tick = session._tick
ticks: list[float] = []


def timed():
    started = time.perf_counter()
    again = tick()
    ticks.append(1000 * (time.perf_counter() - started))
    return again


def begin() -> None:
    vars(session)["_tick"] = timed
    area = next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")
    area.spaces.active.shading.type = "SOLID"
    area.spaces.active.show_region_ui = True
    bpy.ops.shiage.open_references(directory=str(FOLDER), files=[{"name": "key.png"}, {"name": "sheet.png"}])
    bpy.ops.shiage.colorize_shot()
    bpy.app.timers.register(end, first_interval=1.0)


def end() -> float | None:
    if any(entry.live for entry in session.entries) or not ticks:
        return 1.0
    (FOLDER / "window.json").write_text(json.dumps(ticks), "utf-8")
    bpy.ops.wm.quit_blender()
    return None


bpy.context.preferences.use_preferences_save = False
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.system.viewport_aa = "OFF"
bpy.app.timers.register(begin, first_interval=3.0)
