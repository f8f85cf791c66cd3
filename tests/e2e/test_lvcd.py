"""LVCD with tiny random weights, from a real Blender to its timeline."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_lvcd
from conftest import HERE, SIZE, Blender
from PIL import Image, ImageDraw

SKIN, CLOTH = (240, 200, 160), (40, 160, 90)
STEPS = 5  # of the preset `draft`


@pytest.fixture
def long_shot(blender: Blender, tmp_path: Path) -> Path:
    """The small shot with five drawings instead of three."""
    path = tmp_path / "shot.blend"
    blender.reader.run(HERE / "build_shot.py", path, 5)
    return path


def key(folder: Path, number: int, paint: tuple[int, int, int]) -> Path:
    """A drawing of the shot, in color and in its place."""
    picture = Image.new("RGBA", SIZE)
    pen = ImageDraw.Draw(picture)
    for x, y, radius in ((120, 120, 72), (110, 110, 22)):
        x += 20 * number
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=paint, outline=(0, 0, 0), width=4)
    path = folder / f"key {number}.png"
    picture.save(path)
    return path


def test_its_frames_arrive_and_a_redrawn_key_runs_what_it_touches(blender: Blender, long_shot: Path, tmp_path: Path) -> None:
    weights, answer = tmp_path / "tiny weights", tmp_path / "answer.json"
    keys = [key(tmp_path, number, SKIN) for number in (0, 2, 4)]

    def colorize() -> tuple[int, dict]:
        arguments = ["--model", "lvcd", "--weights", weights, "--side", "64", "--preset", "draft", "--no-snap"]
        for path in keys:
            arguments += ["--reference", path]
        done = blender.shiage(long_shot, "colorize", *arguments, "--save", "--json", answer)
        return done.returncode, json.loads(answer.read_text("utf-8"))

    def frames(result: dict) -> list[np.ndarray]:
        """The pictures of a run, in the order of the drawings."""
        return [np.asarray(Image.open(path)) for path in sorted(Path(result["job"], "frames").glob("*.png"))]

    def painted(picture: np.ndarray, number: int) -> tuple[int, ...]:
        return tuple(picture[160, 120 + 20 * number].tolist())

    weights.mkdir()
    (weights / "lvcd-fp16.safetensors").touch()
    status, result = colorize()
    assert status == 2 and result["status"] == "failed", result
    assert "not those of Stable Video Diffusion" in result["text"] and len(result["text"].splitlines()) == 1

    (weights / "lvcd-fp16.safetensors").unlink()
    tiny_lvcd.make(weights)
    status, result = colorize()
    assert status == 0 and any("random weights" in text for text in result["warnings"]), result
    assert denoised(result) == 4 * STEPS, "from each key to the next, from both ends"
    first = frames(result)
    assert [painted(first[number], number) for number in (0, 2, 4)] == [(*SKIN, 255)] * 3, "the keys stay as they are"

    key(tmp_path, 4, CLOTH)
    status, result = colorize()
    assert status == 0, result
    assert denoised(result) == 2 * STEPS, "those between the second key and the last"
    again = frames(result)
    assert painted(again[4], 4) == (*CLOTH, 255)
    assert [bool((one != other).any()) for one, other in zip(first, again, strict=True)] == [False, False, False, True, True]

    (strip,) = blender.strips(long_shot)
    files = [Path(strip["folder"], name) for name in strip["files"]]
    assert (strip["start"], strip["end"]) == (1, 11) and files[::2] == files[1::2], "held on twos"
    shown = [np.asarray(Image.open(file)) for file in files[::2]]
    assert all((one == other).all() for one, other in zip(shown, again, strict=True)) and shown[0].shape == (*SIZE[::-1], 4)


def denoised(result: dict) -> int:
    """The number of denoising steps of the job's last run."""
    events = map(json.loads, Path(result["job"], "events.jsonl").read_text("utf-8").splitlines())
    return sum(event.get("stage") == "Denoising" for event in events)
