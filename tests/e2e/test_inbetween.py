"""Inbetweens in a real Blender with the real engine: by the shell, and by a click in the window."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, Blender
from test_window import play


@pytest.fixture(scope="session")
def keys_file(blender: Blender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.blend"
    blender.reader.run(HERE / "build_keys.py", path)
    return path


@pytest.fixture
def keys(keys_file: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "keys.blend"
    copy.write_bytes(keys_file.read_bytes())
    return copy


def layers(blender: Blender, file: Path) -> dict:
    answer = file.with_suffix(".drawings.json")
    blender.reader.run(HERE / "report_drawings.py", answer, file=file)
    return json.loads(answer.read_text("utf-8"))


def test_the_shell_fills_lines_and_paint(blender: Blender, keys: Path) -> None:
    before = layers(blender, keys)
    answer = keys.with_name("answer.json")
    done = blender.shiage(keys, "inbetween", "--frames", "1-17", "--step", 2, "--ease", "in_out", "--save", "--json", answer)
    assert done.returncode == 0, done.stdout
    assert json.loads(answer.read_text("utf-8"))["status"] == "done"
    after = layers(blender, keys)
    for name in ("Lines", "Paint"):
        assert sorted(map(int, after[name])) == [1, 3, 5, 7, 9, 11, 13, 15, 17]
        assert after[name]["1"] == before[name]["1"] and after[name]["17"] == before[name]["17"], "keys stay as they were"
        for number in range(3, 17, 2):
            made, first, last = (after[name][str(frame)] for frame in (number, 1, 17))
            assert made["type"] == "GENERATED"
            assert made["strokes"] >= first["strokes"], "none is lost"
            assert np.allclose(np.array(made["points"])[:, 1], 0, atol=1e-4), "flat, as the keys are"
            at = (1 - np.cos(np.pi * (number - 1) / 16)) / 2
            middle = (1 - at) * np.mean(first["points"], axis=0) + at * np.mean(last["points"], axis=0)
            assert np.linalg.norm(np.mean(made["points"], axis=0) - middle) < 0.15
    worn = [{tuple(np.round(color, 4)) for color in after["Paint"][frame]["fill_color"]} for frame in ("1", "9")]
    assert worn[0] == worn[1] and all(after["Paint"]["9"]["fill_id"]), "the paint goes along"


def test_a_second_run_replaces_and_an_own_layer_is_one(blender: Blender, keys: Path) -> None:
    for arguments in (["--step", 2], ["--count", 3], ["--count", 3, "--own-layer"]):
        done = blender.shiage(keys, "inbetween", "--frames", "1-17", *arguments, "--save")
        assert done.returncode == 0, done.stdout
        found = {name: sorted(map(int, frames)) for name, frames in layers(blender, keys).items()}
        if arguments[0] == "--count":
            assert found == (
                {"Lines": [1, 5, 9, 13, 17], "Paint": [1, 5, 9, 13, 17]}
                if len(arguments) == 2
                else {"Lines": [1, 5, 17], "Paint": [1, 5, 17], "Lines inbetweens": [5, 9, 13, 17], "Paint inbetweens": [5, 9, 13, 17]}
            )


def test_without_save_the_file_stays_as_it_was(blender: Blender, keys: Path) -> None:
    before = keys.read_bytes()
    assert blender.shiage(keys, "inbetween", "--frames", "1-17").returncode == 0
    assert keys.read_bytes() == before


@pytest.mark.gui
def test_a_click_fills_between_the_keys(blender: Blender, keys: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    play(blender, "fill_inbetweens", keys, out, WIDTH="1440", HEIGHT="900", LIMIT="280")
    assert sorted(map(int, layers(blender, keys)["Lines"])) == [1, 4, 7, 10, 13, 16, 17]
