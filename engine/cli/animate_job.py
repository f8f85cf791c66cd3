"""Builds a job folder for the shell: a folder of poses and a reference -> an animated figure."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..job import MAX_SIDE, Drawing, Job
from ..job.builder import JobBuilder, name_file
from ..job.errors import BadInput
from ..job.files import compute_digest, compute_file_sha256
from ..job.pose import Pose, read_pose
from .colorize_job import Size, build_exposures, check_output_folder, fit_sketch, list_sketch_files, read_picture_size


@dataclass(frozen=True)
class _PoseInput:
    """One input file: its pose, or None if it is a picture of a pose; the size of its picture, None if the file does not give it."""

    path: Path
    pose: Pose | None
    size: Size | None


def build_animate_job(
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
    """Build the job folder `out`, which animates the figure of the references: frame i has the i-th pose, in the natural order of names.

    Poses are pose files (`engine.job.pose`), or pictures of poses as detectors draw them. `size` in px is that of the frames, by default
    the poses' own; poses are scaled to it. Of every `step` frames the first one's pose is held. `joints` is a pose file with the joints of
    the first reference. Raises BadInput, JobFailed. `out` is not changed before the input has been checked.
    """
    given = [_read_pose_input(path) for path in list_sketch_files(poses, "poses", (".json",))]
    size = _find_common_size(given, size)
    for path in references:
        read_picture_size(path, "reference")
    marked = read_pose(joints)[0] if joints is not None else None
    check_output_folder(out, [poses, *references])
    chosen = {number: _make_drawing(one, size) for number, one in enumerate(given) if number % step == 0}
    builder = JobBuilder("animate", model, size)
    pose_file = None
    if marked is not None and references:
        data = json.dumps(marked.json())
        pose_file = name_file("pose", compute_digest(marked.json())[:16], ".json")
        builder.add_file(pose_file, data.encode)
    name = poses.resolve().name
    builder.add_cel(name, references, pose_file)
    for drawing, content in chosen.values():
        builder.add_drawing(drawing, content)
    shown = [chosen[number - number % step][0].id for number in range(len(given))]
    return builder.write_job(out, build_exposures(shown), title=name, device=device, options=options)


def _read_pose_input(path: Path) -> _PoseInput:
    if path.suffix.lower() == ".json":
        return _PoseInput(path, *read_pose(path))
    return _PoseInput(path, None, read_picture_size(path, "pose"))


def _find_common_size(given: Sequence[_PoseInput], wanted: Size | None) -> Size:
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


def _make_drawing(given: _PoseInput, size: Size) -> tuple[Drawing, Callable[[], bytes]]:
    """A drawing of the job, and the content of its file."""
    if given.pose is None:
        name = compute_digest(compute_file_sha256(given.path), list(size), 0)[:16]
        file = name_file("raster", name, given.path.suffix.lower())
        return Drawing(name, 0, "raster", file, given.path.name), functools.partial(fit_sketch, given.path, size)
    width, height = given.size or size
    content = given.pose.map_points(lambda point: (point[0] * size[0] / width, point[1] * size[1] / height)).json()
    name = compute_digest(content, list(size), 0)[:16]
    return Drawing(name, 0, "pose", name_file("pose", name, ".json"), given.path.name), json.dumps(content).encode
