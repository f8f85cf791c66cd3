"""The pose drawn over the camera's view, in the colors that the models know it by, and the marked joints over the reference."""

import colorsys
import math
from collections.abc import Sequence

import bpy
import gpu
from gpu_extras.batch import batch_for_shader

from ..engine.job.errors import ShiageError
from ..engine.job.pose import BODY
from ..operators import animate, marking
from ..operators.scene import settings
from ..operators.scene.read import camera
from ..operators.scene.rig import bones, marks, poses

LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
JOINTS = tuple((*colorsys.hsv_to_rgb(i / len(BODY), 1.0, 1.0), 1.0) for i in range(len(BODY)))
SMALL = (1.0, 1.0, 1.0, 0.8)  # the color of points of hands and face

Places = Sequence[tuple[float, float] | None]

_handlers: list[tuple[type, object]] = []


def _draw_pose() -> None:
    context = bpy.context
    scene, region, view = context.scene, context.region, context.region_data
    chosen = scene.shiage.rig
    if not chosen.show_skeleton or view is None or view.view_perspective != "CAMERA" or not context.space_data.overlay.show_overlays:
        return
    if scene.camera is None or animate.obstacle_of_armature(scene, chosen.armature):
        return
    depsgraph, size = context.view_layer.depsgraph, settings.get_size(scene)
    try:
        figure = poses.read_figure(chosen.armature, bones.of_armature(chosen.armature))
        seen = poses.read_pose(figure, depsgraph, camera.of_scene(scene, depsgraph, size))
    except ShiageError:
        return  # the panel tells what is wrong
    left, right, bottom, top = camera.frame_in_region(scene, region, view)

    def place_points(points: Places) -> Places:
        return [at and (left + (right - left) * at[0] / size[0], top - (top - bottom) * at[1] / size[1]) for at in points]

    _draw_dots(place_points((*seen.left_hand, *seen.right_hand, *seen.face)), 1.5, SMALL)
    _draw_body(place_points(seen.body))


def _draw_marks() -> None:
    context = bpy.context
    image = context.space_data.image
    if image is None or image != marking.reference_of(context) or not context.space_data.overlay.show_overlays:
        return
    places = marks.with_neck(marks.of_image(image))
    _draw_body([at and marking.to_region(context.region, at) for at in places])


def _draw_body(body: Places) -> None:
    gpu.state.blend_set("ALPHA")
    for i, (a, b) in enumerate(LIMBS):
        start, end = body[a], body[b]
        if start is not None and end is not None:
            _draw_batch("TRI_FAN", _draw_limb(start, end), (*JOINTS[i][:3], 0.6))
    for color, at in zip(JOINTS, body, strict=True):
        _draw_dots([at], 4.5, color)
    gpu.state.blend_set("NONE")


def _draw_dots(places: Places, radius: float, color) -> None:
    for at in places:
        if at is not None:
            turns = (2 * math.pi * k / 16 for k in range(16))
            _draw_batch("TRI_FAN", [(at[0] + radius * math.cos(t), at[1] + radius * math.sin(t)) for t in turns], color)


def _draw_limb(start, end, half: float = 3.0) -> list[tuple[float, float]]:
    """A slim lozenge."""
    length = math.dist(start, end) or 1.0
    across = (-(end[1] - start[1]) / length * half, (end[0] - start[0]) / length * half)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    return [start, (middle[0] + across[0], middle[1] + across[1]), end, (middle[0] - across[0], middle[1] - across[1])]


def _draw_batch(kind: str, points, color) -> None:
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.uniform_float("color", color)
    batch_for_shader(shader, kind, {"pos": [(x, y, 0.0) for x, y in points]}).draw(shader)


def register() -> None:
    if not bpy.app.background:  # there is nothing to draw on
        _handlers.append((bpy.types.SpaceView3D, bpy.types.SpaceView3D.draw_handler_add(_draw_pose, (), "WINDOW", "POST_PIXEL")))
        _handlers.append((bpy.types.SpaceImageEditor, bpy.types.SpaceImageEditor.draw_handler_add(_draw_marks, (), "WINDOW", "POST_PIXEL")))


def unregister() -> None:
    for space, handler in _handlers:
        space.draw_handler_remove(handler, "WINDOW")
    _handlers.clear()
