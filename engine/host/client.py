"""Blender's side of the engine process: starts it, asks it, listens to it, and never waits for it. Standard library only.

`Engine.poll` is called from one timer (or by `Engine.wait` where there are no timers) and takes what has arrived. The queue of
jobs is kept here, the engine has one job at a time: so an engine that dies or hangs takes the running job with it and no other.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..job.errors import BadInput, EngineMissing, JobFailed
from ..job.messages import TERMINAL, Cancelled, CancelRequest, Done, Failed, FrameDone, Progress, RunRequest, Started
from .process import EngineProcess, JobEvent

SILENCE = 60.0  # seconds without a sign of life, after which the engine counts as hung
PATIENCE = 20.0  # seconds that a job has to heed its cancellation before the engine is ended


@dataclass(frozen=True)
class JobState:
    """What is known of a job. `folder` is its absolute path and names it everywhere.

    `state` is queued, running, done, failed or cancelled; `position` in the queue is 1 for the next, 0 for a job that left it;
    `fraction` 0..1; `remaining` seconds, negative while unknown; `finished` of `pictures` are in place; `text` is one sentence once
    the job has ended and `kind` that of its failure (`engine.job.errors`).
    """

    folder: str
    title: str = ""
    state: str = "queued"
    position: int = 0
    stage: str = ""
    fraction: float = 0.0
    remaining: float = -1.0
    pictures: int = 0
    finished: int = 0
    text: str = ""
    kind: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class EngineClient:
    """The engine process of one Blender session and the jobs asked of it. Not for use from several threads.

    `python`: the engine's Python. `log_folder`: where the process may write its log and byte code. `models`: further folders of models.
    """

    def __init__(
        self, python: Path, log_folder: Path, models: Sequence[Path] = (), silence: float = SILENCE, patience: float = PATIENCE
    ) -> None:
        self._python = python.absolute()
        self._log_folder = log_folder.absolute()
        self._models = tuple(folder.absolute() for folder in models)
        self._silence = silence
        self._patience = patience
        self._worker: EngineProcess | None = None
        self._jobs: dict[str, JobState] = {}
        self._queue: list[str] = []
        self._running: str | None = None
        self._cancelled_at: float | None = None  # when the running job was told to stop
        self._begun: set[str] = set()  # jobs whose Started has been told
        self._events: list[tuple[str, JobEvent]] = []  # that the next poll hands over

    # --- asking ---------------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> tuple[JobState, ...]:
        """Every job in the order they were asked for, until it is forgotten."""
        return tuple(self._jobs.values())

    @property
    def busy(self) -> bool:
        return self._running is not None or bool(self._queue)

    def state(self, folder: str | Path) -> JobState | None:
        return self._jobs.get(_normalize_folder(folder))

    def start(self) -> None:
        """Start the process if it isn't up, to have it warm. Raises, at once, EngineMissing, or JobFailed when it can't write its log."""
        if self._worker is None:
            self._worker = EngineProcess(self._python, self._log_folder, self._models)

    def submit(self, folder: str | Path, title: str = "") -> JobState:
        """Put a job at the end of the queue. Raises EngineMissing for want of an engine, BadInput when it is queued already."""
        key = _normalize_folder(folder)
        if key in self._queue or key == self._running:
            raise BadInput("This job is being worked on already: wait until it is done, or cancel it.")
        self.start()
        self._jobs.pop(key, None)
        self._begun.discard(key)
        self._jobs[key] = JobState(key, title or Path(key).name)
        self._queue.append(key)
        self._number_queue()
        return self._jobs[key]

    def cancel(self, folder: str | Path) -> None:
        """Take a job out of the queue, or stop it within one picture. Nothing happens when it has ended."""
        key = _normalize_folder(folder)
        if key in self._queue:
            self._queue.remove(key)
            self._record_event(Cancelled(key))
            self._number_queue()
        elif key == self._running and self._worker is not None and self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            self._jobs[key] = replace(self._jobs[key], stage="Cancelling")
            self._worker.send(CancelRequest(key))

    def cancel_all_jobs(self) -> None:
        for key in [*self._queue, *([self._running] if self._running else [])]:
            self.cancel(key)

    def forget(self, folder: str | Path) -> None:
        """Drop a job that has ended from `jobs`."""
        key = _normalize_folder(folder)
        if key in self._jobs and self._jobs[key].ended:
            del self._jobs[key]

    # --- listening ------------------------------------------------------------------------------------------------

    def poll(self) -> list[tuple[str, JobEvent]]:
        """What has happened since the last call, as (job folder, event). Never waits."""
        if self._worker is not None:
            for event in self._worker.receive():
                if event.job == self._running:
                    self._record_event(event)
            self._watch_process(self._worker)
        self._start_next_job()
        events, self._events = self._events, []
        return events

    def wait(self, folder: str | Path, on_event: Callable[[JobEvent], None] = lambda event: None) -> JobState:
        """Poll until the job has ended, where no timer runs. Ctrl-C cancels it, twice ends the engine at once. Raises KeyError."""
        key = _normalize_folder(folder)
        while not self._jobs[key].ended or self._events:
            try:
                for name, event in self.poll():
                    if name == key:
                        on_event(event)
                time.sleep(0.02)
            except KeyboardInterrupt:
                if key == self._running and self._cancelled_at is not None:
                    self._stop_process()
                    self._record_event(Cancelled(key))
                self.cancel(key)
        return self._jobs[key]

    def close(self) -> None:
        """Cancel everything and end the process, within about a second. The engine may be used again."""
        for key in [*self._queue, *([self._running] if self._running else [])]:
            self._record_event(Cancelled(key))
        self._queue.clear()
        self._stop_process(0.5)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _watch_process(self, worker: EngineProcess) -> None:
        """An engine that is dead or hung fails the running job; one that did not even start, the job it was started for."""
        fault = worker.fault(self._silence)
        if fault is None and self._cancelled_at is not None and time.monotonic() - self._cancelled_at > self._patience:
            fault = Cancelled("")  # it does not heed it: end it
        if fault is None:
            return
        key = self._running or (self._queue.pop(0) if self._queue and not worker.greeted else None)
        self._stop_process()
        if key is not None and key not in self._begun and worker.used and self._cancelled_at is None:
            self._running = None  # it died at rest, and the job was handed to the dead: a new one takes it
            self._queue.insert(0, key)
            self._jobs[key] = replace(self._jobs[key], state="queued", stage="")
            key = None
        if key is not None:
            self._record_event(replace(fault, job=key) if self._cancelled_at is None else Cancelled(key))

    def _start_next_job(self) -> None:
        """Hand the next job to the engine."""
        if self._running is not None or not self._queue:
            return
        try:
            self.start()
        except (EngineMissing, JobFailed) as error:
            key = self._queue.pop(0)
            self._record_event(Failed(key, error.kind, str(error)))
        else:
            if self._worker is not None and self._worker.greeted:
                self._running = self._queue.pop(0)
                self._jobs[self._running] = replace(self._jobs[self._running], state="running", stage="Starting", position=0)
                self._worker.send(RunRequest(self._running))
        self._number_queue()

    def _record_event(self, event: JobEvent) -> None:
        """Bring the job's state up to date and keep the event for the next poll; a job's first event is Started always."""
        key = event.job
        if key not in self._begun and not isinstance(event, Started):
            self._record_event(Started(key))
        state = self._jobs[key]
        match event:
            case Started():
                self._begun.add(key)
                state = replace(state, state="running", position=0, pictures=event.pictures)
            case Progress():
                stage = state.stage if self._cancelled_at is not None else event.stage
                state = replace(state, stage=stage, fraction=event.fraction, remaining=event.remaining)
            case FrameDone():
                state = replace(state, finished=state.finished + 1)
            case Done():
                state = replace(state, state="done", stage="", fraction=1.0, remaining=0.0, text=event.summary)
            case Failed():
                state = replace(state, state="failed", stage="", remaining=-1.0, text=event.text, kind=event.kind)
            case Cancelled():
                state = replace(state, state="cancelled", stage="", remaining=-1.0, text="Cancelled; finished pictures are kept.")
        self._jobs[key] = state
        self._events.append((key, event))
        if isinstance(event, TERMINAL) and key == self._running:
            self._running = None
            self._cancelled_at = None
            if self._worker is not None:
                self._worker.used = True

    def _number_queue(self) -> None:
        for position, key in enumerate(self._queue, 1):
            self._jobs[key] = replace(self._jobs[key], position=position)

    def _stop_process(self, patience: float = 0.0) -> None:
        if self._worker is not None:
            self._worker.stop(patience)
            self._worker = None


def _normalize_folder(folder: str | Path) -> str:
    return os.path.abspath(folder)
