"""A person's corrections: kept with the scene, found in what the engine wrote, handed to the next job."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ....engine import job
from ....engine.job.errors import BadInput
from .. import settings

Point = tuple[float, float]  # x, y as fractions of the picture's size, from its top left


@dataclass(frozen=True)
class PaintedRegion:
    """A region of a painted picture: which `drawing` it is of, the `colors` '#rrggbbaa' that it may wear, and the one that it wears, or
    None while it is in doubt. `labels` (H, W) and `number` say where it is."""

    drawing: str
    colors: tuple[str, ...]
    color: str | None
    labels: np.ndarray
    number: int

    def contains_point(self, point: Point) -> bool:
        x, y = _find_pixel(point, self.labels.shape)
        return bool(self.labels[y, x] == self.number)


def region_at(folder: Path, frame: int, point: Point) -> PaintedRegion:
    """The foremost region at a place of the picture that a job has made for a frame. Raises BadInput when there is none."""
    request = job.load_job(folder)
    drawings = _find_drawings(request, frame)
    if not drawings:
        raise BadInput(f"Frame {frame} has no drawing that was colored: go to a frame that has one.")
    if not (0 <= point[0] < 1 and 0 <= point[1] < 1):
        raise BadInput("That is outside the picture: click on a region of the drawing.")
    for drawing in reversed(drawings):
        try:
            with np.load(folder / f"regions/{drawing}.npz", allow_pickle=False) as found:
                labels, swatch, swatches = found["labels"], found["swatch"], found["swatches"]
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(f"What is painted in frame {frame} is not known: color the shot with Flats first.") from error
        colors = ["#" + bytes(color).hex() for color in swatches.tolist()]
        x, y = _find_pixel(point, labels.shape)
        number = int(labels[y, x])
        worn = int(swatch[number])
        outside = number in labels[[0, 0, -1, -1], [0, -1, 0, -1]] and worn >= 0 and swatches[worn, 3] == 0
        if not outside:
            solid = tuple(color for color in colors if not color.endswith("00"))
            return PaintedRegion(drawing, solid, colors[worn] if worn >= 0 else None, labels, number)
    raise BadInput("That is the paper around the drawing: click on a region of the drawing.")


def _find_drawings(request: job.Job, frame: int) -> list[str]:
    for exposure in request.frames:
        if exposure.frame <= frame < exposure.frame + exposure.exposure:
            return [drawing for drawing in exposure.drawings if drawing is not None]
    return []


def _find_pixel(point: Point, shape: tuple[int, ...]) -> tuple[int, int]:
    return min(int(point[0] * shape[1]), shape[1] - 1), min(int(point[1] * shape[0]), shape[0] - 1)


def add_hint(scene: bpy.types.Scene, hint: job.Hint, region: PaintedRegion | None = None) -> None:
    """Keep a hint, whose points are in pixels of the scene's pictures, with the scene; earlier ones for the same region go."""
    size = settings.get_size(scene)
    kept = scene.shiage.hints
    if region is not None:
        drawings = {frame: _find_drawings(job.load_job(settings.job_folder(scene)), frame) for frame in {item.frame for item in kept}}
        for index in reversed(range(len(kept))):
            item = kept[index]
            if region.drawing in drawings[item.frame] and region.contains_point(item.point):
                kept.remove(index)
    item = kept.add()
    item.frame, item.point = hint.frame, _make_relative(hint.point, size)
    if hint.same_as is not None:
        item.kind, item.other_frame, item.other_point = "SAME", hint.same_as.frame, _make_relative(hint.same_as.point, size)
    elif hint.swatch is not None:
        item.kind = "COLOR"
        item.color = [value / 255 for value in bytes.fromhex(hint.swatch[1:].ljust(8, "f"))]
    else:
        item.kind = "NONE"
    scene.shiage.active_hint = len(kept) - 1


def of_scene(scene: bpy.types.Scene) -> tuple[job.Hint, ...]:
    """The scene's hints as they stand in job.json."""
    return tuple(_get_hints(scene))


def _get_hints(scene: bpy.types.Scene) -> Iterator[job.Hint]:
    width, height = settings.get_size(scene)
    for item in scene.shiage.hints:
        point = (item.point[0] * width, item.point[1] * height)
        if item.kind == "SAME":
            other = (item.other_point[0] * width, item.other_point[1] * height)
            yield job.Hint(item.frame, point, None, job.FramePoint(item.other_frame, other))
        else:
            yield job.Hint(item.frame, point, get_hint_color(item) if item.kind == "COLOR" else None)


def get_hint_color(item) -> str:
    """'#rrggbbaa' of a SHIAGE_PG_hint."""
    return "#" + bytes(round(255 * value) for value in item.color).hex()


def _make_relative(point: Point, size: tuple[int, int]) -> Point:
    return point[0] / size[0], point[1] / size[1]
