"""The engine of this Blender session: the jobs that were asked of it, and the one timer that listens to it.

Nothing here keeps .blend data: a job knows its scene by number and by name, and looks it up when it is needed. Whatever
happens to the file meanwhile, the job goes on, and what it made can be imported later.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import bpy

from .. import __package__ as EXTENSION
from ..engine import job as jobs
from ..engine.host import environment
from ..engine.host.client import EngineClient, JobState
from ..engine.job import messages
from ..engine.job.files import identify_folder
from ..engine.job.messages import TERMINAL, Done, Event

INTERVAL = 0.1  # seconds between two looks at the engine
REDRAW = 0.25  # seconds between two redraws of the sidebar, at least
STOPPED = "stopped"  # the state of a job of an earlier session that never ended


@dataclass(frozen=True)
class SceneOrigin:
    """The scene that a job was made from, as it can be found again: by session_uid, or by name in the same file."""

    uid: int
    name: str
    blend: str

    @classmethod
    def from_scene(cls, scene: bpy.types.Scene) -> "SceneOrigin":
        return cls(scene.session_uid, scene.name, bpy.data.filepath)

    def scene(self) -> bpy.types.Scene | None:
        """The scene, renamed or not, also after an undo or when its file was opened again; None when it isn't there."""
        for scene in bpy.data.scenes:
            if scene.session_uid == self.uid:
                return scene
        return bpy.data.scenes.get(self.name) if self.blend and self.blend == bpy.data.filepath else None


@dataclass(frozen=True)
class PictureNote:
    """What to look at in one picture: `unknown` regions are unpainted for doubt, `leaks` wide gaps are in its lines; `text` says more."""

    frame: int
    unknown: int = 0
    leaks: int = 0
    text: str = ""


@dataclass
class JobEntry:
    """One job as the Jobs panel shows it."""

    job: JobState
    origin: SceneOrigin
    destination: str
    warnings: tuple[str, ...] = ()  # about the whole shot
    notes: list[PictureNote] = field(default_factory=list)
    pictures: int = 0  # that are in place, once the job has ended
    wants_import: bool = False  # by itself, as soon as that disturbs nobody
    remark: str = ""  # one sentence about the import
    task: str = "colorize"

    @property
    def folder(self) -> Path:
        return Path(self.job.folder)

    @property
    def live(self) -> bool:
        return self.job.state in ("queued", "running")


entries: list[JobEntry] = []  # newest first
on_tick: list[Callable[[], bool]] = []  # called on each tick; one that returns True asks for the next
_engine: EngineClient | None = None
_python: Path | None = None  # the engine's
_redrawn = 0.0


def get_preferences():
    return bpy.context.preferences.addons[EXTENSION].preferences


def user_folder(name: str) -> Path:
    """A folder of the extension's own, outside the extension."""
    return Path(bpy.utils.extension_path_user(EXTENSION, path=name, create=True))


def engine_python() -> Path:
    return environment.locate_python(user_folder("engine"), bpy.path.abspath(get_preferences().engine_python))


@functools.lru_cache(maxsize=1024)  # the disk is asked once for each folder, and not whenever a panel is drawn
def _key(folder: str | Path) -> str:
    return identify_folder(folder)


def find_entry(folder: str | Path) -> JobEntry | None:
    """The job of a folder, however its path is written."""
    return next((entry for entry in entries if _key(entry.folder) == _key(folder)), None)


def find_running(scene: bpy.types.Scene, task: str) -> JobEntry | None:
    """The job that does a task for a scene now, or waits to."""
    return next((entry for entry in entries if entry.live and entry.task == task and entry.origin.scene() == scene), None)


def submit_job(entry: JobEntry) -> None:
    """Ask the engine for a job; an ended one of the same folder makes room. Raises EngineMissing, or BadInput while it runs."""
    global _engine, _python
    python = engine_python()
    if _engine is not None and _python != python and not _engine.busy:
        _engine.close()
        _engine = None
    if _engine is None:
        _engine, _python = EngineClient(python, user_folder("engine")), python
    entry.job = _engine.submit(entry.folder, entry.job.title)
    entry.notes, entry.pictures, entry.wants_import, entry.remark = [], 0, False, ""
    entries[:] = [entry, *(other for other in entries if _key(other.folder) != _key(entry.folder))]
    wake_timer()


def cancel_job(entry: JobEntry) -> None:
    """Stop a job, or take it out of the queue; finished pictures stay."""
    if _engine is not None and entry.live:
        _engine.cancel(entry.folder)
        entry.job = _engine.state(entry.folder) or entry.job


