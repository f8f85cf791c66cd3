"""The keys of layers as a job for a model that makes strokes."""

import functools
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ....engine import job
from ....engine.job.builder import JobBuilder, name_file
from ....engine.job.errors import BadInput
from ....engine.job.files import compute_digest
from .. import settings
from ..read import absence, layers
from ..read.shot import find_held_frames
from ..read.strokes import GRAIN, LayerStrokes, ScreenStrokes, flatten_strokes
from ..settings import inbetween
from . import homes, keys, pins, plane
from .homes import LayerTargets, TargetTask
from .keys import KeyPair
from .plane import LayerPlane

FLAT = 0.05  # of the drawings' longer extent: layers that lie within so much depth are one cel
MARGIN = 0.1  # of the drawings' longer extent, on each side: drawings between may swing out


@dataclass(frozen=True)
class LayerGroup:
    """Layers of an object that have the same keys and move together, from bottom to top, and the pairs of their keys to be filled. They are
    one cel: so the paint on one of them goes where the lines on another do."""

    ob: bpy.types.Object
    layers: tuple[bpy.types.GreasePencilLayer, ...]
    pairs: tuple[KeyPair, ...]

    @property
    def name(self) -> str:
        return ", ".join(layer.name for layer in self.layers)


def find_objects(chosen: inbetween.SHIAGE_PG_inbetween, view_layer: bpy.types.ViewLayer) -> list[bpy.types.Object]:
    """The Grease Pencil objects to fill; of those that share their drawings the first."""
    candidates = [view_layer.objects.active]
    if chosen.use_selected:
        candidates = [ob for ob in view_layer.objects if ob.select_get(view_layer=view_layer)]
    drawn = [ob for ob in candidates if ob is not None and ob.type == "GREASEPENCIL" and ob.visible_get(view_layer=view_layer)]
    return list({ob.data: ob for ob in reversed(drawn)}.values())[::-1]


def find_parts(scene: bpy.types.Scene, obs: Sequence[bpy.types.Object]) -> list[LayerGroup]:
    """The layers of objects that take part, one by one. Raises BadInput, saying why, when none does. Reads no strokes."""
    found, reasons = [], []
    empty = True  # no layer that takes part has a key
    chosen = scene.shiage.inbetween
    for ob in obs:
        if ob.data.library is not None or ob.data.override_library is not None:
            raise BadInput(f"The drawings of {ob.name} are linked from another file: make them local first (Object, Relations).")
        for layer in _find_layers(ob, chosen.layers):
            pairs = tuple(_find_pairs(scene, layer))
            if pairs:
                found.append(LayerGroup(ob, (layer,), pairs))
            elif any(map(keys.is_key, layer.frames)):
                reasons.insert(0 if empty else len(reasons), _why_no_pair(scene, layer))
                empty = False
            else:
                reasons.append(_why_no_pair(scene, layer))
    if not found:
        if empty and (left_out := _find_keys_left_out(obs)):
            raise BadInput(absence.explain_left_out(left_out))
        raise BadInput(next(filter(None, reasons), "Every layer is hidden, locked, rough or left out: choose one, or show it."))
    return found


def _find_keys_left_out(obs: Sequence[bpy.types.Object]) -> dict[str, str]:
    """The layers that take no part although they have keys, and why; none of those that are locked, or hold what Shiage made."""
    reasons = {layer: layers.left_out(ob, layer) for ob in obs for layer in ob.data.layers if any(map(keys.is_key, layer.frames))}
    return {layer.name: reason for layer, reason in reasons.items() if reason}


def _find_layers(ob: bpy.types.Object, which: str) -> list:
    if which == "ACTIVE":
        active = ob.data.layers.active
        if active is None or is_locked(active) or layers.left_out(ob, active) == "hidden":
            raise BadInput(f"The active layer of {ob.name} is hidden or locked: show and unlock it, or choose another.")
        return [active]
    names = {layer.name for layer in ob.data.layers}
    own = {keys.OWN_LAYER.format(name) for name in names}
    return [layer for layer in ob.data.layers if not is_locked(layer) and not layers.left_out(ob, layer) and layer.name not in own]


def is_locked(layer) -> bool:
    group, locked = layer.parent_group, layer.lock
    while group is not None:
        locked, group = locked or group.lock, group.parent_group
    return locked


def _find_pairs(scene: bpy.types.Scene, layer):
    chosen = scene.shiage.inbetween
    if chosen.keys == "RANGE":
        yield from keys.pairs_within(layer, chosen.frame_start, chosen.frame_end)
    elif (pair := keys.pair_around(layer, scene.frame_current)) is not None:
        yield pair


