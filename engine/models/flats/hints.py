"""What a person says of single regions: the hints of a job, found in its drawings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...job import Hint, Place
from . import analysis
from .evidence import Evidence

if TYPE_CHECKING:
    from .pipeline import Run


@dataclass(frozen=True)
class Label:
    """What a region of a drawing wears: `color` uint8 RGBA, alpha 0 for nothing, or, when it is given, what the region `like` wears."""

    drawing: str
    region: int
    color: tuple[int, ...]
    like: tuple[str, int] | None = None


def locate(run: "Run", evidence: Mapping[int, Evidence]) -> dict[int, list[Label]]:
    """The labels of each cel, one a region, the last that was given. A hint that meets no region is a warning: the drawing may have
    changed since."""
    found: dict[int, dict[tuple[str, int], Label]] = {number: {} for number in evidence}
    for hint in run.job.hints:
        place = _region(run, evidence, hint.place)
        if isinstance(place, str):
            run.warn(
                f"The correction in frame {hint.frame} has no effect, because {place}: remove it or point at the region again.", hint.frame
            )
            continue
        cel, drawing, region = place
        if hint.same_as is None:
            found[cel][drawing, region] = Label(drawing, region, _color(hint))
            continue
        other = _region(run, evidence, hint.same_as, [cel])
        if isinstance(other, str):
            run.warn(f"The correction in frame {hint.frame} has no effect, because {other}: choose a color instead.", hint.frame)
        else:
            found[cel][drawing, region] = Label(drawing, region, (), other[1:])
    return {number: list(labels.values()) for number, labels in found.items()}


def _region(run: "Run", evidence: Mapping[int, Evidence], place: Place, cels: Iterable[int] | None = None) -> tuple[int, str, int] | str:
    """The cel, drawing and region at a place, the foremost of those `cels` or of all; or why there is none."""
    exposure = run.job.shown_at(place)
    if isinstance(exposure, str):
        return exposure
    x, y = (int(v) for v in place.point)
    for number in sorted(evidence, reverse=True) if cels is None else cels:
        drawing = exposure.drawings[number]
        if drawing is not None and drawing in evidence[number].drawings:
            labels = analysis.labels(run.job, run.job.drawing(drawing), run.folder, run.cache)
            region = int(labels[y, x])
            if region not in _outside(labels, evidence[number], drawing):
                return number, drawing, region
    return "it lies outside the drawing" if any(d is not None for d in exposure.drawings) else f"frame {place.frame} has no drawing"


def _outside(labels: np.ndarray, evidence: Evidence, drawing: str) -> set[int]:
    """The regions of a drawing that are the paper around the figure: those in the picture's corners that the references leave clear."""
    word = evidence.words[list(evidence.drawings).index(drawing)]
    corners = {int(labels[y, x]) for x in (0, -1) for y in (0, -1)}
    clear = np.append(evidence.swatches[:, 3] == 0, False)
    return {region for region in corners if clear[word[region].argmax()]}


def _color(hint: Hint) -> tuple[int, ...]:
    if hint.swatch is None:
        return (0, 0, 0, 0)
    return tuple(bytes.fromhex(hint.swatch[1:].ljust(8, "f")))
