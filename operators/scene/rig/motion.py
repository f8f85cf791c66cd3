"""The poses of an armature over a frame range, and the job folder that they make."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy

from ....engine import job
from ....engine.job import pose
from ....engine.job.builder import JobBuilder, name_file
from ....engine.job.errors import BadInput
from ....engine.job.files import compute_digest
from ..read import camera
from ..read.shot import make_exposures
from ..read.stepping import step_through_frames
from . import bones, poses


@dataclass(frozen=True)
class GatheredMotion:
    """`poses` by id, each with the frame that first shows it · `exposures` cover the range without a gap · `warnings` one sentence each."""

    title: str
    size: tuple[int, int]
    fps: float
    poses: Mapping[str, tuple[int, pose.Pose]]
    exposures: tuple[job.Exposure, ...]
    warnings: tuple[str, ...] = ()


def gather_motion(
    scene: bpy.types.Scene,
    view_layer: bpy.types.ViewLayer,
    armature: bpy.types.Object,
    *,
    size: tuple[int, int],
    frames: tuple[int, int],
    step: int = 1,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> GatheredMotion:
    """Read an armature's poses at the frames first..last (included), each `step`-th of them, held for `step` frames.

    Equal poses are one drawing; a frame in which nothing of the figure is seen shows none. Raises BadInput when there is no figure, or it
    is seen nowhere, and what `on_progress` (fraction 0..1) raises; the scene is left as it was in each case.
    """
    first, last = frames
    if last < first:
        raise BadInput(f"The frame range {first} to {last} is empty: choose an end that is not before the start.")
    found = bones.of_armature(armature)
    figure = poses.read_figure(armature, found)
    numbers = range(first, last + 1, max(1, step))
    known: dict[str, tuple[int, pose.Pose]] = {}
    shown: list[tuple[str | None]] = []
    with step_through_frames(scene) as go_to:
        for number in numbers:
            go_to(number)
            depsgraph = view_layer.depsgraph
            seen = poses.read_pose(figure, depsgraph, camera.of_scene(scene, depsgraph, size))
            drawing = _hash_pose(seen, size) if seen.seen else None
            if drawing is not None:
                known.setdefault(drawing, (number, seen))
            shown.append((drawing,))
            on_progress(len(shown) / len(numbers))
    if not known:
        raise BadInput(f"The camera sees no joint of '{armature.name}' from frame {first} to {last}: turn the camera to the figure.")
    return GatheredMotion(
        title=f"{scene.name} {armature.name}",
        size=size,
        fps=scene.render.fps / scene.render.fps_base,
        poses=known,
        exposures=make_exposures(numbers, last, shown),
        warnings=tuple(_find_warnings(armature, found, len(numbers), [n for n, (id,) in zip(numbers, shown, strict=True) if id is None])),
    )


def _find_warnings(armature: bpy.types.Object, found: bones.Found, count: int, empty: list[int]):
    if found.twice:
        yield (
            f"The armature '{armature.name}' holds more than one figure ({', '.join(found.twice)}): the one with most bones is taken. "
            "Choose others under Bones, or by --bone in a shell."
        )
    if empty:
        frames = f"frame {empty[0]}" if len(empty) == 1 else f"{len(empty)} of {count} frames, first at {empty[0]}"
        yield f"The camera sees nothing of '{armature.name}' in {frames}: those stay empty."


def write_job(
    motion: GatheredMotion,
    folder: Path,
    model: str,
    options: Mapping[str, object],
    reference: Path,
    standing: pose.Pose | None,
    standing_size: tuple[int, int],
) -> job.Job:
    """Write the job folder, job.json last, and remove what an earlier request left there and this one does not name.

    `standing` is how the figure on the reference stands, in pixels of a picture of `standing_size`. Raises BadInput when the reference
    can't be read or another process works on the folder, JobFailed when that can't be written.
    """
    builder = JobBuilder("animate", model, motion.size)
    pose_file = _write_pose(builder, _hash_pose(standing, standing_size), standing, standing_size) if standing is not None else None
    cel = builder.add_cel(motion.title, (reference,), pose_file)
    for id, (frame, seen) in motion.poses.items():
        file = _write_pose(builder, id, seen, motion.size)
        builder.add_drawing(job.Drawing(id, cel, "pose", file, f"{motion.title} {frame}"))
    return builder.write_job(folder, motion.exposures, title=motion.title, fps=motion.fps, options=options)


def _hash_pose(seen: pose.Pose, size: tuple[int, int]) -> str:
    return compute_digest(seen.json(), list(size))[:16]


def _write_pose(builder: JobBuilder, id: str, seen: pose.Pose, size: tuple[int, int]) -> str:
    """Add a pose in a picture of `size` to a job; returns its path relative to the folder."""
    file = name_file("pose", id, ".json")
    builder.add_file(file, json.dumps(seen.json() | {"size": list(size)}).encode)
    return file
