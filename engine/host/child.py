"""A child process of Blender that writes its events to a file. It is polled from a timer, and can be cancelled at any time. Standard
library only."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..job.errors import JobFailed
from ..job.messages import TERMINAL, Cancelled, Event, Failed, decode_message, encode_message

# A child of Blender that opens no window and does not receive Ctrl-C from Blender's terminal.
DETACHED: Mapping = {"creationflags": 0x08000000} if os.name == "nt" else {"start_new_session": True}


class ChildProcess:
    """A running process, which ends with this one. Its events, the last of them terminal, are lines of the file `events`. Its output goes
    to the file `log`. `name` is the job of its events, `what` its name in messages to the user."""

    def __init__(self, command: Sequence[object], events: Path, log: Path, variables: Mapping[str, str], name: str, what: str) -> None:
        """Start the process. Raises OSError."""
        self.events, self.log = events, log
        self.running = True
        self._name, self._what = name, what
        self._offset = 0
        self._held: list[Event] = []  # the terminal event, until the process has exited
        events.unlink(missing_ok=True)
        with open(log, "wb") as file:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                cwd=log.parent,
                env=dict(variables),
                **DETACHED,
            )

    def poll(self) -> list[Event]:
        """The events since the last call; the terminal event once the process has exited. Never waits."""
        if not self.running:
            return []
        code = self._process.poll()  # before reading, so that the last events are not missed
        events = self._held + self._read_events()
        ended = bool(events) and isinstance(events[-1], TERMINAL)
        self._held = [events.pop()] if ended and code is None else []
        if code is not None:
            self.running = False
            if not ended:
                events.append(Failed(self._name, JobFailed.kind, f"{self._what} broke off ({code}): start it again; see {self.log}."))
        return events

    def _read_events(self) -> list[Event]:
        try:
            with open(self.events, "rb") as file:
                file.seek(self._offset)
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offset += len(whole) + len(end)
        return [decode_message(line) for line in whole.splitlines()]  # type: ignore[misc]  # such a child writes events only

    def cancel(self) -> list[Event]:
        """Kill the process and everything that it started. Returns the remaining events, the last of them terminal."""
        if not self.running:
            return []
        kill_tree(self._process)
        events = self._held + self._read_events()
        self.running = False
        if not (events and isinstance(events[-1], TERMINAL)):
            events.append(Cancelled(self._name))
        return events


def kill_tree(process: subprocess.Popen) -> None:
    """Kill a process that was started with DETACHED, and everything that it started."""
    if process.poll() is None:
        kill_group(process.pid)
        process.wait(10)
    if process.stdin:
        process.stdin.close()


def kill_group(pid: int) -> None:
    if os.name == "nt":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(pid)], capture_output=True, check=False, **DETACHED)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


# --- in the child -------------------------------------------------------------------------------------------------


def write_event(events: Path, event: Event) -> None:
    """Append an event to the file that `ChildProcess` reads."""
    with open(events, "ab", buffering=0) as file:
        file.write(encode_message(event) + b"\n")


def end_with_parent() -> None:
    """Kill this process and everything that it started as soon as its stdin closes: when it is cancelled, or its parent is gone."""

    def wait_for_stdin() -> None:
        while os.read(0, 4096):  # not sys.stdin: if a thread holds its lock, Python aborts on exit
            pass
        kill_group(os.getpid())

    threading.Thread(target=wait_for_stdin, daemon=True).start()
