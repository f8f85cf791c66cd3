"""What the commands share: arguments and what they mean, and following a job to its end."""

import argparse
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

import bpy

from ...engine import job as jobs
from ...engine import models
from ...engine.job.errors import BadInput, EngineMissing, JobCancelled, JobFailed
from .. import session
from ..jobs import find_color_difference, import_pictures
from ..scene import colors, settings

_ERRORS = {error.kind: error for error in (BadInput, EngineMissing, JobFailed)}


def parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: write WIDTHxHEIGHT, 1920x1080 for instance")
    return int(match[1]), int(match[2])


def parse_frames(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(-?\d+)(?:-(-?\d+))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no frame range: write FIRST-LAST, 1-48 for instance")
    return int(match[1]), int(match[2] or match[1])


def add_options(command: argparse.ArgumentParser, model: models.ModelInfo) -> None:
    """An argument for each option of the model that a command uses."""
    models.add_flags(command.add_argument_group(f"options of the model '{model.id}', over the shot's own"), model)


def apply_common_arguments(scene: bpy.types.Scene, given: argparse.Namespace, chosen: bpy.types.PropertyGroup) -> None:
    """Put the arguments that every task has over the shot's own settings; `chosen` are those of the task. Raises BadInput."""
    if given.model:
        models.info(given.model, given.command)
        chosen.model = given.model
    if given.size:
        if not all(4 <= side <= jobs.MAX_SIDE for side in given.size):
            raise BadInput(f"The size {given.size[0]}x{given.size[1]} can't be made: each side must lie between 4 and {jobs.MAX_SIDE}.")
        scene.shiage.size_mode = "OWN"
        scene.shiage.width, scene.shiage.height = given.size
    if given.output:
        scene.shiage.output = str(given.output.absolute())
    if given.exact_colors:
        colors.show_exact_colors(scene)
    model = models.info(chosen.model)
    own = models.flags(given, model)
    for name, value in model.resolve(own).items():
        if name in own:
            setattr(getattr(scene.shiage.options, model.id), name, value)


def find_named_objects(scene: bpy.types.Scene, names: list[str] | None) -> list[bpy.types.Object] | None:
    """The named objects, None for the shot's own choice. Raises BadInput."""
    for name in names or ():
        if name not in scene.objects:
            raise BadInput(f"The scene '{scene.name}' has no object '{name}': check the name.")
    return [scene.objects[name] for name in names] if names else None


def follow_job(entry: session.JobEntry, answer: dict) -> None:
    """Wait for a job's end, telling its progress, and take its outcome into the answer. Raises ShiageError unless it is done."""
    begun = time.monotonic()
    meter = ProgressMeter("Starting the engine")
    session.wait_for_job(entry, lambda entry: meter.show(entry.job.fraction, entry.job.remaining, entry.job.stage))
    meter.end()
    result = session.read_result(entry)
    warnings = [*answer.get("warnings", []), *entry.warnings, *(note.text for note in entry.notes if note.text)]
    answer |= {"status": entry.job.state, "warnings": warnings, "pictures": result.get("pictures", [])}
    answer["frames"] = result.get("frames", [])
    answer["notes"] = [asdict(note) for note in entry.notes]
    answer["seconds"]["engine"] = round(time.monotonic() - begun, 3)
    for text in warnings:
        print_text(f"Warning: {text}")
    if entry.job.state == "cancelled":
        raise JobCancelled(entry.job.text)
    if entry.job.state == "failed":
        raise _ERRORS.get(entry.job.kind, JobFailed)(entry.job.text)


def place_result(scene: bpy.types.Scene, entry: session.JobEntry, given: argparse.Namespace, answer: dict) -> None:
    """Import a job's pictures and save the file, if that was asked."""
    begun = time.monotonic()
    answer[entry.destination.lower()] = import_pictures(entry, scene).name
    answer["seconds"]["import"] = round(time.monotonic() - begun, 3)
    print_text(f"{entry.job.text} {entry.remark}")
    if given.save is not None:
        answer["blend"] = save_file(given.save)


def warn_of_colors(scene: bpy.types.Scene, entry: session.JobEntry, answer: dict) -> None:
    """Say, before a job is waited for, that its pictures will be shown in other colors than they have."""
    if difference := find_color_difference(entry, scene):
        text = difference.replace("choose Show Exact Colors", "give --exact-colors, or choose Show Exact Colors in Blender")
        answer.setdefault("warnings", []).append(text)
        print_text(f"Warning: {text}")


def warn_of_temporary(scene: bpy.types.Scene, entry: session.JobEntry) -> None:
    if settings.output_is_temporary(scene):
        print_text(
            f"Warning: this file was never saved: the pictures go to {entry.folder}, which is deleted when Blender ends; give --output"
        )


def check_save(given: argparse.Namespace) -> None:
    if given.save == "" and not bpy.data.filepath:
        raise BadInput("This file has no name yet: give --save a PATH.")
    if given.save and not Path(given.save).absolute().parent.is_dir():
        raise BadInput(f"The folder of {given.save} does not exist: make it, or save elsewhere.")


def save_file(path: str) -> str:
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(Path(path).absolute()) if path else bpy.data.filepath)
    except RuntimeError as error:
        raise JobFailed(f"The pictures are ready, but the file could not be saved: {str(error).strip()}") from error
    return bpy.data.filepath


class ProgressMeter:
    """Progress on stderr: one line that is written over on a terminal, a line a second elsewhere."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._shown = 0.0
        self._terminal = sys.stderr.isatty()

    def show(self, fraction: float, remaining: float = -1.0, stage: str = "") -> None:
        now = time.monotonic()
        changed = bool(stage) and stage != self._stage
        self._stage = stage or self._stage
        if not changed and now - self._shown < (0.1 if self._terminal else 1.0):
            return
        self._shown = now
        left = f", {remaining:.0f} s left" if remaining >= 0 else ""
        line = f"{self._stage}: {fraction:.0%}{left}"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def end(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")


def print_text(text: str, stream=None) -> None:
    print(text, file=stream or sys.stderr, flush=True)
