"""Poses of an armature: the joints lie where Blender renders them, left is left, and what can't be seen isn't."""

import math

import addon_utils
import bpy
import numpy as np
import pytest
import rigs
from conftest import module

JOINTS = [f"{limb}.{side}" for limb in rigs.LIMBS for side in "RL"]


def seen(scene, ob):
    """The pose at the present frame, as {joint: (x, y) or None}, with the parts beside."""
    bpy.context.view_layer.update()
    poses, bones, camera = (module(f"operators.scene.{name}") for name in ("rig.poses", "rig.bones", "read.camera"))
    depsgraph, size = bpy.context.evaluated_depsgraph_get(), module("operators.scene.settings").get_size(scene)
    pose = poses.read_pose(poses.read_figure(ob, bones.of_armature(ob)), depsgraph, camera.of_scene(scene, depsgraph, size))
    return dict(zip(module("engine.job.pose").BODY, pose.body, strict=True)), pose


def rendered(scene, ob, naming, tmp_path):
    """Where Blender's own render shows small balls that hang on the bones: {joint: (x, y)}, the middle of each ball's pixels."""
    colors = {}
    for i, joint in enumerate(JOINTS):
        mesh = bpy.data.meshes.new(joint)
        corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
        faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        mesh.from_pydata([tuple(0.015 * at for at in corner) for corner in corners], [], faces)
        ball = bpy.data.objects.new(joint, mesh)
        scene.collection.objects.link(ball)
        hang = ball.constraints.new("COPY_LOCATION")
        hang.target, hang.subtarget = ob, rigs.bone(ob, naming, joint).name
        colors[joint] = (i % 3 / 2, i // 3 % 3 / 2, 0.25 + i // 9 / 2)
        ball.color = (*colors[joint], 1)
    render, shading = scene.render, scene.display.shading
    render.engine, scene.view_settings.view_transform, scene.display.render_aa = "BLENDER_WORKBENCH", "Raw", "OFF"
    shading.light, shading.color_type, render.film_transparent = "FLAT", "OBJECT", True
    render.image_settings.file_format, render.filepath = "PNG", str(tmp_path / "balls.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(render.filepath, check_existing=False)
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    picture = np.array(image.pixels[:], np.float32).reshape(height, width, 4)[::-1]
    places = {}
    for joint, color in colors.items():
        rows, columns = np.nonzero((np.abs(picture[..., :3] - color).max(axis=2) < 0.02) & (picture[..., 3] > 0.5))
        places[joint] = (columns.mean() + 0.5, rows.mean() + 0.5) if len(rows) else None
    return places


def whole(scene, ob):
    rigs.look(scene)


def wide_and_shifted(scene, ob):
    rigs.look(scene, size=(640, 360))
    scene.camera.data.shift_x, scene.camera.data.shift_y = 0.1, -0.05


def orthographic(scene, ob):
    rigs.look(scene, turn=30)
    scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 2.4


def unevenly_scaled(scene, ob):
    ob.scale, ob.rotation_euler, ob.location = (1.3, 0.7, 0.9), (0, 0.1, 0.5), (0.1, 0.2, 0)
    rigs.look(scene, turn=-20)


def under_a_parent(scene, ob):
    parent = bpy.data.objects.new("Cart", None)
    scene.collection.objects.link(parent)
    parent.scale, parent.rotation_euler = (0.9, 1.1, 0.8), (0.05, 0.1, 0.4)
    ob.parent = parent
    rigs.look(scene)


@pytest.mark.parametrize("setting", [whole, wide_and_shifted, orthographic, unevenly_scaled, under_a_parent])
@pytest.mark.parametrize("naming", ["Mixamo", "MakeHuman"])
def test_joints_lie_where_blender_renders_them(scene, tmp_path, setting, naming):
    ob = rigs.add(scene, naming)
    rigs.swing(ob, naming)
    scene.frame_set(9)
    setting(scene, ob)
    joints, _pose = seen(scene, ob)
    places = rendered(scene, ob, naming, tmp_path)
    assert sum(place is not None for place in places.values()) >= 10, "the test itself sees nothing"
    for joint, place in places.items():
        if place is not None:
            assert joints[joint] == pytest.approx(place, abs=1.0), joint


def test_left_is_the_figures_left_and_the_neck_lies_between_the_shoulders(scene):
    ob = rigs.add(scene)
    rigs.look(scene)
    joints, pose = seen(scene, ob)
    assert joints["shoulder.R"][0] < 192 < joints["shoulder.L"][0], "who faces us has the left at our right"
    assert joints["neck"] == pytest.approx(np.mean([joints["shoulder.R"], joints["shoulder.L"]], axis=0), abs=1e-3)
    assert joints["eye.R"][0] < joints["nose"][0] < joints["eye.L"][0] and joints["ear.R"][0] < joints["eye.R"][0]
    assert joints["nose"][1] < joints["neck"][1] < joints["hip.R"][1] < joints["ankle.R"][1]
    assert len(pose.left_hand) == len(pose.right_hand) == 21 and None not in pose.left_hand + pose.right_hand
    assert pose.left_hand[0] == joints["wrist.L"] and pose.right_hand[0] == joints["wrist.R"]
    tips = [pose.left_hand[4 * finger + 4] for finger in range(5)]
    assert all(tip[1] > pose.left_hand[0][1] for tip in tips), "lowered hands point down"
    face = np.array(pose.face)
    assert face.shape == (68, 2) and face[0, 0] < face[8, 0] < face[16, 0] and face[8, 1] == face[:, 1].max(), "the chin is lowest"


@pytest.mark.parametrize(
    ("turn", "hidden", "face"),
    [
        (0, [], True),
        (25, [], True),
        (50, ["ear.R"], True),  # the camera goes round to the figure's left
        (-50, ["ear.L"], True),
        (88, ["ear.R", "eye.R"], False),
        (-88, ["ear.L", "eye.L"], False),
        (130, ["nose", "ear.R", "eye.R", "eye.L"], False),
        (180, ["nose", "ear.R", "ear.L", "eye.R", "eye.L"], False),
    ],
)
def test_what_the_head_hides(scene, turn, hidden, face):
    ob = rigs.add(scene)
    rigs.look(scene, turn)
    joints, pose = seen(scene, ob)
    assert [name for name in ("nose", "ear.R", "ear.L", "eye.R", "eye.L") if joints[name] is None] == hidden
    assert bool(pose.face) is face
    assert all(joints[joint] for joint in JOINTS), "the body is seen from all sides"


def test_it_is_the_head_that_looks_away_and_not_the_body(scene):
    ob = rigs.add(scene)
    rigs.look(scene)
    head = rigs.bone(ob, "Mixamo", "head")
    head.rotation_mode, head.rotation_euler = "XYZ", (0, math.pi, 0)
    joints, pose = seen(scene, ob)
    assert joints["nose"] is None and not pose.face and joints["shoulder.R"][0] < joints["shoulder.L"][0]


def test_what_is_outside_or_behind_the_camera_is_left_out(scene):
    ob = rigs.add(scene)
    rigs.look(scene, height=1.3, distance=1.6)
    joints, _ = seen(scene, ob)
    assert joints["shoulder.R"] and joints["ankle.R"] is None and joints["knee.L"] is None
    scene.camera.location = (0, 0.0, 1.3)  # inside the chest: the arms are beside, the legs below, nothing lies before
    scene.camera.rotation_euler = (math.pi / 2, 0, 0)
    joints, pose = seen(scene, ob)
    assert not [joint for joint in JOINTS if joints[joint] is not None and not joint.startswith(("ankle", "wrist", "elbow"))]
    scene.camera.location = (0, -9, 1)
    scene.camera.rotation_euler = (math.pi / 2, 0, math.pi)
    assert seen(scene, ob)[1].seen == []


def test_a_mirrored_figure_changes_hands(scene):
    """Flipped by a negative scale, its left hand looks like a right one."""
    ob = rigs.add(scene)
    rigs.swing(ob, "Mixamo")
    rigs.look(scene)
    scene.frame_set(25)
    plain, plain_pose = seen(scene, ob)
    ob.scale[0] = -1
    joints, pose = seen(scene, ob)

    def flipped(at):
        return 384 - at[0], at[1]

    for joint in JOINTS:
        other = joint[:-1] + {"R": "L", "L": "R"}[joint[-1]]
        assert joints[joint] == pytest.approx(flipped(plain[other]), abs=0.01)
    assert pose.left_hand[8] == pytest.approx(flipped(plain_pose.right_hand[8]), abs=0.01)
    assert joints["shoulder.R"][0] < joints["shoulder.L"][0]


class TestEvaluated:
    """What constraints, drivers, links and overrides make of a pose is what counts."""

    def test_a_constraint(self, scene):
        ob = rigs.add(scene)
        rigs.look(scene)
        before, _ = seen(scene, ob)
        target = bpy.data.objects.new("Target", None)
        target.location = (0.3, -0.2, 1.7)
        scene.collection.objects.link(target)
        reach = rigs.bone(ob, "Mixamo", "elbow.L").constraints.new("IK")
        reach.target, reach.chain_count = target, 2
        after, _ = seen(scene, ob)
        assert after["wrist.L"][1] < before["wrist.L"][1] - 50 and after["wrist.R"] == before["wrist.R"]

    def test_a_driver(self, scene):
        ob = rigs.add(scene)
        rigs.look(scene)
        before, _ = seen(scene, ob)
        bone = rigs.bone(ob, "Mixamo", "shoulder.R")
        bone.rotation_mode = "XYZ"
        bone.driver_add("rotation_euler", 0).driver.expression = "1.2"
        after, _ = seen(scene, ob)
        assert abs(after["wrist.R"][1] - before["wrist.R"][1]) > 20

    @pytest.mark.parametrize("override", [False, True])
    def test_a_linked_armature(self, scene, tmp_path, override):
        ob = rigs.add(scene, "strange")
        for place in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
            for side in "RL":
                setattr(ob.shiage.bones, f"{place}_{side.lower()}", rigs.bone(ob, "strange", f"{place}.{side}").name)
        rigs.look(scene)
        plain, _ = seen(scene, ob)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"), copy=True)
        bpy.data.objects.remove(ob)
        with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_there, here):
            here.objects = ["RIG"]
        linked = here.objects[0]
        assert linked.library is not None
        ob = linked.override_create() if override else linked
        scene.collection.objects.link(ob)
        joints, _ = seen(scene, ob)
        assert [joints[joint] for joint in JOINTS] == [pytest.approx(plain[joint], abs=0.01) for joint in JOINTS], "the map came along"
        if override:
            bone = rigs.bone(ob, "strange", "shoulder.L")
            bone.rotation_mode, bone.rotation_euler = "XYZ", (1.0, 0, 0)
            assert seen(scene, ob)[0]["wrist.L"] != joints["wrist.L"]
            ob.shiage.bones.elbow_l = "gone"
            with pytest.raises(module("engine.job.errors").BadInput, match="No bone is known for Left Elbow: choose them under Bones"):
                seen(scene, ob)  # an override has a map of its own

    def test_an_armature_that_is_not_evaluated_is_told(self, scene):
        ob = rigs.add(scene)
        rigs.look(scene)
        ob.hide_viewport = True
        with pytest.raises(module("engine.job.errors").BadInput, match="'RIG' is not in the scene 'Scene', or disabled in its viewports"):
            seen(scene, ob)


class TestHead:
    def test_an_empty_stands_for_the_head(self, scene):
        ob = rigs.add(scene, leave_out=("head",))
        rigs.look(scene)
        with pytest.raises(module("engine.job.errors").BadInput, match="No bone is known for Head"):
            seen(scene, ob)
        empty = bpy.data.objects.new("Face", None)
        empty.location, empty.empty_display_size = (0, 0, 1.7), 0.15
        scene.collection.objects.link(empty)
        ob.shiage.bones.face = empty
        joints, pose = seen(scene, ob)
        assert joints["eye.R"][0] < joints["nose"][0] < joints["eye.L"][0] and len(pose.face) == 68
        empty.rotation_euler[2] = math.pi
        joints, pose = seen(scene, ob)
        assert joints["nose"] is None and not pose.face

    def test_the_chin_and_the_lower_lip_go_with_the_jaw(self, scene):
        ob = rigs.add(scene, "MakeHuman")
        bpy.ops.object.mode_set(mode="EDIT")
        jaw = ob.data.edit_bones.new("jaw")
        jaw.head, jaw.tail, jaw.parent = (0, -0.02, 1.62), (0, -0.12, 1.57), ob.data.edit_bones["head"]
        bpy.ops.object.mode_set(mode="OBJECT")
        rigs.look(scene)
        _, shut = seen(scene, ob)
        ob.pose.bones["jaw"].rotation_mode, ob.pose.bones["jaw"].rotation_euler = "XYZ", (0.4, 0, 0)
        _, opened = seen(scene, ob)
        down = [opened.face[i][1] - shut.face[i][1] for i in range(68)]
        assert down[8] > 2 and down[57] > 2 and down[66] > 2, "chin and lower lip"
        assert down[51] == down[30] == down[36] == down[0] == pytest.approx(0, abs=1e-3), "nothing else"

    @pytest.mark.parametrize("tail", [(0, -0.25, 1.55), (0.2, 0, 1.55), (0, 0, 1.56)])
    def test_a_head_bone_that_points_elsewhere_bears_an_upright_head(self, scene, tail):
        """As in files of programs whose bones have no length or look along other axes."""
        ob = rigs.add(scene)
        rigs.look(scene)
        plain, _ = seen(scene, ob)
        bpy.ops.object.mode_set(mode="EDIT")
        ob.data.edit_bones["mixamorig:Head"].tail = tail
        bpy.ops.object.mode_set(mode="OBJECT")
        joints, pose = seen(scene, ob)
        for joint in ("nose", "eye.R", "eye.L", "ear.R", "ear.L"):
            assert joints[joint] == pytest.approx(plain[joint], abs=12), joint
        assert len(pose.face) == 68

    def test_eyes_that_have_bones_are_where_these_are(self, scene):
        ob = rigs.add(scene, "MakeHuman")
        bpy.ops.object.mode_set(mode="EDIT")
        for name, x in (("eye.R", -0.09), ("eye.L", 0.09)):
            eye = ob.data.edit_bones.new(name)
            eye.head, eye.tail, eye.parent = (x, -0.1, 1.7), (x, -0.13, 1.7), ob.data.edit_bones["head"]
        bpy.ops.object.mode_set(mode="OBJECT")
        rigs.look(scene)
        joints, pose = seen(scene, ob)
        distance = joints["eye.L"][0] - joints["eye.R"][0]
        unit = (joints["ankle.R"][1] - joints["shoulder.R"][1]) / 1.35
        assert distance == pytest.approx(0.18 * unit, rel=0.05), "a face of eyes far apart"
        right = np.mean(pose.face[36:42], axis=0)
        assert right == pytest.approx(joints["eye.R"], abs=3)


class TestNames:
    def known(self, names):
        return module("operators.scene.rig.presets").find_known_bones(tuple(names))

    @pytest.mark.parametrize("naming", ["Mixamo", "CMU", "MakeHuman"])
    def test_rigs_that_are_known(self, scene, naming):
        ob = rigs.add(scene, naming)
        bones = module("operators.scene.rig.bones")
        found = bones.of_armature(ob)
        assert not found.missing and naming in found.title and not found.twice
        assert {place: found.names[place] for place in JOINTS} == {place: rigs.bone(ob, naming, place).name for place in JOINTS}
        assert ("index.3.L" in found.names) is (naming == "Mixamo")

    @pytest.mark.parametrize("generated", [False, True])
    def test_rigify_as_it_comes_with_blender(self, scene, generated):
        assert addon_utils.enable("rigify", default_set=True), "Rigify comes with Blender"
        try:
            bpy.ops.object.armature_human_metarig_add()
            if generated:
                bpy.ops.pose.rigify_generate()
            ob = bpy.context.object
            bones = module("operators.scene.rig.bones")
            found = bones.of_armature(ob)
            assert found.title == ("Rigify" if generated else "Human Metarig") and not found.twice
            assert set(found.names) == set(module("operators.scene.rig.places").PLACES)
            rigs.look(scene, height=1.0)
            joints, pose = seen(scene, ob)
            assert None not in joints.values() and None not in (*pose.left_hand, *pose.right_hand, *pose.face)
            assert joints["shoulder.R"][0] < joints["shoulder.L"][0]
            eyes = np.array(pose.face)[[*range(36, 48)]].mean(axis=0)
            assert eyes == pytest.approx(np.mean([joints["eye.R"], joints["eye.L"]], axis=0), abs=2)
        finally:
            addon_utils.disable("rigify", default_set=True)

    def test_a_basic_metarig_has_no_fingers(self, scene):
        addon_utils.enable("rigify", default_set=True)
        try:
            bpy.ops.object.armature_basic_human_metarig_add()
            found = module("operators.scene.rig.bones").of_armature(bpy.context.object)
            assert not found.missing and "thumb.1.R" not in found.names
        finally:
            addon_utils.disable("rigify", default_set=True)

    @pytest.mark.parametrize("prefix", ["", "mixamorig:", "mixamorig1:", "mixamorig7_", "Hero:mixamorig:", "rig|"])
    def test_prefixes_and_case_do_not_matter(self, prefix):
        names = [f"{prefix}{side}{bone}" for side in ("Left", "Right") for bone in ("Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot")]
        assert self.known(names).names["elbow.L"] == f"{prefix}LeftForeArm"
        assert self.known(name.upper() for name in names).names["knee.R"] == f"{prefix}RightLeg".upper()

    def test_of_two_figures_the_first_counts_and_it_is_told(self):
        one = [f"mixamorig:{side}{bone}" for side in ("Left", "Right") for bone in ("Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot")]
        for two in ([name.replace("rig:", "rig1:") for name in one], [f"{name}.001" for name in one]):
            found = self.known([*one, *two])
            assert found.names["wrist.R"] == "mixamorig:RightHand" and len(found.twice) == 1 and found.twice[0] in two

    def test_nothing_is_known_of_other_creatures(self, scene):
        names = ["Bone", "Bone.001", "tentacle.L", "wing.R", "jaw", "head"]
        assert set(self.known(names).names) <= {"head", "jaw"}
        beast = rigs.add(scene, "strange", leave_out=("wrist.R",))
        with pytest.raises(
            module("engine.job.errors").BadInput, match="The armature 'RIG' can't be read as a figure. No bone is known for Right"
        ):
            seen(scene, beast)

    def test_the_animators_choice_goes_before_names(self, scene):
        ob = rigs.add(scene)
        rigs.look(scene)
        ob.shiage.bones.wrist_l = "mixamorig:RightHand"
        joints, _ = seen(scene, ob)
        assert joints["wrist.L"] == joints["wrist.R"]
        ob.shiage.bones.wrist_l = "gone"
        with pytest.raises(module("engine.job.errors").BadInput, match="No bone is known for Left Wrist: choose them under Bones"):
            seen(scene, ob)


def test_the_template_is_a_face():
    face = module("operators.scene.rig.face")
    assert face.TEMPLATE.shape == (68, 3) and sorted(face.SWAPPED) == list(range(68))
    assert np.allclose(face.TEMPLATE[face.SWAPPED] * (-1, 1, 1), face.TEMPLATE), "left and right are alike"
