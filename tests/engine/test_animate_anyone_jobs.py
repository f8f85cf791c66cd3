"""Animate Anyone's jobs, with tiny random weights: complete ones, killed ones, and wrong input."""

import json
from dataclasses import replace

import animate_shots
import numpy as np
import pytest
import tiny_animate_anyone
import torch
from animate_shots import pose, sheet
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_jobs import call_engine, killed_at

from engine import job as jobs
from engine import models
from engine.cli.animate_job import build_animate_job
from engine.host import weights_store as store
from engine.job.errors import BadInput
from engine.job.messages import Done, Failed, Progress, Warned
from engine.job.pose import Pose
from engine.models.animate_anyone import pose_image
from engine.pictures.cache import Cache
from engine.worker.run import execute_job


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_animate_anyone.make(tmp_path_factory.mktemp("weights"))


def run_job(folder):
    events = []
    return execute_job(folder, events.append), events


def pixels(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted((folder / "frames").iterdir())}


def stages(events):
    return [event.stage for event in events if isinstance(event, Progress)]


def warnings(events):
    return [event.text for event in events if isinstance(event, Warned)]


def test_a_shot_in_the_shell(tmp_path, weights):
    """On twos: four pictures, each for two frames, of the shot's size, transparent around the figure."""
    poses = animate_shots.write(tmp_path / "in", [pose(number / 9) for number in range(8)])
    reference = sheet(tmp_path / "reference.png")
    common = ("--weights", weights, "--side", "64", "--steps", "2", "--step", "2", "--out", tmp_path / "out")
    assert call_engine("animate", "--poses", poses, "--reference", reference, *common) == 0
    made = pixels(tmp_path / "out")
    assert list(made) == [f"{number:04d}.png" for number in range(8)]
    assert {frame.shape for frame in made.values()} == {(160, 160, 4)}
    assert len({frame.tobytes() for frame in made.values()}) == 4 and (made["0002.png"] == made["0003.png"]).all()
    colors = {tuple(color) for frame in made.values() for color in frame[frame[..., 3] == 255][:, :3].tolist()}
    assert colors & set(animate_shots.PAINT.values())
    for drawing in jobs.load_job(tmp_path / "out").drawings:
        with np.load(tmp_path / f"out/regions/{drawing.id}.npz", allow_pickle=False) as known:
            assert known["labels"].shape == (160, 160) and known["labels"].max() <= len(known["swatch"]) - 1
            assert len(known["confidence"]) == len(known["swatch"]) and known["swatch"].max() < len(known["swatches"])


def test_a_killed_job_goes_on_and_ends_the_same(tmp_path, weights):
    shot = {"poses": [pose(number / 6) for number in range(7)], "options": {"steps": 8, "window": 4, "overlap": 2, "cyclic": True}}
    whole, killed = (animate_shots.job(tmp_path / name, weights, **shot) for name in ("whole", "killed"))
    assert isinstance(run_job(whole)[0], Done)
    before = killed_at(killed, "Denoising", 9)
    assert not list((killed / "frames").glob("*.png")), "it was killed in the middle"
    end, events = run_job(killed)
    assert isinstance(end, Done), end
    assert 0 < stages(events).count("Denoising") <= 8 * 4 - before + 1, "no call is made twice but the last"
    expected, made = pixels(whole), pixels(killed)
    assert all((expected[name] == made[name]).all() for name in expected)


def test_another_way_of_painting_takes_no_denoising(tmp_path, weights):
    folder = animate_shots.job(tmp_path, weights)
    run_job(folder)
    before = pixels(folder)
    for change in ({"snap": False}, {"snap": True, "lines": False}, {"clean": True}):
        request = jobs.load_job(folder)
        jobs.save_job(replace(request, options={**request.options, **change}), folder)
        end, events = run_job(folder)
        assert isinstance(end, Done) and "Denoising" not in stages(events), change
    assert any((before[name] != made).any() for name, made in pixels(folder).items())
    request = jobs.load_job(folder)
    jobs.save_job(replace(request, seed=7), folder)
    assert "Denoising" in stages(run_job(folder)[1])


def test_one_frame(tmp_path, weights):
    """A single frame, and a cycle of one frame."""
    for cyclic in (False, True):
        folder = animate_shots.job(tmp_path / str(cyclic), weights, [pose(0.1)], {"cyclic": cyclic})
        assert isinstance(run_job(folder)[0], Done) and list(pixels(folder)) == ["0000.png"]


