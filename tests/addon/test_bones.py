"""Which bones bear the joints of a figure: whatever they are called, by names and by the chain; and never a guess."""

import bpy
import pytest
import rigs
from conftest import module

NEEDED = [*(f"{limb}.{side}" for limb in rigs.LIMBS for side in "RL"), "head"]
ARM, LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")


def find(ob):
    return module("operators.scene.rig.bones").of_armature(ob)


def right(ob, naming):
    return {place: rigs.bone(ob, naming, place).name for place in NEEDED}


def edit(ob, change):
    """Change the armature in Edit Mode: `change` gets its edit bones."""
    bpy.context.view_layer.objects.active = ob
    bpy.ops.object.mode_set(mode="EDIT")
    change(ob.data.edit_bones)
    bpy.ops.object.mode_set(mode="OBJECT")


def add_bone(bones, name, head, tail, parent=None):
    made = bones.new(name)
    made.head, made.tail, made.parent = head, tail, bones.get(parent or "")
    return made


def rename_by_number(ob):
    """Names that tell nothing, {old: new}."""
    new = {bone.name: f"Bone.{nth:03d}" for nth, bone in enumerate(ob.data.bones)}
    for bone in ob.data.bones:
        bone.name = new[bone.name]
    return new


@pytest.mark.parametrize("naming", rigs.SPELLED)
def test_names_of_the_field(scene, naming):
    ob = rigs.add(scene, naming)
    found = find(ob)
    assert {place: found.names.get(place) for place in NEEDED} == right(ob, naming)
    assert not found.missing and not found.twice and found.title


def test_sides_that_do_not_mirror_each_other_are_found_by_names(scene):
    """Nothing but names and the chain tells here: one arm is raised at rest."""
    for naming in ("Quaternius", "3ds Max Biped", "Auto-Rig Pro", "MMD", "BVH", "leg and knee", "mmd_tools en"):
        ob = rigs.add(scene, naming)

        def raise_arm(bones, naming=naming):
            names = rigs.NAMINGS[naming]
            for joint, z in (("elbow", 1.6), ("wrist", 1.8)):
                bones[names[joint].format(names["sides"]["L"])].head = (0.45, -0.05, z)

        edit(ob, raise_arm)
        found = find(ob)
        assert {place: found.names.get(place) for place in NEEDED} == right(ob, naming), naming


DECOYS = {
    "Unreal": [
        "upperarm_twist_01_l upperarm_l",
        "lowerarm_twist_01_l lowerarm_l",
        "ik_hand_l pelvis",
        "ball_l foot_l",
        "thumb_01_l hand_l",
    ],
    "Reallusion": [
        "CC_Base_L_UpperarmTwist01 CC_Base_L_Upperarm",
        "CC_Base_L_ElbowShareBone CC_Base_L_Forearm",
        "CC_Base_L_ToeBase CC_Base_L_Foot",
    ],
    "3ds Max Biped": [
        "Bip001 L ForeTwist Bip001 L Forearm",
        "Bip001 L Toe0 Bip001 L Foot",
        "Bip001 HeadNub Bip001 Head",
        "Bip001 L Finger0 Bip001 L Hand",
    ],
    "MMD": [
        "左腕捩 左腕",
        "左手捩 左ひじ",
        "左足ＩＫ センター",
        "左足D センター",
        "左ひざD 左足D",
        "左足首D 左ひざD",
        "左つま先 左足首",
        "左中指１ 左手首",
    ],
    "Quaternius": ["PoleTarget.L Hips", "Hand_IK.L Hips", "Foot_IK.L Hips", "Head_end Head", "Thumb1.L Fist.L"],
    "Studio CloudRig": [
        "DEF-UpperArm2.L DEF-UpperArm1.L",
        "DEF-Forearm2.L DEF-Forearm1.L",
        "DEF-Knee2.L DEF-Knee1.L",
        "FK-UpperArm.L DEF-Hips",
        "IK-Foot.L DEF-Hips",
    ],
    "Daz 3": [
        "lShldrTwist lShldrBend",
        "lForearmTwist lForearmBend",
        "lThighTwist lThighBend",
        "lMetatarsals lFoot",
        "lToe lMetatarsals",
        "lThumb1 lHand",
    ],
    "Auto-Rig Pro": [
        "arm_twist.l arm_stretch.l",
        "c_hand_ik.l root.x",
        "leg_twist.l leg_stretch.l",
        "toes_01.l foot.l",
        "c_arms_pole.l root.x",
        "c_thumb1.l hand.l",
    ],
    "SMPL": ["L_Hand L_Wrist", "L_Foot L_Ankle", "R_Hand R_Wrist", "R_Foot R_Ankle"],
    "Kinect": ["HandLeft WristLeft", "FootLeft AnkleLeft"],
    "Unity": ["LeftToes LeftFoot", "LeftIndexProximal LeftHand", "LeftEye Head", "Jaw Head"],
}


