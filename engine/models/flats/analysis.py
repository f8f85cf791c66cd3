"""One drawing: its sketch, its regions, their shapes. Made once, kept in the job's cache."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from ...job import Drawing, Job, digest
from ...matching import shapes
from ...regions import CROSSINGS, segment
from ...sketch import Sketch, raster, scan, strokes
from .cache import Cache

HEIGHT = 1080  # px; the option `gap` is given for a picture of this height


@dataclass(frozen=True)
class Analysis:
    """What the later stages need of a drawing; its pixels stay in the cache (`pixels`).

    `leaks` float32 (K, 3) and `closures` float32 (M, 4) as in Regions · `empty` whether it has no lines · `seconds` what it took.
    """

    key: str
    shapes: shapes.Shapes
    leaks: np.ndarray
    closures: np.ndarray
    empty: bool
    seconds: float

    @property
    def count(self) -> int:
        return 0 if self.empty else self.shapes.count


_SHAPES = tuple(f.name for f in fields(shapes.Shapes) if f.name not in ("swatch", "scale"))


def analyze(job: Job, drawing: Drawing, folder: Path, cache: Cache) -> Analysis:
    """Read a drawing, or what is kept of it. Raises BadInput when it can't be read."""
    began = time.perf_counter()
    key = _key(job, drawing)
    kept = cache.get(f"shapes-{key}")
    if kept is None or not cache.has(f"pixels-{key}"):
        kept = _make(job, drawing, folder, cache)[0]
    described = shapes.Shapes(**{name: kept[name] for name in _SHAPES}, scale=float(kept["scale"]))
    return Analysis(key, described, kept["leaks"], kept["closures"], bool(kept["empty"]), time.perf_counter() - began)


def pixels(job: Job, drawing: Drawing, folder: Path, cache: Cache) -> Mapping[str, np.ndarray]:
    """`grown` (H, W) labels, `paint` uint8 (H, W, 4) and `traces` bool (H, W) of a drawing that was analyzed."""
    kept = cache.get(f"pixels-{_key(job, drawing)}")
    return _make(job, drawing, folder, cache)[1] if kept is None else kept


def _key(job: Job, drawing: Drawing) -> str:
    return digest(drawing.id, drawing.kind, list(job.size), job.options["gap"], job.options["traces"])[:24]


def _make(job: Job, drawing: Drawing, folder: Path, cache: Cache) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    sketch = _sketch(job, drawing, folder)
    regions = segment(sketch, float(job.options["gap"]) * job.size[1] / HEIGHT)  # type: ignore[arg-type]
    traces = regions.crossing == CROSSINGS.index("trace")
    described = shapes.describe(regions.grown, sketch.lines, regions.count, regions.edges, traces)
    small = {name: getattr(described, name) for name in _SHAPES} | {
        "scale": np.float64(described.scale),
        "leaks": regions.leaks,
        "closures": regions.closures,
        "empty": np.bool_(not sketch.lines.any()),
    }
    grown = regions.grown.astype(np.uint16 if regions.count < 65536 else np.int32)
    large = {"grown": grown, "paint": sketch.paint, "traces": sketch.traces}
    key = _key(job, drawing)
    cache.put(f"pixels-{key}", large)
    cache.put(f"shapes-{key}", small)
    return small, large


def _sketch(job: Job, drawing: Drawing, folder: Path) -> Sketch:
    path = folder / drawing.file
    sketch = raster.rasterize(strokes.load(path), job.size) if drawing.kind == "strokes" else scan.read(path, job.size)
    return sketch if job.options["traces"] else replace(sketch, traces=np.zeros_like(sketch.traces))
