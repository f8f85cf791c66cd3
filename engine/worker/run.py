"""Runs one job folder from its request to exactly one terminal event, whatever happens. Standard library only; models import their own
libraries.
"""

import contextlib
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

from .. import models
from ..job import CANCEL_FILE, EVENTS_FILE, JOB_FILE, LOG_FILE, RESULT_FILE, Job, clear_stale, list_pictures, load_job
from ..job.errors import BadInput, EngineMissing, JobCancelled, JobFailed, ShiageError
from ..job.files import write_json
from ..job.lock import lock_folder
from ..job.messages import Cancelled as CancelledEvent
from ..job.messages import Done, Event, Failed, FrameDone, Progress, Started, Warned, encode_message
from ..models import Picture

SPARE = 64 << 20  # bytes that must stay free on the disk
LOG_BYTES = 1 << 20  # a run starts a new log if the old one is larger
Terminal = Done | Failed | CancelledEvent


def execute_job(
    folder: Path,
    on_event: Callable[[Event], None] = lambda event: None,
    should_cancel: Callable[[], bool] = lambda: False,
    name: str | None = None,
) -> Terminal:
    """Run the job in `folder`. Returns its terminal event, which `on_event` gets too. Raises nothing.

    `should_cancel` is called often, from this thread. A file named `cancel` in the folder cancels as well. `name` is the job's name in
    events, by default the folder's path. While the job runs, all output of the process goes to engine.log.
    """
    return _JobRunner(folder, on_event, should_cancel, str(folder) if name is None else name).run()


