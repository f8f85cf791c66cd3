"""A cel of a job: its drawings read, painted by a model, and brought to exact swatches."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..drawing.colors import paint, reference, snap
from ..drawing.regions import Regions
from ..job.errors import BadInput
from ..job.files import digest, write_atomic
from ..matching import embedding
from ..matching import shot as matching
from . import reading
from .cache import holds, pack
from .figures import Cutout, Figure, described, figures

if TYPE_CHECKING:
    from .run import Run

KEPT = 64  # drawings of which what was read stays in memory; of the others it lies in the cache


@dataclass(frozen=True)
class Answer:
    """What each region of a drawing wears: `swatch` int32 (R + 1,), -1 for region 0 · `confidence` float32 (R + 1,)."""

    swatch: np.ndarray
    confidence: np.ndarray


class Cel:
    """`order` its drawings in the order of their first appearance: what is held or comes again is painted once. A model's own cel says how
    they are painted: `basis`, `frame` and `kept`."""

    def __init__(self, run: "Run", number: int) -> None:
        self.run, self.job, self.number = run, run.job, number
        self.order = [d for d in dict.fromkeys(e.drawings[number] for e in self.job.frames) if d is not None]
        self.lined = [d for d in self.order if self.job.drawing(d).kind != "between"]
        self.told: list[np.ndarray] = []  # what a person's hints say of each drawing, as from `spread_hints`
        painted = [d for d in self.lined if self.job.drawing(d).kind == "painted"]
        self.shas = [ref.sha256 for ref in self.job.cels[number].references]
        look = [self.job.options[name] for name in ("background", "gap")]
        self._seen = digest(embedding.REVISION, look, list(self.job.size), painted, self.shas)
        self.read = functools.lru_cache(KEPT)(self._read)

    @property
    def name(self) -> str:
        return self.job.cels[self.number].name

    # --- what a model adds ---

    def basis(self, drawing: str) -> str:
        """A key of what the networks' picture of a drawing depends on."""
        raise NotImplementedError

    def frame(self, drawing: str) -> np.ndarray:
        """The networks' picture of a drawing, uint8 (H, W, 3) of the shot's size. Raises BadInput, Cancelled, JobFailed."""
        raise NotImplementedError

    def kept(self) -> list[str]:
        """The names of what the networks' pictures have in the cache."""
        raise NotImplementedError

    # --- reading ---

    def cutouts(self, picture: np.ndarray) -> list[Cutout]:
        """What of a reference uint8 (H, W, 4) the model looks at."""
        return figures(picture, str(self.job.options["background"]))

    @functools.cached_property
    def look(self) -> tuple[np.ndarray, list[Figure]]:
        """The palette as the references have it, and the figures. Raises BadInput."""
        found: list[Cutout] = []
        painted = [self.job.drawing(d) for d in self.lined if self.job.drawing(d).kind == "painted"]
        for file, name in [(r.file, r.name) for r in self.job.cels[self.number].references] + [(d.file, d.name) for d in painted]:
            picture = reference.read(self.run.folder / file, name)
            for text in picture.warnings:
                self.run.warn(text)
            found += self.cutouts(picture.pixels)
        if not found:
            raise BadInput(f"The cel {self.name} has no reference: choose a colored picture of it.")
        return described(found)

    @functools.cached_property
    def reader(self) -> reading.Reader:
        return reading.Reader(self.job, self.run.folder, self.run.cache, lambda: self.look, self._seen)

    @functools.cached_property
    def swatches(self) -> np.ndarray:
        """The palette, uint8 (P, 4). Hints may add to it."""
        return self.look[0]

    def _read(self, drawing: str) -> reading.Read:
        """A drawing with lines. Raises BadInput, Cancelled."""
        self.run.check()
        place = self.lined.index(drawing)
        return self.reader.read(drawing, self.lined[place - 1] if place else None)

    def regions(self, drawing: str) -> Regions:
        """The regions of a drawing with lines."""
        return self.reader.open(self.job.drawing(drawing))[1]

    @property
    def links(self) -> dict[tuple[int, int], matching.Link]:
        """How each drawing with lines follows from its neighbors."""
        found = {}
        for i, drawing in enumerate(self.lined[1:], 1):
            read = self.read(drawing)
            assert read.forth is not None and read.back is not None
            found |= {(i - 1, i): read.forth, (i, i - 1): read.back}
        return found

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
            sketch, regions = self.reader.open(self.job.drawing(drawing))
            word = self.read(drawing).word[:, :-1]
            frame = self.frame(drawing)
            swatch, confidence = snap.snap(frame, regions.grown, sketch.lines, regions.count, self.look[0], word)
            kept = {"swatch": swatch, "confidence": confidence}
            self.run.cache.put(key, kept)
        return Answer(kept["swatch"], kept["confidence"])

    def _entry(self, drawing: str) -> str:
        return "answer-" + digest(self._seen, self.basis(drawing), drawing)[:24]

    def entries(self) -> list[str]:
        """The names of all that the cache holds of this cel."""
        befores = [None, *self.lined]
        read = [reading.entry(self._seen, drawing, before) for drawing, before in zip(self.lined, befores, strict=False)]
        return [*read, *(self._entry(drawing) for drawing in self.lined), *self.kept()]

    def told_of(self, drawing: str, count: int) -> np.ndarray:
        """The swatch int64 (R + 1,) that a person's hints give each of the `count` regions of a drawing with lines, -1 for none."""
        if not self.told:
            return np.full(count + 1, -1)
        hint = self.told[self.lined.index(drawing)]
        return np.where(hint.sum(axis=1) > 0.5, hint.argmax(axis=1), -1)

    # --- pictures ---

    def key(self, drawing: str) -> list:
        """What a drawing's picture depends on, beside the options that say how it is painted."""
        told = [self.swatches.tobytes(), self.told_of(drawing, 0).tobytes()] if self.told and drawing in self.lined else []
        return [self._seen, self.basis(drawing), drawing, *(part.hex() for part in told)]

    def layer(self, drawing: str) -> tuple[np.ndarray, int]:
        """A drawing's picture uint8 (H, W, 4) and the number of its regions, of which regions/<id>.npz tells."""
        asked = self.job.drawing(drawing)
        if asked.kind == "painted":
            return self.reader.painted(asked), 0
        if asked.kind == "between":
            frame = self.frame(drawing)
            return paint.off_paper(frame) if any(f.cut_out for f in self.look[1]) else paint.opaque(frame), 0
        sketch, regions = self.reader.open(asked)
        answer, told = self.answer(drawing), self.told_of(drawing, regions.count)
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
            write_atomic(path, pack({"labels": regions.grown.astype(np.int32), **said}))
