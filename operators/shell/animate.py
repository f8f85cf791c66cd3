"""The command animate."""

import argparse
import difflib
import time
from pathlib import Path

import bpy

from ...engine import models
from ...engine.job import pose
from ...engine.job.errors import BadInput
from .. import animate, references
from ..scene.rig import bones, marks, places
from . import common

_LISTED = 24  # of the free bones in an error
_NEEDED = [places.PLACES[name].argument for name in places.NEEDED]


def add_command(commands, task: argparse.ArgumentParser, model: models.ModelInfo) -> None:
    command = commands.add_parser(
        "animate", parents=[task], help="drive a character by an armature", description="Make frames of a character that an armature moves."
    )
    command.add_argument("--armature", metavar="NAME", help="the armature that moves the character; default: the shot's own choice")
    command.add_argument(
        "--bone",
        action="append",
        default=[],
        metavar="JOINT=NAME",
        help="the bone that bears a joint, left_elbow=NAME for instance; repeatable; default: the rig's own choice, else found",
    )
    command.add_argument("--reference", type=Path, metavar="FILE", help="a picture of the character; default: the shot's own choice")
    command.add_argument(
        "--reference-pose",
        type=Path,
        metavar="FILE",
        help="how the figure on the reference stands, a pose file in pixels of the reference; default: the joints marked on it",
    )
    command.add_argument("--step", type=int, metavar="N", help="a new picture at every N frames; default: the shot's own choice")
    command.add_argument("--destination", choices=("strip", "plane"), help="where the pictures go; default: the shot's own choice")
    common.add_options(command, model)


def get_settings(scene: bpy.types.Scene) -> bpy.types.PropertyGroup:
    return scene.shiage.rig


def run_command(given: argparse.Namespace, answer: dict) -> None:
    scene = bpy.context.scene
    common.check_save(given)
    _apply_arguments(scene, given)
    begun = time.monotonic()
    entry = animate.start_job(scene, bpy.context.view_layer, common.ProgressMeter("Reading the poses").show)
    answer |= {"scene": scene.name, "job": str(entry.folder), "seconds": {"gather": round(time.monotonic() - begun, 3)}}
    common.warn_of_temporary(scene, entry)
    common.warn_of_colors(scene, entry, answer)
    common.follow_job(entry, answer)
    common.place_result(scene, entry, given, answer)


def _apply_arguments(scene: bpy.types.Scene, given: argparse.Namespace) -> None:
    """Put the arguments over the shot's own settings. Raises BadInput."""
    rig = scene.shiage.rig
    if given.armature:
        named = scene.objects.get(given.armature)
        if named is None:
            raise BadInput(f"The scene '{scene.name}' has no object '{given.armature}': check the name.")
        if named.type != "ARMATURE":
            raise BadInput(f"'{given.armature}' is no armature: name one.")
        rig.armature = named
    elif rig.armature is None:
        rig.armature = _only_armature(scene)
    if rig.armature.mode == "EDIT":
        _leave_edit_mode(rig.armature)
    _choose_bones(rig.armature, given.bone)
    if given.reference:
        rig.reference = references.open_image(given.reference.absolute())
    if given.reference_pose:
        if rig.reference is None:
            raise BadInput("There is no reference whose pose it could be: give --reference too.")
        standing, size = pose.read_pose(given.reference_pose)
        marks.set_marks_from_pose(rig.reference, standing, size or tuple(rig.reference.size))
    if given.step is not None:
        if given.step < 1:
            raise BadInput(f"A picture at every {given.step} frames can't be: give 1 for ones, 2 for twos, or more.")
        rig.step = given.step
    if given.frames:
        scene.shiage.range_mode = "OWN"
        scene.shiage.frame_start, scene.shiage.frame_end = given.frames
    common.apply_common_arguments(scene, given, rig)
    if given.destination:
        scene.shiage.destination = given.destination.upper()


def _only_armature(scene: bpy.types.Scene) -> bpy.types.Object:
    found = [ob for ob in scene.objects if ob.type == "ARMATURE"]
    if len(found) != 1:
        names = f": name one of {', '.join(ob.name for ob in found)}" if found else ""
        raise BadInput(f"The scene '{scene.name}' has {len(found) or 'no'} armature{'s' if len(found) > 1 else ''}{names or ': add one'}.")
    return found[0]


def _leave_edit_mode(armature: bpy.types.Object) -> None:
    """As the Tab key does: what was edited stays. It is the active object whose mode is set, so this one is that for a moment."""
    objects = bpy.context.view_layer.objects
    active = objects.active
    objects.active = armature
    bpy.ops.object.mode_set(mode="OBJECT")
    objects.active = active


def _choose_bones(armature: bpy.types.Object, choices: list[str]) -> None:
    """Put the bones that are named over those that are found. Raises BadInput, also when a joint that a figure needs has none then."""
    known = {place.argument: place for place in places.PLACES.values()}
    for choice in choices:
        joint, _, bone = choice.partition("=")
        if joint not in known:
            near = difflib.get_close_matches(joint, known, n=1) or [_NEEDED[0]]
            raise BadInput(f"'{choice}' names no joint: write JOINT=NAME, {near[0]}=NAME for instance; joints are {', '.join(_NEEDED)}.")
        if bone not in armature.data.bones:
            near = difflib.get_close_matches(bone, armature.data.bones.keys(), n=3)
            raise BadInput(
                f"'{armature.name}' has no bone '{bone}': {f'did you mean {chr(32).join(near)}?' if near else 'check the name.'}"
            )
        setattr(armature.shiage.bones, known[joint].identifier, bone)
    found = bones.of_armature(armature)
    if found.missing:
        arguments = " ".join(f"--bone {places.PLACES[name].argument}=NAME" for name in found.missing)
        free = bones.list_free_bones(armature, found)
        more = f" and {len(free) - _LISTED} more" if len(free) > _LISTED else ""
        listed = f"Free bones: {', '.join(free[:_LISTED])}{more}." if free else "The armature has no other bones."
        raise BadInput(
            f"The armature '{armature.name}' has no bone that is known for {bones.list_titles(found.missing)}: give {arguments}. {listed}"
        )
