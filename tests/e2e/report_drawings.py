"""Run by Blender: write the content of the layers of all Grease Pencil objects, as JSON, to the path after `--`."""

import json
import sys

import bpy
import numpy as np


def positions(drawing) -> list:
    values = np.empty(3 * drawing.attributes.domain_size("POINT"), np.float32)
    drawing.attributes["position"].data.foreach_get("vector", values)
    return values.reshape(-1, 3).tolist()


def value(drawing, name: str) -> list:
    attribute = drawing.attributes.get(name)
    if attribute is None:
        return []
    key, width = ("color", 4) if attribute.data_type == "FLOAT_COLOR" else ("value", 1)
    values = np.empty(width * len(attribute.data), np.int32 if attribute.data_type == "INT" else np.float32)
    attribute.data.foreach_get(key, values)
    return values.reshape(-1, width).tolist() if width > 1 else values.tolist()


layers = {
    layer.name: {
        frame.frame_number: {
            "type": frame.keyframe_type,
            "strokes": len(frame.drawing.strokes),
            "points": positions(frame.drawing) if len(frame.drawing.strokes) else [],
            **{name: value(frame.drawing, name) for name in ("material_index", "fill_color", "fill_id", "radius")},
        }
        for frame in layer.frames
    }
    for ob in bpy.data.objects
    if ob.type == "GREASEPENCIL"
    for layer in ob.data.layers
}
with open(sys.argv[sys.argv.index("--") + 1], "w", encoding="utf-8") as file:
    json.dump(layers, file)
