"""The drawings of a cel: lines for a network, regions for the matcher and for the paint."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..drawing.colors import palette, reference
from ..drawing.regions import CROSSINGS, Regions, segment
from ..drawing.sketch import Sketch, raster, scan, strokes
from ..job import Drawing, Job
from ..job.files import digest
from ..matching import embedding, features, pair, shapes, shot
from .cache import Cache
from .figures import Figure

SURE = 0.5  # probability above which a region is taken for another's
HEIGHT = 1080  # px; the option `gap` is given for a picture of this height


@dataclass(frozen=True)
class Fit:
    """How a drawing's regions fit a figure's: `region` int64 (R + 1,) of the figure, -1 where none is likely · `share` of the drawing's
    area, its largest region left out, that is surely found in the figure."""

    region: np.ndarray
    share: float


def matched(a: shapes.Shapes, b: shapes.Shapes, seen_a: embedding.Tokens, seen_b: embedding.Tokens) -> tuple[pair.Match, pair.Match]:
    """How A's regions fit B's, and how B's fit A's."""
    scores = embedding.load().scores(seen_a, seen_b)
    forth, back = (embedding.mixed(match, score) for match, score in zip(pair.match(a, b), scores, strict=True))
    return forth, back


def fit(match: pair.Match, areas: np.ndarray) -> Fit:
    """Of a drawing with regions of such `areas` (R + 1,)."""
    likely = pair.probabilities(match.scores, match.nothing)
    sure = likely.max(axis=1)
    region = np.where(sure > SURE, likely.argmax(axis=1), -1)
    region[0] = -1
    weights = areas.astype(np.float64)
    weights[0] = weights[weights.argmax()] = 0.0
    return Fit(region, float((weights * sure).sum() / max(weights.sum(), 1.0)))


@dataclass(frozen=True)
class Read:
    """What is kept of a drawing while the shot is painted: `lines` packed bits of bool (H, W) · `word` float32 (R + 1, P + 1) how likely
    each region wears which swatch, the last column for none · `fits` how it fits each figure · `forth`, `back` how the drawing before
    follows from this one and this one from that; None for the first."""

    lines: np.ndarray
    word: np.ndarray
    fits: tuple[Fit, ...]
    forth: shot.Link | None
    back: shot.Link | None

    def sketch(self, size: tuple[int, int]) -> np.ndarray:
        """The lines, bool (H, W)."""
        return np.unpackbits(self.lines, count=size[0] * size[1]).astype(bool).reshape(size[1], size[0])

    def arrays(self) -> dict[str, np.ndarray]:
        arrays = {"lines": self.lines, "word": self.word, "share": np.array([fit.share for fit in self.fits])}
        arrays |= {f"region_{i}": fit.region for i, fit in enumerate(self.fits)}
        for name, link in (("forth", self.forth), ("back", self.back)):
            arrays |= {f"{name}_{key}": value for key, value in link.arrays().items()} if link else {}
        return arrays

    @staticmethod
    def of_arrays(arrays: Mapping[str, np.ndarray]) -> "Read":
        fits = tuple(Fit(arrays[f"region_{i}"], float(share)) for i, share in enumerate(arrays["share"]))
        links = []
        for name in ("forth", "back"):
            own = {key.removeprefix(f"{name}_"): value for key, value in arrays.items() if key.startswith(f"{name}_")}
            links.append(shot.Link.of_arrays(own) if own else None)
        return Read(arrays["lines"], arrays["word"], fits, *links)


class Reader:
    """Reads the drawings of a cel, and what lies in the cache."""

    def __init__(self, job: Job, folder: Path, cache: Cache, look: Callable[[], tuple[np.ndarray, Sequence[Figure]]], key: str) -> None:
        """`look` gives the palette and the figures, when they are first needed; `key` is what they depend on."""
        self.job, self.folder, self.cache, self.look, self.key = job, folder, cache, look, key
        self.described = functools.lru_cache(2)(self._described)

    def read(self, drawing: str, before: str | None) -> Read:
        """A drawing, matched with the figures and with the one before. Raises BadInput."""
        key = entry(self.key, drawing, before)
        kept = self.cache.get(key)
        if kept is not None:
            return Read.of_arrays(kept)
        seen, tokens, lines = self.described(drawing)
        swatches, figures = self.look()
        matches = [matched(seen, figure.shapes, tokens, figure.tokens)[0] for figure in figures]
        word = shot.from_references(list(zip(matches, [f.shapes for f in figures], strict=True)), len(swatches), seen.count)
        forth = back = None
        if before is not None:
            old, old_tokens, _ = self.described(before)
            forth, back = (shot.link(match) for match in matched(old, seen, old_tokens, tokens))
        fits = tuple(fit(match, seen.areas) for match in matches)
        read = Read(np.packbits(lines), word, fits, forth, back)
        self.cache.put(key, read.arrays())
        return read

    def sketch(self, drawing: Drawing) -> Sketch:
        """Line art. Raises BadInput when it can't be read."""
        path = self.folder / drawing.file
        return raster.rasterize(strokes.load(path), self.job.size) if drawing.kind == "strokes" else scan.read(path, self.job.size)

    def open(self, drawing: Drawing) -> tuple[Sketch, Regions]:
        """Line art and its regions. Raises BadInput when it can't be read."""
        sketch = self.sketch(drawing)
        return sketch, segment(sketch, float(self.job.options["gap"]) * self.job.size[1] / HEIGHT)  # type: ignore[arg-type]

    def painted(self, drawing: Drawing) -> np.ndarray:
        """A painted key, uint8 (H, W, 4). Raises BadInput."""
        pixels = reference.read(self.folder / drawing.file, drawing.name, self.job.size).pixels
        return pixels if pixels.shape[1::-1] == self.job.size else cv2.resize(pixels, self.job.size, interpolation=cv2.INTER_NEAREST)

    def _described(self, number: str) -> tuple[shapes.Shapes, embedding.Tokens, np.ndarray]:
        """A drawing's regions as the matcher knows them, and its lines bool (H, W)."""
        drawing, tint = self.job.drawing(number), None
        if drawing.kind == "painted":
            taken = palette.extract(self.painted(drawing), "auto")
            table = np.append(np.arange(len(taken.swatches)), -1).astype(np.int16)
            seen, lines = shapes.of_reference(taken, table, whole=True)[0], taken.lines
        else:
            sketch, regions = self.open(drawing)
            traces = regions.crossing == CROSSINGS.index("trace")
            seen, lines = shapes.describe(regions.grown, sketch.lines, regions.count, regions.edges, traces), sketch.lines
            tint = features.tinted(sketch.paint, (seen.labels.shape[1], seen.labels.shape[0]))
        return seen, embedding.load().encode(seen, tint), lines


def entry(cel: str, drawing: str, before: str | None) -> str:
    """The name in the cache of what was read of a drawing, of the cel with this key."""
    return "read-" + digest(cel, drawing, before)[:24]
