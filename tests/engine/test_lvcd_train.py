"""LVCD's training at a tiny size: it learns, it resumes where it stopped, and it trains what it should."""

import shutil

import numpy as np
import pytest
import tiny_lvcd
import torch
from PIL import Image, ImageDraw

from engine.job.errors import BadInput
from engine.models.lvcd import slots
from engine.models.lvcd.weights import load_networks
from lab.diffusion import clips
from lab.models.lvcd import train

SIZE = (64, 64)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A clip of a red box that moves over white, its line art beside it."""
    folder = tmp_path_factory.mktemp("data") / "clip"
    folder.mkdir()
    for index in range(22):
        box = (4 + 2 * index, 30, 40 + 2 * index, 70)
        picture, lines = Image.new("RGB", (96, 96), "white"), Image.new("RGBA", (96, 96))
        ImageDraw.Draw(picture).rectangle(box, (210, 40, 30), "black", 3)
        ImageDraw.Draw(lines).rectangle(box, None, "black", 3)
        picture.save(folder / f"color_{index:02d}.png")
        lines.save(folder / f"lines_{index:02d}.png")
    return folder.parent


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_lvcd.make(tmp_path_factory.mktemp("weights"))


def settings(data, weights, out, **changed):
    return {
        "data": data,
        "weights": weights,
        "out": out,
        "steps": 2,
        "size": SIZE,
        "rate": 2e-3,
        "seed": 0,
        "reference": "early",
        "as_drawn": False,
        "no_reference_attention": False,
    } | changed


def run_of(data, reference="early", vary=False, seed=0):
    return train.read_example(clips.read_folder(data / "clip"), SIZE, reference, vary, np.random.default_rng(seed))


def error(folder, data):
    """The loss on a run of the clip over a fixed set of noise levels."""
    loaded = train.load_trainable(folder)
    torch.manual_seed(0)
    with torch.no_grad():
        lesson = train.build_batch(loaded, *run_of(data), CPU)
        return np.mean([train.compute_loss(loaded, lesson, np.random.default_rng(i)).item() for i in range(6)])


@pytest.fixture(scope="module")
def trained(data, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    lines = list(train.train_model(settings(data, weights, out, steps=12, rate=4e-3)))
    assert "step 12 of 12" in lines[-1]
    return out


def test_overfits_one_clip(data, weights, trained):
    assert error(trained, data) < 0.7 * error(weights, data)
    with Image.open(trained / "samples_000012.png") as sheet:
        assert sheet.size == (15 * SIZE[0], 3 * SIZE[1])
    assert load_networks(trained / "average_weights", torch.float32).note == train.NOTE


def test_goes_on_where_it_stopped(data, weights, tmp_path):
    list(train.train_model(settings(data, weights, tmp_path / "whole", steps=3, rate=4e-3)))
    list(train.train_model(settings(data, weights, tmp_path / "parts", steps=2, rate=4e-3)))
    lines = list(train.train_model(settings(data, weights, tmp_path / "parts", steps=3, rate=4e-3)))
    assert "from step 2" in lines[0]
    for part in ("unet", "controlnet"):
        whole, parts = (getattr(load_networks(tmp_path / name, torch.float32), part).state_dict() for name in ("whole", "parts"))
        assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_what_is_trained(weights, trained):
    """All of the ControlNet, all of the UNet's self-attention in space and time, and nothing else."""
    before, after = (load_networks(folder, torch.float32) for folder in (weights, trained))
    moved = {name for name, value in before.unet.state_dict().items() if not torch.equal(value, after.unet.state_dict()[name])}
    assert moved == {name for name, _ in slots.list_self_attention(before.unet)}
    still = {name for name, value in before.controlnet.state_dict().items() if torch.equal(value, after.controlnet.state_dict()[name])}
    assert not {name for name in still if "attn2.to_q" not in name and "attn2.to_k" not in name and "norm2" not in name}, (
        "but what one token of context never asks for"
    )


