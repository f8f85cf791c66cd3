"""Ten thousand strokes: slow is no excuse for wrong."""

from pathlib import Path

import numpy as np
from PIL import Image

from engine import job as jobs
from engine.drawing.sketch import strokes
from engine.job import Cel, Drawing, Exposure, Job
from engine.job.messages import Done
from engine.models import info
from engine.worker import run


def drawing(size: tuple[int, int], count: int, seed: int) -> strokes.Strokes:
    """A square of four strokes, and a hatching of short strokes inside it."""
    rng = np.random.default_rng(seed)
    width, height = size
    corners = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8], [0.2, 0.2]]) * (width, height)
    frame = [corners[i : i + 2] for i in range(4)]
    start = rng.uniform(0.25, 0.74, (count - 4, 1, 2)) * (width, height)
    hatch = start + np.array([[0.0, 0.0], [4.0, 4.0]])
    points = np.concatenate([*frame, *hatch]).astype(np.float32)
    return strokes.Strokes(
        points=points,
        widths=np.full(len(points), 1.5, np.float32),
        colors=np.tile(np.array([20, 20, 20, 255], np.uint8), (len(points), 1)),
        offsets=np.arange(0, len(points) + 1, 2, dtype=np.int32),
        cyclic=np.zeros(count, bool),
    )


def test_a_drawing_of_ten_thousand_strokes_is_colored(tmp_path: Path) -> None:
    size = (640, 480)
    strokes.save_strokes(drawing(size, 10_000, 1), tmp_path / "strokes/many.npz")
    reference = np.zeros((480, 640, 4), np.uint8)
    reference[96:384, 128:512] = (200, 60, 40, 255)
    Image.fromarray(reference).save(tmp_path / "reference.png")
    job = Job(
        task="colorize",
        model="flats",
        size=size,
        cels=(Cel("all", (jobs.add_reference(tmp_path, tmp_path / "reference.png"),)),),
        drawings=(Drawing("many", 0, "strokes", "strokes/many.npz"),),
        frames=(Exposure(1, 1, ("many",)),),
        options=info("flats").resolve({}),
    )
    jobs.save_job(job, tmp_path)
    assert isinstance(run.execute_job(tmp_path), Done)
    painted = np.asarray(Image.open(tmp_path / "frames/0001.png"))
    assert (painted[:90] == 0).all() and (painted[390:] == 0).all()  # nothing outside the lines
    assert (painted[110:370, 150:490, 3] > 0).mean() > 0.5
