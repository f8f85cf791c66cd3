"""What a person says of single regions: the hints of a job, found in its drawings, and carried through the shot where links are sure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..job import Hint, Place
from ..matching import shot

if TYPE_CHECKING:
    from .cel import Cel
    from .run import Run

Spot = tuple["Cel", str, int]  # a region of a drawing


def hear(run: "Run", cels: Mapping[int, "Cel"]) -> None:
    """Set what each cel is told. Of two hints for one region the later counts; one that meets no region is a warning."""
    told: dict[int, dict[int, dict[int, int]]] = {}
    alike: list[tuple[Spot, Spot]] = []
    for hint in run.job.hints:
        spot = _spot(run, cels, hint.place)
        other = spot if hint.same_as is None or isinstance(spot, str) else _spot(run, {spot[0].number: spot[0]}, hint.same_as)
        if isinstance(spot, str) or isinstance(other, str):
            reason = spot if isinstance(spot, str) else other
            run.warn(f"The correction in frame {hint.frame} has no effect, because {reason}: remove it or point at the region again.")
            continue
        cel, drawing, region = spot
        alike = [pair for pair in alike if pair[0] != spot]
        own = told.setdefault(cel.number, {}).setdefault(cel.lined.index(drawing), {})
        own.pop(region, None)
        if hint.same_as is None:
            own[region] = cel.swatch_of(_color(hint))
        else:
            alike.append((spot, other))
    for (cel, drawing, region), (_, other, there) in alike:
        known = told[cel.number].get(cel.lined.index(other), {})
        told[cel.number][cel.lined.index(drawing)][region] = known.get(there, int(cel.answer(other).swatch[there]))
    for number, hints in told.items():
        cel = cels[number]
        sizes = [(len(cel.read(d).word), len(cel.swatches) + 1) for d in cel.lined]
        cel.told = shot.spread_hints(sizes, cel.links, [False] * len(sizes), hints)


def _spot(run: "Run", cels: Mapping[int, "Cel"], place: Place) -> Spot | str:
    """The region at a place, of the foremost of these cels that has one there; or why there is none."""
    exposure = run.job.shown_at(place)
    if isinstance(exposure, str):
        return exposure
    x, y = (int(v) for v in place.point)
    for number in sorted(cels, reverse=True):
        cel, drawing = cels[number], exposure.drawings[number]
        if drawing is None or run.job.drawing(drawing).kind not in ("strokes", "raster"):
            continue
        regions = cel.regions(drawing)
        region = int(regions.grown[y, x])
        word = cel.read(drawing).word[region]
        outside = regions.border[region] and np.append(cel.swatches[: len(word) - 1, 3] == 0, False)[word.argmax()]
        if not outside:
            return cel, drawing, region
    return "it lies outside the drawing"


def _color(hint: Hint) -> tuple[int, ...]:
    return (0, 0, 0, 0) if hint.swatch is None else tuple(bytes.fromhex(hint.swatch[1:].ljust(8, "f")))
