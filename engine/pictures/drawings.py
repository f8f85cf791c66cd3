"""The drawings of a job: their lines, their regions, and what the matcher sees in them. Made once, and kept in the job's cache."""

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import cv2
import numpy as np

from ..drawing.colors import palette, reference
from ..drawing.regions import CROSSINGS, Pockets, find_pockets, segment_regions
from ..drawing.sketch import Sketch, raster, scan, strokes
from ..job import Job
from ..job.files import compute_digest
from ..matching import embedding, features
from ..matching.shapes import Shapes, describe_reference, describe_regions
from .cache import Cache

GAP_HEIGHT = 1080  # px; the option `gap` is given for a picture of this height
_NO_CUTS = np.zeros((0, 4), np.float32)
_SHAPES = tuple(f.name for f in fields(Shapes) if f.name not in ("swatch", "scale"))


@dataclass(frozen=True)
class Analysis:
    """What is known of a drawing's regions, without their pixels.

    `key` of what it was made from · `count` regions, 0 without lines · `leaks` float32 (K, 3) and `closures` float32 (M, 4) as in Regions ·
    `empty` whether it has no lines · `dark` whether these were read as light ones on dark paper · `seconds` what it took.
    """

    key: str
    count: int
    leaks: np.ndarray
    closures: np.ndarray
    empty: bool
    dark: bool
    seconds: float
    store: "DrawingStore" = field(repr=False)
    drawing: str

    @functools.cached_property
    def shapes(self) -> Shapes:
        """Its regions as the matcher knows them, loaded when they are first asked for."""
        return self.store.load_shapes(self.drawing)


