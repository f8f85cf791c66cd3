"""Every row of ToonCrafter's benchmark runs, and the exact ones are exact."""

import pytest
import tiny_tooncrafter
import torch

from engine.diffusion import weights
from engine.models.tooncrafter.weights import BUILDERS, CONFIGS
from lab.models.tooncrafter import bench


@pytest.mark.timeout(600)  # eleven lines of networks, two runs each
def test_the_table_has_a_line_for_each_lever(tmp_path, capsys):
    folder = tiny_tooncrafter.make(tmp_path / "weights")
    common = ["--weights", str(folder), "--device", "cpu", "--size", "64x64", "--steps", "1", "--repeats", "1"]
    assert bench.main([*common, "--backend", "eager", "--profile", str(tmp_path / "profile.txt")]) == 0
    output = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if line.startswith("| ")][1:]
    far = {row[0]: float(row[-1]) for row in rows}
    assert list(far) == [line.lever for line in bench.build_lines("eager")]
    assert {lever for lever, difference in far.items() if difference >= 0.001} == {"without guidance", "with sketches"}
    assert "profile of 3 steps" in output and "Self CPU" in (tmp_path / "profile.txt").read_text("utf-8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card_it_says_so(capsys):
    assert bench.main([]) == 4 and capsys.readouterr().err


def test_its_networks_are_the_published_ones():
    unet = weights.build_empty(lambda: BUILDERS["unet"](CONFIGS["unet"]))
    assert sum(parameter.numel() for parameter in unet.parameters()) == bench.FULL
