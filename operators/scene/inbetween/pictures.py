"""Keys as the camera sees them, as a job for a model that makes pictures between them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import bpy
import numpy as np

from ....engine import job
from ....engine.job.builder import JobBuilder, name_file
from ....engine.job.errors import BadInput
from ....engine.job.files import compute_digest
from ....engine.models import ModelInfo
from .. import settings
from ..read import camera, layers, references, request, shot
from ..read.shot import GatheredDrawing, GatheredShot
from ..read.stepping import get_drawn_frame, step_through_frames
from ..read.strokes import ScreenStrokes, extract_strokes, join_strokes, object_scale
from ..settings import inbetween
from .betweens import LayerGroup
from .keys import KeyPair


def write_job(
    scene: bpy.types.Scene,
    view_layer: bpy.types.ViewLayer,
    parts: Sequence[LayerGroup],
    folder: Path,
    model: ModelInfo,
    on_progress: Callable[[float], None],
) -> tuple[Path, job.Job, tuple[str, ...]]:
    """Write the job folder, one for each range of keys beside `folder`, so that each result keeps its own. Returns it, the job, and
    what a person should know. Raises BadInput when the model would not get what it needs or another process works on the folder,
    JobFailed when it can't be written."""
    chosen = scene.shiage.inbetween
    numbers = _find_key_frames(chosen, parts)
    folder = folder.with_name(f"{folder.name}-{numbers[0]}-{numbers[-1]}")
    made = [drawing for pair in zip(numbers, numbers[1:], strict=False) for drawing in inbetween.list_drawings(chosen, KeyPair(*pair))]
    guides = _read_guides(scene, view_layer, parts, [frame for frame, _ in made])
    shots = []
    for done, number in enumerate(numbers):
        size, objects = settings.get_size(scene), settings.get_objects(scene, view_layer)
        shots.append(shot.gather_shot(scene, view_layer, size=size, frames=(number, number), objects=objects))
        on_progress((done + 1) / len(numbers))
    painted = [_find_painted_key(scene, seen) for seen in shots]
    warnings = _find_warnings(scene, numbers)
    pictures = [path for path in painted if path is not None]
    are_painted = len(pictures) == len(numbers)
    if not are_painted and "painted" in model.needs:
        number = numbers[painted.index(None)]
        raise BadInput(f"The key {number} is not painted: {model.title} needs painted keys, so color the shot first, as it is drawn now.")
    builder = JobBuilder("inbetween", model.id, settings.get_size(scene))
    if are_painted:
        shown = _painted_keys(builder, scene.name, numbers, pictures)
        names = [scene.name]
    else:
        drawn = _drawn_cels(scene, shots)
        shown = _line_art(builder, drawn, shots)
        names = [name for name, _ in drawn]
    for cel, name in enumerate(names):
        for frame, at in made:
            guide = guides[frame][0] if frame in guides else None
            id = compute_digest([shown[cel][number] for number in numbers], cel, frame, at, guide)[:16]
            builder.add_drawing(job.Drawing(id, cel, "between", name_file("between", id, ".npz"), f"{name} {frame}", at, guide))
            shown[cel][frame] = id
    for id, strokes in guides.values():
        request.store_drawing(builder, GatheredDrawing(id, 0, 0, strokes), 0, f"{chosen.guide} {id}")
    asked = builder.write_job(
        folder,
        shot.find_held_frames(shown),
        title=f"{scene.name} {numbers[0]}–{numbers[-1]}",
        fps=scene.render.fps / scene.render.fps_base,
        options=settings.get_options(scene, model.id),
    )
    return folder, asked, warnings


def _find_key_frames(chosen: inbetween.SHIAGE_PG_inbetween, parts: Sequence[LayerGroup]) -> list[int]:
    """The scene frames of the keys: those of any layer, or the nearest ones around the playhead."""
    pairs = [pair for part in parts for pair in part.pairs]
    if chosen.keys == "PLAYHEAD":
        return [max(pair.first for pair in pairs), min(pair.last for pair in pairs)]
    return sorted({number for pair in pairs for number in (pair.first, pair.last)})


def _find_warnings(scene: bpy.types.Scene, numbers: Sequence[int]) -> tuple[str, ...]:
    cuts = [m for m in scene.timeline_markers if m.camera is not None and numbers[0] < m.frame <= numbers[-1]]
    return tuple(f"The camera changes at frame {m.frame}, between the keys: what lies between may make no sense." for m in cuts)


# --- keys -----------------------------------------------------------------------------------------------------------


def _find_painted_key(scene: bpy.types.Scene, seen: GatheredShot) -> Path | None:
    """The picture of a key in the result of Colorize Shot, if it was made of the drawings that are there now."""
    (exposure,) = seen.exposures
    try:
        folder = settings.job_folder(scene)
        colored = job.load_job(folder)
    except BadInput:
        return None
    file = job.list_pictures(colored).get(exposure.drawings)
    done = {picture["file"] for picture in (job.read_result(folder) or {}).get("pictures", [])}
    return folder / file if file is not None and file in done and (folder / file).is_file() else None


