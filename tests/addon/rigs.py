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

_PARTS = ("sides", "collar", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "head", "root")
_SPELLED = """
    VRM add-on | R L | shoulder.{} | upper_arm.{} | lower_arm.{} | hand.{} | upper_leg.{} | lower_leg.{} | foot.{} | head | hips
    VRoid | R L | J_Bip_{}_Shoulder | J_Bip_{}_UpperArm | J_Bip_{}_LowerArm | J_Bip_{}_Hand | J_Bip_{}_UpperLeg | J_Bip_{}_LowerLeg | \
        J_Bip_{}_Foot | J_Bip_C_Head | J_Bip_C_Hips
    Quaternius | R L | Shoulder.{} | UpperArm.{} | LowerArm.{} | Fist.{} | UpperLeg.{} | LowerLeg.{} | Foot.{} | Head | Hips
    Auto-Rig Pro | r l | shoulder.{} | arm_stretch.{} | forearm_stretch.{} | hand.{} | thigh_stretch.{} | leg_stretch.{} | foot.{} | \
        head.x | root.x
    Metarig 2.7 | R L | shoulder.{} | upper_arm.{} | forearm.{} | hand.{} | thigh.{} | shin.{} | foot.{} | head | spine
    Rigify 2.7 | R L | DEF-shoulder.{} | DEF-upper_arm.01.{} | DEF-forearm.01.{} | DEF-hand.{} | DEF-thigh.01.{} | DEF-shin.01.{} | \
        DEF-foot.{} | DEF-head | DEF-hips
    ORG | R L | ORG-shoulder.{} | ORG-upper_arm.{} | ORG-forearm.{} | ORG-hand.{} | ORG-thigh.{} | ORG-shin.{} | ORG-foot.{} | \
        ORG-head | ORG-spine
    Studio basic | R L | DEF-Clavicle.{} | DEF-Shoulder.{} | DEF-Elbow.{} | DEF-Hand.{} | DEF-Thigh.{} | DEF-Knee.{} | DEF-Foot.{} | \
        DEF-Head | DEF-Hips
    Studio CloudRig | R L | DEF-Shoulder.{} | DEF-UpperArm1.{} | DEF-Forearm1.{} | DEF-Wrist.{} | DEF-Thigh1.{} | DEF-Knee1.{} | \
        DEF-Foot.{} | DEF-Head | DEF-Hips
    Unity | Right Left | {}Shoulder | {}UpperArm | {}LowerArm | {}Hand | {}UpperLeg | {}LowerLeg | {}Foot | Head | Hips
    3ds Max Biped | R L | Bip001 {} Clavicle | Bip001 {} UpperArm | Bip001 {} Forearm | Bip001 {} Hand | Bip001 {} Thigh | \
        Bip001 {} Calf | Bip001 {} Foot | Bip001 Head | Bip001 Pelvis
    Source | R L | ValveBiped.Bip01_{}_Clavicle | ValveBiped.Bip01_{}_UpperArm | ValveBiped.Bip01_{}_Forearm | \
        ValveBiped.Bip01_{}_Hand | ValveBiped.Bip01_{}_Thigh | ValveBiped.Bip01_{}_Calf | ValveBiped.Bip01_{}_Foot | \
        ValveBiped.Bip01_Head1 | ValveBiped.Bip01_Pelvis
    Unreal | r l | clavicle_{} | upperarm_{} | lowerarm_{} | hand_{} | thigh_{} | calf_{} | foot_{} | head | pelvis
    Reallusion | R L | CC_Base_{}_Clavicle | CC_Base_{}_Upperarm | CC_Base_{}_Forearm | CC_Base_{}_Hand | CC_Base_{}_Thigh | \
        CC_Base_{}_Calf | CC_Base_{}_Foot | CC_Base_Head | CC_Base_Hip
    Mixamo 7 | Right Left | mixamorig7:{}Shoulder | mixamorig7:{}Arm | mixamorig7:{}ForeArm | mixamorig7:{}Hand | mixamorig7:{}UpLeg | \
        mixamorig7:{}Leg | mixamorig7:{}Foot | mixamorig7:Head | mixamorig7:Hips
    Prefixed | Right Left | Hero_{}Shoulder | Hero_{}Arm | Hero_{}ForeArm | Hero_{}Hand | Hero_{}UpLeg | Hero_{}Leg | Hero_{}Foot | \
        Hero_Head | Hero_Hips
    Daz 3 | r l | {}Collar | {}ShldrBend | {}ForearmBend | {}Hand | {}ThighBend | {}Shin | {}Foot | head | hip
    Daz 9 | r l | {}_shoulder | {}_upperarm | {}_forearm | {}_hand | {}_thigh | {}_shin | {}_foot | head | hip
    Poser | r l | {}Collar | {}Shldr | {}ForeArm | {}Hand | {}Thigh | {}Shin | {}Foot | head | hip
    ASF | r l | {}clavicle | {}humerus | {}radius | {}wrist | {}femur | {}tibia | {}foot | head | root
    BVH | Right Left | {}Collar | {}Shoulder | {}Elbow | {}Wrist | {}Hip | {}Knee | {}Ankle | Head | Hips
    SMPL | R L | {}_Collar | {}_Shoulder | {}_Elbow | {}_Wrist | {}_Hip | {}_Knee | {}_Ankle | Head | Pelvis
    Kinect | Right Left | Collar{} | Shoulder{} | Elbow{} | Wrist{} | Hip{} | Knee{} | Ankle{} | Head | HipCenter
    OptiTrack | R L | {}Shoulder | {}UArm | {}FArm | {}Hand | {}Thigh | {}Shin | {}Foot | Head | Hip
    MMD | 右 左 | {}肩 | {}腕 | {}ひじ | {}手首 | {}足 | {}ひざ | {}足首 | 頭 | センター
    mmd_tools | R L | 肩.{} | 腕.{} | ひじ.{} | 手首.{} | 足.{} | ひざ.{} | 足首.{} | 頭 | センター
    mmd_tools en | R L | shoulder_{} | arm_{} | elbow_{} | wrist_{} | leg_{} | knee_{} | ankle_{} | head | center
    XNALara | right left | arm {} shoulder 1 | arm {} shoulder 2 | arm {} elbow | arm {} wrist | leg {} thigh | leg {} knee \
        | leg {} ankle | head neck upper | root hips
    AdvancedSkeleton | R L | Scapula_{} | Shoulder_{} | Elbow_{} | Wrist_{} | Hip_{} | Knee_{} | Ankle_{} | Head_M | Root_M
    VRChat | Right Left | {} shoulder | {} arm | {} elbow | {} wrist | {} leg | {} knee | {} ankle | Head | Hips
    Skyrim | R L | NPC {} Clavicle | NPC {} UpperArm | NPC {} Forearm | NPC {} Hand | NPC {} Thigh | NPC {} Calf | NPC {} Foot \
        | NPC Head | NPC
    simple | R L | shoulder.{} | arm.{} | forearm.{} | hand.{} | thigh.{} | leg.{} | foot.{} | head | spine
    leg and knee | right left | {}_shoulder | {}_arm | {}_forearm | {}_hand | {}_leg | {}_knee | {}_foot | head | hips
    upper case | R L | CLAVICLE_{} | UPPERARM_{} | LOWERARM_{} | HAND_{} | THIGH_{} | CALF_{} | FOOT_{} | HEAD | PELVIS
    glued | right left | {}shoulder | {}upperarm | {}lowerarm | {}hand | {}upperleg | {}lowerleg | {}foot | head | hips
    word order | R L | Clavicle{} | ArmUpper{} | ArmLower{} | Hand{} | LegUpper{} | LegLower{} | Foot{} | Head | Pelvis
"""


def _read_spelled() -> dict[str, dict]:
    namings = {}
    for line in _SPELLED.strip().splitlines():
        title, *parts = (part.strip() for part in line.split("|"))
        namings[title] = dict(zip(_PARTS, parts, strict=True))
        namings[title]["sides"] = dict(zip("RL", parts[0].split(), strict=True))
    return namings


SPELLED = _read_spelled()
NAMINGS |= SPELLED


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
        made, trunk = {}, {}
        if "collar" in names:
            trunk["shoulder"] = bone(names["collar"].format(names["sides"][side]), (sign * 0.02, 0, 1.4), (sign * 0.18, 0, 1.45), root)
        for limb, ends in LIMBS.items():
            if f"{limb}.{side}" not in leave_out:
                start, end = (Vector((sign * x, y, z)) for x, y, z in ends)
                made[limb] = bone(names[limb].format(names["sides"][side]), start, end, made.get(PARENTS[limb]) or trunk.get(limb, root))
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