def test_of_a_long_shot_the_state_is_kept_now_and_then(tmp_path, weights, monkeypatch):
    monkeypatch.setattr("engine.diffusion.clip.LARGE", 0)
    kept = []
    monkeypatch.setattr(Cache, "put", lambda self, key, arrays, level=1: kept.append(arrays["at"].tolist()))
    assert isinstance(run_job(animate_shots.job(tmp_path, weights, options={"steps": 5}))[0], Done)
    assert kept == [[5, 0]], "a short time passes, and only the end is written"


def test_what_is_out_of_the_picture_is_clear(tmp_path, weights):
    gone = pose(0.0, x=900.0)
    folder = animate_shots.job(tmp_path, weights, [pose(0.0), gone, Pose((None,) * 18)])
    assert isinstance(run_job(folder)[0], Done)
    made = list(pixels(folder).values())
    assert made[0][..., 3].any() and not made[1].any() and not made[2].any()
    alone = animate_shots.job(tmp_path / "alone", weights, [gone])
    end, events = run_job(alone)
    assert isinstance(end, Done) and "Denoising" not in stages(events)


def test_pictures_of_poses(tmp_path, weights):
    """Poses drawn by a detector. The figure is put in their place."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(pose_image.draw_pose(pose(number / 4, tall=300, x=250, y=60), (512, 512))).save(folder / f"{number}.png")
    build_animate_job(
        folder, [sheet(tmp_path / "r.png")], tmp_path / "job", "animate_anyone", options={"weights": str(weights), "side": 64, "steps": 1}
    )
    end, _ = run_job(tmp_path / "job")
    assert isinstance(end, Done), end
    assert all(frame.shape == (512, 512, 4) for frame in pixels(tmp_path / "job").values())


def test_marked_joints_change_the_poses(tmp_path, weights):
    """A big head in the drawing gives a big head in the network's input. Without the option nothing changes."""
    mark = tmp_path / "joints.json"
    mark.write_text(json.dumps(pose(0.0, x=60, y=30, tall=90, head=2.5).json()), encoding="utf-8")
    plain = animate_shots.job(tmp_path / "plain", weights)
    marked = animate_shots.job(tmp_path / "marked", weights, joints=mark)
    off = animate_shots.job(tmp_path / "off", weights, joints=mark, options={"align": False})
    assert jobs.load_job(marked).cels[0].references[0].pose
    for folder in (plain, marked, off):
        assert isinstance(run_job(folder)[0], Done)
    first, second, third = (pixels(folder)["0000.png"] for folder in (plain, marked, off))
    assert (first != second).any() and (second != third).any()


# --- what may be wrong --------------------------------------------------------------------------------------------


def failed(folder) -> Failed:
    end, _ = run_job(folder)
    assert isinstance(end, Failed), end
    return end


def test_a_reference_without_a_figure(tmp_path, weights):
    folder = animate_shots.job(tmp_path, weights)
    request = jobs.load_job(folder)
    Image.new("RGB", (100, 100), "white").save(tmp_path / "white.png")
    empty = jobs.add_reference(folder, tmp_path / "white.png")
    jobs.save_job(replace(request, cels=(replace(request.cels[0], references=(empty,)),)), folder)
    assert "no figure" in failed(folder).text
    jobs.save_job(replace(request, cels=(replace(request.cels[0], references=()),)), folder)
    assert "no reference" in failed(folder).text


def test_a_background_that_stays_is_reported(tmp_path, weights):
    folder = animate_shots.job(tmp_path, weights)
    noise = np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)
    scene = Image.fromarray(noise).resize((120, 160), Image.Resampling.BICUBIC)
    scene.paste(Image.open(sheet(tmp_path / "s.png")), (0, 0), Image.open(tmp_path / "s.png"))
    scene.save(tmp_path / "scene.png")
    request = jobs.load_job(folder)
    kept = jobs.add_reference(folder, tmp_path / "scene.png")
    jobs.save_job(replace(request, cels=(replace(request.cels[0], references=(kept,)),)), folder)
    end, events = run_job(folder)
    assert isinstance(end, Done) and any("background" in text for text in warnings(events))


