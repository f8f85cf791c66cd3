"""How long the default model takes for the demo's drawings at 1920x1080, on two threads. Prints JSON: medians.

.venv/engine/bin/python -m lab.bench.flats
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from demo import drawings, ink
from demo.palette import INK, TRACE, parse_rgb
from engine import models
from engine.drawing.sketch import strokes
from engine.drawing.sketch.strokes import Strokes
from engine.job import Drawing, Exposure, Job
from engine.job.builder import JobBuilder, name_file
from engine.job.files import compute_digest

COUNT, TIMES = 12, 3


def make_strokes(lines: list[ink.InkStroke], shift: float = 0.0) -> Strokes:
    counts = [len(line.points) for line in lines]
    colors = np.array([(*parse_rgb(TRACE.get(line.trace, INK)), 255) for line in lines], np.uint8)
    return Strokes(
        points=(np.concatenate([line.points for line in lines]) + shift).astype(np.float32),
        widths=np.concatenate([np.broadcast_to(line.widths, n) for line, n in zip(lines, counts, strict=True)]).astype(np.float32),
        colors=np.repeat(colors, counts, axis=0),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        cyclic=np.zeros(len(lines), bool),
    )


def write_job(folder: Path, shot: list[Strokes], key: Path) -> Job:
    builder = JobBuilder("colorize", "flats", drawings.SIZE)
    cel, frames = builder.add_cel("all", [key]), []
    for number, drawing in enumerate(shot):
        name = compute_digest(drawing.points.tobytes(), drawing.widths.tobytes())[:16]
        file = name_file("strokes", name, ".npz")
        strokes.save_strokes(drawing, folder / file)
        builder.add_drawing(Drawing(name, cel, "strokes", file))
        frames.append(Exposure(1 + 2 * number, 2, (name,)))
    return builder.write_job(folder, frames, options=models.info("flats").resolve({}))


def run_job(folder: Path, job: Job) -> float:
    start = time.perf_counter()
    for _ in models.load("flats").run(job, folder, lambda event: None, lambda: False):
        pass
    return time.perf_counter() - start


def main() -> None:
    drawn = drawings.draw_all()[:COUNT]
    shot = [make_strokes(drawing.lines) for drawing in drawn]
    redrawn = [*shot[:6], make_strokes(drawn[6].lines, shift=0.5), *shot[7:]]
    taken: dict[str, list[float]] = {"first run": [], "nothing changed": [], "one drawing redrawn": []}
    with tempfile.TemporaryDirectory() as base:
        key = Path(base) / "key.png"
        Image.fromarray(ink.paint_picture(drawn[0].parts, drawn[0].whole, drawings.SIZE, parse_rgb(INK))).save(key)
        for time_of in range(TIMES):
            folder = Path(base) / f"job{time_of}"
            job = write_job(folder, shot, key)
            taken["first run"].append(run_job(folder, job))
            taken["nothing changed"].append(run_job(folder, job))
            taken["one drawing redrawn"].append(run_job(folder, write_job(folder, redrawn, key)))
    medians = {name: round(statistics.median(seconds), 3) for name, seconds in taken.items()}
    print(json.dumps({"drawings": COUNT, "drawings per second": round(COUNT / medians["first run"], 2), "seconds": medians}, indent=1))


if __name__ == "__main__":
    main()
