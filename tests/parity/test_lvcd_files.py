"""LVCD's weights as they are published, in files of tiny networks under the published names: all of them are found in their places."""

import functools
import json
import math
from pathlib import Path

import pytest
import synthetic
import torch
from safetensors.torch import load_file, save_file

from engine.diffusion import parts
from engine.job.errors import BadInput
from engine.models.lvcd import naming, slots
from engine.models.lvcd.weights import HALF, find_files, load_networks

ABOUT = synthetic.meta("lvcd")["components"]
CONFIGS = {
    "unet": ABOUT["unet"]["config"]["diffusers"],
    "vae": ABOUT["vae_decoder"]["config"]["diffusers"],
    "image_encoder": {
        "hidden_act": "gelu",
        "hidden_size": 32,
        "projection_dim": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "image_size": 224,
        "patch_size": 32,
    },
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr("engine.models.lvcd.weights.CONFIGS", CONFIGS)


def clip() -> dict[str, torch.Tensor]:
    """An image encoder under the names of OpenCLIP, and text leftovers."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"class_embedding": (32,), "positional_embedding": (50, 32), "proj": (32, 24), "conv1.weight": (32, 3, 32, 32)}
    for layer in range(2):
        own = {"attn.in_proj": (96, 32), "attn.out_proj": (32, 32), "mlp.c_fc": (48, 32), "mlp.c_proj": (32, 48)}
        for name, shape in own.items():
            mark = "_" if name == "attn.in_proj" else "."
            shapes |= {
                f"transformer.resblocks.{layer}.{name}{mark}weight": shape,
                f"transformer.resblocks.{layer}.{name}{mark}bias": shape[:1],
            }
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"transformer.resblocks.{layer}.{norm}.{kind}": (32,) for kind in ("weight", "bias")}
    for norm in ("ln_pre", "ln_post"):
        shapes |= {f"{norm}.{kind}": (32,) for kind in ("weight", "bias")}
    state = {f"{naming.CLIP}visual.{name}": torch.randn(shape, generator=generator) * 0.2 for name, shape in shapes.items()}
    return state | {f"{naming.CLIP}logit_scale": torch.ones(()), f"{naming.CLIP}transformer.resblocks.0.ln_1.bias": torch.ones(3)}


@functools.cache
def base() -> dict[str, torch.Tensor]:
    """svd.safetensors."""
    made = clip() | {"conditioner.embedders.3.encoder.quant_conv.bias": torch.ones(8)}
    for part in ("unet", "vae_encoder", "vae_decoder"):
        made |= synthetic.state("lvcd", part)
    return {name: tensor.contiguous() for name, tensor in made.items()}


@functools.cache
def over() -> dict[str, torch.Tensor]:
    """lvcd.ckpt: the self-attention is another than Stable Video Diffusion's."""
    tuned = {name: tensor + 0.5 for name, tensor in synthetic.state("lvcd", "unet").items() if ".attn1." in name}
    return synthetic.state("lvcd", "control_model") | tuned


def halves(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.half() for name, tensor in state.items()}


def folder(path: Path, whole: bool = True, fp16: bool = False) -> Path:
    """A folder of published files: Stable Video Diffusion in one, or in folders, and LVCD as checkpoint, or in half precision."""
    path.mkdir()
    if whole:
        save_file(base(), path / "svd.safetensors")
    else:
        for part, (prefix, rename) in naming.PARTS.items():
            (path / part).mkdir()
            (path / part / "config.json").write_text(json.dumps(CONFIGS[part]), encoding="utf-8")
            state = rename({name.removeprefix(prefix): tensor for name, tensor in base().items() if name.startswith(prefix)})
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, path / part / parts.FILES[part][-1])
    if fp16:
        save_file(halves(over()), path / "lvcd-fp16.safetensors")
    else:
        torch.save({"state_dict": over(), "epoch": 3}, path / "lvcd.ckpt")
    return path


def test_all_files_give_the_same_networks(tmp_path):
    made = {
        (whole, fp16): load_networks(folder(tmp_path / f"{whole}{fp16}", whole, fp16), torch.float32)
        for whole in (True, False)
        for fp16 in (True, False)
    }
    first = made[True, True]
    for other in made.values():
        for one, same in zip(first.all, other.all, strict=True):
            known = same.state_dict()
            assert one.state_dict().keys() == known.keys()
            assert [name for name, tensor in one.state_dict().items() if not torch.equal(tensor, known[name])] == []
    wanted = synthetic.state("lvcd", "unet")
    own = first.unet.state_dict()
    tuned = dict(slots.list_self_attention(first.unet))
    assert len(tuned) == 16 * 2 * 5
    for name, tensor in wanted.items():
        mine = naming.rename_denoiser(name.removeprefix(naming.UNET))
        assert torch.allclose(own[mine], tensor + 0.5 if mine in tuned else tensor, atol=2e-3), name
    picture = torch.rand(1, 3, 32, 64)
    moments = first.vae.encode(picture).latent_dist.parameters
    assert torch.allclose(moments, first.vae.encoder(picture)), "no layer lies between that the file does not have"


