"""ToonCrafter's trainings at a tiny size: each learns, trains what it should and nothing else, and writes what the model reads."""

import numpy as np
import pytest
import tiny_tooncrafter
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

from engine.job.errors import BadInput
from engine.models.tooncrafter import layout
from engine.models.tooncrafter.weights import load_networks
from lab.cli import main
from lab.diffusion import clips, training
from lab.models.tooncrafter import critic, train

NEW = ("attn_refinement", "time_stack", "mix_factor", "time_mix_conv")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_tooncrafter.make(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One clip: a red square on its way, with a black outline."""
    folder = tmp_path_factory.mktemp("data") / "clip"
    folder.mkdir()
    for number in range(20):
        image = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(image).rectangle((4 + number, 20, 28 + number, 44), (220, 60, 40), "black", 2)
        image.save(folder / f"{number:02d}.png")
    return folder.parent


def settings(data, weights, out, part, **changed):
    given = {"data": data, "weights": weights, "out": out, "part": part, "size": (64, 64), "steps": 2, "rate": None, "seed": 0}
    return given | {"prompt": "an anime scene", "perceptual": "", "accumulate": 1, "every": 1000, "checkpointing": False} | changed


def drawn(data, weights, part):
    """Networks, an example, and the prompt's tokens."""
    torch.manual_seed(0)
    loaded = train.load_trainable(weights, part)
    found = clips.find_clips(data, data / "shots", 16)
    example = train.build_batch(loaded, *train.read_example(found, (64, 64), np.random.default_rng(0), part), part)
    return loaded, example, torch.randn(2, 77, 64)


def step_by_step(nets_, parts, loss, steps, rate):
    """The losses of `steps` steps."""
    learned = training.select_parameters(nets_, lambda name: train.is_trained(name, parts))
    optimizer = torch.optim.AdamW(learned.values(), lr=rate)
    losses = []
    for _ in range(steps):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


@pytest.mark.parametrize("part", ["rectification", "sketch"])
def test_one_clip_can_be_learned(data, weights, part):
    loaded, example, prompt_tokens = drawn(data, weights, part)
    loaded.unet.eval()  # without dropout, so that the losses of one noise can be compared

    def loss():
        torch.manual_seed(1)
        return train.compute_loss(loaded, example, prompt_tokens, np.random.default_rng(5), drop=0.0)

    losses = step_by_step(train.select_networks(loaded, part), part, loss, 8, 2e-3)
    assert losses[-1] < 0.8 * losses[0], losses


def test_the_decoder_can_learn_one_clip(data, weights):
    loaded, example, _ = drawn(data, weights, "decoder")
    learning = train.select_networks(loaded, "decoder")
    judge = learning["critic"]

    def error():
        with torch.no_grad():
            made = loaded.vae.decode_clip(example.latents[0] / train.SCALE, example.references, 16)
        return (made - example.frames).abs().mean().item()

    before = error()
    step_by_step(learning, "decoder", lambda: train.decoding_loss(loaded, example, judge, None), 6, 2e-3)
    assert error() < 0.8 * before


def test_the_critic_moves_each_side_by_its_own(data):
    torch.manual_seed(0)
    judge = critic.PatchCritic(8, 2)
    last = torch.nn.Conv2d(3, 3, 1)
    given, real = torch.rand(4, 3, 32, 32), torch.rand(4, 3, 32, 32)
    fake = last(given)
    error = (fake - real).abs().mean()
    critic.adversarial_loss(judge, real, fake, error, last.weight).backward()
    pulled = torch.autograd.grad((last(given) - real).abs().mean(), last.weight)[0].norm()
    assert last.weight.grad.norm() == pytest.approx(pulled.item(), rel=0.05), "the critic pulls as much as the error"
    assert all(parameter.grad is not None for parameter in judge.parameters())
    judge.zero_grad()
    critic_loss = 0.5 * (torch.relu(1 - judge(real)).mean() + torch.relu(1 + judge(last(given).detach())).mean())
    critic_loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in judge.parameters())


def test_the_perceptual_distance(tmp_path):
    with pytest.raises(BadInput, match="vgg16.safetensors"):
        critic.load_perceptual(tmp_path)
    torch.manual_seed(0)
    net = critic.PerceptualDistance()
    state = {name: tensor.abs() if "lins" in name else tensor for name, tensor in net.state_dict().items()}
    vgg = {name.replace("convs", "features"): tensor.contiguous() for name, tensor in state.items() if "convs" in name}
    save_file(vgg | {"classifier.0.bias": torch.zeros(3)}, tmp_path / "vgg16.safetensors")
    torch.save({f"lin{n}.model.1.weight": state[f"lins.{n}.weight"] for n in range(5)}, tmp_path / "lpips.pth")
    distance = critic.load_perceptual(tmp_path)
    one, other = torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1
    assert distance(one, one) == 0 and distance(one, other) > distance(one, 0.9 * one + 0.1 * other) > 0


