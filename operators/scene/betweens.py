"""The keys of layers as a job for a model that makes strokes."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...engine import job
from ...engine.errors import BadInput
from . import homes, inbetween, keys, layers, pins, plane, settings
from .homes import Home
from .keys import Pair
from .plane import Plane
from .shot import held
from .strokes import GRAIN, Flat, Strokes, flatten

MARGIN = 0.1  # of the drawings' longer extent, on each side: drawings between may swing out


@dataclass(frozen=True)
class Part:
    """A layer that takes part, and the pairs of its keys that are to be filled."""

    ob: bpy.types.Object
    layer: bpy.types.GreasePencilLayer
    pairs: tuple[Pair, ...]


def objects(chosen: inbetween.SHIAGE_PG_inbetween, view_layer: bpy.types.ViewLayer) -> list[bpy.types.Object]:
    """The Grease Pencil objects to fill; of those that share their drawings the first."""
    candidates = [view_layer.objects.active]
    if chosen.use_selected:
        candidates = [ob for ob in view_layer.objects if ob.select_get(view_layer=view_layer)]
    drawn = [ob for ob in candidates if ob is not None and ob.type == "GREASEPENCIL" and ob.visible_get(view_layer=view_layer)]
    return list({ob.data: ob for ob in reversed(drawn)}.values())[::-1]


def parts(scene: bpy.types.Scene, obs: Sequence[bpy.types.Object]) -> list[Part]:
    """The layers of objects that take part. Raises BadInput, saying why, when none does."""
    found, reasons = [], []
    chosen = scene.shiage.inbetween
    for ob in obs:
        if ob.data.library is not None or ob.data.override_library is not None:
            raise BadInput(f"The drawings of {ob.name} are linked from another file: make them local first (Object, Relations).")
        for layer in _layers(ob, chosen.layers):
            pairs = tuple(_pairs(scene, layer))
            if pairs:
                found.append(Part(ob, layer, pairs))
            else:
                reasons.append(_why_no_pair(scene, layer))
    if not found:
        raise BadInput(next(filter(None, reasons), "Every layer is hidden, locked, rough or left out: choose one, or show it."))
    return found


def _layers(ob: bpy.types.Object, which: str) -> list:
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


def _pairs(scene: bpy.types.Scene, layer):
    chosen = scene.shiage.inbetween
    if chosen.keys == "RANGE":
        yield from keys.pairs_within(layer, chosen.frame_start, chosen.frame_end)
    elif (pair := keys.pair_around(layer, scene.frame_current)) is not None:
        yield pair


def _why_no_pair(scene: bpy.types.Scene, layer) -> str:
    chosen = scene.shiage.inbetween
    if chosen.keys == "RANGE":
        return f"There are no two keys of {layer.name} from frame {chosen.frame_start} to {chosen.frame_end}: choose other frames."
    before, after = keys.around(layer, scene.frame_current)
    for frame in (before, after):
        if frame is not None and before is not None and after is not None and not keys.is_key(frame):
            return f"The key {frame.frame_number} of {layer.name} has no strokes: draw it, or go to other keys."
    if before is None:
        return f"There is no key of {layer.name} before frame {scene.frame_current}: go to a frame between two keys."
    return f"There is no key of {layer.name} after frame {scene.frame_current}: go to a frame between two keys."


def parts_again(scene: bpy.types.Scene, folder: Path) -> list[Part]:
    """The layers and the pairs of keys that an earlier job has filled. Raises BadInput when one is not there any more."""
    request, found = job.load(folder), []
    for cel, home in enumerate(homes.read(folder)):
        ob, layer = homes.find(scene, home)
        pairs = tuple(task.pair for task in homes.tasks(request, cel))
        present = set(keys.pairs_within(layer, min(p.first for p in pairs), max(p.last for p in pairs))) if pairs else set()
        if not present.issuperset(pairs):
            raise BadInput(f"{layer.name} has other keys than when it was filled: go to a frame between two keys, and fill those.")
        found.append(Part(ob, layer, pairs))
    return found


# --- the job --------------------------------------------------------------------------------------------------------


def read_key(layer, number: int, materials: Sequence) -> Flat:
    """The key that begins at a scene frame. Raises BadInput when it is no longer there."""
    frame = keys.frame_at(layer, number)
    if frame is None or not keys.is_key(frame):
        raise BadInput(f"The key {number} of {layer.name} is no longer there: fill again.")
    return flatten(frame.drawing, materials, 1.0)


def write_job(scene: bpy.types.Scene, found: Sequence[Part], folder: Path, model: str) -> tuple[job.Job, tuple[str, ...]]:
    """Write the job folder that fills between keys, and remove what an earlier request left there. Returns the job, and what a person
    should know. Raises BadInput when there is nothing to make, JobFailed when the folder can't be written."""
    chosen = scene.shiage.inbetween
    flats = [_keys(part) for part in found]
    planes, size = _planes(found, flats, settings.size(scene))
    drawings: dict[str, job.Drawing] = {}
    pairs: dict[job.Pair, None] = {}
    shown: list[dict[int, str]] = []  # for each cel, what begins at a frame
    files: dict[str, bytes] = {}
    warnings: list[str] = []
    for cel, (part, flat, lies_in) in enumerate(zip(found, flats, planes, strict=True)):
        ids = {}
        for number, key in flat.items():
            strokes = plane.strokes_in(key, part.layer, lies_in)
            ids[number] = _id(strokes, key.fills, size, cel)
            file = f"strokes/{ids[number]}.npz"
            drawings[ids[number]] = job.Drawing(ids[number], cel, "strokes", file, f"{part.layer.name} {number}")
            files[file] = _content(strokes, key.fills)
        shown.append(dict(ids))
        for pair in part.pairs:
            first, last = ids[pair.first], ids[pair.last]
            if first == last:
                warnings.append(
                    f"The keys {pair.first} and {pair.last} of {part.layer.name} are the same drawing: nothing lies between them."
                )
                continue
            for frame, at in inbetween.drawings(chosen, pair):
                made = job.digest(first, last, at, frame)[:16]
                drawings[made] = job.Drawing(made, cel, "between", f"strokes/{made}.npz", f"{part.layer.name} {frame}", at)
                shown[cel][frame] = made
            for a, b in pins.of_pair(part.ob, part.layer.name, flat[pair.first], flat[pair.last]):
                pairs[job.Pair(first, a, last, b)] = None
    if not any(drawing.kind == "between" for drawing in drawings.values()):
        raise BadInput(warnings[0])
    for file, content in files.items():
        if not (folder / file).is_file():
            job.write_atomic(folder / file, content)
    request = job.Job(
        task="inbetween",
        model=model,
        size=size,
        cels=tuple(job.Cel(part.layer.name, ()) for part in found),
        drawings=tuple(drawings.values()),
        frames=held(shown),
        title=scene.name,
        fps=scene.render.fps / scene.render.fps_base,
        options=settings.options(scene, model),
        pairs=tuple(pairs),
    )
    job.save(request, folder)
    job.clear_stale(folder, request)
    belong = [Home(p.ob.name, p.ob.data.name, p.layer.name, q, chosen.destination == "OWN") for p, q in zip(found, planes, strict=True)]
    homes.write(belong, folder)
    return request, tuple(warnings)


