"""What a model has made between keys, as drawings of the .blend. What the animator drew is never touched."""

from dataclasses import dataclass, field
from pathlib import Path

import bpy
import numpy as np

from ....engine.job.errors import BadInput
from ..read.strokes import LayerStrokes
from . import attributes, betweens, homes, keys, made, plane
from .attributes import AttributeOrigin
from .homes import LayerTargets, TargetTask
from .made import GeneratedDrawing


@dataclass
class Filled:
    """What an import has put into the file: `count` drawings on `layers`, by name; `problems` are sentences about what it could not."""

    count: int = 0
    layers: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return ", ".join(self.layers)

    @property
    def text(self) -> str:
        return " ".join([*([f"{self.count} drawings are on {self.name}."] if self.count else []), *self.problems])


def has_strokes(folder: Path) -> bool:
    """Whether what a job makes is strokes, and not pictures alone."""
    return (folder / homes.FILE).is_file()


def import_strokes(scene: bpy.types.Scene, folder: Path) -> Filled:
    """Put a job's drawings between the keys that they were made of; those of an earlier run go. Keys that have changed since, or between
    which something was drawn, get none. Raises BadInput when nothing can be put anywhere."""
    filled = Filled()
    for home in homes.read_targets(folder):
        try:
            ob, layers = homes.find_layers(scene, home)
        except BadInput as error:
            filled.problems.append(str(error))
            continue
        targets = [_own_layer(ob.data, layer) for layer in layers] if home.own else layers
        before = filled.count
        for task in home.tasks:
            try:
                filled.count += _fill_layers(layers, targets, ob.data.materials, home, task, folder)
            except BadInput as error:
                filled.problems.append(str(error))
        if filled.count > before:
            filled.layers.extend(target.name for target in targets)
        for target in targets if home.own else ():
            if not len(target.frames):
                ob.data.layers.remove(target)
        ob.data.update_tag()
    if not filled.count:
        raise BadInput(filled.problems[0] if filled.problems else "No drawing is finished yet: run the job first.")
    return filled


def _own_layer(data, layer):
    """The layer above another that holds its inbetweens; a new one looks and moves as that does."""
    name = keys.OWN_LAYER.format(layer.name)
    found = data.layers.get(name)
    if found is not None:
        return found
    active = data.layers.active
    found = data.layers.new(name, set_active=False)
    for prop in ("opacity", "blend_mode", "tint_color", "tint_factor", "radius_offset", "use_lights", "pass_index", "viewlayer_render"):
        setattr(found, prop, getattr(layer, prop))
    local = layer.matrix_local
    if layer.parent is not None:
        found.parent, found.parent_bone = layer.parent, layer.parent_bone
        local = found.matrix_parent_inverse.inverted() @ layer.matrix_parent_inverse @ local  # Blender sets that of a new child itself
    found.translation, rotation, found.scale = local.decompose()
    found.rotation = rotation.to_euler()
    if layer.parent_group is not None:
        data.layers.move_to_layer_group(found, layer.parent_group)
    for _ in range(len(data.layers) + len(data.layer_groups)):
        order = [other.name for other in data.layers]
        if order.index(found.name) == order.index(layer.name) + 1:
            break
        data.layers.move(found, "DOWN")
    data.layers.active = active
    return found


