"""What an object looks like beyond its strokes: masks, dots, erasers, effects, and a digest of all that they depend on."""

from collections.abc import Iterable

import bpy
import numpy as np

from ....engine.job.files import compute_digest
from .. import compat
from . import layers, strokes
from .camera import Projection
from .parts import Part

# Effects that move lines; the others are a matter of the look and change no drawing.
MOVING_EFFECTS = frozenset({"FX_FLIP", "FX_SWIRL", "FX_WAVE"})

# How values of an attribute are read: the name, how many there are, and of what kind.
_VALUES = {
    "FLOAT": ("value", 1, np.float32),
    "INT": ("value", 1, np.int32),
    "INT8": ("value", 1, np.int8),
    "BOOLEAN": ("value", 1, bool),
    "FLOAT_VECTOR": ("vector", 3, np.float32),
    "FLOAT2": ("vector", 2, np.float32),
    "FLOAT_COLOR": ("color", 4, np.float32),
}


def is_bent(part: Part) -> bool:
    """Whether an effect moves the lines of a part."""
    return any(effect.type in MOVING_EFFECTS and effect.show_viewport for effect in part.evaluated.shader_effects)


def is_cut(part: Part, layer, drawing) -> bool:
    """Whether a layer shows other lines than its drawing has, or takes some away from others: because others mask it, or because strokes
    that can be seen are drawn as dots or erase. What lies unused in a slot of materials or in a list of masks does not count."""
    if layers.find_masks(part.evaluated.data.layers, layer):
        return True
    styles = [material.grease_pencil if material else None for material in part.materials]
    dotted = {i for i, style in enumerate(styles) if style and _draws_otherwise(style)}
    erasing = {i for i, style in enumerate(styles) if style and style.use_fill_holdout and not style.hide}
    if not dotted | erasing:
        return False
    lines, fills = strokes.find_used_slots(drawing, part.materials, layer.opacity)
    return not (dotted.isdisjoint(lines) and erasing.isdisjoint(fills))


def _draws_otherwise(style: bpy.types.MaterialGPencilStyle) -> bool:
    return not style.hide and (style.use_stroke_holdout or compat.DRAWS_DOTS and style.mode != "LINE")


def hash_appearance(part: Part, frame: int, depsgraph: bpy.types.Depsgraph, projection: Projection) -> list:
    """What the look of a part depends on at a Grease Pencil frame beside its visible lines: every layer with all that is drawn on it,
    materials, effects. JSON."""
    found: list = []
    for layer in part.evaluated.data.layers:
        drawn = layer.get_frame_at(frame)
        matrix = layers.world_matrix(layer, part.matrix, depsgraph)
        content = _hash_drawing(drawn.drawing, matrix, projection) if drawn and drawn.drawing else ""
        masks = [[mask.name, mask.hide, mask.invert] for mask in layer.mask_layers]
        found.append([layer.name, layers.left_out(part.original, layer), layer.use_masks, masks, layer.opacity, layer.blend_mode, content])
    found += [_list_values(material.grease_pencil) if material else None for material in part.materials]
    for effect in part.evaluated.shader_effects:
        target = getattr(effect, "object", None)
        matrix = [] if target is None else [list(row) for row in target.evaluated_get(depsgraph).matrix_world]
        found.append([effect.type, _list_values(effect), matrix])
    return found


def _hash_drawing(drawing, matrix: np.ndarray, projection: Projection) -> str:
    """A digest of all that is drawn, the places as the camera sees them: noise of the arithmetic makes no other drawing."""
    parts: list = []
    for attribute in drawing.attributes:
        if attribute.data_type in _VALUES:
            name, width, kind = _VALUES[attribute.data_type]
            values = np.empty(width * len(attribute.data), kind)
            attribute.data.foreach_get(name, values)
            if attribute.name == "position":
                values = np.round(projection.project(values.reshape(-1, 3), matrix)[0] * strokes.GRAIN)
            parts += [attribute.name, values.tobytes()]
    return compute_digest(strokes.read_offsets(drawing).tobytes(), *parts)


def _list_values(data: bpy.types.bpy_struct) -> list:
    """The settings of a piece of data, as [name, value]."""
    return [[name, _make_plain(value)] for name, value in get_values(data)]


def _make_plain(value):
    """A value as JSON has it."""
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def get_values(data: bpy.types.bpy_struct) -> Iterable[tuple[str, object]]:
    """The settings of a piece of data that are numbers, flags or choices, by name."""
    for prop in data.bl_rna.properties:
        if prop.type in {"FLOAT", "INT", "BOOLEAN", "ENUM"} and not prop.is_readonly and prop.identifier not in compat.IDLE_SETTINGS:
            yield prop.identifier, getattr(data, prop.identifier)
