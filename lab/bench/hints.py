"""How long a correction takes: the demo's drawings twice over, 48 in 1920x1080, on two threads. Prints JSON: medians, in milliseconds.

.venv/engine/bin/python -m lab.bench.hints

`solve` brings the whole shot to agreement again; `click` is all that a job does until the last changed picture is in place.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from demo import drawings, ink
from demo.palette import INK, SWATCHES, parse_rgb
from engine.job import Hint, Job
from engine.models import info
from engine.models.flats.layer import FlatsLayer
from engine.models.flats.matching import CelMatcher
from engine.models.flats.pool import open_pool
from engine.pictures.context import open_context
from engine.pictures.drawings import DrawingStore
from engine.pictures.hints import locate_hints

from .flats import make_strokes, run_job, write_job

TIMES = 5


def measure_time(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def place_hints(job: Job, folder: Path) -> list[Hint]:
    """A hint in the middle of a painted region of each drawing."""
    found = []
    for number, (exposure, color) in enumerate(zip(job.frames, list(SWATCHES.values()) * 2, strict=False)):
        with np.load(folder / f"regions/{exposure.drawings[0]}.npz", allow_pickle=False) as kept:
            labels, clear = kept["labels"], np.append(kept["swatches"][:, 3] == 0, True)[kept["swatch"]]
        areas = np.where(clear, 0, np.bincount(labels.ravel(), minlength=len(clear)))
        y, x = np.nonzero(labels == np.argsort(-areas)[number % 8])
        found.append(Hint(exposure.frame, (float(x[len(x) // 2]), float(y[len(y) // 2])), color))
    return found


def measure_solving(job: Job, folder: Path) -> tuple[float, float]:
    """The time to have what is known of the shot, and the time to solve it."""
    model = info("flats")
    context = open_context(job, folder, model.revision, model.stages, lambda event: None, lambda: False)
    store = DrawingStore(job, folder, context.cache)
    with open_pool(context.check) as pool:
        begun = time.perf_counter()
        analyses = {drawing.id: store.analyze(drawing.id) for drawing in job.drawings}
        layer = FlatsLayer(context, store, 0, analyses, CelMatcher(context, store, pool, 0).gather_evidence(analyses))
        hints = locate_hints(context, [layer])[0]
        ready = 1000 * (time.perf_counter() - begun)
        assert len(hints) >= 0.9 * len(job.hints), "hints that meet no region measure nothing"
        return ready, measure_time(lambda: layer.apply_hints(hints))


def main() -> None:
    drawn = drawings.draw_all()
    shot = [make_strokes(drawing.lines, shift) for shift in (0.0, 0.5) for drawing in drawn]
    with tempfile.TemporaryDirectory() as base:
        folder, key = Path(base) / "job", Path(base) / "key.png"
        Image.fromarray(ink.paint_picture(drawn[0].parts, drawn[0].whole, drawings.SIZE, parse_rgb(INK))).save(key)
        job = write_job(folder, shot, key)
        run_job(folder, job)
        found = place_hints(job, folder)
        milliseconds: dict[str, list[float]] = {}
        for count in (1, 48):
            hinted = replace(job, hints=tuple(found[:count]))
            for _ in range(TIMES):
                ready, solved = measure_solving(hinted, folder)
                milliseconds.setdefault(f"ready, {count} hints", []).append(ready)
                milliseconds.setdefault(f"solve, {count} hints", []).append(solved)
        for hint in found[1 : TIMES + 1]:
            milliseconds.setdefault("click", []).append(1000 * run_job(folder, replace(job, hints=(hint,))))
            milliseconds.setdefault("click again, nothing changed", []).append(1000 * run_job(folder, replace(job, hints=(hint,))))
    medians = {name: round(statistics.median(values), 1) for name, values in milliseconds.items()}
    print(json.dumps({"drawings": len(shot), "milliseconds": medians}, indent=1))


if __name__ == "__main__":
    main()
