"""`make bench`: measures what docs/benchmarks.md states, and prints it as its table.

.venv/engine/bin/python tools/bench.py

The demo shot is built once, in out/bench. The numbers of the window need a real Blender and are left out where there is none.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import blender
import environments
import make_zip
import psutil

ROOT = environments.ROOT
sys.path.insert(0, str(ROOT))

from engine import job as jobs  # noqa: E402
from engine.client import Engine  # noqa: E402
from engine.messages import TERMINAL  # noqa: E402

OUT = ROOT / "out" / "bench"
BPY = [environments.ENVIRONMENTS["bpy-5.2"].executable, ROOT / "tools" / "bpy_blender.py", "-b"]


def main() -> None:
    rows = [*scene(), *engine(), *window()]
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    print(f"\n{os.cpu_count()} cores, {cpu}, Python {platform.python_version()}\n")
    print("| what | measured | wanted |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def scene() -> Iterator[tuple[str, str, str]]:
    """Reading drawings, in Blender."""
    OUT.mkdir(parents=True, exist_ok=True)
    surroundings = {**os.environ, "BLENDER_USER_RESOURCES": str(OUT / "blender")}
    if not (OUT / "shot.blend").exists():
        _run([*BPY, "--python", ROOT / "demo" / "build.py", "--", "--out", OUT], surroundings)
    shutil.rmtree(OUT / "job", ignore_errors=True)
    _run([*BPY, OUT / "shot.blend", "--python", ROOT / "tools" / "bench_scene.py", "--", OUT], surroundings)
    numbers = json.loads((OUT / "scene.json").read_text("utf-8"))
    yield "extraction of a drawing, 500 points", f"{numbers['extraction_500']:.2f} ms", "≤ 2 ms"
    yield "extraction of a drawing, 100,000 points", f"{numbers['extraction_100000']:.1f} ms", "≤ 80 ms"
    yield f"gathering the demo shot, {numbers['frames']} frames", f"{numbers['gather']:.2f} s", ""


def engine() -> Iterator[tuple[str, str, str]]:
    """The engine process: how soon it answers, how fast it paints, how much it holds."""
    folder = OUT / "job"
    cold, warm, idle, rested, rates = [], [], [], [], []
    for _ in range(3):
        _forget_pictures(folder)
        with tempfile.TemporaryDirectory() as log:
            worker = Engine(Path(sys.executable), Path(log))
            worker.start()
            time.sleep(2)
            idle.append(_resident())
            worker.close()
            first, last = _job(worker, folder)
            cold.append(first)
            rates.append(len(jobs.load(folder).drawings) / last)
            warm += [_job(worker, folder)[0] for _ in range(3)]  # every picture is there: nothing but the way is measured
            rested.append(_resident())
            worker.close()
    job = jobs.load(folder)
    yield "first event, cold worker", f"{statistics.median(cold):.2f} s", "≤ 3 s"
    yield "first event, warm worker", f"{statistics.median(warm):.3f} s", "≤ 0.1 s"
    yield (
        f"Flats, {len(job.drawings)} drawings at {job.size[0]}×{job.size[1]}, from cold",
        f"{statistics.median(rates):.2f} drawings/s",
        "≥ 2",
    )
    yield "engine before its first job", f"{statistics.median(idle):.0f} MB", "≤ 300 MB"
    yield "engine at rest after the job", f"{statistics.median(rested):.0f} MB", "≤ 300 MB"


def window() -> Iterator[tuple[str, str, str]]:
    """Blender's timer callback while a job runs in its window."""
    command = blender.find()
    if command is None:
        print("No Blender: the numbers of the window are left out.", file=sys.stderr)
        return
    surroundings = blender.surroundings(
        command,
        BLENDER=" ".join(command),
        BLENDER_USER_RESOURCES=str(OUT / "window"),
        SHIAGE_ENGINE_PYTHON=str(blender.engine_python(command, OUT)),
        SHIAGE_BENCH=str(OUT),
        LIMIT="900",
    )
    (OUT / "window").mkdir(exist_ok=True)
    package = make_zip.make_zip(OUT)
    _run([*command, "--command", "extension", "install-file", "-r", "user_default", "-e", package], surroundings)
    shutil.rmtree(OUT / "shiage", ignore_errors=True)
    _run([ROOT / "tools" / "xvfb_blender.sh", ROOT / "tools" / "bench_window.py", OUT / "shot.blend"], surroundings)
    ticks = sorted(json.loads((OUT / "window.json").read_text("utf-8")))
    yield f"Blender's timer callback, 95th percentile of {len(ticks)}", f"{ticks[int(0.95 * len(ticks))]:.2f} ms", "≤ 5 ms"
    yield "Blender's timer callback, longest", f"{ticks[-1]:.2f} ms", ""


def _job(worker: Engine, folder: Path) -> tuple[float, float]:
    """Run a job; seconds until its first event, and until its last."""
    started = time.monotonic()
    first = 0.0
    worker.submit(folder)
    while True:
        for _, event in worker.poll():
            first = first or time.monotonic() - started
            if isinstance(event, TERMINAL):
                state = worker.state(folder)
                if state is None or state.state != "done":
                    sys.exit(f"The job did not end well: {state}")
                return first, time.monotonic() - started
        time.sleep(0.002)


def _forget_pictures(folder: Path) -> None:
    """Leave of a job folder what was asked, and nothing that was answered."""
    for path in folder.iterdir():
        if path.name not in (jobs.JOB_FILE, "strokes", "sketches", "reference"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _resident() -> float:
    """MB that the engine process holds."""
    return sum(child.memory_info().rss for child in psutil.Process().children()) / 2**20


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []


def _run(command: list[object], surroundings: dict[str, str]) -> None:
    done = subprocess.run([str(part) for part in command], env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)


if __name__ == "__main__":
    main()
