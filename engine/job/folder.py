"""The job folder: the request to the engine, and everything that the engine writes. Standard library only.

    job.json             the request, `engine.job.schema.Job`; every input by content hash
    strokes/<id>.npz     drawings as strokes        (written by the scene, read by `engine.drawing.sketch.strokes`)
    sketches/<id>.<x>    drawings as pictures       (scans, and what strokes can't express)
    poses/<id>.json      poses of a figure          (for the task animate)
    reference/<sha>.<x>  references and painted keys, byte for byte as the animator gave them
    frames/NNNN.png      the result: straight-alpha RGBA, one file for each distinct picture, named by its first frame
    regions/<id>.npz     labels, swatches and confidences of each drawing
    events.jsonl         the events of the last run (`engine.job.messages`)
    engine.log           whatever the engine or a library printed
    result.json          the outcome of the last run

The folder is the contract, the cache, the crash recovery, and what a farm copies. Files in it are written atomically
(`engine.job.files`).
"""

import json
import os
import re
import shutil
import stat
from dataclasses import asdict, fields
from pathlib import Path

from .errors import BadInput
from .files import compute_file_sha256, write_atomic, write_json
from .reading import read_value
from .schema import SCHEMA, Job, Reference, list_files, list_pictures, validate_job

JOB_FILE = "job.json"
EVENTS_FILE = "events.jsonl"
LOG_FILE = "engine.log"
RESULT_FILE = "result.json"
CANCEL_FILE = "cancel"
FOLDERS = ("strokes", "sketches", "poses", "reference", "regions", "frames")  # old files are removed from these


# --- job.json -----------------------------------------------------------------------------------------------------


def save_job(job: Job, folder: Path) -> None:
    """Write job.json, and remove the result of an earlier request. Raises BadInput, JobFailed."""
    validate_job(job)
    check_owner(folder)
    for name in (RESULT_FILE, EVENTS_FILE, CANCEL_FILE):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / JOB_FILE, asdict(job))


def check_owner(folder: Path) -> None:
    """Raise BadInput when the folder's job.json is another program's. A damaged one, for example by a power cut, may be overwritten."""
    path = folder / JOB_FILE
    try:
        raw = json.loads(path.read_text("utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return
    if path.is_file() and not (isinstance(raw, dict) and type(raw.get("schema")) is int and {"task", "cels"} <= raw.keys()):
        raise BadInput(f"{path} is not Shiage's: choose an empty or a new output folder.")


def check_links(folder: Path) -> None:
    """Raise BadInput when something in a job folder is neither a folder nor a plain file: files behind a link do not belong to the job, and
    reading a pipe may block forever."""
    names = (*FOLDERS, "cache", "lock", JOB_FILE, EVENTS_FILE, LOG_FILE, RESULT_FILE, CANCEL_FILE)
    for path in map(folder.joinpath, names):
        _check_plain(path)
        for inner, folders, files in os.walk(path):
            for name in (*folders, *files):
                _check_plain(Path(inner, name))


def _check_plain(path: Path) -> None:
    try:
        status = path.lstat()
    except OSError:
        return  # it does not exist
    junction = getattr(status, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)  # Windows' link to a folder
    if junction or not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
        raise BadInput(f"{path} is a link, or no plain file, as no job of Shiage's has: remove it, or choose another folder.")


def load_job(folder: Path) -> Job:
    """Read and check job.json. Raises BadInput, naming the field, when it isn't a job of this schema."""
    path = folder / JOB_FILE
    try:
        if path.exists() and not path.is_file():
            raise BadInput(f"There is no readable job in {folder}: {JOB_FILE} is no plain file.")
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"There is no readable job in {folder}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not valid JSON ({error}): make the job again.") from error
    if not isinstance(raw, dict) or type(raw.get("schema")) is not int or raw["schema"] != SCHEMA:
        raise BadInput(f"{path} is not a job of schema {SCHEMA}: make it again with this version of Shiage.")
    known = {f.name for f in fields(Job)}
    try:
        job = read_value(Job, {name: value for name, value in raw.items() if name in known}, "it")
    except ValueError as error:
        raise BadInput(f"{path} is not a complete job ({error}): make it again.") from error
    validate_job(job)
    return job


def read_result(folder: Path) -> dict | None:
    """result.json, or None while there is none or it can't be read."""
    try:
        result = json.loads((folder / RESULT_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) else None


def check_reference(source: Path) -> str:
    """The content hash of a reference. Raises BadInput when it can't be read."""
    try:
        if not source.is_file():
            raise BadInput(f"The reference {source} does not exist: choose another picture.")
        return compute_file_sha256(source)
    except OSError as error:
        raise BadInput(f"The reference {source} can't be read ({error.strerror}): choose another picture.") from error


def add_reference(folder: Path, source: Path) -> Reference:
    """Copy a reference into the job folder, byte for byte, under its content hash. Raises BadInput when unreadable."""
    sha = check_reference(source)
    suffix = source.suffix.lower()
    name = f"reference/{sha[:16]}{suffix if re.fullmatch('[.][0-9a-z]{1,8}', suffix) else ''}"
    target = folder / name
    if not target.is_file() or compute_file_sha256(target) != sha:
        write_atomic(target, source.read_bytes())
    return Reference(file=name, sha256=sha, name=source.name)


def clear_stale(folder: Path, job: Job) -> None:
    """Remove files of an earlier request that this one does not use: old inputs, frames of another range. Raises BadInput for a folder that
    is a link."""
    keep = {*list_files(job), *list_pictures(job).values(), *(f"regions/{d.id}.npz" for d in job.drawings)}
    for name in FOLDERS:
        _check_plain(folder / name)
        for path in (folder / name).glob("*"):
            if f"{name}/{path.name}" not in keep:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
