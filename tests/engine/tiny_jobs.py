"""Job folders for the model `tiny`, and what the tests of the process ask of processes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from engine import job as jobs
from engine.cli import main
from engine.job.messages import TERMINAL, Started, decode_message

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(__file__).resolve().parent / "models"
ODD_NAMES = ("with space", 'it\'s "quoted"', "emoji 😀 仕上げ", "-dash", "a" * 100 + "/" + "b" * 120)


def make(folder: Path, pictures: int = 4, model: str = "tiny", device: str = "auto", **options) -> Path:
    """A job of so many drawings; the options are those of the model `tiny`."""
    drawings = tuple(jobs.Drawing(f"{i:016x}", 0, "raster", f"sketches/{i}.png") for i in range(pictures))
    frames = tuple(jobs.Exposure(i, 1, (drawing.id,)) for i, drawing in enumerate(drawings))
    folder.mkdir(parents=True, exist_ok=True)
    jobs.save_job(jobs.Job("colorize", model, (8, 8), (jobs.Cel("all", ()),), drawings, frames, device=device, options=options), folder)
    return folder


def journal(folder: Path) -> list:
    """The events in events.jsonl."""
    return [decode_message(line) for line in (folder / jobs.EVENTS_FILE).read_bytes().splitlines()]


def well_formed(events: list) -> bool:
    """Whether they begin with the one Started and close with the one terminal event."""
    started = [isinstance(event, Started) for event in events]
    terminal = [isinstance(event, TERMINAL) for event in events]
    return started == [True] + [False] * (len(events) - 1) and terminal == [False] * (len(events) - 1) + [True]


def engine(*arguments: object, **options) -> subprocess.Popen:
    """`python -m engine …` from the root of the repository, its output in pipes."""
    command = [sys.executable, "-m", "engine", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", **options)


def call_engine(*arguments: object) -> int:
    """The exit status of `python -m engine …`, run in this process: to import its libraries again takes longer than a tiny job."""
    return main([str(argument) for argument in arguments])


def killed_at(folder: Path, stage: str, count: int) -> int:
    """Run a job by a process of its own, kill it once it has told that many steps of a stage, and say how many it has told by then."""

    def steps() -> int:
        events = folder / jobs.EVENTS_FILE
        return events.read_text("utf-8").count(f'"{stage}"') if events.is_file() else 0

    process = engine("run", folder)
    until(lambda: steps() >= count or process.poll() is not None, 120, pause=0.002)
    process.kill()
    process.wait(10)
    return steps()


def owner(folder: Path) -> int:
    """The process that works on a job folder, once it does."""
    until(lambda: (folder / "lock").is_file() and (folder / "lock").read_text())
    return int((folder / "lock").read_text())


def until(condition, seconds: float = 60, pause: float = 0.01) -> None:
    """Wait for a condition to come true; fail after a time that is far beyond what it can take."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(pause)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def result(folder: Path) -> dict:
    return json.loads((folder / jobs.RESULT_FILE).read_text("utf-8"))


def exists(folder: Path, index: int) -> bool:
    return os.path.exists(folder / "frames" / jobs.format_frame_name(index))
