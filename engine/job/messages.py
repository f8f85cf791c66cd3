"""The engine's events, and the requests that it receives. JSON objects; standard library only.

Each class below is one message: `type` in JSON is its `TYPE`, the other keys are its fields. Events go from the engine to the
caller. They are appended to events.jsonl as they happen, and sent over the connection. Requests go from the caller to the engine,
over the connection only. A job's events begin with one Started and end with exactly one of Done, Failed, Cancelled.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import ClassVar


@dataclass(frozen=True)
class Hello:
    """Event, once per connection: the engine is ready."""

    TYPE: ClassVar[str] = "hello"
    version: str
    python: str
    pid: int


@dataclass(frozen=True)
class Heartbeat:
    """Event, about once a second: the engine is alive. `rss` is its resident memory in bytes, 0 if unknown."""

    TYPE: ClassVar[str] = "heartbeat"
    rss: int = 0


@dataclass(frozen=True)
class Started:
    """Event: the engine starts a job. `job` is the job folder, here and in all events of a job."""

    TYPE: ClassVar[str] = "started"
    job: str
    model: str = ""
    pictures: int = 0


@dataclass(frozen=True)
class Progress:
    """Event: `fraction` of the whole job, 0..1, never decreasing; `remaining` seconds, negative while unknown."""

    TYPE: ClassVar[str] = "progress"
    job: str
    stage: str
    fraction: float
    remaining: float = -1.0


@dataclass(frozen=True)
class FrameDone:
    """Event: a picture is finished. `reused`: an earlier run made it, and nothing changed."""

    TYPE: ClassVar[str] = "frame"
    job: str
    frame: int
    file: str
    reused: bool = False


@dataclass(frozen=True)
class Warned:
    """Event: something that the user should check; the job continues. One sentence."""

    TYPE: ClassVar[str] = "warning"
    job: str
    text: str
    frame: int | None = None


@dataclass(frozen=True)
class Done:
    """Terminal event: all pictures are finished. `summary` is one sentence, the details are in result.json."""

    TYPE: ClassVar[str] = "done"
    job: str
    summary: str = ""


@dataclass(frozen=True)
class Failed:
    """Terminal event: `kind` as in `engine.job.errors`, `text` one sentence that says what happened and what to do."""

    TYPE: ClassVar[str] = "failed"
    job: str
    kind: str
    text: str


@dataclass(frozen=True)
class Cancelled:
    """Terminal event: the user cancelled; finished pictures are kept."""

    TYPE: ClassVar[str] = "cancelled"
    job: str


@dataclass(frozen=True)
class RunRequest:
    """Request: run the job in this folder, after those already requested."""

    TYPE: ClassVar[str] = "run"
    job: str


@dataclass(frozen=True)
class CancelRequest:
    """Request: stop this job, or remove it from the queue."""

    TYPE: ClassVar[str] = "cancel"
    job: str


@dataclass(frozen=True)
class QuitRequest:
    """Request: stop the running job and exit."""

    TYPE: ClassVar[str] = "quit"


Event = Hello | Heartbeat | Started | Progress | FrameDone | Warned | Done | Failed | Cancelled
Request = RunRequest | CancelRequest | QuitRequest
TERMINAL = (Done, Failed, Cancelled)
_CLASSES = {
    cls.TYPE: cls
    for cls in (Hello, Heartbeat, Started, Progress, FrameDone, Warned, Done, Failed, Cancelled, RunRequest, CancelRequest, QuitRequest)
}


def encode_message(message: Event | Request) -> bytes:
    return json.dumps({"type": message.TYPE, **asdict(message)}, ensure_ascii=True).encode("ascii")


def decode_message(data: bytes | str) -> Event | Request:
    """The inverse of `encode_message`. Unknown keys are ignored, so that a newer engine may send more. Raises ValueError."""
    raw = json.loads(data)
    if not isinstance(raw, dict) or raw.get("type") not in _CLASSES:
        raise ValueError(f"not a message: {data!r:.200}")
    cls = _CLASSES[raw["type"]]
    known = {f.name for f in fields(cls)}
    try:
        return cls(**{k: v for k, v in raw.items() if k in known})
    except TypeError as error:
        raise ValueError(f"incomplete message: {error}") from error
