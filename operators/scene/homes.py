"""Where the drawings belong that a job makes: a file beside it names the layer of each cel."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...engine import job
from ...engine.errors import BadInput
from .keys import Pair
from .plane import Plane

FILE = "layers.json"  # in the job folder


@dataclass(frozen=True)
class Home:
    """Where a cel's drawings belong: names of object, data-block and layer, the plane that its pictures lie on, and whether new ones get a
    layer of their own."""

    object: str
    data: str
    layer: str
    plane: Plane
    own: bool


@dataclass(frozen=True)
class Task:
    """The drawings to put between two keys of a cel: frame by frame, and the ids of the keys."""

    pair: Pair
    first: str
    last: str
    made: tuple[tuple[int, job.Drawing], ...]


def tasks(request: job.Job, cel: int) -> Iterator[Task]:
    """What is to be made of a cel, pair by pair of its keys."""
    drawings = {drawing.id: drawing for drawing in request.drawings}
    begun: list[tuple[int, job.Drawing]] = []
    for exposure in request.frames:
        shown = exposure.drawings[cel]
        if shown is not None and (not begun or begun[-1][1].id != shown):
            begun.append((exposure.frame, drawings[shown]))
    start = 0
    for end in range(1, len(begun)):
        if begun[end][1].kind == "strokes":
            if end > start + 1:
                (first, a), (last, b) = begun[start], begun[end]
                yield Task(Pair(first, last), a.id, b.id, tuple(begun[start + 1 : end]))
            start = end


def write(homes: Sequence[Home], folder: Path) -> None:
    raw = [
        {
            "object": home.object,
            "data": home.data,
            "layer": home.layer,
            "own": home.own,
            **{name: getattr(home.plane, name).tolist() for name in ("right", "up", "foot")},
            "scale": home.plane.scale,
            "corner": list(home.plane.corner),
        }
        for home in homes
    ]
    job.write_json(folder / FILE, raw)


def read(folder: Path) -> list[Home]:
    """Where the cels of a job belong, in their order. Raises BadInput when that can't be read."""
    try:
        raw = json.loads((folder / FILE).read_text("utf-8"))
        return [
            Home(
                str(r["object"]),
                str(r["data"]),
                str(r["layer"]),
                Plane(*(np.array(r[name], float) for name in ("right", "up", "foot")), float(r["scale"]), tuple(r["corner"])),
                bool(r["own"]),
            )
            for r in raw
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / FILE} is not understood ({error!r}): fill again.") from error


def find(scene: bpy.types.Scene, home: Home):
    """The object and the layer that a cel's drawings belong to. Raises BadInput."""
    named = scene.objects.get(home.object)
    candidates = [named] if named is not None else []
    candidates += [ob for ob in scene.objects if ob.type == "GREASEPENCIL" and ob.data.name == home.data]
    ob = next((ob for ob in candidates if ob.type == "GREASEPENCIL"), None)
    if ob is None:
        raise BadInput(f"The object {home.object} is not in the scene any more: fill again.")
    layer = ob.data.layers.get(home.layer)
    if layer is None:
        raise BadInput(f"The layer {home.layer} of {ob.name} is not there any more: fill again.")
    return ob, layer
