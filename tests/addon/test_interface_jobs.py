"""Jobs while the file changes under them, while the engine dies, and across sessions. A real engine, stopped and killed by signals."""

import os
import signal
import time
from pathlib import Path

import addon_utils
import bpy
import pytest
import small_shot
from conftest import PACKAGE, module

pytestmark = [pytest.mark.usefixtures("engine_python"), pytest.mark.skipif(os.name == "nt", reason="holds the engine by POSIX signals")]


@pytest.fixture
def shot(scene, tmp_path):
    prepare(scene, tmp_path)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


def prepare(scene, folder: Path) -> None:
    small_shot.draw(scene)
    module("operators.references").add_reference(scene.shiage, bpy.data.images.load(str(small_shot.write_reference(folder / "ref.png"))))


def start(scene):
    """Begin to color a scene as the button does, and do not wait."""
    return module("operators.colorize").start_job(scene, scene.view_layers[0], None, lambda fraction: None)


def engine_process() -> int:
    """The process id of the engine that this Blender has started."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text("ascii").rpartition(")")[2].split()[1])
            command = (path.parent / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == os.getpid() and b"serve" in command:
            return int(path.parent.name)
    raise AssertionError("no engine is running")


def held(scene):
    """A job that the engine has begun, and an engine that stands still: (entry, process id)."""
    module("operators.session").close_engine()  # one that is warm would be done before it is held
    entry = start(scene)
    listen_until(lambda: entry.job.state == "running")
    process = engine_process()
    os.kill(process, signal.SIGSTOP)
    module("operators.session").poll_engine()
    assert entry.live, "the engine was faster than this test"
    return entry, process


def listen_until(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, [entry.job for entry in module("operators.session").entries]
        module("operators.session").poll_engine()
        time.sleep(0.01)


def go_on(process: int, entry) -> None:
    os.kill(process, signal.SIGCONT)
    listen_until(lambda: not entry.live)


def strips(scene):
    editor = scene.sequence_editor
    return list(module("operators.scene.compat").get_strips(editor)) if editor else []


def import_result(entry) -> None:
    assert bpy.ops.shiage.import_result(folder=str(entry.folder)) == {"FINISHED"}


def test_the_button_is_off_while_the_shot_is_colored(shot):
    entry, process = held(shot)
    with pytest.raises(RuntimeError, match="This shot is being colored: wait, or cancel its job"):
        bpy.ops.shiage.colorize_shot()
    go_on(process, entry)
    assert entry.job.state == "done" and bpy.ops.shiage.colorize_shot.poll()


def test_two_jobs_wait_for_each_other(shot, tmp_path):
    other = bpy.data.scenes.new("Other")
    other.camera = shot.camera
    other.collection.objects.link(shot.camera)
    prepare(other, tmp_path)
    first, process = held(shot)
    second = start(other)
    module("operators.session").poll_engine()
    assert (second.job.state, second.job.position) == ("queued", 1)
    go_on(process, first)
    listen_until(lambda: not second.live)
    assert [first.job.state, second.job.state] == ["done", "done"]
    import_result(first)
    import_result(second)
    assert len(strips(shot)) == len(strips(other)) == 1


def test_cancel_and_retry(shot):
    entry, process = held(shot)
    assert bpy.ops.shiage.cancel_job(folder=str(entry.folder)) == {"FINISHED"}
    go_on(process, entry)
    assert entry.job.state == "cancelled" and not entry.wants_import
    assert bpy.ops.shiage.retry_job(folder=str(entry.folder)) == {"FINISHED"}
    listen_until(lambda: not entry.live)
    assert entry.job.state == "done"
    import_result(entry)
    assert len(strips(shot)) == 1


def test_cancel_all_empties_the_queue(shot, tmp_path):
    other = bpy.data.scenes.new("Other")
    other.camera = shot.camera
    prepare(other, tmp_path)
    first, process = held(shot)
    second = start(other)
    bpy.ops.shiage.cancel_all()
    go_on(process, first)
    listen_until(lambda: not second.live)
    assert [first.job.state, second.job.state] == ["cancelled", "cancelled"]
    with pytest.raises(RuntimeError, match="No job is running or waiting"):
        bpy.ops.shiage.cancel_all()
    bpy.ops.shiage.clear_jobs()
    assert not module("operators.session").entries
    with pytest.raises(RuntimeError, match="No job has ended"):
        bpy.ops.shiage.clear_jobs()


def test_the_engine_is_killed_in_the_middle(shot):
    entry, process = held(shot)
    os.kill(process, signal.SIGKILL)
    listen_until(lambda: not entry.live)
    assert entry.job.state == "failed" and "The engine died" in entry.job.text
    assert bpy.ops.shiage.retry_job(folder=str(entry.folder)) == {"FINISHED"}
    listen_until(lambda: not entry.live)
    assert entry.job.state == "done"
    assert engine_process() != process


def test_the_scene_is_renamed(shot):
    entry, process = held(shot)
    shot.name = "Another name"
    go_on(process, entry)
    import_result(entry)
    assert len(strips(shot)) == 1


def test_the_object_is_deleted(shot):
    entry, process = held(shot)
    bpy.data.objects.remove(shot.objects["Figure"])
    go_on(process, entry)
    import_result(entry)
    assert len(strips(shot)) == 1


def test_the_scene_is_deleted(shot):
    entry, process = held(shot)
    kept = bpy.data.scenes.new("Kept")
    bpy.data.scenes.remove(shot)
    go_on(process, entry)
    assert entry.job.state == "done" and entry.origin.scene() is None
    import_result(entry)
    assert len(strips(kept)) == 1, "with its scene gone, the pictures go to the one that is open"


def test_the_file_is_opened_again(shot, tmp_path):
    entry, process = held(shot)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    go_on(process, entry)
    import_result(entry)
    assert len(strips(bpy.context.scene)) == 1
    assert len(module("operators.session").entries) == 1, "the same job is not listed twice"


def test_another_file_with_a_scene_of_this_name_is_not_taken_for_it(shot):
    entry, process = held(shot)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
    go_on(process, entry)
    assert bpy.context.scene.name == entry.origin.name and entry.origin.scene() is None


def test_the_extension_is_disabled_while_a_job_runs(shot, tmp_path):
    entry, process = held(shot)
    os.kill(process, signal.SIGCONT)
    addon_utils.disable(PACKAGE)
    try:
        assert not Path(f"/proc/{process}").exists(), "the engine has ended"
    finally:
        addon_utils.enable(PACKAGE, default_set=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    (found,) = module("operators.session").entries
    assert found.folder == entry.folder and not found.live
    assert bpy.ops.shiage.retry_job(folder=str(found.folder)) == {"FINISHED"}
    listen_until(lambda: not found.live)
    assert found.job.state == "done"
    import_result(found)
    assert len(strips(bpy.context.scene)) == 1


def test_a_job_that_ended_while_blender_was_closed_is_found(shot, tmp_path):
    entry = start(shot)
    module("operators.session").wait_for_job(entry, lambda entry: None)
    module("operators.session").close_engine()
    module("operators.session").entries.clear()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    (found,) = module("operators.session").entries
    assert (found.job.state, found.pictures, found.job.title) == ("done", 3, "Scene")
    import_result(found)
    assert len(strips(bpy.context.scene)) == 1


def test_notes_tell_what_was_left_unpainted(shot):
    shot.shiage.options.flats.threshold = 1.0
    entry = start(shot)
    module("operators.session").wait_for_job(entry, lambda entry: None)
    assert entry.job.state == "done"
    assert [note.frame for note in entry.notes if note.unknown], "nothing is certain beyond doubt"
    shot.shiage.options.flats.best_guess = True
    module("operators.session").wait_for_job(start(shot), lambda entry: None)
    assert not [note.frame for note in module("operators.session").entries[0].notes if note.unknown]


def test_an_import_of_nothing_says_so(shot, tmp_path):
    entry, process = held(shot)
    os.kill(process, signal.SIGKILL)
    listen_until(lambda: not entry.live)
    for picture in (entry.folder / "frames").glob("*.png"):
        picture.unlink()
    with pytest.raises(RuntimeError, match="is finished yet"):
        bpy.ops.shiage.import_result(folder=str(entry.folder))


def test_a_job_whose_folder_is_gone(shot):
    entry = start(shot)
    module("operators.session").wait_for_job(entry, lambda entry: None)
    for path in sorted(entry.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    entry.folder.rmdir()
    with pytest.raises(RuntimeError, match="no longer there"):
        bpy.ops.shiage.open_job_folder(folder=str(entry.folder))
    with pytest.raises(RuntimeError, match="no readable job"):
        bpy.ops.shiage.import_result(folder=str(entry.folder))


def test_the_artists_things_stay_as_they_were(shot):
    def state():
        figure = shot.objects["Figure"]
        render = shot.render
        return (
            [(layer.name, layer.hide, layer.opacity, len(layer.frames)) for layer in figure.data.layers],
            [material.name for material in figure.data.materials],
            [(p.identifier, str(getattr(render, p.identifier))) for p in render.bl_rna.properties if p.type in {"INT", "FLOAT", "ENUM"}],
            shot.frame_current,
            {ob.name for ob in bpy.data.objects},
            {s.name for s in bpy.data.scenes},
        )

    before = state()
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    assert state() == before


def test_undo_and_redo_of_an_import(shot):
    """The import is one step: undoing it takes the strip away and nothing else, redoing it brings it back."""
    bpy.ops.ed.undo_push(message="before")
    bpy.data.objects.new("Drawn before the import", None)
    bpy.ops.ed.undo_push(message="something of the artist's")
    entry = start(shot)
    module("operators.session").wait_for_job(entry, lambda entry: None)
    import_result(entry)
    assert len(strips(bpy.context.scene)) == 1
    bpy.ops.ed.undo()
    assert not strips(bpy.context.scene)
    assert "Drawn before the import" in bpy.data.objects
    assert entry.job.state == "done" and entry.origin.scene() == bpy.context.scene, "the job outlives the undo"
    bpy.ops.ed.redo()
    assert len(strips(bpy.context.scene)) == 1
    bpy.ops.ed.undo()
    import_result(entry)
    assert len(strips(bpy.context.scene)) == 1