def _painted_keys(builder: JobBuilder, name: str, numbers: Sequence[int], painted: Sequence[Path]) -> list[dict[int, str]]:
    """Add painted keys to a job, as one cel. Returns which of them is shown at which frame."""
    cel = builder.add_cel(name)
    shown = {}
    for number, path in zip(numbers, painted, strict=True):
        shown[number] = job.check_reference(path)[:16]
        builder.add_painted_key(shown[number], cel, path, f"{name} {number}")
    return [shown]


def _drawn_cels(scene: bpy.types.Scene, shots: Sequence[GatheredShot]) -> list[tuple[str, tuple[Path, ...]]]:
    """The cels that all keys show, by name, each with its references. Raises BadInput when there is none, or one has no reference."""
    own = references.find_reference_files(scene.shiage.references)
    named = [cel for cel in shots[0].cels if all(cel.name in [c.name for c in seen.cels] for seen in shots)]
    if not named:
        raise BadInput("The keys show different objects: go to keys that show the same ones.")
    for cel in named:
        if not (cel.references or own):
            raise BadInput(
                f"{cel.name} has no reference: choose a colored picture for the shot or for the object, or color the shot first."
            )
    return [(cel.name, cel.references or own) for cel in named]


def _line_art(builder: JobBuilder, drawn: Sequence[tuple[str, Sequence[Path]]], shots: Sequence[GatheredShot]) -> list[dict[int, str]]:
    """Add cels of line art to a job, each with its references. Returns for each which drawing is shown at which frame."""
    shown = []
    for name, paths in drawn:
        cel = builder.add_cel(name, [Path(path) for path in paths])
        shown.append({})
        for seen in shots:
            (exposure,) = seen.exposures
            place = [c.name for c in seen.cels].index(name)
            id = exposure.drawings[place]
            assert id is not None, "a cel that is gathered at a frame shows something there"
            request.store_drawing(builder, seen.drawings[id], cel, f"{name} {seen.drawings[id].frame}")
            shown[-1][exposure.frame] = id
    return shown


# --- guides ---------------------------------------------------------------------------------------------------------


def _read_guides(
    scene: bpy.types.Scene, view_layer, parts: Sequence[LayerGroup], frames: Sequence[int]
) -> dict[int, tuple[str, ScreenStrokes]]:
    """The sketches that drawings between follow: {frame: (id, strokes)}. Each goes to the drawing that is nearest to it in time, and of
    several that go to one drawing it follows the nearest."""
    name = scene.shiage.inbetween.guide
    if not name:
        return {}
    found = next(((part.ob, layer) for part in parts if (layer := part.ob.data.layers.get(name)) is not None), None)
    if found is None:
        raise BadInput(f"There is no layer '{name}' to follow: choose another guide layer, or none.")
    ob, layer = found
    if not layers.left_out(ob, layer):
        raise BadInput(f"The guide layer {name} would be painted too: leave it out of the shot, under Drawings.")
    sketched = [frame.frame_number for frame in layer.frames if frame.drawing is not None and frame.drawing.attributes.domain_size("CURVE")]
    nearest = {
        number: min(frames, key=lambda frame: (abs(frame - number), frame)) for number in sketched if frames[0] <= number <= frames[-1]
    }
    guides: dict[int, tuple[str, ScreenStrokes]] = {}
    with step_through_frames(scene) as go_to:
        for number in sorted(nearest, key=lambda number: (abs(nearest[number] - number), number)):
            if nearest[number] in guides:
                continue
            go_to(number)
            strokes = _read_guide_strokes(scene, view_layer.depsgraph, ob, name)
            if len(strokes):  # the camera sees something of it
                id = compute_digest("guide", *(array.tobytes() for array in strokes.arrays().values()))[:16]
                guides[nearest[number]] = (id, strokes)
    return guides


def _read_guide_strokes(scene: bpy.types.Scene, depsgraph, ob: bpy.types.Object, name: str) -> ScreenStrokes:
    """What a layer shows to the camera at the present frame, hidden or not."""
    evaluated = ob.evaluated_get(depsgraph)
    layer = evaluated.data.layers[name]
    drawn = layer.get_frame_at(get_drawn_frame(scene))
    if drawn is None or drawn.drawing is None:
        return join_strokes([])
    materials = [slot.material for slot in evaluated.material_slots] or list(evaluated.data.materials)
    projection = camera.of_scene(scene, depsgraph, settings.get_size(scene))
    world = evaluated.matrix_world
    matrix = layers.world_matrix(layer, world, depsgraph)
    return extract_strokes(drawn.drawing, materials, 1.0, np.asarray(matrix), object_scale(world), projection)
