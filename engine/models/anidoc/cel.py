"""A cel of a job: its drawings read, painted, and brought to exact swatches."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ... import job as jobs
from ...cache import holds, pack
from ...colors import paint, reference, snap
from ...diffusion import canvas as canvases
from ...diffusion.windows import windows
from ...errors import BadInput
from ...matching import shot as matching
from ...regions import Regions
from . import condition, correspondence, painting, points, reading
from .correspondence import Sight
from .painting import Painting, Shot
from .references import Cutout, described, figures

if TYPE_CHECKING:
    from .model import Run

MOST = 96  # drawings that can lie between two keys, both included: the network sees all of them at once


@dataclass(frozen=True)
class Answer:
    """What each region of a drawing wears: `swatch` int32 (R + 1,), -1 for region 0 · `confidence` float32 (R + 1,)."""

    swatch: np.ndarray
    confidence: np.ndarray


class Cel:
    """`order` its drawings in the order of their first appearance: what is held or comes again is painted once. `key` is what all frames
    depend on, because they are painted together."""

    def __init__(self, run: "Run", number: int) -> None:
        self.run, self.job, self.number = run, run.job, number
        self.order = [d for d in dict.fromkeys(e.drawings[number] for e in self.job.frames) if d is not None]
        self.between = self.job.task == "inbetween"
        self.lined = [d for d in self.order if self.job.drawing(d).kind != "between"]
        self.told: list[np.ndarray] = []  # what a person's hints say of each drawing, as from `spread_hints`
        shas = [ref.sha256 for ref in self.job.cels[number].references]
        options = {name: value for name, value in self.job.options.items() if name not in run.PAINT}
        self.key = jobs.digest(run.about, options, list(self.job.size), self.job.seed, self.job.task, self.order, shas)

    # --- reading ---

    @functools.cached_property
    def _look(self) -> tuple:
        """The palette, the figures and the reader. Raises BadInput."""
        found: list[Cutout] = []
        painted = [self.job.drawing(d) for d in self.lined if self.job.drawing(d).kind == "painted"]
        for file, name in [(r.file, r.name) for r in self.job.cels[self.number].references] + [(d.file, d.name) for d in painted]:
            picture = reference.read(self.run.folder / file, name)
            for text in picture.warnings:
                self.run.warn(text)
            found += figures(picture.pixels, str(self.job.options["background"]))
        if not found:
            raise BadInput(f"The cel {self.job.cels[self.number].name} has no reference: choose a colored picture of it.")
        swatches, known = described(found)
        return swatches, known, reading.Reader(self.job, self.run.folder, self.run.cache, known, len(swatches), self.key)

    @functools.cached_property
    def swatches(self) -> np.ndarray:
        """The palette, uint8 (P, 4). Hints may add to it."""
        return self._look[0]

    @functools.cached_property
    def read(self) -> dict[str, reading.Read]:
        """Every drawing with lines. Raises BadInput, Cancelled."""
        found: dict[str, reading.Read] = {}
        for done, drawing in enumerate(self.lined):
            self.run.check()
            self.run.progress("Reading drawings", done / len(self.lined))
            found[drawing] = self._look[2].read(drawing, self.lined[done - 1] if done else None)
        return found

    def regions(self, drawing: str) -> Regions:
        """The regions of a drawing with lines."""
        return self._look[2].open(self.job.drawing(drawing))[1]

    @property
    def links(self) -> dict[tuple[int, int], matching.Link]:
        """How each drawing with lines follows from its neighbors."""
        found = {}
        for i, drawing in enumerate(self.lined[1:], 1):
            read = self.read[drawing]
            assert read.forth is not None and read.back is not None
            found |= {(i - 1, i): read.forth, (i, i - 1): read.back}
        return found

    # --- painting ---

    @functools.cached_property
    def canvas(self) -> canvases.Canvas:
        box = canvases.content((read.sketch(self.job.size) for read in self.read.values()), self.job.size)
        return canvases.fit(box, int(str(self.job.options["side"])))

    @functools.cached_property
    def painting(self) -> Painting:
        count, length = len(self.order), int(str(self.job.options["window"]))
        if self.between:
            if count > MOST:
                raise BadInput(f"AniDoc makes {MOST - 2} drawings between two keys at most, not {count - 2}: draw a key between them.")
            spans = [range(count)]
        else:
            spans = windows(count, length, min(int(str(self.job.options["overlap"])), length - 1))
        chosen = [self._figure(span) for span in spans]
        for span, which in zip(spans, chosen, strict=True):
            if self.read[self.order[span.start]].fits[which].share < 0.1:
                self.run.warn(f"Hardly anything of the drawing at {span.start + 1} is found in the reference: its colors are guessed.")
        return Painting(self.run, Shot(self.key, self.canvas.size, count, spans, chosen, self._shown, self._condition))

    def _figure(self, span: range) -> int:
        """Which figure a window is painted after: that in which most of its first drawing is found."""
        return int(np.argmax([fit.share for fit in self.read[self.order[span.start]].fits]))

    def _shown(self, which: int) -> np.ndarray:
        """A figure as the network sees it, uint8 (H, W, 3)."""
        figure = self._look[1][which]
        return figure.canvas(self.canvas.size).show(figure.pixels)

    def _condition(self, span: range, which: int, sparse: bool) -> torch.Tensor:
        swatches, known, reader = self._look
        drawn = [self.order[i] for i in span if self.order[i] in self.read]
        figure, fit = known[which], self.read[drawn[0]].fits[which]
        shown = Sight.of(figure.shapes, figure.dense, figure.pixels.shape[1])
        drawings = [reader.sight(d) for d in drawn]
        begin = correspondence.start(fit, figure, swatches[:, 3] == 0, shown, drawings[0])
        if self.run.dift is not None:
            begin = self.run.dift.start(begin, figure, drawings[0], self.read[drawn[0]].sketch(self.job.size))
        links = [self.read[d].forth for d in drawn[1:]]
        tracks = correspondence.follow(begin, drawings, links)  # type: ignore[arg-type]
        tracks = correspondence.Tracks(figure.canvas(self.canvas.size).to(tracks.reference), self.canvas.to(tracks.tracks), tracks.visible)
        if sparse:
            tracks = correspondence.straight(tracks, len(span))
        most = points.SPARSE_TRACKS if sparse else points.TRACKS
        tracks = correspondence.select(tracks, str(self.job.options["points"]), self.job.seed + span.start, most)
        sketches = np.stack([reading.binarized(self.read[d].sketch(self.job.size), self.canvas) for d in drawn])
        if sparse:
            return condition.sparse_condition(sketches[0], sketches[-1], len(span), self._shown(which), tracks)
        return condition.condition(sketches, self._shown(which), tracks)

    def frame(self, drawing: str) -> np.ndarray:
        """What the networks painted, uint8 (H, W, 3) of the shot's size."""
        return self.canvas.put_back(self.painting.frame(self.order.index(drawing)), self.job.size)

    # --- exact swatches ---

    def swatch_of(self, color: tuple[int, ...]) -> int:
        """The place of a color RGBA in the palette, to which it is added if need be; every clear color is the same."""
        same = (self.swatches == color).all(axis=1) | ((self.swatches[:, 3] == 0) & (color[3] == 0))
        if not same.any():
            self.swatches = np.concatenate([self.swatches, np.array([color], np.uint8)])
            return len(self.swatches) - 1
        return int(same.argmax())

    def answer(self, drawing: str) -> Answer:
        """What the networks and the matcher say of a drawing, before any hint."""
        key = self._entry(drawing)
        kept = self.run.cache.get(key)
        if kept is None:
            sketch, regions = self._look[2].open(self.job.drawing(drawing))
            word = self.read[drawing].word[:, :-1]
            swatch, confidence = snap.snap(self.frame(drawing), regions.grown, sketch.lines, regions.count, self._look[0], word)
            kept = {"swatch": swatch, "confidence": confidence}
            self.run.cache.put(key, kept)
        return Answer(kept["swatch"], kept["confidence"])

    def _entry(self, drawing: str) -> str:
        return "anidoc-answer-" + jobs.digest(self.key, drawing)[:24]

    def entries(self) -> list[str]:
        """The names of all that the cache holds of this cel."""
        befores = [None, *self.lined]
        read = [reading.entry(self.key, drawing, before) for drawing, before in zip(self.lined, befores, strict=False)]
        return [*read, *(self._entry(drawing) for drawing in self.lined), painting.entry(self.key)]

    def told_of(self, drawing: str) -> np.ndarray:
        """The swatch int64 (R + 1,) that a person's hints give each region of a drawing with lines, -1 for none."""
        if not self.told:
            return np.full(len(self.read[drawing].word), -1)
        hint = self.told[self.lined.index(drawing)]
        return np.where(hint.sum(axis=1) > 0.5, hint.argmax(axis=1), -1)

    def layer(self, drawing: str) -> tuple[np.ndarray, int]:
        """A drawing's picture uint8 (H, W, 4) and the number of its regions, of which regions/<id>.npz tells."""
        asked = self.job.drawing(drawing)
        if asked.kind == "painted":
            return self._look[2].painted(asked), 0
        if asked.kind == "between":
            return paint.off_paper(self.frame(drawing)) if any(f.cut_out for f in self._look[1]) else paint.opaque(self.frame(drawing)), 0
        sketch, regions = self._look[2].open(asked)
        answer, told = self.answer(drawing), self.told_of(drawing)
        swatch = np.where(told >= 0, told, answer.swatch)
        confidence = np.where(told >= 0, 1.0, answer.confidence).astype(np.float32)
        self._tell(drawing, regions, {"swatch": swatch.astype(np.int32), "confidence": confidence})
        colors = np.concatenate([self.swatches, np.zeros((1, 4), np.uint8)])[swatch]
        texture = None
        if not self.job.options["snap"]:  # what the network painted, but for paper and for what a person has told
            texture = paint.opaque(self.frame(drawing)), (colors[:, 3] > 0) & (told < 0)
        return paint.compose(regions.grown, colors, sketch.paint, sketch.traces, bool(self.job.options["lines"]), texture), regions.count

    def _tell(self, drawing: str, regions: Regions, answer: Mapping[str, np.ndarray]) -> None:
        """Write regions/<id>.npz, unless it says the same already."""
        path = self.run.folder / f"regions/{drawing}.npz"
        said = {"swatches": self.swatches, "leaks": regions.leaks, "closures": regions.closures, **answer}
        if not holds(path, said):
            jobs.write_atomic(path, pack({"labels": regions.grown.astype(np.int32), **said}))
