"""`python -m engine`, as users and farms run it."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tiny_jobs import MODELS, ODD_NAMES, ROOT, call_engine, engine, exists, journal, make, owner, result, until, well_formed

from engine import cli, models
from engine import job as jobs
from engine.cli.colorize_job import list_sketch_files
from engine.job.errors import BadInput
from engine.job.messages import Cancelled, Done, Failed, decode_message

RED = (200, 40, 40, 255)


def circle(path, size=(64, 48), fill=None, x=24, mode="RGBA"):
    """A drawing of a circle, painted if it is a reference."""
    picture = Image.new("RGBA", size, (0, 0, 0, 0) if mode == "RGBA" else (255, 255, 255, 255))
    ImageDraw.Draw(picture).ellipse((x - 16, 8, x + 16, 40), fill, "black", 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert(mode).save(path)
    return path


@pytest.fixture
def shot(tmp_path):
    """Three sketches and a reference; returns the arguments that color them into tmp_path/out."""
    for index in range(3):
        circle(tmp_path / f"sketches/{index}.png", x=24 + 2 * index)
    circle(tmp_path / "reference.png", fill=RED)
    return ["colorize", "--sketches", tmp_path / "sketches", "--reference", tmp_path / "reference.png", "--out", tmp_path / "out"]


def call(*arguments, code=0):
    """Run a command in a process of its own. Returns (stdout, stderr)."""
    process = engine(*arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def paint(*arguments):
    """Run a command in this process, for tests that need no separate process."""
    assert call_engine(*arguments) == 0


def refused(*arguments, code=2):
    """The one sentence with which a command is refused."""
    _, err = call(*arguments, code=code)
    sentence = err.strip().splitlines()[-1]
    assert sentence.startswith("error: ") and sentence.endswith(".")
    return sentence


def test_colors_every_sketch_with_the_default_model(shot, tmp_path):
    _, err = call(*shot)
    assert "100%" in err and "Done" in err
    for index in range(3):
        with Image.open(tmp_path / f"out/frames/000{index}.png") as picture:
            pixels = np.asarray(picture)
            assert (picture.mode, picture.size) == ("RGBA", (64, 48))
        assert tuple(pixels[24, 24 + 2 * index]) == RED and pixels[1, 1, 3] == 0
    assert result(tmp_path / "out")["status"] == "done"


def test_a_second_run_makes_the_redrawn_sketch_alone(shot, tmp_path):
    paint(*shot)
    circle(tmp_path / "sketches/1.png", x=30)
    paint(*shot)
    assert [picture["reused"] for picture in result(tmp_path / "out")["pictures"]] == [True, False, True]


def test_a_held_drawing_is_made_once_and_has_a_file_for_each_frame(shot, tmp_path):
    for index, x in enumerate([20, 20, 26, 20, 20, 20]):
        circle(tmp_path / f"sketches/{index}.png", x=x)
    paint(*shot)
    frames = [(tmp_path / f"out/frames/{i:04d}.png").read_bytes() for i in range(6)]
    assert frames[0] == frames[1] == frames[3] == frames[4] == frames[5] != frames[2]
    outcome = result(tmp_path / "out")
    assert len(outcome["pictures"]) == 2
    assert outcome["frames"] == [[0, 2, "frames/0000.png"], [2, 1, "frames/0002.png"], [3, 3, "frames/0000.png"]]
    (tmp_path / "sketches/5.png").unlink()
    circle(tmp_path / "sketches/1.png", x=30)
    paint(*shot)
    frames = sorted((tmp_path / "out/frames").iterdir())
    assert [path.name for path in frames] == [f"{i:04d}.png" for i in range(5)]
    assert frames[0].read_bytes() != frames[1].read_bytes()


def test_names_are_taken_in_natural_order(tmp_path):
    for name in ("a10.png", "a2.PNG", "A1.png", "b.jpg", "a2b.png", ".hidden.png", "notes.txt", "²3.png", "c/in.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [path.name for path in list_sketch_files(tmp_path)] == ["A1.png", "a2.PNG", "a2b.png", "a10.png", "b.jpg", "²3.png"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_paths(tmp_path, name):
    base = tmp_path / name
    circle(base / "in" / f"{name[:20]} 1.png")
    circle(base / "ref.png", fill=RED)
    given = ("colorize", f"--sketches={base / 'in'}", f"--reference={base / 'ref.png'}", f"--out={base / 'out'}")
    call(*given) if not name.isascii() else paint(*given)  # the others reach a process as they are
    assert exists(base / "out", 0)


def test_sketches_of_another_shape_are_fitted_in_whole(shot, tmp_path):
    circle(tmp_path / "sketches/1.png", (128, 48), x=64)
    circle(tmp_path / "sketches/2.jpg", (64, 48), mode="RGB")
    assert "--size" in refused(*shot)
    paint(*shot, "--size", "96x96")
    for index, center in ((0, (36, 48)), (1, (48, 48)), (3, (36, 48))):
        with Image.open(tmp_path / f"out/frames/{index:04d}.png") as picture:
            assert picture.size == (96, 96)
            assert picture.getpixel(center) == RED
            assert picture.getpixel((48, 4))[3] == 0


def test_options_of_the_model_reach_the_job(shot, tmp_path):
    paint(*shot, "--gap", "3", "--best-guess", "--no-lines")
    options = json.loads((tmp_path / "out/job.json").read_text())["options"]
    assert (options["gap"], options["best_guess"], options["lines"]) == (3.0, True, False)
    assert "gap" in refused(*shot, "--gap", "-1")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--sketches", "nothing", "nothing"),
        ("--sketches", "reference.png", "no folder"),
        ("--sketches", "empty", "no picture"),
        ("--reference", "nothing.png", "does not exist"),
        ("--reference", "sketches", "can't be read"),
        ("--reference", "bad.png", "can't be read"),
        ("--models", "nothing", "nothing"),
    ],
)
def test_bad_input_is_one_sentence(shot, tmp_path, option, value, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.png").touch()
    assert words in refused(*shot, option, tmp_path / value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--size", "0x10", "each side"), ("--size", "99999x10", "each side"), ("--model", "nothing", "flats")],
)
def test_values_out_of_range_name_the_range(shot, tmp_path, option, value, words):
    assert words in refused(*shot, option, value)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_made(shot, tmp_path):
    assert "another output folder" in refused(*shot, "--out", tmp_path / "reference.png", code=4)
    assert "another output folder" in refused(*shot, "--out", tmp_path / "reference.png/out", code=4)


@pytest.mark.parametrize("damage", [b"", b"not a picture", None])
def test_an_unreadable_sketch_is_named(shot, tmp_path, damage):
    path = tmp_path / "sketches/1.png"
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    assert "1.png" in refused(*shot)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [[], ["paint"], ["colorize"], ["run"], ["colorize", "--size", "big"]])
def test_a_wrong_command_line_is_bad_input(arguments):
    _, err = call(*arguments, code=2)
    assert "usage" in err


def test_what_is_not_shiages_is_left_alone(shot, tmp_path):
    mine = tmp_path / "out/frames/0001.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert "'frames'" in refused(*shot)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["frames"] and mine.read_text() == "mine"


@pytest.mark.parametrize("text", ['{"renderer": "another"}', "[]", "3", '{"schema": "1", "task": "colorize", "cels": []}'])
def test_a_job_file_of_another_program_is_left_alone(shot, tmp_path, text):
    for name in ("frames/shot_0001.exr", "frames/v001/a.exr", "job.json"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(text)
    assert "job.json" in refused(*shot)
    with pytest.raises(BadInput, match=r"job\.json"):
        jobs.save_job(jobs.Job("colorize", "tiny", (8, 8), (), (), (jobs.Exposure(1, 1, ()),)), tmp_path / "out")
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert files == ["frames/shot_0001.exr", "frames/v001/a.exr", "job.json"]
    assert all((tmp_path / "out" / name).read_text() == text for name in files)


def test_an_output_folder_with_links_is_left_alone(shot, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.txt").write_text("mine")
    (tmp_path / "out").mkdir()
    for name, target in (("lock", "home/thesis.txt"), ("sketches", "home")):
        (tmp_path / "out" / name).symlink_to(tmp_path / target)
        refused(*shot)
        (tmp_path / "out" / name).unlink()
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.txt"]
    assert (tmp_path / "home/thesis.txt").read_text() == "mine"


def test_what_was_given_may_not_lie_among_the_results(shot, tmp_path):
    paint(*shot)
    refused(*shot, "--reference", tmp_path / "out/frames/0000.png")
    refused(*shot, "--sketches", tmp_path / "out/sketches")
    assert len(list((tmp_path / "out/sketches").iterdir())) == 3


def test_json_lines_are_the_events(shot, tmp_path):
    out, err = call(*shot, "--json")
    events = [decode_message(line) for line in out.splitlines()]
    assert well_formed(events) and isinstance(events[-1], Done) and err == ""
    assert events == journal(tmp_path / "out")


def test_a_reader_that_goes_away_is_no_reason_to_stop(tmp_path):
    make(tmp_path, 5, pause=0.05)
    process = engine("run", "--json", "--models", MODELS, tmp_path)
    process.stdout.close()
    assert process.wait(60) == 0
    process.stderr.close()
    assert exists(tmp_path, 4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_cancel(tmp_path, number):
    make(tmp_path, 5, pause=1000.0)
    process = engine("run", "--json", "--models", MODELS, tmp_path)
    owner(tmp_path)
    until(lambda: (tmp_path / "events.jsonl").exists() and len(journal(tmp_path)) == 2)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert isinstance(decode_message(out.splitlines()[-1]), Cancelled)
    assert result(tmp_path)["status"] == "cancelled"


def test_a_second_signal_cancels_what_does_not_listen(tmp_path):
    make(tmp_path, 5, act="deaf")
    process = engine("run", "--models", MODELS, tmp_path)
    owner(tmp_path)
    until(lambda: (tmp_path / "events.jsonl").exists() and len(journal(tmp_path)) == 2)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert isinstance(journal(tmp_path)[-1], Cancelled)


@pytest.mark.parametrize(("act", "code"), [("bad input", 2), ("import", 3), ("raise", 4)])
def test_exit_codes_of_failures(tmp_path, act, code):
    sentence = refused("run", "--models", MODELS, make(tmp_path, act=act), code=code)
    end = journal(tmp_path)[-1]
    assert isinstance(end, Failed) and sentence == f"error: {end.text}"


def test_models_are_listed_for_people_and_for_programs():
    out, _ = call("models")
    assert "flats" in out
    out, _ = call("models", "--json", "--models", MODELS)
    table = {model["id"]: model for model in json.loads(out)}
    assert table["tiny"]["tasks"] == ["colorize"] and table["tiny"]["options"]["pause"] == 0.0
    assert list(table)[0] == models.DEFAULT


ODD_OPTIONS = ("size", "out", "device", "help", "h", "json", "hint", "command", "model", "models", "no_gap", "odd_size")


def test_a_models_option_may_have_the_name_of_a_commands(shot, tmp_path):
    """Such a model in --models made every command fail."""
    shutil.copytree(MODELS / "tiny", tmp_path / "models/odd")
    with open(tmp_path / "models/odd/model.toml", "a") as file:
        for name in ODD_OPTIONS:
            file.write(f'\n[options.{name}]\ndefault = "usual"\ntitle = "{name}"\n')
        file.write('\n[options.gap]\ndefault = true\ntitle = "Gap"\n\n[options.first]\ndefault = true\ntitle = "First"\n')
    own = ("--models", tmp_path / "models")
    assert "odd" in call("models", *own, "--model", "odd", code=2)[1]  # `models` has no such argument
    assert "odd" in call("models", *own)[0]
    for command in ("colorize", "inbetween", "animate"):
        assert "--odd-size" in call(command, *own, "--model", "odd", "--help")[0]
    call(*shot, *own)
    call(
        *shot,
        *own,
        "--model",
        "odd",
        "--size",
        "32x24",
        "--odd-size",
        "big",
        "--odd-hint",
        "x",
        "--command",
        "y",
        "--no-odd-gap",
        "--no-first",
    )
    job = jobs.load_job(tmp_path / "out")
    assert job.size == (32, 24) and job.device == "auto"
    assert job.options == {"size": "big", "hint": "x", "command": "y", "gap": False, "first": False}


def test_a_model_that_is_not_understood_is_named(tmp_path):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/model.toml").write_text("title = 3 of")
    assert "odd" in refused("models", "--models", tmp_path)


def test_the_self_test_paints():
    out, _ = call("selftest")
    assert "works" in out


def test_listing_models_and_serving_need_no_library():
    code = (
        "import sys; from engine import cli, models; from engine.host import client, environment, installer; "
        "from engine.worker import serve; models.available(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(done.stdout.split()) & {"numpy", "PIL", "cv2", "scipy", "skimage", "torch"}


def test_a_hint_from_the_shell(shot, tmp_path):
    paint(*shot, "--hint", "0,24,24,#010203", "--hint", "2,28,24,=0,24,24", "--hint", "1,1,1,none")
    found = []
    for index in range(3):
        with Image.open(tmp_path / f"out/frames/000{index}.png") as picture:
            found.append(picture.getpixel((24 + 2 * index, 24)))
    assert found[0] == found[2] == (1, 2, 3, 255)
    (warning,) = result(tmp_path / "out")["warnings"]
    assert "outside the drawing" in warning
    assert "'1,2,blue' is no hint" in refused(*shot, "--hint", "1,2,blue")


@pytest.mark.parametrize("command", ["synth", "evaluate", "train"])
def test_commands_of_the_laboratory_say_where_they_went(command, capsys):
    assert cli.main([command, "--help"]) == BadInput.exit_code
    assert f"run `python -m lab {command}`" in capsys.readouterr().err
