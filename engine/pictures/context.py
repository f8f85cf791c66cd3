"""What is handed down to all that works on a job: the job, where it lies, and how to speak to who asked for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..job import Job
from ..job.errors import JobCancelled
from ..job.messages import Event, Progress, Warned
from .cache import Cache


class Warn(Protocol):
    def __call__(self, text: str, frame: int | None = None) -> None:
        """Tell a person what to look at, in one sentence, of a frame of the scene or of the whole job. The same text is told once."""
        ...


@dataclass(frozen=True)
class JobContext:
    """A job at work.

    `progress` takes a stage of the model's model.toml and the part of it that is done, 0..1 · `check` raises Cancelled when nobody wants
    the job any more; it is called at least once a picture and each second.
    """

    job: Job
    folder: Path
    cache: Cache
    warn: Warn
    progress: Callable[[str, float], None]
    check: Callable[[], None]


def open_context(
    job: Job,
    folder: Path,
    revision: str,
    stages: Mapping[str, float],
    on_event: Callable[[Event], None],
    should_cancel: Callable[[], bool],
) -> JobContext:
    """The context of a job in its folder. `revision` and `stages` are those of the model: what is kept by another revision is not seen, and
    each stage takes its share of the whole."""
    warned, done = set[tuple[str, int | None]](), 0.0
    begins = {stage: sum(list(stages.values())[:number]) for number, stage in enumerate(stages)}

    def warn(text: str, frame: int | None = None) -> None:
        if (text, frame) not in warned:
            warned.add((text, frame))
            on_event(Warned(str(folder), text, frame))

    def progress(stage: str, part: float) -> None:
        nonlocal done
        done = max(done, min(1.0, begins[stage] + stages[stage] * part))
        on_event(Progress(str(folder), stage, done))

    def check() -> None:
        if should_cancel():
            raise JobCancelled("The job was cancelled; finished pictures stay.")

    return JobContext(job, folder, Cache(folder, revision), warn, progress, check)
