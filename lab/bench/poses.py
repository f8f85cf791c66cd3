"""Run by run.py inside Blender: what the poses of Rigify's generated human take. Writes JSON to the file after `--`: CPU time, medians."""

import importlib
import json
import math
import statistics
import sys
import time
from pathlib import Path

import addon_utils
import bpy

FILE = Path(sys.argv[sys.argv.index("--") + 1])
FRAMES = 1000


def import_module(name: str):
    return importlib.import_module(f"bl_ext.user_default.shiage.{name}")


def build_shot() -> bpy.types.Object:
    """The human, whose arm and leg move in all frames, before a camera that sees all of it."""
    bpy.ops.wm.read_homefile(use_empty=True)
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_human_metarig_add()
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    for name, end in {"hand_ik.L": (0.1, 0.1, 0.5), "foot_ik.R": (0.1, -0.3, 0.3)}.items():
        for frame, place in ((1, (0, 0, 0)), (FRAMES, end)):
            rig.pose.bones[name].location = place
            rig.pose.bones[name].keyframe_insert("location", frame=frame)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = (0, -6, 1.0), (math.pi / 2, 0, 0)
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    return rig


def measure_time(function, *arguments, **named) -> float:
    """Milliseconds of CPU time."""
    started = time.process_time()
    function(*arguments, **named)
    return 1000 * (time.process_time() - started)


def main() -> None:
    rig, scene, size = build_shot(), bpy.context.scene, (512, 768)
    poses, camera, bones = (import_module(f"operators.scene.{name}") for name in ("rig.poses", "read.camera", "rig.bones"))
    figure = poses.read_figure(rig, bones.of_armature(rig))

    def extract_pose() -> None:
        depsgraph = bpy.context.view_layer.depsgraph
        seen = poses.read_pose(figure, depsgraph, camera.of_scene(scene, depsgraph, size))
        assert len(seen.seen) == 18 + 42 + 68, "the camera does not see all of the figure"

    evaluation, extraction = [], []
    for frame in range(1, 201):
        evaluation.append(measure_time(scene.frame_set, frame))
        extraction.append(measure_time(extract_pose))
    gather = import_module("operators.scene.rig.motion").gather_motion
    whole = measure_time(gather, scene, bpy.context.view_layer, rig, size=size, frames=(1, FRAMES))
    numbers = {
        "pose of a frame, 128 points, ms": statistics.median(extraction),
        "Blender's own evaluation of the frame, ms": statistics.median(evaluation),
        f"gathering {FRAMES} frames that all differ, ms": whole,
    }
    FILE.write_text(json.dumps({name: round(value, 2) for name, value in numbers.items()}), "utf-8")


main()
