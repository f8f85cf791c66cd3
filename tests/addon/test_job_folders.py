"""Job folders: each scene and task of a file has its own, and one process at a time writes into it."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

import bpy
import figures
import pytest
import rigs
import small_shot
from conftest import REPOSITORY, module

HOLD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from engine.job.lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(folder: Path):
    """Another process works on a folder meanwhile."""
    command = [REPOSITORY / ".venv/engine/bin/python", "-c", HOLD, folder, REPOSITORY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.stdin.close()


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def job_folder(scene, task: str = "colorize") -> Path:
    return module("operators.scene.settings").job_folder(scene, task)


# --- who writes ---------------------------------------------------------------------------------------------------


def gather_shot(scene):
    small_shot.draw(scene)
    size = (small_shot.WIDTH, small_shot.HEIGHT)
    return module("operators.scene.read.shot").gather_shot(scene, bpy.context.view_layer, size=size, frames=(1, 6))


def color(scene, folder, tmp_path):
    shot, reference = gather_shot(scene), small_shot.write_reference(tmp_path / "ref.png")
    return lambda: module("operators.scene.read.request").write_job(shot, folder, "flats", {}, [reference])


def correct(scene, folder, tmp_path):
    color(scene, job_folder(scene), tmp_path)()
    return lambda: module("operators.corrections").solve_again(scene)


def fill(scene, folder, tmp_path):
    bpy.context.view_layer.objects.active = figures.add(scene, keys=(1, 9))
    scene.frame_set(3)
    betweens = module("operators.scene.inbetween.betweens")
    parts = betweens.find_parts(scene, betweens.find_objects(scene.shiage.inbetween, bpy.context.view_layer))
    return lambda: betweens.write_job(scene, parts, folder, "vector")


def paint_between(scene, folder, tmp_path):
    fill(scene, folder, tmp_path)
    betweens, pictures = module("operators.scene.inbetween.betweens"), module("operators.scene.inbetween.pictures")
    image = bpy.data.images.load(str(small_shot.write_reference(tmp_path / "ref.png")))
    module("operators.references").add_reference(scene.shiage, image)
    parts = betweens.find_parts(scene, betweens.find_objects(scene.shiage.inbetween, bpy.context.view_layer))
    model = module("engine.models").info("anidoc")
    scene.shiage.inbetween.model = "anidoc"
    plain = folder.with_name(folder.name.removesuffix("-1-9"))
    return lambda: pictures.write_job(scene, bpy.context.view_layer, parts, plain, model, lambda fraction: None)


def animate(scene, folder, tmp_path):
    ob = rigs.add(scene)
    rigs.look(scene)
    gathered = module("operators.scene.rig.motion").gather_motion(scene, bpy.context.view_layer, ob, size=(384, 512), frames=(1, 2))
    reference = small_shot.write_reference(tmp_path / "ref.png")
    return lambda: module("operators.scene.rig.motion").write_job(gathered, folder, "animate_anyone", {}, reference, None, (320, 200))


@pytest.mark.usefixtures("engine_python")
@pytest.mark.parametrize(
    ("prepare", "name"), [(color, "new"), (correct, "shot-Scene"), (fill, "new"), (paint_between, "new-1-9"), (animate, "new")]
)
def test_a_folder_that_another_process_works_on_is_left_alone(scene, tmp_path, prepare, name):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    folder = tmp_path / "shiage" / name
    write = prepare(scene, folder, tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    before = content(folder)
    with held_by_another(folder) as process:
        with pytest.raises(module("engine.job.errors").BadInput) as caught:
            write()
        assert content(folder) == before
        assert str(caught.value) == f"Process {process} is working on {folder}: wait until it is done, or cancel it."
    assert not module("operators.session").entries
    write()
    assert (folder / "job.json").is_file()
    module("operators.session").close_engine()
    with held_by_another(folder):
        pass  # it is free again


def test_a_request_that_lacks_something_leaves_no_folder(scene, tmp_path):
    shot = gather_shot(scene)
    with pytest.raises(module("engine.job.errors").BadInput, match="has no reference"):
        module("operators.scene.read.request").write_job(shot, tmp_path / "new", "flats", {}, [])
    assert not (tmp_path / "new").exists()


# --- names --------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(scene, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


@pytest.mark.parametrize("name", ["Scene.001", "Shot 010-b", "A_B", "café 色 🎨", "2026-11-20", "inbetween", "x-20261120"])
def test_ordinary_names_are_names_of_folders(saved, tmp_path, name):
    saved.name = name
    assert job_folder(saved) == tmp_path / "shiage" / f"shot-{name}"
    assert job_folder(saved, "inbetween") == tmp_path / "shiage" / f"shot-{name}-inbetween"


def test_no_two_scenes_and_tasks_share_a_folder(saved):
    names = ["A_B", "A/B", "A:B", "A?B", "A", "A.", ".A", "Hero", "hero", "X", "X-inbetween", "X-Animate", "X-inbetween-1-5"]
    scenes = [bpy.data.scenes.new(name) for name in names]
    marked = bpy.data.scenes.new(job_folder(scenes[1]).name.removeprefix("shot-"))
    scenes += [saved, marked]
    folders = [job_folder(scene, task) for scene in scenes for task in ("colorize", "inbetween", "animate")]
    folders += [folder.with_name(f"{folder.name}-1-5") for folder in folders if folder.name.endswith("-inbetween")]
    assert len({str(folder).casefold() for folder in folders}) == len(folders)
    assert folders[:3] == [job_folder(scenes[0], task) for task in ("colorize", "inbetween", "animate")], "the same each time"
    assert all(folder.parent == folders[0].parent for folder in folders)


def test_a_linked_scene_has_a_folder_of_its_own(saved, tmp_path):
    (tmp_path / "other").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other" / "linked.blend"), copy=True)
    with bpy.data.libraries.load(str(tmp_path / "other" / "linked.blend"), link=True) as (_, into):
        into.scenes = ["Scene"]
    local, linked = (next(s for s in bpy.data.scenes if (s.library is None) == here) for here in (True, False))
    assert local.name == linked.name and job_folder(local).name == "shot-Scene" != job_folder(linked).name


def test_each_scene_finds_its_own_jobs(saved):
    saved.name = "X"
    other = bpy.data.scenes.new("X-inbetween")
    ranges = job_folder(saved, "inbetween")
    folders = {
        job_folder(saved): "X",
        ranges: "X",
        ranges.with_name(f"{ranges.name}-1-5"): "X",
        ranges.with_name(f"{ranges.name}--3-5"): "X",
        job_folder(other): "X-inbetween",
        job_folder(other, "inbetween"): "X-inbetween",
        job_folder(other, "animate"): "X-inbetween",
    }
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "job.json").write_text("{}")
    session = module("operators.session")
    session.entries.clear()
    module("operators.jobs").find_jobs()
    found = {entry.folder: entry.origin.name for entry in session.entries}
    session.entries.clear()
    assert found == folders
