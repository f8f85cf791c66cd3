"""Finds, checks and installs the engine's Python. Standard library only; it starts child processes, never threads.

The engine's Python is the first of: the environment variable SHIAGE_ENGINE_PYTHON, the user's choice, the environment that
`start_install` makes. It must be 3.11 or newer and have the packages of engine/requirements.txt.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..job.errors import BadInput, EngineMissing, JobFailed
from .child import DETACHED, ChildProcess

PACKAGE = "engine"  # the package name in the engine process, whatever its name in Blender
ROOT = Path(__file__).resolve().parents[2]  # of the extension: the folder that contains `engine`
REQUIREMENTS = ROOT / "engine" / "requirements.txt"
INSTALL_BYTES = 8 << 30  # the most that an installation takes
PYTHON_VARIABLE = "SHIAGE_ENGINE_PYTHON"
VERSIONS = ("3.12", "3.11", "3.13")  # in order of preference
MARK_FILE = "unfinished"  # in the target until an installation is complete
EVENTS_FILE = "install.jsonl"
LOG_FILE = "install.log"


@dataclass(frozen=True)
class EngineStatus:
    """The status of an engine's Python: `state` is ready, missing, outdated or broken; `text` is one sentence for the user."""

    state: str
    text: str

    @property
    def usable(self) -> bool:
        """Whether jobs can run. An outdated engine can; a job that needs something newer fails with a message."""
        return self.state in ("ready", "outdated")


def locate_python(target: Path, chosen: str = "") -> Path:
    """The engine's Python: that of the environment variable, else the chosen one, else the one installed under `target`."""
    return Path(os.environ.get(PYTHON_VARIABLE) or chosen or locate_venv_python(target))


def locate_venv_python(target: Path) -> Path:
    return target / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def build_process_environment(cache: Path) -> dict[str, str]:
    """The environment of an engine process: without Blender's PYTHON* variables, with the engine on the path, byte code only in `cache`."""
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(("PYTHON", "__PYVENV"))}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PYTHONSAFEPATH": "1",  # don't import from the working folder
        "PYTHONPYCACHEPREFIX": str(cache / "pycache"),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
    }


# --- checking -----------------------------------------------------------------------------------------------------

_PROBE = """
import importlib.metadata as m, json, sys
found = {d.name.lower().replace("_", "-"): d.version for d in m.distributions() if d.name}
print(json.dumps([list(sys.version_info[:2]), sys.executable, found]))
"""


def check_engine(python: Path, requirements: Path = REQUIREMENTS) -> EngineStatus:
    """Whether this Python can be the engine's. This starts it, which takes 0.1 to 0.5 s: keep the result."""
    if not python.is_file():
        return EngineStatus("missing", f"There is no engine at {python}: install it, or choose another Python.")
    target = python.absolute().parent.parent.parent
    if python.absolute() == locate_venv_python(target) and (target / MARK_FILE).exists():
        return EngineStatus("broken", "The installation of the engine was not finished: install it again, what was downloaded is used.")
    return check_packages(python, requirements)


def check_packages(python: Path, requirements: Path) -> EngineStatus:
    """The status by the packages that the Python itself lists."""
    probe = _probe_python(python)
    if probe is None:
        return EngineStatus("broken", f"{python} does not run: install the engine again, or choose another Python.")
    version, _, found = probe
    if version < [3, 11]:
        return EngineStatus("broken", f"{python} is Python {version[0]}.{version[1]}: the engine needs 3.11 or newer.")
    wanted = read_pins(requirements)
    lacking = [name for name in wanted if name not in found]
    if lacking:
        return EngineStatus("broken", f"The engine lacks {_abbreviate_names(lacking)}: install it again.")
    differing = [name for name, pin in wanted.items() if found[name].partition("+")[0] != pin]
    if differing:
        return EngineStatus(
            "outdated", f"The engine has other versions than this Shiage wants of {_abbreviate_names(differing)}: install it again."
        )
    return EngineStatus("ready", f"The engine is ready (Python {version[0]}.{version[1]}).")


