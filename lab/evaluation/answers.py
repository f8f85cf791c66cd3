"""Answers to tasks: what a model paints, by way of a job folder as anybody's would be."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import job as jobs
from engine import models
from engine.job import Cel, Drawing, Exposure, Job, add_reference, pictures, save
from engine.job.errors import JobFailed
from engine.job.files import file_sha256, write_atomic
from engine.job.messages import Done, Failed
from engine.worker.run import run

from .clicks import Hint, Solve
from .metrics import codes
from .shots import HEIGHT, read_picture
from .shots import save as save_picture
from .tasks import Task


@dataclass(frozen=True)
class Answer:
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
        return codes(self.colors)


def answer(task: Task, folder: Path, model: str, hints: Sequence[Hint] = ()) -> list[Answer]:
    """Let a model paint all drawings of a task, doubtful regions too unless they are film frames.

    `folder` is the job folder; what an earlier task left there is used again, as when an animator changes references. Raises JobFailed.
    """
    job = prepare(task, folder, model, hints)
    end = run(folder)
    if not isinstance(end, Done):
        raise JobFailed(f"The model '{model}' failed at {task.shot.name}: {end.text if isinstance(end, Failed) else 'it was cancelled'}")
    files = pictures(job)
    answers = []
    for exposure in job.frames:
        (drawing,) = exposure.drawings
        picture = read_picture(folder / files[exposure.drawings])
        path = folder / f"regions/{drawing}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as regions:
                answers.append(Answer(picture, regions["labels"], regions["confidence"]))
        else:
            answers.append(Answer(picture))
    return answers


def prepare(task: Task, folder: Path, model: str, hints: Sequence[Hint] = ()) -> Job:
    """Make `folder` the job folder of a task. The numbers of `hints` count the task's scored drawings."""
    known = models.info(model, "colorize").options
    width, height = task.frame(task.frames[0]).size
    wanted: dict[str, object] = {"gap": task.frame(task.frames[0]).gap * HEIGHT / height}
    if not task.shot.painted:
        wanted |= {"best_guess": True, "lines": False}
    drawings = []
    for number in task.frames:
        line = task.frame(number).line
        name, strokes = file_sha256(line)[:16], line.suffix == ".npz"
        file = f"strokes/{name}.npz" if strokes else f"sketches/{name}{line.suffix.lower()}"
        write_atomic(folder / file, line.read_bytes())
        drawings.append(Drawing(name, 0, "strokes" if strokes else "raster", file))
    given = folder / "given"
    references = [add_reference(folder, save_picture(given / f"{i}.png", reference.pixels)) for i, reference in enumerate(task.references)]
    shutil.rmtree(given)
    job = Job(
        task="colorize",
        model=model,
        size=(width, height),
        cels=(Cel("all", tuple(references)),),
        drawings=tuple({drawing.id: drawing for drawing in drawings}.values()),
        frames=tuple(Exposure(number + 1, 1, (drawing.id,)) for number, drawing in zip(task.frames, drawings, strict=True)),
        options={name: value for name, value in wanted.items() if name in known},
        hints=tuple(_told(task, hint) for hint in hints),
    )
    save(job, folder)
    return job


def _told(task: Task, hint: Hint) -> jobs.Hint:
    x, y = hint.point
    rgba = np.array([hint.color], np.uint32).tobytes()
    return jobs.Hint(task.scored[hint.number] + 1, (x + 0.5, y + 0.5), f"#{rgba.hex()}")


def solver(task: Task, folder: Path, model: str) -> Solve:
    """What a model paints on the scored drawings of a task when it is told hints; `folder` as for `answer`."""

    def solve(hints: Sequence[Hint]) -> list[np.ndarray]:
        found = dict(zip(task.frames, answer(task, folder, model, hints), strict=True))
        return [found[number].paint for number in task.scored]

    return solve


def threshold(model: str) -> float:
    """The confidence below which a model leaves a region unpainted, unless told otherwise; 0 for a model that always paints."""
    option = models.info(model).options.get("threshold")
    return float(option.default) if option is not None else 0.0  # type: ignore[arg-type]
