"""Scanned drawings: what an image or movie strip of the Sequencer shows, as a shot of pictures."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np

from ....engine.job.errors import BadInput
from ....engine.job.files import compute_digest
from .. import compat, png
from . import raster
from .shot import GatheredCel, GatheredDrawing, GatheredShot, make_exposures

MOVIE_NOISE = 0.06  # how far the means of 4 x 4 pixels of a held picture may differ, 0..1


def gather_scans(
    scene: bpy.types.Scene,
    strip_name: str,
    *,
    size: tuple[int, int],
    frames: tuple[int, int],
    step: int = 1,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> GatheredShot:
    """The strip's pictures as the Sequencer shows them, placed, cropped and turned, one cel; outside the strip nothing is drawn.

    The strip may be muted. In a movie, pictures that differ by no more than its compression are one held drawing. Pictures have the
    proportions of the scene's render size; the engine fits them to `size`. Raises BadInput for an empty range, a strip that is missing,
    of another kind, without its files or outside the range; the scene stays as it is.
    """
    first, last = frames
    if last < first:
        raise BadInput(f"The frame range {first} to {last} is empty: choose an end that is not before the start.")
    strip = _find_strip(scene, strip_name)
    start, end = compat.strip_range(strip)
    numbers = range(first, last + 1, max(1, step))
    if not any(start <= number < end for number in numbers):
        raise BadInput(f"The strip '{strip_name}' shows nothing from frame {first} to {last}: choose other frames.")
    moving = strip.type == "MOVIE" or _is_animated(scene)
    found: dict[str, GatheredDrawing] = {}
    shown: list[tuple[str | None, ...]] = []
    held: dict[str, str] = {}  # an image strip that stands still shows the same picture for the same file
    look, looked_at = None, ""  # of the picture that a movie holds
    with _isolate_strip(scene, strip_name, size) as studio:
        for number in numbers:
            drawing_id = None
            if start <= number < end:
                file = "" if moving else strip.strip_elem_from_frame(number).filename
                drawing_id = held.get(file) if file else None
                if drawing_id is None:
                    studio.frame_set(number)
                    picture = raster.png_of(studio)
                    drawing_id = compute_digest("scan", list(size), picture)[:16]
                    if strip.type == "MOVIE":
                        now = _shrink_picture(picture)
                        if look is not None and np.abs(now - look).max() < MOVIE_NOISE:
                            drawing_id = looked_at
                        else:
                            look, looked_at = now, drawing_id
                    found.setdefault(drawing_id, GatheredDrawing(drawing_id, 0, number, picture=picture))
                    held[file] = drawing_id
            shown.append((drawing_id,))
            on_progress(len(shown) / len(numbers))
    return GatheredShot(
        title=scene.name,
        size=size,
        fps=scene.render.fps / scene.render.fps_base,
        cels=(GatheredCel(strip_name),),
        drawings=found,
        exposures=make_exposures(numbers, last, shown),
    )


def _shrink_picture(picture: bytes) -> np.ndarray:
    """A picture in small, float32 0..1, each value the mean of 4 x 4 pixels: what a movie's compression adds is evened out."""
    pixels = png.decode_png(picture)
    height, width = pixels.shape[0] // 4, pixels.shape[1] // 4
    return pixels[: height * 4, : width * 4].reshape(height, 4, width, 4, 4).mean((1, 3), dtype=np.float32) / 255


def _find_strip(scene: bpy.types.Scene, name: str):
    strip = compat.get_strips(scene.sequence_editor).get(name) if scene.sequence_editor else None
    if strip is None:
        raise BadInput(f"There is no strip '{name}' in the Sequencer of '{scene.name}': choose the strip that holds the scans.")
    if strip.type == "IMAGE":
        files = [Path(bpy.path.abspath(strip.directory)) / element.filename for element in strip.elements]
    elif strip.type == "MOVIE":
        files = [Path(bpy.path.abspath(strip.filepath))]
    else:
        raise BadInput(f"The strip '{name}' holds no pictures: choose an image or movie strip.")
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise BadInput(f"The file {missing} of the strip '{name}' is missing: bring it back or choose another strip.")
    return strip


def _is_animated(scene: bpy.types.Scene) -> bool:
    animation = scene.animation_data
    if animation is None:
        return False
    paths = [curve.data_path for curve in (*compat.get_fcurves(animation), *animation.drivers)]
    return any(path.startswith("sequence_editor") for path in paths)


@contextmanager
def _isolate_strip(scene: bpy.types.Scene, strip_name: str, size: tuple[int, int]):
    """A copy of the scene that shows one strip of its Sequencer and nothing else."""
    studio = scene.copy()
    try:
        for child in list(studio.collection.children):
            studio.collection.children.unlink(child)
        for ob in list(studio.collection.objects):
            studio.collection.objects.unlink(ob)
        strips = compat.get_strips(studio.sequence_editor)
        for strip in list(strips):
            if strip.name != strip_name:
                strips.remove(strip)
        strips[strip_name].mute = False
        strips[strip_name].blend_type = "REPLACE"
        strips[strip_name].blend_alpha = 1.0
        raster.set_up(studio)
        studio.render.use_sequencer = True
        # The strip is placed in pixels of the resolution, so that only the percentage may change.
        studio.render.resolution_percentage = max(1, round(100 * size[0] / studio.render.resolution_x))
        with raster.no_render_result():
            yield studio
    finally:
        bpy.data.scenes.remove(studio)
