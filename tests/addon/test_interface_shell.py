"""The command line, called as Blender calls it: what it accepts, what it answers, its exit statuses."""

import json
import os
import signal
import threading
from pathlib import Path

import bpy
import pytest
import small_shot
from conftest import REPOSITORY, module


@pytest.fixture(autouse=True)
def engine_python(monkeypatch):
    monkeypatch.setenv("SHIAGE_ENGINE_PYTHON", str(REPOSITORY / ".venv/engine/bin/python"))
    module("operators.engine").refresh_status()


@pytest.fixture
def shot(scene, tmp_path):
    small_shot.draw(scene)
    small_shot.write_reference(tmp_path / "ref.png")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


@pytest.fixture
def reference(tmp_path):
    return tmp_path / "ref.png"


def shiage(*arguments: object) -> int:
    return module("operators.shell").main([str(argument) for argument in arguments])


def strips(scene):
    editor = scene.sequence_editor
    return list(module("operators.scene.compat").get_strips(editor)) if editor else []


def test_colorize_answers_in_json(shot, reference, tmp_path):
    before = (tmp_path / "shot.blend").read_bytes()
    assert shiage("colorize", "--reference", reference, "--json", tmp_path / "answer.json") == 0
    answer = json.loads((tmp_path / "answer.json").read_text("utf-8"))
    assert answer["status"] == "done" and answer["exit_code"] == 0
    assert answer["strip"] == strips(shot)[0].name
    assert Path(answer["job"], "result.json").is_file()
    assert set(answer["seconds"]) == {"gather", "engine", "import"}
    assert [row[:2] for row in answer["frames"]] == [[1, 2], [3, 2], [5, 2]]
    assert (tmp_path / "shot.blend").read_bytes() == before, "nothing is saved unasked"


def test_save_in_place_and_elsewhere(shot, reference, tmp_path):
    assert shiage("colorize", "--reference", reference, "--save", tmp_path / "copy.blend", "--json", tmp_path / "a.json") == 0
    assert json.loads((tmp_path / "a.json").read_text("utf-8"))["blend"] == str(tmp_path / "copy.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "copy.blend"))
    assert len(strips(bpy.context.scene)) == 1
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert not strips(bpy.context.scene)
    assert shiage("colorize", "--reference", reference, "--save") == 0
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert len(strips(bpy.context.scene)) == 1


def test_the_arguments_reach_the_job(shot, reference, tmp_path):
    small_shot.draw(shot, "Other")
    out = tmp_path / "out"
    arguments = ["--frames", "3-5", "--size", "160x100", "--output", out, "--objects", "Figure", "--gap", "7", "--best-guess"]
    assert shiage("colorize", "--reference", reference, "--destination", "plane", *arguments) == 0
    job = json.loads((out / "shot-Scene" / "job.json").read_text("utf-8"))
    assert job["size"] == [160, 100] and [frame["frame"] for frame in job["frames"]] == [3, 5]
    assert job["options"]["gap"] == 7.0 and job["options"]["best_guess"] is True
    assert [cel["name"] for cel in job["cels"]] == ["Figure"]
    assert not strips(shot) and any(ob.type == "MESH" for ob in shot.objects)


def test_two_references(shot, reference, tmp_path):
    other = small_shot.write_reference(tmp_path / "sheet.png")
    other.write_bytes(other.read_bytes() + b" ")  # another content, the same picture
    assert shiage("colorize", "--reference", reference, "--reference", other) == 0
    job = json.loads((tmp_path / "shiage/shot-Scene/job.json").read_text("utf-8"))
    assert len(job["cels"][0]["references"]) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "usage"),
        (["no-such-command"], "invalid choice"),
        (["colorize", "--no-such-flag"], "unrecognized arguments"),
        (["colorize"], "has no reference"),
        (["colorize", "--reference", "gone.png"], "gone.png does not exist"),
        (["colorize", "--reference", "REFERENCE", "--model", "dreams"], "There is no model 'dreams'"),
        (["colorize", "--reference", "REFERENCE", "--frames", "a-b"], "is no frame range"),
        (["colorize", "--reference", "REFERENCE", "--frames", "9-2"], "is empty"),
        (["colorize", "--reference", "REFERENCE", "--size", "big"], "is no size"),
        (["colorize", "--reference", "REFERENCE", "--size", "1x100000"], "each side must lie between"),
        (["colorize", "--reference", "REFERENCE", "--gap", "-3"], "must lie between"),
        (["colorize", "--reference", "REFERENCE", "--objects", "Nobody"], "has no object 'Nobody'"),
        (["colorize", "--reference", "REFERENCE", "--objects", "Camera"], "no Grease Pencil object"),
        (["colorize", "--reference", "REFERENCE", "--destination", "moon"], "invalid choice"),
        (["colorize", "--reference", "REFERENCE", "--save", "/no/such/folder/a.blend"], "does not exist"),
    ],
)
def test_bad_input_is_status_2(shot, reference, capfd, arguments, told):
    assert shiage(*(str(reference) if argument == "REFERENCE" else argument for argument in arguments)) == 2
    said = capfd.readouterr().err
    assert told in said and "Traceback" not in said
    assert not strips(shot)


def test_no_name_to_save_under(scene, tmp_path, capfd):
    small_shot.draw(scene)
    assert shiage("colorize", "--reference", small_shot.write_reference(tmp_path / "r.png"), "--save") == 2
    assert "give --save a PATH" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["colorize", "--help"], ["models"], ["jobs"]])
def test_what_only_tells(shot, capfd, arguments):
    assert shiage(*arguments) == 0
    assert capfd.readouterr().out


def test_models_and_jobs_in_json(shot, reference, tmp_path):
    assert shiage("models", "--json", tmp_path / "models.json") == 0
    assert "flats" in [model["id"] for model in json.loads((tmp_path / "models.json").read_text("utf-8"))["models"]]
    assert shiage("colorize", "--reference", reference) == 0
    module("operators.session").entries.clear()
    assert shiage("jobs", "--json", tmp_path / "jobs.json") == 0
    (job,) = json.loads((tmp_path / "jobs.json").read_text("utf-8"))["jobs"]
    assert (job["scene"], job["status"], job["pictures"]) == ("Scene", "done", 3)


def test_no_engine_is_status_3(shot, reference, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("SHIAGE_ENGINE_PYTHON", str(tmp_path / "nowhere"))
    assert shiage("colorize", "--reference", reference, "--json", tmp_path / "answer.json") == 3
    assert "install it" in capfd.readouterr().err
    assert json.loads((tmp_path / "answer.json").read_text("utf-8"))["kind"] == "engine_missing"


def test_an_answer_that_can_not_be_written_is_status_4(shot, tmp_path, capfd):
    (tmp_path / "taken").write_text("a file")
    assert shiage("models", "--json", tmp_path / "taken" / "answer.json") == 4
    assert "taken" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_is_status_130(shot, reference, tmp_path):
    """Ctrl-C once the engine has begun with a job that would take minutes."""
    begun = tmp_path / "shiage/shot-Scene/events.jsonl"
    over = threading.Event()

    def interrupt():
        while not begun.exists() and not over.wait(0.01):
            pass
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    before = signal.getsignal(signal.SIGINT)
    try:
        status = shiage("colorize", "--reference", reference, "--size", "8000x5000", "--json", tmp_path / "answer.json")
    finally:
        over.set()
        thread.join()
    assert status == 130
    assert json.loads((tmp_path / "answer.json").read_text("utf-8"))["status"] == "cancelled"
    assert signal.getsignal(signal.SIGINT) is before
    assert not strips(shot)