def _why_no_pair(scene: bpy.types.Scene, layer) -> str:
    chosen = scene.shiage.inbetween
    if chosen.keys == "RANGE":
        return f"There are no two keys of {layer.name} from frame {chosen.frame_start} to {chosen.frame_end}: choose other frames."
    before, after = keys.find_keys_around(layer, scene.frame_current)
    for frame in (before, after):
        if frame is not None and before is not None and after is not None and not keys.is_key(frame):
            return f"The key {frame.frame_number} of {layer.name} has no strokes: draw it, or go to other keys."
    if before is None:
        return f"There is no key of {layer.name} before frame {scene.frame_current}: go to a frame between two keys."
    return f"There is no key of {layer.name} after frame {scene.frame_current}: go to a frame between two keys."


def state(ob: bpy.types.Object) -> tuple:
    """What `parts` depends on of an object, but for its drawings: this is soon read and compared."""
    data = ob.data
    active = data.layers.active
    linked = data.library is not None or data.override_library is not None
    names = ob.session_uid, ob.name, data.session_uid, active and active.name
    of_layers = ((layer.name, is_locked(layer), layers.left_out(ob, layer), len(layer.frames)) for layer in data.layers)
    return *names, linked, *of_layers


def parts_again(scene: bpy.types.Scene, folder: Path) -> list[LayerGroup]:
    """The layers and the pairs of keys that an earlier job has filled. Raises BadInput when one is not there any more."""
    found = []
    for home in homes.read_targets(folder):
        ob, members = homes.find_layers(scene, home)
        pairs = tuple(task.pair for task in home.tasks)
        for layer in members:
            if not all(pair in keys.pairs_within(layer, pair.first, pair.last) for pair in pairs):
                raise BadInput(f"{layer.name} has other keys than when it was filled: go to a frame between two keys, and fill those.")
        found.append(LayerGroup(ob, tuple(members), pairs))
    return found


# --- the job --------------------------------------------------------------------------------------------------------


def read_key(layer, number: int, materials: Sequence) -> LayerStrokes:
    """The key that begins at a scene frame. Raises BadInput when it is no longer there."""
    return flatten_strokes(keys.drawing_at(layer, number), materials, 1.0)


def _get_placement(layer) -> tuple:
    """What moves a layer: layers that are moved alike lie over each other as they are drawn."""
    parent = None if layer.parent is None else layer.parent.name_full
    rows = (*layer.matrix_local, *layer.matrix_parent_inverse)
    return parent, layer.parent_bone, tuple(round(value, 5) for row in rows for value in row)


def _group_parts(found: Sequence[LayerGroup]) -> list[LayerGroup]:
    """Layers that have the same keys, move alike, and are drawn in about one plane as one part."""
    groups: dict[tuple, list[LayerGroup]] = {}
    for part in found:
        groups.setdefault((part.ob.name_full, part.pairs, _get_placement(part.layers[0])), []).append(part)
    joined = []
    for members in groups.values():
        whole = LayerGroup(members[0].ob, tuple(layer for part in members for layer in part.layers), members[0].pairs)
        points = np.concatenate([flat.points for flats in _read_keys(whole).values() for flat in flats])
        depth, extent = plane.fit_plane(points).depth(points), np.ptp(points, axis=0).max()
        joined += [whole] if np.ptp(depth) <= FLAT * extent else members
    return joined


def write_job(scene: bpy.types.Scene, found: Sequence[LayerGroup], folder: Path, model: str) -> tuple[job.Job, tuple[str, ...]]:
    """Write the job folder that fills between keys, and remove what an earlier request left there. Returns the job, and what a person
    should know. Raises BadInput when there is nothing to make or another process works on the folder, JobFailed when it can't be written.
    """
    found = _group_parts(found)
    flats = [_read_keys(part) for part in found]
    planes, size = _fit_planes(flats, settings.get_size(scene))
    builder = JobBuilder("inbetween", model, size)
    cels = [_build_cel(scene, builder, part, drawn, lies_in) for part, drawn, lies_in in zip(found, flats, planes, strict=True)]
    warnings = tuple(text for cel in cels for text in cel.warnings)
    if not any(cel.home.tasks for cel in cels):
        raise BadInput(warnings[0])
    request = builder.write_job(
        folder,
        find_held_frames([cel.shown for cel in cels]),
        title=scene.name,
        fps=scene.render.fps / scene.render.fps_base,
        options=settings.get_options(scene, model),
        pairs=tuple(dict.fromkeys(pair for cel in cels for pair in cel.pairs)),
        also=lambda: homes.write_targets([cel.home for cel in cels], folder),
    )
    return request, warnings


@dataclass(frozen=True)
class _Cel:
    """What a part is in the job: `shown`, which drawing begins at which frame."""

    home: LayerTargets
    shown: dict[int, str]
    pairs: list[job.StrokePair]
    warnings: list[str]


