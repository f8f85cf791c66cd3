"""A gathered shot as a job folder."""

import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ....engine import job
from ....engine.job.builder import JobBuilder, name_file
from ....engine.job.errors import BadInput
from .shot import GatheredDrawing, GatheredShot


def write_job(
    shot: GatheredShot,
    folder: Path,
    model: str,
    options: Mapping[str, object],
    references: Sequence[Path],
    *,
    hints: Sequence[job.Hint] = (),
    device: str = "auto",
    seed: int = 0,
) -> job.Job:
    """Write the job folder, job.json last, and remove what an earlier request left there and this one does not name.

    `references` are for the cels that have none of their own. Raises BadInput when a cel is left without any, one can't be read, or
    another process works on the folder, JobFailed when that can't be written.
    """
    for cel in shot.cels:
        if not (cel.references or references):
            raise BadInput(f"{cel.name} has no reference: choose a colored picture for the shot or for the object.")
    builder = JobBuilder("colorize", model, shot.size)
    for cel in shot.cels:
        builder.add_cel(cel.name, [Path(path) for path in cel.references or references])
    for drawing in shot.drawings.values():
        store_drawing(builder, drawing, drawing.cel, f"{shot.cels[drawing.cel].name} {drawing.frame}")
    return builder.write_job(folder, shot.exposures, title=shot.title, fps=shot.fps, seed=seed, device=device, options=options, hints=hints)


def store_drawing(builder: JobBuilder, drawing: GatheredDrawing, cel: int, name: str) -> None:
    """Add a drawing of the scene to a job, as strokes or as a picture."""
    kind, suffix = ("strokes", ".npz") if drawing.strokes is not None else ("raster", ".png")
    file = name_file(kind, drawing.id, suffix)
    builder.add_drawing(job.Drawing(drawing.id, cel, kind, file, name), functools.partial(encode_drawing, drawing))


def encode_drawing(drawing: GatheredDrawing) -> bytes:
    """The drawing's file: its picture, or its strokes as .npz."""
    if drawing.strokes is None:
        assert drawing.picture is not None, "a drawing has strokes or a picture"
        return drawing.picture
    buffer = io.BytesIO()
    np.savez(buffer, **drawing.strokes.arrays())  # pyright: ignore[reportArgumentType]  (allow_pickle is newer than Blender 4.5)
    return buffer.getvalue()
