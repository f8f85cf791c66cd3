"""A job of vector inbetweens: keys to strokes, strokes to drawings between them, and those to pictures."""

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ... import job as jobs
from ...drawing import inbetween
from ...drawing.colors import paint, palette, png
from ...drawing.inbetween import StrokeInbetweener
from ...drawing.regions import segment_regions
from ...drawing.sketch import raster
from ...drawing.sketch import strokes as stroke_files
from ...job import Job
from ...job.files import compute_digest
from ...job.messages import Event
from ...pictures.context import JobContext, open_context
from ...pictures.drawings import GAP_HEIGHT
from .. import Picture, info
from . import color, keys
from .keys import BetweenPlace, VectorKey

GAP = 12.0  # px that gaps in the lines of a painted key have at most, in a picture 1080 px high
ALIKE = 0.3  # of the lines, by length, must have a partner, or a person is told
NOTABLE = 0.005  # of the lines, by length; where less has no partner nobody is told


class Vector:
    """See `engine.models.Model`."""

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        model = info("vector")
        yield from VectorRunner(
            open_context(job, folder, model.revision, model.stages, on_event, should_cancel), model.revision
        ).make_pictures()


class VectorRunner:
    """Makes the drawings of a job, and pictures of them."""

    def __init__(self, context: JobContext, revision: str) -> None:
        self.context, self.job, self.folder, self.revision = context, context.job, context.folder, revision
        self.betweens = {id: b for cel in range(len(self.job.cels)) for id, b in keys.find_betweens(self.job, cel).items()}
        # What is asked for again and again, and no longer than the job.
        self._load_key = functools.cache(self._read_key)
        self._load_inbetweens = functools.cache(self._correspond_keys)

    def make_pictures(self) -> Iterator[Picture]:
        wanted = jobs.list_pictures(self.job)
        for done, (ids, file) in enumerate(wanted.items()):
            self.context.check()
            self.context.progress("Making drawings", done / len(wanted))
            begun = time.monotonic()
            frame = next(e.frame for e in self.job.frames if e.drawings == ids)
            shown = [drawing for drawing in ids if drawing is not None]
            key = compute_digest(self.revision, list(self.job.size), [self._describe_drawing(drawing) for drawing in shown])
            made = [self.folder / self.job.drawing(d).file for d in shown if d in self.betweens]
            if png.read_key(self.folder / file) == key and all(path.is_file() for path in made):
                yield Picture(frame, file, reused=True)
                continue
            picture, unknown = np.zeros((self.job.size[1], self.job.size[0], 4), np.uint8), 0
            for drawing in shown:
                layer, doubt = self._render_drawing(drawing)
                picture, unknown = paint.composite_over(picture, layer), unknown + doubt
            png.write_png(self.folder / file, picture, key)
            yield Picture(frame, file, unknown=unknown, seconds=time.monotonic() - begun)

    def _describe_drawing(self, drawing: str) -> list:
        """What a drawing depends on."""
        made = self.betweens.get(drawing)
        if made is None:
            return [self.job.drawing(drawing).guide or drawing]
        pairs = [[p.a, p.b] for p in self.job.pairs if (p.first, p.last) == (made.before, made.after)]
        return [made.before, made.after, made.at, pairs]

    def _read_key(self, drawing: str) -> VectorKey:
        key, warnings = keys.read_key(self.job.drawing(drawing), self.folder, self.job.size)
        for text in warnings:
            self.context.warn(text)
        return key

    def _correspond_keys(self, before: str, after: str) -> StrokeInbetweener:
        a, b = self._load_key(before), self._load_key(after)
        pairs = [(pair.a, pair.b) for pair in self.job.pairs if (pair.first, pair.last) == (before, after)]
        pairs = [(i, j) for i, j in pairs if i < len(a.strokes) and j < len(b.strokes)]
        matches = inbetween.match_strokes(a.strokes, b.strokes, pairs, a.fills, b.fills)
        self._warn_of_matches(before, after, matches)
        return StrokeInbetweener(a.strokes, b.strokes, matches)

    def _warn_of_matches(self, before: str, after: str, matches: inbetween.StrokeMatches) -> None:
        """Say what a person should look at."""
        frame = next(b.frame for b in self.betweens.values() if (b.before, b.after) == (before, after))
        names = [self.job.drawing(key).name or key for key in (before, after)]
        for key, name in zip((before, after), names, strict=True):
            if not len(self._load_key(key).strokes):
                self.context.warn(f"The key {name} has no lines: everything between appears or vanishes.", frame)
                return
        if before == after:
            self.context.warn(f"Both keys are the same drawing, {names[0]}: so are the drawings between them.", frame)
        vanishing, appearing = inbetween.measure_alone(self._load_key(before).strokes, self._load_key(after).strokes, matches)
        if max(vanishing, appearing) > 1.0 - ALIKE:
            self.context.warn(
                f"{names[0]} and {names[1]} have little in common: draw a key between them, or pin strokes that belong together.", frame
            )
        elif max(vanishing, appearing) >= NOTABLE:
            self.context.warn(
                f"{vanishing:.0%} of the lines of {names[0]}, by length, vanish and {appearing:.0%} of those of {names[1]} appear: "
                "pin pairs where that is wrong.",
                frame,
            )

    def _render_drawing(self, drawing: str) -> tuple[np.ndarray, int]:
        """A drawing's picture uint8 (H, W, 4) and how many of its regions no key tells the color of; writes the strokes of a made one."""
        made = self.betweens.get(drawing)
        if made is None:
            key = self._load_key(self.job.drawing(drawing).guide or drawing)
            return (raster.rasterize_strokes(key.strokes, self.job.size).paint if key.picture is None else key.picture), 0
        new = self._load_inbetweens(made.before, made.after).draw_at_place(made.at)
        more = {"source": new.source, "place": new.place, "confidence": new.confidence, "fills": new.fills}
        stroke_files.save_strokes(new.strokes, self.folder / self.job.drawing(drawing).file, more)
        if self._load_key(made.before).painted is None and self._load_key(made.after).painted is None:
            return raster.rasterize_strokes(new.strokes, self.job.size).paint, 0
        return self._paint_between(made, new)

    def _paint_between(self, made: BetweenPlace, new: inbetween.InbetweenDrawing) -> tuple[np.ndarray, int]:
        sketch = raster.rasterize_strokes(new.strokes, self.job.size)
        regions = segment_regions(sketch, GAP * self.job.size[1] / GAP_HEIGHT)
        around = [self._load_key(made.before), self._load_key(made.after)]
        painted = [key.painted for key in around if key.painted is not None]
        swatches, tables = palette.merge_palettes(painted)
        stroke = np.repeat(new.source, np.diff(new.strokes.offsets), axis=0)
        evidence = []
        for side, (key, weight) in enumerate(zip(around, (1.0 - made.at, made.at), strict=True)):
            if key.painted is not None:
                table = tables[len(evidence)]
                points, there = color.trace_origin(new.strokes.points, new.place[:, side], stroke[:, side], key.strokes)
                evidence.append((color.read_worn_swatches(color.PaintOrigin(points, there, table[key.painted.index])), max(weight, 0.05)))
        painted, unknown = color.paint_regions(regions, evidence, len(swatches))
        colors = np.concatenate([swatches, np.zeros((1, 4), np.uint8)])[painted]
        every = np.ones(regions.count + 1, bool)
        return paint.compose_picture(
            regions.grown, np.zeros((regions.count + 1, 4), np.uint8), sketch.paint, texture=(colors, every)
        ), unknown
