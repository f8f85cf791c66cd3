"""Hashes of file contents, and atomic writes. Standard library only."""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

from .errors import JobFailed


def compute_digest(*parts: object) -> str:
    """The hexadecimal SHA-256 of strings, bytes, buffers and JSON values. Each part is prefixed by its length, so that it is
    unambiguous."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, (bytes, bytearray, memoryview)):
            data = bytes(part)
        else:
            data = json.dumps(part, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
        sha.update(len(data).to_bytes(8, "little"))
        sha.update(data)
    return sha.hexdigest()


def compute_file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identify_folder(folder: str | Path) -> str:
    """A string that identifies a folder, however its path is written: through links, or in another case on a case-insensitive system."""
    path = os.path.normcase(os.path.realpath(folder))
    return path.casefold() if sys.platform == "darwin" else path


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises JobFailed, naming the file, when the disk is full or read-only."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise JobFailed(f"Could not write {path}: {error.strerror or error}; free some space or choose another output folder.") from error


def write_json(path: Path, value: object) -> None:
    """Write JSON as UTF-8. Characters that are not valid UTF-8, as in old file names, are written as '?'. Raises JobFailed."""
    write_atomic(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
