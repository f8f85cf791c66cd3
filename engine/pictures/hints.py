"""What a person says of single regions: the hints of a job, found in its drawings."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..job import FramePoint, Hint
from .context import JobContext
from .region_layer import RegionHint, RegionLayer


def locate_hints(context: JobContext, layers: Sequence[RegionLayer]) -> dict[int, list[RegionHint]]:
    """The hints of each layer, by its number: one a region, the last that was given. One that meets no region is a warning: the drawing
    may have changed since."""
    by_number = {layer.number: layer for layer in layers}
    found: dict[int, dict[tuple[str, int], RegionHint]] = {number: {} for number in by_number}
    for hint in context.job.hints:
        place = _find_region(context, by_number, hint.place, sorted(by_number, reverse=True))
        if isinstance(place, str):
            context.warn(
                f"The correction in frame {hint.frame} has no effect, because {place}: remove it or point at the region again.", hint.frame
            )
            continue
        number, drawing, region = place
        if hint.same_as is None:
            found[number][drawing, region] = RegionHint(drawing, region, _read_color(hint))
            continue
        other = _find_region(context, by_number, hint.same_as, [number])
        if isinstance(other, str):
            context.warn(f"The correction in frame {hint.frame} has no effect, because {other}: choose a color instead.", hint.frame)
        else:
            found[number][drawing, region] = RegionHint(drawing, region, same_as=other[1:])
    return {number: list(hints.values()) for number, hints in found.items()}


def _find_region(
    context: JobContext, layers: Mapping[int, RegionLayer], place: FramePoint, numbers: Iterable[int]
) -> tuple[int, str, int] | str:
    """The layer, drawing and region at a place, in the first of these layers that has one there; or why there is none."""
    exposure = context.job.find_exposure(place)
    if isinstance(exposure, str):
        return exposure
    x, y = (int(v) for v in place.point)
    for number in numbers:
        drawing = exposure.drawings[number]
        if drawing is not None and layers[number].has_regions(drawing):
            labels = layers[number].store.load_labels(drawing)
            region = int(labels[y, x])
            if region not in _find_outside(layers[number], drawing, labels):
                return number, drawing, region
    return "it lies outside the drawing" if any(d is not None for d in exposure.drawings) else f"frame {place.frame} has no drawing"


def _find_outside(layer: RegionLayer, drawing: str, labels: np.ndarray) -> set[int]:
    """The regions of a drawing that are the paper around the figure: those in the picture's corners that the references leave clear."""
    probs = layer.reference_probs(drawing)
    corners = {int(labels[y, x]) for x in (0, -1) for y in (0, -1)}
    clear = np.append(layer.swatches[: probs.shape[1] - 1, 3] == 0, False)
    return {region for region in corners if clear[probs[region].argmax()]}


def _read_color(hint: Hint) -> tuple[int, ...]:
    return (0, 0, 0, 0) if hint.swatch is None else tuple(bytes.fromhex(hint.swatch[1:].ljust(8, "f")))
