"""How strokes move from key to key, drawn into the viewport: from blue, which is sure, to red."""

import colorsys

import bpy
import gpu
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

from ..operators import inbetween
from ..operators.scene.read import layers

_handlers: list[object] = []


def _draw_arcs() -> None:
    context = bpy.context
    scene = context.scene
    if not scene.shiage.inbetween.show_arcs or not context.space_data.overlay.show_overlays:
        return
    depsgraph = context.view_layer.depsgraph
    gpu.state.blend_set("ALPHA")
    gpu.state.depth_test_set("NONE")
    for arc in inbetween.get_last_arcs(scene):
        ob = scene.objects.get(arc.object)
        layer = ob.data.layers.get(arc.layer) if ob is not None and ob.type == "GREASEPENCIL" else None
        if ob is None or layer is None or layer.hide or not ob.visible_get(view_layer=context.view_layer):
            continue
        matrix = Matrix(layers.world_matrix(layer, ob.matrix_world, depsgraph).tolist())
        _draw_arc([matrix @ Matrix.Translation(point).translation for point in arc.points], compute_color(arc.confidence))
    gpu.state.blend_set("NONE")


def compute_color(confidence: float) -> tuple[float, float, float, float]:
    """Blue for 1, over green and yellow to red for 0."""
    return (*colorsys.hsv_to_rgb(min(max(confidence, 0.0), 1.0) * 0.6, 0.9, 1.0), 0.9)


def _draw_arc(points, color) -> None:
    lines = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    lines.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    lines.uniform_float("lineWidth", 2.0)
    lines.uniform_float("color", color)
    if len(points) > 1:
        batch_for_shader(lines, "LINE_STRIP", {"pos": points}).draw(lines)
    dots = gpu.shader.from_builtin("UNIFORM_COLOR")
    dots.uniform_float("color", color)
    gpu.state.point_size_set(6.0)
    batch_for_shader(dots, "POINTS", {"pos": points}).draw(dots)


def register() -> None:
    if not bpy.app.background:  # there is nothing to draw on
        _handlers.append(bpy.types.SpaceView3D.draw_handler_add(_draw_arcs, (), "WINDOW", "POST_VIEW"))


def unregister() -> None:
    for handler in _handlers:
        bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")
    _handlers.clear()
