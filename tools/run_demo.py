"""`make demo`: builds the demo shot, colors it in headless Blender with the default model, and makes a preview video.

Everything is written to out/demo. If there is no Blender on this machine, Blender as a Python module is used.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import blender
import environments
import make_zip

ROOT = environments.ROOT
OUT = ROOT / "out" / "demo"
_seconds: dict[str, float] = {}


@contextmanager
def time_stage(name: str):
    print(f"{name} ...", flush=True)
    started = time.monotonic()
    yield
    _seconds[name] = time.monotonic() - started


def main() -> None:
    shot, result = OUT / "shot.blend", OUT / "result.json"
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "log.txt").write_text("", "utf-8")
    with time_stage("environments"):
        engine = environments.ensure_environment("engine")
        environments.ensure_environment("bpy-5.2")
    command, variables = _prepare_blender()
    with time_stage("demo shot"):
        _run_program([*command, "-b", "--python-exit-code", "1", "--python", ROOT / "demo" / "build.py", "--", "--out", OUT], variables)
    with time_stage("coloring"):
        references = [part for name in ("key.png", "sheet.png") for part in ("--reference", OUT / name)]
        _run_program([*command, "-b", shot, "-c", "shiage", "colorize", *references, "--save", "--json", result], variables)
    folder = Path(json.loads(result.read_text("utf-8"))["job"])
    with time_stage("preview video"):
        _run_program([engine, ROOT / "tools" / "make_preview.py", folder, OUT / "preview.webm"], dict(os.environ))
    print(f"\nBlender file    {shot}\nframes          {folder / 'frames'}\npreview         {OUT / 'preview.webm'} and .png\n")
    for name, seconds in _seconds.items():
        print(f"{name:<16}{seconds:6.1f} s")


def _prepare_blender() -> tuple[list[str], dict[str, str]]:
    """The command of a Blender with Shiage, and environment variables that give it separate preferences."""
    resources = OUT / "blender"
    resources.mkdir(exist_ok=True)
    command = blender.find_blender()
    if command is None:
        print("There is no Blender on this machine: the Python module bpy takes its place.")
        command = [str(environments.ensure_environment("bpy-5.2")), str(ROOT / "tools" / "bpy_blender.py")]
        return command, _make_process_env(command, resources)
    variables = _make_process_env(command, resources)
    with time_stage("extension"):
        package = make_zip.make_zip(ROOT / "dist")
        _run_program([*command, "--command", "extension", "install-file", "-r", "user_default", "-e", package], variables)
    return command, variables


def _make_process_env(command: list[str], resources: Path) -> dict[str, str]:
    python = blender.make_engine_python(command, resources)
    return blender.make_process_env(command, BLENDER_USER_RESOURCES=str(resources), SHIAGE_ENGINE_PYTHON=str(python))


def _run_program(command: list[object], variables: dict[str, str]) -> None:
    """Run a stage's program. Its output goes to out/demo/log.txt, and is printed if it fails."""
    with open(OUT / "log.txt", "a+", encoding="utf-8") as log:
        began = log.tell()
        code = subprocess.run([str(part) for part in command], env=variables, stdout=log, stderr=subprocess.STDOUT).returncode
        if code:
            log.seek(began)
            sys.exit(f"{log.read()}\nThis ended with status {code}: {' '.join(str(part) for part in command)}")


if __name__ == "__main__":
    try:
        main()
    except environments.EnvironmentFailure as error:
        sys.exit(str(error))