@pytest.mark.parametrize("naming", DECOYS)
def test_what_lies_beside_a_limb_is_no_part_of_it(scene, naming):
    ob = rigs.add(scene, naming)

    def add_decoys(bones):
        for decoy in DECOYS[naming]:
            name = next(decoy[: at - 1] for at in range(2, len(decoy)) if decoy[at - 1] == " " and decoy[at:] in bones)
            parent = bones[decoy[len(name) + 1 :]]
            made = add_bone(bones, name, parent.head.lerp(parent.tail, 0.5), parent.tail, parent.name)
            made.tail = made.head + (parent.tail - parent.head) / 3

    edit(ob, add_decoys)
    found = find(ob)
    assert {place: found.names.get(place) for place in NEEDED} == right(ob, naming)


class TestShape:
    """Names that tell nothing."""

    @pytest.mark.parametrize("naming", ["Mixamo", "Unity", "strange"])  # with fingers, with collarbones, with neither
    def test_a_figure_that_can_be_nothing_else(self, scene, naming):
        ob = rigs.add(scene, naming)
        wanted = right(ob, naming)
        new = rename_by_number(ob)
        found = find(ob)
        assert {place: found.names.get(place) for place in NEEDED} == {place: new[bone] for place, bone in wanted.items()}
        assert not found.missing

    def test_left_is_left_of_where_the_feet_point(self, scene):
        ob = rigs.add(scene, "strange")

        def turn_feet(bones):
            for side in "zw":
                bones[f"six_{side}"].tail.y *= -1

        edit(ob, turn_feet)
        assert find(ob).names["wrist.L"] == "three_z", "it looks the other way now"

        def lower_feet(bones):
            for side in "zw":
                x, y, _z = bones[f"six_{side}"].head
                bones[f"six_{side}"].tail = (x, y, 0.0)

        edit(ob, lower_feet)
        assert set(find(ob).missing) == set(NEEDED), "nothing tells front from back"

    def test_sides_by_names_alone(self, scene):
        ob = rigs.add(scene, "Unity")
        names = rigs.NAMINGS["Unity"]
        for nth, joint in enumerate(rigs.LIMBS):
            for side, letter in names["sides"].items():
                ob.data.bones[names[joint].format(letter)].name = f"thing{nth}.{side}"
        found = find(ob)
        assert {place: found.names[place] for place in NEEDED} == {
            **{f"{joint}.{side}": f"thing{nth}.{side}" for nth, joint in enumerate(rigs.LIMBS) for side in "RL"},
            "head": "Head",
        }

    def test_a_neck_before_the_head_and_an_end_after_it(self, scene):
        ob = rigs.add(scene, "strange", leave_out=("head",))

        def add_head(bones):
            add_bone(bones, "n", (0, 0, 1.47), (0, 0, 1.55), "base")
            add_bone(bones, "h", (0, 0, 1.55), (0, 0, 1.8), "n")
            add_bone(bones, "e", (0, 0, 1.8), (0, 0, 1.9), "h")

        edit(ob, add_head)
        assert find(ob).names["head"] == "h" and not find(ob).missing


