"""What is asked of a method: some drawings of a shot, and the pictures to paint them after."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .shots import EvaluationFrame, EvaluationShot

SCENARIOS = {
    "consecutive": "the drawing before is painted",
    "first key": "the first drawing of the shot is painted, and no other",
    "two keys": "the first and the last drawing are painted",
    "sheet": "there is a picture of the same figure in another pose, view and scale",
}


@dataclass(frozen=True)
class TaskReference:
    """A painted picture uint8 (H, W, 4), and which frame of the shot it shows, or None."""

    pixels: np.ndarray
    frame: int | None


@dataclass(frozen=True)
class PaintTask:
    """`frames` are the drawings to paint, by number in the shot; `scored_frames` count, the others have a reference of their own."""

    shot: EvaluationShot
    scenario: str
    frames: Sequence[int]
    references: Sequence[TaskReference]

    @property
    def scored_frames(self) -> list[int]:
        given = {reference.frame for reference in self.references}
        return [frame for frame in self.frames if frame not in given]

    def get_frame(self, number: int) -> EvaluationFrame:
        return self.shot.frames[number]

    def find_nearest_reference(self, number: int) -> TaskReference:
        """The reference that is nearest in time; the first of those that show no frame."""
        return min(self.references, key=lambda reference: 0 if reference.frame is None else abs(reference.frame - number))


def list_tasks(shot: EvaluationShot, pairs: int) -> Iterator[PaintTask]:
    """All that can be asked about a shot; of its consecutive drawings `pairs` at most."""
    count = len(shot.frames)
    every = range(count)
    if count > 1:
        for first in np.unique(np.linspace(0, count - 2, min(pairs, count - 1)).round().astype(int)).tolist():
            yield PaintTask(shot, "consecutive", (first, first + 1), (TaskReference(shot.draw_picture(first), first),))
    if count > 2:
        key = TaskReference(shot.draw_picture(0), 0)
        yield PaintTask(shot, "first key", every, (key,))
        yield PaintTask(shot, "two keys", every, (key, TaskReference(shot.draw_picture(count - 1), count - 1)))
    if shot.sheet is not None:
        yield PaintTask(shot, "sheet", every, (TaskReference(shot.sheet, None),))