class DrawingStore:
    """Reads the drawings of a job, each known by its id. May be asked from several threads."""

    def __init__(self, job: Job, folder: Path, cache: Cache) -> None:
        self.job, self.folder, self.cache = job, folder, cache
        self._traced = bool(job.options.get("traces", True))
        self._cuts: dict[str, np.ndarray] = {}
        self.describe_drawing = functools.lru_cache(2)(self._describe_drawing)
        self._extract_palette = functools.lru_cache(2)(lambda drawing: palette.extract_palette(self.read_painted(drawing), "auto"))

    # --- the files ---

    def read_sketch(self, drawing: str) -> Sketch:
        """Line art. Raises BadInput when it can't be read."""
        asked = self.job.drawing(drawing)
        path = self.folder / asked.file
        sketch = (
            raster.rasterize_strokes(strokes.load_strokes(path), self.job.size)
            if asked.kind == "strokes"
            else scan.read_scan(path, self.job.size)
        )
        return sketch if self._traced else replace(sketch, traces=np.zeros_like(sketch.traces))

    def read_painted(self, drawing: str) -> np.ndarray:
        """A painted key, uint8 (H, W, 4). Raises BadInput when it can't be read."""
        asked = self.job.drawing(drawing)
        pixels = reference.read_reference(self.folder / asked.file, asked.name, self.job.size).pixels
        return pixels if pixels.shape[1::-1] == self.job.size else cv2.resize(pixels, self.job.size, interpolation=cv2.INTER_NEAREST)

    # --- the regions of line art ---

    def analyze(self, drawing: str) -> Analysis:
        """Cut line art into regions, or load what is kept of them. Raises BadInput when it can't be read."""
        began = time.perf_counter()
        key = self._key(drawing)
        kept = self.cache.get(f"regions-{key}")
        if kept is None or not self.cache.has(f"shapes-{key}") or not self.cache.has(f"pixels-{key}"):
            kept = self._segment_drawing(drawing)["regions"]
        return Analysis(
            key=key,
            count=int(kept["count"]),
            leaks=kept["leaks"],
            closures=kept["closures"],
            empty=bool(kept["empty"]),
            dark=bool(kept.get("dark", False)),  # none in what an earlier version has left
            seconds=time.perf_counter() - began,
            store=self,
            drawing=drawing,
        )

    def find_pockets(self, drawing: str) -> Pockets:
        """What of line art may be enclosed but for a wide gap, before it is cut there."""
        kept = self.cache.get(f"regions-{self._key(drawing)}") or self._segment_drawing(drawing)["regions"]
        if "pockets" not in kept:  # what an earlier version has left
            return find_pockets(self.read_sketch(drawing), self.load_labels(drawing).astype(np.int32), self._scale_gap())
        return Pockets(kept["pockets"])

    def cut_drawing(self, drawing: str, joins: np.ndarray) -> None:
        """Cut line art along `joins` float32 (M, 4), x0, y0, x1, y1, too from now on, instead of where it was cut before."""
        self._cuts[drawing] = joins

    def load_shapes(self, drawing: str) -> Shapes:
        """The regions of line art as the matcher knows them."""
        found = self.cache.get(f"shapes-{self._key(drawing)}") or self._segment_drawing(drawing)["shapes"]
        return Shapes(**{name: found[name] for name in _SHAPES}, scale=float(found["scale"]))

    def load_pixels(self, drawing: str) -> Mapping[str, np.ndarray]:
        """`grown` int (H, W), the region 1..R of each pixel, `paint` uint8 (H, W, 4) the lines, and `traces` bool (H, W) of line art."""
        return self.cache.get(f"pixels-{self._key(drawing)}") or self._segment_drawing(drawing)["pixels"]

    def load_labels(self, drawing: str) -> np.ndarray:
        """`grown` alone."""
        return (self.cache.get(f"pixels-{self._key(drawing)}", "grown") or self._segment_drawing(drawing)["pixels"])["grown"]

    # --- what the matcher sees ---

    def load_tokens(self, drawing: str) -> embedding.RegionTokens:
        """What the trained matcher sees in line art, from the cache when it looked before. Raises EngineMissing."""
        name = self.tokens_key(drawing)
        kept = self.cache.get(name)
        if kept is None:
            shapes = self.load_shapes(drawing)
            tint = features.measure_tint(self.load_pixels(drawing)["paint"], (shapes.labels.shape[1], shapes.labels.shape[0]))
            kept = embedding.load_matcher().encode(shapes, tint).arrays()
            self.cache.put(name, kept)
        return embedding.RegionTokens.from_arrays(kept)

    def _describe_drawing(self, drawing: str) -> tuple[Shapes, embedding.RegionTokens]:
        """Line art or a painted key: its regions, and what the trained matcher sees in them. Raises BadInput, EngineMissing."""
        if self.job.drawing(drawing).kind != "painted":
            return self.load_shapes(drawing), self.load_tokens(drawing)
        taken = self._extract_palette(drawing)
        table = np.append(np.arange(len(taken.swatches)), -1).astype(np.int16)
        shapes = describe_reference(taken, table, whole=True)[0]
        return shapes, embedding.load_matcher().encode(shapes)

    def read_lines(self, drawing: str) -> np.ndarray:
        """The lines of line art or of a painted key, bool (H, W). Raises BadInput when it can't be read."""
        if self.job.drawing(drawing).kind == "painted":
            return self._extract_palette(drawing).lines
        return self.read_sketch(drawing).lines

    # --- the cache ---

    def cache_keys(self, drawing: str) -> list[str]:
        """The names of what the cache holds of line art."""
        return [*(f"{name}-{self._key(drawing)}" for name in ("regions", "shapes", "pixels")), self.tokens_key(drawing)]

    def tokens_key(self, drawing: str) -> str:
        return "tokens-" + compute_digest(self._key(drawing), embedding.REVISION)[:24]

    def _key(self, drawing: str) -> str:
        asked, options, cuts = self.job.drawing(drawing), self.job.options, self._find_cuts(drawing)
        parts = (cuts.tobytes().hex(),) if len(cuts) else ()
        return compute_digest(asked.id, asked.kind, list(self.job.size), options["gap"], self._traced, *parts)[:24]

    def _find_cuts(self, drawing: str) -> np.ndarray:
        return self._cuts.get(drawing, _NO_CUTS)

    def _scale_gap(self) -> float:
        """The widest gap that is closed, px."""
        return float(str(self.job.options["gap"])) * self.job.size[1] / GAP_HEIGHT

    def _segment_drawing(self, drawing: str) -> dict[str, dict[str, np.ndarray]]:
        """Cut line art into regions, and keep all that is asked of them later."""
        sketch = self.read_sketch(drawing)
        cuts = self._find_cuts(drawing)
        regions = segment_regions(sketch, self._scale_gap(), cuts)
        traces = regions.crossing == CROSSINGS.index("trace")
        described = describe_regions(regions.grown, sketch.lines, regions.count, regions.edges, traces)
        empty = not sketch.lines.any()
        made: dict[str, dict[str, np.ndarray]] = {
            "regions": {
                "count": np.asarray(0 if empty else regions.count, np.int32),
                "leaks": regions.leaks,
                "pockets": cuts if len(cuts) else find_pockets(sketch, regions.grown, self._scale_gap()).joins,
                "closures": regions.closures,
                "empty": np.asarray(empty),
                "dark": np.asarray(sketch.dark),
            },
            "shapes": {name: getattr(described, name) for name in _SHAPES} | {"scale": np.asarray(described.scale, np.float64)},
            "pixels": {
                "grown": regions.grown.astype(np.uint16 if regions.count < 65536 else np.int32),
                "paint": sketch.paint,
                "traces": sketch.traces,
            },
        }
        for name, arrays in made.items():
            self.cache.put(f"{name}-{self._key(drawing)}", arrays)
        return made