def test_poses_on_ones_give_a_warning(tmp_path, weights):
    _, events = run_job(animate_shots.job(tmp_path / "ones", weights))
    assert any("24 poses a second" in text for text in warnings(events))
    _, events = run_job(animate_shots.job(tmp_path / "threes", weights, [pose(n / 9) for n in range(9)], step=3))
    assert not any("poses a second" in text for text in warnings(events))


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "not valid JSON"),
        ("[]", "no list of 18 joints"),
        (json.dumps({"body": [[1, 2]] * 17}), "17 points instead of 18"),
        (json.dumps({"body": [[1, "a"]] * 18}), "two numbers or null"),
        (json.dumps({"body": [None] * 18}), "how large its picture is"),
        (json.dumps({"body": [None] * 18, "size": [0, 5]}), "a width and a height"),
    ],
)
def test_a_damaged_pose(tmp_path, content, message):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        build_animate_job(tmp_path / "in", [sheet(tmp_path / "r.png")], tmp_path / "job", "animate_anyone")
    assert not (tmp_path / "job").exists()


def test_weights_that_are_not_whole(tmp_path, weights):
    """A motion module that is missing, empty, of another network, or in the wrong file is detected. A fork is named."""
    bad = tiny_animate_anyone.make(tmp_path / "bad")
    folder = animate_shots.job(tmp_path, bad)
    motion, spatial, guider = (bad / f"{name}.safetensors" for name in ("motion_module", "denoising_unet", "pose_guider"))
    good = {path: load_file(path) for path in (motion, spatial, guider)}

    def tried(path, state):
        save_file(state, path)
        text = failed(folder).text
        save_file(good[path], path)
        return text

    one = next(iter(good[motion]))
    assert "motion_module" in tried(motion, {name: value for name, value in good[motion].items() if name != one})
    assert "motion_module" in tried(motion, {"nothing": torch.zeros(1)})
    assert "motion_module" in tried(motion, good[spatial])
    assert "denoising_unet" in tried(spatial, good[spatial] | good[motion])
    motion.rename(motion.with_suffix(".away"))
    assert "motion_module" in failed(folder).text
    motion.with_suffix(".away").rename(motion)
    widths = {"blocks.3.weight": (64, 32, 3, 3), "blocks.5.weight": (128, 64, 3, 3)}
    fork = good[guider] | {name: torch.zeros(shape) for name, shape in widths.items()}
    assert "novita-ai/AnimateAnyone" in tried(guider, fork)
    module = one.partition(".temporal_transformer.")[0]
    constants = {f"{module}.temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder.pe": torch.zeros(1, 32, 8)}
    save_file(good[motion] | constants, motion)
    assert isinstance(run_job(folder)[0], Done), "constants may be there"


def test_published_pickles_are_converted_once(tmp_path, weights):
    pickled = tiny_animate_anyone.make(tmp_path / "pickled", pickles=True)
    plain, other = animate_shots.job(tmp_path / "a", weights), animate_shots.job(tmp_path / "b", pickled)
    assert isinstance(run_job(plain)[0], Done) and isinstance(run_job(other)[0], Done)
    assert (pickled / "motion_module.safetensors").is_file()
    (pickled / "motion_module.safetensors").unlink()
    (pickled / "motion_module.pth").write_bytes(b"\x80\x04cposix\nsystem\nX\x04\x00\x00\x00true\x85R.")
    text = failed(animate_shots.job(tmp_path / "c", pickled)).text
    assert "motion_module.pth" in text and not (pickled / "motion_module.safetensors").exists()


def test_corrections_are_reported_to_have_no_effect(tmp_path, weights):
    folder = animate_shots.job(tmp_path, weights)
    jobs.save_job(replace(jobs.load_job(folder), hints=(jobs.Hint(0, (80, 60), "#20a040"),)), folder)
    end, events = run_job(folder)
    assert isinstance(end, Done) and any("no effect" in text for text in warnings(events))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card_nobody_is_sent_to_a_model_that_can_not_animate(tmp_path, weights, monkeypatch):
    monkeypatch.setenv(store.WEIGHTS_VARIABLE, str(tmp_path / "nothing"))
    for given in ({"device": "cuda"}, {"options": {"weights": ""}}):
        end, _ = run_job(animate_shots.job(tmp_path / str(len(given)), weights, **given))
        assert isinstance(end, Failed) and "graphics card" in end.text
        assert not any(model.title in end.text for model in models.available())
