"""The drawings of a shot as AniDoc needs them: lines for the network, regions for the matcher and for the paint."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...cache import Cache
from ...colors import palette, reference
from ...diffusion.canvas import Canvas
from ...job import Drawing, Job, digest
from ...matching import embedding, features, shapes, shot
from ...regions import CROSSINGS, Regions, segment
from ...sketch import Sketch, raster, scan, strokes
from . import correspondence
from .correspondence import Fit, Sight
from .references import Figure

HEIGHT = 1080  # px; the option `gap` is given for a picture of this height


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

    def __init__(self, job: Job, folder: Path, cache: Cache, figures: Sequence[Figure], swatches: int, key: str) -> None:
        self.job, self.folder, self.cache, self.figures, self.swatches, self.key = job, folder, cache, figures, swatches, key
        self.described = functools.lru_cache(2)(self._described)
        self.sight = functools.lru_cache(24)(self._sight)

    def read(self, drawing: str, before: str | None) -> Read:
        """A drawing, matched with the figures and with the one before. Raises BadInput."""
        key = entry(self.key, drawing, before)
        kept = self.cache.get(key)
        if kept is not None:
            return Read.of_arrays(kept)
        seen, tokens, lines = self.described(drawing)
        matches = [correspondence.matched(seen, figure.shapes, tokens, figure.tokens)[0] for figure in self.figures]
        word = shot.from_references(list(zip(matches, [f.shapes for f in self.figures], strict=True)), self.swatches, seen.count)
        forth = back = None
        if before is not None:
            old, old_tokens, _ = self.described(before)
            forth, back = (shot.link(match) for match in correspondence.matched(old, seen, old_tokens, tokens))
        fits = tuple(correspondence.fit(match, seen.areas) for match in matches)
        read = Read(np.packbits(lines), word, fits, forth, back)
        self.cache.put(key, read.arrays())
        return read

    def open(self, drawing: Drawing) -> tuple[Sketch, Regions]:
        """Line art and its regions. Raises BadInput when it can't be read."""
        path = self.folder / drawing.file
        sketch = raster.rasterize(strokes.load(path), self.job.size) if drawing.kind == "strokes" else scan.read(path, self.job.size)
        return sketch, segment(sketch, float(self.job.options["gap"]) * self.job.size[1] / HEIGHT)  # type: ignore[arg-type]

    def painted(self, drawing: Drawing) -> np.ndarray:
        """A painted key, uint8 (H, W, 4). Raises BadInput."""
        pixels = reference.read(self.folder / drawing.file, drawing.name).pixels
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

    def _sight(self, number: str) -> Sight:
        seen = self.described(number)[0]
        return Sight.of(seen, embedding.load().dense(seen), self.job.size[0])


def entry(cel: str, drawing: str, before: str | None) -> str:
    """The name in the cache of what was read of a drawing, of the cel with this key."""
    return "anidoc-read-" + digest(cel, drawing, before)[:24]


def binarized(lines: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Lines bool (H, W) in the network's picture, bool: thin ones are not lost when they shrink."""
    share = canvas.show(lines.astype(np.float32), 0.0)
    return share > min(0.25, 0.4 * canvas.scale)


def to_uint8(frame: np.ndarray) -> np.ndarray:
    """A frame float (3, H, W) in 0..1 as uint8 (H, W, 3)."""
    return cv2.convertScaleAbs(np.ascontiguousarray(frame.transpose(1, 2, 0)), alpha=255.0)
