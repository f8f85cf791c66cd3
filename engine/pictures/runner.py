"""From layers to finished frames: each is known by the key of what it depends on, and only those that are not right yet are painted."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np

from ..drawing.colors import paint, png
from ..job import Job, Picture, list_pictures
from ..job.files import compute_digest
from .context import JobContext
from .hints import locate_hints
from .layer import Counts, Layer
from .region_layer import RegionLayer

Ids = tuple[str | None, ...]  # of the drawings that a frame shows, one for each cel of the job
T = TypeVar("T")
R = TypeVar("R")


class Map(Protocol):
    def __call__(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Each item with what the function makes of it, in the order of completion."""
        ...


def map_in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """One item after the other."""
    for item in items:
        yield item, function(item)


def apply_hints(context: JobContext, layers: Sequence[Layer]) -> None:
    """Let layers heed the hints of the job; a person is told of hints that nobody can heed."""
    able = [layer for layer in layers if isinstance(layer, RegionLayer)]
    if context.job.hints and len(able) < len(layers):
        context.warn("Corrections are for drawings with lines: here they have no effect.")
    located = locate_hints(context, able) if able and context.job.hints else {}
    for layer in able:
        layer.apply_hints(located.get(layer.number, ()))


def describe_frame_by(revision: str, job: Job, options: Iterable[str]) -> Callable[[Ids, list], Sequence[object]]:
    """What a frame's key is made of: the model's revision, these options of the job, the drawings, and the layers' keys of them."""
    chosen = {name: job.options[name] for name in options}
    return lambda ids, keys: (revision, chosen, list(ids), keys)


def render_frames(
    context: JobContext, layers: Sequence[Layer], describe_frame: Callable[[Ids, list], Sequence[object]], each: Map = map_in_order
) -> Iterator[Picture]:
    """Make the frames of a job, those that are right already left alone. `layers` from back to front · `describe_frame` what a frame's key
    is made of, given its drawings and the layers' keys of them. Raises BadInput, Cancelled, JobFailed."""
    job, wanted = context.job, list_pictures(context.job)
    given = {drawing.id for drawing in job.drawings if drawing.kind == "painted"} | {None}
    order = sorted(wanted.items(), key=lambda item: given.issuperset(item[0]))  # what is as given takes no time, and comes last

    def shown_by(ids: Ids) -> list[tuple[Layer, str]]:
        return [(layer, drawing) for layer in layers if (drawing := ids[layer.number]) is not None]

    def make(item: tuple[Ids, str]) -> tuple[bool, Counts, float]:
        ids, file = item
        begun = time.perf_counter()
        key = compute_digest(*describe_frame(ids, [layer.cache_key(drawing) for layer, drawing in shown_by(ids)]))
        if png.read_key(context.folder / file) == key:
            return True, Counts(), 0.0
        context.check()
        picture, counts = _compose_frame(job.size, shown_by(ids))
        png.write_png(context.folder / file, picture, key)
        return False, counts, time.perf_counter() - begun

    for done, ((ids, file), (reused, counts, seconds)) in enumerate(each(make, order), 1):
        if not reused:
            context.progress("Painting", done / len(wanted))
        frame = next(exposure.frame for exposure in job.frames if exposure.drawings == ids)
        yield Picture(frame, file, reused, counts.regions, counts.unknown, counts.leaks, seconds)
    for layer in layers:
        context.cache.keep(layer.cache_keys())
    context.cache.prune()


def _compose_frame(size: tuple[int, int], shown: Iterable[tuple[Layer, str]]) -> tuple[np.ndarray, Counts]:
    """The drawings of layers laid over each other, uint8 (H, W, 4), and what is counted in them."""
    picture, total = np.zeros((size[1], size[0], 4), np.uint8), Counts()
    for layer, drawing in shown:
        front, counts = layer.render(drawing)
        picture = paint.composite_over(picture, front)
        total = Counts(total.regions + counts.regions, total.unknown + counts.unknown, total.leaks + counts.leaks)
    return picture, total
