"""Run by inbetween.py inside Blender: its own Interpolate Sequence between pairs of keys.

The folder after `--` has a folder for each pair, with first.npz and last.npz (points, widths, offsets, cyclic). Beside them come, for both
ways to flip, <FLIP>_<k>.npz for the drawing at k quarters of the way: points, widths, alpha, offsets, cyclic, and of each point the stroke
and the index in either key that Blender made it of. These it tells by attributes that the keys carry: it mixes them as it mixes positions.
"""

import sys
from pathlib import Path

import bpy
import numpy as np

FOLDER = Path(sys.argv[sys.argv.index("--") + 1])
QUARTERS = 4


def main() -> None:
    for folder in sorted(path for path in FOLDER.iterdir() if path.is_dir()):
        keys = [dict(np.load(folder / f"{name}.npz", allow_pickle=False)) for name in ("first", "last")]
        for flip in ("AUTO", "NONE"):
            interpolate_keys(folder, keys, flip)


def interpolate_keys(folder: Path, keys: list[dict], flip: str) -> None:
    data = bpy.data.grease_pencils.new("Keys")
    ob = bpy.data.objects.new("Keys", data)
    bpy.context.scene.collection.objects.link(ob)
    bpy.context.view_layer.objects.active = ob
    ob.select_set(True)
    layer = data.layers.new("Lines", set_active=True)
    for side, key in enumerate(keys):
        fill_drawing(layer.frames.new(side * QUARTERS).drawing, key, side)
    bpy.context.scene.frame_set(1)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.grease_pencil.interpolate_sequence(flip=flip, type="LINEAR", layers="ACTIVE")
    bpy.ops.object.mode_set(mode="OBJECT")
    drawings = {frame.frame_number: frame.drawing for frame in layer.frames}
    for k in range(1, QUARTERS):
        np.savez(folder / f"{flip}_{k}.npz", **read_drawing(drawings[k]))
    bpy.data.objects.remove(ob)


def fill_drawing(drawing, key: dict, side: int) -> None:
    """The front view: x to the right, z up, a meter to 100 px."""
    counts = np.diff(key["offsets"])
    drawing.add_strokes(counts.tolist())
    points = key["points"].astype(np.float32) / 100
    drawing.attributes["position"].data.foreach_set("vector", np.stack([points[:, 0], 0 * points[:, 0], -points[:, 1]], 1).ravel())
    stroke = np.repeat(np.arange(len(counts)), counts)
    values = {"radius": key["widths"] / 200, "opacity": np.ones(len(stroke))}
    for other, name in enumerate(("first", "last")):
        own = float(other == side)
        values |= {
            f"share_{name}": np.full(len(stroke), own),
            f"stroke_{name}": own * stroke,
            f"index_{name}": own * (np.arange(len(stroke)) - key["offsets"][stroke]),
        }
    for name, array in values.items():
        attribute = drawing.attributes.get(name) or drawing.attributes.new(name, "FLOAT", "POINT")
        attribute.data.foreach_set("value", array.astype(np.float32))
    cyclic = drawing.attributes.get("cyclic") or drawing.attributes.new("cyclic", "BOOLEAN", "CURVE")
    cyclic.data.foreach_set("value", key["cyclic"])
    drawing.tag_positions_changed()


def read_drawing(drawing) -> dict[str, np.ndarray]:
    def read_attribute(name: str, kind: str = "value", width: int = 1) -> np.ndarray:
        attribute = drawing.attributes[name]
        array = np.zeros(len(attribute.data) * width, np.float32)
        attribute.data.foreach_get(kind, array)
        return array.reshape(-1, width) if width > 1 else array

    position = read_attribute("position", "vector", 3)
    found = {
        "points": np.stack([position[:, 0], -position[:, 2]], 1) * 100,
        "widths": read_attribute("radius") * 200,
        "alpha": read_attribute("opacity"),
        "offsets": np.array([0, *np.cumsum([len(stroke.points) for stroke in drawing.strokes])], np.int32),
        "cyclic": np.array([stroke.cyclic for stroke in drawing.strokes], bool),
    }
    for name in ("first", "last"):
        share = read_attribute(f"share_{name}")
        there = share > 1e-3
        for what in ("stroke", "index"):
            found[f"{what}_{name}"] = np.where(there, read_attribute(f"{what}_{name}") / np.where(there, share, 1), -1).astype(np.float32)
    return found


main()
