"""One drawing: its sketch, its regions, their shapes. Made once, kept in the job's cache."""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from ...drawing.regions import CROSSINGS, segment
from ...drawing.sketch import Sketch, raster, scan, strokes
from ...job import Drawing, Job
from ...job.files import digest
from ...matching import embedding, features, shapes
from ...pictures.cache import Cache

HEIGHT = 1080  # px; the option `gap` is given for a picture of this height


@dataclass(frozen=True)
class Analysis:
    """What the later stages need of a drawing; its pixels stay in the cache (`pixels`), and its shapes until they are asked for.

    `count` regions · `leaks` float32 (K, 3) and `closures` float32 (M, 4) as in Regions · `empty` whether it has no lines · `seconds`
    what it took.
    """

    key: str
    count: int
    leaks: np.ndarray
    closures: np.ndarray
    empty: bool
    seconds: float
    load_shapes: Callable[[], shapes.Shapes]

    @functools.cached_property
    def shapes(self) -> shapes.Shapes:
        return self.load_shapes()


_SHAPES = tuple(f.name for f in fields(shapes.Shapes) if f.name not in ("swatch", "scale"))


def analyze(job: Job, drawing: Drawing, folder: Path, cache: Cache) -> Analysis:
    """Read a drawing, or what is kept of it. Raises BadInput when it can't be read."""
    began = time.perf_counter()
    key = _key(job, drawing)
    kept = cache.get(f"regions-{key}")
    if kept is None or not cache.has(f"shapes-{key}") or not cache.has(f"pixels-{key}"):
        kept = _make(job, drawing, folder, cache)["regions"]

    def load_shapes() -> shapes.Shapes:
        found = cache.get(f"shapes-{key}") or _make(job, drawing, folder, cache)["shapes"]
        return shapes.Shapes(**{name: found[name] for name in _SHAPES}, scale=float(found["scale"]))

    return Analysis(
        key=key,
        count=int(kept["count"]),
        leaks=kept["leaks"],
        closures=kept["closures"],
        empty=bool(kept["empty"]),
        seconds=time.perf_counter() - began,
        load_shapes=load_shapes,
    )


def pixels(job: Job, drawing: Drawing, folder: Path, cache: Cache) -> Mapping[str, np.ndarray]:
    """`grown` (H, W) labels, `paint` uint8 (H, W, 4) and `traces` bool (H, W) of a drawing that was analyzed."""
    return cache.get(f"pixels-{_key(job, drawing)}") or _make(job, drawing, folder, cache)["pixels"]


def labels(job: Job, drawing: Drawing, folder: Path, cache: Cache) -> np.ndarray:
    """`grown` alone."""
    return (cache.get(f"pixels-{_key(job, drawing)}", "grown") or _make(job, drawing, folder, cache)["pixels"])["grown"]


def tokens(job: Job, drawing: Drawing, found: Analysis, folder: Path, cache: Cache) -> embedding.Tokens:
    """What the trained matcher sees in a drawing that has lines, from the cache when it looked before. Raises EngineMissing."""
    key = tokens_key(found)
    kept = cache.get(key)
    if kept is None:
        labels = found.shapes.labels
        tint = features.tinted(pixels(job, drawing, folder, cache)["paint"], (labels.shape[1], labels.shape[0]))
        kept = embedding.load().encode(found.shapes, tint).arrays()
        cache.put(key, kept)
    return embedding.Tokens.of_arrays(kept)


def tokens_key(found: Analysis) -> str:
    return "tokens-" + digest(found.key, embedding.REVISION)[:24]


def _key(job: Job, drawing: Drawing) -> str:
    return digest(drawing.id, drawing.kind, list(job.size), job.options["gap"], job.options["traces"])[:24]


def _make(job: Job, drawing: Drawing, folder: Path, cache: Cache) -> dict[str, dict[str, np.ndarray]]:
    sketch = _sketch(job, drawing, folder)
    regions = segment(sketch, float(job.options["gap"]) * job.size[1] / HEIGHT)  # type: ignore[arg-type]
    traces = regions.crossing == CROSSINGS.index("trace")
    described = shapes.describe(regions.grown, sketch.lines, regions.count, regions.edges, traces)
    empty = not sketch.lines.any()
    made = {
        "regions": {
            "count": np.int32(0 if empty else regions.count),
            "leaks": regions.leaks,
            "closures": regions.closures,
            "empty": np.bool_(empty),
        },
        "shapes": {name: getattr(described, name) for name in _SHAPES} | {"scale": np.float64(described.scale)},
        "pixels": {
            "grown": regions.grown.astype(np.uint16 if regions.count < 65536 else np.int32),
            "paint": sketch.paint,
            "traces": sketch.traces,
        },
    }
    for name, arrays in made.items():
        cache.put(f"{name}-{_key(job, drawing)}", arrays)
    return made


def _sketch(job: Job, drawing: Drawing, folder: Path) -> Sketch:
    path = folder / drawing.file
    sketch = raster.rasterize(strokes.load(path), job.size) if drawing.kind == "strokes" else scan.read(path, job.size)
    return sketch if job.options["traces"] else replace(sketch, traces=np.zeros_like(sketch.traces))