class _JobRunner:
    def __init__(self, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool], name: str) -> None:
        self.folder = folder
        self.name = name
        self.job: Job | None = None
        self.pictures: list[Picture] = []
        self.warnings: list[str] = []
        self._on_event = on_event
        self._should_cancel = should_cancel
        self._journal: BinaryIO | None = None
        self._stage = "Making pictures"
        self._begun = time.monotonic()
        self._fraction = 0.0
        self._started = False

    def run(self) -> Terminal:
        with contextlib.ExitStack() as stack:
            try:
                self._open_folder(stack)
                self._make_pictures()
                end: Terminal = Done(self.name, self._summarize_pictures())
            except (JobCancelled, KeyboardInterrupt):
                end = CancelledEvent(self.name)
            except BaseException as error:  # noqa: BLE001  # there must be exactly one terminal event; reported as Failed
                self._log_error(error)
                end = _describe_failure(self.name, error)
            end = self._finish_job(end)
        for event in self._list_last_events(end):  # the folder is unlocked now, so a listener may write the next request into it
            self._on_event(event)
        return end

    # --- start and end --------------------------------------------------------------------------------------------

    def _open_folder(self, stack: contextlib.ExitStack) -> None:
        """Lock the folder for this process. Before that, nothing in it is changed."""
        try:
            if not (self.folder / JOB_FILE).is_file():
                raise BadInput(f"There is no job in {self.folder}: it has no {JOB_FILE}.")
            stack.enter_context(lock_folder(self.folder))
            stack.enter_context(redirect_output(self.folder / LOG_FILE))
            (self.folder / RESULT_FILE).unlink(missing_ok=True)
            self._journal = stack.enter_context((self.folder / EVENTS_FILE).open("wb", buffering=0))
        except OSError as error:
            raise JobFailed(f"Can't write to {self.folder} ({error.strerror}): make it writable or choose another folder.") from error

    def _finish_job(self, end: Terminal) -> Terminal:
        """Write the result, and return the event to emit. If the folder is gone or the disk is full, the event is still emitted."""
        try:
            if self._journal is not None and self._folder_exists():
                write_json(self.folder / RESULT_FILE, self._build_result(end))
                (self.folder / CANCEL_FILE).unlink(missing_ok=True)
        except (JobFailed, OSError) as error:
            self._log_error(error)
            if isinstance(end, Done):
                end = _describe_failure(self.name, error)
        for event in self._list_last_events(end):
            with contextlib.suppress(OSError):
                self._write_event(event)
        return end

    def _list_last_events(self, end: Terminal) -> tuple[Event, ...]:
        return (end,) if self._started else (Started(self.name), end)

    def _log_error(self, error: BaseException) -> None:
        """Write the traceback to engine.log, if the folder is locked and the disk has room."""
        if self._journal is not None:
            with contextlib.suppress(OSError), open(self.folder / LOG_FILE, "a", encoding="utf-8", errors="backslashreplace") as log:
                traceback.print_exception(error, file=log)

    def _build_result(self, end: Terminal) -> dict:
        done = {picture.file for picture in self.pictures}
        table = list_pictures(self.job) if self.job else {}
        frames = [[e.frame, e.exposure, table[e.drawings]] for e in (self.job.frames if self.job else ())]
        return {
            "status": end.TYPE,
            "kind": end.kind if isinstance(end, Failed) else "",
            "text": end.text if isinstance(end, Failed) else end.summary if isinstance(end, Done) else "",
            "seconds": round(time.monotonic() - self._begun, 3),
            "model": self.job.model if self.job else "",
            "pictures": [asdict(picture) for picture in sorted(self.pictures, key=lambda picture: picture.frame)],
            "frames": [row for row in frames if row[2] in done],
            "warnings": self.warnings,
        }

    def _summarize_pictures(self) -> str:
        made = sum(not picture.reused for picture in self.pictures)
        unknown, leaks = (sum(getattr(picture, name) for picture in self.pictures) for name in ("unknown", "leaks"))
        text = f"{len(self.pictures)} pictures, {made} of them made now"
        if unknown or leaks:
            text += f"; {unknown} regions left unpainted for doubt, {leaks} open gaps in the lines"
        return text + "."

    # --- pictures -------------------------------------------------------------------------------------------------

    def _make_pictures(self) -> None:
        job = self.job = load_job(self.folder)
        wanted = set(list_pictures(job).values())
        self._emit_event(Started(self.name, job.model, len(wanted)))
        self._started = True
        self._check_cancelled()
        info = models.info(job.model, job.task)
        job = replace(job, options=info.resolve(job.options))
        if job.device in models.DEVICES and job.device not in ("auto", *info.devices):
            self._emit_event(Warned(self.name, f"The model '{info.id}' makes no use of the device '{job.device}'."))
            job = replace(job, device="auto")
        clear_stale(self.folder, job)
        self._check_space(job, len(wanted))
        self._emit_event(Progress(self.name, "Loading the model", 0.0))
        model = models.load(job.model, job.device)
        self._check_cancelled()
        for picture in model.run(job, self.folder, self._relay_event, self._is_cancelled):
            self.pictures.append(picture)
            self._emit_event(FrameDone(self.name, picture.frame, picture.file, picture.reused))
            if len(self.pictures) / len(wanted) > self._fraction:  # the model has reported less progress
                self._relay_event(Progress(self.name, self._stage, len(self.pictures) / len(wanted)))
            if len(self.pictures) < len(wanted):
                self._check_cancelled()
        missing = wanted - {picture.file for picture in self.pictures}
        if missing:
            self._check_cancelled()
            raise JobFailed(f"The model '{job.model}' ended without making {min(missing)}: please report this.")

    def _check_space(self, job: Job, count: int) -> None:
        """Raise JobFailed when the disk is too full. Flat frames and labels compress to far less than the required byte per pixel."""
        have = sum((self.folder / file).exists() for file in list_pictures(job).values())
        need = SPARE + (count - have) * job.size[0] * job.size[1]
        free = shutil.disk_usage(self.folder).free
        if free < need:
            raise JobFailed(f"The disk of {self.folder} has {free >> 20} MB free and the job may need {need >> 20} MB: free some space.")

    def _is_cancelled(self) -> bool:
        if not self._folder_exists():
            raise JobFailed(f"The job's folder {self.folder} was removed while it ran: start the job again.")
        return self._should_cancel() or (self.folder / CANCEL_FILE).exists()

    def _check_cancelled(self) -> None:
        if self._is_cancelled():
            raise JobCancelled("cancelled")

    def _folder_exists(self) -> bool:
        return (self.folder / JOB_FILE).exists()

    # --- events ---------------------------------------------------------------------------------------------------

    def _relay_event(self, event: Event) -> None:
        """Emit an event of the model. Its progress never decreases, and its remaining time is computed here."""
        if isinstance(event, Progress):
            self._stage = event.stage
            self._fraction = min(max(self._fraction, event.fraction), 1.0)
            remaining = -1.0
            if self._fraction > 0.02:
                remaining = (time.monotonic() - self._begun) * (1 - self._fraction) / self._fraction
            event = replace(event, job=self.name, fraction=self._fraction, remaining=round(remaining, 2))
        elif isinstance(event, Warned):
            event = replace(event, job=self.name)
            self.warnings.append(event.text)
        else:
            raise TypeError(f"a model tells Progress and Warned, not {type(event).__name__}")
        self._emit_event(event)

    def _emit_event(self, event: Event) -> None:
        self._write_event(event)
        self._on_event(event)

    def _write_event(self, event: Event) -> None:
        if self._journal is not None:
            self._journal.write(encode_message(event) + b"\n")


def _describe_failure(name: str, error: BaseException) -> Failed:
    """The Failed event for an exception, with a message for the user. The traceback is in engine.log."""
    if isinstance(error, ShiageError):
        return Failed(name, error.kind, str(error))
    if isinstance(error, ModuleNotFoundError):
        return Failed(
            name, EngineMissing.kind, f"The engine's Python has no module '{error.name}': install the engine again in the preferences."
        )
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "insufficient memory" in str(error).lower():
        text = "The memory did not suffice: choose a smaller size, or close other programs."
    elif isinstance(error, OSError):
        text = f"A file could not be read or written ({error}): check the disk, then start the job again."
    else:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0][:200]
        text = f"The engine stopped unexpectedly ({type(error).__name__}: {reason}): start the job again; details are in {LOG_FILE}."
    return Failed(name, JobFailed.kind, text)


@contextlib.contextmanager
def redirect_output(log: Path) -> Iterator[None]:
    """Append all output of this process, including C libraries and child processes, to a file. A large file is emptied first."""
    with open(log, "ab", buffering=0) as file:
        if file.tell() > LOG_BYTES:
            file.truncate(0)
        saved = [os.dup(handle) for handle in (1, 2)]
        try:
            _flush_streams()
            for handle in (1, 2):
                os.dup2(file.fileno(), handle)
            yield
        finally:
            _flush_streams()
            for handle, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, handle)
                os.close(copy)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a full disk, a closed or missing stream
            stream.flush()
