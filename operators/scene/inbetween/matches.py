"""Which strokes of two keys a job has made one of, how sure it was, and how to see and choose them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ....engine.job.errors import BadInput
from . import betweens, homes, keys
from .homes import LayerTargets, TargetTask
from .keys import KeyPair

SELECTION = ".selection"


@dataclass(frozen=True)
class StrokeMatch:
    """Stroke `a` of the key `pair.first` and stroke `b` of the key `pair.last` of a layer, None where a stroke has no partner; both by
    number among those that have points. `confidence` 0..1."""

    object: str
    layer: str
    pair: KeyPair
    a: int | None
    b: int | None
    confidence: float

    @property
    def alone(self) -> bool:
        return self.a is None or self.b is None

    @property
    def text(self) -> str:
        """'3 → 5' or '3 → –', as strokes are counted from 1."""
        return " → ".join("–" if number is None else str(number + 1) for number in (self.a, self.b))


def read_matches(folder: Path) -> tuple[StrokeMatch, ...]:
    """What a job has found, the strokes without a partner first, then the least sure; nothing while there is nothing to read."""
    try:
        found = [match for home in homes.read_targets(folder) for task in home.tasks for match in _of_task(home, task, folder)]
    except (BadInput, OSError, ValueError, KeyError, IndexError):
        return ()  # the job has not been run, or its folder is gone
    return tuple(sorted(found, key=lambda match: (not match.alone, match.confidence)))


def _of_task(home: LayerTargets, task: TargetTask, folder: Path) -> Iterator[StrokeMatch]:
    with np.load(folder / f"strokes/{task.made[0][1]}.npz", allow_pickle=False) as made:
        source, confidence = made["source"], made["confidence"]
    sure: dict[tuple[int, int], float] = {}
    for (a, b), value in zip(source.tolist(), confidence.tolist(), strict=True):
        sure[a, b] = min(value, sure.get((a, b), 1.0))
    taken = [{pair[side] for pair in sure if min(pair) >= 0} for side in range(2)]  # strokes that have a partner, at least in part
    for (a, b), value in sure.items():
        if (a < 0 and b in taken[1]) or (b < 0 and a in taken[0]):
            continue
        first, last = (home.locate_stroke(key, number) if number >= 0 else None for key, number in ((task.first, a), (task.last, b)))
        if first is not None and last is not None and first[0] != last[0]:
            last = None  # on another layer, see made.split_by_layer
        layer = home.layers[(first or last or (0, 0))[0]]
        yield StrokeMatch(home.object, layer, task.pair, first and first[1], last and last[1], value)


@dataclass(frozen=True)
class Arc:
    """How the middle of a stroke goes from key to key: `points` (K, 3) in the space of its layer."""

    object: str
    layer: str
    points: tuple[tuple[float, float, float], ...]
    confidence: float


def read_arcs(folder: Path) -> tuple[Arc, ...]:
    """The ways of all strokes that a job has moved; nothing while there is nothing to read."""
    try:
        return tuple(arc for home in homes.read_targets(folder) for task in home.tasks for arc in _arcs_of_task(home, task, folder))
    except (BadInput, OSError, ValueError, KeyError, IndexError):
        return ()


def _arcs_of_task(home: LayerTargets, task: TargetTask, folder: Path) -> Iterator[Arc]:
    ways: dict[tuple[int, int, int], list] = {}
    sure: dict[tuple[int, int, int], float] = {}
    for _, id, _ in task.made:
        with np.load(folder / f"strokes/{id}.npz", allow_pickle=False) as made:
            points, offsets, source, confidence = (made[name] for name in ("points", "offsets", "source", "confidence"))
        begun: dict[tuple[int, int], int] = {}
        for i, (a, b) in enumerate(source.tolist()):
            piece = (a, b, begun.setdefault((a, b), 0))  # a pair of strokes may be several pieces
            begun[a, b] += 1
            ways.setdefault(piece, []).append(points[(offsets[i] + offsets[i + 1]) // 2])
            sure[piece] = float(confidence[i])
    for (a, b, number), way in ways.items():
        layer, _ = home.locate_stroke(task.first, a) if a >= 0 else home.locate_stroke(task.last, b)
        places = home.plane.points(np.array(way, float), np.zeros(len(way)))
        yield Arc(home.object, home.layers[layer], tuple(map(tuple, places.tolist())), sure[a, b, number] if min(a, b) >= 0 else 0.0)


# --- selection --------------------------------------------------------------------------------------------------------


def select_stroke(scene: bpy.types.Scene, ob: bpy.types.Object, layer, number: int, stroke: int) -> None:
    """Select one stroke of the key at a scene frame, and no other stroke there. Raises BadInput when it is not there."""
    numbers = betweens.read_key(layer, number, ob.data.materials).numbers
    if stroke >= len(numbers):
        raise BadInput(f"The key {number} of {layer.name} has changed since: fill again.")
    domain = "CURVE" if scene.tool_settings.gpencil_selectmode_edit == "STROKE" else "POINT"
    for other in ob.data.layers:
        frame = other.get_frame_at(number)
        if frame is not None and frame.drawing is not None and frame.drawing.attributes.domain_size("CURVE"):
            chosen = np.arange(frame.drawing.attributes.domain_size("CURVE")) == (numbers[stroke] if other == layer else -1)
            _set_selection(frame.drawing, domain, chosen)
    ob.data.update_tag()


def _set_selection(drawing, domain: str, chosen: np.ndarray) -> None:
    attribute = drawing.attributes.get(SELECTION)
    if attribute is not None and (attribute.domain, attribute.data_type) != (domain, "BOOLEAN"):
        drawing.attributes.remove(attribute)
        attribute = None
    attribute = attribute or drawing.attributes.new(SELECTION, "BOOLEAN", domain)
    attribute.data.foreach_set("value", chosen if domain == "CURVE" else np.repeat(chosen, _count_strokes(drawing)))
    drawing.tag_positions_changed()


def find_selected_strokes(ob: bpy.types.Object, layer, number: int) -> list[int]:
    """The strokes of a key that are selected, wholly or in part, by number among those that have points."""
    drawing = keys.drawing_at(layer, number)
    count = drawing.attributes.domain_size("CURVE")
    attribute = drawing.attributes.get(SELECTION)
    if attribute is None:
        chosen = np.ones(count, bool)  # so Blender has it
    else:
        values = np.empty(len(attribute.data), np.float32 if attribute.data_type == "FLOAT" else bool)
        attribute.data.foreach_get("value", values)
        chosen = values > 0
        if attribute.domain == "POINT":
            stroke = np.repeat(np.arange(count), _count_strokes(drawing))
            chosen = np.isin(np.arange(count), stroke[chosen])
    numbers = betweens.read_key(layer, number, ob.data.materials).numbers
    return np.flatnonzero(chosen[numbers]).tolist()


def _count_strokes(drawing) -> np.ndarray:
    offsets = np.zeros(drawing.attributes.domain_size("CURVE") + 1, np.int32)
    drawing.curve_offsets.foreach_get("value", offsets)
    return np.diff(offsets)
