"""The job folder: what is asked of the engine, and everything the engine answers. Standard library only.

    job.json             the request, this module's `Job`; every input by content hash
    strokes/<id>.npz     drawings as strokes        (written by the scene, read by `engine.drawing.sketch.strokes`)
    sketches/<id>.<x>    drawings as pictures       (scans, and what strokes can't express)
    poses/<id>.json      poses of a figure          (for the task animate)
    reference/<sha>.<x>  references and painted keys, byte for byte as the animator gave them
    frames/NNNN.png      the answer: straight-alpha RGBA, one file for each distinct picture, named by its first frame
    regions/<id>.npz     labels, swatches and confidences of each drawing
    events.jsonl         the events of the last run (`engine.job.messages`)
    engine.log           whatever the engine or a library printed
    result.json          the outcome of the last run

The folder is the contract, the cache, the crash recovery and what a farm ships around. A file in it is there whole or not
at all: it is written beside its place and renamed (`engine.job.files`).
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from .errors import BadInput
from .files import file_sha256, write_atomic, write_json
from .schema import SCHEMA, Cel, Drawing, Exposure, Hint, Job, Pair, Place, Reference, files, pictures, validate

JOB_FILE = "job.json"
EVENTS_FILE = "events.jsonl"
LOG_FILE = "engine.log"
RESULT_FILE = "result.json"
CANCEL_FILE = "cancel"


# --- job.json -----------------------------------------------------------------------------------------------------


def save(job: Job, folder: Path) -> None:
    """Write job.json; a result of an earlier request is no longer this job's and goes."""
    validate(job)
    for name in (RESULT_FILE, EVENTS_FILE, CANCEL_FILE):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / JOB_FILE, asdict(job))


def load(folder: Path) -> Job:
    """Read and check job.json. Raises BadInput with one sentence when it isn't a job of this schema."""
    path = folder / JOB_FILE
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"There is no readable job in {folder}: {error.strerror}.") from error
    except ValueError as error:
        raise BadInput(f"{path} is not valid JSON ({error}): make the job again.") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise BadInput(f"{path} is not a job of schema {SCHEMA}: make it again with this version of Shiage.")
    try:
        job = _from_json(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path} is not a complete job ({error!r}): make it again.") from error
    validate(job)
    return job


def _from_json(raw: Mapping) -> Job:
    cels = tuple(Cel(str(c["name"]), tuple(Reference(**r) for r in c["references"])) for c in raw["cels"])
    drawings = tuple(Drawing(**d) for d in raw["drawings"])
    frames = tuple(Exposure(int(f["frame"]), int(f["exposure"]), tuple(f["drawings"])) for f in raw["frames"])
    hints = tuple(
        Hint(**{**_place(h), "swatch": h.get("swatch"), "same_as": Place(**_place(h["same_as"])) if h.get("same_as") else None})
        for h in raw.get("hints", ())
    )
    pairs = tuple(Pair(**p) for p in raw.get("pairs", ()))
    width, height = raw["size"]
    known = {"task", "model", "title", "fps", "seed", "device", "options", "schema"}
    given = {k: raw[k] for k in known & raw.keys()}
    return Job(size=(int(width), int(height)), cels=cels, drawings=drawings, frames=frames, hints=hints, pairs=pairs, **given)


def _place(raw: Mapping) -> dict:
    x, y = raw["point"]
    return {"frame": raw["frame"], "point": (x, y)}


def read_result(folder: Path) -> dict | None:
    """result.json, or None while there is none or it can't be read."""
    try:
        result = json.loads((folder / RESULT_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) else None


def add_reference(folder: Path, source: Path) -> Reference:
    """Copy a reference into the job folder, byte for byte, under its content hash. Raises BadInput when unreadable."""
    try:
        if not source.is_file():
            raise BadInput(f"The reference {source} does not exist: choose another picture.")
        sha = file_sha256(source)
    except OSError as error:
        raise BadInput(f"The reference {source} can't be read ({error.strerror}): choose another picture.") from error
    name = f"reference/{sha[:16]}{source.suffix.lower()}"
    target = folder / name
    if not target.is_file() or file_sha256(target) != sha:
        write_atomic(target, source.read_bytes())
    return Reference(file=name, sha256=sha, name=source.name)


def clear_stale(folder: Path, job: Job) -> None:
    """Remove what an earlier request left behind and this one does not name: old inputs, frames of another range."""
    keep = {*files(job), *pictures(job).values(), *(f"regions/{d.id}.npz" for d in job.drawings)}
    for name in ("strokes", "sketches", "poses", "reference", "regions", "frames"):
        for path in (folder / name).glob("*"):
            if f"{name}/{path.name}" not in keep:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