class TestNoGuess:
    def test_a_bone_of_a_strange_name_is_found_by_its_chain(self, scene):
        for place in ("elbow.L", "shoulder.R", "wrist.L", "knee.R", "hip.L", "ankle.R"):
            ob = rigs.add(scene, "Quaternius", name=place)
            wanted = right(ob, "Quaternius")
            rigs.bone(ob, "Quaternius", place).name = "Bone.007"
            found = find(ob)
            assert {joint: found.names.get(joint) for joint in NEEDED} == wanted | {place: "Bone.007"}, place

    def test_a_bone_that_is_not_there_is_named_alone(self, scene):
        for naming in ("Quaternius", "Mixamo", "3ds Max Biped"):
            ob = rigs.add(scene, naming, leave_out=("elbow.L",))
            found = find(ob)
            assert found.missing == ("elbow.L",) and found.names["wrist.L"] == rigs.bone(ob, naming, "wrist.L").name

    @pytest.mark.parametrize("naming", ["Metarig 2.7", "Unity", "3ds Max Biped", "strange"])
    def test_two_left_arms(self, scene, naming):
        ob = rigs.add(scene, naming)
        names = rigs.NAMINGS[naming]
        for joint in ARM:
            left, other = (ob.data.bones[names[joint].format(names["sides"][side])] for side in "LR")
            if naming == "strange":
                left.name, other.name = f"{joint}.L", f"{joint}.L.001"
            else:
                other.name = f"{left.name}.001"
        found = find(ob)
        arms = {f"{joint}.{side}" for joint in ARM for side in "RL"}
        assert set(found.missing) == arms if naming != "strange" else arms <= set(found.missing)

    def test_a_third_arm(self, scene):
        for naming in ("Metarig 2.7", "Unity", "Mixamo"):
            ob = rigs.add(scene, naming, name=naming)
            names = rigs.NAMINGS[naming]

            def add_arm(bones, names=names):
                parent = names["root"]
                for joint in ARM:
                    name = names[joint].format(names["sides"]["L"])
                    head, tail = bones[name].head.copy(), bones[name].tail.copy()
                    head.z, tail.z = head.z - 0.2, tail.z - 0.2
                    parent = add_bone(bones, f"{name}.001", head, tail, parent).name

            edit(ob, add_arm)
            assert find(ob).missing == ("shoulder.L", "elbow.L", "wrist.L"), naming

    def test_copies_in_the_same_place_are_no_second_arm(self, scene):
        ob = rigs.add(scene, "Unity")

        def copy_arm(bones):
            parent = "Hips"
            for name in ("LeftUpperArm", "LeftLowerArm", "LeftHand"):
                parent = add_bone(bones, f"{name}.001", bones[name].head, bones[name].tail, parent).name

        edit(ob, copy_arm)
        assert find(ob).names["elbow.L"] == "LeftLowerArm" and not find(ob).missing

    def test_a_second_hand_on_the_same_arm_is_no_second_arm(self, scene):
        ob = rigs.add(scene)
        edit(ob, lambda bones: add_bone(bones, "mixamorig:LeftHand.001", (0.5, -0.3, 1), (0.5, -0.4, 1), "mixamorig:LeftForeArm"))
        assert find(ob).names["wrist.L"] == "mixamorig:LeftHand" and not find(ob).missing

    def test_two_figures_are_taken_as_the_first(self, scene):
        ob = rigs.add(scene)

        def double(bones):
            for bone in list(bones):  # a parent comes before its children
                add_bone(bones, f"{bone.name}.001", bone.head * 1.1, bone.tail * 1.1, bone.parent and f"{bone.parent.name}.001")

        edit(ob, double)
        found = find(ob)
        assert not found.missing and found.names["knee.R"] == "mixamorig:RightLeg" and len(found.twice) == 1

    @pytest.mark.parametrize("numbered", [False, True])
    def test_an_animal(self, scene, numbered):
        """On four legs, even when its bones are called as a person's."""
        ob = rigs.add(scene, "Metarig 2.7")

        def lie_down(bones):
            for bone in bones:
                bone.use_connect = False
            bones["spine"].head, bones["spine"].tail = (0, 0.5, 1), (0, -0.4, 1)
            bones["head"].head, bones["head"].tail = (0, -0.5, 1.1), (0, -0.8, 1.1)
            for side, sign in (("R", -1), ("L", 1)):
                for y, limb in ((-0.4, ("upper_arm", "forearm", "hand")), (0.5, ("thigh", "shin", "foot"))):
                    for name, top, low in zip(limb, (1.0, 0.55, 0.1), (0.55, 0.1, 0.02), strict=True):
                        bones[f"{name}.{side}"].head, bones[f"{name}.{side}"].tail = (
                            (sign * 0.15, y, top),
                            (sign * 0.15, y - (low < 0.05) * 0.1, low),
                        )

        edit(ob, lie_down)
        if numbered:
            rename_by_number(ob)
        assert set(NEEDED) - {"head"} <= set(find(ob).missing)

    def test_other_creatures_and_props(self, scene):
        tail = rigs.add(scene, "strange", name="Tail")

        def add_tail(bones):
            add_bone(bones, "t1", (0, 0.05, 1), (0, 0.3, 0.9), "base")
            add_bone(bones, "t2", (0, 0.3, 0.9), (0, 0.5, 0.9), "t1")

        edit(tail, add_tail)
        winged = rigs.add(scene, "strange", name="Winged")
        edit(winged, lambda bones: add_bone(bones, "wing.L", (0.1, 0.1, 1.4), (0.8, 0.2, 1.5), "base"))
        chain = rigs.add(scene, "strange", leave_out=tuple(NEEDED), name="Chain")
        legs = rigs.add(scene, "strange", leave_out=tuple(f"{joint}.{side}" for joint in LEG for side in "RL"), name="Bust")
        for ob in (tail, winged, chain, legs):
            assert set(NEEDED) - {"head"} <= set(find(ob).missing), ob.name
