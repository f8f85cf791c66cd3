"""A gathered shot as a job folder."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...engine import job
from ...engine.errors import BadInput
from ...engine.files import write_atomic
from ...engine.lock import opened
from .shot import Drawing, Shot


def write_job(
    shot: Shot,
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
    with opened(folder):
        cels = [job.Cel(cel.name, tuple(job.add_reference(folder, Path(p)) for p in cel.references or references)) for cel in shot.cels]
        request = job.Job(
            task="colorize",
            model=model,
            size=shot.size,
            cels=tuple(cels),
            drawings=tuple(store(drawing, shot, folder) for drawing in shot.drawings.values()),
            frames=shot.exposures,
            title=shot.title,
            fps=shot.fps,
            seed=seed,
            device=device,
            options=dict(options),
            hints=tuple(hints),
        )
        job.save(request, folder)
        job.clear_stale(folder, request)
    return request


def store(drawing: Drawing, shot: Shot, folder: Path) -> job.Drawing:
    """Write a drawing's file into a job folder."""
    kind, file = ("strokes", f"strokes/{drawing.id}.npz") if drawing.strokes is not None else ("raster", f"sketches/{drawing.id}.png")
    if not (folder / file).is_file():  # a file is named by its content and there whole or not at all
        write_atomic(folder / file, content(drawing))
    return job.Drawing(drawing.id, drawing.cel, kind, file, f"{shot.cels[drawing.cel].name} {drawing.frame}")


def content(drawing: Drawing) -> bytes:
    """The drawing's file: its picture, or its strokes as .npz."""
    if drawing.strokes is None:
        assert drawing.picture is not None, "a drawing has strokes or a picture"
        return drawing.picture
    buffer = io.BytesIO()
    np.savez(buffer, **drawing.strokes.arrays())  # pyright: ignore[reportArgumentType]  (allow_pickle is newer than Blender 4.5)
    return buffer.getvalue()