def _fill_layers(layers: list, targets: list, materials, home: LayerTargets, task: TargetTask, folder: Path) -> int:
    """Put the drawings of one pair of keys on their layers; returns how many. Raises BadInput when the keys are not what they were."""
    pair, keyed = task.pair, []
    for layer in layers:
        if pair not in keys.pairs_within(layer, pair.first, pair.last):
            raise BadInput(f"{layer.name} has other keys from {pair.first} to {pair.last} than when it was filled: fill again.")
    for number, key in ((pair.first, task.first), (pair.last, task.last)):
        keyed.append([betweens.read_key(layer, number, materials) for layer in layers])
        if not _is_same(keyed[-1], layers, home, folder / f"strokes/{key}.npz"):
            raise BadInput(f"The key {number} of {', '.join(layer.name for layer in layers)} has changed since: fill again.")
    counts = [home.counts[key] for key in (task.first, task.last)]
    found = [
        (frame, made.read_generated(folder / f"strokes/{id}.npz", at, (sum(counts[0]), sum(counts[1])))) for frame, id, at in task.made
    ]
    parts = [(frame, made.split_by_layer(drawing, *counts)) for frame, drawing in found if drawing is not None]
    count = 0
    for index, (layer, target) in enumerate(zip(layers, targets, strict=True)):
        keys.remove_ours(layer, pair.first + 1, pair.last - 1)
        own = layer.id_data.layers.get(keys.OWN_LAYER.format(layer.name))
        if own is not None:
            keys.remove_ours(own, pair.first + 1, pair.last)
        ends = [keys.drawing_at(layer, number) for number in (pair.first, pair.last)]
        drawings = [(frame, of_layers[index]) for frame, of_layers in parts]
        count += _put_drawing(target, drawings, ends, [flats[index] for flats in keyed], home)
        if target != layer and drawings:
            for blank, number in ((layer, drawings[0][0]), (target, pair.last)):
                if keys.frame_at(blank, number) is None:
                    keys.mark_generated(blank.frames.new(number))
    return count


def _is_same(flats: list[LayerStrokes], layers: list, home: LayerTargets, file: Path) -> bool:
    """Whether a key has the strokes that the engine was given."""
    strokes = plane.strokes_in(flats, layers, home.plane)
    try:
        with np.load(file, allow_pickle=False) as given:
            return np.array_equal(given["offsets"], strokes.offsets) and np.allclose(given["points"], strokes.points, atol=0.01)
    except (OSError, ValueError, KeyError):
        return False


def _put_drawing(target, drawings: list[tuple[int, GeneratedDrawing]], ends: list, flats: list[LayerStrokes], home: LayerTargets) -> int:
    count = 0
    for number, drawing in drawings:
        if keys.frame_at(target, number) is None:  # else somebody has drawn there, on the layer of its own
            frame = target.frames.new(number)
            _draw_strokes(frame.drawing, drawing, ends, flats, home)
            keys.mark_generated(frame)
            count += 1
    return count


def _draw_strokes(drawing, new: GeneratedDrawing, ends: list, flats: list[LayerStrokes], home: LayerTargets) -> None:
    """Fill an empty drawing."""
    counts = np.diff(new.offsets)
    if not len(counts):
        return
    drawing.add_strokes(counts.tolist())
    before, after = (AttributeOrigin(end, flat, new, side) for side, (end, flat) in enumerate(zip(ends, flats, strict=True)))
    depth = _interpolate_depth(before, after, flats, new, home)
    attributes.set_attribute(drawing, "position", "FLOAT_VECTOR", "POINT", home.plane.points(new.points.astype(float), depth))
    attributes.set_attribute(drawing, "cyclic", "BOOLEAN", "CURVE", new.cyclic)
    attributes.carry_attributes(drawing, new, before, after)
    attributes.set_attribute(drawing, keys.CONFIDENCE, "FLOAT", "CURVE", new.confidence)
    drawing.tag_positions_changed()


def _interpolate_depth(
    before: AttributeOrigin, after: AttributeOrigin, flats: list[LayerStrokes], new: GeneratedDrawing, home: LayerTargets
) -> np.ndarray:
    """How far new points lie before the plane: between those that they come from."""
    first, last = (np.full(len(new.place), np.nan) for _ in range(2))
    for side, (depth, origin) in enumerate(((first, before), (last, after))):
        depth[origin.known] = origin.sample(home.plane.depth(flats[side].points))
    first, last = np.where(np.isnan(first), last, first), np.where(np.isnan(last), first, last)
    return np.nan_to_num(first + (last - first) * new.at)
