"""AniDoc with tiny random weights, from a real Blender to its timeline."""

import json
from pathlib import Path

import numpy as np
import tiny_anidoc
from conftest import SIZE, Blender
from PIL import Image

PAINT = {(240, 200, 160), (40, 120, 200)}


def test_its_frames_arrive_on_the_timeline(blender: Blender, shot: Path, reference: Path, tmp_path: Path) -> None:
    weights = tiny_anidoc.make(tmp_path / "tiny weights")
    answer = tmp_path / "answer.json"
    arguments = ["--model", "anidoc", "--weights", weights, "--side", "64", "--preset", "draft", "--no-lines", "--reference", reference]
    done = blender.shiage(shot, "colorize", *arguments, "--save", "--json", answer)
    assert done.returncode == 0, done.stdout
    assert any("random weights" in text for text in json.loads(answer.read_text("utf-8"))["warnings"])
    (strip,) = blender.strips(shot)
    files = [Path(strip["folder"], name) for name in strip["files"]]
    assert (strip["start"], strip["end"], len(files), len(set(files))) == (1, 7, 6, 3)
    for file in files:
        with Image.open(file) as picture:
            assert picture.size == SIZE and picture.mode == "RGBA"
            pixels = np.asarray(picture).reshape(-1, 4)
        solid = {tuple(color[:3]) for color in np.unique(pixels[pixels[:, 3] == 255], axis=0).tolist()}
        assert solid <= PAINT, "nothing but the reference's swatches"
