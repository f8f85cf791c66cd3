"""The engine process that stays warm beside Blender: `python -m engine serve`. Standard library only until a job needs more.

It reads one JSON line from its stdin, {"port", "token"}, connects to that port of this machine, proves itself with the token, and
then takes Run, Cancel and Quit and tells every event. Jobs run in the main thread, one after the other; a thread receives, another
is the heartbeat. When the connection ends, however the other side ended, what runs is cancelled and the process ends. It also ends
by itself after a long rest when a job left large libraries in it, or a card in use: the next job finds a new one.
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
GRACE = 10.0  # seconds that a job has to notice that the process is to end
REST = 120.0  # seconds without a job
HEAVY = 250e6  # bytes; with more than that in memory the process does not rest for longer


def serve_jobs() -> None:
    """Serve until the connection ends. Raises OSError when there is nobody to connect to, ValueError for a wrong first line."""
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
        """Wait for the next job; None when the process is to end. A job that comes too late for it is given to the next one."""
        while True:
            try:
                return self._queue.get(timeout=REST)
            except queue.Empty:
                if _read_resident_bytes() > HEAVY:
                    return None

    def _send_event(self, event: Event) -> None:
        if isinstance(event, TERMINAL):
            del self._cancels[event.job]  # before it is told: from then on the job may be asked for again
        self._channel.send(event)

    def _receive_requests(self) -> None:
        """In a thread: take requests until the connection ends."""
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
        os._exit(1)  # every file of a job is there whole or not at all, so nothing is lost

    def _send_heartbeats(self) -> None:
        """In a thread: show that the process is alive, until it ends."""
        while not self._quitting.wait(BEAT):
            self._channel.send(Heartbeat(_read_resident_bytes()))


def _return_memory() -> None:
    """Hand what a job held back to the system; glibc keeps some 200 MB of 1920 x 1080 pictures otherwise."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _read_resident_bytes() -> int:
    """This process's resident memory in bytes, 0 where the system does not say it cheaply."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
