"""Blender's side of the engine process: starts it, sends requests, receives events, and never waits for it. Standard library only.

`EngineClient.poll` is called from one timer (or by `EngineClient.wait` where there are no timers) and takes what has arrived. The
queue of jobs is kept here, and the engine has one job at a time: so if the engine dies or hangs, only the running job fails.
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
PATIENCE = 20.0  # seconds that a cancelled job has to stop before the engine is killed


@dataclass(frozen=True)
class JobState:
    """The state of a job. `folder` is its absolute path, which identifies it everywhere.

    `state` is queued, running, done, failed or cancelled; `position` in the queue is 1 for the next, 0 for a job that left it;
    `fraction` 0..1; `remaining` seconds, negative while unknown; `finished` of `pictures` are done; `text` is one sentence once the
    job has ended, and `kind` that of its failure (`engine.job.errors`).
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
    """The engine process of one Blender session and its jobs. Not thread-safe.

    `python`: the engine's Python. `log_folder`: for the process's log and byte code. `models`: further folders of models.
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
        self._cancelled_at: float | None = None  # when cancelling the running job was requested
        self._begun: set[str] = set()  # jobs whose Started event was recorded
        self._events: list[tuple[str, JobEvent]] = []  # for the next poll

    # --- requests -------------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> tuple[JobState, ...]:
        """All jobs in the order of submission, except forgotten ones."""
        return tuple(self._jobs.values())

    @property
    def busy(self) -> bool:
        return self._running is not None or bool(self._queue)

    def state(self, folder: str | Path) -> JobState | None:
        return self._jobs.get(_normalize_folder(folder))

    def start(self) -> None:
        """Start the process if it isn't running, to have it warm. Raises EngineMissing, or JobFailed when it can't write its log."""
        if self._worker is None:
            self._worker = EngineProcess(self._python, self._log_folder, self._models)

    def submit(self, folder: str | Path, title: str = "") -> JobState:
        """Append a job to the queue. Raises EngineMissing when there is no engine, BadInput when the job is queued already."""
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
        """Remove a job from the queue, or stop it within one picture. Does nothing when it has ended."""
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
        """Remove a job that has ended from `jobs`."""
        key = _normalize_folder(folder)
        if key in self._jobs and self._jobs[key].ended:
            del self._jobs[key]

    # --- events ---------------------------------------------------------------------------------------------------

    def poll(self) -> list[tuple[str, JobEvent]]:
        """The events since the last call, as (job folder, event). Never waits."""
        if self._worker is not None:
            for event in self._worker.receive():
                if event.job == self._running:
                    self._record_event(event)
            self._watch_process(self._worker)
        self._start_next_job()
        events, self._events = self._events, []
        return events

    def wait(self, folder: str | Path, on_event: Callable[[JobEvent], None] = lambda event: None) -> JobState:
        """Poll until the job has ended, for use without timers. Ctrl-C cancels it, a second one kills the engine. Raises KeyError."""
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
        """Cancel everything and end the process, within about a second. The client can be used again afterwards."""
        for key in [*self._queue, *([self._running] if self._running else [])]:
            self._record_event(Cancelled(key))
        self._queue.clear()
        self._stop_process(0.5)

    # --- internals ------------------------------------------------------------------------------------------------

    def _watch_process(self, worker: EngineProcess) -> None:
        """If the engine is dead or hung, fail the running job; if it did not even start, the job that it was started for."""
        fault = worker.fault(self._silence)
        if fault is None and self._cancelled_at is not None and time.monotonic() - self._cancelled_at > self._patience:
            fault = Cancelled("")  # it does not react: kill it
        if fault is None:
            return
        key = self._running or (self._queue.pop(0) if self._queue and not worker.greeted else None)
        self._stop_process()
        if key is not None and key not in self._begun and worker.used and self._cancelled_at is None:
            self._running = None  # the engine died while idle, before the job reached it: a new engine takes the job
            self._queue.insert(0, key)
            self._jobs[key] = replace(self._jobs[key], state="queued", stage="")
            key = None
        if key is not None:
            self._record_event(replace(fault, job=key) if self._cancelled_at is None else Cancelled(key))

    def _start_next_job(self) -> None:
        """Send the next job to the engine."""
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
        """Update the job's state and keep the event for the next poll. A job's first event is always Started."""
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
