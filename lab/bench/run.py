"""`make bench`: runs every benchmark, each alone, and writes their numbers to docs/benchmarks.md.

.venv/engine/bin/python -m lab bench [NAME...]

The names: process, flats, hints, sketch_regions, betweens, synthesis, scene, poses, panels, window; all when none is given.

Nothing else should run meanwhile. `window` needs a real Blender and is left out where there is none.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import blender
import environments
import make_zip

from ..markdown import wrap_markdown

ROOT = environments.ROOT
OUT = ROOT / "out" / "bench"
BPY = [environments.ENVIRONMENTS["bpy-5.2"].executable, ROOT / "tools" / "bpy_blender.py", "-b"]
WANTED = {  # by the beginning of the number's name
    "extraction of a drawing, 500 points": "≤ 2",
    "extraction of a drawing, 100,000 points": "≤ 80",
    "pose of a frame": "≤ 5",
    "first event, warm": "≤ 100",
    "first event, cold": "≤ 3000",
    "drawings per second": "≥ 2",
    "Blender's timer callback, 95 %": "≤ 5",
    "milliseconds, solve": "≤ 200",
    "at rest": "≤ 300",
    "solid at 512 px, ms, all": "≤ 60",
    "ms until drawn, 15 of 60 strokes": "≤ 1000",
    "all panels drawn, 84 drawings": "≤ 1",
}


def run_script(name: str) -> dict:
    """A benchmark that is a script of its own and prints JSON."""
    done = subprocess.run([sys.executable, "-m", f"lab.bench.{name}"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def run_scene(_name: str) -> dict:
    _build_shot()
    _run_command([*BPY, OUT / "shot.blend", "--python", ROOT / "lab" / "bench" / "scene.py", "--", OUT / "scene.json"], _make_bpy_env())
    return json.loads((OUT / "scene.json").read_text("utf-8"))


def run_empty_shot(name: str) -> dict:
    """A benchmark that needs Blender and makes its own shot."""
    _run_command([*BPY, "--python", ROOT / "lab" / "bench" / f"{name}.py", "--", OUT / f"{name}.json"], _make_bpy_env())
    return json.loads((OUT / f"{name}.json").read_text("utf-8"))


def run_window(_name: str) -> dict:
    command = blender.find_blender()
    if command is None:
        print("There is no Blender on this machine: `window` is left out.", file=sys.stderr)
        return {}
    _build_shot()
    surroundings = blender.make_process_env(
        command,
        BLENDER=" ".join(command),
        BLENDER_USER_RESOURCES=str(OUT / "blender"),
        SHIAGE_ENGINE_PYTHON=str(blender.make_engine_python(command, OUT)),
        SHIAGE_BENCH=str(OUT),
        LIMIT="900",
    )
    (OUT / "blender").mkdir(exist_ok=True)
    package = make_zip.make_zip(OUT)
    _run_command([*command, "--command", "extension", "install-file", "-r", "user_default", "-e", package], surroundings)
    shutil.rmtree(OUT / "shiage", ignore_errors=True)
    _run_command([ROOT / "tools" / "xvfb_blender.sh", ROOT / "lab" / "bench" / "window.py", OUT / "shot.blend"], surroundings)
    return json.loads((OUT / "window.json").read_text("utf-8"))


BENCHMARKS = {
    "process": run_script,
    "flats": run_script,
    "hints": run_script,
    "sketch_regions": run_script,
    "betweens": run_script,
    "synthesis": run_script,
    "scene": run_scene,
    "poses": run_empty_shot,
    "panels": run_empty_shot,
    "window": run_window,
}


def main(names: Sequence[str]) -> None:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"There is no benchmark {unknown.pop()}: choose from {', '.join(BENCHMARKS)}.")
    OUT.mkdir(parents=True, exist_ok=True)
    for name in names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        numbers = BENCHMARKS[name](name)
        (OUT / f"{name}.numbers.json").write_text(json.dumps(numbers, ensure_ascii=False), "utf-8")
    text = _compose_page()
    (ROOT / "docs" / "benchmarks.md").write_text(wrap_markdown(text), "utf-8")
    print(text)


def _compose_page() -> str:
    """The last numbers of every benchmark as a page."""
    cpu = next((line.split(":")[1].strip() for line in _read_lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {date.today()}: {os.cpu_count()} cores ({cpu}), no GPU, Python {platform.python_version()}. Medians. "
        f"Processes that ran or waited at the end, this one's included: {os.getloadavg()[1]:.1f}.",
    ]
    for name in BENCHMARKS:
        found = OUT / f"{name}.numbers.json"
        numbers = _flatten_numbers(json.loads(found.read_text("utf-8"))) if found.exists() else {}
        if numbers:
            lines += ["", f"## {name}", "", "| what | measured | wanted |", "|---|---:|---:|"]
            lines += [f"| {what} | {value:g} | {_find_wanted(what)} |" for what, value in numbers.items()]
    return "\n".join(lines) + "\n"


def _flatten_numbers(numbers: dict, prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in numbers.items():
        flat |= _flatten_numbers(value, f"{prefix}{name}, ") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _find_wanted(what: str) -> str:
    return next((wanted for beginning, wanted in WANTED.items() if what.startswith(beginning)), "")


def _make_bpy_env() -> dict[str, str]:
    (OUT / "bpy").mkdir(exist_ok=True)
    return {**os.environ, "BLENDER_USER_RESOURCES": str(OUT / "bpy")}


def _build_shot() -> None:
    if not (OUT / "shot.blend").exists():
        _run_command([*BPY, "--python", ROOT / "demo" / "build.py", "--", "--out", OUT], _make_bpy_env())


def _read_lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []


def _run_command(command: list[object], surroundings: dict[str, str]) -> None:
    done = subprocess.run([str(part) for part in command], env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)
