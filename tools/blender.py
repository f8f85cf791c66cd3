"""Finds the Blender for the demo and the end-to-end tests, and prepares what a Blender in a chroot needs. Standard library only."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHROOT_WRAPPER = "in-blender-sid"  # made by tools/install_blender.sh
OLDEST = (4, 3)


def find_blender() -> list[str] | None:
    """The command that starts a real Blender, or None: $SHIAGE_BLENDER, `blender` on PATH, or the one in the chroot."""
    wanted = os.environ.get("SHIAGE_BLENDER")
    candidates = [shlex.split(wanted)] if wanted else [["blender"], [CHROOT_WRAPPER, "blender"]]
    return next((command for command in candidates if shutil.which(command[0]) and read_version(command) >= OLDEST), None)


def read_version(command: list[str]) -> tuple[int, ...]:
    """The version as (5, 2, 2), or () when the command does not work."""
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=120, env=make_process_env(command))
    except (OSError, subprocess.TimeoutExpired):
        return ()
    words = next((line.split() for line in done.stdout.splitlines() if line.startswith("Blender ")), [])
    numbers = words[1].split(".") if len(words) > 1 else []
    return tuple(int(number) for number in numbers if number.isdigit())


def is_in_chroot(command: list[str]) -> bool:
    return Path(command[0]).name.startswith("in-blender-")


def make_process_env(command: list[str], **variables: str) -> dict[str, str]:
    """The environment variables for starting this Blender. A chroot gets the folder above the repository, and /tmp."""
    found = {**os.environ, **variables}
    if is_in_chroot(command):
        found.setdefault("BINDS", f"{ROOT.parent if ROOT.parent != Path('/') else ROOT} /tmp")
    return found


def make_engine_python(command: list[str], folder: Path) -> Path:
    """A path of the engine's Python that this Blender can start; for a chroot a script in `folder` that leaves the chroot."""
    python = ROOT / ".venv" / "engine" / "bin" / "python"
    if not is_in_chroot(command):
        return python
    threads = [f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}"] if "OMP_NUM_THREADS" in os.environ else []
    started = shlex.join([*threads, str(python)])
    script = folder / "engine-python"
    script.write_text(f'#!/bin/sh\nexec /usr/sbin/chroot /host /usr/bin/env --chdir="$PWD" {started} "$@"\n', "utf-8")
    script.chmod(0o755)
    return script