def test_begins_from_stable_video_diffusion(data, weights, tmp_path):
    """The ControlNet starts as the UNet's first half, and its residuals are 0."""
    svd = shutil.copytree(weights, tmp_path / "svd")
    shutil.rmtree(svd / "controlnet")
    loaded = train.load_trainable(svd)
    assert torch.equal(loaded.controlnet.conv_in.weight, loaded.unet.conv_in.weight)
    residuals = loaded.controlnet(
        torch.randn(1, 15, 8, 8, 8),
        torch.tensor(0.0),
        torch.randn(1, 1, 24),
        torch.zeros(1, 3),
        loaded.controlnet.embed_condition(torch.rand(1, 15, 3, 64, 64)),
    )
    assert all(not skip.any() for skip in (*residuals.skips, residuals.middle))


def test_checkpointing_changes_nothing(data, weights, tmp_path):
    for name, checkpointing in (("kept", False), ("again", True)):
        list(train.train_model(settings(data, weights, tmp_path / name, steps=1, checkpointing=checkpointing)))
    kept, again = (load_networks(tmp_path / name, torch.float32).controlnet.state_dict() for name in ("kept", "again"))
    assert max((value - again[name]).abs().max().item() for name, value in kept.items()) < 1e-5


@pytest.mark.parametrize(("reference", "latest"), [("early", 1), ("any", 7)])
def test_where_the_reference_comes_from(data, reference, latest):
    """Frame i shows the box at i. The reference of a run from 8 on is up to 7, or in the first quarter of the frames before: 0 and 1."""
    truth = clips.flatten_pictures(clips.load_pictures(clips.read_folder(data / "clip").frames, SIZE))
    gaps = set()
    for seed in range(60):
        frames, _ = run_of(data, reference, seed=seed)
        number, start = (int(np.argmin([np.abs(one.astype(int) - frame).sum() for one in truth])) for frame in frames[:2])
        assert np.array_equal(frames[1:], truth[start : start + 14]) and number < max(1, start if reference == "any" else start // 4)
        if start == 8:
            gaps.add(number)
    assert gaps and max(gaps) <= latest and (reference == "early" or max(gaps) > 1)


def test_sketches_are_varied_alike_in_a_run():
    """All kinds of lines occur: as drawn, thin, thick; soft and binary. They vary between runs, not between frames."""
    soft = np.full((2, 64, 64), 255, np.uint8)
    soft[:, 20:24] = np.array([180, 30, 30, 180])[None, :, None]
    widths, kinds = set(), set()
    for seed in range(60):
        found = train.vary_sketches(soft, np.random.default_rng(seed))
        assert found.shape == soft.shape and np.array_equal(found[0], found[1])
        widths.add(int((found[0, :, 32] < 100).sum()))
        kinds.add(len(np.unique(found)) == 2)
    assert kinds == {True, False}
    assert 1 in widths and 2 in widths and 4 in widths and max(widths) >= 6


def test_without_reference_attention(data, weights):
    """The ablation gets the reference by its latent and token alone: the loss differs."""
    loaded = train.load_trainable(weights)
    torch.manual_seed(0)
    lesson = train.build_batch(loaded, *run_of(data), CPU)
    noise, sigma = torch.randn_like(lesson.target), torch.tensor([1.5])
    with torch.no_grad():
        with_, without = (
            train.compute_errors(loaded, lesson, sigma, noise, layout) for layout in (train.LEARNED, slots.drop_reference(train.LEARNED))
        )
    assert (with_ - without).abs().max() > 1e-5


def test_bad_input(data, weights, tmp_path):
    with pytest.raises(BadInput, match="multiples of 64"):
        list(train.train_model(settings(data, weights, tmp_path, size=(100, 64))))
    with pytest.raises(BadInput, match="no clip of 15"):
        list(train.train_model(settings(tmp_path, weights, tmp_path)))
    with pytest.raises(BadInput, match="UNet|unet"):
        list(train.train_model(settings(data, tmp_path / "nothing", tmp_path)))
