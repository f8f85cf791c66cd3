"""Run by run.py in Blender's window, with the demo shot: what each timer callback costs while the shot is colored. Writes JSON."""

import json
import os
import statistics
import sys
import time
from pathlib import Path

import bpy

FOLDER = Path(os.environ["SHIAGE_BENCH"])
session = sys.modules["bl_ext.user_default.shiage.operators.session"]
tick = session._poll_on_timer
ticks: list[float] = []


def run_timed_tick():
    started = time.perf_counter()
    again = tick()
    ticks.append(1000 * (time.perf_counter() - started))
    return again


def start_job() -> None:
    vars(session)["_poll_on_timer"] = run_timed_tick
    area = next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")
    area.spaces.active.shading.type = "SOLID"
    area.spaces.active.show_region_ui = True
    bpy.ops.shiage.open_references(directory=str(FOLDER), files=[{"name": "key.png"}, {"name": "sheet.png"}])
    bpy.ops.shiage.colorize_shot()
    bpy.app.timers.register(finish_job, first_interval=1.0)


def finish_job() -> float | None:
    if any(entry.live for entry in session.entries) or not ticks:
        return 1.0
    numbers = {
        f"Blender's timer callback, 95 % of {len(ticks)}, ms": statistics.quantiles(ticks, n=20)[-1],
        "Blender's timer callback, longest, ms": max(ticks),
    }
    (FOLDER / "window.json").write_text(json.dumps({name: round(value, 2) for name, value in numbers.items()}), "utf-8")
    bpy.ops.wm.quit_blender()
    return None


bpy.context.preferences.use_preferences_save = False
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.system.viewport_aa = "OFF"
bpy.app.timers.register(start_job, first_interval=3.0)