def _build_cel(
    scene: bpy.types.Scene, builder: JobBuilder, part: LayerGroup, flats: dict[int, list[LayerStrokes]], lies_in: LayerPlane
) -> _Cel:
    """Add a part to the job."""
    cel = builder.add_cel(part.name)
    chosen = scene.shiage.inbetween
    ids: dict[int, str] = {}
    made = _Cel(LayerTargets(part.ob.name, part.ob.data.name, (), lies_in, False, {}, ()), {}, [], [])
    for number, of_layers in flats.items():
        strokes = plane.strokes_in(of_layers, part.layers, lies_in)
        fills = np.concatenate([flat.fills for flat in of_layers])
        ids[number] = _hash_drawing(strokes, fills, builder.size, cel)
        drawing = job.Drawing(ids[number], cel, "strokes", name_file("strokes", ids[number], ".npz"), f"{part.name} {number}")
        builder.add_drawing(drawing, functools.partial(_encode_strokes, strokes, fills))
    made.shown.update(ids)
    tasks = []
    for pair in part.pairs:
        first, last = ids[pair.first], ids[pair.last]
        if first == last:
            made.warnings.append(f"The keys {pair.first} and {pair.last} of {part.name} are the same drawing: nothing lies between them.")
            continue
        between = [(frame, compute_digest(first, last, at, frame)[:16], at) for frame, at in inbetween.list_drawings(chosen, pair)]
        tasks.append(TargetTask(pair, first, last, tuple(between)))
        for frame, id, at in between:
            builder.add_drawing(job.Drawing(id, cel, "between", name_file("between", id, ".npz"), f"{part.name} {frame}", at))
        made.shown.update({frame: id for frame, id, _ in between})
        made.pairs.extend(job.StrokePair(first, a, last, b) for a, b in _find_pinned_pairs(part, flats[pair.first], flats[pair.last]))
    counts = {ids[number]: tuple(len(flat.cyclic) for flat in of_layers) for number, of_layers in flats.items()}
    names = tuple(layer.name for layer in part.layers)
    return replace(
        made, home=LayerTargets(part.ob.name, part.ob.data.name, names, lies_in, chosen.destination == "OWN", counts, tuple(tasks))
    )


def _find_pinned_pairs(part: LayerGroup, first: Sequence[LayerStrokes], last: Sequence[LayerStrokes]) -> Iterator[tuple[int, int]]:
    """The pinned strokes of two keys, counted over all layers."""
    begun = [0, 0]
    for layer, a, b in zip(part.layers, first, last, strict=True):
        for one, other in pins.of_pair(part.ob, layer.name, a, b):
            yield begun[0] + one, begun[1] + other
        begun = [begun[0] + len(a.cyclic), begun[1] + len(b.cyclic)]


def _read_keys(part: LayerGroup) -> dict[int, list[LayerStrokes]]:
    """The keys of a part by frame, layer by layer."""
    numbers = sorted({number for pair in part.pairs for number in (pair.first, pair.last)})
    return {number: [read_key(layer, number, part.ob.data.materials) for layer in part.layers] for number in numbers}


def _fit_planes(flats: Sequence[dict[int, list[LayerStrokes]]], picture: tuple[int, int]) -> tuple[list[LayerPlane], tuple[int, int]]:
    """The plane of each part, and the size of the picture that all lie on; drawings are as large in it as they fit the scene's picture."""
    points = [np.concatenate([flat.points for of_layers in numbers.values() for flat in of_layers]) for numbers in flats]
    radius = max(float(flat.radii.max(initial=0)) for numbers in flats for of_layers in numbers.values() for flat in of_layers)
    planes = [plane.fit_plane(part) for part in points]
    places = [p.place(part) for p, part in zip(planes, points, strict=True)]
    low = np.min([place.min(axis=0) for place in places], axis=0)
    high = np.max([place.max(axis=0) for place in places], axis=0)
    extent = np.maximum(high - low, max(1e-6, 4 * radius))
    margin = MARGIN * extent.max()
    scale = float((np.array(picture) / (extent + 2 * margin)).min())
    size = np.ceil((extent + 2 * margin) * scale).astype(int)
    corner = (float(low[0] - margin), float(high[1] + margin))
    return [LayerPlane(p.right, p.up, p.foot, scale, corner) for p in planes], (int(size[0]), int(size[1]))


def _hash_drawing(strokes: ScreenStrokes, fills: np.ndarray, size: tuple[int, int], cel: int) -> str:
    points, widths = (np.round(values * GRAIN).astype(np.int64) for values in (strokes.points, strokes.widths))
    arrays = (points, widths, strokes.colors, strokes.offsets, strokes.cyclic, fills)
    return compute_digest(list(size), cel, *(array.tobytes() for array in arrays))[:16]


def _encode_strokes(strokes: ScreenStrokes, fills: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **strokes.arrays(), fills=fills)  # pyright: ignore[reportArgumentType]  (allow_pickle is newer than Blender 4.5)
    return buffer.getvalue()
