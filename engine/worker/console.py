"""Runs a job for the shell: progress on stderr, JSON lines on stdout, Ctrl-C and SIGTERM cancel."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ..job.errors import BadInput, EngineMissing, JobCancelled, JobFailed
from ..job.messages import Done, Event, Failed, Progress, Started, Warned, encode_message
from .run import execute_job

EXIT_CODES = {error.kind: error.exit_code for error in (BadInput, EngineMissing, JobFailed, JobCancelled)}


def run_job(folder: Path, as_json: bool) -> int:
    """Run a job and print its events. Returns the exit code."""
    with _duplicate_streams() as (out, err), _watch_signals() as cancelled:
        show = _make_json_printer(out) if as_json else Console(err)
        end = execute_job(folder, show, cancelled)
    if isinstance(end, Done):
        return 0
    return EXIT_CODES.get(end.kind, JobFailed.exit_code) if isinstance(end, Failed) else JobCancelled.exit_code


class Console:
    """Prints events as text: on a terminal one line that is rewritten in place, elsewhere a line for every 10 %."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rewrites = stream.isatty()
        self._shown = -1.0
        self._begun = time.monotonic()

    def __call__(self, event: Event) -> None:
        match event:
            case Started():
                self._print_line(f"{event.pictures} pictures with {event.model}" if event.model else "")
            case Progress():
                self._show_progress(event)
            case Warned():
                self._print_line(f"warning: {event.text}")
            case Done():
                self._print_line(f"Done in {time.monotonic() - self._begun:.1f} s: {event.summary}")
            case Failed():
                self._print_line(f"error: {event.text}")
            case _ if event.TYPE == "cancelled":
                self._print_line("Cancelled; finished pictures are kept.")

    def _show_progress(self, event: Progress) -> None:
        if not self._rewrites and event.fraction < min(self._shown + 0.1, 1.0):
            return
        self._shown = event.fraction
        filled = round(event.fraction * 24)
        left = f"{event.remaining:5.0f} s left" if event.remaining >= 0 else ""
        line = f"[{'#' * filled}{'.' * (24 - filled)}] {event.fraction:4.0%}  {event.stage} {left}"
        self._write_text(f"\r{line[:110]:<110}" if self._rewrites else line.rstrip() + "\n")

    def _print_line(self, text: str) -> None:
        if text:
            self._write_text(f"\r{text:<110}\n" if self._rewrites else text + "\n")

    def _write_text(self, text: str) -> None:
        write_text(self._stream, text)


def _make_json_printer(stream: TextIO):
    return lambda event: write_text(stream, encode_message(event).decode("ascii") + "\n")


def write_text(stream: TextIO, text: str) -> None:
    """Write and flush. A reader that has gone away (`| head`) does not stop the job."""
    try:
        stream.write(text)
        stream.flush()
    except (BrokenPipeError, ValueError):
        pass


@contextmanager
def _duplicate_streams() -> Iterator[tuple[TextIO, TextIO]]:
    """Yields copies of stdout and stderr, because a running job redirects the process's own to engine.log."""
    streams = [os.fdopen(os.dup(handle), "w", encoding="utf-8", errors="replace") for handle in (1, 2)]
    try:
        yield streams[0], streams[1]
    finally:
        for stream in streams:
            try:
                stream.close()
            except OSError:  # again a reader that has gone away
                pass


@contextmanager
def _watch_signals():
    """Yields `should_cancel`. The first signal cancels, the second interrupts at once."""
    signals = []

    def on_signal(number: int, frame: object) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)

    saved = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(signals)
    finally:
        for number, handler in saved.items():
            signal.signal(number, handler)
