"""Where the drawings belong that a job makes: a file beside it names the layer of each cel."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ....engine.job.errors import BadInput
from ....engine.job.files import write_json
from .keys import KeyPair
from .plane import LayerPlane

FILE = "layers.json"  # in the job folder


@dataclass(frozen=True)
class TargetTask:
    """The drawings to put between two keys of a cel: the ids of the keys in the job, and (scene frame, id, place in time) of each."""

    pair: KeyPair
    first: str
    last: str
    made: tuple[tuple[int, str, float], ...]


@dataclass(frozen=True)
class LayerTargets:
    """Where a cel's drawings belong.

    Names of object, data-block and `layers` from bottom to top; the `plane` that the cel's pictures lie on; whether new drawings get
    layers of their `own`; `counts`, how many strokes of each layer a key (by id) has, one layer after the other; what is to be made.
    """

    object: str
    data: str
    layers: tuple[str, ...]
    plane: LayerPlane
    own: bool
    counts: Mapping[str, tuple[int, ...]]
    tasks: tuple[TargetTask, ...]

    def locate_stroke(self, key: str, stroke: int) -> tuple[int, int]:
        """Which of the layers a stroke of a key is on, and its number there."""
        ends = np.cumsum(self.counts[key])
        layer = int(np.searchsorted(ends, stroke, side="right"))
        return layer, stroke - int(ends[layer] - self.counts[key][layer])


def write_targets(homes: Sequence[LayerTargets], folder: Path) -> None:
    raw = []
    for home in homes:
        place = {name: getattr(home.plane, name).tolist() for name in ("right", "up", "foot")}
        place |= {"scale": home.plane.scale, "corner": list(home.plane.corner)}
        raw.append(
            {
                **{name: getattr(home, name) for name in ("object", "data", "layers", "own", "counts")},
                "plane": place,
                "tasks": [[task.pair.first, task.pair.last, task.first, task.last, task.made] for task in home.tasks],
            }
        )
    write_json(folder / FILE, raw)


def read_targets(folder: Path) -> list[LayerTargets]:
    """Where the cels of a job belong, in their order. Raises BadInput when that can't be read."""
    try:
        return [_parse_targets(raw) for raw in json.loads((folder / FILE).read_text("utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / FILE} is not understood ({error!r}): fill again.") from error


def _parse_targets(raw: Mapping) -> LayerTargets:
    place = raw["plane"]
    right, up, foot = (np.array(place[name], float) for name in ("right", "up", "foot"))
    return LayerTargets(
        object=str(raw["object"]),
        data=str(raw["data"]),
        layers=tuple(map(str, raw["layers"])),
        plane=LayerPlane(right, up, foot, float(place["scale"]), (float(place["corner"][0]), float(place["corner"][1]))),
        own=bool(raw["own"]),
        counts={str(key): tuple(map(int, counts)) for key, counts in raw["counts"].items()},
        tasks=tuple(_parse_task(*task) for task in raw["tasks"]),
    )


def _parse_task(first: int, last: int, a: str, b: str, made: Sequence) -> TargetTask:
    return TargetTask(KeyPair(int(first), int(last)), str(a), str(b), tuple((int(frame), str(id), float(at)) for frame, id, at in made))


def find_layers(scene: bpy.types.Scene, home: LayerTargets) -> tuple[bpy.types.Object, list]:
    """The object and the layers that a cel's drawings belong to. Raises BadInput."""
    named = scene.objects.get(home.object)
    candidates = [named] if named is not None else []
    candidates += [ob for ob in scene.objects if ob.type == "GREASEPENCIL" and ob.data.name == home.data]
    ob = next((ob for ob in candidates if ob.type == "GREASEPENCIL"), None)
    if ob is None:
        raise BadInput(f"The object {home.object} is not in the scene any more: fill again.")
    for name in home.layers:
        if name not in ob.data.layers:
            raise BadInput(f"The layer {name} of {ob.name} is not there any more: fill again.")
    return ob, [ob.data.layers[name] for name in home.layers]
