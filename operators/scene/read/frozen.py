"""Frozen copies: what an object shows at a frame, as objects that nothing moves any more and whose fills can't be seen."""

from collections.abc import Iterator, Sequence

import bpy
import numpy as np
from mathutils import Matrix

from .. import compat
from . import layers
from .appearance import MOVING_EFFECTS, get_values
from .parts import Part
from .strokes import read_attribute


def freeze_part(
    part: Part, scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph, frame: int, made: list[bpy.types.ID]
) -> Sequence[bpy.types.Object]:
    """Put copies of what a part shows at a Grease Pencil frame into `scene`, and list in `made` what has to be removed with it.

    There are several where a layer masks others and shows lines itself: as a mask it needs its fill, which is not to be seen.
    """
    return [_freeze_layers(part, shown, scene, depsgraph, frame, made) for shown in _group_layers(part)]


def _group_layers(part: Part) -> Iterator[set[str]]:
    """The layers that take part, so that none is masked by one that is shown together with it: those that mask nothing, and each other one
    alone."""
    drawn = part.evaluated.data.layers
    taking = [layer for layer in drawn if not layers.left_out(part.original, layer)]
    stencils = {mask.name for layer in taking for mask in layers.find_masks(drawn, layer)}
    yield {layer.name for layer in taking if layer.name not in stencils}
    for layer in taking:
        if layer.name in stencils:
            yield {layer.name}


def _freeze_layers(part: Part, shown: set[str], scene, depsgraph, frame: int, made: list[bpy.types.ID]) -> bpy.types.Object:
    """One copy, of the layers of these names."""
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
    _freeze_materials(part, ob, made)
    _freeze_effects(part, ob)
    scene.collection.objects.link(ob)
    erasers = [i for i, material in enumerate(part.materials) if material and material.grease_pencil.use_fill_holdout]
    stencils = {mask.name for name in shown for mask in layers.find_masks(data.layers, data.layers[name])}
    bare: dict[int, int] = {}
    for layer, original in zip(data.layers, part.evaluated.data.layers, strict=True):
        _freeze_place(part, layer, original, depsgraph)
        layer.lock = layer.use_lights = False
        layer.tint_factor = layer.radius_offset = 0  # the evaluated drawing has them already
        layer.hide = layer.name not in shown | stencils
        frozen = layer.get_frame_at(frame)
        if layer.name in shown and frozen is not None and frozen.drawing is not None:
            _remove_fills(ob, frozen.drawing, erasers, bare)
    made += [data.materials[slot] for slot in bare.values()]
    if stencils:
        _hide_stencils(scene, ob, stencils)
    return ob


def _freeze_materials(part: Part, ob: bpy.types.Object, made: list[bpy.types.ID]) -> None:
    """Copies of the materials as they are now: in a scene of our own, what drives them may have other values."""
    for slot, seen in zip(ob.material_slots, part.evaluated.material_slots, strict=True):
        slot.link = "DATA"
        if seen.material is None:
            slot.material = None
            continue
        slot.material = seen.material.original.copy()
        slot.material.animation_data_clear()
        made.append(slot.material)
        _copy_values(seen.material.grease_pencil, slot.material.grease_pencil)


def _freeze_effects(part: Part, ob: bpy.types.Object) -> None:
    """Effects that move lines, as they are now, and no others."""
    for effect, seen in zip(list(ob.shader_effects), part.evaluated.shader_effects, strict=True):
        if effect.type in MOVING_EFFECTS and seen.show_viewport:
            _copy_values(seen, effect)
            effect.show_render = True
        else:
            ob.shader_effects.remove(effect)


def _copy_values(source: bpy.types.bpy_struct, target: bpy.types.bpy_struct) -> None:
    for name, value in get_values(source):
        setattr(target, name, value)


def _freeze_place(part: Part, layer, original, depsgraph: bpy.types.Depsgraph) -> None:
    if original.parent is None:
        return
    local = part.matrix.inverted() @ Matrix(layers.world_matrix(original, part.matrix, depsgraph).tolist())
    layer.parent = None
    layer.translation, rotation, layer.scale = local.decompose()
    layer.rotation = rotation.to_euler()


def _remove_fills(ob: bpy.types.Object, drawing, erasers: Sequence[int], bare: dict[int, int]) -> None:
    """Take the fills from a drawing, but for those of materials that erase. A fill that is only transparent still hides what lies behind.
    `bare` are slots of materials without fill, by those that they stand for; what is missing is added to the object's."""
    count = drawing.attributes.domain_size("CURVE")
    slots = read_attribute(drawing, "material_index", "value", 0, count, dtype=np.int32)
    if compat.STROKES_HIDE_THEMSELVES:
        name, values = (
            "fill_id",
            np.where(np.isin(slots, erasers), read_attribute(drawing, "fill_id", "value", 0, count, dtype=np.int32), 0),
        )
    else:
        name, values = "material_index", slots
        for slot in set(slots.tolist()) - set(erasers):
            if slot < len(ob.data.materials) and compat.shows_fill(ob.data.materials[slot]):
                if slot not in bare:
                    bare[slot] = len(ob.data.materials)
                    ob.data.materials.append(ob.data.materials[slot].copy())
                    ob.data.materials[bare[slot]].grease_pencil.show_fill = False
                values = np.where(slots == slot, bare[slot], values)
    if count:
        attribute = drawing.attributes.get(name) or drawing.attributes.new(name, "INT", "CURVE")
        attribute.data.foreach_set("value", values.astype(np.int32))


def _hide_stencils(scene: bpy.types.Scene, ob: bpy.types.Object, stencils: set[str]) -> None:
    """Let layers mask others and not be seen: what is masked by an empty layer shows nothing, and masks as before."""
    empty = ob.data.layers.new("Nothing")
    for name in stencils:
        layer = ob.data.layers[name]
        for mask in layer.mask_layers:
            mask.hide = True
        layer.use_masks = True
        compat.add_mask(scene, ob, layer, empty)
