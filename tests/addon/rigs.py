"""Armatures of a figure for tests, made by numbers: 1.8 units tall, facing -Y, arms half lowered, feet at the origin."""

import math

import bpy
from mathutils import Vector

# Where the bones of the left side and of the middle begin and end, by what they are.
LIMBS = {
    "shoulder": ((0.18, 0.0, 1.45), (0.40, 0.03, 1.30)),
    "elbow": ((0.40, 0.03, 1.30), (0.60, 0.0, 1.15)),
    "wrist": ((0.60, 0.0, 1.15), (0.67, -0.01, 1.09)),
    "hip": ((0.10, 0.0, 1.00), (0.11, -0.02, 0.55)),
    "knee": ((0.11, -0.02, 0.55), (0.11, 0.02, 0.10)),
    "ankle": ((0.11, 0.02, 0.10), (0.11, -0.12, 0.02)),
}
PARENTS = {"shoulder": None, "elbow": "shoulder", "wrist": "elbow", "hip": None, "knee": "hip", "ankle": "knee"}
HEAD = ((0.0, 0.0, 1.55), (0.0, 0.0, 1.80))
FINGERS = ("thumb", "index", "middle", "ring", "pinky")

# How programs name these bones, {} for the side: spelled out, so that a slip in the extension's own tables is seen.
NAMINGS = {
    "Mixamo": {
        "sides": {"R": "Right", "L": "Left"},
        "shoulder": "mixamorig:{}Arm",
        "elbow": "mixamorig:{}ForeArm",
        "wrist": "mixamorig:{}Hand",
        "hip": "mixamorig:{}UpLeg",
        "knee": "mixamorig:{}Leg",
        "ankle": "mixamorig:{}Foot",
        "head": "mixamorig:Head",
        "root": "mixamorig:Hips",
        "fingers": "mixamorig:{}Hand{}{}",
    },
    "CMU": {
        "sides": {"R": "Right", "L": "Left"},
        "shoulder": "{}Arm",
        "elbow": "{}ForeArm",
        "wrist": "{}Hand",
        "hip": "{}UpLeg",
        "knee": "{}Leg",
        "ankle": "{}Foot",
        "head": "Head",
        "root": "Hips",
    },
    "MakeHuman": {
        "sides": {"R": "R", "L": "L"},
        "shoulder": "upperarm01.{}",
        "elbow": "lowerarm01.{}",
        "wrist": "wrist.{}",
        "hip": "upperleg01.{}",
        "knee": "lowerleg01.{}",
        "ankle": "foot.{}",
        "head": "head",
        "root": "root",
    },
    "strange": {
        "sides": {"R": "z", "L": "w"},
        "shoulder": "one_{}",
        "elbow": "two_{}",
        "wrist": "three_{}",
        "hip": "four_{}",
        "knee": "five_{}",
        "ankle": "six_{}",
        "head": "seven",
        "root": "base",
    },
}


def add(scene: bpy.types.Scene, naming: str = "Mixamo", leave_out: tuple[str, ...] = (), name: str = "RIG") -> bpy.types.Object:
    """An armature in the scene, active; `leave_out` are places without a bone, 'elbow.R' for instance."""
    ob = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    scene.collection.objects.link(ob)
    view_layer = scene.view_layers[0]
    view_layer.objects.active = ob
    bpy.ops.object.mode_set(mode="EDIT")
    names = NAMINGS[naming]
    bones = ob.data.edit_bones

    def bone(name, start, end, parent):
        made = bones.new(name)
        made.head, made.tail, made.parent = start, end, parent
        return made

    root = bone(names["root"], (0, 0, 1.0), (0, 0, 1.3), None)
    if "head" not in leave_out:
        bone(names["head"], *HEAD, root)
    for side, sign in (("R", -1), ("L", 1)):
        made = {}
        for limb, ends in LIMBS.items():
            if f"{limb}.{side}" not in leave_out:
                start, end = (Vector((sign * x, y, z)) for x, y, z in ends)
                made[limb] = bone(names[limb].format(names["sides"][side]), start, end, made.get(PARENTS[limb]) or root)
        if "fingers" in names and "wrist" in made:
            for nth, finger in enumerate(FINGERS):
                parent, start = made["wrist"], made["wrist"].tail + Vector((0, 0.03 * (nth - 2), 0))
                for number in (1, 2, 3):
                    end = start + Vector((sign * 0.02, 0, -0.02))
                    parent = bone(names["fingers"].format(names["sides"][side], finger.title(), number), start, end, parent)
                    start = end
    bpy.ops.object.mode_set(mode="OBJECT")
    return ob


def bone(ob: bpy.types.Object, naming: str, place: str) -> bpy.types.PoseBone:
    """The pose bone of a place, 'elbow.R' for instance."""
    names = NAMINGS[naming]
    limb, _, side = place.partition(".")
    return ob.pose.bones[names[limb].format(names["sides"].get(side, ""))]


def look(scene: bpy.types.Scene, turn: float = 0.0, distance: float = 5.0, height: float = 0.95, size=(384, 512)) -> None:
    """Let the camera see all of the figure, from the front, or `turn` degrees to its left around it."""
    angle = math.radians(turn)
    scene.camera.location = (distance * math.sin(angle), -distance * math.cos(angle), height)
    scene.camera.rotation_euler = (math.pi / 2, 0, angle)
    scene.camera.data.sensor_fit, scene.camera.data.sensor_height, scene.camera.data.lens = "VERTICAL", 24, 52
    scene.render.resolution_x, scene.render.resolution_y = size
    bpy.context.view_layer.update()


def swing(ob: bpy.types.Object, naming: str, frames=(1, 25)) -> None:
    """A movement of arms, a leg and the head over the frames."""
    for place, axis, degrees in (("shoulder.L", 0, 70), ("elbow.R", 2, 60), ("hip.R", 0, 40), ("head", 1, 60)):
        pose = bone(ob, naming, place)
        pose.rotation_mode = "XYZ"
        for frame, value in zip(frames, (-degrees / 2, degrees / 2), strict=True):
            pose.rotation_euler[axis] = math.radians(value)
            pose.keyframe_insert("rotation_euler", index=axis, frame=frame)
