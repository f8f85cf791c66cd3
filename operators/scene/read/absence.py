"""Why nothing can be colored, told as what it is, with what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import bpy

from . import appearance, layers, strokes
from .parts import Part, find_parts
from .stepping import get_drawn_frame, step_through_frames

_REMEDIES = {
    "rough": "rename it if it is the final line art",
    "hidden": "show it",
    "left out": "let it take part under Drawings",
}


@dataclass
class _Census:
    """The names of layers, or of objects, by what was met on them."""

    seen: dict[str, str] = field(default_factory=dict)  # layers with lines that can be seen, and the object of each
    left_out: dict[str, str] = field(default_factory=dict)  # layers with lines or fills that take no part, and why
    invisible: dict[str, None] = field(default_factory=dict)
    fills: dict[str, None] = field(default_factory=dict)
    blank: dict[str, None] = field(default_factory=dict)  # objects


def explain_absence(
    scene: bpy.types.Scene,
    view_layer: bpy.types.ViewLayer,
    everything: Iterable[bpy.types.Object],
    chosen: set[bpy.types.Object],
    numbers: Sequence[int],
) -> str:
    """One sentence on why nothing is to be seen at any of the frames. `everything` that was asked for, `chosen` what of it is rendered."""
    census, cut = _Census(), False
    with step_through_frames(scene) as go_to:
        for number in numbers:
            go_to(number)
            for part in find_parts(view_layer.depsgraph, chosen):
                cut = _count_part(census, part, get_drawn_frame(scene)) or cut
    span = f"from frame {numbers[0]} to {numbers[-1]}"
    if census.seen and cut:
        return f"Masks or erasers hide every line {span}: change what masks or erases {_list_names(census.seen)}, or choose other frames."
    if census.seen:
        return f"The camera sees none of the lines {span}: turn it to {_list_names(census.seen.values())}, or choose other frames."
    if census.left_out:
        return explain_left_out(census.left_out)
    if census.fills:
        names = _list_names(census.fills)
        return f"There is nothing but fills on {names} {span}: draw outlines or let the strokes show their lines, paint goes between lines."
    if census.invisible:
        return f"The lines of {_list_names(census.invisible)} can't be seen, their opacity or width is 0 {span}: make them visible."
    if not census.blank:
        return _explain_missing_objects(scene, list(everything))
    return _explain_blank(scene, census, numbers, span)


def explain_left_out(names: dict[str, str]) -> str:
    """That all that is drawn lies on layers which take no part: the reason of each by its name."""
    listed = _list_names(f"{name} ({reason})" for name, reason in names.items())
    remedies = " or ".join(text for reason, text in _REMEDIES.items() if reason in names.values())
    which = "the layer" if len(names) == 1 else "the layers"
    return f"All that is drawn lies on {which} {listed}, which {'takes' if len(names) == 1 else 'take'} no part: {remedies}."


def _count_part(census: _Census, part: Part, frame: int) -> bool:
    """Take in what a part has at a Grease Pencil frame; whether something on it masks or erases."""
    cut = False
    census.blank[part.original.name] = None
    for layer in part.evaluated.data.layers:
        drawn = layer.get_frame_at(frame)
        if drawn is None or drawn.drawing is None or layers.left_out(part.original, layer):
            continue
        worn, filled = strokes.find_used_slots(drawn.drawing, part.materials, layer.opacity)
        if worn:
            census.seen[layer.name] = part.owner.name
            cut = cut or appearance.is_cut(part, layer, drawn.drawing)
        elif filled:
            census.fills[layer.name] = None
        elif strokes.has_lines(drawn.drawing, part.materials):
            census.invisible[layer.name] = None
    for layer in part.original.data.layers:  # what is hidden is not evaluated
        drawn = layer.get_frame_at(frame)
        reason = layers.left_out(part.original, layer)
        if reason and drawn is not None and drawn.drawing is not None and any(strokes.find_used_slots(drawn.drawing, part.materials, 1.0)):
            census.left_out[layer.name] = reason
    return cut


def _explain_missing_objects(scene: bpy.types.Scene, everything: list[bpy.types.Object]) -> str:
    if any(ob.type == "GREASEPENCIL" for ob in everything):
        return "Every Grease Pencil object is hidden: show one in the viewport and for rendering."
    if everything and len(everything) < len(scene.objects):
        return f"{_list_names(ob.name for ob in everything)} is no Grease Pencil object: choose one that is."
    return f"There is no Grease Pencil object in the scene '{scene.name}': draw one, or color scans that lie in the Sequencer."


def _explain_blank(scene: bpy.types.Scene, census: _Census, numbers: Sequence[int], span: str) -> str:
    objects = [ob for ob in (scene.objects.get(name) for name in census.blank) if ob is not None]
    kept = [layer for ob in objects for layer in ob.data.layers if not layers.left_out(ob, layer)]
    keys = [
        frame.frame_number
        for layer in kept
        for frame in layer.frames
        if frame.drawing is not None and frame.drawing.attributes.domain_size("CURVE")
    ]
    if objects and not kept:
        return f"Every layer of {_list_names(census.blank)} is hidden, rough or left out, and empty: show the layer that has the lines."
    if objects and not keys:
        return f"There is no drawing on the layers {_list_names(layer.name for layer in kept)}: draw on them, or choose other objects."
    if keys and (min(keys) > numbers[-1] or max(keys) < numbers[0]):
        where = f"frame {min(keys)}" if min(keys) == max(keys) else f"frames {min(keys)} to {max(keys)}"
        return f"Nothing is drawn {span}: choose other frames, the drawings of {_list_names(census.blank)} lie at {where}."
    return f"Nothing is drawn {span}: choose other frames."


def _list_names(names: Iterable[str], most: int = 4) -> str:
    """'A, B and C'; of many the first ones."""
    listed = list(dict.fromkeys(names))
    if len(listed) > most:
        listed = [*listed[:most], f"{len(listed) - most} more"]
    return " and ".join(filter(None, (", ".join(listed[:-1]), listed[-1])))
