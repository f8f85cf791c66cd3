"""What the camera sees of the drawings of a frame range: cels, drawings by content, exposures.

Held drawings are looked at frame by frame, which is cheap, and become one by their content. So a drawing that moves before the camera,
or is seen by a moving camera, is a new drawing at each frame.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bpy

from ....engine.job import Exposure
from ....engine.job.errors import BadInput
from ....engine.job.files import compute_digest
from . import absence, appearance, camera, layers, raster, references
from .parts import Part, find_parts
from .stepping import get_drawn_frame, step_through_frames
from .strokes import ScreenStrokes, extract_strokes, join_strokes, object_scale


@dataclass(frozen=True)
class GatheredCel:
    """What is colored together. `objects` by name; `references` are its own, without any it shares those of the shot."""

    name: str
    objects: tuple[str, ...] = ()
    references: tuple[Path, ...] = ()


@dataclass(frozen=True)
class GatheredDrawing:
    """A distinct drawing of a cel, first shown at `frame`: its `strokes`, or a PNG `picture` of what they can't express."""

    id: str
    cel: int
    frame: int
    strokes: ScreenStrokes | None = None
    picture: bytes | None = None


@dataclass(frozen=True)
class GatheredShot:
    """`cels` back to front · `drawings` by id · `exposures` cover the range without a gap · `warnings` one sentence each."""

    title: str
    size: tuple[int, int]
    fps: float
    cels: tuple[GatheredCel, ...]
    drawings: Mapping[str, GatheredDrawing]
    exposures: tuple[Exposure, ...]
    warnings: tuple[str, ...] = ()


_Key = tuple[str, ...]  # the names of a cel's own references; () for what shares the shot's


@dataclass(frozen=True)
class _Piece:
    """What one object, or one instance of it, shows at one frame. `holder` has the references that it is colored after; `state` is None
    where the strokes say it all, else it holds what the look depends on beside them."""

    part: Part
    holder: bpy.types.Object
    depth: float
    strokes: ScreenStrokes
    state: list | None


