"""Run by run.py inside Blender: what it costs to draw all panels of the sidebar. Writes JSON to the file after `--`: CPU time, medians."""

import importlib
import json
import statistics
import sys
import time
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "addon"))

from layouts import draw_panels, sidebar

FILE = Path(sys.argv[sys.argv.index("--") + 1])
PAIRS = 28  # of keys that follow each other, with three drawings of Shiage's between


def import_module(name: str):
    return importlib.import_module(f"bl_ext.user_default.shiage.{name}")


def build_shot(strokes: int, points: int) -> bpy.types.GreasePencilLayer:
    """A layer of keys and drawings between, before a camera; all that is to be filled is ready to be."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    data = import_module("operators.scene.compat").grease_pencils().new("Bench")
    ob = bpy.data.objects.new("Bench", data)
    scene.collection.objects.link(ob)
    bpy.context.view_layer.objects.active = ob
    layer = data.layers.new("Lines", set_active=True)
    keys = import_module("operators.scene.inbetween.keys")
    random = np.random.default_rng(1)
    for number in range(4 * PAIRS + 1):
        frame = layer.frames.new(1 + 2 * number)
        frame.drawing.add_strokes([points] * strokes)
        places = random.normal(0, 1, 3 * strokes * points).astype(np.float32)
        frame.drawing.attributes["position"].data.foreach_set("vector", places)
        if number % 4:
            keys.mark_generated(frame)
    chosen = scene.shiage.inbetween
    chosen.keys, chosen.frame_start, chosen.frame_end, chosen.spacing = "RANGE", 1, 1 + 8 * PAIRS, "TWOS"
    engine = import_module("operators.engine")
    engine.status = engine.EngineStatus("ready", "The engine is installed")
    bpy.context.view_layer.update()
    return layer


def time_redraw() -> float:
    """Milliseconds of CPU time that a redraw takes."""
    with bpy.context.temp_override(**sidebar()):
        started = time.process_time()
        texts = draw_panels(bpy.context)
        taken = 1000 * (time.process_time() - started)
    assert any(f"{3 * PAIRS}" in text for text in texts), "the panels say nothing of the drawings to be made"
    return taken


def main() -> None:
    layer = build_shot(strokes=60, points=80)
    time_redraw()
    again = [time_redraw() for _ in range(51)]
    changed = []
    for _ in range(11):
        layer.frames[0].drawing.tag_positions_changed()
        layer.id_data.update_tag()
        bpy.context.view_layer.update()
        changed.append(time_redraw())
    numbers = {
        f"all panels drawn, {3 * PAIRS} drawings of 60 strokes, ms": statistics.median(again),
        "all panels drawn once a drawing has changed, ms": statistics.median(changed),
    }
    FILE.write_text(json.dumps({name: round(value, 2) for name, value in numbers.items()}), "utf-8")


main()
