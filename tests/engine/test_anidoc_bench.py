"""Every row of AniDoc's benchmark runs, and the exact ones are exact."""

import pytest
import tiny_anidoc
import torch

from engine.diffusion.reuse import reuse_attention
from engine.models.anidoc import weights as files
from engine.models.anidoc.pipeline import PRESETS, AniDocSettings
from lab.models.anidoc import bench


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_anidoc.make(tmp_path_factory.mktemp("weights"))


def test_the_table_has_a_line_for_each_lever(weights, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(PRESETS, "reference", AniDocSettings(steps=3))
    monkeypatch.setitem(PRESETS, "fast", AniDocSettings(steps=3))
    common = ["--weights", str(weights), "--device", "cpu", "--size", "64x64", "--frames", "2", "--repeats", "1"]
    assert bench.main([*common, "--backend", "eager", "--profile", str(tmp_path / "profile.txt")]) == 0
    output = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if line.startswith("| ")][1:]
    far = {(row[0], row[1]): float(row[-1]) for row in rows}
    assert list(far) == [(line.preset, line.lever) for line in bench.build_lines("eager")]
    inexact = {"bfloat16", "attention at every 2nd step", "guided in the first half"}
    for (preset, lever), difference in far.items():
        if preset == "reference":
            assert (difference >= 0.001) == (lever in inexact), lever
    assert "profile of 3 steps" in output and "Self CPU" in (tmp_path / "profile.txt").read_text("utf-8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card_it_says_so(capsys):
    assert bench.main([]) == 4 and capsys.readouterr().err


def test_attention_is_used_again_for_the_same_call_alone(weights):
    """Windows and halves of the guidance never share attention, and the networks are left unchanged."""
    net = files.load_networks(weights, torch.float32).unet
    layer = next(module for name, module in net.named_modules() if name.endswith(".attn1"))
    before = layer.processor
    width = layer.to_q.in_features
    first, second = torch.randn(2, 1, 4, width)
    with reuse_attention(2, net) as reuse:
        made = {}
        for step, given in enumerate((first, second, second)):
            for slot in ("a", "b"):
                reuse.begin_step(step + 2, 10, slot)
                made[step, slot] = layer(given if slot == "a" else -given)
    assert torch.equal(made[0, "a"], made[1, "a"]) and not torch.equal(made[1, "a"], made[2, "a"])
    assert not torch.equal(made[0, "a"], made[0, "b"]) and torch.equal(made[0, "b"], made[1, "b"])
    assert layer.processor is before
