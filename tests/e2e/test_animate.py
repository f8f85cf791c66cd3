"""Animate Rig in a real Blender, with the human that Rigify generates: from the shell to the timeline."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_animate_anyone
from conftest import HERE, Blender
from PIL import Image
from test_window import play

SIZE = (320, 480)
RED, GREEN = (0, 1), (1, 0)  # the stronger and the weaker channel of what is on the figure's right, and left


@pytest.fixture(scope="session")
def built(blender: Blender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rig.blend and frame5.png, see build_rig.py."""
    folder = tmp_path_factory.mktemp("rig")
    blender.script(HERE / "build_rig.py", folder / "rig.blend", folder / "frame5.png")
    return folder


@pytest.fixture
def rig(built: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "rig.blend"
    copy.write_bytes((built / "rig.blend").read_bytes())
    return copy


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random weights of Animate Anyone."""
    return tiny_animate_anyone.make(tmp_path_factory.mktemp("weights"))


def arguments(built: Path, weights: Path, *more: object) -> tuple[object, ...]:
    tiny = ("--weights", weights, "--side", "64", "--steps", "2", "--no-lines")
    return ("animate", "--armature", "RIG", "--reference", built / "frame5.png", *tiny, *more)


def test_frames_arrive_on_the_timeline(blender: Blender, built: Path, rig: Path, weights: Path) -> None:
    answer = rig.with_name("answer.json")
    done = blender.shiage(rig, *arguments(built, weights, "--frames", "1-8", "--step", "2", "--cyclic", "--save", "--json", answer))
    assert done.returncode == 0, done.stdout
    result = json.loads(answer.read_text("utf-8"))
    assert result["status"] == "done" and [row[:2] for row in result["frames"]] == [[1, 2], [3, 2], [5, 2], [7, 2]]
    (strip,) = blender.strips(rig)
    files = [Path(strip["folder"], name) for name in strip["files"]]
    assert (strip["start"], strip["end"], len(files), len(set(files))) == (1, 9, 8, 4)
    for file in set(files):
        with Image.open(file) as picture:
            assert picture.size == SIZE and picture.mode == "RGBA"
    job = json.loads(Path(result["job"], "job.json").read_text("utf-8"))
    assert job["options"]["cyclic"] is True and "bone" not in " ".join(result["warnings"])


def test_joints_lie_on_the_limbs_that_blender_renders(blender: Blender, built: Path, rig: Path, weights: Path) -> None:
    """Right joints on red boxes, left ones on green boxes, and hands and face are complete."""
    answer = rig.with_name("answer.json")
    done = blender.shiage(rig, *arguments(built, weights, "--frames", "5", "--json", answer))
    assert done.returncode == 0, done.stdout
    (file,) = Path(json.loads(answer.read_text("utf-8"))["job"], "poses").glob("*.json")
    pose = json.loads(file.read_text("utf-8"))
    with Image.open(built / "frame5.png") as picture:
        pixels = np.asarray(picture.convert("RGBA")).astype(int)
    sides = {RED: (2, 3, 4, 8, 9, 10), GREEN: (5, 6, 7, 11, 12, 13)}
    for (strong, weak), joints in sides.items():
        for joint in joints:
            x, y = (int(at) for at in pose["body"][joint])
            around = pixels[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 4)
            solid = around[around[:, 3] > 128]
            assert len(solid) and (solid[:, strong] > solid[:, weak] + 20).any(), f"joint {joint} is beside its limb"
    for part, count in (("left_hand", 21), ("right_hand", 21), ("face", 68)):
        assert len(pose[part]) == count and None not in pose[part]


def test_a_scene_without_an_armature_is_status_2(blender: Blender, shot: Path, reference: Path) -> None:
    done = blender.shiage(shot, "animate", "--reference", reference)
    assert done.returncode == 2 and "has no armature: add one" in done.stdout and "Traceback" not in done.stdout


@pytest.mark.gui
def test_joints_are_marked_by_clicks_and_the_button_animates(
    blender: Blender, built: Path, rig: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    variables = {"SHIAGE_TEST_REFERENCE": str(built / "frame5.png"), "SHIAGE_TEST_WEIGHTS": str(weights)}
    play(blender, "click_animate", rig, out, **variables, WIDTH="1440", HEIGHT="1000", LIMIT="420")
    (strip,) = blender.strips(rig)
    assert (strip["start"], strip["end"], len(set(strip["files"]))) == (1, 9, 4)
