"""How drawings are painted whose lines have wide gaps, or lack whole strokes: against the same worlds drawn whole."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch

from ..synthesis import ToonPlan, ToonScene, draw_scenes, stage_scene
from .answers import paint_task
from .metrics import average_known
from .shots import CLOSING, HEIGHT, HELD_OUT, EvaluationFrame, EvaluationShot, save_picture
from .tasks import PaintTask, TaskReference

GAPS = (12, 24, 48, 96)  # px, for a picture HEIGHT px high
MANY = 6.0  # gaps in a drawing on average
MISSING = 0.04  # share of the strokes that are left out
KINDS = ("none", *(f"{gap} px" for gap in GAPS), "strokes missing")


@dataclass(frozen=True)
class OpenLineScores:
    """Of drawings, 0..1.

    figure   share of the figure's pixels that have the right color
    outside  share of the background's pixels that are painted
    """

    figure: float
    outside: float


def measure_open_lines(kind: str, family: str, seed: int, size: int, folder: Path, model: str) -> OpenLineScores:
    """Let a model paint a drawing of a world whose lines are open in one of KINDS, after a drawing near it that is whole."""
    scene = stage_scene(seed + HELD_OUT, ToonPlan(family, (size, size), drawings=2, relation="near", damage=0.0))
    whole, drawn = draw_scenes([scene, open_scene_lines(scene, kind)])
    frames = []
    for index, sample in enumerate((whole, drawn)):
        path = save_picture(folder / f"{index}.png", sample.lines.paint[index].numpy())
        frames.append(EvaluationFrame(path, np.ascontiguousarray(whole.paint_flats()[index].numpy()), CLOSING * size / HEIGHT))
    shot = EvaluationShot(f"{family} {seed}", family, frames, None, {})
    task = PaintTask(shot, "consecutive", (1,), (TaskReference(shot.draw_picture(0), None),))
    (given,) = paint_task(task, folder / "job", model)
    frame = task.get_frame(1)
    paper, figure = ~frame.sketch.lines, frame.truth != 0
    return OpenLineScores(float((given.paint == frame.truth)[paper & figure].mean()), float((given.paint != 0)[paper & ~figure].mean()))


def open_scene_lines(scene: ToonScene, kind: str) -> ToonScene:
    """The scene with gaps, or with strokes left out."""
    pen = scene.pen
    if kind == "strokes missing":
        return replace(scene, pen=replace(pen, missing=torch.full_like(pen.missing, MISSING)))
    if kind == "none":
        return scene
    wide = float(kind.split()[0]) * min(scene.plan.size) / HEIGHT
    columns = {"gaps": MANY, "gap_low": wide, "gap_high": wide}
    return replace(scene, pen=replace(pen, **{name: torch.full_like(pen.gaps, value) for name, value in columns.items()}))


def average_open_lines(found: Sequence[OpenLineScores]) -> OpenLineScores:
    return OpenLineScores(*(average_known(np.array([getattr(one, f.name) for one in found])) for f in fields(OpenLineScores)))
