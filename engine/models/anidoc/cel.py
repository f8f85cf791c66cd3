"""A cel of a job, painted by AniDoc."""

import functools
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...diffusion import canvas as canvases
from ...diffusion.windows import windows
from ...job.errors import BadInput
from ...job.files import digest
from ...matching import embedding
from ...pictures import cel, reading
from . import condition, correspondence, points
from .clip import AniDocClip, AniDocRenderer
from .correspondence import Sight

if TYPE_CHECKING:
    from .model import Run

MOST = 96  # drawings that can lie between two keys, both included: the network sees all of them at once


class Cel(cel.Cel):
    """Its windows hear each other, so that all frames depend on all drawings."""

    run: "Run"

    def __init__(self, run: "Run", number: int) -> None:
        super().__init__(run, number)
        self.between = self.job.task == "inbetween"
        options = {name: value for name, value in self.job.options.items() if name not in run.PAINT}
        places = [self.job.drawing(drawing).at for drawing in self.order]
        about = [run.about, embedding.REVISION, options, list(self.job.size)]
        self._key = digest(*about, self.job.seed, self.job.task, self.order, places, self.shas)
        self.sight = functools.lru_cache(24)(self._sight)

    def basis(self, drawing: str) -> str:
        return self._key

    def kept(self) -> list[str]:
        return [f"{AniDocRenderer.CACHE_NAME}-{self._key[:24]}"]

    def _all_read(self) -> Iterator[reading.Read]:
        for done, drawing in enumerate(self.lined):
            self.run.progress("Reading drawings", done / len(self.lined))
            yield self.read(drawing)

    def _sight(self, drawing: str) -> Sight:
        seen = self.reader.described(drawing)[0]
        return Sight.of(seen, embedding.load().dense(seen), self.job.size[0])

    @functools.cached_property
    def canvas(self) -> canvases.Canvas:
        box = canvases.content((read.sketch(self.job.size) for read in self._all_read()), self.job.size)
        return canvases.fit(box, int(str(self.job.options["side"])))

    @functools.cached_property
    def renderer(self) -> AniDocRenderer:
        count, length = len(self.order), int(str(self.job.options["window"]))
        if self.between:
            spans = self._between_keys()
        else:
            spans = windows(count, length, min(int(str(self.job.options["overlap"])), length - 1))
        chosen = [self._figure(span) for span in spans]
        for span, which in zip(spans, chosen, strict=True):
            if self.read(self.order[span.start]).fits[which].share < 0.1:
                self.run.warn(f"Hardly anything of the drawing at {span.start + 1} is found in the reference: its colors are guessed.")
        clip = AniDocClip(self._key, self.canvas.size, count, spans, chosen, self._shown, self._condition)
        return AniDocRenderer(self.run.context, lambda: self.run.ready, clip)

    def _between_keys(self) -> list[range]:
        """A window from each key to the next."""
        keys = [number for number, drawing in enumerate(self.order) if drawing in self.lined]
        if len(keys) < 2 or keys[-1] != len(self.order) - 1:
            raise BadInput("AniDoc makes what lies between two keys that differ: give a last one, or make loops with another model.")
        longest = max(after - before - 1 for before, after in itertools.pairwise(keys))
        if longest > MOST - 2:
            raise BadInput(f"AniDoc makes {MOST - 2} drawings between two keys at most, not {longest}: draw a key between them.")
        if any(self.job.drawing(drawing).guide is not None for drawing in self.order):
            self.run.warn("AniDoc follows no sketches between keys: give them as keys, or choose another model.")
        return [range(before, after + 1) for before, after in itertools.pairwise(keys)]

    def _places(self, span: range) -> list[float]:
        """Where the drawings of a window lie in time between its keys."""
        return [0.0, *(self.job.drawing(self.order[i]).at for i in span[1:-1]), 1.0]

    def _figure(self, span: range) -> int:
        """Which figure a window is painted after: that in which most of its first drawing is found."""
        return int(np.argmax([fit.share for fit in self.read(self.order[span.start]).fits]))

    def _shown(self, which: int) -> np.ndarray:
        """A figure as the network sees it, uint8 (H, W, 3)."""
        figure = self.look[1][which]
        return figure.canvas(self.canvas.size).show(figure.pixels)

    def _condition(self, span: range, which: int, sparse: bool) -> torch.Tensor:
        swatches, known = self.look
        drawn = [self.order[i] for i in span if self.order[i] in self.lined]
        figure, fit = known[which], self.read(drawn[0]).fits[which]
        shown = Sight.of(figure.shapes, figure.dense, figure.pixels.shape[1])
        drawings = [self.sight(d) for d in drawn]
        begin = correspondence.start(fit, figure, swatches[:, 3] == 0, shown, drawings[0])
        if self.run.dift is not None:
            begin = self.run.dift.start(begin, figure, drawings[0], self.read(drawn[0]).sketch(self.job.size))
        links = [self.read(d).forth for d in drawn[1:]]
        tracks = correspondence.follow(begin, drawings, links)  # type: ignore[arg-type]
        tracks = correspondence.Tracks(figure.canvas(self.canvas.size).to(tracks.reference), self.canvas.to(tracks.tracks), tracks.visible)
        if sparse:
            tracks = correspondence.straight(tracks, self._places(span))
        most = points.SPARSE_TRACKS if sparse else points.TRACKS
        tracks = correspondence.select(tracks, str(self.job.options["points"]), self.job.seed + span.start, most)
        sketches = np.stack([canvases.binarized(self.read(d).sketch(self.job.size), self.canvas) for d in drawn])
        if sparse:
            return condition.sparse_condition(sketches[0], sketches[-1], len(span), self._shown(which), tracks)
        return condition.condition(sketches, self._shown(which), tracks)

    def frame(self, drawing: str) -> np.ndarray:
        """What the networks painted, uint8 (H, W, 3) of the shot's size."""
        return self.canvas.put_back(self.renderer.render_frame(self.order.index(drawing)), self.job.size)
