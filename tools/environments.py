"""Makes the virtual environments under .venv: the engine's, and one for each Blender in which the tests run.

    python3 tools/environments.py [NAME...]     make the missing ones; without names, all of them

Standard library only, any Python 3.9 or newer. A finished environment has a stamp with the hash of its requirements and is not
changed again. An interrupted one is completed by the next run. The right Python is searched on PATH and among those of pyenv and uv.
If there is none, uv is installed into .tools and downloads it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = "uv==0.13.8"


class EnvironmentFailure(Exception):
    """An environment can't be made on this machine. The message says why."""


@dataclass(frozen=True)
class VirtualEnvironment:
    name: str
    python: str
    requirements: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return ROOT / ".venv" / self.name

    @property
    def executable(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        VirtualEnvironment("engine", "3.11", ("engine/requirements.txt", "requirements/lab.txt", "requirements/dev.txt")),
        VirtualEnvironment("bpy-4.5", "3.11", ("requirements/bpy-4.5.txt", "requirements/bpy.txt")),
        VirtualEnvironment("bpy-5.0", "3.11", ("requirements/bpy-5.0.txt", "requirements/bpy.txt")),
        VirtualEnvironment("bpy-5.2", "3.13", ("requirements/bpy-5.2.txt", "requirements/bpy.txt")),
    )
}


def ensure_environment(name: str) -> Path:
    """Make or complete the environment, and return its Python. Raises EnvironmentFailure."""
    environment = ENVIRONMENTS[name]
    stamp, wanted = environment.folder / "stamp", _compute_fingerprint(environment)
    if environment.executable.exists() and stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return environment.executable
    started = time.monotonic()
    print(f"making .venv/{name} ...", file=sys.stderr, flush=True)
    if not _is_venv(environment):
        shutil.rmtree(environment.folder, ignore_errors=True)
        _run_command([find_python(environment.python), "-m", "venv", environment.folder])
    stamp.unlink(missing_ok=True)
    requirements = [part for file in environment.requirements for part in ("-r", ROOT / file)]
    _run_command([environment.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])
    stamp.write_text(wanted, "utf-8")
    print(f"made .venv/{name} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return environment.executable


def _compute_fingerprint(environment: VirtualEnvironment) -> str:
    sha = hashlib.sha256(environment.python.encode())
    for file in environment.requirements:
        sha.update((ROOT / file).read_bytes())
    return sha.hexdigest()


def _is_venv(environment: VirtualEnvironment) -> bool:
    """Whether there is a usable environment with the right Python, stamped or not."""
    check = f"import pip, sys; sys.exit(sys.version_info[:2] != ({environment.python.replace('.', ', ')}))"
    return environment.executable.exists() and _try_command([environment.executable, "-c", check])


# --- finding a Python ---------------------------------------------------------------------------------------------


def find_python(version: str) -> Path:
    """A Python X.Y that can make virtual environments, downloaded by uv if the machine has none. Raises EnvironmentFailure."""
    for candidate in _list_candidates(version):
        if _fits_version(candidate, version):
            return candidate
    uv = _ensure_uv()
    print(f"fetching Python {version} with uv ...", file=sys.stderr, flush=True)
    _run_command([uv, "python", "install", "--no-progress", "--install-dir", _get_uv_folder(), version])
    for candidate in _list_uv_pythons(_get_uv_folder(), version):
        if _fits_version(candidate, version):
            return candidate
    raise EnvironmentFailure(f"uv fetched no usable Python {version}")


def _list_candidates(version: str) -> list[Path]:
    found = [Path(sys.executable)]
    found += [Path(folder) / f"python{version}" for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += sorted((pyenv / "versions").glob(f"{version}.*/bin/python"), reverse=True)
    managed = os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python"
    for folder in (Path(managed), _get_uv_folder()):
        found += _list_uv_pythons(folder, version)
    return found


def _get_uv_folder() -> Path:
    return ROOT / ".tools" / "python"


def _list_uv_pythons(folder: Path, version: str) -> list[Path]:
    name = "python.exe" if os.name == "nt" else "bin/python3"
    return sorted(folder.glob(f"cpython-{version}.*/{name}"), reverse=True)


def _fits_version(python: Path, version: str) -> bool:
    """Whether a Python makes environments: a pyenv shim may be of another version, and a Debian Python may lack ensurepip."""
    check = f"import ensurepip, venv, sys; sys.exit(sys.version_info[:2] != ({version.replace('.', ', ')}))"
    return python.is_file() and _try_command([python, "-c", check])


def _ensure_uv() -> Path:
    found = shutil.which("uv")
    if found:
        return Path(found)
    folder = ROOT / ".tools" / "uv"
    executable = folder / ("Scripts/uv.exe" if os.name == "nt" else "bin/uv")
    if not executable.exists():
        _run_command([sys.executable, "-m", "venv", folder])
        pip = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        _run_command([pip, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV])
    return executable


# --- processes ----------------------------------------------------------------------------------------------------


def _clean_variables() -> dict[str, str]:
    """This process's environment variables without those of its Python, which would break another Python."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON") and key != "VIRTUAL_ENV"}


def _try_command(command: list[object]) -> bool:
    try:
        return subprocess.run([str(part) for part in command], env=_clean_variables(), capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run_command(command: list[object]) -> None:
    arguments = [str(part) for part in command]
    try:
        done = subprocess.run(
            arguments, env=_clean_variables(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
    except OSError as error:
        raise EnvironmentFailure(f"{arguments[0]} could not be started: {error.strerror}") from error
    if done.returncode:
        sys.stderr.write(done.stdout)
        last = done.stdout.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise EnvironmentFailure(f"{' '.join(arguments[:4])} ... failed: {last[0]}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make Shiage's virtual environments.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to make: {', '.join(ENVIRONMENTS)} (default: all)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in ENVIRONMENTS]
    if unknown:
        parser.error(f"there is no environment {unknown[0]}: choose from {', '.join(ENVIRONMENTS)}")
    for name in arguments.names or ENVIRONMENTS:
        try:
            ensure_environment(name)
        except EnvironmentFailure as error:
            print(f".venv/{name} can't be made: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
