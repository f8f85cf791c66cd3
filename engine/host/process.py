"""One engine process, as seen from Blender: start, connection, heartbeats, end. Standard library only."""

import contextlib
import json
import secrets
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ..job.channel import Channel
from ..job.errors import EngineMissing, JobFailed
from ..job.messages import Cancelled, Done, Failed, FrameDone, Hello, Progress, QuitRequest, Request, Started, Warned
from . import environment
from .child import DETACHED

LOG_NAME = "worker.log"
_LOG_BYTES = 1 << 20
JobEvent = Started | Progress | FrameDone | Warned | Done | Failed | Cancelled


class EngineProcess:
    """One `python -m engine serve` and the connection to it. Raises EngineMissing when there is no such Python, JobFailed when its log
    can't be written. Nothing here waits for it, except `stop`.
    """

    def __init__(self, python: Path, log_folder: Path, models: Sequence[Path]) -> None:
        self.greeted = False  # its Hello has arrived
        self.used = False  # a job has ended in it
        self._channel: Channel | None = None
        self._strangers: list[Channel] = []  # connections that have not shown the token yet
        self._token = secrets.token_hex(32).encode()
        self._polled = time.monotonic()
        self._silent = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        try:
            self._log = log_folder / LOG_NAME
            log_folder.mkdir(parents=True, exist_ok=True)
            with open(self._log, "ab") as log:
                if log.tell() > _LOG_BYTES:
                    log.truncate(0)
                self._log_start = log.tell()
                self._process = self._spawn_process(python, log_folder, models, log)
        except OSError as error:
            self._listener.close()
            if isinstance(error, FileNotFoundError | PermissionError) and error.filename == str(python):
                text = f"There is no engine at {python}: install it, or choose another Python, in the preferences."
                raise EngineMissing(text) from error
            raise JobFailed(f"The engine can't be started ({error}): check the disk and the preferences.") from error
        first = {"port": self._listener.getsockname()[1], "token": self._token.decode()}
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError), stdin:  # it may have exited already, which `fault` detects
            stdin.write(json.dumps(first).encode() + b"\n")

    def _spawn_process(self, python: Path, log_folder: Path, models: Sequence[Path], log) -> subprocess.Popen:
        return subprocess.Popen(
            [str(python), "-m", environment.PACKAGE, "serve", *(part for folder in models for part in ("--models", str(folder)))],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=log_folder,
            env=environment.build_process_environment(log_folder),
            **DETACHED,
        )

    def send(self, request: Request) -> None:
        if self._channel is not None:
            self._channel.send(request)

    def receive(self) -> list[JobEvent]:
        now = time.monotonic()
        self._silent += min(now - self._polled, 1.0)  # time in which Blender or the machine slept does not count
        self._polled = now
        if self._channel is None:
            return self._accept_connection()
        messages = self._channel.receive()
        if messages:
            self._silent = 0.0
        self.greeted = self.greeted or any(isinstance(message, Hello) for message in messages)
        return [message for message in messages if isinstance(message, JobEvent)]

    def _accept_connection(self) -> list[JobEvent]:
        """Accept the connection that shows the token, and close others."""
        with contextlib.suppress(OSError):  # no connection
            while True:
                self._strangers.append(Channel(self._listener.accept()[0], blocking=False))
        for channel in list(self._strangers):
            line = channel.receive_line()
            if line is not None and secrets.compare_digest(line, self._token):
                self._channel = channel
                self._strangers.remove(channel)
                self._close_listener()
                return self.receive()
            if line is not None or not channel.open:
                channel.close()
                self._strangers.remove(channel)
        return []

    def fault(self, silence: float) -> Failed | None:
        """The failure of the process, for the affected job; None while it works."""
        code = self._process.poll()
        if code is None and self._silent <= silence and (self._channel is None or self._channel.open):
            return None
        if not self.greeted:
            if code is None:
                return Failed("", EngineMissing.kind, f"The engine did not start within {silence:.0f} s: see {self._log}.")
            return Failed(
                "", EngineMissing.kind, f"The engine can't start ({self._read_last_line()}): install it again in the preferences."
            )
        if code is None and self._silent > silence:
            return Failed("", JobFailed.kind, f"The engine gave no sign of life for {silence:.0f} s and was ended: start the job again.")
        return Failed("", JobFailed.kind, f"The engine died{_describe_exit(code)}: start the job again, finished pictures are kept.")

    def _read_last_line(self) -> str:
        with contextlib.suppress(OSError), open(self._log, "rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode("utf-8", "replace").split("\n")
            return next((line.strip().rstrip(".")[:200] for line in reversed(lines) if line.strip()), f"see {self._log}")
        return f"see {self._log}"

    def stop(self, patience: float) -> None:
        """Ask the process to quit, and kill it after `patience` seconds."""
        self.send(QuitRequest())
        for channel in (self._channel, *self._strangers):
            if channel is not None:
                channel.close()
        self._close_listener()
        try:
            self._process.wait(patience if self.greeted else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in a system call, for instance on a dead network disk
                self._process.wait(0.5)

    def _close_listener(self) -> None:
        self._listener.close()
        for channel in self._strangers:
            channel.close()
        self._strangers.clear()


def _describe_exit(code: int | None) -> str:
    if code is None:
        return ""
    if code == -9:
        return " (killed, perhaps for want of memory)"
    return f" (signal {-code})" if code < 0 else f" (exit code {code})"
