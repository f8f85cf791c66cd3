"""A model for the tests of the process: no libraries, a few bytes for a picture, and faults on demand."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.job import list_pictures
from engine.job.errors import BadInput, JobCancelled
from engine.job.files import write_atomic
from engine.job.messages import Progress, Warned
from engine.models import Picture


def load(device):
    return Tiny()


class Tiny:
    def run(self, job, folder, on_event, should_cancel):
        todo = list_pictures(job)
        for index, file in enumerate(todo.values()):
            if job.options["act"] and job.options["at"] == index:
                _ACTS[job.options["act"]](on_event)
            reused = (folder / file).exists()
            end = time.monotonic() + (0 if reused else job.options["pause"])
            while time.monotonic() < end:
                if should_cancel():
                    raise JobCancelled("cancelled")
                time.sleep(0.01)
            if not reused:
                write_atomic(folder / file, b"picture %d" % index)
            on_event(Progress("", "Painting", (index + 1) / len(todo)))
            if job.options["act"] == "leave one out" and job.options["at"] == index:
                continue
            yield Picture(frame=int(Path(file).stem), file=file, reused=reused, regions=2, unknown=1)


def _raise(error):
    raise error


def _import():
    import no_such_module  # noqa: F401  # pyright: ignore[reportMissingImports]


def _print():
    print('{"type": "done", "job": "x"}', flush=True)
    print("a library said this", file=sys.stderr, flush=True)
    os.write(1, b"a C library said this\n")
    subprocess.run(["echo", "a child said this"], check=True)


def _fill_disk():
    with open("/dev/full", "wb", buffering=0) as file:
        file.write(b"x")


def _limit_files():
    """From here on this process can write to no file, as if every disk were full."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


_ACTS = {
    "leave one out": lambda on_event: None,
    "raise": lambda on_event: _raise(ZeroDivisionError("by zero")),
    "raise in lines": lambda on_event: _raise(RuntimeError("first line\nsecond line")),
    "bad input": lambda on_event: _raise(BadInput("The reference is empty: choose another picture.")),
    "memory": lambda on_event: _raise(MemoryError()),
    "exit": lambda on_event: sys.exit("gone"),
    "import": lambda on_event: _import(),
    "print": lambda on_event: _print(),
    "fill disk": lambda on_event: _fill_disk(),
    "limit files": lambda on_event: _limit_files(),
    "deaf": lambda on_event: time.sleep(3600),
    "die": lambda on_event: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda on_event: os.kill(os.getpid(), signal.SIGSTOP),
    "warn": lambda on_event: on_event(Warned("", "Look at frame 1.", 1)),
    "fall back": lambda on_event: on_event(Progress("", "Again", 0.0)),
}
