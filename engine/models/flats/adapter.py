"""Flats as a model of the engine: drawings to regions, references and drawings to swatches, swatches to pictures.

Every stage keeps what it made under the key of what it made it from, so that a second run computes only what a change reaches.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...job import Job
from ...job.messages import Event
from ...matching.threads import limit_threads
from ...pictures.context import JobContext, open_context
from ...pictures.drawings import Analysis, DrawingStore
from ...pictures.runner import Ids, apply_hints, render_frames
from .. import Picture, info
from .layer import FlatsLayer
from .matching import CelMatcher
from .pool import WorkerPool, open_pool

MOSTLY = 0.5  # share of unknown regions, beyond which a reference of this kind is no help


class Flats:
    """See `engine.models.Model`."""

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        model = info("flats")
        context = open_context(job, folder, model.revision, model.stages, on_event, should_cancel)
        with limit_threads(), open_pool(context.check) as pool:  # the pool's threads are all that this model takes
            yield from _make_pictures(context, pool, model.revision)


def _make_pictures(context: JobContext, pool: WorkerPool, revision: str) -> Iterator[Picture]:
    store = DrawingStore(context.job, context.folder, context.cache)
    analyses = _analyze_drawings(context, store, pool)
    layers = []
    for number in sorted({context.job.drawing(drawing).cel for drawing in analyses}):
        own = {drawing: found for drawing, found in analyses.items() if context.job.drawing(drawing).cel == number}
        evidence = CelMatcher(context, store, pool, number).gather_evidence(own)
        analyses |= {drawing: store.analyze(drawing) for drawing in evidence.gaps}  # which may be cut at gaps now
        own = {drawing: analyses[drawing] for drawing in own}
        layers.append(FlatsLayer(context, store, number, own, evidence))
    apply_hints(context, layers)
    _report_gaps(context, layers)
    write = pool.map_unordered(lambda item: item[0].write_regions_file(item[1], item[0].color_regions(item[1])), _list_drawings(layers))
    for _ in write:  # also of pictures that are finished: confidences change with a neighbor, where paint does not
        pass
    options = {name: context.job.options[name] for name in ("lines", "traces")}

    def describe_frame(ids: Ids, keys: list) -> Sequence[object]:
        return revision, list(context.job.size), options, keys

    unknown: list[int] = []
    for picture in render_frames(context, layers, describe_frame, pool.map_unordered):
        ids = next(exposure.drawings for exposure in context.job.frames if exposure.frame == picture.frame)
        counts = [layer.count_regions(drawing) for layer in layers if (drawing := ids[layer.number]) is not None]
        read = 0.0 if picture.reused else sum(analyses[drawing].seconds for drawing in ids if drawing is not None)
        counted = replace(
            picture,
            regions=sum(count.regions for count in counts),
            unknown=sum(count.unknown for count in counts),
            leaks=sum(count.leaks for count in counts),
            seconds=picture.seconds + read,
        )
        if counted.unknown:
            unknown.append(picture.frame)
        yield counted
    if unknown:
        counts = [layer.count_regions(drawing) for layer, drawing in _list_drawings(layers)]
        total, most = sum(count.unknown for count in counts), sum(count.regions for count in counts) * MOSTLY
        advice = "add a reference, or choose Best Guess"
        if total > most:
            advice = f"for lines that are broken or textured, as a film's are, the model {info('anidoc').title} is meant, else {advice}"
        context.warn(f"{total} regions are unpainted for doubt, first in frame {min(unknown)}: {advice}.")


def _analyze_drawings(context: JobContext, store: DrawingStore, pool: WorkerPool) -> dict[str, Analysis]:
    """Every drawing of the job, in order of appearance. Raises BadInput, Cancelled."""
    first_frame: dict[str, int] = {}
    for exposure in context.job.frames:
        for drawing in exposure.drawings:
            if drawing is not None:
                first_frame.setdefault(drawing, exposure.frame)
    analyses: dict[str, Analysis] = {}
    context.progress("Reading drawings", 0.0)
    for drawing, found in pool.map_unordered(store.analyze, first_frame):
        analyses[drawing] = found
        context.progress("Reading drawings", len(analyses) / len(first_frame))
    dark = [frame for drawing, frame in first_frame.items() if analyses[drawing].dark]
    if dark:
        context.warn(
            f"{len(dark)} of {len(first_frame)} drawings are light lines on dark paper, first in frame {min(dark)}: "
            "they are read as black line art; invert the pictures if the dark is to be line."
        )
    return {drawing: analyses[drawing] for drawing in first_frame}


def _list_drawings(layers: Sequence[FlatsLayer]) -> list[tuple[FlatsLayer, str]]:
    return [(layer, drawing) for layer in layers for drawing in layer.order]


def _report_gaps(context: JobContext, layers: Sequence[FlatsLayer]) -> None:
    """Tell a person where lines are open, and what was made of it."""
    first = {drawing: exposure.frame for exposure in reversed(context.job.frames) for drawing in exposure.drawings if drawing is not None}
    for layer, drawing in sorted(_list_drawings(layers), key=lambda item: first[item[1]]):
        frame = first[drawing]
        if not layer.has_regions(drawing):
            continue
        leaks, closed = layer.find_leaks(drawing), layer.find_closed_gaps(drawing)
        if len(closed):
            context.warn(
                f"Frame {frame} has {_describe_gaps(closed)}: it is painted as if closed; close the lines if that is wrong.", frame
            )
        if len(leaks):
            text = "close the lines, or raise Close Gaps, for what runs out there stays unpainted."
            context.warn(f"Frame {frame} has {_describe_gaps(leaks)}: {text}", frame)
        elif drawing in layer.open:
            context.warn(
                f"Frame {frame} has lines that enclose nothing of what the reference shows: close them, or it stays unpainted.", frame
            )


def _describe_gaps(gaps: np.ndarray) -> str:
    """How many open gaps there are, float32 (K, 3) x, y, width in px; the widest are named."""
    widest = gaps[np.argsort(-gaps[:, 2])][:3]
    places = ", ".join(f"{gap:.0f} px at ({x:.0f}, {y:.0f})" for x, y, gap in widest.tolist())
    return f"{'an open gap' if len(gaps) == 1 else f'{len(gaps)} open gaps'} ({places})"
