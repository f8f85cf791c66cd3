"""Answers to tasks: what a model paints, by way of a job folder as anybody's would be."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import job as jobs
from engine import models
from engine.job import Drawing, Exposure, Job, list_pictures
from engine.job.builder import JobBuilder, name_file
from engine.job.errors import JobFailed
from engine.job.files import compute_file_sha256
from engine.job.messages import Done, Failed
from engine.worker.run import execute_job

from .clicks import CorrectionClick, Solver
from .metrics import encode_colors
from .shots import HEIGHT, read_picture, save_picture
from .tasks import PaintTask


@dataclass(frozen=True)
class PaintedDrawing:
    """The paint of one drawing.

    colors      uint8 (H, W, 4), paint without lines; a painted shot has its lines drawn
    labels      int32 (H, W) or None: the regions that it was painted by
    confidence  float32 (R + 1,) of the regions; entry 0 unused
    """

    colors: np.ndarray
    labels: np.ndarray | None = None
    confidence: np.ndarray | None = None

    @property
    def paint(self) -> np.ndarray:
        return encode_colors(self.colors)


def paint_task(task: PaintTask, folder: Path, model: str, hints: Sequence[CorrectionClick] = ()) -> list[PaintedDrawing]:
    """Let a model paint all drawings of a task, doubtful regions too unless they are film frames.

    `folder` is the job folder; what an earlier task left there is used again, as when an animator changes references. Raises JobFailed.
    """
    job = write_task_job(task, folder, model, hints)
    end = execute_job(folder)
    if not isinstance(end, Done):
        raise JobFailed(f"The model '{model}' failed at {task.shot.name}: {end.text if isinstance(end, Failed) else 'it was cancelled'}")
    files = list_pictures(job)
    answers = []
    for exposure in job.frames:
        (drawing,) = exposure.drawings
        picture = read_picture(folder / files[exposure.drawings])
        path = folder / f"regions/{drawing}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as regions:
                answers.append(PaintedDrawing(picture, regions["labels"], regions["confidence"]))
        else:
            answers.append(PaintedDrawing(picture))
    return answers


def write_task_job(task: PaintTask, folder: Path, model: str, hints: Sequence[CorrectionClick] = ()) -> Job:
    """Make `folder` the job folder of a task. The numbers of `hints` count the task's scored drawings."""
    known = models.info(model, "colorize").options
    width, height = task.get_frame(task.frames[0]).size
    wanted: dict[str, object] = {"gap": task.get_frame(task.frames[0]).gap * HEIGHT / height}
    if not task.shot.painted:
        wanted |= {"best_guess": True, "lines": False}
    builder = JobBuilder("colorize", model, (width, height))
    frames = []
    for number in task.frames:
        line = task.get_frame(number).line
        kind = "strokes" if line.suffix == ".npz" else "raster"
        name = compute_file_sha256(line)[:16]
        builder.add_drawing(Drawing(name, 0, kind, name_file(kind, name, line.suffix.lower())), line.read_bytes)
        frames.append(Exposure(number + 1, 1, (name,)))
    with tempfile.TemporaryDirectory() as given:
        pictures = [save_picture(Path(given, f"{i}.png"), reference.pixels) for i, reference in enumerate(task.references)]
        builder.add_cel("all", pictures)
        options = {name: value for name, value in wanted.items() if name in known}
        return builder.write_job(folder, frames, options=options, hints=[_make_hint(task, hint) for hint in hints])


def _make_hint(task: PaintTask, hint: CorrectionClick) -> jobs.Hint:
    x, y = hint.point
    rgba = np.array([hint.color], np.uint32).tobytes()
    return jobs.Hint(task.scored_frames[hint.number] + 1, (x + 0.5, y + 0.5), f"#{rgba.hex()}")


def make_solver(task: PaintTask, folder: Path, model: str) -> Solver:
    """What a model paints on the scored drawings of a task when it is told hints; `folder` as for `paint_task`."""

    def solve_hints(hints: Sequence[CorrectionClick]) -> list[np.ndarray]:
        found = dict(zip(task.frames, paint_task(task, folder, model, hints), strict=True))
        return [found[number].paint for number in task.scored_frames]

    return solve_hints


def get_threshold(model: str) -> float:
    """The confidence below which a model leaves a region unpainted, unless told otherwise; 0 for a model that always paints."""
    option = models.info(model).options.get("threshold")
    return float(option.default) if option is not None else 0.0  # type: ignore[arg-type]
