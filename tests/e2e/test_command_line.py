"""`blender -b shot.blend -c shiage ...` in a real Blender, with a real engine."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pytest
from conftest import SIZE, Blender
from PIL import Image

T = TypeVar("T")
SKIN, EYE = (240, 200, 160, 255), (40, 120, 200, 255)


def pixel(path: str | Path, x: int, y: int) -> tuple[int, ...]:
    with Image.open(path) as picture:
        assert picture.size == SIZE and picture.mode == "RGBA"
        return tuple(int(value) for value in np.asarray(picture)[y, x])


def test_colorize_lays_the_strip_and_saves(blender: Blender, shot: Path, reference: Path) -> None:
    answer = shot.with_name("answer.json")
    done = blender.shiage(shot, "colorize", "--reference", reference, "--save", "--json", answer)
    assert done.returncode == 0, done.stdout

    (strip,) = blender.strips(shot)
    assert strip["type"] == "IMAGE"
    assert (strip["start"], strip["end"]) == (1, 7)
    files = [Path(strip["folder"], name) for name in strip["files"]]
    assert len(files) == 6
    assert files[0] == files[1] and files[2] == files[3] and files[4] == files[5], "held on twos"
    assert len(set(files)) == 3
    for i, file in enumerate(files[::2]):
        assert pixel(file, 80 + 20 * i, 150) == SKIN
        assert pixel(file, 110 + 20 * i, 110) == EYE
        assert pixel(file, 5, 5)[3] == 0, "paper is transparent"
    assert json.loads(answer.read_text("utf-8"))["status"] == "done"


def test_a_second_run_updates_the_same_strip(blender: Blender, shot: Path, reference: Path) -> None:
    for _ in range(2):
        done = blender.shiage(shot, "colorize", "--reference", reference, "--save")
        assert done.returncode == 0, done.stdout
    assert len(blender.strips(shot)) == 1


def test_without_save_the_file_stays_as_it_was(blender: Blender, shot: Path, reference: Path) -> None:
    before = shot.read_bytes()
    assert blender.shiage(shot, "colorize", "--reference", reference).returncode == 0
    assert shot.read_bytes() == before


def test_paths_with_spaces_quotes_and_emoji(blender: Blender, small_shot: Path, reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my 'best' \"shot\" 🎨" / ("long " * 30)
    folder.mkdir(parents=True)
    file, sheet = folder / "a shot.blend", folder / "färg 参照.png"
    file.write_bytes(small_shot.read_bytes())
    sheet.write_bytes(reference.read_bytes())
    done = blender.shiage(file, "colorize", "--reference", sheet, "--save")
    assert done.returncode == 0, done.stdout
    (strip,) = blender.strips(file)
    assert pixel(Path(strip["folder"], strip["files"][0]), 80, 150) == SKIN


@pytest.mark.parametrize("what", ["", "--help", "colorize --help", "models", "jobs"])
def test_commands_that_only_print(blender: Blender, shot: Path, what: str) -> None:
    done = blender.call_shiage(shot, *what.split())
    assert done.returncode == (0 if what else 2), done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("what", ["", "models"])
def test_the_status_of_a_command_is_blenders(blender: Blender, shot: Path, what: str) -> None:
    """For one that fails and one that does not. Other tests call the command without Blender's shell."""
    called, done = blender.call_shiage(shot, *what.split()), blender.shiage(shot, *what.split())
    assert done.returncode == called.returncode == (0 if what else 2), done.stdout
    assert "Traceback" not in done.stdout
    expected = [line for line in called.stdout.splitlines() if "flats: " in line or "usage: " in line]
    assert expected and all(line in done.stdout for line in expected)


