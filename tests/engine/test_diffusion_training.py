"""The training loop on a network with few parameters, whose correct result can be computed."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from engine.job.errors import BadInput
from lab.diffusion import training
from lab.diffusion.training import LoopSettings, TrainingSpec


def build_spec(net, batches=None, trainable=lambda name: True):
    """The spec of a training that learns y = 3 x from random numbers."""

    def draw_batch(rng, device):
        x = torch.from_numpy(rng.normal(size=(4, 1)).astype(np.float32)).to(device)
        if batches is not None:
            batches.append(x)
        return x

    def save(folder, states):
        for part, state in states.items():
            training.write_weights(folder / f"{part}.safetensors", state)

    return TrainingSpec(
        networks={"line": net},
        draw_batch=draw_batch,
        compute_loss=lambda x, rng: (net(x + 0.01 * torch.randn(x.shape)) - 3 * x).square().mean(),
        draw_sheet=lambda x: np.full((8, 8, 3), 255, np.uint8),
        save_weights=save,
        trainable=trainable,
        about="numbers",
    )


def line(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))


def settings(out, **changed):
    return LoopSettings(**{"out": out, "steps": 4, "rate": 1e-2, "every": 1000} | changed)


def test_it_learns_and_tells(tmp_path):
    lines = list(training.run_training(build_spec(line()), settings(tmp_path, steps=300, rate=3e-2)))
    assert lines[0] == "numbers: 13 parameters, from step 0" and lines[-1].startswith("step 300 of 300: loss 0.")
    first, last = (float(text.split("loss ")[1].partition(",")[0]) for text in (lines[1], lines[-1]))
    assert last < 0.1 * first
    assert (tmp_path / "samples_000300.png").is_file()


def test_goes_on_bit_by_bit_where_it_stopped(tmp_path):
    list(training.run_training(build_spec(line()), settings(tmp_path / "whole", steps=7, accumulate=2)))
    list(training.run_training(build_spec(line()), settings(tmp_path / "parts", steps=3, accumulate=2)))
    lines = list(training.run_training(build_spec(line(seed=9)), settings(tmp_path / "parts", steps=7, accumulate=2)))
    assert "from step 3" in lines[0]
    for name in ("line", "average_weights/line", "state/7/optimizer"):
        whole, parts = (load_file(tmp_path / folder / f"{name}.safetensors") for folder in ("whole", "parts"))
        assert whole.keys() == parts.keys() and all(torch.equal(whole[key], parts[key]) for key in whole), name
    assert list(training.run_training(build_spec(line()), settings(tmp_path / "parts", steps=7))) == ["numbers: 13 parameters, from step 7"]


def test_a_step_is_that_of_all_its_lessons_together(tmp_path):
    """Five accumulated batches change the weights like the mean of their losses."""
    net, batches = line(), []
    list(training.run_training(build_spec(net, batches), settings(tmp_path, steps=1, accumulate=5, clip=0.0)))
    other = line()
    optimizer = torch.optim.AdamW(other.parameters(), lr=1e-2, weight_decay=0.01)
    losses = []
    for part, x in enumerate(batches):
        rng = training.seed_generator(0, 0, part, 0)
        rng.normal(size=(4, 1))
        losses.append(build_spec(other).compute_loss(x, rng))
    torch.stack(losses).mean().backward()
    optimizer.step()
    assert len(batches) == 5
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-6)


def test_gradients_are_clipped(tmp_path):
    """AdamW's first moment gives the gradient of the first step."""

    def norm(folder):
        state = load_file(folder / "state/1/optimizer.safetensors")
        return torch.cat([value.flatten() for key, value in state.items() if key.startswith("exp_avg:")]).norm() / 0.1

    list(training.run_training(build_spec(line()), settings(tmp_path / "free", steps=1, clip=0.0)))
    list(training.run_training(build_spec(line()), settings(tmp_path / "clipped", steps=1, clip=0.5)))
    assert norm(tmp_path / "free") > 1.0 and norm(tmp_path / "clipped") == pytest.approx(0.5, rel=1e-4)


def test_averaged_weights(tmp_path):
    """The average follows by min(ema, (1 + step) / (10 + step)) in each step."""
    track, net = [], line()
    start = net[0].weight.detach().clone()
    made = build_spec(net)
    made = TrainingSpec(
        **{**vars(made), "draw_sheet": lambda x: track.append(net[0].weight.detach().clone()) or np.zeros((8, 8, 3), np.uint8)}
    )
    list(training.run_training(made, settings(tmp_path, steps=3, every=1, ema=0.15)))
    for weight, decay in zip(track, (0.1, 0.15, 0.15), strict=True):
        start = decay * start + (1 - decay) * weight
    torch.testing.assert_close(load_file(tmp_path / "average_weights/line.safetensors")["0.weight"], start)


def test_only_what_is_trainable_moves(tmp_path):
    net, before = line(), line()
    lines = list(training.run_training(build_spec(net, trainable=lambda name: name.startswith("line.2.")), settings(tmp_path)))
    assert "5 parameters" in lines[0]
    assert torch.equal(net[0].weight, before[0].weight) and not torch.equal(net[2].weight, before[2].weight)


def test_half_a_state_is_none(tmp_path):
    """A state that a killed process did not finish writing is not restored, and the next save removes it."""
    list(training.run_training(build_spec(line()), settings(tmp_path, steps=2)))
    half = tmp_path / "state" / "4.part"
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"torn")
    lines = list(training.run_training(build_spec(line()), settings(tmp_path, steps=3)))
    assert "from step 2" in lines[0]
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["3"]


def test_another_training_in_the_same_folder(tmp_path):
    list(training.run_training(build_spec(line()), settings(tmp_path)))
    with pytest.raises(BadInput, match="Another training"):
        list(training.run_training(build_spec(nn.Sequential(nn.Linear(1, 5), nn.Linear(5, 1))), settings(tmp_path, steps=9)))


def test_settings_of_a_command(tmp_path):
    given = {"out": tmp_path, "steps": 5, "rate": 1e-5, "stage": "dense", "accumulate": 3}
    made = LoopSettings.select_options(given, ema=0.0)
    assert (made.steps, made.accumulate, made.ema, made.every) == (5, 3, 0.0, 1000)
