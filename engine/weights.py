"""Where the weights of models are kept, and which of them are there. Standard library only.

<folder>/<model>/...            the files that the model's model.toml names
<folder>/<model>/accepted.json  [repository, commit] of each license that a person has accepted
<folder>/<model>/files.json     {file: {repository, commit, sha256}} of what was downloaded
"""

import json
import os
import sys
from pathlib import Path

from .job import write_json

VARIABLE = "SHIAGE_WEIGHTS"
ACCEPTED = "accepted.json"
FILES = "files.json"


def folder(model: str) -> Path:
    """The folder of a model's weights: below that of the environment variable, else below the person's own data."""
    return Path(os.environ.get(VARIABLE) or _data()) / model


def accepted(target: Path, repository: str, commit: str) -> bool:
    """Whether the license of a repository was accepted, once, for the weights in this folder."""
    return [repository, commit] in _read(target / ACCEPTED, [])


def accept(target: Path, repository: str, commit: str) -> None:
    if not accepted(target, repository, commit):
        write_json(target / ACCEPTED, [*_read(target / ACCEPTED, []), [repository, commit]])


def recorded(target: Path) -> dict[str, dict[str, str]]:
    """What was downloaded into a folder, by file."""
    return _read(target / FILES, {})


def record(target: Path, file: str, repository: str, commit: str, sha256: str) -> None:
    write_json(target / FILES, recorded(target) | {file: {"repository": repository, "commit": commit, "sha256": sha256}})


def _read(path: Path, default):
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return default
    return value if isinstance(value, type(default)) else default


def _data() -> Path:
    home = Path.home()
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / "Shiage" / "weights"
    if sys.platform == "darwin":
        return home / "Library/Application Support/Shiage/weights"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "shiage" / "weights"