def test_a_checkpoint_stays_what_pictures_are_known_by(tmp_path):
    """It is made into the other file once, and no job is painted anew for that."""
    weights = folder(tmp_path / "weights")
    before = find_files(weights)
    load_networks(weights, torch.float32)
    assert find_files(weights) == before and (weights / HALF).is_file()


@torch.inference_mode()
def test_the_image_encoder_is_openclips(tmp_path):
    """Against the same blocks as torch itself has them."""
    state = {name.removeprefix(naming.CLIP + "visual."): tensor for name, tensor in clip().items() if "visual." in name}
    built = parts.build_image_encoder(CONFIGS["image_encoder"])
    built.load_state_dict(naming.rename_image_encoder(state), strict=True)
    pictures = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    tokens = torch.nn.functional.conv2d(pictures, state["conv1.weight"], stride=32).flatten(2).transpose(1, 2)
    tokens = torch.cat([state["class_embedding"].expand(2, 1, -1), tokens], dim=1) + state["positional_embedding"]
    norm = torch.nn.functional.layer_norm
    tokens = norm(tokens, (32,), state["ln_pre.weight"], state["ln_pre.bias"])
    for layer in range(2):
        own = {name.removeprefix(f"transformer.resblocks.{layer}."): t for name, t in state.items() if f"resblocks.{layer}." in name}
        hidden = norm(tokens, (32,), own["ln_1.weight"], own["ln_1.bias"])
        query, key, value = (part.unflatten(2, (2, 16)).transpose(1, 2) for part in _linear(hidden, own, "attn.in_proj_").chunk(3, dim=2))
        weights = torch.softmax(query @ key.transpose(2, 3) / math.sqrt(16), dim=3)
        tokens = tokens + _linear((weights @ value).transpose(1, 2).flatten(2), own, "attn.out_proj.")
        hidden = norm(tokens, (32,), own["ln_2.weight"], own["ln_2.bias"])
        tokens = tokens + _linear(torch.nn.functional.gelu(_linear(hidden, own, "mlp.c_fc.")), own, "mlp.c_proj.")
    wanted = norm(tokens[:, 0], (32,), state["ln_post.weight"], state["ln_post.bias"]) @ state["proj"]
    assert torch.allclose(built.eval()(pictures).image_embeds, wanted, atol=1e-4)


def _linear(hidden: torch.Tensor, state: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    return hidden @ state[f"{name}weight"].T + state[f"{name}bias"]


@pytest.mark.parametrize(
    ("file", "change", "word"),
    [
        ("svd.safetensors", lambda s: s.pop(next(name for name in s if "output_blocks" in name)), "lacks"),
        ("svd.safetensors", lambda s: s.update({"model.other": torch.ones(1)}), "does not know"),
        ("svd.safetensors", lambda s: s.update({f"{naming.VAE}decoder.more": torch.ones(1)}), "does not know"),
        ("lvcd-fp16.safetensors", lambda s: s.pop(next(name for name in s if ".attn1." in name and name.startswith(naming.UNET))), "lacks"),
        ("lvcd-fp16.safetensors", lambda s: s.update({f"{naming.UNET}out.0.weight": torch.ones(32).half()}), "does not know"),
        ("lvcd-fp16.safetensors", lambda s: s.update({"other.weight": torch.ones(1).half()}), "does not know"),
        ("lvcd-fp16.safetensors", lambda s: s.pop(f"{naming.CONTROL}zero_convs.0.0.bias"), "lacks"),
    ],
)
def test_every_name_is_accounted_for(tmp_path, file, change, word):
    weights = folder(tmp_path / "weights", fp16=True)
    state = load_file(weights / file)
    change(state)
    save_file(state, weights / file)
    with pytest.raises(BadInput, match=word) as told:
        load_networks(weights, torch.float32)
    assert file in str(told.value)


def test_a_checkpoint_that_could_run_code_is_not_opened(tmp_path):
    weights = folder(tmp_path / "weights")
    torch.save({"state_dict": over(), "hook": Path}, weights / "lvcd.ckpt")
    with pytest.raises(BadInput, match="lvcd.ckpt"):
        load_networks(weights, torch.float32)