@pytest.mark.parametrize(
    "arguments",
    [
        ["colorize"],
        ["colorize", "--reference", "missing.png"],
        ["colorize", "--reference", "REFERENCE", "--model", "no-such-model"],
        ["colorize", "--reference", "REFERENCE", "--no-such-flag"],
        ["no-such-command"],
        ["inbetween"],
    ],
)
def test_bad_input_is_status_2_and_says_why(blender: Blender, shot: Path, reference: Path, arguments: list[str]) -> None:
    before = shot.read_bytes()
    done = blender.call_shiage(shot, *(str(reference) if a == "REFERENCE" else a for a in arguments), "--save")
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stdout
    assert shot.read_bytes() == before


def test_a_broken_reference_is_status_2(blender: Blender, shot: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    done = blender.shiage(shot, "colorize", "--reference", broken, "--save")
    assert done.returncode == 2, done.stdout
    assert "broken.png" in done.stdout


def test_no_engine_is_status_3(blender: Blender, shot: Path, reference: Path, tmp_path: Path) -> None:
    done = blender.shiage(shot, "colorize", "--reference", reference, "--save", SHIAGE_ENGINE_PYTHON=str(tmp_path / "no-python"))
    assert done.returncode == 3, done.stdout
    assert "Traceback" not in done.stdout
    assert blender.strips(shot) == []


def test_a_read_only_output_folder_is_status_4(blender: Blender, shot: Path, reference: Path) -> None:
    """Where Blender runs as root, permissions have no effect, so there is a file in place of the folder."""
    (shot.parent / "taken").write_text("a file")
    done = blender.shiage(shot, "colorize", "--reference", reference, "--output", shot.parent / "taken" / "here", "--save")
    assert done.returncode in (2, 4), done.stdout
    assert "Traceback" not in done.stdout
    assert "taken" in done.stdout


BIG = ("--size", "6000x4500")  # a job that lasts for some seconds


def test_an_engine_that_dies_at_work_is_status_4(blender: Blender, shot: Path, reference: Path) -> None:
    process = blender.start("-b", shot, "-c", "shiage", "colorize", "--reference", reference, "--save", *BIG)
    engine = _wait_for_engine(process)
    _wait_for_progress(process, shot)
    engine.kill()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 4, output
    assert "Traceback" not in output
    assert blender.strips(shot) == []

    done = blender.shiage(shot, "colorize", "--reference", reference, "--save")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("at_work", [False, True])
def test_sigint_is_status_130_and_leaves_no_process(blender: Blender, shot: Path, reference: Path, at_work: bool) -> None:
    process = blender.start("-b", shot, "-c", "shiage", "colorize", "--reference", reference, "--save", *BIG)
    engine = _wait_for_engine(process)
    if at_work:
        _wait_for_progress(process, shot)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    psutil.wait_procs([engine], timeout=20)
    assert not engine.is_running()
    assert blender.strips(shot) == []


def test_a_blender_that_is_killed_takes_its_engine_along_and_the_job_is_taken_up_again(
    blender: Blender, shot: Path, reference: Path
) -> None:
    process = blender.start("-b", shot, "-c", "shiage", "colorize", "--reference", reference, "--save")
    engine = _wait_for_engine(process)
    process.kill()
    process.communicate(timeout=60)
    psutil.wait_procs([engine], timeout=30)
    assert not engine.is_running()
    done = blender.shiage(shot, "colorize", "--reference", reference, "--save")
    assert done.returncode == 0, done.stdout
    assert len(blender.strips(shot)) == 1


def _wait_for_engine(process: subprocess.Popen[str]) -> psutil.Process:
    """Wait for the engine that this Blender starts."""

    def find_engine() -> psutil.Process | None:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                if "serve" in child.cmdline() and "python" in child.name():
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    return _wait_for(process, find_engine)


def _wait_for_progress(process: subprocess.Popen[str], shot: Path) -> None:
    """Wait until the engine has reported progress of the job."""
    _wait_for(process, lambda: any('"progress"' in path.read_text("utf-8") for path in shot.parent.rglob("events.jsonl")))


def _wait_for(process: subprocess.Popen[str], condition: Callable[[], T], seconds: float = 60) -> T:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    process.kill()
    pytest.fail(f"it was not seen, Blender's status is {process.poll()}:\n{process.communicate()[0]}")
