"""Walk through the frames of a scene and leave it as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import bpy

from .. import compat


@contextmanager
def step_through_frames(scene: bpy.types.Scene) -> Iterator[Callable[[int], None]]:
    """Gives a function that goes to a frame. At the end the artist's frame is back, and so is what a change of frame overwrites:
    the camera chosen by hand against the markers', and poses that are not keyed yet."""
    frame, subframe, camera = scene.frame_current, scene.frame_subframe, scene.camera
    before = list(_animated_values())
    try:
        yield scene.frame_set
    finally:
        scene.frame_set(frame, subframe=subframe)
        if scene.camera != camera:
            scene.camera = camera
        for owner, path, value in before:
            if _get_value(owner, path) != value:
                _set_value(owner, path, value)


def get_drawn_frame(scene: bpy.types.Scene) -> int:
    """The frame whose drawings Grease Pencil shows now, time remapping and all. A layer's own `current_frame` is no answer: it is that of
    the scene in the window, which may be another."""
    return int(scene.frame_current_final)


def _animated_values() -> Iterator[tuple[bpy.types.ID, str, object]]:
    """(data-block, path, value) of everything in the file that a curve animates."""
    for prop in bpy.data.bl_rna.properties:
        if prop.type != "COLLECTION":
            continue
        for block in getattr(bpy.data, prop.identifier):
            animation = getattr(block, "animation_data", None)
            if animation is None:
                continue
            for path in {curve.data_path for curve in compat.get_fcurves(animation)}:
                value = _get_value(block, path)
                if value is not None:
                    yield block, path, value


def _get_value(block: bpy.types.ID, path: str):
    try:
        value = block.path_resolve(path)
    except ValueError:  # the curve animates something that is gone
        return None
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, (str, set)) else value


def _set_value(block: bpy.types.ID, path: str, value) -> None:
    if path.endswith("]"):  # a custom property: owner["name"]
        owner_path, _, name = path.rpartition("[")
        owner = block.path_resolve(owner_path) if owner_path else block
        owner[name[1:-2]] = value
    else:
        owner_path, _, name = path.rpartition(".")
        setattr(block.path_resolve(owner_path) if owner_path else block, name, value)
