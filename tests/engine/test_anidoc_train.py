"""AniDoc's training at a tiny size: it learns, it resumes where it stopped, and each stage trains what it should."""

import json

import numpy as np
import pytest
import tiny_anidoc
import torch
from PIL import Image, ImageDraw

from engine.job.errors import BadInput
from engine.models.anidoc.weights import load_networks
from lab.diffusion import clips as shots
from lab.models.anidoc import clips, train
from lab.synthesis.write import write_samples

SIZE = (64, 64)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A clip of a red box that moves over white."""
    folder = tmp_path_factory.mktemp("data") / "clip"
    folder.mkdir()
    for index in range(5):
        picture = Image.new("RGB", (96, 96), "white")
        ImageDraw.Draw(picture).rectangle((10 + 6 * index, 30, 50 + 6 * index, 70), (210, 40, 30), "black", 3)
        picture.save(folder / f"color_{index:02d}.png")
        lines = Image.new("RGBA", (96, 96))
        ImageDraw.Draw(lines).rectangle((10 + 6 * index, 30, 50 + 6 * index, 70), None, "black", 3)
        lines.save(folder / f"lines_{index:02d}.png")
    return folder.parent


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_anidoc.make(tmp_path_factory.mktemp("weights"))


def settings(data, weights, out, **changed):
    return {
        "stage": "dense",
        "data": data,
        "weights": weights,
        "out": out,
        "steps": 2,
        "size": SIZE,
        "frames": 2,
        "rate": 2e-3,
        "seed": 0,
        "no_matching": False,
        "no_binarization": False,
    } | changed


def error(folder, data, stage="dense"):
    """The loss on the clip over a fixed set of noise levels."""
    loaded = train.load_trainable(folder, stage)
    clip = clips.read_example(shots.read_folder(data / "clip"), SIZE, 2, np.random.default_rng(0))
    torch.manual_seed(0)
    with torch.no_grad():
        lesson = train.build_batch(loaded, clip, stage, np.random.default_rng(0))
        return np.mean([train.compute_loss(loaded, lesson, np.random.default_rng(i), drop=0.0).item() for i in range(6)])


def test_overfits_one_clip(data, weights, tmp_path):
    before = error(weights, data)
    lines = list(train.train_model(settings(data, weights, tmp_path / "out", steps=30, rate=4e-3)))
    assert "step 30 of 30" in lines[-1]
    assert error(tmp_path / "out", data) < 0.6 * before
    assert list((tmp_path / "out").glob("samples_*.png"))
    assert load_networks(tmp_path / "out" / "average_weights", torch.float32).note == train.NOTE


def test_goes_on_where_it_stopped(data, weights, tmp_path):
    list(train.train_model(settings(data, weights, tmp_path / "whole", steps=4)))
    list(train.train_model(settings(data, weights, tmp_path / "halves", steps=2)))
    lines = list(train.train_model(settings(data, weights, tmp_path / "halves", steps=4)))
    assert "from step 2" in lines[0]
    whole, halves = (load_networks(tmp_path / name, torch.float32).unet.state_dict() for name in ("whole", "halves"))
    for name, value in whole.items():
        assert value.isfinite().all() and torch.equal(value, halves[name]), name


@pytest.mark.parametrize("stage", ["spatial", "sparse"])
def test_stages(data, weights, tmp_path, stage):
    list(train.train_model(settings(data, weights, tmp_path / "out", stage=stage)))
    before, after = (load_networks(folder, torch.float32) for folder in (weights, tmp_path / "out"))
    old, new = before.unet.state_dict(), after.unet.state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    temporal = {name for name in old if "temporal" in name or "time_mixer" in name}
    assert moved and bool(moved & temporal) == (stage != "spatial")
    assert after.sparse == (stage == "sparse")


def test_begins_from_a_unet_alone(data, weights, tmp_path):
    import shutil

    svd = shutil.copytree(weights, tmp_path / "svd")
    shutil.rmtree(svd / "controlnet")
    loaded = train.load_trainable(svd, "dense")
    clip = clips.read_example(shots.read_folder(data / "clip"), SIZE, 2, np.random.default_rng(0))
    lesson = train.build_batch(loaded, clip, "dense", np.random.default_rng(0))
    hint = loaded.controlnet.embed_condition(lesson.condition)
    given = torch.zeros(1, 2, 8, 8, 8)
    residuals = loaded.controlnet(given, torch.tensor(0.0), lesson.reference.token, torch.zeros(1, 3), hint)
    assert all(not skip.any() for skip in (*residuals.skips, residuals.middle))


def test_ablations_and_points(data):
    full = clips.read_example(shots.read_folder(data / "clip"), (96, 96), 4, np.random.default_rng(1))
    assert set(np.unique(full.sketches)) == {0, 255}
    motion = (full.tracks.tracks[-1] - full.tracks.tracks[0])[full.tracks.visible.all(axis=0)]
    assert len(motion) > 10 and np.abs(motion[:, 0]).max() > 12 and np.abs(motion[:, 1]).max() < 3
    bare = clips.read_example(shots.read_folder(data / "clip"), SIZE, 4, np.random.default_rng(1), binarize=False, matching=False)
    assert len(np.unique(bare.sketches)) > 2 and bare.tracks.tracks.shape == (4, 0, 2)


def test_points_of_toon_worlds_are_true(tmp_path):
    """A point has the same paint in the reference, another pose, and in each drawing."""
    (folder,) = write_samples("puppet", 1, tmp_path, 160, seed=3)
    clip = clips.read_example(shots.read_folder(folder), (160, 160), 4, np.random.default_rng(0))
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    assert meta["references"] and len(clip.frames) == len(meta["shot"])
    assert clip.tracks.tracks.shape[1] > 10
    inks, hits = [], []
    for frame, at, visible in zip(clip.frames, clip.tracks.tracks, clip.tracks.visible, strict=True):
        x, y = clip.tracks.reference[visible].astype(int).T
        u, v = at[visible].astype(int).T
        inks.append((frame[v, u].max(1) > 60) & (clip.reference[y, x].max(1) > 60))
        hits.append(np.abs(frame[v, u].astype(int) - clip.reference[y, x]).max(1) < 12)
    assert np.concatenate(hits)[np.concatenate(inks)].mean() > 0.75, "tones may differ"
    (folder / "meta.json").write_text("[]")
    with pytest.raises(BadInput, match="draw the sample again"):
        clips.read_example(shots.read_folder(folder), SIZE, 4, np.random.default_rng(0))


def test_bad_input(data, weights, tmp_path):
    with pytest.raises(BadInput, match="multiples of 64"):
        list(train.train_model(settings(data, weights, tmp_path, size=(100, 64))))
    with pytest.raises(BadInput, match="no clip"):
        list(train.train_model(settings(tmp_path, weights, tmp_path)))