def read_pins(requirements: Path) -> dict[str, str]:
    """{package in lower case with dashes: version} of the lines `name==version`."""
    lines = requirements.read_text("utf-8").splitlines()
    found = (re.match(r"([\w.-]+)==([^\s;#]+)", line) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


def _abbreviate_names(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _probe_python(python: Path) -> tuple[list[int], str, dict[str, str]] | None:
    """(version, real executable, packages) of a Python; None when it does not run."""
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _PROBE], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True, **DETACHED
        )
        version, executable, found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return version, executable, found


def run_self_test(python: Path, log_folder: Path) -> EngineStatus:
    """Color a small picture with this Python, from start to end. Takes a few seconds."""
    try:
        log_folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [str(python), "-m", PACKAGE, "selftest"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
            cwd=log_folder,
            env=build_process_environment(log_folder),
            **DETACHED,
        )
    except subprocess.TimeoutExpired:
        return EngineStatus("broken", "The engine's self-test did not end within 5 minutes: install the engine again.")
    except OSError as error:
        return EngineStatus("missing", f"The engine at {python} can't be started ({error.strerror}): install it, or choose another Python.")
    output = (done.stdout if done.returncode == 0 else done.stderr).decode("utf-8", "replace").strip().splitlines()
    return EngineStatus(
        "ready" if done.returncode == 0 else "broken", output[-1] if output else f"The self-test ended with {done.returncode}."
    )


# --- installing ---------------------------------------------------------------------------------------------------


def find_python() -> Path | None:
    """A Python of this machine that can make virtual environments and is not Blender's; None when there is none."""
    names = [f"python{version}" for version in VERSIONS] + ["python3", "python"]
    for name in names:
        path = shutil.which(name)
        probe = _probe_python(Path(path)) if path else None
        if probe and f"{probe[0][0]}.{probe[0][1]}" in VERSIONS and can_make_environments(Path(probe[1])):
            return Path(probe[1])
    return None


def can_make_environments(python: Path) -> bool:
    """Whether a Python can make virtual environments. On Debian it lacks ensurepip until python3-venv is installed."""
    try:
        return (
            subprocess.run([str(python), "-I", "-c", "import ensurepip, venv"], capture_output=True, timeout=30, **DETACHED).returncode == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


def start_install(target: Path, online: bool, requirements: Path = REQUIREMENTS, need: int = INSTALL_BYTES) -> ChildProcess:
    """Start installing the engine under `target`, or completing or updating what is there.

    Everything is written below `target`: the environment in venv/, the log in install.log. Downloads of an interrupted installation
    are reused by the next. The child's events are Started, Progress, and one of Done, Failed, Cancelled; `job` is the target.

    `online`: whether the user allows network access. Raises BadInput when not, EngineMissing when there is no Python or uv to install
    with, JobFailed when the disk is too full or read-only.
    """
    if not online:
        raise BadInput("Installing the engine needs the network: allow online access in Blender's preferences, under System.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target).free
        if free < need and not locate_venv_python(target).exists():
            raise JobFailed(f"The disk of {target} has {free >> 30} GB free and the engine needs {need >> 30} GB: free some space.")
        runner = Path(sys.executable) if Path(sys.executable).name.lower().startswith("python") else find_python()
        if runner is None:
            raise EngineMissing("No Python 3.11 to 3.13 was found to install the engine with: install one from python.org, then try again.")
        command = [runner, "-m", f"{PACKAGE}.host.installer", target, requirements]
        return ChildProcess(
            command, target / EVENTS_FILE, target / LOG_FILE, build_process_environment(target), str(target), "The installation"
        )
    except OSError as error:
        raise JobFailed(f"Can't install into {target} ({error.strerror}): make it writable or choose another folder.") from error
