"""Run by run.py inside Blender, with the demo shot: how long reading drawings takes. Writes JSON to the file after `--`: medians."""

import importlib
import json
import statistics
import sys
import time
from pathlib import Path

import bpy
import numpy as np

FILE = Path(sys.argv[sys.argv.index("--") + 1])


def import_module(name: str):
    return importlib.import_module(f"bl_ext.user_default.shiage.{name}")


def add_drawing(strokes: int, points: int):
    """A Grease Pencil object with one drawing of random strokes, 1 px to 10 px wide, before the demo's camera."""
    pencils = bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils
    data = pencils.new("Bench")
    ob = bpy.data.objects.new("Bench", data)
    bpy.context.scene.collection.objects.link(ob)
    data.materials.append(bpy.data.materials.new("Ink"))
    bpy.data.materials.create_gpencil_data(data.materials[0])
    drawing = data.layers.new("Lines", set_active=True).frames.new(bpy.context.scene.frame_current).drawing
    drawing.add_strokes([points] * strokes)
    random = np.random.default_rng(1)
    walk = np.cumsum(random.normal(0, 0.01, (strokes, points, 3)), axis=1) + random.uniform(-1, 1, (strokes, 1, 3))
    drawing.attributes["position"].data.foreach_set("vector", walk.astype(np.float32).ravel())
    for name, low, high in (("radius", 0.002, 0.02), ("opacity", 1, 1)):
        attribute = drawing.attributes.get(name) or drawing.attributes.new(name, "FLOAT", "POINT")
        attribute.data.foreach_set("value", random.uniform(low, high, strokes * points).astype(np.float32))
    return ob


def measure_extraction(strokes: int, points: int) -> float:
    """Milliseconds that one drawing takes, the median of eleven."""
    scene = bpy.context.scene
    ob = add_drawing(strokes, points)
    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    projection = import_module("operators.scene.read.camera").of_scene(scene, depsgraph, (1920, 1080))
    extract = import_module("operators.scene.read.strokes").extract_strokes
    world_matrix = import_module("operators.scene.read.layers").world_matrix
    evaluated = ob.evaluated_get(depsgraph)
    layer = evaluated.data.layers[0]
    times = []
    for _ in range(11):
        started = time.perf_counter()
        matrix = world_matrix(layer, evaluated.matrix_world, depsgraph)
        found = extract(layer.current_frame().drawing, list(evaluated.data.materials), layer.opacity, matrix, 1.0, projection)
        times.append(1000 * (time.perf_counter() - started))
    assert len(found.points) > 0.5 * strokes * points, "the strokes are not before the camera"
    bpy.data.objects.remove(ob)
    return statistics.median(times)


def main() -> None:
    scene = bpy.context.scene
    started = time.perf_counter()
    import_module("operators.scene.read.shot").gather_shot(
        scene, bpy.context.view_layer, size=(1920, 1080), frames=(scene.frame_start, scene.frame_end)
    )
    gathered = time.perf_counter() - started
    numbers = {
        "extraction of a drawing, 500 points, ms": measure_extraction(10, 50),
        "extraction of a drawing, 100,000 points, ms": measure_extraction(2000, 50),
        f"gathering the demo shot, {scene.frame_end - scene.frame_start + 1} frames, ms": 1000 * gathered,
    }
    FILE.write_text(json.dumps({name: round(value, 2) for name, value in numbers.items()}), "utf-8")


main()