def test_what_is_trained(weights):
    loaded = train.load_trainable(weights, "rectification")
    learned = training.select_parameters(
        train.select_networks(loaded, "rectification"), lambda name: train.is_trained(name, "rectification")
    )
    assert not any("temp" in name or "transformer_in" in name for name in learned)
    assert any("to_k_ip" in name for name in learned) and any(name.startswith("projector.") for name in learned)
    chosen = training.select_parameters(train.select_networks(loaded, "decoder"), lambda name: train.is_trained(name, "decoder"))
    assert {name.partition(".")[0] for name in chosen} == {"vae", "critic"} and not any("encoder" in n.split(".")[1] for n in chosen)


def test_sketches_are_where_halving_puts_them_or_anywhere_between():
    rng = np.random.default_rng(0)
    chosen = [train.draw_sketched(rng) for _ in range(400)]
    assert all(0 < c.sum() <= 14 and not c[0] and not c[-1] for c in chosen)
    middle = np.mean([c[7] for c in chosen])
    assert 0.85 < middle < 0.95, "four fifths by halving, half of the others by chance"
    assert {int(c.sum()) for c in chosen} >= {1, 3, 7, 14}


@pytest.mark.parametrize("part", ["rectification", "decoder", "sketch"])
def test_the_command_trains_and_goes_on(data, weights, tmp_path, part, capsys):
    common = ["train", "tooncrafter", "--part", part, "--data", str(data), "--weights", str(weights), "--out", str(tmp_path / "out")]
    common += ["--size", "64x64", "--checkpointing"]
    assert main([*common, "--steps", "1"]) == 0
    assert main([*common, "--steps", "2"]) == 0
    output = capsys.readouterr().out
    assert "from step 1" in output and "step 2 of 2" in output
    assert ("without the perceptual loss" in output) == (part == "decoder")
    assert (tmp_path / "out/samples_000002.png").is_file()
    made = load_networks(tmp_path / "out", torch.float32, sketches=part == "sketch")
    assert made.note == train.NOTE
    before, after = load_file(weights / "model.safetensors"), load_file(tmp_path / "out/model.safetensors")
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name].float(), after[name].float())}
    belongs = {"rectification": ("model.diffusion_model.", "image_proj_model."), "decoder": ("first_stage_model.decoder.",), "sketch": ()}
    assert all(name.startswith(belongs[part]) for name in moved) and bool(moved) == (part != "sketch")
    assert load_networks(tmp_path / "out/average_weights", torch.float32).note == train.NOTE


def test_dynamicrafter_is_what_to_begin_with(weights, tmp_path):
    """Its decoder gets the missing layers, which do nothing yet, and a sketch encoder is made from the UNet."""
    plain = {name: tensor for name, tensor in load_file(weights / "model.safetensors").items() if not any(part in name for part in NEW)}
    (tmp_path / "config.json").write_text((weights / "config.json").read_text("utf-8"), encoding="utf-8")
    save_file(plain, tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match="DynamiCrafter"):
        load_networks(tmp_path, torch.float32)
    loaded = train.load_trainable(tmp_path, "sketch")
    latents = torch.randn(16, 4, 8, 8)
    with torch.no_grad():
        references = [
            torch.randn(1, width, 2, 64 // size, 64 // size) for width, size in zip((32, 64, 128, 128, 32), (1, 2, 4, 8, 1), strict=True)
        ]
        together = loaded.vae.decode_clip(latents, references, 16)
        alone = loaded.vae.decode_clip(latents.repeat_interleave(2, 0)[:16], None, 16)
        torch.testing.assert_close(loaded.vae.decode_clip(latents, None, 16), together)
    torch.testing.assert_close(alone[0], together[0], msg="no frame hears another yet")
    assert not torch.equal(alone[1], together[1])
    assert loaded.sketch_encoder is not None
    with torch.no_grad():
        added = loaded.sketch_encoder.compute_residuals(
            torch.randn(1, 16, 4, 8, 8), torch.tensor([500]), torch.randn(1, 333, 64), torch.ones(1, 16, 1, 64, 64)
        )
    assert all((tensor == 0).all() for tensor in added)
    train.save_weights(tmp_path / "out", {"vae": loaded.vae.state_dict()}, tmp_path)
    assert load_file(tmp_path / "out/model.safetensors").keys() == load_file(weights / "model.safetensors").keys()
    train.save_weights(tmp_path / "out", {"sketch_encoder": loaded.sketch_encoder.state_dict()}, tmp_path)
    written = load_file(tmp_path / "out/sketch_encoder.safetensors")
    published = load_file(weights / "sketch_encoder.safetensors")
    assert {name: tensor.shape for name, tensor in written.items()} == {name: tensor.shape for name, tensor in published.items()}
    assert layout.rename_sketch_encoder("zero_convs.3.0.bias") == "controlnet_down_blocks.3.bias"


def test_what_can_not_be_trained_on(data, weights, tmp_path):
    with pytest.raises(BadInput, match="multiples of 64"):
        list(train.train_model(settings(data, weights, tmp_path, "sketch", size=(100, 64))))
    with pytest.raises(BadInput, match="no clip of 16"):
        list(train.train_model(settings(tmp_path, weights, tmp_path, "sketch")))
