"""Which layers of a Grease Pencil object take part, where they stand, and what of them strokes can't express."""

import re

import bpy
import numpy as np
from mathutils import Matrix

from ....engine.job.files import compute_digest
from .. import compat
from .camera import Projection

ROUGH_WORDS = frozenset({"rough", "roughs", "sketch", "sketches", "guide", "guides", "underdrawing", "underdrawings"})
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")  # 'headRough_01' is 'head', 'Rough'

# Effects that move lines; the others are a matter of the look and change no drawing.
MOVING_EFFECTS = frozenset({"FX_FLIP", "FX_SWIRL", "FX_WAVE"})


def is_rough(name: str) -> bool:
    """Whether a name says that a layer is not the final line art: 'Rough', 'head_sketch', 'Guide 2'."""
    return not ROUGH_WORDS.isdisjoint(word.lower() for word in _WORD.findall(name))


def left_out(ob: bpy.types.Object, layer) -> str:
    """Why a layer of an (original) object takes no part, in a word or two for the list in the panel; '' when it does."""
    if layer.name in {item.name for item in ob.shiage.excluded_layers}:
        return "left out"
    names, group = [layer.name], layer.parent_group
    hidden = layer.hide or layer.opacity <= 0.0
    while group is not None:
        hidden = hidden or group.hide
        names.append(group.name)
        group = group.parent_group
    if hidden:
        return "hidden"
    return "rough" if any(map(is_rough, names)) else ""


def world_matrix(layer, matrix_world: Matrix, depsgraph: bpy.types.Depsgraph) -> np.ndarray:
    """Layer to world, float64 (4, 4). `matrix_world` is that of the object, or of the instance of it."""
    local = layer.matrix_local
    if layer.parent is None:
        return np.array(matrix_world @ local)
    parent = layer.parent.evaluated_get(depsgraph)
    world = parent.matrix_world
    bone = parent.pose.bones.get(layer.parent_bone) if layer.parent_bone and parent.pose else None
    if bone is not None:
        world = world @ bone.matrix
    return np.array(world @ layer.matrix_parent_inverse @ local)


def drawn_otherwise(ob: bpy.types.Object, layer, materials: list) -> bool:
    """Whether what a layer shows is not its strokes: it is masked, made of dots, erases, or is bent by an effect."""
    if layer.use_masks and any(not mask.hide for mask in layer.mask_layers):
        return True
    if any(effect.type in MOVING_EFFECTS and effect.show_viewport for effect in ob.shader_effects):
        return True
    for material in materials:
        style = material.grease_pencil if material else None
        if style is not None and not style.hide and (style.use_stroke_holdout or compat.DRAWS_DOTS and style.mode != "LINE"):
            return True
    return False


def hash_appearance(
    ob: bpy.types.Object, evaluated: bpy.types.Object, materials: list, matrix: Matrix, depsgraph, projection: Projection
) -> list:
    """What the look of an object depends on beside its visible lines: masks and what is drawn on them, materials, effects. JSON."""
    found: list = []
    for layer in evaluated.data.layers:
        frame = layer.current_frame()
        places = np.zeros(3 * frame.drawing.attributes.domain_size("POINT") if frame and frame.drawing else 0, np.float32)
        if len(places):
            frame.drawing.attributes["position"].data.foreach_get("vector", places)
        pixels = projection.project(places.reshape(-1, 3), world_matrix(layer, matrix, depsgraph))[0]
        masks = [[mask.name, mask.hide, mask.invert] for mask in layer.mask_layers] if layer.use_masks else []
        found.append([layer.name, left_out(ob, layer), layer.blend_mode, masks, compute_digest(np.round(pixels * 64).tobytes())])
    for material in materials:
        if material is not None:
            style = material.grease_pencil
            found.append([style.mode, style.alignment_mode, style.use_stroke_holdout])
    for effect in evaluated.shader_effects:
        values = [getattr(effect, prop.identifier) for prop in effect.bl_rna.properties if prop.type in {"FLOAT", "INT", "BOOLEAN"}]
        found.append([effect.type, repr([tuple(value) if hasattr(value, "__len__") else value for value in values])])
    return found
