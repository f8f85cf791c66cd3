"""Animate a character: read an armature's poses, write the job, hand it to the engine."""

from collections.abc import Callable

import bpy

from ..engine import models
from ..engine.host.client import JobState
from ..engine.job.errors import BadInput
from . import engine, session, weights
from .scene import settings
from .scene.read import references
from .scene.rig import bones, marks, motion
from .starting import StartingOperator

TASK = "animate"


def find_obstacle(scene: bpy.types.Scene) -> str:
    """Why the character can't be animated now, and what to do; '' when nothing is known to be in the way. Looks at memory only."""
    chosen = scene.shiage.rig
    reason = obstacle_of_armature(scene, chosen.armature)
    if reason:
        return reason
    if scene.camera is None:
        return "Add a camera that sees the armature"
    if chosen.reference is None:
        return "Choose a picture of the character first"
    if not chosen.model:
        return "Choose a model first"
    if engine.find_obstacle() or weights.find_obstacle(scene, chosen.model):
        return engine.find_obstacle() or weights.find_obstacle(scene, chosen.model)
    if session.find_running(scene, TASK) is not None:
        return "This character is being animated: wait, or cancel its job"
    return ""


def obstacle_of_armature(scene: bpy.types.Scene, armature: bpy.types.Object | None) -> str:
    """Why an armature's poses can't be read."""
    if armature is None:
        return "Choose the armature that moves the character"
    if armature.name not in scene.objects:
        return "The armature is not in this scene: choose one that is"
    if armature.mode == "EDIT":
        return "Leave the armature's Edit Mode first"
    if armature.data.pose_position == "REST":
        return "The armature shows its rest position: set it to Pose Position"
    return bones.find_obstacle(bones.of_armature(armature))


def start_job(scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer, on_progress: Callable[[float], None]) -> session.JobEntry:
    """Read the poses, write the job and hand it to the engine; returns at once. Raises ShiageError, and nothing is changed then."""
    chosen = scene.shiage.rig
    folder = settings.job_folder(scene, TASK)
    running = session.find_entry(folder)
    if running is not None and running.live:
        raise BadInput("This character is being animated: wait, or cancel its job.")
    reason = obstacle_of_armature(scene, chosen.armature)
    if reason:
        raise BadInput(f"{reason}.")
    if chosen.reference is None:
        raise BadInput("There is no reference: choose a picture of the character.")
    model = models.info(chosen.model, TASK)
    picture = references.find_image_file(chosen.reference)
    first, last, _step = settings.frame_range(scene)
    moved = motion.gather_motion(
        scene,
        view_layer,
        chosen.armature,
        size=settings.get_size(scene),
        frames=(first, last),
        step=chosen.step,
        on_progress=on_progress,
    )
    standing = marks.as_pose(chosen.reference)
    motion.write_job(moved, folder, model.id, settings.get_options(scene, model.id), picture, standing, tuple(chosen.reference.size))
    entry = session.JobEntry(
        JobState(str(folder), moved.title), session.SceneOrigin.from_scene(scene), scene.shiage.destination, moved.warnings, task=TASK
    )
    session.submit_job(entry)
    return entry


class SHIAGE_OT_animate_rig(StartingOperator, bpy.types.Operator):
    """Make frames of the character on the reference that move like the armature. The engine works beside Blender: go on meanwhile"""

    bl_idname = "shiage.animate_rig"
    bl_label = "Animate Rig"

    @staticmethod
    def reason(context):
        return find_obstacle(context.scene)

    def start(self, context, on_progress):
        return start_job(context.scene, context.view_layer, on_progress)


register, unregister = bpy.utils.register_classes_factory((SHIAGE_OT_animate_rig,))
