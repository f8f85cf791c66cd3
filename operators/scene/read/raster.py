"""Pictures of drawings that strokes can't express, made by Blender: masked layers, dots up to 5.1, erasing strokes, moved lines."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import bpy

from ....engine.job.errors import JobFailed
from .. import compat, png
from ..colors import show_exact_colors
from .frozen import freeze_part
from .parts import Part
from .stepping import get_drawn_frame


def render_lines(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph, parts: Sequence[Part], size: tuple[int, int]) -> bytes | None:
    """A PNG of the lines alone on a transparent ground, seen through the scene's camera at the depsgraph's frame; None where they show
    nothing.

    Frozen copies of the evaluated drawings are rendered in a scene of their own, which is removed again; the artist's data stays
    untouched but for the Render Result. Raises JobFailed when Blender can't render.
    """
    with _make_studio(scene, depsgraph, size) as (studio, made):
        for part in parts:
            freeze_part(part, studio, depsgraph, get_drawn_frame(scene), made)
        picture = png_of(studio)
    return picture if png.decode_png(picture)[:, :, 3].any() else None


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
    show_exact_colors(studio)


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
        # The scene's time, as copies are at that frame too, and what an effect follows goes with it.
        studio.frame_current, studio.frame_subframe = scene.frame_current, scene.frame_subframe
        render = studio.render
        render.engine = "BLENDER_WORKBENCH"
        render.use_sequencer = False
        render.resolution_x, render.resolution_y = size
        render.resolution_percentage = 100
        render.frame_map_old, render.frame_map_new = scene.render.frame_map_old, scene.render.frame_map_new
        render.pixel_aspect_x, render.pixel_aspect_y = scene.render.pixel_aspect_x, scene.render.pixel_aspect_y
        with no_render_result():
            yield studio, made
    finally:
        bpy.data.scenes.remove(studio)
        bpy.data.batch_remove(made)
