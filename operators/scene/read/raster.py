"""Pictures of drawings that strokes can't express, made by Blender: masked layers, dots up to 5.1, erasing strokes, moved lines."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ....engine.job.errors import JobFailed
from .. import compat, png
from . import layers


@dataclass(frozen=True)
class Part:
    """An object, or an instance of it, at the present frame: the `owner` that the animator sees (the instancer, or the object itself),
    the `original`, its `evaluated` state, and where it stands."""

    owner: bpy.types.Object
    original: bpy.types.Object
    evaluated: bpy.types.Object
    matrix: Matrix


def render_lines(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph, parts: Sequence[Part], size: tuple[int, int]) -> bytes:
    """A PNG of the lines alone on a transparent ground, seen through the scene's camera at the depsgraph's frame.

    Frozen copies of the evaluated drawings are rendered in a scene of their own, which is removed again; the artist's data stays
    untouched but for the Render Result. Raises JobFailed when Blender can't render.
    """
    with _make_studio(scene, depsgraph, size) as (studio, made):
        for part in parts:
            studio.collection.objects.link(_freeze_part(part, depsgraph, made))
        picture = png_of(studio)
    return _without_white(picture) if any(layer.use_masks for part in parts for layer in part.evaluated.data.layers) else picture


def _without_white(picture: bytes) -> bytes:
    """White made transparent. Opaque colored lines keep their color where it is saturated; what is pale becomes thin and strong."""
    rgba = png.decode_png(picture).astype(np.float32) / 255
    ink = rgba[:, :, 3:] * (1 - rgba[:, :, :3])  # what is missing from white paper
    alpha = ink.max(2, keepdims=True)
    color = 1 - ink / np.maximum(alpha, 1e-6)
    return png.encode_png((np.concatenate([color, alpha], axis=2) * 255 + 0.5).astype(np.uint8))


@contextlib.contextmanager
def no_render_result() -> Iterator[None]:
    """Leave no Render Result in the file when it had none."""
    had_one = "Render Result" in bpy.data.images
    try:
        yield
    finally:
        if not had_one and "Render Result" in bpy.data.images:
            bpy.data.images.remove(bpy.data.images["Render Result"])


def set_up(studio: bpy.types.Scene) -> None:
    """Let a scene of ours render to PNG with exact colors and a transparent ground."""
    compat.render_png(studio)
    studio.render.film_transparent = True
    studio.render.use_compositing = studio.render.use_border = studio.render.use_stamp = False
    studio.render.dither_intensity = 0
    studio.view_settings.view_transform = "Standard"
    studio.view_settings.look = "None"
    studio.view_settings.exposure, studio.view_settings.gamma = 0, 1


def png_of(studio: bpy.types.Scene) -> bytes:
    """A scene's present frame, rendered: the same picture gives the same bytes. Raises JobFailed when Blender can't render."""
    with tempfile.TemporaryDirectory(prefix="shiage-") as folder:
        target = Path(folder) / "lines.png"
        studio.render.filepath = str(target)
        try:
            with bpy.context.temp_override(scene=studio):  # naming the scene would take over the frame of the context's scene
                bpy.ops.render.render(write_still=True)
            return png.without_remarks(target.read_bytes())
        except (RuntimeError, OSError) as error:
            raise JobFailed(f"Blender could not render frame {studio.frame_current} ({error}): try to render a frame by hand.") from error


@contextlib.contextmanager
def _make_studio(scene, depsgraph, size) -> Iterator[tuple[bpy.types.Scene, list[bpy.types.ID]]]:
    """A scene with the camera and nothing else, and a list: what is put there is removed with it."""
    studio = bpy.data.scenes.new("Shiage")
    made: list[bpy.types.ID] = []
    try:
        set_up(studio)
        seen = scene.camera.evaluated_get(depsgraph)
        lens = seen.data.copy()
        lens.animation_data_clear()
        camera = bpy.data.objects.new("Shiage", lens)
        made += [camera, lens]
        camera.matrix_world = seen.matrix_world.normalized()
        studio.collection.objects.link(camera)
        studio.camera = camera
        render = studio.render
        render.engine = "BLENDER_WORKBENCH"
        render.use_sequencer = False
        render.resolution_x, render.resolution_y = size
        render.resolution_percentage = 100
        render.pixel_aspect_x, render.pixel_aspect_y = scene.render.pixel_aspect_x, scene.render.pixel_aspect_y
        with no_render_result():
            yield studio, made
    finally:
        bpy.data.scenes.remove(studio)
        bpy.data.batch_remove(made)


def _freeze_part(part: Part, depsgraph: bpy.types.Depsgraph, made: list[bpy.types.ID]) -> bpy.types.Object:
    """A copy of what the part shows now, without anything that would move or fill it."""
    data = part.evaluated.data.copy()
    ob = part.original.copy()
    made += [ob, data]
    for block in (ob, data):
        block.animation_data_clear()
    ob.modifiers.clear()
    ob.constraints.clear()
    ob.parent = None
    ob.data = data
    ob.matrix_world = part.matrix
    ob.hide_render = False
    masks = {mask.name for layer in data.layers if layer.use_masks for mask in layer.mask_layers}
    for layer, shown in zip(data.layers, part.evaluated.data.layers, strict=True):
        layer.use_lights = False
        if shown.parent is not None:
            local = part.matrix.inverted() @ Matrix(layers.world_matrix(shown, part.matrix, depsgraph).tolist())
            layer.parent = None
            layer.translation, rotation, layer.scale = local.decompose()
            layer.rotation = rotation.to_euler()
        reason = layers.left_out(part.original, shown)
        layer.hide = reason == "hidden" or bool(reason) and layer.name not in masks
        frame = layer.current_frame()
        if layer.hide or frame is None or frame.drawing is None:
            continue
        # What fills is to be unseen. A mask works through its fill, though: that becomes white, and white is removed at the end.
        if layer.name in masks:
            _set_attribute(frame.drawing, "fill_color", "FLOAT_COLOR", "CURVE", "color", (1, 1, 1, 1))
        else:
            _set_attribute(frame.drawing, "fill_opacity", "FLOAT", "CURVE", "value", (0,))
        if reason:
            _set_attribute(frame.drawing, "opacity", "FLOAT", "POINT", "value", (0,))
    for index, slot in enumerate(part.evaluated.material_slots):
        ob.material_slots[index].link = "DATA"
        data.materials[index] = slot.material and slot.material.original
    return ob


def _set_attribute(drawing, name: str, kind: str, domain: str, key: str, value: tuple) -> None:
    """Give an attribute one value throughout."""
    count = drawing.attributes.domain_size(domain)
    attribute = drawing.attributes.get(name) or drawing.attributes.new(name, kind, domain)
    attribute.data.foreach_set(key, [float(v) for v in value] * count)