def _keys(part: Part) -> dict[int, Flat]:
    numbers = sorted({number for pair in part.pairs for number in (pair.first, pair.last)})
    return {number: read_key(part.layer, number, part.ob.data.materials) for number in numbers}


def _planes(found: Sequence[Part], flats: Sequence[dict[int, Flat]], picture: tuple[int, int]) -> tuple[list[Plane], tuple[int, int]]:
    """The plane of each layer, and the size of the picture that all lie on; drawings are as large in it as they fit the scene's picture."""
    planes = [plane.fit(np.concatenate([flat.points for flat in keys_.values()])) for keys_ in flats]
    places = [p.place(flat.points) for p, keys_ in zip(planes, flats, strict=True) for flat in keys_.values()]
    low = np.min([place.min(axis=0) for place in places], axis=0)
    high = np.max([place.max(axis=0) for place in places], axis=0)
    extent = np.maximum(high - low, max(1e-6, 4 * max(float(flat.radii.max(initial=0)) for keys_ in flats for flat in keys_.values())))
    margin = MARGIN * extent.max()
    scale = float((np.array(picture) / (extent + 2 * margin)).min())
    size = np.ceil((extent + 2 * margin) * scale).astype(int)
    corner = (float(low[0] - margin), float(high[1] + margin))
    return [Plane(p.right, p.up, p.foot, scale, corner) for p in planes], (int(size[0]), int(size[1]))


def _id(strokes: Strokes, fills: np.ndarray, size: tuple[int, int], cel: int) -> str:
    points, widths = (np.round(values * GRAIN).astype(np.int64) for values in (strokes.points, strokes.widths))
    arrays = (points, widths, strokes.colors, strokes.offsets, strokes.cyclic, fills)
    return job.digest(list(size), cel, *(array.tobytes() for array in arrays))[:16]


def _content(strokes: Strokes, fills: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **strokes.arrays(), fills=fills)  # pyright: ignore[reportArgumentType]  (allow_pickle is newer than Blender 4.5)
    return buffer.getvalue()
