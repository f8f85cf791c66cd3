"""Every row of LVCD's benchmark runs, and the exact ones are exact."""

import pytest
import tiny_lvcd
import torch

from engine.diffusion import edm
from engine.models.lvcd import pipeline
from lab.models.lvcd import bench


def test_the_table_has_a_line_for_each_lever(monkeypatch, capsys, tmp_path):
    weights = tiny_lvcd.make(tmp_path / "weights")
    monkeypatch.setitem(pipeline.PRESETS, "reference", edm.build_sigmas(2))
    monkeypatch.setitem(pipeline.PRESETS, "fast", edm.build_sigmas(1))
    common = ["--weights", str(weights), "--device", "cpu", "--size", "64x64", "--frames", "2,16", "--repeats", "1"]
    assert bench.main([*common, "--profile", str(tmp_path / "profile.txt")]) == 0
    output = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if line.startswith("| ")][1:]
    assert [row[2] for row in rows] == ["2"] + ["16"] * 8
    far = {(row[0], row[1]): float(row[-1]) for row in rows if row[2] == "16"}
    for lever in ("all that is exact", "as published", "networks by stages", "networks by groups"):
        assert far["reference", lever] < 0.001
    assert all(far["reference", lever] >= 0.001 for lever in ("segments apart", "bfloat16"))
    assert "profile of 3 steps" in output and "Self CPU" in (tmp_path / "profile.txt").read_text("utf-8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card_it_says_so(capsys):
    assert bench.main([]) == 4 and capsys.readouterr().err
