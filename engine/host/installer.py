"""Builds the engine's environment: `python -m engine.host.installer TARGET REQUIREMENTS`, started by `environment.start_install`.

Standard library only. Everything is written to TARGET, including downloads and temporary files. Its events go to install.jsonl there,
its output is the log. It ends, with everything that it started, when its stdin closes: when it is cancelled, or its parent is gone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..job.errors import EngineMissing, JobFailed, ShiageError
from ..job.lock import lock_folder
from ..job.messages import Done, Event, Failed, Progress, Started
from . import environment
from .child import end_with_parent, write_event

INSTALLED = 0.9  # the progress when all packages are installed


def main(target: Path, requirements: Path) -> int:
    """Install, or complete or update what is there, and write exactly one terminal event. Returns the exit code."""
    name = str(target)
    write_event(target / environment.EVENTS_FILE, Started(name))
    try:
        with lock_folder(target):
            _install_engine(target, requirements)
            end: Event = Done(name, "The engine is installed.")
    except ShiageError as error:
        end = Failed(name, error.kind, str(error))
    except OSError as error:
        end = Failed(name, JobFailed.kind, f"The installation could not write ({error}): free some space, then start it again.")
    write_event(target / environment.EVENTS_FILE, end)
    return 0 if isinstance(end, Done) else JobFailed.exit_code


def _install_engine(target: Path, requirements: Path) -> None:
    mark = target / environment.MARK_FILE
    python = environment.locate_venv_python(target)
    uv = shutil.which("uv")
    _report_progress(target, "Making the environment", 0.0)
    if mark.exists() or environment.check_engine(python, requirements).state not in ("ready", "outdated"):
        shutil.rmtree(target / "venv", ignore_errors=True)  # pip takes a half-written package for complete; its download is kept
    mark.touch()
    (target / "tmp").mkdir(exist_ok=True)
    if not python.exists():
        base = environment.find_python()
        if uv:
            _run_step([uv, "venv", "--python", base or environment.VERSIONS[0], target / "venv"], target)  # uv downloads a Python if needed
        else:
            _run_step([base or _require_own_python(), "-m", "venv", target / "venv"], target)
    if uv:
        command = [uv, "pip", "install", "--python", python, "--torch-backend", "auto"]
    else:
        command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    _run_step([*command, "--only-binary", ":all:", "-r", requirements], target, len(environment.read_pins(requirements)))
    _report_progress(target, "Checking", INSTALLED)
    status = environment.check_packages(python, requirements)
    if status.state != "ready":
        raise JobFailed(f"The installation is not whole: {status.text}")
    for name in ("tmp", "cache"):
        shutil.rmtree(target / name, ignore_errors=True)
    mark.unlink()


def _require_own_python() -> Path:
    """The Python that runs this, which may be Blender's. The last resort, because it is removed together with that Blender."""
    if not environment.can_make_environments(Path(sys.executable)):
        raise EngineMissing("No Python 3.11 to 3.13 with the module venv was found: install one from python.org, then try again.")
    return Path(sys.executable)


def _run_step(command: list, target: Path, packages: int = 0) -> None:
    """Run one step and copy its output to the log. The progress is read from the output: pip prints each package that it collects."""
    print("$", *command, flush=True)
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=target,
        env=_build_step_environment(target),
        encoding="utf-8",
        errors="replace",
    )
    collected, last = 0, ""
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
        if line.startswith(("Collecting ", "Processing ")) and packages:
            collected += 1
            package = Path(line.split()[1]).name.partition("=")[0].partition("-")[0]
            _report_progress(target, f"Downloading {package}", INSTALLED * 0.7 * min(collected / packages, 1.0))
        elif line.startswith(("Installing collected", "Prepared ")):
            _report_progress(target, "Unpacking", INSTALLED * 0.75)
    if process.wait() != 0:
        raise JobFailed(f"The installation failed ({last[:200]}): see {environment.LOG_FILE} in {target}, then try again.")


def _build_step_environment(target: Path) -> dict[str, str]:
    """An environment in which pip and uv write to the target only: downloads, temporary files, and the Python that uv may download."""
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith("PYTHON") and key != "VIRTUAL_ENV"}
    temporary, cache = str(target / "tmp"), str(target / "cache")
    return kept | {
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "PIP_CACHE_DIR": cache,
        "UV_CACHE_DIR": cache,
        "UV_PYTHON_INSTALL_DIR": str(target / "python"),
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TMP": temporary,
    }


def _report_progress(target: Path, stage: str, fraction: float) -> None:
    write_event(target / environment.EVENTS_FILE, Progress(str(target), stage, fraction))


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