def gather_shot(
    scene: bpy.types.Scene,
    view_layer: bpy.types.ViewLayer,
    *,
    size: tuple[int, int],
    frames: tuple[int, int],
    step: int = 1,
    objects: Iterable[bpy.types.Object] | None = None,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> GatheredShot:
    """Read the drawings of the frames first..last (included), each `step`-th of them, held for `step` frames.

    `objects` are the Grease Pencil objects (or the instancers of some) that take part, None for all. What is hidden in the viewport or
    for rendering takes no part; see `layers.left_out` for layers. Objects with the same references of their own are one cel; those
    without any are one cel too. Raises BadInput when there is nothing to color, and what `on_progress` (fraction 0..1) raises; the
    scene is left as it was in each case.
    """
    first, last = frames
    if last < first:
        raise BadInput(f"The frame range {first} to {last} is empty: choose an end that is not before the start.")
    everything = set(scene.objects) if objects is None else set(objects)
    chosen = everything & set(_find_rendered_objects(view_layer.layer_collection))
    numbers = range(first, last + 1, max(1, step))
    shown: list[dict[_Key, str]] = []  # for each number, the drawing of each cel
    found: dict[str, GatheredDrawing] = {}
    pictures: dict[str, bytes | None] = {}
    depths: dict[_Key, dict[int, float]] = {}  # of each cel at each number
    members: dict[_Key, dict[str, bpy.types.Object]] = {}
    with step_through_frames(scene) as go_to:
        for number in numbers:
            go_to(number)
            depsgraph = view_layer.depsgraph
            projection = camera.of_scene(scene, depsgraph, size)
            shown.append({})
            for key, pieces in _find_pieces(scene, depsgraph, projection, chosen).items():
                drawing = _make_drawing(key, pieces, number, scene, depsgraph, size, pictures)
                if drawing is None:
                    continue
                found.setdefault(drawing.id, drawing)
                shown[-1][key] = drawing.id
                depths.setdefault(key, {})[number] = statistics.fmean(piece.depth for piece in pieces)
                members.setdefault(key, {}).update((piece.part.owner.name, piece.holder) for piece in pieces)
            on_progress(len(shown) / len(numbers))
    if not found:
        raise BadInput(absence.explain_absence(scene, view_layer, everything, chosen, numbers))
    return _assemble_shot(scene, size, numbers, last, shown, found, depths, members)


# --- who takes part -----------------------------------------------------------------------------------------------


def _find_rendered_objects(tree: bpy.types.LayerCollection) -> Iterator[bpy.types.Object]:
    """The objects of the collections that are not turned off for rendering."""
    if not tree.exclude and not tree.collection.hide_render:
        yield from tree.collection.objects
        for child in tree.children:
            yield from _find_rendered_objects(child)


def _find_pieces(scene, depsgraph, projection, chosen) -> dict[_Key, list[_Piece]]:
    """What each cel shows at the depsgraph's frame, the farther objects first, as Blender draws them: it sorts whole objects by how far
    their origin lies along the camera's axis; within an object the layers, and in a layer the strokes, go from bottom to top."""
    found: dict[_Key, list[_Piece]] = {}
    for part in find_parts(depsgraph, chosen):
        holder = part.owner if references.hash_references(part.owner.shiage.references) else part.original
        piece = _read_piece(part, holder, get_drawn_frame(scene), depsgraph, projection)
        found.setdefault(references.hash_references(holder.shiage.references), []).append(piece)
    for pieces in found.values():
        pieces.sort(key=lambda piece: -piece.depth)
    return found


# --- drawings -----------------------------------------------------------------------------------------------------


def _read_piece(part: Part, holder: bpy.types.Object, frame: int, depsgraph, projection) -> _Piece:
    scale = object_scale(part.matrix)
    lines, cut = [], False
    for layer in part.evaluated.data.layers:
        drawn = layer.get_frame_at(frame)
        if drawn is None or drawn.drawing is None or layers.left_out(part.original, layer):
            continue
        matrix = layers.world_matrix(layer, part.matrix, depsgraph)
        strokes = extract_strokes(drawn.drawing, part.materials, layer.opacity, matrix, scale, projection)
        cut = cut or appearance.is_cut(part, layer, drawn.drawing)
        lines.append(strokes)
    joined = join_strokes(lines)
    otherwise = cut or len(joined) and appearance.is_bent(part)
    state = appearance.hash_appearance(part, frame, depsgraph, projection) if otherwise else None
    return _Piece(part, holder, projection.depth(part.matrix.translation), joined, state)


def _make_drawing(key, pieces, frame, scene, depsgraph, size, pictures) -> GatheredDrawing | None:
    """The drawing that pieces make together, None where they show nothing. `pictures` keeps those that Blender had to render, by what they
    were made of: two that look alike are one drawing."""
    strokes = join_strokes([piece.strokes for piece in pieces])
    if not len(strokes):
        return None
    states = [piece.state for piece in pieces if piece.state is not None]
    made_of = compute_digest(list(key), list(size), states, *(array.tobytes() for array in strokes.arrays().values()))[:16]
    if not states:
        return GatheredDrawing(made_of, 0, frame, strokes)
    if made_of not in pictures:
        pictures[made_of] = raster.render_lines(scene, depsgraph, [piece.part for piece in pieces], size)
    picture = pictures[made_of]
    if picture is None:
        return None
    return GatheredDrawing(compute_digest(list(key), list(size), picture)[:16], 0, frame, picture=picture)


def _assemble_shot(scene, size, numbers, last, shown, found, depths, members) -> GatheredShot:
    order = sorted(depths, key=lambda key: -statistics.fmean(depths[key].values()))
    warnings = []
    for back, front in zip(order, order[1:], strict=False):
        crossed = [n for n in numbers if n in depths[back] and n in depths[front] and depths[back][n] < depths[front][n]]
        if crossed:
            names = ", ".join(members[back]), ", ".join(members[front])
            warnings.append(f"{names[0]} comes before {names[1]} at frame {crossed[0]}, but stays behind it in the colored frames.")
    cels = []
    for key in order:
        holder = next(iter(members[key].values()))
        own = references.find_reference_files(holder.shiage.references)
        cels.append(GatheredCel(", ".join(members[key]), tuple(members[key]), own))
    cel_of = {drawing_id: order.index(key) for frame in shown for key, drawing_id in frame.items()}
    return GatheredShot(
        title=scene.name,
        size=size,
        fps=scene.render.fps / scene.render.fps_base,
        cels=tuple(cels),
        drawings={drawing_id: replace(drawing, cel=cel_of[drawing_id]) for drawing_id, drawing in found.items()},
        exposures=make_exposures(numbers, last, [tuple(frame.get(key) for key in order) for frame in shown]),
        warnings=tuple(warnings),
    )


def find_held_frames(shown: Sequence[Mapping[int, str]]) -> tuple[Exposure, ...]:
    """The frames of cels whose drawings are held until the next: for each cel, which drawing begins at which frame."""
    numbers = range(min(map(min, shown)), max(map(max, shown)) + 1)
    now: tuple[str | None, ...] = (None,) * len(shown)
    frames = []
    for number in numbers:
        now = tuple(cel.get(number, before) for cel, before in zip(shown, now, strict=True))
        frames.append(now)
    return make_exposures(numbers, numbers[-1], frames)


def make_exposures(numbers: range, last: int, drawings: Sequence[tuple[str | None, ...]]) -> tuple[Exposure, ...]:
    """Runs of equal drawings; `drawings` belongs to `numbers`, each of which stands for the frames up to the next, or to `last`."""
    runs: list[Exposure] = []
    for number, now in zip(numbers, drawings, strict=True):
        length = min(numbers.step, last - number + 1)
        if runs and runs[-1].drawings == now:
            runs[-1] = replace(runs[-1], exposure=runs[-1].exposure + length)
        else:
            runs.append(Exposure(number, length, now))
    return tuple(runs)
