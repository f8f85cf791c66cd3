"""The demo's .blend: strokes -> Grease Pencil v3, a camera that faces them and pans. Blender 4.3 to 5.2."""

from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np

from .drawings import DemoDrawing
from .ink import InkStroke
from .palette import INK, ROUGH, TRACE, convert_to_linear
from .pose import PAN

UNIT = 100.0  # px to a Blender unit


def build_scene(
    path: Path, drawings: Sequence[DemoDrawing], exposures: Sequence[tuple[int, int]], size: tuple[int, int]
) -> dict[int, float]:
    """Write the .blend; `exposures` are the drawings' (first frame, frames held). Returns the camera's pan in px at each frame."""
    bpy.ops.wm.read_factory_settings()
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    scene = bpy.context.scene
    scene.name = "Shot"
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.fps = 24
    scene.render.film_transparent = True
    scene.frame_start, scene.frame_end = exposures[0][0], sum(exposures[-1]) - 1
    scene.view_settings.view_transform = "Standard"
    _add_drawings(scene, drawings, [frame for frame, _ in exposures], size)
    camera = _add_camera(scene, size)
    _dress_windows()
    path.parent.mkdir(parents=True, exist_ok=True)
    pans = {}
    for frame in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(frame)
        pans[frame] = camera.matrix_world.translation.x * UNIT
    scene.frame_set(scene.frame_start)
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(path.resolve()), compress=True)
    return pans


def _add_drawings(scene, drawings: Sequence[DemoDrawing], frames: Sequence[int], size: tuple[int, int]) -> None:
    data = _get_grease_pencils().new("Courier")
    thing = bpy.data.objects.new("Courier", data)
    scene.collection.objects.link(thing)
    materials = [("Ink", INK), ("Trace light", TRACE["light"]), ("Trace shade", TRACE["shade"]), ("Rough", ROUGH)]
    for name, color in materials:
        material = bpy.data.materials.new(name)
        bpy.data.materials.create_gpencil_data(material)
        material.grease_pencil.color = convert_to_linear(color)
        material.diffuse_color = convert_to_linear(color)
        data.materials.append(material)
    layers = {}
    for name in ("Rough", "Traces", "Lines"):
        layer = layers[name] = data.layers.new(name)
        layer.use_lights = False
    layers["Rough"].hide = True
    for drawing, frame in zip(drawings, frames, strict=True):
        rough = [InkStroke(p, np.full(len(p), 1.6)) for p in drawing.rough]
        lines = [s for s in drawing.lines if not s.trace]
        traces = [s for s in drawing.lines if s.trace]
        _fill_frame(layers["Lines"].frames.new(frame).drawing, lines, [0] * len(lines), size)
        _fill_frame(layers["Traces"].frames.new(frame).drawing, traces, [1 if s.trace == "light" else 2 for s in traces], size)
        _fill_frame(layers["Rough"].frames.new(frame).drawing, rough, [3] * len(rough), size)


def _fill_frame(drawing, strokes: Sequence[InkStroke], materials: Sequence[int], size: tuple[int, int]) -> None:
    if not strokes:
        return
    drawing.add_strokes([len(s.points) for s in strokes])
    points = np.concatenate([s.points for s in strokes])
    positions = np.zeros((len(points), 3), np.float32)
    positions[:, 0] = (points[:, 0] - size[0] / 2) / UNIT
    positions[:, 2] = (size[1] / 2 - points[:, 1]) / UNIT
    _write_attribute(drawing, "position", "FLOAT_VECTOR", "POINT", "vector", positions)
    _write_attribute(drawing, "radius", "FLOAT", "POINT", "value", np.concatenate([s.widths for s in strokes]) / 2 / UNIT)
    _write_attribute(drawing, "opacity", "FLOAT", "POINT", "value", np.ones(len(points)))
    _write_attribute(drawing, "material_index", "INT", "CURVE", "value", np.asarray(materials))
    drawing.tag_positions_changed()


def _write_attribute(drawing, name: str, kind: str, domain: str, field: str, values: np.ndarray) -> None:
    attribute = drawing.attributes.get(name) or drawing.attributes.new(name, kind, domain)
    attribute.data.foreach_set(field, np.ascontiguousarray(values, np.int32 if kind == "INT" else np.float32).ravel())


def _add_camera(scene, size: tuple[int, int]):
    data = bpy.data.cameras.new("Camera")
    data.type = "ORTHO"
    data.ortho_scale = max(size) / UNIT
    camera = bpy.data.objects.new("Camera", data)
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.rotation_euler = (np.pi / 2, 0.0, 0.0)
    first, last, way = PAN
    for frame, x in ((first, 0.0), (last, way / UNIT)):
        camera.location = (x, -10.0, 0.0)
        camera.keyframe_insert("location", frame=frame)
    return camera


def _dress_windows() -> None:
    """What an animator wants to see on opening: the camera's view on white paper."""
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                space = area.spaces.active
                space.region_3d.view_perspective = "CAMERA"
                space.shading.background_type = "VIEWPORT"
                space.shading.background_color = (1.0, 1.0, 1.0)
                space.overlay.show_floor = space.overlay.show_axis_x = space.overlay.show_axis_y = False


def _get_grease_pencils():
    return bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils
