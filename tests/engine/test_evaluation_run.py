"""The whole evaluation, in its quick setting, from the command line to the page."""

import json

import numpy as np
import pytest
from PIL import Image

from lab.cli import main
from lab.evaluation import answers, metrics, open_lines, shots, tasks
from lab.evaluation.clicks import CorrectionClick
from lab.synthesis import FAMILIES


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    assert main(["evaluate", "--quick", "--out", str(out), "--json", str(out / "numbers.json")]) == 0
    return out, json.loads((out / "numbers.json").read_text("utf-8"))


def test_every_scenario_is_measured_by_every_method(measured):
    _, numbers = measured
    found = {(row["group"], row["scenario"], row["method"]) for row in numbers["scores"]}
    methods = ("flats", "copy", "flow", "flow, regions", "autofill")
    assert found == {(family, scenario, method) for family in FAMILIES for scenario in tasks.SCENARIOS for method in methods}
    for row in numbers["scores"]:
        assert all(0 <= row[name] <= 100 for name in ("acc", "acc_thr", "pix", "pix_f", "b_miou", "purity"))
        assert sum(row["kinds"].values()) == sum(row["all_of_size"]) - sum(row["right_of_size"])
        assert row["acc"] <= row["possible"]
        assert ("trust" in row) == (row["method"] == "flats")
        assert ("corrected" in row) == (row["method"] == "flats" and row["scenario"] == "first key")
    assert set(numbers["closings"]) == set(FAMILIES)
    assert set(numbers["open_lines"]) == set(open_lines.KINDS)
    assert all(0 <= one["figure"] <= 100 and one["outside"] < 2 for one in numbers["open_lines"].values())
    assert numbers["cost"]["seconds_per_drawing"] > 0 and numbers["cost"]["peak_megabytes"] > 50


def test_the_page_is_made_of_the_numbers(measured):
    out, numbers = measured
    page = (out / "evaluation.md").read_text("utf-8")
    for row in numbers["scores"]:
        assert f"| {row['scenario']} | {row['method']} | {row['acc']:.1f} |" in page
    assert "nan" not in page and "None" not in page
    for scenario in tasks.SCENARIOS:
        with Image.open(out / f"pictures/evaluation_{scenario.replace(' ', '_')}.png") as image:
            assert image.width > 1000 and len(image.getcolors() or []) > 20


def test_seeds_repeat_and_damage_changes_the_lines_alone(tmp_path):
    one, again, whole = (
        shots.draw_world("puppet", 7, tmp_path / name, 256, 2, damage) for name, damage in (("a", 1.0), ("b", 1.0), ("c", 0.0))
    )
    assert one.frames[0].line.read_bytes() == again.frames[0].line.read_bytes() != whole.frames[0].line.read_bytes()
    assert np.array_equal(one.frames[0].truth, whole.frames[0].truth)


def test_a_model_reads_off_what_it_is_given(tmp_path):
    """The reference shows the very drawing, so nearly all must come out right: else the evaluation compares the wrong things."""
    shot = shots.draw_world("puppet", 0, tmp_path, 512, 2, damage=0.0)
    task = tasks.PaintTask(shot, "consecutive", (0,), (tasks.TaskReference(shot.draw_picture(0), None),))
    (given,) = answers.paint_task(task, tmp_path / "job", "flats")
    frame = shot.frames[0]
    ink = frame.sketch.lines
    found = metrics.measure_accuracy(frame.truth, given.paint, metrics.find_true_regions(frame.truth, ink), ink)
    assert found.acc > 0.98 and found.pix_f > 0.99 and found.b_miou > 0.99


def test_a_hint_reaches_the_model(tmp_path):
    shot = shots.draw_world("puppet", 0, tmp_path, 256, 2, damage=0.0)
    task = tasks.PaintTask(shot, "sheet", (0, 1), (tasks.TaskReference(shot.sheet, None),))
    frame = shot.frames[1]
    y, x = np.argwhere(frame.truth != 0)[0]
    region = frame.regions.grown[y, x]
    y, x = np.argwhere(frame.regions.labels == region).mean(0).astype(int)
    red = int(metrics.encode_colors(np.array([(250, 1, 2, 255)], np.uint8))[0])
    solve = answers.make_solver(task, tmp_path / "job", "flats")
    before, after = solve([]), solve([CorrectionClick(1, (int(x), int(y)), red)])
    assert not (before[1] == red).any() and after[1][y, x] == red


def test_the_demo_has_the_truth_of_its_drawings(tmp_path):
    shot = shots.draw_demo(tmp_path, 2)
    assert shot is not None and len(shot.frames) == 2
    frame = shot.frames[1]
    best, _, _ = metrics.find_majority(frame.regions.labels, frame.truth)
    figure = (frame.truth != 0) & ~frame.sketch.lines
    assert (best[frame.regions.labels] == frame.truth)[figure].mean() > 0.98
    assert shot.materials[int(metrics.encode_colors(frame.colors)[frame.colors[..., 3] > 0][0])]


def test_a_model_that_is_not_there_is_told(tmp_path, capsys):
    assert main(["evaluate", "--quick", "--model", "nobody", "--out", str(tmp_path)]) == 2
    assert "nobody" in capsys.readouterr().err