def poll_engine() -> bool:
    """Take in what the engine told since the last time; True when there was something that a person may see."""
    if _engine is None:
        return False
    events = _engine.poll()
    for folder, event in events:
        _handle_event(folder, event)
    for entry in entries:
        if entry.job.state == "queued":  # its place in the queue changes without an event
            entry.job = _engine.state(entry.folder) or entry.job
    return bool(events)


def wait_for_job(entry: JobEntry, on_change: Callable[[JobEntry], None]) -> None:
    """Block until a job has ended, for background mode, where no timer ever fires. A KeyboardInterrupt cancels the job."""

    def on_event(event: Event) -> None:
        _handle_event(entry.folder, event)
        on_change(entry)

    if _engine is not None and entry.live:
        entry.job = _engine.wait(entry.folder, on_event)


def _handle_event(folder: str | Path, event: Event) -> None:
    entry = find_entry(folder)
    if entry is None or _engine is None:
        return
    entry.job = _engine.state(folder) or entry.job
    if isinstance(event, TERMINAL):
        read_result(entry)
        entry.wants_import = isinstance(event, Done)


def read_result(entry: JobEntry) -> dict:
    """Take what a person should look at from the job's folder; returns its result, empty where there is none."""
    result = jobs.read_result(entry.folder) or {}
    warned = _read_warnings(entry.folder)
    pictures = result.get("pictures", [])
    entry.pictures = len(pictures)
    entry.warnings += tuple(text for frame, text in warned if frame is None and text not in entry.warnings)
    notes = {p["frame"]: PictureNote(p["frame"], p["unknown"], p["leaks"]) for p in pictures if p["unknown"] or p["leaks"]}
    for frame, text in warned:
        if frame is not None:
            note = notes.get(frame, PictureNote(frame))
            notes[frame] = replace(note, text=f"{note.text} {text}".strip())
    entry.notes = [notes[frame] for frame in sorted(notes)]
    return result


def _read_warnings(folder: Path) -> list[tuple[int | None, str]]:
    """The warnings of the last run, each with its frame if it is about one."""
    try:
        events = [messages.decode_message(line) for line in (folder / jobs.EVENTS_FILE).read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        return []  # nothing was told, or the folder was meddled with: neither keeps the pictures from being imported
    return [(event.frame, event.text) for event in events if isinstance(event, messages.Warned)]


def discover_job(folder: Path, origin: SceneOrigin, destination: str, task: str) -> None:
    """List the job that an earlier session left in a folder: what it made can still be imported, or the job resumed."""
    if find_entry(folder) is not None or not (folder / jobs.JOB_FILE).is_file():
        return
    entry = JobEntry(JobState(str(folder), origin.name, STOPPED), origin, destination, task=task)
    result = read_result(entry)
    entry.job = replace(
        entry.job,
        state=result.get("status", STOPPED),
        text=result.get("text", "") or "It did not end: Retry goes on where it stopped.",
    )
    entries.append(entry)


def forget_ended_jobs() -> None:
    """Take the jobs that ended out of the list; their folders stay."""
    for entry in [entry for entry in entries if not entry.live]:
        entries.remove(entry)
        if _engine is not None:
            _engine.forget(entry.folder)


def close_engine() -> None:
    """End the engine. What it was doing can be taken up again from the job's folder."""
    global _engine
    if bpy.app.timers.is_registered(_poll_on_timer):
        bpy.app.timers.unregister(_poll_on_timer)
    if _engine is not None:
        _engine.close()
        poll_engine()
        _engine = None


# --- the timer ----------------------------------------------------------------------------------------------------


def wake_timer() -> None:
    """See to it that the timer runs. In background mode no timer fires: `wait` listens there."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_poll_on_timer):
        bpy.app.timers.register(_poll_on_timer, first_interval=INTERVAL, persistent=True)


def _poll_on_timer() -> float | None:
    changed = poll_engine()
    again = any(entry.live for entry in entries)
    for function in on_tick:
        again = function() or again
    if changed or not again:
        redraw_sidebars(at_once=not again)
    return INTERVAL if again else None


def redraw_sidebars(at_once: bool = False) -> None:
    """Redraw the sidebars that can show Shiage, and the preferences; never a viewport."""
    global _redrawn
    if not at_once and time.monotonic() - _redrawn < REDRAW:
        return
    _redrawn = time.monotonic()
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "SEQUENCE_EDITOR"}:
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
            elif area.type == "PREFERENCES":
                area.tag_redraw()
