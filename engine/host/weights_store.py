"""The storage of model weights: their folders, which files are missing, and how Blender starts a download. Standard library only.

<folder>/<model>/...            the files that the model's model.toml names
<folder>/<model>/accepted.json  [repository, commit] of each license that the user has accepted
<folder>/<model>/files.json     {file: {repository, commit, sha256}} of what was downloaded
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..job.errors import BadInput, EngineMissing, JobFailed
from ..job.files import write_json
from .child import ChildProcess
from .environment import PACKAGE, build_process_environment

WEIGHTS_VARIABLE = "SHIAGE_WEIGHTS"
ACCEPTED_FILE = "accepted.json"
RECORDS_FILE = "files.json"
EVENTS_FILE = "weights.jsonl"
LOG_FILE = "weights.log"


@dataclass(frozen=True)
class WeightsSource:
    """Files of one repository of the hub that a model needs; see `engine.models`."""

    repository: str
    commit: str
    license: str
    terms: str
    files: tuple[str, ...]
    bytes: int
    prefix: str = ""


def locate_weights(model: str) -> Path:
    """The folder of a model's weights: below that of the environment variable, else below the user's data folder."""
    return Path(os.environ.get(WEIGHTS_VARIABLE) or _locate_data_folder()) / model


def list_missing(model: str, sources: Sequence[WeightsSource]) -> list[str]:
    """The files that are missing."""
    target = locate_weights(model)
    return [file for source in sources for file in source.files if not (target / file).is_file()]


def describe_manual_download(model: str, sources: Sequence[WeightsSource]) -> str:
    """Instructions on which files go where, for a machine without network."""
    target = locate_weights(model)
    lines = [f"Put these files into {target}:"]
    for source in sources:
        lines.append(f"  from https://huggingface.co/{source.repository}/tree/{source.commit} ({source.license})")
        lines += [f"    {source.prefix}{file}  ->  {target / file}" for file in source.files]
    return "\n".join(lines)


def start_download(model: str, python: Path, logs: Path, online: bool) -> ChildProcess:
    """Start downloading a model's missing weights, whose licenses are accepted, with the engine's Python. The log goes to the folder
    `logs`.

    Files of an interrupted download are reused by the next. The child's events are Started, Progress, and one of Done, Failed, Cancelled;
    `job` is the model. `online`: whether the user allows network access. Raises BadInput when not, EngineMissing, JobFailed.
    """
    if not online:
        raise BadInput("Downloading needs the network: allow online access in Blender's preferences, under System.")
    if not python.is_file():
        raise EngineMissing(f"There is no engine at {python}: install it, or choose another Python.")
    try:
        logs.mkdir(parents=True, exist_ok=True)
        events = logs / EVENTS_FILE
        command = [python, "-m", f"{PACKAGE}.worker.download", model, events]
        return ChildProcess(command, events, logs / LOG_FILE, build_process_environment(logs), model, "The download")
    except OSError as error:
        raise JobFailed(f"The download can't be started ({error.strerror or error}): make {logs} writable.") from error


# --- licenses and records -----------------------------------------------------------------------------------------


def is_license_accepted(target: Path, source: WeightsSource) -> bool:
    """Whether the license of a repository has been accepted for the weights in this folder."""
    return [source.repository, source.commit] in _read_json(target / ACCEPTED_FILE, [])


def accept_license(target: Path, source: WeightsSource) -> None:
    """Record that a license is accepted. Raises JobFailed when the folder can't be written."""
    if not is_license_accepted(target, source):
        write_json(target / ACCEPTED_FILE, [*_read_json(target / ACCEPTED_FILE, []), [source.repository, source.commit]])


def read_records(target: Path) -> dict[str, dict[str, str]]:
    """The records of downloads into a folder, by file."""
    return _read_json(target / RECORDS_FILE, {})


def record_file(target: Path, file: str, source: WeightsSource, sha256: str) -> None:
    known = {"repository": source.repository, "commit": source.commit, "sha256": sha256}
    write_json(target / RECORDS_FILE, read_records(target) | {file: known})


def _read_json(path: Path, default):
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return default
    return value if isinstance(value, type(default)) else default


def _locate_data_folder() -> Path:
    home = Path.home()
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / "Shiage" / "weights"
    if sys.platform == "darwin":
        return home / "Library/Application Support/Shiage/weights"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "shiage" / "weights"
