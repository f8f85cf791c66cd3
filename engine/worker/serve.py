"""The engine process that stays warm next to Blender: `python -m engine serve`. Standard library only until a job needs more.

It reads one JSON line from its stdin, {"port", "token"}, connects to that port of this machine, sends the token, and then handles Run,
Cancel and Quit requests and sends every event. Jobs run in the main thread, one after the other. One thread receives, another sends
heartbeats. When the connection ends, for whatever reason, the running job is cancelled and the process ends. It also ends after a
long idle time if a job left large libraries in memory or a GPU in use: the next job starts a new process.
"""

import contextlib
import ctypes
import gc
import json
import os
import platform
import queue
import socket
import sys
import threading
import time
from pathlib import Path

from .. import VERSION
from ..job.channel import Channel
from ..job.messages import TERMINAL, CancelRequest, Event, Heartbeat, Hello, QuitRequest, RunRequest
from .run import execute_job

BEAT = 1.0  # seconds between heartbeats
GRACE = 10.0  # seconds that a job has to stop when the process must end
REST = 120.0  # idle seconds
HEAVY = 250e6  # bytes; a process with more memory ends after REST


def serve_jobs() -> None:
    """Serve until the connection ends. Raises OSError when it can't connect, ValueError for an invalid first line."""
    hello = json.loads(sys.stdin.readline())
    channel = Channel(socket.create_connection(("127.0.0.1", int(hello["port"])), timeout=10), blocking=True)
    channel.send_line(str(hello["token"]).encode())
    channel.send(Hello(VERSION, platform.python_version(), os.getpid()))
    JobWorker(channel).run()


class JobWorker:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._cancels: dict[str, threading.Event] = {}  # of the jobs that are queued or running
        self._quitting = threading.Event()

    def run(self) -> None:
        for target in (self._receive_requests, self._send_heartbeats):
            threading.Thread(target=target, daemon=True).start()
        while (folder := self._wait_for_job()) is not None:
            cancel = self._cancels[folder]
            execute_job(Path(folder), self._send_event, lambda cancel=cancel: cancel.is_set() or self._quitting.is_set(), name=folder)
            _return_memory()

    def _wait_for_job(self) -> str | None:
        """Wait for the next job; None when the process must end. A job that arrives too late is taken by the next process."""
        while True:
            try:
                return self._queue.get(timeout=REST)
            except queue.Empty:
                if _read_resident_bytes() > HEAVY:
                    return None

    def _send_event(self, event: Event) -> None:
        if isinstance(event, TERMINAL):
            del self._cancels[event.job]  # before sending: afterwards the job may be submitted again
        self._channel.send(event)

    def _receive_requests(self) -> None:
        """In a thread: handle requests until the connection ends."""
        while self._channel.open:
            for request in self._channel.receive():
                if isinstance(request, RunRequest) and request.job not in self._cancels:
                    self._cancels[request.job] = threading.Event()
                    self._queue.put(request.job)
                elif isinstance(request, CancelRequest) and (cancel := self._cancels.get(request.job)):
                    cancel.set()
                elif isinstance(request, QuitRequest):
                    self._channel.close()
        self._quitting.set()
        self._queue.put(None)
        time.sleep(GRACE)
        os._exit(1)  # files of a job are written atomically, so nothing is lost

    def _send_heartbeats(self) -> None:
        """In a thread: send heartbeats until the process ends."""
        while not self._quitting.wait(BEAT):
            self._channel.send(Heartbeat(_read_resident_bytes()))


def _return_memory() -> None:
    """Return a job's memory to the system. Otherwise glibc keeps about 200 MB after 1920 x 1080 pictures."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _read_resident_bytes() -> int:
    """This process's resident memory in bytes, 0 where the system does not provide it cheaply."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
