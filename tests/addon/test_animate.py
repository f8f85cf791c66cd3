"""Animate Rig: the job that an armature's motion makes, the joints marked on the reference, when the button can be pressed, the shell."""

import json
from pathlib import Path

import bpy
import numpy as np
import pytest
import rigs
from conftest import module

pytestmark = pytest.mark.usefixtures("engine_python")
SIZE = (384, 512)


@pytest.fixture
def reference(tmp_path):
    """A red figure on white paper, 200 x 400 px: 100 px wide from x = 60, 300 px tall from y = 80."""
    image = bpy.data.images.new("painted", 200, 400, alpha=True)
    picture = np.ones((400, 200, 4), np.float32)
    picture[80:380, 60:160, 1:3] = 0
    image.pixels.foreach_set(picture[::-1].ravel())
    image.filepath_raw, image.file_format = str(tmp_path / "hero.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return tmp_path / "hero.png"


@pytest.fixture
def shot(scene, tmp_path, reference):
    """A saved file with a moving armature and a reference, ready but for the weights."""
    ob = rigs.add(scene)
    rigs.swing(ob, "Mixamo", (1, 9))
    rigs.look(scene)
    scene.frame_start, scene.frame_end = 1, 12
    chosen = scene.shiage.rig
    chosen.armature, chosen.reference = ob, bpy.data.images.load(str(reference))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


def gather(scene, **how):
    how = {"size": SIZE, "frames": (1, 12)} | how
    return module("operators.scene.rig.motion").gather_motion(scene, bpy.context.view_layer, scene.objects["RIG"], **how)


def bad_input():
    return module("engine.job.errors").BadInput


class TestGather:
    def test_held_poses_are_one_drawing(self, shot):
        motion = gather(shot, step=2)
        assert [(e.frame, e.exposure) for e in motion.exposures] == [(1, 2), (3, 2), (5, 2), (7, 2), (9, 4)], "it rests from 9 on"
        assert len(motion.poses) == 5 and not motion.warnings
        assert {id for e in motion.exposures for id in e.drawings} == set(motion.poses)

    def test_on_ones_and_a_single_frame(self, shot):
        assert [e.exposure for e in gather(shot).exposures] == [1] * 8 + [4]
        (only,) = gather(shot, frames=(5, 5), step=2).exposures
        assert (only.frame, only.exposure) == (5, 1)

    def test_a_thousand_frames(self, shot):
        motion = gather(shot, frames=(1, 1000))
        assert sum(e.exposure for e in motion.exposures) == 1000 and len(motion.poses) == 9

    def test_the_scene_is_left_as_it_was(self, shot):
        bone = rigs.bone(shot.objects["RIG"], "Mixamo", "elbow.L")
        bone.rotation_mode, bone.rotation_euler[0] = "XYZ", 0.3
        shot.frame_set(7)
        gather(shot)
        assert shot.frame_current == 7 and bone.rotation_euler[0] == pytest.approx(0.3)

    def test_frames_without_the_figure_show_nothing(self, shot):
        camera = shot.camera
        for frame, x in ((1, 50), (4, 0)):
            camera.location.x = x
            camera.keyframe_insert("location", index=0, frame=frame)
        curve = next(iter(module("operators.scene.compat").get_fcurves(camera.animation_data)))
        for point in curve.keyframe_points:
            point.interpolation = "CONSTANT"
        motion = gather(shot)
        assert motion.exposures[0].drawings == (None,) and motion.exposures[0].exposure == 3
        assert any("sees nothing of 'RIG' in 3 of 12 frames, first at 1" in text for text in motion.warnings)

    def test_what_is_wrong_is_told(self, shot):
        with pytest.raises(bad_input(), match="9 to 2 is empty"):
            gather(shot, frames=(9, 2))
        shot.camera.location.x = 100
        with pytest.raises(bad_input(), match="sees no joint of 'RIG' from frame 1 to 12"):
            gather(shot)
        shot.camera = None
        with pytest.raises(bad_input(), match="has no camera"):
            gather(shot)

    def test_half_a_figure_is_none(self, scene):
        rigs.add(scene, leave_out=[f"{limb}.{side}" for limb in ("hip", "knee", "ankle") for side in "RL"])
        rigs.look(scene)
        titles = ", ".join(f"{side} {joint}" for side in ("Right", "Left") for joint in ("Hip", "Knee", "Ankle"))
        with pytest.raises(bad_input(), match=f"No bone is known for {titles}: choose them under Bones"):
            gather(scene)

    def test_an_object_that_moves_poses_without_keys_counts(self, shot):
        ob = shot.objects["RIG"]
        ob.animation_data_clear()
        for frame, x in ((1, -0.2), (12, 0.2)):
            ob.location.x = x
            ob.keyframe_insert("location", frame=frame)
        assert len(gather(shot).poses) == 12


class TestJob:
    def write(self, scene, folder, standing=None, **how):
        motion = gather(scene, **how)
        reference = Path(bpy.path.abspath(scene.shiage.rig.reference.filepath))
        write = module("operators.scene.rig.motion").write_job
        return write(motion, folder, "animate_anyone", {}, reference, standing, (200, 400))

    def test_the_folder_is_one_that_the_engine_reads(self, shot, tmp_path):
        request = self.write(shot, tmp_path / "job", step=2)
        assert module("engine.job").load_job(tmp_path / "job") == request
        assert (request.task, request.size, request.title) == ("animate", SIZE, "Scene RIG")
        assert len(module("engine.job").list_pictures(request)) == 5
        for drawing in request.drawings:
            pose, size = module("engine.job.pose").read_pose(tmp_path / "job" / drawing.file)
            assert drawing.kind == "pose" and size == SIZE and len(pose.left_hand) == 21 and pose.body[1] is not None

    def test_how_the_reference_stands_is_a_pose_of_its_own(self, shot, tmp_path):
        marks = module("operators.scene.rig.marks")
        image = shot.shiage.rig.reference
        marks.set_marks(image, {"nose": (0.5, 0.25), "shoulder.R": (0.4, 0.3), "shoulder.L": (0.6, 0.3)})
        request = self.write(shot, tmp_path / "job", marks.as_pose(image))
        pose, size = module("engine.job.pose").read_pose(tmp_path / "job" / request.cels[0].references[0].pose)
        assert size == (200, 400)
        assert pose.body[0] == (100, 100) and pose.body[1] == pytest.approx((100, 120)) and pose.body[2] == pytest.approx((80, 120))
        assert pose.body[3] is None

    def test_another_range_leaves_nothing_behind(self, shot, tmp_path):
        self.write(shot, tmp_path / "job")
        request = self.write(shot, tmp_path / "job", frames=(1, 3))
        assert {path.name for path in (tmp_path / "job/poses").iterdir()} == {Path(d.file).name for d in request.drawings}
        assert len(request.drawings) == 3

    def test_the_plane_stands_where_the_armature_stands(self, shot, tmp_path):
        request = self.write(shot, tmp_path / "job", frames=(1, 3))
        frames = tmp_path / "job/frames"
        frames.mkdir()
        for file in module("engine.job").list_pictures(request).values():
            (tmp_path / "job" / file).write_bytes(module("operators.scene.png").encode_png(np.zeros((*SIZE[::-1], 4), np.uint8)))
        plane = module("operators.scene.place.timeline").import_plane(shot, tmp_path / "job")
        bpy.context.view_layer.update()
        away = [-(plane.matrix_world @ corner.co - shot.camera.location).y for corner in plane.data.vertices]
        assert away == pytest.approx([-5] * 4, abs=0.1)


class TestMarks:
    def test_a_guess_from_the_rest_pose(self, shot):
        assert bpy.ops.shiage.marks_from_rig() == {"FINISHED"}
        places = module("operators.scene.rig.marks").of_image(shot.shiage.rig.reference)
        assert set(places) == set(module("operators.scene.rig.marks").JOINTS)
        assert places["shoulder.R"][0] < places["nose"][0] < places["shoulder.L"][0]
        assert places["nose"][1] < places["shoulder.R"][1] < places["hip.R"][1] < places["knee.R"][1] < places["ankle.R"][1]
        tall = (80 / 400, 380 / 400)  # the figure, from top to bottom
        assert tall[0] < places["eye.L"][1] < 0.3 and 0.85 < places["ankle.L"][1] < tall[1]
        wide, high = (abs(places["shoulder.L"][i] - places["hip.L"][i]) * side for i, side in ((0, 200), (1, 400)))
        assert wide / high == pytest.approx((0.18 - 0.10) / 0.45, rel=0.02), "as the rig, whatever the picture's shape"

    def test_the_pose_of_this_frame(self, shot):
        shot.frame_set(9)
        assert bpy.ops.shiage.marks_from_rig(use_frame=True) == {"FINISHED"}
        places = module("operators.scene.rig.marks").of_image(shot.shiage.rig.reference)
        ((_frame, pose),) = gather(shot, frames=(9, 9)).poses.values()
        assert places["wrist.L"] == pytest.approx((pose.body[7][0] / 384, pose.body[7][1] / 512), abs=1e-5)
        assert bpy.ops.shiage.clear_marks() == {"FINISHED"}
        assert not module("operators.scene.rig.marks").of_image(shot.shiage.rig.reference)

    def test_they_are_saved_with_the_file(self, shot, tmp_path):
        bpy.ops.shiage.marks_from_rig()
        shot.objects["RIG"].shiage.bones.jaw = "mixamorig:Head"
        before = module("operators.scene.rig.marks").of_image(shot.shiage.rig.reference)
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
        chosen = bpy.context.scene.shiage.rig
        assert module("operators.scene.rig.marks").of_image(chosen.reference) == before
        assert chosen.armature.shiage.bones.jaw == "mixamorig:Head"


def refusal() -> str:
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.shiage.animate_rig()
    return str(caught.value)


class TestButton:
    def test_each_obstacle_has_its_sentence(self, shot):
        chosen, ob = shot.shiage.rig, shot.objects["RIG"]
        chosen.reference = None
        assert "Choose a picture of the character first" in refusal()
        shot.camera = None
        assert "Add a camera that sees the armature" in refusal()
        ob.data.pose_position = "REST"
        assert "set it to Pose Position" in refusal()
        ob.data.pose_position = "POSE"
        bpy.ops.object.mode_set(mode="EDIT")
        assert "Leave the armature's Edit Mode first" in refusal()
        bpy.ops.object.mode_set(mode="OBJECT")
        chosen.armature = rigs.add(shot, "Quaternius", leave_out=("elbow.L", "head"), name="Beast")
        assert "No bone is known for Left Elbow, Head: choose them under Bones" in refusal()
        shot.collection.objects.unlink(chosen.armature)
        assert "not in this scene" in refusal()
        chosen.armature = None
        assert "Choose the armature" in refusal()

    def test_no_reference_no_marks(self, scene):
        with pytest.raises(RuntimeError, match="Choose a picture of the character first"):
            bpy.ops.shiage.marks_from_rig()

    def test_coloring_and_animating_have_folders_of_their_own(self, shot, tmp_path):
        settings = module("operators.scene.settings")
        assert settings.job_folder(shot, "animate") == tmp_path / "shiage/shot-Scene-animate" != settings.job_folder(shot)


class TestShell:
    def shiage(self, *arguments) -> int:
        return module("operators.shell").main([str(argument) for argument in arguments])

    def test_the_arguments_reach_the_job(self, shot, reference, tmp_path, capfd):
        """All the way to the engine, which misses the weights."""
        pose = {"body": [[100, 100], None, [80, 120], *[None] * 2, [120, 120], *[None] * 12], "size": [200, 400]}
        (tmp_path / "pose.json").write_text(json.dumps(pose))
        arguments = ["--armature", "RIG", "--reference", reference, "--reference-pose", tmp_path / "pose.json", "--cyclic", "--save"]
        arguments += ["--frames", "3-8", "--step", "3", "--size", "320x480", "--weights", tmp_path / "none", "--json", tmp_path / "a.json"]
        assert self.shiage("animate", *arguments) in (2, 4)
        assert "Traceback" not in capfd.readouterr().err
        answer = json.loads((tmp_path / "a.json").read_text("utf-8"))
        assert answer["status"] == "failed" and "gather" in answer["seconds"]
        request = module("engine.job").load_job(Path(answer["job"]))
        assert [(e.frame, e.exposure) for e in request.frames] == [(3, 3), (6, 3)] and request.size == (320, 480)
        assert request.options["cyclic"] is True and request.model == "animate_anyone"
        assert request.cels[0].references[0].pose

    def test_the_job_is_found_again_in_another_session(self, shot, tmp_path):
        self.shiage("animate", "--weights", tmp_path / "none", "--frames", "1")
        session = module("operators.session")
        session.entries.clear()
        module("operators.jobs").find_jobs()
        (entry,) = session.entries
        assert (entry.task, entry.job.state) == ("animate", "failed") and entry.folder == tmp_path / "shiage/shot-Scene-animate"

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--armature", "Nobody"], "has no object 'Nobody'"),
            (["--armature", "Camera"], "'Camera' is no armature"),
            (["--reference", "gone.png"], "gone.png does not exist"),
            (["--reference-pose", "gone.json"], "gone.json can't be read"),
            (["--step", "0"], "at every 0 frames can't be"),
            (["--frames", "9-2"], "is empty"),
            (["--model", "flats"], "'flats' can't animate"),
            (["--model", "dreams"], "There is no model 'dreams'"),
            (["--no-such-flag"], "unrecognized arguments"),
        ],
    )
    def test_bad_input_is_status_2(self, shot, capfd, arguments, told):
        assert self.shiage("animate", *arguments) == 2
        said = capfd.readouterr().err
        assert told in said and "Traceback" not in said

    def test_a_scene_without_an_armature_or_reference(self, scene, capfd):
        assert self.shiage("animate") == 2 and "has no armature: add one" in capfd.readouterr().err
        rigs.add(scene)
        assert self.shiage("animate") == 2 and "There is no reference" in capfd.readouterr().err
        scene.shiage.rig.armature = None
        rigs.add(scene, name="Second")
        assert self.shiage("animate") == 2 and "has 2 armatures: name one of RIG, Second" in capfd.readouterr().err

    def test_the_bones_that_are_missing_are_named_and_given(self, shot, tmp_path, capfd):
        ob = shot.shiage.rig.armature = rigs.add(shot, "Unity", leave_out=("elbow.L", "head"), name="Hero")
        arguments = ["animate", "--step", "0", "--json", tmp_path / "a.json"]  # the spacing is read after the bones
        assert self.shiage(*arguments) == 2
        told = capfd.readouterr().err
        assert "'Hero' has no bone that is known for Left Elbow, Head: give --bone left_elbow=NAME --bone head=NAME." in told
        assert "Free bones: Hips, " in told and "under Bones" not in told and "LeftUpperArm" not in told
        answer = json.loads((tmp_path / "a.json").read_text("utf-8"))
        assert (answer["status"], answer["kind"], answer["exit_code"]) == ("failed", "bad_input", 2) and answer["text"] in told
        assert self.shiage(*arguments, "--bone", "left_elbow=LeftShoulder", "--bone", "head=Hips") == 2
        assert "at every 0 frames" in capfd.readouterr().err
        assert (ob.shiage.bones.elbow_l, ob.shiage.bones.head) == ("LeftShoulder", "Hips")

    @pytest.mark.parametrize(
        ("choice", "told"),
        [
            ("left_elbo=Hips", "names no joint: write JOINT=NAME, left_elbow=NAME for instance"),
            ("Hips", "names no joint"),
            ("left_elbow=mixamorig:LeftForearm", "has no bone 'mixamorig:LeftForearm': did you mean mixamorig:LeftForeArm"),
            ("head=", "has no bone ''"),
        ],
    )
    def test_a_bone_that_is_none_is_status_2(self, shot, capfd, choice, told):
        assert self.shiage("animate", "--bone", choice) == 2
        assert told in capfd.readouterr().err

    def test_edit_mode_is_left(self, shot, capfd):
        """Also where another object is active, and with what was edited."""
        ob = shot.objects["RIG"]
        for active in (ob, shot.camera):
            bpy.context.view_layer.objects.active = ob
            bpy.ops.object.mode_set(mode="EDIT")
            ob.data.edit_bones["mixamorig:Head"].length = 0.2
            bpy.context.view_layer.objects.active = active
            assert self.shiage("animate", "--step", "0") == 2 and "at every 0 frames" in capfd.readouterr().err
            assert ob.mode == "OBJECT" and ob.data.bones["mixamorig:Head"].length == pytest.approx(0.2)
