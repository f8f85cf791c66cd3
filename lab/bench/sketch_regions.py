"""How long strokes -> sketch -> regions take, on one core. Prints JSON: medians in milliseconds.

.venv/engine/bin/python -m lab.bench.sketch_regions
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from engine.drawing.regions import close_gaps, segment_regions
from engine.drawing.sketch import scan
from engine.drawing.sketch.raster import rasterize_strokes
from engine.drawing.sketch.strokes import Strokes


def draw_curves(count: int, size: tuple[int, int], points: int = 50, span: float = 0.3, colors: int = 1, seed: int = 0) -> Strokes:
    """Random tapering curves that span some part of the picture."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, points)[:, None]
    basis = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], 1)
    control = rng.uniform(0, 1 - span, (count, 1, 2)) + rng.uniform(0, span, (count, 4, 2))
    widths = rng.uniform(2, 5, (count, 1)) * (0.3 + 0.7 * np.sqrt(np.sin(np.pi * t[:, 0])))
    ink = np.array([(0, 0, 0, 255), (230, 30, 30, 255), (40, 60, 230, 255)], np.uint8)[np.arange(count) * colors // count]
    return Strokes(
        points=(basis @ control * size).reshape(-1, 2).astype(np.float32),
        widths=widths.ravel().astype(np.float32),
        colors=np.repeat(ink, points, 0),
        offsets=(np.arange(count + 1) * points).astype(np.int32),
        cyclic=np.zeros(count, bool),
    )


def measure_median(call: Callable[[], object], times: int) -> float:
    call()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken) * 1000, 1)


def main() -> None:
    cv2.setNumThreads(1)
    full, half = (1920, 1080), (960, 540)
    shots = {
        "60 strokes, 1920x1080": (draw_curves(60, full), full),
        "200 strokes, 1920x1080": (draw_curves(200, full), full),
        "200 strokes in 3 colors, 1920x1080": (draw_curves(200, full, colors=3), full),
        "200 strokes, 960x540": (draw_curves(200, half), half),
        "10,000 short strokes, 1920x1080": (draw_curves(10_000, full, points=12, span=0.03), full),
    }
    numbers = {}
    for name, (strokes, size) in shots.items():
        times = 3 if len(strokes) > 1000 else 9
        sketch = rasterize_strokes(strokes, size)
        numbers[f"raster, {name}"] = measure_median(lambda s=strokes, z=size: rasterize_strokes(s, z), times)
        numbers[f"gaps, {name}"] = measure_median(lambda s=sketch: close_gaps(s, 10), times)
        numbers[f"segment, {name}"] = measure_median(lambda s=sketch: segment_regions(s, 10), times)
    with tempfile.TemporaryDirectory() as folder:
        paint = rasterize_strokes(*shots["60 strokes, 1920x1080"]).paint
        alpha = paint[..., 3:] / 255
        path = Path(folder) / "scan.png"
        Image.fromarray((paint[..., :3] * alpha + 235 * (1 - alpha)).astype(np.uint8)).save(path)
        numbers["scan, 1920x1080"] = measure_median(lambda: scan.read_scan(path), 5)
    print(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
