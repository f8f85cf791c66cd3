"""Which layers of a Grease Pencil object take part, where they stand, and which others they are cut by."""

import re
from collections.abc import Iterator

import bpy
import numpy as np
from mathutils import Matrix

ROUGH_WORDS = frozenset({"rough", "roughs", "sketch", "sketches", "guide", "guides", "underdrawing", "underdrawings"})
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")  # 'headRough_01' is 'head', 'Rough'


def is_rough(name: str) -> bool:
    """Whether a name says that a layer is not the final line art: 'Rough', 'head_sketch', 'Guide 2'."""
    return not ROUGH_WORDS.isdisjoint(word.lower() for word in _WORD.findall(name))


def left_out(ob: bpy.types.Object, layer) -> str:
    """Why a layer of an (original) object takes no part, in a word or two for the list in the panel; '' when it does."""
    if layer.name in {item.name for item in ob.shiage.excluded_layers}:
        return "left out"
    if is_hidden(layer) or layer.opacity <= 0.0:
        return "hidden"
    return "rough" if any(is_rough(tree.name) for tree in (layer, *_find_groups(layer))) else ""


def is_hidden(layer) -> bool:
    """Whether a layer, or a group that it is in, is switched off. Such a layer masks nothing either; one of no opacity does."""
    return layer.hide or any(group.hide for group in _find_groups(layer))


def _find_groups(layer) -> Iterator:
    group = layer.parent_group
    while group is not None:
        yield group
        group = group.parent_group


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


def find_masks(layers, layer) -> list:
    """The layers, of all `layers`, that a layer is cut by: none that is hidden, and not itself."""
    if not layer.use_masks:
        return []
    found = [layers.get(mask.name) for mask in layer.mask_layers if not mask.hide]
    return [mask for mask in found if mask is not None and mask != layer and not is_hidden(mask)]
