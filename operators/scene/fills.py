"""What a model has made between keys, as drawings of the .blend. What the animator drew is never touched."""

from dataclasses import dataclass, field
from pathlib import Path

import bpy
import numpy as np

from ...engine import job
from ...engine.errors import BadInput
from . import attributes, betweens, homes, keys, plane
from .attributes import Made, Origin
from .homes import Home, Task
from .strokes import Flat


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
    request = job.load(folder)
    filled = Filled()
    for cel, home in enumerate(homes.read(folder)):
        try:
            ob, layer = homes.find(scene, home)
        except BadInput as error:
            filled.problems.append(str(error))
            continue
        target = _own_layer(ob.data, layer) if home.own else layer
        before = filled.count
        for task in homes.tasks(request, cel):
            try:
                filled.count += _fill(layer, target, ob.data.materials, home, task, folder)
            except BadInput as error:
                filled.problems.append(str(error))
        if filled.count > before:
            filled.layers.append(target.name)
        elif home.own and not len(target.frames):
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


def _fill(layer, target, materials, home: Home, task: Task, folder: Path) -> int:
    """Put the drawings of one pair of keys on a layer; returns how many. Raises BadInput when the keys are not what they were."""
    pair = task.pair
    if pair not in keys.pairs_within(layer, pair.first, pair.last):
        raise BadInput(f"{layer.name} has other keys from {pair.first} to {pair.last} than when it was filled: fill again.")
    flats = []
    for number, key in ((pair.first, task.first), (pair.last, task.last)):
        flats.append(betweens.read_key(layer, number, materials))
        if not _is_same(flats[-1], layer, home, folder / f"strokes/{key}.npz"):
            raise BadInput(f"The key {number} of {layer.name} has changed since: fill again.")
    made = [(frame, found, drawing) for frame, drawing in task.made if (found := _read(folder / drawing.file, drawing, flats)) is not None]
    keys.remove_ours(layer, pair.first + 1, pair.last - 1)
    own = layer.id_data.layers.get(keys.OWN_LAYER.format(layer.name))
    if own is not None:
        keys.remove_ours(own, pair.first + 1, pair.last)
    ends = [keys.frame_at(layer, number).drawing for number in (pair.first, pair.last)]
    count = 0
    for frame, (arrays, new), _drawing in made:
        if keys.frame_at(target, frame) is not None:
            continue  # on the layer of its own somebody has drawn
        begun = target.frames.new(frame)
        _draw(begun.drawing, arrays, new, ends, flats, home)
        keys.mark(begun)
        count += 1
    if target != layer and count:
        for blank, number in ((layer, made[0][0]), (target, pair.last)):
            if keys.frame_at(blank, number) is None:
                keys.mark(blank.frames.new(number))
    return count


def _is_same(flat: Flat, layer, home: Home, file: Path) -> bool:
    """Whether a key has the strokes that the engine was given."""
    strokes = plane.strokes_in(flat, layer, home.plane)
    try:
        with np.load(file, allow_pickle=False) as given:
            return np.array_equal(given["offsets"], strokes.offsets) and np.allclose(given["points"], strokes.points, atol=0.01)
    except (OSError, ValueError, KeyError):
        return False


def _read(file: Path, drawing: job.Drawing, flats: list[Flat]) -> tuple[dict[str, np.ndarray], Made] | None:
    """A finished drawing's file; None while there is none. Raises BadInput when it does not fit the keys."""
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in ("points", "offsets", "cyclic", "source", "place", "confidence")}
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{file} is not understood ({error}): fill again.") from error
    source, offsets = arrays["source"], arrays["offsets"]
    fits = (
        source.shape == (len(offsets) - 1, 2) == (len(arrays["cyclic"]), 2)
        and arrays["place"].shape == arrays["points"].shape == (offsets[-1], 2)
        and np.isfinite(arrays["points"]).all()
        and all((source[:, side] >= -1).all() and (source[:, side] < len(flats[side].cyclic)).all() for side in range(2))
    )
    if not fits:
        raise BadInput(f"{file} does not fit the keys that it was made of: fill again.")
    return arrays, Made(offsets, arrays["cyclic"], source, arrays["place"], drawing.at)


def _draw(drawing, arrays: dict[str, np.ndarray], made: Made, ends: list, flats: list[Flat], home: Home) -> None:
    """Fill an empty drawing."""
    counts = np.diff(made.offsets)
    if not len(counts):
        return
    drawing.add_strokes(counts.tolist())
    before, after = (Origin(end, flat, made, side) for side, (end, flat) in enumerate(zip(ends, flats, strict=True)))
    depth = _depth(before, after, flats, made, home)
    attributes.put(drawing, "position", "FLOAT_VECTOR", "POINT", home.plane.points(arrays["points"].astype(float), depth))
    attributes.put(drawing, "cyclic", "BOOLEAN", "CURVE", made.cyclic)
    attributes.carry(drawing, made, before, after)
    attributes.put(drawing, keys.CONFIDENCE, "FLOAT", "CURVE", arrays["confidence"])
    drawing.tag_positions_changed()


def _depth(before: Origin, after: Origin, flats: list[Flat], made: Made, home: Home) -> np.ndarray:
    """How far new points lie before the plane: between those that they come from."""
    first, last = (np.full(len(made.place), np.nan) for _ in range(2))
    for side, (depth, origin) in enumerate(((first, before), (last, after))):
        depth[origin.known] = origin.sample(home.plane.depth(flats[side].points))
    first, last = np.where(np.isnan(first), last, first), np.where(np.isnan(last), first, last)
    return np.nan_to_num(first + (last - first) * made.at)
