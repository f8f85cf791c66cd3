"""Every row of Animate Anyone's benchmark runs, and the exact ones are exact."""

import pytest
import tiny_animate_anyone
import torch

from engine.diffusion.memory import Placement
from engine.models.animate_anyone import memory
from engine.models.animate_anyone.pipeline import AnimateAnyonePipeline, AnimateAnyoneSettings
from engine.models.animate_anyone.weights import load_networks
from lab.models.animate_anyone import bench


def test_the_table_has_a_line_for_each_lever(capsys, tmp_path):
    weights = tiny_animate_anyone.make(tmp_path / "weights")
    common = ["--weights", str(weights), "--device", "cpu", "--size", "128x128", "--frames", "2", "--steps", "3", "--repeats", "1"]
    assert bench.main([*common, "--profile", str(tmp_path / "profile.txt")]) == 0
    output = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if line.startswith("| ")][1:]
    far = {row[0]: float(row[-1]) for row in rows}
    assert list(far) == [line.lever for line in bench.build_lines()]
    for lever, difference in far.items():
        assert (difference >= 0.005) == (lever in ("bfloat16", "without guidance")), lever
    assert "profile of 3 steps" in output and "Self CPU" in (tmp_path / "profile.txt").read_text("utf-8")


def test_half_precision_is_near(tmp_path):
    """The dtypes of a GPU, on the CPU: no layer gets another dtype than its own."""
    made = {}
    for dtype in (torch.float32, torch.float16):
        loaded = load_networks(tiny_animate_anyone.make(tmp_path / "weights"), dtype)
        memory.apply_shortcuts(loaded)
        placement = Placement(torch.device("cpu"), memory.choose_modes(loaded, "stages"))
        made[dtype] = bench.make_clip(AnimateAnyonePipeline(loaded, placement, AnimateAnyoneSettings(2)), (192, 192), 2)
    exact, half = made.values()
    assert (exact - half).norm() < 0.05 * exact.norm()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card_it_says_so(capsys):
    assert bench.main([]) == 4 and capsys.readouterr().err
