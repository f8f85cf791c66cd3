"""A folder of poses and a reference -> a job folder that animates the figure, for the shell."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import BadInput
from .files import digest, file_sha256, write_atomic
from .gather import Size, check_out, exposures, fitted, opened, picture_size, sketch_files
from .job import MAX_SIDE, Cel, Drawing, Job, Reference, add_reference, save
from .pose import Pose, read


@dataclass(frozen=True)
class _Given:
    """One file of poses: a pose, or None when it is a picture of one; its picture's size, None when a file does not say it."""

    path: Path
    pose: Pose | None
    size: Size | None


def gather(
    poses: Path,
    references: Sequence[Path],
    out: Path,
    model: str,
    device: str = "auto",
    size: Size | None = None,
    step: int = 1,
    options: Mapping[str, object] | None = None,
    joints: Path | None = None,
) -> Job:
    """Make `out` the job folder that animates the figure of the references: frame i has the i-th pose, in the natural order of names.

    Poses are files as `engine.pose` describes them, or pictures of poses as detectors draw them. `size` in px is that of the frames, else
    it is the poses' own; poses are brought to it. Of every `step` frames the first one's pose is held. `joints` says where the joints are
    in the first reference. Raises BadInput, JobFailed; `out` is not touched before the input is known to be good.
    """
    given = [_read(path) for path in sketch_files(poses, "poses", (".json",))]
    size = _common_size(given, size)
    for path in references:
        picture_size(path, "reference")
    marked = read(joints)[0] if joints is not None else None
    check_out(out, [poses, *references])
    chosen = {number: _drawing(one, size) for number, one in enumerate(given) if number % step == 0}
    with opened(out):
        for drawing, content in chosen.values():
            write_atomic(out / drawing.file, content)
        known = [add_reference(out, path) for path in references]
        if marked is not None and known:
            known[0] = _marked(known[0], marked, out)
        drawings = {drawing.id: drawing for drawing, _ in chosen.values()}
        shown = [chosen[number - number % step][0].id for number in range(len(given))]
        cel = Cel(poses.resolve().name, tuple(known))
        job = Job("animate", model, size, (cel,), tuple(drawings.values()), exposures(shown), cel.name, device=device)
        job = replace(job, options=dict(options or {}))
        save(job, out)
    return job


def _read(path: Path) -> _Given:
    if path.suffix.lower() == ".json":
        return _Given(path, *read(path))
    return _Given(path, None, picture_size(path, "pose"))


def _common_size(given: Sequence[_Given], wanted: Size | None) -> Size:
    sizes = {one.path.name: one.size for one in given if one.size is not None}
    if wanted is None and len(set(sizes.values())) > 1:
        name, other = next((name, size) for name, size in sizes.items() if size != next(iter(sizes.values())))
        raise BadInput(f"The poses are of pictures of different sizes, {name} of {other[0]}x{other[1]} px: give --size WxH.")
    found = wanted or next(iter(sizes.values()), None)
    if found is None:
        raise BadInput(f'The pose {given[0].path.name} does not say how large its picture is: add "size", or give --size WxH.')
    if not all(1 <= side <= MAX_SIDE for side in found):
        raise BadInput(f"Frames of {found[0]}x{found[1]} px can't be made: each side must lie between 1 and {MAX_SIDE}.")
    return found


def _drawing(given: _Given, size: Size) -> tuple[Drawing, bytes]:
    """A drawing of the job, and its file."""
    if given.pose is None:
        name = digest(file_sha256(given.path), list(size), 0)[:16]
        return Drawing(name, 0, "raster", f"sketches/{name}{given.path.suffix.lower()}", given.path.name), fitted(given.path, size)
    width, height = given.size or size
    content = given.pose.moved(lambda point: (point[0] * size[0] / width, point[1] * size[1] / height)).json()
    name = digest(content, list(size), 0)[:16]
    return Drawing(name, 0, "pose", f"poses/{name}.json", given.path.name), json.dumps(content).encode()


def _marked(given: Reference, joints: Pose, out: Path) -> Reference:
    content = joints.json()
    file = f"poses/{digest(content)[:16]}.json"
    write_atomic(out / file, json.dumps(content).encode())
    return replace(given, pose=file)
