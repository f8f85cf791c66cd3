"""A model for the tests of the process: no libraries, one grey pixel a picture, and faults on demand."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.errors import BadInput, Cancelled
from engine.job import pictures, write_atomic
from engine.messages import Progress, Warned
from engine.models import Picture


def load(device):
    return Tiny()


class Tiny:
    def run(self, job, folder, on_event, should_cancel):
        todo = pictures(job)
        for index, file in enumerate(todo.values()):
            begun = time.monotonic()
            if job.options["act"] and job.options["at"] == index:
                _act(job.options["act"], folder, on_event)
            while time.monotonic() - begun < job.options["pause"]:
                if should_cancel():
                    raise Cancelled("cancelled")
                time.sleep(0.01)
            reused = (folder / file).exists()
            if not reused:
                write_atomic(folder / file, b"picture %d" % index)
            on_event(Progress("", "Painting", (index + 1) / len(todo)))
            yield Picture(frame=int(Path(file).stem), file=file, reused=reused, regions=2, unknown=1)


def _act(act, folder, on_event):
    if act == "raise":
        raise ZeroDivisionError("by zero")
    elif act == "bad input":
        raise BadInput("The reference is empty: choose another picture.")
    elif act == "memory":
        raise MemoryError
    elif act == "exit":
        sys.exit("gone")
    elif act == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif act == "deaf":
        time.sleep(3600)
    elif act == "import":
        import no_such_module  # noqa: F401  # pyright: ignore[reportMissingImports]
    elif act == "print":
        print('{"type": "done", "job": "x"}', flush=True)
        print("a library said this", file=sys.stderr, flush=True)
        os.write(1, b"a C library said this\n")
        subprocess.run(["echo", "a child said this"], check=True)
    elif act == "warn":
        on_event(Warned("", "Look at frame 1.", 1))
    elif act == "full":
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"x")
    elif act == "link full":
        (folder / "frames").mkdir(exist_ok=True)
    else:
        raise AssertionError(f"no such act: {act}")
