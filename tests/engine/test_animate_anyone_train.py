"""Animate Anyone's training at a tiny size: it learns, each stage trains what it should, and accumulated examples are independent."""

import animate_shots
import numpy as np
import pytest
import tiny_animate_anyone
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.job.errors import BadInput
from engine.job.messages import Done
from engine.job.pose import BODY
from engine.worker.run import execute_job
from lab.diffusion import clips, training
from lab.models.animate_anyone import lessons, train
from lab.synthesis import ToonPlan, draw_sample
from lab.synthesis.truth import locate_bodies
from lab.synthesis.write import write_samples

SIZE = (64, 64)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_animate_anyone.make(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A clip of a doll that slides, with its poses beside it."""
    folder = tmp_path_factory.mktemp("data") / "clip"
    doll = Image.open(animate_shots.sheet(tmp_path_factory.mktemp("sheet") / "doll.png"))
    poses = []
    for number in range(8):
        picture = Image.new("RGBA", (160, 160), "white")
        picture.paste(doll, (4 * number, 0), doll)
        folder.mkdir(exist_ok=True)
        picture.save(folder / f"{number:04d}.png")
        poses.append(animate_shots.pose(number / 8, x=60 + 4 * number, y=30))
    animate_shots.write(folder / "poses", poses)
    return folder.parent


def settings(data, weights, out, **changed):
    return {
        "stage": "image",
        "data": data,
        "weights": weights,
        "out": out,
        "steps": 2,
        "size": SIZE,
        "frames": 4,
        "rate": 2e-3,
        "seed": 0,
    } | changed


def example(data, stage):
    return lessons.read_example(clips.read_folder(data / "clip"), SIZE, 1 if stage == "image" else 4, np.random.default_rng(0))


def error(folder, data, stage):
    """The loss on one example over a fixed set of noise levels."""
    loaded = train.load_trainable(folder, stage)
    torch.manual_seed(0)
    lesson = train.build_batch(loaded, example(data, stage), np.random.default_rng(0), CPU)
    assert lesson.reads_reference
    with torch.no_grad():
        return np.mean([float(train.compute_loss(loaded, lesson, np.random.default_rng(seed))) for seed in range(16)])


@pytest.mark.parametrize("stage, steps, rate", [("image", 24, 3e-3), ("motion", 12, 8e-3)])
def test_it_learns_a_clip(tmp_path, data, weights, stage, steps, rate):
    chosen = settings(data, weights, tmp_path / "out", stage=stage, steps=steps, rate=rate, checkpointing=stage == "motion")
    lines = list(train.train_model(chosen))
    assert lines[0].startswith("1 clips with poses") and f"step {steps} of {steps}" in lines[-1]
    before, after = error(weights, data, stage), error(tmp_path / "out", data, stage)
    assert after < (0.6 if stage == "image" else 0.93) * before, (before, after)
    assert (tmp_path / f"out/samples_{steps:06d}.png").is_file()
    changed = {
        name
        for name in ("denoising_unet", "reference_unet", "pose_guider", "motion_module", "vae", "image_encoder")
        if any(
            not torch.equal(value, load_file(weights / train.FILES[name][0])[key])
            for key, value in load_file(tmp_path / "out" / train.FILES[name][0]).items()
        )
    }
    assert changed == ({"denoising_unet", "reference_unet", "pose_guider"} if stage == "image" else {"motion_module"})
    end = execute_job(animate_shots.job(tmp_path / "shot", tmp_path / "out"), lambda event: None)
    assert isinstance(end, Done), end


def test_accumulated_lessons_add_up(data, weights):
    """The accumulated gradient of two examples is that of both together: the first does not affect the second."""
    loaded = train.load_trainable(weights, "image")
    nets = {name: getattr(loaded, name) for name in ("denoising_unet", "reference_unet", "pose_guider")}
    for net in (loaded.vae, loaded.image_encoder):
        net.requires_grad_(False)
    learned = training.select_parameters(nets, lambda name: train.is_trained(name, "image"))
    torch.manual_seed(0)
    two = [train.build_batch(loaded, example(data, "image"), np.random.default_rng(seed), CPU) for seed in (0, 1)]

    def gradients(chosen):
        for net in nets.values():
            net.zero_grad(set_to_none=True)
        for number in chosen:
            train.compute_loss(loaded, two[number], np.random.default_rng(number)).backward()
        return {name: parameter.grad.clone() for name, parameter in learned.items()}

    first, second, both = gradients([0]), gradients([1]), gradients([0, 1])
    for name in learned:
        assert torch.allclose(first[name] + second[name], both[name], rtol=1e-4, atol=1e-7), name
    assert (first["reference_unet.conv_in.weight"] != 0).any()


def test_a_lesson_without_reference_says_so(data, weights):
    loaded = train.load_trainable(weights, "image")
    nets = {name: getattr(loaded, name) for name in ("denoising_unet", "reference_unet", "pose_guider")}
    training.select_parameters(nets, lambda name: train.is_trained(name, "image"))
    seeds = [seed for seed in range(60) if np.random.default_rng(seed).random() < train.DROP]
    lesson = train.build_batch(loaded, example(data, "image"), np.random.default_rng(seeds[0]), CPU)
    assert not lesson.reads_reference
    loss = train.compute_loss(loaded, lesson, np.random.default_rng(0))
    loss.backward()
    assert torch.isfinite(loss) and not loaded.reference_unet.conv_in.weight.grad.any()
    assert loaded.pose_guider.conv_in.weight.grad.any()


def test_begun_with_stable_diffusion(tmp_path, data, weights):
    """Stage image starts with one UNet for both. What it writes has no motion modules yet."""
    start = tmp_path / "variations"
    for name in ("vae", "image_encoder", "unet"):
        (start / name).mkdir(parents=True)
        for file in (weights / name).iterdir():
            (start / name / file.name).write_bytes(file.read_bytes())
    save_file(load_file(weights / "denoising_unet.safetensors"), start / "unet/diffusion_pytorch_model.safetensors")
    list(train.train_model(settings(data, start, tmp_path / "out", steps=1)))
    assert not (tmp_path / "out/motion_module.safetensors").exists()
    with pytest.raises(BadInput, match="motion_module"):
        list(train.train_model(settings(data, tmp_path / "out", tmp_path / "more", stage="motion")))


def test_bad_input(tmp_path, data, weights):
    with pytest.raises(BadInput, match="multiples of 64"):
        list(train.train_model(settings(data, weights, tmp_path / "out", size=(100, 64))))
    bare = tmp_path / "bare"
    bare.mkdir()
    for number in range(2):
        Image.new("RGB", (64, 64)).save(bare / f"{number}.png")
    with pytest.raises(BadInput, match="No clip has poses"):
        list(train.train_model(settings(bare, weights, tmp_path / "out")))


# --- toon worlds --------------------------------------------------------------------------------------------------


def test_toon_worlds_are_lessons(tmp_path):
    """People among them are kept, their poses lie on them, and references are other poses of the same figure."""
    folders = list(write_samples("solid", 8, tmp_path, 96, 0))
    found = clips.find_clips(tmp_path, tmp_path / "shots", 2)
    kept = lessons.select_posed(found)
    assert 0 < len(kept) < len(folders)
    for clip in kept:
        one = lessons.read_example(clip, (128, 128), 1, np.random.default_rng(1))
        assert one.frames.shape == one.poses.shape == (1, 128, 128, 3) and one.reference.shape == (128, 128, 3)
        assert one.poses.max() > 200


@pytest.mark.parametrize("family", ["solid", "puppet"])
def test_joints_lie_on_the_figure(family):
    """Hips and shoulders are inside it. The right side is left of the left side when a figure faces us, mirrored or not."""
    checked = 0
    for seed in range(12):
        drawn = draw_sample(seed, ToonPlan(family, (160, 160), relation="mirror", damage=0.0))
        part, joints = drawn.layers.part.numpy(), locate_bodies(drawn)
        assert joints.shape == (2, 1, 18, 2)
        for drawing in range(2):
            body = joints[drawing, 0]
            for name in ("shoulder.R", "shoulder.L", "hip.R", "hip.L", "elbow.R", "knee.L"):
                x, y = body[BODY.index(name)]
                if np.isfinite(x):
                    near = part[drawing, max(0, int(y) - 6) : int(y) + 7, max(0, int(x) - 6) : int(x) + 7]
                    assert (near > 0).any(), (seed, name)
                    checked += 1
            face = body[[BODY.index("eye.R"), BODY.index("eye.L")], 0]
            if np.isfinite(face).all():
                assert face[0] < face[1] or abs(face[0] - face[1]) < 12, seed
    assert checked > 20


def test_who_is_no_person_has_no_joints():
    drawn = [draw_sample(seed, ToonPlan("solid", (96, 96), references=1)) for seed in range(8)]
    assert {bool(np.isfinite(locate_bodies(one)).any()) for one in drawn} == {True, False}
